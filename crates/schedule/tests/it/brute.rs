//! Schedules against a daemon's loop run minute by minute.
//!
//! The crate cuts time into eras and searches; this file wakes up at every minute of universal time
//! like cron itself, keeps a virtual clock, and looks at every field. Expressions, zones and days
//! are drawn from seeds around the clock changes of zones with unusual ones.

use std::collections::BTreeMap;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use sockeye_schedule::{Dialect, Expr, Schedule};

const SEEDS: u64 = 3_000;

/// Zones and days around which clocks changed: by an hour, half an hour, two hours, at midnight,
/// over a day, without a daylight-saving flag; and one that never does.
const CHANGES: &[(&str, &str)] = &[
    ("America/New_York", "2026-03-08T00:00:00Z"),
    ("America/New_York", "2026-11-01T00:00:00Z"),
    ("Europe/London", "2026-10-24T18:00:00Z"),
    ("Europe/Riga", "2021-03-27T18:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T06:00:00Z"),
    ("Antarctica/Troll", "2026-03-28T18:00:00Z"),
    ("Antarctica/Troll", "2026-10-24T18:00:00Z"),
    ("America/Sao_Paulo", "2018-02-17T18:00:00Z"),
    ("America/Sao_Paulo", "2018-11-03T18:00:00Z"),
    ("America/Caracas", "2016-05-01T00:00:00Z"),
    ("Asia/Pyongyang", "2018-05-04T06:00:00Z"),
    ("Pacific/Apia", "2011-12-29T18:00:00Z"),
    ("Africa/Casablanca", "2026-02-14T18:00:00Z"),
    ("Asia/Kathmandu", "2026-03-28T18:00:00Z"),
    // Zones of no place, at the edges of cron's table.
    ("AAA0BBB-0:04,M3.2.0,M11.1.0", "2026-03-07T18:00:00Z"),
    ("AAA0BBB-0:05,M3.2.0,M11.1.0", "2026-03-07T18:00:00Z"),
    ("AAA0BBB-0:05,M3.2.0,M11.1.0", "2026-10-31T18:00:00Z"),
    ("AAA0BBB-2:59,M3.2.0,M11.1.0", "2026-03-07T18:00:00Z"),
    ("AAA0BBB-3,M3.2.0,M11.1.0", "2026-03-07T18:00:00Z"),
    ("AAA0BBB-3,M3.2.0,M11.1.0", "2026-10-31T18:00:00Z"),
    ("AAA0BBB-3:01,M3.2.0,M11.1.0", "2026-10-31T18:00:00Z"),
    ("AAA0BBB-3:02,M3.2.0,M11.1.0", "2026-10-31T18:00:00Z"),
    // Two changes, the second before cron is over the first: back, and half an hour later forth.
    ("AAA0BBB-1,J60/0:30,J60/1", "2026-02-28T18:00:00Z"),
];

fn zone(name: &str) -> TimeZone {
    let zone = if name.contains(',') { TimeZone::posix(name) } else { TimeZone::get(name) };
    zone.expect("the zone is installed")
}

/// How much time the loop runs before the instants count, and while they do, in minutes.
const WARM_UP: i64 = 12 * 60;
const WATCHED: i64 = 40 * 60;

/// A small generator, so that a failure is replayed by its seed.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

fn expression(dice: &mut Dice) -> String {
    let minutes = ["*", "*/7", "*/15", "*/30", "0", "0,30", "59", "1-58", "5,35-50/5", "17"];
    let hours = ["*", "*/2", "0", "1", "2", "3", "1-3", "0-23", "0,1,2,3", "23", "22-23"];
    let days = ["*", "*", "*", "1", "*/2", "28-31"];
    let weekdays = ["*", "*", "*", "0", "6,7", "sat-7", "*/3"];
    let (minute, hour) = (dice.pick(&minutes), dice.pick(&hours));
    format!("{minute} {hour} {} * {}", dice.pick(&days), dice.pick(&weekdays))
}

/// cron's main loop: the instants it starts the job at, with the number of copies.
fn daemon(expr: &str, zone: &TimeZone, start: Timestamp) -> BTreeMap<Timestamp, u32> {
    let fields: Vec<&str> = expr.split(' ').collect();
    let wildcard = fields[0].starts_with('*') || fields[1].starts_with('*');
    let mut fires = BTreeMap::new();
    let mut virtual_clock = wall(zone, start);
    for minute in 1..=WARM_UP + WATCHED {
        let now = start.checked_add(minute.minutes()).expect("in range");
        let running = wall(zone, now);
        let ahead = running - virtual_clock;
        let looked_at: Vec<i64> = match ahead {
            1 => vec![running],
            2..=5 => (virtual_clock + 1..=running).collect(),
            6..=180 if wildcard => vec![running],
            6..=180 => (virtual_clock + 1..=running).collect(),
            -180..=0 if wildcard => vec![running],
            -180..=0 => vec![],
            _ => vec![running],
        };
        if !(-180..=0).contains(&ahead) {
            virtual_clock = running;
        }
        let copies = looked_at.iter().filter(|minute| matches(&fields, **minute)).count();
        if copies > 0 {
            fires.insert(now, copies as u32);
        }
    }
    fires
}

/// The civil minute of an instant, counted from 1970.
fn wall(zone: &TimeZone, at: Timestamp) -> i64 {
    (at.as_second() + i64::from(zone.to_offset(at).seconds())).div_euclid(60)
}

fn matches(fields: &[&str], minute: i64) -> bool {
    let civil = Timestamp::from_second(minute * 60).expect("in range");
    let civil = Offset::UTC.to_datetime(civil);
    let weekday = civil.weekday().to_sunday_zero_offset();
    let day = holds(fields[2], civil.day(), 1, 31);
    let weekday = holds(fields[4], weekday, 0, 7) || (weekday == 0 && holds(fields[4], 7, 0, 7));
    let both = fields[2].starts_with('*') || fields[4].starts_with('*');
    holds(fields[0], civil.minute(), 0, 59)
        && holds(fields[1], civil.hour(), 0, 23)
        && if both { day && weekday } else { day || weekday }
}

/// Whether an expression of plain numbers matches a civil minute.
pub fn holds_civil(expr: &str, minute: i64) -> bool {
    matches(&expr.split(' ').collect::<Vec<_>>(), minute)
}

fn holds(field: &str, value: i8, low: i8, high: i8) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let number = |text: &str| if text == "sat" { 6 } else { text.parse().expect("a number") };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((first, last)) => (number(first), number(last)),
            None => (number(range), number(range)),
        };
        (first..=last).contains(&value) && (value - first) % number(step) == 0
    })
}

#[test]
fn searching_finds_what_waking_every_minute_does() {
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let (name, day) = dice.pick(CHANGES);
        let expr = expression(&mut dice);
        let case = format!("seed {seed}: {expr} in {name} after {day}");
        let zone = zone(name);
        let start: Timestamp = day.parse().expect("an instant");
        let start = start.checked_sub(WARM_UP.minutes()).expect("in range");
        let from = start.checked_add(WARM_UP.minutes()).expect("in range");
        let to = from.checked_add(WATCHED.minutes()).expect("in range");
        let mut expected = daemon(&expr, &zone, start);
        expected.retain(|at, _| *at > from);
        let parsed = Expr::parse(&expr, Dialect::Debian).expect("a good expression");
        let schedule = Schedule::new(parsed, Dialect::Debian, zone);
        let fires = schedule.fires(from).take_while(|fire| fire.at <= to);
        let found: BTreeMap<Timestamp, u32> = fires.map(|fire| (fire.at, fire.copies)).collect();
        assert_eq!(found, expected, "{case}");
        forth_and_back(&schedule, from, to, &found, &mut dice, &case);
    }
}

/// `next` and `previous`, from any instant, give neighbours in the list of all.
fn forth_and_back(
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
    all: &BTreeMap<Timestamp, u32>,
    dice: &mut Dice,
    case: &str,
) {
    for _ in 0..8 {
        let offset = dice.below((to.as_second() - from.as_second()) as u64) as i64;
        let at = from.checked_add(offset.seconds()).expect("in range");
        let after = all.keys().find(|fire| **fire > at).copied();
        let before = all.keys().rev().find(|fire| **fire < at).copied();
        let next = schedule.next(at).filter(|fire| *fire <= to);
        let previous = schedule.previous(at).filter(|fire| *fire > from);
        assert_eq!((next, previous), (after, before), "{case}: around {at}");
    }
}

/// In every zone there is, near a change of its clock or far from any: `next` and `previous` undo
/// each other, and agree with the list.
#[test]
fn neighbours_agree_in_every_zone() {
    let mut zones = 0;
    for name in jiff::tz::db().available() {
        let zone = TimeZone::get(name.as_str()).expect("the zone is installed");
        let mut dice = Dice(zones);
        zones += 1;
        for _ in 0..10 {
            let at = Timestamp::from_second(dice.below(4_000_000_000) as i64).expect("in range");
            let change = zone.following(at).next().map_or(at, |change| change.timestamp());
            let at =
                change.checked_sub((dice.below(12 * 3600) as i64).seconds()).expect("in range");
            let expr = expression(&mut dice);
            let case = format!("{expr} in {} after {at}", name.as_str());
            let parsed = Expr::parse(&expr, Dialect::Debian).expect("a good expression");
            neighbours(&Schedule::new(parsed, Dialect::Debian, zone.clone()), at, &case);
        }
    }
    assert!(zones > 300, "only {zones} zones are installed");
}

fn neighbours(schedule: &Schedule, from: Timestamp, case: &str) {
    let mut last = None;
    for fire in schedule.fires(from).take(12) {
        assert_eq!(schedule.next(last.unwrap_or(from)), Some(fire.at), "{case}");
        let previous = schedule.previous(fire.at);
        match last {
            Some(last) => assert_eq!(previous, Some(last), "{case}: before {}", fire.at),
            None => assert!(previous.is_none_or(|at| at <= from), "{case}: before {}", fire.at),
        }
        last = Some(fire.at);
    }
}

#[test]
fn the_ends_of_time_are_no_trap() {
    let day = 30.hours();
    let ends = [
        Timestamp::MIN,
        Timestamp::MIN.checked_add(day).expect("in range"),
        Timestamp::from_nanosecond(-1).expect("in range"),
        Timestamp::MAX.checked_sub(day).expect("in range"),
        Timestamp::MAX,
    ];
    for (name, _) in CHANGES {
        let zone = zone(name);
        for expr in ["* * * * *", "30 2 * * *", "0 0 29 2 *", "0 0 30 2 *", "@reboot"] {
            let parsed = Expr::parse(expr, Dialect::Cronie).expect("a good expression");
            let schedule = Schedule::new(parsed, Dialect::Cronie, zone.clone());
            for at in ends {
                assert!(schedule.next(at).is_none_or(|next| next > at), "{expr} in {name}");
                assert!(schedule.previous(at).is_none_or(|last| last < at), "{expr} in {name}");
                assert!(schedule.fires_since_start(at).take(3).all(|fire| fire.at > at));
            }
        }
    }
}
