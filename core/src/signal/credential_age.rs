//! Signal: use of a credential outside its lifetime: after expiry, revocation or rotation, or before
//! its issue.
//!
//! # Assumption
//! None of these happens to a legitimate holder, except for clock skew up to
//! [`SKEW_SECS`] and for the overlap of a rotation, up to [`OVERLAP_SECS`]. Only successful uses
//! count: a denied old token shows that the control works.
//!
//! # Formula
//! A hard violation has the fixed probability `hard_violation_p`. Where an issuer habitually violates its own
//! times, the calibration by identity-days weakens the signal.
//!
//! # At n = 0
//! The same: times are stated in the event. Cost: O(1).

use super::{
    ALTERNATE_AUTHENTICATION, FORGED_CREDENTIALS, LearnContext, ScoreContext, Signal, SignalFamily,
};
use crate::baseline::credential::secs;
use crate::event::{Activity, Outcome};
use crate::stats::hash::key32;
use crate::units::Span;
use crate::verdict::{EntityView, Explanation, Level, Reading, SignalName, Technique};

/// The `credential_age` signal.
pub struct CredentialAge;

const LIFE_SPACE: u64 = 0xa6;
/// Tolerated clock skew.
pub const SKEW_SECS: u32 = 300;
/// Tolerated overlap of the old credential after a rotation.
pub const OVERLAP_SECS: u32 = 3_600;

#[derive(Clone, Copy)]
enum Violation {
    BeforeIssue,
    AfterExpiry,
    AfterRevocation,
    AfterRotation,
}

/// The violation, and by how many seconds.
fn violation(context: &ScoreContext<'_>) -> Option<(Violation, u32)> {
    let is_use = matches!(
        context.event.activity,
        Activity::Use | Activity::Authenticate | Activity::Refresh
    );
    if !is_use || context.event.outcome != Outcome::Success {
        return None;
    }
    let stated = context.event.credential.as_ref()?;
    let now = secs(context.event.time);
    let record = context.credential;
    let past =
        |end: u32, grace: u32| (end > 0 && now > end.saturating_add(grace)).then(|| now - end);
    let revoked = record.and_then(|record| past(record.revoked_secs, SKEW_SECS));
    if let Some(by) = revoked {
        return Some((Violation::AfterRevocation, by));
    }
    let expires = stated
        .expires_at
        .map(secs)
        .or(record.map(|record| record.expires_secs));
    if let Some(by) = past(expires.unwrap_or(0), SKEW_SECS) {
        return Some((Violation::AfterExpiry, by));
    }
    let rotated = record.and_then(|record| past(record.rotated_secs, OVERLAP_SECS));
    if let Some(by) = rotated {
        return Some((Violation::AfterRotation, by));
    }
    let issued = stated.issued_at.map_or(0, secs);
    (issued > now.saturating_add(SKEW_SECS)).then(|| (Violation::BeforeIssue, issued - now))
}

impl Signal for CredentialAge {
    fn name(&self) -> SignalName {
        SignalName::CredentialAge
    }

    fn family(&self) -> SignalFamily {
        SignalFamily::Token
    }

    fn techniques(&self, _: EntityView) -> &'static [Technique] {
        &[ALTERNATE_AUTHENTICATION, FORGED_CREDENTIALS]
    }

    fn is_rule(&self) -> bool {
        true
    }

    fn score(&self, context: &ScoreContext<'_>) -> Option<Reading> {
        let (violation, _) = violation(context)?;
        let deviation_key = key32(
            LIFE_SPACE + violation as u64,
            &context.features.issuer.to_be_bytes(),
        );
        let p = context.parameters.prior.hard_violation_p;
        Some(Reading::new(p, Level::Population, 0.0, deviation_key))
    }

    fn explain(&self, context: &ScoreContext<'_>, _: &Reading) -> Explanation {
        let Some((violation, by)) = violation(context) else {
            return Explanation::default();
        };
        let by = Span {
            ms: i64::from(by) * 1_000,
        };
        let observed = match violation {
            Violation::BeforeIssue => format!("used {by} before it was issued"),
            Violation::AfterExpiry => format!("used {by} after it expired"),
            Violation::AfterRevocation => format!("used {by} after it was revoked"),
            Violation::AfterRotation => format!("used {by} after it was rotated"),
        };
        Explanation {
            sentence: format!("this credential was {observed}, successfully"),
            observed,
            expected: "use within its lifetime".to_owned(),
        }
    }

    fn learn(&self, _: &mut LearnContext<'_>) {}
}
