//! The commands as their users run them: what they print, write and return.

use crate::common::{
    cloudtrail_files, credwatch, garbage, get, json_lines, native_log, real_logs, run, text,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Writes events as JSON lines.
fn write_lines(path: &Path, events: &[Value]) {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(path, lines).unwrap();
}

fn validator() -> jsonschema::Validator {
    // The schema as published points to definitions whose names hold a slash, unescaped.
    let schema = include_str!("../../models/schemas/detection_finding.schema.json")
        .replace("#/$defs/win/", "#/$defs/win~1");
    jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap()
}

/// Replays `inputs` into `folder`.
fn replay_into(folder: &Path, more: &[&str], inputs: &[PathBuf]) -> std::process::Output {
    let mut command = credwatch();
    command.args(["replay", "-q"]);
    for name in ["verdicts", "alerts", "orders", "audit", "dead"] {
        command.arg(format!("--{name}")).arg(folder.join(name));
    }
    command.args(more).args(inputs).output().unwrap()
}

#[test]
fn a_theft_is_reported_explained_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    let events = native_log(20, 9);
    write_lines(&input, &events);
    let output = replay_into(folder.path(), &[], &[input]);
    assert!(output.status.success(), "{output:?}");
    let output_text = text(&output.stdout);
    assert!(
        output_text.contains("svc-0") && output_text.contains("dry run"),
        "{output_text}"
    );
    assert!(
        output_text.contains("cloudtrail:StopLogging"),
        "{output_text}"
    );

    let verdicts = json_lines(&folder.path().join("verdicts"));
    assert_eq!(verdicts.len(), events.len());
    for (verdict, event) in verdicts.iter().zip(&events) {
        assert_eq!(verdict["event_id"], event["event_id"], "in input order");
        assert!(verdict["score_nats"].as_f64().unwrap().is_finite());
        for signal in verdict["signals"].as_array().unwrap() {
            let p = signal["p"].as_f64().unwrap();
            let surprise = signal["surprise_nats"].as_f64().unwrap();
            assert!(
                p > 0.0 && p <= 1.0 && (surprise + libm::log(p)).abs() < 1e-9,
                "{signal}"
            );
        }
    }
    let theft = &verdicts[verdicts.len() - 1];
    assert!(theft["alert_id"].is_string());
    let alerts = json_lines(&folder.path().join("alerts"));
    let first = &alerts[0];
    assert_eq!(first["activity_id"], 1);
    assert_eq!(first["finding_info"]["uid"], theft["alert_id"]);
    assert_eq!(first["unmapped"]["credwatch"]["identity"]["id"], "svc-0");
    let orders = json_lines(&folder.path().join("orders"));
    let order = &orders[0];
    assert_eq!(order["alert_id"], first["finding_info"]["uid"]);
    assert_eq!(order["mode"], "dry_run");
    assert_eq!(order["credential"]["id"], "key-svc-0");
    let ids: BTreeSet<String> = orders.iter().map(|o| o["order_id"].to_string()).collect();
    assert_eq!(ids.len(), orders.len(), "one order once");
}

#[test]
fn alerts_are_ocsf_detection_findings() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    for (at, file) in cloudtrail_files(9).iter().enumerate() {
        std::fs::write(logs.join(format!("{at:03}.json")), file.to_string()).unwrap();
    }
    let mut inputs = vec![logs];
    inputs.extend(real_logs("cloudtrail-attack-sim"));
    inputs.extend(real_logs("stratus-detonations").map(|data| data.join("logs")));
    assert!(replay_into(folder.path(), &[], &inputs).status.success());
    let alerts = json_lines(&folder.path().join("alerts"));
    assert!(!alerts.is_empty());
    let validator = validator();
    for alert in &alerts {
        if let Err(error) = validator.validate(alert) {
            panic!("{error} at {}: {alert}", error.instance_path());
        }
    }
    let mut broken = alerts[0].clone();
    broken["severity_id"] = "high".into();
    assert!(!validator.is_valid(&broken), "the schema can refuse");
}

#[test]
fn the_same_input_gives_the_same_bytes_in_any_wrapping() {
    let folder = tempfile::tempdir().unwrap();
    let events = native_log(10, 3);
    let lines = folder.path().join("lines.jsonl");
    write_lines(&lines, &events);
    let array = folder.path().join("array.json");
    std::fs::write(&array, Value::Array(events.clone()).to_string()).unwrap();
    let zipped = folder.path().join("lines.jsonl.gz");
    let file = std::fs::File::create(&zipped).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(&std::fs::read(&lines).unwrap()).unwrap();
    encoder.finish().unwrap();
    let zstandard = folder.path().join("lines.jsonl.zst");
    let packed = zstd::encode_all(&*std::fs::read(&lines).unwrap(), 1).unwrap();
    std::fs::write(&zstandard, packed).unwrap();
    let mut seen = BTreeSet::new();
    for input in [lines, array, zipped, zstandard] {
        let output = replay_into(folder.path(), &[], &[input]);
        assert!(output.status.success(), "{output:?}");
        seen.insert((
            std::fs::read(folder.path().join("verdicts")).unwrap(),
            std::fs::read(folder.path().join("alerts")).unwrap(),
            std::fs::read(folder.path().join("audit")).unwrap(),
        ));
    }
    assert_eq!(seen.len(), 1);
}

/// Makes the file that a state is written to unwritable.
fn block_new_state(state: &Path) {
    std::fs::create_dir(state.join("state.new")).unwrap();
}

#[test]
fn an_unwritable_file_or_an_invalid_directory_leaves_the_previous_state_intact() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    write_lines(&input, &native_log(5, 2));
    let state = folder.path().join("state");
    let replay = |state: &Path| {
        let state = state.to_str().unwrap();
        replay_into(
            folder.path(),
            &["--state", state],
            std::slice::from_ref(&input),
        )
    };
    assert!(replay(&state).status.success());
    let kept = std::fs::read(state.join("partition-0.state")).unwrap();
    block_new_state(&state);
    let full = replay(&state);
    let output_text = text(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{output_text}");
    assert!(
        output_text.contains("Is a directory")
            && output_text.contains("the previous state is unchanged"),
        "{output_text}"
    );
    assert_eq!(
        std::fs::read(state.join("partition-0.state")).unwrap(),
        kept
    );
    std::fs::remove_dir(state.join("state.new")).unwrap();
    assert!(replay(&state).status.success());
    let none = replay(&input);
    let output_text = text(&none.stderr);
    assert_eq!(none.status.code(), Some(1), "{output_text}");
    assert!(output_text.contains("Not a directory"), "{output_text}");
    let forbidden = replay(Path::new("/sys/credwatch"));
    let output_text = text(&forbidden.stderr);
    assert_eq!(forbidden.status.code(), Some(1), "{output_text}");
    assert!(
        output_text.contains("/sys/credwatch") && output_text.contains("os error"),
        "{output_text}"
    );
}

#[test]
fn state_is_saved_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, halves) = (folder.path().join("whole"), folder.path().join("halves"));
    let state = folder.path().join("state");
    let state_arguments = ["--partitions", "3", "--state", state.to_str().unwrap()];
    let events = native_log(20, 9);
    let path = |name: &str| folder.path().join(name);
    let (first, second) = events.split_at(events.len() / 2);
    for (name, events) in [("all", &events[..]), ("first", first), ("second", second)] {
        write_lines(&path(name), events);
    }
    std::fs::create_dir_all(&whole).unwrap();
    std::fs::create_dir_all(&halves).unwrap();
    replay_into(&whole, &state_arguments[..2], &[path("all")]);
    assert!(
        replay_into(&halves, &state_arguments, &[path("first")])
            .status
            .success()
    );
    assert!(
        replay_into(&halves, &state_arguments, &[path("second")])
            .status
            .success()
    );
    for name in ["verdicts", "alerts", "orders", "audit"] {
        let (whole, second) = (
            json_lines(&whole.join(name)),
            json_lines(&halves.join(name)),
        );
        assert!(!second.is_empty() && whole.ends_with(&second), "{name}");
    }
    let explained = |more: &[&str]| {
        let state = state.to_str().unwrap();
        run(&[&["explain", "--state", state, "--identity"], more].concat())
    };
    let known = explained(&["svc-0"]);
    assert!(text(&known.stdout).contains("hosts"), "{known:?}");
    write_lines(&path("one"), &second[second.len() - 1..]);
    let id = second.last().unwrap()["identity"]["id"].as_str().unwrap();
    let output_text = explained(&[id, "--event", path("one").to_str().unwrap()]);
    assert!(
        text(&output_text.stdout).contains("threshold of"),
        "{output_text:?}"
    );
    assert_eq!(explained(&["nobody"]).status.code(), Some(1));

    let other = replay_into(
        &halves,
        &["--state", state.to_str().unwrap()],
        &[path("first")],
    );
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stderr).contains("--partitions 3"), "{other:?}");
    std::fs::write(state.join("partition-1.state"), "nonsense").unwrap();
    let damaged = replay_into(&halves, &state_arguments, &[path("first")]);
    assert!(
        text(&damaged.stderr).contains("partition-1.state"),
        "{damaged:?}"
    );
}

#[test]
fn an_altered_audit_trail_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events.jsonl");
    write_lines(&input, &native_log(20, 9));
    replay_into(folder.path(), &[], &[input]);
    let audit = folder.path().join("audit");
    let verify = || run(&["verify", "audit", audit.to_str().unwrap()]);
    assert_eq!(verify().status.code(), Some(0));
    let trail = std::fs::read_to_string(&audit).unwrap();
    let cut = folder.path().join("cut");
    std::fs::write(&cut, "").unwrap();
    let after = |earlier: &Path, later: &Path| {
        let [earlier, later] = [earlier, later].map(|path| path.to_str().unwrap());
        run(&["verify", "audit", "--after", earlier, later])
    };
    assert_eq!(after(&cut, &audit).status.code(), Some(0));
    let shortened = after(&audit, &cut);
    assert_eq!(shortened.status.code(), Some(4));
    assert!(
        text(&shortened.stderr).contains("of an earlier export"),
        "{shortened:?}"
    );
    std::fs::write(&audit, trail.replacen("dry_run", "enforce", 1)).unwrap();
    let altered = verify();
    assert_eq!(altered.status.code(), Some(4));
    assert!(
        text(&altered.stderr).contains("record 1: the hash"),
        "{altered:?}"
    );
}

#[test]
fn standard_input_is_read() {
    let mut child = credwatch()
        .args(["replay", "-q", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for event in native_log(2, 1) {
        writeln!(input, "{event}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains("99 events of 2 identities"));
}

#[test]
fn malformed_records_are_named_and_the_rest_is_processed() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("mixed.jsonl");
    let events = native_log(2, 1);
    let mut file = std::fs::File::create(&input).unwrap();
    writeln!(file, "{}", events[0]).unwrap();
    for (_, bytes) in garbage() {
        file.write_all(&bytes).unwrap();
        writeln!(file).unwrap();
    }
    writeln!(file, "{}", events[1]).unwrap();
    drop(file);
    let output = replay_into(folder.path(), &["--strict", "--format", "native"], &[input]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(json_lines(&folder.path().join("verdicts")).len(), 2);
    let dead = json_lines(&folder.path().join("dead"));
    assert_eq!(dead.len(), garbage().len());
    for (dead_letter, (what, _)) in dead.iter().zip(garbage()) {
        let reason = dead_letter["reason"].as_str().unwrap();
        assert!(!reason.is_empty() && reason.len() < 300, "{what}: {reason}");
    }
}

#[test]
fn all_configuration_problems_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("credwatch.toml");
    let text_of = "[kafka]\nbootstrap_server = \"x\"\n[detect]\nalerts_per_day = -1.0\n\
                   [http]\nlisten = \"nowhere\"\n";
    std::fs::write(&config, text_of).unwrap();
    for command in ["check", "run"] {
        let output = credwatch()
            .args([command, "--config"])
            .arg(&config)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let output_text = text(&output.stderr);
        for key in ["bootstrap_server", "alerts_per_day", "listen"] {
            assert!(output_text.contains(key), "{key} in {output_text}");
        }
    }
}

#[test]
fn the_environment_overrides_and_is_checked() {
    let output = credwatch()
        .arg("check")
        .env("CREDWATCH_DETECT__ALERTS_PER_DAY", "many")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("CREDWATCH_DETECT__ALERTS_PER_DAY"));
}

#[test]
fn wrong_usage_and_unreadable_input_have_exit_codes() {
    assert_eq!(run(&["replay"]).status.code(), Some(2));
    assert_eq!(run(&["fly"]).status.code(), Some(2));
    let missing = run(&["replay", "/no/such/file.json"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/no/such/file.json"));
}

#[test]
fn the_printed_default_configuration_is_valid() {
    let output = run(&["config", "default"]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("default.toml");
    std::fs::write(&config, &output.stdout).unwrap();
    // Nobody listens on port 1: the configuration is fine, the broker is not there.
    let checked = credwatch()
        .args(["check", "--config"])
        .arg(&config)
        .env("CREDWATCH_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(text(&checked.stdout).contains("no broker is reachable at 127.0.0.1:1"));
}

#[test]
fn every_command_shows_an_example() {
    let commands: [&[&str]; 7] = [
        &["demo"],
        &["run"],
        &["topics", "create"],
        &["replay"],
        &["check"],
        &["config", "default"],
        &[],
    ];
    for command in commands {
        let output = credwatch().args(command).arg("--help").output().unwrap();
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Example"), "{command:?}");
    }
    let version = text(&run(&["--version"]).stdout);
    assert!(
        version.contains("commit") && version.contains("model"),
        "{version}"
    );
}

#[test]
fn without_a_broker_it_waits_and_is_not_ready() {
    let mut child = credwatch()
        .arg("run")
        .env("CREDWATCH_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
        .env("CREDWATCH_HTTP__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let output_text = lines
        .find(|line| line.contains("HTTP listening on http://"))
        .unwrap();
    let address = output_text
        .rsplit_once("http://")
        .unwrap()
        .1
        .trim()
        .to_owned();
    let mut tries = lines.filter(|line| line.contains("no broker is reachable at 127.0.0.1:1"));
    let pauses: BTreeSet<String> = (0..6)
        .filter_map(|_| {
            tries
                .next()?
                .rsplit_once("retrying in ")
                .map(|(_, rest)| rest.to_owned())
        })
        .collect();
    assert!(pauses.len() >= 2, "the pauses grow: {pauses:?}");
    assert_eq!(get(&address, "/healthz").0, 200);
    let (status, body) = get(&address, "/readyz");
    assert_eq!(status, 503);
    assert!(body.contains("not ready"));
    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_demo_shows_attacks() {
    let output = run(&[
        "demo",
        "--for",
        "3s",
        "--speed",
        "20000",
        "--listen",
        "127.0.0.1:0",
    ]);
    assert!(output.status.success(), "{output:?}");
    let output_text = text(&output.stdout);
    assert!(
        output_text.contains("console   http://127.0.0.1:"),
        "{output_text}"
    );
    assert!(
        output_text.contains("ATT&CK") && output_text.contains("Top incidents"),
        "{output_text}"
    );
    assert!(!output_text.contains('\u{1b}'), "no colour in a pipe");
}

#[test]
fn real_detonations_are_detected() {
    let (Some(quiet), Some(loud)) = (
        real_logs("cloudtrail-attack-sim"),
        real_logs("stratus-detonations"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = replay_into(folder.path(), &["--strict"], &[quiet, loud.join("logs")]);
    assert!(output.status.success(), "nothing is set aside: {output:?}");
    let named: BTreeSet<String> = json_lines(&folder.path().join("alerts"))
        .iter()
        .flat_map(|alert| alert["finding_info"]["attacks"].as_array().unwrap().clone())
        .map(|attack| {
            let technique = attack.get("sub_technique").unwrap_or(&attack["technique"]);
            technique["uid"].as_str().unwrap().to_owned()
        })
        .collect();
    for technique in ["T1562.008", "T1098.001", "T1537", "T1552.005", "T1578.002"] {
        assert!(named.contains(technique), "{technique} in {named:?}");
    }
}
