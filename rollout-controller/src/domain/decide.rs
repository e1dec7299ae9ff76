//! From what the journal knows and what was seen to the next events. Pure.
//!
//! The order of the questions is the safety argument: settle the change under
//! way; take in an order from outside the journal; roll back; step back; finish
//! or undo a raise that is half done; and only when nothing speaks against it may
//! the share rise.

use super::assess::{Assessment, Baseline, assess};
use super::both_sides::Answer;
use super::code::{CodeChange, CodeLook};
use super::conditions;
use super::decision::{Cause, CauseKind, Decision, Hold, RollBackReason, Shift, StepBackReason};
use super::draft::Draft;
use super::engine::{Proof, Says};
use super::event::{End, Event};
use super::explain;
use super::journal::{FoldError, Journal};
use super::observation::{AlarmState, Now, Observation};
use super::phase::{PUT_BACK_MS, Phase};
use super::plan::{Mode, OnNewCode, Settings};
use super::raise::{Raise, Waived, rolls_back};
use super::reconcile::{begun_outside, found, reconcile};
use super::run::{Intent, Run};
use super::weight::Weight;
use crate::planted::planted;

/// What a tick is going to do.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Events to append before anything is written to a load balancer.
    pub draft: Draft,
    /// `None`: there is no run to decide about.
    pub decision: Option<Decision>,
    /// The one change to make, already intended in the draft.
    pub shift: Option<Shift>,
}

impl Decided {
    fn nothing(draft: Draft) -> Self {
        Self { draft, decision: None, shift: None }
    }
}

/// A tick this far past the last one, of which nothing can be read, is not of
/// this time. 5 minutes.
const FUTURE_MS: i64 = 5 * 60_000;
/// The same without an open run, whose minutes would tell: an hour.
const FUTURE_IDLE_MS: i64 = 60 * 60_000;

/// Decides one tick.
///
/// # Errors
/// [`FoldError`] if the journal cannot be continued: a bug, or an edited table.
pub fn decide(
    journal: &Journal,
    seen: &Observation,
    settings: &Settings,
    now: Now,
) -> Result<Decided, FoldError> {
    let mut draft = Draft::of(journal);
    reconcile(&mut draft, seen, now)?;
    end_pause(&mut draft, now)?;
    let Some(run) = draft.journal.open_run().cloned() else {
        return after_the_end(draft, seen, settings, now);
    };
    let assessment = assess(&run, seen, now)?;
    let decision = choose(&assessment, seen, settings, now, journal);
    record(&mut draft, &assessment, seen, &decision, now)?;
    conditions::report(&mut draft, seen, settings, now)?;
    let shift = draft.journal.open_run().and_then(|run| shift_for(run, &decision));
    match (&decision, &shift) {
        (_, Some(shift)) => intend(&mut draft, shift, now)?,
        (Decision::Complete { proof }, None) => {
            let reason = explain::complete(proof);
            draft.add(now.tick_ms, Event::Finished { end: End::Completed, reason })?;
        }
        (Decision::RollBack { reason }, None) if run.mode == Mode::Shadow => {
            // It would have left traffic; a latched engine learns nothing more.
            let reason = format!(
                "Shadow, it would have rolled back: {}",
                explain::rollback_reason(reason, &run.terms.labels)
            );
            draft.add(now.tick_ms, Event::Finished { end: End::RolledBack, reason })?;
        }
        _ => {}
    }
    Ok(Decided { draft, decision: Some(decision), shift })
}

/// Whether what a tick would journal without an open run is not of this world: far
/// past the last entry and ahead of the clock. It would put the journal's time there,
/// and every tick of the next run would be older than the last.
pub fn would_journal_the_future(decided: &Decided, journal: &Journal, now: Now) -> bool {
    // What it delivers is journalled as well.
    let speaks = !decided.draft.events.is_empty() || !journal.outbox.is_empty();
    let idle = journal.open_run().is_none() && speaks;
    let far = |ms: i64| now.tick_ms.saturating_sub(ms) > FUTURE_IDLE_MS;
    idle && far(now.clock_ms) && far(journal.at_ms) && !planted!(FutureTickCounts)
}

/// Whether a tick's time is not of this world: far past the last tick, ahead of
/// the clock, and none of the newest minutes can be read. Such a tick is not
/// journalled; alarms still protect.
pub fn is_from_the_future(journal: &Journal, seen: &Observation, now: Now) -> bool {
    let last = journal.ticked_ms.unwrap_or(journal.at_ms);
    let Some(run) = journal.open_run() else { return false };
    let ahead = |ms: i64| now.tick_ms.saturating_sub(ms) > FUTURE_MS;
    let ahead = ahead(last) && ahead(now.clock_ms);
    let read = seen.minutes.value().or(seen.history.value());
    let readable = read.is_some_and(|minutes| {
        let newest = run.newest_due(now.tick_ms);
        minutes.iter().any(|read| {
            newest.since(read.minute) < 12
                && read.routes.iter().any(|route| {
                    matches!(
                        route,
                        super::observation::RouteMinute::Known { old, new }
                            if old.is_some() || new.is_some()
                    )
                })
        })
    });
    ahead && !readable && !planted!(FutureTickCounts)
}

/// Adds the intent of a change to a draft.
///
/// # Errors
/// [`FoldError`] if it cannot follow.
pub fn intend(draft: &mut Draft, shift: &Shift, now: Now) -> Result<(), FoldError> {
    let from = draft.journal.run.as_ref().map_or(Weight::ZERO, |run| run.weight);
    let (to, cause) = (shift.to, shift.cause.clone());
    let (deadline_ms, clock_ms) = (now.deadline_ms, now.late_clock_ms());
    draft.add(now.tick_ms, Event::Intended { from, to, cause, deadline_ms, clock_ms })
}

fn end_pause(draft: &mut Draft, now: Now) -> Result<(), FoldError> {
    let pause = draft.journal.open_run().and_then(|run| run.phase.pause());
    let over = pause
        .and_then(|pause| pause.until_ms)
        .is_some_and(|until| now.tick_ms >= until || planted!(PauseEndsEarly));
    // A tick that comes late must not end a pause that goes on by the clock.
    let on_time = draft.journal.ticked_ms.is_none_or(|last| now.tick_ms >= last);
    if over && on_time {
        draft.add(now.tick_ms, Event::PauseEnded {})?;
    }
    Ok(())
}

/// Journals what was read and decided.
fn record(
    draft: &mut Draft,
    assessment: &Assessment,
    seen: &Observation,
    decision: &Decision,
    now: Now,
) -> Result<(), FoldError> {
    if let Baseline::Read(new) = &assessment.baseline {
        let event = Event::Baseline {
            history: new.history.clone(),
            first: new.first,
            requests_per_minute: new.requests_per_minute,
            through: new.through,
            chosen: new.chosen.clone(),
        };
        draft.add(now.tick_ms, event)?;
    }
    let alarms = seen.alarms.as_ref().map_or_else(
        |_| Vec::new(),
        |alarms| {
            let standing = alarms.iter().filter(|alarm| alarm.state == AlarmState::Alarm);
            standing.map(|alarm| alarm.name.clone()).collect()
        },
    );
    let behind = assessment.run.first.map_or(0, |_| assessment.run.minutes_behind(now.tick_ms));
    let unreadable = seen.unreadable_rule().is_some() || seen.alarms.is_err();
    let code_unknown = match &assessment.code {
        CodeLook::Unknown(why) => Some(why.clone()),
        CodeLook::AsJournalled | CodeLook::Changed(..) => None,
    };
    let event = Event::Ticked {
        minutes: assessment.entries.clone(),
        decision: decision.clone(),
        alarms,
        recovered: assessment.recovered.clone(),
        blind_minutes: (behind > 0 || unreadable).then_some(behind),
        no_target: assessment.no_target.clone(),
        lag_minutes: assessment.lag_minutes,
        code_unknown,
    };
    draft.add(now.tick_ms, event)?;
    // After the minutes: those up to now were gathered on the code that was.
    if let CodeLook::Changed(change, codes) = &assessment.code {
        let (change, codes) = (*change, codes.clone());
        let clock_ms = now.late_clock_ms();
        draft.add(now.tick_ms, Event::CodeChanged { change, codes, clock_ms })?;
    }
    Ok(())
}

// ------------------------------------------------------------------- choosing

fn choose(
    assessment: &Assessment,
    seen: &Observation,
    settings: &Settings,
    now: Now,
    journal: &Journal,
) -> Decision {
    if let Some(reason) = must_roll_back(assessment, seen, settings, now) {
        return Decision::RollBack { reason };
    }
    if let Some((to, why)) = must_step_back(assessment, settings) {
        return Decision::StepBack { to, why };
    }
    let raise = Raise::of(assessment, seen, settings, now, journal);
    if let Some(intent) = &assessment.run.intent {
        return half_done(assessment, &raise, intent);
    }
    match may_rise(assessment, &raise) {
        Err(reason) => Decision::Hold { reason: *reason },
        Ok(Rise::Step { to, proof }) => Decision::Advance { to, proof },
        Ok(Rise::Complete { proof }) => Decision::Complete { proof },
    }
}

/// A raise that reached some routes: finished if nothing but fresh proof is
/// missing (it was proven when it began), otherwise taken back.
fn half_done(assessment: &Assessment, raise: &Raise<'_>, intent: &Intent) -> Decision {
    let to = intent.to;
    match raise.obstacle(&assessment.code).or_else(|| raise.calendar(to)) {
        None | Some(Hold::Behind { .. }) => Decision::Continue { to },
        Some(_) if planted!(FinishesWhatMayNotRise) => Decision::Continue { to },
        Some(reason @ (Hold::InFlight { .. } | Hold::RulesUnreadable { .. })) => {
            Decision::Hold { reason }
        }
        Some(_) => Decision::StepBack { to: intent.from, why: StepBackReason::Undo { to } },
    }
}

enum Rise {
    Step { to: Weight, proof: Option<Proof> },
    Complete { proof: Proof },
}

/// The next raise, or the first thing that speaks against it.
fn may_rise(assessment: &Assessment, raise: &Raise<'_>) -> Result<Rise, Box<Hold>> {
    if let Some(hold) = raise.obstacle(&assessment.code) {
        return Err(Box::new(hold));
    }
    let run = &assessment.run;
    let first = match &assessment.baseline {
        Baseline::Known(first) => *first,
        Baseline::Read(new) => new.first,
        Baseline::Missing(error) => return Err(Box::new(Hold::NoHistory { error: error.clone() })),
    };
    if run.weight == Weight::ZERO && run.mode == Mode::Active {
        return raise
            .both_sides()
            .or_else(|| raise.calendar(first))
            .map_or(Ok(Rise::Step { to: first, proof: None }), |hold| Err(Box::new(hold)));
    }
    let proof = raise.proof(&assessment.says, Waived::Nothing)?;
    let mut next = run.terms.next_after(run.weight);
    if planted!(SkipsAStage) {
        next = next.and_then(|next| run.terms.next_after(next)).or(next);
    }
    match (next, proof) {
        (Some(to), proof) => {
            raise.calendar(to).map_or(Ok(Rise::Step { to, proof }), |hold| Err(Box::new(hold)))
        }
        (None, Some(proof)) => Ok(Rise::Complete { proof }),
        (None, None) => Err(Box::new(Hold::NotJudgedYet)),
    }
}

fn must_roll_back(
    assessment: &Assessment,
    seen: &Observation,
    settings: &Settings,
    now: Now,
) -> Option<RollBackReason> {
    let run = &assessment.run;
    if let Some(reason) = run.phase.rolling_back() {
        return Some(reason.clone());
    }
    if let Some(reason) = begun_outside(run, seen, now.earlier_ms()) {
        return Some(RollBackReason::Begun { reason });
    }
    if let Says::Breach(breach) = &assessment.says
        && !planted!(BreachDoesNotRollBack)
    {
        return Some(RollBackReason::Evidence { breach: breach.clone() });
    }
    if let Some(alarm) = rolls_back(settings, &run.alarms_before, seen) {
        let (name, reason) = (alarm.name.clone(), alarm.reason.clone());
        return Some(RollBackReason::Alarm { name, reason });
    }
    let second_look = run.no_target_looks > 0 && run.weight > Weight::ZERO;
    if second_look && !assessment.no_target.is_empty() {
        return Some(RollBackReason::NoTarget { routes: assessment.no_target.clone() });
    }
    match hurt_both_sides(run) {
        Some(Answer::RollBack { first, second }) => {
            Some(RollBackReason::TwiceBothSides { first, second })
        }
        Some(Answer::StepBack(_)) | None => None,
    }
}

/// What both sides say about a raise of ours that is over.
fn hurt_both_sides(run: &Run) -> Option<Answer> {
    let ours = may_step_back(run) && run.intent.is_none();
    ours.then(|| run.both_sides()).flatten()
}

fn may_step_back(run: &Run) -> bool {
    if run.mode == Mode::Shadow {
        return false;
    }
    match &run.phase {
        Phase::Advancing { .. } | Phase::Paused { .. } => true,
        Phase::Starting
        | Phase::Moved { .. }
        | Phase::RollingBack { .. }
        | Phase::RolledBack { .. }
        | Phase::Completed { .. }
        | Phase::Abandoned { .. } => false,
    }
}

fn must_step_back(
    assessment: &Assessment,
    settings: &Settings,
) -> Option<(Weight, StepBackReason)> {
    let run = &assessment.run;
    if let CodeLook::Changed(change, _) = &assessment.code
        && change.touches_new()
        && *change != CodeChange::First
        && may_step_back(run)
    {
        let to = match settings.on_new_code {
            OnNewCode::FirstStage => run.first?,
            OnNewCode::Stay => run.terms.bake_share(),
        };
        if to < run.weight && run.intent.is_none() {
            return Some((to, StepBackReason::NewCode));
        }
    }
    match hurt_both_sides(run)? {
        Answer::StepBack(harm) => Some((harm.from, StepBackReason::BothSides { harm })),
        Answer::RollBack { .. } => None,
    }
}

/// What to write for a decision; nothing in shadow mode, whatever it is.
fn shift_for(run: &Run, decision: &Decision) -> Option<Shift> {
    if run.mode == Mode::Shadow {
        return None;
    }
    match decision {
        Decision::Advance { to, proof } => {
            let kind = if proof.is_some() { CauseKind::Evidence } else { CauseKind::Start };
            let text = explain::because(decision, run);
            Some(Shift { from: Some(run.weight), to: *to, cause: Cause { kind, text } })
        }
        Decision::Continue { to } => run.intent.as_ref().map(|intent| Shift {
            from: Some(intent.from),
            to: *to,
            cause: intent.cause.clone(),
        }),
        Decision::StepBack { to, why } => {
            let from = match why {
                // Some routes show where the raise was going.
                StepBackReason::Undo { .. } => None,
                StepBackReason::NewCode | StepBackReason::BothSides { .. } => Some(run.weight),
            };
            let text = explain::step_back(*to, why, &run.terms.labels);
            Some(Shift { from, to: *to, cause: Cause { kind: CauseKind::StepBack, text } })
        }
        Decision::RollBack { reason } => {
            let text = explain::rollback_reason(reason, &run.terms.labels);
            Some(Shift::out_of_traffic(CauseKind::RollBack, text))
        }
        Decision::Hold { .. } | Decision::Complete { .. } => None,
    }
}

// -------------------------------------------------------------- after the end

/// A finished run is still looked at. After a rollback a raised weight is put back
/// first for a while, and told; later, and after every other end, it is told.
fn after_the_end(
    mut draft: Draft,
    seen: &Observation,
    settings: &Settings,
    now: Now,
) -> Result<Decided, FoldError> {
    if let Some(run) = draft.journal.run.clone()
        && let Some(intent) = &run.intent
        && run.mode == Mode::Active
        && (seen.all_show(intent.to) || (intent.to == Weight::ZERO && seen.all_reached()))
    {
        draft.add(now.tick_ms, intent.applied())?;
    }
    conditions::report_after_the_end(&mut draft, seen, &settings.labels, now)?;
    let Some(run) = draft.journal.run.clone() else { return Ok(Decided::nothing(draft)) };
    let Phase::RolledBack { at_ms, .. } = run.phase else { return Ok(Decided::nothing(draft)) };
    if run.mode == Mode::Shadow
        || now.tick_ms > at_ms.saturating_add(PUT_BACK_MS)
        || planted!(NothingIsPutBack)
    {
        return Ok(Decided::nothing(draft));
    }
    let raised =
        seen.rules.iter().any(|rule| rule.as_ref().is_ok_and(|seen| !seen.share.is_reached()));
    let decision = if raised {
        Decision::RollBack { reason: RollBackReason::PutBack }
    } else {
        Decision::Hold { reason: Hold::NotOpen }
    };
    // People must be able to see that somebody still looks.
    draft.add(
        now.tick_ms,
        Event::Ticked {
            minutes: Vec::new(),
            decision: decision.clone(),
            alarms: Vec::new(),
            recovered: Vec::new(),
            blind_minutes: None,
            no_target: Vec::new(),
            lag_minutes: None,
            code_unknown: None,
        },
    )?;
    if !raised {
        return Ok(Decided { draft, decision: Some(decision), shift: None });
    }
    let found = found(&run.terms, &seen.rules);
    let text = format!(
        "{} {}",
        explain::rollback_reason(&RollBackReason::PutBack, &run.terms.labels),
        explain::sentence(&format!("Before: {}", super::event::RouteFound::list(&found)))
    );
    let shift = Shift::out_of_traffic(CauseKind::PutBack, text);
    intend(&mut draft, &shift, now)?;
    Ok(Decided { draft, decision: Some(decision), shift: Some(shift) })
}
