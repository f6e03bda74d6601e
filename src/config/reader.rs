//! Typed values of the merged table, and what is out of range.

use super::Secret;
use toml::{Table, Value};

/// Reads typed values and notes what is out of range.
pub(super) struct Reader<'t> {
    pub(super) table: &'t Table,
    pub(super) problems: &'t mut Vec<String>,
}

impl Reader<'_> {
    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        let mut levels = path.split('.');
        let first = self.table.get(levels.next()?)?;
        levels.try_fold(first, |value, level| value.as_table()?.get(level))
    }

    pub(super) fn text(&self, path: &str) -> String {
        self.value(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        let entries = self.value(path).and_then(Value::as_array);
        let texts = entries.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    pub(super) fn name(&mut self, path: &str) -> String {
        let text = self.text(path);
        if text.trim().is_empty() {
            self.problems.push(format!("`{path}` must not be empty"));
        }
        text
    }

    /// A secret given as text, by the environment as a rule, or as the first line of a file.
    pub(super) fn secret(&mut self, path: &str, file_path: &str) -> Secret {
        let (text, file) = (self.text(path), self.text(file_path));
        if file.is_empty() {
            return Secret::new(text);
        }
        if !text.is_empty() {
            let problem = format!("`{path}` and `{file_path}` are both set: one is enough");
            self.problems.push(problem);
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => Secret::new(text.lines().next().unwrap_or_default().trim().to_owned()),
            Err(why) => {
                self.problems.push(format!("`{file_path}` {file}: {why}"));
                Secret::default()
            }
        }
    }

    pub(super) fn flag(&self, path: &str) -> bool {
        let value = self.value(path).and_then(Value::as_bool);
        value.unwrap_or_default()
    }

    pub(super) fn whole(&mut self, path: &str, least: i64, most: i64) -> i64 {
        let value = self
            .value(path)
            .and_then(Value::as_integer)
            .unwrap_or(least);
        if !(least..=most).contains(&value) {
            let problem = format!("`{path}` is {value}, must lie between {least} and {most}");
            self.problems.push(problem);
        }
        value.clamp(least, most)
    }

    pub(super) fn number(&mut self, path: &str, above: f64, most: f64) -> f64 {
        let value = self.value(path).and_then(Value::as_float).unwrap_or(most);
        if !(value > above && value <= most) {
            let problem = format!("`{path}` is {value}, must be above {above} and at most {most}");
            self.problems.push(problem);
        }
        value
    }
}
