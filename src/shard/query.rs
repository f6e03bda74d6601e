//! Read-only queries of a shard.

use super::Shard;
use crate::ingest::RecordMapper;
use crate::reports::explanation::{BaselineExplanation, ProfileSummary, ScoredEvent};
use crate::sources::source_format::Format;
use credwatch_core::engine::{IdentitySample, Portrait};
use std::net::IpAddr;

/// Why a query has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The identity has no baseline.
    #[error("no baseline of `{0}`: it has no events, or was evicted; check the spelling")]
    Unknown(String),
    /// None of the events is about the identity.
    #[error("no readable event of `{0}` was given")]
    NoEvent(String),
    /// The identity has no baseline in the partitions of this instance.
    #[error(
        "`{identity}` has no baseline in the {here} of {all} partitions that this instance owns; ask the \
         other instances, or set http.advertised_url on each"
    )]
    OtherInstance {
        /// The identity.
        identity: String,
        /// Partitions of this instance.
        here: usize,
        /// All partitions.
        all: usize,
    },
    /// The partition was revoked meanwhile.
    #[error("the partition is moving to another owner; try again")]
    Rebalancing,
}

impl Shard {
    /// The baseline of `identity`, and the score of each of its events in the document `events`. Nothing
    /// is learned.
    ///
    /// # Errors
    /// The identity has no baseline, or no event can be read.
    pub fn explain(
        &self,
        identity: &str,
        events: &[u8],
    ) -> Result<BaselineExplanation, QueryError> {
        let report = self.profile_report(identity);
        let has_events = !events.trim_ascii().is_empty();
        if report.is_none() && !has_events {
            return Err(QueryError::Unknown(identity.to_owned()));
        }
        let scored = self.score_events(identity, events);
        if scored.is_empty() && has_events {
            return Err(QueryError::NoEvent(identity.to_owned()));
        }
        let (threshold_nats, threshold_learned_share) = self.threshold();
        Ok(BaselineExplanation {
            identity: identity.to_owned(),
            known: report.map(ProfileSummary::of),
            threshold_nats,
            threshold_learned_share,
            events: scored,
        })
    }

    /// The baseline of `identity` in numbers; `None` where it has none.
    #[must_use]
    pub fn portrait(&self, identity: &str) -> Option<Portrait> {
        self.engine.portrait(identity)
    }

    /// Identities with habits like those of `identity`; `None` before they are learned. O(identities).
    #[must_use]
    pub fn learned_peers(&self, identity: &str) -> Option<IdentitySample> {
        self.engine.learned_peers(identity)
    }

    /// Identities whose baseline contains the network prefix of `ip`. O(identities).
    #[must_use]
    pub fn users_of_network(&self, ip: IpAddr) -> IdentitySample {
        self.engine.users_of_network(ip)
    }

    /// The threshold that a budget of `alerts_per_day` alerts of all shards would have; `None` before it is
    /// estimated.
    #[must_use]
    pub fn threshold_nats_for(&self, alerts_per_day: f64) -> Option<f64> {
        let of_shard = alerts_per_day / f64::from(self.partitions.max(1));
        self.engine.threshold_nats_for(of_shard)
    }

    fn score_events(&self, identity: &str, document: &[u8]) -> Vec<ScoredEvent> {
        let mapper = RecordMapper::of_format(Format::Auto).with_redactor(self.redactor.clone());
        let expanded = mapper.expand(document);
        expanded
            .records
            .into_iter()
            .filter_map(|record| record.outcome.ok())
            .filter(|native| native.key(&self.redactor).is_ok_and(|key| key == identity))
            .filter_map(|native| self.score_only(&native.json).ok())
            .map(|(event_id, verdict)| ScoredEvent::of(event_id, verdict))
            .collect()
    }
}
