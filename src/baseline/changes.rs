//! What has changed since it was kept last, so that a checkpoint keeps no more than that.

/// Marks by place, set by every write.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(Vec<bool>);

impl Marks {
    /// The place was written to.
    pub(super) fn set(&mut self, at: usize) {
        if at >= self.0.len() {
            self.0.resize(at + 1, false);
        }
        self.0[at] = true;
    }

    /// The first `places` were written to.
    pub(super) fn set_all(&mut self, places: usize) {
        (0..places).for_each(|at| self.set(at));
    }

    /// Whether the place was written to.
    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at).copied().unwrap_or(false)
    }

    /// Everything has been kept.
    pub(super) fn clear(&mut self) {
        self.0.fill(false);
    }
}

/// Changes among identities and groups. Bounded: a slot and a group stand here once; identities that
/// are no more are as many as were admitted meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Slots of identities.
    pub(super) slots: Vec<u32>,
    /// Keys of identities that are no more.
    pub(super) removed: Vec<u64>,
    /// Groups.
    pub(super) groups: Marks,
}

impl Changes {
    /// Everything has been kept.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.removed.clear();
        self.groups.clear();
    }
}
