//! Files stay small, open with a sentence on their content, and are where a newcomer looks for them.

use super::architecture::without_test_items;
use super::{CRATES, root, texts};

const MAX_FILE_LINES: usize = 500;
const MAX_LINE_WIDTH: usize = 110;

/// What a newcomer asks, and the files that answer it.
const MAP: [(&str, &[&str]); 17] = [
    (
        "where is an event deduplicated",
        &["core/src/engine/dedup.rs"],
    ),
    (
        "what happens to a late event",
        &["core/src/engine/event_clock.rs", "ARCHITECTURE.md"],
    ),
    (
        "where does the p-value of an unusual host come from",
        &["core/src/signal/host.rs", "core/src/stats/category.rs"],
    ),
    (
        "what runs for one event, in order",
        &["core/src/engine/pipeline.rs"],
    ),
    (
        "which action does an alert lead to, and what limits it",
        &[
            "core/src/containment/policy.rs",
            "core/src/containment/guardrail.rs",
        ],
    ),
    ("where is an order signed", &["src/orders/sign.rs"]),
    ("where is an order verified", &["src/orders/verify.rs"]),
    (
        "where is an order delivered",
        &[
            "src/receivers/delivery.rs",
            "src/receivers/webhook.rs",
            "src/receivers/keycloak.rs",
        ],
    ),
    ("where is a delivery retried", &["src/retry/backoff.rs"]),
    ("where is a rebalance handled", &["src/kafka/rebalance.rs"]),
    (
        "where is a checkpoint written",
        &["src/kafka/checkpoint.rs", "src/checkpointing/duty_cycle.rs"],
    ),
    (
        "where is a checkpoint restored",
        &["src/kafka/shard_recovery.rs", "src/persistence"],
    ),
    (
        "where is a new source added",
        &[
            "src/sources/mod.rs",
            "docs/src/contributing/add-a-source.md",
        ],
    ),
    (
        "where is a new signal added",
        &[
            "core/src/signal/mod.rs",
            "docs/src/contributing/add-a-signal.md",
        ],
    ),
    (
        "where is a new receiver added",
        &[
            "src/receivers/mod.rs",
            "docs/src/contributing/add-a-receiver.md",
        ],
    ),
    (
        "where is a page of the console, and where does its data come from",
        &[
            "src/http/pages/mod.rs",
            "src/http/api/mod.rs",
            "src/console/mod.rs",
        ],
    ),
    (
        "what does a log line or an alert of the service ask me to do",
        &["docs/src/operations.md"],
    ),
];

#[test]
fn the_questions_of_a_newcomer_lead_to_files_that_exist() {
    for (question, paths) in MAP {
        for path in paths {
            assert!(root().join(path).exists(), "{question}: {path} is missing");
        }
    }
}

#[test]
fn files_stay_small_and_lines_short() {
    for folder in CRATES.into_iter().chain(["core/tests", "tests", "benches"]) {
        for (file, text) in texts(folder, &["rs"]) {
            let lines = without_test_items(&text).len();
            assert!(
                lines <= MAX_FILE_LINES,
                "{file} has {lines} lines: split it"
            );
            for (at, line) in text.lines().enumerate() {
                let width = line.chars().count();
                assert!(width <= MAX_LINE_WIDTH, "{file}:{} is {width} wide", at + 1);
            }
        }
    }
}

#[test]
fn unsafe_code_is_in_one_file_and_says_why_it_is_sound() {
    for folder in CRATES {
        for (file, text) in texts(folder, &["rs"]) {
            let mut lines = text.lines().map(str::trim_start);
            let is_unsafe = lines.any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.split_whitespace().any(|word| word == "unsafe")
            });
            let is_permitted = file.ends_with("src/kafka/batch_consumer.rs");
            assert_eq!(is_unsafe, is_permitted, "{file}");
        }
    }
}

#[test]
fn every_file_opens_with_a_summary() {
    for folder in CRATES {
        for (file, text) in texts(folder, &["rs"]) {
            assert!(text.starts_with("//!"), "{file}: begin with `//!`");
        }
    }
}

#[test]
fn the_readme_stays_short() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "move detail to docs/");
}
