//! A unit: one engine, one server, and a channel to whoever made it. The same for every process
//! model, in a process or a thread of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use control::{
    ConnectionState as StateView, ConnectionView, Counters, Decoder, FamilyView, FromWorker,
    ToWorker, WorkerRole, WorkerState, WorkerView, encode,
};
use engine::{Conn, Engine, Fill, Model, Tick};
use serve::{
    AccessLog, BuiltIn, ConnectionInfo, ConnectionState, Counter, Folder, Format, Options, Server,
    Site, Stats, StatusSource,
};

use super::{Plan, Seat};
use crate::cli::output::warn;
use crate::settings::{AccessLog as LogTarget, LogFormat, ProcessModel, Settings};

/// Connections listed in one status; more are counted.
const CONNECTIONS_LISTED_MAX: usize = 1000;
/// Questions for the status that may be under way at once.
const QUESTIONS_MAX: usize = 64;

/// What a unit accepts from or serves.
pub enum Work {
    Accept(Vec<OwnedFd>),
    Serve(OwnedFd),
}

/// What a unit is and how it is set up.
#[derive(Clone)]
pub struct About {
    pub settings: Arc<Settings>,
    pub model: Model,
    pub generation: u64,
    pub role: WorkerRole,
    pub counters: &'static [AtomicU64],
}

/// Everything a unit needs; it can be sent to a thread.
pub struct Unit {
    pub about: About,
    pub channel: UnixStream,
    pub work: Work,
}

impl Unit {
    pub fn accepting(plan: &Plan, seat: Seat, model: Model) -> Unit {
        Unit {
            about: About {
                settings: plan.settings.clone(),
                model,
                generation: plan.generation,
                role: WorkerRole::Worker,
                counters: seat.counters,
            },
            channel: seat.channel,
            work: Work::Accept(seat.listeners),
        }
    }

    /// Serves until told to stop, or until drained. Why it cannot begin goes up the channel; an
    /// error returned is of the engine.
    pub fn run(self) -> Result<(), String> {
        let (model, options) = (self.about.model, engine::Options::default());
        engine::run(model, &options, move |engine| live(self, engine))
            .map_err(|error| format!("the engine: {error}"))
    }
}

async fn live(unit: Unit, engine: Engine) {
    let Unit { about, channel, work } = unit;
    let mut channel = match take_channel(&engine, channel) {
        Ok(channel) => channel,
        Err(error) => return warn(&format!("the channel to the master: {error}")),
    };
    let questions = Rc::new(Questions::default());
    let begun = server(&about, &engine, questions.clone())
        .and_then(|server| Ok((begin(work, &engine, &server)?, server)));
    let (mut ending, server) = match begun {
        Ok(begun) => begun,
        Err(message) => {
            channel.out().put(&encode(&FromWorker::Failed { message }));
            // Without a master there is nobody to tell.
            let _ = channel.flush().await;
            return;
        }
    };
    questions.say(&FromWorker::Ready);
    let started = engine.now();
    let decoder = Decoder::new();
    let mut desk = Desk { about, engine, server, started, channel, decoder, questions };
    std::future::poll_fn(|cx| desk.poll(cx, &mut ending)).await;
}

fn take_channel(engine: &Engine, channel: UnixStream) -> std::io::Result<Conn> {
    channel.set_nonblocking(true)?;
    let mut channel = engine.connection(channel.into())?;
    channel.set_urgent()?;
    Ok(channel)
}

type Ending = Option<Pin<Box<dyn Future<Output = ()>>>>;

/// Starts the work. A unit for one connection ends with it; one that accepts ends when told.
fn begin(work: Work, engine: &Engine, server: &Server) -> Result<Ending, String> {
    match work {
        Work::Accept(listeners) => {
            for listener in listeners {
                let listener = engine.listen(listener);
                server.listen(listener.map_err(|e| format!("take a listener: {e}"))?);
            }
            Ok(None)
        }
        Work::Serve(connection) => {
            let conn = engine.connection(connection);
            let conn = conn.map_err(|e| format!("take the connection: {e}"))?;
            let server = server.clone();
            Ok(Some(Box::pin(async move { server.serve(conn).await })))
        }
    }
}

fn server(about: &About, engine: &Engine, questions: Rc<Questions>) -> Result<Server, String> {
    let settings = &about.settings;
    let site = match &settings.root {
        Some(root) => {
            let options = serve::files::FolderOptions {
                list_directories: settings.list_directories,
                cache_bytes: settings.limits.cache_bytes,
                // Who serves one connection competes with no other for descriptors.
                spare_descriptors: about.role != WorkerRole::Child,
                ..Default::default()
            };
            let folder = Folder::open(root, options);
            Site::Folder(folder.map_err(|e| format!("serve {}: {e}", root.display()))?)
        }
        None => Site::BuiltIn(BuiltIn { status: status_source(questions) }),
    };
    let format = match settings.log_format {
        LogFormat::Combined => Format::Combined,
        LogFormat::Json => Format::Json,
    };
    let log = AccessLog::new(open_log(&settings.access_log), format, warn);
    let stats = Stats::new(about.counters);
    Ok(Server::new(engine.clone(), options(about), site, log, stats, warn))
}

fn options(about: &About) -> Options {
    let settings = &about.settings;
    let seats = seats(about);
    Options {
        limits: http::Limits {
            head_bytes: settings.limits.head_bytes,
            body_bytes: settings.limits.body_bytes,
            ..http::Limits::default()
        },
        timeouts: serve::Timeouts {
            head: settings.timeouts.head,
            idle: settings.timeouts.idle.min(seats.idle_max),
            body: settings.timeouts.body,
            write: settings.timeouts.write,
            ..serve::Timeouts::default()
        },
        max_connections: seats.count.min(settings.limits.max_connections),
    }
}

/// How many connections a unit serves at once, and how long one may keep its seat and say nothing.
struct Seats {
    count: usize,
    idle_max: Duration,
}

/// Where there is one seat, an idle connection keeps everybody else waiting, and a browser opens
/// several in advance.
fn seats(about: &About) -> Seats {
    let model = about.settings.process_model;
    let blocking = about.model == Model::Blocking;
    match model {
        ProcessModel::Iterative => Seats { count: 1, idle_max: Duration::from_millis(500) },
        ProcessModel::Prefork | ProcessModel::ThreadPerCore if blocking => {
            Seats { count: 1, idle_max: Duration::from_secs(5) }
        }
        _ => Seats { count: usize::MAX, idle_max: Duration::MAX },
    }
}

/// A log that cannot be opened is said and done without.
fn open_log(target: &LogTarget) -> Option<File> {
    let opened = match target {
        LogTarget::Off => return None,
        LogTarget::Stdout => rustix::io::dup(rustix::stdio::stdout())
            .map(File::from)
            .map_err(|e| format!("log to standard output: {e}")),
        LogTarget::File(path) => {
            File::options().append(true).create(true).open(path).map_err(|e| {
                format!("open the access log {}: {e}; serving without it", path.display())
            })
        }
    };
    opened.map_err(|message| warn(&message)).ok()
}

/// The built-in page's questions for the status of the family, asked over the channel.
#[derive(Default)]
struct Questions {
    outgoing: RefCell<Vec<u8>>,
    /// Wakes the desk when there is something to send.
    desk: RefCell<Option<Waker>>,
    open: RefCell<HashMap<u64, Question>>,
    next_id: std::cell::Cell<u64>,
}

#[derive(Default)]
struct Question {
    answer: Option<Vec<u8>>,
    waiting: Option<Waker>,
}

impl Questions {
    fn say(&self, message: &FromWorker) {
        self.outgoing.borrow_mut().extend_from_slice(&encode(message));
        if let Some(desk) = self.desk.borrow_mut().take() {
            desk.wake();
        }
    }

    fn ask(&self) -> Option<u64> {
        if self.open.borrow().len() >= QUESTIONS_MAX {
            return None;
        }
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        self.open.borrow_mut().insert(id, Question::default());
        self.say(&FromWorker::AskStatus { id });
        Some(id)
    }

    fn poll_answer(&self, id: u64, cx: &Context<'_>) -> Poll<Option<Vec<u8>>> {
        let mut open = self.open.borrow_mut();
        match open.get_mut(&id) {
            Some(Question { answer: Some(_), .. }) | None => {
                Poll::Ready(open.remove(&id).and_then(|question| question.answer))
            }
            Some(question) => {
                question.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn answered(&self, id: u64, view: &FamilyView) {
        if let Some(question) = self.open.borrow_mut().get_mut(&id) {
            question.answer = serde_json::to_vec(view).ok();
            if let Some(waiting) = question.waiting.take() {
                waiting.wake();
            }
        }
    }

    /// Nobody will answer any more.
    fn abandon(&self) {
        for (_, question) in self.open.borrow_mut().drain() {
            if let Some(waiting) = question.waiting {
                waiting.wake();
            }
        }
    }
}

fn status_source(questions: Rc<Questions>) -> StatusSource {
    Rc::new(move || {
        let questions = questions.clone();
        Box::pin(async move {
            let id = questions.ask()?;
            std::future::poll_fn(|cx| questions.poll_answer(id, cx)).await
        })
    })
}

/// Where the master's messages are answered.
struct Desk {
    about: About,
    engine: Engine,
    server: Server,
    started: Tick,
    channel: Conn,
    decoder: Decoder,
    questions: Rc<Questions>,
}

enum Order {
    GoOn,
    Drain,
    Stop,
}

impl Desk {
    fn poll(&mut self, cx: &mut Context<'_>, ending: &mut Ending) -> Poll<()> {
        match self.poll_channel(cx) {
            Order::Stop => return Poll::Ready(()),
            Order::Drain => {
                self.server.drain();
                let server = self.server.clone();
                ending.get_or_insert_with(|| Box::pin(async move { server.finished().await }));
            }
            Order::GoOn => {}
        }
        match ending {
            Some(ending) => ending.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    fn poll_channel(&mut self, cx: &mut Context<'_>) -> Order {
        let mut order = Order::GoOn;
        loop {
            *self.questions.desk.borrow_mut() = Some(cx.waker().clone());
            let outgoing = std::mem::take(&mut *self.questions.outgoing.borrow_mut());
            if !outgoing.is_empty() {
                self.channel.out().put(&outgoing);
            }
            // A broken channel shows below, as an end of input.
            let _ = self.channel.poll_flush(cx, 0);
            match self.channel.poll_fill(cx) {
                Poll::Ready(Ok(Fill::Data | Fill::Full)) => {}
                // The master is gone: finish what is being served, and go too.
                Poll::Ready(Ok(Fill::End) | Err(_)) => {
                    self.questions.abandon();
                    return Order::Drain;
                }
                Poll::Pending => return order,
            }
            self.decoder.push(self.channel.data());
            self.channel.consume(self.channel.data().len());
            loop {
                match self.decoder.next_message::<ToWorker>() {
                    Ok(Some(message)) => match self.obey(message) {
                        Order::Stop => return Order::Stop,
                        Order::Drain => order = Order::Drain,
                        Order::GoOn => {}
                    },
                    Ok(None) => break,
                    Err(error) => {
                        warn(&format!("a worker cannot read its master's message: {error}"));
                        return Order::Drain;
                    }
                }
            }
        }
    }

    fn obey(&mut self, message: ToWorker) -> Order {
        match message {
            ToWorker::AskStatus { id } => {
                let view = Box::new(self.view());
                self.questions.say(&FromWorker::Status { id, view });
                Order::GoOn
            }
            ToWorker::Status { id, view } => {
                self.questions.answered(id, &view);
                Order::GoOn
            }
            ToWorker::ReopenLogs => {
                if let Some(file) = open_log(&self.about.settings.access_log) {
                    self.server.reopen_log(file);
                }
                Order::GoOn
            }
            ToWorker::Drain => Order::Drain,
            ToWorker::Stop => Order::Stop,
        }
    }

    fn view(&self) -> WorkerView {
        let now = self.engine.now();
        let connections = self.server.connections(CONNECTIONS_LISTED_MAX);
        let left_out = self.server.open().saturating_sub(connections.len()) as u64;
        let threads = self.about.settings.process_model == ProcessModel::ThreadPerCore;
        WorkerView {
            pid: std::process::id(),
            tid: threads.then(sys::signal::gettid),
            role: self.about.role,
            state: if self.server.is_draining() {
                WorkerState::Draining
            } else {
                WorkerState::Serving
            },
            generation: self.about.generation,
            uptime_ms: now.since(self.started).as_millis() as u64,
            counters: counters(self.about.counters),
            connections: connections.iter().map(connection_view).collect(),
            connections_left_out: left_out,
        }
    }
}

/// The row of shared counters as a view.
pub fn counters(row: &[AtomicU64]) -> Counters {
    let get = |counter: Counter| row[counter as usize].load(Ordering::Relaxed);
    Counters {
        connections_open: get(Counter::Accepted).saturating_sub(get(Counter::Closed)),
        connections_accepted: get(Counter::Accepted),
        accepts_failed: get(Counter::AcceptsFailed),
        requests: get(Counter::Requests),
        responses_4xx: get(Counter::Responses4xx),
        responses_5xx: get(Counter::Responses5xx),
        bytes_in: get(Counter::BytesIn),
        bytes_out: get(Counter::BytesOut),
    }
}

fn connection_view(info: &ConnectionInfo) -> ConnectionView {
    let address = |address: Option<std::net::SocketAddr>| match address {
        Some(address) => address.to_string(),
        None => "unix:".to_owned(),
    };
    ConnectionView {
        fd: info.fd.unwrap_or(0),
        served_by: None,
        silent: false,
        peer: address(info.peer),
        local: address(info.local),
        state: match info.state {
            ConnectionState::Idle => StateView::Idle,
            ConnectionState::ReadingHead => StateView::ReadingHead,
            ConnectionState::ReadingBody => StateView::ReadingBody,
            ConnectionState::Responding => StateView::Responding,
            ConnectionState::Lingering => StateView::Lingering,
        },
        requests: info.requests,
        bytes_in: info.bytes_in,
        bytes_out: info.bytes_out,
        age_ms: info.age_ms,
        idle_ms: info.idle_ms,
        request: info.request.as_ref().map(|line| String::from_utf8_lossy(line).into_owned()),
    }
}
