//! A generic mapping: a jq program that turns any JSON into native events, several from one record.
//!
//! A program is checked when it is loaded: its syntax, its names, and that it defines nothing recursively.
//! Each run is bounded: the program's steps and the size of its values and outputs have limits that nothing
//! in a record can lift (`metering`). A program has no clock, environment, files or inputs but its record,
//! so the same record always gives the same events.

mod metering;

use crate::sources::fields::RECORD_BYTES;
use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::{Compiler, Ctx, Filter, Vars, load};
use jaq_json::Val;
use metering::{Meter, Metered};
use std::cell::Cell;
use std::fmt::{self, Write};

/// Maximum number of events from one record.
pub const MAX_OUTPUTS: usize = 10_000;
/// Steps of one run: iterations, calls and operations.
pub const MAX_STEPS: u32 = 200_000;
/// Stack of one run: a step nests a value once more at most, and each level takes a few frames.
const STACK_BYTES: usize = 512 << 20;
/// Name of the program among the definitions of the library.
const MAIN: &str = "credwatch_program";
/// Definitions and functions that reach outside the record.
const IMPURE: [&str; 12] = [
    "debug",
    "debug_empty",
    "env",
    "halt",
    "halt_error",
    "input",
    "inputs",
    "localtime",
    "now",
    "stderr",
    "stderr_empty",
    "strflocaltime",
];

/// Why a program cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be read.
    #[error("{path}: {why}")]
    Io {
        /// File.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// Not jq.
    #[error("the program is no jq: {0}")]
    Syntax(String),
    /// It calls what is not there.
    #[error("the program calls what is not there: {0}")]
    Undefined(String),
    /// A definition calls itself.
    #[error("`def {0}` calls itself; use recurse, while, until or reduce")]
    Recursive(String),
}

/// Why a record cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Over the size limit.
    #[error("record of {0} bytes is over the limit of {RECORD_BYTES}")]
    TooLarge(usize),
    /// The record is no JSON.
    #[error("not JSON")]
    Json,
    /// The program failed.
    #[error("the program failed: {0}")]
    Failed(String),
    /// A limit of the run was reached.
    #[error("the program took more than {MAX_STEPS} steps, or its values grew too large")]
    Exhausted,
    /// More events or bytes than one record can give.
    #[error(
        "the program gives more than {MAX_OUTPUTS} events or {RECORD_BYTES} bytes for one record"
    )]
    TooMuch,
}

/// A checked program.
pub struct JqProgram {
    filter: Filter<Metered>,
}

impl fmt::Debug for JqProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JqProgram")
    }
}

impl JqProgram {
    /// Reads and checks the program in the file `path`.
    ///
    /// # Errors
    /// It cannot be read, or is invalid.
    pub fn open(path: &str) -> Result<Self, ProgramError> {
        let read = std::fs::read_to_string(path);
        let code = read.map_err(|why| ProgramError::Io {
            path: path.to_owned(),
            why,
        })?;
        Self::parse(&code)
    }

    /// Checks the program `code`.
    ///
    /// # Errors
    /// It is invalid.
    pub fn parse(code: &str) -> Result<Self, ProgramError> {
        let arena = Arena::default();
        Loader::new([])
            .load(&arena, File { code, path: () })
            .map_err(|errors| ProgramError::Syntax(describe_syntax(code, &errors)))?;
        let term = parse(code, |parser| parser.term());
        let term =
            term.ok_or_else(|| ProgramError::Syntax("modules are not supported".to_owned()))?;
        let main = metering::of_program(term).map_err(ProgramError::Recursive)?;
        let library = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs())
            .filter(|def| !IMPURE.contains(&def.name))
            .map(metering::of_library);
        let program = load::parse::Def {
            name: MAIN,
            args: Vec::new(),
            body: main,
        };
        let library = library.chain(metering::factor());
        let file = File {
            code: MAIN,
            path: (),
        };
        let modules = Loader::new(library.chain([program])).load(&arena, file);
        let modules = modules.map_err(|_| ProgramError::Syntax(MAIN.to_owned()))?;
        let functions = jaq_core::funs()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs())
            .filter(|(name, ..)| !IMPURE.contains(name))
            .chain([metering::step()]);
        let compiled = Compiler::default().with_funs(functions).compile(modules);
        let filter = compiled.map_err(|errors| {
            let undefined = errors.iter().flat_map(|(_, names)| names);
            let undefined = undefined.map(|(name, kind)| format!("{} {name}", kind.as_str()));
            ProgramError::Undefined(undefined.collect::<Vec<_>>().join(", "))
        })?;
        Ok(Self { filter })
    }

    /// The outputs for one record, each as JSON. `null` and no output both mean: no event.
    ///
    /// # Errors
    /// The record is no JSON, the program fails, or a limit is reached.
    pub fn run(&self, record: &[u8]) -> Result<Vec<Vec<u8>>, RunError> {
        stacker::grow(STACK_BYTES, || self.run_on_stack(record))
    }

    fn run_on_stack(&self, record: &[u8]) -> Result<Vec<Vec<u8>>, RunError> {
        if record.len() > RECORD_BYTES {
            return Err(RunError::TooLarge(record.len()));
        }
        let input: Val = serde_json::from_slice(record).map_err(|_| RunError::Json)?;
        let left = Cell::new(MAX_STEPS);
        let meter = Meter::new(&self.filter.lut, &left);
        let context = Ctx::<Metered>::new(meter, Vars::new([]));
        let mut outputs = Outputs::default();
        for result in self.filter.id.run((context, input)) {
            let value = result.map_err(|stopped| match stopped.get_err() {
                Ok(error) => RunError::Failed(error.to_string()),
                Err(_) => RunError::Exhausted,
            })?;
            if !matches!(value, Val::Null) {
                outputs.add(&value)?;
            }
        }
        Ok(outputs.texts)
    }
}

/// Outputs of one run, bounded.
#[derive(Default)]
struct Outputs {
    texts: Vec<Vec<u8>>,
    bytes: usize,
}

impl Outputs {
    fn add(&mut self, value: &Val) -> Result<(), RunError> {
        if self.texts.len() == MAX_OUTPUTS {
            return Err(RunError::TooMuch);
        }
        let mut text = BoundedText {
            text: String::new(),
            most: RECORD_BYTES - self.bytes,
        };
        write!(text, "{value}").map_err(|_| RunError::TooMuch)?;
        self.bytes += text.text.len();
        self.texts.push(text.text.into_bytes());
        Ok(())
    }
}

/// A text that does not grow beyond a limit.
struct BoundedText {
    text: String,
    most: usize,
}

impl Write for BoundedText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.text.len() + part.len() > self.most {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// Line and expectation of the first error.
fn describe_syntax(code: &str, errors: &load::Errors<&str, ()>) -> String {
    let first = errors.first().map(|(_, error)| error);
    let (expected, found) = match first {
        Some(load::Error::Lex(errors)) => match errors.first() {
            Some((expected, found)) => (expected.as_str(), *found),
            None => return String::new(),
        },
        Some(load::Error::Parse(errors)) => match errors.first() {
            Some((expected, found)) => (expected.as_str(), *found),
            None => return String::new(),
        },
        Some(load::Error::Io(_)) | None => return "modules are not supported".to_owned(),
    };
    let at = load::span(code, found).start.min(code.len());
    let line = code[..code.floor_char_boundary(at)].matches('\n').count() + 1;
    format!("line {line}: expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(code: &str, record: &str) -> Result<Vec<String>, String> {
        let program = JqProgram::parse(code).map_err(|error| error.to_string())?;
        let outputs = program.run(record.as_bytes());
        let outputs = outputs.map_err(|error| error.to_string())?;
        let text = |output| String::from_utf8(output).unwrap();
        Ok(outputs.into_iter().map(text).collect())
    }

    #[test]
    fn a_program_gives_none_one_or_several_events() {
        let code =
            r#".logs[] | select(.user) | {time: .at, identity: {id: .user | ascii_downcase}}"#;
        let record = r#"{"logs":[{"at":1,"user":"Ada"},{"at":2},{"at":3,"user":"Bob"}]}"#;
        assert_eq!(
            outputs(code, record).unwrap(),
            [
                r#"{"time":1,"identity":{"id":"ada"}}"#,
                r#"{"time":3,"identity":{"id":"bob"}}"#
            ]
        );
        assert!(outputs("empty", "{}").unwrap().is_empty());
        assert!(outputs("null", "{}").unwrap().is_empty());
        assert_eq!(outputs("null", "[").unwrap_err(), "not JSON");
    }

    #[test]
    fn the_usual_functions_are_there() {
        for (code, expected) in [
            (r#""2026-11-27T08:00:00Z" | fromdate"#, "1795766400"),
            (r#""a-7" | capture("(?<n>[0-9]+)").n"#, r#""7""#),
            (r#"[1, 2] | map(. + 1) | add"#, "5"),
            (r#""YQ==" | @base64d"#, r#""a""#),
            (r#"def up: ascii_upcase; "x" | up"#, r#""X""#),
            (r#"{"a": {"b": 1}} | [paths] | length"#, "2"),
            (r#"{"a": 1} | to_entries[0].key"#, r#""a""#),
            (
                r#"{"a": 1} | .a |= . + 1 | del(.b) | tojson"#,
                r#""{\"a\":2}""#,
            ),
            (r#"[limit(3; repeat(1))] | length"#, "3"),
            (r#".x? // "none""#, r#""none""#),
        ] {
            assert_eq!(outputs(code, "{}").unwrap(), [expected], "{code}");
        }
    }

    #[test]
    fn a_wrong_program_is_rejected_with_its_line() {
        for (code, reason) in [
            (".a | ", "line 1"),
            (".a\n| .b[", "line 2"),
            ("nothing_such(1)", "filter nothing_such"),
            ("$nobody", "variable $nobody"),
            ("def f: f; f", "`def f` calls itself"),
            ("def f: def g: f; g; f", "`def f` calls itself"),
            ("now", "now"),
            ("env", "env"),
            ("input", "input"),
            (r#"include "x"; ."#, "modules are not supported"),
        ] {
            let error = JqProgram::parse(code).unwrap_err().to_string();
            assert!(error.contains(reason), "{code}: {error}");
        }
    }

    #[test]
    fn no_record_makes_a_program_run_on() {
        let record = r#"{"n":1000000000000,"list":[1,2,3,4,5,6,7,8,9,10],"text":"aaaaaaaaaa"}"#;
        for code in [
            "[range(.n)] | length",
            "reduce range(.n) as $i (0; . + 1)",
            "last(range(.n))",
            "until(false; .)",
            "[repeat(1)]",
            "first(repeat(empty))",
            "[recurse([.])]",
            ".text * .n",
            "reduce range(100) as $i (.text; . + .)",
            "reduce range(100) as $i ([1]; . + .)",
            "[.list[] as $a | .list[] as $b | .list[] as $c | .list[] as $d | .list[] as $e | .list[] as $f \
             | .list[] as $g | $g] | length",
            "[.list[] == .list[] == .list[] == .list[] == .list[] == .list[] == .list[]] | length",
            "reduce range(60) as $i ([]; [., .])",
            "(try until(false; .) catch 1), 2",
            "isempty(until(false; .) | empty) // 1",
        ] {
            assert!(outputs(code, record).is_err(), "{code}");
        }
        assert_eq!(
            outputs("[range(20000)][]", "{}").unwrap_err(),
            RunError::TooMuch.to_string()
        );
    }
}
