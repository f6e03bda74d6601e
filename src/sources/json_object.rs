//! Parsing of JSON objects without copying: borrowed text, counted unknown fields, bounded nesting.

use credwatch_core::event::Text;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// How JSON is malformed. It does not quote the record, which may hold a secret anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonFault(String);

impl From<serde_json::Error> for JsonFault {
    fn from(error: serde_json::Error) -> Self {
        Self(without_values(&error.to_string()))
    }
}

/// A message of serde without the value that it quotes.
fn without_values(message: &str) -> String {
    const QUOTING: [&str; 5] = [
        "invalid type: ",
        "invalid value: ",
        "invalid length ",
        "unknown variant ",
        "unknown field ",
    ];
    let quoting = QUOTING
        .iter()
        .filter_map(|begin| Some((message.find(begin)?, begin)));
    let Some((at, begin)) = quoting.min() else {
        return message.to_owned();
    };
    let what = begin.trim_end_matches([' ', ':']);
    let rest = message
        .rfind(", expected ")
        .or_else(|| message.rfind(" at line "));
    let rest = rest
        .filter(|rest| *rest > at)
        .map_or("", |rest| &message[rest..]);
    format!("{}{what}{rest}", &message[..at])
}

/// Parses a record: its UTF-8 is checked once for all texts.
///
/// # Errors
/// It is malformed.
pub fn parse_record<'r, T: Deserialize<'r>>(record: &'r [u8]) -> Result<T, JsonFault> {
    match simdutf8::basic::from_utf8(record) {
        Ok(text) => Ok(serde_json::from_str(text)?),
        // Says where, and accepts what is malformed in members that are not read.
        Err(_) => Ok(serde_json::from_slice(record)?),
    }
}

/// Parses JSON in which no object names a member twice: two readers could take different ones.
///
/// # Errors
/// It is malformed, or a member is named twice.
pub fn parse_unambiguous(json: &[u8]) -> Result<Value, JsonFault> {
    Ok(serde_json::from_slice::<UniqueMembers>(json)?.0)
}

struct UniqueMembers(Value);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(UniqueMembers(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, UniqueMembers(value))) = map.next_entry::<String, _>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

/// Text borrowed from the record where it holds no escapes. Unlike `Cow`, it also borrows inside an `Option`.
#[derive(Debug, Serialize)]
pub struct Str<'de>(pub Text<'de>);

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(StrVisitor).map(Str)
    }
}

/// Any ignored value. Unlike [`IgnoredAny`] it recurses, so that the parser's nesting limit
/// (128) applies to ignored values too.
pub struct IgnoredValue;

impl<'de> Deserialize<'de> for IgnoredValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SkipVisitor)
    }
}

struct SkipVisitor;

impl<'de> Visitor<'de> for SkipVisitor {
    type Value = IgnoredValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<IgnoredValue, E> {
        Ok(IgnoredValue)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<IgnoredValue, E> {
        Ok(IgnoredValue)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<IgnoredValue, E> {
        Ok(IgnoredValue)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<IgnoredValue, E> {
        Ok(IgnoredValue)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<IgnoredValue, E> {
        Ok(IgnoredValue)
    }

    fn visit_unit<E: Error>(self) -> Result<IgnoredValue, E> {
        Ok(IgnoredValue)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<IgnoredValue, A::Error> {
        while items.next_element::<IgnoredValue>()?.is_some() {}
        Ok(IgnoredValue)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<IgnoredValue, A::Error> {
        while members.next_key::<IgnoredAny>()?.is_some() {
            members.next_value::<IgnoredValue>()?;
        }
        Ok(IgnoredValue)
    }
}

/// Declares a struct of optional fields that is read from a JSON object; `null` counts as absent
/// and unknown fields are counted in `unknown`.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty = $key:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Default, Debug)]
        struct $name<'de> {
            $($field: Option<$ty>,)+
            unknown: u32,
            lifetime: std::marker::PhantomData<&'de ()>,
        }

        impl<'de> serde::Deserialize<'de> for $name<'de> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut members: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut object = $name::default();
                        while let Some(key) = members.next_key::<$crate::sources::json_object::Str<'de>>()? {
                            match &*key.0 {
                                $($key => {
                                    object.$field = members.next_value().map_err(|error: A::Error| {
                                        serde::de::Error::custom(format_args!("{}: {error}", $key))
                                    })?;
                                })+
                                _ => {
                                    object.unknown += 1;
                                    members.next_value::<$crate::sources::json_object::IgnoredValue>()?;
                                }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}
pub(crate) use object;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Small {
        #[allow(dead_code, reason = "only parsed")]
        number: u32,
    }

    #[test]
    fn a_member_named_twice_is_an_error() {
        assert!(parse_unambiguous(br#"{"a":{"b":1,"b":2}}"#).is_err());
        let json = br#"{"a":[1,-2,0.5,"x",null,true,{"b":{}}]}"#;
        let same: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(parse_unambiguous(json), Ok(same));
    }

    proptest::proptest! {
        #[test]
        fn records_are_parsed_as_by_serde(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    &b"{\"a\":"[..], b"\"\xc3\xb6\"", b"\"\xc3\"", b"\xff", b"}", b"[", b"]", b",",
                    b"\"b\":1", b"\"\\u00e9\"",
                ]),
                0..8,
            ),
        ) {
            let record = pieces.concat();
            let expected = serde_json::from_slice::<Value>(&record).map_err(JsonFault::from);
            proptest::prop_assert_eq!(parse_record::<Value>(&record), expected);
        }
    }

    #[test]
    fn faults_say_what_is_wrong_and_quote_nothing() {
        for (json, what) in [
            (
                r#"{"number":"hunter2, expected hunter3"}"#,
                "invalid type, expected u32",
            ),
            (r#"{"hunter2":1}"#, "unknown field, expected `number`"),
            (r#"{"number":hunter2}"#, "expected value at line 1"),
            (r#"{"number""#, "EOF while parsing"),
        ] {
            let error = serde_json::from_str::<Small>(json).unwrap_err();
            let fault = JsonFault::from(error).to_string();
            assert!(fault.contains(what) && !fault.contains("hunter"), "{fault}");
        }
    }
}
