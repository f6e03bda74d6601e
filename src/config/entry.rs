//! Lists of tables, such as `[[containment.policy]]`: each entry with its own problems.

use super::Secret;
use super::reader::Reader;
use credwatch_core::containment::Action;
use toml::{Table, Value};

/// One table of a list, and what is wrong with it.
pub(super) struct Entry<'e> {
    name: String,
    pub(super) table: &'e Table,
    problems: Vec<String>,
}

impl Entry<'_> {
    pub(super) fn problem(&mut self, why: &str) {
        self.problems.push(format!("{}: {why}", self.name));
    }

    pub(super) fn only(&mut self, known: &[&str]) {
        let unknown = self
            .table
            .keys()
            .filter(|key| !known.contains(&key.as_str()));
        for key in unknown.cloned().collect::<Vec<String>>() {
            let known = known.join(", ");
            self.problem(&format!("unknown key `{key}`, known are: {known}"));
        }
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        let text = self
            .table
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if text.trim().is_empty() {
            self.problem(&format!("`{key}` must be a text that is not empty"));
        }
        text.to_owned()
    }

    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.table.get(key) else {
            return Vec::new();
        };
        let texts = value.as_array().and_then(|entries| {
            let texts = entries
                .iter()
                .map(|entry| entry.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>()
        });
        if texts.is_none() {
            self.problem(&format!("`{key}` must be a list of texts"));
        }
        texts.unwrap_or_default()
    }

    pub(super) fn word<T>(
        &mut self,
        key: &str,
        text: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let word = parse(text);
        if word.is_none() {
            self.problem(&format!("`{key}` does not know \"{text}\""));
        }
        word
    }

    pub(super) fn words<T>(&mut self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let texts = self.texts(key);
        let words = texts.iter().filter_map(|text| self.word(key, text, &parse));
        words.collect()
    }

    /// A text that may be left out.
    pub(super) fn text_or(&mut self, key: &str, default: &str) -> String {
        match self.table.get(key) {
            None => default.to_owned(),
            Some(_) => self.text(key),
        }
    }

    /// A flag that may be left out, and is then not set.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.table.get(key).map(Value::as_bool) {
            None => false,
            Some(Some(flag)) => flag,
            Some(None) => {
                self.problem(&format!("`{key}` must be true or false"));
                false
            }
        }
    }

    /// A whole number that may be left out.
    pub(super) fn whole_or(&mut self, key: &str, default: u64, least: u64, most: u64) -> u64 {
        let value = match self.table.get(key) {
            None => return default,
            Some(value) => value.as_integer().and_then(|n| u64::try_from(n).ok()),
        };
        match value.filter(|n| (least..=most).contains(n)) {
            Some(value) => value,
            None => {
                self.problem(&format!(
                    "`{key}` must be a whole number, {least} to {most}"
                ));
                default
            }
        }
    }

    /// The secret on the first line of the file that `key` names; empty where it is left out.
    pub(super) fn secret(&mut self, key: &str) -> Secret {
        let file = self.text_or(key, "");
        if file.is_empty() {
            return Secret::default();
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => Secret::new(text.lines().next().unwrap_or_default().trim().to_owned()),
            Err(why) => {
                self.problem(&format!("`{key}` {file}: {why}"));
                Secret::default()
            }
        }
    }

    pub(super) fn action(&mut self, key: &str) -> Action {
        let text = self.text(key);
        self.word(key, &text, Action::parse)
            .unwrap_or(Action::Notify)
    }
}

/// Reads each table of the list at `path`.
pub(super) fn each<T>(
    reader: &mut Reader<'_>,
    path: &str,
    mut read: impl FnMut(&mut Entry<'_>) -> Option<T>,
) -> Vec<T> {
    let list = reader.value(path).and_then(Value::as_array).cloned();
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for (at, value) in list.iter().flatten().enumerate() {
        let name = format!("`{path}` {at}");
        let Some(table) = value.as_table() else {
            problems.push(format!("{name} must be a table"));
            continue;
        };
        let mut entry = Entry {
            name,
            table,
            problems: Vec::new(),
        };
        all.extend(read(&mut entry));
        problems.extend(entry.problems);
    }
    reader.problems.extend(problems);
    all
}
