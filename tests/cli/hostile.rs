//! Text that means to be something else: too long, unprintable, options, shell words, paths, refs, marks.

use super::cli_world::{Cli, fed, task};
use aura::error::Code;
use serde_json::{Value, json};

const MB: usize = 1024 * 1024;

#[track_caller]
fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

#[test]
fn texts_that_are_too_long_or_not_text_are_refused() {
    let cli = Cli::new();
    let repo = cli.repo();
    let new = |title: &str, description: &str| {
        let args = json!({ "title": title, "description": description, "repositoryPath": repo });
        cli.unchanged(|| cli.call("create_story", &args).refused(Code::InvalidRequest))
    };
    let long = "x".repeat(10 * MB);
    assert!(detail(&new(&long, "")).contains("10485760 characters"));
    assert!(detail(&new("x", &long)).contains("10485760 bytes"));
    for title in ["", "   ", "\u{feff}", "a\nb", "a\tb", "a\u{0}b", "a\u{1b}[2Jb", "a\u{7f}b", "a\u{85}b", "a\u{202e}b", "\u{200b}"] {
        assert!(detail(&new(title, "")).contains("title"), "{title:?}");
    }
    for description in ["a\u{0}b", "\u{1b}]0;x\u{7}", "\u{8}"] {
        assert!(detail(&new("x", description)).contains("description"), "{description:?}");
    }
    for (key, value) in
        [("agent", "nobody"), ("agent", "\u{1b}[2J"), ("planner", "nobody"), ("issueUrl", "javascript:alert(1)"), ("issueUrl", "a b\n")]
    {
        let args = json!({ "title": "x", "repositoryPath": repo, key: value });
        cli.unchanged(|| cli.call("create_story", &args).refused(Code::InvalidRequest));
    }
}

#[test]
fn titles_that_look_like_something_else_are_only_titles() {
    let cli = Cli::new();
    let titles = [
        "--force",
        "-rf /",
        "$(touch owned)",
        "`touch owned`",
        "; touch owned #",
        "\"'quotes'\" \\ %PATH% !x! & | > <",
        "../../../etc/passwd",
        "refs/heads/main",
        "HEAD",
        "日本語のタイトル",
        "Ünïcödé and émoji 🚀",
        "CON",
        "a.lock",
        "@{-1}",
        "--json",
    ];
    for title in titles {
        let story = cli.run(&["new", "--json", "--", title]).well();
        assert_eq!(story["title"], title);
        let branch = story["gitBranch"].as_str().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        assert!(branch.starts_with("aura/") && branch.chars().all(plain), "{branch}");
        cli.git(&cli.repo(), &["check-ref-format", "--branch", branch]);
        let (worktree, short) = (story["worktreePath"].as_str().unwrap(), story["shortId"].as_str().unwrap());
        assert!(std::path::Path::new(worktree).starts_with(cli.path("repo.aura")) && worktree.contains(short), "{worktree}");
        assert_eq!(cli.git(worktree.as_ref(), &["symbolic-ref", "--short", "HEAD"]), branch);
    }
    let list = cli.json(&["list"]).well();
    let found: Vec<&str> = list["stories"].as_array().unwrap().iter().rev().map(|story| story["title"].as_str().unwrap()).collect();
    assert_eq!(found, titles);
    assert!(!cli.repo().join("owned").exists());
}

#[test]
fn paths_and_refs_in_branch_and_base_are_refused() {
    let cli = Cli::new();
    let repo = cli.repo();
    let new = |key: &str, value: &str| {
        let mut args = json!({ "title": "x", "repositoryPath": repo });
        args[key] = json!(value);
        cli.unchanged(|| cli.call("create_story", &args))
    };
    for branch in [
        " ",
        "-x",
        "--upload-pack=x",
        "../x",
        "a/../b",
        "/x",
        "x/",
        "a//b",
        ".x",
        "a/.b",
        "x.lock",
        "x.LOCK",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "@",
        "a@{1}",
        "HEAD",
        "head/x y",
        "a\nb",
        "a\u{0}b",
        "ü",
        &"x".repeat(300),
    ] {
        new("branch", branch).refused(Code::InvalidRequest);
    }
    // Names of branches that are there, or that would be folders of such.
    for branch in ["main", "main/x"] {
        let problem = new("branch", branch).refused(Code::Conflict);
        assert!(problem["hint"].as_str().unwrap().contains("--branch"), "{problem}");
    }
    cli.git(&repo, &["branch", "deep/er"]);
    new("branch", "deep").refused(Code::Conflict);
    for base in ["-x", "--all", "a\nb", "a\u{0}b", " "] {
        new("base", base).refused(Code::InvalidRequest);
    }
    for base in [
        "nowhere",
        "../../etc/passwd",
        "refs/heads/nowhere",
        "0000000000000000000000000000000000000000",
        "main:README.md",
        "main^{tree}",
        ":/start that is not there",
        &"x".repeat(5000),
    ] {
        new("base", base).refused(Code::NotFound);
    }
}

#[test]
fn a_plan_cannot_leave_its_place() {
    let cli = Cli::new();
    let id = cli.story("A story");
    let plan = |tasks: Value| cli.call("decompose_story", &json!({ "storyId": id, "tasks": tasks }));
    let refused = |tasks: Value, word: &str| {
        let (refs, before) = (cli.git(&cli.repo(), &["for-each-ref"]), cli.json(&["show", &id]).well());
        let problem = plan(tasks).refused(Code::InvalidPlan);
        assert!(detail(&problem).contains(word), "does not say {word:?}: {problem}");
        let after = cli.json(&["show", &id]).well();
        assert_eq!((&after["tasks"], cli.git(&cli.repo(), &["for-each-ref"])), (&before["tasks"], refs));
    };
    for bad in ["", " ", "..", "../x", "a/b", "a\\b", "-x", ".x", "a b", "a\nb", "a\u{0}b", "ü", "$(x)", &"x".repeat(200)] {
        refused(json!([task(bad, &[])]), "id");
    }
    for bad in ["../x", "/etc/passwd", "C:\\x", "a/../../x", ".git/config", "a/.GIT/hooks/x", "a\nb", "a\u{0}b", ""] {
        let mut one = task("task-1", &[]);
        one["files"] = json!([bad]);
        refused(json!([one]), "files");
    }
    refused(json!([]), "no tasks");
    refused(json!([task("a", &[]), task("A", &[])]), "only by case");
    refused(json!([task("a", &[]), task("a", &[])]), "twice");
    refused(json!([task("a", &["a"])]), "a");
    refused(json!([task("a", &["b"]), task("b", &["a"])]), "circle");
    refused(json!([task("a", &["b"])]), "`b`");
    for (key, value) in [("title", ""), ("title", "a\nb"), ("description", ""), ("description", "a\u{0}b"), ("agent", "nobody")] {
        let mut one = task("task-1", &[]);
        one[key] = json!(value);
        refused(json!([one]), if key == "agent" { "nobody" } else { key });
    }
    let mut long = task("task-1", &[]);
    long["description"] = json!("x".repeat(MB));
    refused(json!([long]), "description");
    let many: Vec<Value> = (0..501).map(|n| task(&format!("t{n}"), &[])).collect();
    refused(json!(many), "501 tasks");
    let nested = cli.call("decompose_story", &json!({ "storyId": id, "tasks": [task("a", &[]), { "id": "b", "title": 7 }] }));
    assert!(detail(&nested.refused(Code::InvalidRequest)).contains("`tasks[1].title`"));
    plan(json!([task("task-1", &[])])).well();
}

#[test]
fn a_path_of_a_repository_has_to_be_one() {
    let cli = Cli::new();
    std::fs::create_dir(cli.path("plain")).unwrap();
    let absolute = |name: &str| cli.path(name).to_string_lossy().into_owned();
    for (path, code) in [
        (".".to_owned(), Code::InvalidRequest),
        ("repo".to_owned(), Code::InvalidRequest),
        ("~/repo".to_owned(), Code::InvalidRequest),
        (String::new(), Code::InvalidRequest),
        (absolute("plain"), Code::NotARepository),
        (absolute("nowhere"), Code::NotARepository),
        (absolute("a\u{0}b"), Code::InvalidRequest),
        (absolute("a\u{1b}[2Jb"), Code::InvalidRequest),
        (format!("{}/{}", absolute("plain"), "x".repeat(5000)), Code::InvalidRequest),
    ] {
        let problem = cli.unchanged(|| cli.call("create_story", &json!({ "title": "x", "repositoryPath": path })).refused(code));
        assert!(problem["hint"].is_string(), "{problem}");
    }
    // The command line knows where it stands.
    cli.json(&["new", "x", "-r", "."]).well();
    cli.unchanged(|| cli.json(&["new", "x", "-r", "../plain"]).refused(Code::NotARepository));
}

#[test]
fn stdin_is_bounded_and_may_have_a_mark_in_front() {
    let cli = Cli::new();
    let marked = [b"\xef\xbb\xbf".as_slice(), b"{\"limit\": 5}\r\n"].concat();
    cli.call_with("list_stories", &marked).well();
    for blank in [&b""[..], b"  \r\n", b"\xef\xbb\xbf"] {
        cli.call_with("list_stories", blank).well();
    }
    let problem = cli.unchanged(|| cli.call_with("list_stories", &vec![b' '; 40 * MB]).refused(Code::InvalidRequest));
    assert!(detail(&problem).contains("33554432"), "{problem}");
    let deep = "[".repeat(100_000);
    cli.unchanged(|| cli.call_with("list_stories", deep.as_bytes()).refused(Code::InvalidRequest));
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let problem = cli.unchanged(|| cli.call_with("list_stories", &utf16).refused(Code::InvalidRequest));
    assert!(detail(&problem).contains("UTF-8"), "{problem}");
    // A description may come from stdin, with the same care.
    let story = fed(&mut cli.aura(&["new", "x", "-d", "-", "--json"]), "\u{feff}- one\r\n- two\r\n".as_bytes()).well();
    assert_eq!(story["description"], "- one\r\n- two\r\n");
    cli.unchanged(|| fed(&mut cli.aura(&["new", "x", "-d", "-", "--json"]), b"\xff\xfe").refused(Code::InvalidRequest));
}
