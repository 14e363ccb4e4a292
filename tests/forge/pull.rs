//! The pull request: opened once, brought up to date, and with evidence that can neither ping nor close.

use crate::hub::{Hub, What, elsewhere, finished, keeps_its_token, pushes, shop, there};
use crate::script::{replace, say, sh, write};
use crate::world::task;
use serde_json::json;

#[test]
fn a_story_ends_as_a_draft_with_evidence() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script(
        "a",
        "work",
        vec![write("a.txt", "a\n"), say("{\"summary\": \"fixes #1 @everybody <img src=x> `tick` | closes acme/shop#2\"}")],
    );
    world.script("b", "work", vec![write("b.txt", "BROKEN\n")]);
    world.script("b", "repair", vec![write("b.txt", "b\n")]);
    world.run_well();
    let verified = world.git(&["rev-parse", &format!("{}^{{tree}}", world.branch())]);
    let done = world.tool("complete_story", json!({ "labels": ["aura"], "reviewers": ["ada", "acme/core"] }));
    assert_eq!(done["published"]["how"], "pullRequest", "{done}");
    assert_eq!(done["pullRequestUrl"], "https://github.com/acme/shop/pull/7");
    let commit = done["published"]["commit"].as_str().unwrap();
    assert_eq!((there(&world, &world.branch()).as_str(), there(&world, &format!("{commit}^{{tree}}"))), (commit, verified));
    assert_eq!(there(&world, &format!("{commit}^")), there(&world, "main"));
    let state = hub.state();
    let pull = &state.pulls[0];
    assert_eq!((&pull["draft"], &pull["title"], &pull["base"]["ref"]), (&json!(true), &json!("A story"), &json!("main")));
    let body = pull["body"].as_str().unwrap();
    for words in [
        "**a** Do a (`",
        "1 file, +1 −0)",
        "**b** Do b (`",
        "The gate passed",
        "`check`: passed",
        "repaired a red gate",
        "attempts by `script`",
    ] {
        assert!(body.contains(words), "{words}\n{body}");
    }
    // The agent's words stand in a code span, whatever they hold.
    assert!(body.contains("`` fixes #1 @everybody <img src=x> `tick` | closes acme/shop#2 ``"), "{body}");
    assert_eq!(state.labels, [json!({ "labels": ["aura"] })]);
    assert_eq!(state.reviewers, [json!({ "reviewers": ["ada"], "team_reviewers": ["core"] })]);
    drop(state);
    // Once more is the same answer and no further act.
    let (events, requests) = (world.events().len(), hub.state().requests.len());
    assert_eq!(world.tool("complete_story", json!({}))["pullRequestUrl"], done["pullRequestUrl"]);
    assert_eq!((world.events().len(), hub.state().requests.len(), pushes(&world).len()), (events, requests, 1));
    assert_eq!(world.tool("get_story", json!({}))["pullRequestUrl"], done["pullRequestUrl"]);
    keeps_its_token(&world);
    hub.close();
    world.close();
}

#[test]
fn everything_about_it_can_be_said() {
    let hub = Hub::start();
    let world = finished(&hub, "[complete]\nlabels = [\"aura\"]\ndraft = false\n");
    world.git_in(&world.path("remote.git"), &["branch", "release", "main"]);
    let args = json!({ "prTitle": "Ours", "prBody": "In our words.", "baseBranch": "release", "draft": true, "commitMessage": "One commit\n\nWhole.", "createPullRequest": true });
    let done = world.tool("complete_story", args);
    let pull = hub.state().pulls[0].clone();
    assert_eq!((&pull["title"], &pull["body"], &pull["base"]["ref"]), (&json!("Ours"), &json!("In our words."), &json!("release")));
    assert_eq!((&pull["draft"], &hub.state().labels[0]), (&json!(true), &json!({ "labels": ["aura"] })));
    let message = world.git_in(&world.path("remote.git"), &["log", "-1", "--format=%B", done["published"]["commit"].as_str().unwrap()]);
    assert_eq!(message.trim(), "One commit\n\nWhole.");
    hub.close();
    world.close();
}

#[test]
fn it_is_only_pushed_where_no_pull_request_is_wanted() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let done = world.tool("complete_story", json!({ "createPullRequest": false }));
    assert_eq!((&done["published"]["how"], &done["pullRequestUrl"]), (&json!("pushed"), &json!(null)));
    assert_eq!((hub.state().requests.len(), pushes(&world).len()), (0, 1));
    world.close();
}

#[test]
fn an_open_one_of_the_branch_is_brought_up_to_date_and_keeps_what_people_wrote() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let label = format!("acme:{}", world.branch());
    hub.state().pulls.push(json!({ "number": 3, "html_url": "https://github.com/acme/shop/pull/3", "state": "open", "title": "By hand",
        "body": "Written by hand.", "head": { "label": label, "sha": "" }, "base": { "ref": "main" }, "merged_at": null }));
    let done = world.tool("complete_story", json!({}));
    assert_eq!(done["pullRequestUrl"], "https://github.com/acme/shop/pull/3");
    let pull = hub.state().pulls[0].clone();
    assert_eq!((hub.state().pulls.len(), &pull["title"]), (1, &json!("By hand")));
    let body = pull["body"].as_str().unwrap();
    assert!(body.starts_with("Written by hand.") && body.contains("### What was done"), "{body}");
    assert_eq!(world.events_of("pullRequestOpened")[0]["updated"], true);
    hub.close();
    world.close();
}

#[test]
fn the_linked_issue_is_closed_by_it_and_gives_a_story_its_words() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let issue = json!({ "number": 12, "title": "Prices are wrong, fixes #3", "body": "They should be **right**.\n\n@ada" });
    hub.state().issues.push((12, issue));
    let said = world.aura(&["new", "--issue", "https://github.com/acme/shop/issues/12", "--base", "main", "--json"]);
    assert_eq!(said.code, 0, "{}", said.json);
    assert_eq!(
        (&said.json["title"], &said.json["description"]),
        (&json!("Prices are wrong, fixes #3"), &json!("They should be **right**.\n\n@ada"))
    );
    world.id = said.json["id"].as_str().unwrap().to_owned();
    world.tool("decompose_story", json!({ "tasks": [task("a", &[])] }));
    world.run_well();
    let done = world.tool("complete_story", json!({}));
    let pull = hub.state().pulls[0].clone();
    let body = pull["body"].as_str().unwrap();
    assert!(body.contains("\nCloses #12\n"), "{body}");
    assert_eq!(pull["title"], "Prices are wrong, fixes # 3");
    let message = world.git_in(&world.path("remote.git"), &["log", "-1", "--format=%B", done["published"]["commit"].as_str().unwrap()]);
    assert!(!message.contains("#3") && message.contains("Prices are wrong"), "{message}");
    for url in ["https://github.com/acme/shop/issues/13", "https://github.com/acme/shop/pull/12", "https://gitlab.com/acme/shop/issues/12"]
    {
        let refused = world.aura(&["new", "--issue", url, "--json"]);
        assert!(refused.code > 1, "{url}: {}", refused.json);
    }
    hub.close();
    world.close();
}

#[test]
fn what_the_remote_base_has_gained_is_brought_in_and_verified() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    let local = world.git(&["rev-parse", "main"]);
    let gates = world.events_of("gateFinished").len();
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    assert_eq!(there(&world, &format!("{commit}^")), base);
    assert_eq!((world.at(commit, "meanwhile.txt"), world.at(commit, "a.txt")), ("meanwhile".into(), "a".into()));
    assert_eq!(world.events_of("gateFinished").len(), gates + 1);
    assert_eq!(world.git(&["rev-parse", "main"]), local, "the user's own branches stay");
    assert_eq!(world.git(&["for-each-ref", "refs/remotes/origin/main"]), "", "nor is what they know of the remote's base");
    hub.close();
    world.close();
}

#[test]
fn a_conflict_with_the_remote_base_is_resolved_by_an_agent() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![replace("base.txt", "three", "three, says the story")]);
    world.script("bring-in-base-1", "resolve", vec![sh("printf 'one\\ntwo\\nthree, say both\\nfour\\nfive\\n' > base.txt"), say("Both.")]);
    world.run_well();
    let base = elsewhere(&world, "main", "base.txt", "one\ntwo\nthree, says main\nfour\nfive\n");
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    assert_eq!(
        (there(&world, &format!("{commit}^")), world.at(commit, "base.txt")),
        (base, "one\ntwo\nthree, say both\nfour\nfive".into())
    );
    assert_eq!(world.attempts("bring-in-base-1"), [("resolve".to_owned(), "done".to_owned())]);
    assert!(hub.state().pulls[0]["body"].as_str().unwrap().contains("resolved a conflict"));
    hub.close();
    world.close();
}

#[test]
fn landings_that_are_kept_can_stand_in_a_row_on_top_of_the_base() {
    let hub = Hub::start();
    let mut world = shop(&hub, "[complete]\nbring_in = \"rebase\"\n");
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.run_well();
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    let done = world.tool("complete_story", json!({ "keepCommits": true }));
    let commit = done["published"]["commit"].as_str().unwrap();
    let bare = world.path("remote.git");
    let log = world.git_in(&bare, &["log", "--format=%P %s", &format!("{base}..{commit}")]);
    let parents: Vec<usize> = log.lines().map(|line| line.split(' ').filter(|word| word.len() == 40).count()).collect();
    assert_eq!(parents, [1, 1], "{log}");
    assert_eq!(there(&world, &format!("{commit}~2")), base);
    assert_eq!(
        (world.at(commit, "a.txt"), world.at(commit, "b.txt"), world.at(commit, "meanwhile.txt")),
        ("a".into(), "b".into(), "meanwhile".into())
    );
    let tree = there(&world, &format!("{commit}^{{tree}}"));
    assert!(world.events_of("gateFinished").iter().any(|event| event["report"]["tree"] == tree), "exactly this tree was verified");
    assert_eq!(there(&world, &world.branch()), commit);
    hub.close();
    world.close();
}

#[test]
fn landings_that_do_not_stand_in_a_row_are_not_bent() {
    let hub = Hub::start();
    let mut world = shop(&hub, "[complete]\nbring_in = \"rebase\"\n");
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![replace("base.txt", "three", "three, says the story")]);
    world.script("bring-in-base-1", "resolve", vec![sh("printf 'one\\ntwo\\nthree, say both\\nfour\\nfive\\n' > base.txt"), say("Both.")]);
    world.run_well();
    elsewhere(&world, "main", "base.txt", "one\ntwo\nthree, says main\nfour\nfive\n");
    let (_, problem) = world.refused("complete_story", json!({ "keepCommits": true }));
    assert!(problem["code"] == "conflict" && problem["hint"].as_str().unwrap().contains("--keep-commits"), "{problem}");
    assert_eq!(pushes(&world).len(), 0);
    assert_eq!(world.tool("complete_story", json!({}))["published"]["how"], "pullRequest");
    hub.close();
    world.close();
}

#[test]
fn a_repository_without_drafts_gets_an_ordinary_one() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let refusal =
        json!({ "message": "Validation Failed", "errors": [{ "message": "Draft pull requests are not supported in this repository." }] });
    hub.fail("POST", "/pulls", 2, What::Answer(422, vec![], refusal));
    let (_, problem) = world.refused("complete_story", json!({ "draft": true }));
    assert!(problem.to_string().contains("Draft pull requests"), "{problem}");
    world.tool("complete_story", json!({}));
    let pull = hub.state().pulls[0].clone();
    assert_eq!((&pull["draft"], hub.count("POST", "/pulls")), (&json!(false), 3));
    hub.close();
    world.close();
}

#[test]
fn a_base_that_turns_the_gate_red_is_repaired_by_a_run() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[])]);
    world.run_well();
    elsewhere(&world, "main", "meanwhile.txt", "BROKEN\n");
    world.script("bring-in-base-1", "repair", vec![write("meanwhile.txt", "sound\n")]);
    let (code, problem) = world.refused("complete_story", json!({}));
    assert_eq!(code, 4, "{problem}");
    assert_eq!(world.refused("complete_story", json!({})).0, 4, "again is no way around it");
    assert!(pushes(&world).is_empty() && hub.state().pulls.is_empty());
    world.run_well();
    let done = world.tool("complete_story", json!({}));
    assert_eq!(world.at(done["published"]["commit"].as_str().unwrap(), "meanwhile.txt"), "sound");
    hub.close();
    world.close();
}
