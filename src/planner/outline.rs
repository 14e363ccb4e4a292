//! The embedded planner: reads the story's own description as an outline. Deterministic, needs no key and no network,
//! never invents work that is not written there (but a test task, if tests are wanted and none are mentioned).

use super::outline_items::{self, BodyLine, Item, Items};
use super::outline_marks::{Line, Marks, Title, unquoted};
use super::{PlanBrief, Planner, PlannerError, Proposal, check_drafts};
use crate::domain::{DESCRIPTION_BYTES_MAX, Fault, PLAN_BYTES_MAX, TASKS_MAX, TITLE_CHARS_MAX, TaskDraft, TaskId};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Most of the story's context that is put into each task's prompt, in bytes; less where there are many tasks.
const CONTEXT_BYTES_MAX: usize = 16 * 1024;
/// Room kept for the words around context and task, in bytes.
const FRAME_BYTES: usize = 8 * 1024;
/// Separators that a title in a reference may hold.
const PIECES_MAX: usize = 6;
/// A longer first line is cut to this many characters to make a title; the prompt keeps all of it.
const TITLE_CHARS: usize = 100;

/// Reads headings, lists and check lists, with marks such as `after:`. See docs/outline.md.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outline;

impl Outline {
    pub const NAME: &str = "outline";
}

impl Planner for Outline {
    fn name(&self) -> &str {
        Outline::NAME
    }

    fn can_revise(&self) -> bool {
        false
    }

    fn propose(&self, brief: &PlanBrief) -> Result<Proposal, PlannerError> {
        let (drafts, mut faults) = drafts(brief);
        if !faults.is_empty() {
            if !drafts.is_empty() {
                faults.extend(check_drafts(drafts, &brief.agents).err().unwrap_or_default());
            }
            return Err(PlannerError::Invalid { planner: Outline::NAME.into(), faults });
        }
        Ok(Proposal { drafts, raw: brief.description.clone() })
    }
}

/// One item with its marks taken out.
struct Entry {
    id: String,
    title: String,
    /// The first line in full, where the title had to be cut.
    full_title: Option<String>,
    marks: Marks,
    maybe: Option<super::outline_marks::Maybe>,
    body: Vec<BodyLine>,
    done: bool,
}

fn drafts(brief: &PlanBrief) -> (Vec<TaskDraft>, Vec<Fault>) {
    let Items { mut context, items } = outline_items::read(&brief.description);
    outline_items::trim_blank(&mut context);
    let mut faults = vec![];
    if items.len() > TASKS_MAX {
        let message = format!("the outline has {} tasks; at most {TASKS_MAX} are accepted", items.len());
        return (vec![], vec![Fault { task: None, message }]);
    }
    let mut entries: Vec<Entry> = if items.is_empty() {
        vec![Entry::from_item(Item { title: brief.title.clone(), body: std::mem::take(&mut context), done: false })]
    } else {
        items.into_iter().map(Entry::from_item).collect()
    };
    name_entries(&mut entries);
    let tests_mentioned = entries.iter().any(Entry::mentions_tests);
    let depends_on: Vec<Vec<usize>> = (0..entries.len()).map(|i| dependencies(&mut entries, i, &mut faults)).collect();
    let context = bounded_context(&text_of(&context), CONTEXT_BYTES_MAX.min(PLAN_BYTES_MAX / 4 / entries.len()));
    let open: Vec<usize> = (0..entries.len()).filter(|&i| !entries[i].done).collect();
    if open.is_empty() {
        faults.push(Fault { task: None, message: "every task of the outline is ticked off; there is nothing left to do".into() });
    }
    let mut drafts: Vec<TaskDraft> = vec![];
    for &i in &open {
        let entry = &entries[i];
        let description = prompt(brief, &context, &entries, i, &depends_on[i]);
        drafts.push(TaskDraft {
            id: Some(entry.id.clone()),
            title: entry.title.clone(),
            description,
            depends_on: depends_on[i].iter().filter(|&&on| !entries[on].done).map(|&on| entries[on].id.clone()).collect(),
            files: entry.marks.files.clone(),
            agent: entry.marks.agent.clone(),
            estimate: entry.marks.estimate,
        });
    }
    if brief.include_tests && !tests_mentioned && !drafts.is_empty() {
        let test = test_task(brief, &context, &drafts);
        drafts.push(test);
    }
    (drafts, faults)
}

impl Entry {
    fn from_item(item: Item) -> Entry {
        let mut marks = Marks::default();
        let mut body: Vec<BodyLine> = vec![];
        let mut in_files = false;
        let mut lines = item.body.into_iter();
        let mut first = item.title;
        if first.trim().is_empty() {
            first = lines.find(|line| !line.text.trim().is_empty()).map(|line| line.text).unwrap_or_default();
        }
        for line in lines {
            if line.verbatim {
                in_files = false;
                body.push(line);
                continue;
            }
            if in_files && (line.text.trim().is_empty() || marks.take_file(&line.text)) {
                continue;
            }
            in_files = false;
            match marks.take_from_line(&line.text) {
                Line::Mark => {}
                Line::OpensFiles => in_files = true,
                Line::Prose => body.push(line),
            }
        }
        outline_items::trim_blank(&mut body);
        let Title { text, maybe } = marks.take_from_title(&first);
        let (title, full_title) = short_title(&text);
        Entry { id: String::new(), title, full_title, marks, maybe, body, done: item.done }
    }

    fn mentions_tests(&self) -> bool {
        let prose = self.body.iter().filter(|line| !line.verbatim).map(|line| line.text.as_str());
        let title = self.full_title.as_deref().unwrap_or(&self.title);
        prose.chain([title]).any(|text| {
            text.split(|c: char| !c.is_alphanumeric()).any(|word| {
                let word = word.to_lowercase();
                ["test", "tests", "tested", "testing", "unittest", "unittests"].contains(&word.as_str())
            })
        })
    }
}

/// "**Parser** — reads the file" and "Task 2: Parser" are titled "Parser"; very long lines are cut.
fn short_title(text: &str) -> (String, Option<String>) {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    let bold = clean.strip_prefix("**").and_then(|rest| rest.split_once("**")).filter(|(bold, _)| !bold.trim().is_empty());
    let (title, whole) = match bold {
        Some((bold, rest)) => (bold.trim().trim_end_matches([':', '.']), rest.trim().is_empty()),
        None => (clean, true),
    };
    let title = without_number(title);
    if title.chars().count() <= TITLE_CHARS.min(TITLE_CHARS_MAX) {
        return (title.to_owned(), (!whole).then(|| clean.to_owned()));
    }
    let cut: String = title.chars().take(TITLE_CHARS).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    (format!("{}…", cut.trim_end_matches([',', ';', ' '])), Some(clean.to_owned()))
}

/// "Task 1: x", "Step 2 - x" and "3. x" without the number, which is only a place.
fn without_number(title: &str) -> &str {
    let lower = title.to_ascii_lowercase();
    let word = ["task ", "task-", "step "].iter().find(|word| lower.starts_with(**word)).map_or(0, |word| word.len());
    let rest = &title[word..];
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if after.len() == rest.len() {
        return title;
    }
    let bare = after.trim_start().trim_start_matches(['.', ')', ':', '-', '—', '–']);
    let separated = bare.len() < after.trim_start().len() && bare.starts_with(' ');
    if separated && !bare.trim().is_empty() { bare.trim() } else { title }
}

/// Gives `task-N`, N being its place, to every item without an id of its own.
fn name_entries(entries: &mut [Entry]) {
    let lower = |id: &str| id.to_ascii_lowercase();
    let mut taken: HashSet<String> = entries.iter().filter_map(|entry| entry.marks.id.as_deref().map(lower)).collect();
    let count = entries.len();
    for (i, entry) in entries.iter_mut().enumerate() {
        entry.id = entry.marks.id.clone().unwrap_or_else(|| {
            let place = i + 1;
            let free = std::iter::once(place).chain(count + 1..=2 * count + 1).map(|n| format!("task-{n}")).find(|id| !taken.contains(id));
            free.expect("there are more places than tasks to take them")
        });
        taken.insert(lower(&entry.id));
    }
}

/// Resolves the references of entry `i`, and decides whether a "(after …)" in its title was one.
fn dependencies(entries: &mut [Entry], i: usize, faults: &mut Vec<Fault>) -> Vec<usize> {
    let mut found = vec![];
    if let Some(maybe) = entries[i].maybe.take() {
        match references(entries, i, &maybe.after) {
            Ok(on) => found.extend(on),
            Err(_) => entries[i].title = short_title(&maybe.title).0,
        }
    }
    for value in &entries[i].marks.after {
        match references(entries, i, value) {
            Ok(on) => found.extend(on),
            Err(what) => faults.push(Fault {
                task: Some(entries[i].id.clone()),
                message: format!("it comes after `{what}`, which is neither the number, id nor title of a task in the outline"),
            }),
        }
    }
    let mut seen = HashSet::new();
    found.retain(|on| seen.insert(*on));
    found
}

/// The entries that "1, 2", "Parse, then print" or "task-1 and the parser" mean, or the part that means none.
fn references(entries: &[Entry], own: usize, value: &str) -> Result<Vec<usize>, String> {
    let value = value.trim();
    match unquoted(value).trim_end_matches('.').to_lowercase().as_str() {
        "" | "-" | "none" | "nothing" | "n/a" => return Ok(vec![]),
        "all" | "everything" | "all above" | "all others" => return Ok((0..own).collect()),
        _ => {}
    }
    if let Some(one) = reference(entries, value) {
        return Ok(vec![one]);
    }
    // Pieces between separators; a title may hold a separator, so the longest run of pieces that is known counts.
    let mut bounds = vec![];
    let mut start = 0;
    for separator in value
        .match_indices([',', ';', '&'])
        .map(|(at, text)| (at, text.len()))
        .chain(ands(value))
        .collect::<std::collections::BTreeMap<_, _>>()
    {
        bounds.push((start, separator.0));
        start = separator.0 + separator.1;
    }
    bounds.push((start, value.len()));
    if bounds.len() > TASKS_MAX {
        return Err(value.chars().take(80).collect());
    }
    let mut found = vec![];
    let mut at = 0;
    while at < bounds.len() {
        let piece = &value[bounds[at].0..bounds[at].1];
        if piece.trim().is_empty() {
            at += 1;
            continue;
        }
        let longest = (at..bounds.len().min(at + PIECES_MAX))
            .rev()
            .find_map(|end| Some((reference(entries, &value[bounds[at].0..bounds[end].1])?, end)));
        if let Some((one, end)) = longest {
            found.push(one);
            at = end + 1;
        } else if let Some(range) = number_range(entries, piece) {
            found.extend(range);
            at += 1;
        } else {
            return Err(piece.trim().chars().take(80).collect());
        }
    }
    Ok(found)
}

fn ands(value: &str) -> impl Iterator<Item = (usize, usize)> {
    value.match_indices(" and ").map(|(at, text)| (at, text.len()))
}

/// "1-3" or "1–3".
fn number_range(entries: &[Entry], piece: &str) -> Option<std::ops::Range<usize>> {
    let (from, to) = piece.trim().split_once(['-', '–'])?;
    let (from, to): (usize, usize) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (1 <= from && from <= to && to <= entries.len()).then_some(from - 1..to)
}

/// One entry by its id, its place (`2`, `#2`, `task 2`, `task-2`), its title or the beginning of only one title.
fn reference(entries: &[Entry], text: &str) -> Option<usize> {
    let text = unquoted(text).trim_end_matches('.').trim();
    let plain = |title: &str| title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let wanted = plain(text);
    if wanted.is_empty() {
        return None;
    }
    if let Some(i) = entries.iter().position(|entry| entry.marks.id.is_some() && entry.id.eq_ignore_ascii_case(text)) {
        return Some(i);
    }
    if let Some(i) = entries.iter().position(|entry| plain(&entry.title) == wanted) {
        return Some(i);
    }
    let number = ["task-", "task ", "step ", "#"].iter().find_map(|word| wanted.strip_prefix(word)).unwrap_or(&wanted);
    if let Ok(place) = number.trim_start_matches('#').parse::<usize>() {
        return (1..=entries.len()).contains(&place).then(|| place - 1);
    }
    let mut begins = (0..entries.len()).filter(|&i| wanted.chars().count() >= 4 && plain(&entries[i].title).starts_with(&wanted));
    match (begins.next(), begins.next()) {
        (Some(i), None) => Some(i),
        (Some(_) | None, _) => None,
    }
}

fn text_of(lines: &[BodyLine]) -> String {
    lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The whole prompt of one task: it must make sense to an agent that sees nothing else.
fn prompt(brief: &PlanBrief, context: &str, entries: &[Entry], own: usize, depends_on: &[usize]) -> String {
    let entry = &entries[own];
    let mut text = String::new();
    let body = text_of(&entry.body);
    let what = match (&entry.full_title, body.is_empty()) {
        (None, true) => entry.title.clone(),
        (None, false) => format!("{}\n\n{body}", entry.title),
        (Some(full), true) => full.clone(),
        (Some(full), false) => format!("{full}\n\n{body}"),
    };
    let room = DESCRIPTION_BYTES_MAX.saturating_sub(FRAME_BYTES + what.len()).min(CONTEXT_BYTES_MAX);
    story_section(&mut text, brief, &bounded_context(context, room));
    let _ = writeln!(text, "\n## Your task\n\n{what}");
    let done_before: Vec<&str> = depends_on.iter().map(|&on| entries[on].title.as_str()).collect();
    if !done_before.is_empty() {
        let _ = write!(text, "\n## What is there already\n\nDone before this task, build on it:\n{}", bullets(&done_before));
    }
    files_section(&mut text, &entry.marks.files);
    let others: Vec<&str> = entries
        .iter()
        .enumerate()
        .filter(|(i, other)| *i != own && !other.done && !depends_on.contains(i))
        .map(|(_, other)| other.title.as_str())
        .collect();
    text.push_str("\n## What not to do\n\n- Do this task only, and all of it.\n");
    if !others.is_empty() {
        text.push_str("- Leave these tasks of the same story to others, who may be at work on them now:\n");
        for other in bullets(&others).lines() {
            let _ = writeln!(text, "  {other}");
        }
    }
    text
}

fn story_section(text: &mut String, brief: &PlanBrief, context: &str) {
    let _ = writeln!(text, "## The story\n\n{}", one_line(&brief.title));
    if !context.is_empty() {
        let _ = writeln!(text, "\n{context}");
    }
}

fn files_section(text: &mut String, files: &[String]) {
    if !files.is_empty() {
        let names: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let _ = write!(text, "\n## Files\n\nChange these files, and others only where the task cannot do without:\n{}", bullets(&names));
    }
}

fn test_task(brief: &PlanBrief, context: &str, drafts: &[TaskDraft]) -> TaskDraft {
    let needed: HashSet<&String> = drafts.iter().flat_map(|draft| &draft.depends_on).collect();
    let last = drafts.iter().filter_map(|draft| draft.id.clone()).filter(|id| !needed.contains(id)).collect();
    let ids: HashSet<&str> = drafts.iter().filter_map(|draft| draft.id.as_deref()).collect();
    let mut id = "tests".to_owned();
    while ids.iter().any(|taken| taken.eq_ignore_ascii_case(&id)) && id.len() < TaskId::CHARS_MAX {
        id.push_str("-2");
    }
    let titles: Vec<&str> = drafts.iter().map(|draft| draft.title.as_str()).collect();
    let mut description = String::new();
    story_section(&mut description, brief, &bounded_context(context, CONTEXT_BYTES_MAX));
    let _ = write!(description, "\n## Your task\n\nWrite the tests of this story. These tasks are done:\n{}", bullets(&titles));
    description.push_str(
        "\nRead what they changed. Test the behaviour that the story asks for, the refusals as carefully as the successes, in the way this \
         repository tests already. Run the tests.\n\n## What not to do\n\n- Change other code only where a test shows that it is wrong.\n",
    );
    let title: String = format!("Test: {}", one_line(&brief.title)).chars().take(TITLE_CHARS_MAX).collect();
    TaskDraft { id: Some(id), title, description, depends_on: last, ..TaskDraft::default() }
}

/// A list within [`FRAME_BYTES`] together with all else that is not the user's text.
fn bullets(lines: &[&str]) -> String {
    let mut text = String::new();
    for (i, line) in lines.iter().enumerate() {
        if text.len() + line.len() > FRAME_BYTES / 4 {
            let _ = writeln!(text, "- (and {} more)", lines.len() - i);
            break;
        }
        let _ = writeln!(text, "- {line}");
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Cuts at the end of a line, and never inside a fenced block.
fn bounded_context(context: &str, bytes_max: usize) -> String {
    if context.len() <= bytes_max {
        return context.to_owned();
    }
    let mut kept = 0;
    let mut at = 0;
    let mut fenced = false;
    for line in context.split_inclusive('\n') {
        at += line.len();
        let bare = line.trim_start();
        fenced ^= bare.starts_with("```") || bare.starts_with("~~~");
        if at > bytes_max {
            break;
        }
        if !fenced {
            kept = at;
        }
    }
    format!("{}\n(The rest of the story's text is left out here.)", context[..kept].trim_end())
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;
