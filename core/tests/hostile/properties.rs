//! Whatever one hostile party sends: the promises hold.

use crate::organisation::{NOON_MS, Organisation, PEOPLE, at, event, person, theft, work};
use credwatch_core::containment::Action;
use credwatch_core::event::{Activity, Event, Outcome};
use credwatch_core::units::{EventTime, MS_PER_DAY};
use proptest::prelude::*;
use std::sync::LazyLock;

static AT_WORK: LazyLock<Organisation> = LazyLock::new(Organisation::at_work);
/// Numbers of the people whom the attack names, some of whom do not exist.
const TOUCHED: std::ops::Range<usize> = PEOPLE / 2..2 * PEOPLE;
/// Bound on the change of the score of an identity that was not touched, in nats.
const MAX_CHANGE_NATS: f64 = 0.5;

/// An event that an outsider can cause: any name, any id, any network, any time that a log may state.
fn outsider() -> impl Strategy<Value = Event<'static>> {
    let activity = prop::sample::select(vec![
        Activity::Authenticate,
        Activity::Refresh,
        Activity::Use,
    ]);
    let times = prop_oneof![
        -10 * MS_PER_DAY..NOON_MS + MS_PER_DAY,
        Just(70 * 365 * MS_PER_DAY),
        Just(NOON_MS)
    ];
    (TOUCHED, activity, times, any::<[u8; 4]>(), 0..9u8).prop_map(
        |(number, activity, ms, address, id)| {
            let mut attempt = event(&person(number), NOON_MS, activity);
            attempt.time = EventTime::from_epoch_ms(at(0).epoch_ms() + ms).unwrap();
            attempt.event_id = format!("id-{id}").into();
            attempt.source.ip = Some(address.into());
            attempt.source.host = Some(format!("host-{}", address[0]).into());
            attempt.outcome = Outcome::Failure;
            attempt
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_outsider_contains_nobody_and_changes_nobody_s_score(
        attack in prop::collection::vec(outsider(), 1..300),
        victim in 0..PEOPLE,
    ) {
        let (mut plain, mut attacked) = (AT_WORK.clone(), AT_WORK.clone());
        let seen = attacked.see_all(&attack);
        prop_assert_eq!(seen.action(), Action::Notify);
        for number in 0..PEOPLE {
            let ordinary = work(number, NOON_MS + 60_000 + number as i64 * 1_000, Activity::Use);
            let (expected, found) = (plain.see(&ordinary), attacked.see(&ordinary));
            let change_nats = (expected.score_nats - found.score_nats).abs();
            prop_assert!(TOUCHED.contains(&number) || change_nats <= MAX_CHANGE_NATS);
            prop_assert_eq!(found.action(), Action::Notify);
        }
        let stolen = theft(victim, NOON_MS + 600_000, "198.51.100.7");
        let (expected, found) = (plain.see_all(&stolen), attacked.see_all(&stolen));
        prop_assert!(
            found.score_nats >= expected.score_nats - MAX_CHANGE_NATS,
            "{} nats instead of {}",
            found.score_nats,
            expected.score_nats
        );
        prop_assert_eq!(found.action(), expected.action());
    }

    #[test]
    fn the_holder_of_one_credential_contains_nobody_else_and_caps_hold_in_record_time(
        steps in prop::collection::vec((0..PEOPLE, -5 * MS_PER_DAY..5 * MS_PER_DAY, 0..5_000i64), 1..120),
    ) {
        let mut organisation = AT_WORK.clone();
        let mut issued: Vec<i64> = Vec::new();
        let mut appended_ms = NOON_MS;
        for (number, shift_ms, gap_ms) in steps {
            appended_ms += gap_ms;
            for event in theft(number, NOON_MS + shift_ms, "198.51.100.7") {
                let seen = organisation.see_at(&event, Some(at(appended_ms)));
                for decision in seen.containments() {
                    prop_assert_eq!(&decision.subject.id, &person(number));
                    issued.push(appended_ms);
                }
            }
        }
        prop_assert!(issued.len() <= 20, "{} within {} ms", issued.len(), appended_ms - NOON_MS);
    }
}
