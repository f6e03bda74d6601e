//! Accepts connections, within bounds: a client that opens many, or sends its request slowly, does not keep
//! others from being served.

use crate::mutex::lock;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

/// Connections at one time.
const MAX_CONNECTIONS: usize = 512;
/// Connections at one time from one address.
const MAX_CONNECTIONS_BY_ADDRESS: usize = 128;
/// Time for the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the headers of a request.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Pause after a failure to accept, such as too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Open connections by address.
type Addresses = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection that counts until it is dropped.
struct Admission {
    addresses: Addresses,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    /// Admits a connection from `address`; `None` where there are too many.
    fn of(address: IpAddr, addresses: &Addresses, permits: &Arc<Semaphore>) -> Option<Self> {
        let permit = Arc::clone(permits).try_acquire_owned().ok()?;
        let mut open = lock(addresses);
        let of_address = open.entry(address).or_default();
        if *of_address >= MAX_CONNECTIONS_BY_ADDRESS {
            return None;
        }
        *of_address += 1;
        drop(open);
        Some(Self {
            addresses: Arc::clone(addresses),
            address,
            _permit: permit,
        })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = lock(&self.addresses);
        if let Some(of_address) = open.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Serves `router` on `listener` for ever.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let addresses = Addresses::default();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match Admission::of(peer.ip(), &addresses, &permits) {
                Some(admission) => {
                    drop(tokio::spawn(connection(stream, router.clone(), admission)))
                }
                None => debug!(%peer, "connection refused: too many are open"),
            },
            Err(why) => {
                warn!("http: cannot accept a connection: {why}");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, admission: Admission) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(why) = served {
        debug!("http connection: {why}");
    }
    drop(admission);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections() {
        let (addresses, permits) = (Addresses::default(), Arc::new(Semaphore::new(300)));
        let admit = |last: u8| Admission::of(IpAddr::from([192, 0, 2, last]), &addresses, &permits);
        let mut held: Vec<Admission> = (0..200).filter_map(|_| admit(1)).collect();
        assert_eq!(held.len(), MAX_CONNECTIONS_BY_ADDRESS);
        held.extend((0..200).filter_map(|n| admit(2 + (n % 4) as u8)));
        assert_eq!(
            held.len(),
            300,
            "and all together no more than there are permits"
        );
        held.clear();
        assert!(admit(1).is_some() && addresses.lock().unwrap().is_empty());
    }
}
