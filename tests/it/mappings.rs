//! Generic mappings by jq: the examples of `config/mappings`, and what goes wrong.

use crate::common::{run, text};
use serde_json::Value;

/// The events that a program makes of a file of records.
fn mapped(name: &str) -> (Vec<Value>, String) {
    let program = format!("config/mappings/{name}.jq");
    let input = format!("tests/fixtures/mappings/{name}.jsonl");
    let output = run(&["map", "--strict", "--program", &program, &input]);
    let summary = text(&output.stderr);
    assert!(output.status.success(), "{summary}");
    let lines = text(&output.stdout);
    let events = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (events.collect(), summary)
}

#[test]
fn the_example_of_gitlab_maps_its_records() {
    let (events, summary) = mapped("gitlab");
    assert!(summary.contains("2 events"), "{summary}");
    assert!(
        summary.contains("1 records left out: the program gives no event"),
        "{summary}"
    );
    assert_eq!(events[0]["identity"]["id"], "gitlab/42");
    assert_eq!(events[0]["activity"], "issue");
    assert_eq!(events[0]["action"], "gitlab:project_access_token_created");
    assert_eq!(events[1]["outcome"], "failure");
}

#[test]
fn the_example_of_cloudflare_access_maps_its_records() {
    let (events, _) = mapped("cloudflare_access");
    assert_eq!(events[0]["identity"]["id"], "ada@example.com");
    assert_eq!(events[0]["source"]["country"], "US");
    assert_eq!(events[1]["identity"]["kind"], "service");
    assert_eq!(events[1]["outcome"], "denied");
}

#[test]
fn every_example_is_tested_and_checked_at_start() {
    for entry in std::fs::read_dir("config/mappings").unwrap() {
        let name = entry.unwrap().path();
        let name = name.file_stem().unwrap().to_str().unwrap();
        assert!(!mapped(name).0.is_empty(), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (config, program) = (folder.path().join("c.toml"), folder.path().join("p.jq"));
    std::fs::write(&program, ".a\n| nothing_such").unwrap();
    let ingest = |more: &str| {
        let text = format!("[[ingest]]\ntopic = \"raw\"\nformat = \"jq\"\n{more}");
        std::fs::write(&config, text).unwrap();
        let output = run(&["check", "--config", config.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        text_of(&output)
    };
    let without = ingest("");
    assert!(without.contains("requires `program`"), "{without}");
    let wrong = ingest(&format!("program = {program:?}\n"));
    assert!(wrong.contains("filter nothing_such"), "{wrong}");
}

fn text_of(output: &std::process::Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn what_a_program_makes_is_checked_like_any_event() {
    let folder = tempfile::tempdir().unwrap();
    let (program, input) = (folder.path().join("p.jq"), folder.path().join("in.jsonl"));
    std::fs::write(
        &program,
        ".events[] | {time, identity: {id: .who}, activity: \"use\"}",
    )
    .unwrap();
    let records = "{\"events\":[{\"time\":1700000000000,\"who\":\"a\"},{\"time\":1700000001000}]}\n\
                   {\"events\":[{\"time\":1700000000000,\"who\":\"b\"}]}\n{\"events\":7}\n";
    std::fs::write(&input, records).unwrap();
    let (program, input) = (program.to_str().unwrap(), input.to_str().unwrap());
    let output = run(&["map", "--strict", "--program", program, input]);
    assert_eq!(output.status.code(), Some(3));
    let summary = text(&output.stderr);
    assert!(
        summary.contains("in.jsonl record 0: field `identity.id` is missing"),
        "{summary}"
    );
    assert!(
        summary.contains("in.jsonl record 2: the program failed"),
        "{summary}"
    );
    let events = text(&output.stdout);
    assert_eq!(
        events.lines().count(),
        2,
        "one invalid event does not reject the others of its record: {events}"
    );
    let rejected = folder.path().join("rejected.jsonl");
    let dead = rejected.to_str().unwrap();
    let replayed = run(&["replay", "--program", program, "--dead", dead, input]);
    assert!(replayed.status.success());
    let rejected = std::fs::read_to_string(rejected).unwrap();
    assert_eq!(rejected.lines().count(), 2, "{rejected}");
}
