//! Debian's kernels: downloaded, unpacked below target/vm/RELEASE, never installed.
//!
//! target/vm/NAME is a link to the release once all of it is there, and then nothing is asked of
//! the network again; remove the link to have a newer one fetched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::kernels::Kernel;
use crate::apt::suite::{Fit, Suite};
use crate::{command, workspace};

/// A kernel that can be booted.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// As `uname -r` will say.
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// The folder that is to be seen as /lib/modules/RELEASE.
    pub(super) modules: PathBuf,
}

/// The kernel from target/vm, fetched if it is not there.
pub(super) fn kernel(kernel: Kernel) -> Result<Unpacked> {
    let link = folder().join(kernel.name);
    if !link.join("lib/modules").is_dir() {
        println!("vm: fetching Debian's kernel {} ({})", kernel.name, kernel.suite);
        let release = fetch(kernel)?;
        // It may be there, and lead nowhere.
        fs::remove_file(&link).ok();
        symlink(&release, &link).with_context(|| format!("link {}", workspace::relative(&link)))?;
    }
    let release = fs::read_link(&link).with_context(|| format!("read {}", workspace::relative(&link)))?;
    let (root, release) = (folder().join(&release), release.display().to_string());
    let modules = root.join("lib/modules").join(&release);
    // Since 6.18 or so the image lies with the modules.
    let places = [root.join(format!("boot/vmlinuz-{release}")), modules.join("vmlinuz")];
    let image = places.into_iter().find(|place| place.is_file());
    let image =
        image.with_context(|| format!("boot {release}: no vmlinuz in {}", workspace::relative(&root)))?;
    Ok(Unpacked { release, image, modules })
}

/// Everything of guests lies below.
pub(super) fn folder() -> PathBuf {
    workspace::target().join("vm")
}

/// Downloads and unpacks; the release.
fn fetch(kernel: Kernel) -> Result<String> {
    let log = folder().join("fetch.log");
    let aside = folder().join("apt").join(kernel.suite);
    clear(&aside)?;
    fs::create_dir_all(&aside).with_context(|| format!("create {}", aside.display()))?;
    let suite = Suite::fetch(kernel.suite, &aside, Fit::Nothing, &log)?;
    let depends = suite.dependencies("linux-image-amd64")?;
    let release = depends.iter().find_map(|name| release_of(name));
    let release = release.with_context(|| {
        format!("fetch kernel {}: linux-image-amd64 depends on no image in {}", kernel.name, kernel.suite)
    })?;
    let image = format!("linux-image-{release}");
    let mut packages = suite.dependencies(&image)?;
    packages.retain(|name| is_part_of(name, release));
    packages.push(image);
    let unpacked = folder().join(format!("{release}.unfinished"));
    clear(&unpacked)?;
    for package in suite.download(&packages)? {
        let mut dpkg = Command::new("dpkg-deb");
        command::run_logged("unpack the kernel", dpkg.arg("-x").arg(package).arg(&unpacked), &log)?;
    }
    merge(&unpacked)?;
    let mut depmod = Command::new("depmod");
    command::run_logged("order the modules", depmod.arg("-b").arg(&unpacked).arg(release), &log)?;
    let root = folder().join(release);
    clear(&root)?;
    fs::rename(&unpacked, &root).with_context(|| format!("rename {}", unpacked.display()))?;
    clear(&aside)?;
    Ok(release.to_owned())
}

/// `6.1.0-50-amd64` of `linux-image-6.1.0-50-amd64`.
fn release_of(package: &str) -> Option<&str> {
    package
        .strip_prefix("linux-image-")
        .filter(|release| release.starts_with(|first: char| first.is_ascii_digit()))
}

/// The newest kernels come in several packages: binary, modules, base.
fn is_part_of(package: &str, release: &str) -> bool {
    package.starts_with("linux-") && package.ends_with(&format!("-{release}"))
}

/// Both lib and usr/lib, wherever the package has its files: tools differ in where they look.
fn merge(root: &Path) -> Result<()> {
    let linked = if root.join("usr/lib/modules").is_dir() {
        symlink("usr/lib", root.join("lib"))
    } else {
        fs::create_dir_all(root.join("usr")).and_then(|()| {
            fs::remove_dir_all(root.join("usr/lib")).ok();
            symlink("../lib", root.join("usr/lib"))
        })
    };
    linked.with_context(|| format!("link the modules in {}", root.display()))
}

/// Removes what an earlier run may have left.
fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_in_the_name_of_the_image() {
        assert_eq!(release_of("linux-image-6.12.107+deb13-amd64"), Some("6.12.107+deb13-amd64"));
        assert_eq!(release_of("linux-image-amd64"), None);
        assert_eq!(release_of("linux-base-amd64"), None);
    }

    #[test]
    fn a_kernel_in_several_packages_is_one() {
        assert!(is_part_of("linux-modules-7.2.13+deb14-amd64", "7.2.13+deb14-amd64"));
        assert!(!is_part_of("linux-base", "7.2.13+deb14-amd64"));
        assert!(!is_part_of("dracut", "7.2.13+deb14-amd64"));
    }
}
