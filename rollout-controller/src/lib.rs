//! Moves traffic from Python to Rust on evidence.

pub mod domain;
