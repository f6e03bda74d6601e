//! OpenSSH's log lines, as syslog writes them, or in journald's or Beats' JSON → native events.
//!
//! A client chooses the user name, so the address is what follows the last ` from `. The line has neither
//! year nor zone: the record's time counts. Only lines that decide something are events.

use super::fields::{SourceError, cut, first, id_of_unknown, member, parse, source, stated_time};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::{NativeCredential, NativeEvent, NativeIdentity, NativeSource};

/// Members that state the time, the most exact first.
const TIMES: [&str; 5] = [
    "_SOURCE_REALTIME_TIMESTAMP",
    "__REALTIME_TIMESTAMP",
    "@timestamp",
    "timestamp",
    "time",
];

/// Longest line that is looked at.
const LINE_BYTES: usize = 16 * 1024;

/// What a line says.
struct Line<'l> {
    method: &'l str,
    user: &'l str,
    is_unknown_user: bool,
    address: Option<&'l str>,
    /// What follows the protocol: the key.
    key: &'l str,
    activity: &'static str,
    outcome: &'static str,
}

/// Maps one record.
///
/// # Errors
/// The record is malformed, or decides nothing.
pub fn map(record: &[u8]) -> Result<NativeEvent, SourceError> {
    let record = match record.first() {
        Some(b'{') => parse(record)?,
        _ => of_text(record),
    };
    let text = message(&record).ok_or(SourceError::Missing("OpenSSH", "MESSAGE"))?;
    let (message, logged_host) = without_prefix(&text);
    let line = line(message).ok_or(SourceError::LeftOut("decides no login"))?;
    let time = TIMES.iter().find_map(|name| stated_time(&record, name));
    let stated_host = first(&record, &["_HOSTNAME", "host.name", "hostname", "host"]);
    let host = stated_host.or(logged_host).map(str::to_lowercase);
    let id = identity(&line, host.as_deref());
    Ok(NativeEvent {
        time_source: None,
        event_id: first(&record, &["__CURSOR"]).map(cut),
        time,
        credential: credential(&line, &id),
        identity: NativeIdentity {
            id,
            kind: "human",
            ..NativeIdentity::default()
        },
        activity: line.activity,
        action: Some(match line.activity {
            "revoke" => "ssh:logout".to_owned(),
            _ => cut(&format!("ssh:login/{}", line.method)),
        }),
        resource: host.as_deref().map(cut),
        source: source(line.address, None, NativeSource::default()),
        purpose: None,
        outcome: line.outcome,
    })
}

/// The members of a line of syslog. A time without year and zone is none: the record's counts.
fn of_text(line: &[u8]) -> Value<'static> {
    let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]);
    let unmarked = match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((priority, rest)) if priority.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => &line,
    };
    // RFC 5424: version, time, host, program, process, message id, structured data, message.
    let fields: Vec<&str> = unmarked.splitn(8, ' ').collect();
    if let ["1", time, host, "sshd" | "sshd-session", _, _, "-", message] = fields[..] {
        return Value::of_texts([("time", time), ("host", host), ("message", message)]);
    }
    let time = unmarked.split(' ').next().unwrap_or_default();
    Value::of_texts([("time", time), ("message", unmarked)])
}

/// The message; journald writes one that is not UTF-8 as a list of bytes.
fn message(record: Ref<'_>) -> Option<String> {
    let stated = ["MESSAGE", "message", "msg"];
    match stated.iter().find_map(|name| member(record, name))? {
        Value::String(text) => Some(text.to_string()),
        Value::Array(bytes) => {
            let byte = |value: Ref<'_>| u8::try_from(value.as_u64()?).ok();
            let bytes: Vec<u8> = bytes.iter().filter_map(byte).collect();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    }
}

/// The message without what syslog puts before it, and the host that is stated there.
fn without_prefix(text: &str) -> (&str, Option<&str>) {
    for program in [" sshd[", " sshd-session["] {
        if let Some((before, after)) = text.split_once(program)
            && let Some((_, message)) = after.split_once("]: ")
        {
            return (message, before.rsplit(' ').next());
        }
    }
    (text, None)
}

fn line(message: &str) -> Option<Line<'_>> {
    let login = |rest, outcome| login(rest, outcome).filter(|line| !line.user.is_empty());
    if let Some(rest) = message.strip_prefix("Accepted ") {
        return login(rest, "success");
    }
    if let Some(rest) = message.strip_prefix("Failed ") {
        return login(rest, "failure");
    }
    let refused = |rest: &'_ str| -> Option<(usize, usize)> {
        let at = rest.rfind(" from ")?;
        Some((at, at + " from ".len()))
    };
    let exceeded = "maximum authentication attempts exceeded for ";
    let shortened = message.strip_prefix("error: ").unwrap_or(message);
    if let Some(rest) = shortened.strip_prefix(exceeded) {
        let (end, begin) = refused(rest)?;
        return Some(of_refused(&rest[..end], &rest[begin..]));
    }
    if let Some((rest, _)) = message.split_once(" not allowed because")
        && let Some(rest) = rest.strip_prefix("User ")
    {
        let (end, begin) = refused(rest)?;
        return Some(of_refused(&rest[..end], &rest[begin..]));
    }
    let closed = message.strip_prefix("pam_unix(sshd:session): session closed for user ")?;
    Some(Line {
        activity: "revoke",
        outcome: "success",
        ..of_refused(closed.split(' ').next()?, "")
    })
}

fn of_refused<'l>(user: &'l str, place: &'l str) -> Line<'l> {
    let (user, is_unknown_user) = known(user);
    Line {
        method: "refused",
        user,
        is_unknown_user,
        address: place.split(' ').next().filter(|text| !text.is_empty()),
        key: "",
        activity: "authenticate",
        outcome: "denied",
    }
}

/// `<method> for [invalid user ]<user> from <address> port <n> ssh2[: <key>]`.
fn login<'l>(rest: &'l str, outcome: &'static str) -> Option<Line<'l>> {
    let (method, rest) = rest.split_once(" for ")?;
    let (user, place) = rest.rsplit_once(" from ")?;
    let (user, is_unknown_user) = known(user);
    let key = place.split_once(": ").map_or("", |(_, key)| key);
    Some(Line {
        method,
        user,
        is_unknown_user,
        address: place.split(' ').next(),
        key,
        activity: "authenticate",
        outcome,
    })
}

fn known(user: &str) -> (&str, bool) {
    match user.strip_prefix("invalid user ") {
        Some(name) => (name.trim(), true),
        None => (user.trim(), false),
    }
}

/// A name is one over all hosts, but for `root`.
fn identity(line: &Line<'_>, host: Option<&str>) -> String {
    match line.user {
        user if line.is_unknown_user => id_of_unknown(user),
        "root" => cut(&format!("root@{}", host.unwrap_or("?"))),
        user => cut(&user.to_lowercase()),
    }
}

fn credential(line: &Line<'_>, id: &str) -> Option<NativeCredential> {
    if line.activity != "authenticate" || line.is_unknown_user {
        return None;
    }
    let of = |id: &str, kind| NativeCredential {
        id: cut(id),
        kind,
        ..NativeCredential::default()
    };
    if let Some((certificate, authority)) = line.key.split_once(") CA ")
        && let Some((_, certificate)) = certificate.split_once(" ID ")
        && let Some((name, serial)) = certificate.rsplit_once(" (serial ")
    {
        return Some(NativeCredential {
            issuer: Some(cut(authority)),
            ..of(&format!("{name}/{serial}"), "ssh_key")
        });
    }
    match line.method {
        "publickey" | "hostbased" => {
            let fingerprint = line.key.split(' ').nth(1);
            fingerprint.map(|key| of(key, "ssh_key"))
        }
        "password" | "keyboard-interactive/pam" => Some(of(id, "password")),
        method if method.starts_with("gssapi") => Some(of(id, "kerberos_ticket")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mapped(message: &str) -> Result<NativeEvent, SourceError> {
        let record = serde_json::json!({
            "__REALTIME_TIMESTAMP": "1795460400123456", "_HOSTNAME": "Web-3",
            "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": message
        });
        map(record.to_string().as_bytes())
    }

    #[test]
    fn a_user_name_cannot_state_the_address() {
        let event = mapped(
            "Failed password for invalid user ada from 192.0.2.1 port 1 ssh2 \
             from 198.51.100.7 port 2 ssh2",
        )
        .unwrap();
        assert_eq!(event.source.unwrap().ip.as_deref(), Some("198.51.100.7"));
        assert!(event.identity.id.starts_with("name/fp-"));
        assert_eq!(event.credential, None);
    }

    #[test]
    fn refusals_and_ends_of_sessions_are_events() {
        let exceeded = "error: maximum authentication attempts exceeded for root \
                        from 198.51.100.7 port 5 ssh2 [preauth]";
        let event = mapped(exceeded).unwrap();
        assert_eq!(
            (&*event.identity.id, event.outcome),
            ("root@web-3", "denied")
        );
        let closed = mapped("pam_unix(sshd:session): session closed for user Ada").unwrap();
        assert_eq!((&*closed.identity.id, closed.activity), ("ada", "revoke"));
        let refused = "User ada from 198.51.100.7 not allowed because not listed in AllowUsers";
        assert_eq!(mapped(refused).unwrap().outcome, "denied");
    }

    #[test]
    fn lines_that_decide_nothing_are_left_out() {
        for message in [
            "Invalid user x from 198.51.100.7 port 2",
            "Connection closed by 198.51.100.7 port 2 [preauth]",
            "Postponed keyboard-interactive for ada from 198.51.100.7 port 2 ssh2 [preauth]",
            "Failed password for",
        ] {
            assert!(
                matches!(mapped(message), Err(SourceError::LeftOut(_))),
                "{message}"
            );
        }
    }

    #[test]
    fn a_message_of_bytes_is_read() {
        let bytes: Vec<u8> = b"Accepted password for ada from 192.0.2.1 port 1 ssh2".to_vec();
        let record = serde_json::json!({"@timestamp": "2026-11-23T19:00:05Z", "MESSAGE": bytes});
        let event = map(record.to_string().as_bytes()).unwrap();
        assert_eq!((&*event.identity.id, event.outcome), ("ada", "success"));
    }

    #[test]
    fn lines_of_syslog_are_read_with_and_without_a_time() {
        let accepted = "Accepted password for ada from 198.51.100.7 port 2 ssh2";
        for (before, time) in [
            ("<38>Nov 23 19:00:05 Bastion sshd[7]: ", None),
            ("Nov 23 19:00:05 Bastion sshd-session[7]: ", None),
            (
                "2026-11-23T20:00:05.5+01:00 Bastion sshd[7]: ",
                Some("2026-11-23T19:00:05.500Z"),
            ),
            (
                "<38>1 2026-11-23T19:00:05Z Bastion sshd 7 - - ",
                Some("2026-11-23T19:00:05.000Z"),
            ),
        ] {
            let event = map(format!("{before}{accepted}").as_bytes()).unwrap();
            assert_eq!(event.time.as_deref(), time, "{before}");
            assert_eq!(event.resource.as_deref(), Some("bastion"), "{before}");
            assert_eq!(event.identity.id, "ada");
        }
    }

    proptest! {
        #[test]
        fn no_message_panics(message in ".{0,80}", begin in prop::sample::select(vec![
            "Accepted ", "Failed a for ", "User ", "error: maximum authentication attempts exceeded for ", ""
        ])) {
            let _ = mapped(&format!("{begin}{message}"));
            let _ = map(message.as_bytes());
        }
    }
}
