//! Terminal output: log lines, progress, results.

use crate::clock::wall_time;
use crate::commands::read_records::FilePart;
use crate::files::list;
use crate::reports::foreign_text;
use crate::sources::time::parse_rfc3339;
use clap::ValueEnum;
use console::Term;
use credwatch_core::units::EventTime;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Format of log lines.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Starts logging to stderr; `RUST_LOG`, such as `debug` or `credwatch=debug,warn`, overrides the level.
///
/// # Errors
/// `RUST_LOG` is set and is not a list of levels.
pub(super) fn start_log(format: LogFormat, quiet: bool) -> Result<(), String> {
    let default = if quiet { "warn" } else { "credwatch=info,warn" };
    let levels = env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned());
    let levels: Targets = levels
        .parse()
        .map_err(|_| "RUST_LOG is not a list of levels; write info or credwatch=debug,warn")?;
    // The HTTP client logs headers, and with them bearer tokens, in detail.
    let levels = ["ureq", "ureq_proto", "rustls", "hyper"]
        .into_iter()
        .fold(levels, |levels, target| {
            levels.with_target(target, Level::WARN)
        });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let registry = tracing_subscriber::registry();
    match format {
        LogFormat::Text => registry.with(lines.with_filter(levels)).init(),
        LogFormat::Json => registry.with(lines.json().with_filter(levels)).init(),
    }
    Ok(())
}

/// Writes a result to stdout. A closed pipe is not an error.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let text = printable(text);
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The same for a text whose foreign parts were made printable, and which may hold colours.
pub(super) fn print_own(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Whether results go to a terminal.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Columns of the terminal; more than enough where there is none.
pub(super) fn width() -> usize {
    match Term::stdout().size_checked() {
        Some((_, columns)) if is_terminal() => usize::from(columns).max(40),
        _ => 400,
    }
}

/// Writes an error to stderr.
pub(super) fn print_error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "credwatch: {}", printable(text));
}

/// `text` without characters that command a terminal or reorder what is read: names in logs are not ours.
fn printable(text: &str) -> Cow<'_, str> {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c => foreign_text::printable(c),
    };
    match text.chars().all(|c| shown(c) == c) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().map(shown).collect()),
    }
}

/// Runs `work` over `inputs` with a bar of what was read and the time left, on a terminal only. `work` calls
/// its argument with each part of a file.
pub(super) fn with_progress<T>(
    quiet: bool,
    inputs: &[PathBuf],
    work: impl FnOnce(&mut dyn FnMut(&FilePart)) -> T,
) -> T {
    if quiet || !io::stderr().is_terminal() {
        return work(&mut |_| {});
    }
    let bar = progress_bar(inputs);
    let mut position = Position::default();
    let mut records = 0;
    let result = work(&mut |part| {
        records += part.records;
        bar.set_position(position.advance(&part.path, part.bytes));
        let path = part.path.display();
        let records_per_sec = records as f64 / bar.elapsed().as_secs_f64().max(0.001);
        let rate = HumanCount(records_per_sec as u64);
        bar.set_message(format!("{rate} events/s  {path}"));
    });
    bar.finish_and_clear();
    result
}

/// A bar over the sizes of the files; without an end where one of them is standard input.
fn progress_bar(inputs: &[PathBuf]) -> ProgressBar {
    let files = list(inputs).unwrap_or_default();
    let sizes: Option<u64> = files.iter().map(|path| size_on_disk(path)).sum();
    let bar = ProgressBar::new_spinner();
    let template = match sizes {
        Some(bytes) => {
            bar.set_length(bytes);
            "{spinner} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left  {wide_msg}"
        }
        None => "{spinner} {bytes} read, {bytes_per_sec}  {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn size_on_disk(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.len())
}

/// How much of the files was read, in bytes on disk: what was unpacked counts as at most the size of its
/// file.
#[derive(Default)]
struct Position {
    before: u64,
    file: PathBuf,
    file_bytes: Option<u64>,
    read: u64,
}

impl Position {
    fn advance(&mut self, path: &Path, bytes: u64) -> u64 {
        if self.file != path {
            self.before += self.file_bytes.unwrap_or(self.read);
            (self.file, self.file_bytes) = (path.to_owned(), size_on_disk(path));
            self.read = 0;
        }
        self.read += bytes;
        self.before
            + self
                .file_bytes
                .map_or(self.read, |size| self.read.min(size))
    }
}

/// Parses `90s`, `2m`, `1h 30m`, or seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(secs) = text.parse() {
        return Ok(Duration::from_secs(secs));
    }
    humantime::parse_duration(text)
        .map_err(|_| format!("\"{text}\" is not a duration; write 90s, 2m, 1h or 90d"))
}

/// Parses `now` or a time of RFC 3339.
pub(super) fn time(text: &str) -> Result<EventTime, String> {
    if text == "now" {
        return Ok(wall_time());
    }
    parse_rfc3339(text)
        .and_then(EventTime::from_epoch_ms)
        .ok_or_else(|| format!("\"{text}\" is not a time; write now or 2026-01-31T08:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_the_terminal() {
        let hostile = "svc\u{1b}[2J\r\u{202e}moc\u{9b}\u{7f}";
        let shown = printable(hostile);
        assert_eq!(shown, "svc\u{fffd}[2J\u{fffd}\u{fffd}moc\u{fffd}\u{fffd}");
        assert_eq!(printable("a\n\tb — c"), "a\n\tb — c");
    }

    #[test]
    fn what_was_unpacked_counts_as_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: usize| {
            let path = folder.path().join(name);
            std::fs::write(&path, vec![b'x'; bytes]).unwrap();
            path
        };
        let (packed, plain) = (file("a.gz", 10), file("b", 20));
        let mut position = Position::default();
        assert_eq!(position.advance(&packed, 7), 7);
        assert_eq!(position.advance(&packed, 100), 10);
        assert_eq!(position.advance(&plain, 5), 15);
        assert_eq!(position.advance(Path::new("-"), 4), 34);
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("soon").is_err());
        assert!(duration("").is_err());
    }
}
