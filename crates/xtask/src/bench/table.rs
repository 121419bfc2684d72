//! The figures as text: lines for a terminal and a page of Markdown.

use std::fmt::Write;

use super::measure::{Figures, Outcome};
use super::row::{Asked, Row};
use super::{Measured, Run};

/// What nginx costs in this row, the measure of all others.
pub fn nginx_cost(outcomes: &[Outcome]) -> Option<f64> {
    let nginx = outcomes.iter().find(|outcome| outcome.server == "nginx")?;
    nginx.figures.as_ref().ok().map(|figures| figures.cost).filter(|cost| *cost > 0.0)
}

/// What the cost of a row is counted in.
pub fn unit(asked: Asked) -> &'static str {
    match asked {
        Asked::Requests { .. } | Asked::Connections => "µs of processor a request",
        Asked::Idle => "bytes of private memory a connection",
    }
}

/// All rows for a terminal.
pub fn text(run: &Run) -> String {
    let rows = run.rows.iter().map(|measured| {
        let lines = lines(&measured.row, &measured.outcomes).join("\n  ");
        format!("{}\n  {lines}", measured.row.title)
    });
    rows.collect::<Vec<String>>().join("\n")
}

/// One row for a terminal, a line a server.
pub fn lines(row: &Row, outcomes: &[Outcome]) -> Vec<String> {
    let nginx = nginx_cost(outcomes);
    let lines = outcomes.iter().map(|outcome| match &outcome.figures {
        Err(reason) => format!("{:<26} failed: {}", outcome.server, last_line(reason)),
        Ok(figures) => {
            let cells = cells(row.asked, figures, nginx).join("  ");
            format!("{:<26} {cells}", outcome.server)
        }
    });
    lines.collect()
}

/// The page with its method; written anew by each whole run.
pub fn page(run: &Run) -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n## The machine\n\n| | |\n|---|---|\n");
    for (name, value) in &run.facts {
        writeln!(page, "| {name} | {value} |").ok();
    }
    for measured in &run.rows {
        page.push_str(&section(measured));
    }
    page
}

fn section(measured: &Measured) -> String {
    let idle = measured.row.asked == Asked::Idle;
    let mut text = format!("\n## {}\n\n", capitalised(measured.row.title));
    text.push_str(match idle {
        true => "| server | bytes a connection | to nginx | lost |\n|---|--:|--:|--:|\n",
        false => {
            "| server | µs a request | to nginx | requests/s | p50 | p99 | failed |\n\
             |---|--:|--:|--:|--:|--:|--:|\n"
        }
    });
    let nginx = nginx_cost(&measured.outcomes);
    for outcome in &measured.outcomes {
        match &outcome.figures {
            Ok(figures) => {
                let mut cells = cells(measured.row.asked, figures, nginx);
                cells.iter_mut().for_each(|cell| *cell = cell.trim().to_owned());
                writeln!(text, "| {} | {} |", outcome.server, cells.join(" | ")).ok();
            }
            Err(reason) => {
                let empty = " |".repeat(if idle { 2 } else { 5 });
                let reason = last_line(reason).replace('|', "/");
                writeln!(text, "| {} | {reason} |{empty}", outcome.server).ok();
            }
        }
    }
    text
}

fn cells(asked: Asked, figures: &Figures, nginx: Option<f64>) -> Vec<String> {
    let ratio = nginx.map_or_else(|| "-".to_owned(), |nginx| ratio(figures.cost / nginx));
    let ratio = format!("{ratio:>7}");
    match asked {
        Asked::Idle => {
            vec![format!("{:>9.0}", figures.cost), ratio, format!("{:>5}", figures.failed)]
        }
        Asked::Requests { .. } | Asked::Connections => vec![
            format!("{:>9.2}", figures.cost),
            ratio,
            format!("{:>9.0}", figures.requests_per_second),
            format!("{:>9}", latency(figures.p50_us)),
            format!("{:>9}", latency(figures.p99_us)),
            format!("{:>5}", figures.failed),
        ],
    }
}

pub fn ratio(value: f64) -> String {
    format!("{value:.2}x")
}

fn latency(microseconds: f64) -> String {
    match microseconds {
        us if us < 1000.0 => format!("{us:.0} µs"),
        us => format!("{:.1} ms", us / 1000.0),
    }
}

/// Programs say last what they failed of.
fn last_line(text: &str) -> &str {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

const HEAD: &str = "\
# Sockeye beside other web servers

Written by `cargo xtask bench`; the raw data of every turn is in [serve.json](serve.json).

![Processor time a request, nginx = 1](serve.svg)

**What is measured.** The processor time (user and system) that the whole server family uses for
one request, as the operating system accounts it (`/proc/PID/stat` and `schedstat`, children that
were reaped included; for fork-per-connection, whose children the kernel reaps, all that their
processor did), and its ratio to nginx in the same run. Requests a second are those of one
server processor that is busy, under 64 connections. For idle connections it is the growth of the
private memory (`Private_Clean` + `Private_Dirty` of `smaps_rollup`) of all the server's processes
over the connections that were opened, each of which had one response; what the kernel holds for a
socket is not in it, nor is what a server sets aside before the first connection.

**How.** One worker on one processor, the load generator on another, over loopback. The servers run
side by side and take turns, so that what changes on the machine meets all alike; medians count.
Every response's status, framing and body length are checked; a failed one is counted and shown.
Each server is configured as its own guide advises: sendfile, open_file_cache and tcp_nopush for
nginx (without tcp_nopush in the pipelined row, where it would wait for delayed acknowledgements),
logs off everywhere, keep-alive without limit where it can be set. The 12-byte reply is nginx's
`return 200`, HAProxy's `http-request return`, and a file for all others. HAProxy serves no files
and is left out where one is asked for. The configurations are in
`crates/xtask/src/bench/server.rs`.

**What it does not say.** Nothing about networks, TLS, proxying or more processors than one; and
servers do different amounts of work for a request (Caddy's is a managed runtime, h2o's speaks
HTTP/2).
";
