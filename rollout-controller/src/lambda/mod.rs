//! The Lambda functions: events in, answers, metrics, logs and traces out.

pub mod event;
pub mod handler;
pub mod metrics;
pub mod telemetry;
