//! A journal in a real database.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "every test binary uses a part of it")]

use rollout_controller::adapters::ledger::{LedgerUrl, Login, SqlLedger, migrate};
use tempfile::TempDir;

pub fn address(text: &str) -> LedgerUrl {
    text.parse().expect("a ledger address")
}

pub fn ledger_at(url: &str) -> SqlLedger {
    SqlLedger::new(address(url), Login::in_url())
}

/// Makes the tables.
pub async fn migrated(url: &str) {
    migrate(&address(url), &Login::in_url()).await.expect("tables");
}

/// A database without tables, which goes with this value.
pub struct SqliteFile {
    _folder: TempDir,
    pub url: String,
}

pub fn sqlite() -> SqliteFile {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("ledger.db").display());
    SqliteFile { _folder: folder, url }
}
