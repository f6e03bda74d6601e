//! A shard, its log and its store under seeded faults: crashes at any step, aborted transactions,
//! checkpoints that are late, incremental or missing, a group whose offset is reset. Whatever happens,
//! readers of committed records see what an undisturbed run publishes. One seed is one history.

use credwatch::config::{Config, Sources};
use credwatch::outputs::sighting_record;
use credwatch::persistence::state_record_codec::RecordSink;
use credwatch::shard::{Shard, ShardFactory, ShardId, ShardRestore, load_model};
use credwatch::simulation::attack::{SCENARIOS, campaign};
use credwatch::simulation::organisation::Organisation;
use credwatch::simulation::rng::Rng;
use credwatch_core::engine::Detail;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use std::collections::BTreeMap;
use std::ops::Range;

const START_MS: i64 = 1_767_571_200_000;
const DAYS: i64 = 5;
/// Histories of the view by identity; each is some hundred records with about ten faults.
/// `CREDWATCH_TEST_SEEDS` runs more.
const SEEDS: u64 = 400;
/// Histories of the view by source, as a part of these.
const SOURCES_SHARE: u64 = 3;

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// What Kafka keeps of one partition.
#[derive(Default)]
struct Broker {
    published: Vec<Vec<u8>>,
    baselines: Records,
    committed: i64,
}

/// Records of baselines in an open transaction.
#[derive(Default)]
struct Checkpoint {
    records: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    is_sent: bool,
}

/// One run of the product between two faults.
struct Owner<'b> {
    shard: Shard,
    pending: Vec<Vec<u8>>,
    checkpoint: Option<Checkpoint>,
    broker: &'b mut Broker,
}

/// What a shard reads.
struct History {
    factory: ShardFactory,
    id: ShardId,
    log: Vec<Vec<u8>>,
}

/// Now and then with fewer places than identities, so that some give way and come back.
fn factory(seed: u64) -> ShardFactory {
    let max_identities = if seed % 4 == 3 { 20 } else { 1_000 };
    let mut sources = Sources::default();
    let text = format!("[detect]\nmax_identities = {max_identities}\n");
    sources.files.push(("test".to_owned(), text));
    let config = Config::load(&sources).unwrap();
    ShardFactory::new(&config, load_model(&config).unwrap(), 1)
}

/// Some events of an organisation in which campaigns of `scenarios` begin from the third day on.
fn log(seed: u64, scenarios: &[&'static str]) -> Vec<Vec<u8>> {
    let mut organisation = Organisation::new(seed, 30);
    let mut events = Vec::new();
    for day in 0..DAYS {
        organisation.change(day);
        let midnight = EventTime::from_epoch_ms(START_MS + day * MS_PER_DAY).unwrap();
        events.extend(organisation.day(midnight).into_iter().step_by(5));
        if day >= 2 {
            let scenario = scenarios[(seed as usize + day as usize) % scenarios.len()];
            let noon = midnight.saturating_add_ms(12 * MS_PER_HOUR);
            events.extend(campaign(&mut organisation, scenario, noon));
        }
    }
    events.sort_by_key(|event| event.time);
    let mut records: Vec<Vec<u8>> = events.iter().map(|e| e.event.to_json()).collect();
    let mut dice = Rng::new(seed ^ 0xbad);
    // Garbage and repetitions are part of every log.
    for _ in 0..20 {
        let at = dice.below(records.len());
        records.insert(at, b"{\"time\":".to_vec());
        let again = records[dice.below(records.len())].clone();
        records.insert(dice.below(records.len()), again);
    }
    records
}

impl Owner<'_> {
    fn take(&mut self, log: &[Vec<u8>], offset: i64) {
        if offset < self.shard.next_offset() {
            return;
        }
        let record = &log[offset as usize];
        let Ok(handled) = self.shard.handle(record, offset, None, Detail::Score) else {
            return self.shard.skip(offset);
        };
        let alerts = handled.step.alerts;
        let published = self.shard.output_records(&alerts, None, Some(record));
        let published = handled.sighting.into_iter().chain(published);
        self.pending.extend(published.map(|output| output.payload));
    }

    fn begin_checkpoint(&mut self) {
        if self.checkpoint.is_none() && self.shard.has_changed() {
            self.checkpoint = Some(Checkpoint::default());
            self.send(|shard, send| shard.begin_checkpoint(send).map(|_| false));
        }
    }

    fn write_checkpoint_chunk(&mut self, most_bytes: usize) {
        self.send(|shard, send| shard.write_checkpoint_chunk(most_bytes, send));
    }

    fn send(
        &mut self,
        save: impl FnOnce(&mut Shard, &mut RecordSink<'_>) -> std::io::Result<bool>,
    ) {
        if let Some(Checkpoint { records, is_sent }) = &mut self.checkpoint {
            let mut send = |key: &[u8], value: Option<&[u8]>| {
                records.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                Ok(())
            };
            *is_sent = save(&mut self.shard, &mut send).unwrap();
        }
    }

    fn abort_checkpoint(&mut self) {
        if self.checkpoint.take().is_some() {
            self.shard.abort_checkpoint();
        }
    }

    /// Commits outputs and offset.
    fn commit(&mut self) {
        self.broker.published.append(&mut self.pending);
        self.broker.committed = self.shard.next_offset();
    }

    /// Commits the state too, right after that; what it is of was committed before or just now.
    fn commit_checkpoint(&mut self) {
        if let Some(checkpoint) = self.checkpoint.take_if(|checkpoint| checkpoint.is_sent) {
            for (key, value) in checkpoint.records {
                match value {
                    Some(value) => drop(self.broker.baselines.insert(key, value)),
                    None => drop(self.broker.baselines.remove(&key)),
                }
            }
            self.shard.commit_checkpoint();
        }
    }
}

/// Takes the shard up as a new owner does.
fn take_up<'b>(history: &History, broker: &'b mut Broker) -> Owner<'b> {
    let History { factory, id, log } = history;
    let mut restoration = ShardRestore::new(factory, *id);
    for (key, value) in &broker.baselines {
        restoration.apply(key, Some(value), 0);
    }
    let kept = restoration.finish().unwrap();
    let mut shard = kept.unwrap_or_else(|| factory.shard(*id));
    shard.track_changes();
    for offset in shard.next_offset()..broker.committed {
        shard.replay(&log[offset as usize], offset, None);
    }
    Owner {
        shard,
        pending: Vec::new(),
        checkpoint: None,
        broker,
    }
}

fn undisturbed(history: &History) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut broker = Broker::default();
    let mut owner = take_up(history, &mut broker);
    (0..history.log.len() as i64).for_each(|offset| owner.take(&history.log, offset));
    owner.commit();
    let state = whole(&owner.shard);
    (broker.published, state)
}

fn whole(shard: &Shard) -> Vec<u8> {
    let mut bytes = Vec::new();
    shard.save(&mut bytes).unwrap();
    bytes
}

fn disturbed(history: &History, dice: &mut Rng) -> (Vec<Vec<u8>>, Vec<u8>, u32) {
    let log = &history.log;
    let (mut broker, mut crashes) = (Broker::default(), 0);
    loop {
        let mut owner = take_up(history, &mut broker);
        // A group whose offset was set back reads again what the state holds.
        let back = if dice.chance(0.1) {
            dice.below(200) as i64
        } else {
            0
        };
        let mut offset = (owner.broker.committed - back).max(0);
        let crashes_at = offset + 1 + dice.below(log.len() / 6 + 1) as i64;
        while offset < log.len() as i64 && offset < crashes_at {
            let batch = 1 + dice.below(60) as i64;
            let end = (offset + batch).min(log.len() as i64);
            for offset in offset..end {
                owner.take(log, offset);
                if dice.chance(0.3) {
                    owner.write_checkpoint_chunk(dice.below(40_000));
                }
            }
            offset = end;
            if dice.chance(0.2) {
                owner.begin_checkpoint();
            }
            // Outputs are aborted, and then published again with the same bytes; or the process gives up.
            if dice.chance(0.1) && dice.chance(0.5) {
                break;
            }
            owner.commit();
            match dice.below(10) {
                0 => owner.abort_checkpoint(),
                1..7 => owner.commit_checkpoint(),
                _ => {}
            }
        }
        if offset >= log.len() as i64 {
            owner.commit();
            owner.abort_checkpoint();
            owner.begin_checkpoint();
            owner.write_checkpoint_chunk(usize::MAX);
            owner.commit_checkpoint();
            let state = whole(&owner.shard);
            return (broker.published, state, crashes);
        }
        crashes += 1;
    }
}

#[test]
fn faults_do_not_change_what_is_committed() {
    histories(0..seeds() / 2, |seed| of_identities(seed, &SCENARIOS));
}

#[test]
fn faults_do_not_change_what_is_committed_in_further_histories() {
    histories(seeds() / 2..seeds(), |seed| of_identities(seed, &SCENARIOS));
}

fn of_identities(seed: u64, scenarios: &[&'static str]) -> History {
    History {
        factory: factory(seed),
        id: ShardId::of_identities(0),
        log: log(seed, scenarios),
    }
}

#[test]
fn source_shards_publish_what_an_undisturbed_run_publishes() {
    histories(0..seeds() / SOURCES_SHARE, |seed| {
        let history = of_identities(seed, &["password_spray", "credential_stuffing"]);
        let (published, _) = undisturbed(&history);
        let is_sighting = |record: &Vec<u8>| sighting_record::decode(record).is_ok();
        History {
            id: ShardId::of_sources(0),
            log: published.into_iter().filter(is_sighting).collect(),
            ..history
        }
    });
}

fn seeds() -> u64 {
    let wanted = std::env::var("CREDWATCH_TEST_SEEDS");
    wanted.map_or(SEEDS, |text| text.parse().unwrap())
}

fn histories(seeds: Range<u64>, of_seed: impl Fn(u64) -> History) {
    let (mut crashes, mut published) = (0, 0);
    let at_least = 2 * (seeds.end - seeds.start);
    for seed in seeds {
        let history = of_seed(seed);
        let (expected, calm) = undisturbed(&history);
        let (found, after, crashed) = disturbed(&history, &mut Rng::new(seed));
        assert!(
            expected == found,
            "seed {seed}: other records were published"
        );
        assert!(calm == after, "seed {seed}: another state was left");
        crashes += u64::from(crashed);
        published += expected.len() as u64;
    }
    assert!(
        crashes > at_least && published > at_least,
        "{crashes} crashes, {published} records"
    );
}
