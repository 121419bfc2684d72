//! Every process with where it is and what it runs, and every file it has mapped, as the iterators
//! over `task` and `task_vma` give them.

use std::collections::HashMap;
use std::ops::Range;

use super::program::{mapping, task};
use super::{Path, number, own_level};
use crate::bytes::{ne_u32, ne_u64};

/// One process, or what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task in the kernel, by which its mappings name it.
    key: u64,
    pub pid: u32,
    /// 0 where the parent is outside of this pid namespace.
    pub ppid: u32,
    pub pgid: u32,
    pub uid: u32,
    pub threads: u32,
    pub is_zombie: bool,
    pub is_kernel_thread: bool,
    pub current: Path,
    pub root: Path,
    pub program: Path,
    name: [u8; task::NAME_BYTES],
}

/// PF_KTHREAD of linux/sched.h.
const KERNEL_THREAD: u32 = 0x20_0000;

impl Task {
    /// What /proc/PID/stat shows in brackets; `None` where that is not just the name: the kernel
    /// escapes some bytes there, and says more of its own threads.
    pub fn name(&self) -> Option<&[u8]> {
        let name = self.name.split(|b| *b == 0).next()?;
        (!self.is_kernel_thread && !name.iter().any(|b| matches!(b, b'\n' | b'\\'))).then_some(name)
    }

    fn parse(r: &[u8], level: usize) -> Option<Task> {
        let word = |at: i16| ne_u32(r, at as usize);
        Some(Task {
            key: ne_u64(r, task::TASK as usize)?,
            pid: number(r, task::LEVEL, level)?,
            ppid: number(r, task::PARENT_LEVEL, level)?,
            pgid: number(r, task::GROUP_LEVEL, level)?,
            uid: word(task::USER)?,
            threads: word(task::THREADS)?,
            is_zombie: word(task::EXIT_STATE)? != 0,
            is_kernel_thread: word(task::FLAGS)? & KERNEL_THREAD != 0,
            current: Path::read(r, task::CURRENT)?,
            root: Path::read(r, task::ROOT)?,
            program: Path::read(r, task::PROGRAM)?,
            name: crate::bytes::array(r, task::NAME as usize)?,
        })
    }
}

/// A mapping of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address, by which a line of /proc/PID/maps is the same mapping.
    pub start: u64,
    pub path: Path,
    pub inode: u64,
}

/// All processes, ascending by pid, and their mappings by address.
#[derive(Debug, Default)]
pub struct Tasks {
    list: Vec<Task>,
    mappings: Vec<u8>,
    /// The records in `mappings` of each task.
    ranges: HashMap<u64, Range<usize>>,
}

const MAPPING_BYTES: usize = mapping::BYTES as usize;

impl Tasks {
    pub(super) fn parse(tasks: &[u8], mappings: Vec<u8>) -> Option<Tasks> {
        let records = || tasks.chunks_exact(task::BYTES as usize);
        let level = own_level(records(), task::LEVEL)?;
        let mut list: Vec<Task> = records().filter_map(|r| Task::parse(r, level)).collect();
        list.sort_unstable_by_key(|task| task.pid);
        let mut ranges = HashMap::with_capacity(list.len());
        for (index, record) in mappings.chunks_exact(MAPPING_BYTES).enumerate() {
            let key = ne_u64(record, mapping::TASK as usize)?;
            ranges.entry(key).or_insert(index..index).end = index + 1;
        }
        Some(Tasks { list, mappings, ranges })
    }

    pub fn of(&self, pid: u32) -> Option<&Task> {
        self.list.get(self.list.binary_search_by_key(&pid, |task| task.pid).ok()?)
    }

    pub fn mappings(&self, task: &Task) -> impl Iterator<Item = Mapping> + Clone {
        let range = self.ranges.get(&task.key).cloned().unwrap_or_default();
        let bytes = range.start * MAPPING_BYTES..range.end * MAPPING_BYTES;
        let bytes = self.mappings.get(bytes).unwrap_or_default();
        bytes.chunks_exact(MAPPING_BYTES).filter_map(|r| {
            let double = |at: i16| ne_u64(r, at as usize);
            Some(Mapping {
                start: double(mapping::START)?,
                path: Path::read(r, mapping::PATH)?,
                inode: double(mapping::INODE)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(record: &mut [u8], at: i16, words: &[u32]) {
        for (index, word) in words.iter().enumerate() {
            let at = at as usize + index * 4;
            record[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        }
    }

    fn raw(key: u32, pid: u32, parent: [u32; 3], name: &[u8]) -> Vec<u8> {
        let mut r = vec![0; task::BYTES as usize];
        put(&mut r, task::TASK, &[key]);
        put(&mut r, task::LEVEL, &[1, 900 + pid, pid]);
        put(&mut r, task::PARENT_LEVEL, &parent);
        put(&mut r, task::GROUP_LEVEL, &[1, 0, pid]);
        r[task::NAME as usize..][..name.len()].copy_from_slice(name);
        r
    }

    fn raw_mapping(key: u32, start: u32, inode: u32) -> Vec<u8> {
        let mut r = vec![0; MAPPING_BYTES];
        put(&mut r, mapping::TASK, &[key]);
        put(&mut r, mapping::START, &[start]);
        put(&mut r, mapping::INODE, &[inode]);
        r
    }

    #[test]
    fn processes_and_their_mappings() {
        let tasks = [raw(8, 3, [1, 5, 1], b"a\nb"), raw(7, 1, [0, 5, 0], b"init")].concat();
        let mappings = [raw_mapping(8, 1, 10), raw_mapping(8, 2, 11), raw_mapping(7, 1, 12)];
        let tasks = Tasks::parse(&tasks, mappings.concat()).unwrap();
        let seen: Vec<_> = tasks.list.iter().map(|t| (t.pid, t.ppid, t.pgid, t.name())).collect();
        assert_eq!(seen, [(1, 0, 1, Some(&b"init"[..])), (3, 1, 3, None)]);
        let inodes = |pid| {
            tasks.of(pid).map(|task| tasks.mappings(task).map(|m| m.inode).collect::<Vec<_>>())
        };
        assert_eq!(inodes(1), Some(vec![12]));
        assert_eq!(inodes(3), Some(vec![10, 11]));
        assert_eq!(inodes(2), None);
        assert!(Tasks::parse(b"", Vec::new()).is_some_and(|tasks| tasks.list.is_empty()));
    }
}
