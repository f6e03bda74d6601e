//! Records in the wire format of a schema registry: a zero, the id of a schema, and a value in Avro, Protobuf
//! or JSON. Decoded to JSON, they are records like any others.
//!
//! <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/>

mod avro;
mod protobuf;

use crate::sources::fields::RECORD_BYTES;
use avro::AvroSchema;
use protobuf::ProtobufSchema;
use std::borrow::Cow;

/// First byte of the wire format.
const MAGIC: u8 = 0;

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not a schema of its kind.
    #[error("{0}")]
    Invalid(String),
    /// Values of it could be nested without end.
    #[error("the Avro schema refers to itself in `{0}`, which is not supported")]
    Recursive(String),
    /// A kind that is not known.
    #[error("schemas of type {0} are not supported; known are AVRO, PROTOBUF and JSON")]
    UnknownKind(String),
}

/// Why a value cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// It does not begin with a zero and the id of a schema.
    #[error("record without the five bytes of a schema registry: set `encoding = \"json\"`")]
    NotFramed,
    /// Over the size limit.
    #[error("record of {0} bytes is over the limit of {RECORD_BYTES}")]
    TooLarge(usize),
    /// It does not match its schema.
    #[error("the value does not match its schema: {0}")]
    Mismatch(String),
}

/// A record of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'r> {
    /// Id of the schema.
    pub schema_id: u32,
    /// What follows.
    pub value: &'r [u8],
}

/// The parts of a record.
///
/// # Errors
/// It is not framed.
pub fn parse_frame(record: &[u8]) -> Result<Framed<'_>, ValueError> {
    match record {
        [MAGIC, a, b, c, d, value @ ..] => Ok(Framed {
            schema_id: u32::from_be_bytes([*a, *b, *c, *d]),
            value,
        }),
        _ => Err(ValueError::NotFramed),
    }
}

/// Kind of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    /// Apache Avro.
    Avro,
    /// Protocol Buffers.
    Protobuf,
    /// JSON Schema: values are JSON.
    Json,
}

impl SchemaKind {
    /// The kind that a registry names so; without a name it is Avro.
    ///
    /// # Errors
    /// It is not known.
    pub fn parse(name: Option<&str>) -> Result<Self, SchemaError> {
        match name {
            None | Some("AVRO") => Ok(Self::Avro),
            Some("PROTOBUF") => Ok(Self::Protobuf),
            Some("JSON") => Ok(Self::Json),
            Some(other) => Err(SchemaError::UnknownKind(other.to_owned())),
        }
    }

    /// The kind of a schema in a file, by its name.
    #[must_use]
    pub fn of_file(path: &str) -> Self {
        match path.rsplit('.').next() {
            Some("proto") => Self::Protobuf,
            Some("json") => Self::Json,
            _ => Self::Avro,
        }
    }
}

/// A schema that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencedSchema {
    /// Name by which it is referred to.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A schema, ready to decode values.
#[derive(Debug)]
pub enum Schema {
    /// Apache Avro.
    Avro(Box<AvroSchema>),
    /// Protocol Buffers.
    Protobuf(ProtobufSchema),
    /// JSON.
    Json,
}

impl Schema {
    /// Parses a schema and those it refers to.
    ///
    /// # Errors
    /// It is invalid, or could nest values without end.
    pub fn parse(
        kind: SchemaKind,
        text: &str,
        references: &[ReferencedSchema],
    ) -> Result<Self, SchemaError> {
        Ok(match kind {
            SchemaKind::Avro => Self::Avro(Box::new(AvroSchema::parse(text, references)?)),
            SchemaKind::Protobuf => Self::Protobuf(ProtobufSchema::parse(text, references)?),
            SchemaKind::Json => Self::Json,
        })
    }

    /// The value as JSON. Numbers of time stay numbers, bytes that are no text become base64.
    ///
    /// # Errors
    /// It does not match the schema, or is too large.
    pub fn to_json<'r>(&self, value: &'r [u8]) -> Result<Cow<'r, [u8]>, ValueError> {
        if value.len() > RECORD_BYTES {
            return Err(ValueError::TooLarge(value.len()));
        }
        match self {
            Self::Avro(schema) => schema.to_json(value).map(Cow::Owned),
            Self::Protobuf(schema) => schema.to_json(value).map(Cow::Owned),
            Self::Json => Ok(Cow::Borrowed(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_a_zero_and_an_id() {
        let framed = parse_frame(b"\0\0\0\x01\x02abc").unwrap();
        assert_eq!((framed.schema_id, framed.value), (258, &b"abc"[..]));
        assert!(matches!(parse_frame(b"{}"), Err(ValueError::NotFramed)));
        assert!(matches!(parse_frame(b"\0\0\0"), Err(ValueError::NotFramed)));
    }

    #[test]
    fn kinds_are_named_as_registries_do() {
        assert_eq!(SchemaKind::parse(None).unwrap(), SchemaKind::Avro);
        assert!(SchemaKind::parse(Some("THRIFT")).is_err());
        assert_eq!(SchemaKind::of_file("a/event.proto"), SchemaKind::Protobuf);
        assert_eq!(SchemaKind::of_file("event.avsc"), SchemaKind::Avro);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let avro = r#"{"type":"record","name":"E","fields":[
                {"name":"who","type":["null","string"]},
                {"name":"list","type":{"type":"array","items":"null"}},
                {"name":"map","type":{"type":"map","values":"long"}},
                {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;
            let avro = Schema::parse(SchemaKind::Avro, avro, &[]).unwrap();
            let protobuf = "syntax = \"proto3\"; message E { string who = 1; repeated E inner = 2; \
                            map<string, int64> counts = 3; }";
            let protobuf = Schema::parse(SchemaKind::Protobuf, protobuf, &[]).unwrap();
            for schema in [&avro, &protobuf] {
                if let Ok(json) = schema.to_json(&bytes) {
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
                }
            }
        }
    }
}
