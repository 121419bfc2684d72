//! lsof's selection language: selections are ORed, or ANDed with `-a`; `^` excludes before either.
//!
//! Each kind of selection is a bit. A process collects its bits (pid, user, command), a file adds
//! its own (descriptor, network, name), and one comparison decides.

use regex_lite::{Regex, RegexBuilder};

use crate::bytes;
use crate::collect::files::{Choice, Head};
use crate::collect::sockets::Want;
use crate::model::{Inet, Kind, OpenFile, Protocol, Slot, Snapshot, SocketRef, TcpState};
use crate::tool::Stop;
use crate::tool::lsof::inet_spec::InetSpec;
use crate::tool::lsof::options::{Options, Tasks, usage};
use crate::tool::lsof::row::{self, Row};
use crate::tool::lsof::{Facts, text};
use crate::users::Users;

const PID: u16 = 1;
const PGID: u16 = 2;
const USER: u16 = 4;
const COMMAND: u16 = 8;
const TASK: u16 = 16;
const FD: u16 = 32;
const NET: u16 = 64;
const UNIX: u16 = 128;
const LINKS: u16 = 256;
const NAME: u16 = 512;
/// Bits a process has before its files are looked at.
const OF_PROCESS: u16 = PID | PGID | USER | COMMAND | TASK;

/// One thing searched for, and whether it was met.
#[derive(Debug)]
struct Sought<T> {
    what: T,
    text: Vec<u8>,
    found: bool,
}

impl<T> Sought<T> {
    fn new(what: T, text: &[u8]) -> Sought<T> {
        Sought { what, text: text.to_vec(), found: false }
    }
}

#[derive(Debug)]
enum Command {
    Prefix,
    Matching(Regex),
}

#[derive(Debug)]
enum FdSpec {
    Range(u32, u32),
    Named(Slot),
    /// Every numbered descriptor: `-d fd`.
    Numbered,
}

/// A named file by identity; a device also by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    raw: Option<u64>,
    whole_device: bool,
}

/// What the command line selects, and what of it has been found so far.
#[derive(Debug, Default)]
pub struct Selection {
    wanted: u16,
    and: bool,
    pub tasks: bool,
    pub foreign: bool,
    skip_inet: bool,
    pub problems: Vec<String>,
    pids: Vec<Sought<u32>>,
    pgids: Vec<Sought<i32>>,
    users: Vec<Sought<u32>>,
    commands: Vec<Sought<Command>>,
    not_pids: Vec<u32>,
    not_pgids: Vec<i32>,
    not_users: Vec<u32>,
    not_commands: Vec<Vec<u8>>,
    fds: Vec<FdSpec>,
    fds_excluded: bool,
    inet: Vec<Sought<InetSpec>>,
    states: Vec<Sought<TcpState>>,
    not_states: Vec<TcpState>,
    links_below: u32,
    names: Vec<Sought<Vec<Identity>>>,
    /// The bits of each process, by pid and thread, as `choose` saw them.
    bits: Vec<(u32, u32, u16)>,
    no_warnings: bool,
}

impl Selection {
    pub fn new(options: &Options) -> Result<Selection, Stop> {
        let mut s = Selection {
            and: options.and,
            no_warnings: options.no_warnings,
            ..Selection::default()
        };
        s.add_numbers(options)?;
        s.add_users(&options.users)?;
        s.add_commands(&options.commands)?;
        s.add_fds(&options.fds)?;
        s.add_inet(&options.inet, &options.states)?;
        s.add_names(options);
        if options.unix {
            s.wanted |= UNIX;
        }
        if let Some(below) = options.links_below {
            s.wanted |= LINKS;
            s.links_below = below;
        }
        s.tasks = match options.tasks {
            Tasks::Select => true,
            Tasks::Ignore => false,
            Tasks::Default => s.wanted == 0,
        };
        if options.tasks == Tasks::Select {
            s.wanted |= TASK;
        }
        s.foreign = s.wanted & NET == 0;
        s.skip_inet = options.skip_inet;
        if s.skip_inet && s.wanted & NET != 0 {
            return Err(usage("-i is useless when -X is specified".to_owned()));
        }
        Ok(s)
    }

    fn add_numbers(&mut self, options: &Options) -> Result<(), Stop> {
        for word in &options.pids {
            match word.strip_prefix(b"^") {
                Some(pid) => self.not_pids.push(number(pid)?),
                None => self.pids.push(Sought::new(number(word)?, word)),
            }
        }
        for word in &options.pgids {
            match word.strip_prefix(b"^") {
                Some(pgid) => self.not_pgids.push(number(pgid)? as i32),
                None => self.pgids.push(Sought::new(number(word)? as i32, word)),
            }
        }
        self.wanted |= if self.pids.is_empty() { 0 } else { PID };
        self.wanted |= if self.pgids.is_empty() { 0 } else { PGID };
        Ok(())
    }

    fn add_users(&mut self, words: &[Vec<u8>]) -> Result<(), Stop> {
        if words.is_empty() {
            return Ok(());
        }
        let users = Users::read();
        for word in words {
            let name = word.strip_prefix(b"^").unwrap_or(word);
            let uid = users.uid(name).or_else(|| bytes::dec32(name)).ok_or_else(|| {
                usage(format!("can't get UID for {:?}", String::from_utf8_lossy(name)))
            })?;
            if name.len() < word.len() {
                self.not_users.push(uid);
            } else {
                self.users.push(Sought::new(uid, name));
            }
        }
        self.wanted |= if self.users.is_empty() { 0 } else { USER };
        Ok(())
    }

    fn add_commands(&mut self, words: &[Vec<u8>]) -> Result<(), Stop> {
        for word in words {
            if let Some(excluded) = word.strip_prefix(b"^") {
                self.not_commands.push(excluded.to_vec());
                continue;
            }
            self.wanted |= COMMAND;
            let what = if word.first() == Some(&b'/') {
                Command::Matching(expression(word)?)
            } else {
                Command::Prefix
            };
            self.commands.push(Sought::new(what, word));
        }
        Ok(())
    }

    fn add_fds(&mut self, words: &[Vec<u8>]) -> Result<(), Stop> {
        let excluding = words.iter().filter(|w| w.first() == Some(&b'^')).count();
        if excluding != 0 && excluding != words.len() {
            return Err(usage("-d can't both include and exclude".to_owned()));
        }
        self.fds_excluded = excluding > 0;
        for word in words {
            let word = word.strip_prefix(b"^").unwrap_or(word);
            self.fds.push(fd_spec(word)?);
            self.wanted |= FD;
        }
        Ok(())
    }

    fn add_inet(&mut self, specs: &[InetSpec], states: &[Vec<u8>]) -> Result<(), Stop> {
        for spec in specs {
            let mut spec = spec.clone();
            spec.resolve().map_err(usage)?;
            let text = spec.text.clone();
            self.inet.push(Sought::new(spec, &text));
            self.wanted |= NET;
        }
        for word in states {
            self.add_states(word)?;
        }
        Ok(())
    }

    /// `TCP:LISTEN,^CLOSE_WAIT`. UDP has two states only, and no socket is hidden by them here.
    fn add_states(&mut self, word: &[u8]) -> Result<(), Stop> {
        let mut parts = word.splitn(2, |&b| b == b':');
        let protocol = parts.next().unwrap_or_default().to_ascii_lowercase();
        if protocol != b"tcp" {
            return Err(usage("-s knows the states of TCP only".to_owned()));
        }
        for name in parts.next().unwrap_or_default().split(|&b| b == b',') {
            let plain = name.strip_prefix(b"^").unwrap_or(name);
            let state = TcpState::ALL
                .into_iter()
                .skip(1)
                .find(|s| text::state_name(*s).as_bytes().eq_ignore_ascii_case(plain))
                .ok_or_else(|| {
                    usage(format!("unknown TCP state {:?}", String::from_utf8_lossy(plain)))
                })?;
            if plain.len() < name.len() {
                self.not_states.push(state);
            } else {
                self.states.push(Sought::new(state, plain));
            }
        }
        Ok(())
    }

    fn add_names(&mut self, options: &Options) {
        let mounted = options.mounts_are_files;
        for name in &options.names {
            match identity(name, mounted) {
                Ok(found) => self.names.push(Sought::new(vec![found], name)),
                Err(reason) => {
                    let shown = String::from_utf8_lossy(name);
                    self.problems.push(format!("status error on {shown}: {reason}"));
                    self.names.push(Sought::new(Vec::new(), name));
                }
            }
            self.wanted |= NAME;
        }
        for (directory, deep) in &options.directories {
            let found = below(directory, *deep);
            self.names.push(Sought::new(found, directory));
            self.wanted |= NAME;
        }
    }

    /// Whether files other than sockets may be listed.
    pub fn shows_files(&self) -> bool {
        let only_sockets = self.wanted != 0 && self.wanted & !(NET | UNIX) == 0;
        !(only_sockets || self.and && self.wanted & (NET | UNIX) != 0)
    }

    /// Which socket tables this selection needs.
    pub fn sockets(&self) -> Want {
        match self.skip_inet {
            true => Want { tcp: false, udp: false, udplite: false, ..Want::EVERYTHING },
            false => Want::EVERYTHING,
        }
    }

    /// Only Internet files are asked for, and no socket is one of them.
    pub fn nothing_can_match(&self, snapshot: &Snapshot) -> bool {
        let only_net = self.wanted & NET != 0 && (self.and || self.wanted == NET);
        only_net
            && !snapshot.sockets.inet.iter().any(|s| {
                s.inode != 0 && self.inet.iter().any(|i| i.what.matches(s)) && self.state_fits(s)
            })
    }

    /// The processes to open, where the selection names them all.
    pub fn only_pids(&self) -> Option<Vec<u32>> {
        let named = self.wanted & PID != 0 && (self.and || self.wanted == PID);
        named.then(|| {
            let mut pids: Vec<u32> = self.pids.iter().map(|p| p.what).collect();
            pids.sort_unstable();
            pids.dedup();
            pids
        })
    }

    /// What to read of a process.
    pub fn choose(&mut self, head: &Head<'_>) -> Choice {
        let Some(bits) = self.process_bits(head) else { return Choice::Skip };
        let of_process = self.wanted & OF_PROCESS;
        if self.and && bits & of_process != of_process {
            return Choice::Skip;
        }
        if !self.and && self.wanted != 0 && self.wanted == of_process && bits == 0 {
            return Choice::Skip;
        }
        self.bits.push((head.pid, head.tid, bits));
        let of_files = self.wanted & !OF_PROCESS;
        let sockets_enough = of_files != 0 && of_files & !(NET | UNIX) == 0;
        if sockets_enough && (self.and || bits == 0) { Choice::Sockets } else { Choice::Everything }
    }

    /// `None` where the process is excluded.
    fn process_bits(&mut self, head: &Head<'_>) -> Option<u16> {
        let excluded = self.not_pids.contains(&head.pid)
            || self.not_pgids.contains(&head.pgid)
            || self.not_users.contains(&head.uid)
            || self.not_commands.iter().any(|c| head.command.starts_with(c));
        if excluded {
            return None;
        }
        let mut bits = 0;
        for pid in self.pids.iter_mut().filter(|p| p.what == head.pid) {
            pid.found = true;
            bits |= PID;
        }
        for pgid in self.pgids.iter_mut().filter(|p| p.what == head.pgid) {
            pgid.found = true;
            bits |= PGID;
        }
        for user in self.users.iter_mut().filter(|u| u.what == head.uid) {
            user.found = true;
            bits |= USER;
        }
        for command in &mut self.commands {
            if command_matches(&command.what, &command.text, head.command) {
                command.found = true;
                bits |= COMMAND;
            }
        }
        // With -a -K the process itself is listed beside its threads.
        if head.tid != 0 || self.and {
            bits |= self.wanted & TASK;
        }
        Some(bits)
    }

    /// The selected files, in the order of the listing.
    pub fn rows(&mut self, facts: &Facts) -> Vec<Row> {
        let mut rows = Vec::new();
        let bits = std::mem::take(&mut self.bits);
        for (index, process) in facts.snapshot.processes.iter().enumerate() {
            let known = bits.binary_search_by_key(&(process.pid, process.tid), |b| (b.0, b.1));
            let of_process = known.map_or(0, |at| bits[at].2);
            for file in process.files.clone() {
                let Some(open) = facts.snapshot.files.get(file as usize) else { continue };
                if self.is_selected(open, of_process, &facts.snapshot) {
                    rows.push(Row { process: index as u32, file });
                }
            }
        }
        rows
    }

    fn is_selected(&mut self, file: &OpenFile, of_process: u16, snapshot: &Snapshot) -> bool {
        let warned = matches!(file.slot, Slot::NoFd)
            || file.kind == Kind::Unknown && !file.note.is_empty() && file.inode.is_none();
        if warned && self.no_warnings {
            return false;
        }
        let mut bits = of_process;
        if !self.fds.is_empty() && self.fd_fits(file.slot) {
            bits |= FD;
        }
        if file.kind == Kind::Socket {
            match self.socket_bits(file, snapshot) {
                Some(more) => bits |= more,
                None => return false,
            }
        }
        if self.wanted & LINKS != 0 && file.links.is_some_and(|n| n < self.links_below) {
            bits |= LINKS;
        }
        if self.wanted & NAME != 0 && self.name_fits(file, snapshot) {
            bits |= NAME;
        }
        match (self.wanted, self.and) {
            (0, _) => true,
            (wanted, true) => bits & wanted == wanted,
            (wanted, false) => bits & wanted != 0,
        }
    }

    fn fd_fits(&self, slot: Slot) -> bool {
        if slot == Slot::NoFd {
            return false;
        }
        let listed = self.fds.iter().any(|spec| match (spec, slot) {
            (FdSpec::Range(first, last), Slot::Fd(fd)) => (*first..=*last).contains(&fd),
            (FdSpec::Numbered, Slot::Fd(_)) => true,
            (FdSpec::Named(named), slot) => *named == slot,
            _ => false,
        });
        listed != self.fds_excluded
    }

    /// `None` where the socket's state hides the file.
    fn socket_bits(&mut self, file: &OpenFile, snapshot: &Snapshot) -> Option<u16> {
        let inode = file.inode.unwrap_or(0);
        match snapshot.sockets.by_inode(inode) {
            Some(SocketRef::Inet(at)) => {
                let socket = snapshot.sockets.inet.get(at as usize)?;
                if !self.state_fits(socket) {
                    return None;
                }
                self.note_state(socket);
                Some(self.net_bits(socket))
            }
            Some(SocketRef::Unix(_)) => Some(self.wanted & UNIX),
            _ => Some(0),
        }
    }

    fn state_fits(&self, socket: &Inet) -> bool {
        socket.protocol != Protocol::Tcp
            || !self.not_states.contains(&socket.state)
                && (self.states.is_empty() || self.states.iter().any(|s| s.what == socket.state))
    }

    fn note_state(&mut self, socket: &Inet) {
        for state in self.states.iter_mut().filter(|s| s.what == socket.state) {
            state.found |= socket.protocol == Protocol::Tcp;
        }
    }

    fn net_bits(&mut self, socket: &Inet) -> u16 {
        // lsof's -i is about TCP and UDP; raw sockets are not "Internet files" to it.
        if matches!(socket.protocol, Protocol::Raw | Protocol::Icmp) {
            return 0;
        }
        let mut bits = 0;
        for spec in self.inet.iter_mut().filter(|i| i.what.matches(socket)) {
            spec.found = true;
            bits = NET;
        }
        bits
    }

    fn name_fits(&mut self, file: &OpenFile, snapshot: &Snapshot) -> bool {
        let path = row::unix_path(file, snapshot);
        let mut fits = false;
        for name in &mut self.names {
            let same = name.what.iter().any(|identity| identity.is(file))
                || path.is_some_and(|path| path == name.text.as_slice());
            name.found |= same;
            fits |= same;
        }
        fits
    }

    /// Whether something that was asked for was not there.
    pub fn failed(&self) -> bool {
        self.pids.iter().any(|s| !s.found)
            || self.pgids.iter().any(|s| !s.found)
            || self.users.iter().any(|s| !s.found)
            || self.commands.iter().any(|s| !s.found)
            || self.inet.iter().any(|s| !s.found)
            || self.states.iter().any(|s| !s.found)
            || self.names.iter().any(|s| !s.found)
    }

    /// The lines of `-V`.
    pub fn missing(&self, verbose: bool) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        if verbose {
            say(&mut lines, "command not located: ", &self.commands);
            say(&mut lines, "no file use located: ", &self.names);
            say(&mut lines, "Internet address not located: ", &self.inet);
            say(&mut lines, "TCP state not located: ", &self.states);
            say(&mut lines, "process ID not located: ", &self.pids);
            say(&mut lines, "process group ID not located: ", &self.pgids);
            say(&mut lines, "user ID not located: ", &self.users);
        }
        lines
    }
}

fn say<T>(lines: &mut Vec<Vec<u8>>, words: &str, sought: &[Sought<T>]) {
    for missing in sought.iter().filter(|s| !s.found) {
        lines.push([b"lsof: ", words.as_bytes(), &missing.text, b"\n"].concat());
    }
}

fn number(word: &[u8]) -> Result<u32, Stop> {
    bytes::dec32(word)
        .ok_or_else(|| usage(format!("illegal process ID: {}", String::from_utf8_lossy(word))))
}

/// `/RE/`, with `i` for any case; `b` and `x` (basic, extended) are read alike.
fn expression(word: &[u8]) -> Result<Regex, Stop> {
    let bad =
        |why: &str| usage(format!("regular expression {:?}: {why}", String::from_utf8_lossy(word)));
    let inner = &word[1..];
    let end = memchr::memrchr(b'/', inner).ok_or_else(|| bad("no closing /"))?;
    let source = std::str::from_utf8(&inner[..end]).map_err(|_| bad("is not UTF-8"))?;
    let flags = &inner[end + 1..];
    if flags.iter().any(|f| !matches!(f, b'b' | b'i' | b'x')) {
        return Err(bad("flags are b, i and x"));
    }
    let built = RegexBuilder::new(source).case_insensitive(flags.contains(&b'i')).build();
    built.map_err(|error| bad(&error.to_string()))
}

fn command_matches(what: &Command, prefix: &[u8], command: &[u8]) -> bool {
    match what {
        Command::Prefix => command.starts_with(prefix),
        Command::Matching(regex) => regex.is_match(&String::from_utf8_lossy(command)),
    }
}

fn fd_spec(word: &[u8]) -> Result<FdSpec, Stop> {
    let bad = || usage(format!("illegal FD {:?} in -d", String::from_utf8_lossy(word)));
    Ok(match word {
        b"cwd" => FdSpec::Named(Slot::Cwd),
        b"rtd" => FdSpec::Named(Slot::Root),
        b"txt" => FdSpec::Named(Slot::Text),
        b"mem" => FdSpec::Named(Slot::Memory),
        b"DEL" => FdSpec::Named(Slot::Deleted),
        b"fd" => FdSpec::Numbered,
        range => {
            let mut ends = range.splitn(2, |&b| b == b'-').map(bytes::dec32);
            let first = ends.next().flatten().ok_or_else(bad)?;
            match ends.next() {
                None => FdSpec::Range(first, first),
                Some(last) => FdSpec::Range(first, last.filter(|l| *l >= first).ok_or_else(bad)?),
            }
        }
    })
}

impl Identity {
    fn is(&self, file: &OpenFile) -> bool {
        if self.whole_device {
            return file.device == Some(self.device);
        }
        if self.raw.is_some() && self.raw == file.raw_device {
            return true;
        }
        file.device == Some(self.device) && file.inode == Some(self.inode)
    }
}

/// The file of that name; a mount point, or a block device, stands for all files on it.
fn identity(name: &[u8], mounts_are_files: Option<bool>) -> Result<Identity, String> {
    let describe = |errno: rustix::io::Errno| {
        let text = std::io::Error::from(errno).to_string();
        text.split(" (os error").next().unwrap_or_default().to_owned()
    };
    let found = rustix::fs::stat(name).map_err(describe)?;
    let kind = found.st_mode & 0o170_000;
    let raw = matches!(kind, 0o020_000 | 0o060_000).then_some(found.st_rdev);
    let mut identity =
        Identity { device: found.st_dev, inode: found.st_ino, raw, whole_device: false };
    if kind == 0o040_000 && mounts_are_files != Some(true) {
        let above = rustix::fs::stat([name, b"/.."].concat()).map_err(describe)?;
        identity.whole_device = above.st_dev != found.st_dev
            || above.st_ino == found.st_ino
            || mounts_are_files == Some(false);
    }
    Ok(identity)
}

/// A tree this large is left unfinished rather than walked for minutes.
const WALK_ENTRIES_MAX: usize = 1 << 20;

/// The directory and what is in it, all the way down for `+D`, never across a mount or a link.
fn below(directory: &[u8], deep: bool) -> Vec<Identity> {
    let Ok(top) = rustix::fs::stat(directory) else { return Vec::new() };
    let mut found = vec![entry(&top)];
    let mut open = vec![directory.to_vec()];
    while let Some(path) = open.pop() {
        for name in entry_names(&path) {
            let full = [path.as_slice(), b"/", &name].concat();
            let Ok(stat) = rustix::fs::lstat(&full[..]) else { continue };
            if stat.st_dev != top.st_dev || found.len() >= WALK_ENTRIES_MAX {
                continue;
            }
            found.push(entry(&stat));
            if deep && stat.st_mode & 0o170_000 == 0o040_000 {
                open.push(full);
            }
        }
    }
    found
}

fn entry(stat: &rustix::fs::Stat) -> Identity {
    Identity { device: stat.st_dev, inode: stat.st_ino, raw: None, whole_device: false }
}

fn entry_names(path: &[u8]) -> Vec<Vec<u8>> {
    let flags =
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
    let Ok(entries) = opened.and_then(rustix::fs::Dir::new) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_bytes().to_vec())
        .filter(|name| name != b"." && name != b"..")
        .collect()
}
