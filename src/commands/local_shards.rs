//! The shards of a configuration without Kafka. Records are assigned as by Kafka's default partitioner, so
//! that files give the same result as a topic with the same number of partitions.

use crate::config::Config;
use crate::feedback::model::Feedback;
use crate::files::state_directory::{StateError, StateFolder};
use crate::query_router::ShardQuery;
use crate::reports::explanation::BaselineExplanation;
use crate::shard::QueryError;
use crate::shard::partitioner::partition_of;
use crate::shard::{
    LoadModelError, OutputRecord, ProcessedRecord, ReadError, Shard, ShardFactory, ShardId,
    load_model,
};
use crate::sources::native::Decoded;
use credwatch_core::engine::{Alert, Detail, Health, IdentityHygiene, StepOutput};
use credwatch_core::units::EventTime;

/// Why shards cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum LocalShardsError {
    /// The model is invalid.
    #[error(transparent)]
    Model(#[from] LoadModelError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The shards of all partitions, in both views.
pub(crate) struct LocalShards {
    identities: Vec<Shard>,
    sources: Vec<Shard>,
    next_feedback: i64,
}

/// The result of one event.
pub(super) struct ShardOutput<'n> {
    /// In the view by identity.
    pub(super) handled: ProcessedRecord<'n>,
    /// In the view by source, for an authentication.
    pub(super) at_source: Option<StepOutput>,
    /// Records to publish.
    pub(super) outputs: Vec<OutputRecord>,
}

impl ShardOutput<'_> {
    /// The verdict of each view.
    pub(super) fn views(&self) -> impl Iterator<Item = &StepOutput> {
        std::iter::once(&self.handled.step).chain(&self.at_source)
    }

    /// The alerts of both views.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.views().flat_map(|output| &output.alerts)
    }
}

impl LocalShards {
    /// Shards for `partitions` partitions: restored from `state`, if given.
    ///
    /// # Errors
    /// The model or the state cannot be read.
    pub(super) fn open(
        config: &Config,
        partitions: u32,
        state: Option<&StateFolder>,
    ) -> Result<Self, LocalShardsError> {
        let partitions = partitions.max(1);
        let factory = ShardFactory::new(config, load_model(config)?, partitions);
        let worker = |id: ShardId| {
            let left = match state {
                Some(folder) => folder.load(&factory, id)?,
                None => None,
            };
            Ok(left.unwrap_or_else(|| factory.shard(id)))
        };
        let shards = |id: fn(i32) -> ShardId| {
            let all = (0..partitions as i32).map(|partition| worker(id(partition)));
            all.collect::<Result<Vec<Shard>, LocalShardsError>>()
        };
        Ok(Self {
            identities: shards(ShardId::of_identities)?,
            sources: shards(ShardId::of_sources)?,
            next_feedback: 0,
        })
    }

    /// Saves every shard to `state`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn save(&self, state: &StateFolder) -> Result<(), StateError> {
        self.all().try_for_each(|shard| state.save(shard))
    }

    /// The signed heads of all audit trails, at event time; none without a signing key.
    pub(super) fn sign_audit_heads(&mut self) -> Vec<OutputRecord> {
        let shards = self.identities.iter_mut().chain(&mut self.sources);
        let heads = shards.filter_map(|shard| shard.sign_audit_head(shard.now()));
        heads.collect()
    }

    fn all(&self) -> impl Iterator<Item = &Shard> {
        self.identities.iter().chain(&self.sources)
    }

    fn of(&self, key: &str) -> usize {
        match self.identities.len() {
            1 => 0,
            shards => partition_of(key.as_bytes(), shards as i32) as usize,
        }
    }

    /// The baseline of an identity, and what `events` would score.
    ///
    /// # Errors
    /// There is no baseline, or no event can be read.
    pub(super) fn explain(
        &self,
        identity: &str,
        events: &[u8],
    ) -> Result<BaselineExplanation, QueryError> {
        self.identities[self.of(identity)].explain(identity, events)
    }

    /// Privileges that identities of each shard have not used for `days` days.
    pub(super) fn hygiene(&self, days: u16) -> impl Iterator<Item = Vec<IdentityHygiene>> {
        self.identities.iter().map(move |shard| shard.hygiene(days))
    }

    /// Processes the event of `record` in both views.
    ///
    /// # Errors
    /// The view by source rejects it.
    pub(super) fn process<'n>(
        &mut self,
        record: &[u8],
        decoded: Decoded<'n>,
        detail: Detail,
    ) -> Result<ShardOutput<'n>, ReadError> {
        let at = self.of(&decoded.event.identity.id);
        let shard = &mut self.identities[at];
        let pending = shard.accept(decoded, shard.next_offset(), None);
        let handled = shard.process(pending, detail);
        let alerts = &handled.step.alerts;
        let mut outputs = shard.output_records(alerts, None, Some(record));
        let mut at_source = None;
        if let Some(sighting) = &handled.sighting {
            let at = self.of(&sighting.key);
            let shard = &mut self.sources[at];
            let output = shard
                .handle(&sighting.payload, shard.next_offset(), None, detail)?
                .step;
            let record = Some(sighting.payload.as_slice());
            outputs.extend(shard.output_records(&output.alerts, None, record));
            at_source = Some(output);
        }
        Ok(ShardOutput {
            handled,
            at_source,
            outputs,
        })
    }

    /// Applies feedback to every shard, as of `now`; returns the records to publish.
    pub(super) fn apply_feedback(
        &mut self,
        feedback: &Feedback,
        now: EventTime,
    ) -> Vec<OutputRecord> {
        let at = (0, self.next_feedback);
        self.next_feedback += 1;
        let shards = self.identities.iter_mut().chain(&mut self.sources);
        let outputs = shards.filter_map(|shard| shard.apply_feedback(feedback, at, Some(now)));
        outputs.flatten().collect()
    }

    /// Answers a query about a shard of the view by identity.
    pub(crate) fn answer(&self, query: ShardQuery) {
        let shard = usize::try_from(query.partition()).ok();
        query.run(shard.and_then(|shard| self.identities.get(shard)));
    }

    /// Counts and sizes of each shard.
    pub(crate) fn health(&self) -> impl Iterator<Item = (ShardId, Health)> {
        self.all().map(|shard| (shard.id(), shard.health()))
    }
}
