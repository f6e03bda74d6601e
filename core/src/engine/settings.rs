//! Settings of one shard's engine.

use crate::catalogue::Catalogue;
use crate::containment::guardrail::Guardrails;
use crate::containment::policy::Policy;
use crate::parameters::Parameters;
use crate::stats::hash::HashKey;
use crate::verdict::{EntityView, SignalName};
use std::sync::Arc;

/// Settings of an engine, fixed for its lifetime.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which entities have a baseline in this shard: identities or source networks.
    pub entity: EntityView,
    /// Number of shards of the same view.
    pub shards: u32,
    /// Parameters of the model.
    pub parameters: Arc<Parameters>,
    /// Access levels and known abuse of actions.
    pub catalogue: Arc<Catalogue>,
    /// Hash of model and detection settings.
    pub model_hash: Arc<str>,
    /// Alert budget of this shard, in alerts a day.
    pub alerts_per_day: f64,
    /// Maximum number of baselines in this shard.
    pub max_identities: usize,
    /// Signals that do not contribute to scores; they still learn.
    pub disabled_signals: Vec<SignalName>,
    /// Maps severity, identity and credential to an action.
    pub policy: Arc<Policy>,
    /// This shard's share of the limits on containment.
    pub guardrails: Guardrails,
    /// The secret under which texts are hashed. A restored engine keeps that of its state.
    pub hash_key: HashKey,
}

impl Default for Settings {
    /// One shard of the identity view with the published parameters, an empty catalogue and policy, five
    /// alerts per day, 100,000 identities, and containment in dry run.
    fn default() -> Self {
        Self {
            entity: EntityView::Identity,
            shards: 1,
            parameters: Arc::default(),
            catalogue: Arc::default(),
            model_hash: Arc::default(),
            alerts_per_day: 5.0,
            max_identities: 100_000,
            disabled_signals: Vec::new(),
            policy: Arc::default(),
            guardrails: Guardrails::default(),
            hash_key: HashKey::default(),
        }
    }
}
