//! Asks a coding agent for the plan. How the agent is run is not known here: it is a question and an answer.

use super::{PlanBrief, Planner, PlannerError, Proposal, prompt, reply};

/// Asks the agent once and answers its final text. Bounded in time and length by whoever made it.
pub type Ask = Box<dyn Fn(&str) -> Result<String, PlannerError> + Send + Sync>;

/// The planner that is the same program as the agents.
pub struct Copilot {
    ask: Ask,
}

impl Copilot {
    pub const NAME: &str = "copilot";

    #[must_use]
    pub fn new(ask: Ask) -> Copilot {
        Copilot { ask }
    }
}

impl Planner for Copilot {
    fn name(&self) -> &str {
        Copilot::NAME
    }

    fn propose(&self, brief: &PlanBrief) -> Result<Proposal, PlannerError> {
        let question = format!(
            "{}\n\nYou may read files of this repository to plan well. Change nothing, run nothing that changes anything.\n\n{}",
            prompt::ROLE,
            prompt::plan_prompt(brief)
        );
        proposal(Copilot::NAME, &(self.ask)(&question)?)
    }

    fn answer(&self, prompt: &str) -> Result<Option<String>, PlannerError> {
        (self.ask)(prompt).map(Some)
    }
}

/// A model's answer as a proposal.
pub(super) fn proposal(planner: &str, answer: &str) -> Result<Proposal, PlannerError> {
    match reply::read(answer) {
        Ok(drafts) => Ok(Proposal { drafts, raw: prompt::cut(answer, super::RAW_BYTES_MAX) }),
        Err(why) => Err(PlannerError::Unreadable { planner: planner.to_owned(), why, raw: prompt::cut(answer, super::RAW_BYTES_MAX) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Fault;
    use crate::planner::{Outline, RepoFacts, propose_checked, read_facts};
    use std::sync::{Arc, Mutex};

    /// An agent that says these things one after the other, and the questions it was asked.
    fn agent(answers: &[&str]) -> (Copilot, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(vec![]));
        let left = Mutex::new(answers.iter().rev().map(|answer| (*answer).to_owned()).collect::<Vec<_>>());
        let log = asked.clone();
        let ask = move |question: &str| {
            log.lock().unwrap().push(question.to_owned());
            left.lock().unwrap().pop().ok_or(PlannerError::Failed { planner: "copilot".into(), detail: "it crashed".into() })
        };
        (Copilot::new(Box::new(ask)), asked)
    }

    const GOOD: &str = r#"{"tasks":[{"id":"a","title":"A","description":"Do A."}]}"#;
    const SELF: &str = r#"{"tasks":[{"id":"a","title":"A","description":"Do A.","dependsOn":["a"]}]}"#;

    #[test]
    fn a_wrong_plan_is_sent_back_once_with_its_faults() {
        let brief = PlanBrief { title: "Count words".into(), ..PlanBrief::default() };
        for (wrong, fault) in [(SELF, "task `a`: it depends on itself"), ("I cannot plan.", "holds no JSON object")] {
            let (planner, asked) = agent(&[wrong, GOOD]);
            let (plan, proposal) = propose_checked(&planner, &brief).unwrap();
            assert_eq!((plan.tasks.len(), proposal.raw.as_str()), (1, GOOD));
            let asked = asked.lock().unwrap();
            assert_eq!(asked.len(), 2);
            assert!(!asked[0].contains("previous answer") && asked[0].contains("Change nothing"), "{}", asked[0]);
            assert!(asked[1].contains(fault) && asked[1].contains(wrong), "{}", asked[1]);
        }
    }

    #[test]
    fn a_second_wrong_plan_is_given_up_with_all_its_faults() {
        let (planner, asked) = agent(&[SELF, r#"[{"id":"a","title":"","description":" ","files":["/x"],"agent":"nobody"}]"#, GOOD]);
        let error = propose_checked(&planner, &PlanBrief::default()).unwrap_err();
        assert_eq!(asked.lock().unwrap().len(), 2);
        let PlannerError::Invalid { faults, .. } = error else { panic!("{error}") };
        let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(
            faults,
            [
                "task `a`: its title is empty",
                "task `a`: its description, the agent's prompt, is empty",
                "task `a`: `/x` in its files is not a path inside the repository",
                "task `a`: it asks for the agent `nobody`, and no agent may be chosen here",
            ]
        );
    }

    #[test]
    fn an_agent_that_fails_did_not_plan_wrongly() {
        let (planner, asked) = agent(&[]);
        assert!(matches!(propose_checked(&planner, &PlanBrief::default()), Err(PlannerError::Failed { .. })));
        assert_eq!(asked.lock().unwrap().len(), 1);
        let (planner, _) = agent(&[SELF]);
        assert!(matches!(propose_checked(&planner, &PlanBrief::default()), Err(PlannerError::Failed { .. })), "also the second time");
        let (planner, _) = agent(&["It is small."]);
        assert_eq!(planner.answer("?").unwrap().as_deref(), Some("It is small."));
    }

    #[test]
    fn a_model_reads_the_facts_and_the_outline_has_none() {
        let facts = RepoFacts { files: 3, ..RepoFacts::default() };
        let (planner, asked) = agent(&["It is \u{1b}small.", " \n"]);
        assert_eq!(read_facts(&planner, "Count words", "Count them.", &facts).unwrap().as_deref(), Some("It is small."));
        assert_eq!(read_facts(&planner, "Count words", "", &facts).unwrap(), None);
        assert!(read_facts(&planner, "Count words", "", &facts).is_err());
        let asked = asked.lock().unwrap();
        assert!(asked[0].contains("Count them.") && asked[0].contains("3 files"), "{}", asked[0]);
        assert_eq!(read_facts(&Outline, "Count words", "", &facts).unwrap(), None);
    }
}
