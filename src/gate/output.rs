//! What a check printed, as far as it goes into a report: cleaned of what is meant for a terminal, and bounded so that
//! the lines that say what failed are still there. Never decides anything.

/// A longer line is a bundle or a blob, and says nothing more.
const LINE_CHARS_MAX: usize = 600;
/// The beginning tells how it started, however small the rest has to be.
const HEAD_BYTES: usize = 4 * 1024;
/// Lines around one that speaks of an error.
const BEFORE: usize = 2;
const AFTER: usize = 8;

/// Text without escape sequences, overwritten parts of lines and control characters.
pub(super) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = without_escapes(&text);
    let mut cleaned = String::with_capacity(text.len());
    for line in text.split('\n') {
        // A progress bar goes back to the start of its line: what was there last counts.
        let line = line.trim_end_matches('\r');
        let line = line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
        let mut chars = line.chars().filter(|c| *c == '\t' || !is_unseen(*c));
        cleaned.extend(chars.by_ref().take(LINE_CHARS_MAX));
        let more = chars.count();
        if more > 0 {
            cleaned.extend([" … ", &more.to_string(), " characters left out …"]);
        }
        cleaned.truncate(cleaned.trim_end().len().max(cleaned.rfind('\n').map_or(0, |at| at + 1)));
        cleaned.push('\n');
    }
    cleaned.trim_matches('\n').to_owned()
}

/// Control characters, and those that make text look like another text.
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => skip_control_sequence(&mut chars),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut chars),
                // A character set is named by one character more.
                Some('(' | ')' | '*' | '+' | '#' | '%') => drop(chars.next()),
                Some('\n') => plain.push('\n'),
                Some(_) | None => {}
            },
            '\u{9b}' => skip_control_sequence(&mut chars),
            _ => plain.push(c),
        }
    }
    plain
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Up to its final character; never over the end of a line, so that a torn sequence costs one line at most.
fn skip_control_sequence(chars: &mut Chars) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        if ('\u{40}'..='\u{7e}').contains(&c) {
            return;
        }
    }
}

/// Up to a bell or `ESC \`.
fn skip_string(chars: &mut Chars) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
            return;
        }
    }
}

/// The two streams of a program as one text of at most `bytes_max`: what one of them does not need is the other's.
pub(super) fn both(out: &str, err: &str, bytes_max: usize) -> String {
    const BETWEEN: &str = "\n--- stderr ---\n";
    match (out.is_empty(), err.is_empty()) {
        (_, true) => condense(out, bytes_max),
        (true, false) => condense(err, bytes_max),
        (false, false) => {
            let room = bytes_max.saturating_sub(BETWEEN.len());
            let for_out = if err.len() <= room / 2 { room - err.len() } else { room / 2 };
            let out = condense(out, for_out);
            let err = condense(err, room - out.len());
            format!("{out}{BETWEEN}{err}")
        }
    }
}

/// At most `bytes_max` of a cleaned text: its head, what surrounds the lines that speak of errors, and its tail, with
/// marks for what is missing.
pub(super) fn condense(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let head_max = HEAD_BYTES.min(bytes_max / 4);
    let mut keep = Keep { lines: &lines, kept: vec![false; lines.len()], bytes: 0, gaps: 1, bytes_max };
    let mut head = 0;
    while head < lines.len() && keep.bytes + lines[head].len() < head_max && keep.add(head) {
        head += 1;
    }
    let tail_max = keep.bytes + bytes_max / 4;
    let mut tail = lines.len();
    while tail > head && keep.bytes + lines[tail - 1].len() < tail_max && keep.add(tail - 1) {
        tail -= 1;
    }
    let errors = (head..tail).filter(|&at| speaks_of_error(lines[at]));
    let mut around = errors.flat_map(|at| at.saturating_sub(BEFORE).max(head)..(at + AFTER + 1).min(tail));
    while around.next().is_some_and(|near| keep.add(near)) {}
    // What is left belongs to the end, where programs sum up.
    while tail > head && keep.add(tail - 1) {
        tail -= 1;
    }
    keep.text()
}

/// A mark never takes more than this.
const MARK_BYTES: usize = 48;

struct Keep<'a> {
    lines: &'a [&'a str],
    kept: Vec<bool>,
    /// Of the kept lines and their ends.
    bytes: usize,
    /// At most so many marks will be needed.
    gaps: usize,
    bytes_max: usize,
}

impl Keep<'_> {
    /// Keeps a line if it still fits, with the marks that are then needed.
    fn add(&mut self, at: usize) -> bool {
        if self.kept[at] {
            return true;
        }
        let beside = |other: Option<usize>| other.is_none_or(|other| self.kept.get(other).copied().unwrap_or(true));
        let gaps = match (beside(at.checked_sub(1)), beside(Some(at + 1))) {
            (true, true) => self.gaps - 1,
            (true, false) | (false, true) => self.gaps,
            (false, false) => self.gaps + 1,
        };
        let bytes = self.bytes + self.lines[at].len() + 1;
        let fits = bytes + gaps * MARK_BYTES <= self.bytes_max;
        if fits {
            (self.kept[at], self.bytes, self.gaps) = (true, bytes, gaps);
        }
        fits
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes_max);
        let mut missing = 0_usize;
        let end = [(&"", &true)];
        for (line, kept) in self.lines.iter().zip(&self.kept).chain(end) {
            if !kept {
                missing += 1;
                continue;
            }
            if missing > 0 {
                let mark = format!("… {missing} lines left out …\n");
                // Where there is no room even for that, silence is bounded too.
                if text.len() + mark.len() <= self.bytes_max {
                    text.push_str(&mark);
                }
                missing = 0;
            }
            if text.len() + line.len() < self.bytes_max {
                text.push_str(line);
                text.push('\n');
            }
        }
        text.truncate(text.trim_end_matches('\n').len());
        text
    }
}

/// Whether a line is one that people look for when something failed.
fn speaks_of_error(line: &str) -> bool {
    const ANYWHERE: [&str; 23] = [
        "error:",
        "error[",
        "Error:",
        "Exception:",
        "[ERROR]",
        "ERROR",
        "FAILED",
        "panicked",
        "assertion",
        "Assertion",
        "Traceback",
        "✗",
        "✕",
        "✖",
        "not ok",
        "--- FAIL",
        "undefined reference",
        "fatal:",
        // Test runners of .NET: xunit's own line, the frame of VSTest, and the assertion.
        "[FAIL]",
        "Error Message:",
        "Assert.",
        "Stack Trace:",
        "failed with",
    ];
    let start = line.trim_start();
    let code = || line.split_once("error ").is_some_and(|(_, rest)| is_code(rest));
    let failed = start.strip_prefix("Failed ").or_else(|| start.strip_prefix("failed ")).is_some_and(|rest| rest.contains('['));
    failed
        || code()
        || ANYWHERE.iter().any(|mark| line.contains(mark))
        || start.starts_with("FAIL")
        || start.starts_with("E  ")
        || start.starts_with("× ")
}

/// A tool's number for an error: two or more capitals, digits, a colon, like `CS1002:`.
fn is_code(text: &str) -> bool {
    let letters = text.chars().take_while(char::is_ascii_uppercase).count();
    let digits = text.chars().skip(letters).take_while(char::is_ascii_digit).count();
    letters >= 2 && digits >= 3 && text[letters + digits..].starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_meant_for_a_terminal_is_gone() {
        let rows: [(&[u8], &str); 13] = [
            (b"\x1b[1;31merror\x1b[0m: x", "error: x"),
            (b"\x1b]8;;http://x\x07link\x1b]8;;\x1b\\ end", "link end"),
            (b"\x1b(Ba\x1b7b\x1b=c", "abc"),
            (b" 10%\r 50%\r100% done\nnext", "100% done\nnext"),
            (b"done\r\nnext\r\n", "done\nnext"),
            (b"abc\r   \rlast\r", "last"),
            (b"bell\x07 null\x00 back\x08", "bell null back"),
            (b"tab\tkept", "tab\tkept"),
            (b"\xff\xfe bad", "\u{fffd}\u{fffd} bad"),
            (b"torn \x1b[12\nnext", "torn\nnext"),
            (b"torn \x1b]0;title\nnext", "torn\nnext"),
            ("bidi \u{202e}abc\u{2066}".as_bytes(), "bidi abc"),
            (b"\n\na  \n\nb\n\n", "a\n\nb"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(clean(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_very_long_line_is_cut() {
        let line = clean(&[b'x'; 5000]);
        assert!(line.ends_with("x … 4400 characters left out …"), "{line}");
    }

    #[test]
    fn the_error_in_the_middle_of_much_noise_is_kept_with_its_surroundings() {
        let mut lines: Vec<String> = (0..20_000).map(|n| format!("warning number {n} about nothing")).collect();
        lines[9_000] = "error[E0425]: cannot find value `x`".to_owned();
        lines[9_001] = "  --> src/lib.rs:3:5".to_owned();
        lines[15_000] = "--- FAIL: TestSecond (0.00s)".to_owned();
        let short = condense(&lines.join("\n"), 16 * 1024);
        assert!(short.len() <= 16 * 1024, "{}", short.len());
        for part in ["warning number 0 ", "number 8998 ", "error[E0425]", "src/lib.rs:3:5", "number 9008 ", "TestSecond", "number 19999 "] {
            assert!(short.contains(part), "{part} is missing");
        }
        let marks: Vec<&str> = short.lines().filter(|line| line.contains("lines left out")).collect();
        assert_eq!(marks.len(), 3, "{marks:?}");
        let counted: usize = marks.iter().map(|mark| mark.split(' ').nth(1).unwrap().parse::<usize>().unwrap()).sum();
        assert_eq!(counted + short.lines().count() - marks.len(), 20_000);
    }

    #[test]
    fn lines_that_tell_are_known_in_every_ecosystem() {
        let telling = [
            "[xUnit.net 00:00:00.12]     Lib.Tests.CalcTests.Adds [FAIL]",
            "  Failed Lib.Tests.CalcTests.Adds [1 ms]",
            "failed Adds (5ms) [Lib]",
            "  Error Message:",
            "   Assert.Equal() Failure: Values differ",
            "/w/Calc.cs(3,5): error CS1002: ; expected",
            "/w/Lib.csproj : error NETSDK1045: The current .NET SDK does not support",
            "a.ts(1,1): error TS2304: Cannot find name",
            "not ok 3 - adds",
            "--- FAIL: TestA (0.00s)",
        ];
        for line in telling {
            assert!(speaks_of_error(line), "{line}");
        }
        for line in [
            "  Skipped Lib.Tests.Only_on_windows [1 ms]",
            "0 Error(s)",
            "Passed!  - Failed: 0",
            "error handling is fine",
            "warning CS0168: x",
        ] {
            assert!(!speaks_of_error(line), "{line}");
        }
    }

    #[test]
    fn the_first_of_many_errors_comes_first() {
        let text = (0..10_000).map(|n| format!("error: number {n}")).collect::<Vec<_>>().join("\n");
        let short = condense(&text, 8 * 1024);
        assert!(short.contains("number 0\n") && short.contains("number 200\n") && short.contains("number 9999"), "{short}");
    }

    #[test]
    fn both_streams_get_their_part() {
        let noisy = (0..9_999).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        let text = both(&noisy, "error: the reason", 2048);
        assert!(text.ends_with("\n--- stderr ---\nerror: the reason") && text.len() <= 2048 && text.len() > 1500, "{text}");
        let text = both("one failed", &noisy, 2048);
        assert!(text.starts_with("one failed\n--- stderr ---\nline 0\n") && text.len() <= 2048, "{text}");
        assert_eq!(both("a", "", 100), "a");
        assert_eq!(both("", "b", 100), "b");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn never_longer_than_asked_and_never_anything_unseen(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0x1b), Just(b'['), any::<u8>()], 0..900),
            bytes_max in 64_usize..600,
        ) {
            let cleaned = clean(&bytes);
            prop_assert!(!cleaned.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert!(condense(&cleaned, bytes_max).len() <= bytes_max);
            prop_assert!(both(&cleaned, &cleaned, bytes_max).len() <= bytes_max);
        }

        #[test]
        fn every_line_is_kept_or_counted(errors in proptest::collection::btree_set(0_usize..600, 0..20), bytes_max in 600_usize..4000) {
            let line = |n: usize| if errors.contains(&n) { format!("error: {n}") } else { format!("line {n}") };
            let text = (0..600).map(line).collect::<Vec<_>>().join("\n");
            let short = condense(&text, bytes_max);
            let missing = short.lines().filter(|line| line.ends_with("lines left out …"));
            let counted: usize = missing.map(|mark| mark.split(' ').nth(1).unwrap().parse::<usize>().unwrap() - 1).sum();
            prop_assert_eq!(counted + short.lines().count(), 600);
        }
    }
}
