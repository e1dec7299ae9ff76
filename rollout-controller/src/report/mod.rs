//! What people and programs read: status, story, screens and notifications.
//!
//! The sentences that they quote are [`crate::domain::explain`].

pub mod chat;
pub mod eventbridge;
pub mod screen;
pub mod sns;
pub mod status;
pub mod story;
pub mod tick;
