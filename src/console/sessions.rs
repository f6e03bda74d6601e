//! Sessions of people, held by the server: a random token in a cookie, which ends here and not in the
//! browser.

use super::access::Person;
use super::rate_limit::RateLimit;
use crate::clock::Stopwatch;
use crate::mutex::lock;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// Sessions at one time; beyond it, the oldest ends.
const MAX_SESSIONS: usize = 10_000;
/// Writes of one session.
const WRITES: (u32, Duration) = (20, Duration::from_secs(60));
/// Explanations of one session.
const EXPLANATIONS: (u32, Duration) = (5, Duration::from_secs(1));

/// What is limited for each session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Answers, approvals and commands.
    Write,
    /// Explanations of events.
    Explain,
}

#[derive(Debug)]
struct Session {
    person: Person,
    began: Stopwatch,
    writes: RateLimit,
    explanations: RateLimit,
}

/// The sessions, by the hash of their tokens.
#[derive(Debug)]
pub struct Sessions {
    sessions: Mutex<HashMap<[u8; 32], Session>>,
    lifetime: Duration,
}

/// A random token of 256 bits; `None` where the system gives no randomness.
#[must_use]
pub fn random_token() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn key(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

impl Sessions {
    /// No sessions; each will last for `lifetime`.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        Self {
            sessions: Mutex::default(),
            lifetime,
        }
    }

    /// How long a session lasts.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Begins a session; returns its token.
    pub fn begin(&self, person: Person) -> Option<String> {
        let token = random_token()?;
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, session| session.began.elapsed() < self.lifetime);
        if sessions.len() >= MAX_SESSIONS {
            let age = |entry: &(&[u8; 32], &Session)| entry.1.began.elapsed();
            let oldest = sessions.iter().max_by_key(age).map(|(key, _)| *key);
            oldest.and_then(|key| sessions.remove(&key));
        }
        let session = Session {
            person,
            began: Stopwatch::start(),
            writes: RateLimit::new(WRITES.0, WRITES.1),
            explanations: RateLimit::new(EXPLANATIONS.0, EXPLANATIONS.1),
        };
        sessions.insert(key(&token), session);
        Some(token)
    }

    /// Who has the session of `token`; `None` where it ended, or there is none.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<Person> {
        let sessions = lock(&self.sessions);
        let session = sessions.get(&key(token))?;
        (session.began.elapsed() < self.lifetime).then(|| session.person.clone())
    }

    /// Counts a request of the session of `token`; `false` where there were too many.
    #[must_use]
    pub fn admits(&self, token: &str, what: Limited) -> bool {
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get_mut(&key(token)) else {
            return false;
        };
        match what {
            Limited::Write => session.writes.admits(),
            Limited::Explain => session.explanations.admits(),
        }
    }

    /// Ends the session of `token`.
    pub fn end(&self, token: &str) {
        lock(&self.sessions).remove(&key(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::access::Role;

    #[test]
    fn a_session_ends_on_the_server() {
        let sessions = Sessions::new(Duration::from_secs(3_600));
        let ada = Person::new("ada", [Role::Viewer]);
        let token = sessions.begin(ada.clone()).unwrap();
        assert_eq!(sessions.find(&token), Some(ada.clone()));
        assert_eq!(sessions.find("guess"), None);
        sessions.end(&token);
        assert_eq!(sessions.find(&token), None);
        let short = Sessions::new(Duration::ZERO);
        let token = short.begin(ada).unwrap();
        assert_eq!(short.find(&token), None, "expired");
    }

    #[test]
    fn writes_and_explanations_of_a_session_are_limited_apart() {
        let sessions = Sessions::new(Duration::from_secs(3_600));
        let token = sessions.begin(Person::new("ada", [])).unwrap();
        let admitted = (0..30).filter(|_| sessions.admits(&token, Limited::Write));
        assert_eq!(admitted.count(), 20);
        assert!(sessions.admits(&token, Limited::Explain));
        assert!(!sessions.admits("guess", Limited::Write));
    }
}
