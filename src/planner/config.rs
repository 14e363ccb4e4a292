//! Which planner there is: a table `[planners.NAME]` of aura.toml, and the planner it means. Reads no variable and no file itself.

use super::copilot::{Ask, Copilot};
use super::openai::{Endpoint, OpenAi, Secret};
use super::{Outline, Planner, PlannerError};
use serde::Deserialize;
use std::time::Duration;

/// Longest time a planner may take, in seconds.
const TIMEOUT_S_MAX: u64 = 3600;
const TIMEOUT_S_DEFAULT: u64 = 300;

/// `[planners.NAME]` in aura.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlannerConfig {
    pub kind: PlannerKind,
    /// Of an OpenAI-compatible endpoint, for example `http://localhost:11434/v1`. Default: OpenAI's own.
    #[serde(alias = "endpoint")]
    pub base_url: Option<String>,
    pub model: Option<String>,
    /// Name of the environment variable that holds the key, never the key. Default: `OPENAI_API_KEY` where no
    /// `base_url` is given, else none.
    pub api_key_env: Option<String>,
    /// Of an endpoint: for one whole answer, waiting for rate limits included. Default 300, at most 3600.
    pub timeout_s: Option<u64>,
}

/// What plans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlannerKind {
    /// The story's own text; needs nothing.
    #[default]
    Outline,
    /// The configured coding agent, asked for JSON.
    Copilot,
    /// An OpenAI-compatible chat endpoint.
    OpenAi,
}

impl PlannerKind {
    pub const ALL: [PlannerKind; 3] = [PlannerKind::Outline, PlannerKind::Copilot, PlannerKind::OpenAi];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PlannerKind::Outline => Outline::NAME,
            PlannerKind::Copilot => Copilot::NAME,
            PlannerKind::OpenAi => OpenAi::NAME,
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<PlannerKind> {
        PlannerKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl PlannerConfig {
    /// The environment variable whose value [`build`] wants as `api_key`.
    #[must_use]
    pub fn key_variable(&self) -> Option<&str> {
        let own = self.api_key_env.as_deref().filter(|name| !name.is_empty());
        match self.kind {
            PlannerKind::Outline | PlannerKind::Copilot => None,
            PlannerKind::OpenAi => own.or(self.base_url.is_none().then_some("OPENAI_API_KEY")),
        }
    }

    /// A setting that this kind ignores was meant for another: a model's name without `kind` must not plan without the model.
    fn refuse_unused(&self) -> Result<(), PlannerError> {
        let given = [
            ("base_url", self.base_url.is_some()),
            ("model", self.model.is_some()),
            ("api_key_env", self.api_key_env.is_some()),
            ("timeout_s", self.timeout_s.is_some()),
        ];
        match (self.kind, given.iter().find(|(_, given)| *given)) {
            (PlannerKind::OpenAi, _) | (_, None) => Ok(()),
            (kind @ (PlannerKind::Outline | PlannerKind::Copilot), Some((key, _))) => {
                let detail = format!("the `{}` planner has no `{key}`; for an endpoint set `kind = \"openai\"`", kind.name());
                Err(PlannerError::Config { detail })
            }
        }
    }

    /// How long one answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s.unwrap_or(TIMEOUT_S_DEFAULT).clamp(1, TIMEOUT_S_MAX))
    }
}

/// What a planner needs from outside its configuration.
#[derive(Default)]
pub struct Given {
    /// The value of [`PlannerConfig::key_variable`].
    pub api_key: Option<String>,
    /// Asks the coding agent, for the `copilot` planner.
    pub ask: Option<Ask>,
}

/// The planner that is configured.
///
/// # Errors
/// [`PlannerError::Config`] for values that cannot work, [`PlannerError::NeedsLogin`] for a key that is not there.
pub fn build(config: &PlannerConfig, given: Given) -> Result<Box<dyn Planner>, PlannerError> {
    let refuse = |detail: &str| PlannerError::Config { detail: detail.to_owned() };
    config.refuse_unused()?;
    match config.kind {
        PlannerKind::Outline => Ok(Box::new(Outline)),
        PlannerKind::Copilot => {
            let ask = given.ask.ok_or_else(|| refuse("the `copilot` planner needs an agent that can answer questions"))?;
            Ok(Box::new(Copilot::new(ask)))
        }
        PlannerKind::OpenAi => {
            let key = given.api_key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
            if let (Some(variable), None) = (config.key_variable(), &key) {
                let detail = format!("the environment variable `{variable}` is not set");
                return Err(PlannerError::NeedsLogin { planner: OpenAi::NAME.into(), detail });
            }
            let model = config.model.clone().filter(|model| !model.trim().is_empty());
            let endpoint = Endpoint {
                base_url: config.base_url.clone().unwrap_or_else(|| Endpoint::BASE_URL.into()),
                model: model.ok_or_else(|| refuse("the `openai` planner needs a `model` under [planners.NAME]"))?,
                key: key.map(Secret::new),
                timeout: config.timeout(),
            };
            Ok(Box::new(OpenAi::new(endpoint)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> PlannerConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_default_needs_nothing() {
        let planner = build(&config(""), Given::default()).unwrap();
        assert_eq!(planner.name(), "outline");
        assert_eq!(config("").key_variable(), None);
    }

    #[test]
    fn every_kind_has_one_name_everywhere() {
        for kind in PlannerKind::ALL {
            assert_eq!(config(&format!("kind = '{}'", kind.name())).kind, kind);
            assert_eq!(PlannerKind::parse(kind.name()), Some(kind));
        }
        assert!(toml::from_str::<PlannerConfig>("kind = 'gpt'").is_err());
        assert!(toml::from_str::<PlannerConfig>("api_key = 'secret'").is_err(), "keys do not belong into files");
    }

    #[test]
    fn keys_come_from_the_named_variable_only() {
        let own = config("kind = 'openai'\nmodel = 'm'");
        assert_eq!(own.key_variable(), Some("OPENAI_API_KEY"));
        let local = config("kind = 'openai'\nmodel = 'm'\nendpoint = 'http://localhost:1/v1'");
        assert_eq!(local.key_variable(), None);
        assert!(build(&local, Given::default()).is_ok());
        let named = config("kind = 'openai'\nmodel = 'm'\nbase_url = 'http://localhost:1/v1'\napi_key_env = 'MINE'");
        assert_eq!(named.key_variable(), Some("MINE"));
        let Err(error) = build(&named, Given { api_key: Some("  ".into()), ask: None }) else { panic!("a blank key is no key") };
        assert!(matches!(&error, PlannerError::NeedsLogin { detail, .. } if detail.contains("`MINE`")), "{error}");
    }

    #[test]
    fn what_cannot_work_is_refused_before_it_is_used() {
        for text in [
            "kind = 'openai'\nbase_url = 'http://localhost:1'",
            "kind = 'openai'\nmodel = 'm'\nbase_url = 'ftp://localhost'",
            "kind = 'openai'\nmodel = 'm'\nbase_url = 'localhost'",
            "kind = 'openai'\nmodel = 'm'\nbase_url = 'https://user:secret@localhost/v1'",
            "kind = 'copilot'",
        ] {
            let Err(error) = build(&config(text), Given::default()) else { panic!("{text}") };
            assert!(matches!(error, PlannerError::Config { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn timeouts_are_bounded() {
        for (text, seconds) in [("", 300), ("timeout_s = 0", 1), ("timeout_s = 60", 60), ("timeout_s = 999999", 3600)] {
            assert_eq!(config(text).timeout().as_secs(), seconds, "{text}");
        }
    }
}
