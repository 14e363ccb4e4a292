//! A new story: checked, named, given a branch and a worktree. Nothing of the user's is touched.

use super::{Engine, Places};
use crate::config::Config;
use crate::domain::{DESCRIPTION_BYTES_MAX, Event, Story, StoryCreated, StoryId, TITLE_CHARS_MAX};
use crate::error::{Code, Error, Result};
use crate::git::{At, Expect, GitError, Repo};
use crate::planner::PlannerKind;
use std::path::{Component, Path, PathBuf};
use uuid::Uuid;

/// Longest readable part of a branch or folder name.
const SLUG_CHARS_MAX: usize = 40;
/// Longest name of a story branch: those of its tasks are longer.
const BRANCH_BYTES_MAX: usize = 120;
/// Longest address of an issue.
const URL_BYTES_MAX: usize = 2000;

/// What a person asks for.
#[derive(Clone, Debug, Default)]
pub struct CreateRequest {
    pub title: String,
    pub description: String,
    /// Any path inside the repository.
    pub repository: PathBuf,
    /// Branch or commit to start from; none means the checkout's HEAD.
    pub base: Option<String>,
    /// Name of the story branch; none means one made from the title.
    pub branch: Option<String>,
    pub agent: Option<String>,
    pub planner: Option<String>,
    pub issue_url: Option<String>,
}

impl Engine {
    /// Creates a story with its branch and its worktree.
    ///
    /// # Errors
    /// Invalid text, an unusable repository, a branch that exists. Nothing is left behind then.
    pub fn create(&self, request: CreateRequest) -> Result<Story> {
        self.refuse_inside_attempt()?;
        check_text(&request)?;
        let repo = Repo::discover(&request.repository)?;
        let config = self.config(repo.root())?;
        if let Some(agent) = &request.agent {
            self.agent_named(&config, agent)?;
        }
        if let Some(planner) = &request.planner {
            require_planner(&config, planner)?;
        }
        let head = repo.head()?;
        let (base_branch, base_commit) = match &request.base {
            None => (head.branch, head.commit),
            Some(base) => base_of(&repo, base)?,
        };
        let base_tree = repo.tree_of(&base_commit)?;
        let id = StoryId(Uuid::now_v7());
        let name = format!("{}-{}", slug(&request.title), id.short());
        let branch = request.branch.clone().unwrap_or_else(|| format!("aura/{name}"));
        if !is_branch_name(&branch) {
            let shown: String = branch.chars().take(BRANCH_BYTES_MAX).collect();
            return Err(Error::invalid(format!("`{}` cannot be the name of a story branch", shown.escape_debug()))
                .hint("letters, digits, `-`, `_`, `.` and `/`; no part may start with `.` or `-` or end with `.lock`"));
        }
        let root = folder_for_worktrees(&repo, config.worktrees.as_deref()).join(&name);
        let created = StoryCreated {
            title: request.title.trim().to_owned(),
            description: request.description,
            repository: repo.root().to_string_lossy().into_owned(),
            base_branch,
            base_commit,
            base_tree,
            branch,
            root: root.to_string_lossy().into_owned(),
            agent: request.agent,
            planner: request.planner,
            issue_url: request.issue_url,
        };
        self.place(id, created, &repo)
    }

    /// Branch, worktree, then the record: a story that is in the log has both. What fails is undone.
    fn place(&self, id: StoryId, created: StoryCreated, repo: &Repo) -> Result<Story> {
        let draft = Story::create(id, created.clone(), jiff::Timestamp::now(), 0);
        let places = Places(&draft);
        let (name, worktree) = (places.story_ref(), places.story_worktree());
        if let Some(parent) = branch_in_the_way(repo, &created.branch)? {
            return Err(Error::new(Code::Conflict, format!("there is a branch `{parent}`, so there can be none below it"))
                .hint("choose another name with --branch"));
        }
        self.remember_programs(id, repo)?;
        repo.update_ref(&name, &created.base_commit, Expect::Absent, "aura: new story").map_err(|e| taken(e, &created.branch))?;
        let made_here: Vec<&Path> = worktree.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
        let placed = repo
            .worktree_add(&worktree, At::Branch(&created.branch))
            .and_then(|_| repo.set_worktree(&worktree, &created.base_commit))
            .and_then(|()| repo.include(&worktree))
            .map_err(Error::from)
            .and_then(|included| {
                let created = Event::StoryCreated(Box::new(created.clone()));
                let note = super::start_point::without("the worktree of the story", &included.left_out);
                self.append(id, &std::iter::once(created).chain(note).collect::<Vec<_>>())
            });
        placed.inspect_err(|_| {
            // Only what this call made: the branch still stands at the base, or the removal is refused by git itself.
            let _ = repo.worktree_remove(&worktree, places.root());
            let _ = repo.delete_ref(&name, &created.base_commit);
            for folder in made_here {
                let _ = std::fs::remove_dir(folder);
            }
        })
    }
}

fn check_text(request: &CreateRequest) -> Result<()> {
    let title = request.title.trim();
    if title.is_empty() {
        return Err(Error::invalid("create a story: the title is empty").hint("say in a few words what should be true at the end"));
    }
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err(Error::invalid(format!(
            "create a story: the title has {} characters; at most {TITLE_CHARS_MAX} are accepted",
            title.chars().count()
        ))
        .hint("put the details into the description"));
    }
    if title.chars().any(|c| c.is_control() || is_hidden(c)) {
        return Err(Error::invalid("create a story: the title holds control characters").hint("a title is one line of plain text"));
    }
    if request.description.len() > DESCRIPTION_BYTES_MAX {
        return Err(Error::invalid(format!(
            "create a story: the description has {} bytes; at most {DESCRIPTION_BYTES_MAX} are accepted",
            request.description.len()
        )));
    }
    if request.description.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Error::invalid("create a story: the description holds control characters"));
    }
    match &request.issue_url {
        Some(url) if !is_web_address(url) => Err(Error::invalid(format!(
            "create a story: `issueUrl` is `{}`, not a web address",
            url.chars().take(60).collect::<String>().escape_debug()
        ))
        .hint("give a whole address, for example https://github.com/owner/repository/issues/1")),
        Some(_) | None => Ok(()),
    }
}

/// Characters that are not seen, and may turn the order of what is: a title is shown in many places.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// It becomes a link.
fn is_web_address(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fine = |rest: &str| !rest.is_empty() && !rest.starts_with('/') && !rest.chars().any(|c| c.is_control() || c.is_whitespace());
    text.len() <= URL_BYTES_MAX && host.is_some_and(fine)
}

fn require_planner(config: &Config, name: &str) -> Result<()> {
    if PlannerKind::parse(name).is_some() || config.planners.contains_key(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    Err(Error::invalid(format!("plan with `{}`: no such planner", shown.escape_debug()))
        .hint("known planners: copilot, openai, outline, and what [planners.NAME] in aura.toml adds"))
}

fn base_of(repo: &Repo, base: &str) -> Result<(Option<String>, crate::domain::Oid)> {
    let shown = base.chars().take(BRANCH_BYTES_MAX).collect::<String>();
    let shown = shown.escape_debug();
    if base.trim().is_empty() || base.starts_with('-') || base.chars().any(char::is_control) {
        return Err(Error::invalid(format!("`{shown}` is not a branch or commit")).hint("leave it out to start from what is checked out"));
    }
    let full = format!("refs/heads/{base}");
    if let Some(commit) = repo.resolve(&full)? {
        return Ok((Some(base.to_owned()), commit));
    }
    match repo.resolve(base)? {
        Some(commit) => Ok((None, commit)),
        None => Err(Error::new(Code::NotFound, format!("start from `{shown}`: no such branch or commit"))
            .hint("`git branch` lists the branches; a branch of a remote is `origin/NAME`")),
    }
}

/// Git keeps branches in folders: a branch `a` leaves no room for `a/b`.
fn branch_in_the_way(repo: &Repo, branch: &str) -> Result<Option<String>> {
    for (at, _) in branch.match_indices('/') {
        if repo.resolve(&format!("refs/heads/{}", &branch[..at]))?.is_some() {
            return Ok(Some(branch[..at].to_owned()));
        }
    }
    Ok(None)
}

fn taken(error: GitError, branch: &str) -> Error {
    match error {
        GitError::RefTaken { .. } | GitError::RefMoved { .. } => Error::new(Code::Conflict, format!("a branch `{branch}` exists already"))
            .hint("choose another name with --branch, or delete that branch if nothing needs it"),
        error => error.into(),
    }
}

/// Beside the repository, so that the repository itself stays as it is.
fn folder_for_worktrees(repo: &Repo, configured: Option<&Path>) -> PathBuf {
    if let Some(folder) = configured {
        return without_climbs(&repo.root().join(folder));
    }
    let name = repo.root().file_name().map_or_else(|| "repository".into(), |name| name.to_string_lossy().into_owned());
    let parent = repo.root().parent().unwrap_or(repo.root());
    parent.join(format!("{name}.aura"))
}

/// The path with `..` resolved by name, since the folder need not exist yet.
fn without_climbs(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// A readable name made of a title: ASCII letters and digits, `-` between words. Empty titles of other scripts give
/// `story`: the id beside it makes the name unique anyway.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_CHARS_MAX {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "story".into() } else { slug.to_owned() }
}

/// Stricter than git: what can be typed without quoting and means the same on every platform.
fn is_branch_name(name: &str) -> bool {
    let part_is_fine = |part: &str| {
        let first = part.chars().next();
        first.is_some_and(|c| c != '.' && c != '-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !part.ends_with('.')
            && !part.to_ascii_lowercase().ends_with(".lock")
            && !part.contains("..")
    };
    name.len() <= BRANCH_BYTES_MAX && name.split('/').all(part_is_fine) && name != "HEAD"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_plain_and_never_empty() {
        for (title, expected) in [
            ("Add user validation", "add-user-validation"),
            ("--force ../../etc/passwd", "force-etc-passwd"),
            ("日本語", "story"),
            ("Ünïcode & more", "n-code-more"),
            ("$(rm -rf /)", "rm-rf"),
        ] {
            assert_eq!(slug(title), expected, "{title}");
        }
        assert!(slug(&"long words ".repeat(30)).len() <= SLUG_CHARS_MAX);
    }

    #[test]
    fn branch_names_that_git_or_a_shell_would_misread_are_refused() {
        for bad in ["", "-x", "a//b", "/a", "a/", "a..b", "a b", "a~1", "x.lock", "a/.b", "HEAD", "a\nb", "refs/heads/ü", "a/-b", "a."] {
            assert!(!is_branch_name(bad), "{bad:?}");
        }
        for good in ["aura/x", "feature/add_user-1.2", "x"] {
            assert!(is_branch_name(good), "{good:?}");
        }
    }
}
