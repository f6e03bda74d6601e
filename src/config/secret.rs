//! Values that must not be logged.

use std::fmt;
use tracing::warn;

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

/// Shorter secrets can be guessed.
const MIN_SECRET_BYTES: usize = 16;

/// Warns if everybody can read the secret in `file`, which the setting `path` names.
pub(super) fn warn_if_exposed(path: &str, file: &str) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).map_or(0, |of_file| of_file.permissions().mode() & 0o777);
    if mode & 0o007 != 0 {
        warn!(
            file,
            "`{path}` is a file that everybody can read (mode {mode:03o}): chmod o= it"
        );
    }
}

/// The secret on the first line of `file`, which the setting `path` names; empty where `file` is empty.
pub(super) fn read_secret(path: &str, file: &str, problems: &mut Vec<String>) -> Secret {
    if file.is_empty() {
        return Secret::default();
    }
    warn_if_exposed(path, file);
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let secret = text.lines().next().unwrap_or_default().trim();
            if secret.len() < MIN_SECRET_BYTES {
                warn!(
                    file,
                    "`{path}` is shorter than {MIN_SECRET_BYTES} characters and can be guessed; create one \
                     with: openssl rand -hex 32"
                );
            }
            Secret::new(secret.to_owned())
        }
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
