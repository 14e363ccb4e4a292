//! The facts as text for a model, within a budget of bytes: the sections that matter most first, and a last line that
//! says what did not fit.

use super::facts::{RepoFacts, tidy_line};
use std::fmt::Write as _;

/// Kept for the line that says what was left out.
const TAIL_BYTES: usize = 400;

struct Section {
    title: &'static str,
    lines: Vec<String>,
}

impl RepoFacts {
    /// At most `bytes_max` bytes. Sections that do not fit are shortened and named at the end.
    #[must_use]
    pub fn to_prompt(&self, bytes_max: usize) -> String {
        let room = bytes_max.saturating_sub(TAIL_BYTES);
        let mut text = String::new();
        let mut short = vec![];
        for section in self.sections().into_iter().filter(|section| !section.lines.is_empty()) {
            let mut part = format!("## {}\n", section.title);
            let mut whole = true;
            // The longest section must not push out those after it.
            let share = (room / 3).max(200);
            for line in &section.lines {
                if part.len() + line.len() + 1 > share || text.len() + part.len() + line.len() + 2 > room {
                    whole = false;
                    break;
                }
                part.push_str(line);
                part.push('\n');
            }
            if !whole {
                short.push(section.title);
            }
            if part.lines().count() > 1 {
                text.push_str(&part);
                text.push('\n');
            }
        }
        let mut left_out: Vec<String> = self.left_out.clone();
        if !short.is_empty() {
            left_out.insert(0, format!("shortened here: {}", short.join(", ")));
        }
        if !left_out.is_empty() {
            let _ = writeln!(text, "Left out: {}.", left_out.join("; "));
        }
        let end = text.floor_char_boundary(bytes_max);
        text.truncate(end);
        text
    }

    fn sections(&self) -> Vec<Section> {
        let files = |files: u64| if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        let size = vec![format!("{}, {}", files(self.files), bytes(self.bytes))];
        let languages =
            self.languages.iter().map(|language| format!("- {}: {}, {}", language.name, files(language.files), bytes(language.bytes)));
        let systems = self.build_systems.iter().map(|system| format!("- {}: {}", system.name, names(&system.files, system.count)));
        let commands = self.commands.iter().map(|command| {
            let place = if command.folder.is_empty() { String::new() } else { format!(" in {}/", tidy_line(&command.folder)) };
            format!("- {}: `{}`{place} ({})", command.kind, command.command, tidy_line(&command.from))
        });
        let layout =
            self.layout.iter().map(|folder| format!("- {}/: {}, {}", tidy_line(&folder.path), files(folder.files), bytes(folder.bytes)));
        let history = self.history.iter().map(|line| format!("- {} {}", line.commit.chars().take(10).collect::<String>(), line.summary));
        let mut words = vec![];
        for fact in &self.words {
            words.push(format!(
                "- {}{}",
                fact.word,
                if fact.paths.is_empty() { String::new() } else { format!(": {}", names(&fact.paths, 0)) }
            ));
            words.extend(fact.places.iter().map(|place| format!("  {}:{}: {}", tidy_line(&place.path), place.line, place.text)));
        }
        let mut conventions: Vec<String> =
            self.conventions.iter().map(|file| format!("- {} ({})", tidy_line(&file.path), file.kind)).collect();
        for file in &self.conventions {
            if let Some(excerpt) = &file.excerpt {
                conventions.push(format!("\nBeginning of {}:", tidy_line(&file.path)));
                conventions.extend(excerpt.lines().map(|line| format!("> {line}")));
            }
        }
        vec![
            Section { title: "Size", lines: size },
            Section { title: "Languages", lines: languages.collect() },
            Section { title: "Build systems", lines: systems.collect() },
            Section { title: "Likely commands", lines: commands.collect() },
            Section { title: "Layout", lines: layout.collect() },
            Section { title: "Where the story's words occur", lines: words },
            Section { title: "Conventions", lines: conventions },
            Section { title: "Recent history", lines: history.collect() },
        ]
    }
}

fn names(paths: &[String], count: u64) -> String {
    let shown = paths.iter().map(|path| tidy_line(path)).collect::<Vec<_>>().join(", ");
    match count.saturating_sub(paths.len() as u64) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Rounded, for reading.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
