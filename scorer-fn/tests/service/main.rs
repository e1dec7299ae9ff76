//! The whole service with real servers: databases, poolers, Redis, collectors,
//! and both programs.

#[cfg(feature = "lambda")]
mod analytics;
#[cfg(all(feature = "lambda", feature = "secrets", feature = "compare"))]
mod calls;
mod database;
mod demo;
mod driver;
#[cfg(feature = "lambda")]
mod entry_points;
mod fuzz;
mod generated;
mod golden;
mod hostile;
#[cfg(feature = "lambda")]
mod hunts;
#[cfg(feature = "lambda")]
mod parity;
mod rate_limit;
mod runtime;
#[cfg(feature = "secrets")]
mod secrets;
#[cfg(feature = "lambda")]
mod soak;
mod support;
#[cfg(feature = "otlp")]
mod telemetry;
mod tls;
