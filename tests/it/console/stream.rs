//! The stream of live updates.

use super::{alert, open_console};
use std::io::{BufRead, BufReader};

/// The `count` first events of a stream other than health: id and kind.
fn events(
    url: &str,
    last_event_id: Option<&str>,
    count: usize,
    meanwhile: impl FnOnce(),
) -> Vec<(String, String)> {
    let mut request = ureq::get(url);
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let response = request.call().unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    let mut meanwhile = Some(meanwhile);
    let (mut id, mut kind, mut found) = (String::new(), String::new(), Vec::new());
    while found.len() < count {
        let line = lines.next().unwrap().unwrap();
        if let Some(value) = line.strip_prefix("id: ") {
            id = value.to_owned();
        } else if let Some(value) = line.strip_prefix("event: ") {
            kind = value.to_owned();
        } else if line.is_empty() && !kind.is_empty() {
            if kind == "health" {
                meanwhile.take().into_iter().for_each(|act| act());
            } else {
                found.push((std::mem::take(&mut id), kind.clone()));
            }
            kind.clear();
        }
    }
    found
}

#[test]
fn a_viewer_sees_what_changes_and_later_what_it_missed() {
    let served = open_console(false);
    let url = served.url("/v1/stream");
    let seen = events(&url, None, 1, || {
        served.take(&alert("svc-1", 1, "High", 12.0))
    });
    assert_eq!(seen[0].1, "incident");
    for nth in 2..5 {
        served.take(&alert("svc-1", nth, "High", 12.0));
    }
    let missed = events(&url, Some(&seen[0].0), 3, || {});
    assert!(
        missed.iter().all(|(_, kind)| kind == "incident"),
        "{missed:?}"
    );
    let other = events(&url, Some("999-1"), 1, || {});
    assert_eq!(other[0].1, "reset", "a cursor of another process");
}
