//! One sentence of at most 90 characters by the leading signal of an incident.

use super::incident::text;
use serde_json::Value;

/// Longest headline, in characters.
const MAX_CHARACTERS: usize = 90;

/// The headline of an alert, from its details.
#[must_use]
pub fn headline(details: &Value) -> String {
    let lead = &details["signals"][0];
    let (observed, expected) = (text(&lead["observed"]), text(&lead["expected"]));
    let usual = leading_value(&expected);
    let sentence = match lead["name"].as_str().unwrap_or_default() {
        _ if details["view"] == "source" => source(details),
        "host" => format!("First use from host {observed}"),
        "network" => format!("Used from network {observed}, never seen for it"),
        "client" => format!("Used with {observed}"),
        "action" => format!("First use of {observed}"),
        "privilege" => format!("{observed} access, where {usual} is usual"),
        "token_lifetime" => format!("Token good for {observed}, where {usual} is usual"),
        "credential_age" => format!("Credential {observed}"),
        "refresh" => format!("Renewed {observed}, where {usual} is usual"),
        "rhythm" => format!("Active at an unusual hour: {observed}"),
        "rate" | "fan_out" => format!("{observed}, where {usual} is usual"),
        "failure" => format!("{observed}, where {usual} is usual"),
        "travel" => format!("Impossible travel: {observed}"),
        "concurrency" => format!("Credential also used from {observed}, away from its owner"),
        "dormancy" => format!("Used again {observed}"),
        "purpose" => "Used without a purpose, where one is usually stated".to_owned(),
        "issuer" => format!("Credential issued by {observed}, never seen for it"),
        _ => "Many small deviations within a short time".to_owned(),
    };
    capitalised(&shortened(&sentence))
}

fn source(details: &Value) -> String {
    let attempted = details["attempted"].as_array().map_or(0, Vec::len);
    let more = if details["has_more_attempted"] == true {
        "more than "
    } else {
        ""
    };
    let reached = details["reached"].as_array().map_or(0, Vec::len) as u64
        + details["reached_additional_count"].as_u64().unwrap_or(0);
    let tried = match attempted {
        1 => "Tries 1 identity".to_owned(),
        n => format!("Tries {more}{n} identities"),
    };
    let outcome = match reached {
        0 => "nobody got in".to_owned(),
        n => format!("{n} got in"),
    };
    let signals = details["signals"].as_array().into_iter().flatten();
    let failed = signals
        .filter(|signal| signal["name"] == "failure")
        .map(|signal| text(&signal["observed"]))
        .next();
    match failed {
        Some(failed) => format!(
            "{tried}, {}; {outcome}",
            failed.replace(" recent authentications failed", " fail")
        ),
        None => format!("{tried}; {outcome}"),
    }
}

/// `a` of `a (61 %), b (38 %)`; a text of another form as it is.
fn leading_value(expected: &str) -> &str {
    match expected.find(" (") {
        Some(end) if expected[end..].contains(" %)") => &expected[..end],
        _ => expected,
    }
}

/// Cut at a character, with an ellipsis.
fn shortened(sentence: &str) -> String {
    if sentence.chars().count() <= MAX_CHARACTERS {
        return sentence.to_owned();
    }
    let head: String = sentence.chars().take(MAX_CHARACTERS - 1).collect();
    format!("{}…", head.trim_end())
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_headline_is_one_short_sentence() {
        let of = |name: &str, observed: &str, expected: &str| {
            headline(&json!({"view": "identity",
                "signals": [{"name": name, "observed": observed, "expected": expected}]}))
        };
        assert_eq!(
            of("token_lifetime", "30 days", "60 min"),
            "Token good for 30 days, where 60 min is usual"
        );
        assert_eq!(
            of("privilege", "admin", "read (90 %), write (10 %)"),
            "Admin access, where read is usual"
        );
        let long = of("action", &"ä".repeat(300), "");
        assert_eq!(long.chars().count(), MAX_CHARACTERS);
        assert!(headline(&json!({})).starts_with("Many"));
    }

    #[test]
    fn a_source_tells_whom_it_tried_and_who_got_in() {
        let details = json!({"view": "source", "attempted": ["a", "b"], "reached": [{"id": "a"}],
            "signals": [{"name": "failure", "observed": "16 of 16 recent authentications failed"}]});
        assert_eq!(
            headline(&details),
            "Tries 2 identities, 16 of 16 fail; 1 got in"
        );
    }
}
