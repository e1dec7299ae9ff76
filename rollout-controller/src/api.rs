//! What `rolloutctl`, the page and the functions say to each other, as JSON.
//!
//! A command is [`Request`], its answer [`CommandOutcome`]; a [`Question`] gets an
//! [`Answer`].

use crate::check::Examination;
use crate::domain::command::{Request, Verdict};
use crate::domain::event::Stamped;
use crate::domain::health::Kind;
use crate::domain::observation::{RouteSeen, Seen};
use crate::domain::route::Route;
use crate::domain::slo::Metric;
use crate::ports::Seq;
use serde::{Deserialize, Serialize};

/// Answer to a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommandOutcome {
    /// The rollout's name.
    pub rollout: String,
    /// What became of it.
    pub outcome: Verdict,
    /// One or two sentences, for people.
    pub message: String,
    /// Journal revision after the command; absent where the journal could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// State after the command, as `status` prints it.
    pub state: String,
    /// What each rule shows, read back.
    pub routes: Vec<RouteShown>,
    /// For a stale command: what happened since, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_since: Vec<String>,
    /// Nothing was done, this is what would have been.
    #[serde(default)]
    pub dry_run: bool,
}

impl CommandOutcome {
    /// `advancing at revision 17`
    pub fn place(&self) -> String {
        match self.revision {
            Some(revision) => format!("{} at revision {revision}", self.state),
            None => format!("{}, revision unknown", self.state),
        }
    }

    /// Logs what became of a command, with who gave it and why.
    pub fn log(&self, request: &Request) {
        let verb = request.order.name();
        tracing::info!(
            rollout.name = self.rollout,
            rollout.revision = self.revision,
            command = verb,
            command.id = request.id,
            command.identity = request.identity,
            command.reason = request.reason,
            outcome = ?self.outcome,
            "{}: {verb} by {}: {}",
            self.rollout,
            request.identity,
            self.message
        );
    }
}

/// What one rule shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteShown {
    /// Route.
    pub route: String,
    /// Its Rust share, or what is wrong.
    pub shows: String,
    /// Whether it is known to give Rust nothing.
    #[serde(default)]
    pub reached: bool,
}

impl RouteShown {
    /// Each route with what was read of it.
    pub fn of(routes: &[Route], seen: &[Seen<RouteSeen>]) -> Vec<Self> {
        let routes = routes.iter().zip(seen);
        routes
            .map(|(route, seen)| Self {
                route: route.name.clone(),
                reached: seen.as_ref().is_ok_and(|seen| seen.share.is_reached()),
                shows: match seen {
                    Ok(seen) => seen.share.to_string(),
                    Err(why) => why.to_string(),
                },
            })
            .collect()
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum Question {
    /// How a rollout stands.
    Status {
        /// Whose; may be left out if there is only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<String>,
    },
    /// What happened, newest last.
    History {
        /// See `Status`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<String>,
        /// Only entries before this revision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Seq>,
        /// At most this many, 1 to 500.
        #[serde(default = "fifty")]
        limit: u32,
        /// Also what ticks held and which messages were sent.
        #[serde(default)]
        all: bool,
    },
    /// What the doctor sees from inside this function.
    Check {
        /// Whose; all of them if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<String>,
        /// Judge ages for this time in milliseconds since the Unix epoch, not for now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of_ms: Option<i64>,
    },
}

fn fifty() -> u32 {
    50
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To `Status`.
    Status(Box<Status>),
    /// To `History`.
    History(History),
    /// To `Check`.
    Check(Examination),
    /// The question cannot be answered as asked.
    Refused {
        /// Why, and what to ask instead.
        message: String,
    },
}

/// A page of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    /// Whose.
    pub rollout: String,
    /// Oldest first.
    pub lines: Vec<String>,
    /// The events behind the lines, as journalled.
    pub events: Vec<Stamped>,
    /// Ask with this `before` for what came earlier; absent at the beginning.
    pub earlier: Option<Seq>,
}

/// How it stands, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthShown {
    /// One of six.
    pub kind: Kind,
    /// One or two words, and one sentence.
    pub headline: String,
    /// Exit code of `rolloutctl status`.
    pub exit_code: u8,
    /// The one next command, or that nothing is to be done.
    pub next: String,
    /// What else holds, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

/// Everything that `status` shows. What is not known is absent, never zero.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The rollout's name.
    pub rollout: String,
    /// How it stands.
    pub health: HealthShown,
    /// Where the newest run stands, in words; absent without a journal.
    pub state: Option<String>,
    /// Whether nothing moves any more, by evidence or by a person.
    pub ended: bool,
    /// Run number; 0 before the first.
    pub run: Option<u32>,
    /// `active` or `shadow`.
    pub mode: Option<String>,
    /// Journal revision: what commands are issued against.
    pub revision: Option<i64>,
    /// Share of the new side according to the journal, in percent.
    pub weight_percent: Option<f64>,
    /// Stage number from 1, and of how many.
    pub stage: Option<(usize, usize)>,
    /// What every rule shows right now.
    pub routes: Vec<RouteShown>,
    /// Why it is where it is, and what it waits for.
    pub why: String,
    /// How much slower counts as worse and how long bursts may be, with where that
    /// comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The code behind each route's groups, as journalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
    /// Evidence against the new side.
    pub evidence: Option<EvidenceShown>,
    /// Rates and quantiles of this stage as text.
    pub table: Option<String>,
    /// Conditions that stand.
    pub standing_pages: Vec<String>,
    /// Messages that some channel has not accepted; absent without a journal.
    pub unsent_messages: Option<usize>,
    /// The same, one sentence for each channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsent: Vec<String>,
    /// Time of the last tick's decision, in milliseconds since the Unix epoch.
    pub last_tick_ms: Option<i64>,
    /// Last changes, oldest first.
    pub history: Vec<String>,
}

/// The evidence in numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvidenceShown {
    /// `evidence-2` or `evidence-1`.
    pub engine: String,
    /// `ln E` against the new side.
    pub log_e: f64,
    /// Rollback from here.
    pub log_e_rollback: f64,
    /// The family that leads.
    pub lead: String,
    /// The odds of all evidence together, in words.
    pub odds: String,
    /// Per metric: proof for the next step.
    pub proofs: Vec<ProofShown>,
    /// Minutes with traffic in this stage.
    pub gate_ticks: u32,
    /// Last judged minute.
    pub judged: String,
}

/// Proof of one limit for the next step, in nats.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ProofShown {
    /// Which limit.
    pub metric: Metric,
    /// So far.
    pub has: f64,
    /// What the step takes.
    pub needs: f64,
}
