//! The `sockeye` program: everything is in the library, so that tests and fuzz targets link it too.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    sockeye::run()
}
