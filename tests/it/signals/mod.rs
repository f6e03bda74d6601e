//! The contract of every signal: it detects its own scenario, better than chance; it is monotone; scoring
//! changes nothing; late data does no harm; a restored shard scores the same.

mod usual_behaviour;

use credwatch::config::{Config, Sources};
use credwatch::shard::{Shard, ShardFactory, ShardId, load_model};
use credwatch::simulation::SimulatedEvent;
use credwatch::simulation::attack::campaign;
use credwatch::simulation::organisation::Organisation;
use credwatch_core::engine::Detail;
use credwatch_core::signal::SIGNALS;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use credwatch_core::verdict::{EntityView, SignalName};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const START_MS: i64 = 1_767_571_200_000; // Monday 2026-01-05
const MINUTE_MS: i64 = 60_000;
/// The day of the attacks, after more than four weeks.
const FRIDAY: i64 = 32;

fn factory() -> ShardFactory {
    configured("")
}

fn configured(text: &str) -> ShardFactory {
    let mut sources = Sources::default();
    sources.files.push(("test".to_owned(), text.to_owned()));
    let config = Config::load(&sources).unwrap();
    ShardFactory::new(&config, load_model(&config).unwrap(), 1)
}

fn at(day: i64, hour: i64) -> EventTime {
    EventTime::from_epoch_ms(START_MS + day * MS_PER_DAY + hour * MS_PER_HOUR).unwrap()
}

/// Surprises of one record, by signal.
fn surprises(shard: &mut Shard, json: &[u8]) -> BTreeMap<SignalName, f64> {
    let handled = shard.handle(json, 0, None, Detail::Readings).unwrap();
    let signals = handled.step.verdict.unwrap().signals;
    let surprise = |s: &credwatch_core::verdict::SignalVerdict| (s.name, s.reading.surprise_nats());
    signals.iter().map(surprise).collect()
}

/// Largest surprise of each signal over records.
fn peaks<'r>(
    shard: &mut Shard,
    records: impl Iterator<Item = Vec<u8>> + 'r,
) -> BTreeMap<SignalName, f64> {
    let mut peaks = BTreeMap::new();
    for json in records {
        for (signal, nats) in surprises(shard, &json) {
            let peak = peaks.entry(signal).or_insert(0.0f64);
            *peak = peak.max(nats);
        }
    }
    peaks
}

fn of(peaks: &BTreeMap<SignalName, f64>, signal: SignalName) -> f64 {
    peaks.get(&signal).copied().unwrap_or(0.0)
}

/// The scenario that each signal must detect.
const SCENARIO_OF: [(SignalName, &str); 17] = [
    (SignalName::Host, "stolen_session"),
    (SignalName::Network, "service_key_abroad"),
    (SignalName::Client, "new_client"),
    (SignalName::Action, "enumeration"),
    (SignalName::Privilege, "self_promotion"),
    (SignalName::TokenLifetime, "forged_token"),
    (SignalName::CredentialAge, "expired_token"),
    (SignalName::Refresh, "refresh_storm"),
    (SignalName::Rhythm, "odd_hours"),
    (SignalName::Rate, "mass_download"),
    (SignalName::Failure, "guessed_password"),
    (SignalName::FanOut, "mass_download"),
    (SignalName::Travel, "impossible_travel"),
    (SignalName::Concurrency, "token_on_colleagues_host"),
    (SignalName::Dormancy, "dormant_account"),
    (SignalName::Purpose, "no_purpose"),
    (SignalName::Issuer, "forged_issuer"),
];

fn records(events: &[SimulatedEvent]) -> impl Iterator<Item = Vec<u8>> {
    events.iter().map(|simulated| simulated.event.to_json())
}

/// Refreshes once a day, so that a storm of them is one.
fn usual_refreshes(past: &[SimulatedEvent], victim: &str) -> Vec<Vec<u8>> {
    let of_victim = |e: &&SimulatedEvent| e.event.identity.id == victim;
    let known = past.iter().rev().find(of_victim).unwrap();
    let refresh = |day| {
        let mut event = known.event.clone();
        event.activity = "refresh";
        event.credential = None;
        event.event_id = Some(format!("usual-{day}"));
        event.time = Some(credwatch::sources::time::format_rfc3339(at(day, 9)));
        event.to_json()
    };
    (35..47).map(refresh).collect()
}

#[test]
fn every_signal_detects_its_own_scenario() {
    assert_eq!(SCENARIO_OF.len(), SIGNALS.len());
    let mut organisation = Organisation::new(41, 60);
    let past: Vec<SimulatedEvent> = (0..=FRIDAY)
        .flat_map(|day| organisation.day(at(day, 0)))
        .collect();
    let mut shard = factory().shard(ShardId::of_identities(0));
    // Tokens of the last day are in use when they are stolen.
    let morning = past.partition_point(|simulated| simulated.time < at(FRIDAY, 11));
    records(&past[..morning]).for_each(|json| drop(surprises(&mut shard, &json)));
    let mut rest_of_day = shard.clone();
    let mut benign: BTreeMap<&str, BTreeMap<SignalName, f64>> = BTreeMap::new();
    for simulated in &past[morning..] {
        let day = benign.entry(&simulated.event.identity.id).or_default();
        for (signal, nats) in surprises(&mut rest_of_day, &simulated.event.to_json()) {
            let peak = day.entry(signal).or_insert(0.0);
            *peak = peak.max(nats);
        }
    }
    for (signal, scenario) in SCENARIO_OF {
        let mut shard = shard.clone();
        let is_refresh = signal == SignalName::Refresh;
        let day = if is_refresh { 47 } else { FRIDAY };
        // A victim that is at work, so that its token is in use.
        let at_work = |events: &Vec<SimulatedEvent>| {
            let victim = events[0].event.identity.id.trim_end_matches("-former");
            let mut today = past[..morning].iter().filter(|e| e.time >= at(FRIDAY, 9));
            today.any(|e| e.event.identity.id == victim)
        };
        let mut campaigns = (0..20).map(|_| campaign(&mut organisation, scenario, at(day, 11)));
        let events = campaigns.find(at_work).unwrap();
        if is_refresh {
            let usual = usual_refreshes(&past, &events[0].event.identity.id);
            usual
                .iter()
                .for_each(|json| drop(surprises(&mut shard, json)));
        }
        let peak = of(&peaks(&mut shard, records(&events)), signal);
        assert!(peak >= 3.0, "{signal} reads {peak:.1} nats in {scenario}");
        let below = benign.values().filter(|day| of(day, signal) < peak).count();
        assert!(
            10 * below >= 9 * benign.len(),
            "{signal}: only {below} of {} ordinary days are below {peak:.1} nats",
            benign.len()
        );
    }
}

/// An event of ordinary work, as `change` makes it.
fn event(who: &str, at_ms: i64, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let morning_ms = at_ms - (at_ms - START_MS) % MS_PER_DAY + 8 * MS_PER_HOUR;
    let mut event = json!({
        "event_id": format!("{who}-{at_ms}"), "time": at_ms,
        "identity": {"id": who, "kind": "automation", "group": "ci"},
        "credential": {"id": format!("{who}-{morning_ms}"), "kind": "access_token", "issuer": "vault",
            "issued_at": morning_ms, "expires_at": morning_ms + 10 * MS_PER_HOUR},
        "activity": "use", "action": "s3:GetObject", "resource": "arn:aws:s3:::builds/app",
        "source": {"host": format!("{who}-1"), "ip": "10.2.3.4", "user_agent": "aws-cli/2.17.0",
            "country": "NO", "asn": 29695, "latitude": 59.9, "longitude": 10.7},
        "purpose": "job/1", "outcome": "success",
    });
    change(&mut event);
    event.to_string().into_bytes()
}

/// Moment of a probe: 10:30 on Monday of the sixth week.
const NOW_MS: i64 = START_MS + 35 * MS_PER_DAY + 10 * MS_PER_HOUR + 30 * MINUTE_MS;

/// Five weeks of work in working hours, of one identity and its peers, up to the probe.
fn settled() -> Shard {
    settled_in(&factory())
}

fn settled_in(factory: &ShardFactory) -> Shard {
    let mut shard = factory.shard(ShardId::of_identities(0));
    for day in (0..36).filter(|day| day % 7 < 5) {
        for minute in (8 * 60..18 * 60).step_by(20) {
            let at_ms = START_MS + day * MS_PER_DAY + minute * MINUTE_MS;
            if at_ms >= NOW_MS - 5 * MINUTE_MS {
                break;
            }
            for who in ["ada", "bo", "cy", "dee"] {
                let rare = minute == 12 * 60 && day % 3 == 0;
                let record = event(who, at_ms, |event| {
                    if rare {
                        event["source"]["host"] = json!(format!("{who}-2"));
                        event["action"] = json!("s3:ListBucket");
                    } else if minute % 60 == 40 {
                        event["activity"] = json!("refresh");
                    }
                });
                surprises(&mut shard, &record);
            }
        }
    }
    shard
}

type Change = fn(&mut Value);

/// One event at `NOW_MS` plus so many minutes.
fn once(minutes: i64, change: Change) -> Vec<Vec<u8>> {
    vec![event("ada", NOW_MS + minutes * MINUTE_MS, change)]
}

/// Many events, a second apart; `vary` gets the number of each.
fn many(count: i64, vary: fn(&mut Value, i64)) -> Vec<Vec<u8>> {
    let one = |n| event("ada", NOW_MS + n * 1_000, |event| vary(event, n));
    (0..count).map(one).collect()
}

fn source(name: &'static str, value: Value) -> impl FnOnce(&mut Value) {
    move |event| event["source"][name] = value
}

/// Probes of growing deviation.
fn ladder(signal: SignalName) -> Vec<Vec<Vec<u8>>> {
    let from = |name, value| vec![event("ada", NOW_MS, source(name, value))];
    let doing = |action: &str| {
        vec![event("ada", NOW_MS, |event| {
            event["action"] = json!(action)
        })]
    };
    let living = |minutes: i64| {
        vec![event("ada", NOW_MS, |event| {
            event["credential"]["id"] = json!("new");
            event["credential"]["issued_at"] = json!(NOW_MS);
            event["credential"]["expires_at"] = json!(NOW_MS + minutes * MINUTE_MS);
        })]
    };
    let usual = || once(0, |_| {});
    match signal {
        SignalName::Host => vec![
            usual(),
            from("host", json!("ada-2")),
            from("host", json!("bo-1")),
            from("host", json!("vps-9")),
        ],
        SignalName::Network => vec![
            usual(),
            from("ip", json!("10.9.9.9")),
            vec![event("ada", NOW_MS, |event| {
                event["source"]["ip"] = json!("203.0.113.9");
                event["source"]["country"] = json!("RO");
                event["source"]["asn"] = json!(9009);
            })],
        ],
        SignalName::Client => vec![
            usual(),
            from("user_agent", json!("aws-cli/2.18.1")),
            from("user_agent", json!("python-requests/2.31")),
        ],
        SignalName::Action => vec![usual(), doing("s3:ListBucket"), doing("kms:Decrypt")],
        SignalName::Privilege => vec![
            usual(),
            doing("s3:PutObject"),
            vec![event("ada", NOW_MS, |event| {
                event["activity"] = json!("grant");
                event["action"] = json!("iam:AttachUserPolicy");
                event["resource"] = json!("ada");
            })],
        ],
        SignalName::TokenLifetime => vec![living(600), living(1_200), living(40_000)],
        SignalName::CredentialAge => vec![
            usual(),
            once(0, |event| {
                event["credential"]["expires_at"] = json!(NOW_MS - MS_PER_HOUR);
            }),
        ],
        SignalName::Refresh => {
            let refreshes = |count| many(count, |event, _| event["activity"] = json!("refresh"));
            vec![refreshes(1), refreshes(3), refreshes(30)]
        }
        // The hour beside the usual ones, and one that is far from them.
        SignalName::Rhythm => vec![usual(), once(8 * 60, |_| {}), once(9 * 60, |_| {})],
        SignalName::Rate => vec![
            many(1, |_, _| {}),
            many(60, |_, _| {}),
            many(3_000, |_, _| {}),
        ],
        SignalName::Failure => {
            let failing = |count| many(count, |event, _| event["outcome"] = json!("failure"));
            vec![many(1, |_, _| {}), failing(2), failing(8)]
        }
        SignalName::FanOut => {
            let reading = |count| {
                many(count, |event, n| {
                    event["action"] = json!(format!("ec2:Describe{n}"))
                })
            };
            vec![many(1, |_, _| {}), reading(6), reading(100)]
        }
        SignalName::Travel => {
            let to = |latitude: f64| {
                vec![event("ada", NOW_MS, |event| {
                    event["identity"]["kind"] = json!("human");
                    event["source"]["asn"] = json!(9009);
                    event["source"]["latitude"] = json!(latitude);
                })]
            };
            vec![to(59.8), to(-33.9)]
        }
        SignalName::Concurrency => vec![
            usual(),
            vec![
                event("ada", NOW_MS, |_| {}),
                event("ada", NOW_MS + 1, |event| {
                    event["source"]["host"] = json!("vps-9");
                    event["source"]["asn"] = json!(9009);
                }),
            ],
        ],
        SignalName::Dormancy => vec![
            once(120, |_| {}),
            once(3 * 24 * 60, |_| {}),
            once(28 * 24 * 60, |_| {}),
        ],
        SignalName::Purpose => vec![usual(), once(0, |event| event["purpose"] = Value::Null)],
        SignalName::Issuer => {
            let by = |issuer: &'static str| {
                vec![event("ada", NOW_MS, |event| {
                    event["credential"]["id"] = json!("new");
                    event["credential"]["issuer"] = json!(issuer);
                })]
            };
            vec![usual(), by("https://sts.example.net")]
        }
    }
}

#[test]
fn every_signal_is_monotone() {
    let shard = settled();
    for signal in SIGNALS.iter().map(|signal| signal.name()) {
        let steps = ladder(signal).into_iter();
        let heights: Vec<f64> = steps
            .map(|records| of(&peaks(&mut shard.clone(), records.into_iter()), signal))
            .collect();
        let (first, last) = (heights[0], heights[heights.len() - 1]);
        assert!(heights.is_sorted(), "{signal}: {heights:.2?}");
        assert!(last >= first + 2.0, "{signal}: {heights:.2?}");
    }
}

#[test]
fn scoring_changes_nothing_and_a_restore_scores_the_same() {
    let (factory, shard) = (factory(), settled());
    let mut left = Vec::new();
    shard.save(&mut left).unwrap();
    let reopened = factory
        .reopen(EntityView::Identity, left.as_slice())
        .unwrap();
    for signal in SIGNALS.iter().map(|signal| signal.name()) {
        for records in ladder(signal) {
            // A record repeated is judged and not learned: between its two verdicts stands scoring alone.
            let (mut first, mut again) = (shard.clone(), reopened.clone());
            for record in &records {
                let once = surprises(&mut first, record);
                assert_eq!(once, surprises(&mut again, record), "{signal}, reopened");
                let repeated = again.handle(record, 0, None, Detail::Readings).unwrap();
                assert!(repeated.step.duplicate);
            }
        }
    }
}

#[test]
fn late_data_does_no_harm() {
    let shard = settled();
    let mut disturbed = shard.clone();
    for n in 0..200 {
        let late = event("ada", START_MS + 12 * MS_PER_HOUR + n * 1_000, |event| {
            event["event_id"] = json!(format!("late-{n}"));
        });
        surprises(&mut disturbed, &late);
    }
    assert_eq!(disturbed.health().late, 200);
    for signal in SIGNALS.iter().map(|signal| signal.name()) {
        let steps = ladder(signal);
        let severest = steps.last().unwrap();
        let height =
            |shard: &Shard| of(&peaks(&mut shard.clone(), severest.iter().cloned()), signal);
        let (calm, after) = (height(&shard), height(&disturbed));
        assert!(
            after >= 0.7 * calm,
            "{signal}: {calm:.1} nats, then {after:.1}"
        );
    }
}

#[test]
fn a_disabled_signal_gives_no_reading_and_still_learns() {
    let factory = configured("[detect]\ndisabled_signals = [\"host\"]\n");
    let without = settled_in(&factory);
    let stranger = event("ada", NOW_MS, source("host", json!("vps-9")));
    assert!(!surprises(&mut without.clone(), &stranger).contains_key(&SignalName::Host));
    let mut left = Vec::new();
    without.save(&mut left).unwrap();
    let mut on_again = self::factory()
        .reopen(EntityView::Identity, left.as_slice())
        .unwrap();
    let height = |shard: &mut Shard| surprises(shard, &stranger)[&SignalName::Host];
    assert!((height(&mut on_again) - height(&mut settled())).abs() < 0.5);
}

/// Score and threshold of one record.
fn score(shard: &mut Shard, record: &[u8]) -> (f64, f64) {
    let threshold = shard.health().threshold_nats;
    let output = shard.handle(record, 0, None, Detail::Score).unwrap().step;
    (output.score_nats, threshold)
}

fn stop_logging(who: &str, minutes: i64) -> Vec<u8> {
    event(who, NOW_MS + minutes * MINUTE_MS, |event| {
        event["action"] = json!("cloudtrail:StopLogging");
        event["resource"] = json!("arn:aws:cloudtrail:::trail/main");
    })
}

#[test]
fn an_action_known_from_attacks_alerts_for_a_second_identity_too() {
    let mut shard = settled();
    for (who, minutes) in [("ada", 0), ("bo", 90)] {
        let (score, threshold) = score(&mut shard, &stop_logging(who, minutes));
        assert!(score >= threshold, "{who}: {score:.1} of {threshold:.1}");
    }
}

#[test]
fn a_credential_is_bound_at_its_first_use_even_under_an_open_alert() {
    let mut shard = settled();
    score(&mut shard, &stop_logging("ada", 0));
    assert_eq!(shard.health().open_alerts, 1);
    let token = |minutes, host: &str, asn: u32| {
        event("ada", NOW_MS + minutes * MINUTE_MS, |event| {
            event["credential"]["id"] = json!("new");
            event["source"]["host"] = json!(host);
            event["source"]["asn"] = json!(asn);
        })
    };
    surprises(&mut shard, &token(1, "ada-1", 29_695));
    let moved = surprises(&mut shard, &token(2, "vps-9", 9_009));
    assert!(of(&moved, SignalName::Concurrency) >= 3.0, "{moved:?}");
}
