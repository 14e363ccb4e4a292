//! The least that can be had over HTTP: an axum handler that returns a constant, on connections with the settings of `aura serve`.

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::TcpListener;

/// Serves what a file holds, until it is killed.
#[allow(clippy::print_stderr)] // Where `aura serve` says it, too.
pub fn answer(file: &str) {
    let body = Bytes::from(std::fs::read(file).expect("the answer"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let reply = move || async move { ([(header::CONTENT_TYPE, "application/json")], body.clone()) };
        let app = Router::new().route("/constant", get(reply));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        eprintln!("Aura: http://{}", listener.local_addr().expect("an address"));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).max_buf_size(32 * 1024);
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            let _ = stream.set_nodelay(true);
            tokio::spawn(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone())));
        }
    });
}
