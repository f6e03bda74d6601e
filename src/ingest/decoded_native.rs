//! A native record with the event that was decoded from it: one thread decodes what another one processes.

use super::NativeRecord;
use crate::sources::native::{self, Decoded, NativeError};
use crate::token_redaction::Redactor;
use self_cell::self_cell;
use std::fmt;

/// An event until it is taken.
type HeldEvent<'r> = Option<Decoded<'r>>;

self_cell! {
    struct RecordAndEvent {
        owner: NativeRecord<'static>,
        #[not_covariant]
        dependent: HeldEvent,
    }
}

/// A native record with its event, which borrows from it.
pub struct DecodedNative(RecordAndEvent);

impl DecodedNative {
    /// Decodes a record, and replaces the secrets in its event.
    ///
    /// # Errors
    /// The record is malformed.
    pub fn decode(record: NativeRecord<'_>, redactor: &Redactor) -> Result<Self, NativeError> {
        RecordAndEvent::try_new(record.into_owned(), |record| {
            native::decode(&record.json, redactor).map(Some)
        })
        .map(Self)
    }

    /// The record, without its event.
    #[must_use]
    pub fn into_record(self) -> NativeRecord<'static> {
        self.0.into_owner()
    }

    /// Hands the event over to `process`; `None` where that was done before.
    pub fn take_event<R>(
        &mut self,
        process: impl for<'r> FnOnce(&'r NativeRecord<'static>, Decoded<'r>) -> R,
    ) -> Option<R> {
        self.0
            .with_dependent_mut(|record, event| event.take().map(|event| process(record, event)))
    }
}

impl fmt::Debug for DecodedNative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.borrow_owner().fmt(f)
    }
}
