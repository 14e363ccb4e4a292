//! Connections: how many, how slow they may be, how long they may be silent, and how they end. axum's own server knows no limit for a
//! head that never ends, and hyper one limit for both a slow head and a silent connection.

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};

/// Connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;
/// Longest time for a request's head, from its first byte; for the first head, from the connection.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest silence between two requests of a connection: longer than clients keep one to use it again (.NET 60 s, Go and reqwest
/// 90 s), as with Kestrel. Whoever keeps them longer obeys what `Keep-Alive` says, which is less.
const SILENCE: Duration = Duration::from_secs(130);
pub(super) const KEEP_ALIVE: &str = "timeout=120";
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
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE).max_buf_size(HEAD_BYTES_MAX);
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
        let place = Place::default();
        let (line, told) = (Line::new(stream, place.clone()), place.clone());
        let app = TowerToHyperService::new(app.clone());
        let service = service_fn(move |request| {
            told.set(At::Answering);
            let (answer, told) = (app.call(request), told.clone());
            async move {
                let answer = answer.await;
                told.set(At::Between);
                answer
            }
        });
        let connection = http.serve_connection(TokioIo::new(line), service);
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

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// A head is on its way.
    Head,
    /// A request is being answered: its body may take its own time.
    Answering,
    /// The next byte begins another head.
    Between,
}

/// Shared by the bytes of a connection and its requests.
#[derive(Clone, Default)]
struct Place(Arc<AtomicU8>);

impl Place {
    fn set(&self, at: At) {
        self.0.store(at as u8, Ordering::Relaxed);
    }
    fn is(&self, at: At) -> bool {
        self.0.load(Ordering::Relaxed) == at as u8
    }
}

/// The bytes of a connection, which ends when a head takes too long.
struct Line {
    stream: TcpStream,
    place: Place,
    deadline: Pin<Box<Sleep>>,
}

impl Line {
    fn new(stream: TcpStream, place: Place) -> Line {
        place.set(At::Head);
        Line { stream, place, deadline: Box::pin(tokio::time::sleep(HEAD_TIME)) }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() {
            if self.place.is(At::Head) {
                ready!(self.deadline.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            return Poll::Pending;
        }
        if self.place.is(At::Between) && buf.filled().len() > before {
            self.place.set(At::Head);
            self.deadline.as_mut().reset(Instant::now() + HEAD_TIME);
        }
        // Bytes that come one by one are no reason to wait longer.
        if self.place.is(At::Head) && self.deadline.is_elapsed() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
