//! From a `Source` to a `Snapshot`: which files are read, in which order, and what is not asked.

pub mod bpf;
pub mod files;
pub mod foreign;
pub mod holders;
pub mod sockets;

use crate::counters;
use crate::model::Snapshot;
use crate::source::{self, Source};
use files::{Choice, Head, Want};

/// Which collector reads the descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collector {
    /// The fast one where there is much to read and it works, else /proc.
    #[default]
    Auto,
    Proc,
    Bpf,
}

impl Collector {
    pub fn from_name(name: &[u8]) -> Option<Collector> {
        match name {
            b"auto" => Some(Collector::Auto),
            b"proc" => Some(Collector::Proc),
            b"bpf" => Some(Collector::Bpf),
            _ => None,
        }
    }
}

/// From so many sockets or processes on, the few milliseconds that BPF takes to start are won back.
const SOCKETS_MANY: i64 = 3000;
const PROCESSES_MANY: u64 = 700;

/// What BPF says of all descriptors, where it is asked for or pays, and answers.
fn records(source: &Source, collector: Collector, scope: bpf::Scope) -> Option<bpf::Records> {
    if pays(source, collector) { bpf::collect(scope).ok() } else { None }
}

fn pays(source: &Source, collector: Collector) -> bool {
    source.is_live()
        && match collector {
            Collector::Proc => false,
            Collector::Bpf => true,
            Collector::Auto => is_large(source),
        }
}

fn is_large(source: &Source) -> bool {
    if has_many_processes(source) {
        return true;
    }
    let mut text = Vec::new();
    let read = source::read(source.root(), c"net/sockstat", &mut text);
    read.is_ok() && counters::pair(&text, b"sockets:", b"used") >= SOCKETS_MANY
}

/// The link count of /proc is its number of processes, and a little more.
fn has_many_processes(source: &Source) -> bool {
    rustix::fs::fstat(source.root()).is_ok_and(|s| s.st_nlink > PROCESSES_MANY)
}

/// What BPF says for a listing of files, of `all` kinds or of sockets only; nothing where /proc is
/// to be read.
pub fn file_records(
    source: &Source,
    collector: Collector,
    want: &Want<'_>,
    all: bool,
) -> Option<bpf::Records> {
    let few = want.pids.is_some_and(|pids| pids.len() < PIDS_FEW);
    // Close-on-exec belongs to the descriptor, which BPF does not show: where flags are asked,
    // /proc.
    if collector == Collector::Auto && (few || want.offsets) {
        return None;
    }
    // A few processes are read sooner than the two programs for them are loaded.
    let pays_for_all = collector == Collector::Bpf || has_many_processes(source);
    let all = all && want.pids.is_none() && pays_for_all;
    if !pays(source, collector) {
        return None;
    }
    let files = || bpf::collect(bpf::Scope::Everything).ok();
    if !all {
        return files();
    }
    let (tasks, records) = both(|| bpf::collect_tasks().ok(), files);
    let mut records = records?;
    records.tasks = tasks.flatten();
    Some(records)
}

/// So many processes by number are opened one by one.
const PIDS_FEW: usize = 100;

/// Reads processes and their files into the snapshot.
pub fn processes(
    source: &Source,
    want: &Want<'_>,
    asked: files::Asked,
    snapshot: &mut Snapshot,
    choose: &mut dyn FnMut(&Head<'_>) -> Choice,
) {
    snapshot.collector = if asked.records.is_some() { "bpf" } else { "proc" };
    files::collect(source, want, asked, snapshot, choose);
}

/// Who has which socket open, by the collector asked for or the best there is.
pub fn socket_holders(source: &Source, collector: Collector) -> holders::Holders {
    match records(source, collector, bpf::Scope::Sockets) {
        Some(records) => holders::from_records(&records),
        None => holders::scan(source),
    }
}

/// Runs both at once: the socket tables and the descriptors are of different locks of the kernel,
/// and together take as long as the longer of the two.
pub fn both<A: Send, B>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B,
) -> (Option<A>, B) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().ok(), other)
    })
}
