//! What adapters of JSON logs have in common: members by path, texts that say something, times, names that
//! nobody has.

use crate::sources::json_object::{JsonFault, parse_record};
use crate::sources::json_value::{Ref, Value};
use crate::sources::native::encode::NativeSource;
use crate::sources::native::{is_on_earth, parse_address};
use crate::sources::time::{format_rfc3339, parse_utc};
use crate::token_redaction::unkeyed_fingerprint;
use credwatch_core::units::EventTime;

/// Maximum size of a record, in bytes.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// Values copied from a record are cut to this length.
const VALUE_BYTES: usize = 1_000;
/// Longest name that is taken for one: what is longer or looks otherwise may be a password.
const NAME_BYTES: usize = 32;
/// Words that logs write for what is absent.
const ABSENT: [&str; 8] = [
    "",
    "-",
    "null",
    "unknown",
    "none",
    "n/a",
    "undefined",
    "00000000-0000-0000-0000-000000000000",
];

/// Why a record cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Over the size limit.
    #[error("record of {0} bytes is over the limit of {RECORD_BYTES}")]
    TooLarge(usize),
    /// Not JSON of the right form.
    #[error("not JSON: {0}")]
    Json(#[from] JsonFault),
    /// A required field is missing.
    #[error("{0} record without `{1}`")]
    Missing(&'static str, &'static str),
    /// More events in it than an event can hold.
    #[error("more than {0} events in one record")]
    TooMany(usize),
    /// It is about no use of a credential, and left out on purpose.
    #[error("left out on purpose: {0}")]
    LeftOut(&'static str),
}

/// Parses a record.
///
/// # Errors
/// It is too large, or not JSON.
pub(super) fn parse(record: &[u8]) -> Result<Value<'_>, SourceError> {
    if record.len() > RECORD_BYTES {
        return Err(SourceError::TooLarge(record.len()));
    }
    Ok(parse_record(record)?)
}

/// The member at a path such as `actor.id`; of a list its first element.
pub(super) fn member<'v>(value: Ref<'v>, path: &str) -> Option<Ref<'v>> {
    path.split('.').try_fold(value, |value, name| {
        let value = match value {
            Value::Array(elements) => elements.first()?,
            other => other,
        };
        value.get(name).or_else(|| in_other_case(value, name))
    })
}

/// The member whose name differs in case only: exporters change it.
fn in_other_case<'v>(value: Ref<'v>, name: &str) -> Option<Ref<'v>> {
    let mut members = value.as_object()?.iter();
    let found = members.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// The text at a path, where it says something.
pub(super) fn text<'v>(value: Ref<'v>, path: &str) -> Option<&'v str> {
    let found = match member(value, path)? {
        Value::Array(elements) => elements.first()?,
        other => other,
    };
    stated_text(found.as_str()?)
}

/// A text without blanks around it, where it is no word for nothing.
pub fn stated_text(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_absent = ABSENT
        .iter()
        .any(|absent| absent.eq_ignore_ascii_case(text));
    (!is_absent).then_some(text)
}

/// The first text of several paths.
pub(super) fn first<'v>(value: Ref<'v>, paths: &[&str]) -> Option<&'v str> {
    paths.iter().find_map(|path| text(value, path))
}

/// The texts of the list at a path.
pub(super) fn texts(value: Ref<'_>, path: &str) -> Vec<String> {
    let elements = member(value, path).and_then(Value::as_array);
    let texts = elements.into_iter().flatten().filter_map(Value::as_str);
    texts.take(64).map(cut).collect()
}

/// The time at a path: RFC 3339, in UTC where no zone is stated, or seconds, milliseconds, microseconds or
/// nanoseconds by magnitude.
pub(super) fn time(value: Ref<'_>, path: &str) -> Option<EventTime> {
    let ms = match member(value, path)? {
        Value::String(text) => {
            let digits = || text.trim().parse().ok().map(in_ms);
            parse_utc(text.trim()).or_else(digits)?
        }
        #[expect(clippy::cast_possible_truncation, reason = "the size is checked next")]
        Value::Number(number) => in_ms(number.as_i64().or(number.as_f64().map(|at| at as i64))?),
        _ => return None,
    };
    EventTime::from_epoch_ms(ms)
}

/// Milliseconds of a time in seconds, milliseconds, microseconds or nanoseconds.
fn in_ms(mut stated: i64) -> i64 {
    while stated.unsigned_abs() >= 100_000_000_000_000 {
        stated /= 1_000;
    }
    if stated.unsigned_abs() < 100_000_000_000 {
        stated *= 1_000;
    }
    stated
}

/// The time at a path as a native event states it.
pub(super) fn stated_time(value: Ref<'_>, path: &str) -> Option<String> {
    time(value, path).map(format_rfc3339)
}

/// A copy that is not longer than an event can hold.
pub(super) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(VALUE_BYTES)].to_owned()
}

/// What the id of a name that the source does not know begins with.
pub const UNKNOWN_NAME_BEGIN: &str = "name/";

/// The id of a name that the source does not know: what was typed may be a password.
pub(super) fn id_of_unknown(name: &str) -> String {
    let typed = name.trim();
    let name = typed.to_lowercase();
    let is_plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let is_name = match name.split_once('@') {
        Some((user, domain)) => is_plain(user) && is_plain(domain) && domain.contains('.'),
        None => is_plain(&name) && name.len() <= NAME_BYTES,
    };
    if is_name {
        format!("{UNKNOWN_NAME_BEGIN}{name}")
    } else {
        format!("{UNKNOWN_NAME_BEGIN}{}", unkeyed_fingerprint(typed))
    }
}

/// The position of two members, in degrees; 0/0 and what is not on Earth are none.
pub(super) fn position(value: Ref<'_>, latitude: &str, longitude: &str) -> Option<(f64, f64)> {
    let degrees = |path| member(value, path).and_then(Value::as_f64);
    let position = degrees(latitude).zip(degrees(longitude))?;
    is_position(position).then_some(position)
}

/// Whether a latitude and a longitude are a position that is stated: 0/0 is what logs write for none.
pub(super) fn is_position(position: (f64, f64)) -> bool {
    position != (0.0, 0.0) && is_on_earth(position)
}

/// The number of the autonomous system at a path; 0 is none.
pub(super) fn autonomous_system(value: Ref<'_>, path: &str) -> Option<u32> {
    let number = member(value, path)?.as_u64()?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}

/// The texts of several paths with a blank between them.
pub(super) fn joined(value: Ref<'_>, paths: &[&str]) -> Option<String> {
    let texts: Vec<&str> = paths.iter().filter_map(|path| text(value, path)).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

/// A source of an address and a client, where one of them or `more` is stated.
pub(super) fn source(
    address: Option<&str>,
    user_agent: Option<&str>,
    more: NativeSource,
) -> Option<NativeSource> {
    let address = address.and_then(parse_address).map(|ip| ip.to_canonical());
    let address = address.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    let found = NativeSource {
        ip: address.map(|ip| ip.to_string()),
        user_agent: user_agent.map(cut),
        ..more
    };
    (found != NativeSource::default()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn time_of(record: &serde_json::Value) -> Option<EventTime> {
        time(&parse(record.to_string().as_bytes()).unwrap(), "at")
    }

    #[test]
    fn times_are_read_by_magnitude() {
        for value in [
            json!(1_700_000_000),
            json!(1_700_000_000_000_i64),
            json!(1_700_000_000_000_000_i64),
            json!("2023-11-14T22:13:20Z"),
            json!("1700000000000000"),
            json!("2023-11-14 22:13:20"),
        ] {
            let record = json!({"at": value});
            assert_eq!(time_of(&record).unwrap().epoch_ms(), 1_700_000_000_000);
        }
        assert_eq!(time_of(&json!({"at": "soon"})), None);
        for extreme in [
            json!(-1e200),
            json!(1e200),
            json!(i64::MIN),
            json!("-9223372036854775808"),
        ] {
            let _ = time_of(&json!({"at": extreme}));
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_kept() {
        assert_eq!(id_of_unknown("Ada"), "name/ada");
        assert_eq!(
            id_of_unknown("ada.b@corp.example"),
            "name/ada.b@corp.example"
        );
        for typed in ["Tr0ub4dor&3", "two words", "", "a@b"] {
            let id = id_of_unknown(typed);
            assert!(id.starts_with("name/fp-"), "{id}");
        }
    }

    #[test]
    fn words_for_nothing_are_nothing() {
        let record = br#"{"a": {"b": ["unknown", "x"]}, "c": "-", "d": [{"e": "y"}]}"#;
        let record = parse(record).unwrap();
        assert_eq!((text(&record, "a.b"), text(&record, "c")), (None, None));
        assert_eq!(text(&record, "d.e"), Some("y"));
    }
}
