//! Commands by which people answer, and look back at a case.

use super::arguments::{
    ConfigArguments, ContainmentArguments, EnforcementArgument, FeedbackArguments, ForgetArguments,
    ReviewArguments, VerdictArgument,
};
use super::commands::{code_of, with_config};
use super::terminal::say;
use crate::app::answer;
use crate::app::review::review;
use crate::wire::answer::{Answer, Enforcement, Judgement};
use std::sync::Arc;

fn publish(config: &ConfigArguments, answer: &Answer) -> u8 {
    with_config(config, |config| {
        code_of(answer::publish(&Arc::new(config), answer).map(|told| say(&told)))
    })
}

pub(super) fn feedback(arguments: &FeedbackArguments) -> u8 {
    let verdict = match arguments.verdict {
        VerdictArgument::TruePositive => Judgement::TruePositive,
        VerdictArgument::FalsePositive => Judgement::FalsePositive,
        VerdictArgument::Expected => Judgement::Expected,
        VerdictArgument::Withdrawn => Judgement::Withdrawn,
    };
    let answer = Answer {
        alert_id: Some(arguments.alert.clone()),
        verdict: Some(verdict),
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        ..Answer::default()
    };
    publish(&arguments.config, &answer)
}

pub(super) fn forget(arguments: &ForgetArguments) -> u8 {
    let answer = Answer {
        forget: Some(arguments.identity.clone()),
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        ..Answer::default()
    };
    publish(&arguments.config, &answer)
}

pub(super) fn containment(arguments: &ContainmentArguments) -> u8 {
    let containment = match arguments.what {
        EnforcementArgument::Pause => Some(Enforcement::Pause),
        EnforcementArgument::Resume => Some(Enforcement::Resume),
        EnforcementArgument::Approve => None,
    };
    let approve = arguments.order.clone().filter(|_| containment.is_none());
    let answer = Answer {
        containment,
        approve,
        by: arguments.by.clone(),
        reason: arguments.reason.clone(),
        ..Answer::default()
    };
    publish(&arguments.config, &answer)
}

pub(super) fn review_case(arguments: &ReviewArguments) -> u8 {
    with_config(&arguments.config, |config| {
        let (alert, alerts) = (&arguments.alert, &arguments.alerts);
        let case = review(&config, alert, alerts, &arguments.audit);
        code_of(case.map(|case| {
            if arguments.json {
                say(&format!("{}\n", serde_json::json!(case)));
            } else {
                say(&case.to_string());
            }
        }))
    })
}
