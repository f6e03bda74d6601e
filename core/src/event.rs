//! The event model: one use, issue, refresh, rotation, revocation or grant of a credential.
//!
//! Strings are borrowed from the record where the format permits it. Independent of any wire
//! format.

use crate::string_enum;
use crate::units::EventTime;
use std::borrow::Cow;
use std::net::IpAddr;

/// Clocks of event sources may be ahead of the broker's by this much, in milliseconds.
pub const MAX_CLOCK_SKEW_MS: i64 = 5 * 60 * 1_000;

/// Text borrowed from a record, or owned where it had to be unescaped.
pub type Text<'a> = Cow<'a, str>;

string_enum! {
    /// Kind of the owner of a credential.
    IdentityKind {
        /// A person.
        Human = "human",
        /// A long-lived technical account.
        Service = "service",
        /// An autoscaled or scheduled workload.
        Workload = "workload",
        /// A script, pipeline or bot.
        Automation = "automation",
    }
}

string_enum! {
    /// Kind of a credential.
    CredentialKind {
        /// A password.
        Password = "password",
        /// A static key.
        ApiKey = "api_key",
        /// A short-lived bearer token.
        AccessToken = "access_token",
        /// A token that is exchanged for access tokens.
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
    /// What was done with a credential.
    Activity {
        /// An identity authenticated.
        Authenticate = "authenticate",
        /// The credential was used.
        Use = "use",
        /// A credential was issued.
        Issue = "issue",
        /// A credential was refreshed.
        Refresh = "refresh",
        /// A credential was rotated.
        Rotate = "rotate",
        /// A credential was revoked.
        Revoke = "revoke",
        /// A permission was granted.
        Grant = "grant",
    }
}

string_enum! {
    /// Outcome of an event.
    Outcome {
        /// It succeeded.
        Success = "success",
        /// The credential was not accepted: wrong password, invalid token.
        Failure = "failure",
        /// It was denied: no permission.
        Denied = "denied",
        /// It failed for a reason that says nothing of the credential: throttled, not found, invalid.
        Error = "error",
    }
}

string_enum! {
    /// Kind of a network.
    NetworkKind {
        /// One of the organisation's own: an office, its address translation, its VPN.
        Owned = "owned",
        /// Servers for rent.
        Hosting = "hosting",
        /// A mobile carrier.
        Mobile = "mobile",
        /// A relay that hides addresses of many people, such as a browser vendor's.
        Relay = "relay",
        /// A commercial VPN.
        Vpn = "vpn",
        /// Homes whose connections are sold as proxies.
        ResidentialProxy = "residential_proxy",
        /// An exit of Tor.
        Tor = "tor",
    }
}

impl NetworkKind {
    /// Whether thousands share its addresses, so that neither an address nor its position says anything of
    /// one of them.
    #[must_use]
    pub fn is_pool(self) -> bool {
        !matches!(self, Self::Owned | Self::Hosting)
    }
}

/// Who can cause an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// Anyone who knows the name of the identity.
    Anyone,
    /// The holder of the credential alone.
    Holder,
    /// The platform that manages the credential.
    Platform,
}

/// The human, service, workload or automation that a credential belongs to.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// Id, which is the key of the stream.
    pub id: Text<'a>,
    /// Kind; `service` where the event does not state one.
    pub kind: IdentityKind,
    /// Peer group, if the source states one.
    pub group: Option<Text<'a>>,
    /// Owner, if the source states one.
    pub owner: Option<Text<'a>>,
}

/// The credential that was used.
#[derive(Clone, Debug)]
pub struct Credential<'a> {
    /// Identifier, never the secret itself.
    pub id: Text<'a>,
    /// Kind; `None` where the event does not state one.
    pub kind: Option<CredentialKind>,
    /// Issuer.
    pub issuer: Option<Text<'a>>,
    /// Time of issue.
    pub issued_at: Option<EventTime>,
    /// Expiry.
    pub expires_at: Option<EventTime>,
    /// Scopes.
    pub scopes: Vec<Text<'a>>,
}

/// What is known of a network, from databases or the operator's configuration.
#[derive(Clone, Debug, Default)]
pub struct Network<'a> {
    /// Kind.
    pub kind: Option<NetworkKind>,
    /// Name that the operator gave it.
    pub name: Option<Text<'a>>,
    /// Name of the autonomous system.
    pub operator: Option<Text<'a>>,
    /// Databases that said so, with date and hash.
    pub databases: Option<Text<'a>>,
}

/// Source of a use.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    /// Host name.
    pub host: Option<Text<'a>>,
    /// Address.
    pub ip: Option<IpAddr>,
    /// The client's description of itself.
    pub user_agent: Option<Text<'a>>,
    /// ISO 3166 country code.
    pub country: Option<Text<'a>>,
    /// Autonomous system number.
    pub asn: Option<u32>,
    /// Latitude and longitude in degrees.
    pub position: Option<(f64, f64)>,
    /// What is known of its network.
    pub network: Option<Box<Network<'a>>>,
}

impl Source<'_> {
    /// Kind of its network, if known.
    #[must_use]
    pub fn network_kind(&self) -> Option<NetworkKind> {
        self.network.as_ref()?.kind
    }

    /// Name that the operator gave its network.
    #[must_use]
    pub fn network_name(&self) -> Option<&str> {
        self.network.as_ref()?.name.as_deref()
    }

    /// The position of whoever uses it; `None` where the network has one for many.
    #[must_use]
    pub fn own_position(&self) -> Option<(f64, f64)> {
        let is_shared = self.network_kind().is_some_and(NetworkKind::is_pool);
        self.position.filter(|_| !is_shared)
    }
}

/// One event, decoded.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Unique id of the event.
    pub event_id: Text<'a>,
    /// Event time.
    pub time: EventTime,
    /// Identity.
    pub identity: Identity<'a>,
    /// Credential, if known.
    pub credential: Option<Credential<'a>>,
    /// What was done.
    pub activity: Activity,
    /// The operation, such as `s3:GetObject`.
    pub action: Option<Text<'a>>,
    /// Object of the operation.
    pub resource: Option<Text<'a>>,
    /// Source.
    pub source: Source<'a>,
    /// Declared purpose, such as a job.
    pub purpose: Option<Text<'a>>,
    /// Outcome; `success` where the event does not state one.
    pub outcome: Outcome,
}

impl<'a> Event<'a> {
    /// A successful event with the required fields only.
    #[must_use]
    pub fn new(
        event_id: Text<'a>,
        time: EventTime,
        identity: Identity<'a>,
        activity: Activity,
    ) -> Self {
        Self {
            event_id,
            time,
            identity,
            credential: None,
            activity,
            action: None,
            resource: None,
            source: Source::default(),
            purpose: None,
            outcome: Outcome::Success,
        }
    }

    /// Bounds the event's time by `record_time`, at which the broker appended it: an event cannot be logged
    /// before it happened, but for clocks that differ by [`MAX_CLOCK_SKEW_MS`].
    pub fn bound_time(&mut self, record_time: Option<EventTime>) {
        let is_ahead =
            |record_time: &EventTime| self.time > record_time.saturating_add_ms(MAX_CLOCK_SKEW_MS);
        self.time = record_time.filter(is_ahead).unwrap_or(self.time);
    }

    /// Who can cause the event: a credential that is not accepted proves nothing of its holder.
    #[must_use]
    #[inline]
    pub fn attribution(&self) -> Attribution {
        use Activity::{Authenticate, Refresh, Revoke};
        match (self.activity, self.outcome) {
            (_, Outcome::Failure) => Attribution::Anyone,
            (Authenticate | Refresh, Outcome::Denied | Outcome::Error) => Attribution::Anyone,
            (Revoke, _) => Attribution::Platform,
            _ => Attribution::Holder,
        }
    }

    /// Whether the event renews a credential of its own identity, as each does seldom and all do now and
    /// then: a service its key, a person a forgotten password. How often it uses other actions says nothing
    /// of that.
    #[must_use]
    pub fn is_upkeep(&self) -> bool {
        let is_machine = self.identity.kind != IdentityKind::Human;
        match self.activity {
            Activity::Rotate => is_machine,
            Activity::Refresh => self.is_about_kind(CredentialKind::Password),
            _ => is_machine && self.exchanges_own_key(),
        }
    }

    /// Whether an identity issues a key to itself, or revokes its own: a rotation in two steps, or the
    /// persistence of a thief.
    #[must_use]
    pub fn exchanges_own_key(&self) -> bool {
        matches!(self.activity, Activity::Issue | Activity::Revoke)
            && self.resource.as_ref() == Some(&self.identity.id)
            && self.is_about_kind(CredentialKind::ApiKey)
    }

    fn is_about_kind(&self, kind: CredentialKind) -> bool {
        let credential = self.credential.as_ref();
        credential.is_some_and(|credential| credential.kind == Some(kind))
    }

    /// Whether the event presents a credential that may be refused: a sign-in, or a failure of any
    /// kind.
    #[must_use]
    #[inline]
    pub fn is_attempt(&self) -> bool {
        self.activity == Activity::Authenticate || self.attribution() == Attribution::Anyone
    }
}
