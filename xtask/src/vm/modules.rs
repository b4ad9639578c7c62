//! Which files to load for a module, in order; pure, from the text of modules.dep.

use std::collections::BTreeMap;

/// The files of `wanted` and of all that they need, each after what it needs. One that is not
/// listed is built into the kernel.
pub(super) fn order<'d>(dependencies: &'d str, wanted: &[&str]) -> Vec<&'d str> {
    let mut files = BTreeMap::new();
    for (file, needs) in dependencies.lines().filter_map(|line| line.split_once(':')) {
        files.insert(name(file), (file, needs));
    }
    let mut ordered = Vec::new();
    for module in wanted {
        visit(module, &files, &mut ordered);
    }
    ordered
}

/// `9pnet_virtio` of `kernel/net/9p/9pnet_virtio.ko.xz`.
fn name(file: &str) -> String {
    let last = file.rsplit('/').next().unwrap_or(file);
    // The file may have a dash where the module has an underscore.
    last.split(".ko").next().unwrap_or(last).replace('-', "_")
}

fn visit<'d>(module: &str, files: &BTreeMap<String, (&'d str, &'d str)>, ordered: &mut Vec<&'d str>) {
    let Some((file, needs)) = files.get(module) else { return };
    if ordered.contains(file) {
        return;
    }
    for need in needs.split_whitespace() {
        visit(&name(need), files, ordered);
    }
    ordered.push(file);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/fs/netfs/netfs.ko.xz:
kernel/net/9p/9pnet.ko.xz:
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz
kernel/drivers/a-b.ko: kernel/drivers/c.ko
kernel/drivers/c.ko: kernel/drivers/d.ko
kernel/drivers/d.ko:
";

    #[test]
    fn what_a_module_needs_comes_before_it_and_once() {
        let files = order(DEPENDENCIES, &["9p", "9pnet_virtio"]);
        let names: Vec<String> = files.into_iter().map(name).collect();
        assert_eq!(names, ["9pnet", "netfs", "9p", "9pnet_virtio"]);
    }

    #[test]
    fn needs_of_needs_are_followed() {
        assert_eq!(
            order(DEPENDENCIES, &["a_b"]),
            ["kernel/drivers/d.ko", "kernel/drivers/c.ko", "kernel/drivers/a-b.ko"]
        );
    }

    #[test]
    fn a_module_that_is_built_in_needs_no_file() {
        assert!(order(DEPENDENCIES, &["virtio_pci"]).is_empty());
    }
}
