//! What file names mean: languages, build systems, conventions, and code that is not this repository's own.
#![allow(clippy::case_sensitive_file_extension_comparisons)] // build tools are as strict about their file names

/// Language of a file by its name; nothing for data, pictures and the like.
pub(super) fn language(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((_, extension)) = name.rsplit_once('.') else {
        return match name {
            "Makefile" | "makefile" | "GNUmakefile" => Some("Make"),
            "Dockerfile" | "Containerfile" => Some("Docker"),
            _ => None,
        };
    };
    let mut lower = [0_u8; 12];
    let extension = extension.as_bytes();
    let lower = lower.get_mut(..extension.len())?;
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    by_extension(lower)
}

// tidy: flat match
fn by_extension(extension: &[u8]) -> Option<&'static str> {
    Some(match extension {
        b"rs" => "Rust",
        b"c" | b"h" => "C",
        b"cc" | b"cpp" | b"cxx" | b"hh" | b"hpp" | b"hxx" => "C++",
        b"cs" | b"csx" => "C#",
        b"fs" | b"fsx" | b"fsi" => "F#",
        b"vb" => "Visual Basic",
        b"go" => "Go",
        b"java" => "Java",
        b"kt" | b"kts" => "Kotlin",
        b"scala" | b"sc" => "Scala",
        b"groovy" | b"gradle" => "Groovy",
        b"clj" | b"cljs" | b"cljc" => "Clojure",
        b"js" | b"mjs" | b"cjs" | b"jsx" => "JavaScript",
        b"ts" | b"mts" | b"cts" | b"tsx" => "TypeScript",
        b"vue" => "Vue",
        b"svelte" => "Svelte",
        b"html" | b"htm" => "HTML",
        b"css" | b"scss" | b"sass" | b"less" => "CSS",
        b"py" | b"pyi" => "Python",
        b"ipynb" => "Jupyter",
        b"rb" | b"rake" | b"erb" => "Ruby",
        b"php" => "PHP",
        b"swift" => "Swift",
        b"m" | b"mm" => "Objective-C",
        b"dart" => "Dart",
        b"ex" | b"exs" | b"heex" => "Elixir",
        b"erl" | b"hrl" => "Erlang",
        b"hs" | b"lhs" => "Haskell",
        b"ml" | b"mli" => "OCaml",
        b"lua" => "Lua",
        b"pl" | b"pm" => "Perl",
        b"r" => "R",
        b"jl" => "Julia",
        b"zig" => "Zig",
        b"nim" => "Nim",
        b"sh" | b"bash" | b"zsh" | b"fish" => "Shell",
        b"ps1" | b"psm1" | b"psd1" => "PowerShell",
        b"bat" | b"cmd" => "Batch",
        b"sql" => "SQL",
        b"proto" => "Protocol Buffers",
        b"tf" | b"hcl" => "Terraform",
        b"nix" => "Nix",
        b"cmake" => "CMake",
        b"mk" => "Make",
        b"md" | b"mdx" | b"markdown" | b"rst" | b"adoc" => "Prose",
        b"yml" | b"yaml" => "YAML",
        b"toml" => "TOML",
        _ => return None,
    })
}

/// Vendored or generated: not what the repository's people write.
pub(super) fn is_foreign(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let generated = [".min.js", ".min.css", ".designer.cs", ".g.cs", ".pb.go", "_pb2.py", ".lock", "-lock.json", "-lock.yaml"];
    let foreign =
        ["node_modules", "vendor", "third_party", "thirdparty", "bower_components", "dist", "target", "obj", "__pycache__", ".yarn"];
    let folders = path.len() - name.len();
    generated.iter().any(|end| name.ends_with(end)) || path[..folders].split('/').any(|part| foreign.contains(&part))
}

/// Build system that a file belongs to.
// tidy: flat match
pub(super) fn build_system(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    Some(match name {
        "Cargo.toml" => "Cargo",
        "package.json" => "Node",
        "deno.json" | "deno.jsonc" => "Deno",
        "go.mod" => "Go",
        "pyproject.toml" | "setup.py" | "setup.cfg" | "requirements.txt" | "Pipfile" => "Python",
        "pom.xml" => "Maven",
        "build.gradle" | "build.gradle.kts" => "Gradle",
        "build.sbt" => "sbt",
        "CMakeLists.txt" => "CMake",
        "meson.build" => "Meson",
        "Makefile" | "makefile" | "GNUmakefile" => "Make",
        "justfile" | "Justfile" | ".justfile" => "just",
        "Gemfile" => "Bundler",
        "composer.json" => "Composer",
        "mix.exs" => "Mix",
        "build.zig" => "Zig",
        "Package.swift" => "SwiftPM",
        "pubspec.yaml" => "Dart",
        "dune-project" => "dune",
        "stack.yaml" => "Stack",
        "MODULE.bazel" | "WORKSPACE" | "WORKSPACE.bazel" => "Bazel",
        "flake.nix" => "Nix",
        _ if name.ends_with(".sln") || name.ends_with(".slnx") || name.ends_with(".csproj") || name.ends_with(".fsproj") => ".NET",
        _ if name.ends_with(".cabal") => "Cabal",
        _ => return None,
    })
}

/// What a conventions file is about, most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConventionKind {
    Agents,
    Contributing,
    Readme,
    Lint,
    Format,
    Process,
}

impl ConventionKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            ConventionKind::Agents => "agents",
            ConventionKind::Contributing => "contributing",
            ConventionKind::Readme => "readme",
            ConventionKind::Lint => "lint",
            ConventionKind::Format => "format",
            ConventionKind::Process => "process",
        }
    }

    /// How much of it is read; configuration is only listed.
    pub(super) const fn excerpt_bytes(self) -> usize {
        match self {
            ConventionKind::Agents => 4096,
            ConventionKind::Contributing | ConventionKind::Readme => 2048,
            ConventionKind::Lint | ConventionKind::Format | ConventionKind::Process => 0,
        }
    }
}

// tidy: flat match
pub(super) fn convention(path: &str) -> Option<ConventionKind> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let first = name.bytes().next()?;
    // Most files are decided by their first letter; a listing may have a hundred thousand.
    if !matches!(first.to_ascii_lowercase(), b'.' | b'a' | b'b' | b'c' | b'd' | b'e' | b'g' | b'p' | b'r' | b's' | b't') {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let stem = lower.split('.').next().unwrap_or("");
    Some(match lower.as_str() {
        "agents.md" | "claude.md" | "gemini.md" | "copilot-instructions.md" | ".cursorrules" | ".windsurfrules" => ConventionKind::Agents,
        "rustfmt.toml" | ".rustfmt.toml" | ".editorconfig" | ".clang-format" | ".gitattributes" | "biome.json" => ConventionKind::Format,
        "clippy.toml" | ".clippy.toml" | "ruff.toml" | ".ruff.toml" | ".flake8" | "tox.ini" | "mypy.ini" | ".pylintrc" | ".rubocop.yml"
        | ".golangci.yml" | ".golangci.yaml" | ".swiftlint.yml" | "stylecop.json" | "tslint.json" | ".clang-tidy" | "deny.toml" => {
            ConventionKind::Lint
        }
        ".pre-commit-config.yaml" | "codeowners" | "pull_request_template.md" | "directory.build.props" | "dependabot.yml" => {
            ConventionKind::Process
        }
        _ if lower.starts_with(".eslintrc") || lower.starts_with("eslint.config.") || lower.starts_with(".stylelintrc") => {
            ConventionKind::Lint
        }
        _ if lower.starts_with(".prettierrc") || lower.starts_with("prettier.config.") => ConventionKind::Format,
        _ if stem == "readme" && is_prose(&lower) => ConventionKind::Readme,
        _ if (stem == "contributing" || stem == "development" || stem == "architecture") && is_prose(&lower) => {
            ConventionKind::Contributing
        }
        _ if path.starts_with(".github/instructions/") || path.starts_with(".cursor/rules/") => ConventionKind::Agents,
        _ => return None,
    })
}

fn is_prose(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "" | "md" | "markdown" | "rst" | "txt" | "adoc")
}
