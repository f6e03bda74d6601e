//! `credwatch verify`: does the audit trail hold together, are orders what was signed?

use crate::audit::audit_verifier::{ChainError, ChainVerifier};
use crate::crypto::KeySet;
use crate::files;
use crate::files::InputError;
use crate::orders::verify::{OrderFault, OrderVerifier};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a trail is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A record does not continue its chain.
    #[error("{}, record {line}: {why}", .path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        why: ChainError,
    },
    /// An order is not what was signed.
    #[error("{}, order {line}: {why}", .path.display())]
    Order {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        why: OrderFault,
    },
}

/// Shows every record of JSON lines to `take`, with its file and line.
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

/// Orders that are in order.
#[derive(Debug)]
pub struct VerifiedOrders {
    orders: usize,
    repeated: usize,
}

/// Checks the orders in `inputs` by `keys`, and that they are for `audience` if one is given.
///
/// # Errors
/// A file cannot be read, or says the first order that is not what was signed.
pub fn verify_orders(
    inputs: &[PathBuf],
    keys: &KeySet,
    audience: Option<&str>,
) -> Result<VerifiedOrders, VerifyError> {
    let mut check = OrderVerifier::new(keys, audience);
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
            "{orders} orders, each as it was signed; {repeated} came again, and count once"
        )
    }
}

/// A trail that holds together.
#[derive(Debug)]
pub struct Verified(ChainVerifier);

/// Walks the trail in `inputs`, files in the order given; signed heads are checked by `keys`.
///
/// # Errors
/// A file cannot be read, or says the first record that does not continue its chain.
pub fn verify_audit(inputs: &[PathBuf], keys: Option<KeySet>) -> Result<Verified, VerifyError> {
    let mut walk = ChainVerifier::with_keys(keys);
    each_line(inputs, |path, line, record| {
        walk.verify(record).map_err(|why| VerifyError::Broken {
            path: path.to_path_buf(),
            line,
            why,
        })
    })?;
    Ok(Verified(walk))
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} records, each follows the one before it",
            self.0.records()
        )?;
        match self.0.signed_heads() {
            (0, 0) => {}
            (0, heads) => writeln!(
                f,
                "{heads} signed heads are not checked: name a key set with --keys"
            )?,
            (heads, _) => writeln!(f, "{heads} signed heads, each says what stands before it")?,
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
