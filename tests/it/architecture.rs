//! The tree keeps its shape: imports point up, the core stays pure, files stay small.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of dependence: each may import only what stands before it.
const ORDER: [&str; 29] = [
    "units",
    "stats",
    "event",
    "sighting",
    "verdict",
    "catalogue",
    "params",
    "enrich",
    "baseline",
    "signal",
    "score",
    "decide",
    "engine",
    "signing",
    "wire",
    "config",
    "clock",
    "shard",
    "metrics",
    "status",
    "file",
    "ingest",
    "inquiry",
    "outbound",
    "keycloak",
    "deliver",
    "http",
    "kafka",
    "sim",
];
/// Wiring, which may import everything.
const WIRING: [&str; 4] = ["app", "cli", "lib", "main"];
/// The last module of the core.
const CORE_ENDS_WITH: &str = "engine";
/// What the core must not touch.
const FORBIDDEN_IN_CORE: [&str; 12] = [
    "std::fs",
    "std::net::Tcp",
    "std::io",
    "std::time",
    "std::thread",
    "tokio",
    "serde",
    "rdkafka",
    "async ",
    "tracing",
    "println!",
    "rand_",
];
const LONGEST_FILE: usize = 500;
const LONGEST_LINE: usize = 110;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Path below `src`, and the text without its tests.
fn code() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            (name, production.to_owned())
        })
        .collect()
}

fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// Modules that a text names by `crate::…`, comments left out.
fn imports(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let joined = lines.collect::<Vec<_>>().join("\n");
    joined
        .split("crate::")
        .skip(1)
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Violations of the import direction in `text`, as a file of `module`.
fn upward_imports(module: &str, text: &str) -> Vec<String> {
    let Some(own) = rank(module) else {
        return Vec::new();
    };
    let imported = imports(text).into_iter();
    imported
        .filter(|name| {
            rank(name).is_some_and(|other| other > own) || WIRING.contains(&name.as_str())
        })
        .collect()
}

#[test]
fn every_module_has_its_place() {
    for file in code().keys() {
        let module = module_of(file);
        let placed = rank(module).is_some() || WIRING.contains(&module);
        assert!(
            placed,
            "{file}: give module `{module}` a place in the order"
        );
    }
}

#[test]
fn imports_point_up_the_list_only() {
    for (file, text) in code() {
        let wrong = upward_imports(module_of(&file), &text);
        assert!(
            wrong.is_empty(),
            "{file} imports {wrong:?}, which stand below it"
        );
    }
}

#[test]
fn the_check_sees_a_wrong_import() {
    assert_eq!(
        upward_imports("stats", "use crate::engine::Engine;"),
        ["engine"]
    );
    assert_eq!(upward_imports("engine", "use crate::cli::main;"), ["cli"]);
    assert!(upward_imports("engine", "use crate::stats::hash;").is_empty());
    assert!(upward_imports("stats", "/// See [`crate::engine`].\n// crate::wire").is_empty());
}

#[test]
fn the_core_is_pure() {
    let end = rank(CORE_ENDS_WITH).unwrap();
    for (file, text) in code() {
        if rank(module_of(&file)).is_none_or(|own| own > end) {
            continue;
        }
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for word in FORBIDDEN_IN_CORE {
                assert!(
                    !line.contains(word),
                    "{file}: the core must not use {word}: {line}"
                );
            }
        }
    }
}

#[test]
fn only_one_file_reads_a_clock() {
    for (file, text) in code() {
        let reads = text.contains("SystemTime::now") || text.contains("Instant::now");
        assert!(!reads || file == "clock.rs", "{file} reads a clock");
    }
}

#[test]
fn files_stay_small_and_lines_short() {
    for (file, text) in code() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{file} has {lines} lines: split it");
        for (at, line) in text.lines().enumerate() {
            let length = line.chars().count();
            assert!(length <= LONGEST_LINE, "{file}:{} is {length} wide", at + 1);
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is() {
    for (file, text) in code() {
        assert!(
            text.starts_with("//!"),
            "{file}: begin with a line that says what it is"
        );
    }
}
