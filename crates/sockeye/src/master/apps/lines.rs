//! What apps print: the last lines of each are kept for `sockeye app logs`; all go to the app's
//! file, or to the master's log with the name in front.

use std::collections::VecDeque;

use process::output::{Piece, escaped};

use super::Kept;
use crate::cli::output::warn;
use crate::log::Log;
use crate::settings::ProgramOutput;

/// Kept of each app.
const LINES_MAX: usize = 1000;
const BYTES_MAX: usize = 64 << 10;

/// The last lines of one app, numbered from 0.
#[derive(Default)]
pub struct Lines {
    first: u64,
    lines: VecDeque<String>,
    bytes: usize,
}

impl Lines {
    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(line) = self.lines.pop_front() else { return };
            self.bytes -= line.len();
            self.first += 1;
        }
    }

    /// The number of the first that is given, and the lines.
    pub fn since(&self, from: u64) -> (u64, Vec<String>) {
        let skipped = from.saturating_sub(self.first);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.lines.len());
        (self.first + skipped as u64, self.lines.iter().skip(skipped).cloned().collect())
    }
}

/// Where a piece of output goes.
pub struct Sink<'a> {
    kept: Option<&'a mut Kept>,
    log: &'a mut Log,
    prefix: String,
}

impl<'a> Sink<'a> {
    pub fn new(kept: Option<&'a mut Kept>, log: &'a mut Log, app: &str, slot: u32) -> Sink<'a> {
        let many = kept.as_ref().is_some_and(|kept| kept.app.instances > 1);
        let prefix = if many { format!("{app}/{}", slot + 1) } else { app.to_owned() };
        Sink { kept, log, prefix }
    }

    pub fn take(&mut self, piece: Piece<'_>) {
        // The output of an app that was removed has no place of its own any more.
        let to_log = self.kept.as_ref().is_none_or(|k| k.app.output == ProgramOutput::Log);
        let text = escaped(piece.text);
        if to_log {
            self.log.line(&self.prefix, piece.text);
        }
        let Some(kept) = &mut self.kept else { return };
        if let Some(file) = &mut kept.file {
            let said = file.append(piece.text);
            let end: &[u8] = if piece.goes_on { b"" } else { b"\n" };
            if let Some(said) = said.or(file.append(end)) {
                warn(&format!("app {}: {said}", kept.app.name));
            }
        }
        kept.lines.push(text);
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        if let Some(kept) = &mut self.kept
            && let Some(said) = kept.file.as_mut().and_then(|file| file.flush())
        {
            warn(&format!("app {}: {said}", kept.app.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_by_number() {
        let mut lines = Lines::default();
        for number in 0..LINES_MAX + 10 {
            lines.push(number.to_string());
        }
        let (first, kept) = lines.since(0);
        assert_eq!((first, kept.len(), kept[0].as_str()), (10, LINES_MAX, "10"));
        assert_eq!(lines.since(1008), (1008, vec!["1008".into(), "1009".into()]));
        assert_eq!(lines.since(2000), (1010, Vec::new()));
        lines.push("x".repeat(BYTES_MAX));
        assert_eq!(lines.since(0).1.len(), 1);
    }
}
