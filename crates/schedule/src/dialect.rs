//! Whose cron a crontab is read as.
//!
//! The two daemons most Linux systems run, Debian's cron 3.0pl1 and cronie (Fedora, RHEL, Arch),
//! share Paul Vixie's rules but differ in corners that change when jobs run. A file means what the
//! daemon it was written for makes of it, so the corner is chosen by name. crontab(5) of each.

use std::fmt;

/// A reading of the crontab language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Debian's cron 3.0pl1 and its derivatives.
    #[default]
    Debian,
    /// cronie, as Fedora and its relatives ship it.
    Cronie,
}

impl Dialect {
    /// The dialect called `name`.
    pub fn named(name: &str) -> Option<Dialect> {
        [Dialect::Debian, Dialect::Cronie].into_iter().find(|dialect| dialect.name() == name)
    }

    /// The name used in configuration and messages.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Debian => "debian",
            Dialect::Cronie => "cronie",
        }
    }

    /// The most bytes a command or an environment setting may have.
    ///
    /// Debian's `MAX_COMMAND` and `MAX_ENVSTR` are 1000 with the final NUL, cronie's 131072. The
    /// daemons silently cut what is longer; half a command is worse than none, so here it is an
    /// error.
    pub fn text_len_max(self) -> usize {
        match self {
            Dialect::Debian => 999,
            Dialect::Cronie => 131_071,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
