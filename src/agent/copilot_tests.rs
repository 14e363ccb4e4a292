//! Verdicts on transcripts. Each line is shaped as the real CLI prints it.

use super::*;
use jiff::Zoned;

const TURN: &str = r#"{"type":"assistant.turn_start","data":{"turnId":"0"}}"#;
const MESSAGE: &str = r#"{"type":"assistant.message","data":{"content":"All done."}}"#;
const COMPLETE: &str = r#"{"type":"session.task_complete","data":{"summary":"Added x.","success":true}}"#;
const RESULT: &str = r#"{"type":"result","sessionId":"s","exitCode":0,"usage":{"premiumRequests":2}}"#;
const RESULT_1: &str = r#"{"type":"result","sessionId":"s","exitCode":1,"usage":{}}"#;

fn verdict(lines: &[&str], exit: Option<JobExit>, stderr: &str) -> AgentVerdict {
    let mut events = Events::default();
    for line in lines {
        events.read(line);
    }
    events.verdict(&Ending { exit: exit.as_ref(), stderr, usage_file: None, before: vec![], at: Zoned::default() })
}

fn error(kind: &str, code: &str, status: u64) -> String {
    serde_json::json!({"type": "session.error", "data": {"errorType": kind, "errorCode": code, "statusCode": status, "message": "m"}})
        .to_string()
}

#[test]
fn done_takes_a_result_and_the_agents_own_word() {
    let done = verdict(&[TURN, MESSAGE, COMPLETE, RESULT], Some(JobExit::Code(0)), "");
    assert_eq!((done.outcome, done.summary.as_str()), (Outcome::Done, "Added x."));
    assert!(matches!(verdict(&[TURN, MESSAGE, RESULT], Some(JobExit::Code(0)), "").outcome, Outcome::Incomplete { .. }));
    assert!(matches!(verdict(&[TURN, MESSAGE], Some(JobExit::Code(0)), "").outcome, Outcome::Crashed { .. }));
}

#[test]
fn exit_code_zero_after_a_signal_of_ours_is_an_interruption() {
    let abort = r#"{"type":"abort","data":{"reason":"user_initiated"}}"#;
    for exit in [Some(JobExit::Stopped), None] {
        assert_eq!(verdict(&[TURN, MESSAGE, COMPLETE, RESULT], exit, "").outcome, Outcome::Interrupted);
    }
    assert_eq!(verdict(&[TURN, abort, RESULT], Some(JobExit::Code(0)), "").outcome, Outcome::Interrupted);
    assert_eq!(verdict(&[TURN], Some(JobExit::Stalled), "").outcome, Outcome::Stalled);
    assert_eq!(verdict(&[TURN], Some(JobExit::DeadlinePassed), "").outcome, Outcome::TimedOut);
    assert!(matches!(verdict(&[TURN], Some(JobExit::Signal(9)), "").outcome, Outcome::Crashed { .. }));
}

/// The gate judges what is there; how the process ended after it had said so is no evidence against it.
#[test]
fn what_was_declared_complete_stays_complete_whatever_comes_afterwards() {
    let late = error("query", "", 0);
    let limit = error("rate_limit", "user_global_rate_limited", 429);
    for (lines, exit) in [
        (vec![TURN, MESSAGE, COMPLETE, &late, RESULT_1], JobExit::Code(1)),
        (vec![TURN, MESSAGE, COMPLETE, &limit, RESULT_1], JobExit::Code(1)),
        (vec![TURN, MESSAGE, COMPLETE], JobExit::Code(0)),
        (vec![TURN, MESSAGE, COMPLETE], JobExit::Signal(11)),
        (vec![TURN, MESSAGE, COMPLETE], JobExit::Stalled),
        (vec![TURN, MESSAGE, COMPLETE], JobExit::DeadlinePassed),
    ] {
        let said = verdict(&lines, Some(exit.clone()), "");
        assert_eq!((said.outcome, said.summary.as_str()), (Outcome::Done, "Added x."), "{exit:?}");
    }
    // An error before it, and a completion that was rejected, are something else.
    assert!(matches!(verdict(&[TURN, &late, RESULT_1], Some(JobExit::Code(1)), "").outcome, Outcome::Failed { .. }));
    let rejected = r#"{"type":"session.task_complete","data":{"summary":"Added x.","success":false}}"#;
    assert!(matches!(verdict(&[TURN, rejected, &late, RESULT_1], Some(JobExit::Code(1)), "").outcome, Outcome::Failed { .. }));
}

#[test]
fn a_limit_that_says_when_it_ends_is_believed() {
    let said = r#"{"type":"session.error","data":{"errorType":"rate_limit","errorCode":"user_global_rate_limited","statusCode":429,"message":"Sorry, you have hit a rate limit that restricts the number of model requests you can make within a certain time, for all models and in all places where you use it together. Please try again in 2 hours."}}"#;
    let outcome = verdict(&[TURN, said, RESULT_1], Some(JobExit::Code(1)), "").outcome;
    assert!(matches!(outcome, Outcome::RateLimited { retry_after_s: Some(7200), .. }), "{outcome:?}");
}

#[test]
fn errors_of_the_model_are_told_apart() {
    let of =
        |kind: &str, code: &str, status: u64| verdict(&[TURN, &error(kind, code, status), RESULT_1], Some(JobExit::Code(1)), "").outcome;
    assert!(matches!(of("authentication", "", 401), Outcome::NeedsLogin { .. }));
    assert!(matches!(of("authorization", "", 403), Outcome::NeedsLogin { .. }));
    assert!(matches!(of("rate_limit", "user_weekly_rate_limited", 429), Outcome::RateLimited { .. }));
    assert!(matches!(of("rate_limit", "", 429), Outcome::RateLimited { .. }));
    assert!(matches!(of("quota", "quota_exceeded", 402), Outcome::Quota { .. }));
    assert!(matches!(of("rate_limit", "session_quota_exceeded", 429), Outcome::Quota { .. }));
    assert!(matches!(of("policy", "", 403), Outcome::Policy { .. }));
    assert!(matches!(of("query", "", 400), Outcome::Failed { .. }));
}

#[test]
fn an_error_that_it_got_over_does_not_count() {
    let lines = [TURN, &error("query", "", 500), TURN, COMPLETE, RESULT];
    assert_eq!(verdict(&lines, Some(JobExit::Code(0)), "").outcome, Outcome::Done);
}

#[test]
fn the_cap_of_continuations_is_not_done() {
    let cap = r#"{"type":"session.autopilot_stopped","data":{"reason":"cap_reached"}}"#;
    assert!(matches!(verdict(&[TURN, MESSAGE, cap, RESULT], Some(JobExit::Code(0)), "").outcome, Outcome::Incomplete { .. }));
}

#[test]
fn a_completion_that_was_rejected_is_not_done() {
    let rejected = r#"{"type":"session.task_complete","data":{"summary":"Added x.","success":false,"outcome":"continue"}}"#;
    assert!(matches!(verdict(&[TURN, MESSAGE, rejected, RESULT], Some(JobExit::Code(0)), "").outcome, Outcome::Incomplete { .. }));
    assert!(matches!(verdict(&[TURN, COMPLETE, rejected, RESULT], Some(JobExit::Code(0)), "").outcome, Outcome::Incomplete { .. }));
    assert_eq!(verdict(&[TURN, rejected, TURN, COMPLETE, RESULT], Some(JobExit::Code(0)), "").outcome, Outcome::Done);
}

#[test]
fn the_limit_of_credits_is_not_an_interruption() {
    let abort = r#"{"type":"abort","data":{"reason":"autopilot_credit_limit"}}"#;
    assert!(matches!(verdict(&[TURN, abort, RESULT], Some(JobExit::Code(0)), "").outcome, Outcome::Incomplete { .. }));
}

#[test]
fn a_sub_agents_words_are_not_the_tasks() {
    let sub = r#"{"type":"assistant.message","agentId":"a1","data":{"content":"Sub-agent done."}}"#;
    let failed = r#"{"type":"session.error","agentId":"a1","data":{"errorType":"query","message":"m"}}"#;
    let found = verdict(
        &[TURN, MESSAGE, sub, failed, r#"{"type":"session.task_complete","data":{"summary":""}}"#, RESULT],
        Some(JobExit::Code(0)),
        "",
    );
    assert_eq!((found.outcome, found.summary.as_str()), (Outcome::Done, "All done."));
}

#[test]
fn without_a_login_it_says_so_on_stderr_only() {
    let found = verdict(&[], Some(JobExit::Code(1)), "Error: No authentication information found.\n");
    assert!(matches!(found.outcome, Outcome::NeedsLogin { .. }));
    assert!(matches!(verdict(&[], Some(JobExit::Code(1)), "error: unknown option '--x'").outcome, Outcome::Failed { .. }));
    assert!(matches!(verdict(&[], Some(JobExit::Code(0)), "").outcome, Outcome::Crashed { .. }));
    assert!(matches!(verdict(&[], Some(JobExit::NotStarted { detail: "gone".into() }), "").outcome, Outcome::Unavailable { .. }));
}

#[test]
fn noise_and_broken_lines_are_skipped() {
    let lines = ["not json", "{", "[]", "{\"type\":5}", "{\"type\":\"something.new\",\"data\":{}}", TURN, COMPLETE, RESULT];
    assert_eq!(verdict(&lines, Some(JobExit::Code(0)), "").outcome, Outcome::Done);
}

#[test]
fn tokens_come_from_the_usage_file() {
    let file = r#"{"totalPremiumRequestCost":1.5,"totalNanoAiu":7,"modelMetrics":{"a":{"requests":{"count":2},"usage":{"inputTokens":10,"outputTokens":3,"cacheReadTokens":4}},"b":{"requests":{"count":1},"usage":{"inputTokens":1,"outputTokens":1}}}}"#;
    let usage = |before: Vec<Usage>| {
        let ending = Ending { exit: Some(&JobExit::Code(0)), stderr: "", usage_file: Some(file.into()), before, at: Zoned::default() };
        Events::default().verdict(&ending).usage
    };
    let all =
        Usage { input_tokens: 11, output_tokens: 4, cached_tokens: 4, requests: 3, premium_requests: 1.5, nano_credits: 7, duration_ms: 0 };
    assert_eq!(usage(vec![]), all);
    // The file counts over the session: what attempts before this one used is not used again.
    let first = Usage { input_tokens: 6, output_tokens: 3, requests: 1, premium_requests: 1.0, nano_credits: 7, ..Usage::default() };
    let second = Usage { input_tokens: 4, cached_tokens: 4, requests: 1, duration_ms: 9, ..Usage::default() };
    let third = Usage { input_tokens: 1, output_tokens: 1, requests: 1, premium_requests: 0.5, ..Usage::default() };
    assert_eq!(usage(vec![first, second]), third);
    // The session was lost, and the count began anew.
    assert_eq!(usage(vec![Usage { input_tokens: 9, requests: 4, ..Usage::default() }]), all);
}

#[test]
fn without_a_usage_file_the_result_tells_the_premium_requests() {
    let mut events = Events::default();
    events.read(RESULT);
    let before = Usage { requests: 5, premium_requests: 1.5, ..Usage::default() };
    let ending = Ending { exit: Some(&JobExit::Code(0)), stderr: "", usage_file: None, before: vec![before], at: Zoned::default() };
    assert_eq!(events.verdict(&ending).usage, Usage { premium_requests: 0.5, ..Usage::default() });
}

#[test]
fn activity_is_one_bounded_line() {
    let mut events = Events::default();
    let start = serde_json::json!({"type": "tool.execution_start", "data": {"toolName": "bash", "arguments": {"command": format!("echo \u{1b}[2J\n{}", "x".repeat(999))}}});
    let signals = events.read(&start.to_string());
    let [Signal::Activity(text)] = signals.as_slice() else { panic!("{signals:?}") };
    assert!(text.starts_with("bash: echo") && text.chars().count() <= 200 && !text.chars().any(char::is_control), "{text:?}");
}
