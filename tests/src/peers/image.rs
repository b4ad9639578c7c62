//! An image without a registry: busybox, and iperf3 with its libraries.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::executable_path;
use crate::command::run;

/// What the image is called.
pub(super) const NAME: &str = "dataplane-test:1";
/// What it is made of.
pub(super) const NEEDS: [&str; 2] = ["busybox", "iperf3"];

const APPLETS: [&str; 4] = ["sh", "sleep", "ping", "ip"];

/// Writes the image's tree to `folder`, as one archive that engines import; its path.
#[track_caller]
pub(super) fn write(folder: &Path) -> PathBuf {
    let tree = folder.join("image");
    fs::create_dir_all(tree.join("tmp")).expect("the folder is ours");
    place(&tree, "busybox", "/bin/busybox");
    for applet in APPLETS {
        symlink("busybox", tree.join("bin").join(applet)).expect("the folder is ours");
    }
    place(&tree, "iperf3", "/bin/iperf3");
    let iperf3 = executable_path("iperf3").expect("presence was checked");
    // Lines such as `libm.so.6 => /lib/libm.so.6 (0x7f..)`, and one for the loader.
    for word in run(Command::new("ldd").arg(iperf3)).ok().stdout.split_whitespace() {
        if word.starts_with('/') {
            copy(Path::new(word), &tree.join(word.trim_start_matches('/')));
        }
    }
    let archive = folder.join("image.tar");
    run(Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&archive).arg(".")).ok();
    archive
}

fn place(tree: &Path, executable: &str, at: &str) {
    let from = executable_path(executable).expect("presence was checked");
    copy(Path::new(&from), &tree.join(at.trim_start_matches('/')));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a path in the tree")).expect("the folder is ours");
    fs::copy(from, to).unwrap_or_else(|e| panic!("copy {}: {e}", from.display()));
}
