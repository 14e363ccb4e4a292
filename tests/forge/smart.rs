//! A remote over smart HTTP that wants a password: git's own `http-backend` behind a small server. An Enterprise host, and a
//! default branch that is not `main`.

use crate::hub::{Hub, TOKEN, shop, there};
use crate::world::{World, task};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `ada:hunter2`.
const PASSWORD: &str = "Basic YWRhOmh1bnRlcjI=";

#[derive(Clone)]
struct Smart {
    port: u16,
    /// Whether nobody is let in.
    closed: Arc<AtomicBool>,
    /// Whether every pack is too large.
    narrow: Arc<AtomicBool>,
    /// Whether it was asked as a proxy.
    proxied: Arc<AtomicBool>,
}

/// Serves the bare repositories below a folder.
fn serve(root: PathBuf) -> Smart {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let smart = Smart { port, closed: Arc::default(), narrow: Arc::default(), proxied: Arc::default() };
    let served = smart.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (root, served) = (root.clone(), served.clone());
            std::thread::spawn(move || one(&stream, &root, &served));
        }
    });
    smart
}

/// One request, then the connection is closed.
fn one(mut stream: &TcpStream, root: &Path, smart: &Smart) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut kind, mut coding, mut user, mut protocol) = (0usize, String::new(), String::new(), String::new(), String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "content-type" => kind = value,
            "content-encoding" => coding = value,
            "authorization" => user = value,
            "git-protocol" => protocol = value,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    // A proxy is asked for a whole address.
    let target = match target.strip_prefix("http://") {
        Some(rest) => {
            smart.proxied.store(true, Ordering::SeqCst);
            format!("/{}", rest.split_once('/')?.1)
        }
        None => target,
    };
    if smart.narrow.load(Ordering::SeqCst) && method == "POST" && target.ends_with("git-receive-pack") {
        return stream.write_all(b"HTTP/1.1 413 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    }
    if smart.closed.load(Ordering::SeqCst) {
        return stream.write_all(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    }
    if user != PASSWORD {
        let refusal = b"HTTP/1.1 401 X\r\nwww-authenticate: Basic realm=\"shop\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return stream.write_all(refusal).ok();
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut backend = Command::new("git");
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "ada");
    backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query).env("CONTENT_TYPE", kind);
    backend.env("CONTENT_LENGTH", length.to_string()).env("HTTP_CONTENT_ENCODING", coding).env("GIT_PROTOCOL", protocol);
    let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    child.stdin.take()?.write_all(&body).ok()?;
    let output = child.wait_with_output().ok()?.stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let headers: String = head.lines().filter(|line| !line.starts_with("Status:")).map(|line| format!("{line}\r\n")).collect();
    let content = &output[end + 4..];
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", content.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content)).ok()
}

/// A world whose `origin` is at an Enterprise host over smart HTTP, with `trunk` as its default branch.
fn enterprise(hub: &Hub) -> (World, Smart) {
    enterprise_at(hub, "127.0.0.1")
}

fn enterprise_at(hub: &Hub, host: &str) -> (World, Smart) {
    let mut world = shop(hub, "");
    let root = world.path("served");
    std::fs::create_dir_all(root.join("acme")).unwrap();
    std::fs::rename(world.path("remote.git"), root.join("acme/shop.git")).unwrap();
    std::os::unix::fs::symlink(root.join("acme/shop.git"), world.path("remote.git")).unwrap();
    let bare = world.path("remote.git");
    world.git_in(&bare, &["branch", "-m", "main", "trunk"]);
    world.git_in(&bare, &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    world.git_in(&bare, &["config", "http.receivepack", "true"]);
    let smart = serve(root);
    world.git(&["remote", "set-url", "origin", &format!("http://{host}:{}/acme/shop.git", smart.port)]);
    world.git(&["branch", "trunk", "main"]);
    let settings = std::fs::read_to_string(world.path("home/config.toml")).unwrap();
    std::fs::write(world.path("home/config.toml"), settings.replace("[forge]\n", &format!("[forge]\nhost = \"{host}\"\n"))).unwrap();
    hub.state().repository["default_branch"] = json!("trunk");
    world.env.remove("GH_TOKEN");
    world.env.insert("GH_ENTERPRISE_TOKEN".into(), TOKEN.into());
    let story = world.call("create_story", json!({ "title": "A story", "repositoryPath": world.path("repo"), "base": "trunk" }));
    world.id = story.json["id"].as_str().unwrap().to_owned();
    world.tool("decompose_story", json!({ "tasks": [task("a", &[])] }));
    world.run_well();
    world.settle_checkout();
    (world, smart)
}

#[test]
fn over_smart_http_with_the_users_own_credentials() {
    let hub = Hub::start();
    let (world, smart) = enterprise(&hub);
    let (_, problem) = world.refused("complete_story", json!({}));
    assert!(problem["code"] == "needs_login" && problem["hint"].as_str().unwrap().contains("credential helper"), "{problem}");
    let path = world.path("user/gitconfig");
    let helper = "[credential]\nhelper = \"!f() { echo username=ada; echo password=hunter2; }; f\"\n";
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + helper).unwrap();
    smart.closed.store(true, Ordering::SeqCst);
    let (_, problem) = world.refused("complete_story", json!({}));
    assert_eq!(problem["code"], "unavailable", "{problem}");
    smart.closed.store(false, Ordering::SeqCst);
    let done = world.tool("complete_story", json!({}));
    let commit = done["published"]["commit"].as_str().unwrap();
    assert_eq!((there(&world, &world.branch()).as_str(), there(&world, &format!("{commit}^"))), (commit, there(&world, "trunk")));
    assert_eq!((&done["published"]["how"], &hub.state().pulls[0]["base"]["ref"]), (&json!("pullRequest"), &json!("trunk")));
    for event in world.events() {
        assert!(!event.to_string().contains("hunter2") && !event.to_string().contains(TOKEN), "{event}");
    }
    hub.close();
    world.close();
}

fn logs_in(world: &World, password: &str) {
    let helper = format!("[credential]\nhelper = \"!f() {{ echo username=ada; echo password={password}; }}; f\"\n");
    let path = world.path("user/gitconfig");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept = text.split("[credential]").next().unwrap();
    std::fs::write(&path, format!("{kept}{helper}")).unwrap();
}

#[test]
fn a_wrong_password_and_a_push_that_is_too_large_are_said() {
    let hub = Hub::start();
    let (world, smart) = enterprise(&hub);
    logs_in(&world, "wrong-one");
    let (_, problem) = world.refused("complete_story", json!({}));
    assert!(problem["code"] == "needs_login" && !problem.to_string().contains("wrong-one"), "{problem}");
    logs_in(&world, "hunter2");
    smart.narrow.store(true, Ordering::SeqCst);
    let (_, problem) = world.refused("complete_story", json!({}));
    assert!(problem["code"] == "needs_person" && problem["hint"].as_str().unwrap().contains("too large"), "{problem}");
    assert_eq!(there(&world, &world.branch()), "");
    smart.narrow.store(false, Ordering::SeqCst);
    world.tool("complete_story", json!({}));
    hub.close();
    world.close();
}

#[test]
fn through_the_proxy_of_the_users_git() {
    let hub = Hub::start();
    let (mut world, smart) = enterprise_at(&hub, "shop.invalid");
    logs_in(&world, "hunter2");
    world.git(&["config", "http.proxy", &format!("http://127.0.0.1:{}", smart.port)]);
    world.settle_checkout();
    assert_eq!(world.tool("complete_story", json!({}))["published"]["how"], "pullRequest");
    assert!(smart.proxied.load(Ordering::SeqCst) && !there(&world, &world.branch()).is_empty());
    hub.close();
    world.close();
}
