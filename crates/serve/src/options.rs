//! What the server needs to be told, with the defaults that the manual names.

use std::time::Duration;

/// Deadlines of a connection.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From the first byte of a request's head to its last: absolute, so that dribbling does not
    /// prolong it.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Without a byte of a request's body.
    pub body: Duration,
    /// Without the client taking a byte of the response.
    pub write: Duration,
    /// How long late bytes are read and dropped after the last response.
    pub linger: Duration,
    /// What an idle connection is given when the server drains, in case a request is on its way.
    pub drain_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(5),
            drain_idle: Duration::from_secs(2),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    pub limits: http::Limits,
    pub timeouts: Timeouts,
    /// Connections open at once; further ones wait in the listener's queue.
    pub max_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: http::Limits::default(),
            timeouts: Timeouts::default(),
            max_connections: 65_536,
        }
    }
}

/// Queued output from which on a connection sends before it answers further pipelined requests.
pub const OUTPUT_BYTES_HIGH: u64 = 64 * 1024;
/// The most bytes read and dropped after the last response.
pub const LINGER_BYTES_MAX: u64 = 4 << 20;
