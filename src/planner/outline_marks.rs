//! Marks in an outline: `after: 1, 2`, `files: a, b`, `agent: name`, `estimate: 30m`, `id: name`, on lines of their own
//! or in a title. What only looks like a mark ("agent: the user's browser") stays prose.

/// Longer lines are prose, in bytes. Room for two hundred files.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// What the marks of one item say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub id: Option<String>,
    /// Values of `after:` as written; references are resolved when all titles are known.
    pub after: Vec<String>,
    pub files: Vec<String>,
    pub agent: Option<String>,
    /// Minutes.
    pub estimate: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    After,
    Files,
    Agent,
    Estimate,
    Id,
}

const KEYS: &[(&str, Key)] = &[
    ("after", Key::After),
    ("depends on", Key::After),
    ("depends-on", Key::After),
    ("dependson", Key::After),
    ("files", Key::Files),
    ("file", Key::Files),
    ("agent", Key::Agent),
    ("estimate", Key::Estimate),
    ("id", Key::Id),
];

/// A title without its marks. `maybe` holds a "(after …)" without a colon, which is a mark only if it names tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Title {
    pub text: String,
    pub maybe: Option<Maybe>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maybe {
    pub after: String,
    /// The title if it was prose after all.
    pub title: String,
}

impl Marks {
    /// Takes the marks out of a title.
    pub(super) fn take_from_title(&mut self, title: &str) -> Title {
        let mut text = title.to_owned();
        if text.len() > LINE_BYTES_MAX {
            return Title { text, maybe: None };
        }
        // Brackets in brackets in brackets cost time and mean nothing.
        if text.matches(['(', '[']).count() > 50 {
            return Title { text: tidy_title(&text), maybe: None };
        }
        // In brackets first: "(files: a, b; estimate: 1h)".
        while let Some((start, end)) = bracketed_mark(&text) {
            let mut probe = self.clone();
            if !probe.take_all(&text[start + 1..end - 1]) {
                break;
            }
            *self = probe;
            text.replace_range(start..end, " ");
        }
        if let Some(start) = keys_in(&text).first().map(|found| found.start).filter(|&start| start > 0) {
            let mut probe = self.clone();
            if probe.take_all(&text[start..]) {
                *self = probe;
                text.truncate(start);
            }
        }
        let text = tidy_title(&text);
        match bracketed_reference(&text) {
            Some((start, end, after)) => {
                let mut without = text.clone();
                without.replace_range(start..end, " ");
                Title { text: tidy_title(&without), maybe: Some(Maybe { after, title: text }) }
            }
            None => Title { text, maybe: None },
        }
    }

    /// Takes a line that is nothing but marks. Answers whether it was one, and whether it opens a list of files.
    pub(super) fn take_from_line(&mut self, line: &str) -> Line {
        let bare = line.trim();
        if bare.len() > LINE_BYTES_MAX {
            return Line::Prose;
        }
        let bare = ["- ", "* ", "+ "].iter().find_map(|mark| bare.strip_prefix(mark)).unwrap_or(bare).trim();
        let bare = bare.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(bare);
        let found = keys_in(bare);
        if found.first().is_none_or(|first| first.start > 0) {
            return Line::Prose;
        }
        if found.len() == 1 && found[0].key == Key::Files && bare[found[0].value..].trim_matches(['*', ' ']).is_empty() {
            return Line::OpensFiles;
        }
        if self.take_all(bare) { Line::Mark } else { Line::Prose }
    }

    /// One line of a list of files below "files:".
    pub(super) fn take_file(&mut self, line: &str) -> bool {
        let Some(file) = ["- ", "* ", "+ "].iter().find_map(|mark| line.trim().strip_prefix(mark)) else { return false };
        let file = unquoted(file);
        // "- src/a.rs (new)" and "- src/a.rs: the parser" name the file first.
        let name = if file.contains(char::is_whitespace) {
            file.split_whitespace().next().unwrap_or("").trim_end_matches([':', ','])
        } else {
            file
        };
        let name = unquoted(name);
        if name.is_empty() {
            return false;
        }
        self.files.push(name.to_owned());
        true
    }

    /// All of `text` must be marks with believable values, else nothing counts.
    fn take_all(&mut self, text: &str) -> bool {
        let found = keys_in(text);
        let mut probe = self.clone();
        for (i, mark) in found.iter().enumerate() {
            let end = found.get(i + 1).map_or(text.len(), |next| next.start);
            if !probe.take(mark.key, value_of(&text[mark.value..end], mark.bold)) {
                return false;
            }
        }
        *self = probe;
        !found.is_empty()
    }

    fn take(&mut self, key: Key, value: &str) -> bool {
        let word = unquoted(value);
        let one_word = !word.is_empty() && !word.contains(char::is_whitespace);
        match key {
            Key::After => {
                self.after.push(value.to_owned());
                !value.is_empty()
            }
            Key::Files => {
                let files: Vec<String> =
                    value.split([',', ';']).map(|file| unquoted(file).to_owned()).filter(|file| !file.is_empty()).collect();
                // Names with spaces are rare, prose after "files:" is not.
                let believable = !files.is_empty() && files.iter().all(|file| !file.contains(' ') || file.contains(['/', '.']));
                self.files.extend(files);
                believable
            }
            Key::Agent => {
                self.agent = Some(word.to_owned());
                one_word
            }
            Key::Id => {
                self.id = Some(word.to_owned());
                one_word
            }
            Key::Estimate => {
                self.estimate = minutes(word);
                self.estimate.is_some()
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Mark,
    OpensFiles,
    Prose,
}

/// `45`, `45m`, `45 min`, `2h`, `1.5h`, `1h30m`, `1d` (eight hours) in minutes.
#[allow(clippy::cast_sign_loss)] // clamped above zero
pub(super) fn minutes(text: &str) -> Option<u32> {
    let text = text.trim().trim_start_matches('~').to_ascii_lowercase().replace(' ', "");
    let mut rest = text.as_str();
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        total += number
            * match &rest[..letters] {
                "" | "m" | "min" | "mins" | "minute" | "minutes" => 1.0,
                "h" | "hr" | "hrs" | "hour" | "hours" => 60.0,
                "d" | "day" | "days" => 480.0,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    // Longer than any believable task is the plan check's business; here it only has to fit.
    (!text.is_empty()).then(|| total.ceil().clamp(1.0, 1_000_000.0) as u32)
}

struct Found {
    key: Key,
    start: usize,
    /// Where the value begins.
    value: usize,
    bold: bool,
}

/// Every "key:" that begins a word, with its optional bold stars.
fn keys_in(text: &str) -> Vec<Found> {
    let lower = text.to_ascii_lowercase();
    let mut found: Vec<Found> = vec![];
    let mut quoted = false;
    for (at, c) in lower.char_indices() {
        quoted ^= c == '`';
        let before = lower[..at].chars().next_back();
        if quoted || !c.is_ascii_lowercase() || before.is_some_and(|b| b.is_alphanumeric() || ['-', '_', '/', '.', '`'].contains(&b)) {
            continue;
        }
        for (name, key) in KEYS {
            let Some(rest) = lower[at..].strip_prefix(name) else { continue };
            let rest = rest.trim_start_matches(['*', '_']);
            let Some(rest) = rest.trim_start_matches(' ').strip_prefix(':') else { continue };
            let stars = text[..at].len() - text[..at].trim_end_matches(['*', '_']).len();
            found.push(Found { key: *key, start: at - stars, value: text.len() - rest.len(), bold: stars > 0 });
            break;
        }
    }
    found
}

/// A value without the bold stars, separators and the bracket that end it.
fn value_of(text: &str, bold: bool) -> &str {
    let text = if bold { text.strip_prefix("**").or_else(|| text.strip_prefix("__")).unwrap_or(text) } else { text };
    let text = text.trim().trim_end_matches([';', ',', ' ', '—', '–', '|']);
    let unbalanced = text.ends_with(')') && text.matches('(').count() < text.matches(')').count();
    text.strip_suffix(')').filter(|_| unbalanced).unwrap_or(text).trim_end_matches([';', ',', ' ', '(', '[']).trim()
}

pub(super) fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['`', '"', '\'', '“', '”']).trim()
}

/// The span of "(key: …)" or "[key: …]".
fn bracketed_mark(text: &str) -> Option<(usize, usize)> {
    text.char_indices().find_map(|(start, open)| {
        let close = match open {
            '(' => ')',
            '[' => ']',
            _ => return None,
        };
        let inner = &text[start + 1..];
        if keys_in(inner).first().is_none_or(|first| first.start > 0) {
            return None;
        }
        let mut depth = 1;
        for (at, c) in inner.char_indices() {
            if c == open {
                depth += 1;
            } else if c == close {
                depth -= 1;
                if depth == 0 {
                    return Some((start, start + 1 + at + 1));
                }
            }
        }
        None
    })
}

/// The span and value of "(after …)" or "(depends on …)" without a colon.
fn bracketed_reference(text: &str) -> Option<(usize, usize, String)> {
    let lower = text.to_ascii_lowercase();
    for opening in ["(after ", "(depends on "] {
        if let Some(start) = lower.find(opening)
            && let Some(length) = lower[start..].find(')')
        {
            return Some((start, start + length + 1, text[start + opening.len()..start + length].trim().to_owned()));
        }
    }
    None
}

fn tidy_title(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.trim_end_matches([',', ';', '—', '–', '|', ' ', ':']).trim_end_matches(" -").trim().to_owned()
}
