//! Who may look, and what a story may not do to the page.

use crate::stage::Stage;
use serde_json::json;

#[test]
fn only_who_has_the_link_looks_and_refusals_are_said() {
    let Some(mut stage) = Stage::new() else { return };
    stage.play_with("login.mjs", &json!({}), |stage, ask| match ask["ask"].as_str().unwrap() {
        "link" => stage.server().post("/api/link", &json!({})).json(),
        other => panic!("{other}"),
    });
}
