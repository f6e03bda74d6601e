//! Rejects replays of signed messages: otherwise a recorded "resume" could be sent again by whoever recorded
//! it. Each signer has its own times, so that none can silence another by a clock that is ahead.

use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};

/// Tokens that are remembered of a signer; the oldest are evicted, and anything older than those is rejected.
const MAX_TOKENS: usize = 4_096;
/// Messages signed this long before the signer's newest accepted one are rejected, in seconds.
const MAX_AGE_SECS: i64 = 24 * 3_600;
/// Signers that are remembered; who may sign is limited by configuration.
const MAX_SIGNERS: usize = 1_024;

/// Key of a signer.
pub type SignerKey = [u8; 16];

/// Time of signature and hash of each token of one signer.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
struct SignerTokens {
    tokens: BTreeSet<(i64, [u8; 16])>,
    /// Messages signed up to this time are rejected.
    floor_secs: i64,
}

impl Default for SignerTokens {
    fn default() -> Self {
        Self {
            tokens: BTreeSet::new(),
            floor_secs: i64::MIN,
        }
    }
}

impl SignerTokens {
    fn accept_once(&mut self, token: [u8; 16], issued_secs: i64) -> bool {
        if issued_secs <= self.floor_secs || !self.tokens.insert((issued_secs, token)) {
            return false;
        }
        let newest = self.tokens.last().map_or(issued_secs, |(secs, _)| *secs);
        self.floor_secs = self.floor_secs.max(newest.saturating_sub(MAX_AGE_SECS));
        while let Some((secs, _)) = self.tokens.first()
            && (*secs <= self.floor_secs || self.tokens.len() > MAX_TOKENS)
        {
            self.floor_secs = self.floor_secs.max(*secs);
            self.tokens.pop_first();
        }
        true
    }
}

/// Accepted messages, by signer.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct ReplayGuard(BTreeMap<SignerKey, SignerTokens>);

impl ReplayGuard {
    /// Accepts the message `token` of `signer`, signed at `issued_secs`, once; returns whether it was
    /// accepted.
    pub(super) fn accept_once(
        &mut self,
        signer: SignerKey,
        token: [u8; 16],
        issued_secs: i64,
    ) -> bool {
        if self.0.len() >= MAX_SIGNERS && !self.0.contains_key(&signer) {
            return false;
        }
        self.0
            .entry(signer)
            .or_default()
            .accept_once(token, issued_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: SignerKey = [1; 16];

    fn token(n: u32) -> [u8; 16] {
        let mut token = [0; 16];
        token[..4].copy_from_slice(&n.to_le_bytes());
        token
    }

    #[test]
    fn a_message_is_accepted_once_however_many_follow() {
        let mut heard = ReplayGuard::default();
        assert!(
            heard.accept_once(SIGNER, token(0), 1_000)
                && !heard.accept_once(SIGNER, token(0), 1_000)
        );
        for n in 1..MAX_TOKENS as u32 + 100 {
            assert!(heard.accept_once(SIGNER, token(n), 1_000 + i64::from(n)));
        }
        assert!(heard.0[&SIGNER].tokens.len() <= MAX_TOKENS);
        for n in 0..MAX_TOKENS as u32 + 100 {
            assert!(
                !heard.accept_once(SIGNER, token(n), 1_000 + i64::from(n)),
                "{n}"
            );
        }
    }

    #[test]
    fn a_message_is_stale_after_a_day() {
        let mut heard = ReplayGuard::default();
        assert!(heard.accept_once(SIGNER, token(1), 10_000_000));
        assert!(!heard.accept_once(SIGNER, token(2), 10_000_000 - MAX_AGE_SECS));
        assert!(heard.accept_once(SIGNER, token(3), 10_000_001 - MAX_AGE_SECS + 10));
    }

    #[test]
    fn a_signer_ahead_of_time_silences_nobody_else() {
        let mut heard = ReplayGuard::default();
        assert!(heard.accept_once([2; 16], token(1), 10_000_000_000));
        assert!(heard.accept_once(SIGNER, token(2), 1_000));
    }
}
