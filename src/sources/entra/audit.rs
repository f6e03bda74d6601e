//! Changes of the directory: roles, groups, credentials, consents.

use super::super::fields::{
    SourceError, cut, first, id_of_unknown, member, source, stated_time, text,
};
use super::Record;
use crate::sources::json_value::Ref;
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Parts of operations, in lower case, by activity; the first that is found decides.
const ACTIVITIES: [(&str, &[&str]); 4] = [
    (
        "revoke",
        &[
            "remove service principal credentials",
            "deleted security info",
            "disable strong auth",
            "disable account",
            "revoke",
            "remove member from",
            "remove eligible member from",
            "remove scoped member from",
            "remove owner from",
            "remove app role",
            "remove delegated",
            "remove oauth2",
            "delete user",
            "delete application",
            "delete service principal",
            "delete device",
        ],
    ),
    (
        "issue",
        &[
            "add service principal credentials",
            "certificates and secrets management",
            "create temporary access pass",
            "add passwordless",
            "registered security info",
            "registered all required security info",
            "add passkey",
            "register device",
            "add password",
        ],
    ),
    (
        "rotate",
        &[
            "reset user password",
            "change user password",
            "reset password",
            "change password",
            "password reset",
            "changed default security info",
            "changed security info",
        ],
    ),
    (
        "grant",
        &[
            "member to role",
            "member to group",
            "owner to application",
            "owner to service principal",
            "owner to group",
            "add app role assignment",
            "add role assignment",
            "add delegated permission grant",
            "add oauth2permissiongrant",
            "consent to application",
            "assigns the caller to user access admin",
            "user has elevated their access",
        ],
    ),
];
/// Roles and permissions that are named in the action.
const PRIVILEGED: [&str; 22] = [
    "Global Administrator",
    "Company Administrator",
    "Privileged Role Administrator",
    "Privileged Authentication Administrator",
    "Application Administrator",
    "Cloud Application Administrator",
    "Security Administrator",
    "Hybrid Identity Administrator",
    "User Administrator",
    "Authentication Administrator",
    "Authentication Policy Administrator",
    "Conditional Access Administrator",
    "Exchange Administrator",
    "Intune Administrator",
    "Directory Synchronization Accounts",
    "Partner Tier2 Support",
    "Domain Name Administrator",
    "External Identity Provider Administrator",
    "RoleManagement.ReadWrite.Directory",
    "AppRoleAssignment.ReadWrite.All",
    "Application.ReadWrite.All",
    "Directory.ReadWrite.All",
];
/// Modified properties that name what was granted.
const GRANTED: [&str; 3] = [
    "Role.DisplayName",
    "AppRole.Value",
    "DelegatedPermissionGrant.Scope",
];

pub(super) fn map(record: &Record<'_>) -> Result<NativeEvent, SourceError> {
    let properties = record.properties;
    let operation = record.text("activityDisplayName", "operationName");
    let operation = operation.ok_or(SourceError::Missing("Entra", "activityDisplayName"))?;
    let time =
        stated_time(properties, "activityDateTime").or_else(|| stated_time(record.around, "time"));
    let activity = activity(operation);
    let role = granted(properties).filter(|_| activity == "grant");
    let more = role.map_or_else(String::new, |role| format!(":{role}"));
    let target = target(properties, activity);
    let address = record.text("initiatedBy.user.ipAddress", "callerIpAddress");
    let agent = text(properties, "userAgent").or_else(|| agent(properties));
    Ok(NativeEvent {
        time_source: None,
        event_id: record.text("id", "correlationId").map(cut),
        time,
        identity: identity(record).ok_or(SourceError::Missing("Entra", "initiatedBy"))?,
        credential: credential(record, target, activity),
        activity,
        action: Some(cut(&format!("entra:{operation}{more}"))),
        resource: target.and_then(id),
        source: source(address, agent, NativeSource::default()),
        purpose: None,
        outcome: outcome(record),
    })
}

fn activity(operation: &str) -> &'static str {
    let operation = operation.to_lowercase();
    let found = ACTIVITIES
        .iter()
        .find(|(_, parts)| parts.iter().any(|part| operation.contains(part)));
    found.map_or("use", |(activity, _)| activity)
}

fn identity(record: &Record<'_>) -> Option<NativeIdentity> {
    let properties = record.properties;
    let name = text(properties, "initiatedBy.user.userPrincipalName");
    let user = text(properties, "initiatedBy.user.id").map(cut);
    if let Some(id) = user.or_else(|| name.map(id_of_unknown)) {
        return Some(NativeIdentity {
            id,
            kind: "human",
            owner: name.map(|name| cut(&name.to_lowercase())),
            group: None,
        });
    }
    let app = first(
        properties,
        &[
            "initiatedBy.app.servicePrincipalId",
            "initiatedBy.app.appId",
        ],
    );
    let name = text(properties, "initiatedBy.app.displayName")
        .or_else(|| record.text("initiatedBy.app.servicePrincipalName", "identity"));
    let id = app.map(|app| format!("sp/{app}"));
    Some(NativeIdentity {
        id: cut(&id.or_else(|| name.map(|name| format!("app/{name}")))?),
        kind: "service",
        owner: name.map(cut),
        group: None,
    })
}

/// What is changed; of a grant who gains by it.
fn target<'v>(properties: Ref<'v>, activity: &str) -> Option<Ref<'v>> {
    let targets = member(properties, "targetResources")?.as_array()?;
    let of = |kind| {
        targets
            .iter()
            .find(|target| text(target, "type") == Some(kind))
    };
    let gains = of("User").or_else(|| of("ServicePrincipal"));
    gains
        .filter(|_| activity == "grant")
        .or_else(|| targets.first())
}

fn id(target: Ref<'_>) -> Option<String> {
    let is_principal = text(target, "type") == Some("ServicePrincipal");
    match text(target, "id") {
        Some(id) if is_principal => Some(cut(&format!("sp/{id}"))),
        Some(id) => Some(cut(id)),
        None => first(target, &["userPrincipalName", "displayName"]).map(cut),
    }
}

fn modified<'v>(target: Ref<'v>, names: &[&str], side: &str) -> Option<&'v str> {
    let properties = member(target, "modifiedProperties")?.as_array()?;
    let named = properties
        .iter()
        .filter(|property| text(property, "displayName").is_some_and(|name| names.contains(&name)));
    named
        .filter_map(|property| member(property, side)?.as_str())
        .find(|value| !value.is_empty())
}

/// The privileged role or permission that was granted.
fn granted(properties: Ref<'_>) -> Option<&'static str> {
    let targets = member(properties, "targetResources")?.as_array()?;
    let stated = |target| modified(target, &GRANTED, "newValue");
    let roles = targets.iter().find_map(stated)?.trim_matches('"');
    let is_granted = |role: &&&str| roles == **role || roles.split(' ').any(|one| one == **role);
    PRIVILEGED.iter().find(is_granted).copied()
}

/// The ids of keys in a description of keys.
fn key_ids(description: &str) -> impl Iterator<Item = &str> {
    let stated = description.split("KeyIdentifier=").skip(1);
    stated.filter_map(|rest| rest.split([',', ']', ' ']).next())
}

fn credential(
    record: &Record<'_>,
    target: Option<Ref<'_>>,
    activity: &str,
) -> Option<NativeCredential> {
    let target = target.filter(|_| matches!(activity, "issue" | "rotate"))?;
    let keys = |side| modified(target, &["KeyDescription"], side).unwrap_or_default();
    let old: Vec<&str> = key_ids(keys("oldValue")).collect();
    let new = key_ids(keys("newValue")).filter(|key| !old.contains(key));
    let is_of_app = matches!(
        text(target, "type"),
        Some("ServicePrincipal" | "Application")
    );
    Some(NativeCredential {
        id: new.last().map(cut).or_else(|| id(target))?,
        kind: if is_of_app { "api_key" } else { "password" },
        issuer: Some(record.issuer()),
        ..NativeCredential::default()
    })
}

fn agent(properties: Ref<'_>) -> Option<&str> {
    let details = member(properties, "additionalDetails")?.as_array()?;
    let is_agent = |detail: &Ref<'_>| text(detail, "key") == Some("User-Agent");
    text(details.iter().find(is_agent)?, "value")
}

fn outcome(record: &Record<'_>) -> &'static str {
    let result = record
        .text("result", "resultType")
        .unwrap_or("success")
        .to_lowercase();
    let reason = record
        .text("resultReason", "resultDescription")
        .unwrap_or_default();
    let reason = reason.to_lowercase();
    let is_refused = ["authoriz", "denied", "insufficient", "forbidden"]
        .iter()
        .any(|word| reason.contains(word));
    match &*result {
        "success" | "succeeded" | "0" => "success",
        _ if is_refused => "denied",
        _ => "failure",
    }
}
