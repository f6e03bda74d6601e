//! Texts behind the keys that baselines count, for explanations only.

use hashbrown::HashMap;
use std::borrow::Cow;

/// Key → text, bounded. Past the limit a value goes unnamed in explanations; scores never depend
/// on this table.
#[derive(Clone, Debug)]
pub struct LabelDictionary {
    texts: HashMap<u32, Box<str>>,
    text_bytes: usize,
    capacity: usize,
    dropped: u64,
    /// Keys that are new since they were kept last; no more than there are texts.
    pub(super) unsaved: Vec<u32>,
}

/// Longest text kept.
const MAX_LABEL_BYTES: usize = 120;

impl LabelDictionary {
    /// An empty table of at most `capacity` texts.
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

    /// Remembers the text of `key`, made by `text` where it is wanted, if there is room.
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

    /// Keys and texts, in the order of keys.
    pub(super) fn sorted(&self) -> Vec<(u32, &str)> {
        let mut all: Vec<(u32, &str)> = self.texts.iter().map(|(k, t)| (*k, &**t)).collect();
        all.sort_unstable();
        all
    }

    /// The same of those that are new since they were kept last, in the order of their coming.
    pub(super) fn unsaved(&self) -> Vec<(u32, &str)> {
        let keys = self.unsaved.iter();
        keys.filter_map(|key| Some((*key, &**self.texts.get(key)?)))
            .collect()
    }

    /// How many texts had no room before.
    pub(super) fn restore_dropped(&mut self, refused: u64) {
        self.dropped = refused;
    }

    /// The text of `key`; a placeholder where it is not kept.
    #[must_use]
    pub fn label(&self, key: u32) -> String {
        self.texts
            .get(&key)
            .map_or_else(|| format!("(unnamed {key:08x})"), ToString::to_string)
    }

    /// How many texts are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether no text is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// How many texts had no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.texts.allocation_size() + self.text_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_limit_values_go_unnamed_and_are_counted() {
        let mut names = LabelDictionary::new(1);
        names.intern(7, || "build-17".into());
        names.intern(8, || "build-18".into());
        assert_eq!(names.label(7), "build-17");
        assert_eq!(names.label(8), "(unnamed 00000008)");
        assert_eq!(names.dropped(), 1);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut names = LabelDictionary::new(1);
        names.intern(7, || "ö".repeat(100).into());
        assert_eq!(names.label(7).chars().count(), MAX_LABEL_BYTES / 2);
    }
}
