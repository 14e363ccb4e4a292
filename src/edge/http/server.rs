//! Connections: how many, how slow they may be, and how they end. axum's own server knows no limit for a head that never ends.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// Longest time for a request's head, and longest silence between two requests of a connection.
const HEAD_SECONDS: Duration = Duration::from_secs(10);
/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What is being answered when the server ends has so much time.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// After a failure to accept, for example because the process is out of files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` resolves. Streams are ended by whoever feeds them.
pub(super) async fn serve(listener: TcpListener, app: Router, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_SECONDS).max_buf_size(HEAD_BYTES_MAX);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! { next = next => next, () = &mut stop => break };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // An event is not worth waiting for more bytes.
        let _ = stream.set_nodelay(true);
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that goes away in the middle is no event.
            let _ = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_WORDS, graceful.shutdown()).await;
}
