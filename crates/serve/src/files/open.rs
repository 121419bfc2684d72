//! Opening files below the root and nowhere else: openat2(2) with `RESOLVE_BENEATH`, which the
//! kernel holds for `..`, absolute links and magic links alike, without a race.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use http::Status;
use http::mime;
use http::negotiate::Encoding;
use http::path::CleanPath;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

use super::entry::{Content, Entry, Representation, Stamp};

/// Files up to this size are sent from memory, flat behind their head; for larger ones sendfile(2)
/// is cheaper (measured break-even).
const MEMORY_FILE_BYTES_MAX: u64 = 32 * 1024;
/// The page that stands for a folder.
const INDEX: &[u8] = b"index.html";

/// What a path leads to.
pub enum Found {
    /// A file; `None`: the old entry still says all.
    File(Option<Entry>),
    /// A folder without an index page.
    Folder(OwnedFd),
    /// A folder asked for without its slash.
    NeedsSlash,
}

pub fn root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let root = openat(rustix::fs::CWD, path, flags, Mode::empty())?;
    match beneath(&root, b".", OFlags::PATH) {
        Ok(_) => Ok(root),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!(
                "this kernel or sandbox does not allow openat2(2) ({error}), without which files \
                 outside the folder could not be kept from being served: Linux 5.6 or a newer \
                 seccomp profile is needed"
            ),
        )),
    }
}

/// Finds what is at the path. `old` is what was found there before.
pub fn find(root: &OwnedFd, path: &CleanPath<'_>, old: Option<&Entry>) -> io::Result<Found> {
    let name = if path.path.is_empty() { b"." } else { &*path.path };
    let found = beneath(root, name, OFlags::PATH)?;
    let stat = fstat(&found)?;
    match (FileType::from_raw_mode(stat.st_mode), path.is_directory) {
        (FileType::RegularFile, false) => load(root, name, &stat, old).map(Found::File),
        (FileType::RegularFile, true) => Err(Errno::NOTDIR.into()),
        (FileType::Directory, false) => Ok(Found::NeedsSlash),
        (FileType::Directory, true) => find_index(root, name, old),
        // Devices, pipes and sockets are no documents.
        _ => Err(Errno::ACCESS.into()),
    }
}

fn find_index(root: &OwnedFd, folder: &[u8], old: Option<&Entry>) -> io::Result<Found> {
    let index = [folder, b"/", INDEX].concat();
    match beneath(root, &index, OFlags::PATH) {
        Ok(found) => {
            let stat = fstat(&found)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(Errno::ACCESS.into());
            }
            load(root, &index, &stat, old).map(Found::File)
        }
        Err(Errno::NOENT) => Ok(Found::Folder(beneath(root, folder, OFlags::DIRECTORY)?)),
        Err(error) => Err(error.into()),
    }
}

fn beneath(root: &OwnedFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // Neither a terminal nor a pipe may do more than be opened; `O_PATH` opens nothing at all, and
    // openat2 refuses flags that mean nothing beside it.
    let careful = OFlags::NOCTTY | OFlags::NONBLOCK;
    let careful = if flags.contains(OFlags::PATH) { OFlags::empty() } else { careful };
    let flags = flags | careful | OFlags::CLOEXEC;
    openat2(root, name, flags, Mode::empty(), resolve)
}

/// Loads a file and its variants; `None` when they are what `old` has.
fn load(
    root: &OwnedFd,
    name: &[u8],
    stat: &Stat,
    old: Option<&Entry>,
) -> io::Result<Option<Entry>> {
    let identity = stamp(stat);
    let variants = variants(root, name, &identity);
    let now = std::iter::once(identity).chain(variants.iter().map(|(_, stamp)| *stamp));
    if old.is_some_and(|old| now.eq(old.representations.iter().map(|r| r.stamp))) {
        return Ok(None);
    }
    let content_type = mime::of(name).into_owned();
    let vary = !variants.is_empty();
    let mut entry = Entry { content_type, ..Entry::default() };
    let first = representation(root, name, Encoding::Identity, &entry.content_type, vary)?;
    entry.representations.push(first);
    for (encoding, _) in variants {
        let name = variant_name(name, encoding);
        if let Ok(variant) = representation(root, &name, encoding, &entry.content_type, vary) {
            entry.representations.push(variant);
        }
    }
    Ok(Some(entry))
}

/// The precompressed files beside it. One older than the file itself is stale and left out.
fn variants(root: &OwnedFd, name: &[u8], identity: &Stamp) -> Vec<(Encoding, Stamp)> {
    let candidates = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];
    let present = candidates.into_iter().filter_map(|encoding| {
        let found = beneath(root, &variant_name(name, encoding), OFlags::PATH).ok()?;
        let stat = fstat(&found).ok()?;
        let stamp = stamp(&stat);
        let good = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stamp.modified_ns >= identity.modified_ns;
        good.then_some((encoding, stamp))
    });
    present.collect()
}

fn variant_name(name: &[u8], encoding: Encoding) -> Vec<u8> {
    [name, encoding.extension().unwrap_or_default().as_bytes()].concat()
}

fn representation(
    root: &OwnedFd,
    name: &[u8],
    encoding: Encoding,
    content_type: &str,
    vary: bool,
) -> io::Result<Representation> {
    let file = beneath(root, name, OFlags::RDONLY)?;
    // Once more, of the file that is now open: the name may lead to another by now.
    let stamp = stamp(&fstat(&file)?);
    if stamp.size > MEMORY_FILE_BYTES_MAX {
        let content = Content::File(Rc::new(file));
        return Ok(Representation::new(stamp, encoding, content_type, vary, content, &[]));
    }
    let bytes = read(file, stamp.size)?;
    Ok(Representation::new(stamp, encoding, content_type, vary, Content::Memory, &bytes))
}

fn read(file: OwnedFd, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size as usize);
    File::from(file).take(MEMORY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        // Being written right now: the next request finds it in another state.
        return Err(Errno::AGAIN.into());
    }
    Ok(bytes)
}

fn stamp(stat: &Stat) -> Stamp {
    let nanoseconds = |seconds: i64, rest: u64| {
        u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(rest)
    };
    Stamp {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        changed_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// What an error of opening tells the client.
pub fn status(error: &io::Error) -> Status {
    match Errno::from_io_error(error) {
        // XDEV: the path leads out of the root. It is not said that something is there.
        Some(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::INVAL,
        ) => Status::NOT_FOUND,
        Some(Errno::ACCESS | Errno::PERM) => Status::FORBIDDEN,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => {
            Status::SERVICE_UNAVAILABLE
        }
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

/// The folder's own descriptor, to read its entries by.
pub fn reading(folder: &OwnedFd) -> io::Result<rustix::fs::Dir> {
    Ok(rustix::fs::Dir::read_from(folder.as_fd())?)
}
