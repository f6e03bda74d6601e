//! Microsoft Entra's sign-in, audit and provisioning logs → native events, as Event Hub or Graph states them.
//!
//! Event Hub puts what Graph states into `properties`, which may be JSON as text, and the time of the export
//! beside it. Values of modified properties are not copied, but for roles and key ids.

mod audit;
mod provisioning;
mod sign_in;

use super::fields::{SourceError, member, parse, text};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::NativeEvent;

/// A record: what Graph states of it, and what Event Hub adds.
struct Record<'v> {
    properties: Ref<'v>,
    around: Ref<'v>,
}

impl Record<'_> {
    /// The text at a path of the properties, or else of the record around them.
    fn text(&self, path: &str, around: &str) -> Option<&str> {
        text(self.properties, path).or_else(|| text(self.around, around))
    }

    fn issuer(&self) -> String {
        let tenant = self.text("homeTenantId", "tenantId");
        tenant.map_or_else(
            || "entra".to_owned(),
            |tenant| super::fields::cut(&format!("entra/{tenant}")),
        )
    }
}

/// Maps one record.
///
/// # Errors
/// The record is malformed.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let around = parse(record)?;
    let stated = match member(&around, "properties") {
        Some(Value::String(text)) => Some(parse(text.as_bytes())?),
        _ => None,
    };
    let nested = member(&around, "properties").filter(|properties| properties.is_object());
    let record = Record {
        properties: stated.as_ref().or(nested).unwrap_or(&around),
        around: &around,
    };
    if provisioning::is_one(&record) {
        return provisioning::map(&record);
    }
    let is_audit = text(record.around, "category") == Some("AuditLogs")
        || member(record.properties, "initiatedBy").is_some();
    if is_audit {
        audit::map(&record)
    } else {
        sign_in::map(&record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mapped(record: &str) -> NativeEvent {
        map(record.as_bytes()).unwrap()
    }

    #[test]
    fn an_interrupted_sign_in_is_none_that_failed() {
        let event = mapped(
            r#"{"category":"SignInLogs","time":"2026-11-23T10:04:11Z","resultType":50074,
                "properties":{"createdDateTime":"2026-11-23T10:02:09Z","userId":"u-1",
                "userPrincipalName":"Ada@corp.example","sessionId":"s"}}"#,
        );
        assert_eq!(
            (event.outcome, event.action.as_deref()),
            ("success", Some("entra:sign-in/interrupted"))
        );
        assert_eq!(event.time.as_deref(), Some("2026-11-23T10:02:09.000Z"));
        assert_eq!(event.credential.unwrap().issued_at, None);
    }

    #[test]
    fn a_refused_sign_in_is_denied_and_a_wrong_password_a_failure() {
        for (code, outcome) in [
            ("53003", "denied"),
            ("50126", "failure"),
            ("Success", "success"),
        ] {
            let record = format!(
                r#"{{"category":"NonInteractiveUserSignInLogs","time":"2026-11-23T10:04:11Z",
                    "resultType":"{code}","properties":{{"userId":"u-1"}}}}"#
            );
            let event = mapped(&record);
            assert_eq!((event.outcome, event.activity), (outcome, "refresh"));
        }
    }

    #[test]
    fn a_removed_member_is_a_revocation() {
        let event = mapped(
            r#"{"activityDisplayName":"Remove member from role","activityDateTime":"2026-11-23T10:00:00Z",
                "result":"failure","resultReason":"Insufficient privileges",
                "initiatedBy":{"user":{"id":"u-1"}},"targetResources":[{"type":"User","id":"u-2"}]}"#,
        );
        assert_eq!((event.activity, event.outcome), ("revoke", "denied"));
        assert_eq!(event.resource.as_deref(), Some("u-2"));
    }

    const PROVISIONED: &str = r#"{"time":"2026-11-23T10:00:09Z","category":"ProvisioningLogs",
        "properties":{"id":"p-1","activityDateTime":"2026-11-23T10:00:00Z","provisioningAction":"ACTION",
        "provisioningStatusInfo":{"status":"STATUS"},"provisioningSteps":[],
        "servicePrincipal":{"id":"s-1","displayName":"Slack"},"targetSystem":{"displayName":"Slack"},
        "initiatedBy":{"id":"","displayName":"Azure AD Provisioning Service","initiatorType":"system"},
        "sourceIdentity":{"id":"u-1"},"targetIdentity":{"id":"U77"}}}"#;

    #[test]
    fn provisioning_is_of_the_application_and_about_the_account() {
        for (action, status, activity, outcome) in [
            ("create", "success", "grant", "success"),
            ("disable", "success", "revoke", "success"),
            ("update", "failure", "use", "error"),
        ] {
            let record = PROVISIONED
                .replace("ACTION", action)
                .replace("STATUS", status);
            let event = mapped(&record);
            assert_eq!((event.activity, event.outcome), (activity, outcome));
            assert_eq!(event.identity.id, "sp/s-1");
            assert_eq!(event.resource.as_deref(), Some("U77"));
            assert_eq!(event.time.as_deref(), Some("2026-11-23T10:00:00.000Z"));
        }
        let skipped = PROVISIONED
            .replace("ACTION", "other")
            .replace("STATUS", "skipped");
        let error = map(skipped.as_bytes()).unwrap_err();
        assert!(matches!(error, SourceError::LeftOut(_)), "{error}");
    }

    #[test]
    fn a_person_who_provisions_on_demand_is_the_identity() {
        let record = PROVISIONED
            .replace("ACTION", "create")
            .replace(r#""id":"","#, r#""id":"u-9","#)
            .replace("system", "user");
        let event = mapped(&record);
        assert_eq!(
            (event.identity.id.as_str(), event.identity.kind),
            ("u-9", "human")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = map(&bytes);
        }
    }
}
