//! An organisation, and its events on an ordinary day.

use crate::simulation::SimulatedEvent;
use crate::simulation::member::{Member, Site, Work, everyone};
use crate::simulation::places;
use crate::simulation::places::Place;
use crate::simulation::rng::Rng;
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};
use crate::sources::time::format_rfc3339;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR, MS_PER_SEC};

/// All members.
pub struct Organisation {
    /// The members.
    pub members: Vec<Member>,
    dice: Rng,
    serial: u64,
    /// Start and end of the outage of a central service; epoch milliseconds.
    pub outage: Option<(i64, i64)>,
}

/// One use: milliseconds since midnight, and the device at its location.
type Moment = (i64, Site);

impl Organisation {
    /// An organisation of about `size` identities.
    #[must_use]
    pub fn new(seed: u64, size: usize) -> Self {
        let mut dice = Rng::new(seed);
        Self {
            members: everyone(size, &mut dice),
            dice,
            serial: 0,
            outage: None,
        }
    }

    /// The ordinary events of the day that begins at `midnight`, in order of time.
    pub fn day(&mut self, midnight: EventTime) -> Vec<SimulatedEvent> {
        let members = std::mem::take(&mut self.members);
        let mut events = Vec::new();
        for member in &members {
            match member.work {
                Work::Person => self.persons_day(member, midnight, &mut events),
                _ => self.machines_day(member, midnight, &mut events),
            }
            if member.rotates_today {
                let time = midnight.saturating_add_ms(10 * MS_PER_HOUR);
                events.push(ordinary(time, self.rotation(member, time)));
            }
        }
        self.members = members;
        events.sort_by_key(|simulated| simulated.time);
        events
    }

    fn machines_day(
        &mut self,
        member: &Member,
        midnight: EventTime,
        events: &mut Vec<SimulatedEvent>,
    ) {
        let moments = match member.work {
            Work::Nightly => self.night(member),
            _ => self.round_the_clock(member),
        };
        for (ms, site) in moments
            .into_iter()
            .filter(|(ms, _)| (0..MS_PER_DAY).contains(ms))
        {
            let time = midnight.saturating_add_ms(ms);
            events.push(ordinary(
                time,
                self.use_of(member, &site, &member.actions, time),
            ));
        }
    }

    fn night(&mut self, member: &Member) -> Vec<Moment> {
        let mut hour = member.start_hour + self.dice.between(0.0, 0.2);
        let nights = if member.is_backfilling { 20 } else { 1 };
        (0..nights * member.events_a_day as usize)
            .map(|_| {
                hour += self.dice.exponential(0.01);
                (hours_ms(hour), member.sites[0].clone())
            })
            .collect()
    }

    /// A workload runs on more machines by day than by night; a service on all of its own.
    fn round_the_clock(&mut self, member: &Member) -> Vec<Moment> {
        let (mut hour, mut moments) = (0.0, Vec::new());
        while hour < 24.0 {
            let by_day = (7.0..19.0).contains(&hour);
            let running = match member.work {
                Work::Workload if !by_day => member.sites.len().div_ceil(2),
                _ => member.sites.len(),
            };
            let site = member.sites[self.dice.below(running)].clone();
            moments.push((hours_ms(hour), site));
            hour += self.dice.exponential(24.0 / member.events_a_day);
        }
        moments
    }

    fn persons_day(
        &mut self,
        member: &Member,
        midnight: EventTime,
        events: &mut Vec<SimulatedEvent>,
    ) {
        let weekend = (midnight.day() + 3).rem_euclid(7) >= 5;
        let mut moments = self.at_work(member, weekend);
        moments.extend(self.on_call(member));
        let by_phone = self.by_phone(member, weekend);
        let few = &member.actions[..2];
        for (moments, actions) in [(moments, &member.actions[..]), (by_phone, few)] {
            let mut renewed = None;
            for (ms, site) in moments
                .into_iter()
                .filter(|(ms, _)| (0..MS_PER_DAY).contains(ms))
            {
                let time = midnight.saturating_add_ms(ms);
                if renewed.is_none() {
                    self.sign_in(member, &site, time, events);
                }
                let lived_ms = renewed.map_or(i64::MAX, |then| time.ms_since(then));
                if lived_ms >= member.token_secs * MS_PER_SEC {
                    renewed = Some(time);
                    let mut event = self.use_of(member, &site, actions, time);
                    as_refresh(&mut event, &site.holder);
                    events.push(ordinary(time, event));
                }
                events.push(ordinary(time, self.use_of(member, &site, actions, time)));
            }
        }
    }

    /// Some days begin with a password login, and some of those with a typing error.
    fn sign_in(
        &mut self,
        member: &Member,
        site: &Site,
        time: EventTime,
        events: &mut Vec<SimulatedEvent>,
    ) {
        if !self.dice.chance(0.3) {
            return;
        }
        let mut before_ms = 20_000 + self.dice.below(60_000) as i64;
        let mut outcomes = vec!["success"];
        while self.dice.chance(0.12) {
            outcomes.insert(0, "failure");
        }
        for outcome in outcomes {
            let time = time.saturating_add_ms(-before_ms);
            before_ms = before_ms * 2 / 3;
            let mut event = self.event(member, site, "sso:Login", time);
            as_login(&mut event, &member.id, outcome);
            events.push(ordinary(time, event));
        }
    }

    fn at_work(&mut self, member: &Member, weekend: bool) -> Vec<Moment> {
        if self.dice.chance(if weekend { 0.96 } else { 0.08 }) {
            return Vec::new();
        }
        let is_home = weekend || self.dice.chance(member.home_share);
        let site = self.workplace(member, is_home);
        let mut hour = member.start_hour + self.dice.between(-0.7, 0.7);
        let end = hour + self.dice.between(7.0, 9.5);
        let mut moments = Vec::new();
        while hour < end {
            moments.push((hours_ms(hour), site.clone()));
            hour += self.dice.exponential(8.5 / member.events_a_day);
        }
        moments
    }

    /// The location of the laptop today.
    fn workplace(&self, member: &Member, is_home: bool) -> Site {
        let at = |place: Place| Site {
            place,
            ..member.sites[0].clone()
        };
        match (&member.trip, is_home) {
            (Some(trip), _) if member.trip_days > 0 => at(trip.clone()),
            (_, true) if member.uses_vpn => at(places::vpn()),
            (_, true) => member.sites[1].clone(),
            _ => member.sites[0].clone(),
        }
    }

    fn on_call(&mut self, member: &Member) -> Vec<Moment> {
        if member.on_call_days == 0 || !self.dice.chance(0.4) {
            return Vec::new();
        }
        let site = self.workplace(member, true);
        let mut hour = self.dice.between(0.0, 5.0);
        (0..4 + self.dice.below(8))
            .map(|_| {
                hour += self.dice.exponential(0.08);
                (hours_ms(hour), site.clone())
            })
            .collect()
    }

    /// Occasional use on the carrier's network or at home.
    fn by_phone(&mut self, member: &Member, weekend: bool) -> Vec<Moment> {
        let Some(phone) = &member.phone else {
            return Vec::new();
        };
        if !self.dice.chance(if weekend { 0.3 } else { 0.6 }) {
            return Vec::new();
        }
        let mut hour = self.dice.between(7.0, 20.0);
        (0..1 + self.dice.below(5))
            .map(|_| {
                hour += self.dice.exponential(1.0);
                let mut site = phone.clone();
                site.place = match &member.trip {
                    Some(trip) if member.trip_days > 0 => trip.clone(),
                    _ if self.dice.chance(0.4) => member.sites[1].place.clone(),
                    _ => self.roaming(&phone.place),
                };
                (hours_ms(hour), site)
            })
            .collect()
    }

    /// Another address of the same carrier, located nearby.
    fn roaming(&mut self, client: &Place) -> Place {
        let (network, _) = client.prefix.rsplit_once('.').unwrap_or_default();
        let mut off = || self.dice.between(-1.0, 1.0);
        let position = (client.position.0 + off(), client.position.1 + off());
        Place {
            prefix: format!("{network}.{}", self.dice.below(60)),
            position,
            ..client.clone()
        }
    }

    fn use_of(
        &mut self,
        member: &Member,
        site: &Site,
        actions: &[&'static str],
        time: EventTime,
    ) -> NativeEvent {
        let action = *self.dice.favourite(actions);
        let mut event = self.event(member, site, action, time);
        let at_ms = time.epoch_ms();
        let is_out = self
            .outage
            .is_some_and(|(from, to)| (from..to).contains(&at_ms));
        if self.dice.chance(0.01) || (is_out && action.starts_with("s3:")) {
            event.outcome = "error";
        }
        event
    }

    fn rotation(&mut self, member: &Member, time: EventTime) -> NativeEvent {
        let mut event = self.event(member, &member.sites[0], "iam:CreateAccessKey", time);
        event.activity = "rotate";
        if let Some(credential) = &mut event.credential {
            credential.kind = "api_key";
            credential.id = format!("{}-key-{}", member.id, time.day());
        }
        event
    }

    /// An event of `member` at `site`.
    pub fn event(
        &mut self,
        member: &Member,
        site: &Site,
        action: &str,
        time: EventTime,
    ) -> NativeEvent {
        self.serial += 1;
        let (kind, credential_kind, issuer) = member.work.credentials();
        let (turn, issued) = token_window(member, &site.holder, time);
        let expires = issued.saturating_add_ms(member.token_secs * MS_PER_SEC);
        let last = 10 + self.serial % 40;
        let place = &site.place;
        NativeEvent {
            time_source: None,
            event_id: Some(format!("sim-{:08}", self.serial)),
            time: Some(format_rfc3339(time)),
            identity: NativeIdentity {
                id: member.id.clone(),
                kind,
                group: Some(member.group.to_owned()),
                owner: None,
            },
            credential: Some(NativeCredential {
                id: format!("{}-{}-{turn}", member.id, site.holder),
                kind: credential_kind,
                issuer: Some(issuer.to_owned()),
                issued_at: Some(format_rfc3339(issued)),
                expires_at: Some(format_rfc3339(expires)),
                scopes: Vec::new(),
            }),
            activity: "use",
            action: Some(action.to_owned()),
            resource: Some(format!(
                "arn:aws:{}:::{}/{}",
                action.split(':').next().unwrap_or("s3"),
                member.group,
                self.serial % 23
            )),
            source: Some(NativeSource {
                host: member.has_hosts.then(|| site.host.clone()),
                ip: Some(format!("{}.{last}", place.prefix)),
                user_agent: Some(site.client.clone()),
                country: Some(place.country.to_owned()),
                asn: Some(place.asn),
                latitude: Some(place.position.0),
                longitude: Some(place.position.1),
                ..NativeSource::default()
            }),
            purpose: (member.work != Work::Person).then(|| format!("job/{}", member.group)),
            outcome: "success",
        }
    }

    /// Random numbers of this organisation.
    pub fn dice(&mut self) -> &mut Rng {
        &mut self.dice
    }
}

fn hours_ms(hour: f64) -> i64 {
    (hour * MS_PER_HOUR as f64) as i64
}

fn ordinary(time: EventTime, event: NativeEvent) -> SimulatedEvent {
    SimulatedEvent {
        time,
        event,
        attack: None,
    }
}

/// Number of the token of `holder` that is in use at `time`, and its time of issue: one after the other, with
/// a different phase for each holder.
fn token_window(member: &Member, holder: &str, time: EventTime) -> (i64, EventTime) {
    let life_ms = member.token_secs * MS_PER_SEC;
    let spread: i64 = holder.bytes().map(i64::from).sum();
    let offset_ms = (spread + member.number as i64) * 7_919 * MS_PER_SEC % life_ms;
    let turn = (time.epoch_ms() - offset_ms).div_euclid(life_ms);
    let issued = EventTime::from_epoch_ms(turn * life_ms + offset_ms).unwrap_or(time);
    (turn, issued)
}

/// Turns an event into a use of a password.
pub(super) fn as_login(event: &mut NativeEvent, id: &str, outcome: &'static str) {
    event.activity = "authenticate";
    event.resource = None;
    event.outcome = outcome;
    if let Some(credential) = &mut event.credential {
        credential.id = format!("{id}-password");
        credential.kind = "password";
        (credential.issued_at, credential.expires_at) = (None, None);
    }
}

/// Turns an event into the exchange of the refresh token of `holder`.
pub(super) fn as_refresh(event: &mut NativeEvent, holder: &str) {
    event.activity = "refresh";
    event.action = Some("oauth:Token".to_owned());
    event.resource = None;
    if let Some(credential) = &mut event.credential {
        credential.id = format!("{holder}-refresh");
        credential.kind = "refresh_token";
        (credential.issued_at, credential.expires_at) = (None, None);
    }
}
