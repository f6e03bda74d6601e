//! Parsing of JSON objects without copying: borrowed text, counted unknown fields, bounded nesting.

use credwatch_core::event::Text;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

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
