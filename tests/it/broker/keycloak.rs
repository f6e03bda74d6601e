//! A real Keycloak: refresh tokens are stolen, and the next use of each fails, because credwatch detected it and
//! the order was executed; sessions of other users continue.

use crate::broker::support::{Running, Setup, wait_until};
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
const SECRET: &str = "planted-client-secret-5f3a9c";

/// A realm of its own in the Keycloak that `scripts/test` starts.
struct Realm {
    base: String,
    name: String,
    agent: ureq::Agent,
    admin: String,
}

struct User {
    id: String,
    name: String,
    home: String,
}

struct Answered {
    status: u16,
    location: String,
    body: Value,
}

fn now_ms() -> i64 {
    credwatch::clock::wall_time().epoch_ms()
}

impl Realm {
    fn new(name: String) -> Self {
        let base = std::env::var("CREDWATCH_TEST_KEYCLOAK").expect(
            "CREDWATCH_TEST_KEYCLOAK is not set: run scripts/test, which starts a Keycloak",
        );
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        let mut realm = Self {
            base,
            name,
            agent,
            admin: String::new(),
        };
        let form = [
            ("client_id", "admin-cli"),
            ("grant_type", "password"),
            ("username", "admin"),
            ("password", "admin"),
        ];
        let token = realm.post_form("master", "127.0.0.1", &form);
        realm.admin = token.body["access_token"].as_str().unwrap().to_owned();
        let events = [
            "LOGIN",
            "LOGIN_ERROR",
            "REFRESH_TOKEN",
            "REFRESH_TOKEN_ERROR",
            "CODE_TO_TOKEN",
            "LOGOUT",
            "CLIENT_LOGIN",
            "REVOKE_GRANT",
            "UPDATE_CREDENTIAL",
        ];
        let settings = json!({"realm": realm.name, "enabled": true, "sslRequired": "none",
            "eventsEnabled": true, "enabledEventTypes": events, "adminEventsEnabled": true,
            "accessTokenLifespan": 900});
        assert_eq!(
            realm.call("POST", "/admin/realms", Some(&settings)).status,
            201
        );
        realm
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.admin))
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .unwrap();
        answered(self.agent.run(request).unwrap())
    }

    fn of_realm(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        self.call(method, &format!("/admin/realms/{}/{path}", self.name), body)
    }

    fn post_form(&self, realm: &str, address: &str, form: &[(&str, &str)]) -> Answered {
        let url = format!("{}/realms/{realm}/protocol/openid-connect/token", self.base);
        let request = self.agent.post(url).header("x-forwarded-for", address);
        answered(request.send_form(form.iter().copied()).unwrap())
    }

    fn client(&self, settings: &Value) -> String {
        let made = self.of_realm("POST", "clients", Some(settings));
        assert_eq!(made.status, 201);
        made.location.rsplit('/').next().unwrap().to_owned()
    }

    /// The service account may see events and manage users, and nothing else.
    fn let_credwatch_in(&self) {
        let client = self.client(
            &json!({"clientId": "credwatch", "secret": SECRET, "enabled": true,
            "publicClient": false, "serviceAccountsEnabled": true, "standardFlowEnabled": false}),
        );
        let account = self.of_realm(
            "GET",
            &format!("clients/{client}/service-account-user"),
            None,
        );
        let account = account.body["id"].as_str().unwrap().to_owned();
        let management = self.of_realm("GET", "clients?clientId=realm-management", None);
        let management = management.body[0]["id"].as_str().unwrap().to_owned();
        let roles = self
            .of_realm("GET", &format!("clients/{management}/roles"), None)
            .body;
        let needed = |role: &&Value| {
            let name = role["name"].as_str().unwrap();
            name == "view-events" || name == "manage-users"
        };
        let roles: Vec<&Value> = roles.as_array().unwrap().iter().filter(needed).collect();
        assert_eq!(roles.len(), 2);
        let path = format!("users/{account}/role-mappings/clients/{management}");
        assert_eq!(
            self.of_realm("POST", &path, Some(&json!(roles))).status,
            204
        );
    }

    fn user(&self, nth: usize) -> User {
        let name = format!("user-{nth}");
        let made = self.of_realm("POST", "users", Some(&json!({"username": name, "enabled": true,
            "email": format!("{name}@example.org"), "emailVerified": true, "firstName": "U", "lastName": "X",
            "credentials": [{"type": "password", "value": "correct horse", "temporary": false}]})));
        assert_eq!(made.status, 201);
        User {
            id: made.location.rsplit('/').next().unwrap().to_owned(),
            name,
            home: format!("81.2.{nth}.10"),
        }
    }

    fn try_login(&self, user: &User) -> Answered {
        let form = [
            ("client_id", "app"),
            ("grant_type", "password"),
            ("username", user.name.as_str()),
            ("password", "correct horse"),
        ];
        self.post_form(&self.name, &user.home, &form)
    }

    /// A login from home; the refresh token.
    fn login(&self, user: &User) -> String {
        let token = self.try_login(user);
        assert_eq!(token.status, 200, "{}", token.body);
        token.body["refresh_token"].as_str().unwrap().to_owned()
    }

    /// Uses a refresh token from `address`; the next one, or why there is none.
    fn refresh(&self, token: &str, address: &str) -> Result<String, String> {
        let form = [
            ("client_id", "app"),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        let answer = self.post_form(&self.name, address, &form);
        match answer.body["refresh_token"].as_str() {
            Some(next) => Ok(next.to_owned()),
            None => Err(answer.body["error"].as_str().unwrap_or_default().to_owned()),
        }
    }
}

fn answered(mut answer: ureq::http::Response<ureq::Body>) -> Answered {
    let location = answer.headers().get("location");
    let location = location.map(|value| value.to_str().unwrap().to_owned());
    let text = answer.body_mut().read_to_string().unwrap();
    Answered {
        status: answer.status().as_u16(),
        location: location.unwrap_or_default(),
        body: serde_json::from_str(&text).unwrap_or_default(),
    }
}

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
         secret_file = \"{}\"\nallow_private_addresses = true\ntopic = \"{}\"\npoll_interval_ms = 50\nexecute_orders = true\n",
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
                begun.elapsed() < Duration::from_secs(60),
                "theft {nth} goes on"
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
