//! Severity × identity kind × credential kind → what to do.

use crate::decide::Action;
use crate::event::{CredentialKind, IdentityKind};
use crate::verdict::Severity;

/// Name of the built-in policy, as orders state it.
pub const DEFAULT_POLICY: &str = "default";

/// What the built-in policy asks for.
///
/// Low tells the SOC. Medium asks a person to prove themselves; machines cannot, so the SOC is
/// told. High and critical end what can be ended without locking the identity out: sessions and
/// tokens are revoked, long-lived secrets rotated. Only a critical case against a person's password
/// suspends the account, for a new password alone would not end what the attacker holds.
#[must_use]
pub fn default_action(
    severity: Severity,
    identity: IdentityKind,
    credential: Option<CredentialKind>,
) -> Action {
    match (severity, identity) {
        (Severity::Informational | Severity::Low, _) => Action::Notify,
        (Severity::Medium, IdentityKind::Human) => Action::StepUp,
        (Severity::Medium, _) => Action::Notify,
        (Severity::High | Severity::Critical, _) => match credential {
            Some(
                CredentialKind::AccessToken
                | CredentialKind::RefreshToken
                | CredentialKind::Session
                | CredentialKind::KerberosTicket,
            ) => Action::Revoke,
            Some(CredentialKind::ApiKey | CredentialKind::SshKey | CredentialKind::X509) => {
                Action::Rotate
            }
            Some(CredentialKind::Password) if severity == Severity::Critical => Action::Suspend,
            Some(CredentialKind::Password) => Action::StepUp,
            None => Action::Notify,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containment_fits_what_can_be_contained() {
        let human = IdentityKind::Human;
        let service = IdentityKind::Service;
        let act = default_action;
        assert_eq!(
            act(Severity::Low, human, Some(CredentialKind::Session)),
            Action::Notify
        );
        assert_eq!(act(Severity::Medium, human, None), Action::StepUp);
        assert_eq!(act(Severity::Medium, service, None), Action::Notify);
        assert_eq!(
            act(Severity::High, service, Some(CredentialKind::ApiKey)),
            Action::Rotate
        );
        assert_eq!(
            act(Severity::High, human, Some(CredentialKind::Session)),
            Action::Revoke
        );
        assert_eq!(
            act(Severity::Critical, human, Some(CredentialKind::Password)),
            Action::Suspend
        );
        assert_eq!(act(Severity::Critical, service, None), Action::Notify);
    }
}
