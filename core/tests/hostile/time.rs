//! Nobody pushes the time of others.

use crate::organisation::{DAYS, NOON_MS, Organisation, PEOPLE, at, event, theft, work};
use credwatch_core::containment::Action;
use credwatch_core::event::Activity;
use credwatch_core::units::{EventTime, MS_PER_DAY, MS_PER_HOUR};

/// Alerts of three more ordinary days.
fn ordinary_alerts(organisation: &mut Organisation) -> usize {
    let mut alerts = 0;
    for day in DAYS..DAYS + 3 {
        for number in 0..PEOPLE {
            for nth in 0..6 {
                let ms = day * MS_PER_DAY + 8 * MS_PER_HOUR + nth * MS_PER_HOUR * 3 / 2;
                alerts += organisation
                    .see(&work(number, ms, Activity::Use))
                    .alerts
                    .len();
            }
        }
    }
    alerts
}

#[test]
fn events_of_the_far_future_move_nobody_else() {
    let before = Organisation::at_work();
    let mut plain = before.clone();
    for nth in 0..200 {
        plain.see(&work(
            10 + nth % 20,
            NOON_MS + nth as i64 * 1_000,
            Activity::Use,
        ));
    }
    let expected = ordinary_alerts(&mut plain);
    for hostile in 1..5 {
        let mut organisation = before.clone();
        for nth in 0..200 {
            let number = nth % hostile;
            let mut future = work(number, NOON_MS + nth as i64, Activity::Use);
            future.time = EventTime::from_epoch_ms(4_070_908_800_000).unwrap();
            organisation.see(&future);
            organisation.see(&work(
                10 + nth % 20,
                NOON_MS + nth as i64 * 1_000,
                Activity::Use,
            ));
        }
        assert!(organisation.identities.now() < at(NOON_MS + MS_PER_HOUR));
        let found = ordinary_alerts(&mut organisation);
        assert!(
            found <= expected + 2 * hostile,
            "{hostile}: {found} instead of {expected}"
        );
        let stolen = theft(30, (DAYS + 4) * MS_PER_DAY, "198.51.100.7");
        assert!(organisation.see_all(&stolen).action() > Action::Notify);
    }
}

#[test]
fn the_cap_holds_however_the_clock_is_pushed() {
    let mut organisation = Organisation::at_work();
    for number in 0..PEOPLE {
        organisation.see(&work(number, NOON_MS - 60_000, Activity::Use));
    }
    let mut contained = 0;
    for number in 0..PEOPLE {
        // Two identities go ahead in steps that are each within the tolerance.
        for ahead in [100, 101] {
            let ms = NOON_MS + number as i64 * 50 * 60_000;
            organisation.see(&event(&format!("pusher-{ahead}"), ms, Activity::Use));
        }
        let stolen = theft(number, NOON_MS + number as i64 * 1_000, "198.51.100.7");
        contained += organisation.see_all(&stolen).containments().len();
    }
    assert!((1..=20).contains(&contained), "{contained}");
}

#[test]
fn the_broker_s_time_bounds_events_and_caps() {
    let mut organisation = Organisation::at_work();
    let mut contained = 0;
    for number in 0..PEOPLE {
        // A producer states times an hour apart; the broker appends them within a minute.
        for event in theft(
            number,
            NOON_MS + number as i64 * MS_PER_HOUR,
            "198.51.100.7",
        ) {
            let appended_at = Some(at(NOON_MS + number as i64 * 1_000));
            contained += organisation
                .see_at(&event, appended_at)
                .containments()
                .len();
        }
    }
    assert!((1..=20).contains(&contained), "{contained}");
    assert!(organisation.identities.now() <= at(NOON_MS + 6 * 60_000));
}
