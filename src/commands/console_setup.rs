//! The console of a process: for a demonstration, for files, or for the service.

use crate::config::Config;
use crate::console::access::{Person, Role};
use crate::console::event_history::EventHistory;
use crate::console::sessions::Sessions;
use crate::console::{Console, Time};
use crate::http::access::{AccessPolicy, KnownPerson, TrustedProxy};
use crate::http::oidc::OidcLogIn;
use crate::http::{ConsoleService, ShownSettings};
use crate::sources::time::format_rfc3339;
use credwatch_core::containment::exception::ExceptionScope;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the console shows of a configuration.
#[must_use]
pub fn shown_settings(config: &Config, model_hash: &str) -> ShownSettings {
    let guardrails = &config.guardrails;
    let exceptions = guardrails.exceptions.iter().map(|exception| {
        let of = match &exception.scope {
            ExceptionScope::Identity(identity) => identity.clone(),
            ExceptionScope::Group(group) => format!("group {group}"),
        };
        json!({"for": of, "max_action": exception.max_action.as_str(), "owner": exception.owner,
            "justification": exception.justification, "expires": format_rfc3339(exception.expires)})
    });
    ShownSettings {
        alerts_per_day: config.detect.alerts_per_day,
        mode: guardrails.mode,
        max_per_hour: guardrails.max_per_hour,
        max_share: guardrails.max_share,
        model_hash: model_hash.to_owned(),
        exceptions: exceptions.collect::<Vec<Value>>().into(),
        configuration: config.listed.clone(),
    }
}

fn model_of(config: &Config, events: Arc<dyn EventHistory>, time: Time) -> Arc<Console> {
    let keys = config.signer.as_ref().map(|signer| signer.keys().clone());
    let capacity = config.console.max_incidents;
    Arc::new(Console::new(capacity, keys, events, time))
}

/// Name of whoever works with a console without log-in.
const ANYBODY: &str = "you";

/// A console without log-in, over simulated events or files.
#[must_use]
pub fn without_log_in(
    config: &Config,
    model_hash: &str,
    events: Arc<dyn EventHistory>,
    introduction: &'static str,
    is_read_only: bool,
) -> ConsoleService {
    ConsoleService {
        model: model_of(config, events, Time::LatestEvent),
        access: Arc::new(AccessPolicy::Open(Person::new(ANYBODY, Role::ALL))),
        settings: Arc::new(shown_settings(config, model_hash)),
        is_read_only,
        streamed_health: Arc::default(),
        introduction: Some(introduction),
    }
}

/// The console of a service, into which people log in.
#[must_use]
pub fn with_log_in(
    config: &Config,
    model_hash: &str,
    events: Arc<dyn EventHistory>,
) -> ConsoleService {
    let people = config.console.people.iter().map(|person| KnownPerson {
        person: Person::new(person.name.clone(), person.roles.iter().copied()),
        token: (!person.token.is_empty()).then(|| person.token.clone()),
    });
    let proxy = config.console.proxy.as_ref().map(|proxy| TrustedProxy {
        user_header: proxy.user_header.clone(),
        secret: proxy.secret.clone(),
    });
    let access = AccessPolicy::LogIn {
        people: people.collect(),
        proxy,
        sessions: Sessions::new(config.console.session_lifetime),
        oidc: config
            .console
            .oidc
            .clone()
            .map(OidcLogIn::new)
            .map(Arc::new),
    };
    ConsoleService {
        model: model_of(config, events, Time::Wall),
        access: Arc::new(access),
        settings: Arc::new(shown_settings(config, model_hash)),
        is_read_only: false,
        streamed_health: Arc::default(),
        introduction: None,
    }
}
