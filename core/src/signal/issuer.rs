//! Signal: a credential of an issuer, or of a kind from that issuer, which is unusual for the identity, its
//! peers and the population.
//!
//! Assumption, formula, n = 0 and source: [`super::categorical`]. A credential is counted at its first use,
//! so that a long-lived one does not outweigh others. Abstains where no issuer is stated, or no credential is
//! used. Cost: one table of 4 values; peers and population only for a new value.

use super::categorical::NoveltyPrior;
use super::{
    ALTERNATE_AUTHENTICATION, FORGED_CREDENTIALS, LearnContext, ScoreContext, Signal, SignalFamily,
    categorical,
};
use crate::enrich::Feature;
use crate::event::{Activity, Event};
use crate::verdict::{EntityView, Explanation, Reading, SignalName, Technique};

/// The `issuer` signal.
pub struct Issuer;

/// Whether a credential of a stated issuer is used: one that is handed out or revoked is no evidence.
fn uses_issued(event: &Event<'_>) -> bool {
    let is_use = matches!(
        event.activity,
        Activity::Use | Activity::Authenticate | Activity::Refresh
    );
    let credential = event.credential.as_ref();
    is_use && credential.is_some_and(|credential| credential.issuer.is_some())
}

impl Signal for Issuer {
    fn name(&self) -> SignalName {
        SignalName::Issuer
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Token
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[FORGED_CREDENTIALS, ALTERNATE_AUTHENTICATION]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        if !uses_issued(context.event) {
            return None;
        }
        let (peers, population) = (&context.peers.issuer, &context.population.issuer);
        Some(categorical::score_value(
            context.features.issuer,
            &context.profile.issuer,
            peers,
            population,
            NoveltyPrior::NONE,
            context,
        ))
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let table = &context.profile.issuer;
        categorical::explain("issuer", Feature::Issuer, table, context, reading)
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let known = context.baselines.credential.as_ref();
        let is_first_use = known.is_none_or(|record| !record.is_known());
        let key = context.features.issuer;
        categorical::learn_value(
            (is_first_use && uses_issued(context.event)).then_some(key),
            Feature::Issuer,
            context,
            |p| &mut p.issuer,
            |c| &mut c.issuer,
        );
    }
}
