//! `credwatch replay --console`: the console over files, read-only, until it is interrupted.

use super::terminal::print;
use crate::commands::console_setup::without_log_in;
use crate::commands::read_records::FilePart;
use crate::commands::replay::{Options, ReplayError, replay_into};
use crate::commands::summary::Summary;
use crate::config::Config;
use crate::console::event_history::RecentEvents;
use crate::http::{AppState, HttpError, Server};
use crate::metrics::{Metrics, MetricsError};
use crate::query_router::QueryRouter;
use crate::shard::{LoadModelError, ShardFactory, load_model};
use std::net::SocketAddr;
use std::sync::Arc;

/// Events that the console can look back at.
const RECENT_EVENTS: usize = 200_000;

const INTRODUCTION: &str = "These are your files, judged in the order of their time: what is usual is \
    learned on the way, so the first days raise little. Nothing is sent anywhere, and answers are off.";

/// Why there is no console.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConsoleError {
    /// The replay failed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The model is invalid.
    #[error(transparent)]
    Model(#[from] LoadModelError),
    /// Two metrics share a name.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The address cannot be used.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// No runtime.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Replays, and shows the result at `listen` until it is interrupted.
pub(super) fn replay_with_console(
    config: &Config,
    options: &Options,
    listen: SocketAddr,
    progress: impl FnMut(&FilePart),
) -> Result<Summary, ConsoleError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let factory = ShardFactory::new(config, load_model(config)?, options.partitions);
    let metrics = Metrics::new(factory.model_hash())?;
    let events = Arc::new(RecentEvents::new(RECENT_EVENTS));
    let console = without_log_in(
        config,
        factory.model_hash(),
        events.clone(),
        INTRODUCTION,
        true,
    );
    let model = Arc::clone(&console.model);
    let router = Arc::new(QueryRouter::default());
    let (owner, queries) = QueryRouter::inbox();
    router.set_partitions(options.partitions);
    for partition in 0..options.partitions as i32 {
        router.register(partition, &owner);
    }
    let state = AppState::without_kafka(listen, metrics.clone(), console, Some(router), None);
    let server = runtime.block_on(Server::bind(listen, state))?;
    let address = server.address()?;
    runtime.spawn(server.serve());
    print(&format!("console   http://{address}/\n"));
    let (summary, shards) = replay_into(config, options, Some((&model, &events)), progress)?;
    for (id, health) in shards.health() {
        metrics.set_health(id, &health);
    }
    let processed = metrics.records.with_label_values(&["detect"]);
    processed.inc_by(summary.events);
    print(&summary.to_string());
    print(&format!(
        "\nthe console at http://{address}/ stays until you press ctrl-c\n"
    ));
    let interrupted = runtime.spawn(tokio::signal::ctrl_c());
    while !interrupted.is_finished() {
        match queries.recv_timeout(std::time::Duration::from_millis(100)) {
            Ok(query) => shards.answer(query),
            Err(_) => continue,
        }
    }
    Ok(summary)
}
