//! A served console, and viewers who keep its live updates open.
#![allow(dead_code, reason = "each bench uses a subset")]

use credwatch::commands::console_setup::with_log_in;
use credwatch::config::{Config, Secret};
use credwatch::console::Console;
use credwatch::console::event_history::RecentEvents;
use credwatch::http::{AppState, Server};
use credwatch::metrics::Metrics;
use credwatch::query_router::QueryRouter;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::runtime::Runtime;

const TOKEN: &str = "token-of-the-bench";

/// A console that is served until it is dropped.
pub(crate) struct Served {
    pub(crate) console: Arc<Console>,
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

/// Serves a console, with one thread as `credwatch run` does.
pub(crate) fn serve(
    config: &Config,
    metrics: &Metrics,
    query_router: Option<Arc<QueryRouter>>,
) -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let service = with_log_in(config, "bench", Arc::new(RecentEvents::new(1)));
    let console = Arc::clone(&service.model);
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut state = AppState::without_kafka(listen, metrics.clone(), service, query_router, None);
    state.token = Some(Secret::new(TOKEN.to_owned()));
    let server = runtime.block_on(Server::bind(listen, state)).unwrap();
    let address = server.address().unwrap();
    runtime.spawn(server.serve());
    Served {
        console,
        address,
        _runtime: runtime,
    }
}

/// Sends a request on an open connection.
pub(crate) fn send(mut to: &TcpStream, path: &str) {
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    to.write_all(head.as_bytes()).unwrap();
}

/// Viewers of the stream; each returns the times at which incidents came.
pub(crate) struct Viewers {
    sockets: Vec<TcpStream>,
    threads: Vec<JoinHandle<Vec<Instant>>>,
}

impl Viewers {
    /// Opens `n` streams, and waits until each has had its first update.
    pub(crate) fn open(address: SocketAddr, n: usize) -> Self {
        let (mut sockets, mut threads) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let socket = TcpStream::connect(address).unwrap();
            send(&socket, "/v1/stream");
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            while !lines.next().unwrap().unwrap().starts_with("event: health") {}
            threads.push(std::thread::spawn(move || {
                let incidents = lines
                    .map_while(Result::ok)
                    .filter(|line| line == "event: incident");
                incidents.map(|_| Instant::now()).collect()
            }));
            sockets.push(socket);
        }
        Self { sockets, threads }
    }

    /// Closes the streams; the times at which incidents came, viewer by viewer.
    pub(crate) fn close(self) -> Vec<Vec<Instant>> {
        for socket in &self.sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    }
}
