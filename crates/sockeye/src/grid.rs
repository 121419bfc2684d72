//! The grid: which process model goes with which I/O model, why some pairs are pointless, and what
//! each I/O model costs.
//!
//! Every pair runs: nothing in the kernel forbids one, and the conformance suite covers them all.
//! But a model that watches many connections has nothing to watch where each process holds one, and
//! whoever chose such a pair should read why. The costs were measured and counted with strace(1) on
//! loopback; `cargo xtask bench` measures them anew.

use crate::settings::{IoModel, ProcessModel};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// It works; the reason says what does the same for less.
    Pointless(&'static str),
    /// It cannot work; the reason says why.
    Refused(&'static str),
}

pub fn verdict(process: ProcessModel, io: IoModel) -> Verdict {
    match process {
        ProcessModel::Iterative => one_connection(io, ITERATIVE),
        ProcessModel::ForkPerConnection => one_connection(io, FORK),
        ProcessModel::ThreadPerConnection => one_connection(io, THREAD),
        ProcessModel::ThreadPerCore if io == IoModel::Blocking => Verdict::Pointless(BLOCKED_CORE),
        ProcessModel::ThreadPerCore | ProcessModel::Prefork => Verdict::Good,
    }
}

/// Where there is one connection at a time, only the model without a wait call fits.
fn one_connection(io: IoModel, reasons: Reasons) -> Verdict {
    match io {
        IoModel::Blocking => Verdict::Good,
        IoModel::Nonblocking => Verdict::Pointless(reasons.scan),
        IoModel::Select | IoModel::Poll | IoModel::Epoll => Verdict::Pointless(reasons.wait),
        IoModel::Sigio => Verdict::Pointless(reasons.sigio),
        IoModel::IoUring => Verdict::Pointless(reasons.ring),
    }
}

struct Reasons {
    scan: &'static str,
    wait: &'static str,
    sigio: &'static str,
    ring: &'static str,
}

const ITERATIVE: Reasons = Reasons {
    scan: "the one connection is asked over and over, at full load of a CPU; blocking sleeps",
    wait: "there is one connection to watch; blocking waits for it with one system call less",
    sigio: "there is one connection to be signalled; blocking waits for it with two calls less",
    ring: "the ring batches the work of many connections and there is one; blocking needs no ring",
};

const FORK: Reasons = Reasons {
    scan: "every child asks its one connection over and over, each at full load of a CPU",
    wait: "each child has one connection to watch; blocking waits for it with one call less",
    sigio: "each child arms signals for one connection, and all share the user's signal limit",
    ring: "each child builds a ring to serve one connection; building costs more than it saves",
};

const THREAD: Reasons = Reasons {
    scan: "every thread asks its one connection over and over, each at full load of a CPU",
    wait: "each thread has one connection to watch; blocking waits for it with one call less",
    sigio: "each thread arms signals for one connection, and all share the user's signal limit",
    ring: "each thread builds a ring to serve one connection; building costs more than it saves",
};

const BLOCKED_CORE: &str = "a thread that blocks serves one connection at a time; \
                            thread-per-connection makes a thread for each";

/// What an I/O model costs, in words for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// System calls for a request on a kept connection when it is the only busy one.
    pub alone: &'static str,
    /// The same when each wait finds N busy connections; C are open.
    pub busy: &'static str,
    /// What a new connection adds.
    pub connection: &'static str,
    /// How far it goes, as an order of magnitude.
    pub scales_to: &'static str,
}

pub fn cost(io: IoModel) -> Cost {
    match io {
        IoModel::Blocking => Cost {
            alone: "2",
            busy: "2",
            connection: "a process or thread, or none",
            scales_to: "as many as processes",
        },
        IoModel::Nonblocking => Cost {
            alone: "2 + idle scans",
            busy: "2 + C/N scans",
            connection: "nothing",
            scales_to: "about 50",
        },
        IoModel::Select => Cost {
            alone: "3",
            busy: "2 + 1/N, O(C) inside",
            connection: "nothing",
            scales_to: "960 a worker",
        },
        IoModel::Poll => Cost {
            alone: "3",
            busy: "2 + 1/N, O(C) inside",
            connection: "nothing",
            scales_to: "1,000 to 2,000",
        },
        IoModel::Epoll => Cost {
            alone: "3",
            busy: "2 + 1/N",
            connection: "0 or 1 epoll_ctl",
            scales_to: "a million",
        },
        IoModel::Sigio => Cost {
            alone: "4",
            busy: "2 + 2/N",
            connection: "3 fcntl, 1 recv",
            scales_to: "RLIMIT_SIGPENDING",
        },
        IoModel::IoUring => {
            Cost { alone: "2", busy: "1 + 1/N", connection: "1 ring entry", scales_to: "a million" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Named;

    /// One row a process model, one column an I/O model in the order of `IoModel::ALL`.
    #[test]
    fn the_grid() {
        fn check(process: ProcessModel, expected: &str) {
            let row: String = IoModel::ALL.iter().map(|&io| mark(verdict(process, io))).collect();
            assert_eq!(row, expected, "{}", process.name());
        }
        check(ProcessModel::Iterative, "+~~~~~~");
        check(ProcessModel::ForkPerConnection, "+~~~~~~");
        check(ProcessModel::Prefork, "+++++++");
        check(ProcessModel::ThreadPerConnection, "+~~~~~~");
        check(ProcessModel::ThreadPerCore, "~++++++");
    }

    fn mark(verdict: Verdict) -> char {
        match verdict {
            Verdict::Good => '+',
            Verdict::Pointless(_) => '~',
            Verdict::Refused(_) => '-',
        }
    }
}
