//! What a person may order, and what becomes of it. Pure, like [`super::decide`].

use super::decision::{Cause, CauseKind, Shift};
use super::draft::{Draft, Now, intend};
use super::event::{End, Event, Who};
use super::explain;
use super::journal::{FoldError, Journal};
use super::observation::{AlarmSeen, AlarmState, RouteSeen, Share};
use super::plan::{Mode, Terms};
use super::reconcile::finish_rollback;
use super::run::Run;
use super::weight::Weight;
use serde::{Deserialize, Serialize};

/// An order with everything that is journalled about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Whose rollout; may be left out if there is only one.
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
    /// Let a shadow rollout act.
    Activate,
}

impl Order {
    /// The verb.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Rollback => "rollback",
            Self::Promote { .. } => "promote",
            Self::Activate => "activate",
        }
    }

    /// Rollback and pause always count; the others only on what the person saw.
    pub fn needs_fresh_sight(&self) -> bool {
        match self {
            Self::Pause { .. } | Self::Rollback => false,
            Self::Start | Self::Resume { .. } | Self::Promote { .. } | Self::Activate => true,
        }
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Done, or with `dry_run`: would be done.
    #[serde(rename = "applied")]
    Applied,
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
    /// Each route, or why it could not be read.
    pub routes: Vec<Result<RouteSeen, String>>,
    /// Alarm states, or why they could not be read.
    pub alarms: Result<Vec<AlarmSeen>, String>,
    /// The config's terms and mode of today, for a start.
    pub terms: &'a Terms,
    /// See `terms`.
    pub mode: Mode,
}

struct Desk<'a> {
    journal: &'a Journal,
    request: &'a Request,
    sight: &'a Sight<'a>,
    now: Now,
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
    if let Some((_, seq)) = journal.commands.iter().find(|(id, _)| *id == request.id) {
        return Ok(desk
            .not(Verdict::AlreadySo, format!("this very command was applied as revision {seq}")));
    }
    if request.reason.trim().is_empty() {
        let verb = request.order.name();
        return Ok(desk.refused(format!("a reason is missing: {verb} --reason \"…\"")));
    }
    if request.order.needs_fresh_sight() {
        match request.if_revision {
            None => {
                return Ok(desk.refused(
                    "name the revision you saw (`if_revision`); `status` shows it".to_owned(),
                ));
            }
            Some(seen) if seen < journal.changed => {
                return Ok(desk.not(
                    Verdict::Stale,
                    format!(
                        "you saw revision {seen}, and the rollout changed at revision {}",
                        journal.changed
                    ),
                ));
            }
            Some(seen) if seen > journal.revision => {
                return Ok(desk.refused(format!(
                    "revision {seen} does not exist yet; the newest is {}",
                    journal.revision
                )));
            }
            Some(_) => {}
        }
    }
    match &request.order {
        Order::Start => desk.start(),
        Order::Pause { for_minutes } => desk.pause(*for_minutes),
        Order::Resume { adopt } => desk.resume(*adopt),
        Order::Rollback => desk.rollback(),
        Order::Promote { to, force } => desk.promote(*to, *force),
        Order::Activate => desk.activate(),
    }
}

impl Desk<'_> {
    fn not(&self, verdict: Verdict, message: String) -> Ordered {
        Ordered { verdict, message, draft: Draft::of(self.journal), shift: None }
    }

    fn refused(&self, message: String) -> Ordered {
        self.not(Verdict::Refused, message)
    }

    fn who(&self) -> Who {
        Who {
            identity: self.request.identity.clone(),
            reason: self.request.reason.trim().to_owned(),
        }
    }

    fn command(&self) -> String {
        self.request.id.clone()
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
            None => "no rollout has been started".to_owned(),
            Some(run) => format!("rollout {} has ended: {}", run.number, run.state_name()),
        };
        self.refused(format!("{what}; `rolloutctl start` begins one"))
    }

    /// The share that all rules show, or a sentence why there is none.
    fn shown(&self) -> Result<Weight, String> {
        let mut weights = Vec::new();
        for (route, seen) in self.sight.terms.routes.iter().zip(&self.sight.routes) {
            match seen {
                Ok(RouteSeen { share: Share::Weight(weight), .. }) => weights.push(*weight),
                Ok(seen) => return Err(format!("route {} shows {}", route.name, seen.share)),
                Err(error) => return Err(format!("route {} cannot be read: {error}", route.name)),
            }
        }
        match weights.as_slice() {
            [] => Err("no route could be read".to_owned()),
            [first, rest @ ..] if rest.iter().all(|weight| weight == first) => Ok(*first),
            _ => {
                let all: Vec<String> = weights.iter().map(ToString::to_string).collect();
                Err(format!("the routes show different weights: {}", all.join(", ")))
            }
        }
    }

    fn unsafe_rule(&self) -> Option<String> {
        self.sight.routes.iter().flatten().find_map(|route| {
            if route.sticky {
                return Some(
                    "group stickiness is on; switch it off, or a rollback is none".to_owned(),
                );
            }
            route.header_rule.first().cloned()
        })
    }

    fn start(&self) -> Result<Ordered, FoldError> {
        if let Some(run) = self.journal.open_run() {
            return Ok(self.refused(format!(
                "rollout {} goes on ({}); roll it back first",
                run.number,
                run.state_name()
            )));
        }
        match self.shown() {
            Err(why) => return Ok(self.refused(why)),
            Ok(weight) if weight > Weight::ZERO && self.sight.mode == Mode::Active => {
                return Ok(self.refused(format!(
                    "the rules give Rust {weight} already; set it to 0 % first (`rolloutctl rollback --direct`), so that every step rests on evidence"
                )));
            }
            Ok(_) => {}
        }
        if let Some(finding) = self.unsafe_rule() {
            return Ok(self.refused(finding));
        }
        let alarms = match &self.sight.alarms {
            Ok(alarms) => alarms,
            Err(error) => return Ok(self.refused(format!("alarms cannot be read: {error}"))),
        };
        let named = |state| {
            let these = alarms.iter().filter(move |alarm| alarm.state == state);
            these.map(|alarm| alarm.name.clone()).collect::<Vec<_>>()
        };
        let missing = named(AlarmState::Missing);
        if !missing.is_empty() {
            let list = missing.join(", ");
            return Ok(self.refused(format!(
                "these alarms do not exist: {list}; create them or take them out of the config"
            )));
        }
        let run = self.journal.run.as_ref().map_or(1, |run| run.number + 1);
        let event = Event::Started {
            run,
            who: self.who(),
            command: self.command(),
            mode: self.sight.mode,
            terms: Box::new(self.sight.terms.clone()),
            alarms_before: named(AlarmState::Alarm),
        };
        let what = match self.sight.mode {
            Mode::Active => "it reads the old side's history, then takes the first stage",
            Mode::Shadow => "shadow: it decides and reports, and moves nothing",
        };
        self.applied(format!("rollout {run} started; {what}"), event, None)
    }

    fn pause(&self, for_minutes: Option<u32>) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else {
            return Ok(self.no_run());
        };
        if for_minutes == Some(0) {
            return Ok(self.refused(
                "a pause of 0 minutes is none; give --for 30m or leave it out".to_owned(),
            ));
        }
        let now_ms = self.journal.time(self.now.tick_ms);
        let until_ms = for_minutes.map(|minutes| now_ms + i64::from(minutes) * 60_000);
        if let Some(pause) = &run.pause
            && pause.until_ms.is_none()
            && until_ms.is_none()
        {
            return Ok(self.not(
                Verdict::AlreadySo,
                format!(
                    "paused by {} since {}: {}",
                    pause.who.identity,
                    explain::clock_time(pause.since_ms),
                    pause.who.reason
                ),
            ));
        }
        let until = until_ms.map_or("until somebody resumes".to_owned(), |ms| {
            format!("until {}", explain::clock_time(ms))
        });
        let message =
            format!("paused at {} {until}; breaches and alarms still roll back", run.weight);
        self.applied(
            message,
            Event::Paused { who: self.who(), command: self.command(), until_ms },
            None,
        )
    }

    fn resume(&self, adopt: bool) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else {
            return Ok(self.no_run());
        };
        if run.rolling_back.is_some() {
            return Ok(self.refused("a rollback is under way; it cannot be resumed".to_owned()));
        }
        match (&run.moved, adopt) {
            (Some(_), true) => self.adopt(run),
            (Some(found), false) => {
                let found: Vec<String> =
                    found.iter().map(|r| format!("{} {}", r.route, r.text)).collect();
                Ok(self.refused(format!(
                    "somebody else changed a weight ({}; the journal says {}): `resume --adopt` takes it over, or set it back",
                    found.join(", "),
                    run.weight
                )))
            }
            (None, _) if run.pause.is_some() => {
                let event = Event::Resumed { who: self.who(), command: self.command() };
                self.applied(format!("resumed at {}", run.weight), event, None)
            }
            (None, _) => Ok(self.not(
                Verdict::AlreadySo,
                format!("not paused: {} at {}", run.state_name(), run.weight),
            )),
        }
    }

    fn adopt(&self, run: &Run) -> Result<Ordered, FoldError> {
        let weight = match self.shown() {
            Ok(weight) => weight,
            Err(why) => return Ok(self.refused(format!("{why}; make them alike first"))),
        };
        let event = Event::Adopted { who: self.who(), command: self.command(), weight };
        let mut ordered = self.applied(
            format!("{weight} is taken over in place of {}", run.weight),
            event,
            None,
        )?;
        if run.pause.is_some() {
            let event = Event::Resumed { who: self.who(), command: self.command() };
            ordered.draft.add(self.now.tick_ms, event)?;
        }
        Ok(ordered)
    }

    fn rollback(&self) -> Result<Ordered, FoldError> {
        let Some(run) = &self.journal.run else {
            return Ok(self.refused(
                "no rollout has been started, so this controller owns no weight; `rolloutctl rollback --direct` sets it with your own credentials".to_owned(),
            ));
        };
        let at_zero = self.shown() == Ok(Weight::ZERO);
        if matches!(run.end, Some((End::RolledBack, ..))) && at_zero {
            return Ok(self
                .not(Verdict::AlreadySo, "rolled back already: every rule shows 0 %".to_owned()));
        }
        let who = self.who();
        let text = format!("rollback ordered by {}: {}", who.identity, who.reason);
        let event = Event::RollbackOrdered { who, command: self.command() };
        let message = "rolled back: every route at 0 %".to_owned();
        if run.mode == Mode::Shadow {
            // Nothing is moved in shadow mode, by nobody's order: end the run.
            let mut ordered = self.applied(
                "the shadow rollout has ended; nothing was moved".to_owned(),
                event,
                None,
            )?;
            finish_rollback(&mut ordered.draft, self.now)?;
            return Ok(ordered);
        }
        let shift = Shift::out_of_traffic(CauseKind::RollBack, text);
        self.applied(message, event, Some(shift))
    }

    fn promote(&self, to: Option<Weight>, force: bool) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else {
            return Ok(self.no_run());
        };
        if let Some(why) = self.may_not_promote(run, force) {
            return Ok(self.refused(why));
        }
        let next = run.terms.next_after(run.weight);
        let to = match (to, next) {
            (None, Some(next)) => next,
            (None, None) => return self.complete_early(run),
            (Some(to), _) if to <= run.weight => {
                return Ok(
                    self.refused(format!("{to} is not above {}; promote only raises", run.weight))
                );
            }
            (Some(to), _) if !run.terms.stages.contains(&to) => {
                let stages: Vec<String> =
                    run.terms.stages.iter().map(ToString::to_string).collect();
                return Ok(
                    self.refused(format!("{to} is no stage of the plan: {}", stages.join(", ")))
                );
            }
            (Some(to), Some(next)) if to > next && !force => {
                return Ok(
                    self.refused(format!("{to} skips {next}; --force does that without proof"))
                );
            }
            (Some(to), _) => to,
        };
        let who = self.who();
        let proof = if force { "without proof" } else { "with every limit shown to hold" };
        let cause = Cause {
            kind: CauseKind::Promotion,
            text: format!("promoted to {to} by {} {proof}: {}", who.identity, who.reason),
        };
        let shift = Shift { from: Some(run.weight), to, cause };
        let event = Event::Promoted { who, command: self.command(), to, forced: force };
        self.applied(format!("promoted from {} to {to}", run.weight), event, Some(shift))
    }

    fn may_not_promote(&self, run: &Run, force: bool) -> Option<String> {
        if run.mode == Mode::Shadow {
            return Some("a shadow rollout moves nothing; `activate` it first".to_owned());
        }
        if run.rolling_back.is_some() || run.evidence.rolled_back_at().is_some() {
            return Some("the evidence says roll back; nothing raises the Rust share".to_owned());
        }
        if let Some(intent) = &run.intent {
            return Some(format!("a change to {} is under way; try again in a minute", intent.to));
        }
        if run.weight == Weight::ZERO {
            return Some(
                "the first stage has not been taken yet; there is nothing to skip".to_owned(),
            );
        }
        match self.shown() {
            Err(why) => return Some(why),
            Ok(shown) if shown != run.weight => {
                return Some(format!("the rules show {shown}, the journal says {}", run.weight));
            }
            Ok(_) => {}
        }
        if let Some(finding) = self.unsafe_rule() {
            return Some(finding);
        }
        match &self.sight.alarms {
            Err(error) => return Some(format!("alarms cannot be read: {error}")),
            Ok(alarms) => {
                if let Some(alarm) = alarms.iter().find(|alarm| alarm.state == AlarmState::Alarm) {
                    return Some(format!("alarm `{}` stands", alarm.name));
                }
            }
        }
        if force {
            return None;
        }
        let proven = run.judged.as_ref().zip(run.engine().ok()).is_some_and(|(judged, engine)| {
            judged.weight == run.weight
                && judged.log_gates.iter().all(|gate| *gate >= engine.gate_threshold())
                && judged.log_e < 0.5 * engine.rollback_threshold()
                && !judged.shared_incident()
        });
        let why = explain::last_decision(run);
        (!proven).then(|| {
            format!("not every limit is shown to hold yet ({why}); --force goes without proof")
        })
    }

    fn complete_early(&self, run: &Run) -> Result<Ordered, FoldError> {
        let who = self.who();
        let reason =
            format!("the rest of the bake was skipped by {}: {}", who.identity, who.reason);
        let event = Event::Promoted { who, command: self.command(), to: run.weight, forced: false };
        let mut ordered =
            self.applied("complete; the rest of the bake is skipped".to_owned(), event, None)?;
        ordered.draft.add(self.now.tick_ms, Event::Finished { end: End::Completed, reason })?;
        Ok(ordered)
    }

    fn activate(&self) -> Result<Ordered, FoldError> {
        let Some(run) = self.journal.open_run() else {
            return Ok(self.no_run());
        };
        if run.mode == Mode::Active {
            return Ok(self.not(Verdict::AlreadySo, "this rollout acts already".to_owned()));
        }
        if run.would_have.is_some() {
            return Ok(self
                .refused("the shadow rollout would have rolled back; start a new one".to_owned()));
        }
        if self.shown() != Ok(run.weight) {
            return Ok(self.refused(format!("the rules do not show {}", run.weight)));
        }
        let event = Event::Activated { who: self.who(), command: self.command() };
        self.applied(format!("active from now on, at {}", run.weight), event, None)
    }
}
