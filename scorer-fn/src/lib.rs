//! x
pub mod answer;
pub mod app;
pub mod config;
pub mod credential;
pub mod decimal;
pub mod event;
pub mod fault;
pub mod log;
pub mod python;
pub mod python_json;
pub mod redis;
pub mod score;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod time;
