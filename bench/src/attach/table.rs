//! What a part has found: a table that a person reads, or the same as JSON.

use std::fmt;

use serde_json::{Map, Value, json};

/// A part's result.
#[derive(Debug)]
pub(crate) struct Table {
    /// One word, for programs.
    pub(crate) name: &'static str,
    /// What is compared, in a line.
    pub(crate) title: String,
    /// Column heads, units included; they are the keys of the JSON rows.
    pub(crate) head: Vec<&'static str>,
    /// Rows as long as the head.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// What one must know to read the figures.
    pub(crate) notes: Vec<String>,
    /// What was promised, and what came of it.
    pub(crate) targets: Vec<Target>,
}

/// One place of a table.
#[derive(Debug)]
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// A number and how many decimals of it mean anything; not a number where there is none.
    Figure(f64, usize),
}

/// A promise about a figure.
#[derive(Debug)]
pub(crate) struct Target {
    /// Of what.
    pub(crate) what: String,
    /// What was measured.
    pub(crate) figure: f64,
    /// What it had to be.
    pub(crate) bound: Bound,
}

/// Which side of a number is good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

impl Cell {
    /// Words.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Figure(value, _) => json!(value), // null for what is not a number
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Figure(value, _) if value.is_nan() => f.pad(""),
            Self::Figure(value, decimals) => f.pad(&format!("{value:.decimals$}")),
        }
    }
}

impl Target {
    fn met(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.figure <= most,
            Bound::AtLeast(least) => self.figure >= least,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, number) = match self.bound {
            Bound::AtMost(most) => ("<=", most),
            Bound::AtLeast(least) => (">=", least),
        };
        let Self { what, figure, .. } = self;
        let verdict = if self.met() { "met" } else { "SHORT" };
        write!(f, "{verdict}: {what} {figure:.2}, target {sign} {number}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].to_string().chars().count());
            cells.chain([self.head[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        writeln!(f, "\n{}: {}\n", self.name, self.title)?;
        let heads: Vec<Cell> = self.head.iter().map(|head| Cell::text(*head)).collect();
        for row in [&heads].into_iter().chain(&self.rows) {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                // A column is as its first cell is: words to the left, numbers to the right.
                let number = self.rows.first().is_some_and(|first| matches!(first[column], Cell::Figure(..)));
                if number { format!("  {cell:>width$}") } else { format!("  {cell:<width$}") }
            });
            let line: String = cells.collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f)?;
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        for target in &self.targets {
            writeln!(f, "  {target}")?;
        }
        Ok(())
    }
}

impl Table {
    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Vec<Cell>| {
            let pairs = self.head.iter().zip(row).map(|(head, cell)| ((*head).to_owned(), cell.json()));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        let target = |target: &Target| {
            let (side, number) = match target.bound {
                Bound::AtMost(most) => ("at_most", most),
                Bound::AtLeast(least) => ("at_least", least),
            };
            json!({ "what": target.what, "figure": target.figure, side: number, "met": target.met() })
        };
        json!({
            "name": self.name,
            "title": self.title,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "notes": self.notes,
            "targets": self.targets.iter().map(target).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            name: "weights",
            title: "who weighs what".to_owned(),
            head: vec!["who", "kg"],
            rows: vec![
                vec![Cell::text("cat"), Cell::Figure(4.25, 1)],
                vec![Cell::text("elephant"), Cell::Figure(f64::NAN, 1)],
            ],
            notes: vec!["Elephants were not at home.".to_owned()],
            targets: vec![Target { what: "cat".to_owned(), figure: 4.25, bound: Bound::AtMost(4.0) }],
        }
    }

    #[test]
    fn numbers_stand_right_and_words_left() {
        let text = table().to_string();
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(lines[..3], ["  who        kg", "  cat       4.2", "  elephant"]);
        assert_eq!(lines.last(), Some(&"  SHORT: cat 4.25, target <= 4"));
    }

    #[test]
    fn json_has_the_heads_as_keys_and_null_for_nothing() {
        let json = table().json();
        assert_eq!(json["rows"][0]["kg"], 4.25);
        assert!(json["rows"][1]["kg"].is_null());
        assert_eq!(json["targets"][0]["met"], false);
    }
}
