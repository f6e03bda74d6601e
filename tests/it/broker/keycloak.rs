//! A real Keycloak: refresh tokens are stolen, and the next use of each fails, because credwatch detected
//! it and the order was executed; sessions of other users continue.

use crate::broker::keycloak_realm::{Realm, SECRET, User, now_ms};
use crate::broker::support::{HANGS_AFTER, Running, Setup, wait_until};
use crate::common::{credwatch, get};
use credwatch::config::{Config, Sources};
use credwatch::orders::model::Order;
use credwatch::receivers::keycloak::Keycloak;
use credwatch::receivers::{Delivery, DeliveryError, ReceiverClient};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};

const USERS: usize = 40;
const THEFTS: usize = 20;
const HISTORY_DAYS: i64 = 21;
const DAY_MS: i64 = 86_400_000;

/// What Keycloak would have logged in three ordinary weeks: each day, some hours begin with a
/// login at home, and its session is refreshed after pauses between seconds and an hour.
fn history(realm: &str, users: &[User], end_ms: i64) -> Vec<(i64, Value)> {
    let mut events = Vec::new();
    for (nth, user) in users.iter().enumerate() {
        for day in 0..HISTORY_DAYS {
            let session = format!("{:08x}-0000-4000-8000-{day:012x}", nth);
            let mut at_ms = end_ms - (HISTORY_DAYS - 1 - day) * DAY_MS - 3 * 3_600_000
                + (nth as i64 * 7_919_000 + day * 1_047_290) % 3_600_000;
            for step in 0..17_i64 {
                let kind = match step {
                    0 => "LOGIN",
                    16 => "LOGOUT",
                    _ => "REFRESH_TOKEN",
                };
                let mut event = json!({"id": format!("h-{nth}-{day}-{step}"), "time": at_ms, "type": kind,
                    "realmId": "history", "realmName": realm, "clientId": "app", "userId": user.id,
                    "sessionId": session, "ipAddress": user.home,
                    "details": {"grant_type": "refresh_token", "scope": "email profile"}});
                if kind == "LOGIN" {
                    event["details"]["username"] = json!(user.name);
                }
                events.push((at_ms, event));
                let pauses = [3_000, 40_000, 240_000, 1_500_000, 2_900_000];
                at_ms += pauses[((nth as i64 + day * 3 + step * 7) % 5) as usize];
            }
        }
    }
    events.retain(|(at_ms, _)| *at_ms < end_ms);
    events.sort_by_key(|(at_ms, event)| (*at_ms, event["id"].to_string()));
    events
}

fn setup(realm: &Realm) -> Setup {
    let setup = Setup::without_topics("keycloak", 2, "keycloak");
    let secret = setup.folder.path().join("client-secret");
    std::fs::write(&secret, SECRET).unwrap();
    setup.enforce();
    setup.append(&format!(
        "[[containment.policy]]\nname = \"a session that moved: end it\"\ntechnique = [\"T1550\"]\n\
         credential = [\"session\"]\naction = \"revoke\"\n[feedback]\nrequire_signature = true\n\
         [[keycloak.realms]]\nname = \"corp\"\nurl = \"{}\"\nrealm = \"{}\"\nclient_id = \"credwatch\"\n\
         secret_file = \"{}\"\nallow_private_addresses = true\ntopic = \"{}\"\npoll_interval_ms = 50\n\
         execute_orders = true\n",
        realm.base,
        realm.name,
        secret.display(),
        setup.topic("raw"),
    ));
    setup.create_topics();
    setup
}

fn learn(setup: &Setup, running: &Running, realm: &Realm, users: &[User]) {
    let events = history(&realm.name, users, now_ms() - 600_000);
    let count = events.len();
    let records = events
        .into_iter()
        .map(|(_, event)| (String::new(), event.to_string().into_bytes()));
    setup.produce("raw", records);
    running.wait_for("ingest", count);
    setup.wait_until_committed(2);
}

/// How far the events of a realm have come.
fn progress(setup: &Setup) -> String {
    let topics = ["raw", "events", "alerts", "revocations", "feedback"];
    let count = |topic| format!("{} {topic}", setup.read(topic).len());
    topics.map(count).join(", ")
}

fn share(sorted: &[Duration], share: f64) -> u128 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize].as_millis()
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "what is measured is how long it takes"
)]
fn a_stolen_refresh_token_is_revoked_and_other_users_are_unaffected() {
    let realm = Realm::new(format!("corp-{}", std::process::id()));
    realm.client(
        &json!({"clientId": "app", "publicClient": true, "directAccessGrantsEnabled": true,
        "enabled": true}),
    );
    realm.let_credwatch_in();
    let users: Vec<User> = (0..USERS).map(|nth| realm.user(nth)).collect();
    let setup = setup(&realm);
    let running = setup.start("one");
    learn(&setup, &running, &realm, &users);
    // Of two instances one polls the realm, and an event is published once.
    let second = setup.start("two");
    wait_until("both instances work", || {
        let owned = |instance: &Running| instance.metric("credwatch_assigned_partitions", "");
        owned(&second) > 0.0 && owned(&running) + owned(&second) >= 5.0
    });
    let mut tokens: Vec<String> = users.iter().map(|user| realm.login(user)).collect();
    for (user, token) in users.iter().zip(&mut tokens) {
        *token = realm.refresh(token, &user.home).unwrap();
    }
    let mut took = Vec::new();
    for (nth, token) in tokens.iter().enumerate().take(THEFTS) {
        let thief = format!("{}.{}.7.9", 90 + nth, 10 * nth);
        let begun = Instant::now();
        let mut stolen = realm.refresh(token, &thief).unwrap();
        let error = loop {
            assert!(
                begun.elapsed() < HANGS_AFTER,
                "theft {nth} goes on: {}",
                progress(&setup)
            );
            std::thread::sleep(Duration::from_millis(20));
            match realm.refresh(&stolen, &thief) {
                Ok(next) => stolen = next,
                Err(error) => break error,
            }
        };
        assert_eq!(error, "invalid_grant");
        took.push(begun.elapsed());
    }
    for (user, token) in users.iter().zip(&tokens).skip(THEFTS) {
        assert!(
            realm.refresh(token, &user.home).is_ok(),
            "{} was not robbed",
            user.name
        );
    }
    took.sort();
    // Told even where the test passes.
    writeln!(
        std::io::stderr(),
        "first use of a stolen token until it is dead, over {THEFTS} thefts: p50 {} ms, p99 {} ms",
        share(&took, 0.5),
        share(&took, 0.99)
    )
    .unwrap();
    wait_until("all answers", || unanswered(&setup).is_empty());
    let (_, keys) = get(&running.address, "/.well-known/jwks.json");
    let log = running.log_text() + &second.log_text();
    assert_eq!(
        (running.terminate(), second.terminate()),
        (Some(0), Some(0))
    );
    let published = setup.read("raw");
    let ids: BTreeSet<String> = published
        .iter()
        .map(|record| record.value["id"].to_string())
        .collect();
    assert_eq!(ids.len(), published.len(), "published once");
    verify(&setup, &keys);
    assert!(!log.contains(SECRET), "the log shows the client's secret");
    let contained = contained(&setup);
    let robbed: BTreeSet<String> = users
        .iter()
        .take(THEFTS)
        .map(|user| user.id.clone())
        .collect();
    assert_eq!(contained, robbed, "who was contained, and who was robbed");
}

/// Orders to be executed without outcome, and the identity of each.
fn unanswered(setup: &Setup) -> BTreeMap<String, String> {
    let mut orders = enforced(setup);
    for record in setup.read("decisions") {
        let entry = &record.value["entry"];
        if entry["type"]
            .as_str()
            .unwrap_or_default()
            .starts_with("containment_")
        {
            orders.remove(entry["order_id"].as_str().unwrap());
        }
    }
    orders
}

fn enforced(setup: &Setup) -> BTreeMap<String, String> {
    let orders = setup
        .read("revocations")
        .into_iter()
        .map(|record| record.value);
    let orders = orders.filter(|order| order["action"] != "notify" && order["mode"] == "enforce");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    orders
        .map(|order| (text(&order["order_id"]), text(&order["identity"]["id"])))
        .collect()
}

/// Identities whose orders were executed.
fn contained(setup: &Setup) -> BTreeSet<String> {
    let orders = enforced(setup);
    let decisions = setup
        .read("decisions")
        .into_iter()
        .map(|record| record.value);
    let done = decisions.filter(|record| record["entry"]["type"] == "containment_done");
    done.map(|record| orders[record["entry"]["order_id"].as_str().unwrap()].clone())
        .collect()
}

fn verify(setup: &Setup, keys: &str) {
    let path = |name: &str| setup.folder.path().join(name);
    std::fs::write(path("jwks.json"), keys).unwrap();
    let trail: Vec<u8> = setup
        .read("decisions")
        .into_iter()
        .flat_map(|record| [record.raw, b"\n".to_vec()].concat())
        .collect();
    std::fs::write(path("audit.jsonl"), trail).unwrap();
    let verified = credwatch()
        .args(["verify", "audit", "--keys"])
        .args([path("jwks.json"), path("audit.jsonl")])
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
    let output_text = String::from_utf8(verified.stdout).unwrap();
    assert!(
        output_text.contains("signed heads verified"),
        "{output_text}"
    );
}

#[test]
fn keycloak_executes_every_action_on_the_right_user_only() {
    let realm = Realm::new(format!("acts-{}", std::process::id()));
    realm.client(
        &json!({"clientId": "app", "publicClient": true, "directAccessGrantsEnabled": true, "enabled": true}),
    );
    realm.let_credwatch_in();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let text = format!(
        "[[keycloak.realms]]\nname = \"corp\"\nurl = \"{}\"\nrealm = \"{}\"\nclient_id = \"credwatch\"\n\
         secret_file = \"{}\"\nallow_private_addresses = true\n",
        realm.base,
        realm.name,
        secret.display()
    );
    let sources = Sources {
        files: vec![("test.toml".to_owned(), text)],
        environment: Vec::new(),
    };
    let config = Config::load(&sources).unwrap();
    let mut executor = Keycloak::new(&config.realms[0], config.deliver.timeout).unwrap();
    let mut carry = |action: &str, user: &str, credential: Value| {
        let order = json!({"order_id": "o", "alert_id": "a", "mode": "enforce", "action": action,
            "identity": {"id": user, "kind": "human"}, "credential": credential, "severity": "high",
            "issued_at": "2026-01-01T00:00:00Z", "not_after": "2026-01-01T00:00:00Z",
            "event_time": "2026-01-01T00:00:00Z", "reason": "test", "policy": "test", "weakened_by": [],
            "set": null});
        let order: Order = serde_json::from_value(order).unwrap();
        let json = b"{}".as_slice();
        executor.deliver(&Delivery {
            id: "o",
            json,
            order: Some(&order),
        })
    };
    let password = || json!({"id": "p", "kind": "password", "issuer": realm.name});
    let session = |id: &str| json!({"id": id, "kind": "session", "issuer": realm.name});
    let users: Vec<User> = (0..6).map(|nth| realm.user(nth)).collect();
    let tokens: Vec<String> = users.iter().map(|user| realm.login(user)).collect();
    let is_alive = |nth: usize| realm.refresh(&tokens[nth], &users[nth].home).is_ok();
    let may_login = |nth: usize| realm.try_login(&users[nth]).status == 200;

    // A session is deleted only for its own user.
    let sessions = |nth: usize| {
        let path = format!("users/{}/sessions", users[nth].id);
        let found = realm.of_realm("GET", &path, None).body;
        found[0]["id"].as_str().unwrap().to_owned()
    };
    let output_text = carry("revoke", &users[1].id, session(&sessions(0))).unwrap();
    assert!(
        output_text.contains("no such session") && is_alive(0),
        "{output_text}"
    );
    carry("revoke", &users[0].id, session(&sessions(0))).unwrap();
    assert!(!is_alive(0) && may_login(0));

    carry("step_up", &users[1].id, password()).unwrap();
    assert!(!is_alive(1) && may_login(1));
    carry("rotate", &users[2].id, password()).unwrap();
    assert!(
        !is_alive(2) && !may_login(2),
        "a new password is demanded first"
    );
    carry("suspend", &users[3].id, password()).unwrap();
    assert!(!is_alive(3) && !may_login(3));
    let kept = realm
        .of_realm("GET", &format!("users/{}", users[3].id), None)
        .body;
    assert_eq!(
        (&kept["enabled"], &kept["email"]),
        (&json!(false), &json!("user-3@example.org"))
    );

    let elsewhere = json!({"id": "p", "kind": "password", "issuer": "another"});
    assert_eq!(
        carry("suspend", &users[4].id, elsewhere),
        Err(DeliveryError::NotApplicable)
    );
    let stranger = carry(
        "suspend",
        "00000000-0000-4000-8000-000000000000",
        password(),
    );
    assert!(
        matches!(stranger, Err(DeliveryError::Rejected(_))),
        "{stranger:?}"
    );
    let path = carry("suspend", &format!("../realms/{}", realm.name), password());
    assert!(matches!(path, Err(DeliveryError::Rejected(_))), "{path:?}");
    let client = json!({"id": "app", "kind": "api_key", "issuer": realm.name});
    assert!(matches!(
        carry("rotate", &users[4].id, client),
        Err(DeliveryError::Rejected(_))
    ));
    assert!(
        is_alive(4) && is_alive(5) && may_login(4),
        "nobody else is touched"
    );
}
