//! A reusable buffer for encoding one record after another.

use borsh::BorshSerialize;
use borsh::io::{Result, Write};

/// Initial capacity in bytes.
const MIN_CAPACITY_BYTES: usize = 4 * 1024;

/// A buffer that is reused for each record. A `Vec` checks its capacity at every number that is written,
/// which is most of the cost of encoding; here the capacity is reserved in advance.
#[derive(Clone, Debug, Default)]
pub struct EncodeBuffer {
    bytes: Vec<u8>,
    written: usize,
}

impl EncodeBuffer {
    /// The encoded bytes of `record`.
    ///
    /// # Errors
    /// `record` cannot be encoded: it holds a NaN.
    pub fn encode(&mut self, record: &impl BorshSerialize) -> Result<&[u8]> {
        self.written = 0;
        record.serialize(self)?;
        Ok(&self.bytes[..self.written])
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        self.bytes.resize((2 * needed).max(MIN_CAPACITY_BYTES), 0);
    }
}

impl Write for EncodeBuffer {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.written + bytes.len();
        if end > self.bytes.len() {
            self.grow(end);
        }
        self.bytes[self.written..end].copy_from_slice(bytes);
        self.written = end;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
