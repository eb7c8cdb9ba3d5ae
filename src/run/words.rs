//! Enums whose variants are words: in the database, in tables and in JSON the same.

/// Gives an enum its words: `as_str`, `Display` and `FromStr`.
macro_rules! words {
    ($type:ty: $($variant:ident = $word:literal),* $(,)?) => {
        impl $type {
            /// Every one, in the order of its definition.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// The word for the database, the tables and JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    other => Err(format!("`{other}` is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

pub(super) use words;
