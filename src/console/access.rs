//! Who may do what in the console and the API.
//!
//! # Roles
//! A viewer reads. An analyst answers alerts. An approver approves orders, too. An administrator answers, and
//! pauses containment or lets an identity be forgotten; approving takes a second role, on purpose.

pub use crate::config::Role;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Something that a person may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read everything.
    Read,
    /// Give a verdict on an alert.
    Answer,
    /// Approve an order.
    Approve,
    /// Pause and resume containment.
    Pause,
    /// Let an identity be forgotten.
    Forget,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Answer,
        Self::Approve,
        Self::Pause,
        Self::Forget,
    ];

    /// A role that has it, for messages.
    #[must_use]
    pub fn lowest_role(self) -> &'static str {
        match self {
            Self::Read => "viewer",
            Self::Answer => "analyst",
            Self::Approve | Self::Pause => "approver",
            Self::Forget => "admin",
        }
    }
}

/// Someone who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Name, as the audit trail states it.
    pub name: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
}

impl Person {
    /// Someone with `roles`.
    pub fn new(name: impl Into<String>, roles: impl IntoIterator<Item = Role>) -> Self {
        Self {
            name: name.into(),
            roles: roles.into_iter().collect(),
        }
    }

    /// Whether a role permits it.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        let permits = |role: &Role| match right {
            Right::Read => true,
            Right::Answer => *role != Role::Viewer,
            Right::Approve => *role == Role::Approver,
            Right::Pause => matches!(role, Role::Approver | Role::Admin),
            Right::Forget => *role == Role::Admin,
        };
        self.roles.iter().any(permits)
    }

    /// Everything that the roles permit.
    #[must_use]
    pub fn rights(&self) -> Vec<Right> {
        let all = Right::ALL.into_iter();
        all.filter(|right| self.may(*right)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_permits_its_own() {
        let of = |role| Person::new("ada", [role]).rights();
        use Right::{Answer, Approve, Forget, Pause, Read};
        assert_eq!(of(Role::Viewer), [Read]);
        assert_eq!(of(Role::Analyst), [Read, Answer]);
        assert_eq!(of(Role::Approver), [Read, Answer, Approve, Pause]);
        assert_eq!(of(Role::Admin), [Read, Answer, Pause, Forget]);
        assert!(Person::new("nobody", []).rights().is_empty());
        assert_eq!(Role::parse("analyst"), Some(Role::Analyst));
        assert_eq!(Role::parse("root"), None);
    }
}
