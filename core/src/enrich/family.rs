//! Families of values: clients without their version, replicas of one host, resources by their container.
//! The rules are fixed, so that a deployment or an update does not raise alerts.

use std::borrow::Cow;

/// Maximum length of a client description that is read.
pub(super) const CLIENT_BYTES: usize = 160;

/// Writes the description of a client with every word that holds a digit replaced by `#`, so that a new
/// version or build number is the same client. Returns the length.
pub(super) fn client_family(agent: &str, family: &mut [u8; CLIENT_BYTES]) -> usize {
    let mut length = 0;
    let mut word_start = 0;
    let mut word_has_digit = false;
    for byte in agent.bytes().take(4 * CLIENT_BYTES) {
        if length == CLIENT_BYTES {
            break;
        }
        // The dots and dashes of a version belong to its word.
        let in_word = byte.is_ascii_alphanumeric()
            || (word_has_digit && matches!(byte, b'.' | b'-' | b'_' | b'+'));
        if !in_word {
            word_start = length + 1;
            word_has_digit = false;
        } else if word_has_digit {
            continue;
        } else if byte.is_ascii_digit() {
            word_has_digit = true;
            family[word_start] = b'#';
            length = word_start + 1;
            continue;
        }
        family[length] = byte;
        length += 1;
    }
    length
}

/// The family of a host: generated parts of its name become `#`, so that a new replica is the same
/// host. Generated are parts between dashes that mix letters and digits and are four or longer
/// (`7f9c`, `0a1b2c3d`), parts of five or more without a vowel (`x2x9p`, `kqzxt`), and four numbers in
/// a row (`ip-10-2-3-4`). A plain number stays: `build-17` is one host of its own.
pub(super) fn host_family(host: &str) -> Cow<'_, str> {
    if !host.as_bytes().contains(&b'-') {
        return Cow::Borrowed(host);
    }
    let end = host.bytes().position(|byte| byte == b'.');
    let (name, domain) = host.split_at(end.unwrap_or(host.len()));
    let (mut numbers, mut any_generated) = (0, false);
    for (at, part) in name.as_bytes().split(|byte| *byte == b'-').enumerate() {
        let part = Part::of(part);
        numbers += usize::from(part.is_number());
        any_generated |= at > 0 && part.is_generated();
    }
    let is_address = numbers >= 4;
    if is_address || any_generated {
        Cow::Owned(without_generated(name, is_address) + domain)
    } else {
        Cow::Borrowed(host)
    }
}

/// The name with each run of generated parts as one `#`; the first part is always kept.
#[cold]
fn without_generated(name: &str, is_address: bool) -> String {
    let mut family = String::with_capacity(name.len());
    let mut after_generated = false;
    for (at, text) in name.split('-').enumerate() {
        let part = Part::of(text.as_bytes());
        let generated = at > 0 && (part.is_generated() || (is_address && part.is_number()));
        if generated && after_generated {
            continue;
        }
        if at > 0 {
            family.push('-');
        }
        family.push_str(if generated { "#" } else { text });
        after_generated = generated;
    }
    family
}

/// Kinds of characters in a part of a host name.
struct Part {
    bytes: usize,
    digits: usize,
    letters: usize,
    vowels: usize,
}

impl Part {
    fn of(text: &[u8]) -> Self {
        let mut part = Self {
            bytes: text.len(),
            digits: 0,
            letters: 0,
            vowels: 0,
        };
        for byte in text {
            let is_vowel = matches!(byte | 0x20, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
            part.digits += usize::from(byte.is_ascii_digit());
            part.letters += usize::from(byte.is_ascii_alphabetic());
            part.vowels += usize::from(is_vowel);
        }
        part
    }

    fn is_number(&self) -> bool {
        self.bytes > 0 && self.digits == self.bytes
    }

    fn is_generated(&self) -> bool {
        let is_mixed = self.digits > 0 && self.letters > 0 && self.bytes >= 4;
        is_mixed || (self.bytes >= 5 && self.letters > 0 && self.vowels == 0)
    }
}

/// The family of a resource: an ARN or path up to its first `/` after the scheme.
pub(super) fn resource_family(resource: &str) -> &str {
    let bytes = resource.as_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':');
    let scheme = colon.filter(|at| bytes[*at..].starts_with(b"://"));
    let scheme = scheme.map_or(0, |at| at + 3);
    let lead = scheme + usize::from(bytes.get(scheme) == Some(&b'/'));
    let slash = bytes[lead..].iter().position(|byte| *byte == b'/');
    slash.map_or(resource, |at| &resource[..lead + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(agent: &str) -> String {
        let mut buffer = [0u8; CLIENT_BYTES];
        let length = client_family(agent, &mut buffer);
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_new_version_is_the_same_client() {
        assert_eq!(family("aws-cli/2.17.0 Python/3.11.6"), "aws-cli/# Python/#");
        assert_eq!(
            family("aws-cli/2.18.1 Python/3.12"),
            family("aws-cli/2.17.0 Python/3.11.6")
        );
        assert_eq!(
            family("stratus-red-team_e1d92b9d-2488-4244"),
            "stratus-red-team_#"
        );
        assert_ne!(family("curl/8.1"), family("aws-cli/2.17"));
        assert!(family(&"x".repeat(10_000)).len() <= CLIENT_BYTES);
        assert_eq!(family("Größe/1"), family("Größe/2"));
    }

    #[test]
    fn replicas_are_one_host_and_numbered_hosts_are_separate() {
        assert_eq!(host_family("web-7f9c-x2x9p"), "web-#");
        assert_eq!(
            host_family("web-7f9c4d-kqzxt"),
            host_family("web-1a2b3c-x2x9p")
        );
        assert_eq!(host_family("ip-10-2-3-4"), host_family("ip-172-16-0-9"));
        assert_eq!(host_family("ip-10-2-3-4.ec2.internal"), "ip-#.ec2.internal");
        assert_eq!(host_family("i-0abc123def4567890"), "i-#");
        for own in ["build-17", "vm-9", "laptop-0042", "db", "desktop-user", ""] {
            assert_eq!(host_family(own), own);
        }
        assert_ne!(host_family("web-7f9c-x2x9p"), host_family("api-7f9c-x2x9p"));
    }

    #[test]
    fn resources_are_grouped_by_their_container() {
        assert_eq!(
            resource_family("arn:aws:s3:::builds/app.tgz"),
            "arn:aws:s3:::builds"
        );
        assert_eq!(
            resource_family("https://api.example/v1/x"),
            "https://api.example"
        );
        assert_eq!(resource_family("/secret/data/x"), "/secret");
        assert_eq!(resource_family("plain"), "plain");
        assert_eq!(resource_family(""), "");
    }
}
