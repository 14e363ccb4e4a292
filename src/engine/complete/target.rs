//! Where a story is published: remote, base, and the repository of the pull request. Chosen before anything is done, so
//! that what is missing is said while the story is as it was.

use super::{CompleteRequest, Publish};
use crate::config::Config;
use crate::domain::Story;
use crate::engine::hosting::{self, Hosted};
use crate::error::{Code, Error, Result};
use crate::forge::{GitHub, RemoteAddress, Slug, Token};
use crate::git::Repo;

/// What is done with the squashed commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    Branch,
    Merge,
    Push { remote: String },
}

/// The pull request's repository, and how it is spoken to.
#[derive(Debug)]
pub(super) struct PullTarget {
    pub github: GitHub,
    pub slug: Slug,
    /// Host of the repository, for links.
    pub host: String,
    /// `owner:branch`.
    pub head: String,
    pub token: Token,
}

#[derive(Debug)]
pub(super) struct Target {
    pub how: How,
    /// Remote that the base is taken from; none means: from here.
    pub base_remote: Option<String>,
    pub base_branch: Option<String>,
    pub pull: Option<PullTarget>,
}

impl Target {
    pub(super) fn choose(repo: &Repo, story: &Story, config: &Config, request: &CompleteRequest) -> Result<Target> {
        let how = how(repo, story, config, request)?;
        let base_branch = request.pull.base.clone().or_else(|| story.created.base_branch.clone());
        if let Some(base) = base_branch.as_deref().filter(|base| !is_branch(base)) {
            return Err(Error::invalid(format!("`{}` cannot be the name of a base branch", base.escape_debug())));
        }
        let wanted = request.pull.create.or(config.complete.pull_request);
        let How::Push { remote } = &how else {
            if request.pull.create == Some(true) {
                let why = if repo.remotes()?.is_empty() { "the repository has no remote" } else { "nothing is pushed this way" };
                return Err(Error::invalid(format!("open a pull request: {why}"))
                    .hint("add a remote and complete with `--publish push`, or leave the pull request out"));
            }
            return Ok(Target { how, base_remote: None, base_branch, pull: None });
        };
        let mut target = Target { base_remote: Some(remote.clone()), base_branch, pull: None, how: how.clone() };
        if wanted != Some(false) {
            target.choose_pull(repo, story, config, request, remote)?;
        }
        Ok(target)
    }

    fn choose_pull(&mut self, repo: &Repo, story: &Story, config: &Config, request: &CompleteRequest, remote: &str) -> Result<()> {
        let required = request.pull.create.or(config.complete.pull_request) == Some(true);
        let Some(Hosted { address, api }) = hosting::pushed_to(repo, &config.forge, remote)? else {
            if required {
                return Err(Error::invalid(format!("open a pull request: `{remote}` is not at a GitHub that is known"))
                    .hint("name an Enterprise host under [forge] in config.toml, or complete with `--pull-request false`"));
            }
            return Ok(());
        };
        let token = hosting::token(&config.forge, &address.host).ok_or_else(|| {
            Error::new(Code::NeedsLogin, format!("open a pull request at {}: there is no token", address.host))
                .hint("`gh auth login`, or set GH_TOKEN; `--pull-request false` only pushes")
        })?;
        let github = GitHub::new(&api, Some(token.clone()), config.forge.timeout())?;
        let (slug, base_remote) = self.repository(repo, config, request, remote, &address)?;
        let facts = github.repository(&slug)?;
        let moved = !facts.full_name.is_empty() && !facts.full_name.eq_ignore_ascii_case(&slug.to_string());
        if moved {
            return Err(Error::new(Code::NeedsPerson, format!("open a pull request in {slug}: it is called {} now", facts.full_name))
                .hint(format!("`git remote set-url {base_remote} …` the new address, then complete again")));
        }
        if facts.is_archived {
            return Err(Error::new(Code::NeedsPerson, format!("open a pull request in {slug}: the repository is archived"))
                .hint("`--publish branch` leaves the commit on the story's branch"));
        }
        if facts.is_fork && slug == address.slug && request.pull.repository.is_none() {
            let parent = facts.parent.unwrap_or_else(|| "another repository".into());
            return Err(Error::new(
                Code::NeedsPerson,
                format!("open a pull request: {slug} is a fork of {parent}, so it could go to either"),
            )
            .hint(format!("say which: `--pull-repository {parent}` or `--pull-repository {slug}`")));
        }
        if slug == address.slug && facts.can_push == Some(false) {
            return Err(Error::new(Code::NeedsPerson, format!("push to {slug}: the token may only read it"))
                .hint("use a token with write access, or push to a fork of yours: `--remote NAME`"));
        }
        if self.base_branch.is_none() {
            self.base_branch = Some(facts.default_branch).filter(|branch| is_branch(branch));
        }
        let head = format!("{}:{}", address.slug.owner, story.created.branch);
        self.base_remote = Some(base_remote);
        self.pull = Some(PullTarget { github, slug, host: address.host, head, token });
        Ok(())
    }

    /// The repository that the pull request goes to, and the remote that has it.
    fn repository(
        &self,
        repo: &Repo,
        config: &Config,
        request: &CompleteRequest,
        remote: &str,
        pushed: &RemoteAddress,
    ) -> Result<(Slug, String)> {
        let asked = match &request.pull.repository {
            None => None,
            Some(text) => Some(Slug::parse(text).ok_or_else(|| {
                Error::invalid(format!(
                    "`{}` is not a repository; write `owner/name`",
                    text.chars().take(80).collect::<String>().escape_debug()
                ))
            })?),
        };
        let mut others = vec![];
        for name in repo.remotes()? {
            let hosted = hosting::fetched_from(repo, &config.forge, &name)?;
            if let Some(Hosted { address, .. }) = hosted.filter(|hosted| hosted.address.host == pushed.host) {
                others.push((name, address.slug));
            }
        }
        if let Some(asked) = asked {
            let of = others.iter().find(|(_, slug)| slug.to_string().eq_ignore_ascii_case(&asked.to_string()));
            let base_remote = of.map_or_else(|| remote.to_owned(), |(name, _)| name.clone());
            return Ok((asked, base_remote));
        }
        let differs = |slug: &Slug| !slug.to_string().eq_ignore_ascii_case(&pushed.slug.to_string());
        // One remote that is fetched from the parent and pushed to the fork.
        if let Some((_, parent)) = others.iter().find(|(name, slug)| name == remote && differs(slug)) {
            return Ok((parent.clone(), remote.to_owned()));
        }
        let upstream = others.into_iter().find(|(name, slug)| name == "upstream" && name != remote && differs(slug));
        let upstream = upstream.filter(|_| config.complete.remote.as_deref() != Some("upstream"));
        Ok(upstream.map_or_else(|| (pushed.slug.clone(), remote.to_owned()), |(name, slug)| (slug, name)))
    }
}

fn how(repo: &Repo, story: &Story, config: &Config, request: &CompleteRequest) -> Result<How> {
    let branch = story.created.base_branch.as_deref();
    let occupied = match branch {
        Some(branch) => repo.checked_out_at(branch)?,
        None => None,
    };
    match &request.publish {
        Publish::Branch => Ok(How::Branch),
        Publish::Push { remote } => Ok(How::Push { remote: remote_for(repo, branch, config, remote.as_deref())? }),
        Publish::Merge => match (branch, occupied) {
            (None, _) => Err(Error::invalid("merge: the story started from a detached commit, so there is no branch to merge into")),
            (Some(branch), Some(path)) => Err(Error::new(
                Code::NeedsPerson,
                format!("merge into `{branch}`: it is checked out at {}, which Aura never writes to", path.display()),
            )
            .hint(format!(
                "complete with `--publish branch`, then `git -C {} merge --ff-only {}`",
                path.display(),
                story.created.branch
            ))),
            (Some(_), None) => Ok(How::Merge),
        },
        Publish::Auto => Ok(match (repo.remotes()?.is_empty(), branch, occupied) {
            (false, _, _) => How::Push { remote: remote_for(repo, branch, config, None)? },
            (true, Some(_), None) => How::Merge,
            (true, _, _) => How::Branch,
        }),
    }
}

/// The remote that was asked for; else the configured one; else where the base branch is pushed; else `origin`; else the
/// only one.
fn remote_for(repo: &Repo, base: Option<&str>, config: &Config, asked: Option<&str>) -> Result<String> {
    let remotes = repo.remotes()?;
    let known = remotes.join(", ");
    if let Some(name) = asked.or(config.complete.remote.as_deref()) {
        return remotes.iter().find(|remote| *remote == name).cloned().ok_or_else(|| {
            let hint =
                if remotes.is_empty() { "the repository has none: `git remote add`".into() } else { format!("known remotes: {known}") };
            Error::new(Code::NotFound, format!("push to `{}`: no such remote", name.escape_debug())).hint(hint)
        });
    }
    if remotes.is_empty() {
        return Err(Error::new(Code::NotFound, "push: the repository has no remote")
            .hint("add one with `git remote add`, or complete with `--publish branch`"));
    }
    let mut keys = vec!["remote.pushDefault".to_owned()];
    if let Some(base) = base {
        keys.insert(0, format!("branch.{base}.pushRemote"));
        keys.push(format!("branch.{base}.remote"));
    }
    for key in keys {
        if let Some(name) = repo.setting(&key)?.filter(|name| remotes.contains(name)) {
            return Ok(name);
        }
    }
    match remotes.as_slice() {
        [only] => Ok(only.clone()),
        several if several.iter().any(|name| name == "origin") => Ok("origin".into()),
        _ => Err(Error::invalid(format!("push: there are several remotes ({known}) and none is called `origin`"))
            .hint("name one with `--remote`, or set `remote` under [complete] in aura.toml")),
    }
}

/// What git accepts as the name of a branch, and is no option.
fn is_branch(name: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    !name.is_empty()
        && name.len() <= 250
        && !name.starts_with(['-', '/'])
        && !name.contains("..")
        && !name.contains(bad)
        && !name.ends_with('/')
}
