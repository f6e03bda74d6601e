//! Google Cloud's audit log → native events.
//!
//! One operation has one name, whatever version or package the method states. Requests are not copied, but
//! for the names of accounts and keys and the scopes of tokens.

use super::fields::{SourceError, cut, first, member, parse, source, stated_time, text, texts};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Last segments of methods, in lower case, that hand a credential out.
const ISSUING: [&str; 12] = [
    "generateaccesstoken",
    "generateidtoken",
    "signjwt",
    "signblob",
    "exchangetoken",
    "createserviceaccountkey",
    "uploadserviceaccountkey",
    "enableserviceaccountkey",
    "enableserviceaccount",
    "createkey",
    "undeletekey",
    "createhmackey",
];
const REVOKING: [&str; 5] = [
    "deleteserviceaccountkey",
    "disableserviceaccountkey",
    "deletekey",
    "disableserviceaccount",
    "deleteserviceaccount",
];
/// Ends of methods that give access.
const GRANTING: [&str; 16] = [
    "setiampolicy",
    "setiampermissions",
    "createrole",
    "updaterole",
    "undeleterole",
    "addgroupmember",
    "assignrole",
    "grantadminprivilege",
    "insertprojectownershipinvite",
    "createworkloadidentitypool",
    "createworkloadidentitypoolprovider",
    "updateworkloadidentitypoolprovider",
    "createworkforcepool",
    "updateworkforcepool",
    "inboundssoprofilecreated",
    "inboundssoprofileupdated",
];
/// Roles that are named in the action.
const PRIVILEGED: [&str; 13] = [
    "roles/owner",
    "roles/editor",
    "roles/iam.securityAdmin",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/iam.organizationRoleAdmin",
    "roles/iam.roleAdmin",
    "roles/iam.workloadIdentityPoolAdmin",
    "roles/resourcemanager.organizationAdmin",
    "roles/resourcemanager.projectIamAdmin",
    "roles/resourcemanager.folderAdmin",
];

/// Maps one record.
///
/// # Errors
/// The record is malformed, or the end of an operation without a principal.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let missing = |name| SourceError::Missing("Google Cloud", name);
    let payload = member(&record, "protoPayload").or_else(|| member(&record, "jsonPayload"));
    let payload = payload.ok_or(missing("protoPayload"))?;
    let method = text(payload, "methodName").ok_or(missing("methodName"))?;
    let has_flag = |path| member(&record, path) == Some(&Value::Bool(true));
    let identity = identity(payload);
    if identity.is_none() && has_flag("operation.last") && !has_flag("operation.first") {
        return Err(SourceError::LeftOut("end of an operation"));
    }
    let time = stated_time(&record, "timestamp")
        .or_else(|| stated_time(payload, "requestMetadata.requestAttributes.time"))
        .or_else(|| stated_time(&record, "receiveTimestamp"));
    let service = text(payload, "serviceName");
    let deltas = deltas(payload);
    let activity = match activity(method, service) {
        "grant" if !deltas.is_empty() && !deltas.iter().any(|delta| is_added(delta)) => "revoke",
        activity => activity,
    };
    Ok(NativeEvent {
        time_source: None,
        event_id: text(&record, "insertId").map(cut),
        time,
        identity: identity.ok_or(missing("principalEmail"))?,
        credential: credential(payload, method, activity),
        activity,
        action: Some(cut(&format!(
            "{}{}",
            operation(service, method),
            role(&deltas, activity)
        ))),
        resource: resource(&record, payload, &deltas, method, activity),
        source: source(
            text(payload, "requestMetadata.callerIp"),
            text(payload, "requestMetadata.callerSuppliedUserAgent"),
            NativeSource::default(),
        ),
        purpose: None,
        outcome: outcome(payload, method),
    })
}

fn last_segment(method: &str) -> &str {
    method.rsplit(['.', '/']).next().unwrap_or(method)
}

fn activity(method: &str, service: Option<&str>) -> &'static str {
    let method = method.to_lowercase();
    let last = last_segment(&method);
    let changes = [".create", ".update", ".patch"]
        .iter()
        .any(|verb| method.ends_with(verb));
    let is_role = method.starts_with("io.k8s.") && method.contains("rbac.") && changes;
    let is_token = [
        "hmackeys.create",
        "serviceaccounts.token.create",
        "certificatesigningrequests.create",
    ]
    .iter()
    .any(|end| method.ends_with(end));
    if ISSUING.contains(&last) || is_token {
        "issue"
    } else if REVOKING.contains(&last) {
        "revoke"
    } else if is_role
        || GRANTING.iter().any(|end| last.ends_with(end))
        || method.ends_with("certificatesigningrequests.approval.update")
    {
        "grant"
    } else if service == Some("login.googleapis.com")
        && last.contains("login")
        && !last.contains("logout")
    {
        "authenticate"
    } else {
        "use"
    }
}

fn is_version(segment: &str) -> bool {
    let numbered = segment
        .strip_prefix('v')
        .and_then(|rest| rest.chars().next());
    numbered.is_some_and(|first| first.is_ascii_digit())
}

/// `service.method` without packages and versions; of Kubernetes the name that its own log has.
fn operation(service: Option<&str>, method: &str) -> String {
    if let Some(rest) = method.strip_prefix("io.k8s.") {
        let mut segments = rest.split('.').skip_while(|segment| !is_version(segment));
        let named: Vec<&str> = segments.by_ref().skip(1).collect();
        return match named.as_slice() {
            [resource @ .., verb] if !resource.is_empty() => {
                format!("k8s:{}.{verb}", resource.join("/"))
            }
            [verb] => format!("k8s:nonresource.{verb}"),
            _ => "k8s:nonresource.get".to_owned(),
        };
    }
    let service = service.map(|service| service.trim_end_matches(".googleapis.com"));
    let (first, rest) = method.split_once('.').unwrap_or((method, ""));
    let is_stage = is_version(first) || matches!(first, "alpha" | "beta");
    let name = if is_stage && !rest.is_empty() {
        rest
    } else {
        method
    };
    let last = last_segment(name);
    let begins_upper = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase());
    let is_interface = name.matches('.').count() == 1 && begins_upper(name) && begins_upper(last);
    let name = match name.strip_prefix("google.") {
        Some(_) if begins_upper(last) || name.contains(".v") => last,
        Some(package) => package,
        None if is_interface => last,
        None => name,
    };
    match service {
        Some(service) => {
            let name = name.strip_prefix(&format!("{service}.")).unwrap_or(name);
            format!("gcp:{service}.{name}")
        }
        None => format!("gcp:{name}"),
    }
}

fn identity(payload: Ref<'_>) -> Option<NativeIdentity> {
    let subject = text(payload, "authenticationInfo.principalSubject");
    let bare = subject.map(|subject| {
        let person = subject.strip_prefix("user:");
        person
            .or_else(|| subject.strip_prefix("serviceAccount:"))
            .unwrap_or(subject)
            .to_owned()
    });
    let email = text(payload, "authenticationInfo.principalEmail").map(str::to_lowercase);
    let selector = text(payload, "authenticationInfo.authoritySelector").map(str::to_owned);
    let id = email.or(bare).or(selector)?;
    let is_service = id.starts_with("system:")
        || id.contains("gserviceaccount.com")
        || subject.is_some_and(|subject| subject.starts_with("serviceAccount:"));
    let is_workload = id.starts_with("principal") && id.contains("://");
    let chain = "authenticationInfo.serviceAccountDelegationInfo";
    let delegations = member(payload, chain).and_then(Value::as_array);
    let paths = ["firstPartyPrincipal.principalEmail", "principalSubject"];
    let mut owners = delegations
        .into_iter()
        .flatten()
        .filter_map(|delegation| first(delegation, &paths));
    Some(NativeIdentity {
        kind: match () {
            () if is_service => "service",
            () if is_workload || id.contains("workloadIdentityPools") => "workload",
            () => "human",
        },
        owner: owners.next().map(cut),
        id: cut(&id),
        group: None,
    })
}

/// The changes of a policy.
fn deltas(payload: Ref<'_>) -> Vec<Ref<'_>> {
    let paths = [
        "serviceData.policyDelta.bindingDeltas",
        "metadata.datasetChange.bindingDeltas",
    ];
    let found = paths.iter().find_map(|path| member(payload, path));
    found
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect()
}

fn is_added(delta: Ref<'_>) -> bool {
    text(delta, "action") == Some("ADD")
}

fn role(deltas: &[Ref<'_>], activity: &str) -> String {
    let roles = deltas.iter().filter(|delta| is_added(delta));
    let mut roles = roles.filter_map(|delta| text(delta, "role"));
    let role = roles.find(|role| activity == "grant" && PRIVILEGED.contains(role));
    role.map_or_else(String::new, |role| format!(":{role}"))
}

fn credential(payload: Ref<'_>, method: &str, activity: &str) -> Option<NativeCredential> {
    let of = |path: &str| NativeCredential {
        id: cut(path.rsplit('/').next().unwrap_or(path)),
        kind: "api_key",
        issuer: Some("gcp".to_owned()),
        ..NativeCredential::default()
    };
    let last = last_segment(method).to_lowercase();
    if last == "createserviceaccountkey" {
        return Some(NativeCredential {
            issued_at: stated_time(payload, "response.valid_after_time.seconds"),
            ..of(text(payload, "response.name")?)
        });
    }
    if activity == "revoke" && last.contains("key") {
        return first(payload, &["request.name", "resourceName"]).map(of);
    }
    if let Some(key) = text(payload, "authenticationInfo.serviceAccountKeyName") {
        return Some(of(key));
    }
    (activity == "issue").then(|| NativeCredential {
        kind: "access_token",
        scopes: texts(payload, "request.scope"),
        ..of("")
    })
}

/// Who gains by a grant, whose credential is issued, or what is used.
fn resource(
    record: Ref<'_>,
    payload: Ref<'_>,
    deltas: &[Ref<'_>],
    method: &str,
    activity: &str,
) -> Option<String> {
    let added = deltas
        .iter()
        .find(|delta| is_added(delta))
        .or(deltas.first());
    if let Some(person) = added.and_then(|delta| text(delta, "member")) {
        let kinds = [
            "user:",
            "serviceAccount:",
            "group:",
            "domain:",
            "principal:",
        ];
        let bare = kinds.iter().find_map(|kind| person.strip_prefix(kind));
        return Some(cut(bare.unwrap_or(person)));
    }
    let last = last_segment(method).to_lowercase();
    if activity == "issue" && ISSUING[..6].contains(&last.as_str()) {
        let account = text(record, "resource.labels.email_id");
        let named = text(payload, "request.name").and_then(|name| name.rsplit('/').next());
        if let Some(account) = account.or(named) {
            return Some(cut(account));
        }
    }
    first(payload, &["resourceName", "authorizationInfo.resource"]).map(cut)
}

fn outcome(payload: Ref<'_>, method: &str) -> &'static str {
    let code = member(payload, "status.code").and_then(Value::as_i64);
    let checks = member(payload, "authorizationInfo").and_then(Value::as_array);
    let is_refused = |check: Ref<'_>| member(check, "granted") == Some(&Value::Bool(false));
    match code.unwrap_or(0) {
        7 | 16 => "denied",
        0 if last_segment(method).to_lowercase().contains("loginfailure") => "failure",
        0 if checks.is_some_and(|checks| checks.iter().any(is_refused)) => "denied",
        0 => "success",
        _ => "failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_operation_has_one_name() {
        for (service, method, name) in [
            (
                "iam",
                "google.iam.admin.v1.SetIAMPolicy",
                "gcp:iam.SetIAMPolicy",
            ),
            (
                "compute",
                "v1.compute.instances.insert",
                "gcp:compute.instances.insert",
            ),
            (
                "compute",
                "beta.compute.instances.insert",
                "gcp:compute.instances.insert",
            ),
            (
                "storage",
                "storage.setIamPermissions",
                "gcp:storage.setIamPermissions",
            ),
            ("x", "Service.DoThis", "gcp:x.DoThis"),
            (
                "k8s",
                "io.k8s.core.v1.pods.exec.create",
                "k8s:pods/exec.create",
            ),
            ("k8s", "io.k8s.get", "k8s:nonresource.get"),
        ] {
            let service = format!("{service}.googleapis.com");
            assert_eq!(operation(Some(&service), method), name);
        }
    }

    #[test]
    fn a_policy_that_only_loses_members_is_a_revocation() {
        let event = map(
            br#"{"timestamp":"2026-11-23T14:00:00Z","protoPayload":{"methodName":"SetIamPolicy",
                "authenticationInfo":{"principalEmail":"a@corp.example"},
                "serviceData":{"policyDelta":{"bindingDeltas":[
                {"action":"REMOVE","role":"roles/owner","member":"user:b@corp.example"}]}}}}"#,
        )
        .unwrap();
        assert_eq!(event.activity, "revoke");
        assert_eq!(event.resource.as_deref(), Some("b@corp.example"));
        assert_eq!(event.action.as_deref(), Some("gcp:SetIamPolicy"));
    }

    proptest! {
        #[test]
        fn no_bytes_or_method_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..100), method in "[.A-Za-z0-9]{0,24}"
        ) {
            let _ = map(&bytes);
            let _ = operation(Some("iam.googleapis.com"), &method);
            let _ = activity(&method, None);
        }
    }
}
