//! Decoded event → features: stable keys of the values that baselines count, and the catalogue's knowledge of
//! the action. Pure; nothing is looked up outside the catalogue.

mod family;

use crate::catalogue::{Abuse, AccessLevel, Catalogue, level_of_scope};
use crate::event::{Activity, Credential, Event, IdentityKind, NetworkKind};
use crate::stats::hash::{HashKey, hash64};
use crate::stats::hour_of_week;
use crate::units::{MS_PER_HOUR, MS_PER_SEC};
use family::{CLIENT_BYTES, client_family, host_family, resource_family};
use std::borrow::Cow;
use std::net::IpAddr;

/// Features that are counted by value. The discriminant is the hash space of the keys: it is part of stored
/// state and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Feature {
    /// Host name.
    Host = 1,
    /// /24 or /48 of the address; of a network that many share, and of a named one, the network itself.
    Prefix = 2,
    /// The name of the network, else its autonomous system, else /16 or /32.
    Network = 3,
    /// Country.
    Country = 4,
    /// Client software without its version.
    Client = 5,
    /// Operation.
    Action = 6,
    /// Resource of the operation, without the leaf.
    Resource = 7,
    /// Host name without its generated parts.
    HostFamily = 8,
    /// Issuer and kind of the credential.
    Issuer = 9,
}

/// Maximum length of a value in an explanation, in bytes.
pub const MAX_SHOWN_BYTES: usize = 240;

const IDENTITY_SPACE: u64 = 0x1d;
/// Followed by one space for each kind of identity.
const GROUP_SPACE: u64 = 0x96;
const ISSUER_SPACE: u64 = 0x15;
const OPERATION_SPACE: u64 = 0x4b;
/// Followed by one space for each kind of network.
const POOL_SPACE: u64 = 0xa0;
/// Number of classes of (action, resource); see [`Features::operation_class`].
pub const OPERATION_CLASSES: usize = 128;

/// Keys of an event's records, computed once and used for every look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Key of the identity.
    pub identity: u64,
    /// Key of the credential of this identity, where one is named.
    pub credential: Option<u64>,
}

impl Keys {
    /// The keys of `event` under the secret `hash_key`.
    #[must_use]
    pub fn of(event: &Event<'_>, hash_key: &HashKey) -> Self {
        let identity = identity_key(&event.identity.id, hash_key);
        let of_credential = |c: &Credential<'_>| credential_key(identity, &c.id, hash_key);
        Self {
            identity,
            credential: event.credential.as_ref().map(of_credential),
        }
    }
}

/// Keys and properties of one event.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Key of the identity.
    pub identity: u64,
    /// Key of the credential.
    pub credential: Option<u64>,
    /// Kind of the identity.
    pub kind: IdentityKind,
    /// Key of its peer group, where it names one.
    pub group: Option<u64>,
    /// Key of the group of its kind, for groups beyond the limit.
    pub kind_group: u64,
    /// Host, where one is stated.
    pub host: Option<u32>,
    /// Family of the host, where its name has generated parts.
    pub host_family: Option<u32>,
    /// Network prefix.
    pub prefix: Option<u32>,
    /// Network.
    pub network: Option<u32>,
    /// Country.
    pub country: Option<u32>,
    /// Client family.
    pub client: Option<u32>,
    /// Action.
    pub action: Option<u32>,
    /// Resource family.
    pub resource: Option<u32>,
    /// Class of (action, resource), one of a fixed number.
    pub operation_class: u8,
    /// Access level, if known.
    pub level: Option<AccessLevel>,
    /// Known abuse of this action.
    pub abuse: Option<Abuse>,
    /// Whether the identity extends its own permissions.
    pub self_grant: bool,
    /// Lifetime of the token in seconds, if stated and positive.
    pub lifetime_secs: Option<u64>,
    /// Issuer and kind of the credential.
    pub issuer: u32,
    /// Hour of the week.
    pub hour_bin: usize,
    /// Hours since the epoch.
    pub hour: u32,
    /// In the view by source, whether the source is usual for the identity: such an event is no evidence.
    pub is_known_source: bool,
}

/// Key of a learned group, among identities of one kind.
#[must_use]
pub fn learned_group_key(kind_group: u64, learned: u32) -> u64 {
    hash64(kind_group, &learned.to_le_bytes())
}

/// Key of an identity.
#[must_use]
pub fn identity_key(id: &str, hash_key: &HashKey) -> u64 {
    hash_key.hash64(IDENTITY_SPACE, id.as_bytes())
}

/// Key of the credential `id` of the identity of key `identity`.
#[must_use]
pub fn credential_key(identity: u64, id: &str, hash_key: &HashKey) -> u64 {
    hash_key.hash64(identity, id.as_bytes())
}

/// Key of the group of a kind.
#[must_use]
pub fn kind_group(kind: IdentityKind) -> u64 {
    GROUP_SPACE + kind as u64
}

/// Key of the peer group `name` among identities of `kind`.
#[must_use]
pub fn group_key(kind: IdentityKind, name: &str, hash_key: &HashKey) -> u64 {
    hash_key.hash64(kind_group(kind), name.as_bytes())
}

/// Key of the action or scope `name`.
#[must_use]
pub fn action_key(name: &str, hash_key: &HashKey) -> u32 {
    hash_key.key32(Feature::Action as u64, name.as_bytes())
}

/// The features of `event`, whose keys are `keys`.
#[must_use]
pub fn enrich(
    event: &Event<'_>,
    keys: Keys,
    catalogue: &Catalogue,
    hash_key: &HashKey,
) -> Features {
    let key = |feature| key(event, feature, hash_key);
    let kind = event.identity.kind;
    let group = event.identity.group.as_deref();
    let facts = event
        .action
        .as_deref()
        .and_then(|action| catalogue.facts(action));
    let action = key(Feature::Action);
    let resource = event.resource.as_deref();
    let operation_space = OPERATION_SPACE + u64::from(action.unwrap_or_default());
    Features {
        identity: keys.identity,
        credential: keys.credential,
        kind,
        group: group.map(|name| group_key(kind, name, hash_key)),
        kind_group: kind_group(kind),
        host: key(Feature::Host),
        host_family: key(Feature::HostFamily),
        prefix: key(Feature::Prefix),
        network: key(Feature::Network),
        country: key(Feature::Country),
        client: key(Feature::Client),
        action,
        resource: key(Feature::Resource),
        operation_class: (hash_key.hash64(operation_space, resource.unwrap_or_default().as_bytes())
            % OPERATION_CLASSES as u64) as u8,
        level: access_level(event, facts.map(|f| f.level)),
        abuse: facts.and_then(|f| f.abuse),
        self_grant: event.activity == Activity::Grant && resource == Some(&*event.identity.id),
        lifetime_secs: lifetime_secs(event.credential.as_ref()),
        issuer: issuer_key(event.credential.as_ref(), hash_key),
        hour_bin: hour_of_week::bin_of(event.time),
        hour: (event.time.epoch_ms() / MS_PER_HOUR) as u32,
        is_known_source: false,
    }
}

/// The network prefix of a source, such as `203.0.113.0/24`; `None` where the event states no
/// address.
#[must_use]
pub fn source_network(event: &Event<'_>) -> Option<String> {
    event.source.ip.map(|ip| prefix_text(ip, 24, 48))
}

fn lifetime_secs(credential: Option<&Credential<'_>>) -> Option<u64> {
    let credential = credential?;
    let ms = credential.expires_at?.ms_since(credential.issued_at?);
    let secs = u64::try_from(ms).ok()? / MS_PER_SEC as u64;
    (secs > 0).then_some(secs)
}

fn issuer_key(credential: Option<&Credential<'_>>, hash_key: &HashKey) -> u32 {
    credential.map_or(1, |credential| {
        let space = credential
            .kind
            .map_or(ISSUER_SPACE, |kind| ISSUER_SPACE + 1 + kind as u64);
        hash_key.key32(space, credential.issuer.as_deref().unwrap_or("").as_bytes())
    })
}

fn access_level(event: &Event<'_>, of_action: Option<AccessLevel>) -> Option<AccessLevel> {
    if event.activity == Activity::Grant {
        return Some(AccessLevel::Permissions);
    }
    of_action.or_else(|| {
        let credential = event.credential.as_ref()?;
        credential
            .scopes
            .iter()
            .filter_map(|s| level_of_scope(s))
            .max()
    })
}

fn address_key(ip: IpAddr, space: u64, v4_bits: u32, v6_bits: u32, hash_key: &HashKey) -> u32 {
    match mask_address(ip, v4_bits, v6_bits).0 {
        IpAddr::V4(v4) => hash_key.key32(space, &v4.octets()),
        IpAddr::V6(v6) => hash_key.key32(space, &v6.octets()),
    }
}

/// Key of the network prefix of `ip`, as baselines count it where it is not a place with a name.
#[must_use]
pub fn prefix_key(ip: IpAddr, hash_key: &HashKey) -> u32 {
    address_key(ip, Feature::Prefix as u64, 24, 48, hash_key)
}

/// Key of the autonomous system, else of the /16 or /32.
fn network_key(event: &Event<'_>, space: u64, hash_key: &HashKey) -> Option<u32> {
    match (event.source.asn, event.source.ip) {
        (Some(asn), _) => Some(hash_key.key32(space, &asn.to_be_bytes())),
        (None, ip) => ip.map(|ip| address_key(ip, space, 16, 32, hash_key)),
    }
}

/// Key of a network that is one place: its name, or its kind and autonomous system. The operator's name is
/// spelt differently by databases.
fn place_key(event: &Event<'_>, space: u64, hash_key: &HashKey) -> Option<u32> {
    if let Some(name) = event.source.network_name() {
        return Some(hash_key.key32(space, name.as_bytes()));
    }
    let kind = event.source.network_kind()? as u64;
    network_key(event, POOL_SPACE + kind, hash_key)
}

/// Key of a feature; `None` where the event does not state it.
fn key(event: &Event<'_>, feature: Feature, hash_key: &HashKey) -> Option<u32> {
    let space = feature as u64;
    let key32 = |bytes: &[u8]| hash_key.key32(space, bytes);
    match feature {
        Feature::Prefix | Feature::Network if is_one_place(event) => {
            place_key(event, space, hash_key)
        }
        Feature::Prefix => event.source.ip.map(|ip| prefix_key(ip, hash_key)),
        Feature::Network => network_key(event, space, hash_key),
        Feature::Client => {
            let agent = event.source.user_agent.as_deref()?;
            let mut family = [0u8; CLIENT_BYTES];
            let length = client_family(agent, &mut family);
            Some(key32(&family[..length]))
        }
        Feature::Host => Some(key32(event.source.host.as_deref()?.as_bytes())),
        Feature::HostFamily => match host_family(event.source.host.as_deref()?) {
            Cow::Owned(family) => Some(key32(family.as_bytes())),
            Cow::Borrowed(_) => None,
        },
        Feature::Country => Some(key32(event.source.country.as_deref()?.as_bytes())),
        Feature::Action => Some(key32(event.action.as_deref()?.as_bytes())),
        Feature::Issuer => event
            .credential
            .as_ref()
            .map(|credential| issuer_key(Some(credential), hash_key)),
        Feature::Resource => {
            let family = resource_family(event.resource.as_deref()?);
            Some(key32(family.as_bytes()))
        }
    }
}

/// The value of a feature as a person reads it; empty where the event does not state it.
#[must_use]
pub fn label<'e>(event: &'e Event<'_>, feature: Feature) -> Cow<'e, str> {
    let source = &event.source;
    let shown = match feature {
        Feature::Host => source.host.as_deref().map(Cow::Borrowed),
        Feature::HostFamily => source.host.as_deref().map(host_family),
        Feature::Prefix if is_one_place(event) => network_label(event).map(Cow::Owned),
        Feature::Prefix => source_network(event).map(Cow::Owned),
        Feature::Network => network_label(event).map(Cow::Owned),
        Feature::Country => source.country.as_deref().map(Cow::Borrowed),
        Feature::Client => source.user_agent.as_deref().map(|agent| {
            let mut family = [0u8; CLIENT_BYTES];
            let length = client_family(agent, &mut family);
            Cow::Owned(String::from_utf8_lossy(&family[..length]).into_owned())
        }),
        Feature::Action => event.action.as_deref().map(Cow::Borrowed),
        Feature::Issuer => event.credential.as_ref().map(issuer_label),
        Feature::Resource => event
            .resource
            .as_deref()
            .map(|resource| Cow::Borrowed(resource_family(resource))),
    };
    cut(shown.unwrap_or_default())
}

/// Whether addresses of its network are one place: the organisation named it, or thousands share it.
fn is_one_place(event: &Event<'_>) -> bool {
    let source = &event.source;
    source.network_name().is_some() || source.network_kind().is_some_and(NetworkKind::is_pool)
}

/// The network of a source: the name that the organisation gave it, or `AS14061 DigitalOcean (hosting)`.
#[must_use]
pub fn network_label(event: &Event<'_>) -> Option<String> {
    let source = &event.source;
    let kind = source.network_kind().map(NetworkKind::as_str);
    let suffix = kind.map_or_else(String::new, |kind| format!(" ({kind})"));
    if let Some(name) = source.network_name() {
        return Some(format!("{name}{suffix}"));
    }
    let Some(asn) = source.asn else {
        let range = source.ip.map(|ip| prefix_text(ip, 16, 32))?;
        return Some(format!("{range}{suffix}"));
    };
    let operator = source
        .network
        .as_ref()
        .and_then(|network| network.operator.as_deref());
    let operator = operator.map_or_else(String::new, |operator| format!(" {operator}"));
    Some(format!("AS{asn}{operator}{suffix}"))
}

/// Issuer and kind of a credential as text: `vault (access_token)`.
fn issuer_label<'e>(credential: &'e Credential<'_>) -> Cow<'e, str> {
    let issuer = credential.issuer.as_deref().unwrap_or_default();
    match credential.kind {
        Some(kind) => Cow::Owned(format!("{issuer} ({})", kind.as_str())),
        None => Cow::Borrowed(issuer),
    }
}

/// A label that is not longer than an explanation can show.
fn cut(label: Cow<'_, str>) -> Cow<'_, str> {
    if label.len() <= MAX_SHOWN_BYTES {
        return label;
    }
    let end = label.floor_char_boundary(MAX_SHOWN_BYTES);
    Cow::Owned(format!("{}…", &label[..end]))
}

fn mask_address(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> (IpAddr, u32) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let mask = u32::MAX << (32 - v4_bits);
            (IpAddr::V4((u32::from(v4) & mask).into()), v4_bits)
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (128 - v6_bits);
            (IpAddr::V6((u128::from(v6) & mask).into()), v6_bits)
        }
    }
}

fn prefix_text(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> String {
    let (network, bits) = mask_address(ip, v4_bits, v6_bits);
    format!("{network}/{bits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Identity, Network, Source};
    use crate::units::EventTime;

    #[test]
    fn prefixes_are_shown_as_networks() {
        assert_eq!(
            prefix_text("10.2.3.4".parse().unwrap(), 24, 48),
            "10.2.3.0/24"
        );
        assert_eq!(
            prefix_text("::ffff:10.2.3.4".parse().unwrap(), 24, 48),
            "10.2.3.0/24"
        );
        assert_eq!(
            prefix_text("2001:db8:1:2::3".parse().unwrap(), 24, 48),
            "2001:db8:1::/48"
        );
    }

    fn event(ip: &str, kind: Option<NetworkKind>, name: Option<&'static str>) -> Event<'static> {
        let identity = Identity {
            id: "ada".into(),
            kind: IdentityKind::Human,
            group: None,
            owner: None,
        };
        let time = EventTime::from_epoch_ms(1_700_000_000_000).unwrap();
        let mut event = Event::new("e".into(), time, identity, Activity::Use);
        event.source = Source {
            ip: ip.parse().ok(),
            asn: Some(64_500),
            position: Some((59.9, 10.7)),
            network: Some(Box::new(Network {
                kind,
                name: name.map(Cow::Borrowed),
                operator: Some("Example".into()),
                databases: None,
            })),
            ..Source::default()
        };
        event
    }

    #[test]
    fn addresses_of_a_pool_or_a_named_network_are_one_place() {
        let places = |kind, name| {
            let of = |ip| {
                let event = event(ip, kind, name);
                let key = |feature| key(&event, feature, &HashKey::default());
                (key(Feature::Prefix), key(Feature::Network))
            };
            (of("198.51.100.7"), of("203.0.113.9"))
        };
        for (kind, name) in [
            (Some(NetworkKind::Mobile), None),
            (Some(NetworkKind::Relay), None),
            (Some(NetworkKind::Owned), Some("Oslo office")),
        ] {
            let (here, there) = places(kind, name);
            assert_eq!(here, there, "{kind:?}");
        }
        for kind in [None, Some(NetworkKind::Hosting)] {
            let (here, there) = places(kind, None);
            assert_ne!(here.0, there.0, "{kind:?}");
            assert_eq!(here.1, there.1, "{kind:?}");
        }
        let kinds = [NetworkKind::Mobile, NetworkKind::Hosting];
        let [mobile, hosting] = kinds.map(|kind| places(Some(kind), None).0.1);
        assert_ne!(mobile, hosting);
    }

    #[test]
    fn a_network_is_named_as_a_person_knows_it() {
        let label = |kind, name| network_label(&event("198.51.100.7", kind, name)).unwrap();
        assert_eq!(label(None, None), "AS64500 Example");
        assert_eq!(label(Some(NetworkKind::Tor), None), "AS64500 Example (tor)");
        assert_eq!(
            label(Some(NetworkKind::Owned), Some("Oslo office")),
            "Oslo office (owned)"
        );
        let at = |kind| event("198.51.100.7", kind, None).source.own_position();
        assert_eq!(at(Some(NetworkKind::Mobile)), None);
        assert_eq!(at(Some(NetworkKind::Hosting)), Some((59.9, 10.7)));
    }
}
