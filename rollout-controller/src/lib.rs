//! Moves traffic from Python to Rust on evidence.

pub mod adapters;
pub mod cli;
pub mod config;
pub mod domain;
pub mod ports;
pub mod replay;
pub mod report;
pub mod vectors;
