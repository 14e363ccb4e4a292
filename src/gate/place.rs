//! Where what runs comes from. A package that is installed editable, a link in `node_modules` or an absolute path may lead
//! into another checkout: then a gate tests that one. What can be put right is, by putting the tree's own source first;
//! what cannot is a reason why a good end proves nothing.

use super::{Check, Surroundings};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// Variables that may lead out of a tree. Whoever opens the engine reads them.
pub const VARIABLES: [&str; 6] = ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "NODE_PATH", "GOWORK", "HOME"];

/// Entries of one folder that are looked at.
const ENTRIES_MAX: usize = 5_000;
/// Longest configuration that is searched for paths.
const BYTES_MAX: u64 = 512 * 1024;
/// Reasons that are given.
const REASONS_MAX: usize = 10;

/// Files whose paths count, where they are in the root or in the folder of a check.
const CONFIGURATION: [&str; 16] = [
    "pytest.ini",
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "conftest.py",
    "tests/conftest.py",
    "package.json",
    "tsconfig.json",
    "jest.config.js",
    "jest.config.ts",
    "vitest.config.ts",
    "Makefile",
    "Cargo.toml",
    ".cargo/config.toml",
    "go.mod",
    "go.work",
];

/// A tree that is to be judged, and what may lead out of it.
pub struct Site<'a> {
    pub root: &'a Path,
    /// Other checkouts of the repository.
    pub others: &'a [PathBuf],
    /// The search path for programs.
    pub path: &'a OsStr,
    /// Values of [`VARIABLES`].
    pub variables: &'a [(String, OsString)],
    pub checks: &'a [Check],
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Variables that put the tree's own source first.
    pub set: Vec<(String, String)>,
    /// Variables that are taken away.
    pub remove: Vec<String>,
    /// Why a good end proves nothing.
    pub unproven: Vec<String>,
}

impl Place {
    /// Has the checks run with the tree's own source first.
    pub fn lead(&self, surroundings: &mut Surroundings) {
        for (name, value) in &self.set {
            if name == "PYTHONPATH" {
                surroundings.python_path = Some(value.into());
            } else {
                surroundings.set.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        if self.remove.iter().any(|name| name == "PYTHONPATH") {
            surroundings.python_path = None;
        }
        surroundings.remove.extend(self.remove.iter().cloned());
    }
}

/// Looks for what leads out of a tree.
#[must_use]
pub fn look(site: &Site<'_>) -> Place {
    let mut place = Place::default();
    let looked = Looked { root: real(site.root), others: site.others.iter().map(|other| real(other)).collect(), site };
    looked.python(&mut place);
    looked.node(&mut place);
    looked.go(&mut place);
    looked.paths(&mut place);
    place.unproven.sort();
    place.unproven.dedup();
    place.unproven.truncate(REASONS_MAX);
    place
}

fn real(path: &Path) -> PathBuf {
    dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX);
    let mut found: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

struct Looked<'a> {
    root: PathBuf,
    others: Vec<PathBuf>,
    site: &'a Site<'a>,
}

impl Looked<'_> {
    fn variable(&self, name: &str) -> Option<&OsStr> {
        self.site.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
    }

    /// The other checkout that a path lies in.
    fn other(&self, path: &Path) -> Option<&PathBuf> {
        if path.starts_with(&self.root) {
            return None;
        }
        self.others.iter().filter(|other| path.starts_with(other)).max_by_key(|other| other.components().count())
    }

    fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = vec![self.root.clone()];
        folders.extend(self.site.checks.iter().map(|check| self.root.join(&check.folder)));
        folders.sort();
        folders.dedup();
        folders
    }

    fn has(&self, names: &[&str]) -> bool {
        self.folders().iter().any(|folder| names.iter().any(|name| folder.join(name).exists()))
    }

    // ---- Python ----

    fn python(&self, place: &mut Place) {
        let is_python = self.has(&["pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "requirements.txt", "tox.ini"])
            || self.site.checks.iter().any(|check| check.argv.iter().any(|word| word.contains("python") || word.contains("pytest")));
        if !is_python {
            return;
        }
        let mut first: Vec<PathBuf> = vec![];
        for (by, target, module) in self.installed() {
            let foreign = self.other(&target).cloned();
            if foreign.is_none() && (target.starts_with(&self.root) || !self.shadows(&target, module.as_deref())) {
                continue;
            }
            match self.counterpart(&target, foreign.as_deref(), module.as_deref()) {
                Some(own) if !first.contains(&own) => first.push(own),
                Some(_) => {}
                None => place.unproven.push(format!("{} leads to {}, and the tree has no such folder", by.display(), target.display())),
            }
        }
        let given: Vec<PathBuf> = self.variable("PYTHONPATH").map_or_else(Vec::new, |value| std::env::split_paths(value).collect());
        let mut is_changed = !first.is_empty();
        for entry in given {
            match self.other(&real(&entry)).cloned() {
                Some(other) => {
                    is_changed = true;
                    first.extend(self.counterpart(&real(&entry), Some(&other), None).filter(|own| !first.contains(own)));
                }
                None => first.push(entry),
            }
        }
        if !is_changed {
            return;
        }
        let isolated = self.site.checks.iter().find(|check| {
            check.argv.first().is_some_and(|program| program.contains("python"))
                && check.argv.iter().any(|word| matches!(word.as_str(), "-I" | "-E"))
        });
        if let Some(check) = isolated {
            place
                .unproven
                .push(format!("`{}` does not look at PYTHONPATH, and a package is installed from another checkout", check.label()));
        }
        match std::env::join_paths(&first).ok().and_then(|joined| joined.into_string().ok()) {
            Some(joined) if !joined.is_empty() => place.set.push(("PYTHONPATH".into(), joined)),
            Some(_) => place.remove.push("PYTHONPATH".into()),
            None => place.unproven.push("a package is installed from another checkout, and PYTHONPATH cannot name the tree".into()),
        }
    }

    /// What is installed editable: the file that says so, the folder that it leads to, and the module where it names one.
    fn installed(&self) -> Vec<(PathBuf, PathBuf, Option<String>)> {
        let mut found = vec![];
        for folder in self.site_packages() {
            for file in entries(&folder) {
                let name = name(&file);
                let is_listed = ["pth", "egg-link"].iter().any(|end| file.extension().is_some_and(|ending| ending == *end));
                let is_finder = name.starts_with("__editable__") && file.extension().is_some_and(|ending| ending == "py");
                if !is_listed && !is_finder {
                    continue;
                }
                let Ok(text) = fs::read_to_string(&file) else { continue };
                if is_listed {
                    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("import") && !line.starts_with('#'));
                    let targets = lines.map(|line| folder.join(line)).filter(|path| path.is_dir());
                    found.extend(targets.map(|path| (file.clone(), real(&path), None)));
                } else {
                    // `{'pkg': '/path/to/src/pkg'}`: the folder above is what a path would name.
                    for quoted in text.split(['\'', '"']).filter(|part| Path::new(part).is_absolute()) {
                        let path = real(Path::new(quoted));
                        if let (Some(parent), Some(module)) = (path.parent(), path.file_stem()) {
                            found.push((file.clone(), parent.to_owned(), Some(module.to_string_lossy().into_owned())));
                        }
                    }
                }
            }
        }
        found
    }

    fn site_packages(&self) -> Vec<PathBuf> {
        let mut homes: Vec<PathBuf> =
            ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|name| self.variable(name)).map(PathBuf::from).collect();
        for folder in self.folders() {
            homes.extend([folder.join(".venv"), folder.join("venv")]);
        }
        for bin in std::env::split_paths(self.site.path) {
            if ["python", "python3", "python.exe"].iter().any(|program| bin.join(program).exists()) {
                homes.extend(bin.parent().map(Path::to_owned));
            }
        }
        homes.extend(self.variable("HOME").map(|home| Path::new(home).join(".local")));
        let mut found: Vec<PathBuf> = vec![];
        for home in homes {
            found.extend([home.join("Lib/site-packages"), home.join("lib/python3/dist-packages")]);
            for lib in ["lib", "lib64"] {
                let versions = entries(&home.join(lib)).into_iter().filter(|path| name(path).starts_with("python3"));
                found.extend(versions.flat_map(|path| [path.join("site-packages"), path.join("dist-packages")]));
            }
        }
        found.retain(|folder| folder.is_dir());
        found.sort();
        found.dedup();
        found
    }

    /// Folders of the tree from which packages are imported.
    fn sources(&self) -> Vec<PathBuf> {
        let folders = self.folders();
        folders
            .iter()
            .flat_map(|folder| ["src", "lib", "python", "."].map(|sub| real(&folder.join(sub))))
            .filter(|path| path.is_dir())
            .collect()
    }

    /// Whether a folder elsewhere holds a package of the same name as one of the tree.
    fn shadows(&self, target: &Path, module: Option<&str>) -> bool {
        self.same_named(target, module).is_some()
    }

    fn same_named(&self, target: &Path, module: Option<&str>) -> Option<PathBuf> {
        let is_package = |path: &Path| path.join("__init__.py").is_file();
        self.sources().into_iter().find(|source| {
            entries(source).iter().filter(|own| is_package(own)).any(|own| {
                let own = name(own);
                !matches!(own.as_str(), "tests" | "test") && module.is_none_or(|module| module == own) && is_package(&target.join(&own))
            })
        })
    }

    /// The folder of the tree that stands for one of another checkout.
    fn counterpart(&self, target: &Path, other: Option<&Path>, module: Option<&str>) -> Option<PathBuf> {
        let within = other.and_then(|other| target.strip_prefix(other).ok()).map(|rest| self.root.join(rest)).filter(|own| own.is_dir());
        within.or_else(|| self.same_named(target, module))
    }

    // ---- Node ----

    fn node(&self, place: &mut Place) {
        if !self.has(&["package.json"]) {
            return;
        }
        if let Some(value) = self.variable("NODE_PATH") {
            let entries: Vec<PathBuf> = std::env::split_paths(value).collect();
            let kept: Vec<&PathBuf> = entries.iter().filter(|entry| self.other(&real(entry)).is_none()).collect();
            if kept.len() < entries.len() {
                match std::env::join_paths(kept).ok().and_then(|joined| joined.into_string().ok()).filter(|joined| !joined.is_empty()) {
                    Some(joined) => place.set.push(("NODE_PATH".into(), joined)),
                    None => place.remove.push("NODE_PATH".into()),
                }
            }
        }
        let mut modules: Vec<PathBuf> = self.folders();
        modules.extend(self.root.ancestors().skip(1).map(Path::to_owned));
        for folder in modules.into_iter().map(|folder| folder.join("node_modules")).filter(|folder| folder.is_dir()) {
            let scoped = |entry: PathBuf| if name(&entry).starts_with('@') { entries(&entry) } else { vec![entry] };
            for entry in entries(&folder).into_iter().flat_map(scoped) {
                let leads = real(&entry);
                let Some(other) = self.other(&leads) else { continue };
                let is_fetched =
                    leads.strip_prefix(other).is_ok_and(|rest| rest.components().any(|part| part.as_os_str() == "node_modules"));
                if !is_fetched {
                    place.unproven.push(format!("{} leads to {}", entry.display(), leads.display()));
                }
            }
        }
    }

    // ---- Go ----

    fn go(&self, place: &mut Place) {
        if !self.has(&["go.mod", "go.work"]) {
            return;
        }
        if self.variable("GOWORK").is_some_and(|work| work != "off" && !real(Path::new(work)).starts_with(&self.root)) {
            place.remove.push("GOWORK".into());
        }
    }

    // ---- paths as they are written ----

    fn paths(&self, place: &mut Place) {
        let written: Vec<String> =
            self.site.others.iter().chain(&self.others).filter_map(|other| other.to_str().map(str::to_owned)).collect();
        let mut named: Vec<(String, String)> = vec![];
        for check in self.site.checks {
            for word in &check.argv {
                named.push((format!("the check `{}`", check.label()), word.clone()));
                let file = self.root.join(&check.folder).join(word);
                named.extend(self.read(&file).map(|text| (word.clone(), text)));
            }
        }
        for folder in self.folders() {
            let files = CONFIGURATION.iter().filter_map(|file| Some(((*file).to_owned(), self.read(&folder.join(file))?)));
            named.extend(files);
        }
        for (what, text) in named {
            if let Some(other) = written.iter().find(|other| names(&text, other)) {
                place.unproven.push(format!("{what} names {other}"));
            }
        }
    }

    fn read(&self, file: &Path) -> Option<String> {
        let is_small = file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= BYTES_MAX);
        let is_inside = real(file).starts_with(&self.root);
        (is_small && is_inside).then(|| fs::read_to_string(file).ok()).flatten()
    }
}

/// Whether a text names a folder, or something below it: not one whose name only begins alike.
fn names(text: &str, folder: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    folder.len() > 1 && text.match_indices(folder).any(|(at, _)| !text[at + folder.len()..].starts_with(goes_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn looked(root: &Path, other: &Path, variables: &[(&str, OsString)]) -> Place {
        let variables: Vec<(String, OsString)> = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        look(&Site { root, others: &[other.to_owned()], path: OsStr::new(""), variables: &variables, checks: &[] })
    }

    #[test]
    fn a_package_that_is_installed_from_another_checkout_comes_after_the_trees_own() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other, venv) = (dir.path().join("gate"), dir.path().join("mine"), dir.path().join("venv"));
        for checkout in [&root, &other] {
            folder(checkout, &[("pyproject.toml", ""), ("src/pkg/__init__.py", "")]);
        }
        let packages = venv.join("lib/python3.12/site-packages");
        let source = other.join("src");
        let own = real(&root).join("src").to_str().unwrap().to_owned();
        let finder = format!("MAPPING = {{'pkg': '{}'}}\n", source.join("pkg").display());
        for (file, text) in [("__editable__.pkg.pth", source.display().to_string()), ("__editable___pkg_finder.py", finder)] {
            folder(&packages, &[(file, &text)]);
            let place = looked(&root, &other, &[("VIRTUAL_ENV", venv.clone().into())]);
            assert_eq!(place, Place { set: vec![("PYTHONPATH".into(), own.clone())], ..Place::default() }, "{file}");
            // Another clone is as foreign as another worktree.
            let elsewhere = looked(&root, &dir.path().join("nowhere"), &[("VIRTUAL_ENV", venv.clone().into())]);
            assert_eq!(elsewhere, place, "{file}");
            fs::remove_file(packages.join(file)).unwrap();
        }
        folder(&packages, &[("other.pth", &other.join("tools").display().to_string())]);
        folder(&other, &[("tools/x.py", "")]);
        assert_eq!(looked(&root, &other, &[("VIRTUAL_ENV", venv.clone().into())]).unproven.len(), 1, "what the tree does not have");
        fs::remove_file(packages.join("other.pth")).unwrap();
        let given = looked(&root, &other, &[("PYTHONPATH", source.into())]);
        assert_eq!(given.set, [("PYTHONPATH".to_owned(), own)]);
        assert_eq!(looked(&root, &other, &[("VIRTUAL_ENV", venv.into())]), Place::default());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_of_node_into_another_checkout_proves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("gate"), dir.path().join("mine"));
        folder(&root, &[("package.json", "{}"), ("node_modules/@shop/own/package.json", "{}")]);
        folder(&other, &[("packages/core/package.json", "{}"), ("node_modules/fetched/package.json", "{}")]);
        let link = |from: &str, to: &str| std::os::unix::fs::symlink(other.join(from), root.join(to)).unwrap();
        link("node_modules/fetched", "node_modules/fetched");
        assert_eq!(looked(&root, &other, &[]), Place::default(), "what was fetched is the same everywhere");
        link("packages/core", "node_modules/@shop/core");
        let place = looked(&root, &other, &[]);
        assert!(place.unproven.len() == 1 && place.unproven[0].contains("@shop/core"), "{place:?}");
    }

    #[test]
    fn flags_and_paths_that_lead_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("gate"), dir.path().join("mine"));
        folder(&root, &[("go.mod", "module x\n")]);
        fs::create_dir(&other).unwrap();
        let place = looked(&root, &other, &[("GOWORK", "/elsewhere/go.work".into())]);
        assert_eq!((place.set, place.remove), (vec![], vec!["GOWORK".to_owned()]));
        let mine = other.to_str().unwrap();
        folder(&root, &[("Makefile", &format!("test:\n\tpython {mine}.aura/x.py\n"))]);
        assert_eq!(looked(&root, &other, &[]), Place::default(), "a name that only begins alike");
        folder(&root, &[("Makefile", &format!("test:\n\tpython {mine}/x.py\n"))]);
        assert_eq!(looked(&root, &other, &[]).unproven, [format!("Makefile names {mine}")]);
    }
}
