//! Enums whose variants have one spelling outside the program.

/// An enum declared by [`string_enum!`](crate::string_enum!).
pub trait StringEnum: Copy + Sized + 'static {
    /// The variant spelled `text`.
    fn parse(text: &str) -> Option<Self>;

    /// The spelling outside the program.
    fn as_str(self) -> &'static str;

    /// All spellings, in declaration order.
    fn spellings() -> Vec<&'static str>;
}

/// Declares an enum whose variants have one spelling on the wire.
#[macro_export]
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(borsh::BorshSerialize, borsh::BorshDeserialize)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every variant, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The variant spelled `text`.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            /// The spelling on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl $crate::string_enum::StringEnum for $name {
            fn parse(text: &str) -> Option<Self> {
                Self::parse(text)
            }

            fn as_str(self) -> &'static str {
                self.as_str()
            }

            fn spellings() -> Vec<&'static str> {
                Self::ALL.iter().map(|value| value.as_str()).collect()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
