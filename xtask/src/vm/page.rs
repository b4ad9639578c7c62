//! docs/kernels.md: what each of Debian's kernels has of what `dpctl` stands on, and what the
//! tests came to there.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::table::Row;
use crate::{commit, workspace};

const HEAD: &str = "\
# Kernels

`cargo xtask vm --kernel all` writes this page once every guest has come to its end, with the
failures that it met. It boots Debian's kernels under QEMU, runs the kernel tests in each, and
asks `dpctl doctor` there what it finds, by trying it.

Linux 6.1 is the oldest that is promised. A kernel that lacks what nothing replaces is refused by
the first command, in one line that names it, before anything is made.

";

/// The last words of a guest: a table for people, and for us the same on its console. What the
/// doctor finds wrong is no failure here.
pub(super) const ASK_DOCTOR: &str = "\
\"$DPCTL\" --color never doctor
{ echo doctor-begins; \"$DPCTL\" doctor -o json; echo doctor-ends; } >/dev/ttyS0
";

/// What the doctor said on a console.
pub(super) fn doctor(console: &str) -> String {
    let said = console.split("doctor-begins").nth(1).and_then(|rest| rest.split("doctor-ends").next());
    said.unwrap_or_default().trim().to_owned()
}

/// Writes the page of a run on all kernels.
pub(super) fn write(rows: &[Row]) -> Result<()> {
    let path = workspace::root().join("docs/kernels.md");
    let (commit, changes) = commit::current()?;
    let of = format!("This run was of commit {commit}{changes}.\n\n");
    fs::write(&path, HEAD.to_owned() + &of + &text(rows)?)
        .with_context(|| format!("write {}", workspace::relative(&path)))?;
    println!("vm: written to {}", workspace::relative(&path));
    Ok(())
}

/// The tables.
fn text(rows: &[Row]) -> Result<String> {
    let doctors = rows.iter().map(features).collect::<Result<Vec<_>>>()?;
    let kernels: Vec<&str> = rows.iter().map(|row| short(&row.kernel)).collect();
    let mut table = vec![
        [vec!["feature", "since Linux", "without it"], kernels]
            .concat()
            .iter()
            .map(|cell| (*cell).to_owned())
            .collect(),
    ];
    for (place, feature) in doctors.first().into_iter().flatten().enumerate() {
        let has = |doctor: &Vec<Feature>| doctor.get(place).map_or("?", |other| other.there).to_owned();
        let mut line = vec![feature.name.clone(), feature.since.clone(), feature.otherwise.clone()];
        line.extend(doctors.iter().map(has));
        table.push(line);
    }
    let mut text = markdown(&table);
    text +=
        "\nThe tests, and what the verifier made of each program; times are those of an emulated CPU:\n\n";
    let mut table =
        vec![["kernel", "tests", "program", "verified instructions", "time"].map(str::to_owned).to_vec()];
    for row in rows {
        let (mut kernel, mut tests) = (row.kernel.clone(), row.tally.to_string());
        if row.programs.is_empty() {
            table.push(vec![kernel, tests, "refused".to_owned(), String::new(), String::new()]);
            continue;
        }
        for program in &row.programs {
            let line = [&program.name, &program.instructions, &program.time].map(String::clone);
            table.push(
                [vec![std::mem::take(&mut kernel), std::mem::take(&mut tests)], line.to_vec()].concat(),
            );
        }
    }
    text += &markdown(&table);
    Ok(text)
}

/// `6.1` of `6.1.0-50-amd64`.
fn short(release: &str) -> &str {
    let end = release.match_indices('.').nth(1).map_or(release.len(), |(at, _)| at);
    &release[..end]
}

struct Feature {
    name: String,
    since: String,
    otherwise: String,
    there: &'static str,
}

/// What a kernel has or lacks, in what its doctor said.
fn features(row: &Row) -> Result<Vec<Feature>> {
    let said: Value = serde_json::from_str(&row.doctor)
        .with_context(|| format!("{}: what dpctl doctor said is no JSON: {:?}", row.kernel, row.doctor))?;
    let checks = said.as_array().into_iter().flatten();
    let features: Vec<Feature> = checks
        .filter_map(|check| {
            let word = |key: &str| check[key].as_str().map(str::to_owned);
            let there = if word("result")? == "yes" { "yes" } else { "no" };
            Some(Feature {
                name: word("check")?,
                since: word("since")?,
                otherwise: word("otherwise")?,
                there,
            })
        })
        .collect();
    if features.is_empty() {
        bail!("{}: dpctl doctor named no feature: {:?}", row.kernel, row.doctor);
    }
    Ok(features)
}

/// Columns as wide as their widest cell.
fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "| {cell:width$} ").ok();
        }
        text += "|\n";
        if number == 0 {
            let lines: Vec<String> =
                widths.iter().map(|width| format!("| {} ", "-".repeat(*width))).collect();
            text += &(lines.concat() + "|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_has_a_feature_a_line_and_a_kernel_a_column() {
        let row = |kernel: &str, tcx: &str| {
            let mut row = Row::new(kernel.to_owned());
            let json = format!(
                r#"[{{"check":"kernel","ok":true,"result":"x"}},
                {{"check":"tcx","ok":true,"result":"{tcx}","since":"6.6","otherwise":"clsact"}}]"#
            );
            row.line("verified: to_container: 16 instructions, 2.4 ms");
            row.doctor = doctor(&format!("[1.0] word\r\ndoctor-begins\r\n{json}\r\ndoctor-ends\r\n"));
            row.line("test result: ok. 1 passed; 0 failed; 0 ignored");
            row.end(Duration::ZERO, Ok(0));
            row
        };
        let text = text(&[row("6.1.0-50-amd64", "no (Linux 6.6)"), row("7.2.13+deb14-amd64", "yes")]);
        let text = text.expect("both are JSON");
        for line in [
            "| feature | since Linux | without it | 6.1 | 7.2 |",
            "| tcx     | 6.6         | clsact     | no  | yes |",
        ] {
            assert!(text.lines().any(|other| other == line), "{text}");
        }
        let program = text.lines().find(|line| line.starts_with("| 6.1.0-50-amd64")).expect("its line");
        assert!(program.contains("| to_container | 16 ") && program.contains("| 2.4 ms |"), "{text}");
        assert!(self::text(&[Row::new("silent".to_owned())]).is_err());
    }
}
