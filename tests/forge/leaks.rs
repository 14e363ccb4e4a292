//! Secrets are found wherever they would be published, named by their place, and never repeated.

use crate::hub::{Hub, What, executable, pushes, shop};
use crate::script::{sh, write};
use crate::world::{World, task};
use serde_json::{Value, json};

fn secret() -> String {
    format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4")
}

/// Refused for a secret, which is nowhere in what was said and written down.
fn refused(world: &World, arguments: Value) -> String {
    let (_, problem) = world.refused("complete_story", arguments);
    assert_eq!((&problem["code"], pushes(world).len()), (&json!("needs_person"), 0), "{problem}");
    assert!(!problem.to_string().contains(&secret()), "{problem}");
    let ours = ["completionFailed", "squashDropped", "noted"];
    for event in world.events().iter().filter(|event| ours.contains(&event["kind"].as_str().unwrap())) {
        assert!(!event.to_string().contains(&secret()), "{event}");
    }
    problem["detail"].as_str().unwrap().to_owned()
}

#[test]
fn in_whatever_file_it_is() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[])]);
    let secret = secret();
    let hide = format!(
        "printf 'one\\ntoken={secret}\\nthree\\n' | iconv -t UTF-16 > wide.txt; printf '\\000\\001\\n\\002{secret}\\000' > blob.bin; \
         printf 'one\\r\\ntwo\\r\\n{secret}\\r\\n' > dos.txt; head -c 70000 /dev/zero | tr '\\000' x > long.js; printf ';{secret};' >> long.js; \
         mkdir keys; echo harmless > keys/{secret}.txt; printf '%s\\n' {secret} > attributed.txt; echo '* -diff' > .gitattributes; \
         ln -s 'https://ada:{secret}@example.org/' link"
    );
    world.script("a", "work", vec![sh(&hide)]);
    world.run_well();
    // However the user likes to see patches.
    for (key, value) in [("diff.interHunkContext", "5"), ("diff.noprefix", "true"), ("diff.orderFile", "no-such-file")] {
        world.git(&["config", key, value]);
    }
    world.settle_checkout();
    let detail = refused(&world, json!({}));
    for place in
        ["wide.txt:2 (", "blob.bin:2 (", "dos.txt:3 (", "long.js:1 (", "keys/….txt (a GitHub token in its name)", "attributed.txt:1 ("]
    {
        assert!(detail.contains(place), "{place}: {detail}");
    }
    assert!(detail.contains("link:1 (") && !detail.contains(".gitattributes"), "{detail}");
    // What a person has looked at and allows, in the settings of their own checkout.
    let allow = "[complete]\nsecrets_allow = [\"*.txt\", \"blob.bin\", \"long.js\", \"link\"]\n";
    let settings = world.path("home/config.toml");
    std::fs::write(&settings, std::fs::read_to_string(&settings).unwrap() + allow).unwrap();
    assert_eq!(world.tool("complete_story", json!({}))["published"]["how"], "pullRequest");
    hub.close();
    world.close();
}

#[test]
fn in_what_is_said_about_it() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let secret = secret();
    let created = json!({ "title": "A story", "description": format!("Log in with\n{secret}"), "repositoryPath": world.path("repo"), "base": "main" });
    world.id = world.call("create_story", created).json["id"].as_str().unwrap().to_owned();
    world.tool("decompose_story", json!({ "tasks": [task("a", &[])] }));
    world.run_well();
    world.settle_checkout();
    assert!(refused(&world, json!({})).contains("text of the pull request:"), "the description");
    let body = "Logs in.";
    let detail = refused(&world, json!({ "prBody": body, "commitMessage": format!("One\n\n{secret}") }));
    assert!(detail.contains("commit message:3 (a GitHub token)"), "{detail}");
    let detail = refused(&world, json!({ "prBody": body, "prTitle": format!("Use {secret}") }));
    assert!(detail.contains("title of the pull request:1"), "{detail}");
    // A hook that writes one into the message, and one that shows what it has found.
    let hook = |name: &str, text: &str| {
        let path = world.path("repo/.git/hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        executable(&path);
    };
    hook("commit-msg", &format!("echo 'Token: {secret}' >> \"$1\""));
    assert!(refused(&world, json!({ "prBody": body })).contains("commit message:"));
    hook("commit-msg", &format!("echo 'found {secret} here' >&2; exit 1"));
    assert!(refused(&world, json!({ "prBody": body })).contains("found … here"));
    hook("commit-msg", "exit 0");
    hook("pre-push", &format!("echo 'leaks {secret} here' >&2; exit 1"));
    assert!(refused(&world, json!({ "prBody": body })).contains("leaks … here"));
    std::fs::remove_dir_all(world.path("repo/.git/hooks")).unwrap();
    // After the push, the words may be others.
    hub.fail("POST", "/pulls", 1, What::Answer(422, vec![], json!({ "message": "Validation Failed" })));
    world.refused("complete_story", json!({ "prBody": body }));
    let (_, problem) = world.refused("complete_story", json!({ "prBody": secret }));
    assert!(problem["detail"].as_str().unwrap().contains("text of the pull request:1") && hub.state().pulls.is_empty(), "{problem}");
    world.tool("complete_story", json!({ "prBody": body }));
    hub.close();
    world.close();
}

/// What a later task took out again is not in the one commit; with the landings kept, it would be published.
#[test]
fn in_a_landing_that_is_kept() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[]), task("b", &["a"]), task("c", &["b"])]);
    let secret = secret();
    let marked = format!("sample = \"{secret}\" # gitleaks:allow\n");
    world.script("a", "work", vec![write("made.txt", &format!("one\n{secret}\n")), write("sample.toml", &marked)]);
    world.script("b", "work", vec![sh("rm made.txt"), write("b.txt", "b\n")]);
    world.run_well();
    let detail = refused(&world, json!({ "keepCommits": true }));
    assert!(detail.contains("made.txt:2 (a GitHub token, added by "), "{detail}");
    assert!(!detail.contains("sample.toml"), "the mark is a person's word: {detail}");
    world.tool("complete_story", json!({}));
    hub.close();
    world.close();
}
