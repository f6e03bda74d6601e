//! Recognizes the format of a record, and splits a document into records.

use credwatch_core::string_enum;

string_enum! {
    /// A source format.
    Format {
        /// Native events.
        Native = "native",
        /// AWS CloudTrail.
        CloudTrail = "cloudtrail",
        /// Keycloak's user and admin events.
        Keycloak = "keycloak",
    }
}

/// Number of bytes of a document from which its format is recognized.
#[must_use]
pub fn head(document: &[u8]) -> &[u8] {
    &document[..document.len().min(65_536)]
}

/// Recognizes the format of a record by fields that only one format has.
#[must_use]
pub fn recognise(record: &[u8]) -> Format {
    let has = |needle: &[u8]| record.windows(needle.len()).any(|window| window == needle);
    if has(b"\"eventSource\"") || has(b"\"eventVersion\"") || has(b"\"userIdentity\"") {
        Format::CloudTrail
    } else if has(b"\"realmId\"") {
        Format::Keycloak
    } else {
        Format::Native
    }
}

/// Records of a document.
#[derive(Debug, PartialEq, Eq)]
pub enum Document<'d> {
    /// One record per line, in the order of a log.
    Lines(Vec<&'d [u8]>),
    /// A JSON array or `{"Records":[…]}`: without order. `is_truncated` where its end is missing; the last
    /// record is then the malformed rest.
    Array {
        /// The elements.
        records: Vec<&'d [u8]>,
        /// Whether the document ends within an element or before the array does.
        is_truncated: bool,
    },
}

impl Document<'_> {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Lines(records) | Self::Array { records, .. } => records.len(),
        }
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Splits a document into records without parsing them: a malformed element with balanced brackets
/// affects that element only.
#[must_use]
pub fn split(document: &[u8]) -> Document<'_> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    match array_in(document) {
        Some(array) => split_array(array),
        None => Document::Lines(
            document
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.trim_ascii().is_empty())
                .collect(),
        ),
    }
}

fn array_in(document: &[u8]) -> Option<&[u8]> {
    let trimmed = document.trim_ascii_start();
    match trimmed.first() {
        Some(b'[') if !looks_like_json_lines(trimmed) => Some(trimmed),
        Some(b'{') => records_member(trimmed),
        _ => None,
    }
}

/// Whether a document with this beginning is an array or `{"Records":[…]}`, and not a log of lines.
#[must_use]
pub fn is_json_array(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    array_in(head).is_some()
}

/// Whether a document that begins with `[` is not an array of objects but malformed lines.
fn looks_like_json_lines(document: &[u8]) -> bool {
    !matches!(document[1..].trim_ascii_start().first(), Some(b'{' | b']'))
}

/// The array of `{"Records":[…]}`, where the document begins with it.
fn records_member(document: &[u8]) -> Option<&[u8]> {
    let mut rest = document.get(1..)?.trim_ascii_start();
    rest = rest.strip_prefix(b"\"Records\"")?.trim_ascii_start();
    rest = rest.strip_prefix(b":")?.trim_ascii_start();
    rest.starts_with(b"[").then_some(rest)
}

fn split_array(array: &[u8]) -> Document<'_> {
    let mut records = Vec::new();
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    let mut start = None;
    for (at, byte) in array.iter().enumerate() {
        if in_text {
            in_text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = depth == 0 || (depth == 1 && *byte == b',');
        match start {
            None if at > 0 && !ends && !byte.is_ascii_whitespace() => start = Some(at),
            Some(from) if ends => {
                records.push(array[from..at].trim_ascii_end());
                start = None;
            }
            _ => {}
        }
        if depth == 0 {
            return Document::Array {
                records,
                is_truncated: false,
            };
        }
    }
    if let Some(from) = start {
        records.push(&array[from..]);
    }
    Document::Array {
        records,
        is_truncated: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bag(document: &str) -> (Vec<&str>, bool) {
        match split(document.as_bytes()) {
            Document::Array {
                records,
                is_truncated,
            } => (
                records
                    .iter()
                    .map(|r| std::str::from_utf8(r).unwrap())
                    .collect(),
                is_truncated,
            ),
            Document::Lines(_) => panic!("expected a bag"),
        }
    }

    #[test]
    fn arrays_and_records_have_no_order() {
        let expected = (vec![r#"{"a":"],}\""}"#, r#"{"b":[1,{}]}"#], false);
        assert_eq!(bag(r#"[{"a":"],}\""}, {"b":[1,{}]}]"#), expected);
        assert_eq!(
            bag(r#" {"Records": [{"a":"],}\""},{"b":[1,{}]}]}"#),
            expected
        );
        assert_eq!(bag("[]"), (vec![], false));
    }

    #[test]
    fn a_truncated_document_keeps_its_complete_records() {
        assert_eq!(
            bag(r#"{"Records":[{"a":1},{"b":"#),
            (vec![r#"{"a":1}"#, r#"{"b":"#], true)
        );
        assert_eq!(bag(r#"[{"a":1},"#), (vec![r#"{"a":1}"#], true));
    }

    #[test]
    fn lines_stay_lines() {
        let lines = split(b"{\"a\":1}\n\n{\"b\":2}\r\ngarbage");
        assert_eq!(
            lines,
            Document::Lines(vec![b"{\"a\":1}", b"{\"b\":2}\r", b"garbage"])
        );
    }

    #[test]
    fn formats_are_recognized() {
        assert_eq!(recognise(br#"{"eventVersion":"1.08"}"#), Format::CloudTrail);
        assert_eq!(recognise(br#"{"time":1,"identity":{}}"#), Format::Native);
    }

    proptest! {
        #[test]
        fn an_array_of_anything_splits_into_its_elements(
            texts in prop::collection::vec(".{0,12}", 0..8), nested in any::<bool>(),
        ) {
            let elements: Vec<serde_json::Value> = texts
                .iter()
                .map(|t| if nested { serde_json::json!({"a": [t, {"b": t}]}) } else { serde_json::json!({"t": t}) })
                .collect();
            let document = serde_json::to_string(&elements).unwrap();
            let (records, is_truncated) = bag(&document);
            let read: Vec<serde_json::Value> = records.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
            prop_assert_eq!(read, elements);
            prop_assert!(!is_truncated);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = split(&bytes);
        }
    }
}
