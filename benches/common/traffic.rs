//! Events of many identities for the benches that fill an engine.
#![allow(dead_code, reason = "each bench uses a subset")]

use credwatch::config::{Config, Sources};
use credwatch::shard::{ShardFactory, load_model};
use credwatch::simulation::rng::Rng;
use credwatch_core::engine::{Detail, Engine, Settings, SourcePosition};
use credwatch_core::event::{
    Activity, Credential, CredentialKind, Event, Identity, IdentityKind, Outcome, Source,
};
use credwatch_core::units::EventTime;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Event time between two events.
const STEP_MS: i64 = 25;
const START_MS: i64 = 1_772_438_400_000;
const ACTIONS: [&str; 6] = [
    "s3:GetObject",
    "s3:PutObject",
    "ec2:DescribeInstances",
    "sts:AssumeRole",
    "sqs:ReceiveMessage",
    "iam:ListUsers",
];
const AGENTS: [&str; 3] = ["aws-cli/2.17.0", "aws-sdk-go/1.44", "Boto3/1.34"];
const GROUPS: [&str; 8] = ["ci", "web", "data", "ops", "batch", "edge", "pay", "ml"];

/// Makes events of identities drawn by Zipf's law with exponent 1.
pub(crate) struct Traffic {
    dice: Rng,
    ids: Vec<String>,
    count: usize,
}

impl Traffic {
    /// Traffic of `identities` identities.
    pub(crate) fn new(identities: usize) -> Self {
        Self {
            dice: Rng::new(1),
            ids: (0..identities).map(|n| format!("svc-{n:07}")).collect(),
            count: 0,
        }
    }

    /// One event of each identity through `engine`.
    pub(crate) fn introduce(&mut self, engine: &mut Engine, origin: &SourcePosition) {
        for who in 0..self.ids.len() {
            let event = self.event(who);
            engine.step(&event, engine.keys(&event), origin, Detail::Score);
        }
    }

    /// An event of identity `who`.
    pub(crate) fn event(&mut self, who: usize) -> Event<'static> {
        let at_ms = START_MS + self.count as i64 * STEP_MS;
        self.count += 1;
        let dice = &mut self.dice;
        let habit = (who * 7 + dice.below(10) / 8) as u32;
        let time = EventTime::from_epoch_ms(at_ms).unwrap();
        Event {
            event_id: Cow::Owned(format!("e{}", self.count)),
            time,
            identity: Identity {
                id: Cow::Owned(self.ids[who].clone()),
                kind: IdentityKind::Service,
                group: Some(Cow::Borrowed(GROUPS[who % GROUPS.len()])),
                owner: None,
            },
            credential: Some(Credential {
                id: Cow::Owned(format!("key-{who}-{}", at_ms / 3_600_000)),
                kind: Some(CredentialKind::AccessToken),
                issuer: Some(Cow::Borrowed("vault")),
                issued_at: Some(time.saturating_add_ms(-60_000)),
                expires_at: Some(time.saturating_add_ms(3_540_000)),
                scopes: Vec::new(),
            }),
            activity: Activity::Use,
            action: Some(Cow::Borrowed(
                ACTIONS[(who + dice.below(10) / 4) % ACTIONS.len()],
            )),
            resource: Some(Cow::Owned(format!("arn:aws:s3:::bucket-{}/x", who % 997))),
            source: Source {
                host: Some(Cow::Owned(format!("node-{}", habit % 50_000))),
                ip: Some(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + habit % 50_000))),
                user_agent: Some(Cow::Borrowed(AGENTS[who % AGENTS.len()])),
                country: Some(Cow::Borrowed("NO")),
                asn: Some(29_695 + (who % 40) as u32),
                position: Some((59.9, 10.7)),
                ..Source::default()
            },
            purpose: Some(Cow::Borrowed("job")),
            outcome: if dice.chance(0.01) {
                Outcome::Failure
            } else {
                Outcome::Success
            },
        }
    }

    /// The next identity, by Zipf's law.
    pub(crate) fn zipf(&mut self) -> usize {
        let n = self.ids.len() as f64;
        let rank = libm::exp(self.dice.unit() * libm::log(n)) as usize;
        // Ranks are spread over the table, so that neighbours in rank are not neighbours in memory.
        (rank.wrapping_mul(2_654_435_761)) % self.ids.len()
    }
}

/// Number of identities: `CREDWATCH_BENCH_IDENTITIES`.
pub(crate) fn identities_wanted() -> usize {
    std::env::var("CREDWATCH_BENCH_IDENTITIES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000)
}

/// A cold engine of the default configuration, one partition.
pub(crate) fn cold_engine() -> Engine {
    Engine::new(settings())
}

/// Settings of the engine under the default configuration.
pub(crate) fn settings() -> Settings {
    let config = Config::load(&Sources::default()).unwrap();
    let model = load_model(&config).unwrap();
    ShardFactory::new(&config, model, 1).settings().clone()
}

/// Position of the events.
pub(crate) fn origin() -> SourcePosition {
    SourcePosition {
        topic: Arc::from("credential.events"),
        partition: 0,
        offset: 0,
        record_time: None,
    }
}
