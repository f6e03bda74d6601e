//! Routes queries to the worker that owns a shard, which answers between two batches of events.

use crate::reports::explanation::BaselineExplanation;
use crate::reports::hygiene::HygieneReport;
use crate::shard::partitioner::partition_of;
use crate::shard::{QueryError, Shard};
use credwatch_core::engine::{IdentitySample, Portrait};
use dashmap::DashMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// A query of a shard; `None` where its partition was revoked.
type QueryFn = Box<dyn FnOnce(Option<&Shard>) + Send>;

/// A query for the owner of one shard.
pub struct ShardQuery {
    partition: i32,
    question: QueryFn,
}

impl ShardQuery {
    /// The partition of the shard.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Runs the query; `None` where the partition was revoked.
    pub fn run(self, shard: Option<&Shard>) {
        (self.question)(shard);
    }
}

/// The owners of the shards of this process.
#[derive(Debug, Default)]
pub struct QueryRouter {
    owners: DashMap<i32, Sender<ShardQuery>>,
    partitions: AtomicI32,
}

impl QueryRouter {
    /// The channel of an owner.
    #[must_use]
    pub fn inbox() -> (Sender<ShardQuery>, Receiver<ShardQuery>) {
        channel()
    }

    /// Sets the number of partitions of the events topic.
    pub fn set_partitions(&self, partitions: u32) {
        self.partitions.store(partitions as i32, Ordering::Relaxed);
    }

    /// Registers `owner` for the shard of `partition`.
    pub fn register(&self, partition: i32, owner: &Sender<ShardQuery>) {
        self.owners.insert(partition, owner.clone());
    }

    /// Removes the owner of the shard of `partition`.
    pub fn unregister(&self, partition: i32) {
        self.owners.remove(&partition);
    }

    /// Partitions that this process owns.
    #[must_use]
    pub fn owned(&self) -> BTreeSet<i32> {
        self.owners.iter().map(|owner| *owner.key()).collect()
    }

    /// How many partitions this process owns, and how many there are.
    #[must_use]
    pub fn partitions(&self) -> (usize, usize) {
        let all = self.partitions.load(Ordering::Relaxed).max(1) as usize;
        (self.owners.len(), all)
    }

    /// The baseline of `identity` and the scores of `events`.
    ///
    /// # Errors
    /// As for [`Shard::explain`]; or the partition is owned by another instance, or is moving.
    pub async fn explain_identity(
        &self,
        identity: &str,
        events: &[u8],
    ) -> Result<BaselineExplanation, QueryError> {
        let (target, document) = (identity.to_owned(), events.to_vec());
        let explain = move |shard: &Shard| shard.explain(&target, &document);
        let is_known = |explained: &BaselineExplanation| explained.known.is_some();
        self.query_identity(identity, explain, is_known).await
    }

    /// The baseline of `identity` in numbers; `None` where it has none.
    ///
    /// # Errors
    /// The partition is owned by another instance, or is moving.
    pub async fn portrait(&self, identity: &str) -> Result<Option<Portrait>, QueryError> {
        let target = identity.to_owned();
        let ask = move |shard: &Shard| Ok(shard.portrait(&target));
        self.query_identity(identity, ask, Option::is_some).await
    }

    /// Identities of its shard with habits like those of `identity`; `None` before they are learned.
    ///
    /// # Errors
    /// The partition is owned by another instance, or is moving.
    pub async fn learned_peers(
        &self,
        identity: &str,
    ) -> Result<Option<IdentitySample>, QueryError> {
        let target = identity.to_owned();
        let ask = move |shard: &Shard| Ok(shard.learned_peers(&target));
        self.query_identity(identity, ask, Option::is_some).await
    }

    /// Identities in the shards of this process whose baseline contains the network prefix of `ip`.
    pub async fn users_of_network(&self, ip: IpAddr) -> IdentitySample {
        let mut users = IdentitySample::default();
        for partition in self.owned() {
            let ask = move |shard: &Shard| Ok(shard.users_of_network(ip));
            if let Ok(of_shard) = self.query_shard(partition, ask).await {
                users.merge(of_shard);
            }
        }
        users
    }

    /// The threshold that a budget of `alerts_per_day` would have, the mean over the shards of this process;
    /// `None` where none has an estimate.
    pub async fn threshold_nats_for(&self, alerts_per_day: f64) -> Option<f64> {
        let (mut sum, mut shards) = (0.0, 0.0);
        for partition in self.owned() {
            let ask = move |shard: &Shard| Ok(shard.threshold_nats_for(alerts_per_day));
            if let Ok(Some(nats)) = self.query_shard(partition, ask).await {
                sum += nats;
                shards += 1.0;
            }
        }
        (shards > 0.0).then(|| sum / shards)
    }

    /// Asks the shard that knows `identity`. Producers may partition differently, so the partition of Kafka's
    /// default partitioner is queried first, then all others.
    async fn query_identity<T: Send + 'static>(
        &self,
        identity: &str,
        ask: impl Fn(&Shard) -> Result<T, QueryError> + Clone + Send + 'static,
        is_known: impl Fn(&T) -> bool,
    ) -> Result<T, QueryError> {
        let all = self.partitions.load(Ordering::Relaxed).max(1);
        let usual = partition_of(identity.as_bytes(), all);
        let mut here: Vec<i32> = self.owners.iter().map(|owner| *owner.key()).collect();
        here.sort_unstable_by_key(|partition| (*partition != usual, *partition));
        let mut first = None;
        for partition in &here {
            let result = self.query_shard(*partition, ask.clone()).await;
            if result.as_ref().is_ok_and(&is_known) {
                return result;
            }
            first.get_or_insert(result);
        }
        let is_whole = here.len() >= all as usize;
        let result = first.filter(|_| is_whole || here.contains(&usual));
        result.unwrap_or_else(|| {
            Err(QueryError::OtherInstance {
                identity: identity.to_owned(),
                here: here.len(),
                all: all as usize,
            })
        })
    }

    /// Privileges unused for `days` days, over all shards of this process.
    ///
    /// # Errors
    /// A partition is moving.
    pub async fn hygiene(&self, days: u16) -> Result<HygieneReport, QueryError> {
        let here = self.owned();
        let all = self.partitions.load(Ordering::Relaxed).max(1);
        let mut report = HygieneReport::new(days, here.len(), all as usize);
        for partition in here {
            let look = move |shard: &Shard| Ok(shard.hygiene(days));
            report.add(self.query_shard(partition, look).await?);
        }
        Ok(report)
    }

    async fn query_shard<T: Send + 'static>(
        &self,
        partition: i32,
        ask: impl FnOnce(&Shard) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let owner = self.owners.get(&partition).map(|owner| owner.clone());
        let (reply, receiver) = oneshot::channel();
        let question = move |shard: Option<&Shard>| {
            let result = shard.map_or(Err(QueryError::Rebalancing), ask);
            // The caller may have disconnected.
            let _ = reply.send(result);
        };
        let query = ShardQuery {
            partition,
            question: Box::new(question),
        };
        let sent = owner.ok_or(QueryError::Rebalancing)?.send(query);
        sent.map_err(|_| QueryError::Rebalancing)?;
        receiver.await.unwrap_or(Err(QueryError::Rebalancing))
    }
}
