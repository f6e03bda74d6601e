//! AWS CloudTrail records → native events.
//!
//! A call that AWS makes on behalf of an identity (`sourceIPAddress` is a service name) is not that
//! identity on a new host: such an event has no source. A value that cannot be parsed leaves its
//! field unknown; only a record without time, principal or operation is rejected.

pub mod principal;

use crate::sources::cloudtrail::principal::{Principal, UserIdentity};
use crate::sources::json_object::JsonFault;
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use crate::sources::native::parse_address;
use crate::sources::time::{format_rfc3339, parse_aws_expiration, parse_rfc3339};
use credwatch_core::units::{EventTime, MS_PER_SEC};
use serde::Deserialize;
use serde_json::Value;

/// Maximum size of a record, in bytes.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// Values copied from a record are cut to this length.
const VALUE_BYTES: usize = 1_000;

/// Why a record cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum CloudTrailError {
    /// Over the size limit.
    #[error("CloudTrail record of {0} bytes is over the limit of {RECORD_BYTES}")]
    TooLarge(usize),
    /// Not JSON of the right form.
    #[error("not a CloudTrail record: {0}")]
    Json(#[from] JsonFault),
    /// A required field is missing.
    #[error("CloudTrail record without `{0}`")]
    Missing(&'static str),
    /// `eventTime` is invalid.
    #[error("`eventTime` is not an RFC 3339 time between 2000 and 2099")]
    Time,
    /// There is no principal.
    #[error("`userIdentity` names no principal")]
    Principal,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    #[serde(rename = "eventID")]
    event_id: Option<String>,
    event_time: Option<String>,
    event_source: Option<String>,
    event_name: Option<String>,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Option<String>,
    user_agent: Option<String>,
    error_code: Option<String>,
    user_identity: Option<UserIdentity>,
    request_parameters: Value,
    response_elements: Value,
    resources: Value,
    recipient_account_id: Option<String>,
}

/// A mapped record.
#[derive(Debug)]
pub struct Mapped {
    /// The event.
    pub event: NativeEvent,
    /// Whether the response stated an expiry that could not be parsed.
    pub expiry_unparsed: bool,
}

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<Mapped, CloudTrailError> {
    if record.len() > RECORD_BYTES {
        return Err(CloudTrailError::TooLarge(record.len()));
    }
    let record: Record = serde_json::from_slice(record).map_err(JsonFault::from)?;
    let name = required(&record.event_name, "eventName")?;
    let service = required(&record.event_source, "eventSource")?;
    let time_text = required(&record.event_time, "eventTime")?;
    let time = parse_rfc3339(time_text)
        .and_then(EventTime::from_epoch_ms)
        .ok_or(CloudTrailError::Time)?;
    let principal = record
        .user_identity
        .as_ref()
        .ok_or(CloudTrailError::Missing("userIdentity"))?
        .principal()
        .ok_or(CloudTrailError::Principal)?;
    let operation = without_version(name);
    let (activity, credential, expiry_unread) =
        activity_and_credential(&record, operation, time, &principal);
    let (source, purpose) = source_and_purpose(&record, &principal);
    let event = NativeEvent {
        event_id: record
            .event_id
            .clone()
            .filter(|id| !id.is_empty())
            .map(truncate),
        time: format_rfc3339(time),
        identity: NativeIdentity {
            id: truncate(principal.id),
            kind: principal.kind,
            ..NativeIdentity::default()
        },
        credential,
        activity,
        action: Some(truncate(format!("{}:{operation}", prefix(service)))),
        resource: resource(&record, activity).map(truncate),
        source,
        purpose,
        outcome: outcome(&record),
    };
    Ok(Mapped {
        event,
        expiry_unparsed: expiry_unread,
    })
}

fn required<'r>(
    member: &'r Option<String>,
    name: &'static str,
) -> Result<&'r str, CloudTrailError> {
    member
        .as_deref()
        .filter(|text| !text.is_empty())
        .ok_or(CloudTrailError::Missing(name))
}

fn truncate(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(VALUE_BYTES));
    text
}

/// `AddPermission20150331v2` → `AddPermission`: some services log their API version.
fn without_version(name: &str) -> &str {
    let without_revision = match name.rsplit_once('v') {
        Some((head, digits)) if all_digits(digits) && ends_in_date(head) => head,
        _ => name,
    };
    if ends_in_date(without_revision) {
        &without_revision[..without_revision.len() - 8]
    } else {
        name
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn ends_in_date(text: &str) -> bool {
    text.len() > 8 && text.bytes().rev().take(8).all(|b| b.is_ascii_digit())
}

/// The IAM prefix of an event source.
fn prefix(service: &str) -> &str {
    match service.strip_suffix(".amazonaws.com").unwrap_or(service) {
        "monitoring" => "cloudwatch",
        "email" => "ses",
        other => other,
    }
}

/// Error codes that say that the credential was not accepted.
const NOT_ACCEPTED: [&str; 7] = [
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "UnrecognizedClient",
    "InvalidAccessKeyId",
    "InvalidToken",
    "AuthFailure",
];

fn outcome(record: &Record) -> &'static str {
    let failed_login = record
        .response_elements
        .get("ConsoleLogin")
        .is_some_and(|result| result == "Failure");
    match record.error_code.as_deref().filter(|code| !code.is_empty()) {
        None if failed_login => "failure",
        None => "success",
        Some(code) => {
            let refused = ["AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden"];
            if refused.iter().any(|word| code.contains(word)) {
                "denied"
            } else if failed_login || NOT_ACCEPTED.iter().any(|word| code.contains(word)) {
                "failure"
            } else {
                "error"
            }
        }
    }
}

fn field<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter()
        .try_fold(value, |value, member| value.get(member))?
        .as_str()
        .filter(|text| !text.is_empty())
}

/// Activity, its credential, and whether an expiry was stated but could not be parsed.
fn activity_and_credential(
    record: &Record,
    operation: &str,
    time: EventTime,
    principal: &Principal,
) -> (&'static str, Option<NativeCredential>, bool) {
    let (request, response) = (&record.request_parameters, &record.response_elements);
    let used = || used_credential(record, principal);
    match operation {
        "ConsoleLogin" => ("authenticate", Some(password(principal)), false),
        "AssumeRole"
        | "AssumeRoleWithSAML"
        | "AssumeRoleWithWebIdentity"
        | "AssumeRoot"
        | "GetSessionToken"
        | "GetFederationToken" => {
            let (issued, unread) = issued_credential(request, response, time);
            ("issue", issued.or_else(used), unread)
        }
        "CreateAccessKey" => {
            let id = field(response, &["accessKey", "accessKeyId"]).unwrap_or("");
            ("issue", Some(credential(id, "api_key", time)), false)
        }
        "UpdateAccessKey" | "DeleteAccessKey" => {
            let id = field(request, &["accessKeyId"]).unwrap_or("");
            let reactivated = field(request, &["status"]) == Some("Active");
            let activity = if reactivated { "issue" } else { "revoke" };
            let mut key = credential(id, "api_key", time);
            key.issued_at = None;
            (activity, Some(key), false)
        }
        "CreateLoginProfile" => ("issue", Some(password(principal)), false),
        "UpdateLoginProfile" | "ChangePassword" => ("rotate", Some(password(principal)), false),
        "DeleteLoginProfile" => ("revoke", Some(password(principal)), false),
        other if is_grant(other) => ("grant", used(), false),
        _ => ("use", used(), false),
    }
}

fn is_grant(operation: &str) -> bool {
    let policy_change = ["Attach", "Put"]
        .iter()
        .any(|verb| operation.starts_with(verb))
        && ["UserPolicy", "RolePolicy", "GroupPolicy"]
            .iter()
            .any(|noun| operation.ends_with(noun));
    policy_change
        || matches!(
            operation,
            "AddUserToGroup"
                | "UpdateAssumeRolePolicy"
                | "CreatePolicyVersion"
                | "SetDefaultPolicyVersion"
                | "AddRoleToInstanceProfile"
                | "AddPermission"
                | "CreateGrant"
                | "DeleteUserPermissionsBoundary"
                | "DeleteRolePermissionsBoundary"
        )
}

fn credential(id: &str, kind: &'static str, issued: EventTime) -> NativeCredential {
    NativeCredential {
        id: truncate(id.to_owned()),
        kind,
        issuer: Some("aws".to_owned()),
        issued_at: Some(format_rfc3339(issued)),
        ..NativeCredential::default()
    }
}

fn password(principal: &Principal) -> NativeCredential {
    NativeCredential {
        id: truncate(principal.id.clone()),
        kind: "password",
        issuer: Some("aws".to_owned()),
        ..NativeCredential::default()
    }
}

/// The key that signed the call: long-lived (`AKIA…`), or of a session (`ASIA…`).
fn used_credential(record: &Record, principal: &Principal) -> Option<NativeCredential> {
    let identity = record.user_identity.as_ref()?;
    let id = identity
        .access_key_id
        .as_deref()
        .filter(|id| !id.is_empty())?;
    let began = identity
        .session_context
        .as_ref()
        .and_then(|context| {
            context
                .attributes
                .as_ref()?
                .creation_date
                .as_ref()?
                .as_str()
        })
        .and_then(parse_rfc3339)
        .and_then(EventTime::from_epoch_ms);
    let of_role = principal.session_name.is_some();
    let kind = match (id.starts_with("AKIA"), of_role) {
        (true, _) => "api_key",
        (false, true) => "access_token",
        (false, false) => "session",
    };
    Some(NativeCredential {
        id: truncate(id.to_owned()),
        kind,
        issuer: Some("aws".to_owned()),
        issued_at: began.map(format_rfc3339),
        ..NativeCredential::default()
    })
}

/// The issued credential of the response, and whether an expiry was stated but could not be parsed.
fn issued_credential(
    request: &Value,
    response: &Value,
    time: EventTime,
) -> (Option<NativeCredential>, bool) {
    let Some(id) = field(response, &["credentials", "accessKeyId"]) else {
        return (None, false);
    };
    let mut issued = credential(id, "access_token", time);
    let stated = field(response, &["credentials", "expiration"]);
    let read = stated
        .and_then(|text| parse_aws_expiration(text).or_else(|| parse_rfc3339(text)))
        .and_then(EventTime::from_epoch_ms);
    let requested = || {
        let secs = request.get("durationSeconds")?.as_i64()?;
        Some(time.saturating_add_ms(secs.checked_mul(MS_PER_SEC)?))
    };
    issued.expires_at = read.or_else(requested).map(format_rfc3339);
    issued.issuer = Some("sts.amazonaws.com".to_owned());
    (Some(issued), stated.is_some() && read.is_none())
}

/// Source and purpose.
fn source_and_purpose(
    record: &Record,
    principal: &Principal,
) -> (Option<NativeSource>, Option<String>) {
    let session = principal.session_name.as_deref();
    let instance = session.filter(|name| {
        name.strip_prefix("i-")
            .is_some_and(|rest| rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    let purpose = session
        .filter(|_| instance.is_none())
        .map(|name| truncate(format!("session/{name}")));
    let address = record.source_ip_address.as_deref().and_then(parse_address);
    let Some(ip) = address.filter(|_| !principal.is_aws) else {
        return (None, purpose);
    };
    let source = NativeSource {
        host: instance.map(str::to_owned),
        ip: Some(ip.to_string()),
        user_agent: record
            .user_agent
            .clone()
            .filter(|a| !a.is_empty())
            .map(truncate),
        ..NativeSource::default()
    };
    (Some(source), purpose)
}

/// Object of the operation; for a grant, the principal that gained permissions.
fn resource(record: &Record, activity: &str) -> Option<String> {
    let request = &record.request_parameters;
    let account = record
        .recipient_account_id
        .as_deref()
        .or_else(|| record.user_identity.as_ref()?.account())
        .unwrap_or("");
    let iam = |kind: &str, member: &str| {
        let name = field(request, &[member])?;
        Some(format!("arn:aws:iam::{account}:{kind}/{name}"))
    };
    let principal = iam("user", "userName")
        .or_else(|| iam("role", "roleName"))
        .or_else(|| iam("group", "groupName"));
    if activity == "grant" && principal.is_some() {
        return principal;
    }
    let listed = || {
        let first = record.resources.as_array()?.first()?;
        field(first, &["ARN"]).map(str::to_owned)
    };
    let bucket = || field(request, &["bucketName"]).map(|name| format!("arn:aws:s3:::{name}"));
    let named = || {
        const MEMBERS: [&str; 10] = [
            "roleArn",
            "secretId",
            "functionName",
            "keyId",
            "resourceArn",
            "name",
            "trailName",
            "instanceId",
            "dBInstanceIdentifier",
            "groupId",
        ];
        MEMBERS
            .iter()
            .find_map(|member| field(request, &[member]))
            .map(str::to_owned)
    };
    listed().or(principal).or_else(bucket).or_else(named)
}

#[cfg(test)]
mod tests;
