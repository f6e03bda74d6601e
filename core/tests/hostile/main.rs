//! What an outsider, or the holder of one credential, can cause: no containment of others, no blindness, no
//! exhausted limit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod organisation;
mod properties;
mod time;

use credwatch_core::containment::{Action, Restriction};
use credwatch_core::event::{Activity, Outcome};
use credwatch_core::units::{MS_PER_DAY, MS_PER_HOUR};
use credwatch_core::verdict::EntityView;
use organisation::{
    DAYS, NOON_MS, Organisation, PEOPLE, Seen, event, person, sign_in, theft, work,
};

const ATTACKER: &str = "203.0.113.9";
/// What anybody can have fail.
const ATTEMPTS: [(Activity, Outcome); 7] = [
    (Activity::Authenticate, Outcome::Failure),
    (Activity::Authenticate, Outcome::Denied),
    (Activity::Authenticate, Outcome::Error),
    (Activity::Refresh, Outcome::Failure),
    (Activity::Refresh, Outcome::Denied),
    (Activity::Issue, Outcome::Failure),
    (Activity::Use, Outcome::Failure),
];

#[test]
fn failures_of_any_kind_alert_and_contain_nobody() {
    let before = Organisation::at_work();
    for (activity, outcome) in ATTEMPTS {
        let mut organisation = before.clone();
        let attempts: Vec<_> = (0..60)
            .map(|nth| {
                let mut attempt = event(&person(3), NOON_MS + nth * 2_000, activity);
                attempt.source.ip = Some(ATTACKER.parse().unwrap());
                attempt.outcome = outcome;
                attempt
            })
            .collect();
        let seen = organisation.see_all(&attempts);
        assert!(!seen.alerts.is_empty(), "{activity} {outcome}");
        assert_eq!(seen.action(), Action::Notify, "{activity} {outcome}");
        // The victim, who types his password afterwards, is not contained for it either.
        let back = [
            work(3, NOON_MS + 130_000, Activity::Authenticate),
            work(3, NOON_MS + 140_000, Activity::Use),
        ];
        assert_eq!(
            organisation.see_all(&back).action(),
            Action::Notify,
            "{activity} {outcome}"
        );
    }
}

#[test]
fn a_decision_says_that_the_evidence_was_not_attributable() {
    let mut organisation = Organisation::at_work();
    let attempts: Vec<_> = (0..60)
        .map(|nth| {
            sign_in(
                &person(3),
                NOON_MS + nth * 2_000,
                ATTACKER,
                Outcome::Failure,
            )
        })
        .collect();
    let seen = organisation.see_all(&attempts);
    let of_identity = seen
        .alerts
        .iter()
        .filter(|alert| alert.entity == EntityView::Identity);
    let decisions: Vec<_> = of_identity.flat_map(|alert| &alert.decisions).collect();
    assert!(!decisions.is_empty());
    for decision in decisions {
        assert!(decision.requested_action > Action::Notify);
        assert_eq!(decision.guarded.weakened_by, [Restriction::Unattributed]);
    }
}

#[test]
fn decoys_do_not_spend_the_containment_budget() {
    let mut organisation = Organisation::at_work();
    for decoy in 10..35 {
        for nth in 0..20 {
            let ms = NOON_MS + (decoy as i64 * 20 + nth) * 500;
            organisation.see(&sign_in(&person(decoy), ms, ATTACKER, Outcome::Failure));
        }
    }
    let seen = organisation.see_all(&theft(3, NOON_MS + MS_PER_HOUR / 2, "198.51.100.7"));
    assert!(seen.action() >= Action::Revoke, "{:?}", seen.containments());
}

#[test]
fn failures_do_not_repeat_an_earlier_containment() {
    let mut organisation = Organisation::at_work();
    let mut contained = 0;
    for stolen in &theft(3, NOON_MS, "198.51.100.7") {
        contained += organisation.see(stolen).containments().len();
        if contained > 0 {
            break;
        }
    }
    assert_eq!(contained, 1);
    // The others work on, and the cooldown passes.
    for number in 10..PEOPLE {
        organisation.see(&work(number, NOON_MS + MS_PER_HOUR / 2, Activity::Use));
    }
    let attempts: Vec<_> = (0..200)
        .map(|nth| {
            let ms = NOON_MS + MS_PER_HOUR / 2 + nth * 2_000;
            sign_in(&person(3), ms, ATTACKER, Outcome::Failure)
        })
        .collect();
    let seen = organisation.see_all(&attempts);
    let decisions: Vec<_> = seen.alerts.iter().flat_map(|a| &a.decisions).collect();
    assert!(!decisions.is_empty(), "the alert grows");
    for decision in decisions {
        assert_eq!(decision.guarded.action, Action::Notify);
        assert_eq!(decision.guarded.weakened_by, [Restriction::Unattributed]);
    }
    // The thief himself is contained all the same.
    let seen = organisation.see_all(&theft(3, NOON_MS + MS_PER_HOUR, "198.51.100.7"));
    assert!(seen.action() > Action::Notify, "{seen:?}");
}

#[test]
fn failures_beforehand_neither_hide_a_theft_nor_a_spray() {
    let before = Organisation::at_work();
    let stolen = |organisation: &mut Organisation| {
        organisation.see_all(&theft(
            3,
            (DAYS + 9) * MS_PER_DAY + 12 * MS_PER_HOUR,
            ATTACKER,
        ))
    };
    let sprayed = |organisation: &mut Organisation| {
        let spray: Vec<_> = (0..PEOPLE)
            .map(|number| {
                let ms = (DAYS + 9) * MS_PER_DAY + 13 * MS_PER_HOUR + number as i64 * 4_000;
                sign_in(&person(number), ms, ATTACKER, Outcome::Failure)
            })
            .collect();
        organisation.see_all(&spray)
    };
    let (mut plain, mut rehearsed) = (before.clone(), before);
    for day in DAYS..DAYS + 9 {
        for (number, hour) in (0..PEOPLE).flat_map(|number| [(number, 9), (number, 15)]) {
            if day > DAYS + 7 {
                break;
            }
            let ms = day * MS_PER_DAY + hour * MS_PER_HOUR + number as i64 * 5_000;
            rehearsed.see(&sign_in(&person(number), ms, ATTACKER, Outcome::Failure));
        }
        plain.work_day(day);
        rehearsed.work_day(day);
    }
    let (expected, found) = (stolen(&mut plain), stolen(&mut rehearsed));
    assert!(
        found.score_nats >= expected.score_nats - 0.2,
        "{expected:?} {found:?}"
    );
    assert_eq!(found.action(), expected.action());
    assert!(expected.action() > Action::Notify);
    assert!(sprayed(&mut plain).has_alert_of(EntityView::Source));
    assert!(sprayed(&mut rehearsed).has_alert_of(EntityView::Source));
}

/// Four failures from each of many networks, in the names of four people.
fn flood_of_networks(organisation: &mut Organisation, outcome: Outcome) {
    for (network, nth) in (0..1_000).flat_map(|network| (0..4).map(move |nth| (network, nth))) {
        let ms = NOON_MS + (network * 4 + nth) * 1_000;
        let ip = format!("2001:{:x}::1", 0x0db8 + network);
        organisation.see(&sign_in(&person(nth as usize), ms, &ip, outcome));
    }
}

#[test]
fn a_flood_of_sources_hides_no_spray_from_a_further_one() {
    let spray: Vec<_> = (0..PEOPLE)
        .map(|number| {
            let ms = NOON_MS + 2 * MS_PER_HOUR + number as i64 * 4_000;
            sign_in(&person(number), ms, ATTACKER, Outcome::Failure)
        })
        .collect();
    let alerts_of_attacker = |organisation: &mut Organisation| {
        let alerts = organisation.see_all(&spray).alerts.into_iter();
        alerts
            .filter(|alert| alert.incident.subject.id == "203.0.113.0/24")
            .count()
    };
    let outcomes = [Outcome::Failure, Outcome::Denied, Outcome::Error];
    for (networks, outcome) in [1_000_000, PEOPLE + 20]
        .into_iter()
        .flat_map(|networks| outcomes.map(|outcome| (networks, outcome)))
    {
        let mut organisation = Organisation::at_work_with_sources(networks);
        let expected = alerts_of_attacker(&mut organisation.clone());
        flood_of_networks(&mut organisation, outcome);
        assert!(expected > 0);
        let found = alerts_of_attacker(&mut organisation);
        assert!(
            found >= expected,
            "{outcome}: {found} of {expected} with room for {networks}"
        );
    }
}

#[test]
fn failures_of_many_hide_no_brute_force_of_another() {
    let brute_force: Vec<_> = (0..60)
        .map(|nth| {
            let ms = NOON_MS + MS_PER_HOUR + nth * 2_000;
            sign_in(&person(3), ms, ATTACKER, Outcome::Failure)
        })
        .collect();
    let before = Organisation::at_work();
    let expected = before.clone().see_all(&brute_force).score_nats;
    for (activity, outcome) in ATTEMPTS {
        let mut organisation = before.clone();
        for (number, nth) in (5..PEOPLE).flat_map(|number| (0..20).map(move |nth| (number, nth))) {
            let mut attempt = event(
                &person(number),
                NOON_MS + (number as i64 * 20 + nth) * 1_000,
                activity,
            );
            attempt.source.ip = Some("198.51.100.7".parse().unwrap());
            attempt.outcome = outcome;
            organisation.see(&attempt);
        }
        let found = organisation.see_all(&brute_force).score_nats;
        assert!(
            found >= expected - 0.2,
            "{activity} {outcome}: {found} of {expected}"
        );
    }
}

#[test]
fn failures_at_a_source_contain_nobody_who_signs_in_there() {
    for (names, neighbour) in [
        ("nobody", "203.0.113.77"),
        ("nobody", ATTACKER),
        ("person", ATTACKER),
    ] {
        let mut organisation = Organisation::at_work();
        let attempts: Vec<_> = (0..60)
            .map(|nth| {
                let name = format!("{names}-{:02}", nth % PEOPLE as i64);
                sign_in(&name, NOON_MS + nth * 2_000, ATTACKER, Outcome::Failure)
            })
            .collect();
        let seen = organisation.see_all(&attempts);
        let alert = seen
            .alerts
            .iter()
            .find(|alert| alert.entity == EntityView::Source)
            .unwrap();
        assert!(alert.visitors.attempted.contains(&format!("{names}-00")));
        let mut unattacked = Organisation::at_work();
        // People on the road sign in from the same network, with their own machines.
        let visitors: Vec<_> = (0..PEOPLE)
            .map(|number| {
                let mut visitor = work(
                    number,
                    NOON_MS + 200_000 + number as i64 * 1_000,
                    Activity::Authenticate,
                );
                visitor.source.ip = Some(neighbour.parse().unwrap());
                visitor.credential = None;
                visitor
            })
            .collect();
        let (expected, found) = (
            unattacked.see_all(&visitors),
            organisation.see_all(&visitors),
        );
        let contained = |seen: &Seen| {
            let of = seen.containments().into_iter();
            of.map(|d| (d.subject.id.clone(), d.guarded.action))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            contained(&found),
            contained(&expected),
            "{names} {neighbour}"
        );
    }
}

#[test]
fn who_signed_in_from_an_attacking_source_with_evidence_of_his_own_is_contained() {
    let mut organisation = Organisation::at_work();
    let attempts: Vec<_> = (0..PEOPLE)
        .map(|n| {
            sign_in(
                &person(n),
                NOON_MS + n as i64 * 2_000,
                ATTACKER,
                Outcome::Failure,
            )
        })
        .collect();
    organisation.see_all(&attempts);
    let mut reached = theft(7, NOON_MS + 200_000, ATTACKER);
    reached.push({
        let mut again = reached[0].clone();
        again.event_id = "again".into();
        again.time = again.time.saturating_add_ms(150_000);
        again
    });
    let seen = organisation.see_all(&reached);
    let contained: Vec<_> = seen
        .containments()
        .iter()
        .map(|d| d.subject.id.clone())
        .collect();
    assert!(
        !contained.is_empty() && contained.iter().all(|id| *id == person(7)),
        "{contained:?}"
    );
}

#[test]
fn an_event_id_hides_nothing_but_the_very_same_event() {
    let before = Organisation::at_work();
    let plain = before.clone().see_all(&theft(3, NOON_MS, ATTACKER));
    // The thief reuses one id.
    let mut reused = theft(3, NOON_MS, ATTACKER);
    reused
        .iter_mut()
        .for_each(|event| event.event_id = "the-same".into());
    let mut organisation = before.clone();
    let seen = organisation.see_all(&reused);
    assert!((seen.score_nats - plain.score_nats).abs() < 1e-9);
    assert_eq!(organisation.identities.health().conflicting_ids, 4);
    // Somebody else sends the ids beforehand.
    let (mut organisation, stolen) = (before, theft(3, NOON_MS, ATTACKER));
    for event in &stolen {
        let mut decoy = work(9, NOON_MS - 60_000, Activity::Use);
        decoy.event_id = event.event_id.clone();
        organisation.see(&decoy);
    }
    let seen = organisation.see_all(&stolen);
    assert!((seen.score_nats - plain.score_nats).abs() < 0.05);
    assert_eq!(
        organisation.see_all(&stolen).alerts.len(),
        0,
        "a true duplicate changes nothing"
    );
}

#[test]
fn made_up_names_leave_no_trace() {
    let mut organisation = Organisation::at_work();
    let before = organisation.identities.health();
    for nth in 0..5_000 {
        let mut attempt = sign_in(
            &format!("guess-{nth}"),
            NOON_MS + nth * 100,
            ATTACKER,
            Outcome::Failure,
        );
        attempt.identity.group = Some(format!("group-{nth}").into());
        attempt.credential = work(nth as usize, 0, Activity::Use).credential;
        organisation.see(&attempt);
    }
    let after = organisation.identities.health();
    assert_eq!(
        (
            after.identities,
            after.credentials,
            after.labels,
            after.incidents
        ),
        (
            before.identities,
            before.credentials,
            before.labels,
            before.incidents
        ),
    );
    assert!(
        after.groups <= before.groups + 1,
        "only the group of the kind"
    );
}

#[test]
fn failures_do_not_make_an_identity_active_or_stop_it_from_learning() {
    let (mut plain, mut attacked) = (Organisation::at_work(), Organisation::at_work());
    for nth in 0..60 {
        attacked.see(&sign_in(
            &person(3),
            NOON_MS + nth * 2_000,
            ATTACKER,
            Outcome::Failure,
        ));
    }
    for day in DAYS..DAYS + 3 {
        plain.work_day(day);
        attacked.work_day(day);
    }
    let report = |organisation: &Organisation| {
        let report = organisation.identities.profile_report(&person(3)).unwrap();
        (report.events, report.last_seen, report.habits)
    };
    assert_eq!(report(&attacked), report(&plain));
}

#[test]
fn logs_that_come_late_show_a_brute_force_all_the_same() {
    let mut organisation = Organisation::at_work();
    let mut alerts = 0;
    for nth in 0..60 {
        organisation.see(&work(3, NOON_MS + nth * 2_000, Activity::Use));
        let late = NOON_MS - 2 * MS_PER_HOUR + nth * 2_000;
        let seen = organisation.see(&sign_in(&person(3), late, ATTACKER, Outcome::Failure));
        alerts += usize::from(seen.has_alert_of(EntityView::Identity));
    }
    assert!(alerts > 0);
}
