//! The columns of ps, by the keywords of `-o`: title, width, and what a cell says.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::bytes::{push_dec, push_signed};
use crate::family::Member;
use crate::tool::ps::facts::{Facts, Row, TICKS_PER_SECOND};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Pid,
    Ppid,
    Pgid,
    Session,
    User,
    Uid,
    State,
    Stat,
    Threads,
    Nice,
    Priority,
    Cpu,
    CpuWhole,
    Memory,
    VirtualKib,
    ResidentKib,
    Tty,
    Start,
    Time,
    TimeShort,
    Elapsed,
    Name,
    NameOrDefunct,
    Command,
    /// The command; of a zombie also how it ended and who has to reap it.
    Fate,
    Files,
    Listening,
    Connections,
    Role,
    Generation,
    Doing,
}

/// Keyword, title, column. The first of a column is its own name in our tables.
pub const KEYWORDS: [(&str, &str, Column); 41] = [
    ("pid", "PID", Column::Pid),
    ("ppid", "PPID", Column::Ppid),
    ("pgid", "PGID", Column::Pgid),
    ("pgrp", "PGRP", Column::Pgid),
    ("sid", "SID", Column::Session),
    ("sess", "SESS", Column::Session),
    ("user", "USER", Column::User),
    ("euser", "EUSER", Column::User),
    ("uname", "USER", Column::User),
    ("uid", "UID", Column::Uid),
    ("euid", "EUID", Column::Uid),
    ("s", "S", Column::State),
    ("state", "S", Column::State),
    ("stat", "STAT", Column::Stat),
    ("nlwp", "NLWP", Column::Threads),
    ("thcount", "THCNT", Column::Threads),
    ("ni", "NI", Column::Nice),
    ("nice", "NI", Column::Nice),
    ("pri", "PRI", Column::Priority),
    ("pcpu", "%CPU", Column::Cpu),
    ("%cpu", "%CPU", Column::Cpu),
    ("c", "C", Column::CpuWhole),
    ("pmem", "%MEM", Column::Memory),
    ("%mem", "%MEM", Column::Memory),
    ("vsz", "VSZ", Column::VirtualKib),
    ("rss", "RSS", Column::ResidentKib),
    ("tty", "TT", Column::Tty),
    ("stime", "STIME", Column::Start),
    ("start", "STARTED", Column::Start),
    ("time", "TIME", Column::Time),
    ("etime", "ELAPSED", Column::Elapsed),
    ("comm", "COMMAND", Column::Name),
    ("ucmd", "CMD", Column::Name),
    ("args", "COMMAND", Column::Command),
    ("cmd", "CMD", Column::Command),
    ("fds", "FD/LIMIT", Column::Files),
    ("listen", "LISTEN", Column::Listening),
    ("conns", "CONNS", Column::Connections),
    ("role", "ROLE", Column::Role),
    ("gen", "GEN", Column::Generation),
    ("doing", "DOING", Column::Doing),
];

impl Column {
    pub fn needs_files(self) -> bool {
        matches!(self, Column::Files | Column::Listening | Column::Connections)
    }

    pub fn needs_family(self) -> bool {
        matches!(self, Column::Role | Column::Generation | Column::Doing | Column::Fate)
    }

    pub fn is_command(self) -> bool {
        use Column::{Command, Fate, Name, NameOrDefunct};
        matches!(self, Command | Name | NameOrDefunct | Fate)
    }

    /// Width, and whether cells stand at the right.
    pub fn layout(self, facts: &Facts) -> (usize, bool) {
        match self {
            Column::Pid | Column::Ppid | Column::Pgid | Column::Session => (facts.pid_width, true),
            Column::User => (8, false),
            Column::Uid => (5, true),
            Column::State => (1, false),
            Column::Stat => (4, false),
            Column::Threads => (4, true),
            Column::Nice | Column::Priority => (3, true),
            Column::Cpu | Column::Memory => (4, true),
            Column::CpuWhole => (2, true),
            Column::VirtualKib => (6, true),
            Column::ResidentKib => (5, true),
            Column::Tty => (8, false),
            Column::Start => (5, false),
            Column::Time => (8, true),
            Column::TimeShort => (6, true),
            Column::Elapsed => (11, true),
            Column::Name | Column::NameOrDefunct => (15, false),
            Column::Command | Column::Fate => (27, false),
            Column::Files => (12, true),
            Column::Listening => (6, true),
            Column::Connections => (5, true),
            Column::Role => (12, false),
            Column::Generation => (3, true),
            Column::Doing => (40, false),
        }
    }

    pub fn push(self, out: &mut Vec<u8>, row: &Row, facts: &Facts) {
        match self {
            Column::Pid => push_dec(out, u64::from(row.pid)),
            Column::Ppid => push_dec(out, u64::from(row.ppid)),
            Column::Pgid => push_signed(out, i64::from(row.pgid)),
            Column::Session => push_signed(out, i64::from(row.session)),
            Column::User => push_user(out, row, facts),
            Column::Uid => push_dec(out, u64::from(row.uid)),
            Column::State => out.push(row.state),
            Column::Stat => push_stat(out, row),
            Column::Threads => push_dec(out, u64::from(row.threads)),
            // A real-time process has no niceness.
            Column::Nice if row.priority < -1 => out.push(b'-'),
            Column::Nice => push_signed(out, row.nice),
            Column::Priority => push_signed(out, 39 - row.priority),
            Column::Cpu => push_tenths(out, cpu_tenths(row, facts), 999),
            Column::CpuWhole => push_dec(out, (cpu_tenths(row, facts) / 10).min(99)),
            Column::Memory => {
                let resident = row.rss_pages.saturating_mul(facts.page_bytes);
                push_tenths(out, resident * 1000 / facts.memory_bytes.max(1), 999);
            }
            Column::VirtualKib => push_dec(out, row.vsize_bytes / 1024),
            Column::ResidentKib => push_dec(out, row.rss_pages * facts.page_bytes / 1024),
            Column::Tty => push_tty(out, row.tty),
            Column::Start => push_start(out, row, facts),
            Column::Time => push_clock(out, row.cpu_ticks / TICKS_PER_SECOND),
            Column::TimeShort => {
                let seconds = row.cpu_ticks / TICKS_PER_SECOND;
                out.extend_from_slice(format!("{}:{:02}", seconds / 60, seconds % 60).as_bytes());
            }
            Column::Elapsed => push_elapsed(out, facts.age_s(row)),
            Column::Name => out.extend_from_slice(&row.name),
            Column::NameOrDefunct => {
                out.extend_from_slice(&row.name);
                if row.state == b'Z' {
                    out.extend_from_slice(b" <defunct>");
                }
            }
            Column::Fate => push_fate(out, row, facts),
            Column::Command => out.extend_from_slice(&row.command),
            Column::Files => push_files(out, row),
            Column::Listening => push_count(out, row.listening),
            Column::Connections => push_count(out, row.connections),
            Column::Role => push_member(out, row, |member| member.role.clone()),
            Column::Generation => push_member(out, row, generation),
            Column::Doing => push_member(out, row, |member| member.doing.clone()),
        }
    }
}

fn push_user(out: &mut Vec<u8>, row: &Row, facts: &Facts) {
    match facts.users.name(row.uid) {
        // ps shortens a name that does not fit, with a plus for what is missing.
        Some(name) if name.len() > 8 => {
            out.extend_from_slice(&name[..7]);
            out.push(b'+');
        }
        Some(name) => out.extend_from_slice(name),
        None => push_dec(out, u64::from(row.uid)),
    }
}

fn push_stat(out: &mut Vec<u8>, row: &Row) {
    out.push(row.state);
    match row.nice {
        n if n < 0 => out.push(b'<'),
        n if n > 0 => out.push(b'N'),
        _ => {}
    }
    if i64::from(row.session) == i64::from(row.pid) {
        out.push(b's');
    }
    if row.threads > 1 {
        out.push(b'l');
    }
    if row.pgid == row.tpgid && row.tpgid > 0 {
        out.push(b'+');
    }
}

fn cpu_tenths(row: &Row, facts: &Facts) -> u64 {
    let age = facts.age_s(row);
    (row.cpu_ticks * 1000 / TICKS_PER_SECOND).checked_div(age).unwrap_or(0)
}

fn push_tenths(out: &mut Vec<u8>, tenths: u64, whole_from: u64) {
    if tenths > whole_from {
        return push_dec(out, tenths / 10);
    }
    push_dec(out, tenths / 10);
    out.push(b'.');
    push_dec(out, tenths % 10);
}

/// dev_t of the terminal: 136..143 are pts, 4 the consoles and serial lines.
fn push_tty(out: &mut Vec<u8>, number: i32) {
    let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xf_ff00);
    let text = match (major, minor) {
        (0, _) => "?".to_owned(),
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        (4, 0..=63) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".to_owned(),
        (major, minor) => format!("{major},{minor}"),
    };
    out.extend_from_slice(text.as_bytes());
}

const DAY_S: u64 = 24 * 3600;

/// The hour today, the day this year, else the year.
fn push_start(out: &mut Vec<u8>, row: &Row, facts: &Facts) {
    let second = facts.start_second(row);
    let Ok(time) = Timestamp::from_second(second as i64) else { return out.push(b'-') };
    let start = time.to_zoned(TimeZone::system());
    let format = match facts.age_s(row) {
        0..DAY_S => "%H:%M",
        age if age < 365 * DAY_S => "%b%d",
        _ => "%Y",
    };
    out.extend_from_slice(start.strftime(format).to_string().as_bytes());
}

fn push_clock(out: &mut Vec<u8>, seconds: u64) {
    let (days, rest) = (seconds / DAY_S, seconds % DAY_S);
    if days > 0 {
        out.extend_from_slice(format!("{days}-").as_bytes());
    }
    let text = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    out.extend_from_slice(text.as_bytes());
}

fn push_elapsed(out: &mut Vec<u8>, seconds: u64) {
    if seconds >= 3600 {
        return push_clock(out, seconds);
    }
    out.extend_from_slice(format!("{:02}:{:02}", seconds / 60, seconds % 60).as_bytes());
}

fn push_fate(out: &mut Vec<u8>, row: &Row, facts: &Facts) {
    out.extend_from_slice(&row.command);
    if row.state != b'Z' {
        return push_deeds(out, row);
    }
    // wait(2): the signal in the low seven bits, else the code above them.
    let ended = match row.exit_code & 0x7f {
        0 => format!(", exit code {}", row.exit_code >> 8 & 0xff),
        signal => format!(", killed by signal {signal}"),
    };
    out.extend_from_slice(ended.as_bytes());
    out.extend_from_slice(format!("; to be reaped by {} ", row.ppid).as_bytes());
    if let Some(parent) = facts.rows.iter().find(|other| other.pid == row.ppid) {
        out.extend_from_slice(&parent.name);
    }
}

/// Behind the command of a member of a family: its generation and what it does.
fn push_deeds(out: &mut Vec<u8>, row: &Row) {
    let Some(member) = row.member.as_ref().filter(|member| !member.doing.is_empty()) else {
        return;
    };
    let deeds = match member.generation {
        Some(generation) => format!(" [generation {generation}, {}]", member.doing),
        None => format!(" [{}: {}]", member.role, member.doing),
    };
    out.extend_from_slice(deeds.as_bytes());
}

fn push_member(out: &mut Vec<u8>, row: &Row, text: impl Fn(&Member) -> String) {
    let text = row.member.as_ref().map(text).filter(|text| !text.is_empty());
    out.extend_from_slice(text.as_deref().unwrap_or("-").as_bytes());
}

fn generation(member: &Member) -> String {
    member.generation.map(|number| number.to_string()).unwrap_or_default()
}

fn push_files(out: &mut Vec<u8>, row: &Row) {
    if row.state == b'Z' {
        return out.push(b'-');
    }
    match row.open_files {
        Some(count) => push_dec(out, count),
        None => out.push(b'?'),
    }
    out.push(b'/');
    match row.open_files_limit {
        Some(limit) => push_dec(out, limit),
        None => out.extend_from_slice(b"-"),
    }
}

fn push_count(out: &mut Vec<u8>, count: u32) {
    match count {
        0 => out.push(b'-'),
        count => push_dec(out, u64::from(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(column: Column, row: &Row, expected: &str) {
        let facts = Facts { uptime_s: 1000, page_bytes: 4096, ..Facts::default() };
        let mut out = Vec::new();
        column.push(&mut out, row, &facts);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn cells() {
        let row = Row {
            pid: 7,
            session: 7,
            pgid: 7,
            tpgid: 7,
            state: b'S',
            nice: 5,
            threads: 2,
            cpu_ticks: 12_345,
            tty: 136 << 8 | 3,
            rss_pages: 2,
            open_files: Some(5),
            open_files_limit: Some(1024),
            ..Row::default()
        };
        check(Column::Stat, &row, "SNsl+");
        check(Column::Time, &row, "00:02:03");
        check(Column::TimeShort, &row, "2:03");
        check(Column::Cpu, &row, "12.3");
        check(Column::Tty, &row, "pts/3");
        check(Column::ResidentKib, &row, "8");
        check(Column::Files, &row, "5/1024");
        check(Column::Elapsed, &row, "16:40");
        check(Column::Connections, &row, "-");
        check(Column::Role, &row, "-");
        let member = Member {
            pid: 7,
            role: "worker".into(),
            generation: Some(2),
            doing: "serving 3 connections".into(),
        };
        let kin = Row { command: b"x".into(), member: Some(member), ..row.clone() };
        check(Column::Role, &kin, "worker");
        check(Column::Generation, &kin, "2");
        check(Column::Fate, &kin, "x [generation 2, serving 3 connections]");
        let dead = Row { name: b"x".into(), state: b'Z', exit_code: 3 << 8, ppid: 9, ..row };
        check(Column::NameOrDefunct, &dead, "x <defunct>");
        check(Column::Fate, &dead, ", exit code 3; to be reaped by 9 ");
    }
}
