//! Operations → activities, with the credential that each is about.

use super::{
    NativeCredential, Principal, Record, credential, field, issued_credential, password, truncate,
    used_credential,
};
use crate::sources::cloudtrail::principal::HIDDEN;
use credwatch_core::units::EventTime;
use serde_json::Value;

/// What an operation hands out.
const ISSUES: [(&str, &str); 20] = [
    ("UploadSSHPublicKey", "ssh_key"),
    ("CreateKeyPair", "ssh_key"),
    ("ImportKeyPair", "ssh_key"),
    ("SendSSHPublicKey", "ssh_key"),
    ("SendSerialConsoleSSHPublicKey", "ssh_key"),
    ("CreateServiceSpecificCredential", "api_key"),
    ("UploadSigningCertificate", "x509"),
    ("UploadServerCertificate", "x509"),
    ("CreateVirtualMFADevice", "api_key"),
    ("EnableMFADevice", "api_key"),
    ("GetSigninToken", "session"),
    ("CreateToken", "access_token"),
    ("GetRoleCredentials", "access_token"),
    ("GetAuthorizationToken", "access_token"),
    ("CreateSession", "access_token"),
    ("AssumeRoleForPodIdentity", "access_token"),
    ("GetCredentialsForIdentity", "access_token"),
    ("GetClusterCredentials", "access_token"),
    ("GetClusterCredentialsWithIAM", "access_token"),
    ("CreateApiKey", "api_key"),
];

/// Operations that revoke what a request names.
const REVOKES: [&str; 8] = [
    "DeleteSSHPublicKey",
    "DeleteKeyPair",
    "DeleteServiceSpecificCredential",
    "DeleteSigningCertificate",
    "DeactivateMFADevice",
    "DeleteVirtualMFADevice",
    "Logout",
    "DeleteApiKey",
];

const ROTATES: [&str; 4] = [
    "ResetServiceSpecificCredential",
    "RotateSecret",
    "PasswordUpdated",
    "PasswordRecoveryCompleted",
];

/// Sign-in by steps, as IAM Identity Center logs it.
const AUTHENTICATES: [&str; 6] = [
    "UserAuthentication",
    "CredentialVerification",
    "CheckMfa",
    "ExternalIdPDirectoryLogin",
    "Authenticate",
    "Federate",
];

/// Operations that give permissions, besides policies of users, roles and groups.
const GRANTS: [&str; 30] = [
    "AddUserToGroup",
    "UpdateAssumeRolePolicy",
    "CreatePolicyVersion",
    "SetDefaultPolicyVersion",
    "AddRoleToInstanceProfile",
    "AddPermission",
    "CreateGrant",
    "DeleteUserPermissionsBoundary",
    "DeleteRolePermissionsBoundary",
    "PutBucketPolicy",
    "PutBucketAcl",
    "PutKeyPolicy",
    "PutResourcePolicy",
    "SetRepositoryPolicy",
    "ModifySnapshotAttribute",
    "ModifyImageAttribute",
    "ModifyDBSnapshotAttribute",
    "ModifyDBClusterSnapshotAttribute",
    "AddRoleToDBInstance",
    "AddRoleToDBCluster",
    "CreateAccountAssignment",
    "AttachManagedPolicyToPermissionSet",
    "PutInlinePolicyToPermissionSet",
    "CreateGroupMembership",
    "CreateAccessEntry",
    "AssociateAccessPolicy",
    "CreateSAMLProvider",
    "UpdateSAMLProvider",
    "CreateOpenIDConnectProvider",
    "AddClientIDToOpenIDConnectProvider",
];

/// Activity, its credential, and whether an expiry was stated but could not be parsed.
pub(super) fn activity_and_credential(
    record: &Record,
    operation: &str,
    time: EventTime,
    principal: &Principal,
) -> (&'static str, Option<NativeCredential>, bool) {
    let (request, response) = (&record.request_parameters, &record.response_elements);
    let used = || used_credential(record, principal);
    let is_nobody = principal.id.starts_with(HIDDEN);
    let own_password = || (!is_nobody).then(|| password(&principal.id));
    let center_session = || {
        let id = record.user_identity.as_ref()?.credential_id.as_deref()?;
        let session = NativeCredential {
            id: truncate(id.to_owned()),
            kind: "session",
            issuer: Some("aws".to_owned()),
            ..NativeCredential::default()
        };
        Some(session).filter(|session| !session.id.is_empty())
    };
    match operation {
        "ConsoleLogin" => ("authenticate", own_password(), false),
        name if AUTHENTICATES.contains(&name) && is_sign_in(record) => {
            let session = center_session().or_else(own_password);
            ("authenticate", session, false)
        }
        "AssumeRole"
        | "AssumeRoleWithSAML"
        | "AssumeRoleWithWebIdentity"
        | "AssumeRoot"
        | "GetSessionToken"
        | "GetFederationToken" => {
            let (issued, unread) = issued_credential(request, response, time);
            ("issue", issued.or_else(used), unread)
        }
        "CreateAccessKey" => {
            let id = field(response, &["accessKey", "accessKeyId"]).unwrap_or("");
            ("issue", Some(credential(id, "api_key", time)), false)
        }
        "UpdateAccessKey" | "DeleteAccessKey" => {
            let id = field(request, &["accessKeyId"]).unwrap_or("");
            let reactivated = field(request, &["status"]) == Some("Active");
            let activity = if reactivated { "issue" } else { "revoke" };
            let mut key = credential(id, "api_key", time);
            key.issued_at = None;
            (activity, Some(key), false)
        }
        "CreateLoginProfile" => ("issue", named_password(record, principal), false),
        "UpdateLoginProfile" => ("rotate", named_password(record, principal), false),
        "ChangePassword" => ("rotate", own_password(), false),
        "DeleteLoginProfile" => ("revoke", named_password(record, principal), false),
        name if ISSUES.iter().any(|(known, _)| *known == name) => {
            let kind = ISSUES.iter().find(|(known, _)| *known == name);
            let issued = issued_id(response)
                .map(|id| credential(id, kind.map_or("api_key", |(_, kind)| kind), time));
            ("issue", issued.or_else(used), false)
        }
        name if REVOKES.contains(&name) => ("revoke", used(), false),
        name if ROTATES.contains(&name) => ("rotate", used(), false),
        name if is_grant(name, request) => ("grant", used(), false),
        _ => ("use", used(), false),
    }
}

/// Whether the event is of a service that signs people in; other services have such names too.
fn is_sign_in(record: &Record) -> bool {
    let service = record.event_source.as_deref().unwrap_or_default();
    service.starts_with("signin.") || service.starts_with("sso")
}

/// The password of the user that the request names.
fn named_password(record: &Record, principal: &Principal) -> Option<NativeCredential> {
    let account = record.recipient_account_id.as_deref();
    let account = account.or_else(|| record.user_identity.as_ref()?.account());
    let user = field(&record.request_parameters, &["userName"]).zip(account);
    Some(match user {
        Some((name, account)) => password(&format!("arn:aws:iam::{account}:user/{name}")),
        None => password(&principal.id),
    })
}

/// The id of what a response hands out.
fn issued_id(response: &Value) -> Option<&str> {
    const PATHS: [&[&str]; 8] = [
        &["sSHPublicKey", "sSHPublicKeyId"],
        &["keyPairId"],
        &["serviceSpecificCredential", "serviceSpecificCredentialId"],
        &["certificate", "certificateId"],
        &["virtualMFADevice", "serialNumber"],
        &["credentials", "accessKeyId"],
        &["accessKeyId"],
        &["keyId"],
    ];
    PATHS.iter().find_map(|path| field(response, path))
}

fn is_grant(operation: &str, request: &Value) -> bool {
    let policy_change = ["Attach", "Put"]
        .iter()
        .any(|verb| operation.starts_with(verb))
        && ["UserPolicy", "RolePolicy", "GroupPolicy"]
            .iter()
            .any(|noun| operation.ends_with(noun));
    let of_queue =
        operation == "SetQueueAttributes" && field(request, &["attributes", "Policy"]).is_some();
    let of_organisation = operation == "AttachPolicy";
    policy_change || of_queue || of_organisation || GRANTS.contains(&operation)
}
