//! One function per command: settings in, exit code out.

use super::arguments::{
    BacktestArguments, Command, ConfigArguments, ConfigCommand, EvaluateArguments,
    ExplainArguments, RunArguments, SimulateArguments, Stage, TopicsCommand, VerifyCommand,
    VerifyOrdersArguments,
};
use super::demo_command;
use super::exit;
use super::feedback_commands;
use super::incident_commands;
use super::input_commands;
use super::settings::{code_of, with_config};
use super::terminal::{print, print_error, with_progress};
use crate::commands::backtest;
use crate::commands::check;
use crate::commands::evaluate;
use crate::commands::explain;
use crate::commands::simulate;
use crate::commands::simulate::SimulateError;
use crate::commands::verify;
use crate::commands::verify::VerifyError;
use crate::config;
use crate::config::{Config, Sources};
use crate::crypto::KeySet;
use crate::kafka::shard_handoff::ColdStart;
use crate::kafka::topics;
use crate::model::Model;
use crate::service;
use crate::service::Stages;
use crate::shard::model_hash;
use std::path::{Path, PathBuf};

pub(super) fn perform(command: &Command, quiet: bool) -> u8 {
    match command {
        Command::Demo(arguments) => demo_command::demo(arguments),
        Command::Run(arguments) => run(arguments),
        Command::Topics {
            command: TopicsCommand::Create(arguments),
        } => with_config(&arguments.config, |config| topics_create(&config)),
        Command::Inspect(arguments) => input_commands::inspect_files(arguments, quiet),
        Command::Map(arguments) => input_commands::map_files(arguments),
        Command::Replay(arguments) => input_commands::replay_files(arguments, quiet),
        Command::Simulate(arguments) => simulate_traffic(arguments),
        Command::Evaluate(arguments) => evaluate_labels(arguments, quiet),
        Command::Backtest(arguments) => compare_configurations(arguments, quiet),
        Command::Check(arguments) => with_config(&arguments.config, |config| check_all(&config)),
        Command::Explain(arguments) => explain_identity(arguments),
        Command::Drift(arguments) => feedback_commands::drift_of(arguments),
        Command::Feedback(arguments) => feedback_commands::feedback(arguments),
        Command::Incidents(arguments) => incident_commands::incidents(arguments),
        Command::Watch(arguments) => incident_commands::watch_incidents(arguments),
        Command::Review(arguments) => feedback_commands::review_case(arguments),
        Command::Forget(arguments) => feedback_commands::forget(arguments),
        Command::Containment(arguments) => feedback_commands::containment(arguments),
        Command::Verify {
            command: VerifyCommand::Audit { files, keys, after },
        } => verify_audit(files, keys.as_deref(), after.as_deref()),
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
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("BUILD_COMMIT"));
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
        console: arguments.stages.contains(&Stage::Console),
        cold_start: cold_start(arguments.cold.as_deref()),
    };
    with_config(&arguments.config, |config| {
        code_of(service::run(config, stages))
    })
}

/// `--cold` alone means all partitions.
fn cold_start(partitions: Option<&[i32]>) -> ColdStart {
    match partitions {
        None => ColdStart::None,
        Some([]) => ColdStart::All,
        Some(partitions) => ColdStart::Partitions(partitions.iter().copied().collect()),
    }
}

fn verify_audit(files: &[PathBuf], keys: Option<&Path>, after: Option<&Path>) -> u8 {
    match keys.map(KeySet::read).transpose() {
        Ok(keys) => verified(verify::verify_audit(files, keys, after)),
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
                arguments.at,
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
        let report = evaluate::read_labels(&arguments.labels).and_then(|labels| {
            let (inputs, partitions) = (&arguments.inputs, arguments.partitions);
            with_progress(quiet, inputs, |advance| {
                evaluate::evaluate(&config, &labels, inputs, partitions, advance)
            })
        });
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
            let (inputs, partitions) = (&arguments.inputs, arguments.partitions);
            let result = with_progress(quiet, inputs, |advance| {
                backtest::backtest(&old, &new, inputs, partitions, advance)
            });
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
