//! Characters of names that are not ours: some command a terminal, others reorder what is read.

/// Whether `c` controls the direction of text (Unicode Bidi_Control).
#[must_use]
pub fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `c`, or a replacement where it would command a terminal or reorder what is read.
#[must_use]
pub fn printable(c: char) -> char {
    match c.is_control() || is_bidirectional(c) {
        true => '\u{fffd}',
        false => c,
    }
}
