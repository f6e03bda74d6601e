//! Pages as the server writes them.

use super::{alert, get, open_console};
use flate2::read::GzDecoder;
use std::io::{Read, Write};
use std::net::TcpStream;

const PAGES: [&str; 9] = [
    "/",
    "/incident/00000000000000000000000000000001",
    "/identity/svc-1",
    "/source/203.0.113.0%2F24",
    "/hygiene",
    "/approvals",
    "/audit",
    "/tuning",
    "/settings",
];

#[test]
fn every_page_forbids_what_it_does_not_need() {
    let served = open_console(false);
    served.take(&alert("svc-1", 1, "High", 12.0));
    for page in PAGES.into_iter().chain(["/login"]) {
        let answer = get(&served.url(page), &[]);
        assert_eq!(answer.status, 200, "{page}");
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{page}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store", "{page}");
        for inline in ["<style", " style=", " onclick", "javascript:"] {
            assert!(!answer.body.contains(inline), "{page}: {inline}");
        }
        let scripts = answer.body.matches("<script").count();
        assert_eq!(
            scripts,
            answer
                .body
                .matches("<script type=\"module\" src=\"/assets/")
                .count()
        );
    }
}

#[test]
fn assets_are_cached_for_ever_and_known_by_their_content() {
    let served = open_console(false);
    let page = get(&served.url("/"), &[]).body;
    let mut found = 0;
    for path in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let path = path.split('#').next().unwrap();
        let asset = get(&served.url(path), &[]);
        assert_eq!(asset.status, 200, "{path}");
        assert!(asset.header("cache-control").contains("immutable"));
        found += 1;
    }
    assert!(found >= 6);
    assert_eq!(
        get(&served.url("/assets/0000000000000000/app.js"), &[]).status,
        404
    );
}

/// What a browser that accepts gzip gets: head and body.
fn compressed(address: &str, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let accept = "Accept-Encoding: br;q=1.0, gzip;q=0.8";
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    (head, answer.split_off(end + 4))
}

/// What the page of open incidents needs fits into 30 KB on the wire.
#[test]
fn assets_are_compressed_for_those_who_accept_it() {
    let served = open_console(false);
    let page = get(&served.url("/"), &[]).body;
    let (_, rest) = page.split_once("/assets/").unwrap();
    let version = rest.split('/').next().unwrap();
    let mut bytes = 0;
    for name in [
        "app.css",
        "app.js",
        "frame.js",
        "parts.js",
        "now.js",
        "icons.svg",
    ] {
        let path = format!("/assets/{version}/{name}");
        let plain = get(&served.url(&path), &[("accept-encoding", "gzip;q=0")]).body;
        let (head, body) = compressed(&served.address.to_string(), &path);
        assert!(head.contains("content-encoding: gzip"), "{name}: {head}");
        assert!(head.contains("vary: accept-encoding"), "{name}: {head}");
        let mut unpacked = String::new();
        GzDecoder::new(&*body)
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain, "{name}");
        bytes += body.len();
    }
    assert!(bytes <= 30_000, "{bytes} bytes");
}

#[test]
fn what_comes_from_outside_is_text_and_nothing_else() {
    let served = open_console(false);
    let hostile = "<img src=x onerror=alert(1)>\u{202e}gnp.exe\"'";
    served.take(&alert(hostile, 1, "High", 12.0));
    for page in [
        "/".to_owned(),
        format!("/incident/{:032x}", 1),
        "/identity/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E".to_owned(),
    ] {
        let body = get(&served.url(&page), &[]).body;
        assert!(!body.contains("<img"), "{page}");
        assert!(!body.contains('\u{202e}'), "{page}");
        assert!(body.contains("&lt;img"), "{page}");
    }
}

#[test]
fn an_incident_can_be_read_without_script() {
    let served = open_console(false);
    served.take(&alert("svc-1", 1, "High", 12.0));
    let list = get(&served.url("/"), &[]).body;
    assert!(list.contains("svc-1") && list.contains("First use from host vps-1"));
    let page = get(&served.url(&format!("/incident/{:032x}", 1)), &[]).body;
    for part in [
        "svc-1",
        "First use from host vps-1",
        "1 in 162755",
        "ask the owner",
        "build-17",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}
