//! The command line: arguments in, exit code out. Results go to stdout, everything else to
//! stderr.

mod commands;
mod terminal;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit codes, as the outside contract fixes them.
pub mod exit {
    /// Failed while running.
    pub const FAILED: u8 = 1;
    /// Wrong usage or configuration.
    pub const USAGE: u8 = 2;
    /// `--strict` and some input was set aside.
    pub const SET_ASIDE: u8 = 3;
}

#[derive(Parser)]
#[command(
    name = "credwatch",
    about,
    disable_version_flag = true,
    after_help = "Example: credwatch demo --for 1m",
    arg_required_else_help = true
)]
struct Arguments {
    /// Print version, commit and model hash.
    #[arg(long, short = 'V')]
    version: bool,
    /// How log lines on stderr look.
    #[arg(long, global = true, default_value = "text")]
    log_format: LogFormat,
    /// Only warnings and errors on stderr, no progress.
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Args, Clone, Default)]
struct ConfigArguments {
    /// A configuration file; repeatable, later files win.
    #[arg(long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
}

const SIMULATE_EXAMPLE: &str = "Example: credwatch simulate --seed 7 --days 42 --identities 500 \
    --out events.jsonl --labels labels.jsonl";

#[derive(Subcommand)]
enum Command {
    /// Everything embedded, no Kafka: a simulated organisation under attack, live.
    #[command(after_help = "Example: credwatch demo --seed 7 --for 2m")]
    Demo(DemoArguments),
    /// The service on Kafka.
    #[command(after_help = "Example: credwatch run --config /etc/credwatch.toml")]
    Run(RunArguments),
    /// The topics on Kafka.
    Topics {
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Judge files with the same engine.
    #[command(after_help = "Example: credwatch replay --alerts alerts.jsonl cloudtrail-logs/")]
    Replay(ReplayArguments),
    /// Labelled traffic, the same for the same seed.
    #[command(
        after_help = SIMULATE_EXAMPLE
    )]
    Simulate(SimulateArguments),
    /// What is found of labelled traffic: average precision, campaign recall, time to detect.
    #[command(after_help = "Example: credwatch evaluate --labels labels.jsonl events.jsonl")]
    Evaluate(EvaluateArguments),
    /// Which alerts and orders a new configuration gains and loses.
    #[command(after_help = "Example: credwatch backtest --old a.toml --new b.toml events/")]
    Backtest(BacktestArguments),
    /// Configuration, model, connection, topics: all problems at once.
    #[command(after_help = "Example: credwatch check --config /etc/credwatch.toml")]
    Check(CheckArguments),
    /// The configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Args)]
struct DemoArguments {
    /// Seed of the organisation; the same seed shows the same.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Simulated time over real time.
    #[arg(long, default_value_t = 1_800.0)]
    speed: f64,
    /// Address of /metrics and the health pages.
    #[arg(long, default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// Stop after this much real time, such as 30s or 2m.
    #[arg(long = "for", value_name = "DURATION", value_parser = terminal::duration)]
    for_: Option<std::time::Duration>,
}

#[derive(Args)]
struct RunArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Which stages this process runs: ingest, detect.
    #[arg(long, value_delimiter = ',', default_value = "ingest,detect")]
    stages: Vec<Stage>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    Ingest,
    Detect,
}

#[derive(Subcommand)]
enum TopicsCommand {
    /// Creates the topics with the right partitions and cleanup policies, or says what differs.
    #[command(after_help = "Example: credwatch topics create --config /etc/credwatch.toml")]
    Create(CheckArguments),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Prints the commented default configuration.
    #[command(after_help = "Example: credwatch config default > credwatch.toml")]
    Default,
}

#[derive(Args)]
struct CheckArguments {
    #[command(flatten)]
    config: ConfigArguments,
}

#[derive(Args)]
struct SimulateArguments {
    /// Seed of chance.
    #[arg(long)]
    seed: u64,
    /// Days of traffic; attacks begin after two quiet weeks.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    days: u16,
    /// Identities at the beginning.
    #[arg(long, value_parser = clap::value_parser!(u32).range(30..=1_000_000))]
    identities: u32,
    /// Attacks, separated by commas; `none` for quiet traffic, all when not given.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    attacks: Vec<String>,
    /// Events, as JSON lines in order of time.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One line for each event that belongs to an attack.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
}

#[derive(Args)]
struct BacktestArguments {
    /// The configuration in use.
    #[arg(long, value_name = "FILE")]
    old: PathBuf,
    /// The configuration to be tried.
    #[arg(long, value_name = "FILE")]
    new: PathBuf,
    /// Shards, as Kafka's default partitioner would make them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: u32,
    /// Files, folders, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

#[derive(Args)]
struct EvaluateArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Lines of {"event_id":…,"campaign":…,"scenario":…}.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Shards, as Kafka's default partitioner would make them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Files, folders, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArgument {
    Native,
    Cloudtrail,
}

#[derive(Args)]
struct ReplayArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Format of the inputs; guessed when not given.
    #[arg(long)]
    format: Option<FormatArgument>,
    /// Shards, as Kafka's default partitioner would make them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: u32,
    /// Write one verdict an event.
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Write alerts.
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// Write containment orders.
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Write the audit trail.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Write records that were set aside.
    #[arg(long, value_name = "FILE")]
    dead: Option<PathBuf>,
    /// Exit with 3 where a record was set aside.
    #[arg(long)]
    strict: bool,
    /// Files, folders, or - for standard input; .gz and .zst are read too.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    terminal::start_log(arguments.log_format, arguments.quiet);
    let code = if arguments.version {
        commands::version()
    } else {
        match &arguments.command {
            Some(command) => commands::perform(command, arguments.quiet),
            None => exit::USAGE,
        }
    };
    ExitCode::from(code)
}
