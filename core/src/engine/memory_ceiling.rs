//! The most memory that one shard can take, whatever its input.

use super::{Settings, dedup};
use crate::baseline::credential::CredentialRecord;
use crate::baseline::group_baseline::GroupBaseline;
use crate::baseline::issuer::IssuerBaseline;
use crate::baseline::label_dictionary::MAX_LABEL_BYTES;
use crate::baseline::store::Entry;
use crate::containment::issued_orders::{IssuedOrder, MAX_ORDERS};
use crate::containment::source_logins::MAX_STORED_BYTES;
use crate::score::incident::Incident;
use crate::score::shared_deviations;
use crate::signal::SIGNAL_COUNT;

/// Maximum length of an id, as decoders permit it, in bytes.
const ID_BYTES: usize = 1_024;
/// Texts of one reading in an alert: observed, expected and a sentence of values that are cut.
const READING_TEXT_BYTES: usize = 3 * 1_024;
/// Id, group, owner, credential and issuer of a subject.
const SUBJECT_TEXT_BYTES: usize = 5 * ID_BYTES;
/// Features that a group counts by value.
const VALUE_MAPS: usize = 7;
/// A growing buffer holds up to twice what is in it.
const GROWTH: usize = 2;
/// A label with its entry in the dictionary.
const LABEL_BYTES: usize = MAX_LABEL_BYTES + 32;
/// Buckets of a lifetime histogram.
const ISSUER_HEAP_BYTES: usize = 64 << 10;

impl Settings {
    /// Upper bound of the memory of one shard with these settings, in bytes: every table full, every text of
    /// its maximum length. The ids of signed feedback, at most 200 KB for each trusted signer, are not in it.
    #[must_use]
    pub fn memory_ceiling_bytes(&self) -> u64 {
        let bounds = &self.parameters.bounds;
        let incident =
            size_of::<Incident>() + SIGNAL_COUNT * READING_TEXT_BYTES + SUBJECT_TEXT_BYTES;
        let group = |values| size_of::<GroupBaseline>() + VALUE_MAPS * map_bytes(values, 8);
        let tables = [
            (
                self.max_identities,
                GROWTH * size_of::<Entry>() + ID_BYTES + 16,
            ),
            (
                self.max_identities / 2,
                GROWTH * size_of::<CredentialRecord>() + 16,
            ),
            (bounds.groups, group(bounds.group_values)),
            (1, group(bounds.population_values)),
            (bounds.labels, GROWTH * LABEL_BYTES),
            (
                bounds.issuers,
                GROWTH * size_of::<IssuerBaseline>() + ISSUER_HEAP_BYTES,
            ),
            (bounds.open_incidents, incident),
            (
                shared_deviations::CAPACITY,
                GROWTH * shared_deviations::ENTRY_BYTES,
            ),
            (
                MAX_ORDERS,
                size_of::<IssuedOrder>() + SUBJECT_TEXT_BYTES + ID_BYTES,
            ),
            (1, GROWTH * MAX_STORED_BYTES),
            (1, dedup::TABLE_BYTES),
        ];
        tables
            .iter()
            .map(|(count, bytes)| (count * bytes) as u64)
            .sum()
    }
}

/// Bytes of a hash map of at most `values` values of `bytes` each.
fn map_bytes(values: usize, bytes: usize) -> usize {
    (values * 8 / 7 + 1).next_power_of_two() * (bytes + 1) + 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Detail, Engine, SourcePosition};
    use crate::event::{Activity, Credential, CredentialKind, Event, Identity, IdentityKind};
    use crate::units::EventTime;

    /// An event in which every name is new and every text is long.
    fn novel(nth: u64) -> Event<'static> {
        let long = |what: &str, bytes: usize| format!("{nth}-{what}-{}", "x".repeat(bytes)).into();
        let identity = Identity {
            id: long("identity", 900),
            kind: IdentityKind::Human,
            group: Some(long("group", 900)),
            owner: Some(long("owner", 900)),
        };
        let time = EventTime::EARLIEST.saturating_add_ms(nth as i64 * 1_000);
        let mut event = Event::new(long("event", 100), time, identity, Activity::Use);
        event.action = Some(long("action", 8_000));
        event.resource = Some(long("resource", 8_000));
        event.source.host = Some(long("host", 8_000));
        event.source.user_agent = Some(long("agent", 8_000));
        event.source.ip = Some(std::net::Ipv4Addr::from(nth as u32 * 257).into());
        event.credential = Some(Credential {
            id: long("credential", 200),
            kind: Some(CredentialKind::ApiKey),
            issuer: Some(long("issuer", 900)),
            issued_at: Some(time),
            expires_at: Some(time.saturating_add_ms(60_000)),
            scopes: vec![long("scope", 8_000)],
        });
        event
    }

    #[test]
    fn a_flood_of_novel_names_stays_below_the_ceiling() {
        let settings = Settings {
            max_identities: 500,
            ..Settings::default()
        };
        let ceiling = settings.memory_ceiling_bytes();
        let mut engine = Engine::new(settings);
        let position = SourcePosition {
            topic: "events".into(),
            partition: 0,
            offset: 0,
            record_time: None,
        };
        let mut half = 0;
        for nth in 0..6_000 {
            let event = novel(nth);
            engine.step(&event, engine.keys(&event), &position, Detail::Score);
            if nth == 3_000 {
                half = engine.health().state_bytes as u64;
            }
        }
        let health = engine.health();
        assert_eq!(health.identities, 500);
        assert!(
            (health.state_bytes as u64) < ceiling,
            "{} of {ceiling}",
            health.state_bytes
        );
        assert!(
            (health.state_bytes as u64) < 3 * half,
            "{} after {half}",
            health.state_bytes
        );
    }

    #[test]
    fn the_ceiling_grows_with_the_tables() {
        let of = |max_identities| {
            let settings = Settings {
                max_identities,
                ..Settings::default()
            };
            settings.memory_ceiling_bytes()
        };
        let per_identity = (of(200_000) - of(100_000)) / 100_000;
        assert!((2_000..4_000).contains(&per_identity), "{per_identity}");
    }
}
