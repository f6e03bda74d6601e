//! Queries of a running service.

use crate::broker::support::{Running, Setup, TOKEN, wait_until};
use crate::common::{START_MS, credwatch, native, native_log, text};
use std::path::Path;
use std::process::Output;

const PARTITIONS: usize = 4;
const WHO: &str = "svc-1";

/// Asks again while the partition moves, as the answer says.
fn ask(running: &Running, token: &str, identity: &str, event: &Path) -> Output {
    let mut answer = None;
    wait_until("an answer of the owner", || {
        let asked = credwatch()
            .env("CREDWATCH_HTTP__TOKEN", token)
            .args(["explain", "--url", &format!("http://{}", running.address)])
            .args(["--identity", identity, "--event"])
            .arg(event)
            .output()
            .unwrap();
        let is_moving = text(&asked.stderr).contains("is moving to another owner; try again");
        answer = Some(asked);
        !is_moving
    });
    answer.unwrap()
}

#[test]
fn a_service_explains_the_same_as_its_state() {
    let setup = Setup::new("asking", PARTITIONS, "native");
    let folder = setup.folder.path();
    let events = native_log(10, 3);
    let records = events.iter().map(|event| {
        let who = event["identity"]["id"].as_str().unwrap().to_owned();
        (who, event.to_string().into_bytes())
    });
    setup.produce("events", records);
    let running = setup.start("one");
    running.wait_for("detect", events.len());

    let mut odd = native(900_000, WHO, START_MS + 9 * 86_400_000);
    odd["source"]["host"] = "vm-9".into();
    let (odd_file, log) = (folder.join("odd.json"), folder.join("log.jsonl"));
    std::fs::write(&odd_file, odd.to_string()).unwrap();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&log, lines).unwrap();

    let by_service = ask(&running, TOKEN, WHO, &odd_file);
    assert!(by_service.status.success(), "{by_service:?}");
    let state = folder.join("state");
    let replayed = credwatch()
        .args(["replay", "-q", "--partitions", "4", "--state"])
        .args([&state, &log])
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{replayed:?}");
    let by_state = credwatch()
        .args(["explain", "--identity", WHO, "--state"])
        .arg(&state)
        .arg("--event")
        .arg(&odd_file)
        .output()
        .unwrap();
    assert_eq!(text(&by_service.stdout), text(&by_state.stdout));
    let output_text = text(&by_service.stdout);
    assert!(
        output_text.contains("first use of host vm-9"),
        "{output_text}"
    );

    let nobody = ask(&running, TOKEN, "nobody", &folder.join("credwatch.toml"));
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("`nobody`"), "{nobody:?}");
    let stranger = ask(&running, "guess", WHO, &odd_file);
    assert!(
        text(&stranger.stderr).contains("bearer token"),
        "{stranger:?}"
    );
    assert!(!running.log_text().contains(TOKEN));
}
