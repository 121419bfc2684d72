//! The cases. Many are somebody's real bug: see the list of pitfalls in docs/io-models.md.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sockeye_engine::{Conn, Engine, Fill, INBOX_BYTES, Options, run};

use crate::harness::{PATIENCE, Server, echo, every_model};

fn exchange(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

/// Closes so that the peer sees a reset (socket(7), `SO_LINGER` of zero).
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn echoes_small_and_large() {
    every_model(|model| {
        let server = Server::start(model, Options::default(), echo);
        let mut stream = server.connect();
        exchange(&mut stream, b"x");
        exchange(&mut stream, &[b'y'; 3 * INBOX_BYTES]);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "{}", model.name());
    });
}

#[test]
fn byte_by_byte() {
    every_model(|model| {
        let server = Server::start(model, Options::default(), echo);
        let mut stream = server.connect();
        for byte in b"a dribbling client" {
            exchange(&mut stream, &[*byte]);
        }
    });
}

#[test]
fn many_connections_interleaved() {
    every_model(|model| {
        let server = Server::start(model, Options::default(), echo);
        let mut streams: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
        for round in 0..5u8 {
            streams.iter_mut().for_each(|s| s.write_all(&[round; 100]).unwrap());
            for stream in &mut streams {
                let mut back = [0; 100];
                stream.read_exact(&mut back).unwrap();
                assert_eq!(back, [round; 100]);
            }
        }
    });
}

/// Data and the end of the stream in one segment: an edge-triggered model must read on to the end
/// after a short read, or hang.
#[test]
fn end_of_stream_together_with_data() {
    every_model(|model| {
        let server = Server::start(model, Options::default(), echo);
        for _ in 0..50 {
            let mut stream = server.connect();
            stream.write_all(b"last words").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut back = String::new();
            stream.read_to_string(&mut back).unwrap();
            assert_eq!(back, "last words", "{}", model.name());
        }
    });
}

/// Descriptors are closed and reused at once: an event for the old one must not reach the new.
#[test]
fn descriptor_numbers_are_reused() {
    every_model(|model| {
        let server = Server::start(model, Options::default(), echo);
        for round in 0..100 {
            let mut first = server.connect();
            exchange(&mut first, b"first");
            if round % 2 == 0 {
                drop(first)
            } else {
                reset(first)
            }
            exchange(&mut server.connect(), b"second");
        }
    });
}

#[test]
fn a_reset_in_the_middle_of_a_reply_costs_only_that_connection() {
    every_model(|model| {
        let flood = |_: Engine, mut conn: Conn| async move {
            let _ = conn.fill().await;
            conn.out().put(&vec![b'z'; 8 << 20]);
            let _ = conn.flush().await;
        };
        let server = Server::start(model, Options::default(), flood);
        let mut good = server.connect();
        for _ in 0..10 {
            let mut bad = server.connect();
            bad.write_all(b"go").unwrap();
            bad.read_exact(&mut [0; 1000]).unwrap();
            reset(bad);
        }
        good.write_all(b"go").unwrap();
        let mut back = Vec::new();
        good.read_to_end(&mut back).unwrap();
        assert_eq!(back.len(), 8 << 20, "{}", model.name());
    });
}

/// A reader with a closed window does not hold up the others (in the blocking model it may, by
/// what that model is: one wait at a time is a poll there, so it does not either).
#[test]
fn a_reader_that_does_not_read() {
    every_model(|model| {
        let flood_or_echo = |engine: Engine, mut conn: Conn| async move {
            let _ = conn.fill().await;
            if conn.data() == b"flood" {
                conn.out().put(&vec![b'z'; 8 << 20]);
                let _ = conn.flush().await;
            } else {
                conn.out().put(b"hello");
                let _ = conn.flush().await;
                echo(engine, conn).await;
            }
        };
        let server = Server::start(model, Options::default(), flood_or_echo);
        let mut stuck = server.connect();
        stuck.write_all(b"flood").unwrap();
        stuck.read_exact(&mut [0; 10]).unwrap();
        let mut lively = server.connect();
        lively.write_all(b"hi").unwrap();
        lively.read_exact(&mut [0; 5]).unwrap();
        let mut rest = Vec::new();
        stuck.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len() + 10, 8 << 20, "{}", model.name());
    });
}

#[test]
fn files_between_bytes() {
    let content: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let file = std::sync::Arc::new(file);
    every_model(|model| {
        let (file, length) = (file.clone(), content.len() as u64);
        let send = move |_: Engine, mut conn: Conn| {
            let file = Rc::new(std::os::fd::OwnedFd::from(file.try_clone().unwrap()));
            async move {
                let _ = conn.fill().await;
                conn.out().put(b"head");
                conn.out().push_file(file.clone(), 0..length);
                conn.out().put(b"between");
                conn.out().push_file(file, 10..20);
                conn.flush().await.unwrap();
            }
        };
        let server = Server::start(model, Options::default(), send);
        let mut stream = server.connect();
        stream.write_all(b"go").unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        let expected = [b"head", &content[..], b"between", &content[10..20]].concat();
        assert!(back == expected, "{}: {} bytes", model.name(), back.len());
    });
}

/// A wait that is dropped (a timeout, a select) loses no byte that arrives later or meanwhile.
#[test]
fn a_cancelled_wait_loses_nothing() {
    every_model(|model| {
        let impatient = |engine: Engine, mut conn: Conn| async move {
            let mut seen = Vec::new();
            while seen.len() < 20 {
                let mut turns = 0;
                let mut fill = Box::pin(conn.fill());
                let filled = std::future::poll_fn(|cx| {
                    turns += 1;
                    match fill.as_mut().poll(cx) {
                        std::task::Poll::Ready(result) => std::task::Poll::Ready(Some(result)),
                        std::task::Poll::Pending if turns > 1 => std::task::Poll::Ready(None),
                        std::task::Poll::Pending => {
                            cx.waker().wake_by_ref();
                            std::task::Poll::Pending
                        }
                    }
                })
                .await;
                drop(fill);
                match filled {
                    Some(Ok(Fill::Data)) => {
                        seen.extend_from_slice(conn.data());
                        let n = conn.data().len();
                        conn.consume(n);
                    }
                    Some(_) => return,
                    None => engine.sleep(Duration::from_millis(1)).await,
                }
            }
            conn.out().put(&seen);
            let _ = conn.flush().await;
        };
        let server = Server::start(model, Options::default(), impatient);
        let mut stream = server.connect();
        for byte in b"0123456789abcdefghij" {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert_eq!(back, b"0123456789abcdefghij", "{}", model.name());
    });
}

#[test]
fn a_deadline_ends_a_wait() {
    every_model(|model| {
        let patient = |engine: Engine, mut conn: Conn| async move {
            conn.set_deadline(engine.now().after(Duration::from_millis(30)));
            let error = conn.fill().await.err();
            conn.set_deadline(sockeye_engine::Tick::NEVER);
            conn.out().put(format!("{:?}", error.map(|e| e.kind())).as_bytes());
            let _ = conn.flush().await;
        };
        let server = Server::start(model, Options::default(), patient);
        let mut back = String::new();
        server.connect().read_to_string(&mut back).unwrap();
        assert_eq!(back, "Some(TimedOut)", "{}", model.name());
    });
}

/// One connection with endless work does not starve another (each turn has a budget).
#[test]
fn a_busy_connection_starves_nobody() {
    every_model(|model| {
        let server = Server::start(model, Options::default(), echo);
        let mut busy = server.connect();
        let mut sink = busy.try_clone().unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let writer = std::thread::spawn(move || {
            loop {
                busy.write_all(&[1; 64 * 1024]).unwrap();
                if stopped.try_recv() != Err(mpsc::TryRecvError::Empty) {
                    break;
                }
            }
            busy.shutdown(Shutdown::Write).unwrap();
        });
        let reader = std::thread::spawn(move || std::io::copy(&mut sink, &mut std::io::sink()));
        for _ in 0..20 {
            exchange(&mut server.connect(), b"me too");
        }
        stop.send(()).unwrap();
        writer.join().unwrap();
        assert!(reader.join().unwrap().unwrap() > 0, "{}", model.name());
    });
}

/// Reads the connection until a message comes over a channel beside it. The message is sent from
/// the task that reads, so what tells of it comes before the receive that it should interrupt.
async fn read_until_told(engine: Engine, mut conn: Conn) {
    let (theirs, mut sender) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut channel = engine.connection(theirs.into()).unwrap();
    channel.set_urgent().unwrap();
    let told = Rc::new(Cell::new(false));
    let tell = told.clone();
    engine.spawn(async move {
        channel.fill().await.unwrap();
        tell.set(true);
    });
    let mut fills = 0;
    while !told.get() && matches!(conn.fill().await, Ok(Fill::Data)) {
        conn.consume(conn.data().len());
        fills += 1;
        // The channel is waited for by then.
        if fills == 100 {
            sender.write_all(b"listen").unwrap();
        }
    }
}

/// An engine that serves one connection, which always has bytes, hears what else it is told.
#[test]
fn an_urgent_message_reaches_a_busy_engine() {
    every_model(|model| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let serve = move |engine: Engine| {
            let conn = engine.connection(socket.into()).unwrap();
            read_until_told(engine, conn)
        };
        let thread = std::thread::spawn(move || run(model, &Options::default(), serve));
        let begin = Instant::now();
        // The connection ends when the message has come through.
        while stream.write_all(&[b'x'; 4096]).is_ok() {
            assert!(begin.elapsed() < PATIENCE, "{}: nobody listens", model.name());
        }
        thread.join().unwrap().unwrap();
    });
}

/// Connections that wait with half a message hold no buffer of the ring: many more of them than
/// there are buffers do not keep others out.
#[test]
fn slow_senders_do_not_use_up_a_ring() {
    every_model(|model| {
        let options = Options { ring_buffers: 4, ..Options::default() };
        let lines = |_: Engine, mut conn: Conn| async move {
            while !conn.data().ends_with(b"\n") {
                if !matches!(conn.fill().await, Ok(Fill::Data)) {
                    return;
                }
            }
            let (data, out) = conn.data_and_out();
            out.put(data);
            let _ = conn.flush().await;
        };
        let server = Server::start(model, options, lines);
        let mut slow: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
        slow.iter_mut().for_each(|s| s.write_all(b"half a").unwrap());
        let mut quick = server.connect();
        exchange(&mut quick, b"whole\n");
        for stream in &mut slow {
            stream.write_all(b" line\n").unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            assert_eq!(back, b"half a line\n", "{}", model.name());
        }
    });
}

/// A peer that sends much while its task does not read: memory is bounded and nothing is lost.
#[test]
fn a_task_that_reads_late() {
    every_model(|model| {
        const TOTAL: usize = 4 << 20;
        let late = |engine: Engine, mut conn: Conn| async move {
            let _ = conn.fill().await;
            engine.sleep(Duration::from_millis(100)).await;
            let mut sum = 0u64;
            let mut seen = 0;
            while seen < TOTAL {
                sum += conn.data().iter().map(|b| u64::from(*b)).sum::<u64>();
                seen += conn.data().len();
                let n = conn.data().len();
                conn.consume(n);
                if seen < TOTAL && !matches!(conn.fill().await, Ok(Fill::Data)) {
                    return;
                }
            }
            conn.out().put(&sum.to_be_bytes());
            let _ = conn.flush().await;
        };
        let server = Server::start(model, Options::default(), late);
        let mut stream = server.connect();
        let bytes: Vec<u8> = (0..TOTAL).map(|i| (i % 253) as u8).collect();
        stream.write_all(&bytes).unwrap();
        let mut back = [0; 8];
        stream.read_exact(&mut back).unwrap();
        let expected: u64 = bytes.iter().map(|b| u64::from(*b)).sum();
        assert_eq!(u64::from_be_bytes(back), expected, "{}", model.name());
    });
}

/// Dropping connections, sleeps and tasks that wait, in every state, leaves nothing behind.
#[test]
fn dropping_what_waits() {
    every_model(|model| {
        let parked: Rc<RefCell<Vec<Conn>>> = Rc::default();
        drop(parked);
        let abandon = |engine: Engine, mut conn: Conn| async move {
            let _ = conn.fill().await;
            if conn.data() == b"bye" {
                return;
            }
            conn.consume(conn.data().len());
            let inner = engine.clone();
            engine.spawn(async move {
                let mut fill = Box::pin(conn.fill());
                let _ = std::future::poll_fn(|cx| {
                    let _ = fill.as_mut().poll(cx);
                    std::task::Poll::Ready(())
                })
                .await;
                drop(fill);
                inner.sleep(Duration::from_millis(1)).await;
            });
        };
        let server = Server::start(model, Options::default(), abandon);
        for _ in 0..20 {
            let mut stream = server.connect();
            stream.write_all(b"wait").unwrap();
            let _ = stream.read(&mut [0; 4]);
            let mut stream = server.connect();
            stream.write_all(b"bye").unwrap();
            assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0, "{}", model.name());
        }
    });
}
