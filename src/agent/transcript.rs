//! A stored transcript as text for people: messages, one line for each tool call, errors. All of it is untrusted text.

use super::{head, one_line, plain, tail};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// What stands in front of an end.
const CUT: &str = "[… more before this]\n";
/// How much of a file is read at first to find the end of its text; a transcript says more than people are shown.
const END_FACTOR: u64 = 4;
const END_BYTES_MIN: u64 = 64 * 1024;

/// Some of a stored transcript, as text.
#[derive(Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub text: String,
    /// Where in the file the lines begin that come after it, in bytes.
    pub next: u64,
}

/// The end of a transcript, at most `bytes_max` bytes of text; when there is more, a first line says so. What a program
/// that still runs (`is_whole` is false) has begun to say on its last line is left for the next reading.
///
/// # Errors
/// What reading `file` fails with.
pub fn end_of_transcript(file: &mut (impl Read + Seek), bytes_max: usize, is_whole: bool) -> io::Result<Excerpt> {
    let len = file.seek(SeekFrom::End(0))?;
    let mut window = (bytes_max as u64).saturating_mul(END_FACTOR).max(END_BYTES_MIN);
    loop {
        let from = len.saturating_sub(window);
        // One byte more: whether what is read begins with a whole line.
        let mut raw = vec![];
        file.seek(SeekFrom::Start(from.saturating_sub(1)))?;
        file.by_ref().take(len - from.saturating_sub(1)).read_to_end(&mut raw)?;
        let next = from.saturating_sub(1) + whole_lines(&raw, is_whole).len() as u64;
        let lines = whole_lines(&raw, is_whole);
        let lines = if from == 0 { lines } else { lines.iter().position(|&byte| byte == b'\n').map_or(&[][..], |at| &lines[at + 1..]) };
        let text: String = lines.split_inclusive(|&byte| byte == b'\n').map(render_line).collect();
        if text.len() > bytes_max || from == 0 {
            let end = tail(&text, bytes_max);
            let cut = if end.len() < text.len() { CUT } else { "" };
            return Ok(Excerpt { text: format!("{cut}{end}"), next });
        }
        window = window.saturating_mul(END_FACTOR);
    }
}

/// What a transcript says from byte `from` on, which is the beginning of a line: as many whole lines as fit into `bytes_max`
/// bytes of text, and one that is longer by itself cut to that. None when no line begins there.
///
/// # Errors
/// What reading `file` fails with.
pub fn transcript_from(file: &mut (impl Read + Seek), from: u64, bytes_max: usize, is_whole: bool) -> io::Result<Option<Excerpt>> {
    let len = file.seek(SeekFrom::End(0))?;
    if from > 0 && from != len {
        let mut before = [0];
        file.seek(SeekFrom::Start(from - 1))?;
        if from > len || file.read(&mut before)? == 0 || before != *b"\n" {
            return Ok(None);
        }
    }
    file.seek(SeekFrom::Start(from))?;
    let mut lines = BufReader::new(file.take(len.saturating_sub(from)));
    let mut found = Excerpt { text: String::new(), next: from };
    let mut raw = vec![];
    while lines.read_until(b'\n', &mut raw)? > 0 {
        if whole_lines(&raw, is_whole).is_empty() {
            break;
        }
        let text = render_line(&raw);
        if found.text.len() + text.len() > bytes_max {
            if found.text.is_empty() {
                head(&text, bytes_max).clone_into(&mut found.text);
                found.next += raw.len() as u64;
            }
            break;
        }
        found.text += &text;
        found.next += raw.len() as u64;
        raw.clear();
    }
    Ok(Some(found))
}

/// What ends with an end of line, or all of it.
fn whole_lines(raw: &[u8], is_whole: bool) -> &[u8] {
    if is_whole { raw } else { &raw[..raw.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)] }
}

/// One line of a transcript, whatever it is, as text: none, one or several lines.
fn render_line(raw: &[u8]) -> String {
    let line = String::from_utf8_lossy(raw);
    let line = line.trim_end_matches(['\n', '\r']);
    match serde_json::from_str::<Value>(line) {
        Ok(event) if event.get("type").is_some_and(Value::is_string) => render(&event),
        Ok(_) | Err(_) if line.trim().is_empty() => String::new(),
        Ok(_) | Err(_) => plain(line) + "\n",
    }
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
    use proptest::prelude::*;
    use std::io::Cursor;

    fn end(raw: &str, bytes_max: usize) -> String {
        end_of_transcript(&mut Cursor::new(raw), bytes_max, true).unwrap().text
    }

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
        assert_eq!(end(raw, 1000), "I look.\n▸ bash ls\n  exit code 2\nplain line\n");
    }

    #[test]
    fn the_end_is_kept() {
        let text = end(&"ä".repeat(1000), 101);
        assert!(text.starts_with(CUT) && text.len() < 160 && text.ends_with("ä\n"), "{text}");
        let silent = format!("said\n{}", format!("{}\n", r#"{"type":"hook.start","data":{}}"#).repeat(20_000));
        assert_eq!(end(&silent, 100), "said\n", "what is not shown does not hide what is");
    }

    #[test]
    fn a_line_that_is_being_written_is_left_for_later() {
        let mut file = Cursor::new("one\ntw");
        assert_eq!(end_of_transcript(&mut file, 100, false).unwrap(), Excerpt { text: "one\n".into(), next: 4 });
        assert_eq!(transcript_from(&mut file, 4, 100, false).unwrap(), Some(Excerpt { text: String::new(), next: 4 }));
        assert_eq!(transcript_from(&mut file, 4, 100, true).unwrap(), Some(Excerpt { text: "tw\n".into(), next: 6 }));
        assert_eq!(transcript_from(&mut file, 6, 100, true).unwrap(), Some(Excerpt { text: String::new(), next: 6 }));
        for none in [3, 5, 7, u64::MAX] {
            assert_eq!(transcript_from(&mut file, none, 100, true).unwrap(), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn parts_that_follow_one_another_are_the_whole(lines in proptest::collection::vec("[a-zä\u{1b}]{0,30}", 0..60), bytes_max in 70_usize..300) {
            let raw = lines.join("\n");
            let (mut all, mut at) = (String::new(), 0);
            loop {
                let part = transcript_from(&mut Cursor::new(&raw), at, bytes_max, true).unwrap().expect("a line begins there");
                prop_assert!(part.text.len() <= bytes_max);
                if part.next == at {
                    break;
                }
                all += &part.text;
                at = part.next;
            }
            prop_assert_eq!(at, raw.len() as u64);
            let whole = end_of_transcript(&mut Cursor::new(&raw), usize::MAX, true).unwrap();
            prop_assert_eq!(&whole.text, &all);
            prop_assert_eq!(whole.next, at);
        }
    }
}
