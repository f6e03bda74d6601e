//! Inputs that people who operate such systems met, and what is right for each. Those about Kafka are in
//! `broker::retention` and `broker::receivers`.

use crate::common::{START_MS, credwatch, json_lines, native, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

fn case(path: &str) -> PathBuf {
    Path::new("tests/fixtures/cases").join(path)
}

/// What a replay with `--strict` writes.
struct Replayed {
    folder: tempfile::TempDir,
    output: Output,
}

impl Replayed {
    fn of(inputs: &[PathBuf]) -> Self {
        Self::with_input(inputs, b"")
    }

    fn with_input(inputs: &[PathBuf], standard_input: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = credwatch();
        command.args(["replay", "-q", "--strict"]);
        for name in ["verdicts", "alerts", "orders", "dead"] {
            command
                .arg(format!("--{name}"))
                .arg(folder.path().join(name));
        }
        let piped = command
            .args(inputs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(standard_input)
            .unwrap();
        let output = child.wait_with_output().unwrap();
        Self { folder, output }
    }

    fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        json_lines(&self.folder.path().join(name))
    }

    fn identities(&self) -> BTreeSet<String> {
        let verdicts = self.lines("verdicts").into_iter();
        verdicts
            .map(|verdict| verdict["identity"].as_str().unwrap().to_owned())
            .collect()
    }

    fn alert_ids(&self) -> BTreeSet<String> {
        let alerts = self.lines("alerts").into_iter();
        alerts
            .map(|alert| alert["finding_info"]["uid"].to_string())
            .collect()
    }
}

/// Replays one input, all of which is read.
fn replayed(path: &str) -> Replayed {
    let replayed = Replayed::of(&[case(path)]);
    assert_eq!(replayed.code(), Some(0), "{path}: {:?}", replayed.output);
    replayed
}

#[test]
fn a_bucket_of_two_regions_is_one_log() {
    let bucket = tempfile::tempdir().unwrap();
    let archive = case("bucket-read-region-by-region/AWSLogs.tgz");
    let unpacked = std::process::Command::new("tar")
        .arg("xzf")
        .arg(&archive)
        .arg("-C")
        .arg(bucket.path())
        .status();
    assert!(unpacked.unwrap().success());
    let by_region = Replayed::of(&[bucket.path().join("AWSLogs")]);
    let by_time = replayed("bucket-read-region-by-region/chronological.jsonl.gz");
    assert_eq!(by_region.code(), Some(0));
    assert_eq!(by_region.alert_ids(), by_time.alert_ids());
    assert_eq!(by_region.alert_ids().len(), 1);
    let summary = text(&by_region.output.stdout);
    assert!(summary.contains("5 events within 4 min"), "{summary}");
    assert!(!summary.contains("arrived late"), "{summary}");
    assert_eq!(
        by_region.lines("verdicts").len(),
        by_time.lines("verdicts").len()
    );
}

#[test]
fn envelopes_hold_one_event_and_a_control_message_none() {
    let folder = case("cloudtrail-envelopes");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let events = replayed(&format!("cloudtrail-envelopes/{name}"))
            .lines("verdicts")
            .len();
        assert_eq!(events, usize::from(!name.contains("control")), "{name}");
    }
}

#[test]
fn documents_one_after_the_other_are_all_read() {
    for name in ["all.json.gz", "lines.jsonl"] {
        let replayed = replayed(&format!("concatenated-documents/{name}"));
        assert_eq!(replayed.lines("verdicts").len(), 6, "{name}");
    }
    let files =
        ["one", "two", "three"].map(|name| case(&format!("concatenated-documents/{name}.json.gz")));
    let joined: Vec<u8> = files
        .iter()
        .flat_map(|file| std::fs::read(file).unwrap())
        .collect();
    let piped = Replayed::with_input(&[PathBuf::from("-")], &joined);
    assert_eq!((piped.code(), piped.lines("verdicts").len()), (Some(0), 6));
}

#[test]
fn a_dead_letter_shows_no_password_however_short() {
    let replayed = Replayed::of(&[case("dead-letter-shows-short-secrets/record.json")]);
    assert_eq!(replayed.code(), Some(3));
    let dead = std::fs::read_to_string(replayed.folder.path().join("dead")).unwrap();
    assert!(
        dead.contains("representation") && !dead.contains("Tr0ub4dor"),
        "{dead}"
    );
}

#[test]
fn branches_of_a_repository_are_one_identity() {
    let identities = replayed("github-branches-as-identities/two.jsonl").identities();
    assert_eq!(identities.len(), 1, "{identities:?}");
    assert!(
        identities
            .first()
            .unwrap()
            .ends_with("token.actions.githubusercontent.com:repo:acme/shop")
    );
}

#[test]
fn users_of_identity_center_are_persons() {
    let user = replayed("identity-center-user/event.json").identities();
    assert!(
        user.first().unwrap().starts_with("identitystore/d-"),
        "{user:?}"
    );
    let older = replayed("identity-center-user/unknown-type-with-account-as-principal.json");
    assert_eq!(
        older.identities().first().unwrap(),
        "aws-person:amy@example.org"
    );
}

#[test]
fn events_of_keycloak_are_about_whom_they_are() {
    let who = |name: &str| replayed(&format!("keycloak-event-variants/{name}.json")).identities();
    assert!(who("expired-code").is_empty());
    assert_eq!(who("impersonate").first().unwrap(), "name/admin");
    assert_eq!(who("user-id-null-as-text").first().unwrap(), "name/amy");
    assert_eq!(who("phasetwo-webhook").len(), 1);
    assert_eq!(who("service-account-admin").len(), 1);
}

#[test]
fn no_address_form_costs_an_event() {
    let events = std::fs::read_to_string(case("native-address-forms/events.jsonl")).unwrap();
    let replayed = replayed("native-address-forms/events.jsonl");
    assert_eq!(replayed.lines("verdicts").len(), events.lines().count());
}

#[test]
fn texts_beside_numbers_are_the_captions_of_the_schema() {
    let replayed = replayed("bucket-read-region-by-region/chronological.jsonl.gz");
    let captions = [
        "Unknown",
        "Informational",
        "Low",
        "Medium",
        "High",
        "Critical",
    ];
    for alert in replayed.lines("alerts") {
        let id = alert["severity_id"].as_u64().unwrap() as usize;
        assert_eq!(alert["severity"], captions[id]);
        let user = &alert["evidences"][0]["actor"]["user"];
        let types = [(1, "User"), (3, "System")];
        let is_caption =
            |(id, caption): &(i32, &str)| user["type_id"] == *id && user["type"] == *caption;
        assert!(types.iter().any(is_caption), "{user}");
    }
}

#[test]
fn one_object_over_several_lines_is_one_record() {
    for name in ["event", "history"] {
        let replayed = replayed(&format!("pretty-printed-record/{name}.json"));
        assert_eq!(replayed.lines("verdicts").len(), 1, "{name}");
    }
}

#[test]
fn a_return_that_everybody_shares_is_no_alert_of_each() {
    for (name, people) in [("shutdown-60-people", 60), ("bank-holiday-150-people", 150)] {
        let replayed = replayed(&format!("return-after-shutdown/{name}.jsonl.gz"));
        assert_eq!(replayed.identities().len(), people);
        assert!(
            replayed.alert_ids().len() <= 1,
            "{name}: {:?}",
            replayed.alert_ids()
        );
    }
}

#[test]
fn a_notification_about_a_file_is_rejected_with_what_to_send() {
    let replayed = Replayed::of(&[case("s3-notification-as-cloudtrail/record.json")]);
    assert_eq!(replayed.code(), Some(3));
    let reason = replayed.lines("dead")[0]["reason"].to_string();
    assert!(reason.contains("S3 notification"), "{reason}");
    assert!(replayed.identities().is_empty());
}

#[test]
fn people_behind_one_role_have_a_baseline_each() {
    let inputs = |history: &str, attack: &str| {
        [history, attack]
            .map(|name| case(&format!("sso-people-share-one-baseline/{name}.jsonl.gz")))
    };
    let people = Replayed::of(&inputs("history", "attack"));
    let users = Replayed::of(&inputs("history-as-iam-users", "attack-as-iam-users"));
    assert_eq!(people.identities().len(), users.identities().len());
    let verdicts = people.lines("verdicts");
    let of_amy = verdicts.iter().filter(|verdict| {
        let identity = verdict["identity"].as_str().unwrap();
        identity == "aws-person:amy@example.org"
    });
    let most = of_amy.max_by(|a, b| {
        let nats = |verdict: &Value| verdict["event_nats"].as_f64().unwrap();
        nats(a).total_cmp(&nats(b))
    });
    let time = most.unwrap()["time"].as_str().unwrap();
    assert!(
        time.starts_with("2026-02-09T2"),
        "the use from bob's network is hers: {time}"
    );
    let alerts = people.lines("alerts");
    let named: Vec<_> = alerts
        .iter()
        .map(|alert| {
            alert["evidences"][0]["actor"]["user"]["name"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(named, ["aws-person:amy@example.org"]);
}

#[test]
fn a_throttled_service_keeps_its_credential() {
    let replayed = replayed("throttled-service-revoked/events.jsonl.gz");
    assert!(replayed.lines("orders").is_empty());
    assert!(replayed.lines("alerts").is_empty());
}

/// An event of a person at a time of a day after [`START_MS`].
fn of_person(number: usize, id: &str, issuer: &str, action: &str, minutes: usize) -> Value {
    let mut event = native(number, id, START_MS + minutes as i64 * 60_000);
    event["identity"] = json!({"id": id, "kind": "human"});
    event["credential"] = json!({"id": format!("of-{id}"), "kind": "session", "issuer": issuer});
    event["action"] = action.into();
    event["resource"] = format!("app/{}", number % 3).into();
    event["source"] =
        json!({"ip": "203.0.113.7", "user_agent": "Mozilla/5.0 Firefox/128.0", "country": "DE"});
    event
}

const DAY_MINUTES: usize = 24 * 60;

/// Three weeks of twenty people at one identity provider, and then `later`.
fn after_three_weeks(later: impl IntoIterator<Item = Value>) -> Replayed {
    let mut log = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    let known = (0..21 * 6 * 20).map(|number| {
        let (who, hour, day) = (number % 20, number / 20 % 6, number / 120);
        let action = ["okta:user.session.start", "okta:user.authentication.sso"][hour.min(1)];
        let minutes = day * DAY_MINUTES + (8 + hour) * 60 + who;
        of_person(number, &format!("person-{who}"), "okta", action, minutes)
    });
    for event in known.chain(later) {
        writeln!(log, "{event}").unwrap();
    }
    let replayed = Replayed::of(&[log.path().to_path_buf()]);
    assert_eq!(replayed.code(), Some(0), "{:?}", replayed.output);
    replayed
}

/// The first day of `people` on another platform, whose log names `issuer`.
fn first_day_of<const N: usize>(people: [&str; N], issuer: &str) -> Vec<Value> {
    let actions = [
        "git.fetch",
        "git.clone",
        "git.push",
        "git.fetch",
        "org.invite",
    ];
    let event = |number: usize| {
        let action = format!("github:{}", actions[number / N % 5]);
        let minutes = 21 * DAY_MINUTES + 8 * 60 + 3 * number;
        of_person(
            900_000 + number,
            people[number % N],
            issuer,
            &action,
            minutes,
        )
    };
    (0..N * 8).map(event).collect()
}

#[test]
fn a_log_that_is_connected_later_is_no_deviation_of_those_in_it() {
    let connected = after_three_weeks(first_day_of(["ada", "ben", "cai"], "github"));
    assert_eq!(connected.lines("alerts"), Vec::<Value>::new());
}

#[test]
fn what_known_people_do_under_a_new_issuer_is_one() {
    let stolen = after_three_weeks(first_day_of(["person-7"], "github"));
    assert_eq!(stolen.alert_ids().len(), 1);
}

#[test]
fn what_new_people_do_under_a_known_issuer_is_one() {
    let created = after_three_weeks(first_day_of(["ada"], "okta"));
    assert_eq!(created.alert_ids().len(), 1);
}

#[test]
fn a_mistyped_input_costs_no_earlier_result() {
    let folder = tempfile::tempdir().unwrap();
    let alerts = folder.path().join("alerts");
    std::fs::write(&alerts, "of an earlier replay\n").unwrap();
    let mut command = credwatch();
    command.args(["replay", "-q", "--alerts"]).arg(&alerts);
    let output = command
        .arg(folder.path().join("nowhere.jsonl"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("nowhere.jsonl"), "{output:?}");
    assert_eq!(
        std::fs::read_to_string(&alerts).unwrap(),
        "of an earlier replay\n"
    );
}
