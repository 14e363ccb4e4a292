//! The points at which tests count and kill (`proc/fault.rs`): they are met, and a kill there is one kill.
#![cfg(debug_assertions)]

use crate::script::write;
use crate::world::{World, task};
use std::fs;

fn one_task() -> World {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![write("a.txt", "a\n")]);
    world
}

/// Counted steps of a story that nobody disturbs, by role.
fn steps(world: &World, role: &str) -> Vec<String> {
    let text = fs::read_to_string(world.path("steps")).unwrap();
    text.lines().filter_map(|line| line.strip_prefix(role)?.strip_prefix('\t')).map(str::to_owned).collect()
}

#[test]
fn process_starts_ref_updates_and_file_replacements_are_counted() {
    let mut world = one_task();
    world.env.insert("AURA_TEST_STEPS".into(), world.path("steps").display().to_string());
    world.run_well();
    let holds = |role: &str, kind: &str, words: &str| {
        let steps = steps(&world, role);
        assert!(steps.iter().any(|step| step.starts_with(kind) && step.contains(words)), "{role} {kind} {words}: {steps:#?}");
    };
    holds("door", "ProcessStart", "before: aura exec");
    holds("driver", "ProcessStart", "after: aura supervise");
    holds("driver", "ProcessStart", "before: git");
    holds("driver", "RefUpdate", "before: refs/heads/aura/");
    holds("driver", "RefUpdate", "after: refs/heads/aura/");
    holds("driver", "FileReplace", "aura-filled");
    holds("supervisor", "ProcessStart", "before: program");
    holds("supervisor", "FileReplace", "exit.json");
    assert_eq!(steps(&world, "git").len() * 2, steps(&world, "driver").iter().filter(|step| step.contains(": git ")).count());
    world.close();
}

#[test]
fn a_process_of_each_role_is_killed_at_its_step_once_and_the_story_ends_the_same() {
    for (role, at) in [("driver", 9), ("supervisor", 2), ("door", 1)] {
        let mut world = one_task();
        let marker = world.path("killed");
        world.env.insert("AURA_TEST_KILL".into(), format!("{role}:{at}:{}", marker.display()));
        // What it says is of no interest: it may be the one that is killed.
        world.spawn(&["run", &world.id, "--all", "--json"]).wait_with_output().unwrap();
        assert!(marker.exists(), "{role} was not killed\n{}", world.story_so_far());
        let count = fs::read(world.path("killed.count")).unwrap().len();
        assert_eq!(count, at, "nothing is counted after the kill of {role}");
        world.until("nobody is left", || world.processes().is_empty().then_some(()));
        if world.status()["isComplete"] != true {
            world.run_well();
        }
        assert_eq!(world.landed("a.txt"), "a");
        world.close();
    }
}
