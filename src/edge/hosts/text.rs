//! Edits of other programs' files as text: what is not part of a change keeps every byte, and a change is only handed out
//! after the file has been read again and says what it should.

use super::{json_text, toml_text};
use serde_json::{Map, Value};
use std::ops::Range;

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Json,
    /// JSON with comments and trailing commas.
    Jsonc,
    Toml,
}

/// Why a text cannot be used, and where.
#[derive(Debug)]
pub(super) struct Fault {
    at: usize,
    why: String,
}

impl Fault {
    pub(super) fn new(at: usize, why: impl Into<String>) -> Fault {
        Fault { at, why: why.into() }
    }

    /// `line 3, column 7: …`
    pub(super) fn say(&self, text: &str) -> String {
        let before = &text[..text.floor_char_boundary(self.at.min(text.len()))];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().trim_start_matches(BOM).chars().count() + 1;
        format!("line {line}, column {column}: {}", self.why)
    }
}

/// One replacement of bytes.
pub(super) struct Edit {
    pub at: Range<usize>,
    pub text: String,
}

impl Edit {
    pub(super) fn new(at: Range<usize>, text: impl Into<String>) -> Edit {
        Edit { at, text: text.into() }
    }
    pub(super) fn insert(at: usize, text: impl Into<String>) -> Edit {
        Edit::new(at..at, text)
    }
}

/// Makes edits that do not overlap; those at one place stay in their order.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.at.start);
    let (mut done, mut new) = (0, String::with_capacity(text.len()));
    for edit in edits {
        new += &text[done..edit.at.start];
        new += &edit.text;
        done = edit.at.end;
    }
    new + &text[done..]
}

const BOM: char = '\u{feff}';

/// Where an entry is: a named one in a section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    pub syntax: Syntax,
    pub section: &'a str,
    pub name: &'a str,
}

impl Slot<'_> {
    /// The entry, if there is one.
    pub(super) fn find(self, text: &str) -> Result<Option<Value>, Fault> {
        Ok(self.section(text)?.get(self.name).cloned())
    }

    /// All named entries beside it.
    pub(super) fn section(self, text: &str) -> Result<Value, Fault> {
        match self.whole(body(text))?.get(self.section) {
            None => Ok(Map::new().into()),
            Some(section) if section.is_object() => Ok(section.clone()),
            Some(_) => Err(Fault::new(0, format!("`{}` does not hold named entries", self.section))),
        }
    }

    /// The text with that entry, added at the end of its section or in the place of the one that is there.
    pub(super) fn put(self, text: &str, entry: &Value) -> Result<String, Fault> {
        let new = match self.syntax {
            Syntax::Json | Syntax::Jsonc => json_text::put(body(text), self, entry)?,
            Syntax::Toml => toml_text::put(body(text), self, entry)?,
        };
        self.checked(text, &new, Some(entry))
    }

    /// The text without the entry.
    pub(super) fn remove(self, text: &str) -> Result<String, Fault> {
        let new = match self.syntax {
            Syntax::Json | Syntax::Jsonc => json_text::remove(body(text), self)?,
            Syntax::Toml => toml_text::remove(body(text), self)?,
        };
        self.checked(text, &new, None)
    }

    fn whole(self, body: &str) -> Result<Value, Fault> {
        match self.syntax {
            Syntax::Json | Syntax::Jsonc => json_text::read(body, self),
            Syntax::Toml => toml_text::read(body),
        }
    }

    /// The new text, if it says what the old one said, but for the entry.
    fn checked(self, text: &str, new: &str, entry: Option<&Value>) -> Result<String, Fault> {
        let by_hand = || Fault::new(0, "it is written in a way that cannot be edited safely");
        let mut expected = self.whole(body(text))?;
        let top = expected.as_object_mut().ok_or_else(by_hand)?;
        let section = top.entry(self.section).or_insert_with(|| Map::new().into()).as_object_mut().ok_or_else(by_hand)?;
        match entry {
            Some(entry) => drop(section.insert(self.name.into(), entry.clone())),
            None => drop(section.shift_remove(self.name)),
        }
        let is_empty = section.is_empty();
        let mut found = self.whole(new).map_err(|_| by_hand())?;
        // A TOML section is there as long as something is in it.
        if let Some(top) = found.as_object_mut().filter(|_| is_empty) {
            top.entry(self.section).or_insert_with(|| Map::new().into());
        }
        if found != expected {
            return Err(by_hand());
        }
        Ok(if text.starts_with(BOM) { format!("{BOM}{new}") } else { new.to_owned() })
    }
}

fn body(text: &str) -> &str {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// How lines of a text end.
pub(super) fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Where the line of that place begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// After the line of that place, its end included.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The lines that differ, `-` before and `+` after. Nothing around them: the neighbours may hold secrets.
pub(super) fn diff(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[same..], &new[same..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut text = format!("@@ line {} @@\n", same + 1);
    for line in &old_rest[..old_rest.len() - tail] {
        text += &format!("-{line}\n");
    }
    for line in &new_rest[..new_rest.len() - tail] {
        text += &format!("+{line}\n");
    }
    text
}
