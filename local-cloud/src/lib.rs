//! Loopback stand-in for AWS.

pub mod foreign;
pub mod load;
pub mod parity;
pub mod pgbouncer;
pub mod postgres;
mod supervised;
