//! How a part of the state stands to what is kept of it.

/// Of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirtyState {
    /// Is kept, or nobody keeps it.
    #[default]
    Clean,
    /// Has changed since it was kept, or since the checkpoint began that is being made.
    Dirty,
    /// Belongs to the checkpoint that is being made, as it is now.
    InCheckpoint,
}

/// Of many parts, by place; a place beyond the end is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct DirtyTable(Vec<DirtyState>);

impl DirtyTable {
    /// The part at `at` stands so from now on; returns how it stood.
    pub(super) fn set(&mut self, at: usize, durability: DirtyState) -> DirtyState {
        if at >= self.0.len() {
            self.0.resize(at + 1, DirtyState::Clean);
        }
        std::mem::replace(&mut self.0[at], durability)
    }

    /// The part at `at` goes into the checkpoint now, if it is still awaited; says whether it is.
    pub(super) fn take_in_checkpoint(&mut self, at: usize) -> bool {
        let found = self.0.get_mut(at);
        found.is_some_and(DirtyState::take_in_checkpoint)
    }

    /// All that changed belongs to a checkpoint that begins; returns the places.
    pub(super) fn begin_checkpoint(&mut self) -> Vec<u32> {
        let mut places = Vec::new();
        for (at, durability) in self.0.iter_mut().enumerate() {
            if *durability == DirtyState::Dirty {
                *durability = DirtyState::InCheckpoint;
                places.push(at as u32);
            }
        }
        places
    }

    /// Every part is kept.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl DirtyState {
    /// What is awaited is kept from now on; says whether it was awaited.
    pub(super) fn take_in_checkpoint(&mut self) -> bool {
        let is_awaited = *self == Self::InCheckpoint;
        if is_awaited {
            *self = Self::Clean;
        }
        is_awaited
    }
}
