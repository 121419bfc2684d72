//! The control socket: where `sockeye status`, `reload` and the like talk to the master.
//!
//! Only root and the user who started the server are heard: by the permissions of the path, and by
//! the uid that the kernel vouches for (`SO_PEERCRED`, unix(7)).

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use ::control::{Command, Message, Reply};
use rustix::net::sockopt::socket_peercred;
use rustix::process::getuid;

use super::listeners::remove_stale;
use super::upgrade::take_inherited;
use crate::channel::Channel;
use crate::cli::output::warn;

/// Clients at once; further ones are closed.
const CLIENTS_MAX: usize = 64;

/// A client of the control socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientId(pub u64);

pub struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
    clients: HashMap<ClientId, Channel<Command>>,
    next: u64,
}

impl ControlSocket {
    /// `Err`: a warning; the server works without, but cannot be asked.
    pub fn bind(path: &Path) -> Result<Option<ControlSocket>, String> {
        let listener = make_folder(path)
            .and_then(|()| {
                remove_stale(path).map_err(|error| match error.kind() {
                    std::io::ErrorKind::AddrInUse => "another running Sockeye has it".to_owned(),
                    _ => error.to_string(),
                })
            })
            .and_then(|()| UnixListener::bind(path).map_err(|error| error.to_string()))
            .and_then(|listener| {
                let mode = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(path, mode).map_err(|error| error.to_string())?;
                listener.set_nonblocking(true).map_err(|error| error.to_string())?;
                Ok(listener)
            });
        match listener {
            Ok(listener) => Ok(Some(ControlSocket {
                path: path.to_owned(),
                listener,
                clients: HashMap::new(),
                next: 0,
            })),
            Err(error) => Err(format!(
                "no control socket at {}: {error}. This server cannot be asked for its status or \
                 reloaded by command (signals work); give it another path with --control",
                path.display()
            )),
        }
    }

    /// Goes on with the socket of the program whose place this one has taken.
    pub fn take_over(path: &Path, number: i32) -> Result<ControlSocket, String> {
        let listener = UnixListener::from(take_inherited(number)?);
        let path = path.to_owned();
        Ok(ControlSocket { path, listener, clients: HashMap::new(), next: 0 })
    }

    /// Goes on with one of its clients.
    pub fn take_over_client(&mut self, number: i32) -> Result<ClientId, String> {
        let stream = UnixStream::from(take_inherited(number)?);
        let channel = Channel::new(stream).map_err(|e| format!("a control client: {e}"))?;
        Ok(self.add(channel))
    }

    fn add(&mut self, channel: Channel<Command>) -> ClientId {
        self.next += 1;
        self.clients.insert(ClientId(self.next), channel);
        ClientId(self.next)
    }

    /// No message is half read or half sent.
    pub fn is_quiet(&self) -> bool {
        self.clients.values().all(Channel::is_quiet)
    }

    pub fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() >= CLIENTS_MAX {
                warn(&format!("more than {CLIENTS_MAX} control clients: one is turned away"));
                continue;
            }
            if let Some(channel) = admit(stream) {
                self.add(channel);
            }
        }
    }

    pub fn client(&self, id: ClientId) -> Option<&Channel<Command>> {
        self.clients.get(&id)
    }

    pub fn clients(&self) -> impl Iterator<Item = (ClientId, &Channel<Command>)> {
        self.clients.iter().map(|(id, channel)| (*id, channel))
    }

    /// The commands that have come from a client.
    pub fn receive(&mut self, id: ClientId) -> Vec<Command> {
        let Some(client) = self.clients.get_mut(&id) else { return Vec::new() };
        client.flush();
        let (commands, error) = client.receive();
        if let Some(error) = error {
            client.send(&Reply::Refused { message: error.to_string() });
        }
        if client.closed {
            self.clients.remove(&id);
        }
        commands
    }

    pub fn send(&mut self, id: ClientId, message: &impl Message) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.send(message);
        }
    }

    /// Removes the path; the master's end, not a worker's.
    pub fn remove(self) {
        // Gone already is what is wanted.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn admit(stream: UnixStream) -> Option<Channel<Command>> {
    let peer = socket_peercred(&stream).ok()?;
    if !peer.uid.is_root() && peer.uid != getuid() {
        warn(&format!("a control client of uid {} is turned away", peer.uid.as_raw()));
        return None;
    }
    Channel::new(stream).ok()
}

/// A folder of our own, which nobody else can put a socket into.
fn make_folder(path: &Path) -> Result<(), String> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    if !folder.exists() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| format!("make {}: {error}", folder.display()))?;
    }
    let shared = Path::new("/tmp").join(format!("sockeye-{}", getuid().as_raw()));
    let owner = std::fs::metadata(folder).map_err(|error| error.to_string())?.uid();
    if folder == shared && owner != getuid().as_raw() {
        return Err(format!("{} belongs to uid {owner}", folder.display()));
    }
    Ok(())
}
