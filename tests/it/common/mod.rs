//! Common to tests of the whole program: running it, requesting its endpoints, generated input.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod logins;

pub(crate) mod mmdb;

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program under test, without the caller's settings.
pub(crate) fn credwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credwatch"));
    for (name, _) in std::env::vars() {
        if name.starts_with("CREDWATCH_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    credwatch().args(arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Makes a key for orders at `path`.
pub(crate) fn make_key(path: &Path) {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out"])
        .arg(path)
        .output()
        .expect("openssl is installed by scripts/test");
    assert!(made.status.success(), "{made:?}");
}

/// The JSON lines of a file.
pub(crate) fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Status and body of a page.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Real logs beside the checkout, or where `CREDWATCH_REAL_LOGS` points; `None`, with a message, where there
/// are none.
pub(crate) fn real_logs(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CREDWATCH_REAL_LOGS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.is_dir() {
        return Some(path);
    }
    let mut err = std::io::stderr().lock();
    writeln!(
        err,
        "no real logs at {}: this part does not run",
        path.display()
    )
    .unwrap();
    None
}

/// Milliseconds of the first event of made-up input: 2026-03-02T08:00:00Z, a Monday.
pub(crate) const START_MS: i64 = 1_772_438_400_000;

/// A native event of ordinary work.
pub(crate) fn native(index: usize, identity: &str, at_ms: i64) -> Value {
    json!({
        "event_id": format!("e{index:06}"), "time": at_ms,
        "identity": {"id": identity, "kind": "service", "group": "ci"},
        "credential": {"id": format!("key-{identity}"), "kind": "api_key"},
        "activity": "use", "action": "s3:GetObject", "resource": "arn:aws:s3:::builds/app",
        "source": {"host": format!("build-{}", index % 3), "ip": format!("10.2.3.{}", index % 3),
            "user_agent": "aws-cli/2.17.0", "country": "NO", "asn": 29695},
        "outcome": "success",
    })
}

/// Days of ordinary work of `identities`, one event of each every half hour, then a theft: the
/// first identity from elsewhere, doing what none did.
pub(crate) fn native_log(identities: usize, days: usize) -> Vec<Value> {
    let mut events = Vec::new();
    for slot in 0..days * 48 {
        for identity in 0..identities {
            let at_ms = START_MS + slot as i64 * 1_800_000 + identity as i64 * 1_000;
            events.push(native(events.len(), &format!("svc-{identity}"), at_ms));
        }
    }
    let after_ms = START_MS + (days * 48) as i64 * 1_800_000;
    for (at, action) in [
        "iam:CreateAccessKey",
        "iam:AttachUserPolicy",
        "cloudtrail:StopLogging",
    ]
    .iter()
    .enumerate()
    {
        let mut event = native(events.len(), "svc-0", after_ms + at as i64 * 20_000);
        event["action"] = json!(action);
        event["source"] = json!({"host": "vps-1", "ip": "203.0.113.9", "country": "RO", "asn": 9009,
            "user_agent": "python-requests/2.31"});
        events.push(event);
    }
    events
}

/// A CloudTrail record of ordinary work.
pub(crate) fn cloudtrail(index: usize, user: &str, at_ms: i64) -> Value {
    let time = jiff::Timestamp::from_millisecond(at_ms).unwrap();
    json!({
        "eventVersion": "1.08",
        "userIdentity": {"type": "IAMUser", "principalId": format!("AIDA{user}"),
            "arn": format!("arn:aws:iam::123456789012:user/{user}"), "accountId": "123456789012",
            "accessKeyId": format!("AKIA{user}"), "userName": user},
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "eu-north-1",
        "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2.17.0",
        "requestParameters": {"bucketName": "builds", "key": "app.tgz"}, "responseElements": null,
        "eventID": format!("00000000-0000-4000-8000-{index:012}"), "eventType": "AwsApiCall",
    })
}

/// CloudTrail files: days of ordinary work of a few users, then a theft.
pub(crate) fn cloudtrail_files(days: usize) -> Vec<Value> {
    let (mut files, mut index) = (Vec::new(), 0);
    for day in 0..days {
        let mut records = Vec::new();
        for slot in 0..48 {
            for user in ["ada", "bo", "cy", "dee"] {
                let at_ms = START_MS + (day * 48 + slot) as i64 * 1_800_000;
                records.push(cloudtrail(index, user, at_ms));
                index += 1;
            }
        }
        files.push(json!({ "Records": records }));
    }
    let mut theft = Vec::new();
    for (at, (source, name)) in [
        ("sts", "GetCallerIdentity"),
        ("iam", "CreateAccessKey"),
        ("cloudtrail", "StopLogging"),
    ]
    .iter()
    .enumerate()
    {
        let at_ms = START_MS + (days * 48) as i64 * 1_800_000 + at as i64 * 20_000;
        let mut record = cloudtrail(index, "ada", at_ms);
        record["eventSource"] = json!(format!("{source}.amazonaws.com"));
        record["eventName"] = json!(name);
        record["sourceIPAddress"] = json!("203.0.113.9");
        record["userAgent"] = json!("python-requests/2.31");
        theft.push(record);
        index += 1;
    }
    files.push(json!({ "Records": theft }));
    files
}

/// Malformed records, each with its fault.
pub(crate) fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let event = native(0, "svc-1", START_MS);
    let with = |name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        event.to_string().into_bytes()
    };
    let whole = event.to_string().into_bytes();
    let mut invalid_utf8 = whole.clone();
    let at = whole.windows(5).position(|w| w == b"build").unwrap();
    invalid_utf8[at] = 0xff;
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!(
        "{{\"time\":{START_MS},\"activity\":\"use\",\"identity\":{{\"id\":\"x\"}},\"x\":{nested}}}"
    );
    vec![
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("wrong type", with("identity", json!("svc-1"))),
        ("wrong type of a string", with("action", json!({"name": 7}))),
        ("10 MiB", with("purpose", json!("x".repeat(10 << 20)))),
        ("invalid UTF-8", invalid_utf8),
        ("year 0", with("time", json!("0000-01-01T00:00:00Z"))),
        ("year 9999", with("time", json!("9999-12-31T23:59:59Z"))),
        ("empty key", with("identity", json!({"id": ""}))),
        ("10,000 levels", deep.into_bytes()),
        ("no time", with("time", Value::Null)),
        ("no JSON", b"hello".to_vec()),
    ]
}
