//! Lists, searches and details of the API.

use super::{alert, decision, get, open_console};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn ten_thousand_incidents_are_paged_through_once_each() {
    let served = open_console(false);
    for nth in 0..10_000 {
        let severity = ["Low", "Medium", "High", "Critical"][nth as usize % 4];
        served.take(&alert(
            &format!("svc-{nth}"),
            nth,
            severity,
            8.0 + (nth % 90) as f64,
        ));
    }
    let (mut after, mut seen, mut order) = (String::new(), BTreeSet::new(), Vec::new());
    loop {
        let page = get(
            &served.url(&format!("/v1/incidents?limit=500&after={after}")),
            &[],
        )
        .json();
        assert_eq!(page["total"], 10_000);
        for incident in page["incidents"].as_array().unwrap() {
            assert!(seen.insert(incident["id"].as_str().unwrap().to_owned()));
            let severity = ["low", "medium", "high", "critical"];
            let severity = severity
                .iter()
                .position(|s| incident["severity"] == *s)
                .unwrap();
            order.push((
                severity,
                (incident["nats"].as_f64().unwrap() * 1_000.0) as u64,
            ));
        }
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 10_000);
    assert!(
        order.windows(2).all(|pair| pair[0] >= pair[1]),
        "most urgent first"
    );
    let found = get(&served.url("/v1/incidents?q=SVC-9999"), &[]).json();
    assert_eq!(
        (found["total"].as_u64(), found["open"].as_u64()),
        (Some(1), Some(10_000))
    );
}

#[test]
fn the_incident_with_the_oldest_evidence_goes_first() {
    let config = super::config("[console]\nmax_incidents = 3\n");
    let events = std::sync::Arc::new(credwatch::console::event_history::RecentEvents::new(9));
    let setup = credwatch::commands::console_setup::without_log_in;
    let served = super::serve(setup(&config, "abcd", events, "For tests.", false), None);
    for nth in 0..5 {
        served.take(&alert(&format!("svc-{nth}"), nth, "High", 9.0));
    }
    let page = get(&served.url("/v1/incidents"), &[]).json();
    let ids: BTreeSet<&str> = page["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|incident| incident["subject"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, BTreeSet::from(["svc-2", "svc-3", "svc-4"]));
}

fn audit(nth: u64, entry: &Value) -> Value {
    json!({"view": "identity", "partition": 0, "sequence": nth, "previous": "", "hash": format!("h{nth}"),
        "entry": entry})
}

#[test]
fn an_incident_tells_its_orders_its_outcome_and_its_answer() {
    let served = open_console(false);
    served.take(&alert("svc-1", 1, "High", 12.0));
    served.take_audit(&decision("svc-1", 1, "order-1", &["approval_required"]));
    let url = served.url("/v1/incidents?state=waits");
    assert_eq!(get(&url, &[]).json()["total"], 1);
    assert_eq!(
        get(&served.url("/v1/approvals"), &[]).json()["orders"][0]["order"]["order_id"],
        "order-1"
    );
    let time = "2026-03-02T08:01:00Z";
    served.take_audit(&audit(
        8,
        &json!({"type": "containment_done", "time": time, "order_id": "order-1",
        "by": "idp", "took_ms": 340}),
    ));
    served.take_audit(&audit(
        9,
        &json!({"type": "feedback", "time": time, "alert_id": format!("{:032x}", 1),
        "by": "ada", "verdict": "true_positive"}),
    ));
    let detail = get(&served.url(&format!("/v1/incidents/{:032x}", 1)), &[]).json();
    let summary = &detail["summary"];
    assert_eq!(
        summary["order"]["outcome"],
        json!({"what": "done", "by": "idp", "took_ms": 340})
    );
    assert_eq!(summary["verdict"]["by"], "ada");
    assert_eq!(summary["headline"], "First use from host vps-1");
    assert_eq!(detail["trail"].as_array().unwrap().len(), 3);
    assert_eq!(detail["signals"][0]["sentence"], "first use of host vps-1");
    assert_eq!(
        get(&served.url("/v1/incidents?state=answered"), &[]).json()["total"],
        1
    );
    served.take_audit(&audit(
        10,
        &json!({"type": "feedback", "time": time,
        "alert_id": format!("{:032x}", 1), "by": "ada", "verdict": "withdrawn"}),
    ));
    assert_eq!(
        get(&served.url("/v1/incidents?state=open"), &[]).json()["total"],
        1,
        "taken back"
    );
}

#[test]
fn an_order_no_longer_waits_once_its_incident_is_answered() {
    let served = open_console(false);
    served.take(&alert("svc-1", 1, "High", 12.0));
    served.take_audit(&decision("svc-1", 1, "order-1", &["approval_required"]));
    let waiting = || {
        let orders = get(&served.url("/v1/approvals"), &[]).json()["orders"].clone();
        let health = get(&served.url("/v1/health"), &[]).json()["approvals"].clone();
        let listed = get(&served.url("/v1/incidents?state=waits"), &[]).json()["total"].clone();
        (json!(orders.as_array().unwrap().len()), health, listed)
    };
    assert_eq!(waiting(), (json!(1), json!(1), json!(1)));
    served.take_audit(&audit(
        9,
        &json!({"type": "feedback", "time": "2026-03-02T08:01:00Z", "by": "ada",
            "alert_id": format!("{:032x}", 1), "verdict": "expected"}),
    ));
    assert_eq!(waiting(), (json!(0), json!(0), json!(0)));
}

#[test]
fn records_count_in_whatever_order_the_topics_are_read() {
    let served = open_console(false);
    served.take_audit(&audit(
        8,
        &json!({"type": "containment_done", "time": "2026-03-02T08:01:00Z",
        "order_id": "order-1", "by": "idp", "took_ms": 340}),
    ));
    served.take_audit(&decision("svc-1", 1, "order-1", &[]));
    served.take(&alert("svc-1", 1, "High", 12.0));
    let detail = get(&served.url(&format!("/v1/incidents/{:032x}", 1)), &[]).json();
    assert_eq!(detail["summary"]["order"]["outcome"]["by"], "idp");
    assert_eq!(detail["trail"].as_array().unwrap().len(), 2);
}

#[test]
fn a_wrong_request_is_told_what_is_wrong() {
    let served = open_console(false);
    for (path, status, why) in [
        ("/v1/incidents?after=x", 400, "cursor"),
        ("/v1/incidents?state=x", 400, "open, waits"),
        ("/v1/incidents?limit=x", 400, "limit"),
        ("/v1/incidents/nothing", 404, "no incident"),
        ("/v1/audit?after=x", 400, "cursor"),
        ("/v1/tuning?alerts_per_day=-1", 400, "0.1"),
        ("/v1/nothing", 404, "openapi"),
    ] {
        let refused = get(&served.url(path), &[]);
        assert_eq!(refused.status, status, "{path}: {}", refused.body);
        assert_eq!(
            refused.header("content-type"),
            "application/problem+json",
            "{path}"
        );
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why), "{path}: {detail}");
    }
    served.take(&alert("svc-1", 1, "High", 12.0));
    let timeline = served.url(&format!("/v1/incidents/{:032x}/timeline?before=9y", 1));
    assert_eq!(get(&timeline, &[]).status, 400);
}

#[test]
fn every_route_is_in_the_document() {
    let served = open_console(false);
    let document = get(&served.url("/v1/openapi.json"), &[]).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let source = include_str!("../../../src/http/api/mod.rs");
    let routes = source.split(".route(\"").skip(1);
    for route in routes.filter_map(|rest| rest.split('"').next()) {
        assert!(
            paths.contains(route) || route.ends_with("openapi.json"),
            "{route}"
        );
    }
    let operations = document["paths"].as_object().unwrap().values();
    for operation in operations.flat_map(|item| item.as_object().unwrap().values()) {
        let responses = operation["responses"].as_object().unwrap();
        for status in ["401", "403"] {
            assert!(responses.contains_key(status), "{operation} {status}");
        }
        for (status, response) in responses {
            let is_problem = response["content"]["application/problem+json"].is_object();
            assert_eq!(is_problem, !status.starts_with('2'), "{status}: {response}");
            assert_eq!(
                response["content"].as_object().unwrap().len(),
                1,
                "{operation}"
            );
        }
    }
}
