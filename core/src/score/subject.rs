//! Subject of an incident or a decision.

use crate::event::{Credential, CredentialKind, Identity, IdentityKind, Text};
use borsh::{BorshDeserialize, BorshSerialize};
use std::borrow::Cow;

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

/// An id beside the owner who makes it readable: identity providers log a person under an opaque id.
#[must_use]
pub fn with_owner<'s>(id: &'s str, owner: Option<&str>) -> Cow<'s, str> {
    match owner {
        Some(owner) if !id.contains(owner) => Cow::Owned(format!("{id} ({owner})")),
        _ => Cow::Borrowed(id),
    }
}

impl Subject {
    /// Its id, and its owner where the id does not name it.
    #[must_use]
    pub fn id_with_owner(&self) -> Cow<'_, str> {
        with_owner(&self.id, self.owner.as_deref())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_named_beside_an_id_that_does_not_name_it() {
        let of = |owner| with_owner("00u95e60af59", owner);
        assert_eq!(
            of(Some("ada@corp.example")),
            "00u95e60af59 (ada@corp.example)"
        );
        assert_eq!(of(None), "00u95e60af59");
        let named = with_owner("arn:aws:iam::1:user/ada", Some("ada"));
        assert_eq!(named, "arn:aws:iam::1:user/ada");
    }
}
