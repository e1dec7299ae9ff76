//! The pure part: counts in, verdicts out.
//!
//! It imports nothing of the other modules. Nothing in it is async or reads a clock, the environment, a
//! socket or a file. Time enters as [`Minute`], traffic as counts.
//!
//! | module | holds |
//! |---|---|
//! | [`weight`], [`minute`], [`slo`], [`route`], [`calendar`], [`labels`], [`plan`] | what a rollout is made of |
//! | [`observation`], [`code`], [`copy`], [`reading`] | what a look at the world saw |
//! | [`evidence2`], [`evidence`] | the engines: for new runs, and for those that began with the first one |
//! | [`wrong_answers`] | the objective beside them: compared answers that differ |
//! | [`engine`], [`gathered`], [`summary`], [`limits`] | a run's engine, the minutes it was fed, how the evidence stands, and who breaks a limit |
//! | [`event`], [`phase`], [`run`], [`journal`], [`draft`] | what happened, and the state that is its fold |
//! | [`reconcile`], [`assess`], [`raise`], [`decide`], [`decision`] | from journal and observation to the next events |
//! | [`both_sides`] | a raise that hurts both sides |
//! | [`command`] | what a person may order, and what becomes of it |
//! | [`protection`] | what is done while the journal cannot be used |
//! | [`health`], [`conditions`], [`message`], [`outbox`] | how it stands, what people should know, what they are sent |
//! | [`explain`], [`figures`] | decisions, events and health as sentences; numbers for people |

pub mod assess;
pub mod both_sides;
pub mod calendar;
pub mod code;
pub mod command;
pub mod conditions;
pub mod copy;
pub mod decide;
pub mod decision;
pub mod draft;
pub mod engine;
pub mod event;
pub mod evidence;
pub mod evidence2;
pub mod explain;
pub mod figures;
pub mod gathered;
pub mod health;
pub mod journal;
pub mod labels;
pub mod limits;
pub mod message;
pub mod minute;
pub mod observation;
pub mod outbox;
pub mod phase;
pub mod plan;
pub mod protection;
pub mod raise;
pub mod reading;
pub mod reconcile;
pub mod route;
pub mod run;
pub mod slo;
pub mod summary;
pub mod weight;
pub mod wrong_answers;

pub use evidence::{Engine, Evidence, EvidenceConfig, Family, HoldReason, Judged, Says, Signal};
pub use minute::{CommittedMinute, Edges, Histogram, Minute, SideCounts};
pub use slo::{Metric, Slo};
pub use weight::Weight;
