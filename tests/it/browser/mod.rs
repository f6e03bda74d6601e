//! A real Chromium drives the console: `tests/browser` holds the scripts, which `scripts/test` installs.

use crate::console::{Served, alert, decision, open_console};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A script that drives the browser.
pub(crate) struct Driver {
    child: Child,
    words: BufReader<std::process::ChildStdout>,
    answers: ChildStdin,
}

impl Driver {
    /// Starts a script against the console at `base`.
    pub(crate) fn start(script: &str, base: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("node")
            .arg(format!("tests/browser/{script}.mjs"))
            .arg(base)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node is installed by scripts/test");
        Self {
            words: BufReader::new(child.stdout.take().unwrap()),
            answers: child.stdin.take().unwrap(),
            child,
        }
    }

    /// Waits until the script says `word`.
    pub(crate) fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            if self.words.read_line(&mut line).unwrap() == 0 {
                self.fail(&format!("ended before {word}"));
            }
        }
    }

    /// Lets the script go on.
    pub(crate) fn go_on(&mut self) {
        self.answers.write_all(b"\n").unwrap();
    }

    fn fail(&mut self, why: &str) -> ! {
        let mut errors = String::new();
        let _ = self
            .child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors);
        panic!("the browser: {why}\n{errors}");
    }

    /// Waits for a good end; prints what the script measured.
    pub(crate) fn finish(mut self) {
        let mut said = String::new();
        self.words.read_to_string(&mut said).unwrap();
        if !self.child.wait().unwrap().success() {
            self.fail(&said);
        }
        eprintln!("{said}");
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn base(served: &Served) -> String {
    format!("http://{}", served.address)
}

#[test]
fn every_page_fits_and_is_accessible() {
    let demo = crate::browser::demo::Demo::start();
    let incident = demo.incident("identity");
    let source = demo.incident("source");
    let network = source["subject"]["id"]
        .as_str()
        .unwrap()
        .replace('/', "%2F");
    let paths = [
        "/".to_owned(),
        format!("/incident/{}", incident["id"].as_str().unwrap()),
        format!("/incident/{}", source["id"].as_str().unwrap()),
        format!("/identity/{}", incident["subject"]["id"].as_str().unwrap()),
        format!("/source/{network}"),
        "/hygiene".to_owned(),
        "/approvals".to_owned(),
        "/audit".to_owned(),
        "/tuning".to_owned(),
        "/settings".to_owned(),
    ];
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    Driver::start("pages", &demo.base, &paths).finish();
}

#[test]
fn ten_thousand_incidents_are_worked_by_the_keyboard() {
    let served = open_console(false);
    for nth in 0..10_000 {
        served.take(&alert(&format!("svc-{nth}"), nth, "High", 8.0));
    }
    Driver::start("list", &base(&served), &[]).finish();
}

#[test]
fn a_shift_is_worked_while_incidents_arrive() {
    let served = open_console(false);
    let mut driver = Driver::start("work", &base(&served), &[]);
    driver.wait_for("EMPTY");
    served.take(&alert("svc-1", 1, "Critical", 14.0));
    served.take_audit(&decision("svc-1", 1, "order-1", &["approval_required"]));
    served.take(&alert("svc-2", 2, "High", 12.0));
    driver.go_on();
    driver.wait_for("ANSWERED");
    let said = |served: &Served| -> Vec<String> {
        let published = served.published.lock().unwrap();
        let records = published
            .iter()
            .map(credwatch::feedback::model::Feedback::to_json);
        records
            .map(|record| String::from_utf8(record).unwrap())
            .collect()
    };
    crate::broker::support::wait_until("three answers", || said(&served).len() == 3);
    let answers = said(&served).join("\n");
    for part in [
        r#""approve":"order-1","by":"you","reason":"seen with the owner""#,
        r#""verdict":"true_positive""#,
        r#""verdict":"withdrawn""#,
    ] {
        assert!(answers.contains(part), "{answers}");
    }
    served.take(&alert("svc-late", 3, "High", 13.0));
    driver.go_on();
    driver.wait_for("PAUSED");
    crate::broker::support::wait_until("the pause", || {
        said(&served)
            .join("\n")
            .contains("\"containment\":\"pause\"")
    });
    served.take_audit(&json!({"view": "identity", "partition": 0, "sequence": 9, "previous": "",
        "hash": "h9", "entry": {"type": "containment_paused", "time": "2026-03-02T08:00:09Z", "by": "you",
            "reason": "drill"}}));
    driver.go_on();
    driver.wait_for("DONE");
    driver.finish();
}

#[test]
fn hostile_names_stay_text() {
    let served = open_console(false);
    let hostile = "<img src=x onerror=alert(1)>\u{202e}gnp.exe";
    let mut record = alert(hostile, 1, "High", 12.0);
    let details = &mut record["unmapped"]["credwatch"];
    details["signals"][0]["observed"] =
        json!(format!("\"><script>alert(2)</script>{}", "A".repeat(400)));
    details["reasons"][0] = json!("{{7*7}} \u{200b}<svg onload=alert(3)>");
    served.take(&record);
    let id = format!("{:032x}", 1);
    served.take_audit(&decision(hostile, 1, "order-1", &["approval_required"]));
    Driver::start("hostile", &base(&served), &[&id]).finish();
}

mod demo;
