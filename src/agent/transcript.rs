//! A stored transcript as text for people: messages, one line for each tool call, errors. All of it is untrusted text.

use super::{one_line, plain, tail};
use serde_json::Value;

/// Renders at most `bytes_max` bytes; when there is more, the end is kept, and a first line says what is missing.
#[must_use]
pub fn render_transcript(raw: &str, bytes_max: usize) -> String {
    let mut text = String::new();
    for line in raw.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(event) if event.get("type").is_some_and(Value::is_string) => text += &render(&event),
            Ok(_) | Err(_) if line.trim().is_empty() => {}
            Ok(_) | Err(_) => {
                text += &plain(line);
                text.push('\n');
            }
        }
    }
    if text.len() <= bytes_max {
        return text;
    }
    let end = tail(&text, bytes_max);
    format!("[… {} bytes before this]\n{end}", text.len() - end.len())
}

/// One event in a line or a paragraph; nothing for what people need not see.
fn render(event: &Value) -> String {
    let data = &event["data"];
    let who = if event.get("agentId").is_some_and(|id| !id.is_null()) { "  (sub-agent) " } else { "" };
    let text = |key: &str| data[key].as_str().unwrap_or_default();
    match event["type"].as_str().unwrap_or_default() {
        "assistant.message" if !text("content").trim().is_empty() => format!("{who}{}\n", plain(text("content").trim())),
        "tool.execution_start" => {
            let arguments = &data["arguments"];
            let about = ["command", "path", "description", "pattern"].iter().find_map(|key| arguments[*key].as_str());
            format!("{who}▸ {} {}\n", one_line(text("toolName")), one_line(about.unwrap_or_default()))
        }
        "tool.execution_complete" if data["success"] == false => {
            format!("{who}  ✗ {}\n", one_line(data["error"]["message"].as_str().unwrap_or("failed")))
        }
        "tool.execution_complete" => match data["shellExecution"]["exitCode"].as_i64() {
            Some(code) if code != 0 => format!("{who}  exit code {code}\n"),
            Some(_) | None => String::new(),
        },
        "assistant.turn_retry" => format!("  … tries again: {}\n", one_line(text("reason"))),
        "session.error" => format!("✗ {}\n", one_line(text("message"))),
        "session.warning" => format!("! {}\n", one_line(text("message"))),
        "session.task_complete" => format!("✓ {}\n", plain(text("summary"))),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_reads_like_a_conversation() {
        let raw = concat!(
            r#"{"type":"user.message","data":{"content":"secret prompt"}}"#,
            "\n",
            r#"{"type":"assistant.message","data":{"content":"I look.\u001b[2J"}}"#,
            "\n",
            r#"{"type":"tool.execution_start","data":{"toolName":"bash","arguments":{"command":"ls"}}}"#,
            "\n",
            r#"{"type":"tool.execution_complete","data":{"success":true,"shellExecution":{"exitCode":2}}}"#,
            "\nplain line\n",
        );
        assert_eq!(render_transcript(raw, 1000), "I look.\n▸ bash ls\n  exit code 2\nplain line\n");
    }

    #[test]
    fn the_end_is_kept() {
        let raw = "ä".repeat(1000);
        let text = render_transcript(&raw, 101);
        assert!(text.starts_with("[… ") && text.len() < 160 && text.ends_with("ä\n"), "{text}");
    }
}
