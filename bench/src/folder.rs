//! The folder that a run is kept in. Refuses one in which something else lies. A file appears
//! whole, by a rename, or not at all.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::results::Results;

/// What a run found, for programs.
pub(crate) const RESULTS: &str = "results.json";
/// The same for people.
pub(crate) const REPORT: &str = "report.html";

/// A folder that can be written to. Removed on drop where it was made here and nothing was kept.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    made: bool,
}

impl Folder {
    /// Makes it, or takes the one of an earlier run.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        let asked = || format!("--out {}", path.display());
        let made = match fs::create_dir(path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            // Only the last part is ours to make: a mistyped path makes no tree.
            Err(error) => return Err(error).with_context(asked),
        };
        let folder = Self { path: path.to_owned(), made };
        if !made {
            folder.refuse_strangers().with_context(asked)?;
        }
        folder.begin().with_context(asked)?;
        Ok(folder)
    }

    /// Where a file of this name lies.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file, in place of what has its name.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        let written = self.begin().and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.as_file().sync_data()?;
            file.persist(&path)?;
            Ok(())
        });
        written.with_context(|| format!("write {}", path.display()))
    }

    /// A file that is gone again if nothing comes of it.
    fn begin(&self) -> Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".dpbench-").permissions(Permissions::from_mode(0o644));
        Ok(builder.tempfile_in(&self.path).map_err(cause)?)
    }

    fn refuse_strangers(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            // What a killed run was about to write.
            if name.to_string_lossy().starts_with(".dpbench-") {
                fs::remove_file(self.path.join(&name)).context("remove what a killed run left")?;
            } else if name != RESULTS && name != REPORT {
                bail!("{} is there, which is no run's: choose another folder", name.display());
            }
        }
        let text = match fs::read(self.file(RESULTS)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            read => read.with_context(|| format!("read {RESULTS}"))?,
        };
        let value: Value = serde_json::from_slice(&text).unwrap_or_default();
        if !Results::is_head(&value) {
            bail!("{RESULTS} is there, which is no run's: choose another folder");
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.made {
            // Refused, and rightly, where something was kept.
            fs::remove_dir(&self.path).ok();
        }
    }
}

/// Without the path of the temporary file, which says nothing to anybody.
fn cause(error: std::io::Error) -> std::io::Error {
    error.raw_os_error().map_or(error, std::io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_goes_again_if_nothing_was_kept() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("out");
        drop(Folder::claim(&path).expect("a folder"));
        assert!(!path.exists());
        Folder::claim(&path).and_then(|folder| folder.write(RESULTS, "{}")).expect("written");
        assert_eq!(fs::read_to_string(path.join(RESULTS)).expect("a file"), "{}");
        assert_eq!(fs::read_dir(&path).expect("a folder").count(), 1, "no temporary file stays");
    }

    #[test]
    fn what_is_of_somebody_else_is_refused() {
        let out = tempfile::tempdir().expect("a folder");
        let refused = |name: &str, text: &str| {
            fs::write(out.path().join(name), text).expect("a file");
            let claimed = Folder::claim(out.path()).map(drop);
            fs::remove_file(out.path().join(name)).expect("still there");
            claimed.is_err()
        };
        assert!(refused("thesis.tex", ""));
        assert!(refused(RESULTS, "[]") && refused(RESULTS, "") && refused(RESULTS, r#"{"schema": 1}"#));
        assert!(!refused(RESULTS, r#"{"schema": 1, "tool": "dpbench 0.1.0"}"#));
        Folder::claim(out.path()).map(drop).expect("an empty one is anybody's");
    }
}
