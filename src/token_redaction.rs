//! Redaction of tokens: a JSON Web Token anywhere in an event, and a credential id that is the credential
//! itself, are replaced by a fingerprint on input.

use credwatch_core::event::{Event, Text};
use memchr::memmem;
use std::borrow::Cow;

/// Prefix of every JSON Web Token: `{"` in base64.
const BEGINS: &[u8] = b"eyJ";
/// A credential id longer than this is assumed to be the secret itself.
const LONGEST_PLAIN_CREDENTIAL_ID: usize = 256;
/// Minimum length of each part of a token; shorter ones are words with dots.
const SHORTEST_PART: usize = 4;

/// Replacement of a secret: equal for equal secrets.
fn fingerprint(secret: &str) -> String {
    let key = blake3::derive_key("credwatch credential fingerprint v1", secret.as_bytes());
    let hex = blake3::Hash::from_bytes(key).to_hex();
    format!("fp-{}", &hex[..32])
}

/// The id of a credential, or the fingerprint of a secret in its place.
pub(super) fn without_secret(id: Text<'_>) -> Text<'_> {
    if id.len() > LONGEST_PLAIN_CREDENTIAL_ID {
        Cow::Owned(fingerprint(&id))
    } else {
        id
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Length of the token at the beginning of `text`, if any: two parts or more, joined by dots.
fn token_length(text: &[u8]) -> Option<usize> {
    let part = |from: usize| {
        text[from..]
            .iter()
            .take_while(|byte| is_token_byte(**byte))
            .count()
    };
    let first = part(0);
    let mut end = first;
    let mut parts = 1;
    while text.get(end) == Some(&b'.') {
        let length = part(end + 1);
        if parts == 1 && length < SHORTEST_PART {
            break;
        }
        end += 1 + length;
        parts += 1;
    }
    (first >= SHORTEST_PART && parts >= 2).then_some(end)
}

/// `text` with each token replaced by its fingerprint; `None` where it contains none.
#[must_use]
pub fn without_tokens(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut clean, mut copied) = (String::new(), 0);
    let mut from = 0;
    while let Some(found) = memmem::find(&bytes[from..], BEGINS) {
        let start = from + found;
        match token_length(&bytes[start..]) {
            Some(length) => {
                clean.push_str(&text[copied..start]);
                clean.push_str(&fingerprint(&text[start..start + length]));
                copied = start + length;
                from = copied;
            }
            None => from = start + BEGINS.len(),
        }
    }
    (copied > 0).then(|| clean + &text[copied..])
}

/// Redacts the tokens in a record's texts. Cheap where there are none.
pub(super) fn clean(event: &mut Event<'_>, record: &[u8]) {
    if memmem::find(record, BEGINS).is_none() {
        return;
    }
    let Event {
        event_id,
        identity,
        credential,
        action,
        resource,
        source,
        purpose,
        ..
    } = event;
    let optional = [
        &mut identity.group,
        &mut identity.owner,
        action,
        resource,
        purpose,
        &mut source.host,
        &mut source.user_agent,
        &mut source.country,
    ];
    let optional = optional.into_iter().flatten();
    let of_credential = credential.iter_mut().flat_map(|credential| {
        let ids = [&mut credential.id]
            .into_iter()
            .chain(&mut credential.issuer);
        ids.chain(&mut credential.scopes)
    });
    let all = [event_id, &mut identity.id].into_iter();
    for text in all.chain(optional).chain(of_credential) {
        if let Some(clean) = without_tokens(text) {
            *text = Cow::Owned(clean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0";

    #[test]
    fn tokens_are_replaced_everywhere() {
        let clean = without_tokens(&format!("https://x/?t={TOKEN}&u={TOKEN} ok")).unwrap();
        let print = fingerprint(TOKEN);
        assert_eq!(clean, format!("https://x/?t={print}&u={print} ok"));
        let unsigned = without_tokens("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.").unwrap();
        assert!(!unsigned.contains("eyJ"), "{unsigned}");
    }

    #[test]
    fn words_stay() {
        for word in [
            "eyJ",
            "eyJacket.png",
            "they.Jump",
            "eyJolly",
            "keyJ.ab.c",
            "",
        ] {
            assert_eq!(without_tokens(word).as_deref().unwrap_or(word), word);
        }
    }
}
