//! From an incident to an action: the policy ([`policy`]), then the guardrails that can only restrict it
//! ([`guardrail`]). For an alert on a source, the decision is about the identities that logged in from it
//! ([`source_logins`]). Issued orders are tracked ([`issued_orders`]) until their outcome is reported. Pure:
//! a decision is returned as a value. People pause and resume it ([`containment_switch`]).

pub mod containment_switch;
pub mod exception;
pub mod guardrail;
pub mod issued_orders;
pub mod policy;
pub mod source_logins;

use crate::string_enum;

string_enum! {
    /// The action that an order requests, in ascending order of impact.
    Action {
        /// Notify a person.
        Notify = "notify",
        /// Require the identity to authenticate again.
        StepUp = "step_up",
        /// Rotate the credential.
        Rotate = "rotate",
        /// Revoke the credential.
        Revoke = "revoke",
        /// Disable the identity.
        Suspend = "suspend",
    }
}

string_enum! {
    /// Whether orders are enforced.
    Mode {
        /// Orders are published, and executors must not act on them. The default.
        DryRun = "dry_run",
        /// Executors act on orders.
        Enforce = "enforce",
    }
}

string_enum! {
    /// Why a decision was restricted.
    Restriction {
        /// Dry run.
        DryRun = "dry_run",
        /// The evidence that the holder of the credential alone can cause does not suffice.
        Unattributed = "unattributed",
        /// The deployment or the identity is too new to say what is usual.
        Learning = "learning",
        /// The identity is protected (break-glass).
        Protected = "protected",
        /// The hourly limit of orders is reached.
        RateCap = "rate_cap",
        /// The share of identities under containment is at its limit.
        BlastRadius = "blast_radius",
        /// An exception applies.
        Exception = "exception",
        /// The same or a stronger action was requested within the cooldown.
        Cooldown = "cooldown",
        /// The action requires approval.
        ApprovalRequired = "approval_required",
        /// Containment is paused.
        Paused = "paused",
    }
}
