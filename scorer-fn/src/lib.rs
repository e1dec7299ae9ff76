//! `GET /v2/stamps/{scorer_id}/score/{address}`: a drop-in for the Python
//! endpoint, on the same PostgreSQL tables.
//!
//! ```text
//! event ─► app (router, faults, log line, telemetry)
//!            └─► score (the contract's ten steps)
//!                  ├─ key, rate ─► redis      who asks, and how often
//!                  ├─ request                 what for
//!                  ├─ store                   one transaction: admit, lock, links, write
//!                  ├─ credential              which stamps count (eip712, proof)
//!                  ├─ dedup, weigh            pure: who holds what, what it is worth
//!                  └─ render                  body and row
//! ```
//!
//! Two programs serve the one router: `scorer-fn` (feature `lambda`) speaks the
//! Lambda Runtime API, `scorer-http` listens on a port. An ALB event reaches
//! the handler as it came, because the contract tells a missing field from an
//! empty one and HTTP cannot.
//!
//! # What is left out, and what happens instead
//!
//! - Proof types other than `EthereumEip712Signature2021`: a trusted, unexpired
//!   stamp with another one answers 500 with `error_type` `unsupported_proof` in
//!   the log. Never a lower score.
//! - Human points: the function does not start while
//!   `HUMAN_POINTS_WRITE_ENABLED` is on.
//! - The rate limit counts only in a shared Redis; the function does not start
//!   with `RATELIMIT_ENABLE` on and no `REDIS_URL`, nor with one that asks not
//!   to verify certificates.
//!
//! # Where the contract leaves something open
//!
//! - A score error deletes the passport's old `registry_stamp` rows, too: on the
//!   Python side a score begins with that.
//! - A nullifier of a clashing stamp that this wallet itself holds stays as it
//!   is; only unlinked ones go to the other wallet.
//! - One nullifier in two stamps that both write links is `Failed to save
//!   HashScorerLinks`, whether or not this wallet holds it already.
//! - The `SCU` event keeps the offset of an expiration date that is not UTC.
//! - `isBase64Encoded` with an empty body is an empty body.
//! - A weight that is NaN or infinite is a weight that cannot be read.
//! - A body nested deeper than 200 levels is refused; Python gives up near 1,000.
//! - Week dates and digits beyond ASCII are refused where Python takes them.
//! - The database being out is 503 with Python's body (`DB Error: …`), so that
//!   clients and alarms can tell it from a refusal of one request, which is 500.
//! - An answer that would come after the function's timeout is 503 shortly
//!   before it, which says more than the load balancer's 502.

pub mod answer;
pub mod app;
pub mod config;
pub mod credential;
pub mod decimal;
pub mod event;
pub mod fault;
pub mod log;
pub mod python;
pub mod python_json;
pub mod redis;
pub mod score;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod time;
