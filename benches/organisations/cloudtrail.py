"""The same traffic as CloudTrail records it: roles, permission sets, access keys; no hosts, places or expiries."""

import hashlib
from datetime import datetime, timezone

ACCOUNT = "111122223333"
REGIONS = ["eu-central-1", "us-east-1", "ap-southeast-1", "sa-east-1"]
SERVICES = {"crm": "connect", "erp": "glue", "git": "codecommit", "billing": "ce", "wiki": "ssm"}
READS = ("Get", "List", "Describe")
DENIED = {"denied": "AccessDenied", "failure": "AccessDenied", "error": "ThrottlingException"}


def digest(text, length, alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
    """An id that follows from a text."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    letters = []
    for _ in range(length):
        number, at = divmod(number, len(alphabet))
        letters.append(alphabet[at])
    return "".join(letters)


def stamp(ms):
    return datetime.fromtimestamp(ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class CloudTrail:
    """The account of one organisation: who is an IAM user, who comes by a permission set, in which region."""

    def __init__(self, seed):
        self.seed = str(seed)
        self.permission_set_share = [0.0, 0.6, 1.0][seed % 3]
        self.region = REGIONS[seed % len(REGIONS)]

    def draws(self, identity, below):
        """Whether a trait that a share of all identities has is that of this one."""
        return int(digest(self.seed + identity, 6, "0123456789")) < below * 1e6

    def uses_permission_set(self, identity):
        return identity["kind"] == "human" and self.draws(identity["id"], self.permission_set_share)

    def record(self, event):
        """The record of a native event; None where CloudTrail has none."""
        identity, activity, source = event["identity"], event["activity"], event["source"]
        if activity == "refresh" or (activity == "authenticate" and self.uses_permission_set(identity)):
            return None
        service, name = event["action"].split(":")
        if activity == "authenticate":
            service, name = "signin", "ConsoleLogin"
        record = {
            "eventVersion": "1.09", "userIdentity": self.principal(event), "eventTime": stamp(event["time"]),
            "eventSource": f"{SERVICES.get(service, service)}.amazonaws.com", "eventName": name,
            "awsRegion": self.region, "sourceIPAddress": source["ip"], "userAgent": source["user_agent"],
            "requestParameters": None, "responseElements": None, "eventID": event["event_id"],
            "readOnly": name.startswith(READS), "eventType": "AwsApiCall", "managementEvent": True,
            "recipientAccountId": ACCOUNT, "eventCategory": "Management",
        }
        if event.get("resource"):
            record["resources"] = [{"ARN": f"arn:aws:{service}:::{event['resource']}", "accountId": ACCOUNT}]
        self.add_outcome(record, event)
        return record

    def add_outcome(self, record, event):
        failed = event["outcome"] != "success"
        if record["eventName"] == "ConsoleLogin":
            record["eventType"] = "AwsConsoleSignIn"
            record["responseElements"] = {"ConsoleLogin": "Failure" if failed else "Success"}
            if failed:
                record["errorMessage"] = "Failed authentication"
        elif failed:
            record["errorCode"] = DENIED[event["outcome"]]
        elif record["eventName"] == "CreateAccessKey":
            user = record["userIdentity"].get("userName", "deploy")
            record["requestParameters"] = {"userName": user}
            key = "AKIA" + digest(event["credential"]["id"], 16)
            record["responseElements"] = {"accessKey": {"accessKeyId": key, "userName": user, "status": "Active"}}

    def principal(self, event):
        identity, credential = event["identity"], event.get("credential", {})
        user = identity["id"]
        if event["activity"] == "authenticate":
            return {"type": "IAMUser", "accountId": ACCOUNT, "userName": user}
        is_session = credential.get("kind") in ("session", "access_token")
        key = ("ASIA" if is_session else "AKIA") + digest(credential.get("id", user), 16)
        attributes = {"creationDate": stamp(credential.get("issued_at", event["time"])), "mfaAuthenticated": "false"}
        if self.uses_permission_set(identity):
            role = f"AWSReservedSSO_{identity.get('group', 'staff')}_{digest(identity.get('group', ''), 16, '0123456789abcdef')}"
            return self.assumed_role(role, user, key, attributes)
        if identity["kind"] in ("workload", "automation") and is_session:
            name = "GitHubActions" if event["source"].get("host", "").startswith("runner") else event["source"].get("host", "task")
            return self.assumed_role(user, name[:64], key, attributes)
        principal = {"type": "IAMUser", "principalId": "AIDA" + digest(user, 16), "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
                     "accountId": ACCOUNT, "accessKeyId": key, "userName": user}
        if is_session:
            principal["sessionContext"] = {"attributes": attributes}
        return principal

    @staticmethod
    def assumed_role(role, name, key, attributes):
        unique = "AROA" + digest(role, 16)
        issuer = {"type": "Role", "principalId": unique, "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "accountId": ACCOUNT,
                  "userName": role}
        return {"type": "AssumedRole", "principalId": f"{unique}:{name}",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}", "accountId": ACCOUNT, "accessKeyId": key,
                "sessionContext": {"sessionIssuer": issuer, "attributes": attributes}}
