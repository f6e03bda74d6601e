//! `GET /v1/stream`: Server-Sent Events. `health` every two seconds; `incident`, `paused` as they change;
//! `reset` where what was missed is not known any more. `id` is a cursor of this process.

use super::{ConsoleService, Health, health_of};
use crate::clock::Stopwatch;
use crate::console::live_updates::Update;
use crate::http::AppState;
use crate::http::problem::problem;
use crate::mutex::lock;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

const HEALTH_INTERVAL: Duration = Duration::from_secs(2);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Viewers at one time.
const MAX_VIEWERS: usize = 256;
/// Events that wait for a viewer's connection.
const WAITING: usize = 64;

/// The health that the stream states, computed once for all viewers.
#[derive(Debug, Default)]
pub struct StreamedHealth(Mutex<Option<(Stopwatch, Arc<str>)>>);

impl StreamedHealth {
    fn text(&self, compute: impl FnOnce() -> Health) -> Arc<str> {
        let mut latest = lock(&self.0);
        if let Some((since, text)) = &*latest
            && since.elapsed() < HEALTH_INTERVAL / 2
        {
            return Arc::clone(text);
        }
        let text: Arc<str> = serde_json::to_string(&compute()).unwrap_or_default().into();
        *latest = Some((Stopwatch::start(), Arc::clone(&text)));
        text
    }
}

static VIEWERS: AtomicUsize = AtomicUsize::new(0);

struct Viewer;

impl Drop for Viewer {
    fn drop(&mut self) {
        VIEWERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The process and the number of an update, as the browser gives it back.
fn cursor(headers: &HeaderMap, process: &str) -> Option<u64> {
    let given = headers.get("last-event-id")?.to_str().ok()?;
    let (of_process, number) = given.split_once('-')?;
    // A cursor of another process is answered by `reset`.
    Some(if of_process == process {
        number.parse().ok()?
    } else {
        u64::MAX
    })
}

#[utoipa::path(get, path = "/v1/stream", tag = "stream",
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn stream(
    State(state): State<AppState>,
    headers: HeaderMap,
    console: ConsoleService,
) -> Response {
    if VIEWERS.fetch_add(1, Ordering::Relaxed) >= MAX_VIEWERS {
        VIEWERS.fetch_sub(1, Ordering::Relaxed);
        let why = "too many viewers: close a console, or try again later";
        return problem(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    let viewer = Viewer;
    let process = state.process_id.to_string();
    let (missed, mut updates) = console.model.updates.subscribe(cursor(&headers, &process));
    let (sender, receiver) = mpsc::channel::<Result<Event, Infallible>>(WAITING);
    tokio::spawn(async move {
        let _viewer = viewer;
        let event = |update: &Arc<Update>| {
            let id = format!("{process}-{}", update.number);
            Event::default()
                .id(id)
                .event(update.kind)
                .data(&update.data)
        };
        let first = match missed {
            Some(missed) => missed.iter().map(event).collect(),
            None => vec![Event::default().event("reset").data("{}")],
        };
        for update in first {
            if sender.send(Ok(update)).await.is_err() {
                return;
            }
        }
        let mut tick = tokio::time::interval(HEALTH_INTERVAL);
        loop {
            let next = tokio::select! {
                _ = tick.tick() => {
                    let health = console.streamed_health.text(|| health_of(&state, &console));
                    Event::default().event("health").data(&*health)
                }
                update = updates.recv() => match update {
                    Ok(update) => event(&update),
                    Err(RecvError::Lagged(_)) => Event::default().event("reset").data("{}"),
                    Err(RecvError::Closed) => return,
                },
                () = sender.closed() => return,
            };
            if sender.send(Ok(next)).await.is_err() {
                return;
            }
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT_INTERVAL))
        .into_response()
}
