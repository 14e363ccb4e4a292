//! A story that runs while somebody watches.

use crate::server::Server;
use crate::stage::{Stage, task};
use serde_json::{Value, json};

#[test]
fn a_story_goes_from_its_title_to_its_commit_without_a_reload() {
    let Some(mut stage) = Stage::new() else { return };
    for (id, after) in [("task-1", ""), ("task-2", ""), ("task-3", "")] {
        let words = format!("{id} looks around{after}");
        stage.script(
            id,
            &json!({ "work": [["say", words], ["await", format!("go-{id}")], ["write", format!("{id}.txt"), id], ["say", "Done."]] }),
        );
    }
    let learnt = stage.play_with("live.mjs", &json!({}), |stage, ask| match ask["ask"].as_str().unwrap() {
        // A base that is nobody's checkout can be merged into.
        "elsewhere" => json!(stage.cli.git(&stage.cli.repo(), &["checkout", "-q", "-b", "mine"])),
        other => panic!("{other}"),
    });
    let id = learnt["story"].as_str().unwrap();
    assert_eq!(learnt["documents"], 1, "nothing was loaded again");
    let told = stage.server().get(&format!("/api/stories/{id}")).well(200);
    assert!(told["completedAt"].is_string(), "{told}");
    let repo = stage.cli.repo();
    assert_eq!(stage.cli.git(&repo, &["rev-list", "--count", "main"]), "2", "one commit on top of the start");
    for id in ["task-1", "task-2", "task-3"] {
        assert_eq!(stage.cli.git(&repo, &["show", &format!("main:{id}.txt")]), id);
    }
}

#[test]
fn the_page_goes_on_where_it_was_when_the_server_comes_again() {
    let Some(mut stage) = Stage::new() else { return };
    let ids = ["task-1", "task-2", "task-3"];
    for id in ids {
        stage.script(
            id,
            &json!({ "work": [["say", format!("{id} waits")], ["await", format!("go-{id}")], ["write", format!("{id}.txt"), id]] }),
        );
    }
    let story = stage.planned(
        "Outlives its server",
        &[task("task-1", "One", &[]), task("task-2", "Two", &["task-1"]), task("task-3", "Three", &["task-2"])],
    );
    let address = stage.server().address.clone();
    let ran = story.clone();
    let learnt = stage.play_with("reconnect.mjs", &json!({ "story": story }), |stage, ask| {
        match ask["ask"].as_str().unwrap() {
            "run" => stage.cli.json(&["run", &ran, "--all", "--detach"]).well(),
            // Dropped is killed, with no warning.
            "kill" => json!(stage.server.take().is_some()),
            "start" => {
                stage.server = Some(Server::start_at(&stage.cli, &address));
                Value::Null
            }
            "ended" => stage.ended(&ran),
            other => panic!("{other}"),
        }
    });
    assert_eq!(learnt["documents"], 1, "nothing was loaded again");
    assert_eq!(learnt["shown"]["tasks"], stage.tasks(&story), "{learnt}");
    let bars: Vec<&str> = learnt["shown"]["bars"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    let attempts: Vec<&str> = bars.iter().copied().filter(|key| key.starts_with("task-")).collect();
    assert_eq!(attempts, ["task-1/1", "task-2/1", "task-3/1"], "every attempt once");
}

#[test]
fn a_failed_task_is_tried_again_and_a_run_is_cancelled_from_the_page() {
    let Some(mut stage) = Stage::new() else { return };
    let work = json!([["say", "the disk is full"], ["needs", "mended"], ["write", "task-1.txt", "task-1"]]);
    stage.script("task-1", &json!({ "work": work }));
    stage.script("task-2", &json!({ "work": [["say", "waits"], ["await", "go-task-2"], ["write", "task-2.txt", "task-2"]] }));
    let story = stage.planned("Has trouble", &[task("task-1", "One", &[]), task("task-2", "Two", &["task-1"])]);
    let ran = story.clone();
    let learnt = stage.play_with("trouble.mjs", &json!({ "story": story }), |stage, ask| match ask["ask"].as_str().unwrap() {
        "ended" => stage.ended(&ran),
        other => panic!("{other}"),
    });
    assert_eq!(learnt["documents"], 1, "nothing was loaded again");
    assert_eq!(learnt["shown"]["tasks"], stage.tasks(&story), "{learnt}");
}

#[test]
fn what_failed_in_a_gate_is_in_view() {
    // Two hundred lines, what matters, and two hundred more.
    let check = "i=0; while [ $i -lt 200 ]; do echo \"test number $i ... ok\"; i=$((i+1)); done; if [ -e broken.txt ]; then \
                 echo 'error: assertion failed: adds'; echo '  left: 4, right: 5'; fi; while [ $i -lt 400 ]; do echo \"test number $i ... ok\"; \
                 i=$((i+1)); done; test ! -e broken.txt";
    let gate = format!("checks = [{{ name = \"tests\", kind = \"test\", run = [\"sh\", \"-c\", {}] }}]", json!(check));
    let Some(mut stage) = Stage::with(&gate) else { return };
    let repair = json!([["await", "go-repair"], ["remove", "broken.txt"], ["say", "Mended."]]);
    stage.script(
        "task-1",
        &json!({ "work": [["write", "broken.txt", "x"], ["write", "kept.txt", "y"], ["say", "Done."]], "repair": repair }),
    );
    let story = stage.planned("Breaks the tests", &[task("task-1", "Break it", &[])]);
    let ran = story.clone();
    stage.play_with("gate.mjs", &json!({ "story": story }), |stage, ask| match ask["ask"].as_str().unwrap() {
        "ended" => stage.ended(&ran),
        other => panic!("{other}"),
    });
}
