//! From a `Source` to a `Snapshot`: which files are read, in which order, and what is not asked.

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

/// Reads processes and their files into the snapshot, by the collector asked for or the best there is.
pub fn processes(
    source: &Source,
    _collector: Collector,
    want: &Want<'_>,
    snapshot: &mut Snapshot,
    choose: &mut dyn FnMut(&Head<'_>) -> Choice,
) {
    files::collect(source, want, snapshot, choose);
}

/// Who has which socket open, by the collector asked for or the best there is.
pub fn socket_holders(source: &Source, _collector: Collector) -> holders::Holders {
    holders::scan(source)
}
