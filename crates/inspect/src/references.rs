//! How many references an open socket has, file(5) of the kernel: each descriptor that dup(2) and
//! fork(2) made is one, and so is a message in flight that carries it, an io_uring request on it.
//!
//! BPF gives the kernel's own count. Without it the descriptors that /proc shows are counted, which
//! leaves out those of processes we may not read and references without a descriptor.

use crate::collect::{bpf, holders};
use crate::model::SocketHolder;
use crate::source::Source;

/// Where the counts are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The kernel's own count.
    ByKernel,
    /// Descriptors found in /proc: at least so many.
    ByDescriptors,
}

/// The references of every socket that some process has open.
#[derive(Debug)]
pub struct References {
    pub counted: Counted,
    /// Ascending by process, then descriptor.
    list: Vec<(u32, u32, u64)>,
}

impl References {
    /// Looks at every process that may be read.
    pub fn collect() -> References {
        let mut found = match bpf::collect(bpf::Scope::Sockets) {
            Ok(records) => by_kernel(&records),
            Err(_) => by_descriptors(),
        };
        found.list.sort_unstable();
        found
    }

    /// No socket at all.
    pub fn of_nothing(counted: Counted) -> References {
        References { counted, list: Vec::new() }
    }

    /// `None` where the descriptor was not found: closed by now, or not ours to read.
    pub fn of(&self, pid: u32, fd: u32) -> Option<u64> {
        let at = self.list.binary_search_by_key(&(pid, fd), |(pid, fd, _)| (*pid, *fd)).ok()?;
        self.list.get(at).map(|(.., count)| *count)
    }
}

fn by_kernel(records: &bpf::Records) -> References {
    let sockets = records.all().iter().filter(|r| r.mode & 0o170_000 == 0o140_000);
    let list = sockets.map(|r| (r.pid, r.fd, r.references)).collect();
    References { counted: Counted::ByKernel, list }
}

/// A socket has one open file, so every descriptor of its inode is a reference to that.
fn by_descriptors() -> References {
    let all = Source::live().map(|source| holders::scan(&source)).unwrap_or_default();
    let of_one = |holders: &[SocketHolder]| {
        let count = holders.len() as u64;
        holders.iter().map(move |h| (h.pid, h.fd, count)).collect::<Vec<_>>()
    };
    let list = all.list.chunk_by(|one, other| one.inode == other.inode).flat_map(of_one).collect();
    References { counted: Counted::ByDescriptors, list }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::{AsFd, AsRawFd};

    fn check(references: &References, descriptors: &[&TcpListener], expected: Option<u64>) {
        for descriptor in descriptors {
            let fd = descriptor.as_fd().as_raw_fd() as u32;
            assert_eq!(references.of(std::process::id(), fd), expected);
        }
    }

    #[test]
    fn each_descriptor_of_a_socket_counts() {
        let alone = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = TcpListener::bind("127.0.0.1:0").unwrap();
        let second = shared.try_clone().unwrap();
        let both = [References::collect(), sorted(by_descriptors())];
        for references in both {
            check(&references, &[&alone], Some(1));
            check(&references, &[&shared, &second], Some(2));
        }
        let not_a_socket = std::fs::File::open("/dev/null").unwrap();
        let number = not_a_socket.as_raw_fd() as u32;
        assert_eq!(References::collect().of(std::process::id(), number), None);
    }

    fn sorted(mut references: References) -> References {
        references.list.sort_unstable();
        references
    }
}
