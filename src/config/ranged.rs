//! Values with a range or a form, checked where they are deserialized, so that the error has their path.

use credwatch_core::string_enum::StringEnum;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// A whole number in [`MIN`, `MAX`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const MIN: i64, const MAX: i64>(pub(super) i64);

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    pub(super) fn as_u64(self) -> u64 {
        self.0.unsigned_abs()
    }

    pub(super) fn as_usize(self) -> usize {
        self.0.unsigned_abs() as usize
    }
}

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole64<const MIN: i64, const MAX: i64>;
        impl<const MIN: i64, const MAX: i64> Visitor<'_> for Whole64<MIN, MAX> {
            type Value = i64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number between {MIN} and {MAX}")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
                if (MIN..=MAX).contains(&number) {
                    return Ok(number);
                }
                Err(E::invalid_value(Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_i64(Whole64::<MIN, MAX>).map(Self)
    }
}

/// A number above 0, up to `MAX`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positive<const MAX: u32>(pub(super) f64);

impl<'de, const MAX: u32> Deserialize<'de> for Positive<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PositiveF64<const MAX: u32>;
        impl<const MAX: u32> Visitor<'_> for PositiveF64<MAX> {
            type Value = f64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number above 0 and at most {MAX}")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
                if number > 0.0 && number <= f64::from(MAX) {
                    return Ok(number);
                }
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
                self.visit_f64(number as f64)
            }
        }
        deserializer.deserialize_f64(PositiveF64::<MAX>).map(Self)
    }
}

/// A string that is not blank.
#[derive(Clone, Debug)]
pub(super) struct NonEmpty(pub(super) String);

impl<'de> Deserialize<'de> for NonEmpty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            let expected = &"a string that is not empty";
            return Err(D::Error::invalid_value(Unexpected::Str(""), expected));
        }
        Ok(Self(text))
    }
}

/// A value of a [`StringEnum`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: StringEnum> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling<T>(PhantomData<T>);
        impl<T: StringEnum> Visitor<'_> for Spelling<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "one of: {}", T::spellings().join(", "))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                T::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer
            .deserialize_str(Spelling(PhantomData))
            .map(Self)
    }
}
