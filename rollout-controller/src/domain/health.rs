//! How it stands: one kind of health with its reason, for everybody who asks.
//!
//! All that holds is listed, and the first is the headline. "Not protected" comes
//! before "hurting": old measurements say nothing. "Safe" has one constructor,
//! which takes a proof of everything that it claims.

use super::conditions::{CODE_UNKNOWN_MS, REFUSALS, missing_alarm};
use super::copy::Copy;
use super::event::RouteFound;
use super::journal::Journal;
use super::limits::{Standing, standings};
use super::message::{Channel, Topic};
use super::minute::Minute;
use super::observation::{Observation, Unread};
use super::phase::{PUT_BACK_MS, Phase};
use super::plan::{Mode, Settings, Terms};
use super::raise::{rolls_back, stands_on_both};
use super::reconcile::{begun_outside, differing, found, protected_outside};
use super::run::{Intent, Run};
use super::weight::Weight;
use super::wrong_answers;
use crate::planted::planted;
use serde::{Deserialize, Serialize};

/// Without a tick for this long nobody protects traffic, and nothing may raise it.
/// 3 minutes.
pub const SILENT_MS: i64 = 3 * 60_000;
/// Metrics may be older than the lag by this before it counts as blindness. 10 minutes.
const BLIND_AFTER_MINUTES: i64 = 10;
/// A message that was not sent for this long is told. 5 minutes.
const UNSENT_MS: i64 = 5 * 60_000;

/// What a person must think of first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nobody would take the new side out of traffic if it broke.
    NotProtected,
    /// Users are hurt, or a rollback is not through.
    Hurting,
    /// It cannot be told.
    Unknown,
    /// Traffic is served, and something is not as it must be.
    Degraded,
    /// Proven.
    Safe,
    /// Nothing is moved or measured; no claim is made.
    Idle,
}

/// What is known of the journal.
#[derive(Clone, Debug)]
pub enum JournalSeen<'a> {
    /// Read to its end.
    Read(&'a Journal),
    /// Only its beginning could be read: an event or row that makes no sense.
    Prefix(&'a Journal, Unread),
    /// Not read.
    Failed(Unread),
    /// Read, and older than what is known outside it.
    Behind(&'a Journal),
}

/// Everything that health is judged by.
#[derive(Clone, Debug)]
pub struct Standpoint<'a> {
    /// The journal.
    pub journal: JournalSeen<'a>,
    /// The world as just read: rules, alarms, copy, order.
    pub seen: &'a Observation,
    /// The config's terms and mode, for where there is no run.
    pub terms: &'a Terms,
    /// See `terms`.
    pub mode: Mode,
    /// Today's settings.
    pub settings: &'a Settings,
    /// The clock in milliseconds.
    pub clock_ms: i64,
}

/// One thing that holds, with the numbers for its sentence.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named after what they are; variants are documented")]
pub enum Case {
    /// 1: no tick protects an open run, or one rolled back a moment ago.
    NoTick { since_ms: Option<i64> },
    /// 2: the new side has traffic and no run protects it.
    NoRun { share: Weight },
    /// 2b: the same under a shadow run, which never rolls back.
    ShadowWithTraffic { share: Weight },
    /// 3: the journal cannot be read, and neither can what would replace it.
    NothingReadable { why: Unread },
    /// 4: a rollback did not reach every route.
    RollbackIncomplete { routes: Vec<RouteFound> },
    /// 5: a rule gives the new side traffic again after a rollback.
    RaisedAfterRollback { routes: Vec<RouteFound> },
    /// 6: a rollback is under way.
    RollingBack,
    /// 7: only the new side breaks a limit.
    NewOver { standing: Box<Standing> },
    /// 8: both break one.
    BothOver { standing: Box<Standing> },
    /// 9: only the old side does.
    OldOver { standing: Box<Standing> },
    /// 7 as well: too many of the new side's answers differ from the old side's.
    WrongAnswers { standing: Box<wrong_answers::Standing> },
    /// 10: an alarm stands that rolls back.
    Alarm { name: String },
    /// 10 as well: its counterpart on the old side stands too, so it does not.
    BothAlarms { name: String },
    /// 11: a rule cannot be read.
    RuleUnreadable { route: String, why: Unread },
    /// 12: the journal cannot be read, or is older than what is known.
    JournalUnreadable { why: Unread, shows: Vec<RouteFound> },
    /// 13: nothing was judged lately.
    Blind { since: Option<Minute> },
    /// 13 as well: it is not known yet which code runs.
    CodeNotRead,
    /// 13 as well: a raise is under way, or reached some routes only.
    RaiseUnderWay { to: Weight },
    /// 14: requests are due on the new side and none arrives.
    NoTraffic { share: Weight, minutes: u32 },
    /// 15: alarms cannot be read.
    AlarmsUnreadable { why: Unread },
    /// 12 as well: the new side was taken out of traffic without the journal, which does not
    /// have it yet.
    RolledBackOutside,
    /// 16: a rule shows what someone else wrote.
    Moved { found: Vec<RouteFound>, expected: Weight },
    /// 17: a rule does not show how the run ended.
    CompletedButMoved { routes: Vec<RouteFound> },
    /// 18: stickiness or the header rule.
    UnsafeRules { finding: String },
    /// 19: the load balancer refuses the step.
    StepRefused { to: Weight, routes: Vec<RouteFound> },
    /// 20: it is not known which code runs.
    CodeUnknown { since_ms: i64 },
    /// 21: other code that was not judged yet.
    NewCode { since_ms: i64 },
    /// 22: the copy outside the journal is not as the journal.
    CopyDiffers,
    /// 23: messages do not get through.
    Unsent { channel: Channel, messages: usize },
    /// 24: no tick, and nothing to protect.
    NotRunning { since_ms: Option<i64> },
    /// 25: every proof is there.
    Safe { share: Weight, through: Minute, held: bool },
    /// 26: nothing is moved or measured.
    Idle { ended: Ended },
}

/// How the newest run stands where nothing is moved or measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No run was started.
    NeverStarted,
    /// The first step has not been taken.
    Starting,
    /// A shadow run without traffic on the new side.
    Shadow,
    /// All traffic is on the old side.
    RolledBack,
    /// All traffic is on the new side.
    Completed,
    /// A person closed the run.
    Abandoned,
}

/// The one command that helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing to do.
    Nothing,
    /// `rollback` with the person's own credentials.
    RollbackDirect,
    /// `rollback`.
    Rollback,
    /// `status --watch`.
    Watch,
    /// `check`.
    Check,
    /// `resume --adopt`, or `rollback`.
    Adopt,
    /// `notify --test`.
    Notify,
    /// The runbook of this topic.
    Runbook(Topic),
    /// `activate` or `rollback`.
    Activate,
    /// `start`.
    Start,
}

impl Case {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoTick { .. }
            | Self::NoRun { .. }
            | Self::ShadowWithTraffic { .. }
            | Self::NothingReadable { .. } => Kind::NotProtected,
            Self::RollbackIncomplete { .. }
            | Self::RaisedAfterRollback { .. }
            | Self::RollingBack
            | Self::NewOver { .. }
            | Self::BothOver { .. }
            | Self::OldOver { .. }
            | Self::WrongAnswers { .. }
            | Self::Alarm { .. }
            | Self::BothAlarms { .. } => Kind::Hurting,
            Self::RuleUnreadable { .. }
            | Self::JournalUnreadable { .. }
            | Self::Blind { .. }
            | Self::CodeNotRead
            | Self::RaiseUnderWay { .. }
            | Self::NoTraffic { .. } => Kind::Unknown,
            Self::AlarmsUnreadable { .. }
            | Self::RolledBackOutside
            | Self::Moved { .. }
            | Self::CompletedButMoved { .. }
            | Self::UnsafeRules { .. }
            | Self::StepRefused { .. }
            | Self::CodeUnknown { .. }
            | Self::NewCode { .. }
            | Self::CopyDiffers
            | Self::Unsent { .. }
            | Self::NotRunning { .. } => Kind::Degraded,
            Self::Safe { .. } => Kind::Safe,
            Self::Idle { .. } => Kind::Idle,
        }
    }

    /// Exit code of `status`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoTick { .. }
            | Self::NoRun { .. }
            | Self::ShadowWithTraffic { .. }
            | Self::NothingReadable { .. } => 31,
            Self::RollbackIncomplete { .. }
            | Self::RaisedAfterRollback { .. }
            | Self::StepRefused { .. } => 42,
            Self::RollingBack | Self::RolledBackOutside => 20,
            Self::NewOver { .. }
            | Self::BothOver { .. }
            | Self::OldOver { .. }
            | Self::WrongAnswers { .. }
            | Self::Alarm { .. }
            | Self::BothAlarms { .. } => 50,
            Self::RuleUnreadable { .. }
            | Self::JournalUnreadable { .. }
            | Self::Blind { .. }
            | Self::CodeNotRead
            | Self::RaiseUnderWay { .. }
            | Self::NoTraffic { .. } => 30,
            Self::AlarmsUnreadable { .. }
            | Self::Moved { .. }
            | Self::CompletedButMoved { .. }
            | Self::UnsafeRules { .. }
            | Self::CodeUnknown { .. }
            | Self::NewCode { .. }
            | Self::CopyDiffers
            | Self::Unsent { .. }
            | Self::NotRunning { .. } => 10,
            Self::Safe { held, .. } => {
                if *held {
                    10
                } else {
                    0
                }
            }
            Self::Idle { ended } => match ended {
                Ended::RolledBack => 20,
                Ended::Abandoned => 10,
                Ended::NeverStarted | Ended::Starting | Ended::Shadow | Ended::Completed => 0,
            },
        }
    }

    /// The one command that helps.
    pub fn next(&self) -> Next {
        match self {
            Self::NoTick { .. }
            | Self::NothingReadable { .. }
            | Self::RollbackIncomplete { .. } => Next::RollbackDirect,
            Self::NoRun { .. }
            | Self::RaisedAfterRollback { .. }
            | Self::NewOver { .. }
            | Self::WrongAnswers { .. }
            | Self::Alarm { .. }
            | Self::NoTraffic { .. }
            | Self::CompletedButMoved { .. } => Next::Rollback,
            Self::ShadowWithTraffic { .. } => Next::Activate,
            Self::RollingBack | Self::RaiseUnderWay { .. } | Self::NewCode { .. } => Next::Watch,
            Self::BothOver { .. } | Self::OldOver { .. } | Self::BothAlarms { .. } => {
                Next::Runbook(Topic::BothSides)
            }
            Self::RuleUnreadable { .. }
            | Self::JournalUnreadable { .. }
            | Self::Blind { .. }
            | Self::CodeNotRead
            | Self::AlarmsUnreadable { .. }
            | Self::RolledBackOutside
            | Self::UnsafeRules { .. }
            | Self::StepRefused { .. }
            | Self::CodeUnknown { .. }
            | Self::CopyDiffers
            | Self::NotRunning { .. } => Next::Check,
            Self::Moved { .. } => Next::Adopt,
            Self::Unsent { .. } => Next::Notify,
            Self::Idle { ended: Ended::NeverStarted } => Next::Start,
            Self::Safe { .. } | Self::Idle { .. } => Next::Nothing,
        }
    }
}

/// How it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The headline.
    pub first: Case,
    /// What else holds.
    pub also: Vec<Case>,
}

impl Health {
    /// The headline's kind.
    pub fn kind(&self) -> Kind {
        self.first.kind()
    }
}

/// Judges.
pub fn health(at: &Standpoint<'_>) -> Health {
    let mut cases = Vec::new();
    let journal = match &at.journal {
        JournalSeen::Read(journal) => {
            with_journal(at, journal, &mut cases);
            Some(*journal)
        }
        JournalSeen::Prefix(journal, why) => {
            without_journal(at, why, &mut cases);
            let _ = journal;
            None
        }
        JournalSeen::Behind(_) => {
            let why = Unread::because("it is older than what is known outside it");
            without_journal(at, &why, &mut cases);
            None
        }
        JournalSeen::Failed(why) => {
            without_journal(at, why, &mut cases);
            None
        }
    };
    let mut cases = cases.into_iter();
    match cases.next() {
        Some(first) => Health { first, also: cases.collect() },
        None => Health { first: quiet(at, journal), also: Vec::new() },
    }
}

/// What is left when nothing is wrong: proven safety, or nothing to claim.
fn quiet(at: &Standpoint<'_>, journal: Option<&Journal>) -> Case {
    let Some(journal) = journal else { return Case::Blind { since: None } };
    let ended = |ended| Case::Idle { ended };
    let Some(run) = &journal.run else { return ended(Ended::NeverStarted) };
    match &run.phase {
        Phase::RolledBack { .. } => return ended(Ended::RolledBack),
        Phase::Completed { .. } => return ended(Ended::Completed),
        Phase::Abandoned { .. } => return ended(Ended::Abandoned),
        Phase::Starting => return ended(Ended::Starting),
        Phase::Advancing { .. } | Phase::Paused { .. } if run.weight == Weight::ZERO => {
            return ended(Ended::Starting);
        }
        Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RollingBack { .. } => {}
    }
    if run.mode == Mode::Shadow {
        return ended(Ended::Shadow);
    }
    match Proofs::gather(at, journal, run) {
        Some(proofs) => proofs.safe(),
        None if !code_is_known(run) => Case::CodeNotRead,
        None => Case::Blind { since: run.gathered.judged_through() },
    }
}

/// One proof of each thing that "safe" claims. Only [`Proofs::safe`] makes it.
struct Proofs {
    /// An open run in active mode, at this share.
    share: Weight,
    /// The newest minute whose counts keep every limit on each side that has traffic.
    through: Minute,
    /// Nothing advances, for a reason that is no trouble.
    held: bool,
    _ticked: (),
    _rules_as_journalled: (),
    _alarms_read: (),
    _code_known: (),
}

impl Proofs {
    fn gather(at: &Standpoint<'_>, journal: &Journal, run: &Run) -> Option<Self> {
        let open = run.is_open() && run.mode == Mode::Active && run.weight > Weight::ZERO;
        let ticked = journal
            .ticked_ms
            .is_some_and(|ticked| at.clock_ms.abs_diff(ticked) <= SILENT_MS.unsigned_abs());
        let rules = at.seen.all_show(run.weight) || planted!(SafeWithoutLooking);
        let alarms = at.seen.alarms.is_ok();
        let through = run.gathered.judged_through()?;
        let fresh = is_fresh(run, through, at.clock_ms);
        let code = code_is_known(run);
        let standings = standings(run);
        let kept = !standings.is_empty()
            && standings.iter().all(|standing| !standing.old.over && !standing.new.over)
            && run.wrong_answers().is_none_or(|standing| !standing.over);
        let all = open && ticked && rules && alarms && fresh && code && kept;
        all.then_some(Self {
            share: run.weight,
            through,
            held: is_held(run, journal),
            _ticked: (),
            _rules_as_journalled: (),
            _alarms_read: (),
            _code_known: (),
        })
    }

    fn safe(self) -> Case {
        Case::Safe { share: self.share, through: self.through, held: self.held }
    }
}

fn code_is_known(run: &Run) -> bool {
    run.code_unknown_ms.is_none() && !run.codes.is_empty()
}

fn is_fresh(run: &Run, judged: Minute, clock_ms: i64) -> bool {
    run.newest_due(clock_ms).since(judged) <= BLIND_AFTER_MINUTES
}

/// A pause, the calendar, an alarm that holds, or a stage that lasts too long.
fn is_held(run: &Run, journal: &Journal) -> bool {
    use super::decision::{Decision, Hold};
    let holds = match &run.last {
        Some((Decision::Hold { reason }, _)) => {
            matches!(reason, Hold::Calendar { .. } | Hold::Alarm { .. } | Hold::Paused { .. })
        }
        Some(_) | None => false,
    };
    holds || run.phase.pause().is_some() || journal.raised.contains_key(&Topic::HoldingTooLong)
}

fn without_journal(at: &Standpoint<'_>, why: &Unread, cases: &mut Vec<Case>) {
    let last_known = matches!(&at.seen.copy, Ok(Some(_)));
    let sighted = at.seen.alarms.is_ok() || at.seen.minutes.value().is_some();
    if !last_known && !sighted {
        cases.push(Case::NothingReadable { why: why.clone() });
    }
    if let Some(case) = unreadable_rule(at, at.terms) {
        cases.push(case);
    }
    let shows = found(at.terms, &at.seen.rules);
    cases.push(Case::JournalUnreadable { why: why.clone(), shows });
    if let Err(why) = &at.seen.alarms {
        cases.push(Case::AlarmsUnreadable { why: why.clone() });
    }
}

fn unreadable_rule(at: &Standpoint<'_>, terms: &Terms) -> Option<Case> {
    let routes = terms.routes.iter().zip(&at.seen.rules);
    let mut unread = routes.filter_map(|(route, rule)| Some((route, rule.as_ref().err()?)));
    let (route, why) = unread.next()?;
    Some(Case::RuleUnreadable { route: route.name.clone(), why: why.clone() })
}

/// Routes that give the new side anything.
fn with_traffic(terms: &Terms, at: &Standpoint<'_>) -> Vec<RouteFound> {
    let routes = found(terms, &at.seen.rules).into_iter().zip(&at.seen.rules);
    routes
        .filter(|(_, rule)| rule.as_ref().is_ok_and(|seen| !seen.share.is_reached()))
        .map(|(found, _)| found)
        .collect()
}

fn with_journal(at: &Standpoint<'_>, journal: &Journal, cases: &mut Vec<Case>) {
    let run = journal.run.as_ref();
    let terms = run.map_or(at.terms, |run| &run.terms);
    let silent =
        journal.ticked_ms.is_none_or(|ticked| at.clock_ms.saturating_sub(ticked) > SILENT_MS);
    let watched = run.is_some_and(|run| must_be_watched(run, at.clock_ms));
    let just_started =
        run.is_some_and(|run| at.clock_ms.saturating_sub(run.started_ms) <= SILENT_MS);
    // Where every rule was just read to give Rust nothing, there is nothing to protect.
    let exposed = !at.seen.all_reached();
    if silent && watched && exposed && !just_started {
        cases.push(Case::NoTick { since_ms: journal.ticked_ms });
    }
    let share = at.seen.largest_share().unwrap_or(Weight::ZERO);
    let traffic = with_traffic(terms, at);
    match run.map(|run| (&run.phase, run.mode)) {
        None if !traffic.is_empty() && at.mode == Mode::Active => {
            cases.push(Case::NoRun { share });
        }
        Some((Phase::Abandoned { .. }, Mode::Active)) if !traffic.is_empty() => {
            cases.push(Case::NoRun { share });
        }
        Some((phase, Mode::Shadow)) if phase.is_open() && !traffic.is_empty() => {
            cases.push(Case::ShadowWithTraffic { share });
        }
        Some(_) | None => {}
    }
    let begun = run.is_some_and(|run| is_begun_outside(at, journal, run));
    if let Some(run) = run {
        if begun && !traffic.is_empty() {
            cases.push(Case::RollbackIncomplete { routes: traffic.clone() });
        }
        hurting(at, run, &traffic, cases);
    }
    if let Some(case) = unreadable_rule(at, terms) {
        cases.push(case);
    }
    if let Some(run) = run.filter(|run| run.is_open()) {
        unknown(at, run, begun, cases);
    }
    if let Err(why) = &at.seen.alarms {
        cases.push(Case::AlarmsUnreadable { why: why.clone() });
    }
    if let Some(name) = missing_alarm(at.seen).filter(|_| run.is_some_and(Run::is_open)) {
        let why = Unread::because(format!("`{name}` does not exist"));
        cases.push(Case::AlarmsUnreadable { why });
    }
    degraded(at, journal, begun, cases);
    let unwatched = !watched || (!exposed && !just_started);
    if silent && unwatched && journal.ticked_ms.is_some() && run.is_some_and(Run::is_open) {
        cases.push(Case::NotRunning { since_ms: journal.ticked_ms });
    }
}

/// Whether ticks protect this run: it is open and active, or was rolled back a
/// moment ago.
fn must_be_watched(run: &Run, clock_ms: i64) -> bool {
    if run.mode == Mode::Shadow {
        return false;
    }
    match &run.phase {
        Phase::RolledBack { at_ms, .. } => clock_ms.saturating_sub(*at_ms) <= PUT_BACK_MS,
        Phase::Completed { .. } | Phase::Abandoned { .. } => false,
        Phase::Starting
        | Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RollingBack { .. } => true,
    }
}

fn hurting(at: &Standpoint<'_>, run: &Run, traffic: &[RouteFound], cases: &mut Vec<Case>) {
    match &run.phase {
        Phase::RollingBack { tries, unreached, .. } if *tries > 0 => {
            let routes = if traffic.is_empty() { unreached.clone() } else { traffic.to_vec() };
            cases.push(Case::RollbackIncomplete { routes });
        }
        Phase::RollingBack { .. } => cases.push(Case::RollingBack),
        Phase::RolledBack { .. } if !traffic.is_empty() && run.mode == Mode::Active => {
            cases.push(Case::RaisedAfterRollback { routes: traffic.to_vec() });
        }
        Phase::Starting
        | Phase::Advancing { .. }
        | Phase::Paused { .. }
        | Phase::Moved { .. }
        | Phase::RolledBack { .. }
        | Phase::Completed { .. }
        | Phase::Abandoned { .. } => {}
    }
    if run.is_open() {
        if let Some(standing) = run.wrong_answers().filter(|standing| standing.over) {
            cases.push(Case::WrongAnswers { standing: Box::new(standing) });
        }
        let mut over = standings(run);
        over.retain(|standing| standing.old.over || standing.new.over);
        over.sort_by_key(|standing| !standing.new.over || standing.old.over);
        cases.extend(over.into_iter().map(|standing| {
            let sides = (standing.old.over, standing.new.over);
            let standing = Box::new(standing);
            match sides {
                (false, _) => Case::NewOver { standing },
                (true, true) => Case::BothOver { standing },
                (true, false) => Case::OldOver { standing },
            }
        }));
    }
    let has_traffic = !traffic.is_empty();
    if has_traffic && let Some(alarm) = rolls_back(at.settings, &[], at.seen) {
        cases.push(Case::Alarm { name: alarm.name.clone() });
    }
    if has_traffic && let Some(alarm) = stands_on_both(at.settings, at.seen) {
        cases.push(Case::BothAlarms { name: alarm.name.clone() });
    }
}

fn unknown(at: &Standpoint<'_>, run: &Run, begun: bool, cases: &mut Vec<Case>) {
    let judged = run.gathered.known_through().or(run.gathered.learnt_through());
    let serving = run.first.is_some() && run.weight > Weight::ZERO;
    if serving && judged.is_none_or(|judged| !is_fresh(run, judged, at.clock_ms)) {
        cases.push(Case::Blind { since: judged });
    }
    if let Some(intent) = raise_under_way(at, run).filter(|_| !begun) {
        cases.push(Case::RaiseUnderWay { to: intent.to });
    }
    let silence = run.gathered.silence();
    if silence.is_alarming() && run.weight > Weight::ZERO {
        cases.push(Case::NoTraffic { share: run.weight, minutes: silence.minutes });
    }
}

/// Whether every rule of an active run was read, and they do not show its share.
fn rules_differ(at: &Standpoint<'_>, run: &Run) -> bool {
    let readable = at.seen.unreadable_rule().is_none() && !at.seen.rules.is_empty();
    readable && run.mode == Mode::Active && !at.seen.all_show(run.weight)
}

/// A raise that no outcome was journalled for, where rules show that it has begun.
fn raise_under_way<'a>(at: &Standpoint<'_>, run: &'a Run) -> Option<&'a Intent> {
    let told = rules_differ(at, run) && !planted!(SafeWithoutLooking);
    run.intent.as_ref().filter(|intent| told && intent.to > run.weight)
}

/// A person ordered a rollback of an active run, and the journal does not have it.
fn is_ordered_outside(at: &Standpoint<'_>, journal: &Journal, run: &Run) -> bool {
    let ordered = matches!(&at.seen.order, Ok(Some(order)) if journal.lacks(order));
    ordered && run.mode == Mode::Active
}

/// The new side left traffic by protection or a person's order, and the journal is behind.
fn is_rolled_back_outside(at: &Standpoint<'_>, journal: &Journal, run: &Run) -> bool {
    let protected = run.mode == Mode::Active && protected_outside(run, at.seen).is_some();
    let by_someone_known = protected || is_ordered_outside(at, journal, run);
    run.is_open() && at.seen.all_reached() && by_someone_known
}

/// The new side is to leave traffic by protection or a person's order, has not on every
/// route, and the journal does not know.
fn is_begun_outside(at: &Standpoint<'_>, journal: &Journal, run: &Run) -> bool {
    let ordered = is_ordered_outside(at, journal, run) && !at.seen.all_reached();
    !run.phase.leaves() && (ordered || begun_outside(run, at.seen, at.clock_ms).is_some())
}

fn degraded(at: &Standpoint<'_>, journal: &Journal, begun: bool, cases: &mut Vec<Case>) {
    if let Some(run) = &journal.run
        && is_rolled_back_outside(at, journal, run)
    {
        cases.push(Case::RolledBackOutside);
    } else if let Some(run) = &journal.run
        && !begun
    {
        degraded_run(at, run, cases);
        let differs = match &at.seen.copy {
            Ok(Some(copy)) => !copy.agrees_with(&Copy::of(journal)),
            Ok(None) | Err(_) => true,
        };
        let settling = journal.at_ms.saturating_add(SILENT_MS) > at.clock_ms;
        let readable = at.seen.copy.is_ok();
        if run.is_open() && run.mode == Mode::Active && differs && !(settling && readable) {
            cases.push(Case::CopyDiffers);
        }
    }
    for channel in Channel::ALL {
        if let Some((messages, oldest)) = journal.outbox.waiting(channel)
            && at.clock_ms.saturating_sub(oldest) >= UNSENT_MS
        {
            cases.push(Case::Unsent { channel, messages });
        }
    }
}

fn degraded_run(at: &Standpoint<'_>, run: &Run, cases: &mut Vec<Case>) {
    let expected = run.weight;
    match &run.phase {
        Phase::Moved { found, .. } => {
            cases.push(Case::Moved { found: found.clone(), expected });
        }
        Phase::Completed { .. } if run.mode == Mode::Active => {
            let routes = differing(&run.terms, at.seen, expected);
            if !routes.is_empty() {
                cases.push(Case::CompletedButMoved { routes });
            }
        }
        Phase::Starting | Phase::Advancing { .. } | Phase::Paused { .. } => {
            // The next tick journals it; people who look now must see it now.
            if run.intent.is_none() && rules_differ(at, run) {
                let found = found(&run.terms, &at.seen.rules);
                cases.push(Case::Moved { found, expected });
            }
        }
        Phase::RollingBack { .. }
        | Phase::RolledBack { .. }
        | Phase::Completed { .. }
        | Phase::Abandoned { .. } => {}
    }
    if !run.is_open() {
        return;
    }
    if let Some(finding) = at.seen.unsafe_rules().into_iter().next() {
        cases.push(Case::UnsafeRules { finding });
    }
    if let Some(refused) = run.refused.as_ref().filter(|refused| refused.times >= REFUSALS) {
        cases.push(Case::StepRefused { to: refused.to, routes: refused.routes.clone() });
    }
    if let Some(since_ms) =
        run.code_unknown_ms.filter(|since| at.clock_ms.saturating_sub(*since) >= CODE_UNKNOWN_MS)
    {
        cases.push(Case::CodeUnknown { since_ms });
    }
    if let Some(since_ms) = run.new_code_ms
        && run.weight > Weight::ZERO
        && run.gathered.ticks() < 2
    {
        cases.push(Case::NewCode { since_ms });
    }
}
