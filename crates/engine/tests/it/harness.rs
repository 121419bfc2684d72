//! A server on a thread of its own, over a model given by name, and plain blocking clients.

use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use sockeye_engine::{Accepted, Conn, Engine, Fill, Model, Options, Remote, run};

/// How long a client waits before it calls the server stuck.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: SocketAddr,
    remote: Remote,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// Serves each connection by the handler until dropped.
    pub fn start<H, F>(model: Model, options: Options, handler: H) -> Server
    where
        H: Fn(Engine, Conn) -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (send, receive) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            run(model, &options, |engine| {
                send.send(engine.remote()).unwrap();
                serve(engine, listener, handler, stopped)
            })
        });
        Server { address, remote: receive.recv().unwrap(), stop, thread: Some(thread) }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.remote.wake();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

async fn serve<H, F>(engine: Engine, socket: TcpListener, handler: H, stop: Arc<AtomicBool>)
where
    H: Fn(Engine, Conn) -> F + 'static,
    F: Future<Output = ()> + 'static,
{
    let mut listener = engine.listen(socket.into()).unwrap();
    let accepting = engine.clone();
    let handler = Rc::new(handler);
    engine.spawn(async move {
        while let Ok(Accepted::Connection(conn)) = listener.accept().await {
            accepting.spawn(handler(accepting.clone(), conn));
        }
    });
    // The remote ends the engine's wait; the turn's end finds the flag and wakes this future.
    let waker = Rc::new(std::cell::RefCell::new(None::<std::task::Waker>));
    let (flag, waiting) = (stop.clone(), waker.clone());
    engine.at_turn_end(move || {
        if flag.load(Ordering::SeqCst)
            && let Some(waker) = waiting.borrow_mut().take()
        {
            waker.wake();
        }
    });
    std::future::poll_fn(|cx| {
        if stop.load(Ordering::SeqCst) {
            return std::task::Poll::Ready(());
        }
        *waker.borrow_mut() = Some(cx.waker().clone());
        std::task::Poll::Pending
    })
    .await;
}

/// Sends everything back until the end of the stream.
pub async fn echo(_: Engine, mut conn: Conn) {
    while let Ok(fill) = conn.fill().await {
        if fill == Fill::End {
            break;
        }
        let (data, out) = conn.data_and_out();
        out.put(data);
        let n = conn.data().len();
        conn.consume(n);
        if conn.flush().await.is_err() {
            return;
        }
    }
}

/// Runs the case over every model that this kernel has.
pub fn every_model(case: impl Fn(Model)) {
    for model in Model::ALL {
        match model.probe() {
            Ok(()) => case(model),
            Err(error) => eprintln!("{} is not offered here: {error}", model.name()),
        }
    }
}
