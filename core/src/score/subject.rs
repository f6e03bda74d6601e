//! Subject of an incident or a decision.

use crate::event::{Credential, CredentialKind, Identity, IdentityKind, Text};
use borsh::{BorshDeserialize, BorshSerialize};

/// An identity or a source network, with the credential in question.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Subject {
    /// Identifier.
    pub id: String,
    /// Its kind.
    pub kind: IdentityKind,
    /// Its group.
    pub group: Option<String>,
    /// Owner.
    pub owner: Option<String>,
    /// The credential of the latest evidence.
    pub credential: Option<SubjectCredential>,
}

impl Subject {
    /// Copies what is needed of `identity` and `credential`.
    #[must_use]
    pub fn of(identity: &Identity<'_>, credential: Option<&Credential<'_>>) -> Self {
        let owned = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
        Self {
            id: identity.id.clone().into_owned(),
            kind: identity.kind,
            group: owned(&identity.group),
            owner: owned(&identity.owner),
            credential: credential.map(SubjectCredential::of),
        }
    }
}

/// The credential of an incident.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SubjectCredential {
    /// Identifier.
    pub id: String,
    /// Kind, if known.
    pub kind: Option<CredentialKind>,
    /// Issuer, if known.
    pub issuer: Option<String>,
}

impl SubjectCredential {
    fn of(credential: &Credential<'_>) -> Self {
        Self {
            id: credential.id.clone().into_owned(),
            kind: credential.kind,
            issuer: credential.issuer.as_deref().map(str::to_owned),
        }
    }
}
