//! A fixed log with everything that signals look at, from a linear congruential generator.

use credwatch_core::event::{
    Activity, Credential, CredentialKind, Event, Identity, IdentityKind, Outcome, Source,
};
use credwatch_core::sighting::Sighting;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_SEC};
use std::borrow::Cow;

const START_MS: i64 = 1_767_571_200_000;
const MS_PER_MIN: i64 = 60 * MS_PER_SEC;

struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn at(ms: i64) -> EventTime {
    EventTime::from_epoch_ms(START_MS + ms).unwrap()
}

fn owned(text: impl Into<String>) -> Cow<'static, str> {
    Cow::Owned(text.into())
}

struct Writer {
    events: Vec<Event<'static>>,
    rng: Lcg,
}

/// Where somebody works.
#[derive(Clone, Copy)]
struct Site {
    host: &'static str,
    ip: [u8; 4],
    country: &'static str,
    asn: u32,
    place: (f64, f64),
    client: &'static str,
}

const OFFICE: Site = Site {
    host: "laptop",
    ip: [10, 1, 2, 3],
    country: "NO",
    asn: 29_695,
    place: (59.9, 10.7),
    client: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
};
const HOME: Site = Site {
    host: "laptop",
    ip: [84, 208, 7, 9],
    country: "NO",
    asn: 2_119,
    place: (60.4, 5.3),
    client: OFFICE.client,
};
const DATA_CENTRE: Site = Site {
    host: "build-1",
    ip: [192, 0, 2, 44],
    country: "DE",
    asn: 24_940,
    place: (50.1, 8.7),
    client: "aws-cli/2.17.1 Python/3.11",
};
const ATTACKER: Site = Site {
    host: "vps-77",
    ip: [203, 0, 113, 9],
    country: "RO",
    asn: 9_009,
    place: (44.4, 26.1),
    client: "python-requests/2.31",
};

impl Writer {
    fn push(
        &mut self,
        ms: i64,
        identity: Identity<'static>,
        activity: Activity,
    ) -> &mut Event<'static> {
        let id = self.events.len();
        self.events.push(Event {
            event_id: owned(format!("e{id}")),
            time: at(ms),
            identity,
            credential: None,
            activity,
            action: None,
            resource: None,
            source: Source::default(),
            purpose: None,
            outcome: Outcome::Success,
        });
        self.events.last_mut().unwrap()
    }
}

fn identity(kind: IdentityKind, number: u64) -> Identity<'static> {
    let (prefix, group) = match kind {
        IdentityKind::Human => (
            "person",
            (!number.is_multiple_of(4)).then(|| format!("team-{}", number % 2)),
        ),
        IdentityKind::Service => ("svc", None),
        IdentityKind::Workload => ("pod", Some("pods".to_owned())),
        IdentityKind::Automation => ("job", None),
    };
    Identity {
        id: owned(format!("{prefix}-{number:02}")),
        kind,
        group: group.map(Cow::Owned),
        owner: number.is_multiple_of(3).then(|| owned("team-platform")),
    }
}

fn source(site: Site, number: u64) -> Source<'static> {
    let [a, b, c, d] = site.ip;
    let host = match site.host {
        "laptop" => format!("LT-{number:04}"),
        other => other.to_owned(),
    };
    Source {
        host: Some(owned(host)),
        ip: Some(
            [
                a,
                b,
                c.wrapping_add(number as u8 % 3),
                d.wrapping_add(number as u8),
            ]
            .into(),
        ),
        user_agent: Some(Cow::Borrowed(site.client)),
        country: Some(Cow::Borrowed(site.country)),
        asn: Some(site.asn),
        position: Some(site.place),
        ..Source::default()
    }
}

fn credential(
    id: String,
    kind: CredentialKind,
    issued_ms: i64,
    lifetime_ms: Option<i64>,
) -> Credential<'static> {
    Credential {
        id: owned(id),
        kind: Some(kind),
        issuer: Some(Cow::Borrowed("idp")),
        issued_at: Some(at(issued_ms)),
        expires_at: lifetime_ms.map(|ms| at(issued_ms + ms)),
        scopes: vec![Cow::Borrowed("s3:GetObject"), Cow::Borrowed("repo:admin")],
    }
}

const ACTIONS: [&str; 6] = [
    "s3:ListBuckets",
    "s3:GetObject",
    "s3:GetObject",
    "s3:PutObject",
    "ec2:CreateTags",
    "ec2:DescribeInstances",
];

fn working_day(writer: &mut Writer, day: i64, number: u64) {
    let begin = day * MS_PER_DAY + (7 + number as i64 % 3) * MS_PER_HOUR;
    let site = if writer.rng.one_in(5) { HOME } else { OFFICE };
    let who = || identity(IdentityKind::Human, number);
    let mut ms = begin + writer.rng.below(1_800_000) as i64;
    for _ in 0..writer.rng.below(6) / 4 {
        let event = writer.push(ms, who(), Activity::Authenticate);
        event.source = source(site, number);
        event.credential = Some(credential(
            format!("pw-{number}"),
            CredentialKind::Password,
            0,
            None,
        ));
        event.outcome = Outcome::Failure;
        ms += 20 * MS_PER_SEC;
    }
    let event = writer.push(ms, who(), Activity::Authenticate);
    event.source = source(site, number);
    event.credential = Some(credential(
        format!("pw-{number}"),
        CredentialKind::Password,
        0,
        None,
    ));
    let token = format!("session-{number}-{day}");
    let (issued, lifetime) = (ms, 8 * MS_PER_HOUR);
    let count = 3 + writer.rng.below(6);
    for nth in 0..count {
        ms += (5 + writer.rng.below(50)) as i64 * MS_PER_MIN;
        let action = ACTIONS[writer.rng.below(ACTIONS.len() as u64) as usize];
        let bucket = writer.rng.below(3);
        let has_no_host = writer.rng.one_in(40);
        let is_denied = writer.rng.one_in(30);
        let activity = if nth % 4 == 3 {
            Activity::Refresh
        } else {
            Activity::Use
        };
        let event = writer.push(ms, who(), activity);
        event.source = source(site, number);
        event.credential = Some(credential(
            token.clone(),
            CredentialKind::Session,
            issued,
            Some(lifetime),
        ));
        event.action = Some(Cow::Borrowed(action));
        event.resource = Some(owned(format!("arn:aws:s3:::team-{bucket}/file-{nth}")));
        if has_no_host {
            event.source.host = None;
        }
        if is_denied {
            event.outcome = Outcome::Denied;
        }
    }
}

fn machine_day(writer: &mut Writer, day: i64, kind: IdentityKind, number: u64) {
    let key = format!("key-{kind}-{number}-{}", day / 10);
    for hour in (0..24).step_by(3 + number as usize % 2) {
        let ms = day * MS_PER_DAY + hour * MS_PER_HOUR + writer.rng.below(600_000) as i64;
        for nth in 0..1 + writer.rng.below(2) as i64 {
            let event = writer.push(
                ms + nth * 30 * MS_PER_SEC,
                identity(kind, number),
                Activity::Use,
            );
            event.source = source(DATA_CENTRE, 0);
            event.source.position = None;
            event.credential = Some(credential(key.clone(), CredentialKind::ApiKey, 0, None));
            event.action = Some(Cow::Borrowed(if number.is_multiple_of(2) {
                "s3:PutObject"
            } else {
                "s3:GetObject"
            }));
            event.resource = Some(owned(format!("arn:aws:s3:::builds/{hour}.tgz")));
            event.purpose = Some(owned(format!("job/{day}")));
        }
    }
    if day % 10 == 9 {
        let event = writer.push(
            day * MS_PER_DAY + 23 * MS_PER_HOUR,
            identity(kind, number),
            Activity::Rotate,
        );
        event.source = source(DATA_CENTRE, 0);
        event.credential = Some(credential(key, CredentialKind::ApiKey, 0, None));
    }
}

/// A stolen session: another host, network and client; enumeration, privilege escalation, covering tracks.
fn theft(writer: &mut Writer, day: i64, number: u64) {
    let begin = day * MS_PER_DAY + 11 * MS_PER_HOUR;
    let token = format!("session-{number}-{day}");
    let actions = [
        "s3:ListBuckets",
        "iam:ListUsers",
        "iam:AttachUserPolicy",
        "s3:GetObject",
        "cloudtrail:StopLogging",
    ];
    for (nth, action) in actions.into_iter().cycle().take(30).enumerate() {
        let ms = begin + nth as i64 * 12 * MS_PER_SEC;
        let is_grant = action == "iam:AttachUserPolicy";
        let activity = if is_grant {
            Activity::Grant
        } else {
            Activity::Use
        };
        let who = identity(IdentityKind::Human, number);
        let resource = match is_grant {
            true => who.id.clone(),
            false => owned(format!("arn:aws:s3:::secret-{nth}/x")),
        };
        let event = writer.push(ms, who, activity);
        event.source = source(ATTACKER, 0);
        event.credential = Some(credential(
            token.clone(),
            CredentialKind::Session,
            begin,
            Some(40 * MS_PER_DAY),
        ));
        event.action = Some(Cow::Borrowed(action));
        event.resource = Some(resource);
    }
}

/// Password guessing that succeeds in the end.
fn guessing(writer: &mut Writer, day: i64, number: u64) {
    for nth in 0..14 {
        let ms = day * MS_PER_DAY + 2 * MS_PER_HOUR + nth * 5 * MS_PER_SEC;
        let event = writer.push(
            ms,
            identity(IdentityKind::Human, number),
            Activity::Authenticate,
        );
        event.source = source(ATTACKER, 4);
        event.credential = Some(credential(
            format!("pw-{number}"),
            CredentialKind::Password,
            0,
            None,
        ));
        event.outcome = if nth < 13 {
            Outcome::Failure
        } else {
            Outcome::Success
        };
    }
}

/// A key that was revoked, an expired token, and a token that is used before it was issued.
fn dead_credentials(writer: &mut Writer, day: i64) {
    let begin = day * MS_PER_DAY + 9 * MS_PER_HOUR;
    let key = format!("key-service-1-{}", day / 10);
    let event = writer.push(begin, identity(IdentityKind::Service, 1), Activity::Revoke);
    event.credential = Some(credential(key.clone(), CredentialKind::ApiKey, 0, None));
    let lifetimes = [
        (key, 0, None),
        ("old".to_owned(), -3, Some(1)),
        ("early".to_owned(), 2, Some(9)),
    ];
    for (nth, (id, issued, lifetime)) in lifetimes.into_iter().enumerate() {
        let hours = MS_PER_HOUR;
        for again in 0..2 {
            let ms = begin + (1 + nth as i64) * MS_PER_MIN + again * 20 * MS_PER_SEC;
            let event = writer.push(ms, identity(IdentityKind::Service, 1), Activity::Use);
            event.source = source(DATA_CENTRE, 0);
            let lifetime = lifetime.map(|h| h * hours);
            event.credential = Some(credential(
                id.clone(),
                CredentialKind::AccessToken,
                begin + issued * hours,
                lifetime,
            ));
            event.action = Some(Cow::Borrowed("s3:GetObject"));
        }
    }
}

/// Many identities with one new host, as after a migration; a burst without purpose; late and repeated
/// events.
fn oddities(writer: &mut Writer, day: i64) {
    let begin = day * MS_PER_DAY + 13 * MS_PER_HOUR;
    for number in 0..9 {
        let event = writer.push(
            begin + number * MS_PER_MIN,
            identity(IdentityKind::Human, number as u64),
            Activity::Use,
        );
        event.source = source(OFFICE, number as u64);
        event.source.host = Some(Cow::Borrowed("jump-2"));
        event.action = Some(Cow::Borrowed("ec2:DescribeInstances"));
    }
    for nth in 0..60 {
        let ms = begin + 40 * MS_PER_MIN + nth * 2 * MS_PER_SEC;
        let event = writer.push(ms, identity(IdentityKind::Automation, 1), Activity::Use);
        event.source = source(DATA_CENTRE, 0);
        event.action = Some(Cow::Borrowed("s3:GetObject"));
        event.resource = Some(owned(format!("arn:aws:s3:::dump-{nth}/part")));
    }
    let repeated = writer.events.last().unwrap().clone();
    writer.events.push(repeated);
    let event = writer.push(
        begin - 2 * MS_PER_DAY,
        identity(IdentityKind::Human, 2),
        Activity::Use,
    );
    event.source = source(HOME, 2);
    event.action = Some(Cow::Borrowed("s3:GetObject"));
    let ahead = writer.push(
        begin + 90 * MS_PER_DAY,
        identity(IdentityKind::Human, 2),
        Activity::Use,
    );
    ahead.action = Some(Cow::Borrowed("s3:GetObject"));
}

/// A log of `days` days, in the order in which it is processed.
pub(crate) fn events(days: i64) -> Vec<Event<'static>> {
    let mut writer = Writer {
        events: Vec::new(),
        rng: Lcg(7),
    };
    for day in 0..days {
        let first = writer.events.len();
        for number in 0..9 {
            let is_working_day = day % 7 < 5 || writer.rng.one_in(12);
            let is_dormant = number == 8 && (15..33).contains(&day);
            if is_working_day && !is_dormant {
                working_day(&mut writer, day, number);
            }
        }
        for number in 0..3 {
            machine_day(&mut writer, day, IdentityKind::Service, number);
        }
        machine_day(&mut writer, day, IdentityKind::Workload, 0);
        machine_day(&mut writer, day, IdentityKind::Automation, 1);
        writer.events[first..].sort_by_key(|event| event.time);
        match day {
            10 | 30 => guessing(&mut writer, day, 5),
            11 | 31 => theft(&mut writer, day, 1),
            32 => theft(&mut writer, day, 3),
            8 | 28 => dead_credentials(&mut writer, day),
            9 | 29 => oddities(&mut writer, day),
            _ => {}
        }
    }
    writer.events
}

/// Authentications at their source networks: ordinary ones, and a spray on the last day.
pub(crate) fn sightings(days: i64) -> Vec<Sighting<'static>> {
    let mut rng = Lcg(11);
    let mut sightings = Vec::new();
    let mut push = |ms: i64, network: String, number: u64, outcome, is_known_source| {
        sightings.push(Sighting {
            event_id: owned(format!("s{}", sightings.len())),
            time: at(ms),
            network: owned(network),
            identity: identity(IdentityKind::Human, number),
            credential: Some(credential(
                format!("pw-{number}"),
                CredentialKind::Password,
                0,
                None,
            )),
            outcome,
            is_known_source,
            position: (number as i32 % 2, ms),
        });
    };
    for day in 0..days {
        for hour in 7..17 {
            for nth in 0..4 {
                let ms = day * MS_PER_DAY + hour * MS_PER_HOUR + nth * 9 * MS_PER_MIN;
                let number = rng.below(40);
                let outcome = if rng.one_in(12) {
                    Outcome::Failure
                } else {
                    Outcome::Success
                };
                push(
                    ms,
                    format!("10.1.{}.0/24", number % 3),
                    number,
                    outcome,
                    !rng.one_in(25),
                );
            }
        }
        if day == days - 1 {
            for nth in 0..300 {
                let ms = day * MS_PER_DAY + 18 * MS_PER_HOUR + nth * 3 * MS_PER_SEC;
                let outcome = if nth % 50 == 49 {
                    Outcome::Success
                } else {
                    Outcome::Failure
                };
                push(
                    ms,
                    "203.0.113.0/24".to_owned(),
                    nth as u64 % 40,
                    outcome,
                    false,
                );
            }
        }
    }
    sightings
}
