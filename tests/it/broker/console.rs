//! The console on a real Kafka: people log in by a token and by a real Keycloak, approve and answer in a real
//! Chromium, and what they say reaches the topics.

use crate::broker::keycloak_realm::Realm;
use crate::broker::support::{Running, Setup, TOKEN, wait_until};
use crate::browser::Driver;
use crate::common::{START_MS, credwatch, native, native_log};
use crate::console::get;
use serde_json::{Value, json};
use std::net::TcpListener;

fn theft(at: usize) -> Value {
    let at_ms = START_MS + 20 * 86_400_000 + 3_600_000 + at as i64 * 20_000;
    let mut event = native(800_000 + at, "svc-1", at_ms);
    event["source"] = json!({"host": "vps-1", "ip": "203.0.113.9", "country": "RO", "asn": 9009,
        "user_agent": "python-requests/2.31"});
    event
}

/// A service whose orders await approval, with the people that `settings` name, and events of a theft.
fn service(name: &str, settings: impl FnOnce(&Setup, u16) -> String) -> (Setup, Running) {
    let setup = Setup::new(name, 2, "native");
    setup.append(
        "[containment]\nmode = \"enforce\"\nmax_per_hour = 1000\nmax_share = 1.0\n\
         require_approval_from = \"step_up\"\n\
         [[containment.policy]]\nname = \"everything: revoke\"\naction = \"revoke\"\n",
    );
    setup.sign_orders();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    setup.append(&settings(&setup, port));
    let mut events = native_log(10, 20);
    events.extend((0..6).map(theft));
    let keyed = events.iter().map(|event| {
        let key = event["identity"]["id"].as_str().unwrap().to_owned();
        (key, event.to_string().into_bytes())
    });
    setup.produce("events", keyed);
    let listen = format!("127.0.0.1:{port}");
    let running = setup.start_at("one", &[], &listen);
    running.wait_for("detect", events.len());
    wait_until("an order that waits", || {
        let approvals = get(
            &format!("http://{}/v1/approvals", running.address),
            &[("authorization", &format!("Bearer {TOKEN}"))],
        );
        approvals.status == 200 && !approvals.json()["orders"].as_array().unwrap().is_empty()
    });
    (setup, running)
}

fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[test]
fn any_instance_shows_the_baselines_of_all() {
    let setup = Setup::new("console-instances", 6, "native");
    let names: Vec<String> = (0..24).map(|n| format!("svc-{n}")).collect();
    let bearer = format!("Bearer {TOKEN}");
    let status = |running: &Running, name: &str, path: &str| {
        let url = format!("http://{}/v1/identities/{name}{path}", running.address);
        get(&url, &[("authorization", &bearer)])
    };
    let owned = |running: &Running| {
        let names = names.iter();
        let owned = names.filter(|name| status(running, name, "/baseline").status == 200);
        owned.count()
    };
    let events = native_log(24, 8);
    let keyed = events.iter().map(|event| {
        let key = event["identity"]["id"].as_str().unwrap().to_owned();
        (key, event.to_string().into_bytes())
    });
    setup.produce("events", keyed);
    let start = |name: &str| setup.start_at(name, &[], &free_address());
    let first = start("one");
    wait_until("the first instance to own all identities", || {
        owned(&first) == names.len()
    });
    let running = [first, start("two"), start("three")];
    wait_until("each instance to own identities", || {
        running.iter().all(|running| owned(running) > 0)
    });
    for running in &running {
        assert!(owned(running) < names.len(), "{} owns all", running.address);
        wait_until("each identity on each instance", || {
            names.iter().all(|name| {
                let answer = status(running, name, "");
                answer.status == 200 && answer.json()["portrait"].is_object()
            })
        });
        let explained = |name: &String| {
            let url = format!("http://{}", running.address);
            let mut explain = credwatch();
            explain.args(["explain", "--url", &url, "--identity", name, "--config"]);
            let asked = explain
                .arg(&setup.config)
                .env("CREDWATCH_HTTP__TOKEN", TOKEN);
            asked.output().unwrap().status.success()
        };
        wait_until("explain to ask the owner", || names.iter().all(explained));
        let of = |path: &str| {
            let url = format!("http://{}/v1/{path}", running.address);
            get(&url, &[("authorization", &bearer)]).json()
        };
        wait_until("all partitions to be ready", || {
            of("health")["partitions"] == json!({"ready": 6, "of": 6})
        });
        wait_until("unused privileges of all partitions", || {
            let unused = of("hygiene")["unused"].clone();
            unused["partitions"].is_u64() && unused["partitions"] == unused["of_partitions"]
        });
    }
}

/// What stands in the audit trail of type `what`.
fn said(setup: &Setup, what: &str) -> Vec<Value> {
    let decisions = setup.read("decisions").into_iter();
    let entries = decisions.map(|record| record.value["entry"].clone());
    entries.filter(|entry| entry["type"] == what).collect()
}

fn work(setup: &Setup, running: &Running, mode: &str, name: &str, secret: &str) {
    let base = format!("http://{}", running.address);
    let mut driver = Driver::start("session", &base, &[mode, name, secret]);
    driver.wait_for("ANSWERED");
    for what in ["approved", "feedback"] {
        wait_until(what, || !said(setup, what).is_empty());
        assert_eq!(said(setup, what)[0]["by"], name, "{what}");
    }
    wait_until("an order that is enforced", || {
        setup
            .read("revocations")
            .iter()
            .any(|order| order.value["mode"] == "enforce")
    });
    driver.go_on();
    driver.finish();
}

#[test]
fn a_person_with_a_token_approves_and_answers() {
    let (setup, running) = service("console-token", |setup, _| {
        let token = setup.folder.path().join("ada");
        std::fs::write(&token, "token-of-ada-0123456789\n").unwrap();
        format!(
            "[[console.people]]\nname = \"ada\"\nroles = [\"analyst\", \"approver\"]\ntoken_file = \"{}\"\n",
            token.display()
        )
    });
    let bearer = format!("Bearer {TOKEN}");
    let bearer = [("authorization", bearer.as_str())];
    let url = |path: &str| format!("http://{}{path}", running.address);
    let list = get(&url("/v1/incidents"), &bearer).json();
    let incident = list["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .find(|i| i["subject"]["id"] == "svc-1");
    let id = incident.unwrap()["id"].as_str().unwrap().to_owned();
    // Past events are read within two seconds, or not at all: a busy machine is asked again.
    let read = |path: &str| get(&url(path), &bearer).json();
    let hosts = || -> Vec<Value> {
        let detail = read(&format!("/v1/incidents/{id}"));
        let evidence = detail["evidence"].as_array().unwrap().iter();
        evidence.map(|row| row["host"].clone()).collect()
    };
    wait_until("evidence from the events topic", || {
        hosts().contains(&json!("vps-1"))
    });
    let hosts = hosts().len();
    wait_until("a timeline longer than the evidence", || {
        let timeline = read(&format!("/v1/incidents/{id}/timeline?before=72h"));
        timeline["events"].as_array().unwrap().len() > hosts
    });
    wait_until("an identity with its baseline and probes", || {
        let identity = read("/v1/identities/svc-1");
        let share = identity["portrait"]["hosts"][0]["share"].as_f64();
        let probes = identity["probes"].as_array().map_or(0, Vec::len);
        share.is_some_and(|share| share > 0.3) && probes > 5
    });
    let found = read("/v1/identities?q=SVC-1");
    assert_eq!(found["identities"][0]["id"], "svc-1", "{found}");
    work(&setup, &running, "token", "ada", "token-of-ada-0123456789");
}

#[test]
fn a_person_of_keycloak_approves_and_answers() {
    let realm = Realm::new(format!("console-{}", std::process::id()));
    let issuer = format!("{}/realms/{}", realm.base, realm.name);
    let (setup, running) = service("console-oidc", |setup, port| {
        let secret = setup.folder.path().join("client");
        std::fs::write(&secret, "secret-of-the-console-client\n").unwrap();
        let public = format!("http://127.0.0.1:{port}");
        realm.client(&json!({"clientId": "console", "secret": "secret-of-the-console-client",
            "enabled": true, "publicClient": false, "standardFlowEnabled": true,
            "redirectUris": [format!("{public}/login/callback")],
            "attributes": {"pkce.code.challenge.method": "S256"},
            "protocolMappers": [{"name": "roles", "protocol": "openid-connect",
                "protocolMapper": "oidc-usermodel-realm-role-mapper",
                "config": {"claim.name": "roles", "multivalued": "true", "id.token.claim": "true"}}]}));
        format!(
            "[console]\noidc_issuer = \"{issuer}\"\noidc_client_id = \"console\"\n\
             oidc_secret_file = \"{}\"\noidc_public_url = \"{public}\"\n",
            secret.display()
        )
    });
    let user = realm.user(1);
    for role in ["analyst", "approver"] {
        realm.of_realm("POST", "roles", Some(&json!({"name": role})));
        let made = realm.of_realm("GET", &format!("roles/{role}"), None).body;
        let path = format!("users/{}/role-mappings/realm", user.id);
        assert_eq!(
            realm.of_realm("POST", &path, Some(&json!([made]))).status,
            204
        );
    }
    work(
        &setup,
        &running,
        "oidc",
        &user.name,
        crate::broker::keycloak_realm::PASSWORD,
    );
}
