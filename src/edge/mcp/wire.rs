//! The stdio transport: one JSON-RPC message to a line. It is ours, because every line gets its answer here: rmcp's own
//! drops a line that is too long, is silent about garbage, and ends when a notification comes before `initialize`.
//!
//! Only this writes to stdout, through one task, line by line.

use super::scan::IdScanner;
use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, GetMeta, InitializeRequestParams, ProtocolVersion, RequestId,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Longest line that is read: as much as the HTTP door takes.
pub(super) const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Room that a line leaves behind in memory.
const LINE_BYTES_KEPT: usize = 64 * 1024;
/// Answers that wait for the reader on the other side.
const QUEUE: usize = 64;
/// Longest time that the end of the server waits for its last answers to be read.
const FLUSH: Duration = Duration::from_secs(2);

pub(super) struct Wire<R> {
    read: BufReader<R>,
    line: Line,
    /// A session has begun: from now on rmcp takes notifications.
    begun: bool,
    /// An answer of the wire's own that waits for room in the queue.
    owed: Option<Vec<u8>>,
    queue: Option<mpsc::Sender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    /// Told at the end of the input, so that what waits stops waiting.
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// Looks for the id of a line that is too long to be kept.
    discarded: Option<IdScanner>,
}

enum Read {
    Whole,
    TooLong(IdScanner),
    End,
}

impl<R: AsyncRead + Send + Unpin> Wire<R> {
    pub(super) fn new(read: R, write: impl AsyncWrite + Send + Unpin + 'static, ended: watch::Sender<bool>) -> Wire<R> {
        let (queue, lines) = mpsc::channel(QUEUE);
        Wire {
            read: BufReader::with_capacity(64 * 1024, read),
            line: Line::default(),
            begun: false,
            owed: None,
            queue: Some(queue),
            writer: Some(tokio::spawn(write_lines(write, lines))),
            ended,
        }
    }

    /// The next line, without ever keeping more than a line may have. May be dropped at any await without loss.
    async fn read_line(&mut self) -> io::Result<Read> {
        loop {
            let available = self.read.fill_buf().await?;
            if available.is_empty() {
                return Ok(Read::End);
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..newline.unwrap_or(available.len())];
            let taken = part.len() + usize::from(newline.is_some());
            if self.line.discarded.is_none() && self.line.bytes.len() + part.len() > LINE_BYTES_MAX {
                let mut scanner = IdScanner::default();
                scanner.feed(&self.line.bytes);
                self.line.bytes = Vec::new();
                self.line.discarded = Some(scanner);
            }
            match &mut self.line.discarded {
                Some(scanner) => scanner.feed(part),
                None => self.line.bytes.extend_from_slice(part),
            }
            self.read.consume(taken);
            if newline.is_some() {
                return Ok(self.line.discarded.take().map_or(Read::Whole, Read::TooLong));
            }
        }
    }

    /// What the buffered line means: a message for rmcp, or an answer of our own.
    fn take_line(&mut self) -> Option<ClientJsonRpcMessage> {
        let mut bytes = std::mem::take(&mut self.line.bytes);
        let read = parse(&bytes);
        bytes.clear();
        bytes.shrink_to(LINE_BYTES_KEPT);
        self.line.bytes = bytes;
        match read {
            Ok(Some(message)) => self.admit(message),
            Ok(None) => None,
            Err(refusal) => {
                let (error, id) = *refusal;
                self.owe(error, id);
                None
            }
        }
    }

    /// Before a session has begun, rmcp takes requests only, and ends when anything else comes.
    fn admit(&mut self, message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        if self.begun {
            return Some(message);
        }
        let ClientJsonRpcMessage::Request(request) = &message else {
            tracing::debug!("ignored: there is no session yet");
            return None;
        };
        match &request.request {
            ClientRequest::InitializeRequest(_) => self.begun = true,
            ClientRequest::CustomRequest(custom) if custom.method == "initialize" => {
                let error = why::<InitializeRequestParams>("initialize", custom.params.as_ref());
                self.owe(error, Some(request.id.clone()));
                return None;
            }
            ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => {}
            other => {
                let meta = other.get_meta();
                let known = meta.protocol_version().is_some_and(|version| ProtocolVersion::KNOWN_VERSIONS.contains(&version));
                self.begun = known && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty();
            }
        }
        Some(message)
    }

    fn owe(&mut self, error: ErrorData, id: Option<RequestId>) {
        // `id: null`, where rmcp would leave it out: the specification of JSON-RPC wants it.
        let id = id.map_or(Value::Null, RequestId::into_json_value);
        self.owed = serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": id, "error": error })).ok();
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for Wire<R> {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (queue, line) = (self.queue.clone(), serde_json::to_vec(&item));
        async move {
            let closed = || io::Error::new(io::ErrorKind::NotConnected, "the connection is closed");
            queue.ok_or_else(closed)?.send(line?).await.map_err(|_| closed())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let queue = self.queue.clone()?;
            if self.owed.is_some() {
                let room = queue.reserve().await.ok()?;
                if let Some(line) = self.owed.take() {
                    room.send(line);
                }
            }
            let read = tokio::select! {
                read = self.read_line() => read,
                // Nobody reads any more.
                () = queue.closed() => Ok(Read::End),
            };
            match read {
                Ok(Read::Whole) => {
                    if let Some(message) = self.take_line() {
                        return Some(message);
                    }
                }
                Ok(Read::TooLong(scanner)) => {
                    let text = format!("the line is too long: at most {LINE_BYTES_MAX} bytes are read");
                    self.owe(ErrorData::invalid_request(text, None), scanner.id());
                }
                Ok(Read::End) | Err(_) => {
                    self.ended.send_replace(true);
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = tokio::time::timeout(FLUSH, writer).await;
        }
        Ok(())
    }
}

async fn write_lines(mut write: impl AsyncWrite + Send + Unpin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        if write.write_all(&line).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

type Refusal = Box<(ErrorData, Option<RequestId>)>;

/// A message; nothing for what may be ignored; or the answer to what is no message.
fn parse(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Refusal> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let fault = match serde_json::from_slice(line) {
        Ok(message) => return Ok(Some(message)),
        Err(fault) => fault,
    };
    let mut scanner = IdScanner::default();
    scanner.feed(line);
    let refusal = match serde_json::from_slice::<Value>(line) {
        Err(e) => ErrorData::parse_error(format!("the line is not JSON: {e}"), None),
        // Notifications that nobody has heard of are no fault.
        Ok(value) if value.get("id").is_none() && value["method"].is_string() => return Ok(None),
        Ok(Value::Array(_)) => ErrorData::invalid_request("batches are not taken: send one message to a line", None),
        Ok(_) => {
            let needed = "`jsonrpc`, `id` (a text or a whole number), `method` and `params`";
            ErrorData::invalid_request(format!("the line is no JSON-RPC 2.0 message ({fault}): it needs {needed}"), None)
        }
    };
    Err(Box::new((refusal, scanner.id())))
}

/// Why these are not the parameters of a method: names the field.
pub(super) fn why<T: serde::de::DeserializeOwned>(method: &str, params: Option<&Value>) -> ErrorData {
    let text = match serde_path_to_error::deserialize::<_, T>(params.unwrap_or(&json!({}))) {
        Err(error) => {
            let path = error.path().to_string();
            let place = if path == "." { "`params`".to_owned() } else { format!("`params.{path}`") };
            let said: String = error.into_inner().to_string().chars().take(300).collect();
            format!("{method}: {place}: {}", said.escape_debug())
        }
        Ok(_) => format!("{method}: the parameters do not fit"),
    };
    ErrorData::new(ErrorCode::INVALID_PARAMS, text, None)
}
