//! Okta's System Log → native events.
//!
//! The actor is the identity, unless it is an application that acts for a user. Tokens are hashes or ids in
//! the log; request data is never copied.

use super::fields::{
    SourceError, autonomous_system, cut, first, id_of_unknown, member, parse, position, source,
    stated_time, text,
};
use crate::sources::json_value::Ref;
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Begin of event types that are about no credential.
const LEFT_OUT: [&str; 12] = [
    "system.org.rate_limit",
    "application.integration.rate_limit",
    "system.operation.rate_limit",
    "core.concurrency",
    "app.rate_limit",
    "app.oauth2.client_id_rate_limit",
    "system.email.",
    "system.sms.",
    "system.voice.",
    "system.push.",
    "system.agent.",
    "analytics.",
];
/// Parts of event types, by activity; the first that is found decides.
const ACTIVITIES: [(&str, &[&str]); 5] = [
    (
        "revoke",
        &[
            ".revoke",
            "session.end",
            "session.clear",
            "session.expire",
            "universal_logout",
            "authentication.slo",
            "factor.deactivate",
            "factor.suspend",
            "client.lifecycle.delete",
            "client.lifecycle.deactivate",
            "credentials.lifecycle.delete",
            "credentials.lifecycle.deactivate",
            "user.lifecycle.deactivate",
            "user.lifecycle.suspend",
            "key.delete",
            "impersonation.end",
        ],
    ),
    (
        "grant",
        &[
            "privilege.grant",
            "_membership.add",
            "consent.grant",
            "impersonation.grant",
            "impersonation.extend",
            "iam.resourceset.",
            "iam.role.",
            "access_request.grant",
            "trusted_server.add",
            "role.user.add",
            "role.group.add",
            "api_service.lifecycle.authorize",
        ],
    ),
    (
        "rotate",
        &[
            ".update_password",
            ".reset_password",
            ".expire_password",
            ".change_password",
            "factor.update",
            "factor.reset_all",
            "keys.rotate",
            "key.rollover",
            "pam.password.",
            "password.update",
            "password_rotation",
            "secret_key.reset",
            "idp.key.update",
        ],
    ),
    (
        "issue",
        &[
            ".token.grant",
            "api_token.create",
            "api_token.enable",
            ".authorize",
            "client.lifecycle.create",
            "credentials.lifecycle.create",
            "credentials.lifecycle.activate",
            "factor.activate",
            "factor.unsuspend",
            "credential.enroll",
            "credential.register",
            "keys.generate",
            "keys.clone",
            "key.create",
            "impersonation.initiate",
            "unlock_token",
            "enrollment.create",
            "auth_token.issue",
            "setup_token.create",
        ],
    ),
    (
        "authenticate",
        &[
            "user.session.start",
            "user.authentication.",
            "app.oauth2.signon",
            "invalid_client_credentials",
            "user_authentication_successful",
            "user.mfa.okta_verify",
            "user.mfa.attempt_bypass",
            "user.account.lock",
            "password_sync.authentication",
            "policy.evaluate_sign_on",
        ],
    ),
];
/// Event types that are a failure whatever the outcome says.
const FAILURES: [&str; 5] = [
    "user.mfa.okta_verify.deny_push",
    "user.mfa.okta_verify.deny_push_upgrade_needed",
    "user.account.lock",
    "app.oauth2.invalid_client_credentials",
    "user.mfa.attempt_bypass",
];
/// Roles that are named in the action, in order of precedence.
const PRIVILEGED: [&str; 7] = [
    "Super administrator",
    "Organization administrator",
    "Application administrator",
    "API access management administrator",
    "Group administrator",
    "Help Desk administrator",
    "Mobile administrator",
];
/// Maps one record.
///
/// # Errors
/// The record is malformed, or left out on purpose.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let missing = |name| SourceError::Missing("Okta", name);
    let kind = text(&record, "eventType").ok_or(missing("eventType"))?;
    let result = text(&record, "outcome.result")
        .unwrap_or("SUCCESS")
        .to_uppercase();
    let grant_type = text(&record, "debugContext.debugData.grantType");
    let is_repeated_by_its_token = kind.ends_with("token.grant.id_token")
        || (kind.ends_with("token.grant")
            && result == "SUCCESS"
            && grant_type != Some("client_credentials"));
    let is_policy =
        kind == "policy.evaluate_sign_on" && matches!(&*result, "ALLOW" | "CHALLENGE" | "SUCCESS");
    let is_of_service = LEFT_OUT.iter().any(|begin| kind.starts_with(begin));
    let left_out = [
        (
            is_repeated_by_its_token,
            "grant that its token's event repeats",
        ),
        (is_policy, "policy evaluation that allowed"),
        (is_of_service, "operation of the service itself"),
    ];
    if let Some((_, reason)) = left_out.iter().find(|(is_so, _)| *is_so) {
        return Err(SourceError::LeftOut(reason));
    }
    let activity = match grant_type {
        _ if !kind.contains(".token.grant") => activity(kind),
        Some("refresh_token") => "refresh",
        Some("client_credentials") => "authenticate",
        _ => "issue",
    };
    let outcome = match &*result {
        _ if FAILURES.contains(&kind) => "failure",
        "DENY" => "denied",
        "FAILURE" | "ERROR" | "ABANDONED" => "failure",
        _ => "success",
    };
    Ok(NativeEvent {
        time_source: None,
        event_id: text(&record, "uuid").map(cut),
        time: stated_time(&record, "published"),
        identity: identity(&record).ok_or(missing("actor"))?,
        credential: credential(&record, kind, activity, outcome),
        activity,
        action: Some(cut(&format!("okta:{kind}{}", privilege(&record, activity)))),
        resource: resource(&record, activity),
        source: place(&record),
        purpose: None,
        outcome,
    })
}

/// The activity of an event type.
pub(super) fn activity(kind: &str) -> &'static str {
    let found = ACTIVITIES
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| kind.contains(part)));
    found.map_or("use", |(activity, _)| activity)
}

/// The first target of one of `kinds`.
fn target<'v>(record: Ref<'v>, kinds: &[&str]) -> Option<Ref<'v>> {
    let targets = member(record, "target")?.as_array()?;
    let is_of = |target: &Ref<'_>| text(target, "type").is_some_and(|kind| kinds.contains(&kind));
    targets.iter().find(is_of)
}

fn identity(record: Ref<'_>) -> Option<NativeIdentity> {
    let of = |id: String, kind| NativeIdentity {
        id: cut(&id),
        kind,
        ..NativeIdentity::default()
    };
    let (id, name) = (text(record, "actor.id"), text(record, "actor.alternateId"));
    let kind = text(record, "actor.type").unwrap_or("User");
    let is_client = kind.ends_with("ClientApp") || matches!(kind, "ServiceClient" | "OIDCClient");
    if is_client {
        let user = target(record, &["User"]).filter(|user| text(user, "id").is_some());
        return match user {
            Some(user) => Some(NativeIdentity {
                owner: text(user, "alternateId").map(cut),
                ..of(text(user, "id")?.to_owned(), "human")
            }),
            None => Some(of(id.or(name)?.to_owned(), "service")),
        };
    }
    if matches!(kind, "SystemPrincipal" | "System" | "OktaSystem") {
        return Some(of(id.or(name)?.to_owned(), "service"));
    }
    match (id, name) {
        (Some(id), name) => Some(NativeIdentity {
            owner: name.map(cut),
            ..of(id.to_owned(), "human")
        }),
        (None, Some(name)) => Some(of(id_of_unknown(name), "human")),
        (None, None) => None,
    }
}

fn credential(
    record: Ref<'_>,
    kind: &str,
    activity: &str,
    outcome: &str,
) -> Option<NativeCredential> {
    let of = |id: &str, kind| NativeCredential {
        id: cut(id),
        kind,
        issuer: Some("okta".to_owned()),
        ..NativeCredential::default()
    };
    let published = || stated_time(record, "published");
    let token = || target(record, &["access_token", "refresh_token", "Token", "code"]);
    if kind.starts_with("system.api_token")
        && let Some(token) = token()
    {
        return Some(of(text(token, "id")?, "api_key"));
    }
    if kind.contains(".token.grant.")
        && let Some(token) = token()
    {
        let is_refresh = text(token, "type") == Some("refresh_token");
        let scopes = text(record, "debugContext.debugData.grantedScopes").unwrap_or_default();
        return Some(NativeCredential {
            issued_at: published(),
            expires_at: stated_time(token, "detailEntry.expires"),
            scopes: scopes
                .split([',', ' '])
                .filter(|scope| !scope.is_empty())
                .map(cut)
                .collect(),
            ..of(
                first(token, &["id", "detailEntry.hash"])?,
                if is_refresh {
                    "refresh_token"
                } else {
                    "access_token"
                },
            )
        });
    }
    if kind.contains(".token.grant") {
        return text(record, "actor.id").map(|client| of(client, "api_key"));
    }
    if activity == "rotate" && kind.contains("password") {
        let user = target(record, &["User"]).and_then(|user| text(user, "id"));
        return user
            .or(text(record, "actor.id"))
            .map(|user| of(user, "password"));
    }
    if let Some(token) = text(record, "transaction.detail.requestApiTokenId") {
        return Some(of(token, "api_key"));
    }
    let session = first(
        record,
        &[
            "authenticationContext.externalSessionId",
            "authenticationContext.rootSessionId",
        ],
    )?;
    let is_new = kind == "user.session.start" && outcome == "success";
    Some(NativeCredential {
        issued_at: published().filter(|_| is_new),
        ..of(session, "session")
    })
}

fn privilege(record: Ref<'_>, activity: &str) -> String {
    let given = text(record, "debugContext.debugData.privilegeGranted").unwrap_or_default();
    let given: Vec<&str> = given.split(',').map(str::trim).collect();
    let role = PRIVILEGED.iter().find(|role| given.contains(role));
    role.filter(|_| activity == "grant")
        .map_or_else(String::new, |role| format!(":{role}"))
}

fn resource(record: Ref<'_>, activity: &str) -> Option<String> {
    let id_of = |kinds: &[&str]| target(record, kinds).and_then(|target| text(target, "id"));
    if activity == "grant" {
        let gains = id_of(&["User"]).or_else(|| id_of(&["UserGroup"]));
        return gains.or_else(|| text(record, "target.id")).map(cut);
    }
    let app = target(record, &["AppInstance", "PublicClientApp"]);
    let app = app.and_then(|app| first(app, &["alternateId", "displayName", "id"]));
    let is_client = text(record, "actor.type").is_some_and(|kind| kind.ends_with("ClientApp"));
    let client = || text(record, "actor.id").filter(|_| is_client);
    if let Some(app) = app.or_else(client) {
        return Some(cut(&format!("app/{app}")));
    }
    if activity == "authenticate" {
        return None;
    }
    id_of(&["User", "AppUser"])
        .or_else(|| text(record, "target.id"))
        .map(cut)
}

fn place(record: Ref<'_>) -> Option<NativeSource> {
    let at = "client.geographicalContext";
    let address = first(record, &["client.ipAddress", "request.ipChain.ip"]);
    let degrees = |name: &str| format!("{at}.geolocation.{name}");
    let at_degrees = position(record, &degrees("lat"), &degrees("lon"));
    let position = at_degrees.filter(|_| address.is_some());
    let more = NativeSource {
        host: text(record, "device.name").map(cut),
        country: text(record, &format!("{at}.country")).and_then(super::country::code),
        asn: autonomous_system(record, "securityContext.asNumber"),
        latitude: position.map(|(latitude, _)| latitude),
        longitude: position.map(|(_, longitude)| longitude),
        ..NativeSource::default()
    };
    source(address, text(record, "client.userAgent.rawUserAgent"), more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(kind: &str, result: &str, actor: &str) -> String {
        format!(
            r#"{{"eventType":"{kind}","published":"2026-11-23T08:15:30Z","actor":{actor},
                "outcome":{{"result":"{result}"}},"client":{{"ipAddress":"203.0.113.4",
                "geographicalContext":{{"country":"Germany"}}}}}}"#
        )
    }

    #[test]
    fn an_unknown_user_is_a_name_without_what_may_be_a_password() {
        let typed = r#"{"id":"unknown","type":"User","alternateId":"Tr0ub4dor&3"}"#;
        let failed = map(event("user.session.start", "FAILURE", typed).as_bytes()).unwrap();
        assert!(failed.identity.id.starts_with("name/fp-"));
        assert_eq!(
            (failed.activity, failed.outcome),
            ("authenticate", "failure")
        );
        assert_eq!(failed.source.unwrap().country.as_deref(), Some("DE"));
    }

    #[test]
    fn policy_evaluations_and_rate_limits_are_left_out() {
        let ada = r#"{"id":"00u1","type":"User"}"#;
        for (kind, result) in [
            ("policy.evaluate_sign_on", "ALLOW"),
            ("system.org.rate_limit.warning", "SUCCESS"),
        ] {
            assert!(matches!(
                map(event(kind, result, ada).as_bytes()),
                Err(SourceError::LeftOut(_))
            ));
        }
        let denied = map(event("policy.evaluate_sign_on", "DENY", ada).as_bytes()).unwrap();
        assert_eq!(denied.outcome, "denied");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
