//! Commits and pushes as the user makes them: hooks that rewrite, signatures that are never the same twice, and `kill -9`
//! at every git command and from inside each of these programs. There is one commit, one push, one pull request.

use crate::hub::{Hub, elsewhere, executable, pushes, shop, there};
use crate::kills::{is_over, kill_at_every_git_command, one_of_everything};
use crate::script::write;
use crate::world::{World, task};
use serde_json::json;
use std::path::Path;

/// Kills the ceremony, once, when the test has asked for it at this place.
const DEADLY: &str = r#"
mark="$AURA_TEST_AGENT/kill-in-$1"
if test -e "$mark"; then
  pid=$$
  while test "$pid" -gt 1 && test "$(cat "/proc/$pid/comm")" != aura; do pid=$(cut -d' ' -f4 "/proc/$pid/stat"); done
  # One that goes on alone after its own call was killed has nobody to kill.
  test "$pid" -gt 1 && rm "$mark" && kill -9 "$pid"
fi
"#;

/// Commands that change something. `kills` has all the others, without hooks.
const CHANGES: &str = " (commit|push|update-ref|fetch|read-tree|ls-remote|worktree) ";

fn program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    executable(path);
}

/// A user who signs with a key of SSH, in whose repository hooks rewrite files and messages. No two commits that their git
/// makes are the same.
fn strict(hub: &Hub) -> World {
    let mut world = shop(hub, "");
    let (key, seen) = (world.path("user/key"), world.path("agents"));
    let made = std::process::Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&key).status().unwrap();
    assert!(made.success());
    program(&world.path("bin/deadly"), &format!("#!/bin/sh\n{DEADLY}"));
    let deadly = world.path("bin/deadly").display().to_string();
    program(&world.path("bin/signer"), &format!("#!/bin/sh\n'{deadly}' signer\nssh-keygen \"$@\"\n"));
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("gpg.ssh.program", world.path("bin/signer").to_str().unwrap()),
        ("user.signingKey", key.to_str().unwrap()),
        ("commit.gpgSign", "true"),
    ] {
        world.git(&["config", name, value]);
    }
    let hooks = world.path("repo/.git/hooks");
    let hook = |name: &str, text: &str| program(&hooks.join(name), &format!("#!/bin/sh\n'{deadly}' {name}\n{text}\n"));
    hook("pre-commit", "sed -i 's/ *$//' a.txt && git add a.txt");
    hook("commit-msg", "date +'Made-at: %s.%N' >> \"$1\"");
    hook("pre-push", &format!("cat >> '{}'", seen.join("pre-push").display()));
    hook("reference-transaction", &format!("echo \"$1\" >> '{}'", seen.join("transactions").display()));
    world.settle_checkout();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("a", "work", vec![write("a.txt", "a  \n")]);
    world.run_well();
    world
}

/// What was published is signed and rewritten, and no second commit of it was ever pushed.
fn is_signed_and_rewritten(world: &World) {
    let bare = world.path("remote.git");
    let raw = world.git_in(&bare, &["cat-file", "commit", &world.branch()]);
    assert!(raw.contains("BEGIN SSH SIGNATURE") && raw.matches("Made-at: ").count() == 1, "{raw}");
    assert_eq!(world.git_in(&bare, &["show", &format!("{}:a.txt", world.branch())]), "a");
    let tree = there(world, &format!("{}^{{tree}}", world.branch()));
    assert!(world.events_of("gateFinished").iter().any(|event| event["report"]["tree"] == tree), "the rewritten tree was verified");
    assert_eq!(pushes(world).len(), 1, "{:?}", pushes(world));
}

fn without_hooks(world: &World) {
    std::fs::remove_dir_all(world.path("repo/.git/hooks")).unwrap();
}

#[test]
fn rewritten_and_signed_before_any_git_command() {
    let hub = Hub::start();
    let world = strict(&hub);
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    kill_at_every_git_command(&world, "before", CHANGES);
    is_signed_and_rewritten(&world);
    without_hooks(&world);
    one_of_everything(&hub, &world, &base);
}

#[test]
fn rewritten_and_signed_after_any_git_command() {
    let hub = Hub::start();
    let world = strict(&hub);
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    kill_at_every_git_command(&world, "after", CHANGES);
    is_signed_and_rewritten(&world);
    without_hooks(&world);
    one_of_everything(&hub, &world, &base);
}

/// The killed call's git goes on alone, and may finish what it began while the next call is at work.
#[test]
fn from_inside_a_hook_and_the_program_that_signs() {
    let hub = Hub::start();
    let world = strict(&hub);
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    for place in ["pre-commit", "commit-msg", "signer", "pre-push"] {
        let mark = world.path(&format!("agents/kill-in-{place}"));
        std::fs::write(&mark, "").unwrap();
        let status = world.spawn(&["complete", &world.id, "--json"]).wait().unwrap();
        assert!(!status.success() && !mark.exists() && !is_over(&world), "{place}: {status}\n{}", world.story_so_far());
    }
    world.tool("complete_story", json!({}));
    is_signed_and_rewritten(&world);
    without_hooks(&world);
    one_of_everything(&hub, &world, &base);
}

/// A server that wants signatures refuses, the user begins to sign, and calls again: what was made before is not used.
#[test]
fn a_commit_that_was_refused_is_made_anew() {
    let hub = Hub::start();
    let world = strict(&hub);
    world.git(&["config", "commit.gpgSign", "false"]);
    let wants = "#!/bin/sh\nread old new ref\ngit cat-file commit $new | grep -q gpgsig || { echo 'commits must have verified signatures' >&2; exit 1; }\n";
    program(&world.path("remote.git/hooks/pre-receive"), wants);
    let (_, problem) = world.refused("complete_story", json!({}));
    assert!(problem["code"] == "needs_person" && problem.to_string().contains("verified signatures"), "{problem}");
    world.git(&["config", "commit.gpgSign", "true"]);
    world.tool("complete_story", json!({}));
    is_signed_and_rewritten(&world);
    hub.close();
}

/// Hooks in a folder of the repository (`core.hooksPath = .hooks`) are those of the user's checkout: an agent's commit can
/// bring no program into the ceremony.
#[test]
fn hooks_are_those_of_the_users_checkout() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    world.git(&["config", "core.hooksPath", ".hooks"]);
    program(&world.path("repo/.hooks/commit-msg"), "#!/bin/sh\necho 'Checked-by: Ada' >> \"$1\"\n");
    world.settle_checkout();
    world.story(vec![task("a", &[])]);
    let planted = format!("#!/bin/sh\necho planted >> '{}'\n", world.path("planted").display());
    let plant = format!(
        "mkdir -p .hooks && for h in commit-msg pre-commit post-commit pre-push; do printf '%s' \"{planted}\" > .hooks/$h; chmod +x .hooks/$h; done"
    );
    world.script("a", "work", vec![write("a.txt", "a\n"), crate::script::sh(&plant)]);
    world.run_well();
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    assert!(world.at(commit, ".hooks/pre-commit").contains("planted"), "it is in the commit");
    assert!(!world.path("planted").exists(), "and was not run");
    assert!(world.git(&["log", "-1", "--format=%B", commit]).contains("Checked-by: Ada"), "the user's own was");
    hub.close();
    world.close();
}
