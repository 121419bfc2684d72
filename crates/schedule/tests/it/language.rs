//! The language: lines that are good, lines that are not, what is said about them, words.

use std::os::unix::ffi::OsStrExt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sockeye_schedule::{Crontab, Dialect, Entry, Expr, Kind, Options};

fn options(dialect: Dialect, kind: Kind) -> Options {
    let zones = |name: &str| TimeZone::get(name).ok();
    Options { dialect, kind, zones, ..Options::utc() }
}

fn user(text: &str) -> Crontab {
    Crontab::parse(text.as_bytes(), &options(Dialect::Debian, Kind::User))
}

fn cronie(text: &str) -> Crontab {
    Crontab::parse(text.as_bytes(), &options(Dialect::Cronie, Kind::User))
}

#[track_caller]
fn only(crontab: &Crontab) -> &Entry {
    assert!(crontab.errors().is_empty(), "{:?}", crontab.errors());
    assert_eq!(crontab.entries().len(), 1);
    &crontab.entries()[0]
}

#[test]
fn words_say_what_happens() {
    let check = |expr: &str, expected: &str| {
        let expr = Expr::parse(expr, Dialect::Debian).expect("a good expression");
        assert_eq!(expr.describe(), expected, "{expr}");
    };
    check("0 4 * * 6,0", "at 04:00 on Saturday and Sunday");
    check("0 4 * * 6,7", "at 04:00 on Saturday and Sunday");
    check("* * * * *", "every minute");
    check("*/5 * * * *", "every 5 minutes");
    check("0 * * * *", "every hour, on the hour");
    check("30 * * * *", "every hour at minute 30");
    check("0,30 * * * *", "every 30 minutes");
    check("*/7 * * * *", "every 7 minutes from minute 0 to 56 of every hour");
    check("1-59/2 * * * *", "every 2 minutes from minute 1 to 59 of every hour");
    check("10-20 * * * *", "every minute from minute 10 to 20 of every hour");
    check("0 */2 * * *", "every 2 hours, on the hour");
    check("5 */2 * * *", "every 2 hours at minute 5");
    check("*/10 */2 * * *", "every 10 minutes of every 2nd hour");
    check("* 2 * * *", "every minute from 02:00 to 02:59");
    check("*/15 9-17 * * 1-5", "every 15 minutes from 09:00 to 17:59 on Monday to Friday");
    check("0 9-17 * * *", "every hour from 09:00 to 17:00");
    check("5 0-12 * * *", "every hour from 00:05 to 12:05");
    check("0,30 2 * * *", "at 02:00 and 02:30");
    check("15 3,9,15,21 * * *", "at 03:15, 09:15, 15:15 and 21:15");
    check("*/20 1,5,9 * * *", "every 20 minutes in the hours of 01:00, 05:00 and 09:00");
    check("5 4 * * sun", "at 04:05 on Sunday");
    check("30 4 1,15 * 5", "at 04:30 on the 1st and 15th of the month, and on Friday");
    check("0 0 1-7 * */7", "at 00:00 on the 1st to 7th of the month, if it is Sunday");
    check("0 0 */2 * 1", "at 00:00 on every 2nd day of the month, if it is Monday");
    check("0 0 1 1 *", "at 00:00 on the 1st of January");
    check("0 0 1 */3 *", "at 00:00 on the 1st of January, April, July and October");
    check("0 0 * 6-8 *", "at 00:00 in June to August");
    check("5 0 * 8 *", "at 00:05 in August");
    check("0 12 1-31 * 2", "at 12:00");
    check("0 22-2 * * *", "never");
    check("0 0 30 2 *", "never");
    check("@reboot", "when the scheduler starts");
    check("@weekly", "at 00:00 on Sunday");
    check("@hourly", "every hour, on the hour");
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    let check = |line: &str, column: u32, what: &str, remedy: &str| {
        let crontab = user(&format!("{line}\n"));
        let expected = format!("line 1, column {column}: {what}; {remedy}");
        let errors: Vec<String> = crontab.errors().iter().map(ToString::to_string).collect();
        assert_eq!(errors, [expected], "{line}");
    };
    check("5/15 * * * * x", 2, "a step needs a range or * before it", "write 5-59/15");
    check("61 * * * * x", 1, "61 is not a minute", "write 0-59");
    check("  0 24 * * * x", 5, "24 is not an hour", "write 0-23");
    check(
        "0 0 * * Monday x",
        9,
        "`Monday` is not a day of week",
        "names have three letters: write mon",
    );
    check("0 0 ? * * x", 5, "a day of month is missing before `?`", "cron has no ?: write *");
    check(
        "0 0 L * * x",
        5,
        "`L` is not a day of month",
        "cron has no L or W: list the days, or test in the command",
    );
    check("0 0 * mon * x", 7, "`mon` is not a month", "write 1-12, jan-dec or *");
    check("*/0 * * * * x", 3, "a step of 0 never advances", "write a step of 1 or more");
    check("*/ * * * * x", 3, "a number is missing at the end of `*/`", "write a number, as in */5");
    check("1,,2 * * * * x", 3, "a minute is missing before `,`", "write 0-59 or *");
    check(
        "0 0 * *",
        8,
        "the day of week is missing: 4 of 5 fields found",
        "write minute, hour, day of month, month, day of week",
    );
    check("0 0 * * *", 10, "the command is missing", "write the command after the fields");
    check("0 0 0 * * * x", 5, "0 is not a day of month", "write 1-31");
    check(
        "0 0 1 * * * x",
        11,
        "a sixth time field follows the day of week",
        "cron has five fields and no seconds: remove one",
    );
    check("@Daily x", 1, "cron has no nickname `@Daily`", "nicknames are lower case: write @daily");
    check("@every 5m x", 1, "cron has no nickname `@every`", "write a step, as in */5 * * * *");
    check(
        "@often x",
        1,
        "cron has no nickname `@often`",
        "write one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @reboot",
    );
    check(
        "30~40 1 * * * x\0",
        16,
        "the line holds a NUL byte",
        "remove it: no command or variable can hold one",
    );
    check("=x", 1, "the name before = is empty", "write NAME=value");
    check(
        "CRON_TZ=Mars/Olympus",
        1,
        "there is no time zone `Mars/Olympus`",
        "write an IANA name such as Europe/Berlin; lines below keep the zone above",
    );
    check(
        &format!("* * * * * {}", "x".repeat(1_000)),
        11,
        "the command has 1000 bytes, and cron cuts it at 999",
        "move it into a script",
    );
}

#[test]
fn notes_tell_what_a_daemon_would_not() {
    let check = |line: &str, column: u32, what: &str, remedy: &str| {
        let crontab = user(&format!("{line}\n"));
        assert!(crontab.errors().is_empty(), "{:?}", crontab.errors());
        let expected = format!("line 1, column {column}: {what}; {remedy}");
        let notes: Vec<String> = crontab.notes().iter().map(ToString::to_string).collect();
        assert_eq!(notes, [expected], "{line}");
    };
    assert!(user("0 0 * * * x\n").notes().is_empty());
    check(
        "0 22-2 * * * x",
        3,
        "the range 22-2 is reversed: the field never matches",
        "write 22-23,0-2",
    );
    check(
        "0 0 * * fri-sun x",
        9,
        "the range 5-0 is reversed: the field never matches",
        "write 5-7",
    );
    check("0 0 * * 6-1 x", 9, "the range 6-1 is reversed: the field never matches", "write 6,0-1");
    check("*/90 * * * * x", 1, "the step 90 is longer than 0-59: only 0 matches", "write 0");
    check(
        "*/45 * * * * x",
        1,
        "every 45 minutes is uneven: the count starts again at 0",
        "choose a divisor for even gaps",
    );
    check(
        "5#2 * * * * x",
        2,
        "Debian's cron ignores `#2` in the minute field",
        "remove it, or write what is meant",
    );
    check(
        "0 0 31 4 * x",
        1,
        "this day never comes in these months",
        "check the days of the month against the months",
    );
    check(
        "0 0 * * * date +%F",
        17,
        "% ends the command here and begins its standard input",
        "write \\% for a percent sign",
    );
    check(
        "0 0 * * * root x",
        11,
        "the command begins with `root`, but a user's crontab has no user column",
        "remove it",
    );
    check(
        "0 0 1 1 2 2027 x",
        11,
        "the command begins with `2027`",
        "cron has five time fields and no year",
    );
    check("USER=me", 1, "USER is always the job's user", "remove the line");
    check(
        "CRON_TZ=Europe/Berlin",
        1,
        "Debian's cron ignores CRON_TZ",
        "here it holds for the lines below; remove it if these jobs run under Debian too",
    );
}

#[test]
fn percent_ends_the_command() {
    let check = |text: &str, command: &str, stdin: Option<&str>| {
        let crontab = user(&format!("* * * * * {text}\n"));
        let entry = only(&crontab);
        assert_eq!(entry.command().as_bytes(), command.as_bytes(), "{text}");
        assert_eq!(entry.stdin(), stdin.map(str::as_bytes), "{text}");
    };
    check("date", "date", None);
    check("mail -s Lunch me%Hi,%%Noon?", "mail -s Lunch me", Some("Hi,\n\nNoon?\n"));
    check("date +\\%F", "date +%F", None);
    check("cat%a\\%b%c", "cat", Some("a%b\nc\n"));
    check("cat%", "cat", Some(""));
    check("cat%a%", "cat", Some("a\n"));
    check("echo \\n \\\\", "echo \\n \\\\", None);
    check("echo \\\\%x", "echo \\\\", Some("x\n"));
    check("cat%a\\\\%b", "cat", Some("a\\%b\n"));
    check("cat%a\\b", "cat", Some("a\\b\n"));
    check("x # not a comment", "x # not a comment", None);
}

#[test]
fn settings_hold_for_the_lines_below() {
    let text = "A=1\n0 0 * * * one\n  B = 'two words'  \nA=3\n@daily two\nC=never seen\n";
    let crontab = user(text);
    let seen = |index: usize| -> Vec<(String, String)> {
        let environment = crontab.entries()[index].environment();
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        environment.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    };
    let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
    assert_eq!(seen(0), [pair("A", "1")]);
    assert_eq!(seen(1), [pair("A", "3"), pair("B", "two words")]);
    assert_eq!(crontab.entries()[1].line(), 5);
}

#[test]
fn good_lines_run_beside_bad_ones() {
    let text = "# comment\n\n0 1 * * * one\n61 * * * * bad\n \t# indented comment\n\
                0 2 * * * two\r\n@reboot three\n* * * bad\n0 3 * * * last without newline";
    let crontab = user(text);
    let lines: Vec<u32> = crontab.entries().iter().map(Entry::line).collect();
    let bad: Vec<u32> = crontab.errors().iter().map(|error| error.line()).collect();
    let noted: Vec<u32> = crontab.notes().iter().map(|note| note.line()).collect();
    assert_eq!((lines, bad, noted), (vec![3, 6, 7, 9], vec![4, 8], vec![6, 9]));
    assert_eq!(crontab.entries()[1].command().as_bytes(), b"two");
    assert!(crontab.entries()[2].expr().at_start());
    assert_eq!(crontab.entries()[2].schedule().next(Timestamp::UNIX_EPOCH), None);
}

#[test]
fn system_crontabs_name_the_user() {
    let system = options(Dialect::Debian, Kind::System);
    let text = "17 * * * *\troot  cd / && run-parts /etc/cron.hourly\n@daily nobody x y\n\
                0 0 * * * root\n0 0 * * * 5 root x\n";
    let crontab = Crontab::parse(text.as_bytes(), &system);
    let found: Vec<(String, String)> = crontab
        .entries()
        .iter()
        .map(|entry| {
            let user = entry.user().expect("a user").to_string_lossy().into_owned();
            (user, entry.command().to_string_lossy().into_owned())
        })
        .collect();
    let expected =
        [("root", "cd / && run-parts /etc/cron.hourly"), ("nobody", "x y"), ("5", "root x")];
    assert_eq!(found, expected.map(|(user, command)| (user.to_string(), command.to_string())));
    let errors: Vec<String> = crontab.errors().iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["line 3, column 15: the command is missing; write the command after the fields"]
    );
    assert_eq!(crontab.notes().len(), 1);
    assert_eq!(crontab.notes()[0].what(), "`5` stands where the user belongs");
}

#[test]
fn cronie_has_more_to_say() {
    assert!(only(&cronie("-0 0 * * * x\n")).quiet());
    let crontab = cronie("0 0 * * * -n x\n");
    let entry = only(&crontab);
    assert!(entry.mail_on_error());
    assert_eq!(entry.command().as_bytes(), b"x");
    assert_eq!(cronie("0 0 * * * -q x\n").errors().len(), 1);
    assert_eq!(cronie("5#2 * * * * x\n").errors().len(), 1);
    assert_eq!(cronie("40~30 * * * * x\n").errors().len(), 1);
    let crontab = cronie("CRON_TZ=Asia/Tokyo\n0 9 * * * x\n");
    assert!(crontab.notes().is_empty());
    let next = only(&crontab).schedule().next(Timestamp::UNIX_EPOCH).expect("a time");
    assert_eq!(next.to_string(), "1970-01-02T00:00:00Z");
}

#[test]
fn random_times_are_drawn_once_and_within_bounds() {
    let draw = |seed: u64| {
        let options = Options { seed, ..options(Dialect::Cronie, Kind::User) };
        let crontab = Crontab::parse(b"10~20 ~ * * * x\n", &options);
        only(&crontab).schedule().next(Timestamp::UNIX_EPOCH).expect("a time")
    };
    let drawn: std::collections::BTreeSet<Timestamp> = (0..200).map(draw).collect();
    assert!(drawn.len() > 50, "seeds give different times: {}", drawn.len());
    for at in drawn {
        let minute = at.as_second() / 60 % 60;
        assert!((10..=20).contains(&minute), "{at}");
    }
    assert_eq!(draw(7), draw(7));
}

#[test]
fn a_simulation_merges_all_jobs_in_order() {
    let text = "0 */6 * * * six\n30 2 * * * once\n@reboot never\n0 2,3 8 3 * gap\n";
    let zone = TimeZone::get("America/New_York").expect("the zone is installed");
    let options = Options { zone, ..options(Dialect::Debian, Kind::User) };
    let crontab = Crontab::parse(text.as_bytes(), &options);
    let instant = |text: &str| text.parse::<Timestamp>().expect("an instant");
    // 8 March 2026: at 02:00 the clock goes to 03:00.
    let (from, to) = (instant("2026-03-08T00:00:00-05:00"), instant("2026-03-08T12:00:00-04:00"));
    let found: Vec<(String, u32, u32)> = crontab
        .simulate(from, to)
        .map(|due| (due.at.to_string(), due.entry.line(), due.copies))
        .collect();
    let expected = [
        ("2026-03-08T07:00:00Z", 2, 1),
        ("2026-03-08T07:00:00Z", 4, 2),
        ("2026-03-08T10:00:00Z", 1, 1),
        ("2026-03-08T16:00:00Z", 1, 1),
    ];
    assert_eq!(found, expected.map(|(at, line, copies)| (at.to_string(), line, copies)));
}

#[test]
fn files_are_bounded() {
    let many = "* * * * * x\n".repeat(10_002);
    let crontab = user(&many);
    assert_eq!((crontab.entries().len(), crontab.errors().len()), (10_000, 2));
    let settings = "A=1\n".repeat(1_001);
    assert_eq!(user(&settings).errors().len(), 1);
    let bad = "x\n".repeat(5_000);
    assert_eq!(user(&bad).errors().len(), 1_000);
}
