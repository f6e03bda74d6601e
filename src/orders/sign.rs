//! Signing of orders: the whole order goes into a Security Event Token.

use super::model::Order;
use super::security_event_token;
use crate::crypto::Signer;
use credwatch_core::units::EventTime;

impl Order {
    /// The order with its token, issued at `issued_at` for an event at `occurred_at`. Without a signer, or
    /// if the random number generator fails, the order stays unsigned and no executor acts on it.
    #[must_use]
    pub fn signed(
        mut self,
        signer: Option<&Signer>,
        issued_at: EventTime,
        occurred_at: EventTime,
    ) -> Self {
        self.set = signer.and_then(|signer| {
            let (issuer, audience) = (&signer.issuer, &signer.audience);
            let payload =
                security_event_token::payload(&self, issuer, audience, issued_at, occurred_at);
            signer.sign(security_event_token::TYPE, &payload)
        });
        self
    }
}
