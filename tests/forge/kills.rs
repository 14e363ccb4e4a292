//! `kill -9` at every step of the ceremony: before and after every git command, before and after every request. The next
//! call goes on, and there is one commit, one push and one pull request.

use crate::hub::{Hub, What, elsewhere, executable, finished, pushes, there};
use crate::world::World;
use serde_json::{Value, json};

/// A `git` that kills the program that called it: at the call whose number the test has written down, of those whose
/// arguments fit the expression.
fn deadly_git(world: &World, counted: &str) {
    let real = which::which("git").unwrap();
    let script = format!(
        r#"#!/bin/sh
d="$AURA_TEST_AGENT"
if test -e "$d/kill-at" && test "$(cat /proc/$PPID/comm)" = aura && tr '\0' ' ' < /proc/$PPID/cmdline | grep -q ' complete ' && echo " $* " | grep -qE '{counted}'; then
  n=$(($(cat "$d/git-count") + 1)); echo $n > "$d/git-count"
  case "$(cat "$d/kill-at")" in
    "$n before") rm "$d/kill-at"; kill -9 $PPID; exit 1;;
    "$n after") rm "$d/kill-at"; "{real}" "$@"; kill -9 $PPID; exit 1;;
  esac
fi
exec "{real}" "$@"
"#,
        real = real.display()
    );
    let path = world.path("bin/git");
    std::fs::write(&path, script).unwrap();
    executable(&path);
}

/// How far the log says that the ceremony is.
pub fn stage(world: &World) -> usize {
    let marks = ["baseBrought", "squashed", "pushStarted", "branchPushed", "pullRequestOpened"];
    world.events().iter().filter(|event| marks.contains(&event["kind"].as_str().unwrap())).count()
}

pub fn is_over(world: &World) -> bool {
    !world.events_of("storyPublished").is_empty()
}

fn killed_at_every_git_command(when: &str) {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    kill_at_every_git_command(&world, when, "");
    one_of_everything(&hub, &world, &base);
}

/// Kills each call at one git command further than the last, from the first again whenever the log has moved on.
pub fn kill_at_every_git_command(world: &World, when: &str, counted: &str) {
    deadly_git(world, counted);
    let (mut at, mut deaths, mut stages) = (1, 0, vec![]);
    while !is_over(world) {
        let before = stage(world);
        std::fs::write(world.path("agents/git-count"), "0\n").unwrap();
        std::fs::write(world.path("agents/kill-at"), format!("{at} {when}\n")).unwrap();
        let mut child = world.spawn(&["complete", &world.id, "--json"]);
        let status = child.wait().unwrap();
        let died = !world.path("agents/kill-at").exists();
        assert!(died || status.success(), "{status}\n{}", world.story_so_far());
        deaths += u32::from(died);
        at = if stage(world) == before { at + 1 } else { 1 };
        stages.push(stage(world));
    }
    let _ = std::fs::remove_file(world.path("agents/kill-at"));
    assert!(deaths > if counted.is_empty() { 12 } else { 7 }, "it was killed {deaths} times only, {when} a command; stages: {stages:?}");
}

pub fn one_of_everything(hub: &Hub, world: &World, base: &str) {
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    for kind in ["baseBrought", "squashed", "branchPushed", "pullRequestOpened", "storyPublished"] {
        assert_eq!(world.events_of(kind).len(), 1, "{kind}\n{}", world.story_so_far());
    }
    assert_eq!((hub.state().pulls.len(), pushes(world).len()), (1, 1), "{}", world.story_so_far());
    assert_eq!((there(world, &world.branch()).as_str(), there(world, &format!("{commit}^"))), (commit, base.to_owned()));
    assert_eq!(world.git(&["rev-parse", &world.branch()]), commit);
    assert_eq!((world.at(commit, "meanwhile.txt"), world.at(commit, "b.txt")), ("meanwhile".into(), "b".into()));
    hub.close();
    world.close();
}

#[test]
fn before_any_git_command() {
    killed_at_every_git_command("before");
}

#[test]
fn after_any_git_command() {
    killed_at_every_git_command("after");
}

#[test]
fn before_or_after_any_request() {
    let hub = Hub::start();
    let world = finished(&hub, "[complete]\nlabels = [\"aura\"]\nreviewers = [\"ada\"]\n");
    let base = elsewhere(&world, "main", "meanwhile.txt", "meanwhile\n");
    let steps = [("GET", "/repos/acme/shop"), ("GET", "/pulls"), ("POST", "/pulls"), ("POST", "/labels"), ("POST", "/requested_reviewers")];
    for (method, path) in steps {
        for after in [false, true] {
            hub.fail(method, path, 1, What::Kill { after });
            let mut child = world.spawn(&["complete", &world.id, "--json"]);
            hub.state().client = child.id();
            let status = child.wait().unwrap();
            assert!(!status.success() && !is_over(&world), "{method} {path} {after}: {status}");
            assert!(hub.state().faults.is_empty(), "{method} {path} was not asked for");
        }
    }
    one_of_everything(&hub, &world, &base);
}

/// The remote's base moves between the fetch and the push: whatever was squashed is not pushed, and another round is made.
#[test]
fn a_base_that_moves_during_the_ceremony_is_brought_in_too() {
    let hub = Hub::start();
    let world = finished(&hub, "");
    let real = which::which("git").unwrap();
    let first = elsewhere(&world, "main", "one.txt", "one\n");
    let push = world.path("elsewhere-one.txt");
    // At the second look at the remote branch, somebody pushes to its base.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *ls-remote*) if ! test -e \"$AURA_TEST_AGENT/moved\"; then touch \"$AURA_TEST_AGENT/moved\"; cd '{}' && echo two > two.txt && '{git}' add -A && '{git}' commit -qm two && '{git}' push -q; cd - >/dev/null; fi;; esac\nexec '{git}' \"$@\"\n",
        push.display(),
        git = real.display()
    );
    std::fs::write(world.path("bin/git"), script).unwrap();
    executable(&world.path("bin/git"));
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    std::fs::remove_file(world.path("bin/git")).unwrap();
    assert_eq!((world.events_of("squashed").len(), world.events_of("squashDropped").len()), (2, 1));
    assert_eq!((there(&world, &format!("{commit}^")), there(&world, "main^")), (there(&world, "main"), first));
    assert_eq!((world.at(commit, "one.txt"), world.at(commit, "two.txt")), ("one".into(), "two".into()));
    let pushed = pushes(&world).into_iter().filter(|line| line.contains(&world.branch())).count();
    assert_eq!(pushed, 1);
    let gated: Vec<Value> = world.events_of("gateFinished").into_iter().map(|event| event["report"]["tree"].clone()).collect();
    assert!(gated.contains(&Value::from(there(&world, &format!("{commit}^{{tree}}")))), "exactly this tree was verified");
    hub.close();
    world.close();
}
