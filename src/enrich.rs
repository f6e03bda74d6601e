//! Decoded event → features: stable keys of what baselines count, and what is known of the
//! action beforehand. Pure; nothing is looked up outside the catalogue.

use crate::catalogue::{Abuse, AccessLevel, Catalogue, level_of_scope};
use crate::event::{Activity, Event, IdentityKind};
use crate::stats::hash::{hash64, key32};
use crate::stats::hour_of_week;
use crate::units::{MS_PER_HOUR, MS_PER_SEC};
use std::borrow::Cow;
use std::net::IpAddr;

/// What is counted by value. The discriminant is the hash space of its keys, so it is part of
/// stored state and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Feature {
    /// Host name.
    Host = 1,
    /// /24 or /48 of the address.
    Prefix = 2,
    /// Autonomous system, else /16 or /32.
    Network = 3,
    /// Country.
    Country = 4,
    /// Client software without its version.
    Client = 5,
    /// Operation.
    Action = 6,
    /// What the operation touches, without the leaf.
    Resource = 7,
}

const IDENTITY_SPACE: u64 = 0x1d;
const GROUP_SPACE: u64 = 0x96;
const ISSUER_SPACE: u64 = 0x15;
/// A client description is read up to here.
const CLIENT_BYTES: usize = 160;

/// Keys and facts of one event.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Key of the identity.
    pub identity: u64,
    /// Kind of the identity.
    pub kind: IdentityKind,
    /// Key of its peer group.
    pub group: u64,
    /// Key of everyone of its kind, for groups beyond the limit.
    pub kind_group: u64,
    /// Host.
    pub host: Option<u32>,
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
    /// What the event permits or uses, if known.
    pub level: Option<AccessLevel>,
    /// Known abuse of this action.
    pub abuse: Option<Abuse>,
    /// Whether the identity widens its own permissions.
    pub self_grant: bool,
    /// Lifetime of the token in seconds, if stated and positive.
    pub lifetime_secs: Option<u64>,
    /// Issuer and kind of the credential.
    pub issuer: u32,
    /// Hour of the week.
    pub hour_bin: usize,
    /// Hours since the epoch.
    pub hour: u32,
}

/// Key of an identity.
#[must_use]
pub fn identity_key(id: &str) -> u64 {
    hash64(IDENTITY_SPACE, id.as_bytes())
}

fn group_key(kind: IdentityKind, group: Option<&str>) -> u64 {
    let kind_key = hash64(GROUP_SPACE, kind.as_str().as_bytes());
    group.map_or(kind_key, |name| hash64(kind_key, name.as_bytes()))
}

/// Makes the features of `event`.
#[must_use]
pub fn enrich(event: &Event<'_>, catalogue: &Catalogue) -> Features {
    let kind = event.identity.kind;
    let facts = event.action.as_deref().and_then(|a| catalogue.facts(a));
    let credential = event.credential.as_ref();
    let lifetime_secs = credential
        .and_then(|c| c.expires_at?.ms_since(c.issued_at?).try_into().ok())
        .map(|ms: u64| ms / MS_PER_SEC as u64)
        .filter(|secs| *secs > 0);
    let issuer = credential.map_or(1, |c| {
        let kind_space = c.kind.map_or(ISSUER_SPACE, |k| ISSUER_SPACE + 1 + k as u64);
        key32(kind_space, c.issuer.as_deref().unwrap_or("").as_bytes())
    });
    Features {
        identity: identity_key(&event.identity.id),
        kind,
        group: group_key(kind, event.identity.group.as_deref()),
        kind_group: group_key(kind, None),
        host: key(event, Feature::Host),
        prefix: key(event, Feature::Prefix),
        network: key(event, Feature::Network),
        country: key(event, Feature::Country),
        client: key(event, Feature::Client),
        action: key(event, Feature::Action),
        resource: key(event, Feature::Resource),
        level: level_of(event, facts.map(|f| f.level)),
        abuse: facts.and_then(|f| f.abuse),
        self_grant: event.activity == Activity::Grant
            && event.resource.as_deref() == Some(&*event.identity.id),
        lifetime_secs,
        issuer,
        hour_bin: hour_of_week::bin_of(event.time),
        hour: (event.time.epoch_ms() / MS_PER_HOUR) as u32,
    }
}

fn level_of(event: &Event<'_>, of_action: Option<AccessLevel>) -> Option<AccessLevel> {
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

/// Key of a feature; `None` where the event does not show it.
fn key(event: &Event<'_>, feature: Feature) -> Option<u32> {
    let space = feature as u64;
    match feature {
        Feature::Prefix => event.source.ip.map(|ip| address_key(space, ip, 24, 48)),
        Feature::Network => match (event.source.asn, event.source.ip) {
            (Some(asn), _) => Some(key32(space, &asn.to_be_bytes())),
            (None, ip) => ip.map(|ip| address_key(space, ip, 16, 32)),
        },
        Feature::Client => {
            let agent = event.source.user_agent.as_deref()?;
            let mut family = [0u8; CLIENT_BYTES];
            let length = client_family(agent, &mut family);
            Some(key32(space, &family[..length]))
        }
        Feature::Host => {
            let family = host_family(event.source.host.as_deref()?);
            Some(key32(space, family.as_bytes()))
        }
        Feature::Country => Some(key32(space, event.source.country.as_deref()?.as_bytes())),
        Feature::Action => Some(key32(space, event.action.as_deref()?.as_bytes())),
        Feature::Resource => {
            let family = resource_family(event.resource.as_deref()?);
            Some(key32(space, family.as_bytes()))
        }
    }
}

/// The feature as a person reads it; empty where the event does not show it.
#[must_use]
pub fn text<'e>(event: &'e Event<'_>, feature: Feature) -> Cow<'e, str> {
    let source = &event.source;
    let shown = match feature {
        Feature::Host => source.host.as_deref().map(host_family),
        Feature::Prefix => source.ip.map(|ip| Cow::Owned(prefix_text(ip, 24, 48))),
        Feature::Network => match (source.asn, source.ip) {
            (Some(asn), _) => Some(Cow::Owned(format!("AS{asn}"))),
            (None, ip) => ip.map(|ip| Cow::Owned(prefix_text(ip, 16, 32))),
        },
        Feature::Country => source.country.as_deref().map(Cow::Borrowed),
        Feature::Client => source.user_agent.as_deref().map(|agent| {
            let mut family = [0u8; CLIENT_BYTES];
            let length = client_family(agent, &mut family);
            Cow::Owned(String::from_utf8_lossy(&family[..length]).into_owned())
        }),
        Feature::Action => event.action.as_deref().map(Cow::Borrowed),
        Feature::Resource => event
            .resource
            .as_deref()
            .map(|resource| Cow::Borrowed(resource_family(resource))),
    };
    shown.unwrap_or_default()
}

fn masked(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> (IpAddr, u32) {
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

fn address_key(space: u64, ip: IpAddr, v4_bits: u32, v6_bits: u32) -> u32 {
    match masked(ip, v4_bits, v6_bits).0 {
        IpAddr::V4(v4) => key32(space, &v4.octets()),
        IpAddr::V6(v6) => key32(space, &v6.octets()),
    }
}

fn prefix_text(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> String {
    let (network, bits) = masked(ip, v4_bits, v6_bits);
    format!("{network}/{bits}")
}

/// Writes the description of a client with every word that holds a digit replaced by `#`, so that
/// a new version or a build number is the same client. Returns the length.
fn client_family(agent: &str, family: &mut [u8; CLIENT_BYTES]) -> usize {
    let mut length = 0;
    let mut word_start = 0;
    let mut word_has_digit = false;
    for byte in agent.bytes().take(4 * CLIENT_BYTES) {
        if length == CLIENT_BYTES {
            break;
        }
        // A version's dots and dashes belong to its word once a digit was seen.
        let in_word = byte.is_ascii_alphanumeric()
            || (word_has_digit && matches!(byte, b'.' | b'-' | b'_' | b'+'));
        if !in_word {
            word_start = length + 1;
            word_has_digit = false;
        } else if word_has_digit {
            continue;
        } else if byte.is_ascii_digit() {
            word_has_digit = true;
            family[word_start] = b'#';
            length = word_start + 1;
            continue;
        }
        family[length] = byte;
        length += 1;
    }
    length
}

/// The family of a host: generated parts of its name become `#`, so that a new replica is the same
/// host. Generated are parts between dashes that mix letters and digits and are four or longer
/// (`7f9c`, `0a1b2c3d`), parts of five or more without a vowel (`x2x9p`, `kqzxt`), and four numbers in
/// a row (`ip-10-2-3-4`). A plain number stays: `build-17` is one host of its own.
fn host_family(host: &str) -> Cow<'_, str> {
    if !host.as_bytes().contains(&b'-') {
        return Cow::Borrowed(host);
    }
    let (name, domain) = host.split_once('.').unwrap_or((host, ""));
    let parts = || name.split('-');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let numbers = parts().filter(|part| is_number(part)).count();
    if numbers < 4 && !parts().skip(1).any(is_generated) {
        return Cow::Borrowed(host);
    }
    let mut family = String::with_capacity(host.len());
    for (at, part) in parts().enumerate() {
        let generated = at > 0 && (is_generated(part) || (numbers >= 4 && is_number(part)));
        if generated && family.ends_with('#') {
            continue;
        }
        if at > 0 {
            family.push('-');
        }
        family.push_str(if generated { "#" } else { part });
    }
    if !domain.is_empty() {
        family.push('.');
        family.push_str(domain);
    }
    // `web-#-#` and `web-#` are one.
    Cow::Owned(family.replace("-#-#", "-#"))
}

fn is_generated(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
    let mixed = digits > 0 && letters > 0 && part.len() >= 4;
    let has_vowel = part.bytes().any(|b| b"aeiouyAEIOUY".contains(&b));
    mixed || (part.len() >= 5 && letters > 0 && !has_vowel)
}

/// The family of a resource: an ARN or path up to its first `/` past the scheme.
fn resource_family(resource: &str) -> &str {
    let scheme = resource
        .find(':')
        .filter(|at| resource[*at..].starts_with("://"))
        .map_or(0, |at| at + 3);
    let lead = scheme + usize::from(resource[scheme..].starts_with('/'));
    resource[lead..]
        .find('/')
        .map_or(resource, |at| &resource[..lead + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(agent: &str) -> String {
        let mut buffer = [0u8; CLIENT_BYTES];
        let length = client_family(agent, &mut buffer);
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn versions_do_not_make_a_client() {
        assert_eq!(family("aws-cli/2.17.0 Python/3.11.6"), "aws-cli/# Python/#");
        assert_eq!(
            family("aws-cli/2.18.1 Python/3.12"),
            family("aws-cli/2.17.0 Python/3.11.6")
        );
        assert_eq!(
            family("stratus-red-team_e1d92b9d-2488-4244"),
            "stratus-red-team_#"
        );
        assert_ne!(family("curl/8.1"), family("aws-cli/2.17"));
        assert!(family(&"x".repeat(10_000)).len() <= CLIENT_BYTES);
        assert_eq!(family("Größe/1"), family("Größe/2"));
    }

    #[test]
    fn replicas_are_one_host_and_numbered_hosts_are_not() {
        assert_eq!(host_family("web-7f9c-x2x9p"), "web-#");
        assert_eq!(
            host_family("web-7f9c4d-kqzxt"),
            host_family("web-1a2b3c-x2x9p")
        );
        assert_eq!(host_family("ip-10-2-3-4"), host_family("ip-172-16-0-9"));
        assert_eq!(host_family("ip-10-2-3-4.ec2.internal"), "ip-#.ec2.internal");
        assert_eq!(host_family("i-0abc123def4567890"), "i-#");
        for own in ["build-17", "vm-9", "laptop-0042", "db", "desktop-user", ""] {
            assert_eq!(host_family(own), own);
        }
        assert_ne!(host_family("web-7f9c-x2x9p"), host_family("api-7f9c-x2x9p"));
    }

    #[test]
    fn resources_are_known_by_what_holds_them() {
        assert_eq!(
            resource_family("arn:aws:s3:::builds/app.tgz"),
            "arn:aws:s3:::builds"
        );
        assert_eq!(
            resource_family("https://api.example/v1/x"),
            "https://api.example"
        );
        assert_eq!(resource_family("/secret/data/x"), "/secret");
        assert_eq!(resource_family("plain"), "plain");
        assert_eq!(resource_family(""), "");
    }

    #[test]
    fn prefixes_read_as_networks() {
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
}
