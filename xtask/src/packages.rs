//! What the tasks need of a Debian 12: package, reason, and the file that proves it is there.
//!
//! Files instead of dpkg's database: it is fast, and what a user built by hand counts too.

use std::path::Path;

use crate::toolchain::Toolchain;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Compile `dpctl` and its eBPF object.
    Build,
    /// Run the demo, the tests and the benchmarks.
    Run,
    /// Lint.
    Lint,
    /// Boot other kernels.
    Vm,
    /// Run the tests against Docker, Podman and the kernel's own tools.
    Peers,
    /// Measure the ways of others in the packet-path lab.
    Lab,
}

/// One Debian package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    purpose: Purpose,
    /// A path, or a program's name to be found in the usual folders.
    proof: &'static str,
    /// Of no use to somebody who builds the object with a rustup nightly.
    distribution_compiler: bool,
}

/// The packages that `purposes` need and `exists` denies.
pub(crate) fn missing(
    purposes: &[Purpose],
    toolchain: Option<Toolchain>,
    exists: impl Fn(&str) -> bool,
) -> Vec<Package> {
    let superfluous =
        |package: &&Package| package.distribution_compiler && toolchain == Some(Toolchain::Nightly);
    let wanted =
        PACKAGES.iter().filter(|package| purposes.contains(&package.purpose) && !superfluous(package));
    let mut missing: Vec<Package> = Vec::new();
    for package in wanted.filter(|package| !exists(package.proof)) {
        // Two purposes may need one package.
        if missing.iter().all(|other| other.name != package.name) {
            missing.push(*package);
        }
    }
    missing
}

/// Whether a proof holds on this machine.
pub(crate) fn exists(proof: &str) -> bool {
    if proof.starts_with('/') {
        return Path::new(proof).exists();
    }
    // Not PATH: an ordinary user's has no sbin.
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    folders.iter().any(|folder| Path::new(folder).join(proof).exists())
}

/// The package with the LLVM that bpf-linker is built on, and its proof.
pub(crate) fn llvm(major: u32) -> (String, String) {
    (format!("llvm-{major}-dev"), format!("/usr/lib/llvm-{major}/lib/libLLVM.so"))
}

const fn package(purpose: Purpose, name: &'static str, proof: &'static str, why: &'static str) -> Package {
    Package { name, why, purpose, proof, distribution_compiler: false }
}

const fn compiler(purpose: Purpose, name: &'static str, proof: &'static str, why: &'static str) -> Package {
    Package { name, why, purpose, proof, distribution_compiler: true }
}

const PACKAGES: &[Package] = &[
    package(Purpose::Build, "gcc", "cc", "links Rust programs and compiles SQLite"),
    package(Purpose::Build, "libc6-dev", "/usr/include/stdio.h", "the C library's headers, for the same"),
    compiler(Purpose::Build, "rustc-web", "/usr/bin/rustc", "compiles the eBPF programs"),
    compiler(
        Purpose::Build,
        "libstd-rust-web-dev-bpf",
        "/usr/lib/rustlib/bpfel-unknown-none/lib",
        "Rust's core library for eBPF",
    ),
    package(Purpose::Run, "iproute2", "ip", "makes namespaces and veths"),
    package(Purpose::Run, "ethtool", "ethtool", "switches offloads in tests"),
    package(Purpose::Run, "iperf3", "iperf3", "sends and measures traffic"),
    package(Purpose::Run, "strace", "strace", "kills commands and fails their calls in tests"),
    package(Purpose::Run, "man-db", "/usr/bin/man", "renders the manual in tests"),
    package(Purpose::Run, "groff-base", "/usr/bin/groff", "the same"),
    package(Purpose::Vm, "qemu-system-x86", "qemu-system-x86_64", "runs a guest for each kernel"),
    package(Purpose::Vm, "kmod", "depmod", "orders the modules of a kernel that is not installed"),
    package(Purpose::Vm, "xz-utils", "xz", "unpacks those modules"),
    package(Purpose::Vm, "busybox-static", "/usr/share/doc/busybox-static", "the first steps of a guest"),
    compiler(Purpose::Lint, "rust-web-clippy", "/usr/bin/clippy-driver", "lints the eBPF programs"),
    package(
        Purpose::Peers,
        "docker.io",
        "dockerd",
        "a real Docker for the tests; its service stays disabled",
    ),
    package(Purpose::Peers, "podman", "podman", "a real Podman for the tests; its services stay disabled"),
    package(Purpose::Peers, "runc", "runc", "starts the containers of both"),
    package(Purpose::Peers, "iptables", "iptables", "what Docker publishes ports with"),
    package(Purpose::Peers, "nftables", "nft", "shows that nobody's rules were touched"),
    package(Purpose::Peers, "containernetworking-plugins", "/usr/lib/cni/bridge", "Podman's bridge network"),
    package(Purpose::Peers, "chromium", "chromium", "opens the report of a measurement in tests"),
    package(
        Purpose::Peers,
        "busybox-static",
        "/usr/share/doc/busybox-static",
        "the tests' container image is made of it",
    ),
    package(Purpose::Lab, "iptables", "iptables-legacy", "the lab's iptables, legacy and nft"),
    package(Purpose::Lab, "nftables", "nft", "the lab's nft"),
    package(Purpose::Lab, "docker.io", "docker-proxy", "the lab's docker-proxy; its service stays disabled"),
    package(
        Purpose::Lab,
        "containernetworking-plugins",
        "/usr/lib/cni/bandwidth",
        "the lab's CNI plugin that limits",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: &[Package]) -> Vec<&str> {
        packages.iter().map(|package| package.name).collect()
    }

    #[test]
    fn a_complete_machine_misses_nothing() {
        let all = [Purpose::Build, Purpose::Run, Purpose::Lint, Purpose::Peers];
        assert_eq!(missing(&all, Some(Toolchain::Distribution), |_| true), []);
    }

    #[test]
    fn a_bare_machine_gets_the_compiler_but_no_peers() {
        let bare = missing(&[Purpose::Build, Purpose::Run], None, |_| false);
        assert_eq!(
            names(&bare),
            [
                "gcc",
                "libc6-dev",
                "rustc-web",
                "libstd-rust-web-dev-bpf",
                "iproute2",
                "ethtool",
                "iperf3",
                "strace",
                "man-db",
                "groff-base"
            ]
        );
    }

    #[test]
    fn a_nightly_replaces_the_distribution_compiler() {
        let rest = missing(&[Purpose::Build, Purpose::Lint], Some(Toolchain::Nightly), |_| false);
        assert_eq!(names(&rest), ["gcc", "libc6-dev"]);
    }

    #[test]
    fn only_what_is_absent_is_installed() {
        let one = missing(&[Purpose::Peers], Some(Toolchain::Distribution), |proof| proof != "podman");
        assert_eq!(names(&one), ["podman"]);
    }

    #[test]
    fn what_serves_two_purposes_is_installed_once() {
        let both = missing(&[Purpose::Vm, Purpose::Peers], Some(Toolchain::Distribution), |proof| {
            proof != "/usr/share/doc/busybox-static"
        });
        assert_eq!(names(&both), ["busybox-static"]);
    }

    #[test]
    fn the_lab_gets_the_ways_of_others_and_no_compiler() {
        let lab = missing(&[Purpose::Lab], None, |_| false);
        assert_eq!(names(&lab), ["iptables", "nftables", "docker.io", "containernetworking-plugins"]);
    }

    #[test]
    fn the_llvm_package_follows_the_compiler() {
        assert_eq!(llvm(23), ("llvm-23-dev".to_owned(), "/usr/lib/llvm-23/lib/libLLVM.so".to_owned()));
    }
}
