//! Looks for requests that two implementations of the score endpoint answer differently.
//!
//! ```text
//! seed ─► Case ─► Side (Rust)   ─► Steps ─┐
//!   wallets,      Side (other)  ─► Steps ─┴► Difference ─► shrink ─► golden case
//!   stamps, asks  (own databases)            (answers, rows)
//! ```
//!
//! Both sides get the same rows in databases of their own, then the same requests. What
//! differs is made as small as it goes and written as a recorded case, which
//! `local-cloud parity` replays. Development only.

pub mod cli;
pub mod compare;
pub mod found;
pub mod known;
pub mod run;
pub mod shrink;
pub mod side;
pub mod wallets;
