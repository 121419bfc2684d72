//! Progress goes to standard error, line by line, so that it stands in order with what cargo
//! prints there. A closed stream is no reason to stop the work.

use std::fmt;
use std::io::Write;

pub fn say(line: fmt::Arguments<'_>) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}
