//! The numbers of the model, as the core takes them. They are read from `models/parameters.toml`
//! outside the core; names carry units.

use crate::stats::decay::HalfLife;

/// How fast things are forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Decay {
    /// Baselines.
    pub baseline: HalfLife,
    /// The same in days, for sketches that age in steps.
    pub baseline_days: f64,
    /// The recent window of the failure signal.
    pub failure_window: HalfLife,
    /// Accumulated evidence of an incident.
    pub incident: HalfLife,
    /// Peaks that the threshold rests on.
    pub peak: HalfLife,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Distinct values of one feature in a peer group.
    pub group_values: usize,
    /// Distinct values of one feature in the population.
    pub population_values: usize,
    /// Peer groups.
    pub groups: usize,
    /// Texts for explanations.
    pub names: usize,
    /// Issuer and kind pairs with a lifetime histogram.
    pub issuers: usize,
    /// Incidents open or remembered.
    pub open_incidents: usize,
}

/// Beliefs before anything was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Share of calls by access level, in the order of `catalogue::AccessLevel`.
    pub level_shares: [f64; 5],
    /// Share of first uses that are known from attacks but have common legitimate use.
    pub abused_share: f64,
    /// Share of first uses that are known from attacks and hardly have legitimate use.
    pub abused_rare_share: f64,
    /// Observations that the peers' ranks are worth to an identity.
    pub level_strength: f64,
    /// Observations that the prior's ranks are worth to the peers.
    pub level_prior_strength: f64,
    /// Days that the peers' rhythm is worth.
    pub rhythm_days: f64,
    /// Share of uses that fail.
    pub failure_rate: f64,
    /// Share of logins that fail.
    pub login_failure_rate: f64,
    /// Trials that the peers' failure rate is worth.
    pub failure_strength: f64,
    /// Spread of token lifetimes of one identity and issuer, in natural logarithms.
    pub lifetime_log_sd: f64,
    /// Share of credential-days on which a credential moves.
    pub move_rate: f64,
    /// Probability of a use outside a credential's life.
    pub hard_violation_p: f64,
    /// Impossible journeys a day of an identity with a place.
    pub impossible_journeys_a_day: f64,
    /// Probability of a grant to oneself.
    pub self_grant_p: f64,
}

/// From readings to a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scoring {
    /// Deviations of other groups count from here, in nats.
    pub group_excess_from_nats: f64,
    /// Share of their excess that is added.
    pub group_excess_share: f64,
    /// Events below this are no evidence for an incident.
    pub evidence_from_nats: f64,
    /// Learned fully up to here.
    pub trust_until_nats: f64,
}

/// The alert threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdLaw {
    /// Until the tail of the score is known.
    pub initial_nats: f64,
    /// Never below.
    pub lowest_nats: f64,
    /// The tail counts fully once its level is known to this, one standard error.
    pub tolerated_error_nats: f64,
    /// Fastest rise.
    pub rise_nats_per_day: f64,
    /// Fastest fall.
    pub fall_nats_per_day: f64,
}

/// Severity by excess over the threshold, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeverityLaw {
    /// Medium from here.
    pub medium_above_nats: f64,
    /// High from here.
    pub high_above_nats: f64,
    /// Critical from here.
    pub critical_above_nats: f64,
}

/// The life of an incident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IncidentLaw {
    /// Growth that is worth an update.
    pub update_step_nats: f64,
    /// The same as a share of what was last published; the larger holds.
    pub update_step_share: f64,
    /// Closed when evidence falls below this share of the threshold.
    pub closed_share_of_threshold: f64,
    /// An alert stays open for so long after its last evidence, in milliseconds.
    pub open_at_least_ms: i64,
    /// How long facts of a closed incident are remembered, in milliseconds.
    pub remembered_ms: i64,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// How fast things are forgotten.
    pub decay: Decay,
    /// How much is kept.
    pub bounds: Bounds,
    /// Beliefs before anything was seen.
    pub prior: Prior,
    /// From readings to a score.
    pub scoring: Scoring,
    /// The alert threshold.
    pub threshold: ThresholdLaw,
    /// Severities.
    pub severity: SeverityLaw,
    /// The life of an incident.
    pub incident: IncidentLaw,
}
