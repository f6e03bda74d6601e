//! Protocol Buffers → JSON.

use super::{ReferencedSchema, SchemaError, ValueError};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// Name of the schema itself among those it imports.
const MAIN: &str = "credwatch-main.proto";
/// Maximum number of positions that name a message in messages.
const MAX_DEPTH: u64 = 32;

/// A file of message types.
#[derive(Debug)]
pub struct ProtobufSchema {
    pool: DescriptorPool,
}

/// Files of a registry.
struct Files(Vec<ReferencedSchema>);

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let found = self.0.iter().find(|file| file.name == name);
        let found = found.ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, &found.text)
    }
}

impl ProtobufSchema {
    pub(super) fn parse(text: &str, references: &[ReferencedSchema]) -> Result<Self, SchemaError> {
        let invalid =
            |error: protox::Error| SchemaError::Invalid(format!("no .proto file: {error}"));
        let mut files = references.to_vec();
        files.push(ReferencedSchema {
            name: MAIN.to_owned(),
            text: text.to_owned(),
        });
        let mut resolver = ChainFileResolver::new();
        resolver.add(Files(files));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_imports(true);
        compiler.open_file(MAIN).map_err(invalid)?;
        Ok(Self {
            pool: compiler.descriptor_pool(),
        })
    }

    /// The message type at positions in the file, and in message types.
    fn message(&self, positions: &[u64]) -> Option<MessageDescriptor> {
        let file = self.pool.get_file_by_name(MAIN)?;
        let (first, inner) = positions.split_first()?;
        let mut message = file.messages().nth(usize::try_from(*first).ok()?)?;
        for position in inner {
            let next = message
                .child_messages()
                .nth(usize::try_from(*position).ok()?)?;
            message = next;
        }
        Some(message)
    }

    pub(super) fn to_json(&self, value: &[u8]) -> Result<Vec<u8>, ValueError> {
        let mismatch = |why: &str| ValueError::Mismatch(why.to_owned());
        let (positions, message) =
            message_positions(value).ok_or_else(|| mismatch("its message type is not stated"))?;
        let descriptor = self.message(&positions);
        let descriptor = descriptor.ok_or_else(|| mismatch("it has no such message type"))?;
        let message = DynamicMessage::decode(descriptor, message);
        let message = message.map_err(|error| mismatch(&error.to_string()))?;
        let options = SerializeOptions::new()
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false);
        let mut json = serde_json::Serializer::new(Vec::new());
        let written = message.serialize_with_options(&mut json, &options);
        written.map_err(|error| mismatch(&error.to_string()))?;
        Ok(json.into_inner())
    }
}

/// The positions that name the message type, and the message: a count and as many numbers, each a zigzag
/// varint; a single zero stands for the first type.
fn message_positions(value: &[u8]) -> Option<(Vec<u64>, &[u8])> {
    let (count, mut rest) = zigzag(value)?;
    if count == 0 {
        return Some((vec![0], rest));
    }
    let mut positions = Vec::new();
    for _ in 0..(count <= MAX_DEPTH).then_some(count)? {
        let (position, after) = zigzag(rest)?;
        positions.push(position);
        rest = after;
    }
    Some((positions, rest))
}

/// A zigzag varint that is not negative.
fn zigzag(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = bytes;
    let number = prost::encoding::decode_varint(&mut rest).ok()?;
    (number & 1 == 0).then_some((number >> 1, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = r#"
        syntax = "proto3";
        package example;
        import "google/protobuf/timestamp.proto";
        import "source.proto";
        message Other { string name = 1; }
        message Event {
          string who = 1;
          int64 at_ms = 2;
          Source source = 3;
          google.protobuf.Timestamp seen = 4;
          message Inner { bool is_inner = 1; }
        }"#;

    fn schema() -> ProtobufSchema {
        let source = "syntax = \"proto3\"; package example; message Source { string ip = 1; }";
        let references = [ReferencedSchema {
            name: "source.proto".to_owned(),
            text: source.to_owned(),
        }];
        ProtobufSchema::parse(EVENTS, &references).unwrap()
    }

    fn json(value: &[u8]) -> Result<String, String> {
        let json = schema().to_json(value).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn messages_are_found_by_their_positions() {
        // Event: position 1; who = "ada", at_ms = 7, source { ip = "::1" }, seen { seconds = 1 }.
        let event = b"\x02\x02\x0a\x03ada\x10\x07\x1a\x05\x0a\x03::1\x22\x02\x08\x01";
        let expected =
            r#"{"who":"ada","at_ms":7,"source":{"ip":"::1"},"seen":"1970-01-01T00:00:01Z"}"#;
        assert_eq!(json(event).unwrap(), expected);
        // A single zero is the first type; two positions are a type in a type.
        assert_eq!(json(b"\x00\x0a\x01x").unwrap(), r#"{"name":"x"}"#);
        assert_eq!(
            json(b"\x04\x02\x00\x08\x01").unwrap(),
            r#"{"is_inner":true}"#
        );
    }

    #[test]
    fn what_does_not_match_is_an_error() {
        for value in [
            &b""[..],
            b"\x02\x10",
            b"\x01",
            b"\x80\x80\x80\x80\x10",
            b"\x00\x0a\x09x",
        ] {
            assert!(json(value).is_err(), "{value:?}");
        }
        assert!(ProtobufSchema::parse("message {", &[]).is_err());
        let missing = "syntax = \"proto3\"; import \"nowhere.proto\";";
        assert!(ProtobufSchema::parse(missing, &[]).is_err());
    }
}
