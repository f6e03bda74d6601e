//! Keycloak's user and admin events → native events.
//!
//! The events of one login have the session in common: a refresh issues new token ids, and the session stays.
//! So the credential is the session where there is one, and an order can delete it. A record is an event as
//! the admin API returns it, with the field `realmName`, by which the issuer is named.

use crate::sources::fields::stated_text;
use crate::sources::json_object::{JsonFault, parse_record};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use crate::sources::native::parse_address;
use crate::sources::time::format_rfc3339;
use credwatch_core::units::EventTime;
use serde::Deserialize;

/// Maximum size of a record, in bytes.
pub const RECORD_BYTES: usize = 256 * 1024;
/// Values copied from a record are cut to this length.
const VALUE_BYTES: usize = 1_000;
/// Prefix of the user names of service accounts.
const SERVICE_ACCOUNT: &str = "service-account-";

/// Why a record cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum KeycloakEventError {
    /// Over the size limit.
    #[error("Keycloak event of {0} bytes is over the limit of {RECORD_BYTES}")]
    TooLarge(usize),
    /// Not JSON of the right form.
    #[error("not a Keycloak event: {0}")]
    Json(#[from] JsonFault),
    /// A required field is missing.
    #[error("Keycloak event without `{0}`")]
    Missing(&'static str),
    /// `time` is invalid.
    #[error("`time` is not a time in epoch milliseconds between 2000 and 2099")]
    Time,
    /// There is no principal.
    #[error("the event names no user and no client")]
    Principal,
    /// A page that was left open, such as a sign-in that nobody finished: it is about nobody.
    #[error("the event is about nobody")]
    Nobody,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    #[serde(alias = "uid")]
    id: Option<String>,
    time: Option<i64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    realm_id: Option<String>,
    realm_name: Option<String>,
    client_id: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
    ip_address: Option<String>,
    error: Option<String>,
    details: Option<Details>,
    operation_type: Option<String>,
    resource_type: Option<String>,
    resource_path: Option<String>,
    auth_details: Option<AuthDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    username: Option<String>,
    scope: Option<String>,
    impersonator: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthDetails {
    client_id: Option<String>,
    user_id: Option<String>,
    username: Option<String>,
    session_id: Option<String>,
    ip_address: Option<String>,
}

fn truncate(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(VALUE_BYTES));
    text
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().and_then(stated_text)
}

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<NativeEvent, KeycloakEventError> {
    if record.len() > RECORD_BYTES {
        return Err(KeycloakEventError::TooLarge(record.len()));
    }
    let mut record: Record = parse_record(record)?;
    take_webhook_form(&mut record);
    let ms = record.time.ok_or(KeycloakEventError::Missing("time"))?;
    let time = EventTime::from_epoch_ms(ms).ok_or(KeycloakEventError::Time)?;
    if record.operation_type.is_some() {
        of_admin(&record, time)
    } else {
        of_user(&record, time)
    }
}

/// Prefix of the types of user events as the webhook of the event listeners writes them, which states who and
/// where in `authDetails`.
const WEBHOOK_PREFIX: &str = "access.";

fn take_webhook_form(record: &mut Record) {
    let kind = record
        .kind
        .as_deref()
        .and_then(|kind| kind.strip_prefix(WEBHOOK_PREFIX));
    let Some(kind) = kind.map(str::to_owned) else {
        return;
    };
    record.kind = Some(kind);
    let who = record.auth_details.take().unwrap_or_default();
    record.client_id = record.client_id.take().or(who.client_id);
    record.user_id = record.user_id.take().or(who.user_id);
    record.session_id = record.session_id.take().or(who.session_id);
    record.ip_address = record.ip_address.take().or(who.ip_address);
    let details = record.details.get_or_insert_default();
    details.username = details.username.take().or(who.username);
}

fn source(ip: &Option<String>) -> Option<NativeSource> {
    let ip = given(ip).and_then(parse_address)?;
    Some(NativeSource {
        ip: Some(ip.to_string()),
        ..NativeSource::default()
    })
}

fn of_user(record: &Record, time: EventTime) -> Result<NativeEvent, KeycloakEventError> {
    let kind = given(&record.kind).ok_or(KeycloakEventError::Missing("type"))?;
    let (operation, has_failed) = match kind.strip_suffix("_ERROR") {
        Some(operation) => (operation, true),
        None => (kind, record.error.is_some()),
    };
    let activity = activity(operation);
    let client = given(&record.client_id);
    let impersonator = record.details.as_ref().and_then(|d| given(&d.impersonator));
    if let Some(impersonator) = impersonator.filter(|_| operation == "IMPERSONATE") {
        return Ok(impersonation(record, impersonator, time, has_failed));
    }
    Ok(NativeEvent {
        time_source: None,
        event_id: given(&record.id).map(str::to_owned).map(truncate),
        time: Some(format_rfc3339(time)),
        identity: identity(record, operation)?,
        credential: credential(record, operation, activity, time),
        activity,
        action: Some(truncate(format!("keycloak:{operation}"))),
        resource: client.map(|client| truncate(format!("client/{client}"))),
        source: source(&record.ip_address),
        purpose: None,
        outcome: if has_failed { "failure" } else { "success" },
    })
}

/// An administrator who acts as somebody else: an event of his own, with the victim as its object.
fn impersonation(
    record: &Record,
    impersonator: &str,
    time: EventTime,
    has_failed: bool,
) -> NativeEvent {
    NativeEvent {
        time_source: None,
        event_id: given(&record.id).map(str::to_owned).map(truncate),
        time: Some(format_rfc3339(time)),
        identity: NativeIdentity {
            id: truncate(format!("name/{impersonator}")),
            kind: "human",
            ..NativeIdentity::default()
        },
        credential: None,
        activity: "use",
        action: Some("keycloak:IMPERSONATE".to_owned()),
        resource: given(&record.user_id).map(|user| truncate(format!("user/{user}"))),
        source: source(&record.ip_address),
        purpose: None,
        outcome: if has_failed { "failure" } else { "success" },
    }
}

fn activity(operation: &str) -> &'static str {
    match operation {
        "LOGIN" | "CLIENT_LOGIN" | "IDENTITY_PROVIDER_LOGIN" => "authenticate",
        "CODE_TO_TOKEN"
        | "TOKEN_EXCHANGE"
        | "OAUTH2_DEVICE_CODE_TO_TOKEN"
        | "PERMISSION_TOKEN"
        | "REGISTER" => "issue",
        "REFRESH_TOKEN" => "refresh",
        "UPDATE_CREDENTIAL" | "UPDATE_PASSWORD" | "RESET_PASSWORD" | "UPDATE_TOTP" => "rotate",
        "LOGOUT"
        | "REVOKE_GRANT"
        | "REMOVE_CREDENTIAL"
        | "REMOVE_TOTP"
        | "USER_DISABLED_BY_PERMANENT_LOCKOUT" => "revoke",
        "GRANT_CONSENT" | "UPDATE_CONSENT" => "grant",
        _ => "use",
    }
}

fn identity(record: &Record, operation: &str) -> Result<NativeIdentity, KeycloakEventError> {
    let username = record.details.as_ref().and_then(|d| given(&d.username));
    let is_service = operation == "CLIENT_LOGIN"
        || username.is_some_and(|name| name.starts_with(SERVICE_ACCOUNT));
    let client = given(&record.client_id);
    let (id, is_service) = match (given(&record.user_id), username, client) {
        (Some(id), _, _) => (id.to_owned(), is_service),
        // A login attempt for an unknown user name.
        (None, Some(name), _) => (format!("name/{name}"), is_service),
        (None, None, Some(client)) => (format!("client/{client}"), true),
        (None, None, None) if record.error.is_some() => return Err(KeycloakEventError::Nobody),
        (None, None, None) => return Err(KeycloakEventError::Principal),
    };
    Ok(NativeIdentity {
        id: truncate(id),
        kind: if is_service { "service" } else { "human" },
        group: None,
        owner: username
            .filter(|_| !is_service)
            .map(str::to_owned)
            .map(truncate),
    })
}

fn credential(
    record: &Record,
    operation: &str,
    activity: &str,
    time: EventTime,
) -> Option<NativeCredential> {
    let issuer = given(&record.realm_name).or(given(&record.realm_id));
    let issuer = issuer.map(str::to_owned).map(truncate);
    let of = |id: &str, kind| NativeCredential {
        id: truncate(id.to_owned()),
        kind,
        issuer: issuer.clone(),
        ..NativeCredential::default()
    };
    if operation == "CLIENT_LOGIN" {
        return given(&record.client_id).map(|client| of(client, "api_key"));
    }
    // There is no user whose session could be deleted.
    let user = given(&record.user_id)?;
    let session = given(&record.session_id).map(|id| of(id, "session"));
    if activity == "rotate" || session.is_none() {
        return Some(of(user, "password"));
    }
    let scopes = record.details.as_ref().and_then(|d| given(&d.scope));
    let mut session = session?;
    session.scopes = scopes
        .into_iter()
        .flat_map(str::split_whitespace)
        .take(64)
        .map(|scope| truncate(scope.to_owned()))
        .collect();
    if activity == "authenticate" {
        session.issued_at = Some(format_rfc3339(time));
    }
    Some(session)
}

/// An action of an administrator on users, roles and clients.
fn of_admin(record: &Record, time: EventTime) -> Result<NativeEvent, KeycloakEventError> {
    let operation = given(&record.operation_type).unwrap_or_default();
    let kind = given(&record.resource_type).unwrap_or("UNKNOWN");
    let path = given(&record.resource_path).unwrap_or_default();
    let who = record.auth_details.as_ref();
    let user = who.and_then(|who| given(&who.user_id));
    let client = who.and_then(|who| given(&who.client_id));
    let id = match (user, client) {
        (Some(user), _) => user.to_owned(),
        (None, Some(client)) => format!("client/{client}"),
        (None, None) => return Err(KeycloakEventError::Principal),
    };
    let widens = kind.ends_with("ROLE_MAPPING") || kind == "GROUP_MEMBERSHIP";
    let is_new_secret = path.ends_with("/reset-password") || path.ends_with("/client-secret");
    let activity = match operation {
        "CREATE" if widens => "grant",
        "ACTION" if is_new_secret => "rotate",
        _ => "use",
    };
    // The resource of a grant is the principal that gains permissions, as in other sources.
    let target = path.strip_prefix("users/").filter(|_| widens);
    let target = target.and_then(|rest| rest.split('/').next());
    Ok(NativeEvent {
        time_source: None,
        event_id: given(&record.id).map(str::to_owned).map(truncate),
        time: Some(format_rfc3339(time)),
        identity: NativeIdentity {
            id: truncate(id),
            kind: "human",
            ..NativeIdentity::default()
        },
        credential: None,
        activity,
        action: Some(truncate(format!(
            "keycloak-admin:{}{}",
            camel(operation),
            camel(kind)
        ))),
        resource: Some(truncate(target.unwrap_or(path).to_owned())).filter(|path| !path.is_empty()),
        source: who.and_then(|who| source(&who.ip_address)),
        purpose: None,
        outcome: if record.error.is_some() {
            "denied"
        } else {
            "success"
        },
    })
}

/// `CLIENT_ROLE_MAPPING` → `ClientRoleMapping`.
fn camel(words: &str) -> String {
    let capitalised = words.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        let rest = letters.map(|c| c.to_ascii_lowercase());
        first.into_iter().chain(rest).collect::<String>()
    });
    capitalised.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::native;
    use crate::token_redaction::Redactor;
    use serde_json::json;

    fn user_event(kind: &str) -> serde_json::Value {
        json!({"id": "b9e0", "time": 1_795_597_287_247_i64, "type": kind, "realmId": "4fac",
            "realmName": "corp", "clientId": "app", "userId": "6f9f", "sessionId": "f25b",
            "ipAddress": "203.0.113.7", "details": {"username": "ada", "scope": "openid email"}})
    }

    fn mapped(event: &serde_json::Value) -> NativeEvent {
        let event = map(event.to_string().as_bytes()).unwrap();
        native::decode(&event.to_json(), &Redactor::default()).unwrap();
        event
    }

    #[test]
    fn the_forms_of_listeners_name_the_same_user() {
        let of = |text: &str| map(text.as_bytes());
        let webhook = of(
            r#"{"uid":"u1","type":"access.LOGIN","realmId":"corp","time":1772445600000,
                "authDetails":{"clientId":"portal","userId":"6f9f","ipAddress":"198.51.100.7",
                    "username":"amy","sessionId":"s1"}}"#,
        )
        .unwrap();
        assert_eq!(
            (webhook.identity.id.as_str(), webhook.activity),
            ("6f9f", "authenticate")
        );
        assert_eq!(webhook.event_id.as_deref(), Some("u1"));
        assert_eq!(webhook.source.unwrap().ip.as_deref(), Some("198.51.100.7"));
        let null = of(
            r#"{"time":1772445600000,"type":"LOGIN_ERROR","userId":"null","clientId":"portal",
                "details":{"username":"amy"},"error":"user_not_found"}"#,
        );
        assert_eq!(null.unwrap().identity.id, "name/amy");
        let nobody = of(r#"{"time":1772445600000,"type":"LOGIN_ERROR","error":"expired_code"}"#);
        assert!(matches!(nobody, Err(KeycloakEventError::Nobody)));
    }

    #[test]
    fn an_impersonation_is_an_event_of_the_impersonator() {
        let event = map(
            br#"{"time":1772445600000,"type":"IMPERSONATE","userId":"victim","sessionId":"s9",
                "details":{"impersonator":"admin","username":"amy"}}"#,
        )
        .unwrap();
        assert_eq!(event.identity.id, "name/admin");
        assert_eq!(event.resource.as_deref(), Some("user/victim"));
        assert!(event.credential.is_none());
    }

    #[test]
    fn a_login_begins_a_session_and_a_refresh_continues_it() {
        let login = mapped(&user_event("LOGIN"));
        assert_eq!((login.activity, login.outcome), ("authenticate", "success"));
        assert_eq!(
            (login.identity.id.as_str(), login.identity.kind),
            ("6f9f", "human")
        );
        let session = login.credential.unwrap();
        assert_eq!((session.id.as_str(), session.kind), ("f25b", "session"));
        assert_eq!(session.issuer.as_deref(), Some("corp"));
        assert_eq!(session.scopes, ["openid", "email"]);
        assert!(session.issued_at.is_some());
        let refresh = mapped(&user_event("REFRESH_TOKEN"));
        assert_eq!(refresh.activity, "refresh");
        assert_eq!(refresh.credential.unwrap().id, "f25b");
        assert_eq!(mapped(&user_event("LOGOUT")).activity, "revoke");
    }

    #[test]
    fn errors_are_failures_and_unknown_names_have_their_own_identity() {
        let mut failed = user_event("LOGIN_ERROR");
        failed["error"] = json!("user_not_found");
        for member in ["userId", "sessionId"] {
            failed.as_object_mut().unwrap().remove(member);
        }
        let event = mapped(&failed);
        assert_eq!((event.activity, event.outcome), ("authenticate", "failure"));
        assert_eq!(
            (event.identity.id.as_str(), event.credential),
            ("name/ada", None)
        );
    }

    #[test]
    fn a_service_account_is_a_service_with_a_key() {
        let mut login = user_event("CLIENT_LOGIN");
        login["details"]["username"] = json!("service-account-app");
        let event = mapped(&login);
        assert_eq!(event.identity.kind, "service");
        let key = event.credential.unwrap();
        assert_eq!((key.id.as_str(), key.kind), ("app", "api_key"));
    }

    #[test]
    fn an_administrator_grants_roles_to_somebody() {
        let grant = json!({"id": "4aa0", "time": 1_795_597_286_894_i64, "realmId": "4fac",
            "authDetails": {"clientId": "68d7", "userId": "de06", "ipAddress": "127.0.0.1"},
            "operationType": "CREATE", "resourceType": "CLIENT_ROLE_MAPPING",
            "resourcePath": "users/de06/role-mappings/clients/3b17"});
        let event = mapped(&grant);
        assert_eq!(
            (event.activity, event.identity.id.as_str()),
            ("grant", "de06")
        );
        assert_eq!(
            event.action.as_deref(),
            Some("keycloak-admin:CreateClientRoleMapping")
        );
        assert_eq!(
            event.resource.as_deref(),
            Some("de06"),
            "to itself, so it is seen as one"
        );
    }

    #[test]
    fn a_malformed_event_states_the_reason() {
        for (record, why) in [
            ("{}", "without `time`"),
            ("[", "not a Keycloak event"),
            (r#"{"time":1795597286894}"#, "without `type`"),
            (r#"{"time":1,"type":"LOGIN","userId":"u"}"#, "between 2000"),
            (
                r#"{"time":1795597286894,"type":"LOGIN"}"#,
                "no user and no client",
            ),
        ] {
            let error = map(record.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{record}: {error}");
        }
    }
}
