//! A small organisation with both views, as the attacks of this suite meet it.

use credwatch_core::catalogue::{Abuse, AccessLevel, Catalogue};
use credwatch_core::containment::guardrail::Guardrails;
use credwatch_core::containment::policy::{Policy, Rule};
use credwatch_core::containment::{Action, Mode};
use credwatch_core::engine::{
    Alert, Decision, Detail, Engine, Settings, SourcePosition, StepOutput,
};
use credwatch_core::enrich::source_network;
use credwatch_core::event::{
    Activity, Credential, CredentialKind, Event, Identity, IdentityKind, Outcome,
};
use credwatch_core::sighting::Sighting;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};
use credwatch_core::verdict::{EntityView, Severity, Technique};
use std::net::IpAddr;
use std::sync::Arc;

/// A Monday.
const START_MS: i64 = 1_767_571_200_000;
/// Days of ordinary work before an attack.
pub(crate) const DAYS: i64 = 21;
/// People of the organisation.
pub(crate) const PEOPLE: usize = 40;
/// Noon of the day after.
pub(crate) const NOON_MS: i64 = DAYS * MS_PER_DAY + 12 * MS_PER_HOUR;

pub(crate) fn at(ms: i64) -> EventTime {
    EventTime::from_epoch_ms(START_MS + ms).unwrap()
}

pub(crate) fn person(number: usize) -> String {
    format!("person-{number:02}")
}

/// One event of `identity`, `ms` after the start.
pub(crate) fn event(identity: &str, ms: i64, activity: Activity) -> Event<'static> {
    let owner = Identity {
        id: identity.to_owned().into(),
        kind: IdentityKind::Human,
        group: Some("staff".into()),
        owner: None,
    };
    let id = format!("{identity}/{ms}/{activity}");
    let mut event = Event::new(id.into(), at(ms), owner, activity);
    event.action = Some(match activity {
        Activity::Authenticate => "sso:Login".into(),
        _ => "s3:GetObject".into(),
    });
    event
}

/// A sign-in of `identity` from `ip`.
pub(crate) fn sign_in(identity: &str, ms: i64, ip: &str, outcome: Outcome) -> Event<'static> {
    let mut event = event(identity, ms, Activity::Authenticate);
    event.source.ip = Some(ip.parse().unwrap());
    event.outcome = outcome;
    event
}

/// Ordinary work of person `number`.
pub(crate) fn work(number: usize, ms: i64, activity: Activity) -> Event<'static> {
    let mut event = event(&person(number), ms, activity);
    event.source.ip = Some(IpAddr::from([10, 1, number as u8, 7]));
    event.source.host = Some(format!("laptop-of-{number}").into());
    event.source.user_agent = Some("Mozilla/5.0 Firefox/140.0".into());
    event.credential = Some(Credential {
        id: format!("session-{number}").into(),
        kind: Some(CredentialKind::Session),
        issuer: Some("sso".into()),
        issued_at: None,
        expires_at: None,
        scopes: Vec::new(),
    });
    event
}

/// What a thief does with the session of person `number`: five events within two minutes.
pub(crate) fn theft(number: usize, ms: i64, ip: &str) -> Vec<Event<'static>> {
    let actions = [
        "sts:GetCallerIdentity",
        "iam:ListUsers",
        "iam:CreateAccessKey",
        "s3:ListBuckets",
    ];
    let mut events = vec![work(number, ms, Activity::Authenticate)];
    events.extend(actions.iter().enumerate().map(|(nth, action)| {
        let mut event = work(number, ms + 20_000 * (nth as i64 + 1), Activity::Use);
        event.action = Some((*action).into());
        event
    }));
    for event in &mut events {
        event.source.ip = Some(ip.parse().unwrap());
        event.source.host = Some("kali".into());
        event.source.user_agent = Some("python-requests/2.31".into());
    }
    events
}

fn policy() -> Policy {
    Policy(vec![
        Rule::new(
            "step_up",
            &[Severity::Low, Severity::Medium],
            Action::StepUp,
        ),
        Rule::new("revoke", &[Severity::High], Action::Revoke),
        Rule::new("suspend", &[Severity::Critical], Action::Suspend),
    ])
}

fn settings(entity: EntityView) -> Settings {
    let mut catalogue = Catalogue::default();
    catalogue.set_level("iam:CreateAccessKey", AccessLevel::Permissions);
    let abuse = Abuse {
        technique: Technique {
            id: "T1098.001",
            name: "Additional Cloud Credentials",
        },
        rarely_legitimate: true,
    };
    catalogue.set_abuse("iam:CreateAccessKey", abuse);
    Settings {
        entity,
        catalogue: Arc::new(catalogue),
        model_hash: "hostile".into(),
        policy: Arc::new(policy()),
        guardrails: Guardrails {
            mode: Mode::Enforce,
            max_share: 0.5,
            ..Guardrails::default()
        },
        ..Settings::default()
    }
}

/// Both views of one shard.
#[derive(Clone)]
pub(crate) struct Organisation {
    pub(crate) identities: Engine,
    pub(crate) sources: Engine,
    offset: i64,
}

impl Organisation {
    /// An organisation without history.
    pub(crate) fn new() -> Self {
        Self {
            identities: Engine::new(settings(EntityView::Identity)),
            sources: Engine::new(settings(EntityView::Source)),
            offset: 0,
        }
    }

    /// An organisation after [`DAYS`] of ordinary work.
    pub(crate) fn at_work() -> Self {
        let mut organisation = Self::new();
        organisation.work_days();
        organisation
    }

    /// The same, with room for `networks` sources.
    pub(crate) fn at_work_with_sources(networks: usize) -> Self {
        let mut organisation = Self::new();
        organisation.sources = Engine::new(Settings {
            max_identities: networks,
            ..settings(EntityView::Source)
        });
        organisation.work_days();
        organisation
    }

    fn work_days(&mut self) {
        for day in 0..DAYS {
            self.work_day(day);
        }
    }

    /// One ordinary day: everybody signs in and works, each a little at another minute.
    pub(crate) fn work_day(&mut self, day: i64) {
        let mut events = Vec::new();
        for number in 0..PEOPLE {
            let minute = (number as i64 * 7 + day * 3) % 50;
            let start = day * MS_PER_DAY + 8 * MS_PER_HOUR + minute * 60_000;
            events.push(work(number, start, Activity::Authenticate));
            for nth in 1..6 {
                events.push(work(
                    number,
                    start + nth * MS_PER_HOUR * 3 / 2,
                    Activity::Use,
                ));
            }
        }
        events.sort_by_key(|event| event.time);
        events.iter().for_each(|event| {
            self.see(event);
        });
    }

    /// Processes one event in both views.
    pub(crate) fn see(&mut self, event: &Event<'_>) -> Seen {
        self.see_at(event, None)
    }

    /// The same, in a record of the broker's `record_time`.
    pub(crate) fn see_at(&mut self, event: &Event<'_>, record_time: Option<EventTime>) -> Seen {
        self.offset += 1;
        let position = SourcePosition {
            topic: "events".into(),
            partition: 0,
            offset: self.offset,
            record_time,
        };
        let mut event = event.clone();
        event.bound_time(record_time);
        let keys = self.identities.keys(&event);
        let output = self.identities.step(&event, keys, &position, Detail::Score);
        let at_source = self.sighting(&event, &output).map(|sighting| {
            self.sources
                .step_sighting(&sighting, &position, Detail::Score)
        });
        Seen {
            score_nats: output.score_nats,
            alerts: output
                .alerts
                .into_iter()
                .chain(at_source.into_iter().flat_map(|output| output.alerts))
                .collect(),
        }
    }

    fn sighting<'e>(&self, event: &'e Event<'_>, output: &StepOutput) -> Option<Sighting<'e>> {
        if event.activity != Activity::Authenticate || output.duplicate {
            return None;
        }
        Some(Sighting {
            event_id: (&*event.event_id).into(),
            time: event.time,
            network: source_network(event)?.into(),
            identity: Identity {
                id: (&*event.identity.id).into(),
                kind: event.identity.kind,
                group: None,
                owner: None,
            },
            credential: None,
            outcome: event.outcome,
            is_known_source: output.is_known_source,
            position: (0, self.offset),
        })
    }

    /// Processes all of `events`.
    pub(crate) fn see_all<'e>(&mut self, events: impl IntoIterator<Item = &'e Event<'e>>) -> Seen {
        let mut all = Seen::default();
        for event in events {
            let seen = self.see(event);
            all.score_nats = all.score_nats.max(seen.score_nats);
            all.alerts.extend(seen.alerts);
        }
        all
    }
}

/// What came of some events.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The largest score in the view by identity.
    pub(crate) score_nats: f64,
    pub(crate) alerts: Vec<Alert>,
}

impl Seen {
    /// Decisions that executors act on.
    pub(crate) fn containments(&self) -> Vec<&Decision> {
        let decisions = self.alerts.iter().flat_map(|alert| &alert.decisions);
        decisions
            .filter(|d| d.guarded.action > Action::Notify)
            .collect()
    }

    /// The strongest action.
    pub(crate) fn action(&self) -> Action {
        let actions = self.containments().into_iter().map(|d| d.guarded.action);
        actions.max().unwrap_or(Action::Notify)
    }

    /// Whether an alert is about the view `entity`.
    pub(crate) fn has_alert_of(&self, entity: EntityView) -> bool {
        self.alerts.iter().any(|alert| alert.entity == entity)
    }
}
