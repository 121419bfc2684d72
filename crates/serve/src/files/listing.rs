//! The page that lists a folder, for `--list-directories`.

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use http::listing::{append_html, append_segment};
use rustix::fs::{AtFlags, FileType, statat};

use super::open::reading;

/// Names on one page; a folder with more says how many are left out.
const NAMES_MAX: usize = 10_000;

struct Row {
    name: Vec<u8>,
    is_folder: bool,
    size: u64,
    modified: u64,
}

/// Hidden names and what cannot be served (devices, dangling links) are left out.
pub fn page(folder: &OwnedFd, path: &[u8]) -> io::Result<Vec<u8>> {
    let mut rows = Vec::new();
    let mut left_out = 0;
    for entry in reading(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") {
            continue;
        }
        if rows.len() == NAMES_MAX {
            left_out += 1;
        } else if let Some(row) = row(folder, name) {
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| (!a.is_folder, &a.name).cmp(&(!b.is_folder, &b.name)));
    Ok(render(path, &rows, left_out))
}

fn row(folder: &OwnedFd, name: &[u8]) -> Option<Row> {
    let stat = statat(folder, name, AtFlags::empty()).ok()?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if !matches!(kind, FileType::Directory | FileType::RegularFile) {
        return None;
    }
    Some(Row {
        name: name.to_vec(),
        is_folder: kind == FileType::Directory,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: u64::try_from(stat.st_mtime).unwrap_or(0),
    })
}

fn render(path: &[u8], rows: &[Row], left_out: usize) -> Vec<u8> {
    let mut title = b"/".to_vec();
    append_html(&mut title, path);
    if !path.is_empty() {
        title.push(b'/');
    }
    let mut page = Vec::with_capacity(500 + rows.len() * 120);
    page.extend_from_slice(b"<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">");
    page.extend_from_slice(b"<meta name=\"viewport\" content=\"width=device-width\"><title>");
    page.extend_from_slice(&title);
    page.extend_from_slice(
        b"</title>\n<style>body{font:16px system-ui,sans-serif;margin:2em auto;",
    );
    page.extend_from_slice(b"max-width:50em;padding:0 1em}td{padding:.15em 1em .15em 0}");
    page.extend_from_slice(b"td+td{color:#666;white-space:nowrap;text-align:right}</style>\n<h1>");
    page.extend_from_slice(&title);
    page.extend_from_slice(b"</h1>\n<table>\n");
    if !path.is_empty() {
        page.extend_from_slice(b"<tr><td><a href=\"../\">../</a><td><td>\n");
    }
    rows.iter().for_each(|row| append_row(&mut page, row));
    page.extend_from_slice(b"</table>\n");
    if left_out > 0 {
        // Writing to memory does not fail.
        drop(writeln!(page, "<p>{left_out} more names are not listed."));
    }
    page.extend_from_slice(b"</html>\n");
    page
}

fn append_row(page: &mut Vec<u8>, row: &Row) {
    let slash: &[u8] = if row.is_folder { b"/" } else { b"" };
    page.extend_from_slice(b"<tr><td><a href=\"./");
    append_segment(page, &row.name);
    page.extend_from_slice(slash);
    page.extend_from_slice(b"\">");
    append_html(page, &row.name);
    page.extend_from_slice(slash);
    page.extend_from_slice(b"</a><td>");
    if !row.is_folder {
        // Writing to memory does not fail.
        drop(write!(page, "{}", row.size));
    }
    page.extend_from_slice(b"<td>");
    page.extend_from_slice(&http::date::format(row.modified)[5..25]);
    page.push(b'\n');
}
