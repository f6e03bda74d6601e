//! AWS CloudTrail records → native events.
//!
//! A call that AWS makes on behalf of an identity (`sourceIPAddress` is a service name) is not that
//! identity on a new host: such an event has no source. A value that cannot be parsed leaves its
//! field unknown; only a record without time, principal or operation is rejected.

mod operation;
pub mod principal;
mod resource;

use crate::sources::cloudtrail::operation::activity_and_credential;
use crate::sources::cloudtrail::principal::{HIDDEN_NAME, Principal, UserIdentity};
use crate::sources::fields::stated_text;
use crate::sources::json_object::{JsonFault, parse_record};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use crate::sources::native::parse_address;
use crate::sources::time::{format_rfc3339, parse_aws_expiration, parse_rfc3339, parse_utc};
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
    #[error("`eventTime` is not a time between 2000 and 2099")]
    Time,
    /// There is no principal.
    #[error("`userIdentity` names no principal")]
    Principal,
    /// A notification about a log file.
    #[error("an S3 notification, which names a file; send what the file holds")]
    Notification,
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
    service_event_details: Value,
    additional_event_data: Value,
    s3: Value,
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
    let record: Record = parse_record(record)?;
    if record.s3.is_object() && record.event_id.is_none() {
        return Err(CloudTrailError::Notification);
    }
    let name = required(&record.event_name, "eventName")?;
    let service = required(&record.event_source, "eventSource")?;
    let time_text = required(&record.event_time, "eventTime")?;
    let time = parse_time(time_text)
        .and_then(EventTime::from_epoch_ms)
        .ok_or(CloudTrailError::Time)?;
    let principal = record
        .user_identity
        .as_ref()
        .ok_or(CloudTrailError::Missing("userIdentity"))?
        .principal(record.recipient_account_id.as_deref())
        .ok_or(CloudTrailError::Principal)?;
    let operation = without_version(name);
    let (activity, credential, expiry_unread) =
        activity_and_credential(&record, operation, time, &principal);
    let (source, purpose) = source_and_purpose(&record, &principal);
    let event = NativeEvent {
        time_source: None,
        event_id: record
            .event_id
            .clone()
            .filter(|id| !id.is_empty())
            .map(truncate),
        time: Some(format_rfc3339(time)),
        identity: NativeIdentity {
            id: truncate(principal.id),
            kind: principal.kind,
            group: principal.group.map(truncate),
            owner: field(&record.additional_event_data, &["UserName"])
                .filter(|name| *name != HIDDEN_NAME)
                .map(|name| truncate(name.to_owned())),
        },
        credential,
        activity,
        action: Some(truncate(format!("{}:{operation}", prefix(service)))),
        resource: resource::of(&record, activity).map(truncate),
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
        .and_then(stated_text)
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

/// Whether an answer names a failure where AWS states no error code, as sign-in services do.
fn names_failure(answer: &Value) -> bool {
    let members = answer.as_object();
    members.is_some_and(|members| members.values().any(|value| value == "Failure"))
}

fn outcome(record: &Record) -> &'static str {
    let failed_login =
        names_failure(&record.response_elements) || names_failure(&record.service_event_details);
    let code = record.error_code.as_deref().unwrap_or_default();
    match code {
        _ if code.is_empty() || is_success_code(code) => {
            if failed_login {
                "failure"
            } else {
                "success"
            }
        }
        code => {
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

/// A status of HTTP, or the answer to a dry run: permitted.
fn is_success_code(code: &str) -> bool {
    code.len() == 3 && code.starts_with('2') && all_digits(code)
        || code.ends_with("DryRunOperation")
}

/// A time of a record; without a zone it is UTC.
fn parse_time(text: &str) -> Option<i64> {
    let basic = || {
        let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
        let parts = (date.len() == 8 && clock.len() == 6 && all_digits(date) && all_digits(clock))
            .then_some((date, clock))?;
        let ((y, md), (h, ms)) = (parts.0.split_at(4), parts.1.split_at(2));
        let ((m, d), (min, sec)) = (md.split_at(2), ms.split_at(2));
        parse_rfc3339(&format!("{y}-{m}-{d}T{h}:{min}:{sec}Z"))
    };
    parse_utc(text).or_else(basic)
}

fn field<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter()
        .try_fold(value, |value, member| value.get(member))?
        .as_str()
        .filter(|text| !text.is_empty())
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

fn password(owner: &str) -> NativeCredential {
    NativeCredential {
        id: truncate(owner.to_owned()),
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
        .and_then(parse_time)
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
        .and_then(|text| parse_aws_expiration(text).or_else(|| parse_time(text)))
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

#[cfg(test)]
mod tests;
