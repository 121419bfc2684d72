//! Tries the tools without the sockeye program: `inspect TOOL ARGS...`.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let name = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    let Some(tool) = name.to_str().and_then(sockeye_inspect::Tool::from_name) else {
        return ExitCode::from(2);
    };
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    ExitCode::from(sockeye_inspect::main(tool, &rest, &mut out, &mut err))
}
