//! Which crate may import which. The table is the design's map: an edge that is not in it needs a
//! change of its own, with its reason. Tests may use testkit, which stands outside.

use serde_json::Value;

/// A crate's folder, its level, and the crates that it may import.
const EDGES: [(&str, u8, &[&str]); 11] = [
    ("sys", 0, &[]),
    ("http", 0, &[]),
    ("schedule", 0, &[]),
    ("control", 0, &[]),
    ("engine", 1, &["sys"]),
    ("process", 1, &["sys"]),
    ("inspect", 1, &["sys"]),
    ("serve", 2, &["sys", "http", "engine"]),
    (
        "sockeye",
        3,
        &["sys", "http", "schedule", "control", "engine", "process", "inspect", "serve"],
    ),
    ("testkit", OUTSIDE, &[]),
    ("xtask", OUTSIDE, &["sys", "testkit"]),
];

/// Beside the levels: nothing of the product imports it.
const OUTSIDE: u8 = u8::MAX;

pub fn check(metadata: &Value) -> Vec<String> {
    let mut problems = table_problems();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = folder(package["manifest_path"].as_str().unwrap_or_default());
        let Some((_, _, allowed)) = EDGES.iter().find(|(known, ..)| *known == name) else {
            problems.push(format!("crates/{name}: not in the table of tidy/edges.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(path) = dependency["path"].as_str() else { continue };
            let (to, for_tests) =
                (path.rsplit('/').next().unwrap_or(path), dependency["kind"] == "dev");
            if !(allowed.contains(&to) || (for_tests && (to == "testkit" || to == name))) {
                let text = "is not an edge of the table in tidy/edges.rs";
                problems.push(format!("crates/{name}/Cargo.toml: {name} -> {to} {text}"));
            }
        }
    }
    problems
}

/// An import goes only to a lower level, whatever the table says.
fn table_problems() -> Vec<String> {
    let level = |name: &str| EDGES.iter().find(|(known, ..)| *known == name).map(|edge| edge.1);
    let mut problems = Vec::new();
    for (name, own, allowed) in EDGES {
        for to in allowed {
            if own != OUTSIDE && level(to).is_none_or(|level| level >= own) {
                problems.push(format!("tidy/edges.rs: {name} -> {to} does not go down a level"));
            }
        }
    }
    problems
}

/// The folder of a manifest.
fn folder(manifest: &str) -> &str {
    manifest.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::check;
    use serde_json::json;

    #[test]
    fn edges_that_are_not_in_the_table_are_caught() {
        let check = |from: &str, to: &str, kind: Option<&str>, problems: usize| {
            let dependency = json!({ "path": format!("/w/crates/{to}"), "kind": kind });
            let package = json!({
                "manifest_path": format!("/w/crates/{from}/Cargo.toml"),
                "dependencies": [dependency, { "name": "outside" }],
            });
            let found = check(&json!({ "packages": [package] }));
            assert_eq!(found.len(), problems, "{from} -> {to}: {found:?}");
        };
        check("engine", "sys", None, 0);
        check("engine", "testkit", Some("dev"), 0);
        check("engine", "testkit", None, 1);
        check("engine", "http", None, 1);
        check("http", "sys", None, 1);
        check("serve", "process", None, 1);
        check("sys", "engine", None, 1);
        check("newcomer", "sys", None, 1);
    }
}
