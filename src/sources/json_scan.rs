//! Finds JSON values without parsing them, so that a malformed one affects itself only.

/// Where a value ends, from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueEnd {
    /// After this many bytes.
    At(usize),
    /// It is malformed, and another value begins on the line after this many bytes.
    Broken(usize),
    /// It goes on beyond the text.
    Open,
}

/// The end of the object, array or text at the beginning of `text`.
pub(super) fn value_end(text: &[u8]) -> ValueEnd {
    let mut containers = Vec::with_capacity(16);
    let (mut line_end, mut previous, mut at) = (None, b' ', 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => match text_end(text, at) {
                ValueEnd::At(end) if containers.is_empty() => return ValueEnd::At(end),
                ValueEnd::At(end) => {
                    (previous, at) = (b'"', end);
                    continue;
                }
                other => return other,
            },
            b'{' => {
                let is_misplaced = match containers.last() {
                    Some(b'{') => previous != b':' || line_end == at.checked_sub(1),
                    Some(_) => !matches!(previous, b',' | b'['),
                    None => false,
                };
                match line_end {
                    Some(end) if is_misplaced => return ValueEnd::Broken(end),
                    _ => containers.push(*byte),
                }
            }
            b'[' => containers.push(*byte),
            b'}' | b']' => {
                containers.pop();
                if containers.is_empty() {
                    return ValueEnd::At(at + 1);
                }
            }
            b'\n' => line_end = Some(at),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            previous = *byte;
        }
        at += 1;
    }
    ValueEnd::Open
}

/// The end of the text in quotes at `start`: most bytes of a record are in one, and are not looked at.
fn text_end(text: &[u8], start: usize) -> ValueEnd {
    let mut at = start + 1;
    while let Some(found) = text
        .get(at..)
        .and_then(|rest| memchr::memchr3(b'"', b'\\', b'\n', rest))
    {
        at += found;
        match text[at] {
            b'"' => return ValueEnd::At(at + 1),
            b'\n' => return ValueEnd::Broken(at),
            // What is escaped ends no text; an end of line does even so.
            _ if text.get(at + 1) == Some(&b'\n') => return ValueEnd::Broken(at + 1),
            _ => at += 2,
        }
    }
    ValueEnd::Open
}

/// Members of an object that are kept.
const MAX_MEMBERS: usize = 256;

/// Name and value of a member, as they stand in its object.
pub(super) type Member<'t> = (&'t [u8], &'t [u8]);

/// The first members of an object.
pub(super) fn members_of(object: &[u8]) -> Vec<Member<'_>> {
    match object_at(object) {
        Some((members, _)) => members,
        None => members(object).take(MAX_MEMBERS).collect(),
    }
}

/// The first members of the object at the beginning of `text` and its end, in one pass. `None` where it is
/// not well-formed, or a line begins after a colon: [`value_end`] says where it ends then.
pub(super) fn object_at(text: &[u8]) -> Option<(Vec<Member<'_>>, usize)> {
    let mut members = Vec::with_capacity(24);
    let mut at = blanks_end(text, text.starts_with(b"{").then_some(1)?);
    if text.get(at) == Some(&b'}') {
        return Some((members, at + 1));
    }
    loop {
        let name = at;
        let name_end = end_at(text_end(text, (text.get(at)? == &b'"').then_some(at)?))?;
        let colon = blanks_end(text, name_end);
        let begin = blanks_end(text, (text.get(colon)? == &b':').then_some(colon + 1)?);
        if text[colon..begin].contains(&b'\n') {
            return None;
        }
        let end = match text.get(begin)? {
            b'"' => end_at(text_end(text, begin))?,
            b'{' | b'[' => begin + end_at(value_end(&text[begin..]))?,
            _ => word_end(text, begin),
        };
        if members.len() < MAX_MEMBERS {
            members.push((&text[name + 1..name_end - 1], &text[begin..end]));
        }
        at = blanks_end(text, end);
        match text.get(at)? {
            b',' => at = blanks_end(text, at + 1),
            b'}' => return Some((members, at + 1)),
            _ => return None,
        }
    }
}

fn end_at(end: ValueEnd) -> Option<usize> {
    match end {
        ValueEnd::At(end) => Some(end),
        ValueEnd::Broken(_) | ValueEnd::Open => None,
    }
}

/// Where the blanks at `at` end.
fn blanks_end(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// Where the number, `true`, `false` or `null` at `at` ends.
fn word_end(text: &[u8], mut at: usize) -> usize {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    while text.get(at).is_some_and(is_of_word) {
        at += 1;
    }
    at
}

/// The members of the object at the beginning of `object`: name and value, as they stand in it. Ends at the
/// first malformed one.
pub(super) fn members(object: &[u8]) -> impl Iterator<Item = Member<'_>> {
    let mut rest = object.trim_ascii_start().get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        rest = skip(rest, b',');
        let ValueEnd::At(name_end) = value_end(rest.strip_prefix(b"\"").and(Some(rest))?) else {
            return None;
        };
        let name = &rest[1..name_end - 1];
        rest = skip(&rest[name_end..], b':');
        let (value, after) = element(rest)?;
        rest = after;
        Some((name, value))
    })
}

/// The elements of the array at the beginning of `array`, and whether it ends.
pub(super) fn elements(array: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut rest = array.get(1..).unwrap_or_default();
    let mut found = Vec::new();
    loop {
        rest = skip(rest, b',');
        match rest.first() {
            None => return (found, false),
            Some(b']') => return (found, true),
            Some(_) => {}
        }
        let Some((value, after)) = element(rest) else {
            found.push(rest);
            return (found, false);
        };
        found.push(value);
        rest = after;
    }
}

/// The value at the beginning of `rest` and what follows; `None` where it does not end.
fn element(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = match rest.first()? {
        b'{' | b'[' | b'"' => match value_end(rest) {
            ValueEnd::At(end) | ValueEnd::Broken(end) => end,
            ValueEnd::Open => return None,
        },
        _ => rest
            .iter()
            .position(|byte| matches!(byte, b',' | b'}' | b']'))?,
    };
    let (value, after) = rest.split_at(end.max(1));
    Some((value.trim_ascii_end(), after))
}

/// `text` without blanks, and one `separator` among them.
fn skip(text: &[u8], separator: u8) -> &[u8] {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(&[separator]).unwrap_or(text);
    text.trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_end_where_they_end() {
        assert_eq!(value_end(br#"{"a":"}\"{"} {"#), ValueEnd::At(12));
        assert_eq!(value_end(br#""a b" c"#), ValueEnd::At(5));
        assert_eq!(value_end(b"{\"a\":\n {\"b\":1}}"), ValueEnd::At(15));
        assert_eq!(value_end(b"{\"a\":\n{\"b\":1}}"), ValueEnd::Broken(5));
        assert_eq!(value_end(b"{\"a\":1\n{\"b\":2}"), ValueEnd::Broken(6));
        assert_eq!(value_end(b"{\"a\n\":1}"), ValueEnd::Broken(3));
        assert_eq!(value_end(b"{\"a\":["), ValueEnd::Open);
    }

    #[test]
    fn members_are_found_without_parsing_their_values() {
        let object = br#" { "a" : 1, "b":{"c":[2]} ,"d":"x,}" } "#;
        let found: Vec<_> = members(object).collect();
        let expected: [(&[u8], &[u8]); 3] =
            [(b"a", b"1"), (b"b", br#"{"c":[2]}"#), (b"d", br#""x,}""#)];
        assert_eq!(found, expected);
    }

    /// JSON-like texts: whole, cut, and one after the other.
    fn lines() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\\\"\"",
            "\n",
            " ",
            "1",
            "-2.5e3",
            "null",
            "{\"a\":1}",
            "{\"a\": [1, {\"b\": \"x\"}],\n \"c\": {}}",
            "{\"a\":{\"b\":",
            "[{\"a\":1},",
        ]);
        prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn an_object_is_read_in_one_pass() {
        let of = |text: &'static str| {
            object_at(text.as_bytes()).map(|(members, end)| (members.len(), &text[end..]))
        };
        assert_eq!(
            of(r#"{"a" : 1 ,"b":{"c":[2]} ,"d":"x,}" } {"#),
            Some((3, " {"))
        );
        assert_eq!(of("{\n  \"a\": {\n    \"b\": 1\n  }\n}\n"), Some((1, "\n")));
        assert_eq!(of("{ }"), Some((0, "")));
        for unusual in [
            "{\"a\":\n{}}",
            "{\"a\":1,}",
            "{\"a\":1",
            "{\"a\":1\n{\"b\":2}",
            "[]",
            "",
        ] {
            assert_eq!(of(unusual), None, "{unusual}");
        }
    }

    #[test]
    fn of_many_members_the_first_are_kept() {
        let object = format!("{{{}\"z\":0}}", "\"a\":1,".repeat(MAX_MEMBERS));
        let (members, end) = object_at(object.as_bytes()).unwrap();
        assert_eq!((members.len(), end), (MAX_MEMBERS, object.len()));
        assert!(members.iter().all(|(name, _)| name == b"a"));
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_several_find(text in lines()) {
            if let Some((found, end)) = object_at(text.as_bytes()) {
                prop_assert_eq!(ValueEnd::At(end), value_end(text.as_bytes()), "{}", text);
                let members: Vec<Member<'_>> = members(&text.as_bytes()[..end]).collect();
                prop_assert_eq!(found, members, "{}", text);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (value_end(&bytes), elements(&bytes), members_of(&bytes));
        }
    }
}
