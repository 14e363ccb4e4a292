//! Git processes that are killed, and locks that killed ones left: a run goes on, and nothing is done twice.

use crate::script::write;
use crate::world::{World, task};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A story with two tasks after one another.
fn two_tasks() -> World {
    let mut world = World::new();
    world.script("a", "work", vec![write("a.txt", "a\n")]);
    world.script("b", "work", vec![write("b.txt", "b\n")]);
    world
}

/// Puts a program `git` before the real one that is killed at its first call with each list of arguments.
fn deadly_git(world: &World, script: &str) -> PathBuf {
    let real = which::which("git").unwrap();
    let seen = world.path("seen");
    fs::create_dir(&seen).unwrap();
    let text = format!(
        "#!/bin/sh\nreal='{}'\nkey=$(pwd; printf '%s ' \"$@\")\nkey=$(printf '%s' \"$key\" | sha1sum | cut -c1-40)\n\
         if mkdir '{}'/$key 2>/dev/null; then\n{script}\nfi\nexec \"$real\" \"$@\"\n",
        real.display(),
        seen.display()
    );
    let path = world.path("bin/git");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    seen
}

/// Both tasks landed, each by one attempt.
fn ends_well(world: &mut World, kills_min: usize, seen: &std::path::Path) {
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.run_well();
    fs::remove_file(world.path("bin/git")).unwrap();
    for (id, file) in [("a", "a.txt"), ("b", "b.txt")] {
        assert_eq!(world.attempts(id), [("work".to_owned(), "done".to_owned())], "{}", world.story_so_far());
        assert_eq!(world.landed(file), id);
    }
    let kills = fs::read_dir(seen).unwrap().count();
    assert!(kills >= kills_min, "only {kills} commands were killed");
    world.close();
}

#[test]
fn every_git_is_killed_once_before_it_has_done_anything() {
    let mut world = two_tasks();
    let seen = deadly_git(&world, "kill -9 $$");
    ends_well(&mut world, 10, &seen);
}

#[test]
fn every_git_is_killed_once_when_it_has_done_its_work() {
    let mut world = two_tasks();
    // A worktree that was added is the same as one that was half added: it is made anew.
    let seen = deadly_git(&world, "\"$real\" \"$@\" >/dev/null; kill -9 $$");
    ends_well(&mut world, 10, &seen);
}

#[test]
fn locks_of_the_dead_do_not_end_a_run_and_those_of_the_user_stay() {
    let mut world = two_tasks();
    let git = world.path("repo/.git");
    let an_hour_ago = SystemTime::now() - Duration::from_hours(1);
    for name in ["packed-refs.lock", "shallow.lock", "config.lock", "HEAD.lock", "index.lock"] {
        fs::File::create(git.join(name)).unwrap().set_modified(an_hour_ago).unwrap();
    }
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.run_well();
    for name in ["config.lock", "HEAD.lock", "index.lock"] {
        assert!(git.join(name).exists(), "{name} is the user's");
        fs::remove_file(git.join(name)).unwrap();
    }
    world.close();
}
