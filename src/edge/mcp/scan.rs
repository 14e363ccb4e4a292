//! Finds the id of a message that is too long, or too broken, to be read: byte by byte, wherever the id stands.

use rmcp::model::RequestId;
use serde_json::Value;

/// Longest id that is recognised.
const ID_BYTES_MAX: usize = 256;
const KEY_BYTES_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct IdScanner {
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// In the value of a field of the message itself.
    in_value: bool,
    key: Vec<u8>,
    id: Vec<u8>,
    found: bool,
}

impl IdScanner {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.found {
                return;
            }
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        let is_id = self.in_value && self.key == b"\"id\"";
        let structure = !self.in_text;
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
        } else {
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth == 1 {
                        return;
                    }
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        match (structure, byte) {
            (true, b':') if self.depth == 1 => self.in_value = true,
            (true, b',') if self.depth == 1 => self.end_of_field(is_id),
            (true, b'}') if self.depth == 0 => self.end_of_field(is_id),
            _ if self.depth != 1 => {}
            _ if is_id && self.id.len() <= ID_BYTES_MAX => self.id.push(byte),
            _ if !self.in_value && !byte.is_ascii_whitespace() && self.key.len() <= KEY_BYTES_MAX => self.key.push(byte),
            _ => {}
        }
    }

    fn end_of_field(&mut self, is_id: bool) {
        self.found = is_id;
        self.in_value = false;
        self.key.clear();
    }

    /// The id, if one was seen.
    pub(super) fn id(&self) -> Option<RequestId> {
        match serde_json::from_slice(&self.id).ok()? {
            Value::String(text) => Some(RequestId::String(text.into())),
            Value::Number(number) => number.as_i64().map(RequestId::Number),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<RequestId> {
        let mut scanner = IdScanner::default();
        for part in text.as_bytes().chunks(3) {
            scanner.feed(part);
        }
        scanner.id()
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        let seven = Some(RequestId::Number(7));
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{"id":8}}"#), seven);
        assert_eq!(id(r#"{"method":"x","params":{"id":8,"a":["id",{"id":9}]},"jsonrpc":"2.0","id": 7 }"#), seven);
        assert_eq!(id(r#"{"a":"\"id\":3,","id":7}"#), seven);
        assert_eq!(id(r#"{"id":7,"params":{"broken"#), seven);
        assert_eq!(id(r#"{"id":"a \" b","x":1}"#), Some(RequestId::String("a \" b".into())));
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in [
            "",
            "{",
            "[1,2]",
            r#"{"id":null}"#,
            r#"{"id":{"id":7}}"#,
            r#"{"id":1.5}"#,
            r#"{"x":"id","y":7}"#,
            "nonsense \"id\":7",
            r#"{"id":7"#,
        ] {
            let found = id(text);
            assert!(found.is_none() || text == r#"{"id":7"#, "{text}: {found:?}");
        }
    }
}
