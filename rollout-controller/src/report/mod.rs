//! What people and programs read: status, tables and notifications.
//!
//! The sentences that they quote are [`crate::domain::explain`].

pub mod chat;
pub mod eventbridge;
pub mod sns;
pub mod stage_table;
pub mod status;
pub mod tick;
