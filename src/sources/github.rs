//! GitHub's audit log and its streaming → native events.
//!
//! The actor is the identity; `user` is whom it was done to. A hashed token is the credential. Never copied:
//! URLs of hooks, query strings, names of secrets.

use super::fields::{SourceError, cut, first, member, parse, source, stated_time, text};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Begin or end of actions, by activity; the first that fits decides.
const ACTIVITIES: [(&str, &[&str]); 5] = [
    (
        "authenticate",
        &[
            "user.login",
            "user.failed_login",
            "user.two_factor_challenge_",
            ".sso_response",
            "user.sign_in_from_unrecognized_device",
            "user.new_device_used",
        ],
    ),
    (
        "revoke",
        &[
            "oauth_access.destroy",
            "oauth_application.destroy",
            "oauth_application.revoke_tokens",
            "organization_role.revoke",
            "passkey.remove",
            "security_key.remove",
            "ssh_certificate_authority.destroy",
            ".remove_actions_secret",
            ".remove_outside_collaborator",
            "oauth_access.revoke",
            "personal_access_token.access_revoked",
            "personal_access_token.destroy",
            "public_key.delete",
            "public_key.unverification_failure",
            "gpg_key.delete",
            "oauth_authorization.destroy",
            ".remove_client_secret",
            "integration_installation.destroy",
            "integration_installation.suspend",
            "org_credential_authorization.deauthorize",
            "org_credential_authorization.revoke",
            "two_factor_authentication.disabled",
            "two_factor_authentication.remove_factor",
            ".remove_member",
            "business.remove_admin",
            "user.logout",
            "user.suspend",
        ],
    ),
    (
        "rotate",
        &[
            "oauth_access.regenerate",
            "hook.config_changed",
            "personal_access_token.credential_regenerated",
            "oauth_application.reset_secret",
            "public_key.update",
            "user.change_password",
            "user.reset_password",
            ".update_actions_secret",
            "two_factor_authentication.recovery_codes_regenerated",
        ],
    ),
    (
        "issue",
        &[
            "personal_access_token.create",
            "personal_access_token.request_created",
            "oauth_access.create",
            "public_key.create",
            "gpg_key.create",
            "oauth_application.create",
            "integration.create",
            ".generate_client_secret",
            "passkey.register",
            "security_key.register",
            "two_factor_authentication.enabled",
            "two_factor_authentication.add_factor",
            "ssh_certificate_authority.create",
            ".create_actions_secret",
            "codespaces.create_an_org_secret",
            ".register_self_hosted_runner",
        ],
    ),
    (
        "grant",
        &[
            "personal_access_token.access_granted",
            "oauth_authorization.create",
            "oauth_authorization.update",
            "oauth_access.update",
            "org.oauth_app_access_approved",
            "integration_installation.create",
            "integration_installation.repositories_added",
            "org_credential_authorization.grant",
            ".add_member",
            ".update_member",
            "org.invite_member",
            "org.add_outside_collaborator",
            "org.add_security_manager",
            "org.update_default_repository_permission",
            "organization_role.assign",
            "role.create",
            "role.update",
            "team.promote_maintainer",
            "team.add_repository",
            "team.update_repository_permission",
            "business.add_admin",
            "business.add_organization",
            "business.set_enterprise_owner",
            ".add_billing_manager",
            "org.invite_to_role",
            "team.update_permission",
            "external_identity.provision",
            "business.invite_admin",
            "organization_moderators.add_user",
            "repo.transfer",
            "org.transfer",
        ],
    ),
];

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let missing = |name| SourceError::Missing("GitHub", name);
    let action = text(&record, "action").ok_or(missing("action"))?;
    let time = stated_time(&record, "@timestamp").or_else(|| stated_time(&record, "created_at"));
    let activity = activity(action);
    let is_widened = activity == "grant" && text(&record, "permission") == Some("admin");
    let user = || text(&record, "user").map(str::to_lowercase);
    let place = || {
        first(
            &record,
            &["repo", "repository", "team", "data.team", "org", "business"],
        )
    };
    let resource = match activity {
        "grant" | "revoke" => user().or_else(|| place().map(cut)),
        _ => place().map(cut),
    };
    let more = NativeSource {
        country: text(&record, "actor_location.country_code").map(cut),
        ..NativeSource::default()
    };
    Ok(NativeEvent {
        time_source: None,
        event_id: text(&record, "_document_id").map(cut),
        time,
        identity: identity(&record).ok_or(missing("actor"))?,
        credential: credential(&record),
        activity,
        action: Some(format!(
            "github:{}{}",
            cut(action),
            if is_widened { ":admin" } else { "" }
        )),
        resource,
        source: source(text(&record, "actor_ip"), text(&record, "user_agent"), more),
        purpose: None,
        outcome: outcome(&record, action),
    })
}

/// The activity of an event type.
pub(super) fn activity(action: &str) -> &'static str {
    let fits = |known: &&str| match known.strip_prefix('.') {
        Some(_) => action.ends_with(*known),
        None if known.ends_with('_') => action.starts_with(*known),
        None => action == *known,
    };
    let found = ACTIVITIES
        .iter()
        .find(|(_, actions)| actions.iter().any(&fits));
    let unrecognized = action.starts_with("user.sign_in_from_unrecognized_device");
    match found {
        _ if unrecognized => "authenticate",
        Some((activity, _)) => activity,
        None => "use",
    }
}

fn identity(record: Ref<'_>) -> Option<NativeIdentity> {
    let key = || {
        let key = first(
            record,
            &["hashed_token", "deploy_key_fingerprint", "fingerprint"],
        )?;
        Some(format!("key/{}", cut(key)))
    };
    let actor = text(record, "actor").map(str::to_lowercase);
    let is_bot = member(record, "actor_is_bot").and_then(Value::as_bool) == Some(true)
        || actor
            .as_deref()
            .is_some_and(|actor| actor.ends_with("[bot]"));
    let is_key = actor.is_none();
    Some(NativeIdentity {
        id: cut(&actor.or_else(key)?),
        kind: if is_bot || is_key {
            "automation"
        } else {
            "human"
        },
        owner: text(record, "external_identity_nameid").map(cut),
        group: None,
    })
}

fn credential(record: Ref<'_>) -> Option<NativeCredential> {
    let id = first(
        record,
        &[
            "hashed_token",
            "token_id",
            "deploy_key_fingerprint",
            "fingerprint",
        ],
    )?;
    let by = text(record, "programmatic_access_type")
        .unwrap_or_default()
        .to_lowercase();
    let is_ssh = by.contains("ssh") || by.contains("deploy") || id.starts_with("SHA256:");
    let kind = if is_ssh {
        "ssh_key"
    } else if by.contains("oauth") || by.contains("app") {
        "access_token"
    } else {
        "api_key"
    };
    let scopes = text(record, "token_scopes").unwrap_or_default();
    Some(NativeCredential {
        id: cut(id),
        kind,
        issuer: Some("github".to_owned()),
        scopes: scopes
            .split(',')
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
            .map(cut)
            .collect(),
        ..NativeCredential::default()
    })
}

fn outcome(record: Ref<'_>, action: &str) -> &'static str {
    let status = member(record, "status_code")
        .and_then(Value::as_i64)
        .unwrap_or(200);
    if matches!(status, 401 | 403 | 404) || action == "protected_branch.rejected_ref_update" {
        "denied"
    } else if action == "user.failed_login" || action.ends_with("_challenge_failure") {
        "failure"
    } else if status >= 400 {
        "error"
    } else {
        "success"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_grant_names_who_gains_and_a_token_is_never_a_url() {
        let event = map(
            br#"{"@timestamp":1795599600123,"_document_id":"d","action":"org.add_member","actor":"Ada",
                "user":"Bob","org":"corp","permission":"admin","actor_ip":"203.0.113.4"}"#,
        )
        .unwrap();
        assert_eq!(
            (event.identity.id.as_str(), event.activity),
            ("ada", "grant")
        );
        assert_eq!(event.resource.as_deref(), Some("bob"));
        assert_eq!(event.action.as_deref(), Some("github:org.add_member:admin"));
        assert!(event.credential.is_none());
    }

    #[test]
    fn activities_follow_the_action() {
        for (action, expected) in [
            ("user.failed_login", "authenticate"),
            ("user.two_factor_challenge_failure", "authenticate"),
            ("business.sso_response", "authenticate"),
            ("repo.create_actions_secret", "issue"),
            ("oauth_access.regenerate", "rotate"),
            ("team.remove_member", "revoke"),
            ("git.clone", "use"),
        ] {
            assert_eq!(activity(action), expected, "{action}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
