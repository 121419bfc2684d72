//! The layout of ss: cells are gathered first, then columns get the width of their longest cell,
//! and on a terminal the room that is left is shared out.

use std::ops::Range;

use crate::bytes::push_blanks;
use crate::collect;

pub const COUNT: usize = 10;

/// Title, what stands before the cell, whether the cell is right-aligned.
const COLUMNS: [(&str, &str, bool); COUNT] = [
    ("Netid", "", false),
    ("State", " ", false),
    ("Recv-Q", " ", false),
    ("Send-Q", " ", false),
    ("Local Address:", " ", true),
    ("Port", "", false),
    ("Peer Address:", " ", true),
    ("Port", "", false),
    ("Process", "", false),
    ("", "", false),
];

pub const NETID: usize = 0;
pub const STATE: usize = 1;
/// The last column that is filled; what follows it only ends the line.
const LAST: usize = 8;
const ROW_BYTES_USUAL: usize = 128;
const CELLS_BYTES_USUAL: usize = 96;

/// The cells of a page.
#[derive(Debug)]
pub struct Page {
    text: Vec<u8>,
    /// Ends of the cells of each row.
    rows: Vec<[u32; LAST + 1]>,
    starts: Vec<u32>,
    off: [bool; COUNT],
}

impl Page {
    pub fn new(off: [bool; COUNT]) -> Page {
        Page { text: Vec::with_capacity(64 << 10), rows: Vec::new(), starts: Vec::new(), off }
    }

    pub fn header(&mut self) {
        self.row(|column, text| text.extend_from_slice(COLUMNS[column].0.as_bytes()));
    }

    /// Makes room for so many rows more.
    pub fn reserve(&mut self, rows: usize) {
        self.text.reserve(rows * CELLS_BYTES_USUAL);
        self.rows.reserve(rows);
        self.starts.reserve(rows);
    }

    /// Adds a row; `cell` writes each column in turn.
    pub fn row(&mut self, mut cell: impl FnMut(usize, &mut Vec<u8>)) {
        self.starts.push(self.text.len() as u32);
        let mut ends = [0; LAST + 1];
        for (column, end) in ends.iter_mut().enumerate() {
            if !self.off[column] {
                cell(column, &mut self.text);
            }
            *end = self.text.len() as u32;
        }
        self.rows.push(ends);
    }

    /// Lays out this page, and `next`, which goes on below it and is given back.
    pub fn render(&self, next: &Page, screen: Option<usize>, out: &mut Vec<u8>) -> Vec<u8> {
        let widths = self.widths(next, screen);
        let lay_out = |page: &Page, out: &mut Vec<u8>| {
            out.reserve(page.rows.len() * ROW_BYTES_USUAL);
            (0..page.rows.len()).for_each(|index| page.render_row(index, &widths, out));
        };
        let mut rest = Vec::new();
        if next.rows.is_empty() {
            lay_out(self, out);
        } else {
            collect::both(|| lay_out(next, &mut rest), || lay_out(self, out));
        }
        rest
    }

    fn cell(&self, index: usize, column: usize) -> Range<usize> {
        let start = match column {
            0 => self.starts[index],
            _ => self.rows[index][column - 1],
        };
        start as usize..self.rows[index][column] as usize
    }

    fn render_row(&self, index: usize, widths: &[usize; COUNT], out: &mut Vec<u8>) {
        let mut started = false;
        for column in 0..=LAST {
            if self.off[column] {
                continue;
            }
            let (_, before, right) = COLUMNS[column];
            let at = out.len();
            if started {
                out.extend_from_slice(before.as_bytes());
            }
            started = true;
            let cell = self.text.get(self.cell(index, column)).unwrap_or_default();
            let spare = widths[column].saturating_sub(out.len() - at + cell.len());
            if right {
                push_blanks(out, spare);
            }
            out.extend_from_slice(cell);
            if !right {
                push_blanks(out, spare);
            }
        }
        out.push(b'\n');
    }

    /// The longest cell of a column in the first `rows` rows.
    fn longest(&self, column: usize, rows: usize) -> usize {
        let rows = 0..rows.min(self.rows.len());
        rows.map(|row| self.cell(row, column).len()).max().unwrap_or(0)
    }

    fn widths(&self, next: &Page, screen: Option<usize>) -> [usize; COUNT] {
        let all = self.rows.len() + next.rows.len();
        let mut widths = [0; COUNT];
        let mut first = true;
        for column in (0..=LAST).filter(|column| !self.off[*column]) {
            // ss measures a last cell when the next row begins, so that of the last row not at all.
            let rows = all - usize::from(column == LAST && all > 1);
            let below = next.longest(column, rows.saturating_sub(self.rows.len()));
            let longest = self.longest(column, rows).max(below);
            let before = if first || longest == 0 { 0 } else { COLUMNS[column].1.len() };
            widths[column] = (longest + before).min(screen.unwrap_or(usize::MAX));
            first &= widths[column] == 0;
        }
        if let Some(screen) = screen {
            stretch(&mut widths, screen);
        }
        widths
    }
}

/// Shares what is left of each screen line among the columns on it.
fn stretch(widths: &mut [usize; COUNT], screen: usize) {
    let used: Vec<usize> = (0..COUNT).filter(|column| widths[*column] > 0).collect();
    let mut line: Vec<usize> = Vec::new();
    let mut length = 0;
    for (position, column) in used.iter().copied().enumerate() {
        if length + widths[column] > screen && !line.is_empty() {
            share(widths, &line, screen - length);
            line.clear();
            length = 0;
        }
        line.push(column);
        length += widths[column];
        let last = position + 1 == used.len();
        if length == screen {
            line.clear();
            length = 0;
        } else if last && length < screen {
            share(widths, &line, screen - length);
        }
    }
}

fn share(widths: &mut [usize; COUNT], line: &[usize], room: usize) {
    let each = room / line.len();
    let mut rest = room % line.len();
    for column in line.iter().rev() {
        widths[*column] += each + usize::from(rest > 0);
        rest = rest.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut off = [false; COUNT];
        off[NETID] = true;
        let mut page = Page::new(off);
        page.header();
        page.row(|column, text| {
            let cells = ["", "LISTEN", "0     ", "128   ", "0.0.0.0:", "22", "0.0.0.0:", "*", ""];
            text.extend_from_slice(cells[column].as_bytes());
        });
        page
    }

    #[test]
    fn compact() {
        let mut out = Vec::new();
        page().render(&Page::new([false; COUNT]), None, &mut out);
        let expected = "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n\
             LISTEN 0      128          0.0.0.0:22        0.0.0.0:*          \n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_terminal_is_filled() {
        let mut out = Vec::new();
        page().render(&Page::new([false; COUNT]), Some(100), &mut out);
        for line in out.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            assert_eq!(line.len(), 100);
        }
    }
}
