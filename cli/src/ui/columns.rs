//! Tables with aligned columns.

use crate::ui::console::printable;

/// Returns a line for each row, with each column as wide as its widest cell.
pub fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        printable(cells.join("  ").trim_end()).into_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a", "bb", ""], ["é\u{1}c", "", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            aligned(&rows).lines().map(|line| line.find(['b', 'd'])).collect::<Vec<_>>(),
            [Some(5), Some(9 + "\\u{1}".len())]
        );
    }
}
