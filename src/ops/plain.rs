//! Text of agents, models and repositories on its way out: no answer holds control sequences, whoever wrote it.

use serde_json::Value;

/// Takes control sequences out of every string of an answer. Names of fields are ours.
pub(super) fn clean(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => *text = plain(text),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // `ESC [ … letter`, `ESC ] … BEL`, `ESC x`.
            '\u{1b}' => match chars.next() {
                Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while chars.next().is_some_and(|c| c != '\u{7}' && !(c == '\u{1b}' && chars.next_if_eq(&'\\').is_some())) {}
                }
                Some(_) | None => {}
            },
            '\u{9b}' => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
            '\r' if chars.peek() == Some(&'\n') => kept.push(c),
            '\n' | '\t' => kept.push(c),
            c if c.is_control() => {}
            c => kept.push(c),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn nothing_that_moves_a_cursor_gets_out() {
        let mut value = json!({
            "a": "\u{1b}[31mred\u{1b}[0m\u{7} \u{9b}2Jx", "b": ["line\r\nover\rwritten\tok", { "c": "\u{1b}]0;title\u{7}t\u{1b}]8;;x\u{1b}\\u" }], "d": 7,
            "e": "\u{1b}[", "f": "\u{1b}", "g": "ünï\u{0}"
        });
        super::clean(&mut value);
        let expected = json!({ "a": "red x", "b": ["line\r\noverwritten\tok", { "c": "tu" }], "d": 7, "e": "", "f": "", "g": "ünï" });
        assert_eq!(value, expected);
    }
}
