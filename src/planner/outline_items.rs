//! Markdown, as far as an outline needs it: which lines start a task, which belong to it, and which are context.
//! Fenced code blocks and comments are never looked into. docs/outline.md tells the rules to people.

use std::ops::Range;

/// Sections with these names hold the tasks.
const TASK_SECTIONS: &[&str] = &["tasks", "task list", "plan", "steps", "to do", "todo", "to-do", "checklist", "work items", "work"];
/// Sections with these names are about the whole story and never tasks.
const CONTEXT_SECTIONS: &[&str] = &[
    "acceptance criteria",
    "background",
    "constraints",
    "context",
    "definition of done",
    "description",
    "goal",
    "goals",
    "introduction",
    "motivation",
    "non-goals",
    "notes",
    "open questions",
    "out of scope",
    "overview",
    "problem",
    "references",
    "requirements",
    "summary",
    "why",
];

/// One task as it stands in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub title: String,
    /// The lines below the title, without the indentation of the item.
    pub body: Vec<BodyLine>,
    /// Its check box is ticked: done before Aura came.
    pub done: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BodyLine {
    pub text: String,
    /// Inside a fenced block or a comment: to be kept as it is.
    pub verbatim: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Items {
    /// What is about the whole story.
    pub context: Vec<BodyLine>,
    pub items: Vec<Item>,
}

/// Reads the items of a description; none where it has no structure, and all of it is context then.
pub(super) fn read(text: &str) -> Items {
    let lines = scan(text);
    let shape = shape(&lines);
    let mut found = Items::default();
    let mut inside = false;
    for (i, line) in lines.iter().enumerate() {
        if shape.starts_item(&lines, i) {
            inside = true;
            let (title, done) = match &line.kind {
                Kind::Item { text, ticked, .. } => (text.clone(), *ticked == Some(true)),
                Kind::Heading { text, .. } => (text.clone(), false),
                Kind::Text | Kind::Verbatim => (line.text.to_owned(), false),
            };
            found.items.push(Item { title, done, body: vec![] });
        } else if shape.ends_item(&lines, i) {
            inside = false;
            if !shape.is_frame(i) {
                found.context.push(body_line(line));
            }
        } else if let Some(item) = found.items.last_mut().filter(|_| inside) {
            item.body.push(body_line(line));
        } else {
            found.context.push(body_line(line));
        }
    }
    for item in &mut found.items {
        item.dedent();
    }
    found
}

impl Item {
    /// Takes away the white space that all lines of the body begin with, and blank lines around it. Nothing else is
    /// touched: a tab in a script stays a tab.
    fn dedent(&mut self) {
        trim_blank(&mut self.body);
        let mut lines = self.body.iter().map(|line| line.text.as_str()).filter(|text| !text.trim().is_empty());
        let mut shared = lines.next().map_or("", |first| &first[..first.len() - first.trim_start().len()]).to_owned();
        for text in lines {
            let same = shared.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            while shared.len() > same || !shared.is_char_boundary(shared.len()) {
                shared.pop();
            }
        }
        for line in &mut self.body {
            line.text = line.text.strip_prefix(shared.as_str()).unwrap_or("").to_owned();
        }
    }
}

pub(super) fn trim_blank(lines: &mut Vec<BodyLine>) {
    while lines.last().is_some_and(|line| line.text.trim().is_empty()) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| line.text.trim().is_empty()).count();
    lines.drain(..blank);
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Heading {
        level: u8,
        text: String,
    },
    Item {
        numbered: bool,
        ticked: Option<bool>,
        text: String,
    },
    Text,
    /// A line of a fenced block (its fences included) or of a comment.
    Verbatim,
}

struct Line<'a> {
    text: &'a str,
    /// Columns of white space before it; a tab counts four.
    indent: usize,
    kind: Kind,
}

fn scan(text: &str) -> Vec<Line<'_>> {
    let mut fence: Option<(char, usize)> = None;
    let mut comment = false;
    let mut lines = vec![];
    for text in text.lines() {
        let bare = text.trim_start();
        let indent = text[..text.len() - bare.len()].chars().map(|c| if c == '\t' { 4 } else { 1 }).sum();
        let run = |c: char| bare.len() - bare.trim_start_matches(c).len();
        let kind = if let Some((mark, length)) = fence {
            if run(mark) >= length && bare.trim_matches([mark, ' ', '\t', '\r']).is_empty() {
                fence = None;
            }
            Kind::Verbatim
        } else if comment || bare.starts_with("<!--") {
            comment = !bare.contains("-->");
            Kind::Verbatim
        } else if let Some(mark) = ['`', '~'].into_iter().find(|&c| run(c) >= 3)
            // ```like this``` is code within a line, not a fence.
            && (mark == '~' || !bare.trim_start_matches('`').contains('`'))
        {
            fence = Some((mark, run(mark)));
            Kind::Verbatim
        } else {
            kind(bare.trim_end(), indent)
        };
        lines.push(Line { text, indent, kind });
    }
    lines
}

fn kind(bare: &str, indent: usize) -> Kind {
    let hashes = bare.len() - bare.trim_start_matches('#').len();
    if (1..=6).contains(&hashes) && indent < 4 && (bare.len() == hashes || bare[hashes..].starts_with([' ', '\t'])) {
        let text = bare[hashes..].trim().trim_end_matches('#').trim_end();
        return Kind::Heading { level: hashes as u8, text: text.to_owned() };
    }
    let rule = |c: char| bare.chars().filter(|&x| x == c).count() >= 3 && bare.chars().all(|x| x == c || x == ' ');
    if ['-', '*', '_'].into_iter().any(rule) {
        return Kind::Text;
    }
    let digits = bare.len() - bare.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let numbered = (1..=9).contains(&digits) && bare[digits..].starts_with(['.', ')']);
    if !numbered && !bare.starts_with(['-', '*', '+']) {
        return Kind::Text;
    }
    let text = &bare[if numbered { digits + 1 } else { 1 }..];
    if !text.is_empty() && !text.starts_with([' ', '\t']) {
        return Kind::Text;
    }
    let text = text.trim_start();
    let boxed = |mark: &str| text.strip_prefix(mark).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    let (ticked, text) = match (boxed("[ ]"), boxed("[x]").or(boxed("[X]"))) {
        (Some(rest), _) => (Some(false), rest),
        (None, Some(rest)) => (Some(true), rest),
        (None, None) => (None, text),
    };
    Kind::Item { numbered, ticked, text: text.trim().to_owned() }
}

/// Which lines start tasks.
struct Shape {
    what: What,
    /// For each line whether tasks are looked for there: not outside the section of tasks, not in sections that are context.
    inside: Vec<bool>,
    /// Heading lines that only frame the tasks and say nothing about them.
    frame: Option<usize>,
    /// Indentation of the items.
    indent: usize,
}

#[derive(Clone, Copy)]
enum What {
    Headings { level: u8 },
    List { numbered: bool, boxes_only: bool },
    Nothing,
}

impl Shape {
    fn is_inside(&self, i: usize) -> bool {
        self.inside[i]
    }

    fn is_frame(&self, i: usize) -> bool {
        self.frame == Some(i)
    }

    fn starts_item(&self, lines: &[Line<'_>], i: usize) -> bool {
        let line = &lines[i];
        self.is_inside(i)
            && match (self.what, &line.kind) {
                (What::Headings { level }, Kind::Heading { level: own, text }) => level == *own && !text.is_empty(),
                (What::List { numbered, boxes_only }, Kind::Item { numbered: own, ticked, .. }) => {
                    line.indent < self.indent + 2 && if boxes_only { ticked.is_some() } else { numbered == *own }
                }
                (What::Headings { .. } | What::List { .. } | What::Nothing, _) => false,
            }
    }

    /// Whether context begins with this line, which starts no item.
    fn ends_item(&self, lines: &[Line<'_>], i: usize) -> bool {
        let inside = self.is_inside(i);
        match (self.what, &lines[i].kind) {
            (What::Headings { level }, Kind::Heading { level: own, .. }) => !inside || *own < level,
            (What::List { .. }, Kind::Heading { .. }) => true,
            (What::Headings { .. } | What::List { .. } | What::Nothing, _) => !inside,
        }
    }
}

fn shape(lines: &[Line<'_>]) -> Shape {
    let parts = lines.iter().filter(|line| matches!(&line.kind, Kind::Heading { level: 2, text } if !is_named(text, CONTEXT_SECTIONS)));
    // "### Steps" inside one of several parts is that part's own business.
    let deepest = if parts.count() > 1 { 2 } else { 6 };
    for (i, line) in lines.iter().enumerate() {
        if let Kind::Heading { text, level } = &line.kind
            && *level <= deepest
            && is_named(text, TASK_SECTIONS)
            && let Some(shape) = inside_section(lines, i, 1)
        {
            return shape;
        }
    }
    let mut shape = Shape { what: What::Nothing, inside: inside(lines, 0..lines.len()), frame: None, indent: 0 };
    for level in [2, 3] {
        let at_level = |&i: &usize| matches!(&lines[i].kind, Kind::Heading { level: own, text } if *own == level && !text.is_empty());
        let headings: Vec<usize> = (0..lines.len()).filter(|&i| shape.is_inside(i)).filter(at_level).collect();
        if let [only] = headings[..]
            && level == 2
            && let Some(inner) = inside_section(lines, only, 2)
            && (matches!(inner.what, What::Headings { .. } | What::List { boxes_only: true, .. }))
        {
            return inner;
        }
        if !headings.is_empty() {
            shape.what = What::Headings { level };
            return shape;
        }
    }
    let items: Vec<usize> = (0..lines.len()).filter(|&i| shape.is_inside(i)).collect();
    if let Some((what, indent)) = list(lines, items.into_iter()) {
        shape.what = what;
        shape.indent = indent;
    }
    shape
}

/// The tasks in the section that line `heading` opens, if there are at least `least`.
fn inside_section(lines: &[Line<'_>], heading: usize, least: usize) -> Option<Shape> {
    let within = heading + 1..section(lines, heading).end;
    let level = |i: usize| match &lines[i].kind {
        Kind::Heading { level, text } if !is_named(text, CONTEXT_SECTIONS) => Some(*level),
        Kind::Heading { .. } | Kind::Item { .. } | Kind::Text | Kind::Verbatim => None,
    };
    let mut shape = Shape { what: What::Nothing, inside: inside(lines, within.clone()), frame: Some(heading), indent: 0 };
    if let Some(outer) = within.clone().filter_map(level).min() {
        shape.what = What::Headings { level: outer };
    } else {
        (shape.what, shape.indent) = list(lines, within.clone())?;
    }
    (within.filter(|&i| shape.starts_item(lines, i)).count() >= least).then_some(shape)
}

/// The lines of `within` that are in no section of context.
fn inside(lines: &[Line<'_>], within: Range<usize>) -> Vec<bool> {
    let mut inside = vec![false; lines.len()];
    // The level of the section of context that is open.
    let mut context: Option<u8> = None;
    for i in within {
        if let Kind::Heading { level, text } = &lines[i].kind {
            context = context.filter(|outer| level > outer);
            if context.is_none() && is_named(text, CONTEXT_SECTIONS) {
                context = Some(*level);
            }
        }
        inside[i] = context.is_none();
    }
    inside
}

/// From a heading to the next one that is not below it.
fn section(lines: &[Line<'_>], heading: usize) -> Range<usize> {
    let level_of = |i: usize| match &lines[i].kind {
        Kind::Heading { level, .. } => Some(*level),
        Kind::Item { .. } | Kind::Text | Kind::Verbatim => None,
    };
    let own = level_of(heading).unwrap_or(6);
    let end = (heading + 1..lines.len()).find(|&i| level_of(i).is_some_and(|level| level <= own));
    heading..end.unwrap_or(lines.len())
}

/// How the first list among these lines is made. Where any item has a box, only boxes are tasks.
fn list(lines: &[Line<'_>], among: impl Iterator<Item = usize>) -> Option<(What, usize)> {
    let mut first: Option<(bool, usize)> = None;
    let mut boxes_only = false;
    for i in among {
        let Kind::Item { numbered, ticked, .. } = &lines[i].kind else { continue };
        if lines[i].indent > 3 && first.is_none() {
            continue;
        }
        let (_, indent) = *first.get_or_insert((*numbered, lines[i].indent));
        boxes_only |= lines[i].indent < indent + 2 && ticked.is_some();
    }
    first.map(|(numbered, indent)| (What::List { numbered, boxes_only }, indent))
}

fn is_named(heading: &str, names: &[&str]) -> bool {
    let plain = heading.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    names.contains(&plain.as_str())
}

fn body_line(line: &Line<'_>) -> BodyLine {
    BodyLine { text: line.text.to_owned(), verbatim: line.kind == Kind::Verbatim }
}
