//! No agent pushes from its worktree, whatever kind of agent it is; that it tried is written down, and it can fetch.

use crate::script::{sh, write};
use crate::world::{World, task};
use std::path::Path;

/// A world whose repository has a remote beside it, with the branch `main`.
fn with_remote() -> (World, String) {
    let mut world = World::new();
    let remote = world.path("up stream.git").display().to_string();
    world.git(&["init", "-q", "--bare", &remote]);
    world.git(&["push", "-q", &remote, "main"]);
    world.git(&["remote", "add", "origin", &remote]);
    world.settle_checkout();
    (world, remote)
}

/// Runs a story with one task whose agent writes a file and runs a script; what the script prints is in `said`.
fn run(world: &mut World, script: &str) -> (String, Vec<String>) {
    let said = world.path("said");
    world.story(vec![task("a", &[])]);
    let script = format!("({script}) >'{}' 2>&1; true", said.display());
    world.script("a", "work", vec![write("a.txt", "a\n"), sh(&script)]);
    world.run_well();
    assert_eq!(world.attempts("a"), [("work".to_owned(), "done".to_owned())], "{}", world.story_so_far());
    let started = world.events_of_task("attemptStarted", "a");
    let job = Path::new(started[0]["job"].as_str().unwrap()).to_owned();
    (std::fs::read_to_string(said).unwrap(), aura::agent::guard::pushes_tried(&job))
}

fn branches(world: &World, remote: &str) -> String {
    world.git_in(Path::new(remote), &["for-each-ref", "--format=%(refname)"])
}

#[test]
fn a_push_by_name_by_address_without_hooks_or_with_settings_is_refused_and_noted() {
    let (mut world, remote) = with_remote();
    let url = format!("file://{}", remote.replace(' ', "%20"));
    let tries = [
        "push".to_owned(),
        "push --no-verify origin HEAD:refs/heads/one".into(),
        format!("push '{remote}' HEAD:refs/heads/two"),
        format!("push --force '{url}' HEAD:refs/heads/three"),
        format!("-c remote.origin.pushurl='{remote}' push origin HEAD:refs/heads/four"),
        "-c push.default=current -c core.hooksPath=/dev/null push origin".into(),
        "push origin --delete main".into(),
    ];
    let script: Vec<String> = tries.iter().map(|line| format!("git {line} && echo PUSHED")).collect();
    let (said, noted) = run(&mut world, &script.join("\n"));
    assert!(!said.contains("PUSHED"), "{said}");
    assert_eq!(said.matches("Aura refuses to push").count(), tries.len(), "{said}");
    assert_eq!(branches(&world, &remote), "refs/heads/main");
    assert_eq!(noted, ["origin".to_owned(), remote, url]);
    world.close();
}

#[test]
fn a_remote_with_an_address_of_its_own_for_pushing_is_no_way_out() {
    let (mut world, remote) = with_remote();
    let other = world.path("fork.git").display().to_string();
    world.git(&["init", "-q", "--bare", &other]);
    world.git(&["remote", "set-url", "--push", "origin", &other]);
    world.git(&["remote", "add", "same", &remote]);
    world.git(&["remote", "set-url", "--push", "same", &remote]);
    world.settle_checkout();
    let (said, noted) =
        run(&mut world, "git push origin HEAD:refs/heads/one && echo PUSHED; git push same HEAD:refs/heads/two && echo PUSHED");
    assert!(!said.contains("PUSHED"), "{said}");
    assert_eq!((branches(&world, &remote), branches(&world, &other)), ("refs/heads/main".into(), String::new()));
    assert_eq!(noted.len(), 2, "{noted:?}");
    world.close();
}

#[test]
fn fetching_and_cloning_are_as_they_were_and_settings_of_the_environment_are_kept() {
    let (mut world, remote) = with_remote();
    for (name, value) in [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "my.setting"), ("GIT_CONFIG_VALUE_0", "mine")] {
        world.env.insert(name.into(), value.into());
    }
    let script = format!(
        "git fetch -q '{remote}' main && git ls-remote origin && git clone -q '{remote}' ../clone && ls -d ../clone && git config my.setting"
    );
    let (said, noted) = run(&mut world, &script);
    assert!(said.contains("refs/heads/main") && said.contains("../clone") && said.ends_with("mine\n"), "{said}");
    assert_eq!(noted, Vec::<String>::new());
    world.close();
}
