//! Text of models and strangers on its way into commits and pull requests: it must not ping people, close issues, link
//! anywhere or draw anything.

/// One line for a commit message: names after `@`, numbers after `#` and addresses are taken apart, so that a forge sees
/// no mention, no reference and nothing to close.
#[must_use]
pub fn plain(text: &str, chars_max: usize) -> String {
    let line = one_line(text, chars_max);
    let mut result = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(c) = rest.chars().next() {
        result.push(c);
        rest = &rest[c.len_utf8()..];
        let next = rest.chars().next();
        let splits = match c {
            '@' | '#' => next.is_some_and(|next| next.is_alphanumeric() || next == '_'),
            ':' => rest.starts_with("//"),
            '-' => result.to_ascii_lowercase().ends_with("gh-") && next.is_some_and(|next| next.is_ascii_digit()),
            _ => false,
        };
        if splits {
            result.push(' ');
        }
    }
    result
}

/// A code span that holds the text whatever it holds: nothing in it is a mention, a reference, a link or a tag.
#[must_use]
pub fn cell(text: &str, chars_max: usize) -> String {
    let line = one_line(text, chars_max);
    if line.is_empty() {
        return "—".into();
    }
    let fence = "`".repeat(longest_run(&line) + 1);
    if fence.len() == 1 { format!("`{line}`") } else { format!("{fence} {line} {fence}") }
}

/// Words as they are where nothing in them can mean anything to a forge, else a code span.
#[must_use]
pub fn words(text: &str, chars_max: usize) -> String {
    let line = one_line(text, chars_max);
    if is_harmless(&line) { line } else { cell(text, chars_max) }
}

/// Letters and the usual marks: no mark-up, no mention, no reference, no address.
fn is_harmless(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let usual = |c: char| c.is_alphanumeric() || " .,;:'\"?()/-+%=…–—".contains(c);
    line.starts_with(char::is_alphabetic)
        && line.chars().all(usual)
        && !["//", "www.", "gh-", "http"].iter().any(|mark| lower.contains(mark))
        // Lines under a heading, and short names of pictures.
        && !["--", "==", "++"].iter().any(|mark| line.contains(mark))
        && !line.split_whitespace().any(|word| word.len() > 2 && word.starts_with(':') && word.ends_with(':'))
}

/// A block of text as it is.
#[must_use]
pub fn fence(text: &str, chars_max: usize) -> String {
    let safe = |c: char| c == '\n' || c == '\t' || !(c.is_control() || is_hidden(c));
    let mut kept: String = text.trim().chars().filter(|c| safe(*c)).take(chars_max).collect();
    if text.trim().chars().count() > chars_max {
        kept += "\n[…]";
    }
    let fence = "`".repeat((longest_run(&kept) + 1).max(3));
    format!("{fence}text\n{kept}\n{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// The first line that says something, without what is not seen.
fn one_line(text: &str, chars_max: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let visible: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_hidden(*c)).collect();
    let words = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= chars_max {
        return words;
    }
    words.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// Characters that are not seen, and may turn the order of what is.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_pings_nobody_and_closes_nothing() {
        for (text, expected) in [
            ("fixes #12, closes acme/shop#3", "fixes # 12, closes acme/shop# 3"),
            ("Resolves https://github.com/a/b/issues/1", "Resolves https: //github.com/a/b/issues/1"),
            ("thanks @ada and @acme/team", "thanks @ ada and @ acme/team"),
            ("closes GH-7", "closes GH- 7"),
            ("C# and a #hash @ home", "C# and a # hash @ home"),
            ("\n\n  first\u{202e} line\u{7}\nsecond", "first line"),
        ] {
            assert_eq!(plain(text, 200), expected, "{text:?}");
        }
        assert_eq!(plain(&"word ".repeat(100), 10), "word word…");
    }

    #[test]
    fn only_harmless_words_stand_as_they_are() {
        for text in ["Check e-mail addresses", "email::check is there, with a test.", "Größe: 12 (neu)", "Both src/a.rs and b.rs", "日本語"]
        {
            assert_eq!(words(text, 200), text);
        }
        for text in [
            "closes #1",
            "thanks @ada",
            "see https://example.org",
            "www.example.org is it",
            "Closes GH-7",
            "an ![image](x)",
            "<img src=x>",
            "# a heading",
            "- a list",
            "1. a list",
            "**bold** and _slanted_",
            "a | b",
            "&lt; and $x$ and \\(",
            "`code`",
            "fine\u{202e} <b>",
            "so :tada: then",
        ] {
            assert_eq!(words(text, 200), cell(text, 200), "{text}");
        }
    }

    #[test]
    fn nothing_escapes_its_fence() {
        assert_eq!(cell("closes #1 <b>", 80), "`closes #1 <b>`");
        assert_eq!(cell("a ``` b `@ada`", 80), "```` a ``` b `@ada` ````");
        assert_eq!(cell(" \n ", 80), "—");
        let text = fence("```\n<img src=x>\n````\n@ada", 100);
        assert!(text.starts_with("`````text\n") && text.ends_with("\n`````\n"), "{text}");
    }
}
