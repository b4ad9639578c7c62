//! Where things lie in the tree.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    // Cargo says it at run time; the value of the build is right unless the tree was moved since.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Everything that is built lies below; so does what setup installs for this tree alone.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// The eBPF object, made by build and embedded into `dpctl`.
pub(crate) fn object() -> PathBuf {
    target().join("bpf/bpfel-unknown-none/ebpf/dataplane-ebpf")
}

/// The release binary.
pub(crate) fn dpctl() -> PathBuf {
    target().join("release/dpctl")
}

/// Another binary to test or measure instead, where the user names one with `DPCTL=PATH`.
pub(crate) fn other_dpctl() -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os("DPCTL") else { return Ok(None) };
    // Tests run in a folder of their own, where a relative path would lead elsewhere.
    let found = Path::new(&path).canonicalize();
    let path = found.with_context(|| format!("DPCTL={}", Path::new(&path).display()))?;
    Ok(Some(path))
}

/// Where cargo keeps the sources of other crates.
pub(crate) fn cargo_home() -> PathBuf {
    let default = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(default, PathBuf::from)
}

/// `path` as a person in the workspace would write it.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
