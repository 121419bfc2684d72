//! `ps`: processes, ps(1) of procps in its usual calls (`aux`, `-ef`, `-o`, `--forest`), and
//! without any a tree of its own: descriptors of the limit, listening sockets, connections, zombies
//! and who should reap them.

use std::ffi::OsString;
use std::io::Write;

use crate::family;
use crate::json::Json;
use crate::source::Source;
use crate::tool::Stop;

mod column;
mod facts;
mod options;

use column::Column;
use facts::{Facts, Row};
use options::Options;

/// The version of the documents of `--json`.
pub const JSON_VERSION: u32 = 1;

pub fn run(
    args: &[OsString],
    family: &family::Ask<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Stop> {
    let options = Options::parse(args)?;
    let source = match &options.proc_root {
        Some(root) => Source::recorded(root),
        None => Source::live(),
    };
    let source = source.map_err(|error| Stop::Failed(error.to_string(), 1))?;
    let counts = options.json || options.columns.iter().any(|(column, _)| column.needs_files());
    let mut facts = Facts::collect(&source, counts);
    if options.json || options.columns.iter().any(|(column, _)| column.needs_family()) {
        let live = source.is_live();
        let told = if live { family(options.control.as_deref()) } else { Ok(Vec::new()) };
        facts.join_family(told.or_else(|why| writeln!(err, "ps: {why}").map(|()| Vec::new()))?);
    }
    if facts.denied > 0 && counts && rustix::process::geteuid().as_raw() != 0 {
        writeln!(err, "ps: descriptors of {} processes not readable; run as root", facts.denied)?;
    }
    let chosen = arrange(&facts, &options);
    let page =
        if options.json { as_json(&facts, &chosen) } else { as_table(&facts, &options, &chosen) };
    out.write_all(&page)?;
    out.flush()?;
    // As ps does: 1 where the selection matched nothing.
    Ok(u8::from(chosen.is_empty()))
}

/// A row that is shown and how deep it hangs in the tree.
struct Shown<'a> {
    row: &'a Row,
    depth: usize,
    last: bool,
}

fn arrange<'a>(facts: &'a Facts, options: &Options) -> Vec<Shown<'a>> {
    let rows: Vec<&Row> = facts.rows.iter().filter(|row| options.selects(row, facts)).collect();
    if !options.forest {
        return rows.into_iter().map(|row| Shown { row, depth: 0, last: false }).collect();
    }
    let is_shown = |pid: u32| rows.iter().any(|row| row.pid == pid);
    let mut shown = Vec::new();
    for root in rows.iter().filter(|row| row.ppid == row.pid || !is_shown(row.ppid)) {
        branch(&rows, root, &mut shown);
    }
    shown
}

/// Trees are walked with a list of our own: a chain of parents can be as long as pid_max.
fn branch<'a>(rows: &[&'a Row], root: &'a Row, shown: &mut Vec<Shown<'a>>) {
    let mut open = vec![Shown { row: root, depth: 0, last: true }];
    while let Some(next) = open.pop() {
        let (pid, depth) = (next.row.pid, next.depth);
        let is_child = |row: &&&'a Row| row.ppid == pid && row.pid != pid;
        for (index, child) in rows.iter().filter(is_child).rev().enumerate() {
            open.push(Shown { row: child, depth: depth + 1, last: index == 0 });
        }
        shown.push(next);
    }
}

fn as_table(facts: &Facts, options: &Options, chosen: &[Shown<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(chosen.len() * 100);
    let last = options.columns.len().saturating_sub(1);
    if options.columns.iter().any(|(_, title)| !title.is_empty()) {
        for (index, (column, title)) in options.columns.iter().enumerate() {
            put(&mut out, facts, *column, title.as_bytes(), index, last);
        }
    }
    let mut cell = Vec::new();
    for shown in chosen {
        for (index, (column, _)) in options.columns.iter().enumerate() {
            cell.clear();
            if column.is_command() && options.forest {
                push_branch(&mut cell, shown);
            }
            column.push(&mut cell, shown.row, facts);
            put(&mut out, facts, *column, &cell, index, last);
        }
    }
    out
}

fn push_branch(cell: &mut Vec<u8>, shown: &Shown<'_>) {
    if shown.depth == 0 {
        return;
    }
    for _ in 1..shown.depth {
        cell.extend_from_slice(b"    ");
    }
    cell.extend_from_slice(if shown.last { b" \\_ " } else { b" |_ " });
}

fn put(out: &mut Vec<u8>, facts: &Facts, column: Column, cell: &[u8], index: usize, last: usize) {
    if index > 0 {
        out.push(b' ');
    }
    let (width, right) = column.layout(facts);
    // A command in the middle of a line is cut; at its end it is whole.
    let cut = column.is_command() && index != last;
    let cell = if cut { &cell[..cell.len().min(width)] } else { cell };
    match (right, index == last) {
        (true, _) => crate::bytes::push_right(out, cell, width),
        (false, true) => out.extend_from_slice(cell),
        (false, false) => crate::bytes::push_left(out, cell, width),
    }
    if index == last {
        out.push(b'\n');
    }
}

fn as_json(facts: &Facts, chosen: &[Shown<'_>]) -> Vec<u8> {
    let mut json = Json::new();
    json.object(|j| {
        j.key("version").number(JSON_VERSION);
        j.key("unreadable").number(facts.denied);
        j.key("processes").array(|j| {
            for shown in chosen {
                j.object(|j| row_json(j, shown.row, facts));
            }
        });
    });
    json.finish()
}

fn row_json(j: &mut Json, row: &Row, facts: &Facts) {
    j.key("pid").number(row.pid);
    j.key("ppid").number(row.ppid);
    j.key("uid").number(row.uid);
    j.key("state").string(&[row.state]);
    j.key("name").string(&row.name);
    j.key("command").string(&row.command);
    j.key("threads").number(row.threads);
    match row.open_files {
        Some(count) => j.key("descriptors").number(count),
        None => j.key("descriptors").null(),
    }
    match row.open_files_limit {
        Some(limit) => j.key("descriptors_limit").number(limit),
        None => j.key("descriptors_limit").null(),
    }
    j.key("listening").number(row.listening);
    j.key("connections").number(row.connections);
    j.key("rss_bytes").number(row.rss_pages * facts.page_bytes);
    j.key("cpu_ticks").number(row.cpu_ticks);
    j.key("start_unix_s").number(facts.start_second(row));
    j.key("zombie").boolean(row.state == b'Z');
    match &row.member {
        None => j.key("family").null(),
        Some(member) => j.key("family").object(|j| member_json(j, member)),
    }
}

fn member_json(j: &mut Json, member: &family::Member) {
    j.key("role").string(member.role.as_bytes());
    match member.generation {
        Some(generation) => j.key("generation").number(generation),
        None => j.key("generation").null(),
    }
    j.key("doing").string(member.doing.as_bytes());
}
