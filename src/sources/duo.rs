//! Duo's authentication and administrator logs → native events.
//!
//! The address is the access device's, never the phone's. An administrator is known by the display name only.

use super::fields::{SourceError, cut, first, joined, member, parse, source, stated_time, text};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeEvent, NativeIdentity, NativeSource};

/// Display names that are no person's.
const MACHINES: [&str; 3] = ["System", "API", "AD Sync"];

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let time = stated_time(&record, "isotimestamp").or_else(|| stated_time(&record, "timestamp"));
    let kind = text(&record, "event_type");
    let is_authentication = member(&record, "factor").is_some()
        || member(&record, "access_device").is_some()
        || matches!(kind, Some("authentication" | "enrollment"));
    if is_authentication {
        authentication(&record, time, kind.unwrap_or("authentication"))
    } else {
        administration(&record, time)
    }
}

fn authentication(
    record: Ref<'_>,
    time: Option<String>,
    kind: &str,
) -> Result<NativeEvent, SourceError> {
    let id = first(record, &["user.key", "user.name", "username"]);
    let result = text(record, "result").unwrap_or_default().to_lowercase();
    let outcome = match &*result {
        "success" => "success",
        "denied" | "fraud" => "denied",
        _ => "failure",
    };
    let reason = text(record, "reason").filter(|_| outcome != "success");
    Ok(NativeEvent {
        time_source: None,
        event_id: text(record, "txid").map(cut),
        time,
        identity: NativeIdentity {
            id: id.map(cut).ok_or(SourceError::Missing("Duo", "user.key"))?,
            kind: "human",
            owner: first(record, &["email", "user.name"]).map(cut),
            group: None,
        },
        credential: None,
        activity: if kind == "enrollment" {
            "issue"
        } else {
            "authenticate"
        },
        action: Some(cut(&format!(
            "duo:{kind}.{}",
            text(record, "factor").unwrap_or("none")
        ))),
        resource: text(record, "application.name").map(|app| cut(&format!("app/{app}"))),
        source: place(record),
        purpose: reason.map(|reason| cut(&format!("reason/{reason}"))),
        outcome,
    })
}

fn place(record: Ref<'_>) -> Option<NativeSource> {
    let names = [
        "access_device.browser",
        "access_device.browser_version",
        "access_device.os",
    ];
    let country = text(record, "access_device.location.country");
    let more = NativeSource {
        host: text(record, "access_device.hostname").map(cut),
        country: country.and_then(super::country::code),
        ..NativeSource::default()
    };
    let address = first(record, &["access_device.ip", "ip"]);
    source(address, joined(record, &names).as_deref(), more)
}

fn administration(record: Ref<'_>, time: Option<String>) -> Result<NativeEvent, SourceError> {
    let action = text(record, "action").ok_or(SourceError::Missing("Duo", "action"))?;
    let name = first(record, &["username", "admin_name", "actor.name"]);
    let name = name.ok_or(SourceError::Missing("Duo", "username"))?;
    let details = match member(record, "description") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(details) => details.clone(),
        None => Value::Null,
    };
    let email = text(&details, "email").filter(|_| action.starts_with("admin_login"));
    Ok(NativeEvent {
        time_source: None,
        event_id: None,
        time,
        identity: NativeIdentity {
            id: cut(&format!("admin/{}", name.to_lowercase())),
            kind: if MACHINES.contains(&name) {
                "service"
            } else {
                "human"
            },
            owner: email.map(cut),
            group: None,
        },
        credential: None,
        activity: match action {
            "admin_login" | "admin_login_error" | "admin_2fa_error" => "authenticate",
            "bypass_create" | "admin_activate_duo_push" | "integration_create" => "issue",
            "admin_create" | "admin_update" => "grant",
            "admin_reset_password" => "rotate",
            "user_pending_delete" => "revoke",
            _ if action.ends_with("_delete") => "revoke",
            _ => "use",
        },
        action: Some(cut(&format!("duo:{action}"))),
        resource: text(record, "object").map(cut),
        source: source(text(&details, "ip_address"), None, NativeSource::default()),
        purpose: None,
        outcome: if action.ends_with("error") {
            "failure"
        } else {
            "success"
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_push_that_the_owner_calls_fraud_is_denied() {
        let event = map(
            br#"{"timestamp":1795456800,"event_type":"authentication","factor":"duo_push",
                "result":"fraud","reason":"user_marked_fraud","user":{"key":"DU1","name":"ada"},
                "access_device":{"ip":"198.51.100.7:1234"},"auth_device":{"ip":"192.0.2.9"}}"#,
        )
        .unwrap();
        assert_eq!((&*event.identity.id, event.outcome), ("DU1", "denied"));
        assert_eq!(event.source.unwrap().ip.as_deref(), Some("198.51.100.7"));
    }

    #[test]
    fn an_administrator_without_details_is_read() {
        let event = map(
            br#"{"timestamp":1795456800,"action":"phone_delete","username":"API",
                "description":"not JSON"}"#,
        )
        .unwrap();
        assert_eq!(
            (&*event.identity.id, event.activity),
            ("admin/api", "revoke")
        );
        assert_eq!((event.identity.kind, event.source), ("service", None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
