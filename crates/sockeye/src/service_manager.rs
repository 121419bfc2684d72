//! The service manager above us, if one has started us: sockets that it opened (sd_listen_fds(3)),
//! and what it wants to hear (sd_notify(3)). Without one, nothing here does anything.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, SocketAddrUnix, getsockname, sockopt};

use crate::cli::output::warn;
use crate::clock;
use crate::settings::ListenAddress;

/// The first descriptor passed (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;
/// More sockets than this are not ours.
const SOCKETS_MAX: i32 = 256;
/// The variables that say so.
pub const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The listening sockets that were passed to this process. To be called once, before any
/// descriptor is opened that could have such a number.
pub fn take_sockets() -> Vec<(ListenAddress, OwnedFd)> {
    let number = |name| std::env::var(name).ok()?.parse::<i32>().ok();
    let is_ours = number("LISTEN_PID") == i32::try_from(std::process::id()).ok();
    let count = number("LISTEN_FDS").filter(|_| is_ours).unwrap_or(0).clamp(0, SOCKETS_MAX);
    (FIRST..FIRST + count)
        .filter_map(|number| socket(number).map_err(|why| warn(&why)).ok())
        .collect()
}

fn socket(number: i32) -> Result<(ListenAddress, OwnedFd), String> {
    let failed = |why: String| format!("descriptor {number} of the service manager: {why}");
    let socket = sys::fork::take_inherited(number).ok_or_else(|| failed("not open".into()))?;
    let is_listening = sockopt::socket_acceptconn(&socket).map_err(|e| failed(e.to_string()))?;
    if !is_listening {
        return Err(failed("it is no listening stream socket; set ListenStream=".into()));
    }
    let flags = fcntl_getfl(&socket).map_err(|e| failed(e.to_string()))?;
    fcntl_setfl(&socket, flags | OFlags::NONBLOCK).map_err(|e| failed(e.to_string()))?;
    Ok((address(&socket).map_err(failed)?, socket))
}

fn address(socket: &OwnedFd) -> Result<ListenAddress, String> {
    let name = getsockname(socket).map_err(|e| e.to_string())?;
    match name.address_family() {
        AddressFamily::INET | AddressFamily::INET6 => {
            name.try_into().map(ListenAddress::Tcp).map_err(|e| e.to_string())
        }
        AddressFamily::UNIX => {
            let name = SocketAddrUnix::try_from(name).map_err(|e| e.to_string())?;
            let path = name.path_bytes().ok_or("it has no path")?;
            Ok(ListenAddress::Unix(PathBuf::from(OsString::from_vec(path.to_vec()))))
        }
        other => Err(format!("address family {other:?} is not served")),
    }
}

/// What the service manager is told.
pub struct Manager {
    /// The value of `NOTIFY_SOCKET`.
    address: Option<OsString>,
    /// How often it wants to hear that we are alive, halved; and when next.
    watchdog: Option<(Duration, Instant)>,
}

impl Manager {
    pub fn of_this_process(now: Instant) -> Manager {
        let address = std::env::var_os("NOTIFY_SOCKET").filter(|value| !value.is_empty());
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let period = number("WATCHDOG_USEC").filter(|usec| is_ours && *usec > 1);
        let period = period.map(|usec| Duration::from_micros(usec / 2));
        Manager { address, watchdog: period.map(|period| (period, now)) }
    }

    /// The family serves, or serves again after a reload.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nMAINPID={}\nSTATUS={status}\n", std::process::id()));
    }

    /// A reload begins (Type=notify-reload wants the time by CLOCK_MONOTONIC).
    pub fn reloading(&self) {
        let microseconds = clock::both().mono.as_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\n"));
    }

    pub fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    pub fn next_time(&self) -> Option<Instant> {
        self.watchdog.map(|(_, next)| next)
    }

    pub fn on_time(&mut self, now: Instant) {
        if let Some((period, next)) = self.watchdog
            && next <= now
        {
            self.watchdog = Some((period, now + period));
            self.send("WATCHDOG=1\n");
        }
    }

    fn send(&self, text: &str) {
        let Some(name) = &self.address else { return };
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        // It has gone, or does not read: that is its own affair.
        let _ = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.send_to_addr(text.as_bytes(), &address)
        });
    }
}
