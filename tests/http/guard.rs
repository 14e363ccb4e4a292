//! Who may ask.

use super::cli_world::Cli;
use super::server::{STORIES, Server};
use serde_json::json;

#[test]
fn data_needs_the_token_and_our_own_name_and_page() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    assert!(server.address.starts_with("127.0.0.1:"));
    #[cfg(unix)]
    for file in ["home/http-token", "home/http-cookie"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(cli.path(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (bearer, wrong) = (server.bearer(), format!("Bearer {}", "0".repeat(64)));
    let body = json!({ "title": "x", "repositoryPath": cli.repo() }).to_string();
    cli.unchanged(|| {
        for headers in [&[][..], &[("Authorization", "Bearer ")], &[("Authorization", &wrong)], &[("Authorization", server.token.as_str())]]
        {
            for (method, path) in [("POST", STORIES), ("GET", STORIES), ("GET", "/api/events"), ("POST", "/api/tools/create_story")] {
                let mut headers = headers.to_vec();
                headers.push(("Content-Type", "application/json"));
                let reply = server.raw(method, path, &headers, if method == "POST" { body.as_bytes() } else { b"" });
                assert_eq!(reply.status, 401, "{method} {path} {headers:?}");
                reply.refused("needs_token");
                assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
            }
        }
        // A name that resolves to this machine, and a page of anybody else's: even with the token.
        let port = server.address.rsplit(':').next().unwrap().to_owned();
        let other = format!("http://127.0.0.1:{}", port.parse::<u16>().unwrap() ^ 1);
        for (name, value) in [
            ("Host", "evil.example"),
            ("Host", &format!("evil.example:{port}")),
            ("Host", "127.0.0.1:1"),
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
            ("Origin", &other),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), (name, value)];
            server.raw("POST", STORIES, &headers, body.as_bytes()).refused("forbidden");
        }
    });
    let local = format!("localhost:{}", server.address.rsplit(':').next().unwrap());
    assert_eq!(server.raw("GET", STORIES, &[("Authorization", &bearer), ("Host", &local)], b"").status, 200);
}

#[test]
fn a_link_opens_the_board_once_and_its_cookie_changes_things_only_from_our_page() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    let base = format!("http://{}", server.address);
    let path = server.link.strip_prefix(&base).unwrap().to_owned();
    server.raw("GET", "/open?ticket=0", &[], b"").refused("forbidden");
    let opened = server.raw("GET", &path, &[], b"");
    assert_eq!((opened.status, opened.header("location")), (303, Some("/")));
    server.raw("GET", &path, &[], b"").refused("forbidden");
    let set = opened.header("set-cookie").unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains(&server.token), "{set}");
    let cookie = set.split(';').next().unwrap();
    assert_eq!(server.raw("GET", STORIES, &[("Cookie", cookie)], b"").status, 200);
    let post = |headers: &[(&str, &str)]| {
        let mut all = vec![("Cookie", cookie), ("Content-Type", "application/json")];
        all.extend(headers);
        server.raw("POST", STORIES, &all, json!({ "title": "x", "repositoryPath": cli.repo() }).to_string().as_bytes())
    };
    post(&[]).refused("forbidden");
    post(&[("Origin", "http://evil.example")]).refused("forbidden");
    post(&[("Origin", &base), ("Sec-Fetch-Site", "same-origin")]).well(201);
    // A running server gives another one, to whoever has the token.
    let again = server.ask("POST", "/api/link", None).json()["url"].as_str().unwrap().to_owned();
    assert_eq!(server.raw("GET", again.strip_prefix(&base).unwrap(), &[], b"").status, 303);
    server.raw("POST", "/api/link", &[], b"").refused("needs_token");
    // The cookie outlives the server, so that an open page goes on.
    let address = server.address.clone();
    drop(server);
    let server = Server::start_at(&cli, &address);
    assert_eq!(server.raw("GET", STORIES, &[("Cookie", cookie)], b"").status, 200);
}

#[test]
fn every_answer_forbids_inline_script_and_frames() {
    let cli = Cli::new();
    let server = Server::start(&cli);
    for path in ["/", "/openapi.json", STORIES, "/nonsense"] {
        let reply = server.get(path);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(reply.header("access-control-allow-origin").is_none());
    }
}

#[test]
fn what_would_let_others_in_is_refused() {
    let cli = Cli::new();
    for (args, word) in [
        (&["--listen", "192.0.2.1:0"][..], "--allow-remote"),
        (&["--listen", "0.0.0.0:0", "--allow-remote"], "--allow-host"),
        (&["--listen", "nonsense"], "127.0.0.1:0"),
    ] {
        let said = cli.run(&[&["serve"][..], args].concat());
        assert!(said.code == 2 && said.stderr.contains(word), "{args:?}: {}", said.stderr);
    }
}
