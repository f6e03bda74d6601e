//! Which instance owns which partitions: each announces its address, so that any of them can ask the owner
//! of an identity. An announcement is authenticated by the service token, because that token is sent to the
//! address which the announcement states: whoever may write to the topic, and does not have the token, is
//! ignored.

use crate::config::Secret;
use crate::mutex::lock;
use crate::shard::partitioner::partition_of;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;

const CONTEXT: &str = "credwatch 2026 announcements of instances";
/// An instance that has not announced itself for this long is not asked.
const MAX_AGE_MS: i64 = 60_000;
/// Instances that are remembered.
const MAX_INSTANCES: usize = 1_024;

/// Where an instance answers, and for which partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Address of its API, without a path.
    pub url: String,
    /// Partitions of the events topic that it owns.
    pub partitions: BTreeSet<i32>,
    /// Partitions of the events topic.
    pub of: i32,
    /// When it announced itself, epoch milliseconds.
    pub time_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct SignedAnnouncement {
    announcement: String,
    mac: String,
}

/// The instances that announced themselves.
pub struct InstanceDirectory {
    url: String,
    token: Secret,
    key: [u8; 32],
    known: Mutex<BTreeMap<String, Announcement>>,
}

impl InstanceDirectory {
    /// An empty one, of the instance at `url`; `token` is the token of the service.
    #[must_use]
    pub fn new(url: &str, token: &Secret) -> Self {
        Self {
            url: url.to_owned(),
            token: token.clone(),
            key: blake3::derive_key(CONTEXT, token.reveal().as_bytes()),
            known: Mutex::default(),
        }
    }

    /// Address of this instance.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Token of the service, which is the same for all instances.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// An announcement as a record.
    #[must_use]
    pub fn encode(&self, announcement: &Announcement) -> Vec<u8> {
        let text = serde_json::to_string(announcement).unwrap_or_default();
        let mac = self.mac(&text).to_hex().to_string();
        let signed = SignedAnnouncement {
            announcement: text,
            mac,
        };
        serde_json::to_vec(&signed).unwrap_or_default()
    }

    fn mac(&self, text: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.key, text.as_bytes())
    }

    /// Remembers the announcement in a record; returns whether it was made with the token.
    pub fn take(&self, record: &[u8]) -> bool {
        let Some(announcement) = self.decode(record) else {
            return false;
        };
        let mut known = lock(&self.known);
        let is_newer = known
            .get(&announcement.url)
            .is_none_or(|before| before.time_ms < announcement.time_ms);
        if is_newer && (known.len() < MAX_INSTANCES || known.contains_key(&announcement.url)) {
            known.insert(announcement.url.clone(), announcement);
        }
        true
    }

    fn decode(&self, record: &[u8]) -> Option<Announcement> {
        let signed: SignedAnnouncement = serde_json::from_slice(record).ok()?;
        let mac = blake3::Hash::from_hex(&signed.mac).ok()?;
        if mac != self.mac(&signed.announcement) {
            return None;
        }
        serde_json::from_str(&signed.announcement).ok()
    }

    /// Addresses of the other instances, most likely owner of `identity` first. Producers may partition
    /// differently, so the others follow.
    #[must_use]
    pub fn others(&self, identity: &str, now_ms: i64) -> Vec<String> {
        let known = lock(&self.known);
        let live = known.values().filter(|known| is_live(known, now_ms));
        let mut others: Vec<&Announcement> = live
            .filter(|known| known.url != self.url && !known.partitions.is_empty())
            .collect();
        others.sort_by_key(|known| {
            let usual = partition_of(identity.as_bytes(), known.of.max(1));
            !known.partitions.contains(&usual)
        });
        others.into_iter().map(|known| known.url.clone()).collect()
    }

    /// Partitions that any instance owns, and all of them; `None` where no announcement is known.
    #[must_use]
    pub fn partitions(&self, now_ms: i64) -> Option<(usize, usize)> {
        let known = lock(&self.known);
        let live = known.values().filter(|known| is_live(known, now_ms));
        let (mut owned, mut all) = (BTreeSet::<i32>::new(), 0);
        for announcement in live {
            owned.extend(announcement.partitions.iter().copied());
            all = all.max(announcement.of);
        }
        let all = usize::try_from(all).ok().filter(|all| *all > 0);
        all.map(|all| (owned.len(), all))
    }
}

/// The key and the token are secret.
impl fmt::Debug for InstanceDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("InstanceDirectory");
        shown.field("url", &self.url).finish_non_exhaustive()
    }
}

fn is_live(announcement: &Announcement, now_ms: i64) -> bool {
    (now_ms - announcement.time_ms).abs() <= MAX_AGE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(url: &str, token: &str) -> InstanceDirectory {
        InstanceDirectory::new(url, &Secret::new(token.to_owned()))
    }

    fn announcement(url: &str, partitions: &[i32], time_ms: i64) -> Announcement {
        Announcement {
            url: url.to_owned(),
            partitions: partitions.iter().copied().collect(),
            of: 4,
            time_ms,
        }
    }

    #[test]
    fn the_owner_of_the_usual_partition_is_asked_first() {
        let here = directory("http://a", "t");
        let usual = partition_of(b"svc-deploy", 4);
        let others: Vec<i32> = (0..4).filter(|partition| *partition != usual).collect();
        assert!(here.take(&here.encode(&announcement("http://b", &others, 1_000))));
        assert!(here.take(&here.encode(&announcement("http://c", &[usual], 1_000))));
        assert!(here.take(&here.encode(&announcement("http://a", &[usual], 1_000))));
        assert_eq!(here.others("svc-deploy", 2_000), ["http://c", "http://b"]);
        assert_eq!(here.partitions(2_000), Some((4, 4)));
    }

    #[test]
    fn an_announcement_without_the_token_or_altered_is_ignored() {
        let here = directory("http://a", "right");
        let forged = directory("http://a", "wrong").encode(&announcement("http://evil", &[0], 1));
        assert!(!here.take(&forged));
        let real = here.encode(&announcement("http://b", &[0], 1));
        let altered = String::from_utf8(real)
            .unwrap()
            .replace("http://b", "http://e");
        assert!(!here.take(altered.as_bytes()));
        assert!(!here.take(b"") && !here.take(b"{}"));
        assert!(here.others("svc", 1).is_empty());
    }

    #[test]
    fn an_old_announcement_neither_replaces_a_newer_one_nor_counts() {
        let here = directory("http://a", "t");
        here.take(&here.encode(&announcement("http://b", &[0, 1], 5_000)));
        here.take(&here.encode(&announcement("http://b", &[0, 1, 2, 3], 4_000)));
        assert_eq!(here.partitions(5_000), Some((2, 4)));
        assert_eq!(here.partitions(5_000 + MAX_AGE_MS + 1), None);
        assert!(here.others("svc", 5_000 + MAX_AGE_MS + 1).is_empty());
    }
}
