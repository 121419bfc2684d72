//! One HTTP/1.1 connection (RFC 9112), over whatever I/O model the engine runs.
//!
//! ```text
//!            bytes            whole head           nothing queued
//!   Idle ──────────▶ ReadingHead ──────▶ Responding ───────────▶ Idle
//!                        │ bad, too long     │ last response
//!                        ▼                   ▼
//!                     refusal ─────────▶ Lingering ──▶ closed
//! ```
//! A turn answers every whole request that has been received into one output buffer, which goes
//! out in one send; so pipelined requests cost a fraction of a system call each.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use engine::{Conn, Fill, OutBuf, Tick};
use http::date::DATE_BYTES;
use http::{
    BadRequest, BodyDecoder, Framing, Head, Known, Method, Scan, Status, parse_head, response,
};

use crate::access_log::{Line, Request};
use crate::builtin::{self, Outcome};
use crate::options::{LINGER_BYTES_MAX, OUTPUT_BYTES_HIGH};
use crate::reply::{Answered, Reply};
use crate::shared::{ConnectionState, Record, Shared, Site};
use crate::stats::Counter;

/// The longest request line that is kept to be shown or logged.
const LINE_BYTES_MAX: usize = 2048;

/// Serves the connection to its end. Errors of the peer's making end it and concern nobody else.
///
/// Ten thousand of these wait at once, so what one holds while it waits is counted in bytes: paths
/// that few requests take are boxed.
pub fn serve(conn: Conn, shared: Rc<Shared>) -> impl Future<Output = ()> {
    let mut connection = Connection::new(conn, shared);
    async move {
        // Whatever went wrong went wrong with this connection, which ends here.
        if let Ok(Close::Linger) = connection.run().await {
            let _ = Box::pin(connection.linger()).await;
        }
    }
}

struct Connection {
    conn: Conn,
    shared: Rc<Shared>,
    record: Rc<Record>,
    scan: Scan,
    /// Set by the first byte of a head.
    head_deadline: Option<Tick>,
    /// Lines of responses that are queued and not sent.
    unlogged: Vec<Unlogged>,
    /// The peer's address, once somebody has wanted it.
    peer: Option<Box<SocketAddr>>,
}

struct Unlogged {
    line: Line,
    content: u64,
    /// The connection's count of bytes sent when this response has gone whole.
    end: u64,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Close {
    /// Nothing unread is to be expected.
    Now,
    /// The peer may have sent, or be sending, what will not be read: closing at once would reset
    /// the connection and could take the last response with it.
    Linger,
}

/// What a turn over the received bytes came to.
enum Turn {
    /// Everything whole has been answered.
    NeedInput,
    /// Enough is queued.
    NeedOutput,
    /// A request whose body has to be read before it is answered; its head, kept aside.
    Body(Vec<u8>),
    /// The built-in site needs the status first.
    Status(Vec<u8>),
    Close(Close),
}

impl Connection {
    fn new(conn: Conn, shared: Rc<Shared>) -> Connection {
        let now = shared.engine.now();
        let record = Rc::new(Record {
            watcher: conn.watcher(),
            fd: conn.fd_number(),
            state: Cell::new(ConnectionState::Idle),
            requests: Cell::new(0),
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
            started: now,
            active: Cell::new(now),
            request: RefCell::default(),
        });
        shared.add(&record);
        Connection {
            conn,
            shared,
            record,
            scan: Scan::default(),
            head_deadline: None,
            unlogged: Vec::new(),
            peer: None,
        }
    }

    async fn run(&mut self) -> io::Result<Close> {
        loop {
            let turn = self.turn();
            if let Some(close) = self.after(turn).await? {
                return Ok(close);
            }
        }
    }

    async fn after(&mut self, turn: Turn) -> io::Result<Option<Close>> {
        match turn {
            Turn::NeedInput => {
                self.flush(0).await?;
                self.input().await
            }
            Turn::NeedOutput => {
                self.flush(OUTPUT_BYTES_HIGH / 2).await?;
                Ok(None)
            }
            Turn::Body(head) => Box::pin(self.body(&head)).await,
            Turn::Status(head) => Box::pin(self.status(&head)).await,
            Turn::Close(close) => {
                self.flush(0).await?;
                Ok(Some(close))
            }
        }
    }

    /// Answers what has been received whole, without waiting for anything.
    fn turn(&mut self) -> Turn {
        let shared = self.shared.clone();
        let moment = Moment::of(&shared);
        let peer = self.peer();
        loop {
            if self.conn.data().is_empty() {
                return Turn::NeedInput;
            }
            if self.conn.out().queued() >= OUTPUT_BYTES_HIGH {
                return Turn::NeedOutput;
            }
            let (data, out) = self.conn.data_and_out();
            let head = match parse_head(data, &mut self.scan, &shared.options.limits) {
                Ok(Some(head)) => head,
                Ok(None) => return Turn::NeedInput,
                Err(bad) => return self.refuse(&bad),
            };
            let length = head.len;
            self.scan = Scan::default();
            self.head_deadline = None;
            if head.framing != Framing::None {
                return self.set_aside(length, Turn::Body);
            }
            // While the server drains, the answer to the last request that has come whole says that
            // the connection ends: those before it are followed by their successors' answers.
            let last = shared.draining.get() && !holds_whole_head(&data[length..]);
            let keep_alive = head.keep_alive && !last;
            let mut reply = moment.reply(out, keep_alive);
            let Some(answered) = answer(&shared.site, &head, peer, &mut reply) else {
                return self.set_aside(length, Turn::Status);
            };
            let line = log_line(&shared, &head, peer, answered, &moment);
            self.record.note(&head, answered);
            let close = closing(&head, keep_alive);
            self.conn.consume(length);
            self.count(answered, line);
            if let Some(close) = close {
                let unread = !self.conn.data().is_empty();
                return Turn::Close(if unread { Close::Linger } else { close });
            }
        }
    }

    /// Takes the head out of the received bytes, for an answer that has to wait.
    fn set_aside(&mut self, length: usize, turn: fn(Vec<u8>) -> Turn) -> Turn {
        let head = self.conn.data()[..length].to_vec();
        self.conn.consume(length);
        turn(head)
    }

    /// The peer's address, which only the log and the built-in site need, asked for once.
    fn peer(&mut self) -> Option<SocketAddr> {
        let wanted = self.shared.log.is_on() || matches!(self.shared.site, Site::BuiltIn(_));
        if wanted && self.peer.is_none() {
            self.peer = self.conn.peer_addr().map(Box::new);
        }
        self.peer.as_deref().copied()
    }

    /// Answers a request that cannot be understood, after which nothing on this connection can be.
    fn refuse(&mut self, bad: &BadRequest) -> Turn {
        let shared = self.shared.clone();
        let moment = Moment::of(&shared);
        let line = shared.log.is_on().then(|| {
            let data = self.conn.data();
            let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
            shared.log.line(&Request {
                peer: self.peer.as_deref().copied(),
                second: moment.second,
                line: data[..end.min(LINE_BYTES_MAX)].trim_ascii_end(),
                status: bad.status.code(),
                referer: None,
                user_agent: None,
            })
        });
        response::refusal(self.conn.out().buffer(), bad, &moment.date);
        let content = response::error_page(bad.status).len() as u64;
        self.count(Answered { status: bad.status, content }, line);
        Turn::Close(Close::Linger)
    }

    /// Counts an answer that has been queued.
    fn count(&mut self, answered: Answered, line: Option<Line>) {
        let stats = &self.shared.stats;
        stats.add(Counter::Requests, 1);
        match answered.status.code() / 100 {
            4 => stats.add(Counter::Responses4xx, 1),
            5 => stats.add(Counter::Responses5xx, 1),
            _ => {}
        }
        if let Some(line) = line {
            let out = self.conn.out();
            let end = out.total_sent() + out.queued();
            self.unlogged.push(Unlogged { line, content: answered.content, end });
        }
    }

    /// Waits for more of a request. The deadline for a head counts from its first byte.
    async fn input(&mut self) -> io::Result<Option<Close>> {
        let (now, timeouts) = (self.shared.engine.now(), &self.shared.options.timeouts);
        let (state, deadline) = match (self.conn.data().is_empty(), self.shared.draining.get()) {
            (true, true) => (ConnectionState::Idle, now.after(timeouts.drain_idle)),
            (true, false) => (ConnectionState::Idle, now.after(timeouts.idle)),
            (false, _) => {
                let deadline = now.after(timeouts.head);
                (ConnectionState::ReadingHead, *self.head_deadline.get_or_insert(deadline))
            }
        };
        self.record.state.set(state);
        self.conn.set_deadline(deadline);
        match self.conn.fill().await {
            Ok(Fill::Data) => {
                self.record.received(&self.conn, &self.shared);
                Ok(None)
            }
            Ok(Fill::End) => Ok(Some(Close::Now)),
            Ok(Fill::Full) => Box::pin(self.refuse_now(Status::HEADERS_TOO_LARGE)).await,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                if self.conn.data().is_empty() {
                    return Ok(Some(Close::Now));
                }
                Box::pin(self.refuse_now(Status::REQUEST_TIMEOUT)).await
            }
            Err(error) => Err(error),
        }
    }

    async fn refuse_now(&mut self, status: Status) -> io::Result<Option<Close>> {
        self.conn.set_deadline(self.shared.engine.now().after(self.shared.options.timeouts.write));
        self.refuse(&BadRequest::with(status, "the request was not completed"));
        self.flush(0).await?;
        Ok(Some(Close::Linger))
    }

    /// Reads a request's body to its end and drops it (nothing here wants one), then answers. So a
    /// body that breaks its own framing is refused, instead of being taken for the next request.
    async fn body(&mut self, bytes: &[u8]) -> io::Result<Option<Close>> {
        let limits = self.shared.options.limits.clone();
        let Ok(Some(head)) = parse_head(bytes, &mut Scan::default(), &limits) else {
            return Ok(Some(Close::Linger));
        };
        self.record.show(&head, ConnectionState::ReadingBody);
        let taken = matches!(head.method, Method::Get | Method::Head | Method::Options);
        if head.expect_continue && !taken {
            // Saying no at once is what the client asks for; it may send the body all the same.
            self.answer(&head, false).await?;
            return Ok(Some(Close::Linger));
        }
        if head.expect_continue && self.conn.data().is_empty() {
            self.conn.out().put(response::CONTINUE);
        }
        self.flush(0).await?;
        let mut decoder = BodyDecoder::new(head.framing, &limits);
        while !decoder.is_done() {
            let decoded = match decoder.decode(self.conn.data()) {
                Ok(decoded) => decoded,
                Err(bad) => {
                    self.refuse(&bad);
                    self.flush(0).await?;
                    return Ok(Some(Close::Linger));
                }
            };
            self.conn.consume(decoded.consumed);
            if decoder.is_done() || !self.conn.data().is_empty() {
                continue;
            }
            if let Some(close) = self.body_input().await? {
                return Ok(Some(close));
            }
        }
        let keep_alive = head.keep_alive && !self.shared.draining.get();
        self.answer(&head, keep_alive).await?;
        Ok(closing(&head, keep_alive))
    }

    async fn body_input(&mut self) -> io::Result<Option<Close>> {
        let now = self.shared.engine.now();
        self.conn.set_deadline(now.after(self.shared.options.timeouts.body));
        match self.conn.fill().await {
            Ok(Fill::Data | Fill::Full) => {
                self.record.received(&self.conn, &self.shared);
                Ok(None)
            }
            Ok(Fill::End) => Ok(Some(Close::Now)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.refuse_now(Status::REQUEST_TIMEOUT).await
            }
            Err(error) => Err(error),
        }
    }

    /// Answers a head that was set aside.
    async fn answer(&mut self, head: &Head<'_>, keep_alive: bool) -> io::Result<()> {
        let shared = self.shared.clone();
        let moment = Moment::of(&shared);
        let peer = self.peer();
        let mut reply = moment.reply(self.conn.out(), keep_alive);
        let answered = match answer(&shared.site, head, peer, &mut reply) {
            Some(answered) => answered,
            None => {
                self.record.show(head, ConnectionState::Responding);
                let status = ask_status(&shared.site).await;
                let moment = Moment::of(&shared);
                let mut reply = moment.reply(self.conn.out(), keep_alive);
                builtin::answer_status(status.as_deref(), head, &mut reply)
            }
        };
        let line = log_line(&shared, head, peer, answered, &moment);
        self.record.note(head, answered);
        self.count(answered, line);
        self.flush(0).await
    }

    async fn status(&mut self, bytes: &[u8]) -> io::Result<Option<Close>> {
        let limits = self.shared.options.limits.clone();
        let Ok(Some(head)) = parse_head(bytes, &mut Scan::default(), &limits) else {
            return Ok(Some(Close::Linger));
        };
        self.flush(0).await?;
        let keep_alive = head.keep_alive && !self.shared.draining.get();
        self.answer(&head, keep_alive).await?;
        Ok(closing(&head, keep_alive))
    }

    /// Sends what is queued, down to `low_water` bytes. The deadline moves with every byte taken.
    async fn flush(&mut self, low_water: u64) -> io::Result<()> {
        if self.conn.out().is_empty() {
            return Ok(());
        }
        let mut last = None;
        let result = poll_fn(|cx| self.poll_flush(cx, low_water, &mut last)).await;
        self.record.sent(&self.conn, &self.shared);
        if self.conn.out().is_empty() {
            self.record.forget_request();
        }
        self.log_sent();
        result
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        low_water: u64,
        last: &mut Option<u64>,
    ) -> Poll<io::Result<()>> {
        let result = self.conn.poll_flush(cx, low_water);
        let sent = Some(self.conn.total_sent());
        if result.is_pending() && *last != sent {
            *last = sent;
            self.record.state.set(ConnectionState::Responding);
            self.record.sent(&self.conn, &self.shared);
            let now = self.shared.engine.now();
            self.conn.set_deadline(now.after(self.shared.options.timeouts.write));
        }
        result
    }

    /// Logs the responses that have gone whole.
    fn log_sent(&mut self) {
        let sent = self.conn.total_sent();
        let whole = self.unlogged.iter().take_while(|unlogged| unlogged.end <= sent).count();
        for unlogged in self.unlogged.drain(..whole) {
            self.shared.log.add(&unlogged.line, unlogged.content);
        }
    }

    /// Ends sending, then reads and drops what still comes, for a bounded time and amount.
    async fn linger(&mut self) -> io::Result<()> {
        self.record.state.set(ConnectionState::Lingering);
        self.conn.shutdown_write()?;
        let now = self.shared.engine.now();
        self.conn.set_deadline(now.after(self.shared.options.timeouts.linger));
        let before = self.conn.total_received();
        loop {
            self.conn.consume(self.conn.data().len());
            if self.conn.total_received() - before > LINGER_BYTES_MAX {
                return Ok(());
            }
            if self.conn.fill().await? == Fill::End {
                return Ok(());
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.log_sent();
        // Cut short: the content that was sent is what came before the point of the break.
        let sent = self.conn.total_sent();
        for unlogged in self.unlogged.drain(..) {
            let missing = (unlogged.end - sent).min(unlogged.content);
            self.shared.log.add(&unlogged.line, unlogged.content - missing);
        }
        self.record.sent(&self.conn, &self.shared);
        self.record.received(&self.conn, &self.shared);
        self.shared.removed();
    }
}

/// The time of a turn, as responses need it.
struct Moment {
    now: Tick,
    second: u64,
    date: [u8; DATE_BYTES],
}

impl Moment {
    fn of(shared: &Shared) -> Moment {
        let (second, date) = shared.date();
        Moment { now: shared.engine.now(), second, date }
    }

    fn reply<'a>(&'a self, out: &'a mut OutBuf, keep_alive: bool) -> Reply<'a> {
        Reply { out, date: &self.date, second: self.second, now: self.now, keep_alive }
    }
}

/// `None`: the built-in site needs the status first.
fn answer(
    site: &Site,
    head: &Head<'_>,
    peer: Option<SocketAddr>,
    reply: &mut Reply<'_>,
) -> Option<Answered> {
    match site {
        Site::Folder(folder) => Some(folder.answer(head, reply)),
        Site::BuiltIn(site) => match site.answer(head, peer, reply) {
            Outcome::Answered(answered) => Some(answered),
            Outcome::AskStatus => None,
        },
    }
}

async fn ask_status(site: &Site) -> Option<Vec<u8>> {
    match site {
        Site::BuiltIn(site) => (site.status)().await,
        Site::Folder(_) => None,
    }
}

/// Whether another request has been received so far that it can be looked at.
fn holds_whole_head(data: &[u8]) -> bool {
    memchr::memmem::find(data, b"\r\n\r\n").is_some()
}

/// How the connection ends after this response, if it does. Where the client expects it to go on
/// (the server drains), a request may be on its way.
fn closing(head: &Head<'_>, keep_alive: bool) -> Option<Close> {
    match (keep_alive, head.keep_alive) {
        (true, _) => None,
        (false, true) => Some(Close::Linger),
        (false, false) => Some(Close::Now),
    }
}

fn log_line(
    shared: &Shared,
    head: &Head<'_>,
    peer: Option<SocketAddr>,
    answered: Answered,
    moment: &Moment,
) -> Option<Line> {
    shared.log.is_on().then(|| {
        shared.log.line(&Request {
            peer,
            second: moment.second,
            line: &request_line(head),
            status: answered.status.code(),
            referer: head.header(Known::Referer),
            user_agent: head.header(Known::UserAgent),
        })
    })
}

fn request_line(head: &Head<'_>) -> Vec<u8> {
    let target = &head.raw_target[..head.raw_target.len().min(LINE_BYTES_MAX)];
    [head.method.as_bytes(), b" ", target, b" ", head.version.text().as_bytes()].concat()
}

impl Record {
    /// A response is queued. Its request is shown while it is on its way, when that can take long.
    fn note(&self, head: &Head<'_>, answered: Answered) {
        const LONG_BYTES: u64 = 32 * 1024;
        self.requests.set(self.requests.get() + 1);
        if answered.content > LONG_BYTES {
            self.show(head, ConnectionState::Responding);
        }
    }

    fn show(&self, head: &Head<'_>, state: ConnectionState) {
        self.state.set(state);
        *self.request.borrow_mut() = Some(request_line(head).into());
    }

    fn received(&self, conn: &Conn, shared: &Shared) {
        let total = conn.total_received();
        shared.stats.add(Counter::BytesIn, total - self.bytes_in.replace(total));
        self.active.set(shared.engine.now());
    }

    fn sent(&self, conn: &Conn, shared: &Shared) {
        let total = conn.total_sent();
        shared.stats.add(Counter::BytesOut, total - self.bytes_out.replace(total));
        self.active.set(shared.engine.now());
    }

    /// Its response has gone whole.
    fn forget_request(&self) {
        if self.request.borrow().is_some() {
            self.request.take();
        }
    }
}
