//! The flow: what a tick, a command and a question do, step by step.
//!
//! | module | what |
//! |---|---|
//! | [`tick`], [`command`], [`query`] | one for each function |
//! | [`observe`] | reads rules, minutes and alarms; a failed read is something seen |
//! | [`act`] | writes one weight to every route and reads it back |
//! | [`protect`] | protection while the ledger is down |
//! | [`deliver`] | sends what the journal owes |
//! | [`store`] | journals between the ledger's rows and the domain's events |
//! | [`retention`] | deletes old minutes |

pub mod act;
pub mod command;
pub mod deliver;
pub mod observe;
pub mod protect;
pub mod query;
pub mod retention;
pub mod store;
pub mod tick;
