//! Counters with few labels are exposed from the start: a rate needs two samples, and no sample is not zero.

use super::Metrics;
use credwatch_core::containment::{Action, Mode, Restriction};
use credwatch_core::engine::Phase;
use credwatch_core::event::{Activity, Outcome};
use credwatch_core::string_enum;
use credwatch_core::verdict::{AlertVerdict, Severity};

string_enum! {
    /// What a feedback record was counted as.
    FeedbackKind {
        /// A verdict on an alert.
        AlertVerdict = "alert_verdict",
        /// The outcome of an order.
        Outcome = "outcome",
        /// The approval of an order.
        Approval = "approval",
        /// The erasure of an identity.
        Forget = "forget",
        /// A command for containment.
        Switch = "switch",
        /// It was rejected.
        Refused = "refused",
    }
}
/// Stages in labels.
const STAGES: [&str; 4] = ["ingest", "detect", "feedback", "deliver"];
const PHASES: [Phase; 3] = [Phase::Opened, Phase::Updated, Phase::Closed];

pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Opened => "opened",
        Phase::Updated => "updated",
        Phase::Closed => "closed",
    }
}

impl Metrics {
    /// Exposes them.
    pub(super) fn expose_zeros(&self) {
        for stage in STAGES {
            for counter in [&self.records, &self.dead_letters, &self.tombstones] {
                counter.with_label_values(&[stage]);
            }
        }
        for outcome in Outcome::ALL {
            for activity in [Activity::Rotate, Activity::Refresh] {
                let labels = [activity.as_str(), outcome.as_str()];
                self.rotations.with_label_values(&labels);
            }
        }
        for severity in Severity::ALL {
            for phase in PHASES {
                let labels = [severity.as_str(), phase_name(phase)];
                self.alerts.with_label_values(&labels);
            }
        }
        for action in Action::ALL {
            for mode in Mode::ALL {
                let labels = [action.as_str(), mode.as_str()];
                self.orders.with_label_values(&labels);
            }
        }
        for restriction in Restriction::ALL {
            self.restrictions.with_label_values(&[restriction.as_str()]);
        }
        for verdict in AlertVerdict::ALL {
            self.alert_verdicts.with_label_values(&[verdict.as_str()]);
        }
        for kind in FeedbackKind::ALL {
            self.feedback.with_label_values(&[kind.as_str()]);
        }
    }
}
