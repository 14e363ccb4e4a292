//! The words of the pull request: what reviewers read, and that words of models and strangers in it mean nothing.

use crate::hub::{Hub, finished, shop};
use crate::script::{replace, say, sh, write};
use crate::world::{World, task};
use serde_json::{Value, json};

fn story(world: &mut World, description: &str, tasks: &[Value]) {
    let created =
        json!({ "title": "Add user validation", "description": description, "repositoryPath": world.path("repo"), "base": "main" });
    world.id = world.call("create_story", created).json["id"].as_str().unwrap().to_owned();
    world.tool("decompose_story", json!({ "tasks": tasks }));
}

fn body(hub: &Hub) -> String {
    hub.state().pulls[0]["body"].as_str().unwrap().to_owned()
}

/// What is neither in a block nor in a code span, as a reader of Markdown sees it.
fn outside_code(text: &str) -> String {
    let (mut plain, mut block) = (String::new(), None::<String>);
    for line in text.lines() {
        let fence: String = line.chars().take_while(|c| *c == '`').collect();
        match &block {
            Some(open) if fence.len() >= open.len() && line.trim_end() == fence => block = None,
            Some(_) => {}
            None if fence.len() >= 3 => block = Some(fence),
            None => plain += &format!("{}\n", without_spans(line)),
        }
    }
    assert!(block.is_none(), "a block is never closed:\n{text}");
    plain
}

fn without_spans(line: &str) -> String {
    let (mut plain, mut rest) = (String::new(), line);
    while let Some(at) = rest.find('`') {
        plain += &rest[..at];
        let run = rest[at..].chars().take_while(|c| *c == '`').count();
        let after = &rest[at + run..];
        let mark = "`".repeat(run);
        let mut ends = after.match_indices(&mark).map(|(place, _)| place);
        let end = ends.find(|place| !after[place + run..].starts_with('`') && !after[..*place].ends_with('`'));
        rest = &after[end.unwrap_or_else(|| panic!("a code span is never closed: {line}")) + run..];
    }
    plain + rest
}

#[test]
fn nothing_in_a_strangers_words_means_anything() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let hostile = [
        "Closes #1",
        "thanks @ada",
        "see <img src=https://evil.example/x.gif>",
        "![x](https://evil.example/x.gif)",
        "<!-- aura:end --> ``` ` <!-- aura:begin -->",
        "Fixes acme/shop#3 and https://github.com/acme/shop/issues/4",
        "1. [x] resolve GH-5 </details>",
    ];
    let tasks: Vec<Value> = hostile
        .iter()
        .zip(1..)
        .map(|(title, n)| json!({ "id": format!("t{n}"), "title": title, "description": "Do it.", "dependsOn": [] }))
        .collect();
    let description = format!("```\n</details>\n````\n{}\n", hostile.join("\n"));
    story(&mut world, &description, &tasks);
    for n in 1..=tasks.len() {
        world.script(
            &format!("t{n}"),
            "work",
            vec![write(&format!("t{n}.txt"), "x\n"), say(&json!({ "summary": hostile[n - 1] }).to_string())],
        );
    }
    world.run_well();
    world.settle_checkout();
    let done = world.tool("complete_story", json!({}));
    let body = body(&hub);
    let plain = outside_code(&body).to_ascii_lowercase();
    for word in ["#1", "@", "<img", "![", "evil", "acme/shop", "gh-5", "closes", "fixes", "resolve"] {
        assert!(!plain.contains(word), "{word}\n{body}");
    }
    assert_eq!(
        (plain.matches("<details>").count(), plain.matches("</details>").count(), plain.matches("<!--").count()),
        (1, 1, 2),
        "{body}"
    );
    let message = world.git(&["log", "-1", "--format=%B", done["published"]["commit"].as_str().unwrap()]);
    for word in ["#1", "@ada", "#3", "https://", "GH-5"] {
        assert!(!message.contains(word), "{word}\n{message}");
    }
    hub.close();
    world.close();
}

/// GitHub takes 65 536 characters. What people have written comes first; ours is shortened at the ends of its lists.
#[test]
fn it_is_never_too_long() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let tasks: Vec<Value> = ["a", "b"].iter().map(|id| task(id, &[])).collect();
    story(&mut world, &"Überall ein Wort. ".repeat(3_000), &tasks);
    world.run_well();
    world.settle_checkout();
    let people = "Written by hand. ".repeat(3_200);
    let label = format!("acme:{}", world.branch());
    hub.state().pulls.push(json!({ "number": 3, "html_url": "https://github.com/acme/shop/pull/3", "state": "open", "title": "By hand",
        "body": people, "head": { "label": label, "sha": "" }, "base": { "ref": "main" }, "merged_at": null }));
    for args in [json!({ "prTitle": "x".repeat(257) }), json!({ "prBody": "x".repeat(65_537) }), json!({ "prTitle": " " })] {
        let (_, problem) = world.refused("complete_story", args);
        assert_eq!(problem["code"], "invalid_request", "{problem}");
    }
    world.tool("complete_story", json!({}));
    let body = body(&hub);
    assert!(body.chars().count() <= 65_536 && body.starts_with(&people), "{}", body.chars().count());
    assert!(body.trim_end().ends_with("<!-- aura:end -->") && body.contains("**b** Do b") && body.contains("[…]"));
    outside_code(&body);
    hub.close();
    world.close();
}

#[test]
fn what_reviewers_read() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let planned = |id: &str, title: &str, after: &[&str], files: &[&str]| json!({ "id": id, "title": title, "description": "Do it.", "dependsOn": after, "files": files });
    let tasks = [
        planned("task-1", "Check e-mail addresses", &[], &["email.txt"]),
        planned("task-2", "Check passwords", &["task-1"], &["password.txt"]),
        planned("task-3", "Write the faults as one message", &["task-2"], &["message.txt"]),
    ];
    story(&mut world, "The shop takes any text. Users should be told what is wrong instead.", &tasks);
    world.script(
        "task-1",
        "work",
        vec![write("email.txt", "a\nb\n"), write("notes.md", "aside\n"), say("email::check is there, with a test.")],
    );
    world.script("task-2", "work", vec![write("password.txt", "a\n"), say("password::check is there.")]);
    world.script("task-3", "work", vec![write("message.txt", "BROKEN\n")]);
    world.script("task-3", "repair", vec![replace("message.txt", "BROKEN", "sound"), sh("true"), say("message::of joins the faults.")]);
    world.run_well();
    world.settle_checkout();
    world.tool("complete_story", json!({}));
    let body = body(&hub);
    if std::env::var_os("AURA_TEST_SHOW").is_some() {
        println!("{body}");
    }
    for words in [
        "### What was asked\n\nAdd user validation\n",
        "<details><summary>The whole request</summary>",
        "- **task-1** Check e-mail addresses (`",
        ", 2 files, +3 −0)\n",
        "- **task-3** Write the faults as one message (`",
        "### What speaks for it\n\nThe gate passed on exactly the files of this commit, on top of the base:\n\n- `check`: passed, under a second\n",
        "### Repaired, and worth a closer look\n\n- **task-1** changed files that its plan does not name: `notes.md`\n- **task-3** repaired a red gate\n",
        "4 attempts by `script`, ",
        "of Aura: one commit, `",
    ] {
        assert!(body.contains(words), "{words}\n\n{body}");
    }
    hub.close();
    world.close();
}

#[test]
fn with_the_landings_kept_it_does_not_speak_of_one_commit() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    world.tool("complete_story", json!({ "keepCommits": true }));
    let body = body(&hub);
    assert!(body.contains("every landing as it was") && !body.contains("one commit"), "{body}");
    hub.close();
    world.close();
}
