//! The principal of a CloudTrail record: `userIdentity` in all its types.
//!
//! The identity of an assumed role is the role: keyed by the whole ARN, every session would be a
//! new identity. The session name is kept as the purpose, or as the host where it is an instance
//! id (an instance profile's sessions are named after their instance).

use serde::Deserialize;
use serde_json::Value;

/// The fields of `userIdentity` that identify the principal.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserIdentity {
    #[serde(rename = "type")]
    kind: Option<String>,
    principal_id: Option<String>,
    arn: Option<String>,
    account_id: Option<String>,
    /// Key that signed the call.
    pub access_key_id: Option<String>,
    user_name: Option<String>,
    invoked_by: Option<String>,
    identity_provider: Option<String>,
    /// The session, where the call was made in one.
    pub session_context: Option<SessionContext>,
}

/// `userIdentity.sessionContext`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionContext {
    session_issuer: Option<SessionIssuer>,
    /// When the session began.
    pub attributes: Option<SessionAttributes>,
}

/// `userIdentity.sessionContext.sessionIssuer`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SessionIssuer {
    arn: Option<String>,
}

/// `userIdentity.sessionContext.attributes`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionAttributes {
    /// RFC 3339.
    pub creation_date: Option<Value>,
}

/// The principal.
#[derive(Debug, PartialEq, Eq)]
pub struct Principal {
    /// Key of the identity.
    pub id: String,
    /// `human` or `service`.
    pub kind: &'static str,
    /// Session name of an assumed role.
    pub session_name: Option<String>,
    /// Whether AWS acted by itself or on the identity's behalf.
    pub is_aws: bool,
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

fn principal(id: impl Into<String>, kind: &'static str) -> Principal {
    Principal {
        id: id.into(),
        kind,
        session_name: None,
        is_aws: false,
    }
}

impl UserIdentity {
    /// The principal; `None` where the record states none.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        let mut found = match filled(&self.kind) {
            Some("AssumedRole") => self.assumed_role(),
            Some("Root") => Some(principal(self.root_arn()?, "human")),
            Some("IAMUser") => Some(principal(self.user_arn()?, "human")),
            Some("FederatedUser") => Some(principal(filled(&self.arn)?, "human")),
            Some("SAMLUser") => Some(principal(self.federated("saml")?, "human")),
            Some("WebIdentityUser") => Some(principal(self.federated("web")?, "service")),
            Some("AWSService") => Some(principal(filled(&self.invoked_by)?, "service")),
            Some("AWSAccount") => Some(self.other_account()),
            _ => self.by_whatever_is_there(),
        }?;
        let by_itself = filled(&self.kind).is_none_or(|kind| kind == "AWSService");
        found.is_aws = by_itself && filled(&self.invoked_by).is_some();
        Some(found)
    }

    fn assumed_role(&self) -> Option<Principal> {
        let issuer = self
            .session_context
            .as_ref()
            .and_then(|c| c.session_issuer.as_ref());
        let role = issuer.and_then(|i| filled(&i.arn));
        let session = filled(&self.arn).or(filled(&self.principal_id));
        let by_session = || {
            // arn:aws:sts::1:assumed-role/ROLE/SESSION, or AROA…:SESSION
            let session = session?;
            session.rsplit_once(['/', ':']).map(|(role, _)| role)
        };
        let id = role.or_else(by_session)?;
        let is_person = id.contains("/AWSReservedSSO_") || id.contains("/aws-reserved/sso.");
        let mut found = principal(id, if is_person { "human" } else { "service" });
        found.session_name = session
            .and_then(|text| text.rsplit_once(['/', ':']))
            .map(|(_, name)| name.to_owned())
            .filter(|name| !name.is_empty());
        Some(found)
    }

    fn root_arn(&self) -> Option<String> {
        let made = || Some(format!("arn:aws:iam::{}:root", filled(&self.account_id)?));
        filled(&self.arn).map(str::to_owned).or_else(made)
    }

    fn user_arn(&self) -> Option<String> {
        let made = || {
            let (account, name) = (filled(&self.account_id)?, filled(&self.user_name)?);
            Some(format!("arn:aws:iam::{account}:user/{name}"))
        };
        let by_id = || filled(&self.principal_id).map(str::to_owned);
        filled(&self.arn)
            .map(str::to_owned)
            .or_else(made)
            .or_else(by_id)
    }

    /// A principal of an identity provider, identified by provider and name.
    fn federated(&self, scheme: &str) -> Option<String> {
        let name = filled(&self.user_name).or(filled(&self.principal_id))?;
        let provider = filled(&self.identity_provider).unwrap_or("unknown-provider");
        Some(format!("{scheme}:{provider}:{name}"))
    }

    fn other_account(&self) -> Principal {
        let account = filled(&self.account_id).unwrap_or("");
        let id = filled(&self.principal_id).unwrap_or("");
        if account.to_ascii_lowercase().starts_with("anonymous")
            || (account.is_empty() && id.is_empty())
        {
            return principal("anonymous", "service");
        }
        let who = if account.is_empty() { id } else { account };
        principal(format!("aws-account:{who}"), "service")
    }

    fn by_whatever_is_there(&self) -> Option<Principal> {
        if let Some(service) = filled(&self.invoked_by) {
            return Some(principal(service, "service"));
        }
        let id = filled(&self.arn)
            .or(filled(&self.principal_id))
            .or(filled(&self.user_name))?;
        Some(principal(id, "service"))
    }

    /// The account that the principal belongs to.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        filled(&self.account_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Option<Principal> {
        serde_json::from_str::<UserIdentity>(json)
            .unwrap()
            .principal()
    }

    fn id(json: &str) -> String {
        found(json).unwrap().id
    }

    #[test]
    fn every_type_of_principal_has_a_stable_identity() {
        assert_eq!(
            id(r#"{"type":"IAMUser","arn":"arn:aws:iam::1:user/a"}"#),
            "arn:aws:iam::1:user/a"
        );
        assert_eq!(
            id(r#"{"type":"IAMUser","accountId":"1","userName":"a"}"#),
            "arn:aws:iam::1:user/a"
        );
        assert_eq!(
            id(r#"{"type":"Root","accountId":"1"}"#),
            "arn:aws:iam::1:root"
        );
        assert_eq!(
            id(r#"{"type":"AWSService","invokedBy":"rds.amazonaws.com"}"#),
            "rds.amazonaws.com"
        );
        assert_eq!(
            id(r#"{"type":"AWSAccount","accountId":"2","principalId":"AROA:x"}"#),
            "aws-account:2"
        );
        assert_eq!(
            id(r#"{"type":"AWSAccount","principalId":"","accountId":"ANONYMOUS_PRINCIPAL"}"#),
            "anonymous"
        );
        assert_eq!(
            id(r#"{"type":"AWSAccount","accountId":"anonymous"}"#),
            "anonymous"
        );
        assert_eq!(
            id(r#"{"type":"SAMLUser","identityProvider":"p","userName":"u"}"#),
            "saml:p:u"
        );
        assert_eq!(
            id(r#"{"type":"WebIdentityUser","identityProvider":"p","userName":"u"}"#),
            "web:p:u"
        );
        assert_eq!(
            id(r#"{"type":"FederatedUser","arn":"arn:aws:sts::1:federated-user/f"}"#),
            "arn:aws:sts::1:federated-user/f"
        );
        assert_eq!(found(r#"{"type":"IAMUser"}"#), None);
    }

    #[test]
    fn a_role_is_one_identity_over_all_its_sessions() {
        let role = found(
            r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/deploy/run-17",
                "sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:role/deploy"}}}"#,
        )
        .unwrap();
        assert_eq!(role.id, "arn:aws:iam::1:role/deploy");
        assert_eq!(role.session_name.as_deref(), Some("run-17"));
        let bare =
            found(r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/deploy/run-18"}"#);
        assert_eq!(bare.unwrap().id, "arn:aws:sts::1:assumed-role/deploy");
    }

    #[test]
    fn a_service_without_type_acts_by_itself() {
        let service = found(r#"{"accountId":"1","invokedBy":"ec2.amazonaws.com"}"#).unwrap();
        assert!(service.is_aws && service.kind == "service");
    }
}
