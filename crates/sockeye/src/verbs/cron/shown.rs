//! A finding with the line it is about and a caret under its column.

use schedule::ParseError;

use crate::cli::output::escaped;

/// The widest piece of a line that is shown; of a longer one, the surroundings of the column.
const SHOWN_CHARS_MAX: usize = 100;

/// `line` and a caret line below it, both indented. `column` counts bytes from 1.
pub fn with_caret(line: &[u8], column: u32) -> String {
    let at = (column.max(1) as usize - 1).min(line.len());
    let (before, after) = line.split_at(at);
    let plain = |bytes: &[u8]| escaped(&String::from_utf8_lossy(bytes).replace('\t', " "));
    let before: Vec<char> = plain(before).chars().collect();
    let skipped = before.len().saturating_sub(SHOWN_CHARS_MAX * 3 / 4);
    let before: String = before.iter().skip(skipped).collect();
    let width = before.chars().count();
    let after: String = plain(after).chars().take(SHOWN_CHARS_MAX - width).collect();
    format!("    {before}{after}\n    {}^", " ".repeat(width))
}

/// A finding about a lone expression.
pub fn of_expression(text: &str, finding: &ParseError) -> String {
    let caret = with_caret(text.as_bytes(), finding.column());
    format!("{}; {}\n{caret}", finding.what(), finding.remedy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_column() {
        fn check(line: &str, column: u32, expected: &str) {
            assert_eq!(with_caret(line.as_bytes(), column), expected, "{line}");
        }
        check("5/15 * * * *", 2, "    5/15 * * * *\n     ^");
        check("0\t0 L", 5, "    0 0 L\n        ^");
        check("é x", 4, "    é x\n      ^");
        check("", 1, "    \n    ^");
        check("a", 9, "    a\n     ^");
        check("\u{1b}[2J", 2, "    \\u{1b}[2J\n          ^");
        let long = "x".repeat(300);
        let shown = format!("    {}\n    {}^", "x".repeat(100), " ".repeat(75));
        check(&long, 200, &shown);
    }
}
