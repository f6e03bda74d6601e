//! Encoding of types that borsh does not know: maps in key order, so that equal maps have equal bytes, and
//! the
//! `bf16` counts of an activity profile.

use borsh::io::{Error, ErrorKind, Read, Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use half::bf16;
use hashbrown::HashMap;
use std::hash::Hash;

/// Writes a map in key order.
///
/// # Errors
/// The writer fails.
pub fn map_to<K, V, W>(map: &HashMap<K, V>, writer: &mut W) -> Result<()>
where
    K: BorshSerialize + Ord,
    V: BorshSerialize,
    W: Write,
{
    let mut all: Vec<(&K, &V)> = map.iter().collect();
    all.sort_unstable_by_key(|(key, _)| *key);
    all.serialize(writer)
}

/// Reads a map written by [`map_to`].
///
/// # Errors
/// The reader fails or the bytes are malformed.
pub fn map_from<K, V, R>(reader: &mut R) -> Result<HashMap<K, V>>
where
    K: BorshDeserialize + Eq + Hash,
    V: BorshDeserialize,
    R: Read,
{
    Ok(Vec::<(K, V)>::deserialize_reader(reader)?
        .into_iter()
        .collect())
}

/// Writes `bf16` numbers by their bits.
///
/// # Errors
/// The writer fails.
pub fn bf16s_to<const N: usize, W: Write>(values: &[bf16; N], writer: &mut W) -> Result<()> {
    values.map(bf16::to_bits).serialize(writer)
}

/// Reads numbers written by [`bf16s_to`].
///
/// # Errors
/// The reader fails, or a count is not a number.
pub fn bf16s_from<const N: usize, R: Read>(reader: &mut R) -> Result<[bf16; N]> {
    let values = <[u16; N]>::deserialize_reader(reader)?.map(bf16::from_bits);
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    Err(Error::new(
        ErrorKind::InvalidData,
        "a count is not a number",
    ))
}
