//! The listening sockets: made once, kept by the master over every worker's life.
//!
//! A TCP address has one socket for each unit that accepts (`SO_REUSEPORT`, which spreads
//! connections evenly), or one that all share. Sockets are never closed while their address is
//! served, even when there are fewer units than before: connections wait in their queues.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, listen,
    socket_with, sockopt,
};

use ::control::handover::Listening;

use super::upgrade::{keep_open, take_inherited};
use crate::settings::{ListenAddress, ListenerSharing, ProcessModel, Settings};

/// All sockets of one address.
pub struct Listener {
    /// As it was asked for.
    pub asked: ListenAddress,
    /// As it is: a port 0 has become a number.
    pub address: ListenAddress,
    pub sockets: Vec<OwnedFd>,
    /// So many of them, from the first, are accepted from by the generation that serves.
    serving: usize,
}

#[derive(Default)]
pub struct Listeners {
    pub all: Vec<Listener>,
}

impl Listeners {
    /// With sockets that a service manager has opened already.
    pub fn bind(
        settings: &Settings,
        opened: Vec<(ListenAddress, OwnedFd)>,
    ) -> Result<Listeners, String> {
        let of = |(address, socket): (ListenAddress, OwnedFd)| Listener {
            asked: address.clone(),
            address,
            sockets: vec![socket],
            serving: 0,
        };
        let mut listeners = Listeners { all: opened.into_iter().map(of).collect() };
        listeners.rebind(settings)?;
        Ok(listeners)
    }

    /// Adds what the settings need. Nothing is closed: the generation that serves may go on
    /// needing it. An error changes nothing.
    pub fn rebind(&mut self, settings: &Settings) -> Result<(), String> {
        let mut fresh: Vec<Listener> = Vec::new();
        for asked in &settings.listen {
            let open_now = self.all.iter().chain(&fresh).filter(|l| l.asked == *asked).count();
            if open_now < times_wanted(asked, settings) {
                fresh.push(open(asked, settings)?);
            }
        }
        for listener in self.all.iter_mut().filter(|l| settings.listen.contains(&l.asked)) {
            listener.widen(settings)?;
        }
        self.all.extend(fresh);
        Ok(())
    }

    /// The generation that serves accepts from all there are.
    pub fn settle(&mut self) {
        self.all.iter_mut().for_each(|listener| listener.serving = listener.sockets.len());
    }

    /// Closes what was opened for a generation that does not come: nobody would accept from it.
    pub fn back_to(&mut self, settings: &Settings) {
        self.retire(settings);
        for listener in &mut self.all {
            listener.sockets.truncate(listener.serving.max(1));
        }
    }

    /// Closes what these settings, which now serve, do not name.
    pub fn retire(&mut self, settings: &Settings) {
        for listener in std::mem::take(&mut self.all) {
            let kept = self.all.iter().filter(|kept| kept.asked == listener.asked).count();
            if kept < times_wanted(&listener.asked, settings) {
                self.all.push(listener);
            } else {
                listener.remove_path();
            }
        }
    }

    /// The sockets that unit `index` of `count` accepts from.
    pub fn of_unit(
        &self,
        settings: &Settings,
        index: usize,
        count: usize,
    ) -> io::Result<Vec<OwnedFd>> {
        let mut sockets = Vec::new();
        for listener in self.all.iter().filter(|l| settings.listen.contains(&l.asked)) {
            for at in shares(listener.sockets.len(), index, count) {
                sockets.push(listener.sockets[at].try_clone()?);
            }
        }
        Ok(sockets)
    }

    /// Closes all of them, so that who comes while the workers drain is refused at once, instead of
    /// waiting for nobody.
    pub fn close(&mut self) {
        self.remove_paths();
        self.all.clear();
    }

    /// What the program that takes this one's place needs to go on with them; their descriptors
    /// then stay open over an execve.
    pub fn hand_over(&self) -> io::Result<Vec<Listening>> {
        let all = self.all.iter().map(|listener| listener.hand_over());
        all.collect()
    }

    /// The other side of that.
    pub fn take_over(handed: &[Listening]) -> Result<Listeners, String> {
        let all = handed.iter().map(Listener::take_over).collect::<Result<_, _>>()?;
        Ok(Listeners { all })
    }

    pub fn remove_paths(&self) {
        self.all.iter().for_each(Listener::remove_path);
    }
}

impl Listener {
    pub fn hand_over(&self) -> io::Result<Listening> {
        let sockets = self.sockets.iter().map(keep_open);
        Ok(Listening {
            asked: self.asked.to_string(),
            address: self.address.to_string(),
            sockets: sockets.collect::<io::Result<_>>()?,
        })
    }

    /// One socket for all who accept from the address.
    pub fn open_shared(asked: &ListenAddress, backlog: u32) -> Result<Listener, String> {
        let listener = match asked {
            ListenAddress::Tcp(address) => open_one(*address, backlog),
            ListenAddress::Unix(path) => open_unix(path, backlog),
        };
        listener.map_err(|error| explain(asked, &error))
    }

    pub fn take_over(handed: &Listening) -> Result<Listener, String> {
        let sockets = handed.sockets.iter().map(|number| take_inherited(*number));
        Ok(Listener {
            asked: ListenAddress::from_text(&handed.asked)?,
            address: ListenAddress::from_text(&handed.address)?,
            serving: handed.sockets.len(),
            sockets: sockets.collect::<Result<_, _>>()?,
        })
    }

    /// Adds sockets until each unit has one, where units have their own.
    fn widen(&mut self, settings: &Settings) -> Result<(), String> {
        let ListenAddress::Tcp(address) = self.address else { return Ok(()) };
        if self.sockets.len() == 1 && wanted(settings) > 1 && !is_reuseport(&self.sockets[0]) {
            return Ok(()); // Shared once, shared for good.
        }
        while self.sockets.len() < wanted(settings) {
            let socket = another(address, settings.backlog);
            self.sockets.push(socket.map_err(|error| explain(&self.asked, &error))?);
        }
        Ok(())
    }

    pub fn remove_path(&self) {
        if let ListenAddress::Unix(path) = &self.address {
            // Gone already is what is wanted.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Connections that wait to be accepted, over all sockets, as the kernel counts them
    /// (`tcpi_unacked` of a listening socket, tcp(7)).
    pub fn queue(&self) -> Option<u32> {
        let ListenAddress::Tcp(_) = self.address else { return None };
        self.sockets.iter().map(|socket| sys::socket::accept_queue(socket).ok()).sum()
    }

    /// The number of the first socket, to be shown to people.
    pub fn first_fd(&self) -> u32 {
        self.sockets.first().map_or(0, sys::fd::number)
    }
}

/// Which of an address's sockets unit `index` of `count` accepts from: each socket has a unit and
/// each unit a socket, whichever there are more of (a reload may change the number of units).
fn shares(sockets: usize, index: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..sockets).filter(move |at| at % count == index || index % sockets == *at)
}

/// How many listeners the settings want for what was asked: each port 0 means a port of its own,
/// while any other address is there once.
fn times_wanted(asked: &ListenAddress, settings: &Settings) -> usize {
    let times = settings.listen.iter().filter(|listen| *listen == asked).count();
    match asked {
        ListenAddress::Tcp(address) if address.port() == 0 => times,
        _ => times.min(1),
    }
}

fn is_reuseport(socket: &OwnedFd) -> bool {
    sockopt::socket_reuseport(socket).unwrap_or(false)
}

/// Sockets an address should have.
fn wanted(settings: &Settings) -> usize {
    let several =
        matches!(settings.process_model, ProcessModel::Prefork | ProcessModel::ThreadPerCore);
    // A unit that blocks is busy with one connection, and what waits in a queue of its own would
    // wait for that one, while others have nothing to do.
    let own_queue = several && settings.io_model != engine::Model::Blocking;
    match settings.listeners {
        ListenerSharing::PerWorker if own_queue => settings.workers,
        _ => 1,
    }
}

fn open(asked: &ListenAddress, settings: &Settings) -> Result<Listener, String> {
    let listener = match asked {
        ListenAddress::Tcp(address) => open_tcp(*address, settings),
        ListenAddress::Unix(path) => open_unix(path, settings.backlog),
    };
    listener.map_err(|error| explain(asked, &error))
}

fn open_tcp(address: SocketAddr, settings: &Settings) -> io::Result<Listener> {
    let count = wanted(settings);
    let asked = ListenAddress::Tcp(address);
    // Bound without SO_REUSEPORT, which would let us share a port with another program of the same
    // user that has it too, and take its connections; the others join it afterwards.
    let first = bound(address, false)?;
    sockopt::set_socket_reuseport(&first, count > 1)?;
    listen(&first, length(settings.backlog))?;
    let address = SocketAddr::try_from(getsockname(&first)?)?;
    let mut sockets = vec![first];
    while sockets.len() < count {
        sockets.push(another(address, settings.backlog)?);
    }
    Ok(Listener { asked, address: ListenAddress::Tcp(address), sockets, serving: 0 })
}

fn open_one(address: SocketAddr, backlog: u32) -> io::Result<Listener> {
    let socket = bound(address, false)?;
    listen(&socket, length(backlog))?;
    let found = ListenAddress::Tcp(SocketAddr::try_from(getsockname(&socket)?)?);
    let asked = ListenAddress::Tcp(address);
    Ok(Listener { asked, address: found, sockets: vec![socket], serving: 0 })
}

/// One more socket of an address that has one.
fn another(address: SocketAddr, backlog: u32) -> io::Result<OwnedFd> {
    let socket = bound(address, true)?;
    listen(&socket, length(backlog))?;
    Ok(socket)
}

fn length(backlog: u32) -> i32 {
    i32::try_from(backlog).unwrap_or(i32::MAX)
}

/// TCP_NODELAY is inherited by accepted sockets, which saves a call for each.
fn bound(address: SocketAddr, reuseport: bool) -> io::Result<OwnedFd> {
    let family = AddressFamily::from_raw(if address.is_ipv4() { 2 } else { 10 });
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, reuseport)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    bind(&socket, &address)?;
    Ok(socket)
}

fn open_unix(path: &Path, backlog: u32) -> io::Result<Listener> {
    remove_stale(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Who may connect is for the folder to say, as with any server's socket.
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    listen(&socket, length(backlog))?;
    let address = ListenAddress::Unix(path.to_owned());
    Ok(Listener { asked: address.clone(), address, sockets: vec![socket], serving: 0 })
}

/// A socket that a killed server left behind is removed; one that answers, or that is too busy to,
/// is in use. Never waits: a full queue would hold a connect(2) up for ever (unix(7)).
pub fn remove_stale(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => Err(Errno::ADDRINUSE.into()),
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// The error with what would help.
fn explain(address: &ListenAddress, error: &io::Error) -> String {
    let remedy = match (Errno::from_io_error(error), address) {
        (Some(Errno::ADDRINUSE), ListenAddress::Tcp(tcp)) => in_use(*tcp),
        (Some(Errno::ADDRINUSE), ListenAddress::Unix(_)) => {
            ": another program answers there; stop it or choose another path".into()
        }
        (Some(Errno::ACCESS), ListenAddress::Tcp(tcp)) => format!(
            ": ports below 1024 are root's; use one such as {}, or give the program \
             CAP_NET_BIND_SERVICE",
            u32::from(tcp.port()) + 8000
        ),
        (Some(Errno::ACCESS | Errno::PERM), ListenAddress::Unix(path)) => {
            format!(": the folder {} must be writable", folder(path).display())
        }
        (Some(Errno::NOENT), ListenAddress::Unix(path)) => {
            format!(": make the folder {} first", folder(path).display())
        }
        (Some(Errno::ADDRNOTAVAIL), _) => ": no interface of this machine has it; `ip addr` \
             lists those there are, and 0.0.0.0 or [::] mean all of them"
            .into(),
        (Some(Errno::AFNOSUPPORT), _) => ": this machine has no IPv6; use 0.0.0.0".into(),
        _ => String::new(),
    };
    format!("listen on {address}: {error}{remedy}")
}

fn folder(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| "/".into(), Path::to_owned)
}

/// Who has the port, where that can be found out.
fn in_use(address: SocketAddr) -> String {
    let holders = inspect::listener_holders(address);
    let names: Vec<String> =
        holders.iter().take(3).map(|h| format!("{} (pid {})", h.name, h.pid)).collect();
    match names.len() {
        0 => {
            ": another process has it (as root, its name could be said); choose another port with \
              --listen"
                .into()
        }
        _ => {
            format!(": held by {}; stop it or choose another port with --listen", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn every_socket_has_a_unit_and_every_unit_a_socket() {
        for sockets in 1..20 {
            for count in 1..20 {
                let taken: Vec<Vec<usize>> =
                    (0..count).map(|index| shares(sockets, index, count).collect()).collect();
                assert!(taken.iter().all(|unit| !unit.is_empty()), "{sockets} for {count}");
                assert!((0..sockets).all(|at| taken.iter().flatten().any(|taken| *taken == at)));
                if sockets == count {
                    assert!(taken.iter().enumerate().all(|(index, unit)| *unit == [index]));
                }
            }
        }
    }
}
