//! Reads a run's results.json. Refuses what is none, what is cut off, and another schema.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use serde_json::error::Category;

use crate::input;
use crate::results::{Results, SCHEMA};
use crate::usage::usage;

/// A run of every case at a thousand rounds takes a tenth of it.
const LARGEST_MB: u64 = 500;

/// The results in this file.
pub(crate) fn read(path: &Path) -> Result<Results> {
    let text = input::read(path, LARGEST_MB).with_context(|| format!("read {}", path.display()))?;
    parse(&text).map_err(|what| usage(format!("{}: {what}", path.display())))
}

fn parse(text: &[u8]) -> Result<Results, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| match error.classify() {
        Category::Eof if text.is_empty() => "empty: a run's results.json is asked for".to_owned(),
        Category::Eof => format!("cut off at line {}: the file is not whole", error.line()),
        Category::Io | Category::Syntax | Category::Data => format!("no JSON: {error}"),
    })?;
    if !Results::is_head(&value) {
        return Err("JSON, but not that of a run of dpbench".to_owned());
    }
    if value["schema"] != SCHEMA {
        let (its, tool) = (&value["schema"], value["tool"].as_str().unwrap_or_default());
        return Err(format!("schema {its}, of {tool}: this dpbench reads schema {SCHEMA}"));
    }
    serde_json::from_value(value).map_err(|error| format!("malformed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"{"schema": 1, "tool": "dpbench 0.1.0", "started": "", "finished": "",
        "complete": true, "quick": false, "seed": 1, "command": [], "machine": {}, "scenarios": []}"#;

    fn refused(text: &str) -> String {
        let what = parse(text.as_bytes()).err().unwrap_or_default();
        assert_eq!(what.lines().count(), 1, "{what:?}");
        what
    }

    #[test]
    fn what_is_no_result_is_refused_in_one_line() {
        parse(EMPTY.as_bytes()).expect("a result");
        assert!(refused("").starts_with("empty"));
        assert!(refused(&EMPTY[..EMPTY.len() / 2]).starts_with("cut off"));
        assert!(refused("<html>").starts_with("no JSON"));
        assert!(refused("{}").starts_with("JSON, but not"));
        assert!(refused("[1]").starts_with("JSON, but not"));
        assert_eq!(
            refused(&EMPTY.replace(r#""schema": 1"#, r#""schema": 2"#)),
            "schema 2, of dpbench 0.1.0: this dpbench reads schema 1"
        );
        assert!(refused(&EMPTY.replace(r#""seed": 1"#, r#""seed": "x""#)).starts_with("malformed"));
    }

    #[test]
    fn no_file_cut_off_anywhere_is_taken() {
        for end in 0..EMPTY.len() {
            refused(&EMPTY[..end]);
        }
    }
}
