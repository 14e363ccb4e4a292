use super::*;
use std::cell::{Cell, RefCell};
use std::time::Instant;

/// A repository made of texts.
struct Small(Vec<(&'static str, String)>);

impl Small {
    fn gather(&self, title: &str, description: &str, budget: FactsBudget) -> RepoFacts {
        let files: Vec<(String, u64)> = self.0.iter().map(|(path, text)| ((*path).to_owned(), text.len() as u64)).collect();
        let read = |path: &str, max: usize| {
            let (_, text) = self.0.iter().find(|(own, _)| *own == path)?;
            Some(text.as_bytes()[..text.len().min(max)].to_vec())
        };
        let grep = |words: &[String], max: usize| {
            let mut hits = vec![];
            for (path, text) in &self.0 {
                for (line, text) in text.lines().enumerate() {
                    for word in words.iter().filter(|word| text.to_lowercase().contains(&word.to_lowercase())) {
                        hits.push(WordHit { path: (*path).to_owned(), line: line as u32 + 1, text: text.to_owned(), word: word.clone() });
                    }
                }
            }
            hits.truncate(max);
            hits
        };
        let line = |n: usize| LogLine {
            commit: format!("{n:040}"),
            summary: format!("Change\u{1b}[31m {n}\nsecond"),
            author: "A".into(),
            time: "2026-01-01T00:00:00Z".into(),
        };
        let log: Vec<LogLine> = (0..20).map(line).collect();
        RepoFacts::gather(&Source { files: &files, read: &read, log: &log, grep: &grep }, title, description, budget)
    }
}

fn small() -> Small {
    Small(vec![
        ("Cargo.toml", "[package]".into()),
        ("README.md", "# Words\n\n\n\nCounts words.\u{7}\n".into()),
        ("AGENTS.md", "Run `cargo fmt`.".into()),
        (".editorconfig", "root = true".into()),
        (".github/workflows/ci.yml", "jobs:\n  t:\n    steps:\n      - run: cargo test --all\n      - name: x\n        run: |\n          cargo clippy\n          echo done\n      - run: echo hi\n".into()),
        ("Makefile", "TEST := x\ntest: all\n\tcargo test\nbuild:\n".into()),
        ("src/main.rs", "fn main() { count_words(); }\n".repeat(10)),
        ("src/parser/words.rs", "pub fn count_words() {}\n// the Tokenizer\n".into()),
        ("src/parser/AGENTS.md", "deep".into()),
        ("web/package.json", r#"{"scripts":{"test":"vitest","build":"vite build","start":"x"}}"#.into()),
        ("web/pnpm-lock.yaml", "x".into()),
        ("web/app.ts", "export {}".into()),
        ("web/node_modules/x/index.js", "x".repeat(10_000)),
        ("logo.png", "\0\0".into()),
    ])
}

#[test]
fn a_small_repository_is_described() {
    let facts = small().gather("Make count_words faster", "The Tokenizer is slow. Use the `Unheard` of.", FactsBudget::default());
    assert_eq!(facts.files, 14);
    let languages: Vec<&str> = facts.languages.iter().map(|language| language.name.as_str()).collect();
    assert_eq!(languages[0], "Rust");
    assert!(languages.contains(&"TypeScript") && !languages.contains(&"JavaScript"), "vendored code is not counted: {languages:?}");
    let systems: Vec<(&str, &str)> = facts.build_systems.iter().map(|system| (system.name.as_str(), system.files[0].as_str())).collect();
    assert_eq!(systems, [("Cargo", "Cargo.toml"), ("Make", "Makefile"), ("Node", "web/package.json")]);
    let commands: Vec<String> =
        facts.commands.iter().map(|command| format!("{} {}| {}", command.kind, command.folder, command.command)).collect();
    let expected = [
        "build | cargo build",
        "test | cargo test",
        "lint | cargo clippy",
        "build | make build",
        "test | make test",
        "build web| pnpm run build",
        "test web| pnpm run test",
        "ci | cargo test --all",
        "ci | cargo clippy",
    ];
    assert_eq!(commands, expected);
    let conventions: Vec<(&str, &str, Option<&str>)> =
        facts.conventions.iter().map(|file| (file.path.as_str(), file.kind.as_str(), file.excerpt.as_deref())).collect();
    assert_eq!(
        conventions,
        [
            ("AGENTS.md", "agents", Some("Run `cargo fmt`.")),
            ("README.md", "readme", Some("# Words\n\nCounts words.")),
            (".editorconfig", "format", None),
            ("src/parser/AGENTS.md", "agents", None),
        ]
    );
    assert_eq!(facts.history.len(), 15);
    assert_eq!(facts.history[1].summary, "Change [31m 1 second");
    assert_eq!(facts.layout[0], Folder { path: "web".into(), files: 4, bytes: facts.layout[0].bytes });
    assert!(facts.layout.iter().any(|folder| folder.path == "src/parser" && folder.files == 2));
    let words: Vec<&str> = facts.words.iter().map(|fact| fact.word.as_str()).collect();
    assert_eq!(words, ["count_words", "Tokenizer"], "only words that occur, the identifier first");
    assert_eq!(facts.words[0].places.len(), 4, "three of one file, one of another");
    assert_eq!((facts.words[1].places[0].path.as_str(), facts.words[1].places[0].line), ("src/parser/words.rs", 2));
    assert!(!facts.truncated, "{:?}", facts.left_out);
    assert_eq!(facts.spent.files_read, 5);
}

#[test]
fn the_budget_is_kept_and_what_it_left_out_is_said() {
    let budget = FactsBudget { files_listed_max: 10, files_read_max: 1, bytes_read_max: 5, words_max: 1, hits_max: 3, history_max: 2 };
    let facts = small().gather("Make count_words faster", "The Tokenizer is slow.", budget);
    assert!(facts.truncated);
    assert_eq!((facts.spent.files_listed, facts.spent.files_read, facts.spent.bytes_read, facts.spent.hits), (10, 1, 5, 3));
    assert_eq!((facts.history.len(), facts.words.len()), (2, 1));
    assert_eq!(facts.conventions[0].excerpt.as_deref(), Some("Run `"));
    let said = facts.left_out.join("\n");
    for part in ["4 of 14 files were not counted", "4 files were not read: README.md, Makefile,", "after the first 3"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let none = FactsBudget { files_listed_max: 0, files_read_max: 0, bytes_read_max: 0, words_max: 0, hits_max: 0, history_max: 0 };
    assert_eq!(small().gather("count_words", "", none).words, []);
}

#[test]
fn an_empty_repository_has_no_facts_and_no_fault() {
    let facts = Small(vec![]).gather("", "", FactsBudget::default());
    assert_eq!((facts.files, facts.truncated, facts.words.len()), (0, false, 0));
    assert!(facts.to_prompt(4096).contains("0 files, 0 bytes"));
}

#[test]
fn words_are_ranked_and_common_ones_left_out() {
    let rank = |title: &str, description: &str| facts_words::rank(title, description, 6).join(" ");
    let table = [
        ("Add user validation", "It should validate the input of UserService.", "UserService validation validate input"),
        ("Fix the bug", "This is what we want to have, when there is time.", ""),
        ("Parse CSV", "parse parse Parse", "Parse CSV"),
        ("max_parallelism", "Max_Parallelism and maxParallelism", "max_parallelism maxParallelism"),
        ("Größe ändern", "", "Größe ändern"),
        ("a b c d2 x86 1234 ____", "", "x86"),
    ];
    for (title, description, expected) in table {
        let words = rank(title, description);
        if title == "Parse CSV" {
            // Three letters are enough for an identifier only.
            assert_eq!(words, "Parse", "{title}");
        } else {
            assert_eq!(words, expected, "{title}");
        }
    }
    assert!(facts_words::rank(&"x".repeat(100), &"ab_cd ".repeat(100_000), 5).len() <= 1);
}

#[test]
fn rare_words_get_places_when_a_common_one_took_them_all() {
    let mut files = small();
    files.0.insert(0, ("a.rs", "count_words\n".repeat(500)));
    let facts = files.gather("count_words Tokenizer", "", FactsBudget { hits_max: 50, ..FactsBudget::default() });
    assert_eq!(facts.words.iter().map(|fact| fact.places.len()).collect::<Vec<_>>(), [3, 1]);
    assert!(facts.truncated);
}

#[test]
fn the_text_fits_its_budget_and_cannot_steer_a_terminal() {
    let mut files = small();
    files.0.push(("evil\n## Languages\n\u{1b}[2J.rs", "x".into()));
    let facts = files.gather("count_words Tokenizer", "", FactsBudget::default());
    let whole = facts.to_prompt(32 * 1024);
    for part in [
        "## Likely commands\n- build: `cargo build` (Cargo.toml)",
        "web/package.json",
        "> Run `cargo fmt`.",
        "  src/parser/words.rs:2: // the Tokenizer",
        "- Rust: 3 files",
    ] {
        assert!(whole.contains(part), "{part}\n{whole}");
    }
    assert!(!whole.contains("Left out"), "{whole}");
    assert!(!whole.chars().any(|c| c.is_control() && c != '\n'));
    assert_eq!(whole.matches("## Languages").count(), 1);
    for bytes_max in [0, 100, 500, 1000, 1500] {
        let text = facts.to_prompt(bytes_max);
        assert!(text.len() <= bytes_max, "{} > {bytes_max}", text.len());
        assert!(bytes_max < 500 || text.contains("Left out: shortened here: "), "{bytes_max}: {text}");
    }
    let json = serde_json::to_value(&facts).unwrap();
    assert!(json["buildSystems"].is_array() && json["leftOut"].is_array() && json["spent"]["budget"]["hitsMax"] == 200);
    assert_eq!(serde_json::from_value::<RepoFacts>(json).unwrap(), facts);
}

#[test]
fn binary_and_unreadable_files_are_passed_over() {
    let asked = RefCell::new(vec![]);
    let times = Cell::new(0);
    let files = vec![("README.md".to_owned(), 10), ("AGENTS.md".to_owned(), 10)];
    let read = |path: &str, _: usize| {
        asked.borrow_mut().push(path.to_owned());
        times.set(times.get() + 1);
        (path == "README.md").then(|| b"\0binary".to_vec())
    };
    let facts =
        RepoFacts::gather(&Source { files: &files, read: &read, log: &[], grep: &|_, _| vec![] }, "Words", "", FactsBudget::default());
    assert_eq!(times.get(), 2);
    assert!(facts.conventions.iter().all(|file| file.excerpt.is_none()));
}

#[test]
fn a_hundred_thousand_files_are_counted_in_one_pass() {
    let extensions = ["rs", "ts", "md", "json", "py", "png"];
    let files: Vec<(String, u64)> = (0..100_000)
        .map(|i| (format!("packages/part-{}/src/deep/module_{}/file_{i}.{}", i % 200, i % 1000, extensions[i % 6]), 1000))
        .collect();
    let words =
        "alpha_one beta_two gamma_three delta_four epsilon_five zeta_six eta_seven theta_eight iota_nine kappa_ten lambda_eleven mu_twelve";
    let source = Source { files: &files, read: &|_, _| None, log: &[], grep: &|_, _| vec![] };
    let started = Instant::now();
    let facts = RepoFacts::gather(&source, words, "", FactsBudget::default());
    // Looking at each file with each would take minutes; the limit leaves room for a busy machine and no optimisation.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    assert_eq!(facts.languages.iter().map(|language| language.files).sum::<u64>(), 66_667);
}
