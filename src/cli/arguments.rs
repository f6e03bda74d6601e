//! What can be asked for on the command line.

use super::terminal;
use super::terminal::LogFormat;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
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
    /// How log lines on stderr look.
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
    /// One identity's baseline in words and numbers, and what an event of it would score.
    #[command(after_help = EXPLAIN_EXAMPLE)]
    Explain(ExplainArguments),
    /// Tells the service what an alert was; it learns from that at its next checkpoint.
    #[command(after_help = FEEDBACK_EXAMPLE)]
    Feedback(FeedbackArguments),
    /// One case from beginning to end: timeline, evidence, decisions, what became of them, what to change.
    #[command(after_help = "Example: credwatch review --alert f26c15b153bd662d40a5f91b209ac883")]
    Review(ReviewArguments),
    /// Privileges granted or formerly used that nobody used since, per identity, and a narrower set.
    #[command(after_help = "Example: credwatch drift --since 90d --url http://127.0.0.1:9464")]
    Drift(DriftArguments),
    /// Has an identity's baseline erased; the audit trail keeps the fact, not the name.
    #[command(
        after_help = "Example: credwatch forget --identity svc-old --by ada --reason \"GDPR 4711\""
    )]
    Forget(ForgetArguments),
    /// Stops enforcement everywhere within seconds, or lets it go on: orders are then published and
    /// marked, and nobody may act on them. Or approves an order that waits for a person.
    #[command(
        after_help = "Example: credwatch containment pause --by ada --reason \"orders for the wrong people\""
    )]
    Containment(ContainmentArguments),
    /// Whether what was published is what was decided.
    Verify {
        #[command(subcommand)]
        command: VerifyCommand,
    },
    /// The configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Args)]
pub(super) struct DemoArguments {
    /// Seed of the organisation; the same seed shows the same.
    #[arg(long, default_value_t = 7)]
    pub(super) seed: u64,
    /// Simulated time over real time.
    #[arg(long, default_value_t = 1_800.0)]
    pub(super) speed: f64,
    /// Address of /metrics and the health pages.
    #[arg(long, default_value = "127.0.0.1:9464")]
    pub(super) listen: SocketAddr,
    /// Stop after this much real time, such as 30s or 2m.
    #[arg(long = "for", value_name = "DURATION", value_parser = terminal::duration)]
    pub(super) for_: Option<std::time::Duration>,
}

#[derive(Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Which stages this process runs: ingest, detect, deliver.
    #[arg(long, value_delimiter = ',', default_value = "ingest,detect,deliver")]
    pub(super) stages: Vec<Stage>,
    /// Pass kept baselines by, once, and learn anew from the events that Kafka still holds.
    #[arg(long)]
    pub(super) cold: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    Ingest,
    Detect,
    Deliver,
}

#[derive(Subcommand)]
pub(super) enum TopicsCommand {
    /// Creates the topics with the right partitions and cleanup policies, or says what differs.
    #[command(after_help = "Example: credwatch topics create --config /etc/credwatch.toml")]
    Create(CheckArguments),
}

#[derive(Subcommand)]
pub(super) enum VerifyCommand {
    /// Checks signatures, audience, times and repetitions of orders; says the first that is not in order.
    #[command(after_help = "Example: credwatch verify orders orders.jsonl --keys jwks.json")]
    Orders(VerifyOrdersArguments),
    /// Walks the hash chain of the audit trail; says the first broken record.
    #[command(after_help = "Example: credwatch verify audit audit.jsonl --keys jwks.json")]
    Audit {
        /// The key set, as /.well-known/jwks.json has it, to check signed heads of the trail by.
        #[arg(long, value_name = "JWKS")]
        keys: Option<PathBuf>,
        /// Audit records in their order, as `replay --audit` or a consumer of the topic writes them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Prints the commented default configuration.
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
    /// Seed of chance.
    #[arg(long)]
    pub(super) seed: u64,
    /// Days of traffic; attacks begin after two quiet weeks.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub(super) days: u16,
    /// Identities at the beginning.
    #[arg(long, value_parser = clap::value_parser!(u32).range(30..=1_000_000))]
    pub(super) identities: u32,
    /// Attacks, separated by commas; `none` for quiet traffic, all when not given.
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
    /// The configuration in use.
    #[arg(long, value_name = "FILE")]
    pub(super) old: PathBuf,
    /// The configuration to be tried.
    #[arg(long, value_name = "FILE")]
    pub(super) new: PathBuf,
    /// Shards, as Kafka's default partitioner would make them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) partitions: u32,
    /// Files, folders, or - for standard input.
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
    /// Shards, as Kafka's default partitioner would make them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) partitions: u32,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Files, folders, or - for standard input.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum FormatArgument {
    Native,
    Cloudtrail,
    Keycloak,
}

#[derive(Args)]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// Format of the inputs; guessed when not given.
    #[arg(long)]
    pub(super) format: Option<FormatArgument>,
    /// Shards, as Kafka's default partitioner would make them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) partitions: u32,
    /// Write one verdict an event.
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
    /// Write records that were set aside.
    #[arg(long, value_name = "FILE")]
    pub(super) dead: Option<PathBuf>,
    /// Take baselines up from this folder, and leave them there.
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Exit with 3 where a record was set aside.
    #[arg(long)]
    pub(super) strict: bool,
    /// Files, folders, or - for standard input; .gz and .zst are read too.
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,
}

/// Where knowledge lies.
#[derive(Args)]
pub(super) struct StateSourceArguments {
    /// The folder that `replay --state` left.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "url",
        conflicts_with = "url"
    )]
    pub(super) state: Option<PathBuf>,
    /// A service at work, such as http://127.0.0.1:9464; its token by http.token_file or the environment.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
}

#[derive(Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    #[command(flatten)]
    pub(super) knowledge: StateSourceArguments,
    /// Whose baseline.
    #[arg(long, value_name = "ID")]
    pub(super) identity: String,
    /// Events, native or CloudTrail, of which to say what they would score; nothing is learned.
    #[arg(long, value_name = "FILE")]
    pub(super) event: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct FeedbackArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// The alert's id, as `finding_info.uid` has it.
    #[arg(long, value_name = "ID")]
    pub(super) alert: String,
    /// The verdict; `withdrawn` retracts an earlier one.
    #[arg(long, value_parser = alert_verdict())]
    pub(super) verdict: AlertVerdict,
    /// Who says it.
    #[arg(long, value_name = "NAME")]
    pub(super) by: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// Accepts an analyst's verdict by its spelling.
fn alert_verdict() -> impl TypedValueParser<Value = AlertVerdict> {
    let spellings = AlertVerdict::ALL.iter().map(|verdict| verdict.as_str());
    PossibleValuesParser::new(spellings)
        .try_map(|text| AlertVerdict::parse(&text).ok_or("not a verdict"))
}

#[derive(Args)]
pub(super) struct ReviewArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// The alert's id, as `finding_info.uid` has it.
    #[arg(long, value_name = "ID")]
    pub(super) alert: String,
    /// Alerts, as `replay --alerts` or a consumer of the topic writes them; the topic where not given.
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
    /// Not used for so long, such as 90d; days, up to the latest event.
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
    /// Whom.
    #[arg(long, value_name = "ID")]
    pub(super) identity: String,
    /// Who asks for it.
    #[arg(long, value_name = "NAME", default_value_t = whoami())]
    pub(super) by: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

#[derive(Args)]
pub(super) struct ContainmentArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// What to do.
    pub(super) what: ContainmentArgument,
    /// The order to approve.
    #[arg(long, value_name = "ID", required_if_eq("what", "approve"))]
    pub(super) order: Option<String>,
    /// Who asks for it.
    #[arg(long, value_name = "NAME", default_value_t = whoami())]
    pub(super) by: String,
    /// Why.
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
    /// The key set, as /.well-known/jwks.json has it; that of signing.key_file when not given.
    #[arg(long, value_name = "JWKS")]
    pub(super) keys: Option<PathBuf>,
    /// For whom the orders must be; that of signing.audience when not given, anybody without either.
    #[arg(long, value_name = "NAME")]
    pub(super) audience: Option<String>,
    /// Orders, as `replay --orders` or a consumer of the topic writes them.
    #[arg(required = true, value_name = "FILE")]
    pub(super) orders: Vec<PathBuf>,
}
