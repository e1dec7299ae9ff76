//! What the scorer and the controller both need around their work, written once.
//!
//! | module | what | feature |
//! |---|---|---|
//! | [`errors`] | an error and its causes in one line | |
//! | [`emf`] | metrics in a log line | |
//! | [`login`] | a database's password from a secret, and again when it was rotated | reading: `aws` |
//! | [`aws`] | the SDK's HTTP client, and one sentence for a failed call | `aws` |
//! | [`rds_iam`] | a token instead of a password | `rds-iam`, the controller's |
//! | [`otlp`] | exporters to a collector, and whom its data is about | `otlp` |
//!
//! # What stays apart
//!
//! How a statement is safe behind a transaction pooler: tokio-postgres sends a
//! whole statement with one Sync, which is a transaction of its own, and sqlx takes
//! two trips for it, so it needs `BEGIN` and `COMMIT` around even a single `SELECT`.
//! Addresses and TLS: each driver reads its own options, and sqlx verifies servers
//! itself where tokio-postgres is handed a verifier.

#[cfg(feature = "aws")]
pub mod aws;
pub mod emf;
pub mod errors;
pub mod login;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "rds-iam")]
pub mod rds_iam;
