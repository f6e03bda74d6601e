//! The vocabulary of what happens: one use, issue, refresh, rotation, revocation or grant.
//!
//! Strings are borrowed from the record where the format allows it. Nothing here knows a wire
//! format.

use crate::string_enum;
use crate::units::EventTime;
use std::borrow::Cow;
use std::net::IpAddr;

/// Text borrowed from a record, or owned where it had to be unescaped.
pub type Text<'a> = Cow<'a, str>;

string_enum! {
    /// Who a credential belongs to.
    IdentityKind {
        /// A person.
        Human = "human",
        /// A long-lived technical account.
        Service = "service",
        /// An autoscaled or scheduled computation.
        Workload = "workload",
        /// A script, pipeline or robot.
        Automation = "automation",
    }
}

string_enum! {
    /// What was used.
    CredentialKind {
        /// A password.
        Password = "password",
        /// A static key.
        ApiKey = "api_key",
        /// A short-lived bearer token.
        AccessToken = "access_token",
        /// A token that buys access tokens.
        RefreshToken = "refresh_token",
        /// A browser or console session.
        Session = "session",
        /// A certificate.
        X509 = "x509",
        /// An SSH key.
        SshKey = "ssh_key",
        /// A Kerberos ticket.
        KerberosTicket = "kerberos_ticket",
    }
}

string_enum! {
    /// What was done with the credential.
    Activity {
        /// An identity proved itself.
        Authenticate = "authenticate",
        /// The credential was presented to do something.
        Use = "use",
        /// A credential was issued.
        Issue = "issue",
        /// A credential was renewed.
        Refresh = "refresh",
        /// A credential was replaced.
        Rotate = "rotate",
        /// A credential was revoked.
        Revoke = "revoke",
        /// A permission was given.
        Grant = "grant",
    }
}

string_enum! {
    /// How it ended.
    Outcome {
        /// It was done.
        Success = "success",
        /// It failed: wrong password, no such resource, throttled.
        Failure = "failure",
        /// It was refused: no permission.
        Denied = "denied",
    }
}

/// The human, service, workload or automation that a credential belongs to.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// The key of the stream.
    pub id: Text<'a>,
    /// Kind; `service` where the event did not say.
    pub kind: IdentityKind,
    /// Peer group, if the source knows one.
    pub group: Option<Text<'a>>,
    /// Who answers for it.
    pub owner: Option<Text<'a>>,
}

/// The credential that was used.
#[derive(Clone, Debug)]
pub struct Credential<'a> {
    /// Identifier, never the secret itself.
    pub id: Text<'a>,
    /// Kind; `None` where the event did not say.
    pub kind: Option<CredentialKind>,
    /// Who issued it.
    pub issuer: Option<Text<'a>>,
    /// When it was issued.
    pub issued_at: Option<EventTime>,
    /// When it ends.
    pub expires_at: Option<EventTime>,
    /// What it permits.
    pub scopes: Vec<Text<'a>>,
}

/// Where it was used from.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    /// Host name.
    pub host: Option<Text<'a>>,
    /// Address.
    pub ip: Option<IpAddr>,
    /// The client's own description of itself.
    pub user_agent: Option<Text<'a>>,
    /// ISO 3166 country code.
    pub country: Option<Text<'a>>,
    /// Autonomous system number.
    pub asn: Option<u32>,
    /// Latitude and longitude in degrees.
    pub position: Option<(f64, f64)>,
}

/// One event, decoded.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Unique id of the event.
    pub event_id: Text<'a>,
    /// When it happened.
    pub time: EventTime,
    /// Whose credential.
    pub identity: Identity<'a>,
    /// Which credential, if known.
    pub credential: Option<Credential<'a>>,
    /// What was done.
    pub activity: Activity,
    /// The operation, such as `s3:GetObject`.
    pub action: Option<Text<'a>>,
    /// What it was done to.
    pub resource: Option<Text<'a>>,
    /// Where from.
    pub source: Source<'a>,
    /// Declared purpose, such as a job.
    pub purpose: Option<Text<'a>>,
    /// How it ended; `success` where the event did not say.
    pub outcome: Outcome,
}

impl Event<'_> {
    /// Whether somebody tried to be the identity, and was not let in.
    #[must_use]
    pub fn is_failed_login(&self) -> bool {
        self.activity == Activity::Authenticate && self.outcome != Outcome::Success
    }
}
