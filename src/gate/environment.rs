//! What a check finds in its environment. It runs what agents wrote, so it gets no tokens; and it runs what the
//! repository's people run elsewhere, so everything else is left as it is: a variable is set or taken away only for the
//! reason that stands beside it.

use super::Check;
use crate::proc::JobSpec;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables that a check does not get: it runs what agents wrote. Also git's, which would point it elsewhere.
pub const SECRETS: [&str; 50] = [
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "COPILOT_GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_PAT",
    "COPILOT_PROVIDER_API_KEY",
    "GITLAB_TOKEN",
    "GITEA_TOKEN",
    "BITBUCKET_TOKEN",
    "AZURE_DEVOPS_EXT_PAT",
    "SYSTEM_ACCESSTOKEN",
    "NPM_TOKEN",
    "NODE_AUTH_TOKEN",
    "YARN_NPM_AUTH_TOKEN",
    "CARGO_REGISTRY_TOKEN",
    "PYPI_TOKEN",
    "TWINE_PASSWORD",
    "UV_PUBLISH_TOKEN",
    "UV_PUBLISH_PASSWORD",
    "POETRY_PYPI_TOKEN_PYPI",
    "NUGET_API_KEY",
    "VSS_NUGET_EXTERNAL_FEED_ENDPOINTS",
    "ARTIFACTS_CREDENTIALPROVIDER_FEED_ENDPOINTS",
    "GEM_HOST_API_KEY",
    "MAVEN_PASSWORD",
    "DOCKER_PASSWORD",
    "DOCKER_AUTH_CONFIG",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_OPENAI_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENROUTER_API_KEY",
    "HF_TOKEN",
    "VAULT_TOKEN",
    "SLACK_TOKEN",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
];

/// What is set for every check, and why tests have to live with it.
const ENVIRONMENT: [(&str, &str); 7] = [
    // As every service for continuous integration sets it: no watching, no questions. Not `1`: MSBuild compares words.
    ("CI", "true"),
    // There is nobody to answer: a question would wait until the deadline.
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GCM_INTERACTIVE", "never"),
    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
    // A first use of the tool greets, and phones home.
    ("DOTNET_NOLOGO", "1"),
    ("DOTNET_CLI_TELEMETRY_OPTOUT", "1"),
    // The testing platform of .NET sums up in words, and has no report for machines that all its runners know.
    ("DOTNET_CLI_UI_LANGUAGE", "en"),
];

/// What leads out of the tree that is to be judged: another build's folder, another list of modules.
const LEADS_OUT: [&str; 2] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];

/// What a gate needs to know of the environment that Aura itself runs in, and what the user wants of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Secrets that checks get all the same: `env_keep` of the user's settings.
    pub keep: Vec<String>,
    /// Set for every check: `env` of the user's settings.
    pub set: BTreeMap<String, String>,
    /// Taken away from every check, as it leads into another tree.
    pub remove: Vec<String>,
    /// Names of the secrets that are there, whether they are kept or not.
    pub present: Vec<String>,
    /// The user's own, which may lead into their checkout.
    pub python_path: Option<OsString>,
    pub go_flags: Option<String>,
    /// The user's checkout: what leads there leads out of the tree that is judged.
    pub checkout: Option<PathBuf>,
}

impl Surroundings {
    /// Whether a variable is taken away from checks.
    fn takes(&self, name: &str) -> bool {
        is_secret(name) && !self.keep.iter().any(|kept| kept == name) && !self.set.contains_key(name)
    }

    /// Names of the variables that were there and that a check does not see.
    #[must_use]
    pub fn taken(&self) -> Vec<&str> {
        self.present.iter().map(String::as_str).filter(|name| self.takes(name)).collect()
    }

    /// Writes the environment of one check into its job.
    pub(super) fn apply(&self, check: &Check, root: &Path, jobs: &Path, spec: &mut JobSpec) {
        let mut env: BTreeMap<String, String> = ENVIRONMENT.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        // Compiled Python goes beside the logs: what it is checked by, a second and a size, is the same in two trees that
        // were checked out in one second.
        env.extend(jobs.join("pycache").to_str().map(|path| ("PYTHONPYCACHEPREFIX".to_owned(), path.to_owned())));
        env.extend(self.set.clone());
        env.extend(check.env.iter().cloned());
        if let Some(path) = self.python_path(check, root) {
            env.insert("PYTHONPATH".to_owned(), path);
        }
        if let Some(flags) = &self.go_flags {
            let kept: Vec<&str> = flags.split_whitespace().filter(|flag| !flag.trim_start_matches('-').starts_with("modfile")).collect();
            env.entry("GOFLAGS".to_owned()).or_insert_with(|| kept.join(" "));
        }
        let leads_out =
            LEADS_OUT.iter().map(|&name| name.to_owned()).chain(self.remove.iter().cloned()).filter(|name| !env.contains_key(name));
        let secrets = SECRETS.iter().map(|&name| name.to_owned()).chain(self.present.iter().cloned());
        spec.env_remove = secrets.filter(|name| self.takes(name)).chain(leads_out).chain(check.env_remove.iter().cloned()).collect();
        spec.env_remove.sort();
        spec.env_remove.dedup();
        spec.env = env.into_iter().collect();
    }

    /// The tree's own source first, then the user's path, where what leads into their checkout leads into the tree.
    fn python_path(&self, check: &Check, root: &Path) -> Option<String> {
        let own = check.env.iter().find(|(name, _)| name == "PYTHONPATH").map(|(_, path)| root.join(path));
        let users = self.python_path.iter().flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>());
        let moved = users.map(|path| match self.checkout.as_ref().and_then(|checkout| path.strip_prefix(checkout).ok()) {
            Some(inside) if !path.starts_with(root) => root.join(inside),
            _ => path,
        });
        let paths: Vec<PathBuf> = own.into_iter().chain(moved).filter(|path| !path.as_os_str().is_empty()).collect();
        if paths.is_empty() { None } else { std::env::join_paths(paths).ok().map(|path| path.to_string_lossy().into_owned()) }
    }
}

/// Whether a variable holds a credential, by its name. Feeds of .NET have one each.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name) || name.starts_with("NuGetPackageSourceCredentials_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CheckKind;

    fn job(surroundings: &Surroundings, check: &Check) -> JobSpec {
        let mut spec = JobSpec::default();
        surroundings.apply(check, Path::new("/w/gate"), Path::new("/jobs"), &mut spec);
        spec
    }
    fn check(env: &[(&str, &str)]) -> Check {
        let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Check { env, ..Check::new(CheckKind::Test, ".", "x", &["x"]) }
    }
    fn value<'a>(spec: &'a JobSpec, name: &str) -> Option<&'a str> {
        spec.env.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn nothing_about_colours_or_terminals_is_set() {
        let spec = job(&Surroundings::default(), &check(&[]));
        for name in ["NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TERM", "CARGO_TERM_COLOR"] {
            assert_eq!((value(&spec, name), spec.env_remove.iter().any(|removed| removed == name)), (None, false), "{name}");
        }
        assert_eq!(value(&spec, "CI"), Some("true"));
    }

    #[test]
    fn a_secret_is_taken_unless_the_user_keeps_it() {
        let present = vec!["GH_TOKEN".to_owned(), "NPM_TOKEN".to_owned(), "NuGetPackageSourceCredentials_Company".to_owned()];
        let surroundings = Surroundings { keep: vec!["NPM_TOKEN".to_owned()], present, ..Surroundings::default() };
        assert_eq!(surroundings.taken(), ["GH_TOKEN", "NuGetPackageSourceCredentials_Company"]);
        let removed = job(&surroundings, &check(&[])).env_remove;
        assert!(
            removed.contains(&"NuGetPackageSourceCredentials_Company".to_owned()) && removed.contains(&"AWS_SECRET_ACCESS_KEY".to_owned())
        );
        assert!(!removed.contains(&"NPM_TOKEN".to_owned()), "{removed:?}");
    }

    #[test]
    fn what_leads_into_the_users_checkout_leads_into_the_tree() {
        let path = std::env::join_paths(["/home/me/repo/src", "/opt/lib"]).unwrap();
        let surroundings = Surroundings {
            python_path: Some(path),
            checkout: Some(PathBuf::from("/home/me/repo")),
            go_flags: Some("-modfile=/home/me/go.mod -count=1".to_owned()),
            set: BTreeMap::from([("COLUMNS".to_owned(), "80".to_owned())]),
            ..Surroundings::default()
        };
        let spec = job(&surroundings, &check(&[("PYTHONPATH", "lib")]));
        let expected = std::env::join_paths(["/w/gate/lib", "/w/gate/src", "/opt/lib"]).unwrap();
        assert_eq!(value(&spec, "PYTHONPATH").map(OsString::from), Some(expected));
        assert_eq!((value(&spec, "GOFLAGS"), value(&spec, "COLUMNS")), (Some("-count=1"), Some("80")));
        assert!(spec.env_remove.contains(&"CARGO_TARGET_DIR".to_owned()));
    }
}
