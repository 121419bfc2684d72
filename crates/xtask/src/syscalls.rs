//! `cargo xtask syscalls PID ADDRESS:PORT [TARGET] [REQUESTS]`: the system calls that a running
//! server makes for a keep-alive request, by strace(1).

use std::time::Duration;

use testkit::load::{self, Plan};
use testkit::{Address, trace};

use crate::failure::{Failure, Result};
use crate::say::say;

const CONNECTIONS: usize = 64;
const REQUESTS: u64 = 20_000;
/// A traced server is some fifty times slower.
const TIME_MAX: Duration = Duration::from_secs(60);

pub fn run(arguments: &[String]) -> Result<()> {
    let usage = || Failure::Usage("syscalls needs PID and ADDRESS:PORT".to_owned());
    let [pid, address, rest @ ..] = arguments else { return Err(usage()) };
    let pid = pid.parse().map_err(|_| usage())?;
    let address = Address::Tcp(address.parse().map_err(|_| usage())?);
    let target = rest.first().map_or("/", String::as_str);
    let requests = rest.get(1).map_or(Ok(REQUESTS), |text| text.parse()).map_err(|_| usage())?;
    if !trace::is_available() {
        return Err(Failure::new("strace is not there; install it: apt-get install strace"));
    }
    let plan = Plan {
        connections: CONNECTIONS,
        requests,
        duration: TIME_MAX,
        ..Plan::new(address, target)
    };
    let calls = trace::syscalls_per_request(pid, || {
        let report = load::run(&plan)?;
        say(format_args!("{report}"));
        Ok(report.answered())
    })?;
    for (name, count) in &calls.counts {
        say(format_args!("{:>10.3} {name} ({count})", calls.of(name)));
    }
    say(format_args!("{:>10.3} a request", calls.per_request()));
    Ok(())
}
