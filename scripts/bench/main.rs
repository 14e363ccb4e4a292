//! Figures, not tests: `cargo bench --bench aura` measures everything, `cargo bench --bench aura -- status land` some of it.
//! Every figure that has a rival is measured beside it, in turn, in the same run, and shown as a ratio: machines are noisy.
#![allow(clippy::print_stdout, clippy::cast_sign_loss)] // Figures are printed, and counts are small.

mod bench_board;
mod bench_constant;
mod bench_http;
mod bench_judge;
mod bench_land;
mod bench_mcp;
mod bench_run;
mod world;

// The scene of the board's own test is what is measured.
#[cfg(unix)]
#[path = "../../tests/support/cli_world.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod cli_world;
#[cfg(unix)]
#[path = "../../tests/board/large.rs"]
#[allow(clippy::unwrap_used)]
mod large;
#[cfg(unix)]
#[path = "../../tests/support/packages.rs"]
#[allow(dead_code)]
mod packages;
#[cfg(unix)]
#[path = "../../tests/http/server.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod server;
#[cfg(unix)]
#[path = "../../tests/board/stage.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod stage;

// The corpus of the judge's own test.
#[path = "../../tests/judge/corpus.rs"]
mod corpus;
#[path = "../../tests/judge/corpus_dotnet.rs"]
mod corpus_dotnet;
#[path = "../../tests/judge/corpus_go.rs"]
mod corpus_go;
#[path = "../../tests/judge/corpus_java.rs"]
mod corpus_java;
#[path = "../../tests/judge/corpus_python.rs"]
mod corpus_python;
#[path = "../../tests/judge/corpus_rust.rs"]
mod corpus_rust;
#[path = "../../tests/judge/corpus_script.rs"]
mod corpus_script;

use std::time::{Duration, Instant};
use world::{World, git};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, file] = args.as_slice()
        && word == bench_mcp::CONSTANT
    {
        return bench_mcp::answer_a_constant(file);
    }
    if let [word, file] = args.as_slice()
        && word == bench_http::CONSTANT
    {
        return bench_constant::answer(file);
    }
    let asked: Vec<String> = args.into_iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    let benches: [(&str, fn()); 10] = [
        ("status", status),
        ("worktrees", bench_land::worktrees),
        ("land", bench_land::land),
        ("latency", bench_run::latency),
        ("makespan", bench_run::makespan),
        ("memory", bench_run::memory),
        ("mcp", bench_mcp::mcp),
        ("http", bench_http::http),
        ("board", bench_board::board),
        ("judge", bench_judge::judge),
    ];
    for (name, bench) in benches {
        if wanted(name) {
            println!("\n## {name}");
            bench();
        }
    }
}

/// Cold start of `aura status --json` beside `git status` on the same repository.
fn status() {
    let world = World::with_files(3000);
    world.aura(&["new", "Bench", "--repository-path", &world.repo_text()]);
    world.plan(&world::chain(20, 1, 0));
    let aura = || drop(world.aura(&["status", "latest", "--json"]));
    let status = || drop(git(&world.repo, &["status", "--porcelain"]));
    let (aura, git) = in_turn(40, aura, status);
    show("aura status --json, 20 tasks", &aura);
    show("git status --porcelain, 3,000 files", &git);
    println!("ratio of medians: {:.2}", ratio(&aura, &git));
}

/// Two things measured one after the other, again and again, after one warm-up each.
fn in_turn(rounds: usize, mut one: impl FnMut(), mut other: impl FnMut()) -> (Vec<Duration>, Vec<Duration>) {
    let time = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    one();
    other();
    (0..rounds).map(|_| (time(&mut one), time(&mut other))).unzip()
}

fn percentile(times: &[Duration], p: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * p).round() as usize]
}

fn show(what: &str, times: &[Duration]) {
    let ms = |p| percentile(times, p).as_secs_f64() * 1000.0;
    println!("{what}: p50 {:.1} ms, p99 {:.1} ms, min {:.1} ms, n {}", ms(0.5), ms(0.99), ms(0.0), times.len());
}

fn ratio(a: &[Duration], b: &[Duration]) -> f64 {
    percentile(a, 0.5).as_secs_f64() / percentile(b, 0.5).as_secs_f64()
}
