//! Values on their way to the server and back.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Decode, Encode, Postgres, Row, Type};

use crate::store::DbError;

/// Positional values of a statement, or why the first of them cannot be sent.
pub(super) struct Values(Result<PgArguments, DbError>);

impl Values {
    pub(super) fn new() -> Self {
        Self(Ok(PgArguments::default()))
    }

    pub(super) fn with<'q, T: Encode<'q, Postgres> + Type<Postgres>>(self, value: T) -> Self {
        Self(self.0.and_then(|mut arguments| {
            arguments.add(value).map_err(|error| our_bug(&error))?;
            Ok(arguments)
        }))
    }

    pub(super) fn all(self) -> Result<PgArguments, DbError> {
        self.0
    }
}

/// One column of a row.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    index: usize,
) -> Result<T, DbError> {
    row.try_get(index).map_err(|error| our_bug(&error))
}

/// A value that we and the server read differently.
pub(super) fn our_bug(error: &dyn std::fmt::Display) -> DbError {
    DbError::Refused { code: "XX000".to_owned(), message: error.to_string() }
}
