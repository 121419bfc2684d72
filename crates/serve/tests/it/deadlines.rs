//! When the server loses its patience, to the second of the simulated clock.

use std::time::Duration;

use engine::{Faults, Sim};
use sockeye_serve::Options;
use sockeye_serve::files::FolderOptions;
use tempfile::TempDir;

use crate::harness::{Client, Ended, counters, folder, scene, server};

/// Buckets of the engine's wheel and of the way there.
const LATE: Duration = Duration::from_millis(300);

/// Waits for the end; checks that it comes after so many seconds, and not later.
async fn ends_after(client: &mut Client, seconds: u64) {
    let start = client.engine.now();
    assert_eq!(client.end().await, Ok(Ended::Cleanly));
    let took = client.engine.now().since(start);
    let wanted = Duration::from_secs(seconds);
    assert!(took + LATE >= wanted && took <= wanted + LATE, "{took:?}, not {wanted:?}");
}

#[test]
fn patience_ends_at_its_time() {
    let dir = TempDir::new().unwrap();
    let site = || folder(dir.path(), FolderOptions::default());
    scene(site(), Faults::NONE, async |client| ends_after(client, 75).await);
    scene(site(), Faults::NONE, async |client| {
        // Each head has a deadline of its own, from its first byte.
        for _ in 0..3 {
            client.queue(b"GET / HTTP/1.1\r\n");
            client.flush().await.unwrap();
            client.engine.sleep(Duration::from_secs(6)).await;
            client.ask("Host: a\r\n\r\n").await;
        }
        client.queue(b"GET / HTTP/1.1\r\n");
        let start = client.engine.now();
        assert_eq!(client.response(false).await.unwrap().unwrap().status, 408);
        let took = client.engine.now().since(start);
        assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(10) + LATE);
        // The end is told at once, not after the late bytes have been waited for.
        ends_after(client, 0).await;
    });
}

#[test]
fn a_drain_gives_idle_connections_two_seconds() {
    let dir = TempDir::new().unwrap();
    let site = folder(dir.path(), FolderOptions::default());
    let sim = Sim::new(1, Faults::NONE);
    let world = sim.clone();
    let result = sim.run(|engine| async move {
        let server = server(&engine, Options::default(), site, counters());
        let (listener, address) = engine.sim_listen(&world).unwrap();
        server.listen(listener);
        let mut client = Client::connect(&engine, &world, address);
        assert_eq!(client.get("/missing", "").await.status, 404);
        server.drain();
        ends_after(&mut client, 2).await;
        drop(client);
        server.finished().await;
        assert_eq!(server.open(), 0);
    });
    result.unwrap();
}
