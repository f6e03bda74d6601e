//! `POST /v1/feedback` and `/v1/containment/…`: published as on the feedback topic, in the name of the
//! caller.

use crate::console::access::Right;
use crate::console::sessions::Limited;
use crate::feedback::model::{ContainmentCommand, Feedback, FeedbackCommand};
use crate::http::access::{Caller, Channel};
use crate::http::problem::problem;
use crate::http::{AppState, FeedbackRequest, NotPublished};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;
use utoipa::{IntoResponses, ToSchema};

/// Largest body of a request.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A verdict on an alert; its author is the caller.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a body in the API document")]
pub(super) struct VerdictAnswer {
    /// The alert.
    alert_id: String,
    /// The verdict.
    #[schema(pattern = "^(true_positive|false_positive|expected|withdrawn)$")]
    verdict: String,
    /// Why; stands in the audit trail.
    reason: Option<String>,
}

/// The approval of an order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a body in the API document")]
pub(super) struct Approval {
    /// The order.
    approve: String,
    /// Why; stands in the audit trail.
    reason: Option<String>,
}

/// A request to forget an identity.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes a body in the API document")]
pub(super) struct ForgetRequest {
    /// The identity.
    forget: String,
    /// Why; stands in the audit trail.
    reason: Option<String>,
}

/// One of these.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes a body in the API document")]
pub(super) enum Answer {
    /// A verdict on an alert.
    Verdict(VerdictAnswer),
    /// The approval of an order.
    Approval(Approval),
    /// A request to forget an identity.
    Forget(ForgetRequest),
}

/// Why containment is paused or resumed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    /// Who; only with the token of the service, whose holder may name others.
    #[schema(ignore)]
    by: Option<String>,
    /// Why; stands in the audit trail.
    reason: Option<String>,
}

/// Where it was published.
#[derive(Serialize, ToSchema)]
pub(super) struct Confirmation {
    confirmation: String,
}

/// What a write is answered, besides what every request may be.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes the answers in the API document")]
enum Written {
    /// It is published.
    #[response(status = 200)]
    Published(#[to_schema] Confirmation),
    /// It concerns nothing, or cannot be done here.
    #[response(status = 409)]
    Conflict,
    /// The body is too large.
    #[response(status = 413)]
    TooLarge,
    /// The body is malformed.
    #[response(status = 422)]
    Malformed,
    /// Too many writes.
    #[response(status = 429)]
    TooMany,
}

type Refused = Box<Response>;

fn refused(status: StatusCode, why: &str) -> Refused {
    Box::new(problem(status, why))
}

#[utoipa::path(post, path = "/v1/feedback", tag = "containment", request_body = Answer,
    responses(Written))]
pub(super) async fn feedback(
    State(state): State<AppState>,
    caller: Caller,
    record: Bytes,
) -> Response {
    let answered = parse(&record, &caller).and_then(|feedback| checked(&state, &caller, feedback));
    match answered {
        Ok(feedback) => publish(&state, feedback).await,
        Err(refused) => *refused,
    }
}

/// The feedback of a body, in the name of the caller.
fn parse(record: &[u8], caller: &Caller) -> Result<Feedback, Refused> {
    let unprocessable = |why: &str| refused(StatusCode::UNPROCESSABLE_ENTITY, why);
    if record.len() > MAX_BODY_BYTES {
        let why = "the body is over 64 KiB";
        return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    let mut body: Value = serde_json::from_slice(record)
        .map_err(|error| unprocessable(&format!("not JSON: {error}")))?;
    if caller.channel != Channel::ServiceToken {
        let members = body.as_object_mut();
        let members = members.ok_or_else(|| unprocessable("feedback is a JSON object"))?;
        if members
            .insert("by".to_owned(), caller.person.name.clone().into())
            .is_some()
        {
            return Err(unprocessable("`by` is who is logged in: leave it out"));
        }
    }
    Feedback::parse(body.to_string().as_bytes()).map_err(|error| unprocessable(&error.to_string()))
}

/// Whether the caller may say that.
fn checked(state: &AppState, caller: &Caller, feedback: Feedback) -> Result<Feedback, Refused> {
    let command = feedback.command();
    let command =
        command.map_err(|error| refused(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()))?;
    caller.require(match command {
        FeedbackCommand::AlertVerdict(..) | FeedbackCommand::OrderOutcome(..) => Right::Answer,
        FeedbackCommand::Approve(_) => Right::Approve,
        FeedbackCommand::Forget(_) => Right::Forget,
        FeedbackCommand::Containment(_) => Right::Pause,
    })?;
    let is_person = caller.channel != Channel::ServiceToken;
    if matches!(command, FeedbackCommand::OrderOutcome(..)) && is_person {
        let why = "outcomes of orders are reported by executors, with the token of the service";
        return Err(refused(StatusCode::FORBIDDEN, why));
    }
    let Some(console) = &state.console else {
        return Ok(feedback);
    };
    if console.is_read_only {
        let why = "this console shows files: an answer would teach nobody";
        return Err(refused(StatusCode::CONFLICT, why));
    }
    if !console.access.admits(caller, Limited::Write) {
        let why = "too many writes within a minute: wait, and try again";
        return Err(refused(StatusCode::TOO_MANY_REQUESTS, why));
    }
    if let FeedbackCommand::Approve(order_id) = command {
        check_approval(console, order_id, &feedback.by)?;
    }
    if let FeedbackCommand::AlertVerdict(alert_id, _) = command
        && console
            .model
            .with_index(|index| index.find(alert_id).is_none())
    {
        let why = format!("there is no incident {alert_id}");
        return Err(refused(StatusCode::CONFLICT, &why));
    }
    Ok(feedback)
}

/// An order is approved while it waits, and by somebody else than the one who asked for it or whom it is
/// about.
fn check_approval(
    console: &super::ConsoleService,
    order_id: &str,
    by: &str,
) -> Result<(), Refused> {
    let order = console.model.with_index(|index| {
        let mut orders = index.of_order(order_id)?.waiting_orders();
        orders.find(|order| order.order_id == order_id).cloned()
    });
    let Some(order) = order else {
        let why = "this order does not wait for approval: it was approved, or it has expired";
        return Err(refused(StatusCode::CONFLICT, why));
    };
    if order.identity == by {
        let why = "nobody approves an order about himself: ask somebody else";
        return Err(refused(StatusCode::FORBIDDEN, why));
    }
    Ok(())
}

#[utoipa::path(post, path = "/v1/containment/pause", tag = "containment", request_body = Command,
    responses(Written))]
pub(super) async fn pause(state: State<AppState>, caller: Caller, body: Bytes) -> Response {
    set_containment(state, caller, ContainmentCommand::Pause, body).await
}

#[utoipa::path(post, path = "/v1/containment/resume", tag = "containment", request_body = Command,
    responses(Written))]
pub(super) async fn resume(state: State<AppState>, caller: Caller, body: Bytes) -> Response {
    set_containment(state, caller, ContainmentCommand::Resume, body).await
}

async fn set_containment(
    State(state): State<AppState>,
    caller: Caller,
    containment: ContainmentCommand,
    body: Bytes,
) -> Response {
    let made = command_of(&body, &caller, containment);
    match made.and_then(|feedback| checked(&state, &caller, feedback)) {
        Ok(feedback) => publish(&state, feedback).await,
        Err(refused) => *refused,
    }
}

fn command_of(
    body: &[u8],
    caller: &Caller,
    containment: ContainmentCommand,
) -> Result<Feedback, Refused> {
    let unprocessable = |why: &str| refused(StatusCode::UNPROCESSABLE_ENTITY, why);
    if body.len() > MAX_BODY_BYTES {
        return Err(refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is over 64 KiB",
        ));
    }
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| unprocessable(&format!("not JSON: {error}")))?;
    if !body.is_object() {
        return Err(unprocessable("a command is a JSON object"));
    }
    let command: Command =
        serde_json::from_value(body).map_err(|error| unprocessable(&error.to_string()))?;
    let by = match (&caller.channel, command.by) {
        (Channel::ServiceToken, by) => by.unwrap_or_default(),
        (_, None) => caller.person.name.clone(),
        (_, Some(_)) => return Err(unprocessable("`by` is who is logged in: leave it out")),
    };
    Ok(Feedback {
        containment: Some(containment),
        by,
        reason: command.reason,
        ..Feedback::default()
    })
}

async fn publish(state: &AppState, feedback: Feedback) -> Response {
    let Some(feedback_requests) = &state.feedback_requests else {
        let why = "this process does not publish feedback";
        return problem(StatusCode::CONFLICT, why);
    };
    let (done, confirmation) = oneshot::channel();
    let request = FeedbackRequest { feedback, done };
    let is_taken = feedback_requests.send(request).await.is_ok();
    match confirmation.await {
        Ok(Ok(confirmation)) if is_taken => Json(Confirmation {
            confirmation: confirmation.trim().to_owned(),
        })
        .into_response(),
        Ok(Err(NotPublished::Refused(why))) => problem(StatusCode::CONFLICT, &why),
        Ok(Err(NotPublished::Unavailable(why))) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
        _ => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "the service is shutting down",
        ),
    }
}
