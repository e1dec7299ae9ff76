//! Loopback stand-in for AWS.

pub mod pgbouncer;
pub mod postgres;
mod supervised;
