//! What a tick needs from the world, in our words.
//!
//! One trait for each thing that can fail by itself. Adapters ([`crate::adapters`])
//! speak to AWS and SQL; [`crate::world`] is a pretend world behind the same traits.
//! Errors name operation and resource; the foreign cause is boxed, so that both
//! can fail the same way.

use crate::domain::code::RouteCodeSeen;
use crate::domain::copy::{Copy, OutsideOrder};
use crate::domain::message::Channel;
use crate::domain::minute::Minute;
pub use crate::domain::observation::{
    AlarmSeen, AlarmState, MinuteRead, RouteMinute, RouteSeen, Share,
};
use crate::domain::outbox::Debt;
use crate::domain::route::{GroupArn, Route, RuleArn};
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::Logged;
use crate::planted::planted;
use async_trait::async_trait;
use jiff::Timestamp;
use std::time::Duration;

/// A foreign error, kept for its text and its chain.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

// ---------------------------------------------------------------- the ledger

/// Position in one rollout's journal: 1 for the first entry, without holes.
/// It is also the revision that commands are issued against; 0 is the empty journal.
pub type Seq = i64;

/// One row of the journal. The body is JSON that only the domain reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position, ascending by one.
    pub seq: Seq,
    /// Time of the entry in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Kind of event, for people who read the table.
    pub kind: String,
    /// The event as JSON.
    pub body: String,
}

impl Entry {
    /// Whether it may be written behind the last entry of a journal, none of an empty one:
    /// it has the next number and is not older.
    pub fn follows(&self, last: Option<&Self>) -> bool {
        last.map_or(self.seq == 1, |last| self.seq == last.seq + 1 && self.at_ms >= last.at_ms)
    }
}

/// A fold of the journal up to `seq`; a cache that can always be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Last entry that the fold contains.
    pub seq: Seq,
    /// Shape of `body`; another shape is ignored and rebuilt.
    pub version: i64,
    /// The folded state as JSON.
    pub body: String,
}

/// A journal as read: the newest usable snapshot and all entries after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Absent: `entries` starts at 1.
    pub snapshot: Option<Snapshot>,
    /// Ascending by `seq`.
    pub entries: Vec<Entry>,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// All entries are in the journal.
    Won,
    /// None is: somebody else wrote an entry with one of these numbers first, or one that
    /// is newer, on a journal that was restored meanwhile.
    Lost,
}

/// Append-only store of journals, one for each rollout name.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reads these journals at one moment, in order; an unknown name is an empty
    /// journal. Snapshots whose version is not `version` are passed over.
    async fn read_all(&self, rollouts: &[&str], version: i64) -> Vec<Result<Written, LedgerError>>;

    /// Reads one journal.
    async fn read(&self, rollout: &str, version: i64) -> Result<Written, LedgerError> {
        let read = self.read_all(&[rollout], version).await.pop();
        read.unwrap_or_else(|| {
            Err(LedgerError::Unreachable {
                operation: "reading",
                rollout: rollout.to_owned(),
                source: "no answer".into(),
            })
        })
    }

    /// Adds entries, all or none. The database's unique key on (rollout, seq) is the
    /// mutual exclusion between ticks and commands. A snapshot replaces the older one
    /// of the rollout, if the entries are in; that it failed is no error, because a
    /// snapshot can always be made again.
    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError>;

    /// Entries with `seq < before` (all for `None`), newest first, at most `limit`.
    async fn history(
        &self,
        rollout: &str,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError>;

    /// The same for entries of these kinds alone, found by an index: a journal of
    /// a month has tens of thousands of minutes between a handful of changes.
    async fn history_of(
        &self,
        rollout: &str,
        kinds: &[&str],
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Entry>, LedgerError>;

    /// Deletes entries of one kind that are older than `before_ms` and contained
    /// in the present snapshot. Returns how many went.
    async fn prune(&self, rollout: &str, kind: &str, before_ms: i64) -> Result<u64, LedgerError>;
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database cannot be reached, or did not answer in time.
    #[error("{operation} the journal of rollout `{rollout}`: the database cannot be reached")]
    Unreachable {
        /// What we were doing, as a verb: `reading`, `writing`.
        operation: &'static str,
        /// Whose journal.
        rollout: String,
        /// The driver's error.
        #[source]
        source: BoxError,
    },
    /// The database answers, and the tables are not as this version expects.
    #[error(
        "{operation} the journal of rollout `{rollout}`: tables missing or of another version; run `rolloutctl migrate`"
    )]
    NotMigrated {
        /// What we were doing.
        operation: &'static str,
        /// Whose journal.
        rollout: String,
        /// The driver's error.
        #[source]
        source: BoxError,
    },
    /// An entry that this version cannot read.
    #[error("entry {seq} of rollout `{rollout}` cannot be read")]
    Corrupt {
        /// Whose journal.
        rollout: String,
        /// Which entry.
        seq: Seq,
        /// What the reader says.
        #[source]
        source: BoxError,
    },
}

/// Leave to write weights. Writers take it by reference, and only [`append`] and
/// [`WritePermit::lower_only`] make one, so that forgetting the journal does not
/// compile.
#[derive(Debug)]
pub struct WritePermit {
    scope: Scope,
    deadline: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Journalled(Seq),
    LowerOnly,
}

impl WritePermit {
    /// Leave to lower the new side's share and never to raise it: for protection
    /// and rollbacks while the journal cannot be written, and for a person with
    /// credentials of their own.
    pub fn lower_only(deadline: Timestamp) -> Self {
        Self { scope: Scope::LowerOnly, deadline }
    }

    /// Entry that holds the intent; `None` for leave to lower only.
    pub fn seq(&self) -> Option<Seq> {
        match self.scope {
            Scope::Journalled(seq) => Some(seq),
            Scope::LowerOnly => None,
        }
    }

    /// Whether a rule that shows `found` may be given `to`. The adapter asks
    /// right before it writes.
    pub fn allows(&self, found: &Share, to: Weight) -> bool {
        match self.scope {
            Scope::Journalled(_) => true,
            Scope::LowerOnly => match found {
                Share::Weight(found) => to <= *found,
                Share::Foreign(_) => to == Weight::ZERO,
            },
        }
    }

    /// Real time after which nothing may be written on this permit any more.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }
}

/// Appends entries and hands out the permit, or `None` if another writer was first.
pub async fn append(
    ledger: &dyn Ledger,
    rollout: &str,
    entries: &[Entry],
    snapshot: Option<&Snapshot>,
    deadline: Timestamp,
) -> Result<Option<WritePermit>, LedgerError> {
    let seq = entries.last().map_or(0, |entry| entry.seq);
    match ledger.insert(rollout, entries, snapshot).await? {
        Inserted::Won => Ok(Some(WritePermit { scope: Scope::Journalled(seq), deadline })),
        Inserted::Lost if planted!(LostRaceIsWon) => {
            Ok(Some(WritePermit { scope: Scope::Journalled(seq), deadline }))
        }
        Inserted::Lost => Ok(None),
    }
}

// --------------------------------------------------------------- the traffic

/// Reads and moves the weights of listener rules.
#[async_trait]
pub trait Traffic: Send + Sync {
    /// Reads the weighted rule and the rules before it on the same listener.
    async fn read(&self, route: &Route) -> Result<RouteSeen, TrafficError>;

    /// Gives the new group `to`, if the rule still shows `from`, and reads back
    /// what the rule shows afterwards. Resends the actions as found with only the
    /// weights changed; conditions, order, stickiness and other rules stay.
    /// A rule that already shows `to` is left alone, and so is any other that gives
    /// the new group nothing when `to` is 0. `from = None` moves whatever is found,
    /// and never raises it: with `to` 0 a rule with other groups beside ours too, as
    /// long as the old group is among them. Refuses after the permit's deadline.
    async fn shift(
        &self,
        permit: &WritePermit,
        route: &Route,
        from: Option<Weight>,
        to: Weight,
    ) -> Result<Share, TrafficError>;

    /// Writes the rule's actions exactly as found: proof that it may be written,
    /// for the doctor alone. A rule that does not show a share of ours is left alone.
    /// There is no compare-and-swap: whatever somebody else writes in between is
    /// written over, so this is for quiet moments. Returns what the rule shows after.
    async fn rewrite(&self, permit: &WritePermit, route: &Route) -> Result<Share, TrafficError>;
}

/// Why a rule could not be read or moved.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// A read failed.
    #[error("reading listener rule {rule}")]
    Read {
        /// Which rule.
        rule: RuleArn,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// The rule does not exist.
    #[error("listener rule {rule} does not exist; correct `rule` of route `{route}` in the config")]
    Unknown {
        /// Which rule.
        rule: RuleArn,
        /// Its route.
        route: String,
    },
    /// The write failed; whether it took effect is unknown until the next read.
    #[error("writing weights of listener rule {rule}")]
    Write {
        /// Which rule.
        rule: RuleArn,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// The rule no longer shows what the journal says.
    #[error("listener rule {rule} is at {found}, expected {expected}: changed by someone else")]
    Moved {
        /// Which rule.
        rule: RuleArn,
        /// What the journal says.
        expected: Weight,
        /// What the rule shows.
        found: Share,
    },
    /// The write was accepted, and the rule shows something else.
    #[error("listener rule {rule} shows {found} after {to} was written")]
    NotTaken {
        /// Which rule.
        rule: RuleArn,
        /// What was written.
        to: Weight,
        /// What the rule shows.
        found: Share,
    },
    /// The process woke up too late to act on its permit.
    #[error("the permit for listener rule {rule} expired at {deadline}: nothing was written")]
    Late {
        /// Which rule.
        rule: RuleArn,
        /// When the permit ended.
        deadline: Timestamp,
    },
    /// The permit does not allow this change; our own bug.
    #[error("a raise of listener rule {rule} to {to} without the journal: nothing was written")]
    NotAllowed {
        /// Which rule.
        rule: RuleArn,
        /// Where it should have gone.
        to: Weight,
    },
}

// --------------------------------------------------------------- the metrics

/// Minutes that one rollout wants to know, for each of its routes.
#[derive(Clone, Debug)]
pub struct MinutesWanted<'a> {
    /// Routes, in the order of the answer.
    pub routes: &'a [Route],
    /// First minute.
    pub from: Minute,
    /// First minute that is not wanted any more.
    pub until: Minute,
    /// Upper edges of the latency histogram in milliseconds, ascending.
    pub edges_ms: &'a [f64],
    /// Whether to read what was compared of the new side's answers as well.
    pub comparisons: bool,
}

/// Reads minutes of target groups.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// Answers each wish by itself: all its minutes in ascending order, or why not.
    /// Queries of several wishes share calls where they can.
    async fn minutes(
        &self,
        wanted: &[MinutesWanted<'_>],
    ) -> Vec<Result<Vec<MinuteRead>, MetricsError>>;
}

/// Why minutes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The call failed.
    #[error("reading metrics of {group}")]
    Read {
        /// First group that was asked for.
        group: GroupArn,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// CloudWatch answered, and says that the answer is not whole.
    #[error("metrics of {group} are incomplete: query `{query}` came back as {status}")]
    Incomplete {
        /// Group of the query.
        group: GroupArn,
        /// Metric and statistic.
        query: String,
        /// `PartialData`, `InternalError`, `Forbidden`, or what is missing.
        status: String,
    },
}

// ------------------------------------------------------ what the scorers logged

/// Examples of wrong answers that one rollout wants.
#[derive(Clone, Debug)]
pub struct LogWanted<'a> {
    /// Name of the log group of the new side's functions.
    pub log_group: &'a str,
    /// The new side's target groups as the CloudWatch dimension names them; what was logged
    /// about others is not wanted.
    pub groups: Vec<&'a str>,
    /// First minute.
    pub from: Minute,
    /// First minute that is not wanted any more.
    pub until: Minute,
    /// Real time that reading may take.
    pub limit: Duration,
}

/// Reads what the new side's functions logged of answers that differ.
#[async_trait]
pub trait AnswersLog: Send + Sync {
    /// What was logged in these minutes. A part of it, said to be one, is an answer too;
    /// nothing out of a part is an error.
    async fn read(&self, wanted: &LogWanted<'_>) -> Result<Logged, AnswersLogError>;
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("reading log group {log_group}")]
pub struct AnswersLogError {
    /// Its name.
    pub log_group: String,
    /// The SDK's error.
    #[source]
    pub source: BoxError,
}

// ---------------------------------------------------------------- the alarms

/// Reads alarms.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// One answer for each name, in order; a name without an alarm is `Missing`.
    /// Metric and composite alarms alike. No names, no call.
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmSeen>, AlarmsError>;
}

/// Why alarms could not be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the states of {count} alarms")]
pub struct AlarmsError {
    /// How many were asked for.
    pub count: usize,
    /// The SDK's error.
    #[source]
    pub source: BoxError,
}

// ------------------------------------------------------------------ the code

/// Tells which code answers behind target groups.
#[async_trait]
pub trait Deployments: Send + Sync {
    /// Both groups of each route of each rollout, in order. Whatever fails is part
    /// of the answer. One question for all: a tick makes a limited number of calls,
    /// and where they do not suffice, the rollouts take turns.
    async fn look(&self, rollouts: &[&[Route]]) -> Vec<Vec<RouteCodeSeen>>;
}

// ----------------------------------------------- what is known outside the journal

/// What is written about one rollout outside the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// The run as last known.
    pub run: Option<Copy>,
    /// A rollback that the journal has not learnt of.
    pub order: Option<OutsideOrder>,
}

/// Reads and writes the two texts of each rollout outside the journal.
#[async_trait]
pub trait Outposts: Send + Sync {
    /// Each rollout by name, in order.
    async fn read(&self, rollouts: &[&str]) -> Vec<Result<Outside, OutpostError>>;

    /// Writes the copy of the run.
    async fn write_run(&self, rollout: &str, copy: &Copy) -> Result<(), OutpostError>;

    /// Writes an order.
    async fn write_order(&self, rollout: &str, order: &OutsideOrder) -> Result<(), OutpostError>;
}

/// Why one of the texts could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{operation} parameter {parameter}")]
pub struct OutpostError {
    /// What we were doing, as a verb.
    pub operation: &'static str,
    /// Name of the parameter.
    pub parameter: String,
    /// The SDK's or the reader's error.
    #[source]
    pub source: BoxError,
}

// ------------------------------------------------------------------ messages

/// An AWS service that the controller calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`name` says which")]
pub enum Service {
    LoadBalancing,
    Monitoring,
    Parameters,
    Functions,
    Topics,
    Buses,
    Secrets,
    Logs,
}

impl Service {
    /// As its VPC endpoint is called: `com.amazonaws.REGION.NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoadBalancing => "elasticloadbalancing",
            Self::Monitoring => "monitoring",
            Self::Parameters => "ssm",
            Self::Functions => "lambda",
            Self::Topics => "sns",
            Self::Buses => "events",
            Self::Secrets => "secretsmanager",
            Self::Logs => "logs",
        }
    }
}

/// What came of asking a service for something.
#[derive(Debug)]
pub enum Reached {
    /// It answered; a refusal is an answer, too.
    Answered,
    /// No answer came, and why.
    Silent(BoxError),
    /// Nothing was sent, and why.
    Untried(BoxError),
}

/// A service, asked.
#[derive(Debug)]
pub struct Tried {
    /// Which one.
    pub service: Service,
    /// What came of it.
    pub reached: Reached,
}

/// Asks AWS' services from where this process runs.
#[async_trait]
pub trait Endpoints: Send + Sync {
    /// Every service that the configuration needs, all at once, within seconds.
    async fn try_all(&self) -> Vec<Tried>;
}

/// Sends messages, each channel by itself.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Whether there is such a channel.
    fn has(&self, channel: Channel) -> bool;

    /// Sends one message. At-least-once; its id removes doubles.
    async fn send(&self, channel: Channel, message: &Debt) -> Result<(), MessageError>;
}

/// Why a message was not accepted.
#[derive(Debug, thiserror::Error)]
#[error("sending `{message}` to {channel}")]
pub struct MessageError {
    /// What was sent.
    pub message: String,
    /// Topic or bus.
    pub channel: String,
    /// The SDK's error.
    #[source]
    pub source: BoxError,
}

// ----------------------------------------------------------------- the clock

/// Time. Decisions use the scheduled time of the tick.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, as people and ticks see it: for commands, and for how old a tick is.
    /// A stand-in with fast time shares its own.
    fn now(&self) -> Timestamp;

    /// Now, for deadlines of writes: never anything but real time.
    fn real(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Waits for so long in real time. Pauses and time limits are part of what the
    /// flow needs from the world: where time is simulated, they pass there.
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// What `work` comes to, or `None` if it takes longer than `limit`.
pub async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep(limit) => None,
    }
}

/// The computer's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Everything a tick or a command can reach.
#[derive(Clone)]
pub struct World {
    /// The journals.
    pub ledger: std::sync::Arc<dyn Ledger>,
    /// The load balancers.
    pub traffic: std::sync::Arc<dyn Traffic>,
    /// CloudWatch metrics.
    pub metrics: std::sync::Arc<dyn Metrics>,
    /// What the new side's functions logged of wrong answers.
    pub answers_log: std::sync::Arc<dyn AnswersLog>,
    /// CloudWatch alarms.
    pub alarms: std::sync::Arc<dyn Alarms>,
    /// What the groups run.
    pub deployments: std::sync::Arc<dyn Deployments>,
    /// What is known outside the journal.
    pub outposts: std::sync::Arc<dyn Outposts>,
    /// People and programs.
    pub messages: std::sync::Arc<dyn Messages>,
    /// The way to AWS.
    pub endpoints: std::sync::Arc<dyn Endpoints>,
    /// Time.
    pub clock: std::sync::Arc<dyn Clock>,
    /// What this process remembers between invocations.
    pub memory: std::sync::Arc<crate::controller::protect::Memory>,
}
