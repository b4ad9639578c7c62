//! Which kernels there are, and which tests each of them gets.

use clap::ValueEnum;

/// A kernel as one asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// Debian 11's: `dpctl` refuses it
    #[value(name = "5.10")]
    V5_10,
    /// Debian 12's, the oldest that is promised; without tcx
    #[value(name = "6.1")]
    V6_1,
    /// Debian 13's
    #[value(name = "6.12")]
    V6_12,
    /// The newest that Debian has
    #[value(name = "newest")]
    Newest,
    /// All four
    #[value(name = "all")]
    All,
}

/// One of Debian's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// As one asks for it, and the name of its folder in target/vm.
    pub(crate) name: &'static str,
    /// Where `linux-image-amd64` is this kernel.
    pub(crate) suite: &'static str,
    /// Parts of names of the only tests that have a meaning on it; all, if empty.
    pub(crate) only: &'static [&'static str],
}

/// A kernel below 6.1 runs nothing of ours: what remains is how `dpctl` says so.
const V5_10: Kernel = Kernel { name: "5.10", suite: "bullseye", only: &["old_kernel::"] };
const V6_1: Kernel = Kernel { name: "6.1", suite: "bookworm", only: &[] };
const V6_12: Kernel = Kernel { name: "6.12", suite: "trixie", only: &[] };
const NEWEST: Kernel = Kernel { name: "newest", suite: "sid", only: &[] };

/// What `cargo xtask test` includes.
pub(crate) const USUAL: [Kernel; 2] = [V6_1, V6_12];

/// Parts of names of tests that take five minutes on those two together: what differs most from
/// kernel to kernel.
pub(crate) const SHORT: [&str; 9] = [
    "attach::",
    "backlog::",
    "listings::doctor",
    "neighbours::",
    "packets::",
    "path::",
    "reconcile::attach_restores",
    "upgrade::upgrade_keeps",
    "verifier::",
];

impl Choice {
    pub(crate) fn kernels(self) -> Vec<Kernel> {
        match self {
            Self::V5_10 => vec![V5_10],
            Self::V6_1 => vec![V6_1],
            Self::V6_12 => vec![V6_12],
            Self::Newest => vec![NEWEST],
            Self::All => vec![V5_10, V6_1, V6_12, NEWEST],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn every_choice_of_tests_has_some() {
        for word in SHORT.iter().chain(V5_10.only) {
            let (module, name) = word.split_once("::").expect("a module and the beginning of a name");
            let file = workspace::root().join(format!("tests/it/{module}.rs"));
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(text.contains("#[test]") && text.contains(&format!("\nfn {name}")), "{word}");
        }
    }
}
