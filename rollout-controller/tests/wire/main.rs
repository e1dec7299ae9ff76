//! The adapters against programs that we did not write, and against the local cloud.
//!
//! An adapter that passes against our own stand-in may share its mistakes, so the
//! same tests run against foreign ones where those can do what is needed:
//!
//! | port | foreign peer | what only the local cloud can check |
//! |---|---|---|
//! | traffic | moto | throttling, answers lost after the commit |
//! | metrics, alarms | ministack | `TC(…)`, incomplete answers |
//! | code | – | all of it |
//! | the scorers' log | moto | pages, lines out of a function, trouble, lines that are forged |
//! | the run outside the journal | moto | outages, texts that make no sense |
//! | messages | ministack | the exact message, one broken channel of several |
//! | ledger | PostgreSQL, pgbouncer in transaction mode | – |
//!
//! A peer that is not installed fails the test under `CI=true` or
//! `ROLLOUT_REQUIRE_PEERS=1`, and is told on standard error otherwise.

#[path = "../support/functions.rs"]
mod functions;
#[path = "../support/journal.rs"]
mod journal;
#[path = "../support/peers.rs"]
mod peers;

mod alarms;
mod answers_log;
mod bad_input;
mod boto3;
mod calls;
mod check_cloud;
mod check_moto;
mod deployments;
mod fuzz;
mod invoke;
mod ledger;
mod ledger_pooled;
mod messages;
mod metrics;
mod scenes;
mod ssm;
mod telemetry;
mod traffic;
mod traffic_faults;
