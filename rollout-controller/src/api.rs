//! What `rolloutctl`, the page and the functions say to each other, as JSON.
//!
//! A command is [`Request`], its answer [`CommandOutcome`]; a [`Question`] gets an
//! [`Answer`].

use crate::check::Examination;
use crate::domain::command::{Request, Verdict};
use crate::domain::event::Stamped;
use crate::domain::explain::short;
use crate::domain::health::Kind;
use crate::domain::observation::{RouteSeen, Seen};
use crate::domain::plan::Mode;
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::ports::Seq;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

/// Answer to a command.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CommandOutcome {
    /// `rollout-command/2`.
    pub schema: String,
    /// The rollout's name.
    pub rollout: String,
    /// The command's verb: `start`, `pause`, …
    pub command: String,
    /// What became of it.
    pub outcome: Verdict,
    /// One or two sentences, for people.
    pub message: String,
    /// Journal revision after the command; null where the journal could not be used.
    pub revision: Option<i64>,
    /// Phase after the command, in words, as `status` prints it.
    pub phase: String,
    /// What each rule shows, read back.
    pub routes: Vec<RouteShown>,
    /// When that was read.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub read_at: Option<Timestamp>,
    /// For a stale command: what happened since, oldest first.
    pub changed_since: Vec<Change>,
    /// Nothing was done, this is what would have been.
    pub dry_run: bool,
}

/// `schema` of [`CommandOutcome`].
pub const COMMAND_SCHEMA: &str = "rollout-command/2";
/// `schema` of [`Status`].
pub const STATUS_SCHEMA: &str = "rollout-status/2";
/// `schema` of [`Overview`].
pub const OVERVIEW_SCHEMA: &str = "rollout-overview/1";
/// `schema` of [`History`].
pub const HISTORY_SCHEMA: &str = "rollout-history/2";

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteShown {
    /// The route's name.
    pub name: String,
    /// The new side's share in percent; null where the rule could not be read or shows no
    /// share of ours.
    pub share: Option<f64>,
    /// The same for people, or what is wrong.
    pub shows: String,
    /// Whether it is known to give the new side nothing.
    pub reached: bool,
    /// Why the rule could not be read.
    pub error: Option<String>,
}

impl RouteShown {
    /// Each route with what was read of it.
    pub fn of(routes: &[Route], seen: &[Seen<RouteSeen>]) -> Vec<Self> {
        let routes = routes.iter().zip(seen);
        routes
            .map(|(route, seen)| Self {
                name: route.name.clone(),
                share: seen.as_ref().ok().and_then(|seen| seen.share.weight()).map(Weight::percent),
                reached: seen.as_ref().is_ok_and(|seen| seen.share.is_reached()),
                shows: match seen {
                    Ok(seen) => seen.share.to_string(),
                    Err(_) => "unknown".to_owned(),
                },
                error: seen.as_ref().err().map(ToString::to_string),
            })
            .collect()
    }

    /// `public 5% · internal unknown (connection refused)`.
    pub fn list(routes: &[Self]) -> String {
        let each: Vec<String> = routes
            .iter()
            .map(|route| match &route.error {
                None => format!("{} {}", route.name, route.shows),
                Some(error) => format!("{} {} ({})", route.name, route.shows, short(error)),
            })
            .collect();
        each.join(" · ")
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum Question {
    /// How a rollout is doing; all of them if no name is given and there are several.
    Status {
        /// Its name.
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
        /// Its name; all of them if left out.
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
    /// To `Status`, one for each rollout that was asked for.
    Status {
        /// In the order of the configuration.
        rollouts: Vec<Status>,
    },
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// `rollout-history/2`.
    pub schema: String,
    /// The rollout's name.
    pub rollout: String,
    /// When it was read.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub now: Timestamp,
    /// One line for each change, oldest first.
    pub changes: Vec<Change>,
    /// The events behind them, as journalled: full identities and numbers.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    pub events: Vec<Stamped>,
    /// Ask with this `before` for what came earlier; null at the beginning.
    pub earlier: Option<Seq>,
}

/// One line of a rollout's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Journal revision of the newest entry that belongs to it.
    pub revision: i64,
    /// When it began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who: a person's short name, `tick`, or `someone`.
    pub by: String,
    /// What happened, without a full stop.
    pub text: String,
    /// What it did.
    pub kind: ChangeKind,
}

/// What a change did, for marks on a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A run began, or ended by itself.
    Run,
    /// The share rose, or was to rise.
    Step,
    /// The share fell without leaving traffic.
    StepBack,
    /// Out of traffic.
    Rollback,
    /// A person paused or went on.
    Pause,
    /// Someone else changed a share.
    Moved,
    /// Other code.
    Code,
    /// A page was sent, or what it said is over.
    Page,
    /// Everything else.
    Note,
}

/// Everything that `status` shows. What is not known is null, never zero; shares are
/// percent, ratios 0 to 1.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// `rollout-status/2`.
    pub schema: String,
    /// The rollout's name.
    pub rollout: String,
    /// Run number, 0 before the first; null without a journal.
    pub run: Option<u32>,
    /// Whether its decisions move anything; null before the first run.
    pub mode: Option<Mode>,
    /// Where the newest run is, in words: `advancing`, `rolled back`, …; null without a journal.
    pub phase: Option<String>,
    /// Whether the newest run has ended, by evidence or by a person.
    pub ended: bool,
    /// What people call the two sides.
    pub labels: Sides<String>,
    /// What a person must think of first.
    pub health: Kind,
    /// Exit code of `rolloutctl status`.
    pub exit_code: u8,
    /// Health and its sentence.
    pub headline: String,
    /// Why.
    pub reason: Reason,
    /// The one command that helps; null if nothing need be done.
    pub next: Option<String>,
    /// The same with words around it, a line or two.
    pub advice: String,
    /// What else holds, most urgent first.
    pub also: Vec<Also>,
    /// When this was read.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub now: Timestamp,
    /// Begin of the newest minute that was judged on the present code.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub as_of: Option<Timestamp>,
    /// Scheduled time of the newest tick.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_tick_at: Option<Timestamp>,
    /// Journal revision: what commands are issued against.
    pub revision: Option<i64>,
    /// The shares.
    pub share: ShareShown,
    /// What every rule shows right now.
    pub routes: Vec<RouteShown>,
    /// Requests that were judged at this share; null before the first.
    pub requests: Option<Sides<u64>>,
    /// Minutes that count for the next step.
    pub minutes: Option<u32>,
    /// Each limit, errors first; empty before anything was judged.
    pub metrics: Vec<MetricShown>,
    /// Compared answers; null where they are no objective, and before the first run.
    #[serde(default)]
    pub wrong_answers: Option<WrongAnswersShown>,
    /// All evidence against the new side together; null before anything was judged.
    pub suspicion: Option<SuspicionShown>,
    /// Conditions that a page was sent for and that still hold.
    pub pages: Vec<PageShown>,
    /// Messages that some channel has not accepted; null without a journal.
    pub unsent: Option<u64>,
    /// The same by channel.
    pub unsent_channels: Vec<UnsentShown>,
    /// The code behind each route's groups, as journalled.
    pub code: Vec<CodeShown>,
    /// How much slower counts as worse and how long bursts may be, in words.
    pub choices: Vec<String>,
    /// `evidence-2` or `evidence-1`; null before the first run.
    pub engine: Option<String>,
    /// Last changes, oldest first.
    pub changes: Vec<Change>,
}

/// A value of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sides<T> {
    /// The side being replaced.
    pub old: T,
    /// The side being rolled out.
    pub new: T,
}

/// Why it is as the headline says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// A stable word: `not_proven`, `rolled_back`, `no_tick`, …
    pub code: String,
    /// The limit that it is about: `errors`, `P50`, `P95`, `P99`.
    pub metric: Option<String>,
    /// A sentence or more.
    pub text: String,
    /// The same, at most one claim a line.
    pub lines: Vec<String>,
    /// For a rollback on evidence: if the new side kept its limits, evidence this strong would
    /// turn up in at most one of so many rollouts.
    pub false_alarm_at_most_one_in: Option<u64>,
}

/// Something else that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Also {
    /// As in `Status::health`.
    pub health: Kind,
    /// One sentence.
    pub text: String,
}

/// Shares in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareShown {
    /// The new side's, as the journal has it; null without a journal or run.
    pub journal: Option<f64>,
    /// Where it came down from, after a rollback.
    pub before: Option<f64>,
    /// The stage that follows; null if none does.
    pub next: Option<f64>,
    /// The planned ones.
    pub stages: Vec<f64>,
    /// How many of them are reached.
    pub reached: Option<usize>,
}

/// One limit, both sides, and how far proof and suspicion are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricShown {
    /// `errors`, `P50`, `P95`, `P99`.
    pub name: String,
    /// Largest allowed ratio of requests that fail, or are slower than `limit_ms`.
    pub limit: f64,
    /// The latency limit in milliseconds; null for errors.
    pub limit_ms: Option<f64>,
    /// The side being replaced.
    pub old: SideShown,
    /// The side being rolled out.
    pub new: SideShown,
    /// How full the proof for the next step is, 0 to 1; null where none is asked for.
    pub proof: Option<f64>,
    /// Whether it is full.
    pub proven: bool,
    /// About so many minutes until it is full at this traffic; null: none can be told.
    pub minutes_left: Option<u64>,
    /// This limit's part of the suspicion, 0 to 1 (1 = rollback).
    pub suspicion: f64,
    /// The numbers behind both, natural logarithms.
    pub log: LogShown,
}

/// Evidence of one limit in nats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogShown {
    /// Proof so far; null if not finite.
    pub proof: Option<f64>,
    /// What the step takes.
    pub proof_needed: f64,
    /// Against the new side; null if not finite.
    pub against: Option<f64>,
}

/// One side of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SideShown {
    /// Requests that failed or were too slow.
    pub count: u64,
    /// Requests.
    pub of: u64,
    /// Bounds of the ratio that hold at every look with 95%.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// For a latency: the quantile in milliseconds, the upper edge of its bucket; null
    /// without a sample, and beyond the last edge.
    pub ms: Option<f64>,
    /// Bounds of the quantile; null where it is open.
    pub ms_low: Option<f64>,
    /// See `ms_low`.
    pub ms_high: Option<f64>,
    /// Whether the limit is broken on this side.
    pub broken: bool,
}

/// Answers of the new side that were compared with the old side's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrongAnswersShown {
    /// Largest ratio of compared answers that may differ.
    pub limit: f64,
    /// Whether a step needs proof that the limit is kept.
    pub required: bool,
    /// Answers of the present code that were compared, or of the present share where that
    /// breaks the limit; null: nothing is known.
    pub compared: Option<u64>,
    /// Those that differ.
    pub different: Option<u64>,
    /// Calls to the old side that failed: neither good nor bad.
    pub failed: Option<u64>,
    /// Those that differ by kind, the most frequent first. One answer can be of several.
    pub kinds: Vec<KindShown>,
    /// Examples, read once when they were the reason of a rollback; null: not read then.
    #[serde(default)]
    pub examples: Option<ExamplesShown>,
    /// Bounds of the ratio that hold at every look with 95%; null where nothing was compared.
    pub low: Option<f64>,
    /// See `low`.
    pub high: Option<f64>,
    /// Whether the limit is broken.
    pub broken: bool,
    /// How full the proof for the next step is, 0 to 1.
    pub proof: f64,
    /// Whether it is full.
    pub proven: bool,
    /// About so many comparisons until it is full; null: none can be told.
    pub comparisons_left: Option<u64>,
    /// Its part of the suspicion, 0 to 1 (1 = rollback).
    pub suspicion: f64,
    /// The numbers behind both, natural logarithms.
    pub log: LogShown,
    /// Begin of the newest minute with a count.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub as_of: Option<Timestamp>,
}

/// Examples of wrong answers, out of the log of the new side's functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExamplesShown {
    /// At most five places, the most frequent first.
    pub named: Vec<ExampleShown>,
    /// Places that differed as well and are not named.
    pub other: u64,
    /// Whether the log was read to its end; false where it could not be read.
    pub whole: bool,
    /// Why the log could not be read. Nothing is known then, which is not the same as none.
    pub error: Option<String>,
    /// All of it in words, one claim a line.
    pub lines: Vec<String>,
}

/// Answers that differ at one place in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExampleShown {
    /// In which.
    pub kind: answers::Kind,
    /// Where: a member such as `stamps.*.score`, a header, `status`, or `$` for the whole.
    pub path: String,
    /// What most of the old side's answers have there, without the value.
    pub old: answers::Shape,
    /// What most of the new side's answers have there, without the value.
    pub new: answers::Shape,
    /// How many of the answers that were logged.
    pub answers: u64,
}

/// Answers that differ in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindShown {
    /// In which.
    pub kind: answers::Kind,
    /// How many.
    pub answers: u64,
}

/// All evidence against the new side together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuspicionShown {
    /// Natural logarithm of the evidence.
    pub log_e: f64,
    /// Rollback from here.
    pub log_e_rollback: f64,
    /// 0 to 1; 0.5 stops steps, 1 rolls back.
    pub part: f64,
    /// In one word.
    pub level: Level,
    /// The family that leads.
    pub lead: String,
}

/// What suspicion does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing.
    Low,
    /// No step is taken.
    Raised,
    /// The new side is taken out of traffic.
    Rollback,
}

impl Level {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Raised => "raised",
            Self::Rollback => "rollback",
        }
    }
}

/// A page that was sent and is not resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageShown {
    /// Topic, and the name of its runbook.
    pub topic: String,
    /// Since when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
}

/// Messages that a channel has not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnsentShown {
    /// Which channel.
    pub channel: String,
    /// How many.
    pub messages: u64,
    /// The oldest one's time.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub oldest: Timestamp,
    /// What the channel says.
    pub error: Option<String>,
}

/// What `status --json` prints where there are several rollouts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// `rollout-overview/1`.
    pub schema: String,
    /// Exit code of `rolloutctl status`: that of the worst.
    pub exit_code: u8,
    /// In the order of the configuration.
    pub rollouts: Vec<Status>,
}

impl Overview {
    /// All of them.
    pub fn of(rollouts: Vec<Status>) -> Self {
        Self { schema: OVERVIEW_SCHEMA.to_owned(), exit_code: worst(&rollouts), rollouts }
    }
}

/// Exit code where nothing is known.
pub const NO_ANSWER: u8 = 30;

/// Exit code of the rollout with the worst health; [`NO_ANSWER`] if there is none.
pub fn worst(rollouts: &[Status]) -> u8 {
    let worst = rollouts.iter().min_by_key(|status| (status.health, 255 - status.exit_code));
    worst.map_or(NO_ANSWER, |status| status.exit_code)
}

/// The code of one route; null: not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodeShown {
    /// The route's name.
    pub route: String,
    /// Behind the old group.
    pub old: Option<String>,
    /// Behind the new group.
    pub new: Option<String>,
}

/// The JSON schemas of what `--json` prints, by name.
pub fn schemas() -> [(&'static str, Schema); 5] {
    [
        ("status", schema_for!(Status)),
        ("overview", schema_for!(Overview)),
        ("history", schema_for!(History)),
        ("command", schema_for!(CommandOutcome)),
        ("compare", schema_for!(crate::compare::report::Report)),
    ]
}
