//! Incidents as lines of a terminal: one line each, cut to the width.

use super::foreign_text::printable;
use serde_json::Value;

/// Severity, odds, subject, headline, order and answer of incidents, as the API lists them.
#[must_use]
pub fn incident_lines(incidents: &[Value], width: usize, has_colour: bool) -> String {
    let subject_width = incidents
        .iter()
        .map(|incident| text(&incident["subject"]["id"]).chars().count())
        .max()
        .unwrap_or(0)
        .clamp(8, 28);
    let lines = incidents.iter().map(|incident| {
        let severity = text(&incident["severity"]);
        let line = format!(
            "{:<6}  {severity:<8}  {:>9}  {:<subject_width$}  {:<9}  {}",
            text(&incident["id"]).get(..6).unwrap_or_default(),
            odds(incident["nats"].as_f64().unwrap_or_default()),
            cut(text(&incident["subject"]["id"]), subject_width),
            state(incident),
            text(&incident["headline"]),
        );
        let line = cut(&line, width);
        match colour(severity).filter(|_| has_colour) {
            Some(code) => line.replacen(severity, &format!("\u{1b}[{code}m{severity}\u{1b}[0m"), 1),
            None => line,
        }
    });
    lines.map(|line| line + "\n").collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a person would look for first: the answer, or what became of the order.
fn state(incident: &Value) -> &str {
    match text(&incident["verdict"]["verdict"]) {
        "true_positive" => "attack",
        "false_positive" => "false",
        "" => match text(&incident["order"]["state"]) {
            "waits" => "approve!",
            "" => "open",
            state => state,
        },
        verdict => verdict,
    }
}

fn odds(nats: f64) -> String {
    let one_in = libm::exp(nats.min(30.0));
    match one_in {
        n if n >= 0.9995e12 => "1 in >1T".to_owned(),
        n if n >= 0.9995e9 => format!("1 in {:.0}B", n / 1e9),
        n if n >= 0.9995e6 => format!("1 in {:.0}M", n / 1e6),
        n if n >= 1e3 => format!("1 in {:.0}k", n / 1e3),
        n => format!("1 in {n:.0}"),
    }
}

fn colour(severity: &str) -> Option<u8> {
    match severity {
        "critical" => Some(35),
        "high" => Some(31),
        "medium" => Some(33),
        _ => None,
    }
}

/// `text` without characters that command a terminal or reorder what is read, cut to `width` characters.
fn cut(text: &str, width: usize) -> String {
    let mut shown = text.chars().map(printable);
    let head: String = shown.by_ref().take(width).collect();
    match shown.next() {
        Some(_) if width > 1 => {
            let kept: String = head.chars().take(width - 1).collect();
            kept + "…"
        }
        _ => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_incident_is_one_line_of_the_width_and_commands_nothing() {
        let headline = "First use of ".to_owned() + &"x".repeat(300);
        let incident = json!({"id": "0fd6b7aa", "severity": "critical", "nats": 21.3,
            "subject": {"id": "svc\u{1b}[2J\u{202e}"}, "headline": headline,
            "order": {"state": "waits"}, "verdict": null});
        let plain = incident_lines(std::slice::from_ref(&incident), 80, false);
        assert_eq!(plain.trim_end().chars().count(), 80);
        assert!(
            plain.starts_with("0fd6b7  critical") && plain.contains("approve!"),
            "{plain}"
        );
        assert!(!plain.contains(['\u{1b}', '\u{202e}']));
        let colour = incident_lines(&[incident], 80, true);
        assert!(colour.contains("\u{1b}[35mcritical\u{1b}[0m") && !colour.contains("[2J\u{1b}"));
    }
}
