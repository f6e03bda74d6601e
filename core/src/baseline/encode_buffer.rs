//! Bytes of one piece after another, in one buffer.

use borsh::BorshSerialize;
use borsh::io::{Result, Write};

/// Room that is made at once.
const ROOM: usize = 4 * 1024;

/// A buffer that is written from its start again for each piece. A `Vec` asks for room at every number
/// that is written, which is most of what writing a piece costs; here there nearly always is room.
#[derive(Clone, Debug, Default)]
pub struct PieceBuffer {
    bytes: Vec<u8>,
    written: usize,
}

impl PieceBuffer {
    /// The bytes of `piece`.
    ///
    /// # Errors
    /// `piece` cannot be written: a number is not one.
    pub fn bytes_of(&mut self, piece: &impl BorshSerialize) -> Result<&[u8]> {
        self.written = 0;
        piece.serialize(self)?;
        Ok(&self.bytes[..self.written])
    }

    #[cold]
    fn make_room(&mut self, needed: usize) {
        self.bytes.resize((2 * needed).max(ROOM), 0);
    }
}

impl Write for PieceBuffer {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.written + bytes.len();
        if end > self.bytes.len() {
            self.make_room(end);
        }
        self.bytes[self.written..end].copy_from_slice(bytes);
        self.written = end;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
