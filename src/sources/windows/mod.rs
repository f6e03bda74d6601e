//! The Security log of Windows → native events, in whichever layout a collector writes it.
//!
//! An account is `DOMAIN\user`: the first label of the domain in upper case, the name in lower case. Ends of
//! logons are left out: they name no address, and their number comes again after a restart.

mod layout;
mod names;

use super::fields::{SourceError, cut, source};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use layout::Layout;
use names::{group_name, is_machine, logon_type};

/// Accounts of the system itself.
const WELL_KNOWN: [&str; 5] = ["S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-5-7", "S-1-0-0"];
/// Reasons for which a logon is refused though the password may be right.
const REFUSED: [&str; 7] = [
    "0xc0000072",
    "0xc0000234",
    "0xc000015b",
    "0xc0000070",
    "0xc000006f",
    "0xc0000193",
    "0xc0000413",
];
const WEAK_CIPHERS: [&str; 4] = ["0x17", "0x18", "0x1", "0x3"];
const NO_GUID: &str = "{00000000-0000-0000-0000-000000000000}";

/// What an event id says.
struct Meaning {
    who: Option<String>,
    activity: &'static str,
    outcome: &'static str,
    detail: String,
    resource: Option<String>,
    credential: Option<NativeCredential>,
    source: Option<NativeSource>,
}

/// Maps one record.
///
/// # Errors
/// The record is malformed, or about no use of a credential.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = Layout::of(super::fields::parse(record)?);
    let missing = |name| SourceError::Missing("Windows", name);
    let id = record.event_id().ok_or(missing("EventID"))?;
    let meaning =
        meaning(&record, id).ok_or(SourceError::LeftOut("event about no use of a credential"))?;
    let who = meaning.who.ok_or(missing("TargetUserName"))?;
    let host = record.host().unwrap_or_default();
    Ok(NativeEvent {
        time_source: None,
        event_id: record
            .number()
            .map(|number| cut(&format!("{host}/{number}"))),
        time: record.time(),
        identity: NativeIdentity {
            kind: if is_machine(&who) { "service" } else { "human" },
            id: cut(&who),
            ..NativeIdentity::default()
        },
        credential: meaning.credential,
        activity: meaning.activity,
        action: Some(cut(&format!("windows:{id}{}", meaning.detail))),
        resource: meaning.resource.as_deref().map(cut),
        source: meaning.source,
        purpose: None,
        outcome: meaning.outcome,
    })
}

fn meaning(record: &Layout<'_>, id: u32) -> Option<Meaning> {
    match id {
        4624 | 4625 => logon(record, id),
        4648 => Some(explicit_credentials(record)),
        4672 => privileges(record),
        4768..=4771 => Some(ticket(record, id)),
        4776 => Some(ntlm(record)),
        4728 | 4732 | 4756 | 4729 | 4733 | 4757 => Some(membership(record, id)),
        4720 | 4722..=4726 | 4738 | 4740 | 4742 | 4767 => Some(account(record, id)),
        4778 | 4779 => Some(Meaning {
            who: record.account("AccountName", "AccountDomain"),
            credential: session(record, "LogonID"),
            ..of(record, "use")
        }),
        4964 => Some(of(record, "use")),
        _ => None,
    }
}

/// The target's event at this host.
fn of(record: &Layout<'_>, activity: &'static str) -> Meaning {
    Meaning {
        who: record.target(),
        activity,
        outcome: "success",
        detail: String::new(),
        resource: record.host(),
        credential: None,
        source: place(record),
    }
}

fn place(record: &Layout<'_>) -> Option<NativeSource> {
    let host = record.first(&["WorkstationName", "Workstation", "ClientName"]);
    let more = NativeSource {
        host: host.map(|host| cut(&host.trim_matches('\\').to_lowercase())),
        ..NativeSource::default()
    };
    let address = record.first(&["IpAddress", "ClientAddress"]);
    source(address.as_deref(), None, more)
}

fn credential(id: &str, kind: &'static str) -> NativeCredential {
    NativeCredential {
        id: cut(id),
        kind,
        ..NativeCredential::default()
    }
}

fn session(record: &Layout<'_>, number: &str) -> Option<NativeCredential> {
    let number = record.text(number).filter(|number| number != "0x0")?;
    let host = record.host().unwrap_or_default();
    Some(credential(&format!("{host}/{number}"), "session"))
}

fn logon(record: &Layout<'_>, id: u32) -> Option<Meaning> {
    let stated = record.text("LogonType").and_then(|text| text.parse().ok());
    let is_local = stated.is_none_or(|kind: u32| matches!(kind, 0 | 5));
    let sid = record
        .first(&["TargetUserSid", "TargetSid"])
        .unwrap_or_default();
    let is_of_system = WELL_KNOWN.contains(&&*sid) && is_local && place(record).is_none();
    let package = record
        .text("AuthenticationPackageName")
        .map(|text| text.to_lowercase());
    let detail = format!("/{}", logon_type(stated));
    if id == 4624 {
        if is_of_system {
            return None;
        }
        let session = session(record, "TargetLogonId").map(|session| NativeCredential {
            issuer: package,
            issued_at: record.time(),
            ..session
        });
        let is_of_another = stated == Some(9);
        let outbound = record.account("TargetOutboundUserName", "TargetOutboundDomainName");
        let at_host = of(record, "authenticate");
        return Some(match is_of_another {
            // The password of another account, which is used at other hosts.
            true => Meaning {
                who: record.subject(),
                activity: "use",
                resource: outbound.or_else(|| record.host()),
                credential: session,
                detail,
                ..at_host
            },
            false => Meaning {
                credential: session,
                detail,
                ..at_host
            },
        });
    }
    let reason = record.text("SubStatus").unwrap_or_default().to_lowercase();
    let kind = match package.as_deref() {
        Some("kerberos") => "kerberos_ticket",
        _ => "password",
    };
    Some(Meaning {
        outcome: if REFUSED.contains(&&*reason) {
            "denied"
        } else {
            "failure"
        },
        credential: record.target().map(|who| credential(&who, kind)),
        detail,
        ..of(record, "authenticate")
    })
}

/// A password of another account was given.
fn explicit_credentials(record: &Layout<'_>) -> Meaning {
    let target = record.target();
    let program = record.text("ProcessName");
    let more = NativeSource {
        host: record.host(),
        ..NativeSource::default()
    };
    Meaning {
        who: record.subject(),
        credential: target
            .as_deref()
            .map(|target| credential(target, "password")),
        resource: target,
        source: source(
            record.text("IpAddress").as_deref(),
            program.as_deref(),
            more,
        ),
        ..of(record, "use")
    }
}

fn privileges(record: &Layout<'_>) -> Option<Meaning> {
    let sid = record.text("SubjectUserSid").unwrap_or_default();
    if WELL_KNOWN.contains(&&*sid) {
        return None;
    }
    let scopes = record.text("PrivilegeList").unwrap_or_default();
    let scopes = scopes.split_whitespace().take(64).map(cut).collect();
    Some(Meaning {
        who: record.subject(),
        credential: session(record, "SubjectLogonId")
            .map(|session| NativeCredential { scopes, ..session }),
        source: None,
        ..of(record, "use")
    })
}

fn ticket(record: &Layout<'_>, id: u32) -> Meaning {
    let code = record
        .first(&["Status", "FailureCode"])
        .unwrap_or_default()
        .to_lowercase();
    let outcome = match &*code {
        "" | "0x0" if id != 4771 => "success",
        "0x12" => "denied",
        "0xc" | "0x22" if id != 4771 => "denied",
        _ => "failure",
    };
    let cipher = record
        .text("TicketEncryptionType")
        .unwrap_or_default()
        .to_lowercase();
    let guid = record.text("LogonGuid").filter(|guid| guid != NO_GUID);
    let service = record.text("ServiceName");
    Meaning {
        outcome,
        detail: match WEAK_CIPHERS.contains(&&*cipher) {
            true => "/rc4-or-des".to_owned(),
            false => String::new(),
        },
        resource: service.map(|service| format!("service/{}", service.to_lowercase())),
        credential: Some(NativeCredential {
            issuer: record.realm().as_deref().map(cut),
            issued_at: record.time().filter(|_| outcome == "success"),
            ..credential(&guid.unwrap_or_default(), "kerberos_ticket")
        }),
        ..of(
            record,
            match id {
                4769 => "issue",
                4770 => "refresh",
                _ => "authenticate",
            },
        )
    }
}

fn ntlm(record: &Layout<'_>) -> Meaning {
    let status = record.text("Status").unwrap_or_else(|| "0x0".to_owned());
    Meaning {
        outcome: match &*status.to_lowercase() {
            "0x0" => "success",
            "0xc0000072" | "0xc0000234" => "denied",
            _ => "failure",
        },
        credential: record.target().map(|who| NativeCredential {
            issuer: Some("ntlm".to_owned()),
            ..credential(&who, "password")
        }),
        ..of(record, "authenticate")
    }
}

/// A member of a group; its name is that of the group's number, for names are localised.
fn membership(record: &Layout<'_>, id: u32) -> Meaning {
    let is_added = matches!(id, 4728 | 4732 | 4756);
    let (subject, member) = (record.subject(), record.text("MemberSid"));
    let is_own = member.is_some() && member == record.text("SubjectUserSid");
    let sid = record.text("TargetSid").unwrap_or_default();
    let group = group_name(&sid).filter(|_| is_added);
    Meaning {
        resource: match is_own {
            true => subject.clone(),
            false => member.or_else(|| record.text("MemberName")),
        },
        who: subject,
        detail: group.map_or_else(String::new, |name| format!(":{name}")),
        ..of(record, if is_added { "grant" } else { "revoke" })
    }
}

fn account(record: &Layout<'_>, id: u32) -> Meaning {
    let target = record.target();
    let is_password = matches!(id, 4723 | 4724);
    let of_failure = record.top("EventType").unwrap_or_default().to_lowercase();
    let is_failure = id == 4740 || (is_password && of_failure.contains("failure"));
    Meaning {
        who: if id == 4740 {
            target.clone()
        } else {
            record.subject()
        },
        outcome: if is_failure { "failure" } else { "success" },
        credential: target
            .as_deref()
            .filter(|_| is_password)
            .map(|target| credential(target, "password")),
        resource: target,
        ..of(
            record,
            match id {
                4723 | 4724 => "rotate",
                4725 | 4726 => "revoke",
                4740 => "authenticate",
                _ => "use",
            },
        )
    }
}

#[cfg(test)]
mod tests;
