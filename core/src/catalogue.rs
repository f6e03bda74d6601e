//! Prior knowledge about actions: their access level, and whether attackers are known to
//! use them.

use crate::string_enum;
use crate::verdict::Technique;
use hashbrown::HashMap;

string_enum! {
    /// Access level of an action, in ascending order.
    AccessLevel {
        /// List names.
        List = "list",
        /// Read contents.
        Read = "read",
        /// Tag.
        Tagging = "tagging",
        /// Write.
        Write = "write",
        /// Manage permissions.
        Permissions = "permissions",
    }
}

/// A catalogue entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionFacts {
    /// Access level.
    pub level: AccessLevel,
    /// Known use by attackers.
    pub abuse: Option<Abuse>,
}

/// Known use of an action by attackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abuse {
    /// ATT&CK technique.
    pub technique: Technique,
    /// Whether legitimate use is rare.
    pub rarely_legitimate: bool,
}

/// Actions by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    facts: HashMap<Box<str>, ActionFacts>,
}

impl Catalogue {
    /// Sets the level of `action`, such as `s3:GetObject`.
    pub fn set_level(&mut self, action: &str, level: AccessLevel) {
        self.facts
            .entry(action.into())
            .and_modify(|facts| facts.level = level)
            .or_insert(ActionFacts { level, abuse: None });
    }

    /// Marks `action` as used by attackers.
    pub fn set_abuse(&mut self, action: &str, abuse: Abuse) {
        self.facts
            .entry(action.into())
            .and_modify(|facts| facts.abuse = Some(abuse))
            .or_insert(ActionFacts {
                level: level_by_verb(action).unwrap_or(AccessLevel::Write),
                abuse: Some(abuse),
            });
    }

    /// The entry of `action`, or of it without the role that follows a second colon; otherwise the level that
    /// its verb suggests.
    #[must_use]
    pub fn facts(&self, action: &str) -> Option<ActionFacts> {
        let without_role = || {
            let (action, _) = action.rsplit_once(':')?;
            action.contains(':').then(|| self.facts.get(action))?
        };
        let found = self.facts.get(action).or_else(without_role);
        found
            .copied()
            .or_else(|| level_by_verb(action).map(|level| ActionFacts { level, abuse: None }))
    }

    /// Number of actions in the catalogue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether the catalogue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }
}

/// The level that the leading verb of an operation suggests, such as `Get` in `x:GetThing`.
fn level_by_verb(action: &str) -> Option<AccessLevel> {
    let operation = action
        .rsplit_once([':', '.', '/'])
        .map_or(action, |(_, op)| op);
    const VERBS: [(&str, AccessLevel); 18] = [
        ("list", AccessLevel::List),
        ("describe", AccessLevel::List),
        ("get", AccessLevel::Read),
        ("read", AccessLevel::Read),
        ("head", AccessLevel::Read),
        ("view", AccessLevel::Read),
        ("batchget", AccessLevel::Read),
        ("tag", AccessLevel::Tagging),
        ("untag", AccessLevel::Tagging),
        ("grant", AccessLevel::Permissions),
        ("admin", AccessLevel::Permissions),
        ("attach", AccessLevel::Write),
        ("create", AccessLevel::Write),
        ("update", AccessLevel::Write),
        ("delete", AccessLevel::Write),
        ("put", AccessLevel::Write),
        ("write", AccessLevel::Write),
        ("set", AccessLevel::Write),
    ];
    VERBS.iter().find_map(|(verb, level)| {
        operation
            .get(..verb.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(verb))
            .then_some(*level)
    })
}

/// The level that a scope states, such as `repo:admin`; `None` where it does not.
#[must_use]
pub fn level_of_scope(scope: &str) -> Option<AccessLevel> {
    let last = scope.rsplit([':', '.', '/', ' ']).next().unwrap_or(scope);
    match last {
        "*" | "admin" | "owner" | "root" | "full" => Some(AccessLevel::Permissions),
        other => level_by_verb(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogued_level_wins_over_the_verb() {
        let mut catalogue = Catalogue::default();
        catalogue.set_level("s3:PutBucketPolicy", AccessLevel::Permissions);
        catalogue.set_level("entra:Add member to role", AccessLevel::Permissions);
        let level = |action| catalogue.facts(action).map(|f| f.level);
        assert_eq!(level("s3:PutBucketPolicy"), Some(AccessLevel::Permissions));
        assert_eq!(level("s3:PutObject"), Some(AccessLevel::Write));
        assert_eq!(level("vault:read"), Some(AccessLevel::Read));
        assert_eq!(level("frobnicate"), None);
        assert_eq!(
            level("entra:Add member to role:Reader"),
            Some(AccessLevel::Permissions)
        );
        assert_eq!(level("entra:Other"), None);
    }

    #[test]
    fn scopes_state_their_level() {
        assert_eq!(level_of_scope("repo:read"), Some(AccessLevel::Read));
        assert_eq!(level_of_scope("org:admin"), Some(AccessLevel::Permissions));
        assert_eq!(level_of_scope("openid"), None);
    }
}
