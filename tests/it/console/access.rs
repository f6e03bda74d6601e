//! Who may do what: sessions, roles, writes from other sites, limits.

use super::{Answer, Served, alert, config, decision, get, open_console, post, serve};
use credwatch::commands::console_setup::with_log_in;
use credwatch::console::event_history::RecentEvents;
use serde_json::json;
use std::sync::Arc;

const OWN: (&str, &str) = ("x-credwatch", "1");

struct Console {
    served: Served,
    _folder: tempfile::TempDir,
}

/// A console with one person for each role, whose tokens are `token-of-<role>…`.
fn console(hours: &str) -> Console {
    let folder = tempfile::tempdir().unwrap();
    let mut settings =
        format!("[console]\nsession_hours = {hours}\nproxy_user_header = \"X-User\"\n");
    let secret = folder.path().join("proxy");
    std::fs::write(&secret, "secret-of-the-proxy\n").unwrap();
    settings += &format!("proxy_secret_file = \"{}\"\n", secret.display());
    for role in ["viewer", "analyst", "approver", "admin"] {
        let file = folder.path().join(role);
        std::fs::write(&file, format!("token-of-{role}-0123456789\n")).unwrap();
        settings += &format!(
            "[[console.people]]\nname = \"{role}-ada\"\nroles = [\"{role}\"]\ntoken_file = \"{}\"\n",
            file.display()
        );
    }
    let config = config(&settings);
    let events = Arc::new(RecentEvents::new(100));
    let served = serve(
        with_log_in(&config, "abcd", events),
        Some("token-of-the-service"),
    );
    served.take(&alert("svc-1", 1, "High", 12.0));
    served.take_audit(&decision("svc-1", 1, "order-1", &["approval_required"]));
    served.take(&alert("approver-ada", 2, "High", 12.0));
    served.take_audit(&decision(
        "approver-ada",
        2,
        "order-2",
        &["approval_required"],
    ));
    Console {
        served,
        _folder: folder,
    }
}

impl Console {
    fn log_in(&self, role: &str) -> String {
        let url = self.served.url("/login");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = post(&url, &form, &format!("token=token-of-{role}-0123456789"));
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie");
        for part in [
            "__Host-credwatch=",
            "Secure",
            "HttpOnly",
            "SameSite=Strict",
            "Path=/",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        cookie.split(';').next().unwrap().to_owned()
    }

    fn feedback(&self, cookie: &str, body: &str) -> Answer {
        post(
            &self.served.url("/v1/feedback"),
            &[("cookie", cookie), OWN],
            body,
        )
    }
}

fn verdict(alert: u64) -> String {
    json!({"alert_id": format!("{alert:032x}"), "verdict": "expected"}).to_string()
}

#[test]
fn nobody_reads_without_logging_in() {
    let console = console("12");
    for path in [
        "/v1/health",
        "/v1/incidents",
        "/v1/settings",
        "/v1/openapi.json",
    ] {
        let refused = get(&console.served.url(path), &[]);
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert!(
            refused.json()["detail"]
                .as_str()
                .unwrap()
                .contains("log in")
        );
    }
    for path in ["/", "/incident/1", "/settings", "/audit"] {
        let sent = get(&console.served.url(path), &[]);
        assert_eq!(
            (sent.status, sent.header("location")),
            (303, "/login"),
            "{path}"
        );
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let guess = post(&console.served.url("/login"), &form, "token=guess");
    assert_eq!(guess.status, 401);
    assert!(guess.header("set-cookie").is_empty());
    let elsewhere = [form[0], ("sec-fetch-site", "cross-site")];
    let token = "token=token-of-viewer-0123456789";
    assert_eq!(
        post(&console.served.url("/login"), &elsewhere, token).status,
        403
    );
}

#[test]
fn a_session_ends_when_its_person_logs_out() {
    let console = console("12");
    let cookie = console.log_in("viewer");
    let url = console.served.url("/v1/settings");
    let settings = get(&url, &[("cookie", &cookie)]).json();
    assert_eq!(settings["you"]["name"], "viewer-ada");
    assert_eq!(settings["you"]["may"], json!(["read"]));
    let out = console.served.url("/logout");
    assert_eq!(
        post(&out, &[("cookie", &cookie)], "").status,
        403,
        "not from a page of ours"
    );
    assert_eq!(post(&out, &[("cookie", &cookie), OWN], "").status, 204);
    assert_eq!(
        get(&url, &[("cookie", &cookie)]).status,
        401,
        "it ended on the server"
    );
}

#[test]
fn each_role_may_do_its_own() {
    let console = console("12");
    let approval = json!({"approve": "order-1"}).to_string();
    let forget = json!({"forget": "svc-1"}).to_string();
    let pause = |cookie: &str| {
        post(
            &console.served.url("/v1/containment/pause"),
            &[("cookie", cookie), OWN],
            "{}",
        )
        .status
    };
    let expected = [
        ("viewer", [403, 403, 403, 403]),
        ("analyst", [200, 403, 403, 403]),
        ("approver", [200, 200, 403, 200]),
        ("admin", [200, 403, 200, 200]),
    ];
    for (role, statuses) in expected {
        let cookie = console.log_in(role);
        let bodies = [&verdict(1), &approval, &forget];
        let mut found: Vec<u16> = bodies
            .iter()
            .map(|body| console.feedback(&cookie, body).status)
            .collect();
        found.push(pause(&cookie));
        assert_eq!(found, statuses, "{role}");
    }
    let refused = console.feedback(&console.log_in("viewer"), &verdict(1));
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("analyst"),
        "{}",
        refused.body
    );
}

#[test]
fn what_is_published_bears_the_name_of_the_session() {
    let console = console("12");
    let cookie = console.log_in("analyst");
    assert_eq!(console.feedback(&cookie, &verdict(1)).status, 200);
    let stated =
        json!({"alert_id": format!("{:032x}", 1), "verdict": "expected", "by": "somebody else"});
    let refused = console.feedback(&cookie, &stated.to_string());
    assert_eq!(refused.status, 422);
    let published = console.served.published.lock().unwrap();
    let names: Vec<&str> = published
        .iter()
        .map(|feedback| feedback.by.as_str())
        .collect();
    assert_eq!(names, ["analyst-ada"]);
}

#[test]
fn the_token_of_the_service_speaks_for_others() {
    let console = console("12");
    let bearer = [("authorization", "Bearer token-of-the-service")];
    let url = console.served.url("/v1/feedback");
    let stated = json!({"alert_id": format!("{:032x}", 1), "verdict": "expected", "by": "soar"});
    assert_eq!(post(&url, &bearer, &stated.to_string()).status, 200);
    assert_eq!(console.served.published.lock().unwrap()[0].by, "soar");
    let person = [("authorization", "Bearer token-of-analyst-0123456789")];
    assert_eq!(post(&url, &person, &verdict(1)).status, 200);
    assert_eq!(
        console.served.published.lock().unwrap()[1].by,
        "analyst-ada"
    );
    let outcome = json!({"order_id": "order-1", "outcome": "done"}).to_string();
    assert_eq!(
        post(&url, &person, &outcome).status,
        403,
        "people execute nothing"
    );
}

#[test]
fn a_write_comes_from_a_page_of_ours() {
    let console = console("12");
    let cookie = console.log_in("analyst");
    let url = console.served.url("/v1/feedback");
    let without = post(&url, &[("cookie", &cookie)], &verdict(1));
    let elsewhere = [
        ("cookie", cookie.as_str()),
        OWN,
        ("sec-fetch-site", "cross-site"),
    ];
    let own = [
        ("cookie", cookie.as_str()),
        OWN,
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(without.status, 403);
    assert_eq!(post(&url, &elsewhere, &verdict(1)).status, 403);
    assert_eq!(post(&url, &own, &verdict(1)).status, 200);
}

#[test]
fn writes_are_limited_in_number_and_in_size() {
    let console = console("12");
    let cookie = console.log_in("analyst");
    let large = format!("{{\"reason\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(console.feedback(&cookie, &large).status, 413);
    let statuses: Vec<u16> = (0..25)
        .map(|_| console.feedback(&cookie, &verdict(1)).status)
        .collect();
    assert!(
        statuses[..20].iter().all(|status| *status == 200),
        "{statuses:?}"
    );
    assert!(statuses[20..].contains(&429), "{statuses:?}");
}

#[test]
fn nobody_approves_an_order_about_himself_or_one_that_does_not_wait() {
    let console = console("12");
    let cookie = console.log_in("approver");
    let approve = |order: &str| {
        console
            .feedback(&cookie, &json!({"approve": order}).to_string())
            .status
    };
    assert_eq!(approve("order-2"), 403);
    assert_eq!(approve("order-9"), 409);
    assert_eq!(approve("order-1"), 200);
    console.served.take_audit(&json!({"view": "identity", "partition": 0, "sequence": 3, "previous": "",
        "hash": "h3", "entry": {"type": "approved", "time": "2026-03-02T08:01:00Z", "order_id": "order-1",
            "by": "approver-ada"}}));
    assert_eq!(approve("order-1"), 409, "it was approved");
}

#[test]
fn a_person_is_named_by_the_proxy_only_with_its_secret() {
    let console = console("12");
    let url = console.served.url("/v1/settings");
    let proxied = [
        ("x-user", "viewer-ada"),
        ("x-credwatch-proxy", "secret-of-the-proxy"),
    ];
    assert_eq!(get(&url, &proxied).json()["you"]["name"], "viewer-ada");
    assert_eq!(get(&url, &proxied[..1]).status, 401);
    assert_eq!(
        get(&url, &[proxied[0], ("x-credwatch-proxy", "guess")]).status,
        401
    );
    assert_eq!(get(&url, &[("x-user", "nobody"), proxied[1]]).status, 401);
}

#[test]
fn a_console_without_log_in_answers_to_its_own_name_only() {
    let served = open_console(false);
    assert_eq!(get(&served.url("/v1/health"), &[]).status, 200);
    let rebound = get(&served.url("/v1/health"), &[("host", "evil.example.org")]);
    assert_eq!(rebound.status, 403);
}

#[test]
fn a_console_over_files_takes_no_answers() {
    let served = open_console(true);
    served.take(&alert("svc-1", 1, "High", 12.0));
    let refused = post(&served.url("/v1/feedback"), &[OWN], &verdict(1));
    assert_eq!(refused.status, 409);
    assert_eq!(
        get(&served.url("/v1/settings"), &[]).json()["you"]["may"],
        json!(["read"])
    );
    assert!(served.published.lock().unwrap().is_empty());
}
