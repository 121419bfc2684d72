//! From a `Source` to a `Snapshot`: which files are read, in which order, and what is not asked.

pub mod bpf;
pub mod files;
pub mod foreign;
pub mod holders;
pub mod sockets;

use crate::model::Snapshot;
use crate::source::Source;
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
const SOCKETS_MANY: usize = 3000;
const PROCESSES_MANY: u64 = 700;

/// What BPF says of all descriptors, where it is asked for or pays, and answers.
fn records(
    source: &Source,
    collector: Collector,
    sockets: usize,
    scope: bpf::Scope,
) -> Option<bpf::Records> {
    let wanted = match collector {
        Collector::Proc => false,
        Collector::Bpf => true,
        // The link count of /proc is its number of processes, and a little more.
        Collector::Auto => {
            sockets >= SOCKETS_MANY
                || rustix::fs::fstat(source.root()).is_ok_and(|s| s.st_nlink > PROCESSES_MANY)
        }
    };
    if !wanted || !source.is_live() {
        return None;
    }
    bpf::collect(scope).ok()
}

/// Reads processes and their files into the snapshot, by the collector asked for or the best there is.
pub fn processes(
    source: &Source,
    collector: Collector,
    want: &Want<'_>,
    snapshot: &mut Snapshot,
    choose: &mut dyn FnMut(&Head<'_>) -> Choice,
) {
    let sockets = snapshot.sockets.inet.len() + snapshot.sockets.unix.len();
    let few = want.pids.is_some_and(|pids| pids.len() < 100);
    // Close-on-exec belongs to the descriptor, which BPF does not show: where flags are asked, /proc.
    let collector = match collector {
        Collector::Auto if few || want.offsets => Collector::Proc,
        asked => asked,
    };
    let records = records(source, collector, sockets, bpf::Scope::Everything);
    snapshot.collector = if records.is_some() { "bpf" } else { "proc" };
    files::collect(source, want, records, snapshot, choose);
}

/// Who has which socket open, by the collector asked for or the best there is.
pub fn socket_holders(source: &Source, collector: Collector, sockets: usize) -> holders::Holders {
    match records(source, collector, sockets, bpf::Scope::Sockets) {
        Some(records) => holders::from_records(&records),
        None => holders::scan(source),
    }
}
