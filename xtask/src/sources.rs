//! Another suite's source, derived from the ones that this machine is configured with, so that no
//! mirror is named here. Refuses a machine without a Debian source. Options that switch off
//! verification (`trusted=yes`) are not taken over.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Suites by which a Debian source is known; those of security or updates have other names.
const DEBIAN: [&str; 7] = ["bookworm", "trixie", "forky", "bullseye", "stable", "oldstable", "sid"];

/// Where packages come from, and whose signature their index must bear.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    uris: String,
    /// A keyring's path, or a key; apt's own keyrings if there is none.
    signed_by: Option<String>,
}

impl Source {
    /// The first Debian source of this machine.
    pub(crate) fn configured() -> Result<Self> {
        let texts = files().into_iter().filter_map(|path| {
            let one_line = path.extension().is_some_and(|ending| ending == "list");
            fs::read_to_string(&path).ok().map(|text| if one_line { lines(&text) } else { stanzas(&text) })
        });
        texts.flatten().next().context("find a Debian source: none in /etc/apt has a Debian suite and main")
    }

    /// What a file NAME.sources holds to have `suite` from there.
    pub(crate) fn stanza(&self, suite: &str) -> String {
        let signed_by = self.signed_by.as_ref().map(|key| format!("Signed-By: {key}\n"));
        format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n{}\n",
            self.uris,
            signed_by.unwrap_or_default()
        )
    }
}

/// As apt reads them: the old file first, then the folder by name.
fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "list" || ending == "sources"))
        .collect();
    files.sort();
    files.insert(0, Path::new("/etc/apt/sources.list").to_owned());
    files
}

/// The Debian sources of a file of one-line entries: `deb [signed-by=KEY] URI SUITE COMPONENT...`.
fn lines(text: &str) -> Vec<Source> {
    let source = |line: &str| {
        let rest = line.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let rest = rest.split('#').next()?;
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        (DEBIAN.contains(&suite) && words.any(|component| component == "main"))
            .then(|| Source { uris: uri.to_owned(), signed_by: signed_by.map(str::to_owned) })
    };
    text.lines().filter_map(source).collect()
}

/// The Debian sources of a file of stanzas: `Field: value`, continued by indented lines.
fn stanzas(text: &str) -> Vec<Source> {
    let without_comments: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let stanzas = without_comments.split(|line| line.trim().is_empty());
    let source = |lines: &[&str]| {
        let field = |name: &str| {
            let at = lines.iter().position(|line| {
                line.split_once(':').is_some_and(|(field, _)| field.eq_ignore_ascii_case(name))
            })?;
            let more = lines[at + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
            let first = lines[at].split_once(':')?.1.trim();
            let value = std::iter::once(first.to_owned()).chain(more.map(|line| format!("\n{line}")));
            Some(value.collect::<String>())
        };
        let has = |name: &str, words: &[&str]| {
            field(name).is_some_and(|value| value.split_whitespace().any(|word| words.contains(&word)))
        };
        let wanted = has("Types", &["deb"]) && has("Suites", &DEBIAN) && has("Components", &["main"]);
        (wanted && !has("Enabled", &["no"]))
            .then(|| Some(Source { uris: field("URIs")?, signed_by: field("Signed-By") }))?
    };
    stanzas.filter_map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(uris: &str, signed_by: Option<&str>) -> Source {
        Source { uris: uris.to_owned(), signed_by: signed_by.map(str::to_owned) }
    }

    #[test]
    fn one_line_sources_are_read() {
        let text = "
# deb http://comment bookworm main
deb-src http://source bookworm main
deb http://security bookworm-security main
deb http://other bookworm nonfree
deb [arch=amd64 signed-by=/a/key.gpg trusted=yes] http://one/debian bookworm non-free main # said
deb\thttp://two/debian trixie main
";
        assert_eq!(
            lines(text),
            [source("http://one/debian", Some("/a/key.gpg")), source("http://two/debian", None)]
        );
    }

    #[test]
    fn stanzas_are_read() {
        let text = "
# A comment
Types: deb-src
URIs: http://source
Suites: bookworm
Components: main

Types: deb
URIs: http://off
Suites: bookworm
Components: main
Enabled: no

Types: deb deb-src
# http://snapshot
uris: http://one/debian http://two/debian
Suites: bookworm-updates bookworm
Components: main contrib
Signed-By:
 -----BEGIN KEY-----
 .
 abc
";
        let key = "\n -----BEGIN KEY-----\n .\n abc";
        assert_eq!(stanzas(text), [source("http://one/debian http://two/debian", Some(key))]);
    }

    #[test]
    fn a_source_of_another_suite_keeps_place_and_key() {
        let stanza = source("http://one/debian", Some("/a/key.gpg")).stanza("trixie");
        assert_eq!(
            stanza,
            "Types: deb\nURIs: http://one/debian\nSuites: trixie\nComponents: main\nSigned-By: /a/key.gpg\n\n"
        );
        assert_eq!(stanzas(&stanza), [source("http://one/debian", Some("/a/key.gpg"))]);
        assert!(!source("http://one/debian", None).stanza("sid").contains("Signed-By"));
    }
}
