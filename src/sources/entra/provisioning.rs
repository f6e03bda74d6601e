//! Provisioning: the service creates, changes and disables accounts in other systems, by itself or because
//! somebody asked for one account.

use super::super::fields::{SourceError, cut, first, member, source, stated_time, text};
use super::Record;
use crate::sources::native::encode::{NativeEvent, NativeIdentity, NativeSource};

/// Names of the action, as Graph and older exports state it.
const ACTIONS: [&str; 2] = ["provisioningAction", "action"];
/// Names of the status.
const STATUSES: [&str; 2] = ["provisioningStatusInfo.status", "statusInfo.status"];

/// Whether it is a record of provisioning.
pub(super) fn is_one(record: &Record<'_>) -> bool {
    text(record.around, "category") == Some("ProvisioningLogs")
        || member(record.properties, "provisioningSteps").is_some()
        || member(record.properties, "provisioningAction").is_some()
}

pub(super) fn map(record: &Record<'_>) -> Result<NativeEvent, SourceError> {
    let properties = record.properties;
    let action = first(properties, &ACTIONS);
    let action = action.ok_or(SourceError::Missing("Entra", "provisioningAction"))?;
    let action = action.to_lowercase();
    let status = first(properties, &STATUSES).unwrap_or_default();
    if status.eq_ignore_ascii_case("skipped") {
        return Err(SourceError::LeftOut("provisioning that was skipped"));
    }
    let time =
        stated_time(properties, "activityDateTime").or_else(|| stated_time(record.around, "time"));
    let account = first(properties, &["targetIdentity.id", "sourceIdentity.id"]);
    Ok(NativeEvent {
        time_source: None,
        event_id: record.text("id", "correlationId").map(cut),
        time,
        identity: identity(record).ok_or(SourceError::Missing("Entra", "servicePrincipal.id"))?,
        credential: None,
        activity: activity(&action),
        action: Some(cut(&format!("entra:provisioning/{action}"))),
        resource: account.map(cut),
        source: source(None, None, NativeSource::default()),
        purpose: first(properties, &["targetSystem.displayName"]).map(cut),
        outcome: outcome(status),
    })
}

fn activity(action: &str) -> &'static str {
    match action {
        "create" => "grant",
        "disable" | "delete" | "stageddelete" | "softdelete" => "revoke",
        _ => "use",
    }
}

/// A failure says nothing of a credential: the other system refused a change.
fn outcome(status: &str) -> &'static str {
    if status.eq_ignore_ascii_case("failure") {
        "error"
    } else {
        "success"
    }
}

/// Who asked for it, or else the application that provisions.
fn identity(record: &Record<'_>) -> Option<NativeIdentity> {
    let properties = record.properties;
    let by = |name: &str| text(properties, &format!("initiatedBy.{name}"));
    let is_person = by("initiatorType").is_some_and(|kind| kind.eq_ignore_ascii_case("user"));
    if let Some(id) = by("id").filter(|_| is_person) {
        return Some(NativeIdentity {
            id: cut(id),
            kind: "human",
            owner: by("displayName").map(cut),
            group: None,
        });
    }
    let id = text(properties, "servicePrincipal.id")?;
    Some(NativeIdentity {
        id: cut(&format!("sp/{id}")),
        kind: "service",
        owner: text(properties, "servicePrincipal.displayName").map(cut),
        group: None,
    })
}
