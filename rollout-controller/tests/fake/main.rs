//! The controller in a world in memory: ticks, commands, people and crashes, behind
//! the same ports as AWS. Only the journal of [`races`] and [`retention`] is a real
//! database.

#[path = "../support/journal.rs"]
mod journal;
#[path = "../support/kept_text.rs"]
mod kept_text;
#[path = "../support/peers.rs"]
#[allow(dead_code, reason = "the other peers are for other tests")]
mod peers;
#[path = "../support/pretend.rs"]
mod pretend;

mod check;
mod commands;
mod examples;
mod fuzz;
mod in_front;
mod invariants;
mod kept;
mod labels;
mod many;
mod never_safe;
mod next_minutes;
mod orders;
mod races;
mod races_killed;
mod readings;
mod retention;
mod screens;
mod simulate;
mod stories;
mod survive;
mod ticks;
mod together;
mod widget;
mod worlds;
mod wrong_answers;
