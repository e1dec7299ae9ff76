//! What people read: one rendering each for log, page, terminal and widget.

pub mod evidence;
mod number;
pub mod stage_table;
pub mod words;
