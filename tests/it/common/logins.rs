//! Generated logins of an organisation behind one address, and a spray over all of it.

use super::START_MS;
use serde_json::{Value, json};

/// How many people there are.
pub(crate) const PEOPLE: usize = 1_000;
/// Whose password the spray guesses, in its order.
pub(crate) const SPRAYED_SUCCESSES: [&str; 3] = ["user-0017", "user-0404", "user-0861"];

const DAY_MS: i64 = 86_400_000;

/// Logins, one day after the other.
pub(crate) struct Logins {
    seed: u64,
    day: i64,
    made: usize,
    office: &'static str,
}

impl Logins {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed: seed * 2_654_435_761 + 1,
            day: 0,
            made: 0,
            office: "10.20.1",
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % bound
    }

    /// From now on everybody uses another network.
    pub(crate) fn moves_to(&mut self, office: &'static str) {
        self.office = office;
    }

    /// Days on which everybody logs in in the morning; one in twelve mistypes.
    pub(crate) fn ordinary_days(&mut self, days: usize) -> Vec<Value> {
        let mut events = Vec::new();
        for _ in 0..days {
            let mut day = Vec::new();
            for person in 0..PEOPLE {
                let at_ms = START_MS + self.day * DAY_MS + self.below(7_200_000) as i64;
                let last = 1 + self.below(200);
                let source = format!("{}.{last}", self.office);
                if self.below(12) == 0 {
                    day.push((at_ms - 20_000, person, source.clone(), "failure"));
                }
                day.push((at_ms, person, source, "success"));
            }
            day.sort();
            for (at_ms, person, source, outcome) in day {
                events.push(self.login(person, at_ms, &source, "NO", outcome));
            }
            self.day += 1;
        }
        events
    }

    /// The provider fails everybody, who tries again, within an hour of the next morning at the office.
    pub(crate) fn outage(&mut self) -> Vec<Value> {
        let start_ms = START_MS + self.day * DAY_MS;
        let mut events = Vec::new();
        for attempt in 0..3 {
            for person in 0..PEOPLE {
                let at_ms = start_ms + (attempt * PEOPLE + person) as i64 * 2_000;
                let last = 1 + self.below(200);
                let source = format!("{}.{last}", self.office);
                events.push(self.login(person, at_ms, &source, "NO", "failure"));
            }
        }
        events
    }

    /// Two passwords on everybody from one hired network within two hours of the next morning.
    pub(crate) fn spray(&mut self) -> Vec<Value> {
        let start_ms = START_MS + self.day * DAY_MS;
        let mut events = Vec::new();
        for password in 0..2 {
            for person in 0..PEOPLE {
                let at_ms = start_ms + (password * PEOPLE + person) as i64 * 3_600;
                let fits = password == 1 && SPRAYED_SUCCESSES.contains(&&*name(person));
                let outcome = if fits { "success" } else { "failure" };
                events.push(self.login(person, at_ms, "203.0.113.77", "RO", outcome));
            }
        }
        events
    }

    fn login(
        &mut self,
        person: usize,
        at_ms: i64,
        ip: &str,
        country: &str,
        outcome: &str,
    ) -> Value {
        self.made += 1;
        let name = name(person);
        json!({
            "event_id": format!("login-{}-{:06}", self.seed % 2, self.made), "time": at_ms,
            "identity": {"id": name, "kind": "human", "group": format!("team-{}", person % 7)},
            "credential": {"id": format!("password-of-{name}"), "kind": "password", "issuer": "idp"},
            "activity": "authenticate", "action": "idp:Login",
            "source": {"ip": ip, "country": country, "asn": if country == "NO" { 64_601 } else { 9_009 },
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"},
            "outcome": outcome,
        })
    }
}

fn name(person: usize) -> String {
    format!("user-{person:04}")
}
