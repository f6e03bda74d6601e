//! What is usual for an identity or for its peers says little.

use super::*;

#[test]
fn a_session_goes_home_with_its_owner_and_not_elsewhere() {
    let mut shard = factory().shard(ShardId::of_identities(0));
    let used = |day: i64, hour: i64, ip: &str, asn: u32| {
        event(
            "ada",
            START_MS + day * MS_PER_DAY + hour * MS_PER_HOUR,
            |event| {
                event["source"]["ip"] = json!(ip);
                event["source"]["asn"] = json!(asn);
            },
        )
    };
    // A token for each day, at the office; at home on some other days.
    for day in 0..20 {
        let (ip, asn) = if day % 5 == 4 {
            ("198.51.100.7", 2_119)
        } else {
            ("10.2.3.4", 29_695)
        };
        (8..18).for_each(|hour| drop(surprises(&mut shard, &used(day, hour, ip, asn))));
    }
    surprises(&mut shard, &used(20, 9, "10.2.3.4", 29_695));
    let at = |ip, asn| {
        of(
            &surprises(&mut shard.clone(), &used(20, 14, ip, asn)),
            SignalName::Concurrency,
        )
    };
    assert!(at("198.51.100.9", 2_119) <= 0.0, "the range of the home");
    assert!(
        at("203.0.113.9", 2_119) > 2.0,
        "another range of its operator"
    );
    assert!(at("203.0.113.9", 9_009) > 2.0);
}

#[test]
fn a_key_that_each_now_and_then_issues_to_itself_is_known_from_the_peers() {
    let own_key = |who: &str, minutes: i64, resource: &str| {
        event(who, NOW_MS + minutes * MINUTE_MS, |event| {
            event["identity"]["kind"] = json!("human");
            event["activity"] = json!("issue");
            event["action"] = json!("iam:CreateAccessKey");
            event["resource"] = json!(resource);
            event["credential"] =
                json!({"id": format!("AKIA-{who}"), "kind": "api_key", "issuer": "aws"});
        })
    };
    let surprise = |shard: &Shard, record: &[u8]| {
        let of_all = surprises(&mut shard.clone(), record);
        of(&of_all, SignalName::Action).max(of(&of_all, SignalName::Privilege))
    };
    let mut shard = settled();
    let first = surprise(&shard, &own_key("ada", 0, "ada"));
    let for_another = surprise(&shard, &own_key("ada", 0, "eve"));
    assert!(
        first + 0.5 < for_another,
        "{first:.2} for itself, {for_another:.2} for another"
    );
    for (at, who) in ["bo", "cy", "dee"].into_iter().enumerate() {
        surprises(&mut shard, &own_key(who, at as i64, who));
    }
    let known = surprise(&shard, &own_key("ada", 9, "ada"));
    assert!(
        known + 0.5 < first,
        "{known:.2} after three peers, {first:.2} before"
    );
    let rare = of(
        &surprises(&mut shard, &stop_logging("ada", 10)),
        SignalName::Action,
    );
    assert!(
        rare > known + 1.0,
        "what peers did not do stays rare: {rare:.2}"
    );
}

#[test]
fn peers_are_learned_where_no_group_is_stated() {
    let mut shard = factory().shard(ShardId::of_identities(0));
    let act = |who: &str, team: &str, at_ms: i64, asn: u32| {
        event(who, at_ms, |event| {
            event["identity"]["group"] = Value::Null;
            event["action"] = json!(format!("{team}:Get{}", at_ms / (30 * MINUTE_MS) % 3));
            event["resource"] = Value::Null;
            event["source"] = json!({"host": format!("{who}-1"), "asn": asn});
        })
    };
    for day in 0..12 {
        for minute in (8 * 60..18 * 60).step_by(30) {
            for n in 0..40 {
                let (who, team) = (format!("id-{n}"), if n < 20 { "red" } else { "blue" });
                // All of the red team but its first come to use another network too.
                let is_shared = (1..20).contains(&n) && day > 6 && minute % 60 == 0;
                let asn = if is_shared { 222 } else { 100 };
                let at_ms = START_MS + day * MS_PER_DAY + minute * MINUTE_MS + n * 10_000;
                surprises(&mut shard, &act(&who, team, at_ms, asn));
            }
        }
    }
    let at_ms = START_MS + 12 * MS_PER_DAY + 9 * MS_PER_HOUR;
    let first_use = |who: &str, team: &str| {
        let record = act(who, team, at_ms, 222);
        of(&surprises(&mut shard.clone(), &record), SignalName::Network)
    };
    let (inside, outside) = (first_use("id-0", "red"), first_use("id-20", "blue"));
    assert!(
        inside + 0.5 < outside,
        "{inside:.2} inside, {outside:.2} outside"
    );
}
