//! Lifetimes of credentials by issuer, of a bounded number of issuers.

use super::Metrics;
use crate::mutex::lock;
use credwatch_core::event::{Activity, Event, Outcome};
use credwatch_core::units::MS_PER_SEC;

/// Upper bounds of the buckets of lifetimes, in seconds: a minute to a year.
pub(super) const LIFETIME_BUCKETS: [f64; 12] = [
    60.0,
    300.0,
    900.0,
    1_800.0,
    3_600.0,
    14_400.0,
    43_200.0,
    86_400.0,
    604_800.0,
    2_592_000.0,
    7_776_000.0,
    31_536_000.0,
];
/// Issuers with a label of their own; further ones share [`OTHER_ISSUERS`].
const MAX_ISSUERS: usize = 50;
const OTHER_ISSUERS: &str = "(others)";

/// Lifetime of the credential that `event` issued, where it states both times.
fn issued_lifetime_secs(event: &Event<'_>) -> Option<f64> {
    use Activity::{Authenticate, Issue, Refresh, Rotate};
    let is_issue = matches!(event.activity, Issue | Refresh | Rotate | Authenticate);
    let credential = event.credential.as_ref().filter(|_| is_issue)?;
    let issued_at = credential.issued_at.unwrap_or(event.time);
    let lifetime_ms = credential.expires_at?.ms_since(issued_at);
    let is_meant = event.outcome == Outcome::Success && lifetime_ms > 0;
    is_meant.then_some(lifetime_ms as f64 / MS_PER_SEC as f64)
}

impl Metrics {
    /// Counts the lifetime of a credential that the event issued, if it did and states one.
    pub fn observe_lifetime(&self, event: &Event<'_>) {
        let Some(lifetime_secs) = issued_lifetime_secs(event) else {
            return;
        };
        let credential = event.credential.as_ref();
        let issuer = credential.and_then(|credential| credential.issuer.as_deref());
        let issuer = self.issuer_label(issuer.unwrap_or("(not stated)"));
        let lifetimes = self.issued_lifetime_seconds.with_label_values(&[&issuer]);
        lifetimes.observe(lifetime_secs);
    }

    fn issuer_label<'i>(&self, issuer: &'i str) -> &'i str {
        let mut known = lock(&self.issuers);
        if known.contains(issuer) {
            return issuer;
        }
        if known.len() >= MAX_ISSUERS {
            return OTHER_ISSUERS;
        }
        known.insert(issuer.to_owned());
        issuer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credwatch_core::event::{Credential, Identity, IdentityKind};
    use credwatch_core::units::EventTime;

    fn issue(issuer: &str, activity: Activity, outcome: Outcome) -> Event<'static> {
        let time = EventTime::from_epoch_ms(1_772_438_400_000).unwrap();
        let identity = Identity {
            id: "svc".into(),
            kind: IdentityKind::Service,
            group: None,
            owner: None,
        };
        let credential = Credential {
            id: "key".into(),
            kind: None,
            issuer: Some(issuer.to_owned().into()),
            issued_at: None,
            expires_at: Some(time.saturating_add_ms(3_600_000)),
            scopes: Vec::new(),
        };
        Event {
            credential: Some(credential),
            outcome,
            ..Event::new("e".into(), time, identity, activity)
        }
    }

    #[test]
    fn issued_lifetimes_are_counted_once_by_issuer_and_failures_are_not() {
        let metrics = Metrics::new("abcd").unwrap();
        metrics.observe_lifetime(&issue("sts", Activity::Issue, Outcome::Success));
        metrics.observe_lifetime(&issue("sts", Activity::Use, Outcome::Success));
        metrics.observe_lifetime(&issue("evil", Activity::Issue, Outcome::Failure));
        let text = String::from_utf8(metrics.text()).unwrap();
        assert!(
            text.contains("credwatch_issued_lifetime_seconds_count{issuer=\"sts\"} 1"),
            "{text}"
        );
        assert!(text.contains("credwatch_issued_lifetime_seconds_sum{issuer=\"sts\"} 3600"));
        assert!(!text.contains("evil"));
    }

    #[test]
    fn issuers_beyond_the_limit_share_a_label() {
        let metrics = Metrics::new("abcd").unwrap();
        for nth in 0..MAX_ISSUERS + 5 {
            let event = issue(&format!("issuer-{nth}"), Activity::Issue, Outcome::Success);
            metrics.observe_lifetime(&event);
        }
        let text = String::from_utf8(metrics.text()).unwrap();
        assert!(text.contains("credwatch_issued_lifetime_seconds_count{issuer=\"(others)\"} 5"));
    }
}
