//! Moves traffic from Python to Rust on evidence.

pub mod act;
pub mod adapters;
pub mod cli;
pub mod command;
pub mod config;
pub mod domain;
pub mod doors;
pub mod emf;
pub mod journal_io;
pub mod messages;
pub mod observe;
pub mod ports;
pub mod protect;
pub mod replay;
pub mod report;
pub mod tick;
pub mod vectors;
pub mod view;
pub mod wire;
pub mod world;
