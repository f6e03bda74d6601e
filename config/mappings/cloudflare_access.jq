# Cloudflare Access' log of authentications (Logpush, data set access_requests).
# https://developers.cloudflare.com/logs/reference/log-fields/account/access_requests/

# A record names a person, or the service token of a machine.
(.Email // .UserUID // .ServiceTokenID // empty) as $who
| {
    event_id: (.RayID // null),
    time: (.CreatedAt | if type == "number" and . > 1e17 then (. / 1e6 | floor) else . end),
    identity: {
      id: ($who | ascii_downcase),
      kind: (if .ServiceTokenID then "service" else "human" end)
    },
    credential: (
      if .ServiceTokenID then { id: .ServiceTokenID, kind: "api_key", issuer: "cloudflare-access" }
      else { kind: "session", issuer: (.Connection // "cloudflare-access") } end
    ),
    activity: (if .Action == "logout" then "revoke" else "authenticate" end),
    action: "cloudflare_access:\(.Action // "login")",
    resource: (.AppDomain // .AppUUID // null),
    source: { ip: .IPAddress, country: (.Country // null | if . == null then . else ascii_upcase end) },
    outcome: (if .Allowed == false then "denied" else "success" end)
  }
