//! Bytes of one piece after another, in one buffer.

use borsh::BorshSerialize;
use borsh::io::{Result, Write};

/// Room that is made at once.
const MIN_CAPACITY_BYTES: usize = 4 * 1024;

/// A buffer that is written from its start again for each piece. A `Vec` asks for room at every number
/// that is written, which is most of what writing a piece costs; here there nearly always is room.
#[derive(Clone, Debug, Default)]
pub struct EncodeBuffer {
    bytes: Vec<u8>,
    written: usize,
}

impl EncodeBuffer {
    /// The bytes of `piece`.
    ///
    /// # Errors
    /// `piece` cannot be written: a number is not one.
    pub fn encode(&mut self, piece: &impl BorshSerialize) -> Result<&[u8]> {
        self.written = 0;
        piece.serialize(self)?;
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
