//! The figures as a bar chart in SVG, drawn by hand: one group a row, one bar a server, nginx as
//! the line at 1. It carries its own background, so that it is legible on any page.

use std::fmt::Write;

use super::measure::Outcome;
use super::row::Asked;
use super::{Measured, Run, table};

const WIDTH: f64 = 940.0;
/// Where bars begin and how far they reach; names stand before, figures behind.
const LEFT: f64 = 210.0;
const REACH: f64 = 470.0;
const BAR: f64 = 18.0;
const STEP: f64 = 23.0;
const TITLE: f64 = 30.0;
const GAP: f64 = 16.0;
const TOP: f64 = 78.0;
/// Bars longer than so many times nginx are cut off there; their figure tells the rest.
const RATIO_MAX: f64 = 3.0;

pub fn svg(run: &Run) -> String {
    let groups: Vec<&Measured> = run.rows.iter().filter(|measured| has_ratio(measured)).collect();
    let height = groups.iter().map(|group| group_height(group)).sum::<f64>() + TOP + GAP;
    let mut svg = String::new();
    head(&mut svg, height);
    let mut y = TOP;
    for group in groups {
        draw_group(&mut svg, group, y);
        y += group_height(group);
    }
    svg.push_str("</svg>\n");
    svg
}

fn has_ratio(measured: &Measured) -> bool {
    table::nginx_cost(&measured.outcomes).is_some()
}

fn group_height(measured: &Measured) -> f64 {
    TITLE + measured.outcomes.len() as f64 * STEP + GAP
}

fn head(svg: &mut String, height: f64) {
    write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <title>Cost of a request beside nginx</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    )
    .ok();
    text(
        svg,
        (20.0, 34.0),
        20,
        "bold",
        "#1b2733",
        "What a request costs: nginx = 1, less is better",
    );
    let subtitle = "Processor time of the whole server per request (memory per connection where it \
                    says idle), one worker, same run";
    text(svg, (20.0, 56.0), 13, "normal", "#5b6875", subtitle);
}

fn draw_group(svg: &mut String, measured: &Measured, top: f64) {
    let Some(nginx) = table::nginx_cost(&measured.outcomes) else { return };
    let title = match measured.row.asked {
        Asked::Idle => format!("{} (memory)", measured.row.title),
        Asked::Requests { .. } | Asked::Connections => measured.row.title.to_owned(),
    };
    text(svg, (20.0, top + 18.0), 15, "bold", "#1b2733", &title);
    let bars = top + TITLE;
    for (index, outcome) in measured.outcomes.iter().enumerate() {
        draw_bar(svg, measured.row.asked, outcome, nginx, bars + index as f64 * STEP);
    }
    let x = LEFT + REACH / RATIO_MAX;
    let end = bars + measured.outcomes.len() as f64 * STEP;
    writeln!(
        svg,
        "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{end:.1}\" stroke=\"#1b2733\" \
         stroke-dasharray=\"3 3\"/>",
        bars - 4.0
    )
    .ok();
}

fn draw_bar(svg: &mut String, asked: Asked, outcome: &Outcome, nginx: f64, y: f64) {
    let base = y + BAR - 4.5;
    let weight = if outcome.server.starts_with("sockeye") { "bold" } else { "normal" };
    write!(svg, "<g text-anchor=\"end\">").ok();
    text(svg, (LEFT - 8.0, base), 13, weight, "#1b2733", &outcome.server);
    svg.push_str("</g>\n");
    let Ok(figures) = &outcome.figures else {
        return text(svg, (LEFT + 6.0, base), 12, "normal", "#a33", "could not be measured");
    };
    let ratio = figures.cost / nginx;
    let width = (ratio.min(RATIO_MAX) / RATIO_MAX * REACH).max(1.0);
    let colour = colour(&outcome.server);
    writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\" \
         fill=\"{colour}\"/>"
    )
    .ok();
    if ratio > RATIO_MAX {
        let x = LEFT + width - 14.0;
        writeln!(
            svg,
            "<path d=\"M{x:.1} {:.1} l5 -{:.1} h5 l-5 {:.1} z\" fill=\"#ffffff\"/>",
            y + BAR + 1.0,
            BAR + 2.0,
            BAR + 2.0
        )
        .ok();
    }
    let mut label = table::ratio(ratio);
    match asked {
        Asked::Idle => write!(label, "   {:.0} bytes", figures.cost).ok(),
        Asked::Requests { .. } | Asked::Connections => {
            write!(label, "   {:.2} µs   {:.0}/s", figures.cost, figures.requests_per_second).ok()
        }
    };
    if figures.failed > 0 {
        write!(label, "   {} failed", figures.failed).ok();
    }
    // Figures of short bars stand behind the line, which would run through them.
    let end = LEFT + width.max(REACH / RATIO_MAX);
    text(svg, (end + 8.0, base), 13, weight, "#1b2733", &label);
}

fn text(svg: &mut String, at: (f64, f64), size: u32, weight: &str, colour: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let (x, y) = at;
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" font-weight=\"{weight}\" \
         fill=\"{colour}\" xml:space=\"preserve\">{words}</text>"
    )
    .ok();
}

/// Sockeye and its models in salmon red, nginx dark, the others grey.
fn colour(server: &str) -> &'static str {
    match server {
        "nginx" => "#4a5a6a",
        "h2o" | "haproxy" | "lighttpd" | "caddy" => "#b4bfc9",
        _ => "#e4572e",
    }
}
