//! What a process is in a family of servers, as whoever runs the family tells it. This crate does
//! not know the server: the program hands in a function that asks it.

use std::path::Path;

/// One process of the family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub pid: u32,
    /// `master`, `worker`, `acceptor`, `connection`.
    pub role: String,
    pub generation: Option<u64>,
    /// What it does now, in words fit for a terminal; empty where only the role is known.
    pub doing: String,
}

/// Asks the running family: the one whose control socket this is, or the one that would be found
/// without a path. None running is no error where no path is given.
pub type Ask<'a> = dyn Fn(Option<&Path>) -> Result<Vec<Member>, String> + 'a;

/// For a program that has no family.
pub fn none(_: Option<&Path>) -> Result<Vec<Member>, String> {
    Ok(Vec::new())
}

/// What the title of a process says: the workers of the server set theirs.
pub fn by_title(pid: u32, command: &[u8]) -> Option<Member> {
    let mut words = command.split(|b| *b == b' ');
    let program = words.next()?;
    let name = program.rsplit(|b| *b == b'/').next()?;
    let role = match (command.strip_prefix(b"sockeye: "), words.next()) {
        (Some(title), _) => String::from_utf8_lossy(title).trim_end().to_owned(),
        (None, Some(b"serve")) if name == b"sockeye" => "master".to_owned(),
        _ => return None,
    };
    Some(Member { pid, role, ..Member::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        for (command, role) in [
            ("sockeye: worker 2", Some("worker 2")),
            ("sockeye: connection", Some("connection")),
            ("/usr/bin/sockeye serve public", Some("master")),
            ("sockeye status", None),
            ("grep sockeye: serve", None),
            ("", None),
        ] {
            let found = by_title(7, command.as_bytes()).map(|member| member.role);
            assert_eq!(found.as_deref(), role, "{command}");
        }
    }
}
