//! What an agent leaves is judged by the repository, whatever the agent says and whatever it did with git.

use crate::script::{Step, append, git, say, sh, write};
use crate::world::{World, task};
use serde_json::json;
use std::fs;

fn purposes(world: &World, id: &str) -> Vec<String> {
    world.attempts(id).into_iter().map(|(purpose, result)| format!("{purpose}: {result}")).collect()
}

#[test]
fn done_without_a_change_is_asked_once_more_and_then_fails() {
    let mut world = World::of_one_round();
    world.story(vec![task("idle", &[]), task("lazy", &[]), task("needless", &[]), task("other", &[])]);
    world.script("idle", "work", vec![say("All done!")]);
    world.script("lazy", "work", vec![say("All done!")]);
    world.script("lazy", "nochange", vec![write("lazy.txt", "after all\n")]);
    world.script("needless", "work", vec![say("NO CHANGE NEEDED: it is there already.")]);
    assert_eq!(world.run().code, 1);
    assert_eq!(purposes(&world, "idle"), ["work: noChange", "noChange: noChange"]);
    assert_eq!(world.task_status("idle")["status"], "Failed");
    assert_eq!(purposes(&world, "lazy"), ["work: noChange", "noChange: done"]);
    assert_eq!(world.landed("lazy.txt"), "after all");
    assert_eq!(purposes(&world, "needless"), ["work: done"]);
    assert_eq!(world.task_status("needless")["status"], "Completed");
    world.close();
}

#[test]
fn whatever_an_agent_does_with_git_its_content_lands() {
    let mut world = World::new();
    let ways: Vec<(&str, Vec<Step>)> = vec![
        ("commits", vec![write("commits.txt", "x\n"), git(&["add", "-A"]), git(&["commit", "-qm", "mine"])]),
        ("leaves", vec![write("leaves.txt", "x\n"), write("deep/er/leaves.txt", "x\n")]),
        (
            "both",
            vec![
                write("both.txt", "x\n"),
                git(&["add", "-A"]),
                git(&["commit", "-qm", "mine"]),
                write("both2.txt", "x\n"),
                append("both.txt", "y\n"),
            ],
        ),
        (
            "switches",
            vec![
                git(&["checkout", "-qb", "elsewhere"]),
                write("switches.txt", "x\n"),
                git(&["add", "-A"]),
                git(&["commit", "-qm", "mine"]),
            ],
        ),
        (
            "detaches",
            vec![git(&["checkout", "-q", "--detach"]), write("detaches.txt", "x\n"), git(&["add", "-A"]), git(&["commit", "-qm", "mine"])],
        ),
        ("amends", vec![write("amends.txt", "x\n"), git(&["add", "-A"]), git(&["commit", "-q", "--amend", "-m", "rewritten"])]),
        (
            "resets",
            vec![
                write("resets.txt", "x\n"),
                git(&["add", "-A"]),
                git(&["commit", "-qm", "mine"]),
                git(&["reset", "-q", "--soft", "HEAD~1"]),
            ],
        ),
        ("stages", vec![write("stages.txt", "x\n"), git(&["add", "-A"])]),
        (
            "merges",
            vec![
                write("merges.txt", "x\n"),
                git(&["add", "-A"]),
                git(&["commit", "-qm", "m"]),
                git(&["merge", "-q", "--no-ff", "-m", "m2", "main"]),
            ],
        ),
    ];
    world.story(ways.iter().map(|(id, _)| task(id, &[])).collect());
    for (id, steps) in &ways {
        world.script(id, "work", steps.clone());
    }
    world.run_well();
    for (id, _) in &ways {
        assert!(world.landed(&format!("{id}.txt")).starts_with('x'), "{id}");
        assert_eq!(world.attempts(id).len(), 1, "{id}");
    }
    assert_eq!((world.landed("both2.txt"), world.landed("both.txt")), ("x".into(), "x\ny".into()));
    assert_eq!(world.landed("deep/er/leaves.txt"), "x");
    world.close();
}

#[test]
fn an_agent_that_leaves_its_base_undoes_nothing_of_what_has_landed() {
    let mut world = World::new();
    let ids = ["hard", "fresh", "back", "older"];
    let mut tasks = vec![task("first", &[])];
    tasks.extend(ids.map(|id| task(id, &["first"])));
    world.story(tasks);
    world.script("first", "work", vec![write("first.txt", "first\n")]);
    world.script("hard", "work", vec![git(&["reset", "-q", "--hard", "main"]), write("hard.txt", "x\n")]);
    world.script(
        "fresh",
        "work",
        vec![git(&["checkout", "-qb", "from-main", "main"]), write("fresh.txt", "x\n"), git(&["add", "-A"]), git(&["commit", "-qm", "x"])],
    );
    world.script("back", "work", vec![git(&["checkout", "-q", "--detach", "main"]), write("back.txt", "x\n")]);
    // One that has nothing to show for it is asked again, in a tree that is whole.
    world.script("older", "work", vec![git(&["reset", "-q", "--hard", "main"])]);
    world.script("older", "nochange", vec![write("older.txt", "x\n")]);
    world.run_well();
    for id in ids {
        assert_eq!(world.landed(&format!("{id}.txt")), "x", "{id}");
    }
    assert_eq!(world.landed("first.txt"), "first", "{}", world.story_so_far());
    world.close();
}

#[test]
fn a_file_that_an_agent_removes_is_removed_and_ignored_files_stay_out() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![Step::Remove("base.txt".into()), write("target/out.bin", "junk\n"), write("a b ü.txt", "x\n")]);
    world.run_well();
    let files = world.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", &world.branch()]);
    assert_eq!(files.lines().collect::<Vec<_>>(), [".gitignore", "a b ü.txt"]);
    world.close();
}

#[test]
fn a_worktree_that_an_agent_cut_off_is_kept_and_made_again() {
    let cuts = [
        ("link", "rm .git"),
        ("registration", r#"rm -r "$(git rev-parse --absolute-git-dir)""#),
        ("both", r#"rm -r "$(git rev-parse --absolute-git-dir)" .git"#),
        ("folder", r#"rm -r "$PWD""#),
    ];
    let mut world = World::new();
    world.story(cuts.iter().map(|(id, _)| task(id, &[])).collect());
    for (id, cut) in cuts {
        world.script(id, "work", vec![write("half.txt", id), sh(cut), Step::Exit(1)]);
        world.script(id, "retry", vec![write(&format!("{id}.txt"), "x\n")]);
    }
    world.run_well();
    for (id, _) in cuts {
        assert_eq!(world.landed(&format!("{id}.txt")), "x", "{id}\n{}", world.story_so_far());
    }
    world.close();
}

#[test]
fn a_repository_inside_is_refused_with_its_name_and_tried_again() {
    let mut world = World::new();
    world.story(vec![task("nests", &[])]);
    world.script("nests", "work", vec![Step::Nested("vendor/lib".into()), write("beside.txt", "x\n")]);
    world.script("nests", "retry", vec![write("plain.txt", "x\n")]);
    world.run_well();
    let first = &world.events_of_task("attemptEnded", "nests")[0];
    assert_eq!(first["outcome"]["result"], "refused", "{first}");
    assert!(first["outcome"]["detail"].as_str().unwrap().contains("vendor/lib"), "{first}");
    assert_eq!(world.at(first["rescue"].as_str().unwrap(), "beside.txt"), "x");
    assert_eq!(world.landed("plain.txt"), "x");
    world.close();
}

#[test]
fn changes_outside_the_claim_are_reported() {
    let mut world = World::new();
    let mut wide = task("wide", &[]);
    wide["files"] = json!(["src/", "wide.txt"]);
    world.story(vec![wide]);
    world.script("wide", "work", vec![write("src/a.txt", "x\n"), write("wide.txt", "x\n"), write("other.txt", "x\n")]);
    world.run_well();
    assert_eq!(world.task_status("wide")["outsideClaim"], json!(["other.txt"]));
    assert_eq!(world.landed("other.txt"), "x");
    world.close();
}

#[test]
fn what_an_agent_leaves_running_is_ended() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "work", vec![Step::Linger, write("a.txt", "x\n")]);
    world.run_well();
    world.close();
}

#[test]
fn half_work_of_an_attempt_that_died_is_asked_about_and_never_assumed() {
    let mut world = World::new();
    world.story(vec![task("asked", &[]), task("stands", &[])]);
    for id in ["asked", "stands"] {
        world.script(id, "#1", vec![write(&format!("{id}.txt"), "half\n"), sh("kill -9 $PPID")]);
        world.script(id, "resume", vec![]);
    }
    world.script("asked", "nochange", vec![append("asked.txt", "whole\n")]);
    world.script("stands", "nochange", vec![say("NO CHANGE NEEDED: the half is the whole")]);
    world.run_well();
    assert_eq!(purposes(&world, "asked"), ["work: crashed", "resume: noChange", "noChange: done"]);
    assert_eq!(purposes(&world, "stands"), ["work: crashed", "resume: noChange", "noChange: done"]);
    assert_eq!((world.landed("asked.txt"), world.landed("stands.txt")), ("half\nwhole".into(), "half".into()));
    world.close();
}

#[test]
fn conflict_markers_that_an_agent_leaves_are_refused_and_it_is_told() {
    let mut world = World::new();
    world.story(vec![task("a", &[])]);
    world.script("a", "#1", vec![write("base.txt", "one\n<<<<<<< mine\ntwo\n=======\nTWO\n>>>>>>> theirs\n")]);
    world.script("a", "#2", vec![write("base.txt", "one\ntwo, both\n")]);
    world.run_well();
    assert_eq!(world.landed("base.txt"), "one\ntwo, both");
    let second = world.events_of_task("attemptStarted", "a").pop().unwrap();
    let prompt = std::fs::read_to_string(format!("{}/prompt.md", second["job"].as_str().unwrap())).unwrap();
    assert!(prompt.contains("conflicts are still there in base.txt"), "{prompt}");
    world.close();
}

#[test]
fn what_an_agent_writes_and_git_ignores_is_named_to_it_and_to_the_person() {
    let mut world = World::new();
    fs::write(world.path("repo/.git/info/exclude"), "lib/\n*.local\n__pycache__\nbuild/\n").unwrap();
    world.story(vec![task("beside", &[]), task("alone", &[]), task("many", &[])]);
    let made_by_tools = ["src/__pycache__/a.txt", "tool/build/out.txt", "target/a.txt"].map(|path| write(path, "x\n"));
    let own = [write("beside.txt", "x\n"), write("tool/package.json", "{}\n"), write("Cargo.toml", "\n"), write("src/lib/util.js", "u\n")];
    world.script("beside", "work", own.into_iter().chain(made_by_tools).collect());
    world.script("alone", "work", vec![write("src/lib/only.js", "v\n")]);
    world.script("alone", "nochange", vec![git(&["add", "-f", "src/lib/only.js"])]);
    world.script(
        "many",
        "work",
        vec![sh("mkdir build && for n in 1 2 3 4 5 6; do : > build/$n; done; for n in $(seq 1 25); do : > z$n.local; done")],
    );
    world.script("many", "nochange", vec![write("many.txt", "x\n")]);
    let run = world.run_well();

    let util = "src/lib/util.js (ignored by `.git/info/exclude` (`lib/`))";
    assert_eq!(world.task_status("beside")["leftOut"], json!([util]), "what tools make is not named");
    let brief = run["completedTasks"].as_array().unwrap().iter().find(|task| task["id"] == "beside").unwrap();
    assert_eq!(brief["leftOut"], json!([util]));
    assert_eq!(world.tool("get_task_output", json!({ "taskId": "beside" }))["leftOut"], json!([util]));

    let told = world.events_of_task("attemptStarted", "alone")[1]["job"].as_str().unwrap().to_owned() + "/prompt.md";
    let told = fs::read_to_string(told).unwrap();
    assert!(told.contains("src/lib/only.js") && told.contains("lib/"), "{told}");
    assert_eq!(world.landed("src/lib/only.js"), "v");
    assert_eq!(world.task_status("alone").get("leftOut"), None, "what is landed is not left out");

    let ended = world.events_of_task("attemptEnded", "many");
    let named = ended[1]["leftOut"]["files"].as_array().unwrap();
    assert_eq!((named.len(), &ended[1]["leftOut"]["more"]), (20, &json!(6)), "{named:?}");
    assert!(named.iter().any(|file| file["path"] == "build/"), "a folder of many files is one: {named:?}");
    world.close();
}

/// A repository that was made on a file system which does not tell case apart, and is worked on where it is told apart.
#[test]
fn names_that_differ_in_case_only_are_two_files_whatever_the_configuration_says() {
    let mut world = World::new();
    world.git(&["config", "core.ignoreCase", "true"]);
    world.settle_checkout();
    world.story(vec![task("renames", &[]), task("adds", &[])]);
    world.script("renames", "work", vec![sh("mv base.txt Base.txt")]);
    world.script("adds", "work", vec![write(".GitIgnore", "two\n"), write("adds.txt", "x\n")]);
    world.run_well();
    assert!(world.landed("Base.txt").starts_with("one\n"), "{}", world.story_so_far());
    assert_eq!((world.landed(".GitIgnore"), world.landed(".gitignore")), ("two".into(), "/target".into()));
    world.close();
}

#[test]
fn a_new_file_outside_of_a_sparse_checkout_lands_and_nothing_is_removed() {
    let mut world = World::new();
    world.git(&["stash", "-q"]);
    world.git(&["checkout", "-q", "main"]);
    for folder in ["app", "lib"] {
        fs::create_dir(world.path("repo").join(folder)).unwrap();
        world.write(&format!("{folder}/f.txt"), "x\n");
    }
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "folders"]);
    world.git(&["sparse-checkout", "set", "--cone", "app"]);
    world.settle_checkout();
    world.story(vec![task("a", &[]), task("b", &["a"])]);
    world.script("a", "work", vec![append("app/f.txt", "more\n"), write("other/new.txt", "x\n")]);
    world.script("b", "work", vec![sh("test ! -e lib/f.txt"), write("lib/g.txt", "x\n")]);
    world.run_well();
    let changed = world.git(&["diff", "--name-status", "main", &world.branch()]);
    assert_eq!(changed.lines().collect::<Vec<_>>(), ["M\tapp/f.txt", "A\tlib/g.txt", "A\tother/new.txt"]);
    assert_eq!(world.call("complete_story", json!({ "storyId": world.id, "publish": "branch" })).code, 0);
    world.close();
}
