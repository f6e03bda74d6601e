//! `GET /v1/approvals`: orders that await the approval of a person.

use super::ConsoleService;
use crate::console::incident::OrderSummary;
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// An order that waits.
#[derive(Serialize, ToSchema)]
pub(super) struct WaitingOrder {
    alert_id: String,
    headline: String,
    severity: String,
    nats: f64,
    order: OrderSummary,
}

/// Orders that wait, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct WaitingOrders {
    as_of: i64,
    orders: Vec<WaitingOrder>,
}

#[utoipa::path(get, path = "/v1/approvals", tag = "containment",
    responses((status = 200, body = WaitingOrders)))]
pub(super) async fn list(console: ConsoleService) -> Response {
    let mut orders: Vec<WaitingOrder> = console.model.with_index(|index| {
        let waiting = index.all().flat_map(|incident| {
            let summary = &incident.summary;
            incident.waiting_orders().map(|order| WaitingOrder {
                alert_id: summary.id.clone(),
                headline: summary.headline.clone(),
                severity: summary.severity.clone(),
                nats: summary.nats,
                order: order.clone(),
            })
        });
        waiting.collect()
    });
    orders.sort_by_key(|waiting| waiting.order.time);
    let as_of = console.model.now_ms();
    Json(WaitingOrders { as_of, orders }).into_response()
}
