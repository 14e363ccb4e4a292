//! Tables of small checkouts and the checks that are found in them.

use super::*;
use std::fs;

/// A checkout with these files (path, content), and a folder with these programs as the whole `PATH`.
fn found_with(files: &[(&str, &str)], programs: &[&str]) -> Found {
    let dir = tempfile::tempdir().unwrap();
    let (root, bin) = (dir.path().join("repo"), dir.path().join("bin"));
    fs::create_dir_all(&bin).unwrap();
    for (path, content) in files {
        write(&root.join(path), content);
    }
    for program in programs {
        write_program(&bin.join(format!("{program}{}", std::env::consts::EXE_SUFFIX)));
    }
    detect(&root, &Programs::on(&bin))
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    if content == WRAPPER {
        write_program(path);
    }
}

fn write_program(path: &Path) {
    fs::write(path, "#!/bin/sh\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

const WRAPPER: &str = "a program";

/// `folder: argv` of each check, in order; what is long in it is shortened.
fn lines(found: &Found) -> Vec<String> {
    let line = |check: &Check| label(&check.folder, &check.argv.join(" "));
    found.checks.iter().map(line).map(|line| line.replace(&python::left_out(), "PATTERN")).collect()
}

#[track_caller]
fn expect(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(lines(&found_with(files, &["python3", "python"])), expected, "{files:?}");
}

#[test]
fn a_repository_without_projects_has_no_checks() {
    expect(&[("README.md", "hello"), ("src/main.xyz", "")], &[]);
    assert_eq!(detect(Path::new("/no/such/folder"), &Programs::on("")), Found::default());
}

#[test]
fn cargo_covers_a_workspace_once_and_leaves_what_is_excluded() {
    let package = "[package]\nname = 'x'\n";
    expect(&[("Cargo.toml", package)], &["cargo build --workspace --all-targets", "cargo test --workspace"]);
    expect(
        &[
            ("Cargo.toml", "[workspace]\nmembers = ['crates/*']\nexclude = ['tools']\n"),
            ("Cargo.lock", ""),
            ("crates/a/Cargo.toml", package),
            ("crates/b/Cargo.toml", package),
            ("tools/x/Cargo.toml", package),
            ("fuzz/Cargo.toml", "[package]\nname='f'\n[workspace]\n"),
            ("target/package/y/Cargo.toml", package),
        ],
        &[
            "cargo build --workspace --all-targets --locked",
            "tools/x: cargo build --workspace --all-targets",
            "cargo test --workspace --locked",
            "tools/x: cargo test --workspace",
        ],
    );
    expect(
        &[("a/Cargo.toml", package), ("b/Cargo.toml", package)],
        &[
            "a: cargo build --workspace --all-targets",
            "b: cargo build --workspace --all-targets",
            "a: cargo test --workspace",
            "b: cargo test --workspace",
        ],
    );
}

#[test]
fn a_lock_file_that_git_does_not_track_is_not_binding() {
    let dir = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| assert!(crate::proc::Cmd::new("git").args(args).dir(dir.path()).run().unwrap().success(), "{args:?}");
    git(&["init", "-q"]);
    write(&dir.path().join("Cargo.toml"), "[package]\nname='x'");
    write(&dir.path().join("Cargo.lock"), "");
    let locked = || detect(dir.path(), &Programs::on("")).checks.iter().all(|check| check.argv.contains(&"--locked".to_owned()));
    assert!(!locked());
    git(&["add", "Cargo.lock"]);
    assert!(locked());
}

#[test]
fn node_uses_the_manager_of_the_lock_file() {
    let json = r#"{"scripts": {"build": "tsc", "test": "vitest run"}}"#;
    let rows: [(&str, &str, [&str; 2]); 6] = [
        ("package-lock.json", "{}", ["npm run build", "npm test"]),
        ("pnpm-lock.yaml", "", ["pnpm run build", "pnpm test"]),
        ("yarn.lock", "# yarn lockfile v1\n", ["yarn run build", "yarn run test"]),
        ("yarn.lock", "__metadata:\n", ["yarn run build", "yarn run test"]),
        ("bun.lock", "", ["bun run build", "bun run test"]),
        ("README.md", "", ["npm run build", "npm test"]),
    ];
    for (lock, content, expected) in rows {
        expect(&[("package.json", json), (lock, content)], &expected);
    }
    let named = r#"{"packageManager": "pnpm@9.1.0", "scripts": {"test": "x"}}"#;
    expect(&[("package.json", named)], &["pnpm test"]);
    expect(&[("package.json", named), ("package-lock.json", ""), ("pnpm-lock.yaml", "")], &["pnpm test"]);
    expect(&[("package.json", named), ("package-lock.json", "")], &["npm test"]);
}

#[test]
fn node_runs_only_scripts_that_do_something() {
    let placeholder = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}, "dependencies": {"a": "1"}}"#;
    expect(&[("package.json", placeholder), ("package-lock.json", "{}")], &[]);
    expect(&[("package.json", r#"{"scripts": {"test": "", "lint": "x"}}"#)], &[]);
    expect(&[("package.json", "not json")], &[]);
    expect(&[("package.json", r#"{"scripts": {"test": "jest"}}"#)], &["npm test"]);
}

#[test]
fn node_installs_what_is_missing_first() {
    let json = r#"{"scripts": {"test": "jest"}, "devDependencies": {"jest": "29"}}"#;
    let rows: [(&str, &str, &str); 6] = [
        ("package-lock.json", "{}", "npm ci --no-audit --no-fund"),
        ("pnpm-lock.yaml", "", "pnpm install --frozen-lockfile"),
        ("yarn.lock", "# yarn lockfile v1\n", "yarn install --frozen-lockfile --non-interactive"),
        ("yarn.lock", "__metadata:\n", "yarn install --immutable"),
        ("bun.lock", "", "bun install --frozen-lockfile"),
        ("README.md", "", "npm install --no-package-lock --no-audit --no-fund"),
    ];
    for (lock, content, install) in rows {
        let found = lines(&found_with(&[("package.json", json), (lock, content)], &[]));
        assert_eq!((found[0].as_str(), found.len()), (install, 2), "{lock}");
    }
    // A finished installation leaves its mark, an unfinished one does not.
    expect(&[("package.json", json), ("package-lock.json", "{}"), ("node_modules/.package-lock.json", "{}")], &["npm test"]);
    let half = [("package.json", json), ("package-lock.json", "{}"), ("node_modules/a/index.js", "")];
    expect(&half, &["npm ci --no-audit --no-fund", "npm test"]);
}

#[test]
fn an_installation_older_than_the_lock_file_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (lock, mark) = (dir.path().join("package-lock.json"), dir.path().join("node_modules/.package-lock.json"));
    write(&dir.path().join("package.json"), r#"{"scripts": {"test": "jest"}, "devDependencies": {"jest": "29"}}"#);
    write(&lock, "{}");
    write(&mark, "{}");
    let names = || detect(dir.path(), &Programs::on("")).checks.iter().map(|check| check.name.clone()).collect::<Vec<_>>();
    let later = fs::metadata(&mark).unwrap().modified().unwrap() + std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(later).unwrap();
    assert_eq!(names(), ["npm ci", "npm test"]);
    fs::File::options().write(true).open(&mark).unwrap().set_modified(later).unwrap();
    assert_eq!(names(), ["npm test"]);
}

#[test]
fn a_node_workspace_covers_its_members() {
    let member = r#"{"scripts": {"build": "tsc", "test": "jest"}}"#;
    let with_scripts = r#"{"workspaces": ["packages/*", "!packages/old"], "scripts": {"test": "turbo test"}}"#;
    expect(
        &[("package.json", with_scripts), ("packages/a/package.json", member), ("packages/old/package.json", member)],
        &["npm run build --workspaces --if-present", "packages/old: npm run build", "npm test", "packages/old: npm test"],
    );
    let pnpm = "packages:\n  - 'apps/*' # all\n\n  - \"libs/**\"\nother:\n  - x\n";
    expect(
        &[
            ("package.json", "{}"),
            ("pnpm-workspace.yaml", pnpm),
            ("pnpm-lock.yaml", ""),
            ("apps/a/package.json", member),
            ("libs/x/y/package.json", member),
        ],
        &["pnpm -r --if-present run build", "pnpm -r --if-present run test"],
    );
    let yarn = r#"{"workspaces": {"packages": ["a"]}}"#;
    expect(&[("package.json", yarn), ("yarn.lock", "__metadata:"), ("a/package.json", member)], &["a: yarn run build", "a: yarn run test"]);
}

/// What the program is called where the tests run.
const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
const VENV_PYTHON: &str = if cfg!(windows) { ".venv/Scripts/python.exe" } else { ".venv/bin/python" };

#[test]
fn python_compiles_and_tests_with_what_the_project_uses() {
    let compile = &*format!("{PYTHON} -m compileall -q -x PATTERN .");
    let pytest = &*format!("{PYTHON} -m pytest -q");
    expect(&[("pyproject.toml", "[tool.ruff]\n")], &[]);
    expect(&[("pyproject.toml", "[project]\n"), ("src/x/a.py", "")], &[compile]);
    expect(&[("pyproject.toml", "[tool.pytest.ini_options]\n"), ("a.py", "")], &[compile, pytest]);
    expect(&[("setup.cfg", "[tool:pytest]\n"), ("a.py", "")], &[compile, pytest]);
    expect(&[("requirements.txt", "flask\n"), ("tests/test_a.py", "def test_a(): pass")], &[compile, pytest]);
    let unittest = "import unittest";
    let discover = |rest: &str| format!("{PYTHON} -m unittest discover{rest}");
    expect(&[("setup.py", ""), ("tests/test_a.py", unittest)], &[compile, &discover(" -s tests")]);
    let package = [("setup.py", ""), ("tests/test_a.py", unittest), ("tests/__init__.py", "")];
    expect(&package, &[compile, &discover(" -s tests -t .")]);
    expect(&[("setup.py", ""), ("test_a.py", unittest)], &[compile, &discover("")]);
    expect(&[("setup.py", ""), ("requirements-dev.txt", "pytest"), ("test_a.py", unittest)], &[compile, pytest]);
    let found = found_with(&[("pyproject.toml", ""), ("test_a.py", "")], &[PYTHON]);
    assert_eq!(found.checks[1].none_codes, [5]);
}

#[test]
fn python_goes_by_its_tool_where_that_is_installed() {
    let project = "[project]\nname='x'\n[dependency-groups]\ntest = ['pytest>=8']\n[tool.poetry]\n";
    let files = [("pyproject.toml", project), ("uv.lock", ""), ("poetry.lock", ""), ("tests/test_a.py", "")];
    let rows: [(&[&str], &[&str]); 3] = [
        (
            &["uv", "poetry"],
            &["uv run --locked --group test python -m compileall -q -x PATTERN .", "uv run --locked --group test python -m pytest -q"],
        ),
        (
            &["poetry", "python"],
            &["poetry install --no-interaction", "poetry run python -m compileall -q -x PATTERN .", "poetry run python -m pytest -q"],
        ),
        (&["python"], &["python -m compileall -q -x PATTERN .", "python -m pytest -q"]),
    ];
    for (programs, expected) in rows {
        assert_eq!(lines(&found_with(&files, programs)), expected, "{programs:?}");
    }
    let own = [("pyproject.toml", ""), ("a.py", ""), (VENV_PYTHON, WRAPPER)];
    assert_eq!(lines(&found_with(&own, &[PYTHON])), [format!("./{VENV_PYTHON} -m compileall -q -x PATTERN .")]);
}

#[test]
fn python_projects_below_one_that_tests_everything_are_covered() {
    let lines_of = |root: &str| {
        let files = [("pyproject.toml", root), ("libs/a/pyproject.toml", "[project]\n"), ("libs/a/test_a.py", "")];
        lines(&found_with(&files, &[PYTHON])).len()
    };
    assert_eq!(lines_of("[tool.pytest.ini_options]\n"), 2);
    assert_eq!(lines_of("[tool.pytest.ini_options]\ntestpaths = ['tests']\n"), 4);
    assert_eq!(lines_of("[tool.uv.workspace]\nmembers = ['libs/*']\n"), 2);
    let foreign = [("pyproject.toml", ""), ("a.py", ""), ("env/pyvenv.cfg", ""), ("env/lib/x/setup.py", ""), ("env/lib/x/a.py", "")];
    assert_eq!(lines(&found_with(&foreign, &[PYTHON])).len(), 1);
}

#[test]
fn go_covers_the_modules_of_its_workspace() {
    let nowhere = if cfg!(windows) { "NUL" } else { "/dev/null" };
    let build = format!("go build -o {nowhere}");
    expect(&[("go.mod", "module x")], &[&format!("{build} ./..."), "go test ./..."]);
    expect(
        &[("go.work", "go 1.22\nuse (\n\t./a\n\t./b\n)\n"), ("a/go.mod", ""), ("b/go.mod", ""), ("c/go.mod", "")],
        &[&format!("{build} ./a/... ./b/..."), &format!("c: {build} ./..."), "go test ./a/... ./b/...", "c: go test ./..."],
    );
}

const TESTS: &str = "<Project><PackageReference Include=\"Microsoft.NET.Test.Sdk\" /></Project>";

#[test]
fn dotnet_takes_one_solution_for_what_it_lists() {
    let listed = "Project(\"{F}\") = \"App\", \"src\\App\\App.csproj\", \"{1}\"\nEndProject\nProject(\"{F}\") = \"Spec\", \"test\\Spec\\Spec.csproj\", \"{2}\"\nEndProject\n";
    let xml =
        "<Solution><Folder Name='/t/'><Project Path='test/Spec/Spec.csproj' /></Folder><Project Path='src/App/App.csproj' /></Solution>";
    let filter = r#"{"solution":{"path":"App.sln","projects":["src\\App\\App.csproj","test\\Spec\\Spec.csproj"]}}"#;
    let projects = [("src/App/App.csproj", ""), ("test/Spec/Spec.csproj", TESTS)];
    for (solution, text) in [("App.sln", listed), ("App.slnx", xml), ("App.slnf", filter)] {
        expect(
            &[&[(solution, text)], &projects[..]].concat(),
            &[
                &format!("dotnet restore {solution}"),
                &format!("dotnet build {solution} --no-restore --nologo"),
                &format!("dotnet test {solution} --no-build --nologo"),
            ],
        );
    }
    // Of two, the one that lists more; the filter never while there is another.
    expect(
        &[&[("A.sln", listed), ("B.slnx", "<Solution/>"), ("All.slnf", filter)], &projects[..]].concat(),
        &["dotnet restore A.sln", "dotnet build A.sln --no-restore --nologo", "dotnet test A.sln --no-build --nologo"],
    );
    // Without tests there is nothing to test.
    expect(&[("App.sln", ""), ("App.csproj", "")], &["dotnet restore App.sln", "dotnet build App.sln --no-restore --nologo"]);
}

#[test]
fn a_test_project_that_no_solution_lists_is_tested_by_itself() {
    let xml = "<Solution><Project Path='src/App/App.csproj' /></Solution>";
    expect(
        &[("App.slnx", xml), ("src/App/App.csproj", ""), ("test/Late/Late.csproj", TESTS), ("tools/Other.csproj", "")],
        &["dotnet restore App.slnx", "dotnet build App.slnx --no-restore --nologo", "test/Late: dotnet test Late.csproj --nologo"],
    );
}

#[test]
fn dotnet_without_a_solution_takes_each_project_and_tests_those_of_tests() {
    expect(
        &[("src/App.csproj", ""), ("spec/Spec.csproj", TESTS)],
        &[
            "spec: dotnet restore Spec.csproj",
            "src: dotnet restore App.csproj",
            "spec: dotnet build Spec.csproj --no-restore --nologo",
            "src: dotnet build App.csproj --no-restore --nologo",
            "spec: dotnet test Spec.csproj --no-build --nologo",
        ],
    );
    // A file above the project can make it one of tests. Without the tool the answer is yes, so that it is missed.
    let found = found_with(&[("test/Directory.Build.props", TESTS), ("test/Lib.Specs/Lib.Specs.csproj", "<Project/>")], &[]);
    assert_eq!(lines(&found).last().unwrap(), "test/Lib.Specs: dotnet test Lib.Specs.csproj --no-build --nologo");
}

#[test]
fn the_testing_platform_of_dotnet_gets_no_word_that_it_does_not_know() {
    let found = found_with(
        &[
            ("global.json", r#"{ "test": { "runner": "Microsoft.Testing.Platform" } }"#),
            ("App.slnx", "<Solution><Project Path='t/T.csproj' /></Solution>"),
            ("t/T.csproj", "<Project><PackageReference Include='xunit.v3' /></Project>"),
        ],
        &[],
    );
    let test = found.checks.last().unwrap();
    assert_eq!(test.argv.join(" "), "dotnet test --solution App.slnx --no-build");
    assert_eq!((test.none_codes.as_slice(), &test.report), (&[8][..], &None));
}

#[test]
fn what_dotnet_fetches_is_locked_where_a_lock_is_tracked_and_tools_come_first() {
    expect(
        &[("App.csproj", ""), ("packages.lock.json", "{}"), (".config/dotnet-tools.json", "{}")],
        &["dotnet tool restore", "dotnet restore App.csproj --locked-mode", "dotnet build App.csproj --no-restore --nologo"],
    );
}

#[test]
fn runners_are_asked_for_reports_where_they_can_be() {
    let package = |test: &str| format!(r#"{{"scripts":{{"test":"{test}"}}}}"#);
    let asked = |files: &[(&str, &str)]| {
        let found = found_with(files, &["python3"]);
        found.checks.last().and_then(|check| check.report.clone()).map(|report| (report.format, report.args.join(" ")))
    };
    let npm = |test: &str| asked(&[("package.json", &package(test))]);
    assert_eq!(npm("jest --ci"), Some((Format::Jest, "-- --json --outputFile={results}/jest.json".to_owned())));
    assert_eq!(npm("cross-env A=1 vitest run").map(|(format, _)| format), Some(Format::Junit));
    for other in ["jest && echo done", "node test.js", "jest --json", "npm run build; jest"] {
        assert_eq!(npm(other), None, "{other}");
    }
    let pnpm = asked(&[("package.json", &package("jest")), ("pnpm-lock.yaml", "")]);
    assert_eq!(pnpm, Some((Format::Jest, "--json --outputFile={results}/jest.json".to_owned())));
    let pytest = asked(&[("pyproject.toml", "[tool.pytest.ini_options]"), ("test_a.py", "")]);
    assert_eq!(pytest, Some((Format::Junit, "--junitxml={results}/pytest.xml".to_owned())));
    assert_eq!(asked(&[("go.mod", "module x")]), Some((Format::GoTest, "-json".to_owned())));
    assert_eq!(asked(&[("pom.xml", "")]).map(|(format, _)| format), Some(Format::Junit));
    let dotnet = asked(&[("A.Tests.csproj", "")]);
    assert_eq!(dotnet, Some((Format::Trx, "--logger trx --results-directory {results}".to_owned())));
}

#[test]
fn a_set_up_is_another_when_what_it_fetches_is() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("package.json"), "{}");
    write(&dir.path().join("src/index.js"), "1");
    let step = [Check::new(CheckKind::Setup, ".", "npm ci", &["npm", "ci"])];
    let first = setup_key(dir.path(), &step);
    write(&dir.path().join("src/index.js"), "2");
    assert_eq!(setup_key(dir.path(), &step), first);
    assert_ne!(setup_key(dir.path(), &[]), first);
    write(&dir.path().join("package-lock.json"), "{}");
    assert_ne!(setup_key(dir.path(), &step), first);
}

#[test]
fn the_tree_s_own_python_comes_first_and_no_manager_installs_into_the_users_environment() {
    let files = [
        ("pyproject.toml", "[tool.pytest.ini_options]\n[tool.poetry]"),
        ("poetry.lock", ""),
        ("src/pkg/__init__.py", ""),
        ("test_a.py", ""),
    ];
    for check in found_with(&files, &["poetry", "python3"]).checks {
        assert_eq!(check.env, [("PYTHONPATH".to_owned(), "src".to_owned())], "{}", check.name);
        assert_eq!(check.env_remove, ["VIRTUAL_ENV"], "{}", check.name);
    }
    let check = found_with(&files[..1], &["python3"]);
    assert!(check.checks.iter().all(|check| check.env.is_empty()));
}

#[test]
fn maven_and_gradle_prefer_their_wrappers_and_cover_their_modules() {
    let pom = "<project><modules><module>core</module><module> web </module></modules></project>";
    expect(
        &[
            ("pom.xml", pom),
            ("core/pom.xml", "<modules><module>sub</module></modules>"),
            ("core/sub/pom.xml", ""),
            ("web/pom.xml", ""),
            ("alone/pom.xml", ""),
        ],
        &["mvn -B -ntp -q -DskipTests package", "alone: mvn -B -ntp -q -DskipTests package", "mvn -B -ntp test", "alone: mvn -B -ntp test"],
    );
    let gradle = [
        ("settings.gradle.kts", ""),
        ("build.gradle.kts", ""),
        ("app/build.gradle", ""),
        ("buildSrc/build.gradle", ""),
        ("own/settings.gradle", ""),
    ];
    expect(
        &gradle,
        &[
            "gradle --console=plain -q assemble",
            "own: gradle --console=plain -q assemble",
            "gradle --console=plain --continue test",
            "own: gradle --console=plain --continue test",
        ],
    );
    if cfg!(unix) {
        let above = [("mvnw", WRAPPER), ("server/pom.xml", ""), ("server/app/build.gradle", "")];
        let found = lines(&found_with(&above, &[]));
        assert_eq!(found[..2], ["server: ../mvnw -B -ntp -q -DskipTests package", "server/app: gradle --console=plain -q assemble"]);
    }
    let wrapped = if cfg!(windows) { "gradlew.cmd" } else { "gradlew" };
    expect(
        &[("build.gradle", "kotlin(\"multiplatform\")"), (wrapped, WRAPPER)],
        &["./gradlew --console=plain -q assemble", "./gradlew --console=plain --continue allTests"],
    );
}

#[test]
fn a_task_runner_is_for_code_that_nobody_else_covers() {
    let makefile = "all:\n\tcc x.c\ncheck: all\n\t./x\n";
    expect(&[("Makefile", makefile)], &["make all", "make check"]);
    expect(&[("Makefile", "build:\ntest:\nall:\ncheck:\n")], &["make build", "make test"]);
    expect(&[("Makefile", "install:\n\tcp\n")], &[]);
    // The same folder has a project: its own commands are enough.
    expect(&[("Makefile", makefile), ("package.json", r#"{"scripts": {"test": "x"}}"#)], &["npm test"]);
    // Projects below cover everything, so that the runner would only repeat them.
    let below = ("web/package.json", r#"{"scripts": {"test": "x"}}"#);
    expect(&[("Makefile", makefile), below], &["web: npm test"]);
    // Here is code that they do not cover.
    expect(&[("Makefile", makefile), ("src/main.c", ""), below], &["make all", "make check", "web: npm test"]);
    // A project without checks covers nothing.
    expect(&[("Makefile", makefile), ("package.json", "{}")], &["make all", "make check"]);
}

#[test]
fn just_comes_before_make_unless_it_is_not_installed() {
    let files = [(".justfile", "build:\n  x\ntest:\n  x\n"), ("Makefile", "build:\n\tx\n")];
    assert_eq!(lines(&found_with(&files, &["just"])), ["just build", "just test"]);
    assert_eq!(lines(&found_with(&files, &[])), ["make build", "just test"]);
}

#[test]
fn several_projects_of_several_kinds_are_all_found() {
    let json = r#"{"scripts": {"test": "x"}}"#;
    let package = "[package]\nname='x'";
    let files = [
        ("server/Cargo.toml", package),
        ("web/package.json", json),
        ("web/src-tauri/Cargo.toml", package),
        ("web/node_modules/x/package.json", json),
        ("deep/a/b/c/package.json", json),
        ("too/deep/a/b/c/package.json", json),
        ("examples/a/Cargo.toml", package),
        ("generated/package.json", json),
        (".github/actions/x/package.json", json),
        (".gitignore", "/generated/\n*.log\n"),
    ];
    let found = found_with(&files, &[]);
    let names: Vec<String> = found.checks.iter().map(Check::label).collect();
    assert_eq!(
        names,
        [
            "server: cargo build",
            "web/src-tauri: cargo build",
            "server: cargo test",
            "web: npm test",
            "web/src-tauri: cargo test",
            "deep/a/b/c: npm test"
        ]
    );
    // Examples count where there is nothing else.
    expect(&[("examples/a/package.json", json)], &["examples/a: npm test"]);
}

#[test]
fn too_many_checks_are_cut_by_whole_projects_and_named() {
    let files: Vec<(String, &str)> = (10..20).map(|n| (format!("c{n}/Cargo.toml"), "[package]\nname='x'")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let found = found_with(&files, &[]);
    assert_eq!(found.checks.len(), CHECKS_MAX);
    assert_eq!(found.left_out, ["c18: cargo build", "c18: cargo test", "c19: cargo build", "c19: cargo test"]);
}
