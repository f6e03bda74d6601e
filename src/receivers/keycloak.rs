//! Keycloak as an executor: orders about its sessions and users, by its admin API.
//!
//! | action | effect |
//! | --- | --- |
//! | revoke | the session of the order is deleted; without one, all sessions of the user |
//! | step_up | all sessions of the user are deleted: it has to log in again |
//! | rotate | a new password is required, and all sessions are deleted |
//! | suspend | the user is disabled, and all sessions are deleted |
//!
//! Access tokens that were already issued stay valid until they expire, as everywhere without introspection;
//! refreshing fails at once.

use super::{Delivery, DeliveryError, ReceiverClient};
use crate::config::Realm;
use crate::keycloak::admin_client::{AdminClient, KeycloakError};
use crate::orders::model::Order;
use credwatch_core::containment::Action;
use credwatch_core::event::CredentialKind;
use std::time::Duration;

/// Prefix of identities that are not users of the realm (see [`crate::sources::keycloak`]).
const NON_USER_PREFIXES: [&str; 2] = ["name/", "client/"];

/// One realm.
pub struct Keycloak {
    admin: AdminClient,
    realm: String,
}

impl Keycloak {
    /// The executor for `realm`.
    ///
    /// # Errors
    /// Its certificates cannot be read.
    pub fn new(realm: &Realm, timeout: Duration) -> Result<Self, KeycloakError> {
        Ok(Self {
            admin: AdminClient::new(realm, timeout)?,
            realm: realm.realm.clone(),
        })
    }

    fn revoke(&mut self, order: &Order) -> Result<String, KeycloakError> {
        let user = &order.identity.id;
        let session = order.credential.as_ref();
        let session = session.filter(|c| c.kind == Some(CredentialKind::Session));
        let Some(session) = session else {
            self.admin.end_sessions(user)?;
            return Ok("all sessions of the user ended".to_owned());
        };
        let was_there = self.admin.end_session(user, &session.id)?;
        Ok(if was_there {
            "session ended".to_owned()
        } else {
            "the user has no such session".to_owned()
        })
    }

    fn execute(&mut self, order: &Order) -> Result<String, KeycloakError> {
        let user = &order.identity.id;
        let done = match order.action {
            Action::Revoke => return self.revoke(order),
            Action::Rotate => {
                self.admin.require_new_password(user)?;
                "password reset required and all sessions ended"
            }
            Action::Suspend => {
                self.admin.disable(user)?;
                "user disabled and all sessions ended"
            }
            Action::Notify | Action::StepUp => "all sessions ended",
        };
        self.admin.end_sessions(user)?;
        Ok(done.to_owned())
    }
}

impl ReceiverClient for Keycloak {
    fn executes_orders(&self) -> bool {
        true
    }

    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<String, DeliveryError> {
        let order = delivery.order.ok_or(DeliveryError::NotApplicable)?;
        let credential = order
            .credential
            .as_ref()
            .ok_or(DeliveryError::NotApplicable)?;
        if credential.issuer.as_deref() != Some(self.realm.as_str()) {
            return Err(DeliveryError::NotApplicable);
        }
        let id = &order.identity.id;
        if NON_USER_PREFIXES
            .iter()
            .any(|prefix| id.starts_with(prefix))
        {
            return Err(DeliveryError::Rejected(format!(
                "{id} is not a user of the realm"
            )));
        }
        if credential.kind == Some(CredentialKind::ApiKey) {
            let why =
                "a client secret must be replaced by a person: its clients would stop working";
            return Err(DeliveryError::Rejected(why.to_owned()));
        }
        self.execute(order).map_err(|error| match &error {
            KeycloakError::Absent(_) => DeliveryError::Rejected(error.to_string()),
            _ if error.is_retryable() => DeliveryError::Retryable(error.to_string()),
            _ => DeliveryError::Permanent(error.to_string()),
        })
    }
}
