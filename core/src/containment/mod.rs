//! From a case to an action: policy ([`policy`]), then guardrails that can only weaken it
//! ([`guardrail`]). For a source it is decided of those whom it [`source_logins`]. What was ordered is remembered
//! ([`issued_orders`]) until somebody answers. Pure; what is decided is returned as a value.

pub mod exception;
pub mod guardrail;
pub mod issued_orders;
pub mod policy;
pub mod source_logins;

use crate::string_enum;

string_enum! {
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

string_enum! {
    /// Whether executors act.
    Mode {
        /// Everything is published, nothing is to be acted on. The default.
        DryRun = "dry_run",
        /// Orders are to be carried out.
        Enforce = "enforce",
    }
}

string_enum! {
    /// What weakened a decision.
    Restriction {
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
        Cooldown = "cool_down",
        /// A person has to approve it.
        ApprovalRequired = "approval_required",
        /// Somebody has paused containment.
        Paused = "paused",
    }
}
