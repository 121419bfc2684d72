//! Configuration: the words of the command line and of `sockeye.toml` made into [`Settings`].
//!
//! ```text
//! sockeye.toml ──text──▶ Low ─┐
//!                             ├─over──▶ Low ──lower──▶ Settings ──places──▶ checked
//! command line ──cli───▶ Low ─┘
//! ```
//! The file is walked along the table of keys ([`keys`]) with the position of every value at hand,
//! instead of being deserialized into a structure: so one run reports every mistake, each at its
//! own line and column, and the same table writes the reference pages. TOML is
//! <https://toml.io/en/v1.0.0>.

mod error;
mod keys;
mod low;
mod lower;
mod nearest;
mod places;
mod programs;
mod text;
mod units;
mod users;
mod value;

pub use error::{Contradiction, Error, Problem};
pub use keys::{KEYS, Key, Takes, reference};
pub use low::Low;
pub use lower::{Lowered, Surroundings};
pub use programs::{APP_KEYS, JOB_KEYS};
pub use text::{fuzz, set};
pub use units::{DURATION_MAX, duration_from_text};
pub use users::{Account, account};

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No configuration written by people is larger; a wrong path such as /dev/zero would be.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Where the settings come from: kept by the master so that a reload reads the same again.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub file: Option<PathBuf>,
    pub flags: Low,
}

impl Source {
    /// Reads and checks everything, binding nothing: what `sockeye check`, the start and every
    /// reload do first.
    pub fn load(&self) -> Result<Lowered, Error> {
        let mut lowered = self.lower(&Surroundings::of_this_process())?;
        places::check(&lowered.settings)?;
        lowered.warnings.extend(places::doubts(&lowered.settings));
        Ok(lowered)
    }

    /// Whether it says where to listen, in the file or by flags.
    pub fn names_addresses(&self) -> bool {
        let in_file = || self.file.as_deref().and_then(|path| load(path).ok()?.listen);
        self.flags.listen.is_some() || in_file().is_some()
    }

    fn lower(&self, surroundings: &Surroundings) -> Result<Lowered, Error> {
        let Some(path) = &self.file else {
            return Ok(lower::lower(self.flags.clone(), None, surroundings)?);
        };
        let bytes = read(path)?;
        let from_file = text::parse(path, &bytes, &folder_of(path))?;
        let low = self.flags.clone().over(from_file.clone());
        lower::lower(low, self.file.clone(), surroundings).map_err(|contradiction| {
            // What the file alone brings about is shown in the file.
            let alone = lower::lower(from_file, None, surroundings);
            match alone.is_err_and(|found| found == contradiction) {
                true => text::place(path, &bytes, contradiction),
                false => contradiction.into(),
            }
        })
    }
}

/// Reads a configuration file. Its relative paths are seen from its own folder.
pub fn load(path: &Path) -> Result<Low, Error> {
    text::parse(path, &read(path)?, &folder_of(path))
}

fn folder_of(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |cause| Error::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
