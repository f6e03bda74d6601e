//! Orders are signed, can be verified with a library of another language, and no alteration goes
//! undetected.

use crate::common::{credwatch, json_lines, native_log, text};
use credwatch::crypto::Signer;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};

const ISSUER: &str = "https://credwatch.example.org";
const AUDIENCE: &str = "https://executor.example.org";
/// Checks orders with PyJWT: signature by key set, issuer, audience, type, and what must not be there.
const INDEPENDENT: &str = r#"
import json, sys, jwt
keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.load(open(sys.argv[1]))).keys}
checked = 0
for line in open(sys.argv[2]):
    order = json.loads(line)
    header = jwt.get_unverified_header(order["set"])
    assert header["typ"] == "secevent+jwt", header
    token = jwt.decode(order["set"], keys[header["kid"]].key, algorithms=[header["alg"]],
                       audience=sys.argv[4], issuer=sys.argv[3])
    assert "exp" not in token and "sub" not in token, token
    assert len(token["events"]) == 1 and token["jti"] == order["order_id"], token
    (event,) = token["events"]
    assert event.endswith(("credential-compromise", "risk-level-change")), event
    claim = token["events"][event]
    assert claim["reason_admin"]["en"] and claim["event_timestamp"] <= token["iat"], claim
    checked += 1
print(checked)
"#;

struct Desk {
    folder: tempfile::TempDir,
    key: String,
}

impl Desk {
    /// A key of `algorithm`, settings with it, and the orders of a theft.
    fn new(algorithm: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm"])
            .args(algorithm)
            .arg("-out")
            .arg(&key)
            .output()
            .expect("openssl is installed by scripts/test");
        assert!(made.status.success(), "{made:?}");
        let router = Self {
            key: key.display().to_string(),
            folder,
        };
        let config = format!(
            "[containment]\nmode = \"enforce\"\n[signing]\nkey_file = \"{}\"\nissuer = \"{ISSUER}\"\n\
             audience = \"{AUDIENCE}\"\n",
            router.key
        );
        std::fs::write(router.path("credwatch.toml"), config).unwrap();
        let events: String = native_log(20, 9)
            .iter()
            .map(|event| format!("{event}\n"))
            .collect();
        std::fs::write(router.path("events.jsonl"), events).unwrap();
        let replayed = router.run(&["replay", "--orders"], &["orders.jsonl", "events.jsonl"]);
        assert!(replayed.status.success(), "{replayed:?}");
        let keys = Signer::new(&router.key, Vec::new(), ISSUER, AUDIENCE).unwrap();
        let keys = serde_json::to_string(keys.keys()).unwrap();
        std::fs::write(router.path("jwks.json"), keys).unwrap();
        router
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &[&str], files: &[&str]) -> Output {
        let mut program = credwatch();
        program
            .args(command)
            .args(files.iter().map(|name| self.path(name)));
        program.arg("--config").arg(self.path("credwatch.toml"));
        program.output().unwrap()
    }

    fn orders(&self) -> Vec<Value> {
        json_lines(&self.path("orders.jsonl"))
    }

    /// Exit code and words of `verify orders` over `orders`.
    fn verify(&self, orders: &[Value], more: &[&str]) -> (Option<i32>, String) {
        let lines: String = orders.iter().map(|order| format!("{order}\n")).collect();
        std::fs::write(self.path("some.jsonl"), lines).unwrap();
        let command = [&["verify", "orders"], more].concat();
        let output = self.run(&command, &["some.jsonl"]);
        (
            output.status.code(),
            text(&output.stdout) + &text(&output.stderr),
        )
    }
}

fn independent(router: &Desk) -> Output {
    Command::new("/usr/bin/python3")
        .args(["-c", INDEPENDENT])
        .arg(router.path("jwks.json"))
        .arg(router.path("orders.jsonl"))
        .args([ISSUER, AUDIENCE])
        .output()
        .unwrap()
}

fn is_secret_in(router: &Desk, texts: &[String]) -> bool {
    let key = std::fs::read_to_string(&router.key).unwrap();
    let secret = key.lines().nth(1).unwrap().to_owned();
    texts.iter().any(|text| text.contains(&secret))
}

#[test]
fn orders_verify_here_and_with_a_library_of_another_language() {
    for algorithm in [
        &["ed25519"][..],
        &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..],
    ] {
        let router = Desk::new(algorithm);
        let orders = router.orders();
        assert!(!orders.is_empty() && orders.iter().all(|order| order["mode"] == "enforce"));
        let (code, output_text) = router.verify(&orders, &[]);
        assert_eq!(code, Some(0), "{output_text}");
        let jwks = router.path("jwks.json").display().to_string();
        assert_eq!(router.verify(&orders, &["--keys", &jwks]).0, Some(0));
        let checked = independent(&router);
        assert!(checked.status.success(), "{checked:?}");
        assert_eq!(text(&checked.stdout).trim(), orders.len().to_string());
        let written = std::fs::read_to_string(router.path("orders.jsonl")).unwrap();
        let checked = router.run(&["check"], &[]);
        let seen = [
            written,
            output_text,
            text(&checked.stdout),
            text(&checked.stderr),
        ];
        assert!(!is_secret_in(&router, &seen), "a key is shown");
    }
}

#[test]
fn every_alteration_of_an_order_is_detected() {
    let router = Desk::new(&["ed25519"]);
    let orders = router.orders();
    let good = orders[0].clone();
    let altered = |member: &str, value: Value| {
        let mut order = good.clone();
        order[member] = value;
        router.verify(&[order], &[])
    };
    for (member, value) in [
        ("action", json!("suspend")),
        ("identity", json!({"id": "svc-7", "kind": "service"})),
        ("credential", Value::Null),
        ("mode", json!("dry_run")),
        ("not_after", json!("2099-01-01T00:00:00.000Z")),
        ("more", json!(true)),
    ] {
        let (code, output_text) = altered(member, value);
        assert_eq!(code, Some(4), "{member}: {output_text}");
        assert!(
            output_text.contains(&format!("field {member} differs")),
            "{output_text}"
        );
    }
    let mut unsigned = good.clone();
    unsigned.as_object_mut().unwrap().remove("set");
    assert!(router.verify(&[unsigned], &[]).1.contains("not signed"));
    let set = good["set"].as_str().unwrap();
    let (head, signature) = set.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    let other = if payload.ends_with('A') { "B" } else { "A" };
    let changed = format!(
        "{header}.{}{other}.{signature}",
        &payload[..payload.len() - 1]
    );
    let (code, output_text) = altered("set", json!(changed));
    assert_eq!(code, Some(4), "{output_text}");
    // `alg: none` with nothing behind it.
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQrand0In0.{payload}.");
    assert_eq!(altered("set", json!(none)).0, Some(4));
    let elsewhere = router.verify(&orders, &["--audience", "somebody else"]);
    assert!(
        elsewhere.0 == Some(4) && elsewhere.1.contains("somebody else"),
        "{}",
        elsewhere.1
    );
    let twice = router.verify(&[good.clone(), good.clone()], &[]);
    assert!(
        twice.0 == Some(0) && twice.1.contains("1 repeated"),
        "{}",
        twice.1
    );
}

#[test]
fn an_order_verifies_for_an_executor_only_while_it_is_valid() {
    let router = Desk::new(&["ed25519"]);
    let orders = router.orders();
    let issued = orders[0]["issued_at"].as_str().unwrap();
    let expires = orders[0]["not_after"].as_str().unwrap();
    assert_eq!(router.verify(&orders[..1], &["--at", issued]).0, Some(0));
    for (at, fault) in [
        (expires, "expired at"),
        ("now", "expired at"),
        ("2001-01-01T00:00:00Z", "issued at"),
    ] {
        let (code, output_text) = router.verify(&orders[..1], &["--at", at]);
        assert_eq!(code, Some(4), "{at}: {output_text}");
        assert!(output_text.contains(fault), "{output_text}");
    }
    assert_eq!(router.verify(&orders, &["--at", "yesterday"]).0, Some(2));
}

#[test]
fn an_unknown_key_is_rejected() {
    let (router, stranger) = (Desk::new(&["ed25519"]), Desk::new(&["ed25519"]));
    let keys = stranger.path("jwks.json").display().to_string();
    let (code, output_text) = router.verify(&router.orders(), &["--keys", &keys]);
    assert_eq!(code, Some(4), "{output_text}");
    assert!(
        output_text.contains("which the key set does not contain"),
        "{output_text}"
    );
}

#[test]
fn a_retired_key_verifies_only_what_it_signed_before() {
    let (old, new) = (Desk::new(&["ed25519"]), Desk::new(&["ed25519"]));
    let public = Signer::new(&old.key, Vec::new(), ISSUER, AUDIENCE).unwrap();
    let verify = |retired_at: i64| {
        let retired = public.keys().keys[0].clone().retired_at(retired_at);
        let signer = Signer::new(&new.key, vec![retired], ISSUER, AUDIENCE).unwrap();
        let keys = old.path("both.json");
        std::fs::write(&keys, serde_json::to_string(signer.keys()).unwrap()).unwrap();
        let keys = keys.display().to_string();
        assert_eq!(new.verify(&new.orders(), &["--keys", &keys]).0, Some(0));
        old.verify(&old.orders(), &["--keys", &keys])
    };
    assert_eq!(verify(4_000_000_000).0, Some(0));
    let (code, output_text) = verify(1_000_000_000);
    assert_eq!(code, Some(4), "{output_text}");
    assert!(
        output_text.contains("after it was retired"),
        "{output_text}"
    );
}
