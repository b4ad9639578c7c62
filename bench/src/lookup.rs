//! Where `dpctl` is: what `DPCTL` names, else beside this program, else in a folder of `PATH`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The `dpctl` to be measured.
pub(crate) fn dpctl() -> Result<PathBuf> {
    let own = env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    find(env::var_os("DPCTL"), beside, env::var_os("PATH").as_deref())
}

fn find(named: Option<OsString>, beside: Option<&Path>, path: Option<&OsStr>) -> Result<PathBuf> {
    if let Some(named) = named.map(PathBuf::from) {
        ensure!(named.is_file(), "no dpctl at {}, which DPCTL names", named.display());
        return named.canonicalize().with_context(|| format!("find {}", named.display()));
    }
    let folders = beside.map(Path::to_owned).into_iter().chain(path.into_iter().flat_map(env::split_paths));
    let mut programs = folders.map(|folder| folder.join("dpctl"));
    programs
        .find(|program| program.is_file())
        .context("no dpctl beside dpbench or in PATH: put it there, or name it in DPCTL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpctl_is_what_is_named_then_beside_then_in_the_path() {
        let [named, beside, path] = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
        for folder in [&named, &beside, &path] {
            std::fs::write(folder.path().join("dpctl"), "").expect("a file");
        }
        let name = named.path().join("dpctl").into_os_string();
        let found = |named, beside: Option<&Path>, path: Option<&Path>| {
            find(named, beside, path.map(Path::as_os_str)).map_err(|error| error.to_string())
        };
        let [at_beside, at_path] = [&beside, &path].map(|folder| Ok(folder.path().join("dpctl")));
        assert_eq!(found(Some(name.clone()), Some(beside.path()), None), Ok(name.into()));
        assert_eq!(found(None, Some(beside.path()), Some(path.path())), at_beside);
        assert_eq!(found(None, Some(Path::new("/proc/self/fd")), Some(path.path())), at_path);
        let refused = found(Some("/nowhere/dpctl".into()), Some(beside.path()), None);
        assert_eq!(refused, Err("no dpctl at /nowhere/dpctl, which DPCTL names".to_owned()));
        assert!(found(None, None, None).is_err());
    }
}
