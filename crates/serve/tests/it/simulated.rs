//! HTTP over a network that does everything a network may do, by a die with a seed: no byte is
//! lost, no reply doubled or missing, no connection stuck, whatever clients do.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use engine::{Engine, Faults, Sim, SimId};
use sockeye_serve::files::FolderOptions;
use sockeye_serve::{Counter, Options, Timeouts};
use tempfile::TempDir;
use testkit::hostile::{self, Answer, Case};

use crate::harness::{self, Client, Ended, Response, count, parse, shown};

const ROUGH: Faults = Faults {
    short_read: 200,
    short_write: 200,
    reset: 0,
    spurious: 50,
    no_descriptor: 100,
    window_bytes_max: 60_000,
    delay_ms_max: 40,
};
/// Seeds of each set.
const SEEDS: u64 = 1000;
/// Clients of one run.
const CLIENTS: u64 = 4;
/// Every last connection of a client that has left must be gone after this.
const AFTERWARDS: Duration = Duration::from_secs(60);
/// Heads of outside cases that take longer than this through the smallest window are left out.
const CASE_BYTES_MAX: usize = 2000;

/// The files of the site, with their sizes: around the bound between memory and sendfile.
const FILES: [(&str, usize); 7] = [
    ("/", 1234),
    ("/empty", 0),
    ("/small.txt", 100),
    ("/middle.bin", 9000),
    ("/memory.bin", 32 * 1024),
    ("/file.bin", 32 * 1024 + 1),
    ("/large.bin", 150_000),
];

fn content(path: &str) -> Vec<u8> {
    let (_, size) = FILES.iter().find(|(name, _)| *name == path).unwrap();
    let salt = path.len() * 37 + size;
    (0..*size).map(|i| (i * 31 + i / 251 + salt) as u8).collect()
}

fn site() -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, _) in FILES {
        let name = if path == "/" { "index.html" } else { &path[1..] };
        std::fs::write(dir.path().join(name), content(path)).unwrap();
    }
    dir
}

/// One request and what must come back.
#[derive(Clone, Debug)]
struct Ask {
    bytes: Vec<u8>,
    bare: bool,
    status: u16,
    /// The content, where its bytes are known.
    body: Option<Vec<u8>>,
    /// Content-Length, of an answer to HEAD.
    length: Option<usize>,
    closes: bool,
}

impl Ask {
    fn new(line: &str, fields: &str, content: &[u8], status: u16) -> Ask {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let bytes = [head.as_bytes(), content].concat();
        let bare = line.starts_with("HEAD ");
        Ask { bytes, bare, status, body: None, length: None, closes: false }
    }

    fn of_file(path: &str, fields: &str) -> Ask {
        let ask = Ask::new(&format!("GET {path}"), fields, b"", 200);
        Ask { body: Some(content(path)), ..ask }
    }

    fn check(&self, answer: &Response) -> Result<(), String> {
        let request = shown(&self.bytes);
        let differs = |what: &str, is: &dyn Debug, should: &dyn Debug| {
            Err(format!("{what} is {is:?} and should be {should:?}, of {request}"))
        };
        if answer.status != self.status {
            return differs("the status", &answer.status, &self.status);
        }
        if answer.says_close() != self.closes {
            return differs("close", &answer.says_close(), &self.closes);
        }
        if let Some(length) = self.length {
            let told = answer.field("Content-Length").and_then(|told| told.parse().ok());
            if told != Some(length) {
                return differs("Content-Length", &told, &length);
            }
        }
        match &self.body {
            Some(body) if *body != answer.body => Err(format!("other bytes, of {request}")),
            _ => Ok(()),
        }
    }
}

/// A random request that leaves the connection open.
fn any_request(sim: &Sim) -> Ask {
    let (path, size) = FILES[sim.roll(FILES.len() as u64) as usize];
    let get = format!("GET {path}");
    match sim.roll(14) {
        0..5 => Ask::of_file(path, ""),
        5 => {
            let ask = Ask::new(&format!("HEAD {path}"), "", b"", 200);
            Ask { body: Some(Vec::new()), length: Some(size), ..ask }
        }
        6 if size > 1 => {
            let start = sim.roll(size as u64) as usize;
            let end = start + 1 + sim.roll((size - start) as u64) as usize;
            let field = format!("Range: bytes={start}-{}\r\n", end - 1);
            Ask { body: Some(content(path)[start..end].into()), ..Ask::new(&get, &field, b"", 206) }
        }
        7 => Ask::new("GET /small.txt", "Range: bytes=0-9,50-59\r\n", b"", 206),
        8 => Ask::new("GET /small.txt", "Range: bytes=100-\r\n", b"", 416),
        9 => Ask::new(&get, "If-None-Match: *\r\n", b"", 304),
        10 => Ask::new("GET /missing", "", b"", 404),
        11 => Ask::new("OPTIONS /small.txt", "", b"", 204),
        12 => {
            let chunks = chunked(sim);
            Ask::new("POST /small.txt", "Transfer-Encoding: chunked\r\n", &chunks, 405)
        }
        _ => {
            let body = vec![b'G'; sim.roll(3000) as usize];
            let field = format!("Content-Length: {}\r\n", body.len());
            Ask { bytes: Ask::new(&get, &field, &body, 200).bytes, ..Ask::of_file(path, "") }
        }
    }
}

/// Content that looks like a request, in chunks of random sizes.
fn chunked(sim: &Sim) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..sim.roll(8) {
        let chunk = b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1 + sim.roll(20) as usize);
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(&chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// How a client ends.
const ENDINGS: [Ending; 13] = [
    Ending::Leave,
    Ending::CloseField,
    Ending::OldVersion,
    Ending::HalfClose,
    Ending::HalfRequest,
    Ending::Outside,
    Ending::Outside,
    Ending::SlowHead,
    Ending::SlowBody,
    Ending::ExpectRefused,
    Ending::StopReading,
    Ending::LeaveUnread,
    Ending::Idle,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// Everything is read, then the client is gone.
    Leave,
    /// `Connection: close` in the last request.
    CloseField,
    /// The last request is HTTP/1.0.
    OldVersion,
    /// The last requests, then the end of the client's stream.
    HalfClose,
    /// A part of a request, then the end of the client's stream.
    HalfRequest,
    /// One of the hostile or odd cases.
    Outside,
    /// A head that never ends.
    SlowHead,
    /// Content that never ends.
    SlowBody,
    /// Asks whether it may send what the server does not want.
    ExpectRefused,
    /// Asks for much and reads none of it for long.
    StopReading,
    /// Asks and is gone.
    LeaveUnread,
    /// Waits for the server to lose its patience.
    Idle,
}

/// What clients have in common.
#[derive(Clone)]
struct World {
    engine: Engine,
    sim: Sim,
    address: SimId,
    cases: Rc<Vec<Case>>,
    /// Whether connections are reset, so that any may end early.
    resets: bool,
}

struct Player {
    world: World,
    client: Client,
}

/// Why a client stops before its end.
enum Stop {
    /// The connection was reset, as it may be here.
    Reset,
    Failed(String),
}

impl From<String> for Stop {
    fn from(failure: String) -> Stop {
        Stop::Failed(failure)
    }
}

impl Player {
    async fn play(&mut self) -> Result<(), Stop> {
        for _ in 0..self.world.sim.roll(4) {
            let group: Vec<Ask> =
                (0..=self.roll(5)).map(|_| any_request(&self.world.sim)).collect();
            self.group(&group).await?;
            if self.roll(3) == 0 {
                self.sleep(self.roll(3000)).await;
            }
            if self.roll(6) == 0 {
                self.expected_body().await?;
            }
        }
        let ending = ENDINGS[self.roll(ENDINGS.len() as u64) as usize];
        let result = self.ending(ending).await;
        result.map_err(|stop| match stop {
            Stop::Failed(why) => Stop::Failed(format!("{ending:?}: {why}")),
            Stop::Reset => Stop::Reset,
        })
    }

    fn roll(&self, sides: u64) -> u64 {
        self.world.sim.roll(sides)
    }

    async fn sleep(&self, milliseconds: u64) {
        self.world.engine.sleep(Duration::from_millis(milliseconds)).await;
    }

    /// Sends all at once, or in pieces with pauses.
    async fn send(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while self.roll(4) == 0 && bytes.len() > 1 {
            let (piece, rest) = bytes.split_at(1 + self.roll(bytes.len() as u64 - 1) as usize);
            self.client.queue(piece);
            self.client.flush().await?;
            self.sleep(self.roll(500)).await;
            bytes = rest;
        }
        self.client.queue(bytes);
        Ok(())
    }

    async fn group(&mut self, group: &[Ask]) -> Result<(), Stop> {
        let bytes: Vec<u8> = group.iter().flat_map(|ask| ask.bytes.clone()).collect();
        self.send(&bytes).await?;
        for ask in group {
            if self.roll(8) == 0 {
                self.sleep(self.roll(2000)).await;
            }
            let answer = self.answer(ask.bare).await?;
            ask.check(&answer)?;
        }
        if self.client.seen.is_empty() {
            return Ok(());
        }
        Err(Stop::Failed(format!("a reply too many: {}", shown(&self.client.seen))))
    }

    async fn answer(&mut self, bare: bool) -> Result<Response, Stop> {
        match self.client.response(bare).await? {
            Some(answer) => Ok(answer),
            None if self.was_reset() => Err(Stop::Reset),
            None => Err(Stop::Failed(format!(
                "no reply but {:?} after {}",
                self.client.ended,
                shown(&self.client.seen)
            ))),
        }
    }

    fn was_reset(&self) -> bool {
        self.world.resets && self.client.ended.is_some()
    }

    /// Nothing more comes but the end of the stream.
    async fn clean_end(&mut self) -> Result<(), Stop> {
        let ended = self.client.end().await?;
        if !self.client.seen.is_empty() {
            let what = shown(&self.client.seen);
            return Err(Stop::Failed(format!("more than was asked for: {what}")));
        }
        match ended {
            Ended::Cleanly => Ok(()),
            Ended::Reset if self.world.resets => Err(Stop::Reset),
            Ended::Reset => Err(Stop::Failed("reset".to_owned())),
        }
    }

    /// `Expect: 100-continue` with a method that takes content: an interim reply, then the answer.
    async fn expected_body(&mut self) -> Result<(), Stop> {
        let fields = "Expect: 100-continue\r\nContent-Length: 500\r\n";
        self.send(&Ask::new("GET /small.txt", fields, b"", 200).bytes).await?;
        let interim = self.answer(false).await?;
        if interim.status != 100 {
            return Err(Stop::Failed(format!("{} and not 100", interim.status)));
        }
        let ask = Ask { bytes: vec![b'x'; 500], ..Ask::of_file("/small.txt", "") };
        self.group(&[ask]).await
    }

    async fn ending(&mut self, ending: Ending) -> Result<(), Stop> {
        let file = Ask::of_file("/middle.bin", "");
        match ending {
            Ending::Leave => Ok(()),
            Ending::CloseField => {
                let last =
                    Ask { closes: true, ..Ask::of_file("/file.bin", "Connection: close\r\n") };
                self.group(&[file, last]).await?;
                self.clean_end().await
            }
            Ending::OldVersion => {
                let last = Ask { bytes: b"GET /middle.bin HTTP/1.0\r\n\r\n".to_vec(), ..file };
                self.group(&[Ask { closes: true, ..last }]).await?;
                self.clean_end().await
            }
            Ending::HalfClose => {
                self.client.queue(&file.bytes);
                self.client.queue(&file.bytes);
                self.client.finish().await?;
                self.group(&[
                    Ask { bytes: Vec::new(), ..file.clone() },
                    Ask { bytes: Vec::new(), ..file },
                ])
                .await?;
                self.clean_end().await
            }
            Ending::HalfRequest => {
                let length = 1 + self.roll(file.bytes.len() as u64 - 1) as usize;
                self.client.queue(&file.bytes[..length]);
                self.client.finish().await?;
                self.clean_end().await
            }
            Ending::Outside => self.outside().await,
            Ending::SlowHead => {
                self.send(b"GET /small.txt HTTP/1.1\r\nHost: a\r\nX-Slow: ").await?;
                self.refused(408).await
            }
            Ending::SlowBody => {
                self.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nabc").await?;
                self.refused(408).await
            }
            Ending::ExpectRefused => {
                let fields = "Expect: 100-continue\r\nContent-Length: 500\r\n";
                self.send(&Ask::new("POST /small.txt", fields, b"", 405).bytes).await?;
                self.refused(405).await
            }
            Ending::StopReading => self.stop_reading().await,
            Ending::LeaveUnread => {
                self.client.queue(&Ask::of_file("/large.bin", "").bytes.repeat(3));
                self.client.flush().await?;
                self.sleep(self.roll(1000)).await;
                Ok(())
            }
            Ending::Idle => self.clean_end().await,
        }
    }

    /// A reply with this status that says close, and the close.
    async fn refused(&mut self, status: u16) -> Result<(), Stop> {
        let answer = self.answer(false).await?;
        if (answer.status, answer.says_close()) != (status, true) {
            return Err(Stop::Failed(format!("{answer:?} and not {status} with close")));
        }
        self.clean_end().await
    }

    async fn outside(&mut self) -> Result<(), Stop> {
        let cases = self.world.cases.clone();
        let case = &cases[self.roll(cases.len() as u64) as usize];
        let result = self.outside_case(case).await;
        result.map_err(|stop| match stop {
            Stop::Failed(why) => Stop::Failed(format!("{:?}: {why}", case.name)),
            Stop::Reset => Stop::Reset,
        })
    }

    async fn outside_case(&mut self, case: &Case) -> Result<(), Stop> {
        self.send(&case.bytes).await?;
        let (served, refused, closed) = match case.answer {
            Answer::Refused(status) | Answer::BadContent(status) => (&[][..], Some(status), true),
            Answer::RefusedAfter(served, status) => (served, Some(status), true),
            Answer::Served(served) => (served, None, false),
            Answer::ServedThenClosed(served) => (served, None, true),
            Answer::Waits => (&[][..], None, false),
        };
        for status in served {
            let answer = self.final_answer().await?;
            if answer.status != *status && *status != 0 {
                return Err(Stop::Failed(format!("{} and not {status}", answer.status)));
            }
        }
        if let Some(status) = refused {
            let answer = self.final_answer().await?;
            // In pieces, a fault in a field line is told when the head ends (`http::Scan`); a head
            // that never does is refused all the same, by its deadline.
            let late = answer.status == 408 && !case.bytes.ends_with(b"\r\n\r\n");
            if !answer.says_close() || (answer.status != status && !late) {
                return Err(Stop::Failed(format!("{answer:?} and not {status} with close")));
            }
        }
        if closed { self.clean_end().await } else { Ok(()) }
    }

    async fn final_answer(&mut self) -> Result<Response, Stop> {
        loop {
            let answer = self.answer(false).await?;
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    /// More than fits any window is asked for and not read: the server gives up, and what did
    /// arrive is the beginning of what was asked for.
    async fn stop_reading(&mut self) -> Result<(), Stop> {
        let file = Ask::of_file("/large.bin", "");
        self.client.queue(&file.bytes.repeat(3));
        self.client.flush().await?;
        self.sleep(200_000).await;
        self.client.end().await?;
        let mut rest = &self.client.seen[..];
        let mut whole = 0;
        while let Some((answer, length)) = parse(rest, false)? {
            file.check(&answer)?;
            whole += 1;
            if whole == 3 {
                return Err(Stop::Failed("the server waited for ever".to_owned()));
            }
            rest = &rest[length..];
        }
        let start = harness::find(rest, b"\r\n\r\n").map_or(rest.len(), |at| at + 4);
        if content("/large.bin").starts_with(&rest[start..]) {
            return Ok(());
        }
        Err(Stop::Failed("other bytes before the break".to_owned()))
    }
}

/// What a run came to, beside its trace.
#[derive(Default)]
struct Outcome {
    failures: Vec<String>,
    /// Clients that came to their end as planned.
    whole: usize,
}

/// Shows the seed and the trace when a run panics.
struct OnPanic(u64, Sim);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}\n{:#?}", self.0, self.1.trace_tail());
        }
    }
}

fn options() -> Options {
    // Long enough for any head through the smallest window; simulated time costs nothing.
    let timeouts = Timeouts { head: Duration::from_secs(3600), ..Timeouts::default() };
    Options { timeouts, ..Options::default() }
}

fn run(seed: u64, faults: Faults, root: &Path) -> (Sim, Outcome) {
    let sim = Sim::new(seed, faults);
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let _shown = OnPanic(seed, sim.clone());
    let (world, seen, root) = (sim.clone(), outcome.clone(), root.to_owned());
    let result = sim.run(|engine| async move {
        let row = harness::counters();
        let site = harness::folder(&root, FolderOptions::default());
        let server = harness::server(&engine, options(), site, row);
        let (listener, address) = engine.sim_listen(&world).unwrap();
        server.listen(listener);
        let cases = Rc::new(cases());
        let resets = faults.reset > 0;
        let world = World { engine: engine.clone(), sim: world, address, cases, resets };
        clients(&world, &seen).await;
        engine.sleep(AFTERWARDS).await;
        let failures = &mut seen.borrow_mut().failures;
        if server.open() != 0 {
            failures.push(format!("{} connections are left", server.open()));
        }
        let (accepted, closed) = (count(row, Counter::Accepted), count(row, Counter::Closed));
        if (accepted, closed) != (CLIENTS, CLIENTS) {
            failures.push(format!("{accepted} accepted, {closed} closed"));
        }
    });
    let mut outcome = outcome.take();
    if let Err(error) = result {
        outcome.failures.push(error.to_string());
    }
    (sim, outcome)
}

/// Short cases that come to an end by themselves; a reply to HEAD is read in another way.
fn cases() -> Vec<Case> {
    let mut cases = hostile::cases();
    cases.retain(|case| {
        let short = case.bytes.len() <= CASE_BYTES_MAX;
        short && case.answer != Answer::Waits && harness::find(&case.bytes, b"HEAD ").is_none()
    });
    assert!(cases.len() > 50, "only {} cases are left", cases.len());
    cases
}

/// Runs the clients, all at once, to the end of the last.
async fn clients(world: &World, seen: &Rc<RefCell<Outcome>>) {
    let left = Rc::new(Cell::new(CLIENTS));
    for number in 0..CLIENTS {
        let (world, seen, left) = (world.clone(), seen.clone(), left.clone());
        world.engine.clone().spawn(async move {
            let client = Client::connect(&world.engine, &world.sim, world.address);
            let result = Player { world, client }.play().await;
            let mut seen = seen.borrow_mut();
            match result {
                Ok(()) => seen.whole += 1,
                Err(Stop::Reset) => {}
                Err(Stop::Failed(why)) => seen.failures.push(format!("client {number}: {why}")),
            }
            left.set(left.get() - 1);
        });
    }
    while left.get() > 0 {
        world.engine.sleep(Duration::from_secs(1)).await;
    }
}

/// A client of a server that drains in the middle: asks until an answer says close. What was sent
/// whole before the drain gets an answer, and nothing follows the one that says close.
async fn ask_until_drained(player: &mut Player, draining: &Cell<bool>) -> Result<(), Stop> {
    loop {
        let group: Vec<Ask> =
            (0..=player.roll(3)).map(|_| any_request(&player.world.sim)).collect();
        let bytes: Vec<u8> = group.iter().flat_map(|ask| ask.bytes.clone()).collect();
        let late = draining.get();
        player.send(&bytes).await?;
        player.client.flush().await?;
        let in_time = !draining.get();
        for (at, ask) in group.iter().enumerate() {
            let Some(answer) = player.client.response(ask.bare).await? else {
                let idle = !in_time && player.client.ended == Some(Ended::Cleanly);
                let failed = Stop::Failed(format!("no reply to {}", shown(&ask.bytes)));
                return if idle { Ok(()) } else { Err(failed) };
            };
            let closes = answer.says_close();
            Ask { closes: closes && draining.get(), ..ask.clone() }.check(&answer)?;
            if closes {
                return player.clean_end().await;
            }
            if late && at + 1 == group.len() {
                return Err(Stop::Failed("kept open although it drains".to_owned()));
            }
        }
        player.sleep(player.roll(1500)).await;
    }
}

fn run_drained(seed: u64, root: &Path) -> (Sim, Vec<String>) {
    let sim = Sim::new(seed, ROUGH);
    let failures = Rc::new(RefCell::new(Vec::new()));
    let _shown = OnPanic(seed, sim.clone());
    let (world, seen, root) = (sim.clone(), failures.clone(), root.to_owned());
    let result = sim.run(|engine| async move {
        let site = harness::folder(&root, FolderOptions::default());
        let server = harness::server(&engine, options(), site, harness::counters());
        let (listener, address) = engine.sim_listen(&world).unwrap();
        server.listen(listener);
        let cases = Rc::default();
        let world = World { engine: engine.clone(), sim: world, address, cases, resets: false };
        let draining = Rc::new(Cell::new(false));
        let (ready, left) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(CLIENTS)));
        for number in 0..CLIENTS {
            let (world, seen, draining) = (world.clone(), seen.clone(), draining.clone());
            let (ready, left) = (ready.clone(), left.clone());
            engine.spawn(async move {
                let client = Client::connect(&world.engine, &world.sim, world.address);
                let mut player = Player { world, client };
                // Accepted, so that the drain concerns it.
                let mut result = player.group(&[Ask::of_file("/small.txt", "")]).await;
                ready.set(ready.get() + 1);
                if result.is_ok() {
                    result = ask_until_drained(&mut player, &draining).await;
                }
                if let Err(Stop::Failed(why)) = result {
                    seen.borrow_mut().push(format!("client {number}: {why}"));
                }
                left.set(left.get() - 1);
            });
        }
        while ready.get() < CLIENTS {
            engine.sleep(Duration::from_millis(100)).await;
        }
        engine.sleep(Duration::from_millis(world.sim.roll(4000))).await;
        draining.set(true);
        server.drain();
        server.finished().await;
        assert_eq!(server.open(), 0);
        while left.get() > 0 {
            engine.sleep(Duration::from_millis(100)).await;
        }
    });
    let mut failures = failures.take();
    if let Err(error) = result {
        failures.push(error.to_string());
    }
    (sim, failures)
}

fn check(seeds: impl Iterator<Item = u64>, faults: Faults, root: &Path) -> usize {
    let mut whole = 0;
    for seed in seeds {
        let (sim, outcome) = run(seed, faults, root);
        let failures = outcome.failures;
        assert!(failures.is_empty(), "seed {seed}: {failures:#?}\n{:#?}", sim.trace_tail());
        whole += outcome.whole;
    }
    whole
}

#[test]
fn every_request_gets_its_reply_whatever_the_network_does() {
    let site = site();
    assert_eq!(check(0..SEEDS, ROUGH, site.path()), (SEEDS * CLIENTS) as usize);
}

#[test]
fn resets_end_one_connection_and_nothing_else() {
    let site = site();
    let whole = check(0..SEEDS, Faults { reset: 2, ..ROUGH }, site.path());
    // Neither all nor none: the resets did happen, and did not reach everybody.
    let all = (SEEDS * CLIENTS) as usize;
    assert!((all / 10..all * 9 / 10).contains(&whole), "{whole} of {all} came to their end");
}

#[test]
fn a_drain_answers_what_was_sent_and_ends() {
    let site = site();
    for seed in 0..SEEDS {
        let (sim, failures) = run_drained(seed, site.path());
        assert!(failures.is_empty(), "seed {seed}: {failures:#?}\n{:#?}", sim.trace_tail());
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let site = site();
    let digest = |seed| run(seed, ROUGH, site.path()).0.trace_digest();
    for seed in 0..20 {
        assert_eq!(digest(seed), digest(seed), "seed {seed}");
    }
    assert_ne!(digest(1), digest(2));
}
