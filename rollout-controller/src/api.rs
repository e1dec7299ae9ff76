//! What `rolloutctl`, the page and the functions say to each other, as JSON.
//!
//! A command is [`Request`], its answer [`CommandOutcome`]; a [`Question`] gets an
//! [`Answer`].

use crate::check::Examination;
use crate::domain::command::{Request, Verdict};
use crate::domain::event::Stamped;
use crate::domain::evidence::Family;
use crate::domain::observation::RouteSeen;
use crate::domain::route::Route;
use crate::domain::slo::Metric;
use crate::ports::Seq;
use serde::{Deserialize, Serialize};

/// Answer to a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommandOutcome {
    /// Whose rollout.
    pub rollout: String,
    /// What became of it.
    pub outcome: Verdict,
    /// One or two sentences, for people.
    pub message: String,
    /// Journal revision after the command.
    pub revision: i64,
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
}

impl RouteShown {
    /// Each route with what was read of it.
    pub fn of(routes: &[Route], seen: &[Result<RouteSeen, String>]) -> Vec<Self> {
        let routes = routes.iter().zip(seen);
        routes
            .map(|(route, seen)| Self {
                route: route.name.clone(),
                shows: match seen {
                    Ok(seen) => seen.share.to_string(),
                    Err(error) => error.clone(),
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

/// How a rollout stands, by the exit code of `rolloutctl status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Advancing, gathering evidence, complete, or not started. Exit code 0.
    Fine,
    /// Something or somebody holds it. Exit code 10.
    Holding,
    /// Rolled back, or on the way. Exit code 20.
    RolledBack,
    /// The journal or the rules could not be read. Exit code 30.
    Unknown,
}

impl Standing {
    /// Exit code of `rolloutctl status`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Holding => 10,
            Self::RolledBack => 20,
            Self::Unknown => 30,
        }
    }

    pub(crate) fn icon(self) -> &'static str {
        match self {
            Self::Fine => "✔",
            Self::Holding => "॥",
            Self::RolledBack => "✖",
            Self::Unknown => "?",
        }
    }
}

/// Everything that `status` shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Whose.
    pub rollout: String,
    /// For the exit code.
    pub standing: Standing,
    /// One word or a few.
    pub state: String,
    /// Run number; 0 before the first.
    pub run: u32,
    /// `active` or `shadow`.
    pub mode: String,
    /// Journal revision: what commands are issued against.
    pub revision: i64,
    /// Rust share according to the journal, in percent.
    pub weight_percent: f64,
    /// Stage number from 1, and of how many.
    pub stage: (usize, usize),
    /// What every rule shows right now.
    pub routes: Vec<RouteShown>,
    /// Why it is where it is, and what it waits for.
    pub why: String,
    /// What a person can do, if anything is needed.
    pub next: String,
    /// Evidence against the new side.
    pub evidence: Option<EvidenceShown>,
    /// Rates and quantiles of this stage as text.
    pub table: Option<String>,
    /// Conditions that stand.
    pub standing_pages: Vec<String>,
    /// Messages not sent yet.
    pub unsent_messages: usize,
    /// Time of the last tick's decision, in milliseconds since the Unix epoch.
    pub last_tick_ms: Option<i64>,
    /// Last changes, oldest first.
    pub history: Vec<String>,
}

/// The evidence in numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvidenceShown {
    /// `ln E` against the new side.
    pub log_e: f64,
    /// Rollback from here.
    pub log_e_rollback: f64,
    /// The family that leads.
    pub lead: Family,
    /// Odds in words.
    pub odds: String,
    /// Per metric: `ln G` for the next step.
    pub gates: Vec<(Metric, f64)>,
    /// Every gate must reach this.
    pub log_gate_open: f64,
    /// Minutes with traffic in this stage.
    pub gate_ticks: u32,
    /// Last judged minute.
    pub judged: String,
}
