//! Builds the eBPF object; every odd flag with its reason.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::toolchain::{self, DISTRIBUTION_RUSTC, TARGET, Toolchain};
use crate::{command, workspace};

/// Builds the object and returns its path.
pub(crate) fn run() -> Result<PathBuf> {
    let toolchain = toolchain::require()?;
    command::run("build the eBPF object", cargo(toolchain, "build").args(["--profile", "ebpf"]))?;
    let object = workspace::object();
    if !object.is_file() {
        bail!("build the eBPF object: cargo was content, yet {} is missing", workspace::relative(&object));
    }
    Ok(object)
}

/// Clippy, of the same compiler: the rustup toolchain's has no `core` for this target.
pub(crate) fn lint() -> Result<()> {
    let toolchain = toolchain::require()?;
    let mut cargo = match toolchain {
        Toolchain::Distribution => {
            let mut cargo = cargo(toolchain, "check");
            // How `cargo clippy` itself calls its driver; Debian's `cargo-clippy` wants Debian's cargo.
            cargo.env("RUSTC_WORKSPACE_WRAPPER", "/usr/bin/clippy-driver");
            cargo.env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
            cargo
        }
        Toolchain::Nightly => cargo(toolchain, "clippy"),
    };
    command::run("lint the eBPF crate", cargo.args(["--quiet", "--profile", "ebpf"]))
}

fn cargo(toolchain: Toolchain, verb: &str) -> std::process::Command {
    let mut cargo = command::cargo();
    match toolchain {
        Toolchain::Distribution => {
            cargo.env("RUSTC", DISTRIBUTION_RUSTC);
            // aya-ebpf needs asm_experimental_arch, our compare-and-swap needs core_intrinsics.
            cargo.env("RUSTC_BOOTSTRAP", "1");
            cargo.arg(verb);
        }
        Toolchain::Nightly => {
            // The cargo that runs us has chosen stable for its children.
            cargo.env_remove("RUSTUP_TOOLCHAIN").env("RUSTUP_AUTO_INSTALL", "0");
            cargo.args(["+nightly", verb, "-Z", "build-std=core"]);
        }
    }
    // A wrapper or a second set of flags meant for the host has no business here.
    cargo.env_remove("RUSTC_WRAPPER").env_remove("RUSTFLAGS");
    cargo.env(
        "CARGO_ENCODED_RUSTFLAGS",
        encode(&rustc_flags(&workspace::root(), &workspace::cargo_home(), &toolchain.linker())),
    );
    // Its own target folder: the host's build would wait for this one's lock, and each forget the other's flags.
    cargo
        .args(["-p", "dataplane-ebpf", "--target", TARGET, "--target-dir"])
        .arg(workspace::target().join("bpf"));
    cargo
}

fn rustc_flags(root: &Path, cargo_home: &Path, linker: &Path) -> Vec<OsString> {
    let mut flags: Vec<OsString> = Vec::new();
    let mut codegen = |option: &str, value: &Path| {
        let mut flag = OsString::from(format!("{option}="));
        flag.push(value);
        flags.extend(["-C".into(), flag]);
    };
    // v3 has the compare-and-swap and 32-bit jumps; kernels since 5.12 run it.
    codegen("target-cpu", Path::new("v3"));
    // BTF is made from debug information, and the verifier's log quotes our lines from it.
    codegen("debuginfo", Path::new("2"));
    codegen("link-arg", Path::new("--btf"));
    codegen("linker", linker);
    // The quoted lines name files as in the tree, and the object is the same from any folder.
    for (folder, name) in [(root, "/="), (cargo_home, "=/cargo")] {
        let mut remap = OsString::from("--remap-path-prefix=");
        remap.push(folder);
        remap.push(name);
        flags.push(remap);
    }
    flags
}

/// The form in which a path may hold a space.
fn encode(flags: &[OsString]) -> OsString {
    flags.join(std::ffi::OsStr::new("\x1f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive_a_folder_with_a_space() {
        let flags = rustc_flags(Path::new("/a b"), Path::new("/c"), Path::new("/a b/bpf-linker"));
        let encoded = encode(&flags);
        let text = encoded.to_string_lossy();
        assert!(text.split('\x1f').any(|flag| flag == "linker=/a b/bpf-linker"), "{text:?}");
        assert!(text.split('\x1f').any(|flag| flag == "--remap-path-prefix=/a b/="), "{text:?}");
    }
}
