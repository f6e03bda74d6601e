//! Unit tests of the cloudtrail module.

use super::*;
use crate::sources::native;
use crate::token_redaction::Redactor;
use credwatch_core::event::Activity;
use proptest::prelude::*;
use serde_json::json;

fn record(name: &str, more: &Value) -> Value {
    let mut record = json!({
        "eventID": "e-1", "eventTime": "2023-07-10T12:05:22Z", "eventName": name,
        "eventSource": "sts.amazonaws.com", "sourceIPAddress": "192.0.2.7", "userAgent": "aws-cli/2",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/a", "accessKeyId": "AKIAX"},
        "recipientAccountId": "1",
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

fn mapped(name: &str, more: &Value) -> NativeEvent {
    map(record(name, more).to_string().as_bytes())
        .unwrap()
        .event
}

#[test]
fn a_lifetime_comes_from_the_response() {
    let event = mapped(
        "AssumeRole",
        &json!({"responseElements": {"credentials":
            {"accessKeyId": "ASIAX", "expiration": "Jul 10, 2023, 1:05:22 PM"}}}),
    );
    assert_eq!(event.activity, "issue");
    let credential = event.credential.unwrap();
    assert_eq!(credential.id, "ASIAX");
    assert_eq!(
        credential.expires_at.as_deref(),
        Some("2023-07-10T13:05:22.000Z")
    );
}

#[test]
fn an_invalid_expiry_is_counted_and_the_event_is_kept() {
    let more = json!({"responseElements": {"credentials": {"accessKeyId": "ASIAX", "expiration": "later"}}});
    let mapped = map(record("AssumeRole", &more).to_string().as_bytes()).unwrap();
    assert!(mapped.expiry_unparsed);
    assert_eq!(mapped.event.credential.unwrap().expires_at, None);
}

#[test]
fn a_call_that_aws_makes_has_no_source() {
    for source in ["AWS Internal", "secretsmanager.amazonaws.com", "health"] {
        assert_eq!(
            mapped("Decrypt", &json!({"sourceIPAddress": source})).source,
            None
        );
    }
    assert!(mapped("Decrypt", &json!({})).source.is_some());
}

#[test]
fn errors_become_outcomes() {
    let outcome = |code: &str| mapped("GetObject", &json!({"errorCode": code})).outcome;
    assert_eq!(outcome("Client.UnauthorizedOperation"), "denied");
    assert_eq!(outcome("AccessDenied"), "denied");
    assert_eq!(outcome("NoSuchBucket"), "error");
    assert_eq!(outcome("ThrottlingException"), "error");
    assert_eq!(outcome("Client.DryRunOperation"), "success");
    assert_eq!(outcome("200"), "success");
    assert_eq!(outcome("ExpiredTokenException"), "failure");
    assert_eq!(outcome(""), "success");
    let login = mapped(
        "ConsoleLogin",
        &json!({"responseElements": {"ConsoleLogin": "Failure"}}),
    );
    assert_eq!((login.activity, login.outcome), ("authenticate", "failure"));
}

#[test]
fn grants_name_the_principal_that_gains_permissions() {
    let event = mapped(
        "AttachUserPolicy",
        &json!({"requestParameters": {"userName": "a"}}),
    );
    assert_eq!(event.activity, "grant");
    assert_eq!(event.resource.as_deref(), Some("arn:aws:iam::1:user/a"));
    for name in [
        "PutRolePolicy",
        "AddUserToGroup",
        "UpdateAssumeRolePolicy",
        "AddPermission20150331v2",
    ] {
        assert_eq!(mapped(name, &json!({})).activity, "grant", "{name}");
    }
    assert_eq!(mapped("PutObject", &json!({})).activity, "use");
}

#[test]
fn the_lifecycle_of_a_key_is_tracked() {
    let created = mapped(
        "CreateAccessKey",
        &json!({"responseElements": {"accessKey": {"accessKeyId": "AKIAN"}}}),
    );
    assert_eq!(
        (created.activity, created.credential.unwrap().id.as_str()),
        ("issue", "AKIAN")
    );
    let request = json!({"requestParameters": {"accessKeyId": "AKIAN", "status": "Inactive"}});
    assert_eq!(mapped("UpdateAccessKey", &request).activity, "revoke");
    assert_eq!(mapped("DeleteAccessKey", &request).activity, "revoke");
}

#[test]
fn versions_of_an_api_are_one_action() {
    assert_eq!(without_version("AddPermission20150331v2"), "AddPermission");
    assert_eq!(without_version("ListFunctions20150331"), "ListFunctions");
    assert_eq!(without_version("GetIpv6"), "GetIpv6");
    assert_eq!(
        without_version("CreateSAMLProviderv2"),
        "CreateSAMLProviderv2"
    );
}

#[test]
fn an_instance_is_a_host_and_another_session_a_purpose() {
    let role = |session: &str| {
        json!({"userIdentity": {"type": "AssumedRole", "accessKeyId": "ASIAX",
            "arn": format!("arn:aws:sts::1:assumed-role/r/{session}"),
            "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::1:role/r"},
                "attributes": {"creationDate": "2023-07-10T12:00:00Z", "mfaAuthenticated": "false"}}}})
    };
    let instance = mapped("GetObject", &role("i-0abc12345678"));
    assert_eq!(
        instance.source.unwrap().host.as_deref(),
        Some("i-0abc12345678")
    );
    let job = mapped("GetObject", &role("job-7"));
    assert_eq!(job.purpose.as_deref(), Some("session/job-7"));
    let credential = job.credential.unwrap();
    assert_eq!(credential.kind, "access_token");
    assert_eq!(
        credential.issued_at.as_deref(),
        Some("2023-07-10T12:00:00.000Z")
    );
}

#[test]
fn a_missing_field_is_named() {
    let error = |json: &str| map(json.as_bytes()).unwrap_err().to_string();
    assert_eq!(error("{}"), "CloudTrail record without `eventName`");
    assert!(error("[1").contains("not a CloudTrail record"));
    assert!(error(&record("X", &json!({"userIdentity": {}})).to_string()).contains("no principal"));
    assert!(
        error(&record("X", &json!({"eventTime": "0000-01-01T00:00:00Z"})).to_string())
            .contains("eventTime")
    );
    assert!(error(&" ".repeat(RECORD_BYTES + 1)).contains("over the limit"));
}

#[test]
fn a_mapped_record_is_a_native_event() {
    let json = mapped("AssumeRole", &json!({})).to_json();
    let event = native::decode(&json, &Redactor::default()).unwrap().event;
    assert_eq!(event.activity, Activity::Issue);
    assert_eq!(event.action.as_deref(), Some("sts:AssumeRole"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = map(&bytes);
    }

    #[test]
    fn a_mapped_record_always_decodes(name in "[A-Za-z0-9]{1,20}", text in ".{0,30}", expiry in ".{0,30}") {
        let more = json!({"userAgent": text, "sourceIPAddress": text,
            "requestParameters": {"userName": text, "durationSeconds": i64::MAX},
            "responseElements": {"credentials": {"accessKeyId": text, "expiration": expiry}}});
        if let Ok(mapped) = map(record(&name, &more).to_string().as_bytes()) {
            let json = mapped.event.to_json();
            let decoded = native::decode(&json, &Redactor::default());
            prop_assert!(decoded.is_ok(), "{}", String::from_utf8_lossy(&json));
        }
    }
}

#[test]
fn sign_in_services_state_a_failure_in_their_answer() {
    let sign_in = |name: &str, more: Value| {
        let mut record = record(name, &more);
        record["eventSource"] = json!("signin.amazonaws.com");
        let event = map(record.to_string().as_bytes()).unwrap().event;
        (event.activity, event.outcome)
    };
    let details = json!({"serviceEventDetails": {"UserAuthentication": "Failure"}});
    assert_eq!(
        sign_in("UserAuthentication", details),
        ("authenticate", "failure")
    );
    let answer = json!({"responseElements": {"ExternalIdPDirectoryLogin": "Failure"}});
    assert_eq!(
        sign_in("ExternalIdPDirectoryLogin", answer),
        ("authenticate", "failure")
    );
    assert_eq!(
        mapped("CheckMfa", &json!({})).activity,
        "use",
        "of another service"
    );
}

#[test]
fn what_an_operation_issues_revokes_and_grants() {
    for (name, activity) in [
        ("UploadSSHPublicKey", "issue"),
        ("CreateKeyPair", "issue"),
        ("DeactivateMFADevice", "revoke"),
        ("RotateSecret", "rotate"),
        ("PutBucketPolicy", "grant"),
        ("ModifySnapshotAttribute", "grant"),
        ("CreateAccountAssignment", "grant"),
        ("SetQueueAttributes", "use"),
        ("DescribeInstances", "use"),
    ] {
        assert_eq!(mapped(name, &json!({})).activity, activity, "{name}");
    }
    let key = json!({"responseElements": {"sSHPublicKey": {"sSHPublicKeyId": "APKAX"}}});
    let credential = mapped("UploadSSHPublicKey", &key).credential.unwrap();
    assert_eq!(
        (credential.id.as_str(), credential.kind),
        ("APKAX", "ssh_key")
    );
    let profile = json!({"requestParameters": {"userName": "b"}});
    let password = mapped("UpdateLoginProfile", &profile).credential.unwrap();
    assert_eq!(
        password.id, "arn:aws:iam::1:user/b",
        "the named user's, not the actor's"
    );
}

#[test]
fn the_resource_is_found_where_a_request_names_it() {
    for (request, resource) in [
        (json!({"snapshotId": "snap-1"}), "snap-1"),
        (json!({"secretIdList": ["s-1", "s-2"]}), "s-1"),
        (
            json!({"instancesSet": {"items": [{"instanceId": "i-1"}]}}),
            "i-1",
        ),
        (
            json!({"CreateThingRequest": {"thingArn": "arn:x"}}),
            "arn:x",
        ),
        (json!({"count": 1, "widgetIdentifier": "w"}), "w"),
    ] {
        let event = mapped("Describe", &json!({"requestParameters": request}));
        assert_eq!(event.resource.as_deref(), Some(resource));
    }
    let listed = json!({"resources": [{"arn": "arn:aws:s3:::b"}]});
    assert_eq!(
        mapped("GetObject", &listed).resource.as_deref(),
        Some("arn:aws:s3:::b")
    );
}

#[test]
fn times_without_zone_are_utc() {
    for text in [
        "2023-07-10 12:05:22",
        "2023-07-10T12:05:22.000",
        "20230710T120522Z",
    ] {
        let event = mapped("GetObject", &json!({"eventTime": text}));
        assert_eq!(
            event.time.as_deref(),
            Some("2023-07-10T12:05:22.000Z"),
            "{text}"
        );
    }
}

#[test]
fn a_notification_about_a_file_is_refused_with_a_hint() {
    let notification =
        br#"{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put",
        "eventTime":"2026-03-02T10:00:00Z","userIdentity":{"principalId":"AWS:AROAX:x"},"s3":{}}"#;
    let error = map(notification).unwrap_err().to_string();
    assert!(error.contains("send what the file holds"), "{error}");
}

#[test]
fn a_hidden_name_is_nobody() {
    let event = mapped(
        "ConsoleLogin",
        &json!({"userIdentity": {"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}}),
    );
    assert_eq!(event.identity.id, "name/hidden@1");
    assert!(event.credential.is_none());
}
