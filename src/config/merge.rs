//! Merges default, files and environment into one table, and deserializes it. All problems are found at once:
//! an invalid value is reported and replaced by its default, until the table is valid.

use super::raw::RawConfig;
use serde_path_to_error::Segment;
use std::collections::BTreeMap;
use toml::{Table, Value};

const PREFIX: &str = "CREDWATCH_";
/// Keys under this path are passed through.
const FREE_FORM: &str = "kafka.properties";

/// Sources of settings, in ascending precedence.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Name and text of each file.
    pub files: Vec<(String, String)>,
    /// Environment; variables without the prefix `CREDWATCH_` are ignored.
    pub environment: Vec<(String, String)>,
}

/// The merged settings.
pub(super) struct Merged {
    pub(super) default: Table,
    pub(super) table: Table,
    /// File or variable that set a path, in order of precedence.
    origins: Vec<(String, String)>,
    /// Keys removed from list entries because their value is invalid.
    removed_keys: Vec<String>,
    /// Entries removed from each list.
    removed_entries: BTreeMap<String, usize>,
    pub(super) problems: Vec<String>,
}

impl Merged {
    pub(super) fn new(default: &str, sources: &Sources) -> Self {
        let mut problems = Vec::new();
        let default: Table = toml::from_str(default).unwrap_or_else(|error| {
            problems.push(format!("embedded default: {}", error.message()));
            Table::new()
        });
        let mut merged = Self {
            table: default.clone(),
            default,
            origins: Vec::new(),
            removed_keys: Vec::new(),
            removed_entries: BTreeMap::new(),
            problems,
        };
        for (name, text) in &sources.files {
            merged.add_file(name, text);
        }
        for (name, text) in &sources.environment {
            if let Some(path) = name.strip_prefix(PREFIX) {
                merged.add_variable(name, path, text);
            }
        }
        merged
    }

    fn add_file(&mut self, name: &str, text: &str) {
        match toml::from_str::<Table>(text) {
            Ok(changes) => overlay(&mut self.table, changes, "", &mut |path| {
                self.origins.push((path, name.to_owned()));
            }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
                let message = error.message();
                self.problems
                    .push(format!("{name}: line {line}: invalid TOML: {message}"));
            }
        }
    }

    fn add_variable(&mut self, name: &str, path: &str, text: &str) {
        let levels: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        let Some((last, parents)) = levels.split_last() else {
            return;
        };
        let parent = parents.iter().try_fold(&mut self.table, |inner, level| {
            inner.get_mut(level).and_then(Value::as_table_mut)
        });
        let is_free_form = parents.join(".") == FREE_FORM;
        let known = parent.filter(|parent| is_free_form || parent.contains_key(last));
        let Some(parent) = known else {
            self.problems
                .push(format!("environment: {name} matches no setting"));
            return;
        };
        if is_free_form {
            // A single underscore stands for a dot.
            parent.insert(last.replace('_', "."), Value::String(text.to_owned()));
            return;
        }
        let value = match parent.get(last) {
            Some(Value::String(_)) => Value::String(text.to_owned()),
            _ => toml_value(text),
        };
        parent.insert(last.clone(), value);
        self.origins.push((levels.join("."), name.to_owned()));
    }

    /// The typed settings; every invalid value becomes a problem and is replaced by its default. `None` where
    /// that is not possible.
    pub(super) fn into_typed(mut self) -> (Option<RawConfig>, Table, Vec<String>) {
        // Each round removes one value that the user set.
        for _ in 0..=count(&self.table) {
            let deserializer = Value::Table(self.table.clone());
            match serde_path_to_error::deserialize(deserializer) {
                Ok(raw) => return (Some(raw), self.table, self.problems),
                Err(error) => {
                    let path: Vec<Segment> = error.path().iter().cloned().collect();
                    let message = error.inner().to_string();
                    if !self.is_consequence(&path, &message) {
                        self.report(&path, &message);
                    }
                    if !self.reset(&path) {
                        break;
                    }
                }
            }
        }
        (None, self.table, self.problems)
    }

    /// Whether a key is missing because it was removed after being reported.
    fn is_consequence(&self, path: &[Segment], message: &str) -> bool {
        let Some(missing) = message.strip_prefix("missing field ") else {
            return false;
        };
        let missing = missing.split('`').nth(1).unwrap_or_default();
        let path = format!("{}.{missing}", self.display(path));
        self.removed_keys.contains(&path)
    }

    /// The path as text; list entries are counted as in the user's file.
    fn display(&self, path: &[Segment]) -> String {
        let mut text = String::new();
        for segment in path {
            match segment {
                Segment::Seq { index } => {
                    let removed = self.removed_entries.get(&text).copied();
                    text += &format!("[{}]", index + removed.unwrap_or(0));
                }
                Segment::Map { key } | Segment::Enum { variant: key } => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text += key;
                }
                Segment::Unknown => {}
            }
        }
        text
    }

    fn report(&mut self, path: &[Segment], message: &str) {
        let path = self.display(path);
        let origin = self
            .origins
            .iter()
            .rev()
            .find(|(set, _)| {
                let rest = path.strip_prefix(set.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
            .map(|(_, origin)| format!("{origin}: "));
        self.problems.push(format!(
            "{}`{path}` {}",
            origin.unwrap_or_default(),
            explain(message)
        ));
    }

    /// Replaces the value at `path` by its default, or removes it; returns whether anything changed.
    fn reset(&mut self, path: &[Segment]) -> bool {
        let in_list = path
            .iter()
            .position(|segment| matches!(segment, Segment::Seq { .. }));
        if let Some(at) = in_list {
            return self.reset_entry(&path[..at], &path[at..]);
        }
        let keys: Vec<&String> = path.iter().filter_map(key_of).collect();
        let Some((last, parents)) = keys.split_last() else {
            return false;
        };
        let find = |table: &Table| -> Option<Value> {
            let parent = parents
                .iter()
                .try_fold(table, |inner, key| inner.get(*key)?.as_table());
            parent?.get(*last).cloned()
        };
        let default = find(&self.default);
        let parent = parents.iter().try_fold(&mut self.table, |inner, key| {
            inner.get_mut(*key)?.as_table_mut()
        });
        match (parent, default) {
            (Some(parent), Some(default)) => {
                parent.insert((*last).clone(), default.clone()) != Some(default)
            }
            (Some(parent), None) => parent.remove(*last).is_some(),
            (None, _) => false,
        }
    }

    /// Removes a key from an entry of the list at `list`, or the entry.
    fn reset_entry(&mut self, list: &[Segment], rest: &[Segment]) -> bool {
        let [Segment::Seq { index }, inner @ ..] = rest else {
            return false;
        };
        let removed_key = self.display(&[list, &rest[..rest.len().min(2)]].concat());
        let list_path = self.display(list);
        let mut keys = list.iter().filter_map(key_of).peekable();
        let mut table = &mut self.table;
        while let Some(key) = keys.next() {
            match table.get_mut(key) {
                Some(Value::Table(inner)) => table = inner,
                Some(Value::Array(entries)) if keys.peek().is_none() => {
                    let entry = entries.get_mut(*index).and_then(Value::as_table_mut);
                    let key = inner.first().and_then(key_of);
                    if let (Some(entry), Some(key)) = (entry, key)
                        && entry.remove(key).is_some()
                    {
                        self.removed_keys.push(removed_key);
                        return true;
                    }
                    let is_there = *index < entries.len();
                    if is_there {
                        entries.remove(*index);
                        *self.removed_entries.entry(list_path).or_default() += 1;
                    }
                    return is_there;
                }
                _ => return false,
            }
        }
        false
    }
}

fn key_of(segment: &Segment) -> Option<&String> {
    match segment {
        Segment::Map { key } => Some(key),
        _ => None,
    }
}

/// Number of values in a table.
fn count(table: &Table) -> usize {
    let of_value = |value: &Value| match value {
        Value::Table(inner) => count(inner),
        Value::Array(list) => 1 + list.len(),
        _ => 1,
    };
    table.values().map(of_value).sum()
}

/// A TOML value; text that is not TOML becomes a string.
fn toml_value(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    let value = parsed.and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn overlay(table: &mut Table, changes: Table, at: &str, note: &mut impl FnMut(String)) {
    for (key, given) in changes {
        let path = if at.is_empty() {
            key.clone()
        } else {
            format!("{at}.{key}")
        };
        match (table.get_mut(&key), given) {
            (Some(Value::Table(inner)), Value::Table(changes)) => {
                overlay(inner, changes, &path, note);
            }
            (_, given) => {
                table.insert(key, given);
                note(path);
            }
        }
    }
}

/// The problem without the value, which may be a secret.
fn explain(message: &str) -> String {
    let message = message.trim().lines().next().unwrap_or_default();
    if message.starts_with("unknown field") {
        let known = message.split_once(", expected ").map(|(_, known)| known);
        let known = known.map(|known| format!("; known keys: {}", known.replace("one of ", "")));
        return format!("is an unknown key{}", known.unwrap_or_default());
    }
    if let Some(missing) = message.strip_prefix("missing field ") {
        return format!("lacks the key {missing}");
    }
    if let Some((_, expected)) = message.rsplit_once(", expected ") {
        return format!("must be {expected}");
    }
    "has an invalid value".to_owned()
}
