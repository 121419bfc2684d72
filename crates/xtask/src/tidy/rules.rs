//! Rules on source files, one function each: what a file must open with, how long things may be,
//! and which words may not stand where.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::blank::{body_start, matching_brace, words};

const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// Functions and files that may be longer, by name, each with its reason beside it.
const LONG_FUNCTIONS: [&str; 0] = [];
const WIDE_FILES: [&str; 0] = [];

pub fn check(sources: &[Source]) -> Vec<String> {
    let each = sources.iter().flat_map(|source| {
        let found = [
            opening(source),
            no_unsafe(source),
            functions(source),
            lines(source),
            no_io(source),
            no_serialize(source),
            no_raw_descriptor(source),
        ];
        found.into_iter().flatten()
    });
    each.chain(clocks(sources)).collect()
}

fn opening(source: &Source) -> Vec<String> {
    let missing = !source.text.starts_with("//!");
    let text = "must open with //! saying what it is, why it is so, and the man page or RFC";
    missing.then(|| format!("{}:1: {text}", source.path)).into_iter().collect()
}

fn no_unsafe(source: &Source) -> Vec<String> {
    let inside = source.path.split_once("/src/").map(|(_, inside)| inside);
    let is_root = matches!(inside, Some("lib.rs" | "main.rs"))
        || inside.is_some_and(|inside| inside.starts_with("bin/"));
    let missing =
        is_root && source.crate_name != "sys" && !source.code.contains("#![forbid(unsafe_code)]");
    let text = "must forbid unsafe code: #![forbid(unsafe_code)]; it belongs into sys";
    missing.then(|| format!("{}:1: {text}", source.path)).into_iter().collect()
}

fn functions(source: &Source) -> Vec<String> {
    let long = words(&source.code, "fn").filter_map(|at| {
        let rest = source.code[at + 2..].trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = &rest[..end];
        let open = body_start(&source.code, at)?;
        let body = &source.code[at..matching_brace(&source.code, open)];
        let lines = body.matches('\n').count() + 1;
        let allowed = name.is_empty() || LONG_FUNCTIONS.contains(&name);
        (lines > FUNCTION_LINES_MAX && !allowed).then(|| {
            let place = source.place(at);
            format!("{place}: fn {name} has {lines} lines; at most {FUNCTION_LINES_MAX}")
        })
    });
    long.collect()
}

fn lines(source: &Source) -> Vec<String> {
    if WIDE_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let lines = source.text.lines().map(|line| line.chars().count()).enumerate();
    let wide = lines.filter(|(_, columns)| *columns > LINE_COLUMNS_MAX).map(|(line, columns)| {
        let place = format!("{}:{}", source.path, line + 1);
        format!("{place}: {columns} columns; at most {LINE_COLUMNS_MAX}")
    });
    wide.collect()
}

/// One file a crate reads the clock; all others are handed the time.
fn clocks(sources: &[Source]) -> Vec<String> {
    let mut readers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let reads = ["Instant::now", "SystemTime::now", "clock_gettime"];
    for source in sources {
        if reads.iter().any(|read| words(&source.product, read).next().is_some()) {
            readers.entry(&source.crate_name).or_default().insert(&source.path);
        }
    }
    let many = readers.into_iter().filter(|(_, files)| files.len() > 1);
    many.map(|(name, files)| {
        let files: Vec<&str> = files.into_iter().collect();
        format!("crates/{name}: the clock is read in {}; one file may", files.join(", "))
    })
    .collect()
}

fn no_io(source: &Source) -> Vec<String> {
    if !matches!(source.crate_name.as_str(), "http" | "schedule" | "control") {
        return Vec::new();
    }
    let text = "a crate without I/O must not name it";
    // The text of an IP address is data; a socket is not.
    let named = ["std::net", "std::fs", "std::thread"].into_iter().flat_map(|path| {
        let found = words(&source.product, path).map(move |at| (at, path));
        found.filter(|(at, path)| !source.product[at + path.len()..].starts_with("::Ip"))
    });
    let mut problems: Vec<String> =
        named.map(|(at, path)| format!("{}: {path}: {text}", source.place(at))).collect();
    for at in words(&source.product, "std").filter(|at| source.product[at + 3..].starts_with("::{"))
    {
        let open = at + "std::".len();
        let group = &source.product[open..matching_brace(&source.product, open)];
        let named = ["net", "fs", "thread"].into_iter();
        problems.extend(
            named
                .filter(|module| words(group, module).next().is_some())
                .map(|module| format!("{}: std::{module}: {text}", source.place(at))),
        );
    }
    problems
}

/// The wire and the views are the only things that are written out; others lower into them.
fn no_serialize(source: &Source) -> Vec<String> {
    let is_view = source.crate_name == "inspect"
        && ["view", "render", "json"].iter().any(|part| source.path.contains(part));
    if source.crate_name == "control" || is_view {
        return Vec::new();
    }
    forbid(source, &["Serialize"], "only control and inspect's views are serialized")
}

fn no_raw_descriptor(source: &Source) -> Vec<String> {
    if source.crate_name == "sys" || source.path.starts_with("crates/engine/src/model") {
        return Vec::new();
    }
    let words = ["RawFd", "as_raw_fd", "into_raw_fd", "from_raw_fd", "borrow_raw"];
    forbid(
        source,
        &words,
        "raw descriptors stay in sys and engine::model; use OwnedFd or BorrowedFd",
    )
}

fn forbid(source: &Source, forbidden: &[&str], text: &str) -> Vec<String> {
    let found = forbidden.iter().flat_map(|word| {
        words(&source.product, word).map(move |at| format!("{}: {word}: {text}", source.place(at)))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::Source;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let sources =
            files.iter().map(|(path, text)| Source::new((*path).to_owned(), (*text).to_owned()));
        check(&sources.collect::<Vec<Source>>())
    }

    #[test]
    fn each_rule_catches_its_bad_sample() {
        let check = |path: &str, text: &str, expected: Option<&str>| {
            let found = problems(&[(path, text)]);
            match expected {
                None => assert!(found.is_empty(), "{path} {text:?}: {found:?}"),
                Some(words) => {
                    assert_eq!(found.len(), 1, "{path} {text:?}: {found:?}");
                    assert!(found[0].contains(words), "{found:?}");
                }
            }
        };
        check("crates/x/src/a.rs", "fn f() {}", Some("must open"));
        check("crates/x/src/a.rs", "//! What.\nfn f() {}", None);
        check("crates/x/src/lib.rs", "//! What.\nfn f() {}", Some("forbid"));
        check("crates/x/src/lib.rs", "//! #![forbid(unsafe_code)]\n", Some("forbid"));
        check("crates/x/src/lib.rs", "//! What.\n#![forbid(unsafe_code)]\n", None);
        check("crates/sys/src/lib.rs", "//! What.\n", None);
        let long = format!("//! What.\nfn f() {{{}}}\n", "\n".repeat(70));
        check("crates/x/src/a.rs", &long, Some("71 lines"));
        let fitting = format!("//! What.\nfn f() {{{}}}\n", "\n".repeat(69));
        check("crates/x/src/a.rs", &fitting, None);
        let wide = format!("//! What.\n// {}\n", "é".repeat(98));
        check("crates/x/src/a.rs", &wide, Some("101 columns"));
        check("crates/http/src/a.rs", "//! What.\nuse std::fs::File;", Some("std::fs"));
        check("crates/http/src/a.rs", "//! What.\nuse std::{io, net};", Some("std::net"));
        check("crates/http/src/a.rs", "//! What.\nuse std::net::Ipv6Addr;", None);
        check("crates/http/src/a.rs", "//! std::fs\nuse std::{io, str};", None);
        check("crates/http/tests/a.rs", "//! What.\nuse std::fs::File;", None);
        check("crates/sockeye/src/a.rs", "//! What.\n#[derive(Serialize)]", Some("serialized"));
        check("crates/sockeye/src/a.rs", "//! What.\n#[derive(Deserialize)]", None);
        check("crates/control/src/a.rs", "//! What.\n#[derive(Serialize)]", None);
        check("crates/serve/src/a.rs", "//! What.\nfn f(fd: RawFd);", Some("RawFd"));
        check("crates/serve/src/a.rs", "//! What.\nfn f() { fd.as_raw_fd() }", Some("as_raw_fd"));
        check("crates/engine/src/model/a.rs", "//! What.\nfn f(fd: RawFd);", None);
    }

    #[test]
    fn a_second_clock_in_a_crate_is_caught() {
        let now = "//! What.\nfn f() { Instant::now() }";
        let one = ("crates/x/src/a.rs", now);
        assert_eq!(problems(&[one, ("crates/y/src/a.rs", now)]).len(), 0);
        assert_eq!(problems(&[one, ("crates/x/src/tests.rs", now)]).len(), 0);
        assert_eq!(problems(&[one, ("crates/x/src/b.rs", now)]).len(), 1);
    }
}
