//! A file that a program's lines are appended to (open(2), `O_APPEND`), kept within a size by
//! renaming, as logrotate(8) does it, and reopened when somebody else has renamed it.
//!
//! A log never stops a program: what cannot be written is counted and said once, until it can be
//! again.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Old files that are kept at most.
pub const KEEP_MAX: u32 = 99;
/// What is gathered before it is written.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// A file is not cut within a line, unless the line is longer than this.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Others than the owner's group need not read what programs print.
const MODE: u32 = 0o640;

/// When a file is full, it becomes `NAME.1`, and so on up to `NAME.keep`, which goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// A file is at most this large, but for one line.
    pub bytes_max: u64,
    /// 1 to [`KEEP_MAX`].
    pub keep: u32,
}

#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    rotation: Option<Rotation>,
    buffer: Vec<u8>,
    /// In the file.
    bytes: u64,
    /// What is in the file ends with a newline.
    at_line_start: bool,
    /// Bytes that could not be written since it was said that they cannot.
    lost: Option<u64>,
}

impl LogFile {
    /// Opens the file, or makes it. Only a regular file is ever rotated: /dev/null is no log.
    pub fn open(path: &Path, rotation: Option<Rotation>) -> io::Result<LogFile> {
        let (file, bytes, is_regular) = open(path)?;
        let rotation = rotation.filter(|_| is_regular);
        let rotation = rotation.map(|r| Rotation { keep: r.keep.clamp(1, KEEP_MAX), ..r });
        Ok(LogFile {
            path: path.to_owned(),
            file,
            rotation,
            buffer: Vec::new(),
            bytes,
            at_line_start: true,
            lost: None,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes bytes to be written by the next [`LogFile::flush`], or now when there are many.
    /// Returns what is to be said, as `flush` does.
    pub fn append(&mut self, bytes: &[u8]) -> Option<String> {
        let full = self.would_be_full(bytes.len()).then(|| self.flush()).flatten();
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES_MAX { self.flush().or(full) } else { full }
    }

    /// What was taken goes into this file, so that the next line begins another.
    fn would_be_full(&self, more: usize) -> bool {
        let bytes = self.bytes + (self.buffer.len() + more) as u64;
        self.rotation.is_some_and(|rotation| bytes > rotation.bytes_max)
    }

    /// Writes what was taken. Returns a sentence when writing fails for the first time, and when
    /// it succeeds again.
    pub fn flush(&mut self) -> Option<String> {
        if self.buffer.is_empty() {
            return None;
        }
        let trouble = self.rotate_if_full().err();
        let buffer = std::mem::take(&mut self.buffer);
        let (written, result) = self.write(&buffer);
        self.bytes += written as u64;
        if let Some(last) = buffer[..written].last() {
            self.at_line_start = *last == b'\n';
        }
        let missing = (buffer.len() - written) as u64;
        self.buffer = buffer;
        self.buffer.clear();
        self.judge(result.err().or(trouble), missing)
    }

    /// Opens the file anew under its name, after somebody has renamed it. The old one stays in use
    /// when that fails.
    pub fn reopen(&mut self) -> io::Result<()> {
        let said = self.flush();
        let (file, bytes, _) = open(&self.path)?;
        (self.file, self.bytes, self.at_line_start) = (file, bytes, true);
        said.map_or(Ok(()), |text| Err(io::Error::other(text)))
    }

    /// As much as can be, and the error that stopped it.
    fn write(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        // A line that was cut short by a full disk ends here.
        if self.lost.is_some() && !self.at_line_start && self.file.write_all(b"\n").is_ok() {
            self.bytes += 1;
            self.at_line_start = true;
        }
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write(&bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    fn judge(&mut self, trouble: Option<io::Error>, missing: u64) -> Option<String> {
        let name = self.path.display();
        match (trouble, self.lost) {
            (Some(_), Some(lost)) => {
                self.lost = Some(lost + missing);
                None
            }
            (Some(error), None) => {
                self.lost = Some(missing);
                Some(format!("log {name}: {error}: what cannot be written is lost until it can"))
            }
            (None, Some(lost)) => {
                self.lost = None;
                Some(format!("log {name}: it can be written again; {lost} bytes were lost"))
            }
            (None, None) => None,
        }
    }

    fn rotate_if_full(&mut self) -> io::Result<()> {
        let Some(rotation) = self.rotation else { return Ok(()) };
        let bytes = self.bytes + self.buffer.len() as u64;
        let is_full = self.bytes > 0 && bytes > rotation.bytes_max;
        let may_cut = self.at_line_start || self.bytes > rotation.bytes_max + LINE_BYTES_MAX;
        if !is_full || !may_cut {
            return Ok(());
        }
        for number in (1..rotation.keep).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        rename(&self.path, &self.numbered(1))?;
        let (file, bytes, _) = open(&self.path)?;
        (self.file, self.bytes, self.at_line_start) = (file, bytes, true);
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.flush();
    }
}

/// The file, its size, and whether it is regular. Never waits, whatever stands at the path: a FIFO
/// without a reader is an error (fifo(7)).
fn open(path: &Path) -> io::Result<(File, u64, bool)> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = File::options();
    let file = options.append(true).create(true).mode(MODE).custom_flags(flags).open(path);
    let file = file.map_err(|error| {
        io::Error::new(error.kind(), format!("open log {}: {error}", path.display()))
    })?;
    let metadata = file.metadata()?;
    Ok((file, metadata.len(), metadata.is_file()))
}

/// A file that is not there needs no new name.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let text = format!("rename {} to {}: {error}", from.display(), to.display());
            Err(io::Error::new(error.kind(), text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let rotation = Rotation { bytes_max: 10, keep: 2 };
        let mut log = LogFile::open(&path, Some(rotation)).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n", "a line longer than a file\n", "end\n"]
        {
            assert_eq!(log.append(line.as_bytes()), None);
            assert_eq!(log.flush(), None);
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("log"), "end\n");
        assert_eq!(read("log.1"), "a line longer than a file\n");
        assert_eq!(read("log.2"), "four\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn many_lines_at_once_fill_one_file_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, Some(Rotation { bytes_max: 8, keep: 2 })).unwrap();
        for line in ["one\n", "two\n", "six\n", "ten\n", "end\n"] {
            log.append(line.as_bytes());
        }
        log.flush();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("log.2"), read("log.1")), ("one\ntwo\n".into(), "six\nten\n".into()));
        assert_eq!(read("log"), "end\n");
    }

    #[test]
    fn a_line_is_not_cut_by_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, Some(Rotation { bytes_max: 4, keep: 1 })).unwrap();
        for part in ["begun", " and ended\n", "next\n"] {
            log.append(part.as_bytes());
            log.flush();
        }
        assert_eq!(
            std::fs::read_to_string(folder.path().join("log.1")).unwrap(),
            "begun and ended\n"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "next\n");
    }

    #[test]
    fn a_renamed_file_is_left_at_reopen() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("moved"));
        let mut log = LogFile::open(&path, None).unwrap();
        log.append(b"a\n\xff\n");
        std::fs::rename(&path, &moved).unwrap();
        log.reopen().unwrap();
        log.append(b"b\n");
        drop(log);
        assert_eq!(std::fs::read(&moved).unwrap(), b"a\n\xff\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"b\n");
    }

    #[test]
    fn a_full_disk_is_said_once() {
        let mut log = LogFile::open(Path::new("/dev/full"), None).unwrap();
        log.append(b"lost\n");
        let said = log.flush().unwrap();
        assert!(said.starts_with("log /dev/full: No space left"), "{said}");
        log.append(b"more\n");
        assert_eq!(log.flush(), None);
        assert_eq!(log.lost, Some(10));
        log.file = File::options().append(true).open("/dev/null").unwrap();
        log.append(b"kept\n");
        assert!(log.flush().unwrap().ends_with("10 bytes were lost"));
    }

    #[test]
    fn devices_are_not_rotated_and_a_fifo_does_not_hang() {
        let rotation = Some(Rotation { bytes_max: 1, keep: 1 });
        let mut log = LogFile::open(Path::new("/dev/null"), rotation).unwrap();
        log.append(b"aa\n");
        assert_eq!((log.flush(), log.rotation), (None, None));
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = LogFile::open(&fifo, None).unwrap_err().to_string();
        assert!(error.starts_with("open log "), "{error}");
    }
}
