//! Records of forward-decayed sums, declared so that no field can be left out of an operation on all of them.

use crate::stats::category::{CategoryMap, CategoryTable};
use crate::stats::hour_of_week::HourProfile;
use crate::stats::student::Moments;

/// A forward-decayed sum, or a record of such sums (see [`crate::stats::decay`]).
pub trait Decayed {
    /// Multiplies every sum by `factor`.
    fn rescale(&mut self, factor: f32);
}

impl Decayed for f32 {
    fn rescale(&mut self, factor: f32) {
        *self *= factor;
    }
}

impl Decayed for f64 {
    fn rescale(&mut self, factor: f32) {
        *self *= Self::from(factor);
    }
}

impl<T: Decayed, const N: usize> Decayed for [T; N] {
    fn rescale(&mut self, factor: f32) {
        self.iter_mut().for_each(|sum| sum.rescale(factor));
    }
}

impl Decayed for Moments {
    fn rescale(&mut self, factor: f32) {
        Self::rescale(self, factor);
    }
}

impl Decayed for HourProfile {
    fn rescale(&mut self, factor: f32) {
        Self::rescale(self, factor);
    }
}

impl<const N: usize> Decayed for CategoryTable<N> {
    fn rescale(&mut self, factor: f32) {
        Self::rescale(self, factor);
    }
}

impl Decayed for CategoryMap {
    fn rescale(&mut self, factor: f32) {
        Self::rescale(self, factor);
    }
}

/// Decayed counts by value.
pub trait ValueCounts: Decayed {
    /// Removes one adoption of `key`, of `weight`; the table of one identity forgets it altogether.
    fn unlearn(&mut self, key: u32, weight: f32);

    /// The counted values and their shares, largest first.
    fn strongest(&self) -> Vec<(u32, f64)>;

    /// Bytes outside the record itself.
    fn heap_bytes(&self) -> usize;

    /// Adds one adoption of `key`, of `weight`.
    fn adopt_value(&mut self, key: u32, weight: f32);

    /// Adds one adoption of each of `values`, of `weight`.
    fn adopt(&mut self, values: &[(u32, f64)], weight: f32) {
        values
            .iter()
            .for_each(|(key, _)| self.adopt_value(*key, weight));
    }
}

impl<const N: usize> ValueCounts for CategoryTable<N> {
    fn unlearn(&mut self, key: u32, _: f32) {
        self.forget(key);
    }

    fn strongest(&self) -> Vec<(u32, f64)> {
        Self::strongest(self)
    }

    fn heap_bytes(&self) -> usize {
        0
    }

    fn adopt_value(&mut self, key: u32, weight: f32) {
        self.add(key, weight);
    }
}

impl ValueCounts for CategoryMap {
    fn unlearn(&mut self, key: u32, weight: f32) {
        self.retract(key, weight);
    }

    fn strongest(&self) -> Vec<(u32, f64)> {
        Vec::new()
    }

    fn heap_bytes(&self) -> usize {
        self.memory_bytes() - size_of::<Self>()
    }

    fn adopt_value(&mut self, key: u32, weight: f32) {
        self.add(key, weight);
    }
}

/// Declares a struct, and of each field whether it is `fixed`, a `decayed` sum, or decayed counts of
/// `values`. All operations over all fields are generated, so that a new field needs a choice to compile.
macro_rules! decayed_struct {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$field_meta:meta])* $kind:ident $field_vis:vis $field:ident: $type:ty,)+
        }
    ) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type),+ }

        impl $crate::stats::decayed::Decayed for $name {
            fn rescale(&mut self, factor: f32) {
                $($crate::stats::decayed::decayed_struct!(@rescale $kind self.$field, factor);)+
            }
        }

        #[allow(dead_code, unused_mut, unused_variables, reason = "not every record counts values")]
        impl $name {
            /// Removes one adoption of the value `key`, of `weight`, wherever it is counted.
            pub(crate) fn unlearn_value(&mut self, key: u32, weight: f32) {
                $($crate::stats::decayed::decayed_struct!(@unlearn $kind self.$field, key, weight);)+
            }

            /// The counted values and their shares, of every feature in the order of declaration.
            pub(crate) fn value_shares(&self) -> Vec<Vec<(u32, f64)>> {
                let shares = [$($crate::stats::decayed::decayed_struct!(@shares $kind self.$field)),+];
                shares.into_iter().flatten().collect()
            }

            /// Adds one adoption of each value, of `weight`; features in the order of declaration.
            pub(crate) fn adopt_values(&mut self, features: &[Vec<(u32, f64)>], weight: f32) {
                let mut features = features.iter();
                $($crate::stats::decayed::decayed_struct!(@adopt $kind self.$field, features, weight);)+
                debug_assert!(features.next().is_none(), "both count the same features");
            }

            /// Bytes of the counted values outside the record itself.
            pub(crate) fn value_heap_bytes(&self) -> usize {
                let mut bytes = 0;
                $($crate::stats::decayed::decayed_struct!(@heap $kind self.$field, bytes);)+
                bytes
            }
        }
    };
    (@rescale fixed $field:expr, $factor:expr) => {};
    (@rescale $kind:ident $field:expr, $factor:expr) => {
        $crate::stats::decayed::Decayed::rescale(&mut $field, $factor)
    };
    (@unlearn values $field:expr, $key:expr, $weight:expr) => {
        $crate::stats::decayed::ValueCounts::unlearn(&mut $field, $key, $weight)
    };
    (@unlearn $kind:ident $field:expr, $key:expr, $weight:expr) => {};
    (@shares values $field:expr) => {
        Some($crate::stats::decayed::ValueCounts::strongest(&$field))
    };
    (@shares $kind:ident $field:expr) => { None };
    (@adopt values $field:expr, $features:ident, $weight:expr) => {
        if let Some(values) = $features.next() {
            $crate::stats::decayed::ValueCounts::adopt(&mut $field, values, $weight);
        }
    };
    (@adopt $kind:ident $field:expr, $features:ident, $weight:expr) => {};
    (@heap values $field:expr, $bytes:ident) => {
        $bytes += $crate::stats::decayed::ValueCounts::heap_bytes(&$field)
    };
    (@heap $kind:ident $field:expr, $bytes:ident) => {};
}
pub(crate) use decayed_struct;
