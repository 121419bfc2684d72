//! No import cycle between the top-level modules of a crate. An edge is a path `crate::module` in
//! code that is not a test; a name that the root takes from a module counts as that module.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::blank::words;

type Edges = BTreeMap<String, BTreeSet<String>>;

pub fn check(sources: &[Source]) -> Vec<String> {
    let crates: BTreeSet<&str> = sources.iter().map(|source| source.crate_name.as_str()).collect();
    let cycles = crates.into_iter().filter_map(|name| {
        let own: Vec<&Source> = sources.iter().filter(|source| source.crate_name == name).collect();
        let cycle = cycle(&edges(&own))?;
        Some(format!("crates/{name}: an import cycle: {}", cycle.join(" -> ")))
    });
    cycles.collect()
}

fn edges(sources: &[&Source]) -> Edges {
    let modules: BTreeSet<String> =
        sources.iter().filter_map(|source| module(&source.path)).collect();
    let roots = sources.iter().filter(|source| is_root(&source.path));
    let taken: BTreeMap<String, String> =
        roots.flat_map(|root| root_names(&root.product, &modules)).collect();
    let mut edges = Edges::new();
    for source in sources {
        let Some(from) = module(&source.path) else { continue };
        let own = edges.entry(from.clone()).or_default();
        for name in crate_names(&source.product) {
            let to = taken.get(&name).cloned().unwrap_or(name);
            if to != from && modules.contains(&to) {
                own.insert(to);
            }
        }
    }
    edges
}

/// The top-level module of a file under src/; the roots and other targets have none.
fn module(path: &str) -> Option<String> {
    let inside = path.split_once("/src/")?.1;
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    (!is_root(path) && first != "bin").then(|| first.to_owned())
}

fn is_root(path: &str) -> bool {
    path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs")
}

/// Names that the root brings in by `use module::...`, with their modules.
fn root_names(code: &str, modules: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for at in words(code, "use") {
        let Some(statement) = code[at + 3..].split(';').next() else { continue };
        let statement = statement.trim().trim_start_matches("crate::").trim_start_matches("self::");
        let Some((module, rest)) = statement.split_once("::") else { continue };
        if modules.contains(module) {
            let parts = rest.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let parts = parts.filter(|part| !part.is_empty() && *part != "as");
            names.extend(parts.map(|part| (part.to_owned(), module.to_owned())));
        }
    }
    names
}

/// The first names of all paths that begin with `crate::`, those in braces among them.
fn crate_names(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for at in words(code, "crate") {
        let Some(rest) = code[at + 5..].strip_prefix("::") else { continue };
        match rest.strip_prefix('{') {
            Some(group) => names.extend(first_names(group)),
            None => names.extend(first_word(rest)),
        }
    }
    names
}

/// The first word of each entry at the first level of a group such as `{a::B, c::{D, E}}`.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut entry, mut names) = (1_u32, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.extend(first_word(std::mem::take(&mut entry).trim())),
            _ if depth == 1 => entry.push(letter),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.extend(first_word(entry.trim()));
    names
}

fn first_word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// A cycle, if there is one: modules without an edge to what is left are taken away until nothing
/// goes; what stays holds a cycle.
fn cycle(edges: &Edges) -> Option<Vec<String>> {
    let mut left = edges.clone();
    loop {
        let free: Vec<String> = left
            .iter()
            .filter(|(_, to)| !to.iter().any(|module| left.contains_key(module)))
            .map(|(from, _)| from.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|module| {
            left.remove(module);
        });
    }
    let mut walk = vec![left.keys().next()?.clone()];
    loop {
        let last = walk.last()?;
        let next = left.get(last)?.iter().find(|module| left.contains_key(*module))?.clone();
        if let Some(start) = walk.iter().position(|module| *module == next) {
            walk.push(next);
            return Some(walk.split_off(start));
        }
        walk.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::Source;

    #[test]
    fn cycles_between_modules_are_caught() {
        let check = |files: &[(&str, &str)], expected: usize| {
            let sources = files.iter().map(|(path, text)| {
                Source::new(format!("crates/x/src/{path}"), (*text).to_owned())
            });
            let found = check(&sources.collect::<Vec<Source>>());
            assert_eq!(found.len(), expected, "{files:?}: {found:?}");
        };
        check(&[("a.rs", "use crate::b::B;"), ("b.rs", "fn f() {}")], 0);
        check(&[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")], 1);
        check(&[("a.rs", "use crate::{c, b::{B, C}};"), ("b/deep.rs", "crate::a::f()")], 1);
        check(&[("a.rs", "use crate::b::B;"), ("b.rs", "// crate::a\n")], 0);
        check(
            &[("a.rs", "use crate::b::B;"), ("b.rs", "#[cfg(test)] mod tests { use crate::a; }")],
            0,
        );
        let root = ("lib.rs", "pub use a::{Error, Other as Name};");
        check(&[root, ("a.rs", "use crate::b;"), ("b.rs", "use crate::Error;")], 1);
        check(
            &[("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a;")],
            1,
        );
    }
}
