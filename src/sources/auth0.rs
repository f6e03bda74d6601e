//! Auth0's tenant log, as streamed or from the API → native events.
//!
//! The type is a short code with the whole meaning. Bodies and queries of requests are never copied.

use super::fields::{
    SourceError, cut, first, id_of_unknown, member, parse, position, source, stated_time, text,
};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Types with their activity and outcome; others are successful uses.
const TYPES: [(&str, &str, &[&str]); 14] = [
    (
        "authenticate",
        "success",
        &[
            "s",
            "seccft",
            "gd_auth_succeed",
            "gd_recovery_succeed",
            "mfar",
            "scoa",
        ],
    ),
    (
        "authenticate",
        "failure",
        &[
            "f",
            "fp",
            "fu",
            "feccft",
            "gd_auth_failed",
            "gd_recovery_failed",
            "fcoa",
        ],
    ),
    (
        "authenticate",
        "denied",
        &[
            "limit_wc",
            "limit_mu",
            "limit_sul",
            "pwd_leak",
            "signup_pwd_leak",
            "gd_auth_rejected",
            "gd_recovery_rate_limit_exceed",
            "gd_otp_rate_limit_exceed",
        ],
    ),
    (
        "issue",
        "success",
        &["seacft", "sepft", "sede", "gd_enrollment_complete"],
    ),
    ("issue", "failure", &["feacft", "fepft", "fede"]),
    ("refresh", "success", &["sertft"]),
    ("refresh", "failure", &["fertft"]),
    ("refresh", "denied", &["ferrt"]),
    ("revoke", "success", &["slo", "gd_unenroll", "srrt"]),
    ("revoke", "failure", &["flo"]),
    ("rotate", "success", &["scp"]),
    ("rotate", "failure", &["fcp"]),
    ("use", "failure", &["fsa", "fapi", "fs"]),
    ("use", "denied", &["limit_ui"]),
];
/// Marks of segments that are ids.
const ID_MARKS: [&str; 8] = ["|", "%7C", "%7c", "rol_", "con_", "cgr_", "ten_", "log_"];

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let outer = parse(record)?;
    let record = member(&outer, "data").filter(|data| data.is_object());
    let record = record.unwrap_or(&outer);
    let missing = |name| SourceError::Missing("Auth0", name);
    let kind = text(record, "type").ok_or(missing("type"))?;
    let is_management = matches!(kind, "sapi" | "fapi" | "mgmt_api_read");
    let known = TYPES.iter().find(|(_, _, types)| types.contains(&kind));
    let (mut activity, mut outcome) = known.map_or(("use", "success"), |known| (known.0, known.1));
    let mut action = format!("auth0:{kind}");
    if is_management {
        let method = text(record, "details.request.method").unwrap_or_default();
        let path = text(record, "details.request.path").unwrap_or_default();
        activity = change(method, path);
        outcome = answer(record).unwrap_or(outcome);
        if !path.is_empty() {
            action = format!("{action}.{}.{method}", without_ids(path));
        }
    }
    let app = first(record, &["client_name", "client_id"]);
    Ok(NativeEvent {
        time_source: None,
        event_id: first(record, &["log_id", "_id"]).map(cut),
        time: stated_time(record, "date"),
        identity: identity(record, is_management).ok_or(missing("user_id"))?,
        credential: credential(record, kind),
        activity,
        action: Some(cut(&action)),
        resource: app.map(|app| cut(&format!("client/{app}"))),
        source: place(record),
        purpose: None,
        outcome,
    })
}

fn change(method: &str, path: &str) -> &'static str {
    let writes = matches!(method, "post" | "patch" | "put");
    let gives = ["roles", "permissions", "members"]
        .iter()
        .any(|part| path.contains(part));
    if writes && (gives || (path.contains("client-grants") && method == "post")) {
        "grant"
    } else if path.contains("rotate-secret") {
        "rotate"
    } else {
        "use"
    }
}

fn answer(record: Ref<'_>) -> Option<&'static str> {
    match member(record, "details.response.statusCode")?.as_u64()? {
        401 | 403 => Some("denied"),
        code if code >= 400 => Some("failure"),
        _ => None,
    }
}

/// The path with `*` for each id.
fn without_ids(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    let path = path.trim_start_matches("/api/v2/");
    let is_id = |segment: &str| ID_MARKS.iter().any(|mark| segment.contains(mark));
    let segments = path.split('/');
    let masked: Vec<&str> = segments
        .map(|segment| if is_id(segment) { "*" } else { segment })
        .collect();
    masked.join("/")
}

fn identity(record: Ref<'_>, is_management: bool) -> Option<NativeIdentity> {
    let of = |id: String, kind, owner: Option<&str>| NativeIdentity {
        id,
        kind,
        owner: owner.map(cut),
        group: None,
    };
    let client = || text(record, "client_id").map(|client| format!("client/{client}"));
    let by = "details.request.auth.user";
    if is_management && let Some(id) = text(record, &format!("{by}.user_id")) {
        return Some(of(cut(id), "human", text(record, &format!("{by}.email"))));
    }
    let name = text(record, "user_name");
    match (text(record, "user_id"), name) {
        (Some(id), name) => Some(of(cut(id), "human", name)),
        (None, Some(name)) => Some(of(id_of_unknown(name), "human", None)),
        (None, None) => Some(of(cut(&client()?), "service", None)),
    }
}

fn credential(record: Ref<'_>, kind: &str) -> Option<NativeCredential> {
    let of_client = || text(record, "client_id").map(|client| (client, "api_key"));
    let session = text(record, "details.session_id").map(|session| (session, "session"));
    let is_client = matches!(kind, "seccft" | "feccft");
    let (id, kind) = session.or_else(|| of_client().filter(|_| is_client))?;
    let scopes = match member(record, "scope") {
        Some(Value::String(scopes)) => scopes.split_whitespace().take(64).map(cut).collect(),
        _ => super::fields::texts(record, "scope"),
    };
    Some(NativeCredential {
        id: cut(id),
        kind,
        issuer: Some(cut(text(record, "hostname").unwrap_or("auth0"))),
        scopes,
        ..NativeCredential::default()
    })
}

fn place(record: Ref<'_>) -> Option<NativeSource> {
    let at = position(record, "location_info.latitude", "location_info.longitude");
    let more = NativeSource {
        country: text(record, "location_info.country_code").and_then(super::country::code),
        latitude: at.map(|(latitude, _)| latitude),
        longitude: at.map(|(_, longitude)| longitude),
        ..NativeSource::default()
    };
    source(
        first(record, &["ip", "client_ip"]),
        text(record, "user_agent"),
        more,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refused_management_call_is_denied() {
        let event = map(
            br#"{"log_id":"A","date":"2026-11-23T17:00:00Z","type":"fapi","client_id":"m",
                "details":{"request":{"method":"post","path":"/api/v2/roles/rol_1/users"},
                "response":{"statusCode":403}}}"#,
        )
        .unwrap();
        assert_eq!((event.activity, event.outcome), ("grant", "denied"));
        assert_eq!(
            event.action.as_deref(),
            Some("auth0:fapi.roles/*/users.post")
        );
        assert_eq!(event.identity.id, "client/m");
    }

    #[test]
    fn what_was_typed_for_an_unknown_user_is_not_kept() {
        let event = map(
            br#"{"log_id":"A","date":"2026-11-23T17:00:00Z","type":"fu","client_id":"m",
                "user_name":"hunter 2!"}"#,
        )
        .unwrap();
        assert!(event.identity.id.starts_with("name/fp-"));
        assert_eq!(event.outcome, "failure");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
