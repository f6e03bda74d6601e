//! `credwatch verify`: verifies audit trails and the signatures of orders.

use crate::audit::audit_verifier::ChainVerifier;
use crate::audit::chain_error::ChainError;
use crate::crypto::KeySet;
use crate::files;
use crate::files::InputError;
use crate::orders::verify::{OrderFault, OrderVerifier};
use credwatch_core::units::EventTime;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why verification failed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A record does not continue its chain.
    #[error("{}, record {line}: {why}", .path.display())]
    Broken {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why.
        why: ChainError,
    },
    /// The trail is not complete.
    #[error("incomplete: {0}")]
    Incomplete(ChainError),
    /// An order is invalid.
    #[error("{}, order {line}: {why}", .path.display())]
    Order {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why.
        why: OrderFault,
    },
}

/// Calls `visit` with every record of JSON lines, its file and line.
fn each_line(
    inputs: &[PathBuf],
    mut take: impl FnMut(&Path, usize, &[u8]) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    for path in files::list(inputs)? {
        let document = files::open(&path)?.rest()?;
        let lines = document.split(|byte| *byte == b'\n').enumerate();
        for (at, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
            take(&path, at + 1, line)?;
        }
    }
    Ok(())
}

/// Result for valid orders.
#[derive(Debug)]
pub struct VerifiedOrders {
    orders: usize,
    repeated: usize,
}

/// Verifies the orders in `inputs` with `keys`, their audience if one is given, and that they are valid at a
/// time if one is given.
///
/// # Errors
/// A file cannot be read, or an order is invalid; the first one is reported.
pub fn verify_orders(
    inputs: &[PathBuf],
    keys: &KeySet,
    audience: Option<&str>,
    at: Option<EventTime>,
) -> Result<VerifiedOrders, VerifyError> {
    let mut check = OrderVerifier::new(keys, audience);
    if let Some(at) = at {
        check = check.at(at);
    }
    each_line(inputs, |path, line, record| {
        check.verify(record).map_err(|why| VerifyError::Order {
            path: path.to_path_buf(),
            line,
            why,
        })
    })?;
    let (orders, repeated) = check.counts();
    Ok(VerifiedOrders { orders, repeated })
}

impl fmt::Display for VerifiedOrders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (orders, repeated) = (self.orders, self.repeated);
        writeln!(
            f,
            "{orders} orders verified; {repeated} repeated ones count once"
        )
    }
}

/// Result for a valid trail.
#[derive(Debug)]
pub struct Verified(ChainVerifier);

/// Verifies the trail in `inputs`, files in the given order; signed heads are verified with `keys`. With
/// `after`, an earlier export, it has to continue that one.
///
/// # Errors
/// A file cannot be read, or a record is invalid; the first one is reported.
pub fn verify_audit(
    inputs: &[PathBuf],
    keys: Option<KeySet>,
    after: Option<&Path>,
) -> Result<Verified, VerifyError> {
    let mut walk = match after {
        None => ChainVerifier::with_keys(keys),
        Some(earlier) => {
            let mut walk = ChainVerifier::of_recent_records(keys);
            walk_lines(&mut walk, &[earlier.to_path_buf()])?;
            walk.into_successor()
        }
    };
    walk_lines(&mut walk, inputs)?;
    walk.finish().map_err(VerifyError::Incomplete)?;
    Ok(Verified(walk))
}

fn walk_lines(walk: &mut ChainVerifier, inputs: &[PathBuf]) -> Result<(), VerifyError> {
    each_line(inputs, |path, line, record| {
        walk.verify(record).map_err(|why| VerifyError::Broken {
            path: path.to_path_buf(),
            line,
            why,
        })
    })
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} records verified", self.0.records())?;
        match self.0.signed_heads() {
            (0, 0) => {}
            (0, heads) => writeln!(
                f,
                "{heads} signed heads not verified: pass a key set with --keys"
            )?,
            (heads, _) => writeln!(f, "{heads} signed heads verified")?,
        }
        for (view, partition, sequence, hash) in self.0.heads() {
            writeln!(
                f,
                "  {view} view, partition {partition} ends with record {sequence}, {hash}"
            )?;
        }
        Ok(())
    }
}
