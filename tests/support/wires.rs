//! The three ways in which agents talk to a model, for the scripted one: OpenAI chat completions (Copilot CLI), Anthropic
//! messages (Claude Code) and OpenAI responses (Codex). Requests of all three become one `Request`, and a `Step` becomes
//! an answer in the way that was asked.

use super::{Line, Message, Request, Step, reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// How a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Chat,
    Messages,
    Responses,
}

impl Wire {
    /// The way of an endpoint.
    pub fn of(path: &str) -> Option<Wire> {
        let ways = [("/chat/completions", Wire::Chat), ("/messages", Wire::Messages), ("/responses", Wire::Responses)];
        ways.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, wire)| wire)
    }

    /// All that has been said, as messages by `system`, `user`, `assistant` and `tool`.
    pub fn messages(self, body: &Value) -> Vec<Message> {
        match self {
            Wire::Chat => {
                list(&body["messages"]).map(|m| message(m["role"].as_str().unwrap_or_default(), text_of(&m["content"]))).collect()
            }
            Wire::Messages => {
                let system = message("system", text_of(&body["system"]));
                std::iter::once(system).chain(list(&body["messages"]).flat_map(anthropic)).collect()
            }
            Wire::Responses => {
                let system = message("system", text_of(&body["instructions"]));
                std::iter::once(system).chain(list(&body["input"]).filter_map(response_item)).collect()
            }
        }
    }

    /// Names of the tools on offer. A tool in a namespace is `namespace/tool`.
    pub fn tools(self, body: &Value) -> Vec<String> {
        let named = |tool: &Value| -> Vec<String> {
            let name = |tool: &Value| tool["name"].as_str().unwrap_or_default().to_owned();
            match self {
                Wire::Chat => vec![name(&tool["function"])],
                Wire::Responses if tool["type"] == "namespace" => {
                    list(&tool["tools"]).map(|inner| format!("{}/{}", name(tool), name(inner))).collect()
                }
                Wire::Messages | Wire::Responses => vec![name(tool)],
            }
        };
        list(&body["tools"]).flat_map(named).filter(|name| !name.is_empty()).collect()
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn message(role: &str, text: String) -> Message {
    Message { role: role.into(), text, failed: false }
}

/// A message of Anthropic's kind: results of tools come as parts of what the user says.
fn anthropic(whole: &Value) -> Vec<Message> {
    let is_result = |part: &&Value| part["type"] == "tool_result";
    let results = list(&whole["content"]).filter(is_result);
    let mut messages: Vec<Message> =
        results.map(|part| Message { role: "tool".into(), text: text_of(&part["content"]), failed: part["is_error"] == true }).collect();
    let text = text_of(&whole["content"]);
    if messages.is_empty() || !text.is_empty() {
        // What a person says beside a result is put before it: the last message stays the result.
        messages.insert(0, message(whole["role"].as_str().unwrap_or_default(), text));
    }
    messages
}

fn response_item(item: &Value) -> Option<Message> {
    match item["type"].as_str().unwrap_or("message") {
        "message" => Some(message(item["role"].as_str().unwrap_or_default(), text_of(&item["content"]))),
        "function_call" => Some(message("assistant", String::new())),
        "function_call_output" => Some(message("tool", text_of(&item["output"]))),
        _ => None,
    }
}

/// A message's content is text, or a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

/// A tool that the model calls.
struct Call {
    id: String,
    name: String,
    args: Value,
}

impl Call {
    /// The step in the tools of Copilot CLI.
    fn of(request: &Request, step: &Step) -> Option<Call> {
        let place = |path: &str| match request.folder() {
            Some(folder) => Path::new(folder).join(path).to_string_lossy().into_owned(),
            None => path.to_owned(),
        };
        let (name, args) = if let Some(path) = &step.write {
            ("create", json!({ "path": place(path), "file_text": step.content }))
        } else if let Some(path) = &step.edit {
            ("edit", json!({ "path": place(path), "old_str": step.old, "new_str": step.new }))
        } else if let Some(command) = &step.sh {
            ("bash", json!({ "command": command, "description": "a scripted command" }))
        } else {
            (step.call.as_deref()?, if step.args.is_null() { json!({}) } else { step.args.clone() })
        };
        // An id has to be new in its conversation.
        Some(Call { id: format!("call_{}_{}", request.messages.len(), request.turn), name: name.into(), args })
    }
}

/// Server-sent events in chunks: an end without the last, empty chunk is a connection that was cut, not the end of an answer.
struct Events<'a, W: Write>(&'a mut W);

impl<'a, W: Write> Events<'a, W> {
    fn begin(out: &'a mut W) -> io::Result<Events<'a, W>> {
        write!(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        Ok(Events(out))
    }
    fn chunk(&mut self, text: &str) -> io::Result<()> {
        write!(self.0, "{:x}\r\n{text}\r\n", text.len())?;
        self.0.flush()
    }
    fn data(&mut self, data: &dyn std::fmt::Display) -> io::Result<()> {
        self.chunk(&format!("data: {data}\n\n"))
    }
    /// An event that carries its own type.
    fn typed(&mut self, kind: &str, mut data: Value) -> io::Result<()> {
        data["type"] = json!(kind);
        self.chunk(&format!("event: {kind}\ndata: {data}\n\n"))
    }
    fn end(self) -> io::Result<Line> {
        write!(self.0, "0\r\n\r\n")?;
        self.0.flush()?;
        Ok(Line::Open)
    }
}

pub fn answer(out: &mut impl Write, request: &Request, step: &Step) -> io::Result<Line> {
    let call = Call::of(request, step);
    if step.drop && !request.stream {
        write!(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n{{\"id\":")?;
        return Ok(Line::Cut);
    }
    match request.wire {
        Wire::Chat => chat(out, request, step, call),
        Wire::Messages => messages(out, request, step, call),
        Wire::Responses => responses(out, step, call),
    }
}

fn chat(out: &mut impl Write, request: &Request, step: &Step, call: Option<Call>) -> io::Result<Line> {
    let finish = if call.is_some() { "tool_calls" } else { "stop" };
    let usage = json!({ "prompt_tokens": 1000, "completion_tokens": 42, "total_tokens": 1042 });
    let envelope = |kind: &str, choices: Value| json!({ "id": "chatcmpl-fake", "object": kind, "created": 0, "model": request.model, "choices": choices });
    let mut message = json!({ "role": "assistant", "content": step.say });
    if let Some(Call { id, name, args }) = call {
        let function = json!({ "name": name, "arguments": args.to_string() });
        message["tool_calls"] = json!([{ "index": 0, "id": id, "type": "function", "function": function }]);
    }
    if !request.stream {
        let mut whole = envelope("chat.completion", json!([{ "index": 0, "message": message, "finish_reason": finish }]));
        whole["usage"] = usage;
        return reply(out, 200, &BTreeMap::new(), &whole);
    }
    let mut events = Events::begin(out)?;
    let delta = |delta: &Value, finish: Option<&str>| {
        envelope("chat.completion.chunk", json!([{ "index": 0, "delta": delta, "finish_reason": finish }]))
    };
    events.data(&delta(&message, None))?;
    if step.drop {
        return Ok(Line::Cut);
    }
    events.data(&delta(&json!({}), Some(finish)))?;
    let mut last = envelope("chat.completion.chunk", json!([]));
    last["usage"] = usage;
    events.data(&last)?;
    events.data(&"[DONE]")?;
    events.end()
}

fn messages(out: &mut impl Write, request: &Request, step: &Step, call: Option<Call>) -> io::Result<Line> {
    let stop = if call.is_some() { "tool_use" } else { "end_turn" };
    let said = step.say.as_ref().map(|text| json!({ "type": "text", "text": text }));
    let called = call.map(|Call { id, name, args }| json!({ "type": "tool_use", "id": id, "name": name, "input": args }));
    let blocks: Vec<Value> = said.into_iter().chain(called).collect();
    let usage = json!({ "input_tokens": 1000, "output_tokens": 42 });
    let mut message = json!({
        "id": "msg_fake", "type": "message", "role": "assistant", "model": request.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage
    });
    if !request.stream {
        message["content"] = json!(blocks);
        message["stop_reason"] = json!(stop);
        return reply(out, 200, &BTreeMap::new(), &message);
    }
    let mut events = Events::begin(out)?;
    events.typed("message_start", json!({ "message": message }))?;
    if step.drop {
        return Ok(Line::Cut);
    }
    for (index, mut block) in blocks.into_iter().enumerate() {
        let delta = if block["type"] == "text" {
            json!({ "type": "text_delta", "text": std::mem::replace(&mut block["text"], json!("")) })
        } else {
            let args = std::mem::replace(&mut block["input"], json!({}));
            json!({ "type": "input_json_delta", "partial_json": args.to_string() })
        };
        events.typed("content_block_start", json!({ "index": index, "content_block": block }))?;
        events.typed("content_block_delta", json!({ "index": index, "delta": delta }))?;
        events.typed("content_block_stop", json!({ "index": index }))?;
    }
    events.typed("message_delta", json!({ "delta": { "stop_reason": stop, "stop_sequence": null }, "usage": usage }))?;
    events.typed("message_stop", json!({}))?;
    events.end()
}

/// Codex asks for streams only.
fn responses(out: &mut impl Write, step: &Step, call: Option<Call>) -> io::Result<Line> {
    let mut events = Events::begin(out)?;
    events.typed("response.created", json!({ "response": { "id": "resp_fake" } }))?;
    if step.drop {
        return Ok(Line::Cut);
    }
    if let Some(text) = &step.say {
        let content = json!([{ "type": "output_text", "text": text }]);
        let item = json!({ "type": "message", "id": "msg_fake", "role": "assistant", "content": content });
        events.typed("response.output_item.done", json!({ "item": item }))?;
    }
    if let Some(Call { id, name, args }) = call {
        let mut item = json!({ "type": "function_call", "id": format!("f{id}"), "call_id": id, "arguments": args.to_string() });
        match name.split_once('/') {
            Some((namespace, name)) => {
                item["namespace"] = json!(namespace);
                item["name"] = json!(name);
            }
            None => item["name"] = json!(name),
        }
        events.typed("response.output_item.done", json!({ "item": item }))?;
    }
    let usage = json!({
        "input_tokens": 1000, "input_tokens_details": null, "output_tokens": 42, "output_tokens_details": null, "total_tokens": 1042
    });
    events.typed("response.completed", json!({ "response": { "id": "resp_fake", "usage": usage } }))?;
    events.end()
}
