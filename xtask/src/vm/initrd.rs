//! What the kernel finds when it starts: busybox, the modules by which it reaches the host's
//! root, init.sh, and the commands that it is to run there.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cpio::Archive;
use super::fetch::Unpacked;
use super::modules;
use crate::command;

/// The host's root by 9p, and a layer above it that takes what is written.
const WANTED: [&str; 4] = ["virtio_pci", "9p", "9pnet_virtio", "overlay"];

/// Writes the archive for `kernel` to `path`; `tests` is a script for the host's shell.
pub(super) fn write(path: &Path, kernel: &Unpacked, tests: &str) -> Result<()> {
    let mut archive = Archive::default();
    for folder in ["bin", "modules"] {
        archive.folder(folder);
    }
    let busybox = busybox().context("make the initrd: no static busybox; run `cargo xtask setup`")?;
    archive.file("bin/busybox", &fs::read(&busybox).with_context(|| format!("read {}", busybox.display()))?);
    archive.file("init", include_bytes!("init.sh"));
    archive.file("tests", tests.as_bytes());
    let dependencies = kernel.modules.join("modules.dep");
    let dependencies =
        fs::read_to_string(&dependencies).with_context(|| format!("read {}", dependencies.display()))?;
    let mut order = String::new();
    for (number, file) in modules::order(&dependencies, &WANTED).into_iter().enumerate() {
        let name = format!("{number:02}.ko");
        archive.file(&format!("modules/{name}"), &module(&kernel.modules.join(file))?);
        writeln!(order, "{name}").ok();
    }
    archive.file("modules/order", order.as_bytes());
    fs::write(path, archive.finish()).with_context(|| format!("write {}", path.display()))
}

/// Debian's busybox-static replaces busybox.
fn busybox() -> Option<PathBuf> {
    ["/usr/bin/busybox", "/bin/busybox"].map(PathBuf::from).into_iter().find(|path| path.exists())
}

/// A module as insmod of busybox takes it.
fn module(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|ending| ending == "ko") {
        return fs::read(file).with_context(|| format!("read {}", file.display()));
    }
    let what = format!("unpack {}", file.display());
    if file.extension().is_none_or(|ending| ending != "xz") {
        bail!("{what}: compressed in a way that is not known here");
    }
    let output = command::output(&what, Command::new("xz").arg("-dc").arg(file))?;
    if !output.status.success() {
        bail!("{what}: xz failed ({})", output.status);
    }
    Ok(output.stdout)
}
