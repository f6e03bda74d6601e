//! `credwatch run`: the stages on Kafka, the HTTP server, and an orderly shutdown.

use crate::commands::console_setup::with_log_in;
use crate::commands::publish_feedback;
use crate::config::{Config, Realm, Receiver, ReceiverKind};
use crate::console::Console;
use crate::http::{AppState, HttpError, Server};
use crate::instances::InstanceDirectory;
use crate::kafka::console_reader::feed;
use crate::kafka::detect::Detect;
use crate::kafka::event_reader::KafkaEvents;
use crate::kafka::feedback_consumer::FeedbackConsumer;
use crate::kafka::ingest::Ingest;
use crate::kafka::instance_announcer;
use crate::kafka::shard_handoff::{ColdStart, ShardHandoff};
use crate::kafka::stage::Shared;
use crate::kafka::supervisor;
use crate::kafka::worker;
use crate::kafka::{KafkaError, client, topics};
use crate::keycloak::event_poller::{PollError, Poller};
use crate::metrics::{Metrics, MetricsError};
use crate::model::Model;
use crate::receivers::ReceiverError;
use crate::receivers::poll_queue::PollQueue;
use crate::receivers::receiver_consumer::ReceiverWorker;
use crate::receivers::ssf_poll_consumer::PollQueueFeeder;
use crate::shard::{LoadModelError, ShardFactory, load_model, model_hash};
use credwatch_core::verdict::EntityView;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Feedback requests that may wait to be published.
const MAX_PENDING_REQUESTS: usize = 64;
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Stages that this process runs.
#[derive(Clone, Debug)]
pub struct Stages {
    /// Raw logs to events.
    pub ingest: bool,
    /// Events to alerts.
    pub detect: bool,
    /// Alerts and orders to receivers.
    pub deliver: bool,
    /// The console, where somebody may log in.
    pub console: bool,
    /// Shards that start without their baselines.
    pub cold_start: ColdStart,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The model is invalid.
    #[error(transparent)]
    Model(#[from] LoadModelError),
    /// Two metrics have the same name.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The HTTP server failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A thread or the runtime could not be started.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Runs until SIGTERM or SIGINT, then drains, commits and leaves the group.
///
/// # Errors
/// The service could not start. An unreachable broker is not an error: it is waited for.
pub fn run(config: Config, stages: Stages) -> Result<(), RunError> {
    let model = load_model(&config)?;
    let detect = &config.detect;
    let model_hash = model_hash(&model, detect);
    let metrics = Metrics::new(&model_hash)?;
    let shared = Shared::new(config, metrics.clone());
    let listen = shared.config.http.listen;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut shutdown = runtime.block_on(async { ShutdownSignals::catch() })?;
    let config = &shared.config;
    let receivers = config.deliver.receivers.iter();
    let poll_queues: Vec<Arc<PollQueue>> = receivers.filter_map(poll_queue_of).collect();
    let has_console =
        stages.console && (config.console.has_people() || !config.http.token.is_empty());
    let console = has_console.then(|| {
        let events = Arc::new(KafkaEvents::new(Arc::clone(config)));
        with_log_in(config, &model_hash, events)
    });
    let (feedback_requests, wished) = tokio::sync::mpsc::channel(MAX_PENDING_REQUESTS);
    let advertised = &config.http.advertised_url;
    let instances = (!advertised.is_empty())
        .then(|| Arc::new(InstanceDirectory::new(advertised, &config.http.token)));
    let pages = AppState {
        instances: instances.clone(),
        feedback_requests: Some(feedback_requests),
        metrics,
        status: Some(Arc::clone(&shared.status)),
        query_router: Some(Arc::clone(&shared.query_router)),
        signer: config.signer.clone(),
        poll_queues: poll_queues.clone(),
        token: Some(config.http.token.clone()),
        is_loopback: listen.ip().is_loopback(),
        console: console.clone(),
        process_id: u64::from(std::process::id()),
    };
    let server = runtime.block_on(Server::bind(listen, pages))?;
    info!("HTTP listening on http://{}", server.address()?);
    runtime.spawn(publish_feedback::serve(Arc::clone(config), wished));
    let (mode, hash) = (config.guardrails.mode, &config.hash);
    info!("model {model_hash}, configuration {hash}, containment {mode}");
    let mut threads = start(&shared, &model, stages, &poll_queues, runtime.handle())?;
    // Not before: whoever asks for readiness is to hear of the workers.
    runtime.spawn(server.serve());
    if let Some(console) = console {
        let model = Arc::clone(&console.model);
        threads.push(spawn("console", 0, &shared, move |shared, _| {
            feed(shared, &model)
        })?);
        runtime.spawn(sample_throughput(console.model, shared.metrics.clone()));
    }
    if let Some(instances) = instances {
        let handle = runtime.handle().clone();
        threads.push(spawn("instances", 0, &shared, move |shared, _| {
            instance_announcer::run(shared, &instances, &handle)
        })?);
    }
    runtime.block_on(shutdown.received());
    info!("shutdown requested, draining");
    shared.stop.store(true, Ordering::Relaxed);
    for thread in threads {
        if thread.join().is_err() {
            warn!("a worker failed");
        }
    }
    runtime.shutdown_background();
    info!("committed and left the group");
    Ok(())
}

fn start(
    shared: &Shared,
    model: &Model,
    stages: Stages,
    poll_queues: &[Arc<PollQueue>],
    runtime: &Handle,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let mut threads = Vec::new();
    let config = &shared.config;
    if stages.ingest && !config.ingest.is_empty() {
        begin_join(shared, "ingest", 0);
        threads.push(spawn("ingest", 0, shared, ingest_once)?);
        for realm in config.realms.iter().filter(|realm| !realm.topic.is_empty()) {
            let (realm, runtime) = (realm.clone(), runtime.clone());
            let work = move |shared: &Shared, _| poll_once(shared, &realm, &runtime);
            threads.push(spawn("keycloak", 0, shared, work)?);
        }
    }
    if stages.deliver {
        for receiver in &config.deliver.receivers {
            let (receiver, runtime) = (receiver.clone(), runtime.clone());
            let queue = poll_queues.iter().find(|known| known.name == receiver.name);
            let queue = queue.cloned();
            let work =
                move |shared: &Shared, _| deliver_once(shared, &receiver, queue.as_ref(), &runtime);
            threads.push(spawn("deliver", 0, shared, work)?);
        }
    }
    if stages.detect {
        let handoff = Arc::new(ShardHandoff::new(stages.cold_start));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let configured = shared.config.kafka.workers;
        let workers = if configured == 0 { cores } else { configured };
        // Only authentications are sightings: there are fewer of them than events.
        let of_view = [
            (EntityView::Identity, workers),
            (EntityView::Source, workers.div_ceil(2)),
        ];
        for (entity, workers) in of_view {
            for worker in 0..workers {
                let (model, handoff) = (model.clone(), Arc::clone(&handoff));
                let runtime = runtime.clone();
                begin_join(shared, client::detect_name(entity), worker);
                let work = move |shared: &Shared, worker| {
                    detect_once(shared, &model, entity, &handoff, worker, &runtime)
                };
                threads.push(spawn("detect", worker, shared, work)?);
            }
        }
    }
    Ok(threads)
}

/// Until it is a member of its group, the service is not ready.
fn begin_join(shared: &Shared, stage: &str, worker: usize) {
    let name = client::transactional_id(&shared.config.kafka, stage, worker);
    shared.status.begin_join(&name);
}

/// Starts one worker.
fn spawn<E: std::fmt::Display>(
    name: &'static str,
    worker: usize,
    shared: &Shared,
    work: impl Fn(&Shared, usize) -> Result<(), E> + Send + 'static,
) -> Result<JoinHandle<()>, RunError> {
    let shared = shared.clone();
    let thread = std::thread::Builder::new().name(format!("{name}-{worker}"));
    let body = move || supervisor::supervise(name, &shared, || work(&shared, worker));
    Ok(thread.spawn(body)?)
}

fn ingest_once(shared: &Shared, worker: usize) -> Result<(), KafkaError> {
    let config = &shared.config;
    topics::require(config, &topics::needed(&config.topics, config, true, false))?;
    let mut stage = Ingest::new(config, shared.metrics.clone())?;
    let group = format!("{}-ingest", config.kafka.group_id);
    let id = client::transactional_id(&config.kafka, "ingest", worker);
    worker::run(&mut stage, &group, &id, shared)
}

fn poll_once(shared: &Shared, realm: &Realm, runtime: &Handle) -> Result<(), PollError> {
    topics::require(&shared.config, std::slice::from_ref(&realm.topic))?;
    Poller::new(realm, shared, runtime.clone())?.work()
}

fn poll_queue_of(receiver: &Receiver) -> Option<Arc<PollQueue>> {
    let ReceiverKind::SsfPoll(secret) = &receiver.kind else {
        return None;
    };
    let queue = PollQueue::new(receiver.name.clone(), secret.clone());
    Some(Arc::new(queue))
}

fn deliver_once(
    shared: &Shared,
    receiver: &Receiver,
    queue: Option<&Arc<PollQueue>>,
    runtime: &Handle,
) -> Result<(), ReceiverError> {
    let topics = &shared.config.topics;
    let needed = [
        topics.feedback.clone(),
        topics.alerts.clone(),
        topics.revocations.clone(),
        topics.deadletter.clone(),
    ];
    let partitions = topics::require(&shared.config, &needed)? as i32;
    match queue {
        Some(queue) => {
            PollQueueFeeder::new(receiver, Arc::clone(queue), shared, partitions)?.run()?;
            Ok(())
        }
        None => ReceiverWorker::new(receiver, shared, partitions, runtime.clone())?.run(),
    }
}

fn detect_once(
    shared: &Shared,
    model: &Model,
    entity: EntityView,
    handoff: &Arc<ShardHandoff>,
    worker: usize,
    runtime: &Handle,
) -> Result<(), KafkaError> {
    let config = &shared.config;
    let needed = topics::needed(&config.topics, config, false, true);
    let partitions = topics::require(config, &needed)?;
    runtime.block_on(topics::require_baselines(config, partitions))?;
    let factory = ShardFactory::new(config, model.clone(), partitions as u32);
    let name = client::detect_name(entity);
    let group = format!("{}-{name}", config.kafka.group_id);
    let feedback = topics::require(config, std::slice::from_ref(&config.topics.feedback))?;
    let feedback_consumer =
        FeedbackConsumer::new(config, &group, feedback as i32, shared.metrics.clone())?;
    let stage = Detect::new(entity, factory, &group, Arc::clone(handoff), shared);
    let mut stage = stage.with_feedback(feedback_consumer);
    let id = client::transactional_id(&config.kafka, name, worker);
    worker::run(&mut stage, &group, &id, shared)
}

/// Samples the number of processed events, once a second.
async fn sample_throughput(console: Arc<Console>, metrics: Metrics) {
    let processed = metrics.records.with_label_values(&["detect"]);
    let mut tick = tokio::time::interval(SAMPLE_INTERVAL);
    loop {
        tick.tick().await;
        console.sample_throughput(processed.get());
    }
}

/// SIGTERM and SIGINT, caught from before the first thread of the service starts.
struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// Catches them; in the context of a runtime.
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
