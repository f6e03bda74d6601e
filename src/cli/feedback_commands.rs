//! Commands for feedback, incident review and unused privileges.

use super::arguments::{
    ConfigArguments, ContainmentArgument, ContainmentArguments, DriftArguments, FeedbackArguments,
    ForgetArguments, ReviewArguments,
};
use super::settings::{code_of, with_config};
use super::terminal::print;
use crate::commands::review::review;
use crate::commands::{drift, publish_feedback};
use crate::feedback::model::{ContainmentCommand, Feedback};
use std::path::Path;
use std::sync::Arc;

fn publish(config: &ConfigArguments, feedback: &Feedback) -> u8 {
    with_config(config, |config| {
        code_of(publish_feedback::publish(&Arc::new(config), feedback).map(|note| print(&note)))
    })
}

pub(super) fn feedback(arguments: &FeedbackArguments) -> u8 {
    let feedback = Feedback {
        alert_id: Some(arguments.alert.clone()),
        verdict: Some(arguments.verdict),
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        ..Feedback::default()
    };
    publish(&arguments.config, &feedback)
}

pub(super) fn forget(arguments: &ForgetArguments) -> u8 {
    let feedback = Feedback {
        forget: Some(arguments.identity.clone()),
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        ..Feedback::default()
    };
    publish(&arguments.config, &feedback)
}

pub(super) fn containment(arguments: &ContainmentArguments) -> u8 {
    let containment = match arguments.what {
        ContainmentArgument::Pause => Some(ContainmentCommand::Pause),
        ContainmentArgument::Resume => Some(ContainmentCommand::Resume),
        ContainmentArgument::Approve => None,
    };
    let approve = arguments.order.clone().filter(|_| containment.is_none());
    let feedback = Feedback {
        containment,
        approve,
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        ..Feedback::default()
    };
    publish(&arguments.config, &feedback)
}

pub(super) fn review_case(arguments: &ReviewArguments) -> u8 {
    with_config(&arguments.config, |config| {
        let (alert, alerts) = (&arguments.alert, &arguments.alerts);
        let incident = review(&config, alert, alerts, &arguments.audit);
        code_of(incident.map(|incident| {
            if arguments.json {
                print(&format!("{}\n", serde_json::json!(incident)));
            } else {
                print(&incident.to_string());
            }
        }))
    })
}

pub(super) fn drift_of(arguments: &DriftArguments) -> u8 {
    with_config(&arguments.config, |config| {
        let days = arguments.since.as_secs() / 86_400;
        let days = u16::try_from(days).unwrap_or(u16::MAX);
        let unused = match (&arguments.knowledge.url, &arguments.knowledge.state) {
            (Some(url), _) => drift::by_service(&config, url, days),
            (None, state) => {
                let state = state.as_deref().unwrap_or(Path::new(""));
                drift::by_state(&config, state, days)
            }
        };
        code_of(unused.map(|unused| {
            if arguments.json {
                print(&format!("{}\n", serde_json::json!(unused)));
            } else {
                print(&unused.to_string());
            }
        }))
    })
}
