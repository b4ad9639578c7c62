//! Aligned columns for people.

use std::io::IsTerminal;

use super::Color;

/// How a column's cells are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Names and words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The whole as text, every line ended.
    pub fn render(&self, color: Color) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.columns[column].0.len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (column, cell) in cells.enumerate() {
                let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
                match self.columns[column].1 {
                    Align::Left => text.extend([cell, &pad, "  "]),
                    Align::Right => text.extend([&pad, cell, "  "]),
                }
            }
            text.trim_end().to_owned()
        };
        let heading = line(&mut self.columns.iter().map(|(name, _)| *name));
        let heading = if color.is_on() { format!("\x1b[1m{heading}\x1b[0m") } else { heading };
        let rows = self.rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
        std::iter::once(heading).chain(rows).map(|line| line + "\n").collect()
    }
}

impl Color {
    pub(super) fn is_on(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new(&[("NAME", Align::Left), ("BYTES", Align::Right), ("HOOK", Align::Left)]);
        table.row(["veth1".to_owned(), "7".to_owned(), "tcx".to_owned()]);
        table.row(["v".to_owned(), "1234567".to_owned(), String::new()]);
        assert_eq!(table.render(Color::Never), "NAME     BYTES  HOOK\nveth1        7  tcx\nv      1234567\n");
    }
}
