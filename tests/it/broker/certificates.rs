//! Certificates of receivers are verified.

use crate::broker::delivery::World;
use crate::broker::support::wait_until;
use std::process::Command;

/// A server with a self-signed certificate, until the test ends.
struct Tls(std::process::Child);

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const TLS_SERVER: &str = r#"
import http.server, ssl, sys
class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        open(sys.argv[3], "ab").write(body + b"\n")
        self.send_response(202); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

#[test]
fn a_receiver_with_an_untrusted_certificate_gets_nothing() {
    use std::io::BufRead;
    let world = World::new("tls", "");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(world.path("tls.key"))
        .arg("-out")
        .arg(world.path("tls.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut child = Command::new("python3")
        .args(["-c", TLS_SERVER])
        .args([
            world.path("tls.pem"),
            world.path("tls.key"),
            world.path("taken"),
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut port)
        .unwrap();
    let _server = Tls(child);
    let receiver = |name: &str, more: &str| {
        format!(
            "[[deliver.receivers]]\nname = \"{name}\"\nkind = \"webhook\"\nallow_private_addresses = true\n\
             url = \"https://localhost:{}/{name}\"\n{more}",
            port.trim()
        )
    };
    let known = format!("ca_file = \"{}\"\n", world.path("tls.pem").display());
    world.append("[deliver]\nattempts = 2\n");
    world.append(&receiver("stranger", ""));
    world.append(&receiver("known", &known));
    let running = world.setup.start("one");
    world.theft();
    wait_until("an order", || !world.orders().is_empty());
    let alerts = world.setup.read("alerts").len();
    let result = |receiver: &str, outcome: &str| {
        let labels = format!("outcome=\"{outcome}\",receiver=\"{receiver}\"");
        running.metric("credwatch_deliveries_total", &labels) as usize
    };
    wait_until(
        "the receiver with a trusted certificate has its alerts",
        || result("known", "done") >= alerts,
    );
    wait_until("the stranger is given up", || {
        result("stranger", "failed") >= alerts
    });
    let taken = std::fs::read_to_string(world.path("taken")).unwrap();
    assert_eq!(taken.lines().count(), result("known", "done"));
    assert_eq!(result("stranger", "done"), 0);
    assert!(
        running.log_text().contains("certificate"),
        "the reason is logged"
    );
    assert_eq!(running.terminate(), Some(0));
}
