//! Whether containment is paused.
//!
//! Commands arrive in several partitions, whose records have no order among each other. Their order is that
//! of the times at which the broker appended them; of a pause and a resume at the same time, the pause holds.
//! Whoever reads the same commands thus comes to the same answer, in whatever order it reads them.

use crate::units::EventTime;
use borsh::{BorshDeserialize, BorshSerialize};

/// The latest command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ContainmentSwitch {
    is_paused: bool,
    commanded_at: Option<EventTime>,
}

impl ContainmentSwitch {
    /// Whether containment is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Pauses or resumes, as commanded at `at`; returns whether the command holds: an earlier one does not.
    /// A command of unknown time is taken as the latest.
    pub fn command(&mut self, is_paused: bool, at: Option<EventTime>) -> bool {
        let holds = match (at, self.commanded_at) {
            (Some(at), Some(last)) => at > last || (at == last && (is_paused || !self.is_paused)),
            _ => true,
        };
        if holds {
            self.is_paused = is_paused;
            self.commanded_at = at.max(self.commanded_at);
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Option<EventTime> {
        EventTime::from_epoch_ms(1_700_000_000_000 + ms)
    }

    proptest! {
        #[test]
        fn the_order_of_reading_does_not_matter(
            commands in proptest::collection::vec((any::<bool>(), 0..4_i64), 1..8),
            rotated in 0..8_usize,
        ) {
            let read = |commands: &[(bool, i64)]| {
                let mut switch = ContainmentSwitch::default();
                for (is_paused, ms) in commands {
                    switch.command(*is_paused, at(*ms));
                }
                switch
            };
            let expected = read(&commands);
            let mut reordered = commands.clone();
            reordered.rotate_left(rotated % commands.len());
            prop_assert_eq!(read(&reordered), expected);
            reordered.reverse();
            prop_assert_eq!(read(&reordered), expected);
        }
    }

    #[test]
    fn an_earlier_resume_does_not_end_a_later_pause() {
        let mut switch = ContainmentSwitch::default();
        assert!(switch.command(true, at(10)));
        assert!(!switch.command(false, at(9)) && !switch.command(false, at(10)));
        assert!(switch.is_paused());
        assert!(switch.command(false, at(11)) && !switch.is_paused());
        assert!(switch.command(true, None) && switch.is_paused());
    }
}
