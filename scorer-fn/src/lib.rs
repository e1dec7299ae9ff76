//! `GET /v2/stamps/{scorer_id}/score/{address}`: a drop-in for the Python
//! endpoint, on the same PostgreSQL tables.
//!
//! ```text
//! event ─► app (faults, log line, telemetry)
//!            └─► score (the contract's ten steps)
//!                  ├─ request                 what for
//!                  ├─ store: read             key, scorer, stamps, links: one statement
//!                  ├─ key, rate ─► redis      who asks, and how often
//!                  ├─ credential              which stamps count (issuer, proof, eip712)
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
//! - Proofs of other suites than `EthereumEip712Signature2021` that the trusted
//!   issuer's own key may have made: 500 with `error_type` `unsupported_proof` in
//!   the log, never a lower score. [`credential::proof`] says which those are.
//!   Every other type, known or not, is treated as Python treats it.
//! - Human points: the function does not start while
//!   `HUMAN_POINTS_WRITE_ENABLED` is on.
//! - The rate limit counts only in a shared Redis; the function does not start
//!   with `RATELIMIT_ENABLE` on and no `REDIS_URL`, nor with one that asks not
//!   to verify certificates.
//!
//! # Where the contract leaves something open
//!
//! Settled by recorded runs, or by reading the Python service and its verifier;
//! the differences that remain are marked with *differs*.
//!
//! Deduplication and what a score leaves behind:
//!
//! - A nullifier whose link this wallet holds, or may take over because it has
//!   ended, serves any number of stamps, if they spell one expiration date. If
//!   not, Python finds fewer links than it updated, five times: score error
//!   `Unexpected number of HashScorerLinks`. *Differs:* Python's updates stay,
//!   ours are not written.
//! - A nullifier without a link that would be linked twice fails the score with
//!   `Failed to save HashScorerLinks`. So does a clashing stamp's nullifier that
//!   has a link already, this wallet's own or another's that has ended: Python
//!   hands it to the holder of the clash as a new one.
//! - An empty `hash` is no hash, but where `nullifiers` stand beside it, it is
//!   the nullifier. One that is no text is looked for by its `str`. *Differs:*
//!   at the second request Python does not recognise its own link to it and fails.
//! - Without `FF_MULTI_NULLIFIER` a stamp that has no `v0` nullifier counts and
//!   links nothing, and an `LDP` event lists the `v0` ones only.
//! - A score error leaves the `registry_stamp` rows of an earlier score alone,
//!   unless only the weights fail: deleting belongs to storing, which comes
//!   after validation and deduplication.
//! - A value that does not fit its column (SQLSTATE class 22) among links and
//!   stamps is a score error in the words of Python's driver. Nothing else is
//!   written then but passport, score row and analytics row. Any other refusal
//!   is a 500, because one statement writes both what step 8 and what step 9
//!   owns.
//! - A weight beyond a double, an infinity included, is 500 with `DB Error:
//!   DataError` as in Python. *Differs:* Python leaves links, stamps and a score
//!   row in `PROCESSING` behind, we leave nothing.
//! - The `SCU` event keeps the offset of an expiration date that is not UTC.
//!
//! Reading stamps:
//!
//! - A number beyond a double, or nesting deeper than 127 levels, leaves out its
//!   own stamp, because Python's verifier does not read it, and does nothing to a
//!   stamp that nobody looks at. *Differs:* nesting of some 480 levels and more
//!   fails Python's whole score, at a depth that depends on its call stack.
//! - An integer of more than 4,300 digits fails the score in any live stamp.
//! - `created` is RFC 3339. *Differs:* Python's verifier also reads a blank for
//!   the `T`.
//!
//! Reading requests:
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
//! - A body is read to a depth of 985 levels, which is about where Python gives
//!   up. An integer beyond 64 bits is noted in the analytics row as the nearest
//!   double.
//!
//! # Texts of Python's exceptions
//!
//! Clients see those of score errors (`error` in the body), and the load
//! balancer and the analytics row those of 500s (`statusDescription`, `error`);
//! they are reproduced, as far as anything but a made-up row can raise them.
//! Dropped, because a provider's weight has to be a list with an integer beyond
//! 64 bits in it, or a customized scorer's weights a JSON scalar while the
//! customization has no weights: the `OverflowError` of the one, and the
//! `AttributeError` for `update` of the other. The messages of the database
//! behind `DB Error: DataError` are ours.
//!
//! A character that Unicode has assigned since version 14.0 prints as itself in
//! an error's text, where Python 3.11 escapes it.
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
pub mod live;
pub mod log;
pub mod python;
pub mod python_json;
pub mod redis;
pub mod score;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod time;
