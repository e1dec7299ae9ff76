//! `GET /v2/stamps/{scorer_id}/score/{address}`: a drop-in for the Python
//! endpoint, on the same PostgreSQL tables.
//!
//! ```text
//! event ─► app (faults, log line, telemetry)
//!            └─► score (the contract's ten steps)
//!                  ├─ request                 what for
//!                  ├─ store: read             key, scorer, stamps, links: one statement
//!                  ├─ key, rate ─► redis      who asks, and how often
//!                  ├─ credential              which stamps count (eip712, proof)
//!                  ├─ dedup, weigh            pure: who holds what, what it is worth
//!                  ├─ render                  body and row
//!                  └─ store: write            what has to change: one statement
//! ```
//!
//! Two programs serve it: `scorer-fn` (feature `lambda`) speaks the Lambda
//! Runtime API and hands each event on as it came, because the contract tells a
//! missing field from an empty one and HTTP cannot; `scorer-http` listens on a
//! port and makes such events out of requests.
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
//! Deduplication and what a score leaves behind:
//!
//! - A clashing stamp's nullifiers "without any clash get a new link": taken by
//!   the letter. Where such a nullifier has a link already, this wallet's own or
//!   another's that has ended, a new one violates the unique index at every try,
//!   so the score fails with `Failed to save HashScorerLinks`.
//! - One nullifier in two stamps that both write links fails the same way,
//!   whether or not this wallet holds it already; so does one nullifier twice in
//!   a stamp.
//! - Without `FF_MULTI_NULLIFIER` a stamp that has no `v0` nullifier counts and
//!   links nothing, and an `LDP` event lists the `v0` ones only.
//! - A `hash` that is empty is a nullifier like another: the key is there. One
//!   that is no text leaves its stamp out.
//! - A score error leaves the `registry_stamp` rows of an earlier score alone,
//!   unless only the weights fail: deleting belongs to storing, which comes
//!   after validation and deduplication.
//! - A value that does not fit its column (SQLSTATE class 22) among links and
//!   stamps is a score error in the words of Python's driver. Nothing else is
//!   written then but passport, score row and analytics row. Any other refusal
//!   is a 500, because one statement writes both what step 8 and what step 9
//!   owns.
//! - The `SCU` event keeps the offset of an expiration date that is not UTC.
//!
//! Reading:
//!
//! - An address with a line feed behind it is 400. Python's `$` matches before
//!   one, unless the whole text has to match; no load balancer sends it.
//! - An alias while `DEMO_API_KEY` is not set is a 401: there is nothing to
//!   replace it by.
//! - A rate is read as django-ratelimit reads it: only s, m, h and d are units,
//!   none means seconds, and what follows is not looked at. One that cannot be
//!   read is a 500.
//! - `isBase64Encoded` with an empty body is an empty body. An encoded body is
//!   read as text, so a byte order mark in it is refused like one in plain text.
//! - A body nested deeper than 200 levels is refused; Python gives up near 1,000.
//! - A weight that is NaN or infinite is a weight that cannot be read.
//! - A character that Unicode has assigned since version 14.0 prints as itself
//!   in an error's text, where Python 3.11 escapes it.
//!
//! Trouble:
//!
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
#[cfg(feature = "faults")]
mod fault;
pub mod log;
pub mod python;
pub mod python_json;
pub mod redis;
pub mod score;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod time;
