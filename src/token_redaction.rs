//! Redaction of secrets: tokens, keys and passwords of known forms anywhere in an event, and a credential id
//! that is the credential itself, are replaced by a fingerprint on input.
//!
//! Recognised: JSON Web Tokens, however their header is spaced and their dots are encoded; PEM; AWS secret
//! access keys; tokens with a vendor's prefix. A credential id that is opaque (long, of mixed characters, and
//! neither a UUID nor a key id of AWS) is taken for the secret.
//!
//! Fingerprints are keyed by the secret of the deployment (`state.key_file`), so that nobody else can
//! confirm a guess of a short secret.

use crate::crypto::DerivedKey;
use aho_corasick::packed::Searcher;
use credwatch_core::event::{CredentialKind, Event, Text};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Prefixes of secrets by vendor: GitHub, GitLab, Slack, Vault, OpenAI, Stripe, npm, Okta.
const VENDOR_BEGINS: [&str; 14] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "hvs.",
    "sk-",
    "sk_live_",
    "npm_",
    "SSWS ",
];
const PEM_BEGIN: &str = "-----BEGIN ";
/// Base64 of `{"`, and of `{` with a space, tab or line break.
const JWT_BEGINS: [&str; 5] = ["eyJ", "eyA", "ewo", "ew0", "ewk"];
/// Finds where a secret may begin, all forms at once.
static BEGINS: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let begins = JWT_BEGINS.iter().chain(&VENDOR_BEGINS).chain([&PEM_BEGIN]);
    Searcher::new(begins)
});
/// A credential id longer than this is assumed to be the secret itself.
const LONGEST_PLAIN_CREDENTIAL_ID: usize = 256;
/// A credential id of mixed characters is opaque from this length on.
const SHORTEST_OPAQUE_ID: usize = 20;
/// A credential id of hexadecimal digits is opaque from this length on.
const SHORTEST_OPAQUE_HEX: usize = 40;
/// Minimum length of each part of a token; shorter ones are words with dots.
const SHORTEST_PART: usize = 4;
/// Minimum length of a vendor's secret after its prefix.
const SHORTEST_VENDOR_SECRET: usize = 16;
/// Length of an AWS secret access key.
const AWS_SECRET_LENGTH: usize = 40;

/// What every fingerprint begins with.
const FINGERPRINT_BEGIN: &str = "fp-";
const CONTEXT: &str = "credwatch credential fingerprint v1";

/// Fingerprint without a secret of the deployment: equal for equal texts, everywhere.
pub fn unkeyed_fingerprint(text: &str) -> String {
    hexadecimal(blake3::derive_key(CONTEXT, text.as_bytes()))
}

fn hexadecimal(hash: [u8; 32]) -> String {
    let hex = blake3::Hash::from_bytes(hash).to_hex();
    format!("{FINGERPRINT_BEGIN}{}", &hex[..32])
}

/// Replaces secrets by fingerprints, which are equal for equal secrets within a deployment.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    key: Option<DerivedKey>,
}

impl Redactor {
    /// Keyed by `secret`; without a key where that is empty.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self {
            key: DerivedKey::new(secret, CONTEXT),
        }
    }

    fn fingerprint(&self, secret: &str) -> String {
        match &self.key {
            None => unkeyed_fingerprint(secret),
            Some(key) => hexadecimal(key.hash(secret.as_bytes())),
        }
    }

    /// `text` with the unkeyed fingerprint at its end, if there is one, keyed.
    #[must_use]
    pub fn with_keyed_fingerprint(&self, text: &str, begin: &str) -> Option<String> {
        let unkeyed = text.strip_prefix(begin)?;
        let is_keyed = self.key.is_some() && unkeyed.starts_with(FINGERPRINT_BEGIN);
        is_keyed.then(|| format!("{begin}{}", self.fingerprint(unkeyed)))
    }

    /// The id of a credential, or the fingerprint of a secret in its place.
    pub(super) fn credential_id<'r>(&self, id: Text<'r>, kind: Option<CredentialKind>) -> Text<'r> {
        let is_public = matches!(kind, Some(CredentialKind::X509 | CredentialKind::SshKey));
        if id.len() > LONGEST_PLAIN_CREDENTIAL_ID || (!is_public && is_opaque(&id)) {
            Cow::Owned(self.fingerprint(&id))
        } else {
            id
        }
    }

    /// `text` with each secret replaced by its fingerprint; `None` where it contains none.
    #[must_use]
    pub fn without_tokens(&self, text: &str) -> Option<String> {
        if !begins_secret(text.as_bytes()) && aws_secret(text.as_bytes(), 0).is_none() {
            return None;
        }
        let (mut clean, mut copied) = (String::new(), 0);
        while let Some((start, end)) = next_secret(text, copied) {
            clean.push_str(&text[copied..start]);
            clean.push_str(&self.fingerprint(&text[start..end]));
            copied = end;
        }
        (copied > 0).then(|| clean + &text[copied..])
    }

    /// Redacts the secrets in an event's texts, which are decoded already: no escape hides one. `record` is
    /// what they were decoded from: it is searched as a whole first.
    pub(super) fn redact(&self, event: &mut Event<'_>, record: &[u8]) {
        let may_begin = may_begin_secret(record);
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
            let is_suspect = may_begin || aws_secret(text.as_bytes(), 0).is_some();
            if let Some(clean) = is_suspect.then(|| self.without_tokens(text)).flatten() {
                *text = Cow::Owned(clean);
            }
        }
    }
}

/// Whether the beginning of a secret is in `record`, or may be hidden by an escape. Those that nothing
/// announces, AWS secret access keys, are not looked for.
fn may_begin_secret(record: &[u8]) -> bool {
    memchr::memchr(b'\\', record).is_some() || begins_secret(record)
}

/// Whether the beginning of a secret is in `text`.
fn begins_secret(text: &[u8]) -> bool {
    let searcher = BEGINS.as_ref();
    searcher.is_none_or(|searcher| searcher.find(text).is_some())
}

/// Whether an id looks like random characters rather than like a name.
fn is_opaque(id: &str) -> bool {
    let bytes = id.as_bytes();
    if bytes.len() < SHORTEST_OPAQUE_ID || is_uuid(bytes) || id.starts_with(FINGERPRINT_BEGIN) {
        return false;
    }
    if bytes.len() >= SHORTEST_OPAQUE_HEX && bytes.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    let mut words = id.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| word.len() >= SHORTEST_OPAQUE_ID && is_mixed(word.as_bytes()))
}

fn is_uuid(bytes: &[u8]) -> bool {
    let of_form = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    bytes.len() == 36 && bytes.iter().enumerate().all(of_form)
}

/// Whether there are capitals, small letters and digits.
fn is_mixed(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_uppercase)
        && bytes.iter().any(u8::is_ascii_lowercase)
        && bytes.iter().any(u8::is_ascii_digit)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn word_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_token_byte(**byte)).count()
}

/// Length of the dot at the beginning of `text`, plain or percent-encoded; 0 where there is none.
fn dot_length(text: &[u8]) -> usize {
    match text {
        [b'.', ..] => 1,
        [b'%', b'2', b'e' | b'E', ..] => 3,
        _ => 0,
    }
}

/// Length of the JSON Web Token at the beginning of `text`, if any: two parts or more, joined by dots. Its
/// first part is base64 of `{"`, or of `{` with a space, tab or line break.
fn token_length(text: &[u8]) -> Option<usize> {
    let first = word_length(text);
    let (mut end, mut parts) = (first, 1);
    loop {
        let dot = dot_length(&text[end..]);
        let length = word_length(&text[end + dot..]);
        if dot == 0 || (parts == 1 && length < SHORTEST_PART) {
            break;
        }
        end += dot + length;
        parts += 1;
    }
    (first >= SHORTEST_PART && parts >= 2).then_some(end)
}

/// Length of the PEM block at the beginning of `text`; a block without end takes the rest.
fn pem_length(text: &str) -> usize {
    let end = text.find("-----END ").and_then(|at| {
        let after = at + "-----END ".len();
        Some(after + text[after..].find("-----")? + "-----".len())
    });
    end.unwrap_or(text.len())
}

/// The next secret in `text` from `from` on, as a range.
fn next_secret(text: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let named = (from..bytes.len()).find_map(|start| {
        let length = secret_length(text, start)?;
        Some((start, start + length))
    });
    let aws = aws_secret(bytes, from).map(|start| (start, start + AWS_SECRET_LENGTH));
    match (named, aws) {
        (Some(named), Some(aws)) => Some(named.min(aws)),
        (named, aws) => named.or(aws),
    }
}

/// Length of the secret that begins at `start` of `text`, if its beginning announces one.
#[inline]
fn secret_length(text: &str, start: usize) -> Option<usize> {
    let rest = &text.as_bytes()[start..];
    // Three bytes decide for nearly every position.
    match rest.first_chunk::<3>()? {
        b"eyJ" | b"eyA" | b"ewo" | b"ew0" | b"ewk" => token_length(rest),
        b"---" => rest
            .starts_with(PEM_BEGIN.as_bytes())
            .then(|| pem_length(&text[start..])),
        b"ghp" | b"gho" | b"ghu" | b"ghs" | b"ghr" | b"git" | b"glp" | b"xox" | b"hvs" | b"sk-"
        | b"sk_" | b"npm" | b"SSW" => vendor_length(text.as_bytes(), start),
        _ => None,
    }
}

/// Length of the secret with a vendor's prefix that begins at `start`.
#[cold]
fn vendor_length(bytes: &[u8], start: usize) -> Option<usize> {
    let is_word_start = start == 0 || !is_token_byte(bytes[start - 1]);
    let rest = &bytes[start..];
    let begin = VENDOR_BEGINS
        .iter()
        .find(|begin| rest.starts_with(begin.as_bytes()))?;
    let length = word_length(&rest[begin.len()..]);
    (is_word_start && length >= SHORTEST_VENDOR_SECRET).then_some(begin.len() + length)
}

/// Start of an AWS secret access key: a word of exactly 40 characters of base64, of all kinds.
fn aws_secret(bytes: &[u8], from: usize) -> Option<usize> {
    let is_key_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    let mut at = from + AWS_SECRET_LENGTH - 1;
    // A word of this length covers each such position.
    while at < bytes.len() {
        let before = bytes[from..=at]
            .iter()
            .rev()
            .take_while(|b| is_key_byte(b))
            .count();
        if before == 0 {
            at += AWS_SECRET_LENGTH;
            continue;
        }
        let start = at + 1 - before;
        let end = start + bytes[start..].iter().take_while(|b| is_key_byte(b)).count();
        let word = &bytes[start..end];
        let slashes = word.iter().filter(|byte| **byte == b'/').count();
        if word.len() == AWS_SECRET_LENGTH && is_mixed(word) && slashes <= 3 {
            return Some(start);
        }
        at = end + AWS_SECRET_LENGTH;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0";

    #[test]
    fn tokens_are_replaced_everywhere() {
        let clean = Redactor::default()
            .without_tokens(&format!("https://x/?t={TOKEN}&u={TOKEN} ok"))
            .unwrap();
        let print = unkeyed_fingerprint(TOKEN);
        assert_eq!(clean, format!("https://x/?t={print}&u={print} ok"));
        let unsigned = Redactor::default()
            .without_tokens("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")
            .unwrap();
        assert!(!unsigned.contains("eyJ"), "{unsigned}");
    }

    #[test]
    fn secrets_of_all_known_forms_are_replaced() {
        for secret in [
            "eyAiYWxnIjogIkhTMjU2IiB9.eyJzdWIiOiJ4In0.c2VjcmV0",
            "ewogICJhbGciOiAiSFMyNTYiCn0.eyJzdWIiOiJ4In0.c2VjcmV0",
            "eyJhbGciOiJIUzI1NiJ9%2EeyJzdWIiOiJ4In0%2ec2VjcmV0",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "ghp_0123456789abcdefABCDEF0123456789abcd",
            "hvs.CAESIJ0123456789abcdefABCDEF",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ",
        ] {
            let clean = Redactor::default()
                .without_tokens(&format!("key={secret}"))
                .unwrap_or_default();
            assert_eq!(
                clean,
                format!("key={}", unkeyed_fingerprint(secret)),
                "{secret}"
            );
        }
    }

    #[test]
    fn words_stay() {
        for word in [
            "eyJ",
            "eyJacket.png",
            "they.Jump",
            "eyJolly",
            "keyJ.ab.c",
            "arn:aws:s3:::builds/releases/2026/11/Package-4711/artifact.tgz",
            "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            "task-0123456789abcdef01",
            "",
        ] {
            assert_eq!(
                Redactor::default()
                    .without_tokens(word)
                    .as_deref()
                    .unwrap_or(word),
                word
            );
        }
    }

    #[test]
    fn opaque_credential_ids_are_fingerprinted_and_names_are_not() {
        let kept =
            |id: &str, kind| *Redactor::default().credential_id(Cow::Borrowed(id), kind) == *id;
        for id in [
            "jti-83f1",
            "AKIAIOSFODNN7EXAMPLE",
            "a3f1c2d4-1234-4abc-8def-0123456789ab",
            "password-of-user-0017",
            "arn:aws:sts::123456789012:assumed-role/Deploy/session",
        ] {
            assert!(kept(id, Some(CredentialKind::AccessToken)), "{id}");
        }
        for id in [
            "k9Qw3rTz81LmN0pXy7Vb2Hd",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ] {
            assert!(!kept(id, Some(CredentialKind::Session)), "{id}");
            assert!(kept(id, Some(CredentialKind::X509)), "{id}");
        }
    }

    #[test]
    fn only_who_has_the_secret_of_the_deployment_can_confirm_a_guess() {
        let keyed = Redactor::new("of the deployment");
        let clean = |redactor: &Redactor| redactor.without_tokens(TOKEN).unwrap();
        let print = clean(&keyed);
        assert_eq!(
            print,
            clean(&Redactor::new("of the deployment")),
            "a restart changes nothing"
        );
        assert_ne!(print, clean(&Redactor::default()));
        assert_ne!(print, clean(&Redactor::new("of another one")));
        assert_eq!(
            keyed.without_tokens(&print),
            None,
            "a fingerprint is no secret"
        );
        let id = keyed.credential_id(Cow::Borrowed("k9Qw3rTz81LmN0pXy7Vb2Hd"), None);
        assert_ne!(*id, unkeyed_fingerprint("k9Qw3rTz81LmN0pXy7Vb2Hd"));
        assert_eq!(keyed.credential_id(id.clone(), None), id);
    }

    #[test]
    fn the_fingerprint_of_an_unknown_name_is_keyed_and_a_name_stays() {
        let unkeyed = format!("name/{}", unkeyed_fingerprint("hunter2 "));
        let keyed = Redactor::new("of the deployment");
        let id = keyed.with_keyed_fingerprint(&unkeyed, "name/").unwrap();
        assert!(id.starts_with("name/fp-") && id != unkeyed, "{id}");
        assert_eq!(keyed.with_keyed_fingerprint("name/ada", "name/"), None);
        assert_eq!(keyed.with_keyed_fingerprint("svc-deploy", "name/"), None);
        assert_eq!(
            Redactor::default().with_keyed_fingerprint(&unkeyed, "name/"),
            None
        );
    }

    proptest! {
        #[test]
        fn a_record_without_the_beginning_of_a_secret_has_none_in_its_texts(
            parts in prop::collection::vec(prop_oneof![
                Just("ghp_0123456789abcdefABCDEF0123456789abcd".to_owned()),
                Just("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
                Just(TOKEN.to_owned()),
                Just("-----BEGIN PRIVATE KEY-----".to_owned()),
                "[a-zA-Z0-9/+]{38,42}",
                "[a-z/:. \"\\\\-]{0,12}",
            ], 0..5),
        ) {
            let text = parts.concat();
            let record = serde_json::json!({"id": &text}).to_string();
            let has_secret = next_secret(&text, 0).is_some();
            prop_assert_eq!(Redactor::default().without_tokens(&text).is_some(), has_secret);
            let is_found = may_begin_secret(record.as_bytes()) || aws_secret(text.as_bytes(), 0).is_some();
            prop_assert!(!has_secret || is_found, "{record}");
        }
    }
}
