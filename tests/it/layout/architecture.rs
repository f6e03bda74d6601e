//! Imports follow one order inside each crate, the core has no global state, and one file reads a clock.
//! That the core has no I/O, async or serde is proved by `core/Cargo.toml` and `core/clippy.toml`.

use super::{CRATES, texts};
use std::collections::BTreeMap;

/// Modules of `core/src` in order of dependency: each imports only earlier ones.
const CORE_ORDER: [&str; 14] = [
    "string_enum",
    "units",
    "event",
    "stats",
    "verdict",
    "catalogue",
    "parameters",
    "sighting",
    "enrich",
    "baseline",
    "signal",
    "score",
    "containment",
    "engine",
];
/// Modules of `src` in order of dependency. The last four wire the others together.
const SERVICE_ORDER: [&str; 37] = [
    "string_enum_serde",
    "clock",
    "mutex",
    "retry",
    "crypto",
    "token_redaction",
    "sources",
    "schemas",
    "model",
    "feedback",
    "config",
    "enrichment",
    "ingest",
    "orders",
    "simulation",
    "reports",
    "http_client",
    "service_client",
    "schema_registry",
    "outputs",
    "audit",
    "persistence",
    "checkpointing",
    "shard",
    "metrics",
    "status",
    "files",
    "query_router",
    "instances",
    "console",
    "kafka",
    "keycloak",
    "receivers",
    "http",
    "commands",
    "service",
    "cli",
];
/// Global state, environment and threads, which make a result depend on more than the input.
const BANNED_IN_CORE: [&str; 16] = [
    "static mut",
    "thread_local!",
    "OnceLock",
    "LazyLock",
    "Atomic",
    "std::env",
    "std::fs",
    "std::io",
    "std::thread",
    "std::time",
    "std::net::Tcp",
    "async ",
    "Mutex",
    "RwLock",
    "leak(",
    "println!",
];

/// The lines of `text` without the items that are compiled for tests only.
pub(super) fn without_test_items(text: &str) -> Vec<&str> {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines, indent(line));
        } else {
            kept.push(line);
        }
    }
    kept
}

/// `text` without comments and without the items that are compiled for tests only.
fn production_code(text: &str) -> String {
    let mut lines = without_test_items(text);
    lines.retain(|line| !line.trim_start().starts_with("//"));
    lines.join("\n")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Skips one item, which ends with `;` or a closing brace at its own indent.
fn skip_item<'t>(lines: &mut impl Iterator<Item = &'t str>, item_indent: usize) {
    for line in lines {
        let closes = indent(line) == item_indent && line.trim_start().starts_with('}');
        if closes || (indent(line) == item_indent && line.trim_end().ends_with(';')) {
            return;
        }
    }
}

/// Modules of its own crate that `code` names, in single and in grouped imports and in paths.
fn imports(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            names.extend(group_members(group));
        } else {
            names.extend(identifier(rest));
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let name = &text[..end.unwrap_or(text.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

/// First segment of each member of a group import, whose opening brace was removed.
fn group_members(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut is_start) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            c if c.is_whitespace() => {}
            _ if is_start => {
                names.extend(identifier(&group[at..]));
                is_start = false;
            }
            _ => {}
        }
    }
    names
}

fn module_of<'f>(file: &'f str, folder: &str) -> &'f str {
    let path = file[folder.len()..].trim_start_matches('/');
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules that `code` of `module` imports although they come later in `order`.
fn later_imports(order: &[&str], module: &str, code: &str) -> Vec<String> {
    let rank = |name: &str| order.iter().position(|known| *known == name);
    let own = rank(module);
    let mut imported = imports(code);
    imported.retain(|name| rank(name) > own);
    imported
}

/// The files of a crate without the items that are compiled for tests only.
pub(super) fn production_files(folder: &str) -> BTreeMap<String, String> {
    let mut files = texts(folder, &["rs"]);
    files.retain(|name, _| !name.ends_with("/tests.rs"));
    for text in files.values_mut() {
        *text = without_test_items(text).join("\n");
    }
    files
}

fn crate_code(folder: &str) -> BTreeMap<String, String> {
    let mut files = production_files(folder);
    for text in files.values_mut() {
        *text = production_code(text);
    }
    files
}

fn check_order(folder: &str, order: &[&str]) {
    for (file, code) in crate_code(folder) {
        let module = module_of(&file, folder);
        if module == "lib" || module == "main" {
            continue;
        }
        assert!(
            order.contains(&module),
            "{file}: add `{module}` to the order"
        );
        let wrong = later_imports(order, module, &code);
        assert!(
            wrong.is_empty(),
            "{file} imports {wrong:?}, which come later in the order"
        );
    }
}

#[test]
fn core_modules_import_earlier_ones_only() {
    check_order("core/src", &CORE_ORDER);
}

#[test]
fn service_modules_import_earlier_ones_only() {
    check_order("src", &SERVICE_ORDER);
}

#[test]
fn a_later_import_is_detected_in_every_form() {
    let later = |code: &str| later_imports(&CORE_ORDER, "stats", &production_code(code));
    assert_eq!(later("use crate::engine::Engine;"), ["engine"]);
    assert_eq!(
        later("use crate::{\n    units::Ms,\n    score::{A, b::C},\n    engine,\n};"),
        ["score", "engine"]
    );
    assert_eq!(later("fn f() { crate::signal::run() }"), ["signal"]);
    assert_eq!(
        later("#[cfg(test)]\nuse crate::score::A;\nuse crate::engine::B;"),
        ["engine"],
        "code after a test-only item counts"
    );
    assert_eq!(
        later("#[cfg(test)]\nmod tests {\n    use crate::score;\n}\nuse crate::engine::B;"),
        ["engine"]
    );
    assert!(later("use crate::units::Ms;\n// crate::engine").is_empty());
}

#[test]
fn the_core_has_no_global_state() {
    for (file, code) in crate_code("core/src") {
        for line in code.lines() {
            let found = BANNED_IN_CORE.iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{file}: {found:?} in the core: {line}");
        }
    }
}

#[test]
fn one_file_reads_the_clock() {
    for folder in CRATES {
        for (file, code) in crate_code(folder) {
            let reads = code.contains("SystemTime::now") || code.contains("Instant::now");
            assert!(!reads || file == "src/clock.rs", "{file} reads a clock");
        }
    }
}
