//! What the columns of ps are made from, read once for all processes.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::bytes;
use crate::collect::{holders, sockets};
use crate::family::{self, Member};
use crate::model::{Arena, Protocol, TcpState};
use crate::parse::{self, status};
use crate::source::{self, Missing, Source};
use crate::users::Users;

/// One process.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub pid: u32,
    pub ppid: u32,
    pub pgid: i32,
    pub session: i32,
    pub tty: i32,
    pub tpgid: i32,
    pub uid: u32,
    pub state: u8,
    pub nice: i64,
    pub priority: i64,
    pub threads: u32,
    pub cpu_ticks: u64,
    pub start_ticks: u64,
    pub vsize_bytes: u64,
    pub rss_pages: u64,
    pub exit_code: i32,
    pub name: Vec<u8>,
    /// The arguments, blanks between; the name in brackets where there are none.
    pub command: Vec<u8>,
    /// `None` where they may not be read.
    pub open_files: Option<u64>,
    pub open_files_limit: Option<u64>,
    pub listening: u32,
    pub connections: u32,
    /// What it is in a family of servers.
    pub member: Option<Member>,
}

#[derive(Debug, Default)]
pub struct Facts {
    pub rows: Vec<Row>,
    pub users: Users,
    pub denied: u32,
    pub uptime_s: u64,
    pub boot_unix_s: u64,
    pub memory_bytes: u64,
    pub page_bytes: u64,
    /// Digits of kernel.pid_max, and never less than five.
    pub pid_width: usize,
}

/// USER_HZ, fixed by the kernel's interface.
pub const TICKS_PER_SECOND: u64 = 100;

impl Facts {
    /// `counts` asks for descriptors and sockets, which cost a scan.
    pub fn collect(source: &Source, counts: bool) -> Facts {
        let mut facts = Facts {
            users: Users::read(),
            page_bytes: rustix::param::page_size() as u64,
            ..Facts::default()
        };
        facts.read_host(source);
        let mut pids = Vec::new();
        let mut room = source::list_room();
        let _ = source::each_number(source.root(), &mut room, |pid, _| pids.push(pid));
        pids.sort_unstable();
        let mut text = Vec::new();
        for pid in pids {
            if let Some(row) = read_row(source, pid, &mut text) {
                facts.rows.push(row);
            }
        }
        if counts {
            facts.count_sockets(source);
            facts.count_files(source);
        }
        facts
    }

    fn read_host(&mut self, source: &Source) {
        let mut text = Vec::new();
        let mut read = |name: &CStr| {
            let done = source::read(source.root(), name, &mut text);
            if done.is_ok() { text.clone() } else { Vec::new() }
        };
        let uptime = read(c"uptime");
        let whole = uptime.split(|b| *b == b'.').next().unwrap_or_default();
        self.uptime_s = bytes::dec(whole).unwrap_or(0);
        let find = |text: &[u8], key: &[u8]| {
            let line = bytes::lines(text).find(|l| l.starts_with(key))?;
            bytes::fields(line).nth(1).and_then(bytes::dec)
        };
        self.boot_unix_s = find(&read(c"stat"), b"btime").unwrap_or(0);
        self.pid_width = read(c"sys/kernel/pid_max").trim_ascii().len().max(5);
        self.memory_bytes = find(&read(c"meminfo"), b"MemTotal:").unwrap_or(0) * 1024;
    }

    fn count_sockets(&mut self, source: &Source) {
        let want = sockets::Want { tcp: true, ..sockets::Want::NOTHING };
        let listed = sockets::collect(source, &want, &mut Arena::default());
        let all = holders::scan(source);
        self.denied = all.denied;
        for socket in listed.inet.iter().filter(|s| s.protocol == Protocol::Tcp) {
            let mut last = 0;
            for holder in all.of(socket.inode) {
                let seen = std::mem::replace(&mut last, holder.pid) == holder.pid;
                let Some(row) = self.row_mut(holder.pid).filter(|_| !seen) else { continue };
                if socket.state == TcpState::Listen {
                    row.listening += 1;
                } else {
                    row.connections += 1;
                }
            }
        }
    }

    /// What the family says of its processes; of others their titles.
    pub fn join_family(&mut self, told: Vec<Member>) {
        for row in &mut self.rows {
            row.member = family::by_title(row.pid, &row.command);
        }
        for member in told {
            if let Some(row) = self.row_mut(member.pid) {
                row.member = Some(member);
            }
        }
    }

    fn row_mut(&mut self, pid: u32) -> Option<&mut Row> {
        let at = self.rows.binary_search_by_key(&pid, |row| row.pid).ok()?;
        self.rows.get_mut(at)
    }

    fn count_files(&mut self, source: &Source) {
        let mut text = Vec::new();
        let mut room = source::list_room();
        for row in &mut self.rows {
            let Ok(directory) = source.process(row.pid) else { continue };
            let sized = source.is_live();
            row.open_files = count_entries(directory.as_fd(), sized, &mut room).ok();
            if source::read(directory.as_fd(), c"limits", &mut text).is_ok() {
                row.open_files_limit = status::limit(&text, b"Max open files");
            }
        }
    }

    pub fn start_second(&self, row: &Row) -> u64 {
        self.boot_unix_s + row.start_ticks / TICKS_PER_SECOND
    }

    /// Seconds since it started.
    pub fn age_s(&self, row: &Row) -> u64 {
        self.uptime_s.saturating_sub(row.start_ticks / TICKS_PER_SECOND)
    }
}

/// The size of an fd directory is its number of entries since Linux 6.2; before, and in a recorded
/// tree, they are counted.
fn count_entries(
    process: BorrowedFd<'_>,
    sized: bool,
    room: &mut [std::mem::MaybeUninit<u8>],
) -> Result<u64, Missing> {
    let fds = source::open_dir(process, c"fd")?;
    let size = rustix::fs::fstat(&fds).map_or(0, |stat| stat.st_size);
    if sized && size > 0 {
        return Ok(size as u64);
    }
    let mut count = 0;
    source::each_number(fds.as_fd(), room, |_, _| count += 1)?;
    Ok(count)
}

fn read_row(source: &Source, pid: u32, text: &mut Vec<u8>) -> Option<Row> {
    let directory = source.process(pid).ok()?;
    let uid = rustix::fs::fstat(&directory).ok()?.st_uid;
    source::read(directory.as_fd(), c"stat", text).ok()?;
    let stat = parse::stat::parse(text)?;
    let mut row = Row {
        pid,
        ppid: stat.ppid,
        pgid: stat.pgid,
        session: stat.session,
        tty: stat.tty,
        tpgid: stat.tpgid,
        uid,
        state: stat.state,
        nice: stat.nice,
        priority: stat.priority,
        threads: stat.threads,
        cpu_ticks: stat.utime_ticks + stat.stime_ticks,
        start_ticks: stat.start_ticks,
        vsize_bytes: stat.vsize_bytes,
        rss_pages: stat.rss_pages,
        exit_code: stat.exit_code,
        name: safe(stat.comm),
        ..Row::default()
    };
    let read = source::read(directory.as_fd(), c"cmdline", text);
    // A process title shorter than the arguments it was written over ends in more than one NUL.
    let end = text.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let arguments = &text[..end];
    row.command = match read {
        Ok(()) if !arguments.is_empty() => safe(arguments),
        _ => [b"[", &row.name[..], b"]"].concat(),
    };
    if row.state == b'Z' {
        row.command.extend_from_slice(b" <defunct>");
    }
    Some(row)
}

/// A NUL between arguments is a blank; a control byte is not let through to the terminal.
fn safe(text: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| match b {
        0 => b' ',
        b if b.is_ascii_control() => b'?',
        b => *b,
    };
    text.iter().map(plain).collect()
}
