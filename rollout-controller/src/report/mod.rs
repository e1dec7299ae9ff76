//! What people read: one rendering each for log, page, terminal and widget.

pub mod chat;
pub mod eventbridge;
pub mod evidence;
pub mod history;
pub(crate) mod number;
pub mod sns;
pub mod stage_table;
pub mod status;
pub mod widget;
pub mod words;
