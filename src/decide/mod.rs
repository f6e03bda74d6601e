//! From a case to an action: policy ([`policy`]), then guardrails that can only weaken it
//! ([`guardrail`]). For a source it is decided of those whom it [`reached`]. What was ordered is remembered
//! ([`given`]) until somebody answers. Pure; what is decided is returned as a value.

pub mod exception;
pub mod given;
pub mod guardrail;
pub mod policy;
pub mod reached;

use crate::event::spelled;

spelled! {
    /// What an executor is asked to do, from the mildest.
    Action {
        /// Tell somebody.
        Notify = "notify",
        /// Ask the identity to prove itself again.
        StepUp = "step_up",
        /// Replace the credential.
        Rotate = "rotate",
        /// End the credential.
        Revoke = "revoke",
        /// Disable the identity.
        Suspend = "suspend",
    }
}

spelled! {
    /// Whether executors act.
    Mode {
        /// Everything is published, nothing is to be acted on. The default.
        DryRun = "dry_run",
        /// Orders are to be carried out.
        Enforce = "enforce",
    }
}

spelled! {
    /// What weakened a decision.
    Weakening {
        /// Dry run.
        DryRun = "dry_run",
        /// The identity is protected (break-glass).
        Protected = "protected",
        /// Too many orders in an hour.
        RateCap = "rate_cap",
        /// Too large a share of the active identities.
        BlastRadius = "blast_radius",
        /// Somebody owns an exception for it.
        Exception = "exception",
        /// The same or more was asked for it a short while ago.
        CoolDown = "cool_down",
        /// A person has to approve it.
        ApprovalRequired = "approval_required",
        /// Somebody has paused containment.
        Paused = "paused",
    }
}
