//! Recognizes the format of a record.

use super::json_scan::{Member, members_of};
use credwatch_core::string_enum;
use std::borrow::Cow;

string_enum! {
    /// A source format.
    Format {
        /// Native events.
        Native = "native",
        /// AWS CloudTrail.
        CloudTrail = "cloudtrail",
        /// Keycloak's user and admin events.
        Keycloak = "keycloak",
        /// 1Password's Events API.
        OnePassword = "1password",
        /// Auth0's tenant log.
        Auth0 = "auth0",
        /// Azure's activity log and Key Vault's audit log.
        Azure = "azure",
        /// Duo's authentication and administrator logs.
        Duo = "duo",
        /// Microsoft Entra's sign-in and audit logs.
        Entra = "entra",
        /// Google Cloud's audit log.
        Gcp = "gcp",
        /// GitHub's audit log.
        GitHub = "github",
        /// Google Workspace's activity reports.
        GoogleWorkspace = "google_workspace",
        /// Kubernetes' audit log.
        Kubernetes = "kubernetes",
        /// OCSF events of identity and API activity.
        Ocsf = "ocsf",
        /// Okta's System Log.
        Okta = "okta",
        /// OpenSSH's log lines in JSON of journald or Beats.
        Ssh = "ssh",
        /// HashiCorp Vault's audit log.
        Vault = "vault",
        /// The Security log of Windows.
        Windows = "windows",
        /// What a jq program makes of a record.
        Jq = "jq",
        /// Whatever each record is.
        Auto = "auto",
    }
}

/// A record as it stands in its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord<'d> {
    /// Its text.
    pub text: Cow<'d, [u8]>,
    /// The format that it looks like.
    pub format: Format,
}

impl<'d> RawRecord<'d> {
    /// A record with this text.
    pub(super) fn of(text: &'d [u8]) -> Self {
        let format = match text.first() {
            Some(b'{') => of_members(&members_of(text)),
            _ => of_text(text),
        };
        Self {
            text: Cow::Borrowed(text),
            format,
        }
    }

    /// The object with these members.
    pub(super) fn of_object(text: &'d [u8], members: &[Member<'_>]) -> Self {
        Self {
            text: Cow::Borrowed(text),
            format: of_members(members),
        }
    }

    /// The same, independent of its document.
    pub(super) fn into_owned(self) -> RawRecord<'static> {
        RawRecord {
            text: Cow::Owned(self.text.into_owned()),
            format: self.format,
        }
    }
}

/// The members of a record, as they stand in it.
struct Members<'m, 'r>(&'m [Member<'r>]);

impl Members<'_, '_> {
    /// The value of a member, whose name exporters may write in another case; nothing where it is absent.
    fn value(&self, name: &str) -> &[u8] {
        let found = self
            .0
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        found.map_or(&b""[..], |(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        !self.value(name).is_empty()
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    fn has_all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.has(name))
    }

    fn is_dotted(&self, name: &str) -> bool {
        self.value(name).contains(&b'.')
    }

    fn mentions(&self, name: &str, part: &str) -> bool {
        memchr::memmem::find(self.value(name), part.as_bytes()).is_some()
    }

    fn is_of_windows(&self) -> bool {
        let beside = [
            "Channel",
            "Hostname",
            "Computer",
            "SourceName",
            "ProviderGuid",
            "EventSourceName",
        ];
        self.has("winlog")
            || self.has_all(&["event_data", "event_id"])
            || (self.has("EventID") && self.has_any(&beside))
            || self.mentions("Event", "\"System\"")
    }

    fn is_of_entra(&self) -> bool {
        self.mentions("category", "SignInLogs\"")
            || (self.mentions("category", "AuditLogs\"")
                && (self.mentions("properties", "activityDisplayName")
                    || self.mentions("properties", "loggedByService")))
            || self.mentions("category", "ProvisioningLogs\"")
            || self.has_all(&["activityDisplayName", "initiatedBy"])
            || self.has_all(&["provisioningSteps", "initiatedBy"])
            || self.has_all(&["userPrincipalName", "createdDateTime"])
    }

    fn is_of_azure(&self) -> bool {
        let has_claims = self.mentions("identity", "\"claim");
        let is_activity = self.value("category") == b"\"Administrative\"";
        let is_of_vault = self.value("category") == b"\"AuditEvent\"";
        self.has("operationName") && has_claims && (is_activity || is_of_vault)
    }

    fn is_of_vault(&self) -> bool {
        let kinds: [&[u8]; 4] = [
            b"\"request\"",
            b"\"response\"",
            b"\"kmip-request\"",
            b"\"kmip-response\"",
        ];
        self.has("request") && kinds.contains(&self.value("type"))
    }

    fn is_of_github(&self) -> bool {
        let has_time = self.has_any(&["created_at", "@timestamp"]);
        let is_of_repository = has_time && self.has_any(&["actor", "org", "business", "repo"]);
        self.is_dotted("action") && (self.has("_document_id") || is_of_repository)
    }

    fn is_of_auth0(&self) -> bool {
        self.has("log_id") && (self.has("data") || self.has_all(&["type", "date"]))
    }

    fn is_of_onepassword(&self) -> bool {
        self.has_all(&["target_user", "category"])
            || self.has_all(&["item_uuid", "vault_uuid"])
            || self.has_all(&["actor_uuid", "object_type"])
    }

    fn is_of_duo(&self) -> bool {
        self.has_any(&["access_device", "auth_device"])
            || self.has_all(&["factor", "result"])
            || self.has_all(&["isotimestamp", "action"])
    }

    fn is_of_ssh(&self) -> bool {
        let programs = ["sshd", "sshd-session"];
        programs.iter().any(|program| {
            self.mentions("SYSLOG_IDENTIFIER", &format!("\"{program}\""))
                || self.mentions("message", &format!("{program}["))
        })
    }
}

/// The format of the record with these members: only one format has some of them at its top level.
fn of_members(members: &[Member<'_>]) -> Format {
    if let Some((b"event_id" | b"identity", _)) = members.first() {
        return Format::Native;
    }
    let members = Members(members);
    if members.has_all(&["class_uid", "metadata"]) {
        Format::Ocsf
    } else if members.is_of_windows() {
        Format::Windows
    } else if members.has("auditID") || members.has_all(&["verb", "objectRef"]) {
        Format::Kubernetes
    } else if members.mentions("protoPayload", "methodName") {
        Format::Gcp
    } else if members.mentions("kind", "admin#reports#activity\"")
        || members.mentions("id", "applicationName")
    {
        Format::GoogleWorkspace
    } else if members.is_dotted("eventType") && members.has_all(&["actor", "outcome"]) {
        Format::Okta
    } else if members.is_of_entra() {
        Format::Entra
    } else if members.is_of_azure() {
        Format::Azure
    } else if members.is_of_vault() {
        Format::Vault
    } else if members.is_of_auth0() {
        Format::Auth0
    } else if members.is_of_onepassword() {
        Format::OnePassword
    } else if members.is_of_duo() {
        Format::Duo
    } else if members.has_any(&["eventSource", "eventVersion", "userIdentity"]) {
        Format::CloudTrail
    } else if members.is_of_github() {
        Format::GitHub
    } else if members.has("realmId") {
        Format::Keycloak
    } else if members.is_of_ssh() {
        Format::Ssh
    } else {
        Format::Native
    }
}

/// The format of a line that is no object.
fn of_text(line: &[u8]) -> Format {
    let programs: [&[u8]; 4] = [b" sshd[", b" sshd-session[", b" sshd ", b" sshd-session "];
    let is_of_ssh = programs
        .iter()
        .any(|program| memchr::memmem::find(line, program).is_some());
    if is_of_ssh {
        Format::Ssh
    } else {
        Format::Native
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_record() {
        for (record, format) in [
            (r#"{"eventVersion":"1.08"}"#, Format::CloudTrail),
            (r#"{"auditID":"x","verb":"get"}"#, Format::Kubernetes),
            (
                r#"{"eventType":"user.session.start","actor":{},"outcome":{}}"#,
                Format::Okta,
            ),
            (
                r#"{"time":"x","type":"response","request":{}}"#,
                Format::Vault,
            ),
            (
                r#"{"action":"git.clone","_document_id":"d"}"#,
                Format::GitHub,
            ),
            (
                r#"{"time":"x","category":"SignInLogs","properties":{}}"#,
                Format::Entra,
            ),
            (
                r#"{"time":"x","category":"ProvisioningLogs","properties":{}}"#,
                Format::Entra,
            ),
            (
                r#"{"id":"p","provisioningSteps":[],"initiatedBy":{}}"#,
                Format::Entra,
            ),
            (
                r#"{"time":"x","category":"AuditLogs","properties":{"ActivityType":"x"}}"#,
                Format::Native,
            ),
            (
                r#"{"category":"AuditEvent","operationName":"SecretGet","identity":{"claim":{}}}"#,
                Format::Azure,
            ),
            (r#"{"log_id":"l","data":{"type":"s"}}"#, Format::Auth0),
            (
                r#"{"insertId":"g","protoPayload":{"methodName":"x"}}"#,
                Format::Gcp,
            ),
            (
                r#"{"kind":"admin#reports#activity","id":{}}"#,
                Format::GoogleWorkspace,
            ),
            (
                r#"{"class_uid":3002,"metadata":{},"unmapped":{"auditID":"x"}}"#,
                Format::Ocsf,
            ),
            (r#"{"EventID":4624,"Computer":"c"}"#, Format::Windows),
            (
                r#"{"isotimestamp":"x","action":"phone_delete"}"#,
                Format::Duo,
            ),
            (r#"{"item_uuid":"i","vault_uuid":"v"}"#, Format::OnePassword),
            (
                r#"{"@timestamp":"x","message":"h sshd[1]: Accepted"}"#,
                Format::Ssh,
            ),
            (r#"{"realmId":"r"}"#, Format::Keycloak),
            (
                r#"{"time":1,"identity":{},"unmapped":{"eventSource":"x"}}"#,
                Format::Native,
            ),
            (
                "<38>Nov 27 08:00:00 h sshd[7]: Accepted publickey for a",
                Format::Ssh,
            ),
            ("garbage", Format::Native),
        ] {
            assert_eq!(RawRecord::of(record.as_bytes()).format, format, "{record}");
        }
    }
}
