//! Kubernetes' audit log → native events.
//!
//! Both stages of a request share an event id: the audit id, which a client may choose, with the time at
//! which the request was received. Objects of secrets and tokens are never copied.

use super::fields::{SourceError, cut, member, parse, source, stated_time, text, texts};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use crate::sources::native::parse_address;

/// Member of `user.extra` that names the token or certificate.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
/// Annotation that names the token that was issued.
const ISSUED_ID: &str = "authentication.kubernetes.io/issued-credential-id";
/// Roles that give everything.
const PRIVILEGED: [&str; 3] = ["cluster-admin", "admin", "system:masters"];

/// Maps one record.
///
/// # Errors
/// The record is malformed, or left out on purpose.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let missing = |name| SourceError::Missing("Kubernetes", name);
    if text(&record, "stage") == Some("RequestReceived") {
        return Err(SourceError::LeftOut("first stage of a request"));
    }
    let verb = text(&record, "verb").ok_or(missing("verb"))?;
    let user = text(&record, "user.username").ok_or(missing("user.username"))?;
    let received = "requestReceivedTimestamp";
    let time = stated_time(&record, received).or_else(|| stated_time(&record, "stageTimestamp"));
    let kind = kind(&record);
    let activity = activity(&record, &kind, verb);
    let event_id = text(&record, "auditID").zip(text(&record, received));
    Ok(NativeEvent {
        time_source: None,
        event_id: event_id.map(|(id, at)| cut(&format!("{id}/{at}"))),
        time,
        identity: identity(&record, user),
        credential: credential(&record, activity, user),
        activity,
        action: Some(cut(&format!(
            "k8s:{kind}.{verb}{}",
            privilege(&record, activity)
        ))),
        resource: resource(&record, activity),
        source: source(
            address(&record),
            text(&record, "userAgent"),
            NativeSource::default(),
        ),
        purpose: text(&record, "impersonatedUser.username").map(|who| cut(&format!("as/{who}"))),
        outcome: outcome(&record),
    })
}

fn kind(record: Ref<'_>) -> String {
    let resource = text(record, "objectRef.resource").unwrap_or("nonresource");
    match text(record, "objectRef.subresource") {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource.to_owned(),
    }
}

fn activity(record: Ref<'_>, kind: &str, verb: &str) -> &'static str {
    let changes = matches!(verb, "create" | "update" | "patch");
    let is_rbac = matches!(
        kind,
        "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings"
    );
    let is_mapping = kind == "configmaps" && text(record, "objectRef.name") == Some("aws-auth");
    let is_token = kind == "secrets"
        && text(record, "requestObject.type") == Some("kubernetes.io/service-account-token");
    match kind {
        "serviceaccounts/token" | "certificatesigningrequests" if verb == "create" => "issue",
        _ if is_token && verb == "create" => "issue",
        "certificatesigningrequests/approval" if changes => "grant",
        _ if changes && (is_rbac || is_mapping) => "grant",
        _ if kind.ends_with("bindings") && verb.starts_with("delete") => "revoke",
        _ => "use",
    }
}

fn identity(record: Ref<'_>, user: &str) -> NativeIdentity {
    let is_machine = ["system:", "eks:", "aks", "gke-"]
        .iter()
        .any(|begin| user.starts_with(begin));
    NativeIdentity {
        id: cut(user),
        kind: match user {
            _ if user.starts_with("system:node:") => "workload",
            _ if is_machine => "service",
            _ => "human",
        },
        owner: text(record, "user.extra.arn").map(cut),
        group: None,
    }
}

fn extra<'v>(record: Ref<'v>, name: &str) -> Option<&'v str> {
    let found = member(record, "user.extra")?.get(name)?;
    let first = found.as_array().and_then(|values| values.first());
    first
        .unwrap_or(found)
        .as_str()
        .filter(|text| !text.is_empty())
}

fn credential(record: Ref<'_>, activity: &str, user: &str) -> Option<NativeCredential> {
    let of = |id: &str, issuer: &str| NativeCredential {
        id: cut(id),
        kind: if id.starts_with("X509") {
            "x509"
        } else {
            "access_token"
        },
        issuer: Some(issuer.to_owned()),
        ..NativeCredential::default()
    };
    if activity == "issue" {
        let annotations = member(record, "annotations")?;
        let issued = annotations.get(ISSUED_ID).and_then(Value::as_str)?;
        return Some(NativeCredential {
            issued_at: stated_time(record, "stageTimestamp"),
            expires_at: stated_time(record, "responseObject.status.expirationTimestamp"),
            scopes: texts(record, "requestObject.spec.audiences"),
            ..of(issued, "kubernetes")
        });
    }
    if let Some(id) = extra(record, CREDENTIAL_ID) {
        return Some(of(id, "kubernetes"));
    }
    let key = extra(record, "accessKeyId").filter(|_| !user.starts_with("system:"));
    key.map(|key| of(key, "aws"))
}

/// The role that a binding gives, where it gives everything.
fn privilege(record: Ref<'_>, activity: &str) -> String {
    let role = text(record, "requestObject.roleRef.name").filter(|_| activity == "grant");
    let role = role.filter(|role| PRIVILEGED.contains(role));
    role.map_or_else(String::new, |role| format!(":{role}"))
}

fn resource(record: Ref<'_>, activity: &str) -> Option<String> {
    let object = |name: &str| text(record, &format!("objectRef.{name}"));
    let service_account =
        |namespace: &str, name: &str| cut(&format!("system:serviceaccount:{namespace}:{name}"));
    let subject = || {
        let name = text(record, "requestObject.subjects.name")?;
        match text(record, "requestObject.subjects.kind") {
            Some("ServiceAccount") => {
                let namespace =
                    text(record, "requestObject.subjects.namespace").unwrap_or("default");
                Some(service_account(namespace, name))
            }
            _ => Some(cut(name)),
        }
    };
    if activity == "grant"
        && let Some(subject) = subject()
    {
        return Some(subject);
    }
    if activity == "issue" && object("subresource") == Some("token") {
        let named = object("namespace").zip(object("name"));
        return named.map(|(namespace, name)| service_account(namespace, name));
    }
    let parts = [object("namespace"), object("resource"), object("name")];
    let named: Vec<&str> = parts.into_iter().flatten().collect();
    if named.is_empty() {
        let uri = text(record, "requestURI")?;
        return Some(cut(uri.split('?').next().unwrap_or(uri)));
    }
    Some(cut(&named.join("/")))
}

/// The last public address of the list: a client writes all but the last.
fn address(record: Ref<'_>) -> Option<&str> {
    let addresses = member(record, "sourceIPs")?.as_array()?;
    let addresses: Vec<&str> = addresses.iter().filter_map(Value::as_str).collect();
    let is_public = |text: &&&str| match parse_address(text) {
        Some(std::net::IpAddr::V4(v4)) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local())
        }
        Some(std::net::IpAddr::V6(v6)) => !(v6.is_loopback() || v6.is_unique_local()),
        None => false,
    };
    addresses
        .iter()
        .rev()
        .find(is_public)
        .or(addresses.last())
        .copied()
}

fn outcome(record: Ref<'_>) -> &'static str {
    let code = member(record, "responseStatus.code")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let annotations = member(record, "annotations");
    let decision = annotations.and_then(|all| all.get("authorization.k8s.io/decision"));
    if matches!(code, 401 | 403) || decision.and_then(Value::as_str) == Some("forbid") {
        "denied"
    } else if code >= 400 {
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
    fn the_last_public_address_counts_and_a_forbidden_call_is_denied() {
        let event = map(
            br#"{"auditID":"k","stage":"ResponseComplete","verb":"list",
                "user":{"username":"system:anonymous"},
                "sourceIPs":["1.1.1.1","198.51.100.7","10.0.0.1"],
                "objectRef":{"resource":"secrets","namespace":"n"},
                "responseStatus":{"code":403},"requestReceivedTimestamp":"2026-11-23T12:30:00.000001Z"}"#,
        )
        .unwrap();
        assert_eq!(event.source.unwrap().ip.as_deref(), Some("198.51.100.7"));
        assert_eq!((event.outcome, event.activity), ("denied", "use"));
        assert_eq!(
            event.event_id.as_deref(),
            Some("k/2026-11-23T12:30:00.000001Z")
        );
        assert_eq!(event.action.as_deref(), Some("k8s:secrets.list"));
    }

    #[test]
    fn the_first_stage_of_a_request_is_left_out() {
        let first =
            br#"{"auditID":"k","stage":"RequestReceived","verb":"get","user":{"username":"a"}}"#;
        assert!(matches!(map(first), Err(SourceError::LeftOut(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
