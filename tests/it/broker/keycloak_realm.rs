//! A realm of the real Keycloak, its users and their sessions.

use serde_json::{Value, json};
use std::time::Duration;

pub(super) const SECRET: &str = "planted-client-secret-5f3a9c";
/// Password of every user.
pub(super) const PASSWORD: &str = "correct horse";

/// A realm of its own in the Keycloak that `scripts/test` starts.
pub(super) struct Realm {
    pub(super) base: String,
    pub(super) name: String,
    pub(super) agent: ureq::Agent,
    pub(super) admin: String,
}

pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) home: String,
}

pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) body: Value,
}

pub(super) fn now_ms() -> i64 {
    credwatch::clock::wall_time().epoch_ms()
}

impl Realm {
    pub(super) fn new(name: String) -> Self {
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

    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.admin))
            .header("content-type", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default())
            .unwrap();
        answered(self.agent.run(request).unwrap())
    }

    pub(super) fn of_realm(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        self.call(method, &format!("/admin/realms/{}/{path}", self.name), body)
    }

    pub(super) fn post_form(&self, realm: &str, address: &str, form: &[(&str, &str)]) -> Answered {
        let url = format!("{}/realms/{realm}/protocol/openid-connect/token", self.base);
        let request = self.agent.post(url).header("x-forwarded-for", address);
        answered(request.send_form(form.iter().copied()).unwrap())
    }

    pub(super) fn client(&self, settings: &Value) -> String {
        let made = self.of_realm("POST", "clients", Some(settings));
        assert_eq!(made.status, 201);
        made.location.rsplit('/').next().unwrap().to_owned()
    }

    /// The service account may see events and manage users, and nothing else.
    pub(super) fn let_credwatch_in(&self) {
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

    pub(super) fn user(&self, nth: usize) -> User {
        let name = format!("user-{nth}");
        let made = self.of_realm("POST", "users", Some(&json!({"username": name, "enabled": true,
            "email": format!("{name}@example.org"), "emailVerified": true, "firstName": "U", "lastName": "X",
            "credentials": [{"type": "password", "value": PASSWORD, "temporary": false}]})));
        assert_eq!(made.status, 201);
        User {
            id: made.location.rsplit('/').next().unwrap().to_owned(),
            name,
            home: format!("81.2.{nth}.10"),
        }
    }

    pub(super) fn try_login(&self, user: &User) -> Answered {
        let form = [
            ("client_id", "app"),
            ("grant_type", "password"),
            ("username", user.name.as_str()),
            ("password", PASSWORD),
        ];
        self.post_form(&self.name, &user.home, &form)
    }

    /// A login from home; the refresh token.
    pub(super) fn login(&self, user: &User) -> String {
        let token = self.try_login(user);
        assert_eq!(token.status, 200, "{}", token.body);
        token.body["refresh_token"].as_str().unwrap().to_owned()
    }

    /// Uses a refresh token from `address`; the next one, or why there is none.
    pub(super) fn refresh(&self, token: &str, address: &str) -> Result<String, String> {
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
