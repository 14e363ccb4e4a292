//! The terminal: the only place that writes to stdout and stderr, and the only one that knows about colour.

use crate::error::{Error, Result};
use std::io::{BufRead, IsTerminal, Read, Write};

/// Most bytes taken from stdin.
const STDIN_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Writes to stdout. A reader that went away (`| head`) is not an error.
pub(super) fn out(text: &str) {
    let _ = try_out(text);
}

/// Writes to stdout; says whether somebody still reads, for what would go on for ever.
pub(super) fn try_out(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Writes to stderr.
pub(super) fn err(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Whether a person watches stderr, so that lines may be redrawn.
pub(super) fn is_live() -> bool {
    std::io::stderr().is_terminal() && crate::config::named_variable("TERM").is_none_or(|term| term != "dumb")
}

/// Whether stdin is a keyboard, where nothing is piped in.
pub(super) fn is_typed() -> bool {
    std::io::stdin().is_terminal()
}

/// Whether a person can be asked.
pub(super) fn is_conversation() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks; anything but yes is no.
pub(super) fn confirm(question: &str) -> bool {
    err(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().take(100).read_line(&mut answer);
    read.is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

/// Whether to colour what a person sees: stderr for the conversation, stdout for an answer.
fn has_colour(stream: &impl IsTerminal) -> bool {
    let plain = crate::config::named_variable("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !plain && crate::config::named_variable("NO_COLOR").is_none()
}

/// Columns of the terminal, or a width that suits a log.
pub(super) fn width() -> usize {
    crate::config::named_variable("COLUMNS").and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// Everything that is piped in, as text.
pub(super) fn read_stdin(what: &str) -> Result<String> {
    let mut bytes = vec![];
    std::io::stdin()
        .lock()
        .take(STDIN_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::invalid(format!("read {what} from stdin")).because(e))?;
    if bytes.len() as u64 > STDIN_BYTES_MAX {
        return Err(Error::invalid(format!("read {what} from stdin: more than {STDIN_BYTES_MAX} bytes")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid(format!("read {what} from stdin: it is not UTF-8")))
}

/// Text of others, made safe for a terminal: control characters (and with them escape sequences) become visible.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// One line, cut to `columns` characters.
pub(super) fn line(text: &str, columns: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= columns {
        return flat;
    }
    flat.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

#[derive(Clone, Copy)]
pub(super) enum Colour {
    Green,
    Red,
    Yellow,
    Blue,
    Dim,
}

/// Colours a text for stderr, where a person watches.
pub(super) fn paint(colour: Colour, text: &str) -> String {
    if has_colour(&std::io::stderr()) { painted(colour, text) } else { text.to_owned() }
}

/// Colours a text for stdout, where it is not piped.
pub(super) fn paint_answer(colour: Colour, text: &str) -> String {
    if has_colour(&std::io::stdout()) { painted(colour, text) } else { text.to_owned() }
}

fn painted(colour: Colour, text: &str) -> String {
    let code = match colour {
        Colour::Green => "32",
        Colour::Red => "31",
        Colour::Yellow => "33",
        Colour::Blue => "34",
        Colour::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
