//! A JSON value that borrows its texts from the record: a record has dozens, of which few are read.

use crate::sources::json_object::Str;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;

/// A value with one lifetime, so that what is found in it has the same.
pub(super) type Ref<'v> = &'v Value<'v>;

/// A JSON value. Members keep their order; of two with one name the first counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value<'r> {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(Cow<'r, str>),
    /// A list.
    Array(Vec<Self>),
    /// Members by name.
    Object(Vec<(Cow<'r, str>, Self)>),
}

impl<'r> Value<'r> {
    /// An object of texts.
    pub(super) fn of_texts<const N: usize>(members: [(&'static str, &str); N]) -> Value<'static> {
        let member = |(name, text): (&'static str, &str)| {
            (
                Cow::Borrowed(name),
                Value::String(Cow::Owned(text.to_owned())),
            )
        };
        Value::Object(members.into_iter().map(member).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let mut members = self.as_object()?.iter();
        members
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    pub(super) fn as_object(&self) -> Option<&Vec<(Cow<'r, str>, Self)>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&Vec<Self>> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(is_true) => Some(*is_true),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    pub(super) fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    pub(super) fn is_object(&self) -> bool {
        self.as_object().is_some()
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((Str(name), value)) = object.next_entry()? {
            members.push((name, value));
        }
        Ok(Value::Object(members))
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same value as `serde_json` holds it.
    fn plain(value: &Value<'_>) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(is_true) => (*is_true).into(),
            Value::Number(number) => number.clone().into(),
            Value::String(text) => text.as_ref().into(),
            Value::Array(elements) => elements.iter().map(plain).collect(),
            Value::Object(members) => {
                let members = members.iter();
                members
                    .map(|(name, value)| (name.to_string(), plain(value)))
                    .collect()
            }
        }
    }

    #[test]
    fn texts_are_borrowed_unless_they_have_escapes() {
        let record = br#"{"a":"plain","b":"new\nline"}"#;
        let value: Value<'_> = serde_json::from_slice(record).unwrap();
        assert!(matches!(
            value.get("a"),
            Some(Value::String(Cow::Borrowed("plain")))
        ));
        assert_eq!(value.get("b").and_then(Value::as_str), Some("new\nline"));
        assert_eq!(value.get("c"), None);
    }

    proptest! {
        #[test]
        fn any_json_is_the_same_as_serde_s(
            texts in prop::collection::vec(".{0,12}", 0..6), number in any::<i64>(), share in any::<f64>(),
        ) {
            let nested: Vec<serde_json::Value> = texts
                .iter()
                .map(|text| serde_json::json!({text.as_str(): [text, number, share, null, true, {}]}))
                .collect();
            let json = serde_json::json!({"a": nested, "b": number}).to_string();
            let value: Value<'_> = serde_json::from_slice(json.as_bytes()).unwrap();
            prop_assert_eq!(plain(&value), serde_json::from_str::<serde_json::Value>(&json).unwrap());
        }
    }
}
