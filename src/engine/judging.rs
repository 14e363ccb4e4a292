//! Judging: what a story changed about the files that decide its gate, what that means, and whether the gate holds with
//! those files as the base has them.

use super::gating::Site;
use super::{Engine, Places};
use crate::config;
use crate::domain::{
    CheckKind, Event, Finding, FindingKind, GateReport, Judgement, Oid, Purpose, Standing, Story, Task, TaskId, Verdict, is_claimed,
};
use crate::error::{Code, Error, Result};
use crate::gate::place::Place;
use crate::gate::{self, Check};
use crate::git::{Change, content_id};
use crate::judge::{self, Changed, CheckLine, JudgeSettings, Observation, Policy, Trees};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Longest file that is compared.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Findings that are kept one by one; what is beyond is one more finding.
const FINDINGS_MAX: usize = 300;
/// Longest reason of a person.
const REASON_CHARS_MAX: usize = 2000;

/// Gates a commit; none when the run was stopped meanwhile.
pub(super) type GateOf<'a> = &'a dyn Fn(&Oid, &Oid) -> Result<Option<GateReport>>;

/// Who changed a file, landing by landing.
#[derive(Default)]
struct Touched<'a> {
    by: Vec<&'a Task>,
    in_repair: bool,
}

/// Where what a gate runs comes from.
pub(super) fn place(site: &Site<'_>, worktree: &Path, checks: &[Check]) -> Place {
    let places = Places(site.story);
    let mut others = vec![site.repo.root().to_owned(), places.story_worktree()];
    others.extend(site.story.tasks.iter().map(|task| places.task_worktree(task)));
    let environment = site.engine.environment();
    gate::place::look(&gate::place::Site {
        root: worktree,
        others: &others,
        path: environment.path.as_deref().unwrap_or_default(),
        variables: &environment.leading,
        checks,
    })
}

/// A good end of what may be another tree's proves nothing.
pub(super) fn proven(verdict: Verdict, place: &Place) -> Verdict {
    if verdict == Verdict::Passed && !place.unproven.is_empty() { Verdict::Unproven } else { verdict }
}

/// The facts that follow a gate: what was found, and who is asked to take it back. None when the run was stopped.
pub(super) fn after_gate(site: &Site<'_>, report: &GateReport, gate: GateOf<'_>) -> Result<Option<Vec<Event>>> {
    let story = site.story;
    let (base, commit, tree) = (story.judged_base().clone(), report.commit.clone(), report.tree.clone());
    let (mut findings, touched) = findings(site, &base, &commit)?;
    if report.verdict == Verdict::Unproven {
        findings.extend(wrong_trees(site, &commit)?);
    }
    if findings.is_empty() && story.judgement.is_none() {
        return Ok(Some(vec![]));
    }
    let mut judgement = Judgement { base, commit, tree, findings, laid: vec![], restored: None, take_back: None };
    let known = story.judgement.as_ref().filter(|known| known.tree == judgement.tree && known.base == judgement.base);
    let open: Vec<&Finding> = judgement.findings.iter().filter(|finding| story.is_open(finding)).collect();
    let judges = open.iter().filter(|finding| finding.kind != FindingKind::WrongTree);
    let paths: BTreeSet<&String> = judges.map(|finding| &finding.path).collect();
    if !open.is_empty() && report.verdict.allows() {
        let laid: Vec<String> = paths.iter().filter(|path| judge::can_be_laid_over(path)).map(|path| (*path).clone()).collect();
        let restored = match known.filter(|known| known.laid == laid && known.restored.is_some()) {
            Some(known) => known.restored.clone(),
            None if laid.is_empty() => None,
            None => match restored(site, &judgement, &laid, gate)? {
                Some(report) => Some(Box::new(report)),
                None => return Ok(None),
            },
        };
        let is_red = restored.as_ref().is_some_and(|report| report.verdict == Verdict::Failed);
        let in_repair = paths.iter().any(|path| touched.get(*path).is_some_and(|touched| touched.in_repair));
        let is_refused = open.iter().any(|finding| finding.standing == Standing::Refused);
        let repairs = story.gates.red.as_ref().map_or(0, |red| red.repairs + 1);
        let owner = open.iter().rev().find_map(|finding| finding.task.clone());
        let is_asked = is_red && in_repair || is_refused || story.is_held_from_before();
        let take_back = owner.filter(|_| is_asked && story.run.is_some() && repairs < site.config.bounds.limits.repairs_max);
        (judgement.laid, judgement.restored, judgement.take_back) = (laid, restored, take_back.as_ref().map(|_| repairs));
        let (commit, judged) = (judgement.commit.clone(), Event::Judged(Box::new(judgement)));
        return Ok(Some(match take_back {
            Some(task) => vec![judged, Event::CulpritFound { commit, task }],
            None => vec![judged],
        }));
    }
    Ok(Some(vec![Event::Judged(Box::new(judgement))]))
}

/// Why a good end proves nothing, each as a finding.
fn wrong_trees(site: &Site<'_>, commit: &Oid) -> Result<Vec<Finding>> {
    let worktree = Places(site.story).gate_worktree();
    let why = place(site, &worktree, &site.checks_at(commit)?).unproven;
    let of_base = base_settings(site, site.story.judged_base())?;
    let finding = |why: String| {
        let standing = standing_of(JudgeSettings::policy(&site.config.judge, &of_base, "."));
        let id = finding_id(why.as_bytes());
        Finding {
            id,
            kind: FindingKind::WrongTree,
            path: ".".into(),
            line: None,
            subject: String::new(),
            detail: why,
            standing,
            task: None,
        }
    };
    Ok(why.into_iter().map(finding).collect())
}

fn base_settings(site: &Site<'_>, base: &Oid) -> Result<JudgeSettings> {
    let text = site.repo.read(base, "aura.toml", FILE_BYTES_MAX)?;
    text.map_or_else(|| Ok(JudgeSettings::default()), |text| config::judge_settings(&text))
}

fn standing_of(policy: Policy) -> Standing {
    match policy {
        Policy::Hold => Standing::Held,
        Policy::Refuse => Standing::Refused,
        Policy::Report => Standing::Reported,
    }
}

/// What the gate says with the base's version of those files over the tip.
fn restored(site: &Site<'_>, judgement: &Judgement, laid: &[String], gate: GateOf<'_>) -> Result<Option<GateReport>> {
    let tree = site.repo.laid_over(&judgement.commit, &judgement.base, laid)?;
    let message = "Look at the story with the base's version of what decides its gate\n";
    let commit = site.repo.commit_tree(&tree, &[&judgement.commit], message, site.story.updated_at)?;
    let report = gate(&commit, &tree)?;
    Ok(report.map(|report| GateReport { commit: judgement.commit.clone(), ..report }))
}

/// Compares the base with a commit.
fn findings<'a>(site: &Site<'a>, base: &Oid, commit: &Oid) -> Result<(Vec<Finding>, BTreeMap<String, Touched<'a>>)> {
    let repo = site.repo;
    let changed: Vec<Changed> = repo
        .diff_files(base, commit)?
        .into_iter()
        .map(|file| Changed { was: file.change != Change::Added, is: file.change != Change::Deleted, path: file.path })
        .collect();
    if changed.is_empty() {
        return Ok((vec![], BTreeMap::new()));
    }
    let base_files: BTreeSet<String> = repo.files(base)?.into_iter().map(|(path, _)| path).collect();
    let read = |at: &Oid, path: &str| repo.read(at, path, FILE_BYTES_MAX).ok().flatten();
    let trees = Trees { base: &|path| read(base, path), tip: &|path| read(commit, path), base_files: &base_files };
    let of_base = base_settings(site, base)?;
    let users = &site.config.judge;
    let checks = site.checks_at(commit)?;
    // What sets up names what it installs, which decides nothing.
    let checks = checks.into_iter().filter(|check| check.kind != CheckKind::Setup);
    let lines: Vec<CheckLine> = checks.map(|check| CheckLine { folder: check.folder, argv: check.argv }).collect();
    let seen = judge::observe(&trees, &changed, &lines, &|path| users.names(path) || of_base.names(path));
    if seen.is_empty() {
        return Ok((vec![], BTreeMap::new()));
    }
    let touched = touched(site)?;
    let mut found: Vec<Finding> = seen
        .into_iter()
        .map(|one| {
            let standing = standing(&one, touched.get(&one.path), JudgeSettings::policy(users, &of_base, &one.path));
            finding(one, standing, &touched)
        })
        .collect();
    bounded(&mut found, commit);
    Ok((found, touched))
}

/// What is held comes first; more than can be looked at is one more finding, made of exactly this tip.
fn bounded(found: &mut Vec<Finding>, commit: &Oid) {
    found.sort_by_key(|finding| !matches!(finding.standing, Standing::Held | Standing::Refused));
    if found.len() > FINDINGS_MAX {
        let more = found.split_off(FINDINGS_MAX);
        let first = &more[0];
        let detail = format!("and {} more, from {} on", more.len(), first.path);
        let id = content_id(commit.as_str().as_bytes());
        found.push(Finding { id, detail, subject: String::new(), line: None, ..first.clone() });
    }
}

/// A name for what was found, short enough to type.
fn finding_id(content: &[u8]) -> String {
    content_id(content).chars().take(16).collect()
}

fn finding(seen: Observation, standing: Standing, touched: &BTreeMap<String, Touched<'_>>) -> Finding {
    let content = format!("{:?}\0{}\0{}\0{}", seen.kind, seen.path, seen.subject, seen.key);
    let id = finding_id(content.as_bytes());
    let task = touched.get(&seen.path).and_then(|touched| touched.by.last()).map(|task| task.id().clone());
    let Observation { kind, path, line, subject, detail, .. } = seen;
    Finding { id, kind, path, line, subject, detail, standing, task }
}

/// Every landing that changed a file has to be of a task that claims it. Whoever claims a file of code does not thereby
/// claim the tests in it when a gate is to be turned green.
fn standing(seen: &Observation, touched: Option<&Touched<'_>>, policy: Policy) -> Standing {
    let claims = |task: &&Task| {
        let files = &task.planned.files;
        is_claimed(&seen.path, files) || judge::manifests_of(&seen.path).iter().any(|manifest| is_claimed(manifest, files))
    };
    let is_claimed =
        touched.is_some_and(|touched| !touched.by.is_empty() && touched.by.iter().all(claims) && !(seen.is_mixed && touched.in_repair));
    if is_claimed { Standing::Claimed } else { standing_of(policy) }
}

/// Who changed what, by what each landing made of the branch.
fn touched<'a>(site: &Site<'a>) -> Result<BTreeMap<String, Touched<'a>>> {
    let mut landings: Vec<(&Task, &crate::domain::Landing)> =
        site.story.tasks.iter().flat_map(|task| task.landings.iter().map(move |landing| (task, landing))).collect();
    landings.sort_by_key(|(task, landing)| (task.brings.is_none(), landing.at));
    let mut found: BTreeMap<String, Touched<'a>> = BTreeMap::new();
    for (task, landing) in landings {
        let repairs =
            |attempt: &&crate::domain::Attempt| attempt.number == landing.attempt && matches!(attempt.purpose, Purpose::Repair { .. });
        let in_repair = task.attempts.iter().any(|attempt| repairs(&attempt));
        for file in site.repo.diff_files(&landing.onto, &landing.commit)? {
            let touched = found.entry(file.path).or_default();
            // What the base has gained is nobody's doing, as long as somebody else changed the file.
            if touched.by.iter().all(|by| by.brings.is_some()) && task.brings.is_none() {
                touched.by.clear();
            }
            touched.by.push(task);
            touched.in_repair |= in_repair;
        }
    }
    Ok(found)
}

impl Engine {
    /// A person accepts what is held: all of it, or the findings with these ids (or the start of them).
    ///
    /// # Errors
    /// Inside an agent; when nothing is held, or a finding is not known or has to be taken back.
    pub fn accept(&self, story: &Story, ids: &[String], reason: &str) -> Result<(Story, Vec<String>)> {
        self.refuse_inside_attempt()?;
        let short = story.id.short();
        if reason.chars().count() > REASON_CHARS_MAX {
            return Err(Error::invalid(format!("accept: the reason has more than {REASON_CHARS_MAX} characters")));
        }
        let held: Vec<&Finding> = story.open_findings().filter(|finding| finding.standing == Standing::Held).collect();
        let refused: Vec<&Finding> = story.open_findings().filter(|finding| finding.standing == Standing::Refused).collect();
        let mut chosen: BTreeSet<String> = BTreeSet::new();
        for id in ids {
            let starts = |finding: &&&Finding| id.len() >= 4 && finding.id.starts_with(id.as_str());
            if refused.iter().any(|finding| starts(&finding)) {
                return Err(Error::new(Code::NeedsPerson, format!("accept `{}`: the settings refuse it", shown(id)))
                    .hint("let `aura run --all` take it back, or change [judge] in your own settings"));
            }
            let found: Vec<&&Finding> = held.iter().filter(starts).collect();
            match found.as_slice() {
                [one] => drop(chosen.insert(one.id.clone())),
                [] => {
                    return Err(Error::new(Code::NotFound, format!("accept `{}`: nothing of that id is held", shown(id)))
                        .hint(format!("`aura status {short}` shows what is")));
                }
                _ => return Err(Error::new(Code::Ambiguous, format!("accept `{}`: it is the start of several ids", shown(id)))),
            }
        }
        if ids.is_empty() {
            chosen.extend(held.iter().map(|finding| finding.id.clone()));
        }
        if chosen.is_empty() {
            let error = Error::new(Code::IllegalState, format!("accept in `{short}`: nothing waits for a person"));
            return Err(error.hint(format!("`aura status {short}` shows how far it is")));
        }
        let ids: Vec<String> = chosen.into_iter().collect();
        let by = self.environment().user.clone();
        let story = self.append(story.id, &[Event::FindingsAccepted { ids: ids.clone(), by, reason: reason.to_owned() }])?;
        Ok((story, ids))
    }
}

fn shown(id: &str) -> String {
    id.chars().take(40).collect::<String>().escape_debug().to_string()
}

/// The refusal of a story that is held.
pub(super) fn held(story: &Story) -> Option<Error> {
    let count = story.open_findings().count();
    if count == 0 {
        return None;
    }
    let short = story.id.short();
    let names: BTreeSet<&str> = story.open_findings().map(|finding| finding.path.as_str()).collect();
    let names: Vec<String> = names.into_iter().take(5).map(|path| path.escape_debug().to_string()).collect();
    let detail = format!("complete `{short}`: what decides the gate was changed, and nobody has accepted that: {}", names.join(", "));
    Some(Error::new(Code::NeedsPerson, detail).hint(format!(
        "`aura status {short}` shows each change; `aura accept {short}` accepts them, `aura run {short} --all` has them taken back"
    )))
}

/// The tasks that a prompt for taking back speaks to: what is held, one to a line.
pub(super) fn to_take_back(story: &Story, task: &TaskId) -> Option<String> {
    let judgement = story.judgement.as_ref().filter(|judgement| judgement.take_back.is_some())?;
    let lines: Vec<String> = story
        .open_findings()
        .take(40)
        .map(|finding| {
            let line = finding.line.map_or_else(String::new, |line| format!(":{line}"));
            format!("- {}{line} {:?} {} {}", finding.path, finding.kind, finding.subject, finding.detail)
        })
        .collect();
    let is_asked =
        story.task(task).is_some_and(Task::is_repairing) && story.gates.red.as_ref().is_some_and(|red| red.commit == judgement.commit);
    (is_asked && !lines.is_empty()).then(|| lines.join("\n"))
}
