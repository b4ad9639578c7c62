//! Which compiler makes the eBPF object.
//!
//! The distribution's rustc with its ready `core` for the bpf target is the way that is tried.
//! A rustup nightly with rust-src compiles `core` itself; that way is kept for distributions
//! without the package, and is untested.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

/// The target of every eBPF object here; all machines that run it so far are little-endian.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// The distribution's compiler.
pub(crate) const DISTRIBUTION_RUSTC: &str = "/usr/bin/rustc";

/// A way to compile for [`TARGET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// `/usr/bin/rustc`, with `core` from libstd-rust-web-dev-bpf.
    Distribution,
    /// `cargo +nightly -Z build-std=core`.
    Nightly,
}

impl Toolchain {
    /// The one that is installed, the distribution's first.
    pub(crate) fn installed() -> Option<Self> {
        if distribution_has_core() {
            Some(Self::Distribution)
        } else if nightly_has_source() {
            Some(Self::Nightly)
        } else {
            None
        }
    }

    /// The linker of the object: setup's own, or for a nightly the user's.
    pub(crate) fn linker(self) -> PathBuf {
        match self {
            Self::Distribution => workspace::target().join("tools/bin/bpf-linker"),
            Self::Nightly => "bpf-linker".into(),
        }
    }

    /// The major version of the LLVM that it writes bitcode with; the linker must read that.
    pub(crate) fn llvm_major(self) -> Result<u32> {
        let mut rustc = match self {
            Self::Distribution => Command::new(DISTRIBUTION_RUSTC),
            Self::Nightly => Command::new("rustc"),
        };
        if self == Self::Nightly {
            rustc.arg("+nightly");
        }
        let text = command::stdout("ask rustc for its LLVM", rustc.arg("-vV").env_remove("LD_LIBRARY_PATH"))?;
        llvm_major_of(&text).context("ask rustc for its LLVM: no line `LLVM version: N` in `rustc -vV`")
    }
}

/// The toolchain, or one line that says what to do.
pub(crate) fn require() -> Result<Toolchain> {
    match Toolchain::installed() {
        Some(toolchain) => Ok(toolchain),
        None => bail!("build the eBPF object: no compiler for {TARGET}; run `cargo xtask setup`"),
    }
}

fn distribution_has_core() -> bool {
    // Where libstd-rust-web-dev-bpf puts it; asking rustc for its sysroot would cost 30 ms.
    Path::new(DISTRIBUTION_RUSTC).exists() && Path::new("/usr/lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn nightly_has_source() -> bool {
    let mut rustc = Command::new("rustc");
    rustc
        .args(["+nightly", "--print", "sysroot"])
        .env_remove("LD_LIBRARY_PATH")
        .env("RUSTUP_AUTO_INSTALL", "0");
    command::stdout("find the nightly toolchain", &mut rustc)
        .is_ok_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir())
}

/// `22` of `LLVM version: 22.1.8`.
fn llvm_major_of(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_major_is_read_from_rustc_version() {
        let text =
            "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_major_of(text), Some(22));
        assert_eq!(llvm_major_of("LLVM version: 23\n"), Some(23));
    }

    #[test]
    fn a_rustc_without_llvm_has_no_major() {
        assert_eq!(llvm_major_of("rustc 1.96.0\nrelease: 1.96.0\n"), None);
        assert_eq!(llvm_major_of("LLVM version: unknown\n"), None);
    }
}
