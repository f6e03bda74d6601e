//! References are generated: the configuration from `config/default.toml`, the metrics from their
//! declarations. `UPDATE_DOCS=1 cargo test -p credwatch --test it references` rewrites them.

use super::{root, texts};
use credwatch::metrics::Metrics;
use std::fs;

fn check(name: &str, generated: &str) {
    let path = root().join("docs/src").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "docs/src/{name} is out of date: run with UPDATE_DOCS=1"
    );
}

/// The comments of one section of the default as text, and its keys as code.
fn section(lines: &[&str]) -> String {
    let code = lines.join("\n");
    format!("```toml\n{}\n```\n", code.trim_end())
}

#[test]
fn the_configuration_reference_is_the_default() {
    let mut page = String::from(
        "# Configuration reference\n\nGenerated from `config/default.toml`; `credwatch config default` \
         prints it. A key that is not listed is an\nerror.\n",
    );
    let default = fs::read_to_string(root().join("config/default.toml")).unwrap();
    for block in default.split("\n\n") {
        let lines: Vec<&str> = block.lines().collect();
        let header = lines.iter().find(|line| line.starts_with('['));
        let name = header.map(|line| line.trim_matches(['[', ']']));
        if let Some(name) = name.filter(|_| lines.iter().any(|line| line.contains(" = "))) {
            let heading = format!("\n## {name}\n");
            if !page.contains(&heading) {
                page += &heading;
            }
        }
        page += &section(&lines);
    }
    check("configuration.md", &page);
}

#[test]
fn the_metrics_reference_lists_every_metric() {
    let mut page = String::from(
        "# Metrics reference\n\nGenerated from the program. No label holds an identity.\n\n\
         | metric | type | labels | meaning |\n| --- | --- | --- | --- |\n",
    );
    for metric in Metrics::descriptions() {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        page += &format!(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            metric.kind,
            labels.join(", "),
            metric.help
        );
    }
    check("metrics.md", &page);
}

/// Metrics named in documents, dashboards and tests exist.
#[test]
fn named_metrics_exist() {
    let known: Vec<&str> = Metrics::descriptions().iter().map(|m| m.name).collect();
    let suffixes = ["_bucket", "_sum", "_count"];
    for folder in ["docs", "config", "tests", "scripts", "README.md"] {
        for (file, text) in texts(folder, &["md", "json", "yml", "rs", "sh"]) {
            for word in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
                let is_metric = word.starts_with("credwatch_") && word.ends_with("_total")
                    || word.starts_with("credwatch_") && word.contains("_seconds");
                let base = suffixes.iter().find_map(|suffix| word.strip_suffix(suffix));
                let exists =
                    known.contains(&word) || base.is_some_and(|base| known.contains(&base));
                assert!(!is_metric || exists, "{file}: {word} is not a metric");
            }
        }
    }
}
