//! `models`: the grid of process models and I/O models, their costs, and what this kernel offers.

use serde_json::{Value, json};

use crate::cli::output::{BAD, Failure, GOOD, Output, POOR};
use crate::cli::table::{Align, Table};
use crate::grid::{self, Verdict};
use crate::settings::{IoModel, Named, ProcessModel};

/// The version of what `--json` prints.
const FORMAT: u32 = 1;

/// Asks the kernel for a model by doing; the error says in words why it is refused.
pub type Probe = fn(IoModel) -> Result<(), String>;

pub fn run(out: &mut Output<'_>, as_json: bool, probe: Probe) -> Result<(), Failure> {
    if as_json {
        return Ok(out.line(format_args!("{:#}", as_value(probe)))?);
    }
    print_costs(out, probe)?;
    out.line("")?;
    print_grid(out)?;
    out.line("")?;
    print_reasons(out)?;
    Ok(())
}

fn print_costs(out: &mut Output<'_>, probe: Probe) -> std::io::Result<()> {
    out.heading("I/O models: system calls for one request on a kept connection")?;
    let mut table = Table::new(&[
        ("MODEL", Align::Left),
        ("ALONE", Align::Left),
        ("N BUSY, C OPEN", Align::Left),
        ("A NEW CONNECTION ADDS", Align::Left),
        ("SCALES TO", Align::Left),
        ("THIS KERNEL", Align::Left),
    ]);
    for io in IoModel::ALL {
        let cost = grid::cost(io);
        let here = if probe(io).is_ok() { "yes" } else { "no" };
        let words = [io.name(), cost.alone, cost.busy, cost.connection, cost.scales_to, here];
        table.row(words.map(str::to_owned).to_vec());
    }
    table.print(out)?;
    for io in IoModel::ALL {
        if let Err(why) = probe(io) {
            let text = out.paint(POOR, format_args!("{}: {why}", io.name())).to_string();
            out.line(format_args!("  {text}"))?;
        }
    }
    Ok(())
}

fn print_grid(out: &mut Output<'_>) -> std::io::Result<()> {
    out.heading("Process models and the I/O models that fit: + good, ~ pointless, - refused")?;
    let heads: Vec<&str> = IoModel::ALL.iter().map(|io| io.name()).collect();
    out.line(format_args!("  {:21}  {}", "", heads.join("  ")))?;
    for &process in ProcessModel::ALL {
        let cells: Vec<String> = IoModel::ALL.iter().map(|&io| cell(out, process, io)).collect();
        let row = cells.join("  ");
        out.line(format_args!("  {:21}  {}", process.name(), row.trim_end()))?;
    }
    Ok(())
}

/// One mark as wide as its column's head.
fn cell(out: &Output<'_>, process: ProcessModel, io: IoModel) -> String {
    let (style, mark) = match grid::verdict(process, io) {
        Verdict::Good => (GOOD, '+'),
        Verdict::Pointless(_) => (POOR, '~'),
        Verdict::Refused(_) => (BAD, '-'),
    };
    format!("{}{}", out.paint(style, mark), " ".repeat(io.name().len() - 1))
}

fn print_reasons(out: &mut Output<'_>) -> std::io::Result<()> {
    out.heading("Why")?;
    for &process in ProcessModel::ALL {
        for (names, reason) in reasons(process) {
            out.line(format_args!("  {} with {}:", process.name(), names.join(", ")))?;
            out.line(format_args!("      {reason}"))?;
        }
    }
    Ok(())
}

/// The I/O models that have a reason against them, those of one reason together.
fn reasons(process: ProcessModel) -> Vec<(Vec<&'static str>, &'static str)> {
    let mut grouped: Vec<(Vec<&'static str>, &'static str)> = Vec::new();
    for io in IoModel::ALL {
        let Some(reason) = reason(grid::verdict(process, io)) else { continue };
        match grouped.iter_mut().find(|(_, known)| *known == reason) {
            Some((names, _)) => names.push(io.name()),
            None => grouped.push((vec![io.name()], reason)),
        }
    }
    grouped
}

fn reason(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Good => None,
        Verdict::Pointless(reason) | Verdict::Refused(reason) => Some(reason),
    }
}

fn as_value(probe: Probe) -> Value {
    let models: Vec<Value> = IoModel::ALL.iter().map(|&io| model_value(io, probe)).collect();
    let pairs: Vec<Value> = ProcessModel::ALL
        .iter()
        .flat_map(|&process| IoModel::ALL.iter().map(move |&io| pair_value(process, io)))
        .collect();
    json!({ "format": FORMAT, "io_models": models, "pairs": pairs })
}

fn model_value(io: IoModel, probe: Probe) -> Value {
    let cost = grid::cost(io);
    let refused = probe(io).err();
    json!({
        "name": io.name(),
        "available": refused.is_none(),
        "unavailable_because": refused,
        "system_calls_alone": cost.alone,
        "system_calls_busy": cost.busy,
        "connection_adds": cost.connection,
        "scales_to": cost.scales_to,
    })
}

fn pair_value(process: ProcessModel, io: IoModel) -> Value {
    let verdict = grid::verdict(process, io);
    let word = match verdict {
        Verdict::Good => "good",
        Verdict::Pointless(_) => "pointless",
        Verdict::Refused(_) => "refused",
    };
    json!({
        "process_model": process.name(),
        "io_model": io.name(),
        "verdict": word,
        "reason": reason(verdict),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(as_json: bool) -> String {
        let probe: Probe = |io| match io {
            IoModel::IoUring => Err("seccomp".into()),
            _ => Ok(()),
        };
        let mut bytes = Vec::new();
        run(&mut Output::plain(&mut bytes), as_json, probe).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_model_is_named_with_what_the_kernel_says() {
        let text = printed(false);
        for name in IoModel::ALL.iter().map(|io| io.name()) {
            assert!(text.contains(&format!("  {name}  ")), "{name}: {text}");
        }
        for name in ProcessModel::ALL.iter().map(|process| process.name()) {
            assert!(text.contains(name), "{name}");
        }
        assert!(text.contains("  io_uring: seccomp\n"));
        assert!(text.lines().all(|line| line.chars().count() <= 132), "{text}");
    }

    #[test]
    fn the_json_holds_every_pair() {
        let value: Value = serde_json::from_str(&printed(true)).unwrap();
        assert_eq!(value["format"], 1);
        assert_eq!(value["pairs"].as_array().unwrap().len(), 35);
        assert_eq!(value["io_models"][6]["unavailable_because"], "seccomp");
    }
}
