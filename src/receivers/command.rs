//! Any program as an executor. Its arguments are passed one by one, without a shell; the order is JSON on its
//! standard input. Exit code 0 means done, 3 rejected, any other failed; the first line of its standard
//! output is the note. It must act once on an `order_id` that it sees twice.

use super::{Delivery, DeliveryError, ReceiverClient};
use std::io::{Read, Write};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use wait_timeout::ChildExt;

/// Exit code of a program that must not execute the order.
const EXIT_REJECTED: i32 = 3;
/// Bytes of standard output that are read.
const MAX_OUTPUT_BYTES: u64 = 4_096;
/// Time for the output of a program that has exited.
const OUTPUT_TIMEOUT: Duration = Duration::from_millis(50);

/// One program.
pub struct Command {
    argv: Vec<String>,
    environment: Vec<String>,
    timeout: Duration,
}

impl Command {
    /// The program `argv[0]` with the other arguments and the variables named in `environment`, killed after
    /// `timeout`. It inherits nothing else: the environment of this process may hold secrets.
    #[must_use]
    pub fn new(argv: &[String], environment: &[String], timeout: Duration) -> Self {
        Self {
            argv: argv.to_vec(),
            environment: environment.to_vec(),
            timeout,
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        let (program, arguments) = self
            .argv
            .split_first()
            .ok_or(std::io::ErrorKind::NotFound)?;
        let inherited = self.environment.iter().map(String::as_str).chain(["PATH"]);
        let variables = inherited.filter_map(|name| Some((name, std::env::var_os(name)?)));
        Process::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }

    /// Runs the program; returns its exit status and the first line of its output.
    fn run(&self, order: &[u8]) -> std::io::Result<(ExitStatus, String)> {
        let mut child = self.start()?;
        write_input(&mut child, order.to_vec());
        let output = read_output(&mut child);
        let status = match child.wait_timeout(self.timeout) {
            Ok(Some(status)) => status,
            ended => {
                let _ = child.kill();
                let _ = child.wait();
                let secs = self.timeout.as_secs_f64();
                return Err(ended.err().unwrap_or_else(|| {
                    std::io::Error::other(format!("killed after {secs} s without exiting"))
                }));
            }
        };
        let note = output.recv_timeout(OUTPUT_TIMEOUT).unwrap_or_default();
        Ok((status, note))
    }
}

/// Writes standard input on a thread of its own: a program that does not read it must not block the worker.
fn write_input(child: &mut Child, order: Vec<u8>) {
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read its input reports by its exit code.
        std::thread::spawn(move || _ = input.write_all(&order));
    }
}

/// Reads standard output while the program runs, so that it never blocks on a full pipe.
fn read_output(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output
                .by_ref()
                .take(MAX_OUTPUT_BYTES)
                .read_to_end(&mut bytes);
            let text = String::from_utf8_lossy(&bytes);
            let _ = sender.send(text.lines().next().unwrap_or_default().trim().to_owned());
            let _ = std::io::copy(&mut output, &mut std::io::sink());
        });
    }
    receiver
}

impl ReceiverClient for Command {
    fn executes_orders(&self) -> bool {
        true
    }

    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<String, DeliveryError> {
        let failed = |why| DeliveryError::Retryable(format!("{}: {why}", self.argv[0]));
        let (status, note) = self.run(delivery.json).map_err(failed)?;
        match status.code() {
            Some(0) => Ok(note),
            Some(EXIT_REJECTED) => Err(DeliveryError::Rejected(note)),
            _ => Err(DeliveryError::Retryable(format!("{status}: {note}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(argv: &[&str], json: &[u8], timeout_ms: u64) -> Result<String, DeliveryError> {
        let argv: Vec<String> = argv.iter().map(|&text| text.to_owned()).collect();
        let delivery = Delivery {
            id: "o1",
            json,
            order: None,
        };
        Command::new(&argv, &[], Duration::from_millis(timeout_ms)).deliver(&delivery)
    }

    fn run(argv: &[&str], timeout_ms: u64) -> Result<String, DeliveryError> {
        run_with(argv, br#"{"order_id":"o1"}"#, timeout_ms)
    }

    #[test]
    fn a_program_reads_the_order_and_its_exit_code_is_the_outcome() {
        assert_eq!(run(&["cat"], 60_000), Ok(r#"{"order_id":"o1"}"#.to_owned()));
        let rejected = run(&["sh", "-c", "echo on holiday; exit 3"], 60_000);
        assert_eq!(
            rejected,
            Err(DeliveryError::Rejected("on holiday".to_owned()))
        );
        for failing in ["false", "/no/such/program"] {
            let failed = run(&[failing], 60_000);
            assert!(matches!(failed, Err(DeliveryError::Retryable(_))));
        }
    }

    #[test]
    fn arguments_are_not_interpreted_by_a_shell() {
        let note = run(&["echo", "$(id)", ";", "reboot"], 60_000).unwrap();
        assert_eq!(note, "$(id) ; reboot");
    }

    #[test]
    fn a_program_that_hangs_is_killed_and_long_output_is_cut() {
        let hung = run(&["sleep", "1000"], 50);
        assert!(matches!(hung, Err(DeliveryError::Retryable(why)) if why.contains("killed after")));
        let note = run(&["sh", "-c", "yes | head -c 3000000"], 60_000).unwrap();
        assert_eq!(note, "y");
    }

    #[test]
    fn a_program_that_never_reads_a_large_order_is_killed_in_time() {
        let order = vec![b' '; 1_000_000];
        let hung = run_with(&["sleep", "1000"], &order, 50);
        assert!(matches!(hung, Err(DeliveryError::Retryable(why)) if why.contains("killed after")));
        assert_eq!(run_with(&["true"], &order, 60_000), Ok(String::new()));
    }
}
