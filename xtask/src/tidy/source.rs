//! The files of the tree, and the code in them without comments and strings.

use std::fs;
use std::path::Path;

use crate::workspace;

/// One text file; `path` is as seen from the workspace.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// The file's name without its ending.
    pub(super) fn stem(&self) -> &str {
        Path::new(&self.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// Whether all of it is unit tests: a file `tests.rs`, or a child of that module.
    pub(super) fn is_tests(&self) -> bool {
        // Before `src` stands the crate's folder, and one crate is called tests.
        let inside = self.path.split_once("/src/").map_or("", |(_, inside)| inside);
        inside.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// Comments and the insides of strings become spaces; lines stay where they are.
    pub(super) fn code(&self) -> String {
        code(&self.text)
    }

    /// Code without its unit tests, which stand last in a file or in files of their own.
    pub(super) fn production(&self) -> String {
        if self.is_tests() {
            return String::new();
        }
        let code = self.code();
        code.split(UNIT_TESTS).next().unwrap_or_default().to_owned()
    }

    /// The code of the unit tests.
    pub(super) fn tests(&self) -> String {
        if self.is_tests() {
            return self.code();
        }
        let code = self.code();
        code.split_once(UNIT_TESTS).map(|(_, tests)| tests.to_owned()).unwrap_or_default()
    }
}

const UNIT_TESTS: &str = "#[cfg(test)]\nmod tests";

/// Every Rust file of every crate.
pub(super) fn rust_sources() -> Vec<Source> {
    texts()
        .into_iter()
        .filter(|source| Path::new(&source.path).extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// Every text file of the tree.
pub(super) fn texts() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&workspace::root(), &mut found);
    assert!(found.len() > 10, "the tree is not where it was expected");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn walk(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().expect("a kind of file");
        if kind.is_dir() && name != "target" && name != ".git" {
            walk(&path, found);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.push(Source { path: workspace::relative(&path), text });
        }
    }
}

/// A reader of Rust that knows just enough to tell code from the rest.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| string(rest)).or_else(|| character(rest));
        if let Some(length) = skipped {
            code.extend(rest[..length].chars().map(|other| if other == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        } else {
            // A whole word at once, so that the `r` of `for"` begins no raw string.
            let word = rest.find(|other: char| !other.is_alphanumeric() && other != '_');
            let length = word.filter(|length| *length > 0).unwrap_or(next.len_utf8());
            code.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    code
}

fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

fn string(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &raw[hashes + 1..];
            return Some(1 + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()));
        }
    }
    let body = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, next) in body.char_indices() {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(1 + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// `'x'` and `'\n'`, but not the lifetime `'a`.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return escape[first..].find('\'').map(|at| 2 + first + at + 1);
    }
    let first = body.chars().next()?.len_utf8();
    body[first..].starts_with('\'').then_some(1 + first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        for (text, expected) in [
            ("a // b", "a     "),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("a(\"b // \\\" c\") // d", "a(           )     "),
            ("r#\"a \" b\"# c", "           c"),
            ("for\"r\"", "for   "),
            ("'\"' b", "    b"),
            ("'\\'' b", "     b"),
            ("fn a<'b>(c: &'b str)", "fn a<'b>(c: &'b str)"),
            ("a /* b\nc */ d", "a     \n     d"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn unit_tests_are_told_from_production() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { sleep() }\n".to_owned();
        let source = Source { path: "x.rs".to_owned(), text };
        assert_eq!(source.production(), "fn a() {}\n");
        assert_eq!(source.tests(), " { sleep() }\n");
    }

    #[test]
    fn a_file_of_tests_is_known_by_its_place() {
        let is_tests = |path: &str| Source { path: path.to_owned(), text: String::new() }.is_tests();
        assert!(is_tests("c/src/a/tests.rs"));
        assert!(is_tests("c/src/a/tests/part.rs"));
        assert!(!is_tests("c/src/a/part.rs"));
        assert!(!is_tests("tests/src/part.rs"));
        assert!(!is_tests("tests/it/part.rs"));
    }
}
