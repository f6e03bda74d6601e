//! Labels of the value keys that baselines count, for explanations only.

use hashbrown::HashMap;
use std::borrow::Cow;

/// Key → label, bounded. When the dictionary is full, a new value has no label in explanations; scores never
/// depend on it.
#[derive(Clone, Debug)]
pub struct LabelDictionary {
    texts: HashMap<u32, Box<str>>,
    text_bytes: usize,
    capacity: usize,
    dropped: u64,
    /// Keys added since the last checkpoint; at most as many as there are labels.
    pub(super) unsaved: Vec<u32>,
}

/// Maximum length of a stored label, in bytes.
pub(crate) const MAX_LABEL_BYTES: usize = 120;

impl LabelDictionary {
    /// An empty dictionary for at most `capacity` labels.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            texts: HashMap::new(),
            text_bytes: 0,
            capacity,
            dropped: 0,
            unsaved: Vec::new(),
        }
    }

    /// Stores the label of `key`, made by `text` only if needed and if there is space.
    pub fn intern<'t>(&mut self, key: u32, text: impl FnOnce() -> Cow<'t, str>) {
        if self.texts.contains_key(&key) {
            return;
        }
        if self.texts.len() >= self.capacity {
            self.dropped += 1;
            return;
        }
        let text = text();
        let end = text.floor_char_boundary(MAX_LABEL_BYTES);
        self.text_bytes += end;
        self.texts.insert(key, text[..end].into());
        self.unsaved.push(key);
    }

    /// Keys and labels, ordered by key.
    pub(super) fn sorted(&self) -> Vec<(u32, &str)> {
        let mut all: Vec<(u32, &str)> = self.texts.iter().map(|(k, t)| (*k, &**t)).collect();
        all.sort_unstable();
        all
    }

    /// Keys and labels added since the last checkpoint, in order of insertion.
    pub(super) fn unsaved(&self) -> Vec<(u32, &str)> {
        let keys = self.unsaved.iter();
        keys.filter_map(|key| Some((*key, &**self.texts.get(key)?)))
            .collect()
    }

    /// Restores the count of dropped labels.
    pub(super) fn restore_dropped(&mut self, refused: u64) {
        self.dropped = refused;
    }

    /// The label of `key`; a placeholder where it is not stored.
    #[must_use]
    pub fn label(&self, key: u32) -> String {
        self.texts
            .get(&key)
            .map_or_else(|| format!("(unnamed {key:08x})"), ToString::to_string)
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether the dictionary is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Number of labels dropped because the dictionary was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Size in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.texts.allocation_size() + self.text_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_dictionary_drops_labels_and_counts_them() {
        let mut names = LabelDictionary::new(1);
        names.intern(7, || "build-17".into());
        names.intern(8, || "build-18".into());
        assert_eq!(names.label(7), "build-17");
        assert_eq!(names.label(8), "(unnamed 00000008)");
        assert_eq!(names.dropped(), 1);
    }

    #[test]
    fn long_labels_are_cut_at_a_character_boundary() {
        let mut names = LabelDictionary::new(1);
        names.intern(7, || "ö".repeat(100).into());
        assert_eq!(names.label(7).chars().count(), MAX_LABEL_BYTES / 2);
    }
}
