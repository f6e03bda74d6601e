//! `credwatch demo`: the demonstration with its console.

use super::arguments::ConfigArguments;
use super::console_arguments::DemoArguments;
use super::settings::{code_of, with_config};
use super::terminal::print;
use crate::clock::Stopwatch;
use crate::commands::console_setup::without_log_in;
use crate::commands::demo::{Demo, HISTORY_DAYS, configuration, recent_events};
use crate::config::Config;
use crate::http::{AppState, FeedbackRequest, NotPublished, Server};
use crate::metrics::Metrics;
use crate::query_router::{QueryRouter, ShardQuery};
use crate::shard::{ShardFactory, load_model};
use credwatch_core::units::EventTime;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tokio::sync::mpsc;

/// Interval at which queries and answers are looked for between events.
const IDLE_INTERVAL: Duration = Duration::from_millis(20);
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
const INTRODUCTION: &str = "A simulated organisation of 120 identities. Three quiet weeks are learned first; \
    then it is attacked, every two minutes of its time. Orders go to a simulated executor: no real \
    system is touched. Choose an incident and answer it, or press ? for the keys.";
const NOTHING_KNOWN: &str = "it concerns nothing that is known: it may be over";
/// Answers that may wait.
const MAX_PENDING_REQUESTS: usize = 64;

pub(super) fn demo(arguments: &DemoArguments) -> u8 {
    with_config(&ConfigArguments::default(), |config| {
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => return code_of(Err(error)),
        };
        code_of(runtime.block_on(demonstrate(configuration(config), arguments)))
    })
}

/// What the console asks of the demonstration.
struct Requests {
    queries: Receiver<ShardQuery>,
    feedback: mpsc::Receiver<FeedbackRequest>,
}

impl Requests {
    /// Answers all that wait.
    fn answer(&mut self, demo: &mut Demo) {
        while let Ok(query) = self.queries.try_recv() {
            demo.answer(query);
        }
        while let Ok(request) = self.feedback.try_recv() {
            let result = match demo.apply_feedback(&request.feedback) {
                true => Ok("applied".to_owned()),
                false => Err(NotPublished::Refused(NOTHING_KNOWN.to_owned())),
            };
            // The client may have disconnected.
            let _ = request.done.send(result);
        }
    }
}

async fn demonstrate(
    config: Config,
    arguments: &DemoArguments,
) -> Result<(), Box<dyn std::error::Error>> {
    let factory = ShardFactory::new(&config, load_model(&config)?, 1);
    let metrics = Metrics::new(factory.model_hash())?;
    let events = recent_events();
    let console = without_log_in(
        &config,
        factory.model_hash(),
        events.clone(),
        INTRODUCTION,
        false,
    );
    let model = Arc::clone(&console.model);
    let router = Arc::new(QueryRouter::default());
    let (owner, queries) = QueryRouter::inbox();
    router.set_partitions(1);
    router.register(0, &owner);
    let (feedback_requests, feedback) = mpsc::channel(MAX_PENDING_REQUESTS);
    let state = AppState::without_kafka(
        arguments.listen,
        metrics.clone(),
        console,
        Some(router),
        Some(feedback_requests),
    );
    let server = Server::bind(arguments.listen, state).await?;
    print(
        "credwatch demo: a simulated organisation under attack; no Kafka, and no real system is touched\n",
    );
    print(&format!("\n  console   http://{}/\n\n", server.address()?));
    tokio::spawn(server.serve());
    let mut demo = Demo::new(&config, arguments.seed, metrics, model, events)?;
    let mut requests = Requests { queries, feedback };
    let learning = Stopwatch::start();
    while demo.learn_day() {
        requests.answer(&mut demo);
    }
    let took = learning.elapsed().as_secs_f64();
    print(&format!(
        "learned {HISTORY_DAYS} days without attacks, {} events, in {took:.1} s; now live, under attack\n\n",
        demo.processed()
    ));
    tokio::select! {
        () = play(&mut demo, &mut requests, arguments) => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    let attacks = demo.attacks();
    print(&format!("\n{attacks} attacks began.\n{}", demo.finish()));
    Ok(())
}

/// Plays live days at the requested speed until the time is up.
async fn play(demo: &mut Demo, requests: &mut Requests, arguments: &DemoArguments) {
    let (clock, mut sampled) = (Stopwatch::start(), Stopwatch::start());
    let speed = arguments.speed.max(0.001);
    let mut begun: Option<EventTime> = None;
    loop {
        for simulated in demo.next_day() {
            let start = *begun.get_or_insert(simulated.time);
            let due =
                Duration::from_secs_f64(simulated.time.ms_since(start) as f64 / 1_000.0 / speed);
            loop {
                let now = clock.elapsed();
                if arguments.for_.is_some_and(|limit| now > limit) {
                    return;
                }
                requests.answer(demo);
                if sampled.elapsed() > HEALTH_INTERVAL {
                    sampled = Stopwatch::start();
                    demo.show_health();
                }
                let wait = due.saturating_sub(now);
                if wait.is_zero() {
                    break;
                }
                tokio::time::sleep(wait.min(IDLE_INTERVAL)).await;
            }
            if let Some(text) = demo.take(&simulated) {
                print(&text);
            }
        }
    }
}
