//! Records behind ids of schemas: Avro with a reference, Protobuf and JSON, from a registry that speaks HTTP.

use crate::broker::support::{Setup, wait_until};
use crate::common::{credwatch, get, text};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const IDENTITY: &str =
    r#"{"type":"record","name":"Identity","fields":[{"name":"id","type":"string"}]}"#;
const EVENT: &str = r#"{"type":"record","name":"Event","fields":[{"name":"time","type":"long"},
    {"name":"identity","type":"Identity"},{"name":"activity","type":"string"}]}"#;
const PROTO: &str = "syntax = \"proto3\"; message Identity { string id = 1; } \
    message Event { int64 time = 1; Identity identity = 2; string activity = 3; }";

/// A registry: an HTTP server with the two paths that are asked for.
struct Registry {
    address: String,
    is_up: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Self {
            address: listener.local_addr().unwrap().to_string(),
            is_up: Arc::default(),
            requests: Arc::default(),
        };
        let (is_up, requests) = (Arc::clone(&registry.is_up), Arc::clone(&registry.requests));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                requests.fetch_add(1, Ordering::SeqCst);
                let _ = answer(&connection, is_up.load(Ordering::SeqCst));
            }
        });
        registry
    }
}

/// Answers one request.
fn answer(mut connection: &TcpStream, is_up: bool) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let headers: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let is_known = headers
        .iter()
        .any(|line| line.eq_ignore_ascii_case("authorization: Basic dXNlcjpzZWNyZXQ="));
    let schema = |kind: &str, text: &str, references: &str| {
        let text = serde_json::to_string(text).unwrap();
        format!("{{\"schemaType\":\"{kind}\",\"schema\":{text},\"references\":[{references}]}}")
    };
    let path = request.split(' ').nth(1).unwrap_or_default();
    let found = match path {
        _ if !is_up => None,
        "/schemas/ids/1" => Some(schema(
            "AVRO",
            EVENT,
            r#"{"name":"Identity","subject":"identity value","version":3}"#,
        )),
        "/subjects/identity%20value/versions/3" => Some(schema("AVRO", IDENTITY, "")),
        "/schemas/ids/2" => Some(schema("JSON", "{}", "")),
        "/schemas/ids/3" => Some(schema("PROTOBUF", PROTO, "")),
        _ => Some(String::new()),
    };
    let (status, body) = match found {
        None => ("503 Service Unavailable", String::new()),
        Some(_) if !is_known => ("401 Unauthorized", String::new()),
        Some(body) if body.is_empty() => ("404 Not Found", "{\"error_code\":40403}".to_owned()),
        Some(body) => ("200 OK", body),
    };
    write!(
        connection,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn framed(id: u8, value: &[u8]) -> (String, Vec<u8>) {
    (String::new(), [&[0, 0, 0, 0, id], value].concat())
}

/// An unsigned varint.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Time, identity and activity of an event in Avro.
fn avro(time_ms: u64, who: &str) -> Vec<u8> {
    let text = |text: &str| [varint(text.len() as u64 * 2), text.as_bytes().to_vec()].concat();
    [varint(time_ms * 2), text(who), text("use")].concat()
}

/// The same as the second message of a Protobuf file.
fn protobuf(time_ms: u64, who: &str) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| [&[tag][..], &varint(bytes.len() as u64), bytes].concat();
    let identity = field(0x0a, who.as_bytes());
    [
        vec![0x02, 0x02, 0x08],
        varint(time_ms),
        field(0x12, &identity),
        field(0x1a, b"use"),
    ]
    .concat()
}

const AT_MS: u64 = 1_790_000_000_000;

#[test]
fn schemas_of_a_registry_are_fetched_once_and_awaited() {
    let registry = Registry::start();
    let setup = Setup::without_topics("registry", 1, "auto\"\nencoding = \"schema_registry");
    let secret = setup.folder.path().join("registry-secret");
    std::fs::write(&secret, "secret").unwrap();
    setup.append(&format!(
        "[schema_registry]\nurl = \"http://{}/\"\nusername = \"user\"\nsecret_file = {secret:?}\n",
        registry.address
    ));
    setup.create_topics();
    let checked = || {
        let check = credwatch()
            .args(["check", "--config"])
            .arg(&setup.config)
            .output();
        text(&check.unwrap().stdout)
    };
    assert!(
        checked().contains("schema registry http://"),
        "{}",
        checked()
    );
    let json = format!(r#"{{"time":{AT_MS},"identity":{{"id":"json"}},"activity":"use"}}"#);
    let records = vec![
        framed(1, &avro(AT_MS, "avro-0")),
        framed(1, &avro(AT_MS + 1, "avro-1")),
        framed(2, json.as_bytes()),
        framed(3, &protobuf(AT_MS, "protobuf")),
        framed(9, b"x"),
        framed(1, b"\x01"),
        (String::new(), json.clone().into_bytes()),
    ];
    setup.produce("raw", records);
    let running = setup.start("one");
    wait_until("the complaint", || running.log_text().contains("503"));
    assert_eq!(get(&running.address, "/readyz").0, 503);
    assert!(setup.read("events").is_empty() && setup.read("deadletter").is_empty());
    registry.is_up.store(true, Ordering::SeqCst);
    assert!(
        checked().contains("schema registry responds"),
        "{}",
        checked()
    );
    running.wait_for("ingest", 7);
    let ids: Vec<String> = setup
        .read("events")
        .iter()
        .map(|event| event.key.clone())
        .collect();
    assert_eq!(ids, ["avro-0", "avro-1", "json", "protobuf"]);
    let reason = |dead: &crate::broker::support::Read| {
        let mut headers = dead.headers.iter();
        headers
            .find(|(name, _)| name == "credwatch_reason")
            .unwrap()
            .1
            .clone()
    };
    let reasons: Vec<String> = setup.read("deadletter").iter().map(reason).collect();
    assert_eq!(reasons[0], "schema 9: the registry does not know it");
    assert!(
        reasons[1].starts_with("the value does not match its schema"),
        "{reasons:?}"
    );
    assert!(
        reasons[2].starts_with("record without the five bytes"),
        "{reasons:?}"
    );
    let asked = registry.requests.load(Ordering::SeqCst);
    setup.produce("raw", [framed(1, &avro(AT_MS + 2, "avro-2"))]);
    running.wait_for("ingest", 8);
    assert_eq!(registry.requests.load(Ordering::SeqCst), asked);
    running.kill();
}

#[test]
fn a_schema_may_be_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("event.proto");
    std::fs::write(&schema, PROTO).unwrap();
    let more = format!(
        "auto\"\nencoding = \"schema_registry\"\nschema_file = \"{}",
        schema.display()
    );
    let setup = Setup::new("schema-file", 1, &more);
    setup.produce("raw", [framed(77, &protobuf(AT_MS, "protobuf"))]);
    let running = setup.start("one");
    running.wait_for("ingest", 1);
    running.wait_for("detect", 1);
    assert_eq!(setup.read("events")[0].key, "protobuf");
    running.kill();
}
