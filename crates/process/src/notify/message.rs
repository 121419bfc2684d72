//! The text of a message: lines of `NAME=value` (sd_notify(3)). Pure.

use std::time::Duration;

/// Lines that are understood in one message; the rest is left out.
pub const NOTICES_MAX: usize = 64;
/// A longer status text is cut.
pub const TEXT_BYTES_MAX: usize = 512;

/// One thing that a program says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    Ready,
    Reloading,
    Stopping,
    /// For people: without control characters, [`TEXT_BYTES_MAX`] at most.
    Status(String),
    /// The program goes on as this process.
    MainPid(u32),
    /// It is alive: the watchdog's time begins again.
    Watchdog,
    /// It asks to be treated as if the watchdog's time were over.
    WatchdogTrigger,
    /// The watchdog's time from now on; zero turns it off.
    WatchdogTime(Duration),
    /// It needs this long from now for what it is about: starting, reloading or stopping.
    ExtendTimeout(Duration),
    /// Why it fails, as an error number.
    Errno(i32),
}

/// What a message says. Unknown lines, bad values, and the names whose descriptors are closed
/// anyway are left out.
pub fn parse(message: &[u8]) -> Vec<Notice> {
    message.split(|byte| *byte == b'\n').filter_map(line).take(NOTICES_MAX).collect()
}

fn line(line: &[u8]) -> Option<Notice> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&line[..at], &line[at + 1..]);
    let flag = |notice| (value == b"1").then_some(notice);
    let time = || number::<u64>(value).map(Duration::from_micros);
    match name {
        b"READY" => flag(Notice::Ready),
        b"RELOADING" => flag(Notice::Reloading),
        b"STOPPING" => flag(Notice::Stopping),
        b"STATUS" => Some(Notice::Status(text(value))),
        b"MAINPID" => number(value).filter(|pid| *pid > 0).map(Notice::MainPid),
        b"WATCHDOG" if value == b"trigger" => Some(Notice::WatchdogTrigger),
        b"WATCHDOG" => flag(Notice::Watchdog),
        b"WATCHDOG_USEC" => time().map(Notice::WatchdogTime),
        b"EXTEND_TIMEOUT_USEC" => time().map(Notice::ExtendTimeout),
        b"ERRNO" => number(value).map(Notice::Errno),
        _ => None,
    }
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    let is_decimal = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_decimal)?.parse().ok()
}

fn text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut kept = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if kept.len() + letter.len_utf8() > TEXT_BYTES_MAX {
            break;
        }
        kept.push(letter);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_lines_are_understood_and_others_left_out() {
        let check = |message: &str, expected: &[Notice]| {
            assert_eq!(parse(message.as_bytes()), expected, "{message:?}");
        };
        let ms = Duration::from_millis;
        check("READY=1", &[Notice::Ready]);
        check(
            "READY=1\nSTATUS=up: 3 clients\n",
            &[Notice::Ready, Notice::Status("up: 3 clients".to_owned())],
        );
        check("READY=0\nREADY=\nREADY\n=1\nready=1", &[]);
        check("RELOADING=1\nMONOTONIC_USEC=5", &[Notice::Reloading]);
        check("STOPPING=1", &[Notice::Stopping]);
        check(
            "MAINPID=42\nMAINPID=0\nMAINPID=-1\nMAINPID=+3\nMAINPID=99999999999",
            &[Notice::MainPid(42)],
        );
        check("WATCHDOG=1\nWATCHDOG=trigger", &[Notice::Watchdog, Notice::WatchdogTrigger]);
        check("WATCHDOG_USEC=20000", &[Notice::WatchdogTime(ms(20))]);
        check("EXTEND_TIMEOUT_USEC=1000000", &[Notice::ExtendTimeout(ms(1000))]);
        check("ERRNO=2\nBUSERROR=x\nFDSTORE=1\nFDNAME=a\nBARRIER=1", &[Notice::Errno(2)]);
        check("STATUS=a\x1b[31mb\r", &[Notice::Status("a[31mb".to_owned())]);
        check(&format!("STATUS={}", "é".repeat(400)), &[Notice::Status("é".repeat(256))]);
        assert_eq!(parse(&b"WATCHDOG=1\n".repeat(100)).len(), NOTICES_MAX);
    }

    #[test]
    fn seeds_of_the_fuzz_entry_hold() {
        let seeds: [&[u8]; 7] = [
            b"",
            b"READY=1\nSTATUS=\xff\xfe\nMAINPID=1",
            b"==\n\n=\nREADY=1=1",
            b"EXTEND_TIMEOUT_USEC=18446744073709551615\nWATCHDOG_USEC=18446744073709551616",
            b"STATUS=\xe2\x80\xae\x00\x1b",
            &[b'\n'; 5000],
            &[0xff; 600],
        ];
        seeds.into_iter().for_each(crate::notify::fuzz);
    }
}
