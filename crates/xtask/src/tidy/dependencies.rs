//! Every outside crate has its sentence of reason in ARCHITECTURE.md, where it stands in backticks.

use std::collections::BTreeSet;

use serde_json::Value;

pub fn check(metadata: &Value, architecture: &str) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let dependencies = packages.flat_map(|p| p["dependencies"].as_array().into_iter().flatten());
    let outside = dependencies.filter(|dependency| dependency["path"].is_null());
    let names: BTreeSet<&str> = outside.filter_map(|outside| outside["name"].as_str()).collect();
    let unnamed = names.into_iter().filter(|name| !architecture.contains(&format!("`{name}`")));
    unnamed
        .map(|name| format!("ARCHITECTURE.md: no reason is given for the crate `{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use serde_json::json;

    #[test]
    fn a_crate_without_a_reason_is_caught() {
        let dependencies =
            json!([{ "name": "memchr" }, { "name": "sys", "path": "/w/crates/sys" }]);
        let metadata = json!({ "packages": [{ "dependencies": dependencies }] });
        assert_eq!(check(&metadata, "`memchr` finds bytes").len(), 0);
        assert_eq!(check(&metadata, "memchr, `memchr2`").len(), 1);
    }
}
