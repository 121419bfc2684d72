//! The verbs of `sockeye cron` that only tell: next, explain, check, simulate.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::harness::sockeye;

fn cron(words: &[&str]) -> Output {
    sockeye(&["cron"]).args(words).env("TZ", "UTC").output().unwrap()
}

/// Exit status, standard output, and a part of standard error.
fn check(words: &[&str], expected: (i32, &str, &str)) {
    let output = cron(words);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(expected.0), "{words:?}: {out}{err}");
    assert_eq!(out, expected.1, "{words:?}");
    assert!(err.contains(expected.2), "{words:?}: {err}");
    assert!(!expected.2.is_empty() || err.is_empty(), "{words:?}: {err}");
}

#[test]
fn next_prints_one_instant_a_line() {
    let from = "2026-03-08";
    check(
        &["next", "0,30 2 * * *", "-n", "3", "--tz", "America/New_York", "--from", from],
        (
            0,
            "2026-03-08T03:00:00-04:00\n2026-03-08T03:00:00-04:00\n2026-03-09T02:00:00-04:00\n",
            "",
        ),
    );
    check(
        &["next", "@daily", "-n", "1", "--json", "--tz", "Europe/Vienna", "--from", from],
        (0, "[{\"at\":\"2026-03-09T00:00:00+01:00\",\"copies\":1}]\n", ""),
    );
    check(
        &["next", "0", "4", "*", "*", "6,0", "-n", "1", "--from", from],
        (0, "2026-03-08T04:00:00+00:00\n", ""),
    );
    check(&["next", "@reboot"], (1, "", "at no instant"));
    check(&["next", "0 0 30 2 *"], (1, "", "never runs"));
}

#[test]
fn slips_are_shown_with_a_caret() {
    check(&["next", "5/15 * * * *"], (2, "", "write 5-59/15\n    5/15 * * * *\n     ^\n"));
    check(&["explain", "0 0 * * Monday"], (2, "", "\n    0 0 * * Monday\n            ^\n"));
    check(&["next", "@daily", "--tz", "Mars/Olympus"], (2, "", "there is no such time zone"));
    check(&["next", "@daily", "--from", "soon"], (2, "", "is no instant"));
    check(&["next", "@daily", "-n", "0"], (2, "", "0 is not in 1..=100000"));
    check(&["check", "/nowhere/crontab"], (1, "", "cannot read /nowhere/crontab"));
}

#[test]
fn explain_tells_words_runs_and_the_change_of_the_clock() {
    let words = ["explain", "30 2 * * *", "--tz", "Europe/Vienna", "--from", "2027-03-26T12:00"];
    let expected = "\
30 2 * * *
  runs   at 02:30
  zone   Europe/Vienna
  next   Sat 2027-03-27 02:30 +01:00
         Sun 2027-03-28 03:00 +02:00
         Mon 2027-03-29 02:30 +02:00
         Tue 2027-03-30 02:30 +02:00
         Wed 2027-03-31 02:30 +02:00
  clock  Sun 2027-03-28 goes forward from 02:00 to 03:00
         its times in the gap run at the first minute after it
         Sun 2027-03-28 03:00 +02:00
         Mon 2027-03-29 02:30 +02:00
         Tue 2027-03-30 02:30 +02:00
         Wed 2027-03-31 02:30 +02:00
";
    check(&words, (0, expected, ""));
}

#[test]
fn check_finds_every_mistake_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tab");
    let path = file.to_str().unwrap();
    fs::write(&file, "# ok\n0 4 * * 6,0 true\n61 * * * * true\n\n0 0 * * Monday true\n").unwrap();
    let monday = "`Monday` is not a day of week; names have three letters: write mon";
    let wrong = "Debian's cron would drop the whole file, here the other lines run";
    let expected = format!(
        "{path}:3:1: error: 61 is not a minute; write 0-59\n    61 * * * * true\n    ^\n\
         {path}:5:9: error: {monday}\n    0 0 * * Monday true\n            ^\n\
         {path}: 1 job, 2 wrong: {wrong}\n"
    );
    check(&["check", path], (1, &expected, "2 lines are wrong"));
    fs::write(&file, "0 4 * * 6,0 root true\n").unwrap();
    let in_order = format!("{path}: 1 job, in order\n");
    check(&["check", "--system", path], (0, &in_order, ""));
    fs::write(&file, "0 4 * * 6,0 nobody-here true\n").unwrap();
    let note = "note: user \"nobody-here\" is not in /etc/passwd";
    let output = cron(&["check", "--system", path]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(note), "{output:?}");
}

#[test]
fn simulate_lists_what_would_run_and_goes_on_past_bad_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tab");
    let path = file.to_str().unwrap();
    fs::write(&file, "@reboot never\n0 4 * * * one\nbad\n*/30 4 * * * two %in\n").unwrap();
    let words = ["simulate", path, "--from", "2026-01-01", "--to", "2026-01-01T12:00"];
    let expected = "\
2026-01-01T04:00:00+00:00  line 2  one
2026-01-01T04:00:00+00:00  line 4  two 
2026-01-01T04:30:00+00:00  line 4  two 
";
    check(&words, (0, expected, "tab:3:1: left out: `bad` is not a minute"));
    let output = cron(&[&words[..], &["--json"]].concat());
    let first = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
    let first: Value = serde_json::from_slice(first).unwrap();
    assert_eq!((&first["line"], &first["command"]), (&2.into(), &"one".into()));
    check(&["simulate", path, "--from", "2026-01-02", "--to", "2026-01-01"], (2, "", "exchange"));
}

/// The exercise: every Saturday and Sunday, and on no other day, through every change of the clock.
#[test]
fn the_weekend_restart_comes_on_weekends_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tab");
    fs::write(&file, "0 4 * * 6,0 systemctl restart nginx >/dev/null 2>&1\n").unwrap();
    for zone in ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe"] {
        let words = ["simulate", file.to_str().unwrap(), "--tz", zone, "--from", "2026-01-01"];
        let output = cron(&[&words[..], &["--to", "2027-01-01"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let mut days: BTreeMap<String, usize> = BTreeMap::new();
        for line in text.lines() {
            assert_eq!(&line[11..19], "04:00:00", "{zone}: {line}");
            let date: jiff::civil::Date = line[..10].parse().unwrap();
            *days.entry(format!("{:?}", date.weekday())).or_default() += 1;
        }
        let expected = BTreeMap::from([("Saturday".into(), 52), ("Sunday".into(), 52)]);
        assert_eq!(days, expected, "{zone}");
    }
}

/// The files that the manual points to.
#[test]
fn the_examples_are_in_order() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for name in ["nginx-weekend.toml", "python-app.toml", "cron-only.toml"] {
        let file = folder.join(name);
        let output = sockeye(&["check", "--config"]).arg(&file).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
    }
    let crontab = folder.join("site.cron");
    let output = sockeye(&["cron", "check"]).arg(&crontab).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("note"), "{text}");
}
