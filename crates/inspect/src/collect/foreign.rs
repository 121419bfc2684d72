//! Sockets of other network namespaces: each namespace is read once, from the `net` directory of
//! the first process met in it that has a socket of its own. No setns(2), so no right is needed for
//! it.

use std::os::fd::BorrowedFd;

use crate::collect::sockets::{self, UnixTable, Want};
use crate::model::Snapshot;
use crate::source::{self, Source};

/// A host has as many network namespaces as containers; beyond this they are left unread.
const NAMESPACES_MAX: usize = 4096;

/// The namespaces whose tables are in the snapshot already.
#[derive(Debug, Default)]
pub struct Foreign {
    /// The texts `net:[INODE]`, our own first.
    known: Vec<Vec<u8>>,
}

impl Foreign {
    /// Whether new tables came in.
    pub fn add_namespace_of(
        &mut self,
        process: BorrowedFd<'_>,
        source: &Source,
        snapshot: &mut Snapshot,
    ) -> bool {
        let mut room = source::link_room();
        if self.known.is_empty() {
            let own = source::link(source.root(), c"self/ns/net", &mut room).unwrap_or_default();
            self.known.push(own.to_vec());
        }
        let Ok(theirs) = source::link(process, c"ns/net", &mut room) else { return false };
        if self.known.iter().any(|known| known == theirs) || self.known.len() >= NAMESPACES_MAX {
            return false;
        }
        self.known.push(theirs.to_vec());
        let namespace = (self.known.len() - 1) as u16;
        let want = Want { unix: UnixTable::Text, text_only: true, ..Want::EVERYTHING };
        sockets::collect_text(process, &want, namespace, snapshot);
        true
    }
}
