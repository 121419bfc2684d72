//! The recorded behaviour of real daemons, and the tests of other projects held against it.
//!
//! `tests/vectors/README.md` says where each file comes from. Each row is an expression, a zone, an
//! instant, and what comes strictly after it.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, civil};
use sockeye_schedule::{Crontab, Dialect, Fire, Options, Schedule};

const THIRD_PARTY: &str = include_str!("../vectors/third_party.tsv");
const DST_DEBIAN: &str = include_str!("../vectors/dst_debian.tsv");
const DST_CRONIE: &str = include_str!("../vectors/dst_cronie.tsv");
const GRAMMAR: &str = include_str!("../vectors/grammar.tsv");
const EXAMPLES: &str = include_str!("../vectors/examples.tsv");

/// Rows that say something else than this crate does, each with the reason: the file, the
/// expression, the instant before, why. They hold for both dialects.
const EXCEPTIONS: &[(&str, &str, &str, &str)] =
    &[("third_party", "0 0 29 2 *", "2020-01-01T00:00:00+00:00", LEAP_DAYS)];
const LEAP_DAYS: &str = "the recording stopped before the last of the 12 leap days, in 2064; \
    the crate agrees with the other project";

struct Row<'a> {
    file: &'static str,
    expr: &'a str,
    zone: &'a str,
    from: &'a str,
    expected: &'a str,
    rest: Vec<&'a str>,
}

fn rows<'a>(file: &'static str, text: &'a str) -> impl Iterator<Item = Row<'a>> {
    text.lines().filter(|line| !line.starts_with("#expression")).map(move |line| {
        let mut columns = line.split('\t');
        let mut column = || columns.next().expect("a row has at least five columns");
        let (expr, zone, from, expected) = (column(), column(), column(), column());
        Row { file, expr, zone, from, expected, rest: columns.collect() }
    })
}

/// An instant; without an offset it is UTC.
fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|_| {
        let naive: civil::DateTime = text.parse().expect("an instant or a civil time");
        naive.to_zoned(TimeZone::UTC).expect("in range").timestamp()
    })
}

/// The schedule of a line of a crontab, as the daemons were given the expressions.
fn schedule(row: &Row<'_>, dialect: Dialect) -> Option<Schedule> {
    let zone = TimeZone::get(row.zone).expect("the zone is installed");
    let options = Options { dialect, zone, ..Options::utc() };
    let line = format!("{} command\n", row.expr);
    let crontab = Crontab::parse(line.as_bytes(), &options);
    assert_eq!(crontab.entries().len() + crontab.errors().len(), 1, "{line}");
    crontab.entries().first().map(|entry| entry.schedule().clone())
}

/// What the crate makes of a row, or how it differs from what the row expects.
fn compare(row: &Row<'_>, dialect: Dialect) -> Result<(), String> {
    let Some(schedule) = schedule(row, dialect) else {
        return if row.expected == "invalid" { Ok(()) } else { Err("refused".into()) };
    };
    let from = instant(row.from);
    let same = match row.expected.split_once(':') {
        None if row.expected == "invalid" => false,
        None if row.expected == "reboot" => schedule.expr().at_start(),
        None => never_in_ten_years(&schedule, from),
        Some(("match", at)) => fires_at(&schedule, instant(at)),
        Some(("nomatch", at)) => !fires_at(&schedule, instant(at)),
        Some(_) => return list(&schedule, from, row.expected, row.file != "third_party"),
    };
    if same { Ok(()) } else { Err(format!("taken as {}", schedule.expr().describe())) }
}

fn never_in_ten_years(schedule: &Schedule, from: Timestamp) -> bool {
    let end = from.checked_add((10 * 366 * 24).hours()).expect("in range");
    schedule.next(from).is_none_or(|at| at > end)
}

fn fires_at(schedule: &Schedule, at: Timestamp) -> bool {
    schedule.next(at.checked_sub(1.second()).expect("in range")) == Some(at)
}

fn list(
    schedule: &Schedule,
    from: Timestamp,
    expected: &str,
    count_copies: bool,
) -> Result<(), String> {
    let wanted: Vec<(Timestamp, u32)> = expected.split(',').map(fire).collect();
    // Only the recordings of daemons count copies.
    let copies = |fire: Fire| if count_copies { fire.copies } else { 1 };
    let fires = schedule.fires_since_start(from).take(wanted.len());
    let found: Vec<(Timestamp, u32)> = fires.map(|fire| (fire.at, copies(fire))).collect();
    if found == wanted { Ok(()) } else { Err(format!("found {found:?}")) }
}

/// An instant with the number of copies: `T(x2)` or `T (x2)`.
fn fire(text: &str) -> (Timestamp, u32) {
    match text.split_once("(x") {
        Some((at, copies)) => {
            let copies = copies.trim_end_matches(')').parse().expect("a number of copies");
            (instant(at.trim()), copies)
        }
        None => (instant(text), 1),
    }
}

/// Holds all rows of a file against the crate; fails with every row that disagrees.
fn check(rows: impl Iterator<Item = (Row<'static>, Dialect)>, least: usize) {
    let (mut count, mut bad) = (0, Vec::new());
    for (row, dialect) in rows {
        count += 1;
        if let Err(why) = compare(&row, dialect)
            && !excepted(&row)
        {
            bad.push(format!(
                "{} {dialect}: {} {} from {}: expected {}, {why}",
                row.file, row.expr, row.zone, row.from, row.expected
            ));
        }
    }
    assert!(bad.is_empty(), "{} of {count} rows:\n{}", bad.len(), bad.join("\n"));
    assert!(count >= least, "only {count} rows were held against the crate");
}

fn excepted(row: &Row<'_>) -> bool {
    EXCEPTIONS
        .iter()
        .any(|&(file, expr, from, _)| (file, expr, from) == (row.file, row.expr, row.from))
}

#[test]
fn clock_changes_as_debian() {
    check(rows("dst_debian", DST_DEBIAN).map(|row| (row, Dialect::Debian)), 263);
}

#[test]
fn clock_changes_as_cronie() {
    check(rows("dst_cronie", DST_CRONIE).map(|row| (row, Dialect::Cronie)), 263);
}

#[test]
fn well_known_examples() {
    let both = |row: Row<'static>| {
        let again = Row { rest: Vec::new(), ..row };
        [(again, Dialect::Debian), (row, Dialect::Cronie)]
    };
    check(rows("examples", EXAMPLES).flat_map(both), 116);
}

/// The rows of upstream Vixie cron are not for this crate, which has no such dialect.
#[test]
fn corners_of_the_grammar() {
    let of = |row: &Row<'_>| match row.rest.first() {
        Some(&"oracle: debian") => Some(Dialect::Debian),
        Some(&"oracle: cronie") => Some(Dialect::Cronie),
        _ => None,
    };
    check(rows("grammar", GRAMMAR).filter_map(|row| of(&row).map(|dialect| (row, dialect))), 87);
}

/// The verdict a daemon's real code reached on a row of another project.
fn verdict(row: &Row<'_>, dialect: Dialect) -> String {
    let column = match dialect {
        Dialect::Debian => 2,
        Dialect::Cronie => 3,
    };
    row.rest.get(column).expect("a verdict").to_string()
}

/// Whether the crate reaches the same verdict on a row as the daemon.
fn agrees(row: &Row<'_>, dialect: Dialect) -> Result<(), String> {
    let refused = schedule(row, dialect).is_none();
    let same = compare(row, dialect);
    match verdict(row, dialect).as_str() {
        "agree" => same,
        "invalid" if refused => Ok(()),
        "invalid" => Err("the daemon refuses it".into()),
        "differs" if !refused && same.is_err() => Ok(()),
        "differs" => Err(format!("the daemon differs; refused here: {refused}")),
        _ => Ok(()),
    }
}

#[test]
fn other_projects_tests_judged_by_the_daemons() {
    let (mut all_three, mut judged, mut bad) = (0, 0, Vec::new());
    for row in rows("third_party", THIRD_PARTY) {
        all_three += usize::from(row.rest.get(2..5) == Some(&["agree"; 3]));
        for dialect in [Dialect::Debian, Dialect::Cronie] {
            judged += usize::from(verdict(&row, dialect) != "n/a");
            if let Err(why) = agrees(&row, dialect)
                && !excepted(&row)
            {
                let Row { expr, zone, from, expected, .. } = &row;
                bad.push(format!("{dialect}: {expr} {zone} {from}: {expected}, {why}"));
            }
        }
    }
    assert!(bad.is_empty(), "{} of {judged} verdicts:\n{}", bad.len(), bad.join("\n"));
    assert_eq!((all_three, judged), (1123, 3998));
}
