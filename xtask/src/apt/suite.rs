//! A suite of Debian's with lists, cache and configuration of its own in a folder; what the
//! machine's own apt knows stays as it is.
//!
//! apt verifies: the signature of the suite's index against the keyring of the configured source,
//! and by that index the checksum of each package. Nothing here loosens that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::sources::Source;

/// Suites whose lists are in the folder.
#[derive(Debug)]
pub(crate) struct Suite {
    folder: PathBuf,
    log: PathBuf,
}

/// What a suite's packages are to be fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// An empty system: of every package there is the suite's version, and no other.
    Nothing,
    /// This machine, to install on it.
    Machine,
}

impl Suite {
    /// Fetches the lists of `names`, suites separated by spaces.
    pub(crate) fn fetch(names: &str, folder: &Path, fit: Fit, log: &Path) -> Result<Self> {
        let what = || format!("prepare {}", folder.display());
        let source = Source::configured()?;
        fs::create_dir_all(folder.join("lists/partial")).with_context(what)?;
        fs::create_dir_all(folder.join("cache/archives/partial")).with_context(what)?;
        fs::write(folder.join("debian.sources"), source.stanza(names)).with_context(what)?;
        fs::write(folder.join("status"), "").with_context(what)?;
        let suite = Self { folder: folder.to_owned(), log: log.to_owned() };
        fs::write(suite.configuration(), configuration(folder, fit)).with_context(what)?;
        let mut update = super::apt_get();
        command::run_logged(
            &format!("fetch the index of Debian's {names}"),
            update.arg("update").env("APT_CONFIG", suite.configuration()),
            log,
        )?;
        Ok(suite)
    }

    /// The packages that `package` depends on.
    pub(crate) fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let mut cache = Command::new("apt-cache");
        cache
            .args(["depends", "--no-recommends", "--no-suggests", "--no-breaks", "--no-conflicts"])
            .arg(package);
        let text = command::stdout(
            &format!("ask what {package} depends on"),
            cache.env("APT_CONFIG", self.configuration()).env("LC_ALL", "C.UTF-8"),
        )?;
        Ok(text.lines().filter_map(dependency).map(str::to_owned).collect())
    }

    /// Downloads `packages`; their files.
    pub(crate) fn download(&self, packages: &[String]) -> Result<Vec<PathBuf>> {
        let to = self.folder.join("packages");
        fs::create_dir_all(&to).with_context(|| format!("create {}", to.display()))?;
        let mut download = super::apt_get();
        download.arg("download").args(packages).env("APT_CONFIG", self.configuration()).current_dir(&to);
        command::run_logged("download the kernel", &mut download, &self.log)?;
        let entries = fs::read_dir(&to).with_context(|| format!("read {}", to.display()))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "deb"));
        if files.len() != packages.len() {
            bail!(
                "download the kernel: apt-get was content with {} files for {}",
                files.len(),
                packages.len()
            );
        }
        Ok(files)
    }

    /// What `APT_CONFIG` must name for apt to know these suites only.
    pub(super) fn configuration(&self) -> PathBuf {
        self.folder.join("apt.conf")
    }
}

fn configuration(folder: &Path, fit: Fit) -> String {
    let folder = folder.display();
    let status = match fit {
        Fit::Nothing => format!("Dir::State::Status \"{folder}/status\";\n"),
        Fit::Machine => String::new(),
    };
    format!(
        "Dir::Etc::SourceList \"{folder}/debian.sources\";\n\
         Dir::Etc::SourceParts \"-\";\n\
         Dir::State::Lists \"{folder}/lists\";\n\
         Dir::Cache \"{folder}/cache\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         {status}"
    )
}

/// `linux-base` of `  Depends: linux-base` and `  PreDepends: linux-base`.
fn dependency(line: &str) -> Option<&str> {
    let (kind, name) = line.trim_start().trim_start_matches('|').split_once("Depends: ")?;
    ["", "Pre"].contains(&kind).then(|| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read() {
        let text = "linux-image-7.2-amd64\n  PreDepends: linux-base\n |Depends: dracut\n  Depends: <virtual>\n    dracut\n";
        let found: Vec<&str> = text.lines().filter_map(dependency).collect();
        assert_eq!(found, ["linux-base", "dracut", "<virtual>"]);
    }

    #[test]
    fn a_foreign_suite_does_not_see_what_is_installed() {
        let folder = Path::new("/a");
        assert!(configuration(folder, Fit::Nothing).contains("Dir::State::Status \"/a/status\";"));
        assert!(!configuration(folder, Fit::Machine).contains("Status"));
    }
}
