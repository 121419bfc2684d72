//! Writes what a run gave: serve.json (raw), serve.md (table), serve.svg (picture).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::measure::{Figures, Outcome};
use super::{Measured, Run, chart, table};
use crate::failure::{Failure, Result};

pub fn write(run: &Run, folder: &Path) -> Result<()> {
    let named = |error: std::io::Error, path: &Path| {
        Failure::Failed(format!("write {}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| named(error, folder))?;
    let raw = serde_json::to_string_pretty(&json(run))? + "\n";
    for (name, text) in
        [("serve.json", raw), ("serve.md", table::page(run)), ("serve.svg", chart::svg(run))]
    {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| named(error, &path))?;
    }
    Ok(())
}

pub fn json(run: &Run) -> Value {
    let facts = run.facts.iter().map(|(name, value)| (name.clone(), json!(value)));
    let rows: Vec<Value> = run.rows.iter().map(row).collect();
    json!({ "facts": facts.collect::<serde_json::Map<_, _>>(), "rows": rows })
}

fn row(measured: &Measured) -> Value {
    let nginx = table::nginx_cost(&measured.outcomes);
    let servers = measured.outcomes.iter().map(|outcome| server(outcome, nginx));
    json!({
        "name": measured.row.name,
        "title": measured.row.title,
        "unit": table::unit(measured.row.asked),
        "servers": servers.collect::<Vec<Value>>(),
    })
}

fn server(outcome: &Outcome, nginx: Option<f64>) -> Value {
    let figures = match &outcome.figures {
        Ok(figures) => figures,
        Err(reason) => return json!({ "server": outcome.server, "failure": reason }),
    };
    json!({
        "server": outcome.server,
        "cost": round(figures.cost),
        "ratio_to_nginx": nginx.map(|nginx| round(figures.cost / nginx)),
        "requests_per_second": round(figures.requests_per_second),
        "p50_us": round(figures.p50_us),
        "p99_us": round(figures.p99_us),
        "failed": figures.failed,
        "turns": turns(figures),
    })
}

fn turns(figures: &Figures) -> Vec<Value> {
    let turns = figures.turns.iter().map(|turn| {
        json!({
            "cost": round(turn.cost),
            "requests": turn.requests,
            "requests_per_second": round(turn.requests_per_second),
            "p50_us": round(turn.p50_us),
            "p99_us": round(turn.p99_us),
            "failed": turn.failed,
        })
    });
    turns.collect()
}

/// Three digits behind the point; more is noise.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
