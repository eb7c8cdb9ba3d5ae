//! Between the types of the program and those of SQLite: numbers in range, words among the known ones, JSON.

use super::error::StoreError;

/// SQLite's whole numbers are signed.
pub(super) fn whole(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::TooLarge { what, value })
}

/// A number that the schema keeps in range.
pub(super) fn narrow<T: TryFrom<i64>>(what: &'static str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("the {what} {value}")))
}

/// A word that the schema keeps among the known ones.
pub(super) fn word<T: std::str::FromStr<Err = String>>(word: &str) -> Result<T, StoreError> {
    word.parse().map_err(StoreError::Corrupt)
}

pub(super) fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|source| StoreError::Json { action: format!("write {what} as JSON"), source })
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|source| StoreError::Json { action: format!("read {what} in the runs database"), source })
}
