//! Dirty tracking: which parts of the state changed since the last checkpoint.

/// State of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirtyState {
    /// Unchanged since the last checkpoint, or not tracked.
    #[default]
    Clean,
    /// Changed since the last checkpoint, or since the checkpoint in progress began.
    Dirty,
    /// Belongs, as it is now, to the checkpoint in progress.
    InCheckpoint,
}

impl DirtyState {
    /// Marks the part as changed; returns its state before.
    pub(super) fn mark(&mut self) -> Self {
        std::mem::replace(self, Self::Dirty)
    }

    /// Marks a part of the checkpoint in progress as written; returns whether it was one.
    pub(super) fn take_in_checkpoint(&mut self) -> bool {
        let is_in_checkpoint = *self == Self::InCheckpoint;
        if is_in_checkpoint {
            *self = Self::Clean;
        }
        is_in_checkpoint
    }
}

/// States of many parts, by index; a part beyond the end is clean.
#[derive(Clone, Debug, Default)]
pub(super) struct DirtyTable(Vec<DirtyState>);

impl DirtyTable {
    /// Marks the part at `index` as changed; returns its state before.
    pub(super) fn mark(&mut self, index: usize) -> DirtyState {
        if index >= self.0.len() {
            self.0.resize(index + 1, DirtyState::Clean);
        }
        self.0[index].mark()
    }

    /// Marks the part at `index` as written, if it belongs to the checkpoint in progress; returns
    /// whether it does.
    pub(super) fn take_in_checkpoint(&mut self, index: usize) -> bool {
        self.0
            .get_mut(index)
            .is_some_and(DirtyState::take_in_checkpoint)
    }

    /// Moves every changed part into a checkpoint that begins; returns their indices.
    pub(super) fn begin_checkpoint(&mut self) -> Vec<u32> {
        let mut indices = Vec::new();
        for (index, state) in self.0.iter_mut().enumerate() {
            if *state == DirtyState::Dirty {
                *state = DirtyState::InCheckpoint;
                indices.push(index as u32);
            }
        }
        indices
    }

    /// Marks every part as clean.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
