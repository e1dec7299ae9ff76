//! What a person may order, and what becomes of it. Pure, like [`super::decide`].

use super::assess::says;
use super::code::{CodeLook, CodeSeen, compare};
use super::copy::OutsideOrder;
use super::decide::intend;
use super::decision::{Cause, CauseKind, Hold, RollBackReason, Shift};
use super::draft::Draft;
use super::event::{End, Event, LoweredBy, RouteFound, Who};
use super::explain;
use super::figures::duration;
use super::health::SILENT_MS;
use super::journal::{FoldError, Journal};
use super::labels::Labels;
use super::observation::{AlarmState, Now, Observation};
use super::phase::Phase;
use super::plan::{Mode, Settings, Terms};
use super::raise::{Raise, Waived};
use super::reconcile::{end_rollback, finish_rollback, found, protected_outside, take_order};
use super::run::Run;
use super::weight::Weight;
use crate::planted::planted;
use serde::{Deserialize, Serialize};

/// Longest reason that is taken, in characters. It is journalled, paged and shown.
pub const LONGEST_REASON: usize = 1000;

/// An order with everything that is journalled about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The rollout's name; may be left out if there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// Made by the caller, once for each intention: the same id twice is one command.
    pub id: String,
    /// Journal revision that the person saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_revision: Option<i64>,
    /// The caller's AWS identity, as the caller states it.
    pub identity: String,
    /// Why, in the person's words.
    #[serde(default)]
    pub reason: String,
    /// Only tell what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// What to do.
    #[serde(flatten)]
    pub order: Order,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Order {
    /// Begin a run.
    Start,
    /// Stop advancing; protection goes on.
    Pause {
        /// End by itself after this many minutes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_minutes: Option<u32>,
    },
    /// Go on.
    Resume {
        /// Take over the weight that the rules show.
        #[serde(default)]
        adopt: bool,
    },
    /// All traffic back to the old side.
    Rollback,
    /// Skip the rest of this stage.
    Promote {
        /// Target; default is the next stage.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Weight>,
        /// Without the proof, and over several stages.
        #[serde(default)]
        force: bool,
    },
    /// Let a shadow run act.
    Activate,
    /// Close a run that cannot end by itself; moves nothing.
    Abandon,
}

impl Order {
    /// The verbs, as people type them.
    pub const VERBS: [&'static str; 7] =
        ["start", "pause", "resume", "rollback", "promote", "activate", "abandon"];

    /// The verb.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Rollback => "rollback",
            Self::Promote { .. } => "promote",
            Self::Activate => "activate",
            Self::Abandon => "abandon",
        }
    }

    /// Rollback and pause always count; the others only on what the person saw.
    pub fn needs_fresh_sight(&self) -> bool {
        match self {
            Self::Pause { .. } | Self::Rollback => false,
            Self::Start
            | Self::Resume { .. }
            | Self::Promote { .. }
            | Self::Activate
            | Self::Abandon => true,
        }
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Verdict {
    /// Done, or with `dry_run`: would be done.
    #[serde(rename = "applied")]
    Applied,
    /// Ordered, and the rules do not show it on every route.
    #[serde(rename = "incomplete")]
    Incomplete,
    /// Not done, with the reason.
    #[serde(rename = "refused")]
    Refused,
    /// Not done: something else happened since.
    #[serde(rename = "stale")]
    Stale,
    /// Nothing to do.
    #[serde(rename = "already so")]
    AlreadySo,
}

/// An order decided.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// What becomes of it.
    pub verdict: Verdict,
    /// One or two sentences.
    pub message: String,
    /// Events to append; empty unless applied.
    pub draft: Draft,
    /// The change to make, already intended in the draft.
    pub shift: Option<Shift>,
}

/// What an order is decided on.
#[derive(Clone, Debug)]
pub struct Sight<'a> {
    /// What was seen now.
    pub seen: &'a Observation,
    /// The run's terms, or today's for a start.
    pub terms: &'a Terms,
    /// Today's mode, for a start.
    pub mode: Mode,
    /// Today's settings.
    pub settings: &'a Settings,
}

struct Desk<'a> {
    journal: &'a Journal,
    request: &'a Request,
    sight: &'a Sight<'a>,
    now: Now,
}

/// What is wrong with a request before anybody looks at the world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// No reason.
    #[error("a reason is needed: rolloutctl {verb} --reason \"…\"")]
    NoReason {
        /// What was ordered.
        verb: &'static str,
    },
    /// A reason of more characters than are journalled.
    #[error(
        "the reason has {characters} characters; {LONGEST_REASON} at most are journalled and paged, shorten it"
    )]
    LongReason {
        /// How many it has.
        characters: usize,
    },
    /// An id that is empty or too long.
    #[error("the command's id has {bytes} bytes; give 1 to 200, such as a UUID")]
    Id {
        /// How many it has.
        bytes: usize,
    },
    /// A pause that ends at once.
    #[error("0 minutes is no pause; use --for 30m, or leave --for out")]
    NoPause,
}

/// Checks what needs no look at the world.
///
/// # Errors
/// [`BadRequest`]
pub fn check(request: &Request) -> Result<(), BadRequest> {
    let reason = request.reason.trim();
    if reason.is_empty() {
        return Err(BadRequest::NoReason { verb: request.order.name() });
    }
    let characters = reason.chars().count();
    if characters > LONGEST_REASON {
        return Err(BadRequest::LongReason { characters });
    }
    let bytes = request.id.len();
    if bytes > 200 || bytes == 0 {
        return Err(BadRequest::Id { bytes });
    }
    if let Order::Pause { for_minutes: Some(0) } = request.order {
        return Err(BadRequest::NoPause);
    }
    Ok(())
}

/// Decides one order.
///
/// # Errors
/// [`FoldError`] if the journal cannot be continued.
pub fn order(
    journal: &Journal,
    request: &Request,
    sight: &Sight<'_>,
    now: Now,
) -> Result<Ordered, FoldError> {
    let desk = Desk { journal, request, sight, now };
    if let Err(why) = check(request) {
        return Ok(desk.refused(why.to_string()));
    }
    if let Some((_, seq)) = journal.commands.iter().rev().find(|(id, _)| *id == request.id)
        && !planted!(SameCommandTwice)
    {
        let seq = *seq;
        if desk.effect_stands(seq) {
            let message = format!("this command was applied before, as revision {seq}.");
            return Ok(desk.not(Verdict::AlreadySo, message));
        }
        if request.order.needs_fresh_sight() {
            return Ok(desk.not(
                Verdict::Stale,
                format!("this command was applied as revision {seq}, and more happened since."),
            ));
        }
    }
    if let Some(stale) = desk.stale() {
        return Ok(stale);
    }
    match &request.order {
        Order::Start => desk.start(),
        Order::Pause { for_minutes } => desk.pause(*for_minutes),
        Order::Resume { adopt } => desk.resume(*adopt),
        Order::Rollback => desk.rollback(),
        Order::Promote { to, force } => desk.promote(*to, *force),
        Order::Activate => desk.activate(),
        Order::Abandon => desk.abandon(),
    }
}

/// `ada rolled back: "users see errors".`
pub fn ordered_by(who: &Who, sides: &Labels) -> String {
    let (by, reason) = (who.identity.clone(), who.reason.clone());
    explain::rollback_reason(&RollBackReason::Ordered { by, reason }, sides)
}

/// What a rollback that reached every route says first.
pub fn rolled_back(sides: &Labels) -> String {
    format!("Rolled back. All traffic is on {}.", sides.old)
}

fn in_words(hold: &Hold, run: &Run, now_ms: i64) -> String {
    explain::hold(hold, &run.terms.labels, explain::evidence::Clock::At(now_ms))
}

impl Desk<'_> {
    fn not(&self, verdict: Verdict, message: String) -> Ordered {
        Ordered { verdict, message, draft: Draft::of(self.journal), shift: None }
    }

    fn refused(&self, message: String) -> Ordered {
        self.not(Verdict::Refused, message)
    }

    fn already(&self, message: String) -> Ordered {
        self.not(Verdict::AlreadySo, message)
    }

    /// What the run calls the sides, or today's config where none goes on.
    fn sides(&self) -> &Labels {
        &self.sight.terms.labels
    }

    fn who(&self) -> Who {
        Who {
            identity: self.request.identity.clone(),
            reason: if planted!(NameIsLost) {
                "rolloutctl".to_owned()
            } else {
                self.request.reason.trim().to_owned()
            },
        }
    }

    fn command(&self) -> String {
        self.request.id.clone()
    }

    /// The time of a command: the clock, or the last tick's if that is later.
    fn at_ms(&self) -> i64 {
        self.journal.time(self.now.tick_ms)
    }

    fn applied(
        &self,
        message: String,
        event: Event,
        shift: Option<Shift>,
    ) -> Result<Ordered, FoldError> {
        let mut draft = Draft::of(self.journal);
        draft.add(self.now.tick_ms, event)?;
        if let Some(shift) = &shift {
            intend(&mut draft, shift, self.now)?;
        }
        Ok(Ordered { verdict: Verdict::Applied, message, draft, shift })
    }

    fn no_run(&self) -> Ordered {
        let what = match &self.journal.run {
            None => "no run exists".to_owned(),
            Some(run) => format!("run {} has ended ({})", run.number, run.phase.words()),
        };
        self.refused(format!("{what}. Begin one: rolloutctl start --reason \"…\""))
    }

    /// Whether a command that was journalled before still has its effect: nothing
    /// that a person would call a change came after what it did itself.
    fn effect_stands(&self, seq: i64) -> bool {
        let Some(run) = &self.journal.run else { return false };
        match &self.request.order {
            Order::Pause { .. } => {
                run.phase.pause().is_some_and(|pause| pause.command == self.request.id)
            }
            Order::Rollback => run.phase.leaves() && self.sight.seen.all_reached(),
            Order::Start => run.is_open(),
            Order::Resume { .. } => run.is_open() && run.phase.pause().is_none(),
            Order::Promote { .. } => self.journal.changed <= seq.saturating_add(2),
            Order::Activate => run.is_open() && run.mode == Mode::Active,
            Order::Abandon => matches!(run.phase, Phase::Abandoned { .. }),
        }
    }

    fn stale(&self) -> Option<Ordered> {
        if !self.request.order.needs_fresh_sight() {
            return None;
        }
        let journal = self.journal;
        match self.request.if_revision {
            None => Some(self.refused(
                "the revision that you saw is needed: add --if-revision N from `rolloutctl status`".to_owned(),
            )),
            Some(seen) if seen < journal.changed && !planted!(StaleCommandCounts) => {
                Some(self.not(
                    Verdict::Stale,
                    format!(
                        "it changed after you looked (revision {seen} → {}). Look again.",
                        journal.changed
                    ),
                ))
            }
            Some(seen) if seen > journal.revision => Some(self.refused(format!(
                "revision {seen} does not exist yet; the newest is {}.",
                journal.revision
            ))),
            Some(_) => None,
        }
    }

    /// The share that all rules show.
    ///
    /// # Errors
    /// Why there is none, one sentence.
    fn shown(&self) -> Result<Weight, String> {
        let mut weights = Vec::new();
        for (route, seen) in self.sight.terms.routes.iter().zip(&self.sight.seen.rules) {
            match seen {
                Ok(seen) => match seen.share.weight() {
                    Some(weight) => weights.push(weight),
                    None => return Err(format!("`{}` shows {}", route.name, seen.share)),
                },
                Err(why) => {
                    return Err(format!("the rule of `{}` cannot be read ({why})", route.name));
                }
            }
        }
        let one = weights.first().filter(|first| weights.iter().all(|weight| weight == *first));
        one.copied().ok_or_else(|| {
            let all: Vec<String> = weights.iter().map(ToString::to_string).collect();
            format!("the routes have different shares: {}", all.join(", "))
        })
    }

    /// Whether the database is older than what is known of the run, or empty.
    fn is_behind(&self) -> bool {
        let copy = self.sight.seen.copy.as_ref().ok().and_then(Option::as_ref);
        copy.is_some_and(|copy| copy.is_ahead_of(self.journal))
    }

    fn order_outside(&self) -> Option<&OutsideOrder> {
        self.sight.seen.order.as_ref().ok().and_then(Option::as_ref)
    }

    /// A rollback that the journal does not have: whoever takes over a share, or begins anew,
    /// has not seen it.
    fn rollback_outside(&self) -> Option<String> {
        if self.is_behind() {
            // No tick writes to a journal that is behind: it waits for this very command.
            return None;
        }
        let order = self.order_outside().filter(|order| self.journal.lacks(order));
        let by = if let Some(order) = order {
            format!("by {}", explain::person(&order.identity))
        } else {
            protected_outside(self.journal.open_run()?, self.sight.seen)?;
            "without the journal".to_owned()
        };
        Some(format!(
            "a rollback {by} is not journalled yet; the next tick does that. Try again in a minute."
        ))
    }

    /// The code, as far as a raise or an activation needs it.
    fn code(&self, run: &Run) -> CodeLook {
        let routes: Vec<&str> = run.terms.routes.iter().map(|r| r.name.as_str()).collect();
        compare(&run.codes, &routes, &self.sight.seen.code)
    }

    fn start(&self) -> Result<Ordered, FoldError> {
        if let Some(run) = self.journal.open_run() {
            return Ok(self.refused(format!(
                "run {} is under way at {}. Roll it back first.",
                run.number, run.weight
            )));
        }
        match self.shown() {
            Err(why) => return Ok(self.refused(why)),
            Ok(weight) if weight > Weight::ZERO && self.sight.mode == Mode::Active => {
                return Ok(self.refused(format!(
                    "{} has {weight} already. Set it to 0% first: rolloutctl rollback --reason \"…\"",
                    self.sides().new
                )));
            }
            Ok(_) => {}
        }
        if let Some(finding) = self.sight.seen.unsafe_rules().into_iter().next() {
            return Ok(self.refused(finding));
        }
        if let Some(why) = self.rollback_outside() {
            return Ok(self.refused(why));
        }
        let alarms = match &self.sight.seen.alarms {
            Ok(alarms) => alarms,
            Err(why) => return Ok(self.refused(format!("alarms cannot be read ({why})."))),
        };
        let named = |state| {
            let these = alarms.iter().filter(move |alarm| alarm.state == state);
            these.map(|alarm| alarm.name.clone()).collect::<Vec<_>>()
        };
        let missing = named(AlarmState::Missing);
        if !missing.is_empty() {
            return Ok(self.refused(match missing.as_slice() {
                [one] => {
                    format!("alarm {one} does not exist. Create it, or remove it from the config.")
                }
                all => format!(
                    "alarms {} do not exist. Create them, or remove them from the config.",
                    all.join(", ")
                ),
            }));
        }
        let routes = self.sight.terms.routes.iter().zip(&self.sight.seen.code);
        let empty: Vec<&str> = routes
            .filter(|(_, code)| code.new == CodeSeen::NoTarget)
            .map(|(route, _)| route.name.as_str())
            .collect();
        if !empty.is_empty() {
            return Ok(self.refused(format!(
                "`new_group` of {} has no target. Register {}'s function there first.",
                empty.join(", "),
                self.sides().new
            )));
        }
        let run = self.journal.run.as_ref().map_or(1, |run| run.number.saturating_add(1));
        let event = Event::Started {
            run,
            who: self.who(),
            command: self.command(),
            mode: self.sight.mode,
            terms: Box::new(self.sight.terms.clone()),
            alarms_before: named(AlarmState::Alarm),
            order_before: self.order_outside().map(|order| order.command.clone()),
        };
        let what = match self.sight.mode {
            Mode::Active => "First share within 2 minutes.",
            Mode::Shadow => "Shadow: it decides and reports, and moves nothing.",
        };
        let mut draft = Draft::of(self.journal);
        if self.is_behind() {
            take_order(&mut draft, self.sight.seen, self.now)?;
            finish_rollback(&mut draft, self.sight.seen, self.now)?;
        }
        draft.add(self.now.tick_ms, event)?;
        let message = format!("Run {run} started. {what}");
        Ok(Ordered { verdict: Verdict::Applied, message, draft, shift: None })
    }

    fn pause(&self, for_minutes: Option<u32>) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else { return Ok(self.no_run()) };
        if let Phase::RollingBack { .. } = run.phase {
            return Ok(self.already("a rollback is under way, no step is taken.".to_owned()));
        }
        let until_ms = for_minutes.map(|minutes| self.at_ms() + i64::from(minutes) * 60_000);
        let until = until_ms.map_or_else(String::new, |ms| {
            format!(" until {}", explain::time(ms, self.now.tick_ms))
        });
        let message = format!("Paused at {}{until}. Protection stays on.", run.weight);
        let event = Event::Paused { who: self.who(), command: self.command(), until_ms };
        self.applied(message, event, None)
    }

    fn resume(&self, adopt: bool) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else { return Ok(self.no_run()) };
        match (&run.phase, adopt) {
            (Phase::RollingBack { .. }, _) => {
                Ok(self.refused("a rollback is under way.".to_owned()))
            }
            (Phase::Moved { .. }, true) => self.adopt(run),
            (Phase::Moved { found, .. }, false) => Ok(self.refused(format!(
                "{}, not {}. Accept it: rolloutctl resume --adopt --reason \"…\". Or set it back.",
                RouteFound::list(found),
                run.weight
            ))),
            (Phase::Paused { .. }, _) => {
                let event = Event::Resumed { who: self.who(), command: self.command() };
                self.applied(format!("Resumed at {}.", run.weight), event, None)
            }
            (
                Phase::Starting
                | Phase::Advancing { .. }
                | Phase::RolledBack { .. }
                | Phase::Completed { .. }
                | Phase::Abandoned { .. },
                _,
            ) => Ok(self.already(format!("not paused, {} has {}.", self.sides().new, run.weight))),
        }
    }

    fn adopt(&self, run: &Run) -> Result<Ordered, FoldError> {
        if let Some(why) = self.rollback_outside() {
            return Ok(self.refused(why));
        }
        let weight = match self.shown() {
            Ok(weight) => weight,
            Err(why) => {
                return Ok(self.refused(format!(
                    "{why}. Give every route the same share first, roll back, or abandon the run."
                )));
            }
        };
        let event = Event::Adopted { who: self.who(), command: self.command(), weight };
        self.applied(format!("Taken over: {weight} instead of {}.", run.weight), event, None)
    }

    fn rollback(&self) -> Result<Ordered, FoldError> {
        let reached = self.sight.seen.all_reached();
        let Some(run) = &self.journal.run else { return self.rollback_without_run(reached) };
        match &run.phase {
            Phase::Completed { .. } | Phase::Abandoned { .. } if reached => {
                return Ok(self.already("every route is at 0% already.".to_owned()));
            }
            Phase::RolledBack { .. } if reached => return self.sign(run),
            Phase::Starting
            | Phase::Advancing { .. }
            | Phase::Paused { .. }
            | Phase::Moved { .. }
            | Phase::RollingBack { .. }
            | Phase::RolledBack { .. }
            | Phase::Completed { .. }
            | Phase::Abandoned { .. } => {}
        }
        let who = self.who();
        let text = ordered_by(&who, self.sides());
        let repeated = self.journal.commands.iter().any(|(id, _)| *id == self.request.id);
        if repeated && let Phase::RollingBack { .. } = run.phase {
            // Its process ended before every route was reached.
            let shift = Shift::out_of_traffic(CauseKind::RollBack, text);
            let mut draft = Draft::of(self.journal);
            intend(&mut draft, &shift, self.now)?;
            let message = rolled_back(self.sides());
            return Ok(Ordered { verdict: Verdict::Applied, message, draft, shift: Some(shift) });
        }
        let event = Event::RollbackOrdered { who, command: self.command(), given_ms: None };
        if run.mode == Mode::Shadow {
            // Nothing is moved in shadow mode, by nobody's order: end the run.
            let message = "The shadow run has ended; nothing was moved.".to_owned();
            let mut ordered = self.applied(message, event, None)?;
            end_rollback(&mut ordered.draft, self.now)?;
            return Ok(ordered);
        }
        let shift = Shift::out_of_traffic(CauseKind::RollBack, text);
        self.applied(rolled_back(self.sides()), event, Some(shift))
    }

    /// A lowering that nobody had signed is signed by the person who rolls back.
    fn sign(&self, run: &Run) -> Result<Ordered, FoldError> {
        if !run.unsigned {
            let message = "every route is at 0% already.".to_owned();
            return Ok(self.already(message));
        }
        let event =
            Event::RollbackOrdered { who: self.who(), command: self.command(), given_ms: None };
        let message = "Every route was at 0% already; your name and reason are in the journal now."
            .to_owned();
        let mut ordered = self.applied(message, event, None)?;
        end_rollback(&mut ordered.draft, self.now)?;
        Ok(ordered)
    }

    /// Traffic that no run gave is taken away all the same.
    fn rollback_without_run(&self, reached: bool) -> Result<Ordered, FoldError> {
        if reached {
            return Ok(self.already("every route is at 0% already.".to_owned()));
        }
        let who = self.who();
        let text = ordered_by(&who, self.sides());
        let expected = self.shown().unwrap_or(Weight::ZERO);
        let by = LoweredBy::Person { who, command: self.command() };
        let event = Event::LoweredOutside { expected, by };
        let mut draft = Draft::of(self.journal);
        draft.add(self.now.tick_ms, event)?;
        Ok(Ordered {
            verdict: Verdict::Applied,
            message: format!("{} There was no run.", rolled_back(self.sides())),
            draft,
            shift: Some(Shift::out_of_traffic(CauseKind::RollBack, text)),
        })
    }

    fn promote(&self, to: Option<Weight>, force: bool) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else { return Ok(self.no_run()) };
        let waived = if force { Waived::Proof } else { Waived::Minutes };
        if let Some(why) = self.may_not_promote(run, waived) {
            return Ok(self.refused(why));
        }
        let next = run.terms.next_after(run.weight);
        let stages = || {
            let names: Vec<String> = run.terms.stages.iter().map(ToString::to_string).collect();
            names.join(", ")
        };
        let to = match (to, next) {
            (None, Some(next)) => next,
            (None, None) => return self.complete_early(force),
            (Some(to), _) if to <= run.weight => {
                let message =
                    format!("{to} is not above the present {}; promote only raises.", run.weight);
                return Ok(self.refused(message));
            }
            (Some(to), _) if !run.terms.stages.contains(&to) => {
                return Ok(self.refused(format!("{to} is not a stage ({}).", stages())));
            }
            (Some(to), Some(next)) if to > next && !force => {
                let message = format!("{to} skips {next}. To skip it without proof: --force");
                return Ok(self.refused(message));
            }
            (Some(to), _) => to,
        };
        let raise = self.raise(run);
        if let Some(hold) = raise.calendar(to) {
            return Ok(self.refused(in_words(&hold, run, self.now.tick_ms)));
        }
        let who = self.who();
        let by = explain::person(&who.identity);
        let (proof, rests) = if force {
            (format!("Proof was skipped by {by}."), "without proof")
        } else {
            ("Every limit was proven.".to_owned(), "every limit was proven")
        };
        let text = format!("promoted by {by}, {rests}: \"{}\"", who.reason);
        let cause = Cause { kind: CauseKind::Promotion, text };
        let shift = Shift { from: Some(run.weight), to, cause };
        let event = Event::Promoted { who, command: self.command(), to, forced: force };
        let message = format!("{} → {to}, read back. {proof}", run.weight);
        self.applied(message, event, Some(shift))
    }

    /// The same gate as a step's, at the time of the last tick.
    fn raise<'a>(&'a self, run: &'a Run) -> Raise<'a> {
        let ticked = self.journal.ticked_ms;
        let now = Now { tick_ms: ticked.unwrap_or(self.now.tick_ms), ..self.now };
        let settings = self.sight.settings;
        Raise { run, seen: self.sight.seen, settings, now, journal: self.journal }
    }

    fn may_not_promote(&self, run: &Run, waived: Waived) -> Option<String> {
        if run.mode == Mode::Shadow {
            return Some(
                "this run is in shadow. First: rolloutctl activate --reason \"…\"".to_owned(),
            );
        }
        if run.weight == Weight::ZERO {
            return Some(
                "the first step has not been taken yet; there is nothing to skip.".to_owned(),
            );
        }
        if let Some(intent) = &run.intent {
            return Some(format!("a change to {} is under way. Try again in a minute.", intent.to));
        }
        let silent =
            self.now.tick_ms.saturating_sub(self.journal.ticked_ms.unwrap_or(run.started_ms));
        if silent > SILENT_MS && !planted!(PromotesWithoutTicks) {
            return Some(format!(
                "the controller last ran {} ago, so a larger share would not be protected. Cause: rolloutctl check",
                duration(silent)
            ));
        }
        let raise = self.raise(run);
        let hold = raise
            .obstacle(&self.code(run))
            .or_else(|| raise.proof(&says(run), waived).err().map(|hold| *hold))?;
        let words = in_words(&hold, run, self.now.tick_ms);
        Some(match hold {
            Hold::Evidence { .. } | Hold::NotJudgedYet => {
                format!("{words} Without proof: --force")
            }
            _ => words,
        })
    }

    fn complete_early(&self, force: bool) -> Result<Ordered, FoldError> {
        let who = self.who();
        let proof = if force { " without proof" } else { "" };
        let by = explain::person(&who.identity);
        let reason = format!("{by} skipped the rest of the bake{proof}: \"{}\"", who.reason);
        let to = self.journal.run.as_ref().map_or(Weight::FULL, |run| run.weight);
        let event = Event::Promoted { who, command: self.command(), to, forced: force };
        let message = format!("Completed; the rest of the bake is skipped{proof}.");
        let mut ordered = self.applied(message, event, None)?;
        ordered.draft.add(self.now.tick_ms, Event::Finished { end: End::Completed, reason })?;
        Ok(ordered)
    }

    fn activate(&self) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else { return Ok(self.no_run()) };
        if run.mode == Mode::Active {
            return Ok(self.already("this run is active already.".to_owned()));
        }
        if self.shown() != Ok(run.weight) {
            return Ok(self.refused(format!("the rules do not show {}.", run.weight)));
        }
        if let Some(finding) = self.sight.seen.unsafe_rules().into_iter().next() {
            return Ok(self.refused(finding));
        }
        if let CodeLook::Unknown(why) = self.code(run) {
            return Ok(self.refused(format!("it is not known which code runs ({why}).")));
        }
        let event = Event::Activated { who: self.who(), command: self.command() };
        self.applied(format!("Active from now on, at {}.", run.weight), event, None)
    }

    fn abandon(&self) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else { return Ok(self.no_run()) };
        let tried = match &run.phase {
            Phase::Moved { .. } => true,
            Phase::RollingBack { tries, .. } => *tries > 0,
            Phase::Starting
            | Phase::Advancing { .. }
            | Phase::Paused { .. }
            | Phase::RolledBack { .. }
            | Phase::Completed { .. }
            | Phase::Abandoned { .. } => false,
        };
        if !tried && run.mode == Mode::Active {
            return Ok(self.refused(format!(
                "the run can end by itself ({}). Use: rolloutctl rollback --reason \"…\"",
                run.phase.words()
            )));
        }
        let left = found(&run.terms, &self.sight.seen.rules);
        let message = format!(
            "Run {} is closed; nothing was moved: {}.",
            run.number,
            RouteFound::list(&left)
        );
        let event = Event::Abandoned { who: self.who(), command: self.command(), left };
        self.applied(message, event, None)
    }
}
