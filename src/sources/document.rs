//! A document → its records: lines of a log, arrays, files of `{"Records":[…]}`, one after the other with or
//! without a separator, over several lines or one, in envelopes (`envelope.rs`).
//!
//! Nothing is parsed here: a malformed record affects itself only. Nothing is lost: what is no record is one
//! that is rejected later.

use super::envelope::Unwrapped;
use super::json_scan::{ValueEnd, elements, object_at, value_end};
use super::source_format::RawRecord;

/// The mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Longest text that syslog puts before an object.
const TAG_BYTES: usize = 512;
/// Bytes that a schema registry puts before a value: a zero and the id of the schema.
const REGISTRY_BYTES: usize = 5;

/// The records of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Document<'d> {
    /// The records.
    pub records: Vec<RawRecord<'d>>,
    /// Whether they come from a list, whose elements have no order; lines of a log are in order.
    pub is_list: bool,
    /// Whether the document ends within a record, the last one, or before its list does.
    pub is_truncated: bool,
    /// Reasons for documents that hold no record on purpose, such as control messages.
    pub left_out: Vec<&'static str>,
    /// Kinds of the envelopes that were opened.
    pub envelopes: Vec<&'static str>,
}

/// Splits a document into records.
#[must_use]
pub fn split(document: &[u8]) -> Document<'_> {
    let document = document.strip_prefix(MARK).unwrap_or(document);
    let mut rest = match document {
        [0, _, _, _, _, b'{', ..] => &document[REGISTRY_BYTES..],
        _ => document,
    };
    let mut found = Unwrapped::default();
    let (mut is_list, mut is_truncated) = (false, false);
    loop {
        rest = without_padding(rest);
        let Some(first) = rest.first() else { break };
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let end = match first {
            b'[' if is_array_of_objects(rest) => {
                let end = value_end(rest);
                let (values, is_complete) = elements(rest);
                is_list = true;
                is_truncated = !is_complete;
                values.into_iter().for_each(|value| found.add(value));
                match end {
                    ValueEnd::At(end) => end,
                    ValueEnd::Broken(_) | ValueEnd::Open => rest.len(),
                }
            }
            b'{' | b'"' => match object_at(rest) {
                Some((members, end)) => {
                    found.add_object(&rest[..end], members);
                    end
                }
                None => match value_end(rest) {
                    ValueEnd::At(end) => {
                        found.add(&rest[..end]);
                        end
                    }
                    ValueEnd::Broken(end) => {
                        found.add_unopened(&rest[..end]);
                        end
                    }
                    ValueEnd::Open => {
                        is_truncated = true;
                        is_list |= add_truncated(rest, &mut found);
                        rest.len()
                    }
                },
            },
            _ => {
                let text = rest[..line].trim_ascii_end();
                match json_after_tag(text) {
                    Some(json) => found.add(json),
                    None => found.add_unopened(text),
                }
                line
            }
        };
        rest = &rest[end..];
    }
    Document {
        is_list: is_list || found.is_list,
        records: found.records,
        is_truncated,
        left_out: found.left_out,
        envelopes: found.envelopes,
    }
}

/// The object in a line of syslog, after its tag: `<110>Nov 27 … vault: {…}`, `… @cee: {…}`.
fn json_after_tag(line: &[u8]) -> Option<&[u8]> {
    let at = memchr::memchr(b'{', line)?;
    let (tag, json) = line.split_at(at);
    let is_tag = tag.len() <= TAG_BYTES && tag.trim_ascii_end().ends_with(b":");
    (is_tag && value_end(json) == ValueEnd::At(json.len())).then_some(json)
}

/// `text` after blanks, marks of joined files, and the zeros of a file that was allocated beforehand.
fn without_padding(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        let begins = rest;
        rest = rest.trim_ascii_start();
        rest = rest.strip_prefix(MARK).unwrap_or(rest);
        rest = match rest.iter().position(|byte| *byte != 0) {
            Some(zeros) => &rest[zeros..],
            None => &[],
        };
        if rest.len() == begins.len() {
            return rest;
        }
    }
}

/// Adds the complete records of a list that is cut, and the rest; returns whether there is such a list.
fn add_truncated<'d>(rest: &'d [u8], found: &mut Unwrapped<'d>) -> bool {
    let records = open_list(rest);
    match records {
        Some(records) => elements(records)
            .0
            .into_iter()
            .for_each(|value| found.add(value)),
        None => found.add_unopened(rest),
    }
    records.is_some()
}

/// The list of records with which a document begins that is cut within it.
fn open_list(document: &[u8]) -> Option<&[u8]> {
    let names: [&[u8]; 2] = [b"\"Records\"", b"\"records\""];
    let found = names.iter().find_map(|name| {
        let at = memchr::memmem::find(document, name)?;
        Some(&document[at + name.len()..])
    })?;
    let found = found
        .trim_ascii_start()
        .strip_prefix(b":")?
        .trim_ascii_start();
    found.starts_with(b"[").then_some(found)
}

/// Whether a document that begins with `[` is an array of objects, and not malformed lines.
fn is_array_of_objects(document: &[u8]) -> bool {
    matches!(
        document[1..].trim_ascii_start().first(),
        Some(b'{' | b']' | b'"')
    )
}

/// Whether a document with this beginning has its records line by line, and can be read so.
#[must_use]
pub fn is_log_of_lines(head: &[u8]) -> bool {
    let head = head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start();
    let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or(head);
    let goes_on = matches!(
        first_line.trim_ascii_end().last(),
        Some(b'{' | b'[' | b',' | b':')
    );
    match head.first() {
        Some(b'[') => !is_array_of_objects(head),
        Some(b'{') => {
            !(goes_on && head.len() > first_line.len()) && open_list(first_line).is_none()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts<'d>(document: &'d Document<'_>) -> Vec<&'d str> {
        let records = document.records.iter();
        records
            .map(|record| std::str::from_utf8(&record.text).unwrap())
            .collect()
    }

    #[track_caller]
    fn assert_list(document: &str, expected: &[&str], is_truncated: bool) {
        let found = split(document.as_bytes());
        assert_eq!(texts(&found), expected, "{document}");
        assert!(
            found.is_list && found.is_truncated == is_truncated,
            "{document}"
        );
    }

    #[test]
    fn arrays_and_records_have_no_order() {
        let expected = [r#"{"a":"],}\""}"#, r#"{"b":[1,{}]}"#];
        assert_list(r#"[{"a":"],}\""}, {"b":[1,{}]}]"#, &expected, false);
        assert_list(
            r#" {"Records": [{"a":"],}\""},{"b":[1,{}]}]}"#,
            &expected,
            false,
        );
        assert_list("[]", &[], false);
    }

    #[test]
    fn a_truncated_document_keeps_its_complete_records() {
        assert_list(
            r#"{"Records":[{"a":1},{"b":"#,
            &[r#"{"a":1}"#, r#"{"b":"#],
            true,
        );
        assert_list(r#"[{"a":1},"#, &[r#"{"a":1}"#], true);
    }

    #[test]
    fn documents_one_after_the_other_are_all_read() {
        let of = |n: u32| format!(r#"{{"Records":[{{"a":{n}}},{{"b":{n}}}]}}"#);
        let expected = [r#"{"a":1}"#, r#"{"b":1}"#, r#"{"a":2}"#, r#"{"b":2}"#];
        for between in ["", " ", "\n", "\r\n\n"] {
            assert_list(&format!("{}{between}{}", of(1), of(2)), &expected, false);
        }
        let joined = split(br#"{"a":1}{"a":2} {"a":3}"#);
        assert_eq!(texts(&joined), [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]);
        assert_list(
            &format!("{} rest", of(1)),
            &[r#"{"a":1}"#, r#"{"b":1}"#, "rest"],
            false,
        );
    }

    #[test]
    fn lines_stay_lines_and_a_malformed_one_affects_itself() {
        let lines = split(b"{\"a\":1}\n\n{\"b\":\n{\"c\":[1\n{\"b\":2}\r\ngarbage");
        assert!(!lines.is_list);
        assert_eq!(texts(&lines)[0], r#"{"a":1}"#);
        assert_eq!(*texts(&lines).last().unwrap(), "garbage");
        let cut = split(b"{\"a\":\"x\n{\"b\":2}");
        assert_eq!(texts(&cut), ["{\"a\":\"x", r#"{"b":2}"#]);
        let open = split(b"{\"a\":1,\n{\"b\":2}");
        assert_eq!(texts(&open), ["{\"a\":1,", r#"{"b":2}"#]);
    }

    #[test]
    fn one_object_over_several_lines_is_one_record() {
        let pretty = "{\n  \"a\": {\n    \"b\": [\n      1\n    ]\n  }\n}\n";
        assert_eq!(texts(&split(pretty.as_bytes())), [pretty.trim_end()]);
        assert!(!is_log_of_lines(pretty.as_bytes()));
        assert!(is_log_of_lines(b"{\"a\":1}\n{\"a\":2}\n"));
        assert!(!is_log_of_lines(br#"{"x":1,"Records":[{"a":1}"#));
    }

    #[test]
    fn marks_and_zeros_between_records_are_no_records() {
        let joined = b"\xef\xbb\xbf{\"a\":1}\n\xef\xbb\xbf{\"a\":2}\0\0\n\0{\"a\":3}\n\0\0\0";
        assert_eq!(
            texts(&split(joined)),
            [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]
        );
    }

    #[test]
    fn an_object_in_a_line_of_syslog_is_a_record() {
        let lines = [
            r#"<110>Nov 27 08:00:00 v1 vault[7]: {"a":1}"#,
            r#"<110>x @cee: {"a":2}"#,
            r#"x {"a":3}"#,
            r#"x: {"a":"#,
        ];
        let lines = lines.join("\n");
        let found = split(lines.as_bytes());
        assert_eq!(texts(&found)[..2], [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(texts(&found)[2..], [r#"x {"a":3}"#, r#"x: {"a":"#]);
    }

    #[test]
    fn the_framing_of_a_schema_registry_is_skipped() {
        assert_eq!(texts(&split(b"\0\0\0\0\x07{\"a\":1}")), [r#"{"a":1}"#]);
    }

    proptest! {
        #[test]
        fn an_array_of_anything_splits_into_its_elements(
            texts in prop::collection::vec(".{0,12}", 0..8), nested in any::<bool>(),
        ) {
            let elements: Vec<serde_json::Value> = texts
                .iter()
                .map(|t| match nested {
                    true => serde_json::json!({"a": [t, {"b": t}]}),
                    false => serde_json::json!({"t": t}),
                })
                .collect();
            let document = serde_json::to_string(&elements).unwrap();
            let found = split(document.as_bytes());
            let read: Vec<serde_json::Value> = found
                .records
                .iter()
                .map(|record| serde_json::from_slice(&record.text).unwrap())
                .collect();
            prop_assert_eq!(read, elements);
            prop_assert!(!found.is_truncated);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (split(&bytes), is_log_of_lines(&bytes));
        }
    }
}
