//! Static files of one folder: from a request's path to a response.
//!
//! The path is cleaned in `http::path` and opened by [`open`] with openat2(2) so that neither `..`
//! nor a symbolic link leaves the folder; [`cache`] keeps what was found for a second before it is
//! looked at again; [`respond`] answers from it.

mod cache;
mod entry;
mod listing;
mod open;
mod respond;
mod spare;

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use engine::Tick;
use http::path::{CleanPath, clean};
use http::{Head, Method, Status, listing as escape};

use crate::reply::{Answered, Reply};
use cache::Cache;
use entry::Entry;
use open::{Found, find};
use spare::Spare;

/// How long an entry is believed before its file is looked at again.
const VALID: Duration = Duration::from_secs(1);
/// What the folder's resources can be asked to do.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// How a folder is served.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// List folders that have no index page.
    pub list_directories: bool,
    /// Bytes of small files kept in memory.
    pub cache_bytes: usize,
    /// Large files kept open.
    pub open_files_max: usize,
    /// Keep descriptors aside for files, where connections may take all others.
    pub spare_descriptors: bool,
}

impl Default for FolderOptions {
    fn default() -> Self {
        FolderOptions {
            list_directories: false,
            cache_bytes: 64 << 20,
            open_files_max: 512,
            spare_descriptors: true,
        }
    }
}

/// A folder whose files are served.
pub struct Folder {
    root: OwnedFd,
    options: FolderOptions,
    cache: RefCell<Cache>,
    spare: Option<Spare>,
}

impl Folder {
    /// Opens the folder; it stays the same one if its path is later given to another.
    ///
    /// # Errors
    /// It does not exist, is no folder, may not be read, or the kernel has no openat2(2) (before
    /// 5.6, or hidden by a sandbox), without which its limits cannot be kept.
    pub fn open(path: &Path, options: FolderOptions) -> io::Result<Folder> {
        let root = open::root(path)?;
        let cache = RefCell::new(Cache::new(options.cache_bytes, options.open_files_max));
        let spare = options.spare_descriptors.then(Spare::new);
        Ok(Folder { root, options, cache, spare })
    }

    /// Answers a request.
    pub fn answer(&self, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
        let raw = head.path();
        if let Some(entry) = self.cached(raw, reply.now) {
            return match respond::quick(&entry, head, reply) {
                Some(answered) => answered,
                None => self.answer_entry(&entry, head, reply),
            };
        }
        self.look_up(raw, head, reply)
    }

    /// The entry of this path, when it has been checked within the last second.
    fn cached(&self, raw: &[u8], now: Tick) -> Option<Rc<Entry>> {
        let entry = self.cache.borrow_mut().get(raw)?;
        (now.since(entry.checked.get()) < VALID).then_some(entry)
    }

    fn answer_entry(&self, entry: &Entry, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
        match head.method {
            Method::Get | Method::Head => respond::full(entry, head, reply),
            _ => reply.allow(head, METHODS),
        }
    }

    fn look_up(&self, raw: &[u8], head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
        if raw == b"*" {
            return reply.allow(head, METHODS);
        }
        let path = match clean(raw) {
            Ok(path) if path.is_hidden => return reply.error(head, Status::NOT_FOUND),
            Ok(path) => path,
            Err(error) => return reply.error(head, error.status()),
        };
        let old = self.cache.borrow_mut().get(raw);
        match self.find(&path, old.as_deref()) {
            Ok(Found::File(entry)) => {
                let entry = match entry {
                    Some(new) => Rc::new(new),
                    None => old.unwrap_or_default(),
                };
                entry.checked.set(reply.now);
                // A file kept open would keep a descriptor that the next look-up needs.
                if entry.open_files() == 0 || self.refill() {
                    self.cache.borrow_mut().insert(raw, &entry);
                }
                self.answer_entry(&entry, head, reply)
            }
            Ok(Found::Folder(folder)) => self.answer_folder(&folder, &path, head, reply),
            Ok(Found::NeedsSlash) => redirect(&path, head, reply),
            Err(error) => {
                self.cache.borrow_mut().remove(raw);
                reply.error(head, open::status(&error))
            }
        }
    }

    fn find(&self, path: &CleanPath<'_>, old: Option<&Entry>) -> io::Result<Found> {
        let Some(spare) = &self.spare else { return find(&self.root, path, old) };
        let found = spare.with(|| find(&self.root, path, old));
        spare.refill();
        found
    }

    /// Whether there are descriptors enough.
    fn refill(&self) -> bool {
        self.spare.as_ref().is_none_or(Spare::refill)
    }

    fn answer_folder(
        &self,
        folder: &OwnedFd,
        path: &CleanPath<'_>,
        head: &Head<'_>,
        reply: &mut Reply<'_>,
    ) -> Answered {
        if !self.options.list_directories {
            return reply.error(head, Status::FORBIDDEN);
        }
        if !matches!(head.method, Method::Get | Method::Head) {
            return reply.allow(head, METHODS);
        }
        match listing::page(folder, &path.path) {
            Ok(page) => {
                let fields = [("Cache-Control", &b"no-cache"[..])];
                reply.whole(head, Status::OK, "text/html; charset=utf-8", &fields, &page)
            }
            Err(error) => reply.error(head, open::status(&error)),
        }
    }
}

/// To the same path with a slash, so that the relative links of its index page lead into it.
fn redirect(path: &CleanPath<'_>, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
    let mut location = vec![b'/'];
    escape::append_path(&mut location, &path.path);
    location.push(b'/');
    if let Some(query) = head.query() {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    reply.error_with(head, Status::MOVED_PERMANENTLY, &[("Location", &location)])
}
