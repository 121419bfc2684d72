//! A server and clients in one simulated network, and a reader of responses that is independent of
//! the crate under test: strict about what it sees (RFC 9112), so that a byte too many or too few
//! is an error here.

use std::future::poll_fn;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use engine::{Conn, Engine, Faults, Fill, Sim, SimId};
use sockeye_serve::files::FolderOptions;
use sockeye_serve::{AccessLog, COUNTERS, Counter, Folder, Format, Options, Server, Site, Stats};

/// Longer than any deadline of a server: a client that waits so long is stuck.
const STUCK: Duration = Duration::from_secs(3 * 3600);
/// Bytes of a response head, at most.
const HEAD_BYTES_MAX: usize = 4096;

/// A response as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice in {:?}", self.fields);
        value
    }

    pub fn says_close(&self) -> bool {
        self.field("Connection") == Some("close")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The first response in the bytes and its length; `None` when more is needed. `bare`: the answer
/// to HEAD, which has no content whatever its fields say.
pub fn parse(bytes: &[u8], bare: bool) -> Result<Option<(Response, usize)>, String> {
    let Some(end) = bytes.windows(4).take(HEAD_BYTES_MAX).position(|four| four == b"\r\n\r\n")
    else {
        let known = b"HTTP/1.1 ".iter().zip(bytes).all(|(a, b)| a == b);
        let good = known && bytes.len() < HEAD_BYTES_MAX;
        return if good { Ok(None) } else { Err(format!("no response: {}", shown(bytes))) };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head that is not text")?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status: u16 = status.ok_or_else(|| format!("a status line {first:?}"))?;
    let fields: Option<Vec<_>> = lines.map(|line| line.split_once(": ")).collect();
    let fields = fields.ok_or_else(|| format!("a field without a colon in {head:?}"))?;
    let fields = fields.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let mut response = Response { status, fields, body: Vec::new() };
    let length = match response.field("Content-Length") {
        _ if bare || status < 200 || matches!(status, 204 | 304) => 0,
        Some(length) => length.parse::<usize>().map_err(|e| e.to_string())?,
        None => return Err(format!("no length in {head:?}")),
    };
    let Some(body) = bytes.get(end + 4..end + 4 + length) else { return Ok(None) };
    response.body = body.to_vec();
    Ok(Some((response, end + 4 + length)))
}

/// The parts of a `multipart/byteranges` answer: Content-Range and bytes of each.
pub fn parts(response: &Response) -> Vec<(String, Vec<u8>)> {
    let content_type = response.field("Content-Type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mark = format!("\r\n--{boundary}");
    // The first delimiter may stand at the very start (RFC 2046 section 5.1.1).
    let body = [b"\r\n", &response.body[..]].concat();
    let mut rest = &body[find(&body, mark.as_bytes()).unwrap() + mark.len()..];
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, mark.as_bytes()).unwrap();
        let content = find(part, b"\r\n\r\n").unwrap() + 4;
        let head = std::str::from_utf8(&part[..content]).unwrap();
        let range = head.lines().find_map(|line| line.strip_prefix("Content-Range: ")).unwrap();
        parts.push((range.to_owned(), part[content..end].to_vec()));
        rest = &part[end + mark.len()..];
    }
    assert!(rest.starts_with(b"--"), "the closing delimiter is missing: {}", shown(rest));
    parts
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

pub fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].escape_ascii().to_string()
}

/// How the server ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Cleanly,
    Reset,
}

/// A client that sends and receives at the same time, since with both windows full one after the
/// other would be stuck.
pub struct Client {
    conn: Conn,
    pub engine: Engine,
    /// Received and not taken.
    pub seen: Vec<u8>,
    pub ended: Option<Ended>,
    /// Sending has failed: the server takes no more.
    pub refused: bool,
}

impl Client {
    pub fn connect(engine: &Engine, sim: &Sim, address: SimId) -> Client {
        let mut conn = engine.sim_connect(sim, address).unwrap();
        conn.set_deadline(engine.now().after(STUCK));
        let engine = engine.clone();
        Client { conn, engine, seen: Vec::new(), ended: None, refused: false }
    }

    /// Queues bytes; whatever waits next sends them.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.conn.out().put(bytes);
    }

    /// Sends everything that is queued.
    pub async fn flush(&mut self) -> Result<(), String> {
        poll_fn(|cx| self.poll(cx, |client| client.refused || client.conn.out().is_empty())).await
    }

    /// Ends the sending direction.
    pub async fn finish(&mut self) -> Result<(), String> {
        self.flush().await?;
        self.conn.shutdown_write().map_err(|error| error.to_string())
    }

    /// The next final or interim response; `None` when the connection has ended before it.
    pub async fn response(&mut self, bare: bool) -> Result<Option<Response>, String> {
        loop {
            if let Some((response, length)) = parse(&self.seen, bare)? {
                self.seen.drain(..length);
                return Ok(Some(response));
            }
            if self.ended.is_some() {
                return Ok(None);
            }
            let before = self.seen.len();
            poll_fn(|cx| self.poll(cx, |client| client.seen.len() > before)).await?;
        }
    }

    /// Waits until the server has ended the connection.
    pub async fn end(&mut self) -> Result<Ended, String> {
        poll_fn(|cx| self.poll(cx, |client| client.ended.is_some())).await?;
        self.ended.ok_or_else(|| "not ended".to_owned())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        done: impl Fn(&mut Client) -> bool,
    ) -> Poll<Result<(), String>> {
        loop {
            if !self.refused && matches!(self.conn.poll_flush(cx, 0), Poll::Ready(Err(_))) {
                self.refused = true;
            }
            if done(self) || self.ended.is_some() {
                return Poll::Ready(Ok(()));
            }
            match self.conn.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Fill::Data)) => self.take(),
                Poll::Ready(Ok(Fill::End)) => self.ended = Some(Ended::Cleanly),
                Poll::Ready(Ok(Fill::Full)) => return Poll::Ready(Err("no room".into())),
                Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                    return Poll::Ready(Err("stuck: the server neither answers nor ends".into()));
                }
                Poll::Ready(Err(_)) => self.ended = Some(Ended::Reset),
            }
        }
    }

    fn take(&mut self) {
        self.seen.extend_from_slice(self.conn.data());
        let length = self.conn.data().len();
        self.conn.consume(length);
    }

    /// One request and its answer.
    pub async fn ask(&mut self, request: &str) -> Response {
        self.queue(request.as_bytes());
        let answer = self.response(request.starts_with("HEAD ")).await.unwrap();
        answer.unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    /// A GET with further field lines, and its answer.
    pub async fn get(&mut self, path: &str, fields: &str) -> Response {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await
    }
}

/// A row of counters of its own.
pub fn counters() -> &'static [AtomicU64; COUNTERS] {
    Box::leak(Box::default())
}

pub fn count(row: &[AtomicU64; COUNTERS], counter: Counter) -> u64 {
    row[counter as usize].load(Ordering::Relaxed)
}

pub fn folder(path: &Path, options: FolderOptions) -> Site {
    Site::Folder(Folder::open(path, options).unwrap())
}

pub fn server(
    engine: &Engine,
    options: Options,
    site: Site,
    row: &'static [AtomicU64; COUNTERS],
) -> Server {
    let log = AccessLog::new(None, Format::default(), |_| {});
    Server::new(engine.clone(), options, site, log, Stats::new(row), |_| {})
}

/// Runs a scene with one client of the site over a perfect network; then the client leaves, and
/// nothing may be left of its connection.
pub fn scene(site: Site, faults: Faults, play: impl AsyncFnOnce(&mut Client) + 'static) {
    let sim = Sim::new(1, faults);
    let world = sim.clone();
    let result = sim.run(|engine| async move {
        let server = server(&engine, Options::default(), site, counters());
        let (listener, address) = engine.sim_listen(&world).unwrap();
        server.listen(listener);
        let mut client = Client::connect(&engine, &world, address);
        play(&mut client).await;
        drop(client);
        engine.sleep(Duration::from_secs(1)).await;
        assert_eq!(server.open(), 0, "a connection is left");
    });
    result.unwrap();
}
