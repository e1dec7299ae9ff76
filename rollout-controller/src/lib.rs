//! Moves traffic from Python to Rust on evidence.

pub mod cli;
pub mod config;
pub mod domain;
pub mod ports;
pub mod vectors;
