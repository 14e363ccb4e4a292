//! Remotes as people have them: forks, addresses that are rewritten, SSH, places that are gone or full. And an agent that
//! writes to the repository's configuration.

use crate::hub::{Hub, elsewhere, executable, finished, pushes, shop, there};
use crate::script::{sh, write};
use crate::world::{World, task};
use serde_json::{Value, json};

/// A second bare repository, where `https://github.com/<slug>.git` leads.
fn also(world: &World, name: &str, slug: &str) {
    let bare = world.path(name);
    world.git(&["clone", "-q", "--bare", world.path("remote.git").to_str().unwrap(), bare.to_str().unwrap()]);
    let path = world.path("user/gitconfig");
    let rewrite = format!("[url \"{}\"]\ninsteadOf = https://github.com/{slug}.git\n", bare.display());
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &rewrite).unwrap();
}

/// The pull request is the parent's, from the fork, and stands on the parent's base.
fn goes_to_the_parent(hub: &Hub, world: &World, base: &str) {
    hub.state().requests.clear();
    let done = world.tool("complete_story", json!({}));
    assert_eq!(done["published"]["how"], "pullRequest", "{done}");
    assert_eq!((hub.count("POST", "/repos/upstream/shop/pulls"), hub.count("POST", "/repos/acme/shop/pulls")), (1, 0));
    assert_eq!(hub.state().pulls[0]["head"]["label"], format!("acme:{}", world.branch()));
    let commit = done["published"]["commit"].as_str().unwrap();
    assert_eq!((there(world, &world.branch()).as_str(), there(world, &format!("{commit}^")).as_str()), (commit, base));
    let (_, heads) = world.try_git(&world.path("parent.git"), &["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    assert_eq!(heads, "main", "nothing is pushed to the parent");
    hub.close();
}

fn moved_parent(world: &World) -> String {
    let place = world.path("theirs");
    world.git(&["clone", "-q", "-b", "main", world.path("parent.git").to_str().unwrap(), place.to_str().unwrap()]);
    std::fs::write(place.join("theirs.txt"), "theirs\n").unwrap();
    world.git_in(&place, &["add", "-A"]);
    world.git_in(&place, &["commit", "-qm", "theirs"]);
    world.git_in(&place, &["push", "-q"]);
    world.git_in(&place, &["rev-parse", "HEAD"])
}

#[test]
fn a_fork_with_its_upstream() {
    let hub = Hub::start();
    let mut world = finished(&hub, "");
    also(&world, "parent.git", "upstream/shop");
    world.git(&["remote", "add", "upstream", "https://github.com/upstream/shop.git"]);
    world.git(&["remote", "set-url", "--push", "upstream", "no_push"]);
    world.settle_checkout();
    hub.state().repository["full_name"] = json!("upstream/shop");
    hub.state().repository["permissions"] = json!({ "push": false });
    let base = moved_parent(&world);
    goes_to_the_parent(&hub, &world, &base);
    world.close();
}

#[test]
fn one_remote_that_is_fetched_from_the_parent_and_pushed_to_the_fork() {
    let hub = Hub::start();
    let mut world = finished(&hub, "");
    also(&world, "parent.git", "upstream/shop");
    world.git(&["remote", "set-url", "origin", "https://github.com/upstream/shop.git"]);
    world.git(&["remote", "set-url", "--push", "origin", "https://github.com/acme/shop.git"]);
    world.settle_checkout();
    hub.state().repository["full_name"] = json!("upstream/shop");
    let base = moved_parent(&world);
    // A push whose answer is lost is found where it was pushed to.
    hub.fail("POST", "/pulls", 1, crate::hub::What::Answer(502, vec![], json!({ "message": "oops" })));
    world.refused("complete_story", json!({}));
    goes_to_the_parent(&hub, &world, &base);
    assert_eq!(pushes(&world).len(), 1);
    world.close();
}

/// An `ssh` that is at home: hosts are folders here, and `work` is a name for github.com.
fn ssh(world: &World) -> String {
    let script = format!(
        "#!/bin/sh\nif test \"$1\" = -G; then shift; test \"$1\" = -- && shift; case \"$1\" in work) echo 'hostname github.com';; *) echo \"hostname $1\";; esac; exit 0; fi\n\
         echo asked >> '{}'\nfor last; do :; done\ncd '{}' && eval \"$last\"\n",
        world.path("ssh-asked").display(),
        world.path("served").display()
    );
    let path = world.path("bin/ssh");
    std::fs::write(&path, script).unwrap();
    executable(&path);
    std::fs::create_dir_all(world.path("served/acme")).unwrap();
    std::os::unix::fs::symlink(world.path("remote.git"), world.path("served/acme/shop.git")).unwrap();
    path.display().to_string()
}

#[test]
fn names_of_the_users_own_mean_github() {
    for (remote, key, value) in
        [("gh:acme/shop.git", "url.git@github.com:.insteadOf", "gh:"), ("git@work:acme/shop.git", "core.quotePath", "true")]
    {
        let hub = Hub::start();
        let mut world = shop(&hub, "");
        let program = ssh(&world);
        world.git(&["config", key, value]);
        // The user's own program for SSH, with an argument.
        world.git(&["config", "core.sshCommand", &format!("'{program}' -q")]);
        world.git(&["config", "ssh.variant", "ssh"]);
        world.git(&["remote", "set-url", "origin", remote]);
        world.settle_checkout();
        world.story(vec![task("a", &[])]);
        world.run_well();
        let done = world.tool("complete_story", json!({}));
        assert_eq!(
            (&done["published"]["how"], hub.count("POST", "/repos/acme/shop/pulls")),
            (&json!("pullRequest"), 1),
            "{remote}: {done}"
        );
        assert!(world.path("ssh-asked").exists() && !there(&world, &world.branch()).is_empty(), "{remote}");
        hub.close();
        world.close();
    }
}

#[test]
fn where_git_pushes_is_where_it_goes() {
    let hub = Hub::start();
    let mut world = finished(&hub, "");
    also(&world, "mine.git", "ada/shop");
    let mine = world.path("mine.git");
    // `pushInsteadOf`: fetched from one place, pushed to another.
    world.git(&["remote", "add", "pub", "file:///nowhere/else.git"]);
    world.git(&["config", &format!("url.{}.pushInsteadOf", mine.display()), "file:///nowhere/else.git"]);
    world.git(&["config", &format!("url.{}.insteadOf", world.path("remote.git").display()), "file:///nowhere/else.git"]);
    world.git(&["config", "remote.pushDefault", "pub"]);
    world.settle_checkout();
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    assert_eq!((&done["published"]["how"], &done["published"]["remote"]), (&json!("pushed"), &json!("pub")), "{done}");
    assert_eq!((world.git_in(&mine, &["rev-parse", &world.branch()]).as_str(), there(&world, &world.branch()).as_str()), (commit, ""));
    assert_eq!(world.git(&["rev-parse", &format!("{commit}^")]), base);
    world.close();
}

#[test]
fn a_place_that_is_gone_full_or_faster_is_said_and_again_works() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let refused = |code: &str, word: &str| {
        let (_, problem) = world.refused("complete_story", json!({}));
        assert!(problem["code"] == code && problem["hint"].is_string() && problem.to_string().contains(word), "{word}: {problem}");
        assert_eq!((world.status()["isComplete"].clone(), hub.state().pulls.len()), (Value::Bool(true), 0));
    };
    let (bare, gone) = (world.path("remote.git"), world.path("gone.git"));
    std::fs::rename(&bare, &gone).unwrap();
    refused("unavailable", "git remote -v");
    std::fs::rename(&gone, &bare).unwrap();
    world.git_in(&bare, &["config", "receive.maxInputSize", "10"]);
    refused("needs_person", "too large");
    world.git_in(&bare, &["config", "--unset", "receive.maxInputSize"]);
    // Between the look at the branch and the push, somebody takes its name.
    let hook = world.path("repo/.git/hooks/pre-push");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\ngit -C '{}' update-ref refs/heads/{} main\n", bare.display(), world.branch())).unwrap();
    executable(&hook);
    refused("conflict", "meanwhile");
    std::fs::remove_file(&hook).unwrap();
    // What they put there is in the base already, so nothing of it is lost.
    assert_eq!(world.tool("complete_story", json!({}))["published"]["how"], "pullRequest");
    hub.close();
    world.close();
}

#[test]
fn the_landings_that_a_person_has_pushed_are_nothing_of_somebody_elses() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    world.git(&["push", "-q", "origin", &world.branch()]);
    let done = world.tool("complete_story", json!({}));
    assert_eq!(there(&world, &world.branch()), done["published"]["commit"].as_str().unwrap());
    hub.close();
}

#[test]
fn a_number_means_a_pull_request_of_one_repository_only() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    hub.fail("POST", "/labels", 1, crate::hub::What::Answer(502, vec![], json!({ "message": "oops" })));
    world.refused("complete_story", json!({ "labels": ["aura"] }));
    assert_eq!(world.events_of("pullRequestOpened").len(), 1);
    // Now it is to go to the parent, whose pull request of that number is somebody else's.
    hub.state().repository["full_name"] = json!("upstream/shop");
    hub.state().pulls[0]["head"]["label"] = json!("eve:other");
    hub.state().pulls[0]["body"] = json!("Somebody else's.");
    world.tool("complete_story", json!({ "prRepository": "upstream/shop" }));
    let theirs = hub.state().pulls[0]["body"].clone();
    assert_eq!((theirs, hub.count("PATCH", "/pulls")), (json!("Somebody else's."), 0));
    assert_eq!(hub.count("POST", "/repos/upstream/shop/pulls"), 1);
    hub.close();
}

#[test]
fn nobody_is_asked_to_review_their_own() {
    let hub = Hub::start();
    let world = finished(&hub, "[complete]\nreviewers = [\"ada\", \"grace\"]\n");
    hub.state().authors_review_nothing = true;
    world.tool("complete_story", json!({}));
    assert_eq!(hub.state().reviewers, [json!({ "reviewers": ["grace"], "team_reviewers": [] })]);
    hub.close();
    world.close();
}

/// What an agent writes to the repository's configuration is obeyed by nothing that Aura does for itself: not while it
/// runs, and not in the ceremony. The user's own push has the user's own settings, whoever wrote them (decision 5).
#[test]
fn a_configuration_that_an_agent_wrote_runs_nothing_of_auras_own() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let trap = world.path("bin/trap");
    std::fs::write(&trap, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\n", world.path("sprung").display())).unwrap();
    executable(&trap);
    let mut plant = String::from("mkdir -p hooks; ");
    for hook in ["pre-commit", "post-checkout", "post-index-change", "reference-transaction", "post-commit", "post-merge", "post-rewrite"] {
        plant += &format!("cp '{}' hooks/{hook}; ", trap.display());
    }
    let program = trap.display();
    for (key, value) in [
        ("core.fsmonitor", format!("'{program}'")),
        ("core.pager", format!("'{program}'")),
        ("core.editor", format!("'{program}'")),
        ("diff.external", format!("'{program}'")),
        ("filter.x.clean", format!("'{program}'")),
        ("filter.x.smudge", format!("'{program}'")),
        ("merge.x.driver", format!("'{program}'")),
        ("diff.x.textconv", format!("'{program}'")),
    ] {
        plant += &format!("git config {key} \"{value}\"; ");
    }
    // Hooks in the agent's own worktree, whichever worktree git is in.
    plant += "git config core.hooksPath \"$PWD/hooks\"; git config core.sshCommand false; ";
    plant += "echo '*.txt filter=x diff=x merge=x' > .gitattributes; rm -f '";
    plant += &format!("{}'", world.path("sprung").display());
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("a", "work", vec![write("a.txt", "a\n"), sh(&plant)]);
    world.run_well();
    let sprung = || std::fs::read_to_string(world.path("sprung")).unwrap_or_default();
    assert_eq!(sprung(), "", "while it ran");
    // The user looks at it, as the documents say, and takes out what a commit and a push of theirs would run.
    let config = world.path("repo/.git/config");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("hooksPath"), "the agent wrote there");
    for key in ["core.hooksPath", "core.sshCommand"] {
        world.git(&["config", "--unset", key]);
    }
    let mut world = world;
    world.settle_checkout();
    elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    let said = world.tool("complete_story", json!({}));
    assert_eq!(said["published"]["how"], "pullRequest");
    let sprung = || std::fs::read_to_string(world.path("sprung")).unwrap_or_default();
    assert_eq!(sprung(), "", "in the ceremony, which is another process");
    world.tool("remove_worktree", json!({}));
    assert_eq!(sprung(), "", "and when it is tidied up");
    // The trap was a good one.
    let place = world.path("careless");
    world.try_git(
        &world.path("repo"),
        &["worktree", "add", "-q", "--detach", place.to_str().unwrap(), said["published"]["commit"].as_str().unwrap()],
    );
    assert!(!sprung().is_empty());
    hub.close();
}
