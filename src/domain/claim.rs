//! Claims: the files a task expects to touch, as paths, folders and wildcards, and whether two claims can mean one file.
//!
//! Everything is compared without ASCII case, because `README.md` and `Readme.md` are one file on many machines. Where
//! two claims might meet they count as meeting: an order too many costs time, a missing one costs a conflict.

use super::plan::PlannedTask;
use std::ops::Range;

/// Longest claim, in bytes.
const CLAIM_BYTES_MAX: usize = 1024;
/// With more wildcards than this in one plan, each counts as all of the folder before it, so that checking stays fast.
const WILDCARDS_MAX: usize = 256;

/// Whether `path` lies inside one of `claims`.
#[must_use]
pub fn is_claimed(path: &str, claims: &[String]) -> bool {
    let path = path.to_ascii_lowercase();
    claims.iter().any(|claim| Claim::new(claim).holds(&path))
}

/// Whether two claims can mean the same file.
#[must_use]
pub fn claims_meet(one: &str, other: &str) -> bool {
    Claim::new(one).meets(&Claim::new(other))
}

/// A claim is a relative path with `/`: never absolute, never climbing, never inside `.git`. `.` claims everything.
pub(super) fn clean_claim(claim: &str) -> Result<String, String> {
    let shown = || claim.chars().take(80).collect::<String>().escape_debug().to_string();
    let refuse = || Err(format!("`{}` in its files is not a path inside the repository", shown()));
    if claim.len() > CLAIM_BYTES_MAX {
        return refuse();
    }
    let path = claim.trim().replace('\\', "/");
    let climbs = path.split('/').any(|part| part == ".." || part.eq_ignore_ascii_case(".git"));
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() || path.starts_with('/') || drive || climbs || path.chars().any(char::is_control) {
        return refuse();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let folder = if path.ends_with('/') || path.ends_with("/.") { "/" } else { "" };
    Ok(if parts.is_empty() { "**".into() } else { format!("{}{folder}", parts.join("/")) })
}

/// A claim, in lower case and taken apart.
#[derive(Debug)]
struct Claim {
    /// Without the slash at its end.
    path: String,
    /// It says itself that it is a folder, or looks like one.
    folder: bool,
    wild: Option<Wild>,
}

#[derive(Debug)]
struct Wild {
    /// How much of the path is the folder before the first wildcard.
    before: usize,
    /// Where the text after the last wildcard begins.
    after: usize,
    /// It holds whole folders: it ends with `*`, `**` or a slash.
    deep: bool,
}

impl Claim {
    fn new(claim: &str) -> Claim {
        let lower = claim.to_ascii_lowercase();
        let path = lower.trim_end_matches('/').to_owned();
        let slash = path.len() < lower.len();
        let last = path.rsplit('/').next().unwrap_or("");
        let folder = slash || !last.contains('.');
        // Brackets are no wildcards here: `app/[id]/page.tsx` is a file.
        let wild = path.find(['*', '?', '{']).map(|first| Wild {
            before: path[..first].rfind('/').unwrap_or(0),
            after: path.rfind(['*', '?', '}', '{']).map_or(path.len(), |at| at + 1),
            deep: slash || last == "*" || last == "**",
        });
        Claim { path, folder, wild }
    }

    /// `path` is in lower case.
    fn holds(&self, path: &str) -> bool {
        match &self.wild {
            None => is_within(path, &self.path),
            Some(wild) => {
                let cuts = path.match_indices('/').map(|(at, _)| at).filter(|_| wild.deep);
                cuts.chain([path.len()]).any(|end| matches(&self.path, &path[..end], Reach::Exact))
            }
        }
    }

    fn meets(&self, other: &Claim) -> bool {
        match (&self.wild, &other.wild) {
            (None, None) => is_within(&self.path, &other.path) || is_within(&other.path, &self.path),
            (Some(wild), None) => {
                // A name with a dot looks like a file; what is claimed below it says that it is a folder.
                let below = wild.before > 0 && is_within(&self.path[..wild.before], &other.path);
                below || self.holds(&other.path) || (other.folder && matches(&self.path, &other.path, Reach::Into))
            }
            (None, Some(_)) => other.meets(self),
            (Some(a), Some(b)) => {
                let (one, two) = (&self.path[..a.before], &other.path[..b.before]);
                let (end, fin) = (&self.path[a.after..], &other.path[b.after..]);
                (is_within(one, two) || is_within(two, one)) && (a.deep || b.deep || end.ends_with(fin) || fin.ends_with(end))
            }
        }
    }
}

/// Whether `path` is `folder` or below it. The empty folder is the repository.
fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Exact,
    /// Something below the path can match.
    Into,
}

/// `*` and `{…}` match within a name, `?` one character, `**` any number of folders.
fn matches(pattern: &str, path: &str, reach: Reach) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    // `open[i]`: the parts of the pattern so far can have matched the first `i` parts of the path.
    let mut open = vec![false; parts.len() + 1];
    open[0] = true;
    for piece in pattern.split('/') {
        if reach == Reach::Into && open[parts.len()] {
            return true;
        }
        let mut next = vec![false; parts.len() + 1];
        for i in 0..=parts.len() {
            if piece == "**" {
                next[i] = open[i] || (i > 0 && next[i - 1]);
            } else if i > 0 {
                next[i] = open[i - 1] && name_matches(piece.as_bytes(), parts[i - 1].as_bytes());
            }
        }
        open = next;
    }
    open[parts.len()] && (reach == Reach::Exact || pattern.ends_with("**"))
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    // The classic walk with one way back: to the last star.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(b'{') => {
                p += pattern[p..].iter().position(|&c| c == b'}').map_or(pattern.len() - p, |length| length + 1);
                star = Some((p, n));
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(_) | None => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                p = after;
                n = from + 1;
            }
        }
    }
    while let Some(c) = pattern.get(p) {
        match c {
            b'*' => p += 1,
            b'{' => p += pattern[p..].iter().position(|&c| c == b'}').map_or(pattern.len() - p, |length| length + 1),
            _ => return false,
        }
    }
    true
}

/// Which tasks meet which, and in which file.
pub(super) struct Meetings {
    tasks: usize,
    /// For each pair, 1 + the place of the claim in `places`; 0 where they never meet.
    witness: Vec<u32>,
    places: Vec<(usize, usize)>,
}

impl Meetings {
    pub(super) fn of(tasks: &[PlannedTask]) -> Meetings {
        let places: Vec<(usize, usize)> =
            tasks.iter().enumerate().flat_map(|(t, task)| (0..task.files.len()).map(move |f| (t, f))).collect();
        let mut claims: Vec<Claim> = places.iter().map(|&(t, f)| Claim::new(&tasks[t].files[f])).collect();
        if claims.iter().filter(|claim| claim.wild.is_some()).count() > WILDCARDS_MAX {
            for claim in &mut claims {
                if let Some(wild) = claim.wild.take() {
                    claim.path.truncate(wild.before);
                }
            }
        }
        let mut meetings = Meetings { tasks: tasks.len(), witness: vec![0; tasks.len() * tasks.len()], places };
        meetings.add_plain(&claims);
        for (i, wild) in claims.iter().enumerate().filter(|(_, claim)| claim.wild.is_some()) {
            for (j, other) in claims.iter().enumerate() {
                let (one, two) = (meetings.places[i].0, meetings.places[j].0);
                if one != two && !meetings.meet(one, two) && wild.meets(other) {
                    meetings.set(one, two, if other.wild.is_none() { j } else { i });
                }
            }
        }
        meetings
    }

    pub(super) fn meet(&self, one: usize, two: usize) -> bool {
        self.witness[one * self.tasks + two] > 0
    }

    /// The narrower of two claims by which the tasks meet.
    pub(super) fn file<'a>(&self, tasks: &'a [PlannedTask], one: usize, two: usize) -> Option<&'a str> {
        let place = (self.witness[one * self.tasks + two] as usize).checked_sub(1)?;
        let (task, file) = self.places[place];
        Some(&tasks[task].files[file])
    }

    fn set(&mut self, one: usize, two: usize, place: usize) {
        let place = place as u32 + 1;
        self.witness[one * self.tasks + two] = place;
        self.witness[two * self.tasks + one] = place;
    }

    /// Claims without wildcards: sorted so that what lies in a folder follows it, every claim meets its equals and the
    /// folders that are open around it. Fast where comparing each with each (100,000 claims) is not.
    fn add_plain(&mut self, claims: &[Claim]) {
        let mut order: Vec<(String, usize)> = vec![];
        for (i, claim) in claims.iter().enumerate().filter(|(_, claim)| claim.wild.is_none()) {
            // The separator sorts before every other character, so that a folder's content follows it at once.
            order.push((claim.path.replace('/', "\0"), i));
        }
        order.sort();
        let order: Vec<usize> = order.into_iter().map(|(_, i)| i).collect();
        let mut met: Vec<Tasks> = vec![Tasks::none(self.tasks); self.tasks];
        let mut open: Vec<(Range<usize>, Tasks)> = vec![];
        let mut at = 0;
        while at < order.len() {
            let path = &claims[order[at]].path;
            let end = at + order[at..].iter().take_while(|&&i| claims[i].path == *path).count();
            while open.last().is_some_and(|(range, _)| !is_within(path, &claims[order[range.start]].path)) {
                open.pop();
            }
            let mut around = open.last().map_or_else(|| Tasks::none(self.tasks), |(_, tasks)| tasks.clone());
            for &i in &order[at..end] {
                around.add(self.places[i].0);
            }
            for &i in &order[at..end] {
                let one = self.places[i].0;
                for two in around.without(&met[one]) {
                    met[one].add(two);
                    met[two].add(one);
                    if one != two {
                        self.set(one, two, i);
                    }
                }
            }
            open.push((at..end, around));
            at = end;
        }
    }
}

/// A set of tasks by number.
#[derive(Clone)]
pub(super) struct Tasks(Vec<u64>);

impl Tasks {
    pub(super) fn none(count: usize) -> Tasks {
        Tasks(vec![0; count.div_ceil(64)])
    }
    pub(super) fn add(&mut self, task: usize) {
        self.0[task / 64] |= 1 << (task % 64);
    }
    pub(super) fn add_all(&mut self, other: &Tasks) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }
    pub(super) fn has(&self, task: usize) -> bool {
        self.0[task / 64] & (1 << (task % 64)) != 0
    }
    /// The tasks in here that are not in `other`.
    fn without(&self, other: &Tasks) -> Vec<usize> {
        let mut tasks = vec![];
        for (i, (&own, &not)) in self.0.iter().zip(&other.0).enumerate() {
            let mut left = own & !not;
            while left != 0 {
                tasks.push(i * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
        tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_paths_inside_the_repository() {
        let good = [
            ("src/a.rs", "src/a.rs"),
            (" ./src//a.rs ", "src/a.rs"),
            ("src\\win\\a.rs", "src/win/a.rs"),
            ("src/", "src/"),
            ("src/.", "src/"),
            (".", "**"),
            ("./", "**"),
            (".github/x.yml", ".github/x.yml"),
            ("a..b", "a..b"),
            ("app/[id]/page.tsx", "app/[id]/page.tsx"),
            ("ünï.txt", "ünï.txt"),
        ];
        for (claim, clean) in good {
            assert_eq!(clean_claim(claim).as_deref(), Ok(clean), "{claim}");
            assert_eq!(clean_claim(clean).as_deref(), Ok(clean), "cleaning is done once: {claim}");
        }
        let long = "x".repeat(1025);
        for bad in [
            "",
            " ",
            "/etc/passwd",
            "\\\\host\\share",
            "../a",
            "a/../../b",
            "a/..",
            ".git/config",
            "sub/.GIT/hooks",
            "C:/a",
            "c:a",
            "a\nb",
            "a\0",
            &long,
        ] {
            let message = clean_claim(bad).unwrap_err();
            assert!(message.len() < 1000 && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn claims_meet_where_they_can_mean_one_file() {
        let table = [
            ("src/a.rs", "src/a.rs", true),
            ("src/a.rs", "SRC/A.rs", true),
            ("src/a.rs", "src/a.rs.bak", false),
            ("src", "src/a.rs", true),
            ("src/", "src/a/b.rs", true),
            ("src/", "src", true),
            ("src/", "srcs/a.rs", false),
            ("*.md", "README.md", true),
            ("*.md", "docs/a.md", false),
            ("*.md", "src/a.rs", false),
            ("**/*.md", "docs/a.md", true),
            ("**/*.md", "a.md", true),
            ("**/*.cs", "src/a.md", false),
            ("**/*.cs", "src/", true),
            ("**/*.cs", "src", true),
            ("src/*", "src/a/b.rs", true),
            ("src/*.rs", "src/a/b.rs", false),
            ("src/*.rs", "src/*.md", false),
            ("src/*.rs", "src/a*.rs", true),
            ("src/*.rs", "docs/*.rs", false),
            ("src/**", "src/x/*.rs", true),
            ("**", "a", true),
            ("src/{a,b}.rs", "src/b.rs", true),
            ("src/{a,b}.rs", "src/b.md", false),
            ("src/?.rs", "src/b.rs", true),
            ("src/?.rs", "src/bb.rs", false),
            ("app/[id]/page.tsx", "app/i/page.tsx", false),
            ("tests/*/", "tests/a/b/c.rs", true),
            ("*/x.rs", "src/", true),
            ("*/x.rs", "src/y.rs", false),
            ("src/App.Core", "src/App.Core/*.cs", true),
            ("src/App.Core", "src/App.Core/**/*.cs", true),
            (".github", ".github/workflows/*.yml", true),
            ("src/App.Core", "src/App.Web/*.cs", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
        ];
        for (one, other, meet) in table {
            assert_eq!(claims_meet(one, other), meet, "{one} and {other}");
            assert_eq!(claims_meet(other, one), meet, "{other} and {one}");
        }
    }

    #[test]
    fn a_path_is_claimed_by_its_name_its_folder_or_a_wildcard() {
        let claims = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let table = [
            ("src/a.rs", "src/a.rs", true),
            ("src/a.rs", "docs src", true),
            ("src/a.rs", "docs/ src/b.rs", false),
            ("Src/A.rs", "src/*.rs", true),
            ("src/x/a.rs", "src/*.rs", false),
            ("src/x/a.rs", "src/*", true),
            ("src/x/a.rs", "src/**/*.rs", true),
            ("a.rs", "**", true),
            ("README.md", "*.md", true),
        ];
        for (path, list, claimed) in table {
            assert_eq!(is_claimed(path, &claims(list)), claimed, "{path} in {list}");
        }
        assert!(!is_claimed("a", &[]));
    }
}
