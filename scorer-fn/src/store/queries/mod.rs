//! The statements of a request.
//!
//! [`read`] looks at everything that a score depends on, in one snapshot. Nothing
//! is locked and no transaction is open while the request is decided, Redis is
//! asked and the key is checked: the limit of a key is a column of its row, so
//! Redis cannot be asked before. [`write`](fn@write) then changes what has to
//! change, in one statement, and changes nothing if the wallet is no longer as it
//! was read. Behind it, in the same packet but in a transaction of its own, goes
//! the analytics row ([`Note`]), whose failure costs nobody an answer, and for which
//! no answer waits: [`noted`] does, when the answer is out.
//!
//! Each statement takes one value, a JSON object, and reads what it needs from
//! there by name.

mod note;
mod planned;
mod read;
mod write;

pub use note::{Note, Outcome, Visit, noted};
pub use planned::migration;
pub use read::{Asked, CommunityRow, Found, KeyRow, Plain, WalletRow, arrived, read};
pub use write::{Change, ScoreRow, Written, migrate, write};

use super::DbError;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

/// One column of a row.
fn get<'r, T: FromSql<'r>>(row: &'r Row, name: &str) -> Result<T, DbError> {
    row.try_get(name).map_err(|error| our_bug(&error))
}

/// A value that we and the server read differently.
fn our_bug(error: &dyn std::fmt::Display) -> DbError {
    DbError::Refused { code: "XX000".to_owned(), message: error.to_string() }
}
