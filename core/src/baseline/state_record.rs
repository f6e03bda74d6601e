//! Keys of the records into which state is divided, and the sink that receives them.

use borsh::io::Result;
use borsh::{BorshDeserialize, BorshSerialize};

/// Receives a record: its key and its bytes, or `None` where the record is deleted.
pub type StateSink<'k> = dyn FnMut(RecordKey, Option<&[u8]>) -> Result<()> + 'k;

/// Key of a state record. The latest record of a key is the valid one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum RecordKey {
    /// Watermark, threshold, calibration and counters of the engine, and the layout of the store.
    Engine,
    /// The deduplication table.
    EventIds,
    /// Deviations shared by many identities.
    SharedDeviations,
    /// Incidents.
    Incidents,
    /// A label for explanations, by the key of the value that it names.
    Label(u32),
    /// Baselines of issuers.
    Issuers,
    /// The population baseline.
    Population,
    /// The baseline of a peer group, by slot.
    Group(u32),
    /// A chunk of the credential table.
    Credentials(u32),
    /// The baseline of an identity, by key.
    Identity(u64),
    /// Logins by source network.
    SourceLogins,
    /// Whether containment is paused, and the last containment of each identity.
    ContainmentState,
    /// Recently issued orders.
    IssuedOrders,
    /// Tokens of accepted signed messages.
    ReplayGuard,
}
