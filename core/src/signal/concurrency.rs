//! Signal: one credential used on a second host, network or client.
//!
//! # Assumption
//! A credential is bound to where it was first used, except a password, which is known rather than held: for
//! passwords the signal abstains and learns nothing. On each further day of use a credential relocates with a
//! probability of the identity's own, centred on the credentials of that issuer and kind. A move to a host,
//! or to an address range (/24, /48) of a network, that is usual for the identity is none: sessions go home
//! with their owner, and a thief comes from elsewhere.
//!
//! # Formula
//! Posterior mean of the rate of relocations to a new host, network or client, the smallest of those that
//! changed: (m + s·r)/(d + s), with *m* relocations in *d* credential-days of the identity, and *r* of the
//! same form for the issuer and kind over the prior `relocation_rate`. One deviation, however many of the
//! three changed: a new laptop changes all of them.
//!
//! # At n = 0
//! The issuer's rate; without an issuer the prior. A first use abstains. Cost: O(7).
//!
//! # Source
//! Beta–binomial posterior mean: Gelman et al., "Bayesian Data Analysis", §2.4.

use super::{
    ALTERNATE_AUTHENTICATION, LearnContext, ScoreContext, Signal, SignalFamily, format_odds,
};
use crate::baseline::credential::secs;
use crate::baseline::issuer::RelocationCounts;
use crate::enrich::{Feature, label};
use crate::event::{CredentialKind, Event};
use crate::stats::beta_binomial::posterior_mean;
use crate::stats::category::CategoryTable;
use crate::stats::hash::key32;
use crate::units::Span;
use crate::verdict::{EntityView, Explanation, Level, Reading, SignalName, Technique};

/// The `concurrency` signal.
pub struct Concurrency;

const BINDING_SPACE: u64 = 0xc0;
/// Prior strength of the issuer's rate, in credential-days.
const ISSUER_PRIOR_STRENGTH: f64 = 10.0;
/// Prior strength of the model's rate for an issuer, in credential-days.
const PRIOR_STRENGTH: f64 = 20.0;
const SECS_PER_DAY: u32 = 86_400;

/// One kind of relocation: its feature, and its count.
struct Relocation {
    feature: Feature,
    key: u32,
    count: fn(&RelocationCounts) -> f32,
}

/// Decayed uses from which a host or an address range is usual for the identity.
const MIN_USUAL_USES: f64 = 2.0;

/// Whether `key` is usual for the identity.
fn is_usual<const N: usize>(table: &CategoryTable<N>, key: Option<u32>, weight_now: f32) -> bool {
    key.is_some_and(|key| table.count(key, weight_now) >= MIN_USUAL_USES)
}

fn is_bound(event: &Event<'_>) -> bool {
    let kind = event.credential.as_ref().and_then(|c| c.kind);
    kind != Some(CredentialKind::Password)
}

fn relocations(context: &ScoreContext<'_>) -> Option<[Option<Relocation>; 3]> {
    let record = context.credential.filter(|_| is_bound(context.event))?;
    let features = context.features;
    let weight = context.profile_weight;
    let is_usual_host = is_usual(&context.profile.host, context.host, weight);
    // An address range alone is no place: 192.168.1.0/24 is at every home.
    let is_usual_range = is_usual(&context.profile.prefix, features.prefix, weight)
        && is_usual(&context.profile.network, features.network, weight);
    let relocation = |is_move: bool, feature, key: Option<u32>, count| {
        key.filter(|_| is_move).map(|key| Relocation {
            feature,
            key,
            count,
        })
    };
    let relocations = [
        relocation(
            record.hosts.is_relocation(context.host) && !is_usual_host,
            Feature::Host,
            context.host,
            (|moves| moves.host) as fn(&RelocationCounts) -> f32,
        ),
        relocation(
            record.networks.is_relocation(features.network) && !is_usual_range,
            Feature::Network,
            features.network,
            |moves| moves.network,
        ),
        relocation(
            record.clients.is_relocation(features.client),
            Feature::Client,
            features.client,
            |moves| moves.client,
        ),
    ];
    relocations
        .iter()
        .any(Option::is_some)
        .then_some(relocations)
}

fn rate(relocation: &Relocation, context: &ScoreContext<'_>) -> f64 {
    let prior = context.parameters.prior.relocation_rate;
    let issuer = match context.issuer {
        None => prior,
        Some(issuer) => {
            let weight = f64::from(context.shared_weight);
            let moves = f64::from((relocation.count)(&issuer.relocations)) / weight;
            let days = f64::from(issuer.relocations.days) / weight;
            posterior_mean(moves, days, prior, PRIOR_STRENGTH)
        }
    };
    let weight = f64::from(context.profile_weight);
    let own = &context.profile.relocations;
    let moves = f64::from((relocation.count)(own)) / weight;
    posterior_mean(
        moves,
        f64::from(own.days) / weight,
        issuer,
        ISSUER_PRIOR_STRENGTH,
    )
}

fn rarest<'w>(
    relocations: &'w [Option<Relocation>; 3],
    context: &ScoreContext<'_>,
) -> Option<(&'w Relocation, f64)> {
    let rated = relocations
        .iter()
        .flatten()
        .map(|relocation| (relocation, rate(relocation, context)));
    rated.min_by(|a, b| a.1.total_cmp(&b.1))
}

impl Signal for Concurrency {
    fn name(&self) -> SignalName {
        SignalName::Concurrency
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::CredentialBinding
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[ALTERNATE_AUTHENTICATION]
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let relocations = relocations(context)?;
        let (relocation, p) = rarest(&relocations, context)?;
        let observations = f64::from(context.profile.relocations.days / context.profile_weight);
        let level = if observations >= ISSUER_PRIOR_STRENGTH {
            Level::Identity
        } else {
            Level::Population
        };
        let deviation_key = key32(BINDING_SPACE, &relocation.key.to_be_bytes());
        Some(Reading::new(p, level, observations, deviation_key))
    }

    fn explain(&self, context: &ScoreContext<'_>, reading: &Reading) -> Explanation {
        let relocations = relocations(context);
        let named: Vec<&str> = relocations
            .iter()
            .flatten()
            .flatten()
            .map(|relocation| match relocation.feature {
                Feature::Host => "host",
                Feature::Network => "network",
                _ => "client",
            })
            .collect();
        let rarest = relocations
            .as_ref()
            .and_then(|relocations| rarest(relocations, context));
        let observed = rarest.map_or_else(String::new, |(relocation, _)| {
            label(context.event, relocation.feature).into_owned()
        });
        let ago = context.credential.map_or(0, |record| {
            i64::from(secs(context.event.time).saturating_sub(record.last_secs))
        });
        let expected = "where it was first used".to_owned();
        let sentence = format!(
            "this credential, last used {} ago, appears on another {} ({observed}): {} a day for \
             credentials like it",
            Span { ms: ago * 1_000 },
            named.join(", "),
            format_odds(reading.p)
        );
        Explanation {
            observed,
            expected,
            sentence,
        }
    }

    fn learn(&self, context: &mut LearnContext<'_>) {
        let Some(record) = context.baselines.credential.as_deref_mut() else {
            return;
        };
        if !is_bound(context.event) {
            return;
        }
        // A first use binds the credential even while the identity is not trusted: an open alert, true or
        // false, must not leave a credential unbound.
        if context.profile_weight <= 0.0 && record.is_known() {
            return;
        }
        let features = context.features;
        let now = secs(context.now);
        if record.is_known() {
            let is_new_day = record.last_secs / SECS_PER_DAY != now / SECS_PER_DAY;
            let counts = RelocationCounts {
                days: f32::from(u8::from(is_new_day || !record.is_reused)),
                host: f32::from(u8::from(record.hosts.is_relocation(context.host))),
                network: f32::from(u8::from(record.networks.is_relocation(features.network))),
                client: f32::from(u8::from(record.clients.is_relocation(features.client))),
            };
            if let Some(profile) = context.baselines.profile.as_deref_mut() {
                profile.relocations.add(&counts, context.profile_weight);
            }
            if let Some(issuer) = context.baselines.issuer.as_deref_mut() {
                issuer.relocations.add(&counts, context.shared_weight);
            }
            record.is_reused = true;
        }
        record.hosts.add(context.host);
        record.networks.add(features.network);
        record.clients.add(features.client);
        record.last_secs = record.last_secs.max(now);
    }
}
