//! Azure's activity log and Key Vault's audit log, as diagnostic settings send them to an Event Hub → native
//! events.
//!
//! Ids are those of Entra, so that a person has one baseline. Request bodies are read for whom a role is
//! assigned to, and not copied.

use super::fields::{SourceError, cut, first, member, parse, source, stated_time, text};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Results of an operation that goes on.
const FIRST_HALVES: [&str; 4] = ["Start", "Started", "Accept", "Accepted"];
/// Built-in roles that are named in the action, by id.
const PRIVILEGED: [(&str, &str); 3] = [
    ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner"),
    (
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
    ),
    ("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"),
];

/// Maps one record.
///
/// # Errors
/// The record is malformed, or left out on purpose.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let missing = |name| SourceError::Missing("Azure", name);
    let result = text(&record, "resultType").unwrap_or_default();
    if FIRST_HALVES.contains(&result) {
        return Err(SourceError::LeftOut("first half of an operation"));
    }
    let operation = first(&record, &["identity.authorization.action", "operationName"]);
    let operation = operation.ok_or(missing("operationName"))?.to_lowercase();
    if operation == "authentication" {
        return Err(SourceError::LeftOut(
            "challenge before a request of Key Vault",
        ));
    }
    let activity = activity(&operation);
    let assigned = assignment(&record).filter(|_| activity == "grant");
    let role = assigned.as_ref().and_then(|(_, role)| *role);
    let role = role.map_or_else(String::new, |role| format!(":{role}"));
    let object = first(&record, &["properties.id", "resourceId"]);
    Ok(NativeEvent {
        event_id: event_id(&record),
        time: stated_time(&record, "time"),
        time_source: None,
        identity: identity(&record).ok_or(missing("identity"))?,
        credential: credential(&record),
        activity,
        action: Some(cut(&format!("azure:{operation}{role}"))),
        resource: match assigned {
            Some((principal, _)) => Some(principal),
            None => object.map(|object| cut(&object.to_lowercase())),
        },
        source: source(
            first(&record, &["callerIpAddress", "callerIPAddress"]),
            text(&record, "properties.clientInfo"),
            NativeSource::default(),
        ),
        purpose: None,
        outcome: outcome(&record, result),
    })
}

fn activity(operation: &str) -> &'static str {
    let ends = |end: &str| operation.ends_with(end);
    match operation {
        _ if ends("roleassignments/write") => "grant",
        _ if ends("roleassignments/delete") => "revoke",
        _ if ends("/regeneratekey/action") || ends("/regeneratekeys/action") => "rotate",
        _ => "use",
    }
}

/// The claim whose name ends so: Azure writes some as URIs.
fn claim<'r>(record: Ref<'r>, name: &str) -> Option<&'r str> {
    let claims = ["identity.claims", "identity.claim"];
    let claims = claims
        .iter()
        .find_map(|path| member(record, path))?
        .as_object()?;
    let is_named = |found: &str| {
        found
            .rsplit('/')
            .next()
            .is_some_and(|end| end.eq_ignore_ascii_case(name))
    };
    let (_, value) = claims.iter().find(|(found, _)| is_named(found))?;
    value.as_str().and_then(super::fields::stated_text)
}

fn identity(record: Ref<'_>) -> Option<NativeIdentity> {
    let object = claim(record, "objectidentifier").or_else(|| claim(record, "oid"));
    let name = claim(record, "upn").or_else(|| claim(record, "name"));
    let is_person = claim(record, "upn").is_some() || claim(record, "idtyp") == Some("user");
    if is_person && let Some(object) = object {
        return Some(NativeIdentity {
            id: cut(object),
            kind: "human",
            owner: name.map(|name| cut(&name.to_lowercase())),
            group: None,
        });
    }
    let id = object.or_else(|| claim(record, "appid"))?;
    Some(NativeIdentity {
        id: cut(&format!("sp/{id}")),
        kind: "service",
        owner: None,
        group: None,
    })
}

fn credential(record: Ref<'_>) -> Option<NativeCredential> {
    let tenant = claim(record, "tenantid").or_else(|| claim(record, "tid"));
    Some(NativeCredential {
        id: cut(claim(record, "uti")?),
        kind: "access_token",
        issuer: Some(tenant.map_or_else(
            || "entra".to_owned(),
            |tenant| cut(&format!("entra/{tenant}")),
        )),
        ..NativeCredential::default()
    })
}

/// To whom a role is assigned, and its name where it is a privileged one.
fn assignment(record: Ref<'_>) -> Option<(String, Option<&'static str>)> {
    let body = text(record, "properties.requestbody")?;
    let body: Value = serde_json::from_str(body).ok()?;
    let principal = text(&body, "properties.principalId")?;
    let role = text(&body, "properties.roleDefinitionId")?.to_lowercase();
    let known = PRIVILEGED.iter().find(|(id, _)| role.ends_with(id));
    Some((cut(principal), known.map(|(_, name)| *name)))
}

/// Id of the operation. Requests of Key Vault may share one, so that their time is part of it.
fn event_id(record: Ref<'_>) -> Option<String> {
    let id = text(record, "correlationId")?;
    match text(record, "category") {
        Some("AuditEvent") => Some(cut(&format!("{id}/{}", text(record, "time")?))),
        _ => Some(cut(id)),
    }
}

fn outcome(record: Ref<'_>, result: &str) -> &'static str {
    let signature = text(record, "resultSignature").unwrap_or_default();
    let status = member(record, "properties.httpStatusCode").and_then(Value::as_u64);
    let is_refused = matches!(status, Some(401 | 403))
        || signature.contains("Forbidden")
        || signature.contains("Unauthorized");
    let has_failed = result.starts_with("Fail") || status.is_some_and(|status| status >= 400);
    match (is_refused, has_failed) {
        (true, _) => "denied",
        (false, true) => "error",
        (false, false) => "success",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mapped(record: &str) -> NativeEvent {
        map(record.as_bytes()).unwrap()
    }

    const ASSIGNMENT: &str = r#"{"time":"2026-11-27T08:00:00Z","resourceId":"/SUBSCRIPTIONS/S",
        "operationName":"MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE","category":"Administrative",
        "resultType":"Success","resultSignature":"Succeeded.Created","callerIpAddress":"198.51.100.7",
        "correlationId":"c-1","identity":{
        "authorization":{"action":"Microsoft.Authorization/roleAssignments/write"},
        "claims":{"http://schemas.microsoft.com/identity/claims/objectidentifier":"o-ada",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"Ada@corp.example","uti":"u-1",
        "http://schemas.microsoft.com/identity/claims/tenantid":"t-1"}},
        "properties":{"requestbody":"{\"Properties\":{\"PrincipalId\":\"o-bob\",
            \"RoleDefinitionId\":\"/x/8e3af657-a8ff-443c-a75c-2fe8c4bcb635\"}}"}}"#;

    #[test]
    fn an_assignment_names_who_receives_which_role() {
        let event = mapped(&ASSIGNMENT.replace('\n', ""));
        assert_eq!(event.identity.id, "o-ada");
        assert_eq!((event.identity.kind, event.activity), ("human", "grant"));
        let action = "azure:microsoft.authorization/roleassignments/write:Owner";
        assert_eq!(event.action.as_deref(), Some(action));
        assert_eq!(event.resource.as_deref(), Some("o-bob"));
        let credential = event.credential.unwrap();
        assert_eq!(
            (credential.id.as_str(), credential.issuer.as_deref()),
            ("u-1", Some("entra/t-1"))
        );
        let started = ASSIGNMENT.replace('\n', "");
        let started = started.replace(r#""resultType":"Success""#, r#""resultType":"Start""#);
        assert!(matches!(
            map(started.as_bytes()),
            Err(SourceError::LeftOut(_))
        ));
    }

    #[test]
    fn a_secret_of_key_vault_is_read_by_an_application() {
        let read = |status: u16, result: &str| {
            mapped(&format!(
                r#"{{"time":"2026-11-27T08:00:00Z","category":"AuditEvent","operationName":"SecretGet",
                "resultType":"{result}","correlationId":"c","callerIpAddress":"198.51.100.7",
                "resourceId":"/S/VAULTS/V","identity":{{"claim":{{"oid":"o-app","appid":"a-1"}}}},
                "properties":{{"id":"https://v.vault.azure.net/secrets/Db","httpStatusCode":{status},
                "clientInfo":"azsdk-python"}}}}"#
            ))
        };
        let event = read(200, "Success");
        assert_eq!(event.identity.id, "sp/o-app");
        assert_eq!(event.action.as_deref(), Some("azure:secretget"));
        assert_eq!(
            event.resource.as_deref(),
            Some("https://v.vault.azure.net/secrets/db")
        );
        assert_eq!(event.outcome, "success");
        assert_eq!(read(403, "Failure").outcome, "denied");
        assert_eq!(read(404, "Failure").outcome, "error");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", status in any::<u64>()) {
            let record = serde_json::json!({"time": text, "operationName": text, "resultType": text,
                "identity": {"claims": {"oid": text, "upn": text}},
                "properties": {"requestbody": text, "httpStatusCode": status}});
            let _ = map(record.to_string().as_bytes());
        }
    }
}
