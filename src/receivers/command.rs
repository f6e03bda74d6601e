//! Any program as an executor: its arguments are given one by one, the order comes as JSON on its standard
//! input, and no shell is near. Exit code 0 says done, 3 refused, any other failed; the first line on its
//! standard output is the reason. It must act once on an `order_id` that it sees twice.

use super::{Delivery, DeliveryError, ReceiverClient};
use crate::clock::Stopwatch;
use std::io::{Read, Write};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Exit code of a program that must not do it.
const EXIT_REJECTED: i32 = 3;
/// Of what it says, so much is read.
const MAX_OUTPUT_BYTES: u64 = 4_096;
/// How often it is looked after.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// One program.
pub struct Command {
    argv: Vec<String>,
    timeout: Duration,
}

impl Command {
    /// The program `argv[0]` with the other arguments, which may take so long.
    #[must_use]
    pub fn new(argv: &[String], timeout: Duration) -> Self {
        Self {
            argv: argv.to_vec(),
            timeout,
        }
    }

    fn start(&self, order: &[u8]) -> std::io::Result<Child> {
        let (program, arguments) = self
            .argv
            .split_first()
            .ok_or(std::io::ErrorKind::NotFound)?;
        let mut child = Process::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A program that does not read says by its exit code what it thinks of it.
            let _ = input.write_all(order);
        }
        Ok(child)
    }
}

/// Reads what a program says while it runs, so that it never waits for that.
fn read_output(child: &mut Child) -> mpsc::Receiver<String> {
    let (said, heard) = mpsc::channel();
    if let Some(mut output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output
                .by_ref()
                .take(MAX_OUTPUT_BYTES)
                .read_to_end(&mut bytes);
            let text = String::from_utf8_lossy(&bytes);
            let _ = said.send(text.lines().next().unwrap_or_default().trim().to_owned());
            let _ = std::io::copy(&mut output, &mut std::io::sink());
        });
    }
    heard
}

impl ReceiverClient for Command {
    fn executes_orders(&self) -> bool {
        true
    }

    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<String, DeliveryError> {
        let failed =
            |why: std::io::Error| DeliveryError::Retryable(format!("{}: {why}", self.argv[0]));
        let mut child = self.start(delivery.json).map_err(failed)?;
        let heard = read_output(&mut child);
        let since = Stopwatch::start();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            if since.elapsed() > self.timeout {
                let _ = child.kill();
                let _ = child.wait();
                let secs = self.timeout.as_secs_f64();
                return Err(DeliveryError::Retryable(format!(
                    "{}: it took longer than {secs} s and was ended",
                    self.argv[0]
                )));
            }
            std::thread::sleep(POLL_INTERVAL);
        };
        let said = heard.recv_timeout(POLL_INTERVAL * 10).unwrap_or_default();
        match status.code() {
            Some(0) => Ok(said),
            Some(EXIT_REJECTED) => Err(DeliveryError::Rejected(said)),
            _ => Err(DeliveryError::Retryable(format!("{status}: {said}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(argv: &[&str], timeout_ms: u64) -> Result<String, DeliveryError> {
        let argv: Vec<String> = argv.iter().map(|&text| text.to_owned()).collect();
        let delivery = Delivery {
            id: "o1",
            json: br#"{"order_id":"o1"}"#,
            order: None,
        };
        Command::new(&argv, Duration::from_millis(timeout_ms)).deliver(&delivery)
    }

    #[test]
    fn a_program_gets_the_order_and_its_exit_code_counts() {
        assert_eq!(run(&["cat"], 10_000), Ok(r#"{"order_id":"o1"}"#.to_owned()));
        let refused = run(&["sh", "-c", "echo on holiday; exit 3"], 10_000);
        assert_eq!(
            refused,
            Err(DeliveryError::Rejected("on holiday".to_owned()))
        );
        assert!(matches!(
            run(&["false"], 10_000),
            Err(DeliveryError::Retryable(_))
        ));
        assert!(matches!(
            run(&["/no/such/program"], 10_000),
            Err(DeliveryError::Retryable(_))
        ));
    }

    #[test]
    fn arguments_are_no_shell_s() {
        let said = run(&["echo", "$(id)", ";", "reboot"], 10_000).unwrap();
        assert_eq!(said, "$(id) ; reboot");
    }

    #[test]
    fn one_that_hangs_is_ended_and_one_that_talks_is_cut_short() {
        let hung = run(&["sleep", "1000"], 50);
        assert!(matches!(hung, Err(DeliveryError::Retryable(why)) if why.contains("was ended")));
        let said = run(&["sh", "-c", "yes | head -c 3000000"], 20_000).unwrap();
        assert_eq!(said, "y");
    }
}
