//! Serde by spelling, for enums of the core: `#[serde(with = "string_enum_serde")]`, and
//! `string_enum_serde::option` for optional ones.

use credwatch_core::string_enum::StringEnum;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;

fn parse<T: StringEnum, E: Error>(text: &str) -> Result<T, E> {
    T::parse(text).ok_or_else(|| E::custom(format!("unknown value `{text}`")))
}

/// Writes the spelling.
///
/// # Errors
/// The serializer fails.
pub fn serialize<T: StringEnum, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_str())
}

/// Reads the spelling.
///
/// # Errors
/// Not a string, or an unknown value.
pub fn deserialize<'de, T: StringEnum, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    parse(&Cow::<'de, str>::deserialize(deserializer)?)
}

/// The same for optional values.
pub mod option {
    use super::{Cow, Deserialize, Deserializer, Serializer, StringEnum, parse};

    /// Writes the spelling, or null.
    ///
    /// # Errors
    /// The serializer fails.
    pub fn serialize<T: StringEnum, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_str(value.as_str()),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the spelling, or null.
    ///
    /// # Errors
    /// Not a string, or an unknown value.
    pub fn deserialize<'de, T: StringEnum, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
        text.map(|text| parse(&text)).transpose()
    }
}
