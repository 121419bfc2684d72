//! No path of the machine that something was written on stands in the tree: it would be wrong
//! everywhere else.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::Result;

/// Folders of one machine, written in two parts so that this file does not hold them.
const MACHINE: [(&str, &str); 3] = [("/wo", "rk/"), ("/ro", "ot/"), ("/.cargo/", "registry")];

pub fn check(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output()?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let texts = names.split('\0').filter(|name| !name.is_empty()).filter_map(|name| {
        let text = fs::read_to_string(root.join(name)).ok()?;
        Some(problems(name, &text))
    });
    Ok(texts.flatten().collect())
}

fn problems(name: &str, text: &str) -> Vec<String> {
    let machine = MACHINE.map(|(start, end)| format!("{start}{end}"));
    let found = text.lines().enumerate().flat_map(|(line, text)| {
        machine.iter().filter(|path| holds(text, path)).map(move |path| {
            format!("{name}:{}: {path}: a path of one machine must not stand here", line + 1)
        })
    });
    found.collect()
}

/// Whether the line has the path at its beginning, not within a longer one or an address.
fn holds(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back().unwrap_or(' ');
        path.contains("registry") || !(before.is_alphanumeric() || "/._-".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::problems;

    #[test]
    fn a_path_of_one_machine_is_caught() {
        let check = |line: &str, expected: usize| {
            assert_eq!(problems("file", line).len(), expected, "{line:?}");
        };
        check(&["see /wo", "rk/main/file"].concat(), 1);
        check(&["HOME=/ro", "ot/x"].concat(), 1);
        check(&["~/.cargo/", "registry/src"].concat(), 1);
        check("https://example.org/work/paper and /worker/x", 0);
        check("HOME=/root", 0);
    }
}
