//! The principal of a CloudTrail record: `userIdentity` in all its types.
//!
//! The identity of an assumed role is the role, by one id whatever the record states of it: keyed by the
//! whole ARN, every session would be a new identity. The session name is kept as the purpose, or as the host
//! where it is an instance id (an instance profile's sessions are named after their instance).
//!
//! Behind a role of IAM Identity Center, and behind a session with a source identity, stands a person whom
//! the platform names: the identity is that person, and the role the group. The identity of a workload that
//! comes by OIDC from GitHub is the repository; branch, tag or environment are the purpose.

use crate::sources::fields::stated_text;
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
    on_behalf_of: Option<OnBehalfOf>,
    /// The session of a user of IAM Identity Center.
    pub credential_id: Option<String>,
    /// The session, where the call was made in one.
    pub session_context: Option<SessionContext>,
}

/// `userIdentity.sessionContext`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionContext {
    session_issuer: Option<SessionIssuer>,
    source_identity: Option<String>,
    /// When the session began.
    pub attributes: Option<SessionAttributes>,
}

/// `userIdentity.sessionContext.sessionIssuer`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SessionIssuer {
    arn: Option<String>,
}

/// `userIdentity.onBehalfOf`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OnBehalfOf {
    user_id: Option<String>,
    identity_store_arn: Option<String>,
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
    /// The role behind which a person stands.
    pub group: Option<String>,
    /// Session name of an assumed role, or what a subject names besides the identity.
    pub session_name: Option<String>,
    /// Whether AWS acted by itself or on the identity's behalf.
    pub is_aws: bool,
}

/// What AWS writes in place of a name that nobody has: it may be a password in the wrong field.
pub const HIDDEN_NAME: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Begins the id of all names that an account hides.
pub const HIDDEN: &str = "name/hidden@";
/// Begins the id of a person whom a session names.
const PERSON: &str = "aws-person:";

/// A role by account and name, which is unique in the account whatever the path.
struct RoleName<'a> {
    partition: &'a str,
    account: &'a str,
    name: &'a str,
}

impl<'a> RoleName<'a> {
    /// Of `arn:aws:iam::1:role/PATH/NAME` or `arn:aws:sts::1:assumed-role/NAME/SESSION`.
    fn of_arn(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (_, partition, _, _) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let name = match resource.split_once('/')? {
            ("role", path) => path.rsplit('/').next()?,
            ("assumed-role", rest) => rest.split('/').next()?,
            _ => return None,
        };
        Some(Self {
            partition,
            account,
            name: stated_text(name)?,
        })
    }
}

impl std::fmt::Display for RoleName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (partition, account, name) = (self.partition, self.account, self.name);
        write!(f, "arn:{partition}:iam::{account}:role/{name}")
    }
}

/// The repository of a subject of GitHub's, and the rest of it.
fn repository_of(subject: &str) -> (&str, Option<&str>) {
    if !subject.starts_with("repo:") {
        return (subject, None);
    }
    let ends = [
        ":ref:",
        ":environment:",
        ":pull_request",
        ":job_workflow_ref:",
    ];
    let end = ends.iter().filter_map(|end| subject.find(end)).min();
    end.map_or((subject, None), |at| {
        (&subject[..at], Some(&subject[at + 1..]))
    })
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().and_then(stated_text)
}

fn principal(id: impl Into<String>, kind: &'static str) -> Principal {
    Principal {
        id: id.into(),
        kind,
        group: None,
        session_name: None,
        is_aws: false,
    }
}

impl UserIdentity {
    /// The principal; `None` where the record states none. `account` received the event: a record may name a
    /// user without account.
    #[must_use]
    pub fn principal(&self, account: Option<&str>) -> Option<Principal> {
        if filled(&self.user_name) == Some(HIDDEN_NAME) {
            let account = filled(&self.account_id).or(account).unwrap_or_default();
            return Some(principal(format!("{HIDDEN}{account}"), "human"));
        }
        let mut found = match self.kind.as_deref() {
            Some("AssumedRole") => self.assumed_role(account),
            Some("Root") => Some(principal(self.root_arn(account)?, "human")),
            Some("IAMUser") if self.has_role_session() => self.assumed_role(account),
            Some("IAMUser") => Some(principal(self.user_arn(account)?, "human")),
            Some("FederatedUser") => Some(principal(filled(&self.arn)?, "human")),
            Some("SAMLUser") => Some(principal(self.federated("saml")?, "human")),
            Some("WebIdentityUser") => self.web_identity(),
            Some("IdentityCenterUser") => self.identity_center_user(),
            Some("AWSService") => Some(principal(filled(&self.invoked_by)?, "service")),
            Some("AWSAccount") => Some(self.other_account()),
            _ => self.by_whatever_is_there(),
        }?;
        let by_itself = self.kind.as_deref().is_none_or(|kind| kind == "AWSService");
        found.is_aws = by_itself && filled(&self.invoked_by).is_some();
        Some(found)
    }

    fn has_role_session(&self) -> bool {
        let id = filled(&self.principal_id).unwrap_or_default();
        id.starts_with("AROA") && id.contains(':')
    }

    fn assumed_role(&self, account: Option<&str>) -> Option<Principal> {
        let context = self.session_context.as_ref();
        let issuer = context.and_then(|context| context.session_issuer.as_ref());
        let by_issuer = || RoleName::of_arn(filled(&issuer?.arn)?);
        let by_session = || RoleName::of_arn(filled(&self.arn)?);
        let named = by_issuer().or_else(by_session).map(|role| role.to_string());
        let by_id = || {
            let id = filled(&self.principal_id)?;
            let role = id.split_once(':').map_or(id, |(role, _)| role);
            stated_text(role).map(str::to_owned)
        };
        let by_name = || {
            let (account, name) = (
                filled(&self.account_id).or(account)?,
                filled(&self.user_name)?,
            );
            Some(format!("arn:aws:iam::{account}:role/{name}"))
        };
        let role = named.or_else(by_id).or_else(by_name)?;
        let after_role = |text: &str| {
            let of_arn = text.split_once(":assumed-role/").map(|(_, rest)| rest);
            let (_, name) = of_arn.unwrap_or(text).split_once(['/', ':'])?;
            stated_text(name).map(str::to_owned)
        };
        let session_name = filled(&self.arn)
            .and_then(after_role)
            .or_else(|| filled(&self.principal_id).and_then(after_role));
        let source = context.and_then(|context| filled(&context.source_identity));
        let of_identity_center = role.contains(":role/AWSReservedSSO_");
        let person = match source {
            Some(person) => Some(person.to_owned()),
            None => session_name.clone().filter(|_| of_identity_center),
        };
        let mut found = match person {
            Some(person) => Principal {
                group: Some(role),
                ..principal(format!("{PERSON}{person}"), "human")
            },
            None => principal(
                role,
                if of_identity_center {
                    "human"
                } else {
                    "service"
                },
            ),
        };
        found.session_name = session_name;
        Some(found)
    }

    /// A user of IAM Identity Center, within its identity store.
    fn identity_center_user(&self) -> Option<Principal> {
        let on_behalf_of = self.on_behalf_of.as_ref();
        let user = on_behalf_of.and_then(|of| filled(&of.user_id));
        let user = user.or(filled(&self.user_name))?;
        let store = on_behalf_of.and_then(|of| filled(&of.identity_store_arn));
        let store = store.and_then(|arn| stated_text(arn.rsplit_once('/')?.1));
        let id = match store {
            Some(store) => format!("identitystore/{store}/{user}"),
            None => format!("identitystore/{user}"),
        };
        Some(principal(id, "human"))
    }

    fn root_arn(&self, account: Option<&str>) -> Option<String> {
        let account = || filled(&self.account_id).or(account);
        let made = || Some(format!("arn:aws:iam::{}:root", account()?));
        filled(&self.arn).map(str::to_owned).or_else(made)
    }

    fn user_arn(&self, account: Option<&str>) -> Option<String> {
        let made = || {
            let account = filled(&self.account_id).or(account)?;
            Some(format!(
                "arn:aws:iam::{account}:user/{}",
                filled(&self.user_name)?
            ))
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

    /// A workload with a token of an OIDC provider: `principalId` is provider, audience and subject.
    fn web_identity(&self) -> Option<Principal> {
        let id = filled(&self.principal_id).unwrap_or_default();
        let of_id = id.split_once(":oidc-provider/").and_then(|(before, rest)| {
            let (host, rest) = rest.split_once(':')?;
            let subject = stated_text(rest.split_once(':')?.1)?;
            Some((format!("{before}:oidc-provider/{host}"), subject))
        });
        let provider = filled(&self.identity_provider).map(str::to_owned);
        let provider = provider.or_else(|| of_id.as_ref().map(|(provider, _)| provider.clone()));
        let provider = provider.unwrap_or_else(|| "unknown-provider".to_owned());
        let subject = filled(&self.user_name).or(of_id.map(|(_, subject)| subject));
        let subject = subject.or(filled(&self.principal_id))?;
        let (repository, purpose) = repository_of(subject);
        Some(Principal {
            session_name: purpose.map(str::to_owned),
            ..principal(format!("web:{provider}:{repository}"), "service")
        })
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
        let person =
            filled(&self.user_name).map(|name| principal(format!("{PERSON}{name}"), "human"));
        let is_unknown = self.kind.as_deref() == Some("Unknown");
        if let Some(person) = person.filter(|_| is_unknown) {
            return Some(person);
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
            .principal(Some("9"))
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
            id(r#"{"type":"IAMUser","userName":"a"}"#),
            "arn:aws:iam::9:user/a"
        );
        assert_eq!(
            id(r#"{"type":"Unknown","principalId":"1","userName":"amy"}"#),
            "aws-person:amy"
        );
        assert_eq!(
            id(
                r#"{"type":"IdentityCenterUser","onBehalfOf":{"userId":"u-1",
                "identityStoreArn":"arn:aws:identitystore::1:identitystore/d-1"}}"#
            ),
            "identitystore/d-1/u-1"
        );
        assert_eq!(
            id(r#"{"type":"IAMUser","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#),
            "name/hidden@9"
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
        assert_eq!(bare.unwrap().id, "arn:aws:iam::1:role/deploy");
        let path = found(
            r#"{"type":"AssumedRole","principalId":"AROAX:run-19",
                "sessionContext":{"sessionIssuer":{"arn":"arn:aws-cn:iam::1:role/ci/eu/deploy"}}}"#,
        )
        .unwrap();
        assert_eq!(path.id, "arn:aws-cn:iam::1:role/deploy");
        assert_eq!(path.session_name.as_deref(), Some("run-19"));
        let without = found(r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/deploy"}"#);
        assert_eq!(without.unwrap().id, "arn:aws:iam::1:role/deploy");
        let user = found(r#"{"type":"IAMUser","principalId":"AROAX:run-19"}"#).unwrap();
        assert_eq!((user.id.as_str(), user.kind), ("AROAX", "service"));
    }

    #[test]
    fn behind_a_role_of_identity_center_stands_a_person() {
        let of = |session: &str| {
            found(&format!(
                r#"{{"type":"AssumedRole",
                    "arn":"arn:aws:sts::1:assumed-role/AWSReservedSSO_Admin_1a/{session}"}}"#
            ))
            .unwrap()
        };
        let (amy, bob) = (of("amy@example.org"), of("bob@example.org"));
        assert_eq!(
            (amy.id.as_str(), amy.kind),
            ("aws-person:amy@example.org", "human")
        );
        assert_eq!(
            amy.group.as_deref(),
            Some("arn:aws:iam::1:role/AWSReservedSSO_Admin_1a")
        );
        assert!(amy.id != bob.id && amy.group == bob.group);
        let sourced = found(
            r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/ops/x",
                "sessionContext":{"sourceIdentity":"amy@example.org"}}"#,
        );
        assert_eq!(sourced.unwrap().id, amy.id);
    }

    #[test]
    fn a_repository_is_one_identity_over_all_its_branches() {
        let provider = "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com";
        let of = |rest: &str| {
            found(&format!(
                r#"{{"type":"WebIdentityUser","principalId":"{provider}:sts.amazonaws.com:repo:a/b:{rest}"}}"#
            ))
            .unwrap()
        };
        let id = format!("web:{provider}:repo:a/b");
        for rest in ["ref:refs/heads/x", "environment:prod", "pull_request"] {
            let found = of(rest);
            assert_eq!(found.id, id);
            assert_eq!(found.session_name.as_deref(), Some(rest));
        }
    }

    #[test]
    fn a_part_that_is_empty_names_nobody() {
        let role = r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:valued-role/dev/ada",
            "principalId":":ada","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:yole/dev"}}}"#;
        assert_eq!(found(role), None);
        let named =
            r#"{"type":"AssumedRole","principalId":":ada","accountId":"1","userName":"dev"}"#;
        assert_eq!(id(named), "arn:aws:iam::1:role/dev");
        let store = r#"{"type":"IdentityCenterUser","onBehalfOf":{"userId":"u","identityStoreArn":"arn/"}}"#;
        assert_eq!(id(store), "identitystore/u");
    }

    #[test]
    fn a_service_without_type_acts_by_itself() {
        let service = found(r#"{"accountId":"1","invokedBy":"ec2.amazonaws.com"}"#).unwrap();
        assert!(service.is_aws && service.kind == "service");
    }
}
