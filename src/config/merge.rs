//! Default, files and environment into one table.

use toml::{Table, Value};

const PREFIX: &str = "CREDWATCH_";

/// Where settings come from, in rising order of precedence.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Name and text of each file.
    pub files: Vec<(String, String)>,
    /// Environment; variables without our prefix are ignored.
    pub environment: Vec<(String, String)>,
}

/// Keys under these may be anything.
fn is_free_form(path: &str) -> bool {
    path == "kafka.properties"
}

pub(super) fn merge(default: &str, sources: &Sources) -> (Table, Vec<String>) {
    let mut problems = Vec::new();
    let mut table: Table = match toml::from_str(default) {
        Ok(table) => table,
        Err(error) => {
            problems.push(format!("embedded default: {error}"));
            return (Table::new(), problems);
        }
    };
    for (name, text) in &sources.files {
        match toml::from_str::<Table>(text) {
            Ok(changes) => overlay(&mut table, changes, "", name, &mut problems),
            Err(error) => problems.push(format!("{name}: {}", error.to_string().trim_end())),
        }
    }
    for (name, text) in &sources.environment {
        if let Some(path) = name.strip_prefix(PREFIX) {
            override_by_variable(&mut table, name, path, text, &mut problems);
        }
    }
    (table, problems)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The value in the type of the default, if it fits.
fn fitted(default: &Value, given: Value) -> Result<Value, &'static str> {
    match (default, given) {
        (Value::Float(_), Value::Integer(whole)) => Ok(Value::Float(whole as f64)),
        (default, given) if kind(default) == kind(&given) => Ok(given),
        (default, _) => Err(kind(default)),
    }
}

fn overlay(table: &mut Table, changes: Table, at: &str, source: &str, problems: &mut Vec<String>) {
    for (key, given) in changes {
        let path = if at.is_empty() {
            key.clone()
        } else {
            format!("{at}.{key}")
        };
        match (table.get_mut(&key), given) {
            (None, given) if is_free_form(at) => {
                table.insert(key, given);
            }
            (None, _) => problems.push(format!("{source}: unknown key `{path}`")),
            (Some(Value::Table(inner)), Value::Table(changes)) => {
                overlay(inner, changes, &path, source, problems);
            }
            (Some(default), given) => match fitted(default, given) {
                Ok(value) => *default = value,
                Err(expected) => problems.push(format!("{source}: `{path}` must be {expected}")),
            },
        }
    }
}

fn override_by_variable(
    table: &mut Table,
    name: &str,
    path: &str,
    text: &str,
    problems: &mut Vec<String>,
) {
    let levels: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
    let Some((last, parents)) = levels.split_last() else {
        return;
    };
    let parent = parents.iter().try_fold(&mut *table, |inner, level| {
        inner.get_mut(level).and_then(Value::as_table_mut)
    });
    let Some(parent) = parent else {
        problems.push(format!("environment: {name} matches no setting"));
        return;
    };
    if is_free_form(&parents.join(".")) {
        parent.insert(last.replace('_', "."), Value::String(text.to_owned()));
        return;
    }
    let Some(default) = parent.get_mut(last) else {
        problems.push(format!("environment: {name} matches no setting"));
        return;
    };
    match default {
        Value::String(_) => *default = Value::String(text.to_owned()),
        _ => {
            let parsed = toml::from_str::<Table>(&format!("value = {text}"))
                .ok()
                .and_then(|mut table| table.remove("value"));
            match parsed.map(|value| fitted(default, value)) {
                Some(Ok(value)) => *default = value,
                _ => problems.push(format!("environment: {name} must be {}", kind(default))),
            }
        }
    }
}
