//! The simulated network: the same seed gives the same run, and no fault loses or doubles a byte.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sockeye_engine::{Accepted, Conn, Engine, Faults, Fill, Sim, SimId};

const ROUGH: Faults = Faults {
    short_read: 300,
    short_write: 300,
    reset: 0,
    spurious: 50,
    no_descriptor: 100,
    window_bytes_max: 3000,
    delay_ms_max: 40,
};

/// Several clients each send a pattern through an echo server and compare; returns what happened.
fn run(seed: u64, faults: Faults) -> (Sim, std::io::Result<()>, usize) {
    let sim = Sim::new(seed, faults);
    let good = Rc::new(Cell::new(0));
    let (world, counted) = (sim.clone(), good.clone());
    let result = sim.run(|engine| clients(engine, world, counted));
    (sim, result, good.get())
}

async fn clients(engine: Engine, sim: Sim, good: Rc<Cell<usize>>) {
    let (mut listener, address) = engine.sim_listen(&sim).unwrap();
    let acceptor = engine.clone();
    engine.spawn(async move {
        loop {
            match listener.accept().await {
                Ok(Accepted::Connection(conn)) => {
                    acceptor.spawn(crate::harness::echo(acceptor.clone(), conn));
                }
                Ok(Accepted::Exhausted(_)) => {}
                Ok(Accepted::Stopped) | Err(_) => return,
            }
        }
    });
    let left = Rc::new(Cell::new(5));
    let done = Rc::new(RefCell::new(None::<std::task::Waker>));
    for client in 0..5u8 {
        let (left, done, good) = (left.clone(), done.clone(), good.clone());
        let (inner, sim) = (engine.clone(), sim.clone());
        engine.spawn(async move {
            let ended_well = one(&inner, &sim, address, client).await;
            good.set(good.get() + usize::from(ended_well));
            left.set(left.get() - 1);
            if let Some(waker) = done.borrow_mut().take() {
                waker.wake();
            }
        });
    }
    std::future::poll_fn(|cx| {
        *done.borrow_mut() = Some(cx.waker().clone());
        if left.get() == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

async fn one(engine: &Engine, sim: &Sim, address: SimId, client: u8) -> bool {
    let Ok(mut conn) = engine.sim_connect(sim, address) else { return false };
    let length = 1 + sim.roll(20_000) as usize;
    let sent: Vec<u8> = (0..length).map(|i| (i as u8).wrapping_mul(31) ^ client).collect();
    conn.out().put(&sent);
    let mut back = Vec::new();
    // Both directions at once: with both windows full, one after the other would be stuck.
    let ended = std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(Err(_)) = conn.poll_flush(cx, 0) {
            return std::task::Poll::Ready(false);
        }
        loop {
            match conn.poll_fill(cx) {
                std::task::Poll::Ready(Ok(Fill::Data)) => take(&mut conn, &mut back),
                std::task::Poll::Ready(_) => return std::task::Poll::Ready(false),
                std::task::Poll::Pending => return std::task::Poll::Pending,
            }
            if back.len() >= sent.len() {
                return std::task::Poll::Ready(true);
            }
        }
    })
    .await;
    if ended {
        assert!(back == sent, "client {client} got other bytes back");
    } else {
        assert!(sent.starts_with(&back), "client {client}: bytes changed before the reset");
    }
    ended
}

fn take(conn: &mut Conn, into: &mut Vec<u8>) {
    into.extend_from_slice(conn.data());
    let n = conn.data().len();
    conn.consume(n);
}

#[test]
fn no_byte_is_lost_whatever_the_network_does() {
    for seed in 0..300 {
        let (sim, result, good) = run(seed, ROUGH);
        assert!(
            result.is_ok() && good == 5,
            "seed {seed}: {result:?} {good}\n{:#?}",
            sim.trace_tail()
        );
    }
}

#[test]
fn resets_end_a_connection_and_nothing_else() {
    let faults = Faults { reset: 5, ..ROUGH };
    for seed in 0..300 {
        let (sim, result, _) = run(seed, faults);
        assert!(result.is_ok(), "seed {seed}: {result:?}\n{:#?}", sim.trace_tail());
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        let (first, _, _) = run(seed, ROUGH);
        let (second, _, _) = run(seed, ROUGH);
        assert_eq!(first.trace_digest(), second.trace_digest(), "seed {seed}");
        assert!(first.trace_digest().1 > 100);
    }
    assert_ne!(run(1, ROUGH).0.trace_digest(), run(2, ROUGH).0.trace_digest());
}

#[test]
fn a_deadline_beyond_the_reach_of_the_wheel_is_met() {
    for seconds in [1, 64, 65, 66, 75, 3600] {
        let sim = Sim::new(1, Faults::NONE);
        let world = sim.clone();
        let wait = Duration::from_secs(seconds);
        let result = sim.run(|engine| async move {
            let (_listener, address) = engine.sim_listen(&world).unwrap();
            let mut conn = engine.sim_connect(&world, address).unwrap();
            conn.set_deadline(engine.now().after(wait));
            assert_eq!(conn.fill().await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
            let late = engine.now().since(Default::default()).saturating_sub(wait);
            assert!(engine.now().since(Default::default()) >= wait, "{seconds} s: too early");
            assert!(late <= Duration::from_millis(128), "{seconds} s: {late:?} late");
        });
        assert!(result.is_ok(), "{seconds} s: {result:?}");
    }
}
