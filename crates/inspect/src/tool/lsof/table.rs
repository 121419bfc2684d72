//! lsof's table: every row but its name is rendered once into a scratch buffer, which gives the
//! widths; then the rows are laid out. `COMMAND PID [TID TASKCMD] [PPID] [PGID] USER FD TYPE ...
//! NAME`.

use crate::bytes::{push_blanks, push_dec, push_hex, push_left, push_right, push_signed};
use crate::collect;
use crate::model::{OpenFile, Process};
use crate::tool::lsof::options::{FlagStyle, Options};
use crate::tool::lsof::row::{self, Row};
use crate::tool::lsof::{Facts, text};

/// Width of COMMAND unless `+c` says otherwise.
pub const COMMAND_WIDTH_DEFAULT: usize = 9;
/// lsof prints the number of a user without a name right-aligned in so many columns.
const UID_WIDTH: usize = 8;

/// The columns, in order; those that are not wanted have width 0 and no title.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Command,
    Pid,
    Tid,
    TaskCommand,
    Parent,
    Group,
    User,
    Fd,
    Type,
    Flags,
    Device,
    Extent,
    Links,
    Node,
}

const COLUMNS: [Column; 14] = [
    Column::Command,
    Column::Pid,
    Column::Tid,
    Column::TaskCommand,
    Column::Parent,
    Column::Group,
    Column::User,
    Column::Fd,
    Column::Type,
    Column::Flags,
    Column::Device,
    Column::Extent,
    Column::Links,
    Column::Node,
];

struct Table<'a> {
    facts: &'a Facts,
    options: &'a Options,
    scratch: Vec<u8>,
    /// The rows, where each begins in the scratch, and where each cell ends from there.
    rows: Vec<(Row, u32, [u16; COLUMNS.len()])>,
    widths: [usize; COLUMNS.len()],
    shown: [bool; COLUMNS.len()],
    command_limit: usize,
}

/// Gives what goes on below `out`.
pub fn print(facts: &Facts, options: &Options, rows: &[Row], out: &mut Vec<u8>) -> Vec<u8> {
    if rows.is_empty() {
        return Vec::new();
    }
    let shown = COLUMNS.map(|column| is_shown(column, facts, options, rows));
    let parts = if rows.len() < ROWS_SHARED_MIN { 1 } else { 2 };
    let (one, other) = rows.split_at(rows.len() / parts);
    let part = |rows: &[Row]| {
        let mut table = Table::new(facts, options, shown, rows.len());
        rows.iter().for_each(|row| table.add(*row));
        table
    };
    let (other, mut one) = collect::both(|| part(other), || part(one));
    let Some(mut other) = other else { return Vec::new() };
    for (one, other) in one.widths.iter_mut().zip(&mut other.widths) {
        *one = (*one).max(*other);
        *other = *one;
    }
    one.header(out);
    let lay_out = |out: &mut Vec<u8>, table: &Table<'_>| {
        out.reserve(table.rows.len() * ROW_BYTES_USUAL);
        table.rows.iter().for_each(|row| table.lay_out(row, out));
    };
    let mut rest = Vec::new();
    collect::both(|| lay_out(&mut rest, &other), || lay_out(out, &one));
    rest
}

/// From so many rows on, two threads share the work.
const ROWS_SHARED_MIN: usize = 4096;
const ROW_BYTES_USUAL: usize = 112;

fn title(column: Column, options: &Options) -> &'static [u8] {
    match column {
        Column::Command => b"COMMAND",
        Column::Pid => b"PID",
        Column::Tid => b"TID",
        Column::TaskCommand => b"TASKCMD",
        Column::Parent => b"PPID",
        Column::Group => b"PGID",
        Column::User => b"USER",
        Column::Fd => b"FD",
        Column::Type => b"TYPE",
        Column::Flags => b"FILE-FLAG",
        Column::Device => b"DEVICE",
        Column::Extent if options.offset => b"OFFSET",
        Column::Extent if options.size => b"SIZE",
        Column::Extent => b"SIZE/OFF",
        Column::Links => b"NLINK",
        Column::Node => b"NODE",
    }
}

fn is_shown(column: Column, facts: &Facts, options: &Options, rows: &[Row]) -> bool {
    let threads = || {
        let processes = &facts.snapshot.processes;
        rows.iter().any(|r| processes.get(r.process as usize).is_some_and(|p| p.tid != 0))
    };
    match column {
        Column::Tid | Column::TaskCommand => threads(),
        Column::Parent => options.parents,
        Column::Group => options.groups,
        Column::Flags => options.flags_column.is_some(),
        Column::Links => options.show_links,
        _ => true,
    }
}

impl<'a> Table<'a> {
    fn new(
        facts: &'a Facts,
        options: &'a Options,
        shown: [bool; COLUMNS.len()],
        rows: usize,
    ) -> Table<'a> {
        Table {
            facts,
            options,
            scratch: Vec::with_capacity(rows * 48),
            rows: Vec::with_capacity(rows),
            widths: COLUMNS.map(|column| title(column, options).len()),
            shown,
            command_limit: match options.command_width {
                None => COMMAND_WIDTH_DEFAULT,
                Some(0) => usize::MAX,
                Some(width) => width.max("COMMAND".len()),
            },
        }
    }

    fn add(&mut self, row: Row) {
        let snapshot = &self.facts.snapshot;
        let Some(process) = snapshot.processes.get(row.process as usize) else { return };
        let Some(file) = snapshot.files.get(row.file as usize) else { return };
        let socket = row::socket(file, snapshot);
        let begin = self.scratch.len();
        let mut ends = [0; COLUMNS.len()];
        for (index, column) in COLUMNS.into_iter().enumerate() {
            let start = self.scratch.len();
            if self.shown[index] {
                self.cell(column, process, file, &socket);
            }
            let end = self.scratch.len();
            ends[index] = u16::try_from(end - begin).unwrap_or(u16::MAX);
            self.widths[index] = self.widths[index].max(end - start);
        }
        self.rows.push((row, begin as u32, ends));
    }

    fn cell(
        &mut self,
        column: Column,
        process: &Process,
        file: &OpenFile,
        socket: &row::Socket<'_>,
    ) {
        let arena = &self.facts.snapshot.arena;
        let out = &mut self.scratch;
        match column {
            Column::Command => {
                text::push_command(out, arena.get(process.command), self.command_limit)
            }
            Column::Pid => push_dec(out, u64::from(process.pid)),
            Column::Tid if process.tid != 0 => push_dec(out, u64::from(process.tid)),
            Column::Tid => {}
            Column::TaskCommand => {
                text::push_command(out, arena.get(process.task_command), COMMAND_WIDTH_DEFAULT);
            }
            Column::Parent => push_dec(out, u64::from(process.ppid)),
            Column::Group => push_signed(out, i64::from(process.pgid)),
            Column::User => push_user(out, self.facts, process.uid),
            Column::Fd => {
                row::push_slot(out, file.slot, true);
                let access =
                    if file.lock != b' ' && file.access == b' ' { b'-' } else { file.access };
                out.extend([access, file.lock]);
            }
            Column::Type => row::push_type(out, file, socket),
            Column::Flags => match (file.flags, self.options.flags_column) {
                (Some(flags), Some(FlagStyle::Names)) => push_flag_names(out, flags),
                (Some(flags), _) => {
                    out.extend_from_slice(b"0x");
                    push_hex(out, u64::from(flags), 1);
                    out.extend_from_slice(b";0x0");
                }
                (None, _) => {}
            },
            Column::Device => {
                if !row::push_device_text(out, &self.facts.snapshot, socket)
                    && let Some(device) = row::device(file, socket)
                {
                    row::push_device(out, device);
                }
            }
            Column::Extent => row::push_extent(out, row::extent(file, self.options), self.options),
            Column::Links => {
                if let Some(links) = file.links {
                    out.push(b' ');
                    push_dec(out, u64::from(links));
                }
            }
            Column::Node => {
                if !row::push_protocol(out, socket)
                    && let Some(inode) = file.inode
                {
                    push_dec(out, inode);
                }
            }
        }
    }

    fn header(&self, out: &mut Vec<u8>) {
        for (index, column) in COLUMNS.into_iter().enumerate() {
            if self.shown[index] {
                self.put(index, column, title(column, self.options), out);
            }
        }
        out.extend_from_slice(b" NAME\n");
    }

    fn lay_out(&self, (row, begin, ends): &(Row, u32, [u16; COLUMNS.len()]), out: &mut Vec<u8>) {
        let cells = self.scratch.get(*begin as usize..).unwrap_or_default();
        let mut start = 0;
        for (at, column) in COLUMNS.into_iter().enumerate() {
            let end = usize::from(ends[at]);
            if self.shown[at] {
                self.put(at, column, cells.get(start..end).unwrap_or_default(), out);
            }
            start = end;
        }
        out.push(b' ');
        if let Some(file) = self.facts.snapshot.files.get(row.file as usize) {
            let socket = row::socket(file, &self.facts.snapshot);
            row::push_name(out, self.facts, self.options, file, &socket, true);
        }
        out.push(b'\n');
    }

    fn put(&self, index: usize, column: Column, cell: &[u8], out: &mut Vec<u8>) {
        let width = self.widths[index];
        if column != Column::Command {
            out.push(b' ');
        }
        match column {
            Column::Command | Column::TaskCommand => push_left(out, cell, width),
            // The title stands left of the two marks that a row has after its descriptor.
            Column::Fd if cell == b"FD" => {
                push_right(out, cell, width - 2);
                push_blanks(out, 2);
            }
            _ => push_right(out, cell, width),
        }
    }
}

fn push_user(out: &mut Vec<u8>, facts: &Facts, uid: u32) {
    match facts.users.name(uid) {
        Some(name) => out.extend_from_slice(name),
        None => crate::bytes::push_dec_right(out, u64::from(uid), UID_WIDTH),
    }
}

/// The letters of lsof for the flags of open(2), asm-generic/fcntl.h; what has no name, in hex.
fn push_flag_names(out: &mut Vec<u8>, flags: u32) {
    const NAMES: [(u32, &str); 18] = [
        (0o1, "W"),
        (0o2, "RW"),
        (0o100, "CR"),
        (0o200, "EXCL"),
        (0o400, "NTTY"),
        (0o1000, "TR"),
        (0o2000, "AP"),
        (0o4000, "ND"),
        (0o4_010_000, "SYN"),
        (0o20_000, "ASYN"),
        (0o40_000, "DIR"),
        (0o200_000, "DTY"),
        (0o400_000, "NFLK"),
        (0o1_000_000, "NATM"),
        (0o100_000, "LG"),
        (0o2_000_000, "CX"),
        (0o10_000_000, "PATH"),
        (0o20_200_000, "TMPF"),
    ];
    let mut rest = flags;
    let start = out.len();
    let comma = |out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b',');
        }
    };
    for (bits, name) in NAMES {
        if rest & bits != 0 {
            comma(out);
            out.extend_from_slice(name.as_bytes());
            rest &= !bits;
        }
    }
    if rest != 0 {
        comma(out);
        out.extend_from_slice(b"0x");
        push_hex(out, u64::from(rest), 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        for (flags, expected) in [
            (0, ""),
            (0o100_000, "LG"),
            (0o102_001, "W,AP,LG"),
            (0o2_000_002, "RW,CX"),
            (0o4_110_002, "RW,SYN,LG"),
            (0o22_300_002, "RW,DTY,LG,CX,TMPF"),
            (0o12_000_000, "CX,PATH"),
            (0x8000_0001, "W,0x80000000"),
        ] {
            let mut out = Vec::new();
            push_flag_names(&mut out, flags);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
