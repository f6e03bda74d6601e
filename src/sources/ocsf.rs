//! OCSF events of identity and API activity → native events.
//!
//! Of Okta and GitHub, the vendor's event code decides the activity as in its own log; of AWS, names are
//! CloudTrail's. Times are in seconds or milliseconds.

use super::fields::{
    SourceError, autonomous_system, cut, first, is_position, member, parse, source, stated_time,
    text,
};
use super::{github, okta};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

const ACCOUNT_CHANGE: u64 = 3001;
const AUTHENTICATION: u64 = 3002;
const AUTHORIZE_SESSION: u64 = 3003;
const ENTITY_MANAGEMENT: u64 = 3004;
const USER_ACCESS: u64 = 3005;
const GROUP_MANAGEMENT: u64 = 3006;
const API_ACTIVITY: u64 = 6003;
/// Classes with the name of what they are about.
const CLASSES: [(u64, &str); 7] = [
    (ACCOUNT_CHANGE, "account"),
    (AUTHENTICATION, "authentication"),
    (AUTHORIZE_SESSION, "session"),
    (ENTITY_MANAGEMENT, "entity"),
    (USER_ACCESS, "access"),
    (GROUP_MANAGEMENT, "group"),
    (API_ACTIVITY, "api"),
];
/// Operations of AWS that issue a credential.
const ISSUING: [&str; 6] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "GetSessionToken",
    "GetFederationToken",
    "CreateAccessKey",
];
/// Types of users that are machines.
const MACHINES: [&str; 5] = [
    "AssumedRole",
    "AWSService",
    "System",
    "Service",
    "WebIdentityUser",
];

/// Maps one record.
///
/// # Errors
/// The record is malformed, or of a class that is about no use of a credential.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = parse(record)?;
    let missing = |name| SourceError::Missing("OCSF", name);
    let class = member(&record, "class_uid").and_then(Value::as_u64);
    let class = match class.ok_or(missing("class_uid"))? {
        // The number that API Activity had in 1.0.0-rc.2.
        USER_ACCESS if text(&record, "class_name") == Some("API Activity") => API_ACTIVITY,
        class => class,
    };
    let about = CLASSES.iter().find(|(known, _)| *known == class);
    let (_, about) = about.ok_or(SourceError::LeftOut("class about no use of a credential"))?;
    let vendor = text(&record, "metadata.product.vendor_name").unwrap_or("ocsf");
    let vendor = vendor.to_lowercase();
    let operation = operation(&record, &vendor);
    let identity = identity(&record, class).ok_or(missing("actor.user"))?;
    let service = text(&record, "api.service.name").filter(|_| vendor == "aws");
    let action = match (service, operation) {
        (Some(service), Some(operation)) => {
            format!("{}:{operation}", service.trim_end_matches(".amazonaws.com"))
        }
        (_, operation) => format!("{vendor}:{}", operation.unwrap_or(about)),
    };
    let time = stated_time(&record, "time").or_else(|| stated_time(&record, "time_dt"));
    Ok(NativeEvent {
        time_source: None,
        event_id: text(&record, "metadata.uid").map(cut),
        time,
        credential: credential(&record, class, &vendor, operation, &identity.id),
        identity,
        activity: activity(&record, class, &vendor, operation),
        action: Some(cut(&action)),
        resource: resource(&record, class),
        source: place(&record),
        purpose: None,
        outcome: outcome(&record),
    })
}

fn operation<'r>(record: Ref<'r>, vendor: &str) -> Option<&'r str> {
    let code = text(record, "metadata.event_code").filter(|_| vendor != "aws");
    text(record, "api.operation")
        .or(code)
        .or_else(|| text(record, "activity_name"))
}

fn identity(record: Ref<'_>, class: u64) -> Option<NativeIdentity> {
    let of_user = class == AUTHENTICATION && first(record, &["user.uid", "user.name"]).is_some();
    let has_actor = member(record, "actor.user")
        .and_then(Value::as_object)
        .is_some_and(|user| !user.is_empty());
    let subject = if of_user || !has_actor {
        "user"
    } else {
        "actor.user"
    };
    let of = |path: &str, name: &str| text(record, &format!("{path}.{name}"));
    let actor = |name| of("actor.user", name);
    let kind = actor("type")
        .or_else(|| of(subject, "type"))
        .unwrap_or_default();
    let issuer = text(record, "actor.session.issuer").filter(|issuer| issuer.starts_with("arn:"));
    let stated = of(subject, "uid").or_else(|| actor("uid"));
    let is_bare = stated.is_some_and(|uid| !uid.starts_with("arn:"));
    let named = actor("account.uid").zip(actor("name")).filter(|_| is_bare);
    let id = match (kind, issuer, named) {
        ("AssumedRole", Some(role), _) => role.to_owned(),
        ("IAMUser", _, Some((account, name))) => format!("arn:aws:iam::{account}:user/{name}"),
        _ => {
            let names = ["uid", "email_addr", "name"];
            let found = names.iter().find_map(|name| of(subject, name));
            found
                .or_else(|| actor("uid"))
                .or_else(|| actor("name"))
                .or_else(|| text(record, "actor.invoked_by"))?
                .to_owned()
        }
    };
    let is_person = id.contains("AWSReservedSSO");
    Some(NativeIdentity {
        kind: if MACHINES.contains(&kind) && !is_person {
            "service"
        } else {
            "human"
        },
        id: cut(&id),
        ..NativeIdentity::default()
    })
}

fn activity(record: Ref<'_>, class: u64, vendor: &str, operation: Option<&str>) -> &'static str {
    let code = text(record, "metadata.event_code");
    match (vendor, code) {
        ("okta", Some(code)) if code.contains('.') => return okta::activity(code),
        ("github", Some(code)) if code.contains('.') => return github::activity(code),
        _ => {}
    }
    let id = member(record, "activity_id").and_then(Value::as_u64);
    match (class, id.unwrap_or(0)) {
        (AUTHENTICATION, 2) => "revoke",
        (AUTHENTICATION, 4) => "issue",
        (AUTHENTICATION, 5) => "refresh",
        (AUTHENTICATION, _) => "authenticate",
        (ACCOUNT_CHANGE, 3 | 4) => "rotate",
        (ACCOUNT_CHANGE, 5 | 6 | 8 | 11) => "revoke",
        (ACCOUNT_CHANGE, 10) => "issue",
        (ACCOUNT_CHANGE, 7) | (AUTHORIZE_SESSION, 1 | 2) | (USER_ACCESS, 1) => "grant",
        (GROUP_MANAGEMENT, 1 | 3) => "grant",
        (USER_ACCESS, 2) | (GROUP_MANAGEMENT, 2 | 4) => "revoke",
        (API_ACTIVITY, _) if operation.is_some_and(|name| ISSUING.contains(&name)) => "issue",
        _ => "use",
    }
}

fn credential(
    record: Ref<'_>,
    class: u64,
    vendor: &str,
    operation: Option<&str>,
    identity: &str,
) -> Option<NativeCredential> {
    let of = |id: &str, kind| NativeCredential {
        id: cut(id),
        kind,
        issuer: Some(cut(vendor)),
        ..NativeCredential::default()
    };
    let at = |paths: [&str; 2]| paths.iter().find_map(|path| stated_time(record, path));
    let key = ["actor.user.credential_uid", "actor.session.credential_uid"];
    if let Some(key) = first(record, &key) {
        let kind = if key.starts_with("AKIA") {
            "api_key"
        } else {
            "access_token"
        };
        return Some(NativeCredential {
            issued_at: at([
                "actor.session.created_time",
                "actor.session.created_time_dt",
            ]),
            ..of(key, kind)
        });
    }
    if class == AUTHENTICATION && operation == Some("ConsoleLogin") {
        return Some(of(identity, "password"));
    }
    let session = first(record, &["session.uid", "actor.session.uid"])?;
    Some(NativeCredential {
        expires_at: at(["session.expiration_time", "actor.session.expiration_time"]),
        ..of(session, "session")
    })
}

fn resource(record: Ref<'_>, class: u64) -> Option<String> {
    let user: &[&str] = &["user.uid", "user.name"];
    let target = match class {
        ACCOUNT_CHANGE | USER_ACCESS => first(record, user),
        GROUP_MANAGEMENT => {
            first(record, user).or_else(|| first(record, &["group.name", "group.uid"]))
        }
        ENTITY_MANAGEMENT => first(record, &["entity.uid", "entity.name"]),
        _ => None,
    };
    let objects = [
        "resources.uid",
        "resources.name",
        "dst_endpoint.svc_name",
        "service.name",
    ];
    target.or_else(|| first(record, &objects)).map(cut)
}

fn place(record: Ref<'_>) -> Option<NativeSource> {
    let hosts = [
        "src_endpoint.hostname",
        "src_endpoint.name",
        "device.hostname",
        "device.name",
    ];
    let at = "src_endpoint.location";
    let coordinates = member(record, &format!("{at}.coordinates")).and_then(Value::as_array);
    let listed = coordinates.and_then(|pair| match pair.as_slice() {
        [longitude, latitude] => latitude.as_f64().zip(longitude.as_f64()),
        _ => None,
    });
    let named = || super::fields::position(record, &format!("{at}.lat"), &format!("{at}.long"));
    let position = listed.filter(|at| is_position(*at)).or_else(named);
    let more = NativeSource {
        host: first(record, &hosts).map(cut),
        country: text(record, &format!("{at}.country")).and_then(super::country::code),
        asn: autonomous_system(record, "src_endpoint.autonomous_system.number"),
        latitude: position.map(|(latitude, _)| latitude),
        longitude: position.map(|(_, longitude)| longitude),
        ..NativeSource::default()
    };
    let agent = text(record, "http_request.user_agent");
    source(text(record, "src_endpoint.ip"), agent, more)
}

fn outcome(record: Ref<'_>) -> &'static str {
    let status = text(record, "status").unwrap_or_default().to_lowercase();
    let id = member(record, "status_id").and_then(Value::as_u64);
    let is_failure = id == Some(2) || (id != Some(1) && status.contains("fail"));
    let reasons = ["status_code", "status_detail", "api.response.error"];
    let words = ["AccessDenied", "Unauthorized", "Forbidden", "403"];
    let mut stated = reasons.iter().filter_map(|path| text(record, path));
    let is_refused = stated.any(|reason| words.iter().any(|word| reason.contains(word)));
    match (is_failure, is_refused) {
        (false, _) => "success",
        (true, true) => "denied",
        (true, false) => "failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_class_name_decides_where_the_number_has_changed() {
        let of = |name: &str| {
            map(format!(
                r#"{{"class_uid":3005,"class_name":"{name}","activity_id":1,"time":1795619100,
                    "actor":{{"user":{{"uid":"a"}}}},"user":{{"uid":"b"}}}}"#
            )
            .as_bytes())
            .unwrap()
        };
        assert_eq!(of("API Activity").activity, "use");
        let granted = of("User Access Management");
        assert_eq!(
            (granted.activity, granted.resource.as_deref()),
            ("grant", Some("b"))
        );
        assert_eq!(granted.identity.id, "a");
    }

    #[test]
    fn a_finding_is_no_use_of_a_credential() {
        let finding = br#"{"class_uid":2004,"time":1795619100}"#;
        assert!(matches!(map(finding), Err(SourceError::LeftOut(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
