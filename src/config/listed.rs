//! The settings as lines of key and value, without secrets.

use serde::Serialize;
use std::collections::BTreeMap;
use toml::{Table, Value};
use utoipa::ToSchema;

/// Names of keys whose values are not listed.
const SECRET_WORDS: [&str; 5] = ["secret", "token", "password", "jaas", "credential"];

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListedSetting {
    /// Path of the key, with dots.
    pub key: String,
    /// Value as TOML; `(set)` in place of what may be a secret.
    pub value: String,
    /// The default, where the value differs from it; empty where there is no default.
    pub default: Option<String>,
}

/// The settings of `table` beside those of `defaults`.
#[must_use]
pub(super) fn listed(table: &Table, defaults: &Table) -> Vec<ListedSetting> {
    let lines = |table: &Table| {
        let mut lines = Vec::new();
        list(&Value::Table(table.clone()), "", &mut lines);
        lines
    };
    let defaults: BTreeMap<String, String> = lines(defaults).into_iter().collect();
    let setting = |(key, value): (String, String)| {
        let default = defaults.get(&key).cloned().unwrap_or_default();
        let default = (default != value).then_some(default);
        ListedSetting {
            key,
            value,
            default,
        }
    };
    lines(table).into_iter().map(setting).collect()
}

fn list(value: &Value, path: &str, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Table(members) => {
            for (name, member) in members {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                list(member, &path, lines);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_table) => {
            for (at, element) in elements.iter().enumerate() {
                list(element, &format!("{path}[{at}]"), lines);
            }
        }
        value => {
            let name = path.to_ascii_lowercase();
            let is_file = name.ends_with("_file");
            let is_secret = !is_file && SECRET_WORDS.iter().any(|word| name.contains(word));
            let shown = match value.as_str() {
                Some("") => "\"\"".to_owned(),
                Some(_) if is_secret => "(set)".to_owned(),
                _ => value.to_string(),
            };
            lines.push((path.to_owned(), shown));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_settings_hold_no_secret() {
        let table: Table = toml::from_str(
            "[http]\ntoken = \"hunter2\"\ntoken_file = \"/run/t\"\n[kafka.properties]\n\
             \"sasl.password\" = \"pw1\"\n[[console.people]]\nname = \"ada\"\n",
        )
        .unwrap();
        let lines = listed(&table, &Table::new());
        let value = |key: &str| {
            let found = lines.iter().find(|line| line.key == key);
            found.map(|line| line.value.as_str())
        };
        assert_eq!(value("http.token"), Some("(set)"));
        assert_eq!(value("http.token_file"), Some("\"/run/t\""));
        assert_eq!(value("kafka.properties.sasl.password"), Some("(set)"));
        assert_eq!(value("console.people[0].name"), Some("\"ada\""));
    }

    #[test]
    fn what_differs_stands_beside_its_default() {
        let table = |text: &str| toml::from_str::<Table>(text).unwrap();
        let mine = table(
            "[detect]\nalerts_per_day = 2.0\nmax_identities = 5\n[kafka.properties]\na = \"b\"",
        );
        let defaults =
            table("[detect]\nalerts_per_day = 5.0\nmax_identities = 5\n[kafka.properties]\n");
        let lines = listed(&mine, &defaults);
        let default = |key: &str| {
            let line = lines.iter().find(|line| line.key == key).unwrap();
            line.default.as_deref()
        };
        assert_eq!(default("detect.alerts_per_day"), Some("5.0"));
        assert_eq!(default("detect.max_identities"), None);
        assert_eq!(default("kafka.properties.a"), Some(""));
    }
}
