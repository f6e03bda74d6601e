//! Offsets that the broker deleted before they were read.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A range of deleted offsets. The broker's transaction markers occupy offsets too, so that
/// [`RetentionGap::records`] is the largest possible number of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionGap {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// First deleted offset that was not read.
    pub first_offset: i64,
    /// Last one, inclusive.
    pub last_offset: i64,
}

impl RetentionGap {
    /// The gap between `next_offset`, the next one to be read, and `log_start`, the first that the broker
    /// still holds: `None` where nothing is missing.
    #[must_use]
    pub fn between(topic: &str, partition: i32, next_offset: i64, log_start: i64) -> Option<Self> {
        (next_offset < log_start).then(|| Self {
            topic: topic.to_owned(),
            partition,
            first_offset: next_offset,
            last_offset: log_start - 1,
        })
    }

    /// Number of offsets.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.last_offset.abs_diff(self.first_offset) + 1
    }
}

impl fmt::Display for RetentionGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            partition,
            first_offset,
            last_offset,
        } = self;
        let records = self.records();
        write!(
            f,
            "offsets {first_offset} to {last_offset} of {topic}-{partition} were deleted before they were \
             read: {records} events were not judged"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_stated_in_numbers() {
        let gap = RetentionGap::between("events", 0, 1226, 1627).unwrap();
        assert_eq!(
            gap.to_string(),
            "offsets 1226 to 1626 of events-0 were deleted before they were read: 401 events were not judged"
        );
        assert_eq!(RetentionGap::between("events", 0, 1627, 1627), None);
        assert_eq!(RetentionGap::between("events", 0, 1700, 1627), None);
    }
}
