//! What people read: one rendering each for log, page, terminal and widget.

pub mod chat;
pub mod evidence;
pub mod eventbridge;
mod number;
pub mod sns;
pub mod stage_table;
pub mod words;
pub mod history;
pub mod status;
pub mod widget;
