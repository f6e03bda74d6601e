//! Command-line arguments.

use super::console_arguments::{DemoArguments, IncidentsArguments, WatchArguments};
use super::terminal;
use super::terminal::LogFormat;
use crate::sources::source_format::Format;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use credwatch_core::units::EventTime;
use credwatch_core::verdict::AlertVerdict;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Parser)]
#[command(
    name = "credwatch",
    about,
    disable_version_flag = true,
    after_help = "Example: credwatch demo --for 1m",
    arg_required_else_help = true
)]
pub(super) struct Arguments {
    /// Print version, commit and model hash.
    #[arg(long, short = 'V')]
    pub(super) version: bool,
    /// Format of log lines on stderr.
    #[arg(long, global = true, default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Only warnings and errors on stderr, no progress.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Args, Clone, Default)]
pub(super) struct ConfigArguments {
    /// A configuration file; repeatable, later files win.
    #[arg(long = "config", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

pub(super) const SIMULATE_EXAMPLE: &str = "Example: credwatch simulate --seed 7 --days 42 --identities 500 \
    --out events.jsonl --labels labels.jsonl";

pub(super) const EXPLAIN_EXAMPLE: &str = "Example: credwatch explain --state state/ --identity svc-deploy \
    --event event.json";

pub(super) const FEEDBACK_EXAMPLE: &str = "Example: credwatch feedback \
    --alert f26c15b153bd662d40a5f91b209ac883 --verdict false_positive --by ada --reason \"new laptop\"";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Simulated organisation under attack, live, without Kafka.
    #[command(after_help = "Example: credwatch demo --seed 7 --for 2m")]
    Demo(DemoArguments),
    /// Run the service on Kafka.
    #[command(after_help = "Example: credwatch run --config /etc/credwatch.toml")]
    Run(RunArguments),
    /// Manage topics on Kafka.
    Topics {
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Show what files hold: sources, identities, filled fields, signals without data, rejected records.
    #[command(after_help = "Example: credwatch inspect okta-export/ AWSLogs/")]
    Inspect(InspectArguments),
    /// Show what a jq program makes of raw records.
    #[command(
        after_help = "Example: credwatch map --program config/mappings/gitlab.jq audit.jsonl"
    )]
    Map(MapArguments),
    /// Score files with the same engine.
    #[command(after_help = "Example: credwatch replay --alerts alerts.jsonl cloudtrail-logs/")]
    Replay(ReplayArguments),
    /// Generate labelled traffic, the same for the same seed.
    #[command(
        after_help = SIMULATE_EXAMPLE
    )]
    Simulate(SimulateArguments),
    /// Measure detection on labelled traffic: average precision, campaign recall, time to detect.
    #[command(after_help = "Example: credwatch evaluate --labels labels.jsonl events.jsonl")]
    Evaluate(EvaluateArguments),
    /// Compare the alerts and orders of two configurations.
    #[command(after_help = "Example: credwatch backtest --old a.toml --new b.toml events/")]
    Backtest(BacktestArguments),
    /// Check configuration, model, connection and topics, and report all problems at once.
    #[command(after_help = "Example: credwatch check --config /etc/credwatch.toml")]
    Check(CheckArguments),
    /// Show an identity's baseline, and what an event of it would score.
    #[command(after_help = EXPLAIN_EXAMPLE)]
    Explain(ExplainArguments),
    /// Record an analyst's verdict on an alert; the service learns from it.
    #[command(after_help = FEEDBACK_EXAMPLE)]
    Feedback(FeedbackArguments),
    /// List the incidents that nobody has answered, most urgent first.
    #[command(after_help = "Example: credwatch incidents --url http://127.0.0.1:9464")]
    Incidents(IncidentsArguments),
    /// The same, live.
    #[command(after_help = "Example: credwatch watch --url http://127.0.0.1:9464")]
    Watch(WatchArguments),
    /// Show one incident: timeline, evidence, decisions, outcomes, and suggested changes.
    #[command(after_help = "Example: credwatch review --alert f26c15b153bd662d40a5f91b209ac883")]
    Review(ReviewArguments),
    /// List privileges that were granted or used and are no longer used, and suggest a reduced set.
    #[command(after_help = "Example: credwatch drift --since 90d --url http://127.0.0.1:9464")]
    Drift(DriftArguments),
    /// Erase an identity's baseline; the audit trail keeps the fact, not the name.
    #[command(
        after_help = "Example: credwatch forget --identity svc-old --by ada --reason \"GDPR 4711\""
    )]
    Forget(ForgetArguments),
    /// Pause enforcement everywhere within seconds, or resume it; or approve an order. While paused, orders
    /// are published as dry runs, which executors must not act on.
    #[command(
        after_help = "Example: credwatch containment pause --by ada --reason \"orders for the wrong people\""
    )]
    Containment(ContainmentArguments),
    /// Verify the signatures of orders, or the audit trail.
    Verify {
        #[command(subcommand)]
        command: VerifyCommand,
    },
    /// Print the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Stages that this process runs: ingest, detect, deliver, console.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "ingest,detect,deliver,console"
    )]
    pub(super) stages: Vec<Stage>,
    /// Ignore the stored baselines of these partitions once, or of all where none is given, and learn again
    /// from the events that Kafka still holds.
    #[arg(long, value_name = "PARTITIONS", value_delimiter = ',', num_args = 0.., require_equals = true)]
    pub(super) cold: Option<Vec<i32>>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    Ingest,
    Detect,
    Deliver,
    Console,
}

#[derive(Subcommand)]
pub(super) enum TopicsCommand {
    /// Create the topics with the right partitions and cleanup policies, or report differences.
    #[command(after_help = "Example: credwatch topics create --config /etc/credwatch.toml")]
    Create(CheckArguments),
}

#[derive(Subcommand)]
pub(super) enum VerifyCommand {
    /// Check signatures, audience, times and repetitions of orders; reports the first violation.
    #[command(
        after_help = "Example: credwatch verify orders orders.jsonl --keys jwks.json --at now"
    )]
    Orders(VerifyOrdersArguments),
    /// Verify the hash chain of the audit trail; reports the first violation.
    #[command(after_help = "Example: credwatch verify audit audit.jsonl --keys jwks.json")]
    Audit {
        /// Key set for signed heads of the trail, as /.well-known/jwks.json serves it.
        #[arg(long, value_name = "JWKS")]
        keys: Option<PathBuf>,
        /// Export of an earlier audit: the trail has to continue it. Without one a trail is read from its
        /// first record, and one that was cut exactly at a signed head verifies.
        #[arg(long, value_name = "EARLIER")]
        after: Option<PathBuf>,
        /// Audit records in order, as `replay --audit` or a consumer of the topic writes them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the commented default configuration.
    #[command(after_help = "Example: credwatch config default > credwatch.toml")]
    Default,
}

#[derive(Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
}

#[derive(Args)]
pub(super) struct SimulateArguments {
    /// Random seed.
    #[arg(long)]
    pub(super) seed: u64,
    /// Days of traffic; attacks begin after two quiet weeks.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub(super) days: u16,
    /// Number of identities at the beginning.
    #[arg(long, value_parser = clap::value_parser!(u32).range(30..=1_000_000))]
    pub(super) identities: u32,
    /// Attacks, separated by commas; `none` for traffic without attacks, all if omitted.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) attacks: Vec<String>,
    /// Events, as JSON lines in order of time.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// One line for each event that belongs to an attack.
    #[arg(long, value_name = "FILE")]
    pub(super) labels: PathBuf,
}

#[derive(Args)]
pub(super) struct BacktestArguments {
    /// Current configuration.
    #[arg(long, value_name = "FILE")]
    pub(super) old: PathBuf,
    /// Proposed configuration.
    #[arg(long, value_name = "FILE")]
    pub(super) new: PathBuf,
    /// Number of shards; events are assigned as by Kafka's default partitioner.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) partitions: u32,
    /// Files, directories, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct EvaluateArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Lines of {"event_id":…,"campaign":…,"scenario":…}.
    #[arg(long, value_name = "FILE")]
    pub(super) labels: PathBuf,
    /// Number of shards; events are assigned as by Kafka's default partitioner.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) partitions: u32,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Files, directories, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
}

/// How records are mapped.
#[derive(Args)]
pub(super) struct MapperArguments {
    /// Format of the inputs; by record if omitted.
    #[arg(long, value_parser = formats(), conflicts_with = "program")]
    pub(super) format: Option<String>,
    /// A jq program that maps the records.
    #[arg(long, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,
}

/// The formats that need nothing but their name.
fn formats() -> PossibleValuesParser {
    let named = Format::ALL.iter().filter(|format| **format != Format::Jq);
    PossibleValuesParser::new(named.map(|format| format.as_str()))
}

#[derive(Args)]
pub(super) struct MapArguments {
    /// The jq program.
    #[arg(long, value_name = "FILE")]
    pub(super) program: PathBuf,
    /// Exit with 3 if a record was rejected.
    #[arg(long)]
    pub(super) strict: bool,
    /// Files, directories, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct InspectArguments {
    #[command(flatten)]
    pub(super) mapper: MapperArguments,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Files, directories, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    #[command(flatten)]
    pub(super) mapper: MapperArguments,
    /// Number of shards; events are assigned as by Kafka's default partitioner.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) partitions: u32,
    /// Write one verdict per event.
    #[arg(long, value_name = "FILE")]
    pub(super) verdicts: Option<PathBuf>,
    /// Write alerts.
    #[arg(long, value_name = "FILE")]
    pub(super) alerts: Option<PathBuf>,
    /// Write containment orders.
    #[arg(long, value_name = "FILE")]
    pub(super) orders: Option<PathBuf>,
    /// Write the audit trail.
    #[arg(long, value_name = "FILE")]
    pub(super) audit: Option<PathBuf>,
    /// Write rejected records.
    #[arg(long, value_name = "FILE")]
    pub(super) dead: Option<PathBuf>,
    /// Load baselines from, and save them to, this directory.
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Show the result in a console at this address, read-only, until ctrl-c.
    #[arg(long, value_name = "ADDR")]
    pub(super) console: Option<SocketAddr>,
    /// Exit with 3 if a record was rejected.
    #[arg(long)]
    pub(super) strict: bool,
    /// Files, directories, or - for standard input; .gz and .zst are decompressed.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
}

/// State source.
#[derive(Args)]
pub(super) struct StateSourceArguments {
    /// State directory of `replay --state`.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "url",
        conflicts_with = "url"
    )]
    pub(super) state: Option<PathBuf>,
    /// A running service, such as http://127.0.0.1:9464; its token is read from http.token_file or the
    /// environment.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
}

#[derive(Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    #[command(flatten)]
    pub(super) knowledge: StateSourceArguments,
    /// Identity id.
    #[arg(long, value_name = "ID")]
    pub(super) identity: String,
    /// Events, native or CloudTrail, to score; nothing is learned.
    #[arg(long, value_name = "FILE")]
    pub(super) event: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct FeedbackArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Alert id: `finding_info.uid`.
    #[arg(long, value_name = "ID")]
    pub(super) alert: String,
    /// The verdict; `withdrawn` retracts an earlier one.
    #[arg(long, value_parser = alert_verdict())]
    pub(super) verdict: AlertVerdict,
    /// Author of the verdict.
    #[arg(long, value_name = "NAME")]
    pub(super) by: String,
    /// Reason, recorded in the audit trail.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// Parses an analyst's verdict.
fn alert_verdict() -> impl TypedValueParser<Value = AlertVerdict> {
    let spellings = AlertVerdict::ALL.iter().map(|verdict| verdict.as_str());
    PossibleValuesParser::new(spellings)
        .try_map(|text| AlertVerdict::parse(&text).ok_or("not a verdict"))
}

#[derive(Args)]
pub(super) struct ReviewArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Alert id: `finding_info.uid`.
    #[arg(long, value_name = "ID")]
    pub(super) alert: String,
    /// Alerts, as `replay --alerts` or a consumer of the topic writes them; read from the topic if omitted.
    #[arg(long, value_name = "FILE", requires = "audit")]
    pub(super) alerts: Vec<PathBuf>,
    /// Audit records, as `replay --audit` or a consumer of the topic writes them.
    #[arg(long, value_name = "FILE", requires = "alerts")]
    pub(super) audit: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
pub(super) struct DriftArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Minimum time without use, such as 90d; in days, up to the latest event.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = terminal::duration)]
    pub(super) since: std::time::Duration,
    #[command(flatten)]
    pub(super) knowledge: StateSourceArguments,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
pub(super) struct ForgetArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Identity id.
    #[arg(long, value_name = "ID")]
    pub(super) identity: String,
    /// Who requests it.
    #[arg(long, value_name = "NAME", default_value_t = whoami())]
    pub(super) by: String,
    /// Reason, recorded in the audit trail.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Args)]
pub(super) struct ContainmentArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Command.
    pub(super) what: ContainmentArgument,
    /// The order to approve.
    #[arg(long, value_name = "ID", required_if_eq("what", "approve"))]
    pub(super) order: Option<String>,
    /// Who requests it.
    #[arg(long, value_name = "NAME", default_value_t = whoami())]
    pub(super) by: String,
    /// Reason, recorded in the audit trail.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ContainmentArgument {
    Pause,
    Resume,
    Approve,
}

fn whoami() -> String {
    std::env::var("USER").unwrap_or_else(|_| "operator".to_owned())
}

#[derive(Args)]
pub(super) struct VerifyOrdersArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Key set, as /.well-known/jwks.json serves it; that of signing.key_file if omitted.
    #[arg(long, value_name = "JWKS")]
    pub(super) keys: Option<PathBuf>,
    /// Expected audience of the orders; that of signing.audience if omitted, any without either.
    #[arg(long, value_name = "NAME")]
    pub(super) audience: Option<String>,
    /// Time at which the orders have to be valid, RFC 3339 or `now`, as an executor requires before it acts;
    /// if omitted, expired ones verify too, as an auditor needs it.
    #[arg(long, value_name = "TIME", value_parser = terminal::time)]
    pub(super) at: Option<EventTime>,
    /// Orders, as `replay --orders` or a consumer of the topic writes them.
    #[arg(required = true, value_name = "FILE")]
    pub(super) orders: Vec<PathBuf>,
}
