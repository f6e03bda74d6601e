//! HashiCorp Vault's audit log → native events.
//!
//! A request is two lines; the response has all that the request has, so the request is left out. Tokens
//! stand in it as HMACs, unless the log is configured raw: neither tokens nor data are ever copied.

use super::fields::{
    SourceError, cut, first, id_of_unknown, member, parse, source, stated_time, text, texts, time,
};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use crate::sources::time::format_rfc3339;
use credwatch_core::units::MS_PER_SEC;

/// Methods by which people sign in.
const HUMAN_METHODS: [&str; 7] = [
    "userpass", "ldap", "oidc", "okta", "github", "radius", "saml",
];
/// Segments of secrets engines that hand a credential out.
const ISSUING: [&str; 8] = [
    "creds",
    "static-creds",
    "sts",
    "issue",
    "sign",
    "secret-id",
    "token",
    "sign-verbatim",
];

/// Maps one record.
///
/// # Errors
/// The record is malformed, or left out on purpose.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let missing = |name| SourceError::Missing("Vault", name);
    match text(&record, "type") {
        Some("request" | "kmip-request") => {
            return Err(SourceError::LeftOut("request, whose response says all"));
        }
        Some(_) => {}
        None => return Err(missing("type")),
    }
    let path = text(&record, "request.path").ok_or(missing("request.path"))?;
    let operation = text(&record, "request.operation").ok_or(missing("request.operation"))?;
    let path_only = path.split('?').next().unwrap_or(path).trim_end_matches('/');
    let route = route(&record, path_only);
    let activity = activity(&route, path_only, operation);
    let headers = text(&record, "request.headers.user-agent");
    let agent = headers.filter(|agent| !agent.starts_with("hmac-sha256:"));
    Ok(NativeEvent {
        time_source: None,
        event_id: text(&record, "request.id").map(cut),
        time: stated_time(&record, "time"),
        identity: identity(&record, path_only, activity),
        credential: credential(&record, activity),
        activity,
        action: Some(format!("vault:{}.{}", cut(&route), cut(operation))),
        resource: Some(cut(path)),
        source: source(
            text(&record, "request.remote_address"),
            agent,
            NativeSource::default(),
        ),
        purpose: None,
        outcome: outcome(&record),
    })
}

/// What is done, whatever the mount is called.
fn route(record: Ref<'_>, path: &str) -> String {
    let segments: Vec<&str> = path.split('/').collect();
    let take = |count: usize| segments[..count.min(segments.len())].join("/");
    match segments.as_slice() {
        ["auth", "token", ..] => take(3),
        ["auth", _, "login" | "callback" | "oidc", ..] => "auth/login".to_owned(),
        ["auth", ..] => "auth/config".to_owned(),
        ["sys", "policies" | "leases" | "wrapping", ..] => take(3),
        ["sys", ..] => take(2),
        [mount, rest @ ..] => {
            let kind = text(record, "request.mount_type").unwrap_or(mount);
            rest.first()
                .map_or_else(|| kind.to_owned(), |verb| format!("{kind}/{verb}"))
        }
        [] => String::new(),
    }
}

fn activity(route: &str, path: &str, operation: &str) -> &'static str {
    let changes = matches!(operation, "create" | "update" | "patch");
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| route.starts_with(prefix));
    let verb = route.rsplit('/').next().unwrap_or_default();
    if route == "auth/login" {
        "authenticate"
    } else if begins(&["auth/token/revoke", "sys/leases/revoke"]) {
        "revoke"
    } else if begins(&["auth/token/renew", "sys/leases/renew", "sys/renew"]) {
        "refresh"
    } else if begins(&["auth/token/create"]) {
        "issue"
    } else if verb.starts_with("rotate") || begins(&["sys/rotate", "sys/rekey"]) {
        "rotate"
    } else if changes && (begins(&["sys/polic", "sys/auth", "identity/"]) || is_role(path)) {
        "grant"
    } else if ISSUING.contains(&verb) && !begins(&["sys/", "auth/"]) || path.ends_with("/secret-id")
    {
        "issue"
    } else {
        "use"
    }
}

/// Whether a path of an authentication method says who may sign in as what.
fn is_role(path: &str) -> bool {
    let mut segments = path.split('/');
    let third = (segments.next() == Some("auth"))
        .then(|| segments.nth(1))
        .flatten();
    matches!(
        third,
        Some("role" | "roles" | "users" | "groups" | "map" | "config")
    )
}

/// Who: of a sign-in, who signed in.
fn identity(record: Ref<'_>, path: &str, activity: &str) -> NativeIdentity {
    let has = |of: &str, name: &str| text(record, &format!("{of}.{name}")).is_some();
    let of_response = has("response.auth", "accessor") && activity == "authenticate";
    let who = if of_response { "response.auth" } else { "auth" };
    let at = |name: &str| text(record, &format!("{who}.{name}"));
    let named = [
        "metadata.username",
        "metadata.email",
        "metadata.role_name",
        "metadata.role",
    ]
    .iter()
    .find_map(|name| at(name));
    let tried = || {
        let name = path.rsplit_once("/login/").map(|(_, name)| name)?;
        Some(id_of_unknown(name))
    };
    let id = at("entity_id")
        .map(str::to_owned)
        .or_else(|| named.map(|name| format!("name/{}", name.to_lowercase())))
        .or_else(tried)
        .or_else(|| at("display_name").map(|name| format!("name/{}", name.to_lowercase())))
        .or_else(|| at("accessor").map(|accessor| format!("token/{accessor}")));
    let method = at("display_name").and_then(|name| name.split('-').next());
    let mount = text(record, "request.mount_type");
    let is_human = [method, mount]
        .into_iter()
        .flatten()
        .any(|name| HUMAN_METHODS.contains(&name));
    NativeIdentity {
        id: cut(&id.unwrap_or_else(|| "anonymous".to_owned())),
        kind: if is_human { "human" } else { "service" },
        owner: at("metadata.email").or(at("metadata.username")).map(cut),
        group: None,
    }
}

fn credential(record: Ref<'_>, activity: &str) -> Option<NativeCredential> {
    let hands_out = matches!(activity, "issue" | "authenticate" | "refresh");
    let is_new = hands_out && text(record, "response.auth.accessor").is_some();
    let holder = if is_new { "response.auth" } else { "auth" };
    let at = |name: &str| format!("{holder}.{name}");
    let lease = || text(record, "response.secret.lease_id").filter(|_| activity == "issue");
    if let Some(lease) = lease().filter(|_| !is_new) {
        return Some(NativeCredential {
            id: cut(lease),
            kind: "password",
            issuer: text(record, "request.mount_type").map(|mount| format!("vault/{}", cut(mount))),
            ..NativeCredential::default()
        });
    }
    let id = first(record, &[&at("accessor")])
        .or_else(|| text(record, "request.client_token_accessor").filter(|_| !is_new))?;
    let issued = time(record, &at("token_issue_time"));
    let ttl_secs = member(record, &at("token_ttl")).and_then(Value::as_i64);
    let from = if activity == "refresh" {
        time(record, "time")
    } else {
        issued
    };
    // Of a later use the stated time to live is that at creation: a renewed token lives on.
    let expires = from.zip(ttl_secs).filter(|(_, ttl)| is_new && *ttl > 0);
    Some(NativeCredential {
        id: cut(id),
        kind: "access_token",
        issuer: Some("vault".to_owned()),
        issued_at: issued.map(format_rfc3339),
        expires_at: expires.map(|(from, ttl)| {
            format_rfc3339(from.saturating_add_ms(ttl.saturating_mul(MS_PER_SEC)))
        }),
        scopes: texts(record, &at("policies")),
    })
}

fn outcome(record: Ref<'_>) -> &'static str {
    match text(record, "error") {
        Some(error) if error.contains("permission denied") => "denied",
        Some(_) => "failure",
        None if text(record, "response.data.error").is_some() => "failure",
        None => "success",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_left_out_and_its_response_says_all() {
        let line = |kind: &str| {
            format!(
                r#"{{"time":"2026-11-23T12:00:00Z","type":"{kind}","auth":{{"accessor":"a","entity_id":"e"}},
                    "request":{{"id":"v","operation":"read","path":"secret/data/x","mount_type":"kv"}},
                    "error":"permission denied"}}"#
            )
        };
        assert!(matches!(
            map(line("request").as_bytes()),
            Err(SourceError::LeftOut(_))
        ));
        let event = map(line("response").as_bytes()).unwrap();
        assert_eq!(event.action.as_deref(), Some("vault:kv/data.read"));
        assert_eq!((event.identity.id.as_str(), event.outcome), ("e", "denied"));
    }

    #[test]
    fn what_a_path_does() {
        for (path, operation, expected) in [
            ("auth/userpass/login/ada", "update", "authenticate"),
            ("auth/token/create", "update", "issue"),
            ("auth/token/renew-self", "update", "refresh"),
            ("auth/token/revoke", "update", "revoke"),
            ("database/creds/app", "read", "issue"),
            ("sys/policies/acl/x", "update", "grant"),
            ("auth/approle/role/ci", "create", "grant"),
            ("secret/data/x", "read", "use"),
        ] {
            let route = route(&Value::Null, path);
            assert_eq!(activity(&route, path, operation), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
