//! What rows are found by: the keys of experiments and runs, as SQLite takes them.

use sqlx::{Database, Encode, Sqlite, Type, encode::IsNull, error::BoxDynError};
use sqlx_macros::Type;

pub use crate::run::RunKey;

/// An experiment's place in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Type)]
#[sqlx(transparent)]
pub struct ExperimentKey(pub(super) i64);

// By hand, since the key itself belongs to `run`, which knows no database.
impl Type<Sqlite> for RunKey {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl<'q> Encode<'q, Sqlite> for RunKey {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlite as Database>::ArgumentBuffer,
    ) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'q, Sqlite>>::encode(self.get(), buffer)
    }
}
