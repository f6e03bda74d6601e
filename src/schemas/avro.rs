//! Apache Avro → JSON.

use super::{ReferencedSchema, SchemaError, ValueError};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, UnionSchema};
use apache_avro::types::Value as AvroValue;
use apache_avro::util::max_allocation_bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Maximum size of one list, map or text, whatever a value states.
const ALLOCATION_BYTES: usize = 32 << 20;

/// An Avro schema and those it refers to.
#[derive(Debug)]
pub struct AvroSchema {
    schema: apache_avro::Schema,
    references: Vec<apache_avro::Schema>,
}

impl AvroSchema {
    pub(super) fn parse(text: &str, references: &[ReferencedSchema]) -> Result<Self, SchemaError> {
        let texts = references.iter().map(|reference| &reference.text);
        let parsed = apache_avro::Schema::parse_str_with_list(text, texts);
        let (schema, references) =
            parsed.map_err(|error| SchemaError::Invalid(format!("no Avro schema: {error}")))?;
        for known in references.iter().chain([&schema]) {
            check_recursion(known, &mut Vec::new()).map_err(SchemaError::Recursive)?;
        }
        Ok(Self { schema, references })
    }

    pub(super) fn to_json(&self, mut value: &[u8]) -> Result<Vec<u8>, ValueError> {
        max_allocation_bytes(ALLOCATION_BYTES);
        let schemata = self.references.iter().chain([&self.schema]).collect();
        let decoded = GenericDatumReader::builder(&self.schema)
            .writer_schemata(schemata)
            .and_then(|builder| builder.build()?.read_value(&mut value));
        let decoded = decoded.map_err(|error| ValueError::Mismatch(error.to_string()))?;
        if !value.is_empty() {
            let left = format!("{} bytes are left", value.len());
            return Err(ValueError::Mismatch(left));
        }
        Ok(json_of(decoded).to_string().into_bytes())
    }
}

/// Fails with the name of a record that contains itself. References between schemas have no cycles.
fn check_recursion<'s>(
    schema: &'s apache_avro::Schema,
    around: &mut Vec<&'s Name>,
) -> Result<(), String> {
    use apache_avro::Schema;
    match schema {
        Schema::Array(list) => check_recursion(&list.items, around),
        Schema::Map(map) => check_recursion(&map.types, around),
        Schema::Union(union) => {
            let variants = UnionSchema::variants(union).iter();
            variants
                .into_iter()
                .try_for_each(|variant| check_recursion(variant, around))
        }
        Schema::Record(record) => {
            around.push(&record.name);
            let mut fields = record.fields.iter();
            fields.try_for_each(|field| check_recursion(&field.schema, around))?;
            around.pop();
            Ok(())
        }
        Schema::Ref { name } if around.contains(&name) => Err(name.to_string()),
        _ => Ok(()),
    }
}

fn json_of(value: AvroValue) -> Value {
    match value {
        AvroValue::Null => Value::Null,
        AvroValue::Boolean(is_true) => json!(is_true),
        AvroValue::Int(number) | AvroValue::Date(number) | AvroValue::TimeMillis(number) => {
            json!(number)
        }
        AvroValue::Long(number)
        | AvroValue::TimeMicros(number)
        | AvroValue::TimestampMillis(number)
        | AvroValue::TimestampMicros(number)
        | AvroValue::TimestampNanos(number)
        | AvroValue::LocalTimestampMillis(number)
        | AvroValue::LocalTimestampMicros(number)
        | AvroValue::LocalTimestampNanos(number) => json!(number),
        AvroValue::Float(number) => json!(number),
        AvroValue::Double(number) => json!(number),
        AvroValue::Bytes(bytes) | AvroValue::Fixed(_, bytes) => of_bytes(bytes),
        AvroValue::String(text) | AvroValue::Enum(_, text) => json!(text),
        AvroValue::Union(_, inner) => json_of(*inner),
        AvroValue::Array(values) => values.into_iter().map(json_of).collect(),
        AvroValue::Map(members) => members
            .into_iter()
            .map(|(name, value)| (name, json_of(value)))
            .collect(),
        AvroValue::Record(members) => members
            .into_iter()
            .map(|(name, value)| (name, json_of(value)))
            .collect(),
        AvroValue::Uuid(id) => json!(id.to_string()),
        AvroValue::BigDecimal(number) => json!(number.to_string()),
        // No field that is read is one.
        AvroValue::Decimal(_) | AvroValue::Duration(_) => Value::Null,
    }
}

fn of_bytes(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(error) => json!(STANDARD.encode(error.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Schema, SchemaKind};
    use super::*;

    const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"x","fields":[
        {"name":"who","type":["null","string"]},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"source","type":{"type":"record","name":"Source","fields":[
            {"name":"ip","type":"string"},{"name":"raw","type":"bytes"}]}},
        {"name":"tags","type":{"type":"map","values":"int"}}]}"#;

    #[test]
    fn a_record_becomes_an_object() {
        let schema = AvroSchema::parse(EVENT, &[]).unwrap();
        // Second of the union, "ada"; 7 ms; "192.0.2.1", one byte; a block of one member, no further block.
        let bytes = b"\x02\x06ada\x0e\x12192.0.2.1\x02\xff\x02\x02n\x0e\x00".to_vec();
        let json: Value = serde_json::from_slice(&schema.to_json(&bytes).unwrap()).unwrap();
        let expected = json!({"who": "ada", "at": 7, "tags": {"n": 7},
            "source": {"ip": "192.0.2.1", "raw": "/w=="}});
        assert_eq!(json, expected);
        let cut = schema.to_json(&bytes[..bytes.len() - 2]);
        assert!(matches!(cut, Err(ValueError::Mismatch(_))));
        let longer = schema.to_json(&[bytes, vec![0]].concat());
        assert!(longer.unwrap_err().to_string().contains("1 bytes are left"));
    }

    #[test]
    fn references_are_other_schemas() {
        let source = r#"{"type":"record","name":"Source","namespace":"x",
            "fields":[{"name":"ip","type":"string"}]}"#;
        let event = r#"{"type":"record","name":"Event","namespace":"x",
            "fields":[{"name":"source","type":"x.Source"}]}"#;
        let references = [ReferencedSchema {
            name: "x.Source".to_owned(),
            text: source.to_owned(),
        }];
        let schema = AvroSchema::parse(event, &references).unwrap();
        let json = schema.to_json(b"\x12192.0.2.1").unwrap();
        assert_eq!(json, br#"{"source":{"ip":"192.0.2.1"}}"#);
    }

    #[test]
    fn a_schema_that_nests_without_end_is_refused() {
        let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
        let error = Schema::parse(SchemaKind::Avro, list, &[]).unwrap_err();
        assert!(matches!(error, SchemaError::Recursive(name) if name == "L"));
        assert!(Schema::parse(SchemaKind::Avro, "{", &[]).is_err());
    }
}
