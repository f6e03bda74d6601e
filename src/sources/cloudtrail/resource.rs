//! The object of an operation, by the members of its request.

use super::{Record, field};
use serde_json::Value;

/// Members that name the object, in order of preference.
const MEMBERS: [&str; 36] = [
    "roleArn",
    "secretId",
    "secretIdList",
    "functionName",
    "keyId",
    "resourceArn",
    "policyArn",
    "name",
    "names",
    "trailName",
    "instanceId",
    "instancesSet",
    "dBInstanceIdentifier",
    "dBClusterIdentifier",
    "dBSnapshotIdentifier",
    "imageId",
    "snapshotId",
    "volumeId",
    "networkAclId",
    "groupId",
    "target",
    "documentName",
    "keyName",
    "tableName",
    "topicArn",
    "queueUrl",
    "logGroupName",
    "configurationRecorderName",
    "configurationRecorder",
    "detectorId",
    "trustAnchorArn",
    "projectArn",
    "guardrailIdentifier",
    "repositoryName",
    "clusterName",
    "stackName",
];
/// Endings of members that name something.
const ENDINGS: [&str; 4] = ["Arn", "Identifier", "Name", "Id"];

/// Object of the operation; for a grant, the principal that gained permissions.
pub(super) fn of(record: &Record, activity: &str) -> Option<String> {
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
        let arn = field(first, &["ARN"]).or_else(|| field(first, &["arn"]));
        arn.map(str::to_owned)
    };
    let bucket = || field(request, &["bucketName"]).map(|name| format!("arn:aws:s3:::{name}"));
    let named = || {
        MEMBERS
            .iter()
            .find_map(|member| member_text(request, member))
    };
    listed()
        .or(principal)
        .or_else(bucket)
        .or_else(named)
        .or_else(|| first_identifier(request))
}

/// The text of a member, or of the first element where it is a list of texts or of objects.
fn member_text(request: &Value, member: &str) -> Option<String> {
    first_text(request.get(member)?)
}

fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(elements) => first_text(elements.first()?),
        Value::Object(members) => match members.get("items") {
            Some(items) => first_text(items),
            None => first_identifier(value),
        },
        _ => None,
    }
}

/// The first member whose name ends like that of an identifier, within a nested request too.
fn first_identifier(request: &Value) -> Option<String> {
    let members = request.as_object()?;
    let named = members.iter().find_map(|(name, value)| {
        let text = value.as_str().filter(|text| !text.is_empty())?;
        let is_identifier = ENDINGS.iter().any(|end| name.ends_with(end));
        is_identifier.then(|| text.to_owned())
    });
    let nested = || {
        let requests = members.iter().filter(|(name, _)| name.ends_with("Request"));
        requests
            .into_iter()
            .find_map(|(_, value)| first_identifier(value))
    };
    named.or_else(nested)
}
