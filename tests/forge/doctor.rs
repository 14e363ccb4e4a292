//! `aura doctor` about the forge: where the token comes from and whether it works, without ever showing it.

use crate::hub::{Hub, TOKEN, What, executable, keeps_its_token, shop};
use crate::world::World;
use serde_json::{Value, json};

fn forge(world: &World) -> Value {
    let said = world.aura(&["doctor", "--json"]);
    assert!(!said.json.to_string().contains(TOKEN) && !said.stderr.contains(TOKEN), "{}", said.json);
    said.json["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == "forge").unwrap().clone()
}

#[test]
fn the_token_is_tried_once_where_a_remote_is() {
    let hub = Hub::start();
    let mut world = shop(&hub, "");
    let has = |finding: &Value, health: &str, words: &[&str]| {
        let text = finding.to_string();
        assert!(finding["health"] == health && words.iter().all(|word| text.contains(word)), "{health} {words:?}: {finding}");
    };
    has(&forge(&world), "good", &["github.com", "GH_TOKEN", "works for acme/shop"]);
    assert_eq!(hub.state().requests.len(), 1);
    hub.state().repository["permissions"] = json!({ "push": false });
    has(&forge(&world), "warning", &["may only read acme/shop"]);
    hub.fail("GET", "/repos", 1, What::Answer(401, vec![], json!({ "message": format!("Bad credentials {TOKEN}") })));
    has(&forge(&world), "warning", &["GH_TOKEN", "not accept", "gh auth login"]);
    hub.state().repository["permissions"] = json!({ "push": true });
    // From `gh`; then from nowhere.
    world.env.remove("GH_TOKEN");
    let gh = world.path("bin/gh");
    std::fs::write(&gh, format!("#!/bin/sh\ntest \"$*\" = 'auth token --hostname github.com' && echo {TOKEN}\n")).unwrap();
    executable(&gh);
    has(&forge(&world), "good", &["`gh auth token`", "works"]);
    std::fs::write(&gh, "#!/bin/sh\nexit 4\n").unwrap();
    let asked = hub.state().requests.len();
    has(&forge(&world), "warning", &["no token for github.com", "gh auth login", "GH_TOKEN"]);
    // Without a remote there, nobody is asked.
    world.env.insert("GITHUB_TOKEN".into(), TOKEN.into());
    world.git(&["remote", "set-url", "origin", "https://gitlab.example/acme/shop.git"]);
    world.settle_checkout();
    has(&forge(&world), "good", &["GITHUB_TOKEN", "not tried"]);
    assert_eq!(hub.state().requests.len(), asked);
    keeps_its_token(&world);
    hub.close();
    world.close();
}
