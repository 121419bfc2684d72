//! `cargo xtask tidy`: the invariants of the design that the compiler does not check, each an
//! absence. It runs in the tests too, and each rule has a test with a sample that it catches.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::say::say;
use crate::workspace;

mod blank;
mod dependencies;
mod edges;
mod modules;
mod paths;
mod rules;

/// How deep source folders may be.
const DEPTH_MAX: usize = 12;

/// One source file in three readings.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the workspace's root, with `/`.
    pub path: String,
    /// The folder under crates/, or `fuzz`.
    pub crate_name: String,
    pub text: String,
    /// Without comments and the insides of literals.
    pub code: String,
    /// The same without tests; empty for a file of tests.
    pub product: String,
}

pub fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("tidy takes no arguments".to_owned()));
    }
    let problems = check(&workspace::root(), &workspace::metadata()?)?;
    if problems.is_empty() {
        say(format_args!("tidy: all is well"));
        return Ok(());
    }
    problems.iter().for_each(|problem| say(format_args!("{problem}")));
    Err(Failure::Failed(format!("tidy found {} problems", problems.len())))
}

/// All problems, each with the file, what is wrong and what would be right.
fn check(root: &Path, metadata: &Value) -> Result<Vec<String>> {
    let sources = sources(root)?;
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap_or_default();
    let mut problems = edges::check(metadata);
    problems.extend(dependencies::check(metadata, &architecture));
    problems.extend(modules::check(&sources));
    problems.extend(rules::check(&sources));
    problems.extend(paths::check(root)?);
    Ok(problems)
}

fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    for folder in ["crates", "fuzz"] {
        collect(&root.join(folder), &mut files, DEPTH_MAX)?;
    }
    files.sort();
    let sources = files.iter().map(|file| {
        let path = file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned();
        Ok(Source::new(path, fs::read_to_string(file)?))
    });
    sources.collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && depth > 0 && !matches!(name.as_str(), "target" | "fixtures" | "corpus")
        {
            collect(&path, files, depth - 1)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

impl Source {
    pub fn new(path: String, text: String) -> Source {
        let parts: Vec<&str> = path.split('/').collect();
        let crate_name = match parts[..] {
            ["crates", name, ..] => name.to_owned(),
            _ => parts.first().copied().unwrap_or_default().to_owned(),
        };
        let code = blank::blank(&text);
        let tests = parts.contains(&"tests") || parts.last() == Some(&"tests.rs");
        let product = match tests || code.contains("#![cfg(test)]") {
            true => String::new(),
            false => blank::without_tests(&code),
        };
        Source { path, crate_name, text, code, product }
    }

    /// Where the words stand, as `path:line`.
    pub fn place(&self, offset: usize) -> String {
        let line = self.code[..offset].matches('\n').count() + 1;
        format!("{}:{line}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::workspace;

    #[test]
    fn the_workspace_is_tidy() {
        let problems = check(&workspace::root(), &workspace::metadata().unwrap()).unwrap();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
