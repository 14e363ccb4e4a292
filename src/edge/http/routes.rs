//! Where each verb lives: one line for each of `ops::VERBS`.

use crate::ops::{self, Verb};

/// Prefixes under which the routes are served: the first is the seed's, the second short.
pub(super) const PREFIXES: [&str; 2] = [PREFIX, "/api/stories"];
pub(super) const PREFIX: &str = "/api/developer/stories";
/// The result of one run, in the form of `run_wave`: what a run that goes on by itself comes to.
pub(super) const RUN: &str = "/{id}/runs/{runId}";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "get",
            Method::Post => "post",
            Method::Delete => "delete",
        }
    }
}

/// A verb's place. `{id}` is its `storyId`, `{taskId}` its `taskId`; what else it takes is in the query of a GET and a DELETE, and
/// in the body of a POST.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub verb: &'static str,
    pub method: Method,
    pub path: &'static str,
}

/// Every route of a verb, in the order of the verbs.
pub const ROUTES: &[Route] = &[
    route("create_story", Method::Post, ""),
    route("list_stories", Method::Get, ""),
    route("get_story", Method::Get, "/{id}"),
    route("analyze_story", Method::Post, "/{id}/analyze"),
    route("decompose_story", Method::Post, "/{id}/decompose"),
    route("run_wave", Method::Post, "/{id}/run"),
    route("wait_for_wave", Method::Get, "/{id}/wait"),
    route("get_orchestrator_status", Method::Get, "/{id}/orchestrator-status"),
    route("get_task_output", Method::Get, "/{id}/tasks/{taskId}/output"),
    route("retry_task", Method::Post, "/{id}/tasks/{taskId}/retry"),
    route("cancel_run", Method::Post, "/{id}/cancel"),
    route("accept_findings", Method::Post, "/{id}/accept"),
    route("complete_story", Method::Post, "/{id}/complete"),
    route("remove_worktree", Method::Delete, "/{id}/worktree"),
];

const fn route(verb: &'static str, method: Method, path: &'static str) -> Route {
    Route { verb, method, path }
}

impl Route {
    /// The verb that lives there. The table is complete: a test walks it.
    pub(super) fn verb(&self) -> Option<&'static Verb> {
        ops::find(self.verb).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_one_route_and_reading_is_a_get() {
        let routes: Vec<&str> = ROUTES.iter().map(|route| route.verb).collect();
        let verbs: Vec<&str> = ops::VERBS.iter().map(|verb| verb.name).collect();
        assert_eq!(routes, verbs);
        for route in ROUTES {
            let verb = route.verb().unwrap();
            assert_eq!(route.method == Method::Get, verb.effect.read_only, "{}", verb.name);
            let input = serde_json::to_value((verb.input)()).unwrap();
            for (part, field) in [("{id}", "storyId"), ("{taskId}", "taskId")] {
                assert_eq!(route.path.contains(part), input["properties"].get(field).is_some(), "{}: {field}", verb.name);
            }
        }
    }
}
