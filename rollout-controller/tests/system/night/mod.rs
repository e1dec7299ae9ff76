//! Nights of the whole thing: the unchanged `rollout-controller` and `rolloutctl`
//! over real sockets, the journal in PostgreSQL behind pgbouncer in transaction
//! mode, the rest of AWS played by the local cloud in this process.
//!
//! Time is moved by hand and most traffic is put as metrics, minute by minute, so
//! that an hour takes a second. What the pretend world can show is shown there
//! (`tests/fake`); here it is processes, wires and
//! databases that fail.

mod alarm;
mod faults;
mod killed;
mod looks;
mod outages;
mod scene;
mod script;
mod servers;
mod spans;
