# GitLab's audit events, as its streaming destinations and its audit_json.log write them.
# https://docs.gitlab.com/ee/administration/audit_event_streaming/

def activities: {
  user_access_granted: "grant", member_created: "grant", member_updated: "grant",
  project_access_token_created: "issue", personal_access_token_created: "issue",
  group_access_token_created: "issue", deploy_token_created: "issue", add_ssh_key: "issue",
  personal_access_token_revoked: "revoke", project_access_token_revoked: "revoke",
  deploy_token_revoked: "revoke", remove_ssh_key: "revoke",
  user_logged_in: "authenticate", authenticate_with_password: "authenticate",
  login_failed_with_standard_authentication: "authenticate",
  password_updated: "rotate"
};

(.details // {}) as $details
| (.event_type // .event_name // $details.event_name // "unknown") as $type
| select(.author_id != null or .author_name != null)
| {
    event_id: (.id // .correlation_id // null | if . == null then . else "gitlab-\(.)" end),
    time: .created_at,
    identity: {
      id: (if (.author_id // -1) > 0 then "gitlab/\(.author_id)" else "gitlab/name/\(.author_name | ascii_downcase)" end),
      kind: (if ($details.author_class // "User") == "User" then "human" else "automation" end)
    },
    activity: (activities[$type] // "use"),
    action: "gitlab:\($type)",
    resource: ($details.target_details // .target_details // .entity_path // null),
    source: { ip: (.ip_address // $details.ip_address // null) },
    outcome: (if ($type | test("fail")) then "failure" else "success" end)
  }
