//! Values that must not be logged.

use std::fmt;

/// A secret: compared and used, never printed.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `given` equals the secret, in constant time.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        blake3::hash(self.0.as_bytes()) == blake3::hash(given.as_bytes())
    }

    /// The text, for the code that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The secret on the first line of `file`, which the setting `path` names; empty where `file` is empty.
pub(super) fn read_secret(path: &str, file: &str, problems: &mut Vec<String>) -> Secret {
    if file.is_empty() {
        return Secret::default();
    }
    match std::fs::read_to_string(file) {
        Ok(text) => Secret::new(text.lines().next().unwrap_or_default().trim().to_owned()),
        Err(why) => {
            problems.push(format!("`{path}` {file}: {why}"));
            Secret::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_and_not_shown() {
        let secret = Secret::new("hunter2".to_owned());
        assert!(secret.matches("hunter2") && !secret.matches("hunter") && !secret.is_empty());
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
