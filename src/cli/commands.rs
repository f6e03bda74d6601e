//! One function per command: settings in, exit code out.

use super::arguments::{
    BacktestArguments, Command, ConfigArguments, ConfigCommand, DemoArguments, EvaluateArguments,
    ExplainArguments, FormatArgument, ReplayArguments, RunArguments, SimulateArguments, Stage,
    TopicsCommand, VerifyCommand, VerifyOrdersArguments,
};
use super::exit;
use super::feedback_commands;
use super::settings::{code_of, with_config};
use super::terminal::{print, print_error, progress};
use crate::clock::Stopwatch;
use crate::commands::backtest;
use crate::commands::check;
use crate::commands::demo::Demo;
use crate::commands::evaluate;
use crate::commands::explain;
use crate::commands::replay;
use crate::commands::replay::replay;
use crate::commands::simulate;
use crate::commands::simulate::SimulateError;
use crate::commands::verify;
use crate::commands::verify::VerifyError;
use crate::config;
use crate::config::{Config, Sources};
use crate::crypto::KeySet;
use crate::http::{AppState, Server};
use crate::kafka::topics;
use crate::metrics::Metrics;
use crate::model::Model;
use crate::service;
use crate::service::Stages;
use crate::shard::{ShardFactory, load_model, model_hash};
use crate::sources::source_format::Format;
use credwatch_core::units::EventTime;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn perform(command: &Command, quiet: bool) -> u8 {
    match command {
        Command::Demo(arguments) => demo(arguments),
        Command::Run(arguments) => run(arguments),
        Command::Topics {
            command: TopicsCommand::Create(arguments),
        } => with_config(&arguments.config, |config| topics_create(&config)),
        Command::Replay(arguments) => replay_files(arguments, quiet),
        Command::Simulate(arguments) => simulate_traffic(arguments),
        Command::Evaluate(arguments) => evaluate_labels(arguments, quiet),
        Command::Backtest(arguments) => compare_configurations(arguments, quiet),
        Command::Check(arguments) => with_config(&arguments.config, |config| check_all(&config)),
        Command::Explain(arguments) => explain_identity(arguments),
        Command::Drift(arguments) => feedback_commands::drift_of(arguments),
        Command::Feedback(arguments) => feedback_commands::feedback(arguments),
        Command::Review(arguments) => feedback_commands::review_case(arguments),
        Command::Forget(arguments) => feedback_commands::forget(arguments),
        Command::Containment(arguments) => feedback_commands::containment(arguments),
        Command::Verify {
            command: VerifyCommand::Audit { files, keys },
        } => verify_audit(files, keys.as_deref()),
        Command::Verify {
            command: VerifyCommand::Orders(arguments),
        } => verify_orders(arguments),
        Command::Config {
            command: ConfigCommand::Default,
        } => {
            print(config::DEFAULT);
            0
        }
    }
}

pub(super) fn version() -> u8 {
    let hash = Model::embedded()
        .ok()
        .zip(Config::load(&Sources::default()).ok());
    let hash = hash.map_or_else(
        || "broken".to_owned(),
        |(model, config)| model_hash(&model, &config.detect),
    );
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("CREDWATCH_COMMIT"));
    print(&format!(
        "credwatch {version} (commit {commit}, model {hash})\n"
    ));
    0
}

fn run(arguments: &RunArguments) -> u8 {
    let stages = Stages {
        ingest: arguments.stages.contains(&Stage::Ingest),
        detect: arguments.stages.contains(&Stage::Detect),
        deliver: arguments.stages.contains(&Stage::Deliver),
        is_cold: arguments.cold,
    };
    with_config(&arguments.config, |config| {
        code_of(service::run(config, stages))
    })
}

fn verify_audit(files: &[PathBuf], keys: Option<&Path>) -> u8 {
    match keys.map(KeySet::read).transpose() {
        Ok(keys) => verified(verify::verify_audit(files, keys)),
        Err(error) => {
            print_error(&error.to_string());
            exit::USAGE
        }
    }
}

fn verify_orders(arguments: &VerifyOrdersArguments) -> u8 {
    with_config(&arguments.config, |config| {
        let keys = match (&arguments.keys, &config.signer) {
            (Some(path), _) => KeySet::read(path).map_err(|error| error.to_string()),
            (None, Some(signer)) => Ok(signer.keys().clone()),
            (None, None) => Err("name a key set with --keys, or signing.key_file".to_owned()),
        };
        let audience = config.signer.as_ref().map(|signer| signer.audience.clone());
        let audience = arguments.audience.clone().or(audience);
        match keys {
            Ok(keys) => verified(verify::verify_orders(
                &arguments.orders,
                &keys,
                audience.as_deref(),
            )),
            Err(why) => {
                print_error(&why);
                exit::USAGE
            }
        }
    })
}

fn verified<V: std::fmt::Display>(result: Result<V, VerifyError>) -> u8 {
    match result {
        Ok(verified) => {
            print(&verified.to_string());
            0
        }
        Err(error) => {
            print_error(&error.to_string());
            match error {
                VerifyError::Input(_) => exit::FAILED,
                VerifyError::Broken { .. }
                | VerifyError::Incomplete(_)
                | VerifyError::Order { .. } => exit::NOT_VERIFIED,
            }
        }
    }
}

fn explain_identity(arguments: &ExplainArguments) -> u8 {
    with_config(&arguments.config, |config| {
        let (event, identity) = (arguments.event.as_deref(), &arguments.identity);
        let explained = match (&arguments.knowledge.url, &arguments.knowledge.state) {
            (Some(url), _) => explain::by_service(&config, url, identity, event),
            (None, state) => {
                let state = state.as_deref().unwrap_or(Path::new(""));
                explain::by_state(&config, state, identity, event)
            }
        };
        code_of(explained.map(|explained| print(&explained.to_string())))
    })
}

/// Runtime for the few commands that are asynchronous.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn topics_create(config: &Config) -> u8 {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return code_of(Err(error)),
    };
    match runtime.block_on(topics::create(config)) {
        Ok((lines, differing)) => {
            lines.iter().for_each(|line| print(&format!("{line}\n")));
            if differing == 0 { 0 } else { exit::FAILED }
        }
        Err(error) => code_of(Err(error)),
    }
}

fn check_all(config: &Config) -> u8 {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return code_of(Err(error)),
    };
    let report = runtime.block_on(check::check(config));
    report
        .fine
        .iter()
        .for_each(|line| print(&format!("ok       {line}\n")));
    report
        .problems
        .iter()
        .for_each(|line| print(&format!("problem  {line}\n")));
    if report.problems.is_empty() {
        0
    } else {
        exit::FAILED
    }
}

fn replay_files(arguments: &ReplayArguments, quiet: bool) -> u8 {
    let options = replay::Options {
        inputs: arguments.inputs.clone(),
        format: arguments.format.map(|format| match format {
            FormatArgument::Native => Format::Native,
            FormatArgument::Cloudtrail => Format::CloudTrail,
            FormatArgument::Keycloak => Format::Keycloak,
        }),
        partitions: arguments.partitions,
        verdicts: arguments.verdicts.clone(),
        alerts: arguments.alerts.clone(),
        orders: arguments.orders.clone(),
        audit: arguments.audit.clone(),
        dead: arguments.dead.clone(),
        state: arguments.state.clone(),
    };
    with_config(&arguments.config, |config| {
        let bar = progress(quiet);
        let result = replay(&config, &options, |path, bytes| {
            bar.inc(bytes);
            bar.set_message(path.display().to_string());
        });
        bar.finish_and_clear();
        match result {
            Ok(summary) => {
                print(&summary.to_string());
                if arguments.strict && summary.dead > 0 {
                    exit::INPUT_REJECTED
                } else {
                    0
                }
            }
            Err(error) => code_of(Err(error)),
        }
    })
}

fn simulate_traffic(arguments: &SimulateArguments) -> u8 {
    let options = simulate::Options {
        seed: arguments.seed,
        days: arguments.days.into(),
        identities: arguments.identities as usize,
        attacks: arguments.attacks.clone(),
        out: arguments.out.clone(),
        labels: arguments.labels.clone(),
    };
    match simulate::simulate(&options) {
        Ok(written) => {
            let simulate::Written { events, campaigns } = written;
            print(&format!("{events} events, {campaigns} campaigns\n"));
            0
        }
        Err(error @ SimulateError::Attack(_)) => {
            print_error(&error.to_string());
            exit::USAGE
        }
        Err(error) => code_of(Err(error)),
    }
}

fn evaluate_labels(arguments: &EvaluateArguments, quiet: bool) -> u8 {
    with_config(&arguments.config, |config| {
        let bar = progress(quiet);
        let report = evaluate::read_labels(&arguments.labels).and_then(|labels| {
            let (inputs, partitions) = (&arguments.inputs, arguments.partitions);
            evaluate::evaluate(&config, &labels, inputs, partitions, |path, bytes| {
                bar.inc(bytes);
                bar.set_message(path.display().to_string());
            })
        });
        bar.finish_and_clear();
        match report {
            Ok(report) if arguments.json => {
                print(&format!("{}\n", serde_json::json!(report)));
                0
            }
            Ok(report) => {
                print(&report.to_string());
                0
            }
            Err(error) => code_of(Err(error)),
        }
    })
}

fn compare_configurations(arguments: &BacktestArguments, quiet: bool) -> u8 {
    let of = |file: &PathBuf| ConfigArguments {
        files: vec![file.clone()],
    };
    with_config(&of(&arguments.old), |old| {
        with_config(&of(&arguments.new), |new| {
            let bar = progress(quiet);
            let (inputs, partitions) = (&arguments.inputs, arguments.partitions);
            let result = backtest::backtest(&old, &new, inputs, partitions, |path, bytes| {
                bar.inc(bytes);
                bar.set_message(path.display().to_string());
            });
            bar.finish_and_clear();
            match result {
                Ok(difference) => {
                    print(&difference.to_string());
                    0
                }
                Err(error) => code_of(Err(error)),
            }
        })
    })
}

fn demo(arguments: &DemoArguments) -> u8 {
    with_config(&ConfigArguments::default(), |config| {
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => return code_of(Err(error)),
        };
        code_of(runtime.block_on(demonstrate(&config, arguments)))
    })
}

async fn demonstrate(
    config: &Config,
    arguments: &DemoArguments,
) -> Result<(), Box<dyn std::error::Error>> {
    let factory = ShardFactory::new(config, load_model(config)?, 1);
    let metrics = Metrics::new(factory.model_hash())?;
    let pages = AppState {
        feedback_requests: None,
        metrics: metrics.clone(),
        status: None,
        query_router: None,
        signer: None,
        poll_queues: Vec::new(),
        token: None,
        is_loopback: arguments.listen.ip().is_loopback(),
    };
    let server = Server::bind(arguments.listen, pages).await?;
    print("credwatch demo: a simulated organisation, no Kafka, dry run\n");
    print(&format!(
        "metrics on http://{}/metrics\n",
        server.address()?
    ));
    tokio::spawn(server.serve());
    let mut demo = Demo::new(config, arguments.seed, metrics)?;
    let learning = Stopwatch::start();
    let learned = demo.learn_history();
    let took = learning.elapsed().as_secs_f64();
    print(&format!(
        "learned 28 days without attacks, {learned} events, in {took:.1} s; now live, under attack\n\n"
    ));
    tokio::select! {
        () = play(&mut demo, arguments) => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    let attacks = demo.attacks();
    print(&format!("\n{attacks} attacks began.\n{}", demo.finish()));
    Ok(())
}

/// Plays live days at the requested speed until the time is up.
async fn play(demo: &mut Demo, arguments: &DemoArguments) {
    let clock = Stopwatch::start();
    let speed = arguments.speed.max(0.001);
    let mut begun: Option<EventTime> = None;
    loop {
        for simulated in demo.next_day() {
            let start = *begun.get_or_insert(simulated.time);
            let due =
                Duration::from_secs_f64(simulated.time.ms_since(start) as f64 / 1_000.0 / speed);
            if arguments.for_.is_some_and(|limit| due > limit) {
                return;
            }
            let wait = due.saturating_sub(clock.elapsed());
            if wait > Duration::from_millis(5) {
                demo.show_health();
                tokio::time::sleep(wait).await;
            }
            if let Some(text) = demo.take(&simulated) {
                print(&text);
            }
        }
    }
}
