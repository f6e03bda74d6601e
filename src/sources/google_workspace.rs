//! Google Workspace's activity reports → native events, one for each event of an activity.

use super::fields::{SourceError, cut, first, member, parse, source, stated_time, text, texts};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use std::borrow::Cow;

/// Maximum number of events in an activity.
const MAX_EVENTS: usize = 256;
/// Names of events by activity; others are uses.
const ACTIVITIES: [(&str, &[&str]); 5] = [
    (
        "authenticate",
        &[
            "login_success",
            "login_failure",
            "login_challenge",
            "login_verification",
            "suspicious_login",
            "suspicious_login_less_secure_app",
            "suspicious_programmatic_login",
            "risky_sensitive_action_allowed",
            "risky_sensitive_action_blocked",
        ],
    ),
    (
        "issue",
        &[
            "2sv_enroll",
            "titanium_enroll",
            "GENERATE_2SV_SCRATCH_CODES",
            "ADD_APPLICATION",
            "passkey_enrolled",
            "GENERATE_CERTIFICATE",
            "add_security_key",
            "DEVICE_REGISTER_UNREGISTER_EVENT",
        ],
    ),
    (
        "rotate",
        &[
            "password_edit",
            "CHANGE_PASSWORD",
            "CHANGE_PASSWORD_ON_NEXT_LOGIN",
            "recovery_email_edit",
            "recovery_phone_edit",
            "recovery_secret_qa_edit",
        ],
    ),
    (
        "revoke",
        &[
            "logout",
            "2sv_disable",
            "titanium_unenroll",
            "REVOKE_3LO_TOKEN",
            "REVOKE_3LO_DEVICE_TOKENS",
            "REVOKE_ASP",
            "REVOKE_SECURITY_KEY",
            "RESET_SIGNIN_COOKIES",
            "DELETE_2SV_SCRATCH_CODES",
            "TURN_OFF_2_STEP_VERIFICATION",
            "SUSPEND_USER",
            "REMOVE_API_CLIENT_ACCESS",
            "UNASSIGN_ROLE",
            "REMOVE_PRIVILEGE",
            "REVOKE_ADMIN_PRIVILEGE",
            "REMOVE_GROUP_MEMBER",
            "revoke",
            "account_disabled_password_leak",
            "account_disabled_generic",
            "account_disabled_spamming",
            "account_disabled_spamming_through_relay",
            "account_disabled_hijacked",
            "passkey_removed",
        ],
    ),
    (
        "grant",
        &[
            "authorize",
            "ASSIGN_ROLE",
            "GRANT_ADMIN_PRIVILEGE",
            "GRANT_DELEGATED_ADMIN_PRIVILEGES",
            "CREATE_ROLE",
            "UPDATE_ROLE",
            "ADD_PRIVILEGE",
            "AUTHORIZE_API_CLIENT_ACCESS",
            "ADD_GROUP_MEMBER",
            "UPDATE_GROUP_MEMBER",
            "ADD_TO_TRUSTED_OAUTH2_APPS",
            "ADD_TRUSTED_DOMAINS",
            "MOVE_USER_TO_ORG_UNIT",
            "UNSUSPEND_USER",
            "add_member",
            "change_user_access",
            "change_calendar_acls",
        ],
    ),
];
/// Roles that are named in the action.
const PRIVILEGED: [&str; 6] = [
    "_SEED_ADMIN_ROLE",
    "_USER_MANAGEMENT_ADMIN_ROLE",
    "_GROUPS_ADMIN_ROLE",
    "_HELP_DESK_ADMIN_ROLE",
    "_SERVICE_ADMIN_ROLE",
    "_DELEGATED_ADMIN_ROLE",
];

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<Vec<NativeEvent>, SourceError> {
    let record = parse(record)?;
    let events = match member(&record, "events") {
        Some(Value::Array(events)) => events.iter().collect(),
        Some(event) => vec![event],
        None => vec![&record],
    };
    if events.len() > MAX_EVENTS {
        return Err(SourceError::TooMany(MAX_EVENTS));
    }
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(number, event)| map_event(&record, event, number))
        .collect()
}

fn map_event(record: Ref<'_>, event: Ref<'_>, number: usize) -> Result<NativeEvent, SourceError> {
    let missing = |name| SourceError::Missing("Google Workspace", name);
    let name = text(event, "name").ok_or(missing("events.name"))?;
    let application = text(record, "id.applicationName").unwrap_or("workspace");
    let parameters = parameters(event);
    let stated = |name: &str| text(&parameters, name);
    let affected = stated("affected_email_address");
    let identity = identity(record, affected).ok_or(missing("actor.email"))?;
    let found = ACTIVITIES.iter().find(|(_, names)| names.contains(&name));
    let activity = found.map_or("use", |(activity, _)| activity);
    let role = stated("ROLE_NAME").filter(|role| activity == "grant" && PRIVILEGED.contains(role));
    let role = role.map_or_else(String::new, |role| format!(":{role}"));
    let challenge = stated("login_challenge_status");
    let is_failure = matches!(name, "login_failure" | "risky_sensitive_action_blocked")
        || matches!(challenge, Some("Challenge Failed." | "failed"));
    let id = text_or_number(record, "id.uniqueQualifier").map(|id| match number {
        0 => format!("{application}/{id}"),
        number => format!("{application}/{id}/{number}"),
    });
    Ok(NativeEvent {
        time_source: None,
        event_id: id.as_deref().map(cut),
        time: stated_time(record, "id.time"),
        credential: credential(application, activity, name, &parameters, &identity.id),
        resource: resource(application, &parameters, affected, &identity.id),
        identity,
        activity,
        action: Some(cut(&format!("google:{application}.{name}{role}"))),
        source: source(text(record, "ipAddress"), None, NativeSource::default()),
        purpose: None,
        outcome: if is_failure { "failure" } else { "success" },
    })
}

fn text_or_number(record: Ref<'_>, path: &str) -> Option<String> {
    match member(record, path)? {
        Value::Number(number) => Some(number.to_string()),
        _ => text(record, path).map(str::to_owned),
    }
}

/// The parameters of an event by name, whichever type each has.
fn parameters(event: Ref<'_>) -> Value<'_> {
    let stated = match member(event, "parameters") {
        Some(Value::Array(stated)) => stated,
        Some(other) => return other.clone(),
        None => return Value::Null,
    };
    let types = ["value", "intValue", "boolValue", "multiValue"];
    let named = stated.iter().filter_map(|parameter| {
        let name = text(parameter, "name")?;
        let value = types.iter().find_map(|of| parameter.get(of))?;
        Some((Cow::Owned(name.to_owned()), value.clone()))
    });
    Value::Object(named.collect())
}

fn identity(record: Ref<'_>, affected: Option<&str>) -> Option<NativeIdentity> {
    let of = |id: String, kind| NativeIdentity {
        id: cut(&id),
        kind,
        ..NativeIdentity::default()
    };
    if let Some(email) = text(record, "actor.email").or(affected) {
        let is_service = email.ends_with("gserviceaccount.com");
        let kind = if is_service { "service" } else { "human" };
        return Some(of(email.to_lowercase(), kind));
    }
    if let Some(profile) = text_or_number(record, "actor.profileId") {
        return Some(of(format!("profile/{profile}"), "human"));
    }
    let keys = ["actor.key", "actor.applicationInfo.oauthClientId"];
    first(record, &keys).map(|key| of(format!("key/{key}"), "service"))
}

fn credential(
    application: &str,
    activity: &str,
    name: &str,
    parameters: Ref<'_>,
    identity: &str,
) -> Option<NativeCredential> {
    if application == "token" {
        let scopes = member(parameters, "scope").filter(|scopes| scopes.as_array().is_some());
        return Some(NativeCredential {
            id: text(parameters, "client_id").map(cut)?,
            kind: if name == "authorize" {
                "refresh_token"
            } else {
                "access_token"
            },
            issuer: Some("google".to_owned()),
            scopes: match scopes {
                Some(_) => texts(parameters, "scope"),
                None => text(parameters, "scope").map(cut).into_iter().collect(),
            },
            ..NativeCredential::default()
        });
    }
    if activity != "authenticate" {
        return None;
    }
    let method = text(parameters, "login_type");
    let is_password = matches!(method, Some("google_password" | "reauth"));
    let issuer = method.filter(|_| !is_password);
    Some(NativeCredential {
        id: identity.to_owned(),
        kind: if is_password { "password" } else { "" },
        issuer: Some(issuer.map_or_else(
            || "google".to_owned(),
            |method| cut(&format!("google/{method}")),
        )),
        ..NativeCredential::default()
    })
}

fn resource(
    application: &str,
    parameters: Ref<'_>,
    affected: Option<&str>,
    identity: &str,
) -> Option<String> {
    if application == "token" {
        let client = first(parameters, &["client_id", "app_name"])?;
        return Some(cut(&format!("client/{client}")));
    }
    let people = ["USER_EMAIL", "target_user", "user_email", "member_id"];
    let victim = affected.filter(|affected| !affected.eq_ignore_ascii_case(identity));
    if let Some(person) = first(parameters, &people).or(victim) {
        return Some(cut(&person.to_lowercase()));
    }
    let objects = [
        "app_name",
        "APPLICATION_NAME",
        "GROUP_EMAIL",
        "ROLE_NAME",
        "SETTING_NAME",
        "doc_id",
        "DOMAIN_NAME",
        "resource_id",
    ];
    first(parameters, &objects).map(cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_event_of_an_activity_is_one() {
        let events = map(
            br#"{"id":{"time":"2026-11-23T13:00:00Z","uniqueQualifier":-7,"applicationName":"admin"},
                "actor":{"email":"Ada@corp.example"},"events":[
                {"name":"CHANGE_PASSWORD","parameters":[{"name":"USER_EMAIL","value":"B@corp.example"}]},
                {"name":"ASSIGN_ROLE","parameters":[{"name":"ROLE_NAME","value":"_SEED_ADMIN_ROLE"}]}]}"#,
        )
        .unwrap();
        let ids: Vec<_> = events
            .iter()
            .map(|event| event.event_id.as_deref())
            .collect();
        assert_eq!(ids, [Some("admin/-7"), Some("admin/-7/1")]);
        assert_eq!(events[0].resource.as_deref(), Some("b@corp.example"));
        let granted = Some("google:admin.ASSIGN_ROLE:_SEED_ADMIN_ROLE");
        assert_eq!(events[1].action.as_deref(), granted);
    }

    #[test]
    fn an_activity_of_too_many_events_is_rejected() {
        let many = vec![r#"{"name":"x"}"#; MAX_EVENTS + 1].join(",");
        let record = format!(r#"{{"id":{{"time":1}},"events":[{many}]}}"#);
        assert!(matches!(
            map(record.as_bytes()),
            Err(SourceError::TooMany(_))
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
