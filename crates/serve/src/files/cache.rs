//! Entries by path, within a budget of bytes and of open files.
//!
//! Two generations instead of a list in order of use: what is looked up moves to the young one,
//! and when that has half the budget, the old one is dropped whole. A look-up is one hash; nothing
//! is moved or counted for an entry that is young already.

use std::collections::HashMap;
use std::rc::Rc;

use super::entry::Entry;

type Generation = HashMap<Box<[u8]>, Rc<Entry>>;

pub struct Cache {
    young: Generation,
    old: Generation,
    bytes: usize,
    files: usize,
    bytes_max: usize,
    files_max: usize,
}

impl Cache {
    pub fn new(bytes_max: usize, files_max: usize) -> Cache {
        Cache {
            young: HashMap::new(),
            old: HashMap::new(),
            bytes: 0,
            files: 0,
            bytes_max,
            files_max,
        }
    }

    pub fn get(&mut self, path: &[u8]) -> Option<Rc<Entry>> {
        if let Some(entry) = self.young.get(path) {
            return Some(entry.clone());
        }
        let (path, entry) = self.old.remove_entry(path)?;
        self.put(path, entry.clone());
        Some(entry)
    }

    pub fn insert(&mut self, path: &[u8], entry: &Rc<Entry>) {
        if self.young.get(path).is_some_and(|present| Rc::ptr_eq(present, entry)) {
            return;
        }
        self.remove(path);
        self.put(path.into(), entry.clone());
    }

    pub fn remove(&mut self, path: &[u8]) {
        self.old.remove(path);
        if let Some(entry) = self.young.remove(path) {
            self.bytes -= weight(path, &entry);
            self.files -= entry.open_files();
        }
    }

    fn put(&mut self, path: Box<[u8]>, entry: Rc<Entry>) {
        self.bytes += weight(&path, &entry);
        self.files += entry.open_files();
        self.young.insert(path, entry);
        if self.bytes > self.bytes_max / 2 || self.files > self.files_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
            self.files = 0;
        }
    }
}

fn weight(path: &[u8], entry: &Entry) -> usize {
    path.len() + entry.weight()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = Cache::new(40 * 400, 10);
        let entry = Rc::new(Entry::default());
        for i in 0..1000 {
            cache.insert(format!("/{i}").as_bytes(), &entry);
            assert!(cache.get(b"/0").is_some(), "the hot one is gone after {i}");
        }
        assert!(cache.get(b"/1").is_none());
        assert!(cache.young.len() + cache.old.len() <= 80);
        cache.remove(b"/0");
        assert!(cache.get(b"/0").is_none());
    }
}
