//! What people ask of shards: of one that lies in a folder, or of one at work, whose owner answers
//! between two batches of events.

use crate::ingest::expand;
use crate::kafka::partitioner::partition_of;
use crate::reports::explanation::{BaselineExplanation, ProfileSummary, ScoredEvent};
use crate::reports::unused_privileges::UnusedPrivilegesReport;
use crate::shard::Shard;
use crate::sources::source_format::{head, recognise};
use dashmap::DashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nobody of that name.
    #[error(
        "nothing is known of `{0}`: it was never seen, or gave way to others; check the spelling"
    )]
    Unknown(String),
    /// The events are of others.
    #[error("no readable event of `{0}` was given")]
    NoEvent(String),
    /// Nobody of that name here, and other instances own the rest.
    #[error(
        "`{identity}` is not known to the {here} of {all} partitions that this instance owns; ask \
         the others"
    )]
    Elsewhere {
        /// Whose.
        identity: String,
        /// Partitions of this instance.
        here: usize,
        /// All partitions.
        all: usize,
    },
    /// The owner went away meanwhile.
    #[error("its partition is moving to another owner; ask again")]
    Moving,
}

/// What `shard` knows of `identity`, and what each of its events in the document `events` would
/// score; nothing is learned.
///
/// # Errors
/// Nothing is known, or no event can be read.
pub fn explain(
    shard: &Shard,
    identity: &str,
    events: &[u8],
) -> Result<BaselineExplanation, QueryError> {
    let report = shard.profile_report(identity);
    let asks_of_events = !events.trim_ascii().is_empty();
    if report.is_none() && !asks_of_events {
        return Err(QueryError::Unknown(identity.to_owned()));
    }
    let considered = score_events(shard, identity, events);
    if considered.is_empty() && asks_of_events {
        return Err(QueryError::NoEvent(identity.to_owned()));
    }
    let health = shard.threshold();
    Ok(BaselineExplanation {
        identity: identity.to_owned(),
        known: report.map(ProfileSummary::of),
        threshold_nats: health.0,
        threshold_learned_share: health.1,
        events: considered,
    })
}

fn score_events(shard: &Shard, identity: &str, document: &[u8]) -> Vec<ScoredEvent> {
    expand(document, recognise(head(document)))
        .into_iter()
        .filter_map(|item| item.outcome.ok())
        .filter(|native| native.key().is_ok_and(|key| key == identity))
        .filter_map(|native| shard.score_only(&native.json).ok())
        .map(|(event_id, verdict)| ScoredEvent::of(event_id, verdict))
        .collect()
}

/// What a shard is asked; `None` where it went away.
type QueryFn = Box<dyn FnOnce(Option<&Shard>) + Send>;

/// One question to the owner of a shard.
pub struct ShardQuery {
    partition: i32,
    question: QueryFn,
}

impl ShardQuery {
    /// Which shard it is for.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Answers by `shard`; `None` where it went away.
    pub fn run(self, shard: Option<&Shard>) {
        (self.question)(shard);
    }
}

/// Where the owners of shards at work are found.
#[derive(Debug, Default)]
pub struct QueryRouter {
    owners: DashMap<i32, Sender<ShardQuery>>,
    partitions: AtomicI32,
}

impl QueryRouter {
    /// An owner's end.
    #[must_use]
    pub fn inbox() -> (Sender<ShardQuery>, Receiver<ShardQuery>) {
        channel()
    }

    /// The events topic has so many partitions.
    pub fn set_partitions(&self, partitions: u32) {
        self.partitions.store(partitions as i32, Ordering::Relaxed);
    }

    /// `owner` has the shard of `partition` from now on.
    pub fn register(&self, partition: i32, owner: &Sender<ShardQuery>) {
        self.owners.insert(partition, owner.clone());
    }

    /// Nobody here has the shard of `partition` any more.
    pub fn unregister(&self, partition: i32) {
        self.owners.remove(&partition);
    }

    /// Asks what is known of `identity` and what `events` would score. Where producers put an
    /// identity is theirs to say, so the partition of Kafka's default comes first, and then all others.
    ///
    /// # Errors
    /// Nothing is known here, it is moving, or [`explain`] has no answer.
    pub async fn explain_identity(
        &self,
        identity: &str,
        events: &[u8],
    ) -> Result<BaselineExplanation, QueryError> {
        let all = self.partitions.load(Ordering::Relaxed).max(1);
        let usual = partition_of(identity.as_bytes(), all);
        let mut here: Vec<i32> = self.owners.iter().map(|owner| *owner.key()).collect();
        here.sort_unstable_by_key(|partition| (*partition != usual, *partition));
        let mut first = None;
        for partition in &here {
            let (target, document) = (identity.to_owned(), events.to_vec());
            let explain = move |shard: &Shard| explain(shard, &target, &document);
            let answer = self.query_shard(*partition, explain).await;
            if answer
                .as_ref()
                .is_ok_and(|explained| explained.known.is_some())
            {
                return answer;
            }
            first.get_or_insert(answer);
        }
        let is_whole = here.len() >= all as usize;
        let answer = first.filter(|_| is_whole || here.contains(&usual));
        answer.unwrap_or_else(|| {
            Err(QueryError::Elsewhere {
                identity: identity.to_owned(),
                here: here.len(),
                all: all as usize,
            })
        })
    }

    /// Asks all shards here what nobody has used for `days` days.
    ///
    /// # Errors
    /// A partition is moving.
    pub async fn unused_privileges(&self, days: u16) -> Result<UnusedPrivilegesReport, QueryError> {
        let mut here: Vec<i32> = self.owners.iter().map(|owner| *owner.key()).collect();
        here.sort_unstable();
        let all = self.partitions.load(Ordering::Relaxed).max(1);
        let mut unused = UnusedPrivilegesReport::new(days, here.len(), all as usize);
        for partition in here {
            let look = move |shard: &Shard| Ok(shard.unused_privileges(days));
            unused.add(self.query_shard(partition, look).await?);
        }
        Ok(unused)
    }

    async fn query_shard<T: Send + 'static>(
        &self,
        partition: i32,
        ask: impl FnOnce(&Shard) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let owner = self.owners.get(&partition).map(|owner| owner.clone());
        let (answer, answered) = oneshot::channel();
        let question = move |shard: Option<&Shard>| {
            let said = shard.map_or(Err(QueryError::Moving), ask);
            // Who asked may have gone.
            let _ = answer.send(said);
        };
        let query = ShardQuery {
            partition,
            question: Box::new(question),
        };
        let sent = owner.ok_or(QueryError::Moving)?.send(query);
        sent.map_err(|_| QueryError::Moving)?;
        answered.await.unwrap_or(Err(QueryError::Moving))
    }
}
