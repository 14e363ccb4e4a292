//! The `openai` planner against a real socket: good and wrong answers, refusals, waits, silence and floods.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use aura::error::Code;
use aura::planner::{
    Endpoint, Given, OpenAi, PlanBrief, Planner, PlannerConfig, PlannerError, PlannerKind, Secret, build, propose_checked,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const GOOD: &str = r#"{"tasks":[{"id":"a","title":"Parse","description":"Parse the words.","files":["src/a.rs"]}]}"#;
const WRONG: &str = r#"{"tasks":[{"id":"a","title":"Parse","description":"Parse.","dependsOn":["b"]}]}"#;
const KEY: &str = "sk-very-secret";

/// What the server does with one request.
#[derive(Clone)]
enum Reply {
    /// Status, more header lines, body.
    Http(u16, &'static str, String),
    /// A chat completion with this text.
    Text(&'static str),
    /// Keeps the connection open and says nothing.
    Silence,
    /// More bytes than anyone wants.
    Flood,
    /// Closes the connection.
    HangUp,
}

struct Asked {
    path: String,
    key: Option<String>,
    body: Value,
}

/// Answers one request per reply, then none. The requests come out of the channel.
fn serve(replies: Vec<Reply>) -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        let mut held = vec![];
        for reply in replies {
            let Ok((stream, _)) = listener.accept() else { return };
            let _ = tell.send(request(&stream));
            held.extend(answer(stream, reply));
        }
        // The silent connections stay open as long as anyone may wait for them.
        while listener.accept().is_ok() {}
        drop(held);
    });
    (address, asked)
}

fn request(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let body = match header("content-length") {
        Some(length) => {
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            body
        }
        None => chunked(&mut reader),
    };
    Asked { path: lines[0].clone(), key: header("authorization"), body: serde_json::from_slice(&body).unwrap() }
}

fn chunked(reader: &mut impl BufRead) -> Vec<u8> {
    let mut body = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).unwrap();
        if length == 0 {
            return body;
        }
        body.extend(&chunk[..length]);
    }
}

fn answer(mut stream: TcpStream, reply: Reply) -> Option<TcpStream> {
    let (status, headers, body) = match reply {
        Reply::Http(status, headers, body) => (status, headers, body),
        Reply::Text(text) => (200, "", completion(text, "stop")),
        Reply::Silence => return Some(stream),
        Reply::HangUp => return None,
        Reply::Flood => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            while stream.write_all(&[b' '; 8192]).is_ok() {}
            return None;
        }
    };
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body.as_bytes());
    None
}

fn completion(text: &str, reason: &str) -> String {
    json!({"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}]}).to_string()
}

fn planner(base_url: &str, timeout: Duration) -> OpenAi {
    let key = Some(Secret::new(KEY.into()));
    OpenAi::new(Endpoint { base_url: base_url.into(), model: "m-1".into(), key, timeout }).unwrap()
}

fn brief() -> PlanBrief {
    PlanBrief { title: "Count words".into(), description: "Count them well.".into(), ..PlanBrief::default() }
}

/// What comes of these replies, with all requests that were made.
fn plan(replies: Vec<Reply>) -> (Result<usize, PlannerError>, Vec<Asked>) {
    let (address, asked) = serve(replies);
    let planned = propose_checked(&planner(&address, Duration::from_secs(20)), &brief()).map(|(plan, _)| plan.tasks.len());
    (planned, asked.try_iter().collect())
}

#[test]
fn a_good_answer_is_a_plan() {
    let (planned, asked) = plan(vec![Reply::Text(GOOD)]);
    assert_eq!(planned.unwrap(), 1);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(asked[0].key.as_deref(), Some("Bearer sk-very-secret"));
    assert_eq!(asked[0].body["model"], "m-1");
    assert_eq!(asked[0].body["response_format"]["type"], "json_schema");
    assert!(asked[0].body["messages"][1]["content"].as_str().unwrap().contains("Count them well."));
}

#[test]
fn an_endpoint_without_schemas_is_asked_without_one_from_then_on() {
    let unknown = Reply::Http(400, "", r#"{"error":{"message":"unknown field response_format"}}"#.into());
    let (address, asked) = serve(vec![unknown, Reply::Text(GOOD), Reply::Text(GOOD)]);
    let planner = planner(&address, Duration::from_secs(20));
    assert!(propose_checked(&planner, &brief()).is_ok());
    assert!(propose_checked(&planner, &brief()).is_ok());
    let held: Vec<bool> = asked.try_iter().map(|asked| asked.body.get("response_format").is_some()).collect();
    assert_eq!(held, [true, false, false]);
}

#[test]
fn a_wrong_plan_is_sent_back_once() {
    let (planned, asked) =
        plan(vec![Reply::Text(WRONG), Reply::Text("```json\n{\"tasks\":[{\"id\":1,\"title\":\"A\",\"prompt\":\"Do.\"}]}\n```")]);
    assert_eq!(planned.unwrap(), 1);
    let second = asked[1].body["messages"][1]["content"].as_str().unwrap();
    assert!(second.contains("task `a`: it depends on `b`, which is not in the plan"), "{second}");

    let (planned, asked) = plan(vec![Reply::Text(WRONG), Reply::Text("I cannot."), Reply::Text(GOOD)]);
    let error = planned.unwrap_err();
    assert_eq!((asked.len(), error.code()), (2, Code::InvalidPlan));
    assert!(matches!(&error, PlannerError::Invalid { faults, .. } if faults[0].message.contains("no JSON object")), "{error}");

    let cut = Reply::Http(200, "", completion(&GOOD[..30], "length"));
    let (planned, asked) = plan(vec![cut, Reply::Text(GOOD)]);
    assert_eq!(planned.unwrap(), 1);
    assert!(asked[1].body["messages"][1]["content"].as_str().unwrap().contains("fewer tasks"));
}

#[test]
fn refusals_are_told_apart_and_asked_only_once() {
    let error = |message: &str| json!({"error": {"message": message}}).to_string();
    let table: Vec<(Reply, Code, &str)> = vec![
        (
            Reply::Http(401, "", error("Incorrect API key provided: sk-very-secret")),
            Code::NeedsLogin,
            "HTTP 401: Incorrect API key provided: …",
        ),
        (Reply::Http(403, "", error("not in your\n\u{1b}[31mcountry")), Code::NeedsPerson, "HTTP 403: not in your [31mcountry"),
        (Reply::Http(404, "", "<html>".into()), Code::NeedsPerson, "HTTP 404"),
        (Reply::Http(302, "location: http://127.0.0.1:1/\r\n", String::new()), Code::NeedsPerson, "HTTP 302"),
        (Reply::Http(500, "", error("boom")), Code::Unavailable, "HTTP 500: boom"),
        (Reply::Http(503, "", String::new()), Code::Unavailable, "HTTP 503"),
        (Reply::Http(503, "retry-after: 3600\r\n", String::new()), Code::Unavailable, "HTTP 503"),
        (Reply::Http(429, "", error("slow down")), Code::LimitReached, "HTTP 429: slow down"),
        (Reply::Http(429, "retry-after: 3600\r\n", String::new()), Code::LimitReached, "for 3600 s"),
        (
            Reply::Http(429, "date: Mon, 23 Nov 2026 08:00:00 GMT\r\nretry-after: Mon, 23 Nov 2026 08:10:00 GMT\r\n", String::new()),
            Code::LimitReached,
            "for 600 s",
        ),
        (Reply::Http(200, "", "<html>".into()), Code::Unavailable, "not JSON"),
        (Reply::Http(200, "", "{}".into()), Code::Unavailable, "no text"),
        (Reply::Http(200, "", completion("", "content_filter")), Code::NeedsPerson, "content filter"),
        (Reply::Http(200, "", json!({"choices":[{"message":{"content":null,"refusal":"No."}}]}).to_string()), Code::NeedsPerson, "No."),
        (Reply::Flood, Code::LimitReached, "longer than"),
        (Reply::HangUp, Code::Unavailable, "cannot be reached"),
    ];
    for (reply, code, message) in table {
        let (planned, asked) = plan(vec![reply, Reply::Text(GOOD)]);
        let error = planned.expect_err(message);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(!format!("{error} {error:?}").contains(KEY), "the key is never shown: {error:?}");
        assert_eq!(asked.len(), 1, "{error}");
    }
}

#[test]
fn short_waits_are_kept_and_bounded() {
    let wait = || Reply::Http(429, "retry-after: 0\r\n", String::new());
    let (planned, asked) = plan(vec![wait(), Reply::Http(503, "retry-after: 1\r\n", String::new()), Reply::Text(GOOD)]);
    assert_eq!((planned.unwrap(), asked.len()), (1, 3));
    let (planned, asked) = plan(vec![wait(), wait(), wait(), wait()]);
    assert!(matches!(planned, Err(PlannerError::RateLimited { retry_after_s: Some(0), .. })));
    assert_eq!(asked.len(), 3);
    // A wait that would pass the deadline is not begun.
    let (address, _asked) = serve(vec![Reply::Http(429, "retry-after: 20\r\n", String::new())]);
    let started = Instant::now();
    let error = planner(&address, Duration::from_secs(10)).propose(&brief()).unwrap_err();
    assert!(matches!(error, PlannerError::RateLimited { retry_after_s: Some(20), .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn silence_ends_at_the_deadline() {
    let (address, _asked) = serve(vec![Reply::Silence]);
    let error = planner(&address, Duration::from_millis(300)).propose(&brief()).unwrap_err();
    assert_eq!(error.code(), Code::TimedOut, "{error}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = planner(&format!("http://{nobody}"), Duration::from_secs(20)).propose(&brief()).unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_local_endpoint_needs_no_key_and_answers_questions_in_words() {
    let (address, asked) = serve(vec![Reply::Text("It is small."), Reply::Http(200, "", completion("It is", "length"))]);
    let config = PlannerConfig {
        kind: PlannerKind::OpenAi,
        base_url: Some(format!("{address}/")),
        model: Some("m-1".into()),
        ..PlannerConfig::default()
    };
    let planner = build(&config, Given::default()).unwrap();
    assert_eq!(planner.answer("Is it?").unwrap().as_deref(), Some("It is small."));
    assert_eq!(planner.answer("Is it?").unwrap().as_deref(), Some("It is"), "half a reading is a reading");
    let first = asked.recv().unwrap();
    assert_eq!((first.key, first.path.as_str()), (None, "POST /v1/chat/completions HTTP/1.1"));
    assert!(first.body.get("response_format").is_none());
}
