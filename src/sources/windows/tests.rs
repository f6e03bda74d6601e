//! Events of the Security log, in winlogbeat's layout where nothing else is said.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn mapped(id: u32, data: &serde_json::Value) -> Result<NativeEvent, SourceError> {
    let record = json!({"winlog": {
        "event_id": id, "computer_name": "DC01.corp.example", "channel": "Security",
        "time_created": "2026-11-23T15:00:05.1Z", "event_data": data
    }});
    map(record.to_string().as_bytes())
}

#[test]
fn one_account_has_one_id_however_its_domain_is_written() {
    for (name, domain) in [
        ("Ada", "CORP"),
        ("ada", "corp.example"),
        ("ada@CORP.EXAMPLE", ""),
        ("CORP\\ada", "-"),
        ("ada", "-"),
    ] {
        let data = json!({"TargetUserName": name, "TargetDomainName": domain, "LogonType": "3",
            "IpAddress": "10.0.0.1"});
        assert_eq!(mapped(4624, &data).unwrap().identity.id, "CORP\\ada");
    }
}

#[test]
fn a_locked_account_is_denied_and_a_wrong_password_a_failure() {
    for (reason, outcome) in [("0xC0000234", "denied"), ("0xc000006a", "failure")] {
        let data = json!({"TargetUserName": "ada", "SubStatus": reason, "LogonType": 3});
        assert_eq!(mapped(4625, &data).unwrap().outcome, outcome);
    }
}

#[test]
fn a_password_of_another_account_is_a_use_by_the_one_who_gives_it() {
    let data = json!({"SubjectUserName": "ada", "SubjectDomainName": "CORP", "LogonType": "9",
        "TargetUserName": "ada", "TargetOutboundUserName": "svc", "TargetOutboundDomainName": "CORP"});
    let event = mapped(4624, &data).unwrap();
    assert_eq!(
        (event.activity, event.resource.as_deref()),
        ("use", Some("CORP\\svc"))
    );
}

#[test]
fn what_is_no_use_of_a_credential_is_left_out() {
    let of_system =
        json!({"TargetUserName": "SYSTEM", "TargetUserSid": "S-1-5-18", "LogonType": "5"});
    for (id, data) in [(4624, &of_system), (4634, &json!({})), (4688, &json!({}))] {
        assert!(
            matches!(mapped(id, data), Err(SourceError::LeftOut(_))),
            "{id}"
        );
    }
}

#[test]
fn a_local_clock_gets_its_zone_from_the_collector() {
    let record = json!({"EventID": 4624, "Channel": "Security", "Hostname": "a.corp.example",
        "EventTime": "2026-11-23 16:00:02", "EventReceivedTime": "2026-11-23 16:00:03",
        "@timestamp": "2026-11-23T20:00:03.9Z", "TargetUserName": "ada", "LogonType": "3",
        "IpAddress": "10.0.0.1"});
    let event = map(record.to_string().as_bytes()).unwrap();
    assert_eq!(event.time.as_deref(), Some("2026-11-23T20:00:02.000Z"));
}

#[test]
fn a_reset_password_is_the_other_accounts() {
    let data = json!({"SubjectUserName": "adm", "SubjectDomainName": "CORP",
        "TargetUserName": "ada", "TargetDomainName": "CORP"});
    let event = mapped(4724, &data).unwrap();
    assert_eq!(
        (&*event.identity.id, event.activity),
        ("CORP\\adm", "rotate")
    );
    assert_eq!(event.credential.unwrap().id, "CORP\\ada");
}

proptest! {
    #[test]
    fn nothing_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        id in 4600_u32..5000, name in ".{0,12}", domain in ".{0,12}", clock in ".{0,24}"
    ) {
        let _ = map(&bytes);
        let _ = mapped(id, &json!({"TargetUserName": name, "SubjectUserName": name,
            "TargetDomainName": domain, "LogonType": domain, "TargetSid": domain}));
        let local = json!({"EventID": id, "Channel": "Security", "EventTime": clock,
            "EventReceivedTime": clock, "@timestamp": "2026-11-23T20:00:03Z", "TargetUserName": name});
        let _ = map(local.to_string().as_bytes());
    }
}
