//! Whole histories of the controller under simulated faults.
//!
//! The production tick, commands, status and delivery run over a cloud behind their
//! ports, on one thread and in simulated time. Every call suspends on its way and on the
//! way back and has a [fate](fate); a [plan](plan) drawn from a seed says what people,
//! the scheduler, other writers and the machines do; [books](books) of the simulation's
//! own are held against every write, answer and end.

pub mod books;
pub mod chance;
pub mod cloud;
pub mod effects;
pub mod fate;
#[cfg(feature = "planted")]
pub mod gate;
pub mod plan;
pub mod play;
pub mod protocol;
pub mod shrink;
pub mod tally;
pub mod time;

#[cfg(test)]
mod kept;
