//! Everything that GitHub or a remote can refuse: a clear problem, the story as it was, and once more works.

use crate::hub::{Hub, TOKEN, What, elsewhere, executable, finished, keeps_its_token, pushes, shop, there};
use crate::script::{sh, write};
use crate::world::{World, task};
use serde_json::{Value, json};

fn answer(status: u16, headers: &[(&'static str, &str)], message: &str) -> What {
    What::Answer(status, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), json!({ "message": message }))
}

/// Refusals with the problem's code and a word that it says.
fn table() -> Vec<(What, u32, &'static str, &'static str)> {
    let invalid = json!({ "message": "Validation Failed", "errors": [{ "resource": "PullRequest", "field": "base", "code": "invalid" }] });
    vec![
        (answer(401, &[], "Bad credentials"), 1, "needs_login", "Bad credentials"),
        (answer(403, &[], "Resource not accessible by personal access token"), 1, "needs_person", "not accessible"),
        (
            answer(403, &[("x-github-sso", "required; url=https://github.com/orgs/acme/sso?x=1")], "SAML"),
            1,
            "needs_person",
            "orgs/acme/sso",
        ),
        (answer(403, &[("retry-after", "120")], "You have exceeded a secondary rate limit"), 1, "limit_reached", "120 s"),
        (answer(403, &[("x-ratelimit-remaining", "0")], "API rate limit exceeded"), 1, "limit_reached", "rate limit"),
        (answer(429, &[("retry-after", "3600")], "slow down"), 1, "limit_reached", "3600 s"),
        (answer(404, &[], "Not Found"), 1, "not_found", "not found"),
        (answer(409, &[], "Git Repository is empty."), 1, "conflict", "empty"),
        (What::Answer(422, vec![], invalid), 1, "needs_person", "base: invalid"),
        (
            answer(301, &[("location", "https://api.github.com/repositories/1/pulls")], "Moved Permanently"),
            1,
            "needs_person",
            "repositories/1",
        ),
        (answer(307, &[("location", "http://evil.example/")], "Temporary Redirect"), 1, "needs_person", "evil.example"),
        (answer(500, &[], "oops"), 3, "unavailable", "HTTP 500"),
        (answer(502, &[], TOKEN), 3, "unavailable", "HTTP 502"),
        (answer(200, &[], "not what was asked for"), 1, "unavailable", "cannot be understood"),
        (What::Silence, 1, "timed_out", "2 s"),
        (What::Lost, 3, "unavailable", "reached"),
    ]
}

fn refused(world: &World, code: &str, word: &str) -> Value {
    let (_, problem) = world.refused("complete_story", json!({}));
    let text = problem.to_string();
    assert_eq!(problem["code"], code, "{word}: {problem}");
    assert!(text.contains(word) && problem["hint"].is_string() && !text.contains(TOKEN), "{word}: {problem}");
    assert_eq!(world.status()["isComplete"], true);
    problem
}

#[test]
fn what_github_says_before_anything_is_published() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let before = world.events().len();
    for (what, times, code, word) in table() {
        // A repository that answers with something else is not noticed by its name.
        if word == "cannot be understood" {
            continue;
        }
        hub.fail("GET", "/repos/acme/shop", times, what);
        refused(&world, code, word);
        hub.state().faults.clear();
    }
    assert_eq!((world.events().len(), pushes(&world).len()), (before, 0), "nothing has happened to the story");
    world.tool("complete_story", json!({}));
    keeps_its_token(&world);
    hub.close();
    world.close();
}

#[test]
fn what_github_says_to_a_pull_request() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    for (what, _, code, word) in table() {
        hub.fail("POST", "/pulls", 1, what);
        refused(&world, code, word);
        assert!(hub.state().faults.is_empty(), "{word}");
        if word == "reached" {
            break;
        }
    }
    // The last one was opened, though its answer was lost.
    assert_eq!((pushes(&world).len(), hub.state().pulls.len()), (1, 1));
    let done = world.tool("complete_story", json!({}));
    assert_eq!((&done["published"]["how"], hub.state().pulls.len(), pushes(&world).len()), (&json!("pullRequest"), 1, 1));
    keeps_its_token(&world);
    hub.close();
    world.close();
}

#[test]
fn a_short_limit_is_waited_for_and_a_short_trouble_is_asked_again() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    hub.fail("GET", "/repos/acme/shop", 2, answer(502, &[], "oops"));
    hub.fail("POST", "/pulls", 1, answer(429, &[("retry-after", "1")], "slow down"));
    hub.fail("POST", "/pulls", 1, answer(403, &[("retry-after", "0")], "You have exceeded a secondary rate limit"));
    let done = world.tool("complete_story", json!({}));
    let pulls = hub.state().pulls.len();
    assert_eq!((&done["published"]["how"], pulls, hub.count("POST", "/pulls")), (&json!("pullRequest"), 1, 3));
    hub.close();
    world.close();
}

#[test]
fn somebody_who_is_faster_is_joined() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let message = json!({ "message": "Validation Failed", "errors": [{ "message": "A pull request already exists for acme:x." }] });
    hub.fail("GET", "/pulls", 1, What::Answer(200, vec![], json!([])));
    hub.fail("POST", "/pulls", 1, What::Answer(422, vec![], message));
    let label = format!("acme:{}", world.branch());
    hub.state()
        .pulls
        .push(json!({ "number": 3, "html_url": "https://github.com/acme/shop/pull/3", "state": "open", "title": "x", "body": null,
        "head": { "label": label, "sha": "" }, "base": { "ref": "main" }, "merged_at": null }));
    assert_eq!(world.tool("complete_story", json!({}))["pullRequestUrl"], "https://github.com/acme/shop/pull/3");
    hub.close();
    world.close();
}

#[test]
fn a_reviewer_that_is_unknown_is_said_with_the_pull_request_and_can_be_changed() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    hub.fail("POST", "/requested_reviewers", 1, answer(422, &[], "Reviews may only be requested from collaborators."));
    let (_, problem) = world.refused("complete_story", json!({ "reviewers": ["nobody"] }));
    assert!(problem.to_string().contains("pull/7 is open") && problem["code"] == "needs_person", "{problem}");
    let done = world.tool("complete_story", json!({ "reviewers": ["ada"] }));
    assert_eq!((&done["published"]["how"], hub.state().pulls.len()), (&json!("pullRequest"), 1));
    hub.close();
    world.close();
}

#[test]
fn without_a_token_it_says_how_to_get_one_and_gh_has_one() {
    let hub = Hub::start();
    let mut world = finished(&hub, "");
    world.env.remove("GH_TOKEN");
    let gh = world.path("bin/gh");
    std::fs::write(&gh, "#!/bin/sh\nexit 4\n").unwrap();
    executable(&gh);
    let problem = refused(&world, "needs_login", "gh auth login");
    assert!(problem["detail"].as_str().unwrap().contains("github.com"), "{problem}");
    std::fs::write(&gh, format!("#!/bin/sh\ntest \"$*\" = 'auth token --hostname github.com' && echo {TOKEN}\n")).unwrap();
    assert_eq!(world.tool("complete_story", json!({}))["published"]["how"], "pullRequest");
    keeps_its_token(&world);
    hub.close();
    world.close();
}

#[test]
fn a_push_that_is_rejected_leaves_the_story_open() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let hook = world.path("remote.git/hooks/pre-receive");
    for (said, code, word) in
        [("GH006: Protected branch update failed", "needs_person", "rotect"), ("the commit has no sign-off", "needs_person", "sign-off")]
    {
        std::fs::write(&hook, format!("#!/bin/sh\necho '{said}' >&2\nexit 1\n")).unwrap();
        executable(&hook);
        refused(&world, code, word);
        assert_eq!((pushes(&world).len(), hub.state().pulls.len()), (0, 0));
    }
    // A person mends it on the story branch, and it is verified like anything else.
    std::fs::remove_file(&hook).unwrap();
    let worktree = world.worktree("story");
    std::fs::write(worktree.join("signed-off.txt"), "by Ada\n").unwrap();
    world.git_in(&worktree, &["add", "-A"]);
    world.git_in(&worktree, &["commit", "-qm", "sign off"]);
    let done = world.tool("complete_story", json!({}));
    assert_eq!(world.at(done["published"]["commit"].as_str().unwrap(), "signed-off.txt"), "by Ada");
    hub.close();
    world.close();
}

#[test]
fn a_branch_that_somebody_else_has_pushed_to_is_never_overwritten() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let bare = world.path("remote.git");
    world.git_in(&bare, &["branch", &world.branch(), "main"]);
    let theirs = elsewhere(&world, &world.branch(), "theirs.txt", "theirs\n");
    refused(&world, "conflict", "has not put there");
    assert_eq!(there(&world, &world.branch()), theirs);
    world.git_in(&bare, &["branch", "-D", &world.branch()]);
    world.tool("complete_story", json!({}));
    hub.close();
    world.close();
}

#[test]
fn remotes_that_leave_a_choice_are_asked_about() {
    let hub = Hub::start();
    let mut world = finished(&hub, "");
    world.git(&["remote", "rename", "origin", "here"]);
    world.git(&["remote", "add", "there", "https://github.com/acme/other.git"]);
    world.settle_checkout();
    refused(&world, "invalid_request", "--remote");
    let (_, problem) = world.refused("complete_story", json!({ "remote": "nowhere" }));
    assert_eq!(problem["code"], "not_found", "{problem}");
    hub.state().repository["fork"] = json!(true);
    hub.state().repository["parent"] = json!({ "full_name": "upstream/shop" });
    let (_, problem) = world.refused("complete_story", json!({ "remote": "here" }));
    assert!(
        problem["code"] == "needs_person" && problem["hint"].as_str().unwrap().contains("--pull-repository upstream/shop"),
        "{problem}"
    );
    hub.state().repository["full_name"] = json!("upstream/shop");
    let done = world.tool("complete_story", json!({ "remote": "here", "prRepository": "upstream/shop" }));
    assert_eq!((&done["published"]["how"], hub.count("POST", "/repos/upstream/shop/pulls")), (&json!("pullRequest"), 1));
    assert_eq!(hub.state().pulls[0]["head"]["label"], format!("acme:{}", world.branch()));
    world.close();
}

#[test]
fn where_no_pull_request_can_be_it_says_why() {
    let hub = Hub::start();
    let mut world = finished(&hub, "");
    hub.state().repository["archived"] = json!(true);
    refused(&world, "needs_person", "archived");
    hub.state().repository["archived"] = json!(false);
    hub.state().repository["permissions"] = json!({ "push": false });
    refused(&world, "needs_person", "only read");
    hub.state().repository["permissions"] = json!({ "push": true });
    hub.state().repository["full_name"] = json!("acme/store");
    refused(&world, "needs_person", "acme/store");
    hub.state().repository["full_name"] = json!("acme/shop");
    let (_, problem) = world.refused("complete_story", json!({ "baseBranch": "nowhere" }));
    assert_eq!(problem["code"], "not_found", "{problem}");
    // A remote that is no GitHub; then none at all.
    let bare = world.path("remote.git");
    world.git(&["remote", "set-url", "origin", bare.to_str().unwrap()]);
    let (_, problem) = world.refused("complete_story", json!({ "createPullRequest": true }));
    assert!(problem["detail"].as_str().unwrap().contains("not at a GitHub"), "{problem}");
    world.git(&["remote", "remove", "origin"]);
    let (_, problem) = world.refused("complete_story", json!({ "createPullRequest": true }));
    assert!(problem["detail"].as_str().unwrap().contains("no remote"), "{problem}");
    assert_eq!(pushes(&world).len(), 0);
    world.settle_checkout();
    assert_eq!(world.tool("complete_story", json!({}))["published"]["how"], "merged");
    world.close();
}

#[test]
fn what_only_the_users_own_base_holds_is_not_published_with_the_story() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let place = world.path("elsewhere");
    world.git(&["worktree", "add", "-q", place.to_str().unwrap(), "main"]);
    std::fs::write(place.join("private.txt"), "not yet\n").unwrap();
    world.git_in(&place, &["add", "-A"]);
    world.git_in(&place, &["commit", "-qm", "mine"]);
    world.git(&["worktree", "remove", "--force", place.to_str().unwrap()]);
    world.story(vec![task("a", &[])]);
    world.run_well();
    refused(&world, "needs_person", "git push origin main");
    assert_eq!(pushes(&world).len(), 0);
    world.git(&["push", "-q", "origin", "main"]);
    world.settle_checkout();
    assert_eq!(world.tool("complete_story", json!({}))["published"]["how"], "pullRequest");
    hub.close();
    world.close();
}

#[test]
fn a_secret_stops_it_and_is_named_by_place_only() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[])]);
    let secret = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4");
    world.script("a", "work", vec![write("src/app.txt", &format!("first\ntoken = {secret}\n"))]);
    world.run_well();
    let problem = refused(&world, "needs_person", "src/app.txt:2");
    assert!(!problem.to_string().contains(&secret) && problem["detail"].as_str().unwrap().contains("GitHub token"), "{problem}");
    assert!(world.events().iter().all(|event| !event.to_string().contains(&secret)), "no event holds it");
    assert_eq!((pushes(&world).len(), hub.state().pulls.len()), (0, 0));
    // Taken out as the hint says, it goes on.
    let worktree = world.worktree("story");
    std::fs::write(worktree.join("src/app.txt"), "first\n").unwrap();
    world.git_in(&worktree, &["commit", "-qam", "no token"]);
    // With the landings kept, it would still be in one of them.
    let (_, problem) = world.refused("complete_story", json!({ "keepCommits": true }));
    assert!(problem["detail"].as_str().unwrap().contains("src/app.txt:2"), "{problem}");
    world.tool("complete_story", json!({}));
    hub.close();
    world.close();
}

#[test]
fn hooks_of_a_commit_are_honoured() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "a  \n"), sh("true")]);
    world.run_well();
    let hooks = world.path("repo/.git/hooks");
    let hook = |name: &str, text: &str| {
        std::fs::create_dir_all(&hooks).unwrap();
        std::fs::write(hooks.join(name), text).unwrap();
        executable(&hooks.join(name));
    };
    hook("pre-commit", "#!/bin/sh\necho 'no trailing blanks' >&2\nexit 1\n");
    refused(&world, "needs_person", "no trailing blanks");
    // One that rewrites: what it makes of the files is verified before it is published.
    hook("pre-commit", "#!/bin/sh\nsed -i 's/ *$//' a.txt && git add a.txt\n");
    hook("commit-msg", "#!/bin/sh\necho 'Reviewed-by: a hook' >> \"$1\"\n");
    hook("pre-push", "#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n");
    refused(&world, "needs_person", "not on a Friday");
    std::fs::remove_file(hooks.join("pre-push")).unwrap();
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    assert_eq!(world.at(commit, "a.txt"), "a");
    assert!(world.git(&["log", "-1", "--format=%B", commit]).contains("Reviewed-by: a hook"));
    let tree = there(&world, &format!("{commit}^{{tree}}"));
    assert!(world.events_of("gateFinished").iter().any(|event| event["report"]["tree"] == tree), "the rewritten tree was verified");
    for name in ["pre-commit", "commit-msg"] {
        std::fs::remove_file(hooks.join(name)).unwrap();
    }
    hub.close();
    world.close();
}

#[test]
fn commits_are_signed_where_the_user_signs() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let signer = world.path("bin/signer");
    std::fs::write(&signer, "#!/bin/sh\necho '[GNUPG:] SIG_CREATED ' >&2\ncat > /dev/null\necho '-----BEGIN PGP SIGNATURE-----'\necho made-by-a-test\necho '-----END PGP SIGNATURE-----'\n").unwrap();
    executable(&signer);
    world.git(&["config", "commit.gpgSign", "true"]);
    world.git(&["config", "gpg.program", signer.to_str().unwrap()]);
    world.settle_checkout();
    world.story(vec![task("a", &[])]);
    world.run_well();
    let done = world.tool("complete_story", json!({}));
    let raw = world.git_in(&world.path("remote.git"), &["cat-file", "commit", done["published"]["commit"].as_str().unwrap()]);
    assert!(raw.contains("gpgsig -----BEGIN PGP SIGNATURE-----"), "{raw}");
    hub.close();
    world.close();
}
