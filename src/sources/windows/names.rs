//! Names of accounts, logon types and groups.

/// Groups that give power, by the last part of their number or by the whole.
const GROUPS: [(&str, &str); 13] = [
    ("512", "Domain Admins"),
    ("518", "Schema Admins"),
    ("519", "Enterprise Admins"),
    ("520", "Group Policy Creator Owners"),
    ("526", "Key Admins"),
    ("527", "Enterprise Key Admins"),
    ("S-1-5-32-544", "Administrators"),
    ("S-1-5-32-548", "Account Operators"),
    ("S-1-5-32-549", "Server Operators"),
    ("S-1-5-32-550", "Print Operators"),
    ("S-1-5-32-551", "Backup Operators"),
    ("S-1-5-32-555", "Remote Desktop Users"),
    ("S-1-5-32-580", "Remote Management Users"),
];

/// `DOMAIN\user`; without a domain that of the machine.
pub(super) fn account(name: &str, domain: Option<&str>, host: Option<&str>) -> String {
    let (name, domain) = match (name.split_once('\\'), name.split_once('@')) {
        (Some((domain, name)), _) => (name, Some(domain)),
        (None, Some((name, domain))) => (name, Some(domain)),
        (None, None) => (name, domain),
    };
    let of_host = || host.and_then(|host| host.split('.').nth(1));
    let domain = domain.filter(|domain| !domain.is_empty()).or_else(of_host);
    let label = domain.and_then(|domain| domain.split('.').next());
    match label.filter(|label| !label.is_empty()) {
        Some(label) => format!("{}\\{}", label.to_uppercase(), name.to_lowercase()),
        None => name.to_lowercase(),
    }
}

/// Whether an account is a machine's or the system's own.
pub(super) fn is_machine(account: &str) -> bool {
    let name = account.rsplit('\\').next().unwrap_or(account);
    let of_session = name.strip_prefix("dwm-").or(name.strip_prefix("umfd-"));
    let own = [
        "system",
        "local service",
        "network service",
        "anonymous logon",
    ];
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    name.ends_with('$') || own.contains(&name) || of_session.is_some_and(is_number)
}

pub(super) fn logon_type(number: Option<u32>) -> String {
    let name = match number {
        Some(0) => "system",
        Some(2) => "interactive",
        Some(3) => "network",
        Some(4) => "batch",
        Some(5) => "service",
        Some(7) => "unlock",
        Some(8) => "network-cleartext",
        Some(9) => "new-credentials",
        Some(10) => "remote-interactive",
        Some(11) => "cached-interactive",
        Some(12) => "cached-remote",
        Some(13) => "cached-unlock",
        Some(other) => return other.to_string(),
        None => "unknown",
    };
    name.to_owned()
}

/// The English name of a privileged group.
pub(super) fn group_name(sid: &str) -> Option<&'static str> {
    let of_domain = sid.starts_with("S-1-5-21-").then(|| sid.rsplit('-').next());
    let last = of_domain.flatten().unwrap_or(sid);
    let found = GROUPS.iter().find(|(number, _)| *number == last);
    found.map(|(_, name)| *name)
}
