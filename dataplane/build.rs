//! Embeds the eBPF object that `cargo xtask build` made.
//!
//! Never runs cargo: a build script that builds deadlocks on the target folder. Where there is
//! no object the library still compiles (for documentation and lints), and `dpctl` says at run
//! time what is missing.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=DATAPLANE_OBJECT");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let default = || here.join("../target/bpf/bpfel-unknown-none/ebpf/dataplane-ebpf");
    let object = env::var_os("DATAPLANE_OBJECT").map_or_else(default, PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    let embedded = Path::new(&env::var_os("OUT_DIR").expect("set by cargo")).join("dataplane-ebpf");
    if fs::copy(&object, &embedded).is_err() {
        println!("cargo::warning=no eBPF object: this dpctl loads nothing; run: cargo xtask build");
        fs::write(&embedded, []).expect("the output folder can be written to");
    }
}
