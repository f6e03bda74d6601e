//! Sign-ins of users, service principals and managed identities.

use super::super::fields::{
    SourceError, autonomous_system, cut, first, id_of_unknown, member, position, source,
    stated_time, text,
};
use super::Record;
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Codes of sign-ins that another step follows: the password was right.
const INTERRUPTED: [i64; 17] = [
    50072, 50074, 50076, 50079, 50097, 50125, 50127, 50129, 50140, 50158, 50199, 50201, 16000,
    16001, 16003, 50058, 65001,
];
/// Codes of sign-ins that a policy refused.
const DENIED: [i64; 17] = [
    53000, 53001, 53002, 53003, 53004, 530_002, 530_003, 530_004, 50105, 50053, 50057, 50131,
    500_011, 90094, 90095, 65004, 53011,
];

/// Who or what signs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Principal {
    User,
    NonInteractive,
    Adfs,
    Service,
    ManagedIdentity,
}

impl Principal {
    fn of(record: &Record<'_>) -> Self {
        let kinds = member(record.properties, "signInEventTypes").and_then(Value::as_array);
        let kinds: Vec<&str> = kinds
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let has = |kind: &str| kinds.contains(&kind);
        match text(record.around, "category").unwrap_or_default() {
            "ServicePrincipalSignInLogs" => Self::Service,
            "ManagedIdentitySignInLogs" => Self::ManagedIdentity,
            "NonInteractiveUserSignInLogs" => Self::NonInteractive,
            "ADFSSignInLogs" => Self::Adfs,
            _ if has("managedIdentity") => Self::ManagedIdentity,
            _ if has("servicePrincipal") => Self::Service,
            _ if has("nonInteractiveUser") => Self::NonInteractive,
            _ => Self::User,
        }
    }

    fn is_machine(self) -> bool {
        matches!(self, Self::Service | Self::ManagedIdentity)
    }

    fn action(self) -> &'static str {
        match self {
            Self::User => "sign-in",
            Self::NonInteractive => "token-refresh",
            Self::Adfs => "adfs-sign-in",
            Self::Service => "service-principal-sign-in",
            Self::ManagedIdentity => "managed-identity-sign-in",
        }
    }
}

pub(super) fn map(record: &Record<'_>) -> Result<NativeEvent, SourceError> {
    let properties = record.properties;
    let principal = Principal::of(record);
    let time =
        stated_time(properties, "createdDateTime").or_else(|| stated_time(record.around, "time"));
    let code = code(record);
    let is_interrupted = INTERRUPTED.contains(&code);
    let outcome = match code {
        0 => "success",
        _ if is_interrupted => "success",
        code if DENIED.contains(&code) => "denied",
        _ => "failure",
    };
    let app = first(properties, &["appDisplayName", "appId"]).filter(|_| !principal.is_machine());
    let object = first(properties, &["resourceDisplayName", "resourceId"]);
    Ok(NativeEvent {
        time_source: None,
        event_id: record.text("id", "correlationId").map(cut),
        identity: identity(record, principal).ok_or(SourceError::Missing("Entra", "userId"))?,
        credential: credential(record, principal, time.as_ref(), code),
        activity: match principal {
            Principal::NonInteractive => "refresh",
            _ => "authenticate",
        },
        action: Some(action(properties, principal, is_interrupted)),
        resource: object.map(|object| cut(&format!("app/{object}"))),
        source: place(record),
        purpose: app.map(|app| cut(&format!("app/{app}"))),
        outcome,
        time,
    })
}

/// The result: 0 of a success, -1 where it is stated in words only.
fn code(record: &Record<'_>) -> i64 {
    let stated = member(record.properties, "status.errorCode")
        .or_else(|| member(record.around, "resultType"));
    match stated {
        Some(Value::Number(code)) => code.as_i64().unwrap_or(-1),
        Some(Value::String(code)) if code.to_lowercase().starts_with("succe") => 0,
        Some(Value::String(code)) => code.trim().parse().unwrap_or(-1),
        _ => match text(record.around, "resultSignature") {
            Some(signature) if signature.eq_ignore_ascii_case("success") => 0,
            _ => -1,
        },
    }
}

fn action(properties: Ref<'_>, principal: Principal, is_interrupted: bool) -> String {
    let by_device_code =
        text(properties, "originalTransferMethod").filter(|method| *method == "deviceCodeFlow");
    let protocol = by_device_code
        .map(|_| "deviceCode")
        .or(text(properties, "authenticationProtocol"));
    let more = match protocol {
        _ if is_interrupted => "/interrupted",
        Some("deviceCode") => "/deviceCode",
        Some("ropc") => "/ropc",
        _ => "",
    };
    format!("entra:{}{more}", principal.action())
}

fn identity(record: &Record<'_>, principal: Principal) -> Option<NativeIdentity> {
    let properties = record.properties;
    if principal.is_machine() {
        let id = first(properties, &["servicePrincipalId", "appId"])?;
        return Some(NativeIdentity {
            id: cut(&format!("sp/{id}")),
            kind: match principal {
                Principal::ManagedIdentity => "workload",
                _ => "service",
            },
            owner: text(properties, "servicePrincipalName").map(cut),
            group: None,
        });
    }
    let names = [
        "userPrincipalName",
        "alternateSignInName",
        "signInIdentifier",
    ];
    let name = first(properties, &names);
    let (id, owner) = match text(properties, "userId") {
        Some(id) => (cut(id), name.map(|name| cut(&name.to_lowercase()))),
        None => (id_of_unknown(name?), None),
    };
    Some(NativeIdentity {
        id,
        kind: "human",
        owner,
        group: None,
    })
}

fn credential(
    record: &Record<'_>,
    principal: Principal,
    time: Option<&String>,
    code: i64,
) -> Option<NativeCredential> {
    let stated = |name: &str| text(record.properties, name);
    let of = |id: &str, kind| NativeCredential {
        id: cut(id),
        kind,
        issuer: Some(record.issuer()),
        ..NativeCredential::default()
    };
    let key = stated("servicePrincipalCredentialKeyId");
    let thumbprint = stated("servicePrincipalCredentialThumbprint");
    let is_certificate = thumbprint.is_some()
        || stated("clientCredentialType").is_some_and(|kind| kind.contains("ert"));
    if let Some(id) = key.or(thumbprint).filter(|_| principal.is_machine()) {
        return Some(of(id, if is_certificate { "x509" } else { "api_key" }));
    }
    if let Some(session) = stated("sessionId") {
        let is_new = code == 0 && principal == Principal::User;
        return Some(NativeCredential {
            issued_at: time.filter(|_| is_new).cloned(),
            ..of(session, "session")
        });
    }
    let token = stated("uniqueTokenIdentifier").filter(|_| code == 0);
    token.map(|token| of(token, "access_token"))
}

fn place(record: &Record<'_>) -> Option<NativeSource> {
    let properties = record.properties;
    let at = position(
        properties,
        "location.geoCoordinates.latitude",
        "location.geoCoordinates.longitude",
    );
    let country = record.text("location.countryOrRegion", "location");
    let more = NativeSource {
        host: first(
            properties,
            &["deviceDetail.displayName", "deviceDetail.deviceId"],
        )
        .map(cut),
        country: country.and_then(super::super::country::code),
        asn: autonomous_system(properties, "autonomousSystemNumber"),
        latitude: at.map(|(latitude, _)| latitude),
        longitude: at.map(|(_, longitude)| longitude),
        ..NativeSource::default()
    };
    let address = record.text("ipAddress", "callerIpAddress");
    source(address, text(properties, "userAgent"), more)
}
