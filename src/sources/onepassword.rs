//! 1Password's Events API → native events: sign-in attempts, item usages and audit events.

use super::fields::{
    SourceError, cut, first, joined, member, parse, position, source, stated_time, text,
};
use crate::sources::json_value::Ref;
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    if member(&record, "target_user").is_some() {
        sign_in(&record)
    } else if text(&record, "item_uuid").is_some() {
        item(&record)
    } else {
        audit(&record)
    }
}

const fn missing(name: &'static str) -> SourceError {
    SourceError::Missing("1Password", name)
}

fn time(record: Ref<'_>) -> Option<String> {
    stated_time(record, "timestamp")
}

fn person(record: Ref<'_>, id: &[&str], email: &str) -> Option<NativeIdentity> {
    Some(NativeIdentity {
        id: first(record, id).map(cut)?,
        kind: "human",
        owner: text(record, email).map(cut),
        group: None,
    })
}

fn session(record: Ref<'_>, path: &str) -> Option<NativeCredential> {
    Some(NativeCredential {
        id: text(record, path).map(cut)?,
        kind: "session",
        issuer: Some("1password".to_owned()),
        ..NativeCredential::default()
    })
}

fn place(record: Ref<'_>, address: &str) -> Option<NativeSource> {
    let client = joined(record, &["client.app_name", "client.app_version"]);
    let at = position(record, "location.latitude", "location.longitude");
    let more = NativeSource {
        country: first(record, &["country", "location.country"]).and_then(super::country::code),
        latitude: at.map(|(latitude, _)| latitude),
        longitude: at.map(|(_, longitude)| longitude),
        ..NativeSource::default()
    };
    source(text(record, address), client.as_deref(), more)
}

fn sign_in(record: Ref<'_>) -> Result<NativeEvent, SourceError> {
    let category = text(record, "category").unwrap_or_default();
    let ids = ["target_user.uuid", "target_user.email"];
    Ok(NativeEvent {
        time_source: None,
        event_id: text(record, "uuid").map(cut),
        time: time(record),
        identity: person(record, &ids, "target_user.email").ok_or(missing("target_user.uuid"))?,
        credential: session(record, "session_uuid"),
        activity: "authenticate",
        action: Some(cut(&format!(
            "1password:signin.{}",
            text(record, "type").unwrap_or(category)
        ))),
        resource: None,
        source: place(record, "client.ip_address"),
        purpose: None,
        outcome: match category {
            "success" => "success",
            _ if category.starts_with("firewall") => "denied",
            _ => "failure",
        },
    })
}

fn item(record: Ref<'_>) -> Result<NativeEvent, SourceError> {
    let item = text(record, "item_uuid").unwrap_or_default();
    let vault = text(record, "vault_uuid").unwrap_or_default();
    let action = text(record, "action").unwrap_or("use");
    Ok(NativeEvent {
        time_source: None,
        event_id: text(record, "uuid").map(cut),
        time: time(record),
        identity: person(record, &["user.uuid", "user.email"], "user.email")
            .ok_or(missing("user.uuid"))?,
        credential: None,
        activity: "use",
        action: Some(cut(&format!("1password:item.{action}"))),
        resource: Some(cut(&format!("{vault}/{item}"))),
        source: place(record, "client.ip_address"),
        purpose: None,
        outcome: "success",
    })
}

fn audit(record: Ref<'_>) -> Result<NativeEvent, SourceError> {
    let action = text(record, "action").ok_or(missing("action"))?;
    let object = text(record, "object_type").unwrap_or("object");
    let credential = session(record, "session.uuid").map(|session| NativeCredential {
        issued_at: stated_time(record, "session.login_time"),
        ..session
    });
    Ok(NativeEvent {
        time_source: None,
        event_id: text(record, "uuid").map(cut),
        time: time(record),
        identity: person(record, &["actor_uuid"], "actor_details.email")
            .ok_or(missing("actor_uuid"))?,
        credential,
        activity: match action {
            "grant" | "join" | "role" | "updatea" | "gsso" => "grant",
            "suspend" | "revoke" | "trvdevice" | "deldev" | "disblduo" => "revoke",
            "changepw" => "rotate",
            "issue" => "issue",
            "create" if object == "satoken" => "issue",
            _ => "use",
        },
        action: Some(cut(&format!("1password:{object}.{action}"))),
        resource: text(record, "object_uuid").map(cut),
        source: place(record, "session.ip"),
        purpose: None,
        outcome: "success",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_event_is_about_who_did_it() {
        for (record, id, action, outcome) in [
            (
                r#"{"timestamp":"2026-11-23T16:00:00Z","category":"firewall_failed",
                    "type":"ip_blocked","target_user":{"uuid":"U"}}"#,
                "U",
                "1password:signin.ip_blocked",
                "denied",
            ),
            (
                r#"{"timestamp":"2026-11-23T16:00:00Z","vault_uuid":"v","item_uuid":"i",
                    "user":{"uuid":"U"}}"#,
                "U",
                "1password:item.use",
                "success",
            ),
            (
                r#"{"timestamp":"2026-11-23T16:00:00Z","actor_uuid":"A","action":"changepw",
                    "object_type":"user"}"#,
                "A",
                "1password:user.changepw",
                "success",
            ),
        ] {
            let event = map(record.as_bytes()).unwrap();
            assert_eq!(
                (&*event.identity.id, event.action.as_deref(), event.outcome),
                (id, Some(action), outcome)
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
