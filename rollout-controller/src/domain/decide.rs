//! From what the journal knows and what was seen to the next events. Pure.
//!
//! The order of the questions is the safety argument: a change under way is
//! settled first, then rollback is asked before anything that could hold it back,
//! and only when nothing at all speaks against it may the Rust share rise.

use super::conditions;
use super::decision::{AlarmHolds, Cause, CauseKind, Decision, Hold, RollBackReason, Shift};
use super::draft::{Draft, Now, intend};
use super::event::{End, Event};
use super::evidence::{Stage, StageDecision, start_weight};
use super::explain;
use super::journal::{FoldError, Journal};
use super::minute::{CommittedMinute, Minute};
use super::observation::{AlarmSeen, AlarmState, Seen};
use super::plan::{Mode, Settings, StartAt};
use super::reconcile::{
    SETTLE_GRACE_MS, all_show, end_pause, recovered, settle, shadow_follows, shares,
};
use super::run::Run;
use super::weight::Weight;
use jiff::Timestamp;

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
    /// There is no run to decide about.
    fn nothing(draft: Draft) -> Self {
        Self { draft, decision: None, shift: None }
    }
}

/// For this long after a rollback a raised weight is put back before anybody is
/// asked: a stale writer may land late.
const PUT_BACK_MS: i64 = 15 * 60_000;
/// Decides one tick.
///
/// # Errors
/// [`FoldError`] if the journal cannot be continued: a bug, or an edited table.
pub fn decide(
    journal: &Journal,
    seen: &Seen,
    settings: &Settings,
    now: Now,
) -> Result<Decided, FoldError> {
    let mut draft = Draft::of(journal);
    let Some(run) = &journal.run else {
        return Ok(Decided::nothing(draft));
    };
    if !run.is_open() {
        return after_the_end(draft, seen, now);
    }
    settle(&mut draft, seen, now)?;
    // Settling may have found out when a weight began.
    let minutes =
        draft.journal.run.as_ref().map_or_else(Vec::new, |run| weighed(run, &seen.minutes));
    let seen = &Seen { minutes, ..seen.clone() };
    if let Some(weight) = shadow_follows(&draft, seen) {
        draft.add(now.tick_ms, Event::Followed { weight })?;
    }
    end_pause(&mut draft, now)?;
    let Some(run) = draft.journal.open_run() else {
        return Ok(Decided::nothing(draft));
    };

    // Judged on a copy: the journal judges when it is told of the tick, and the
    // event that tells it carries the decision.
    let mut judged = run.clone();
    let recovered = recovered(run, seen);
    judged.alarms_before.retain(|name| !recovered.contains(name));
    judged.judge(&seen.minutes).map_err(|problem| FoldError::Engine {
        seq: draft.journal.revision + 1,
        kind: Event::TICKED,
        problem,
    })?;
    let baseline = baseline(&judged, seen);
    let first = baseline.as_ref().map(|(first, ..)| *first);
    let decision = choose(&judged, seen, settings, now, first);

    if let Some((first, requests_per_minute, through, history)) = baseline {
        let event = Event::Baseline { history, first, requests_per_minute, through };
        draft.add(now.tick_ms, event)?;
    }
    draft.add(now.tick_ms, ticked(&draft.journal, seen, &decision, recovered, now))?;
    conditions::report(&mut draft, seen, settings, now)?;
    let shift = draft.journal.run.as_ref().and_then(|run| shift_for(run, &decision));
    match (&decision, &shift) {
        (_, Some(shift)) => intend(&mut draft, shift, now)?,
        (Decision::Finish { proof }, None) => {
            let reason = explain::evidence::complete(proof);
            draft.add(now.tick_ms, Event::Finished { end: End::Completed, reason })?;
        }
        _ => {}
    }
    Ok(Decided { draft, decision: Some(decision), shift })
}

/// The minutes with the weights that the journal has for them.
fn weighed(run: &Run, minutes: &[CommittedMinute]) -> Vec<CommittedMinute> {
    let weigh = |minute: &CommittedMinute| CommittedMinute {
        weight: run.weight_at(minute.minute),
        ..minute.clone()
    };
    minutes.iter().map(weigh).collect()
}

fn ticked(
    journal: &Journal,
    seen: &Seen,
    decision: &Decision,
    recovered: Vec<String>,
    now: Now,
) -> Event {
    let standing = |alarm: &&AlarmSeen| alarm.state == AlarmState::Alarm;
    let alarms = seen.alarms.as_ref().map_or_else(
        |_| Vec::new(),
        |alarms| alarms.iter().filter(standing).map(|alarm| alarm.name.clone()).collect(),
    );
    let late = conditions::blind_minutes(journal, seen, now.tick_ms);
    Event::Ticked {
        minutes: seen.minutes.clone(),
        decision: decision.clone(),
        alarms,
        recovered,
        blind_minutes: late.filter(|minutes| *minutes > 0),
    }
}

// ------------------------------------------------------------------- choosing

type Baseline = (Weight, f64, Minute, Vec<CommittedMinute>);

/// The first stage, once the history is there.
fn baseline(run: &Run, seen: &Seen) -> Option<Baseline> {
    if run.first.is_some() {
        return None;
    }
    let history = seen.history.as_ref()?.as_ref().ok()?;
    let through = history.last()?.minute;
    let requests: u64 =
        history.iter().map(|minute| minute.old.requests + minute.new.requests).sum();
    let per_minute = requests as f64 / history.len() as f64;
    let first = match run.terms.start {
        StartAt::Stage(weight) => weight,
        StartAt::Auto => start_weight(&run.terms.stages, per_minute, run.terms.lag_minutes)?,
    };
    Some((first, per_minute, through, history.clone()))
}

/// The decision itself. `first` is the first stage, if its history has just been read.
fn choose(
    run: &Run,
    seen: &Seen,
    settings: &Settings,
    now: Now,
    first: Option<Weight>,
) -> Decision {
    if let Some(reason) = must_roll_back(run, seen, settings) {
        return Decision::RollBack { reason };
    }
    let hold = |reason| Decision::Hold { reason };
    if let Some(reason) = stopped(run, seen, now) {
        return hold(reason);
    }
    if let Some(reason) = holds(run, seen, settings, now) {
        return hold(reason);
    }
    let half_done = run.intent.as_ref().map(|intent| intent.to);
    let (to, proof) = match (run.first.or(first), run.weight) {
        // Some routes arrived, the others still show where they were.
        _ if let Some(to) = half_done => (to, None),
        (None, _) => {
            return hold(Hold::NoHistory { error: history_error(seen) });
        }
        (Some(first), Weight::ZERO) if run.mode == Mode::Active => (first, None),
        _ => match by_evidence(run) {
            StageDecision::Rollback { breach } => {
                return Decision::RollBack { reason: RollBackReason::Evidence { breach } };
            }
            StageDecision::Advance { to, proof } => (to, Some(proof)),
            StageDecision::Complete { proof } => return Decision::Finish { proof },
            StageDecision::Hold { reason } => return hold(Hold::Evidence { reason }),
        },
    };
    let time = Timestamp::from_millisecond(now.tick_ms).unwrap_or_default();
    if settings.calendar.allows(time) {
        match half_done {
            Some(to) => Decision::Continue { to },
            None => Decision::Advance { to, proof },
        }
    } else {
        let next_ms = settings.calendar.next_allowed(time).map(Timestamp::as_millisecond);
        hold(Hold::Calendar { to, next_ms })
    }
}

fn history_error(seen: &Seen) -> String {
    match &seen.history {
        Some(Err(error)) => error.clone(),
        Some(Ok(_)) => "no minute of the old side's history can be read yet".to_owned(),
        None => "the history was not asked for".to_owned(),
    }
}

/// What the newest judgement means; hold if there is none of this stage.
fn by_evidence(run: &Run) -> StageDecision {
    let not_yet = || {
        // A stage without a judged minute has proven nothing.
        use super::evidence::HoldReason;
        StageDecision::Hold { reason: HoldReason::EarlierStage { weight: run.weight } }
    };
    let (Some(judged), Ok(engine)) = (&run.judged, run.engine()) else {
        return not_yet();
    };
    let stage = Stage { weight: run.weight, next: run.terms.next_after(run.weight) };
    engine.stage_gate(&run.evidence, judged, stage)
}

fn must_roll_back(run: &Run, seen: &Seen, settings: &Settings) -> Option<RollBackReason> {
    if let Some(reason) = &run.rolling_back {
        return Some(reason.clone());
    }
    if run.would_have.is_some() {
        return None;
    }
    if run.evidence.rolled_back_at().is_some()
        && let StageDecision::Rollback { breach } = by_evidence(run)
    {
        return Some(RollBackReason::Evidence { breach });
    }
    let alarms = seen.alarms.as_ref().ok()?;
    alarms.iter().find_map(|alarm| match alarm_says(run, settings, alarms, alarm) {
        AlarmSays::RollBack => {
            Some(RollBackReason::Alarm { name: alarm.name.clone(), reason: alarm.reason.clone() })
        }
        AlarmSays::Hold(_) | AlarmSays::Nothing => None,
    })
}

enum AlarmSays {
    Nothing,
    Hold(AlarmHolds),
    RollBack,
}

fn alarm_says(run: &Run, settings: &Settings, all: &[AlarmSeen], alarm: &AlarmSeen) -> AlarmSays {
    let rolls_back = settings.rollback_on.contains(&alarm.name);
    if !rolls_back && !settings.hold_on.contains(&alarm.name) {
        return AlarmSays::Nothing;
    }
    match alarm.state {
        AlarmState::Ok | AlarmState::InsufficientData => return AlarmSays::Nothing,
        AlarmState::Missing => return AlarmSays::Hold(AlarmHolds::Missing),
        AlarmState::Alarm => {}
    }
    if !rolls_back {
        return AlarmSays::Hold(AlarmHolds::Listed);
    }
    if run.alarms_before.contains(&alarm.name) {
        return AlarmSays::Hold(AlarmHolds::StoodBefore);
    }
    let twin = settings.python_twin.get(&alarm.name);
    let twin_stands = twin.is_some_and(|twin| {
        all.iter().any(|other| other.name == *twin && other.state == AlarmState::Alarm)
    });
    if twin_stands {
        return AlarmSays::Hold(AlarmHolds::TwinStands);
    }
    AlarmSays::RollBack
}

/// Whether the world is in a state in which nothing may be written but a rollback.
fn stopped(run: &Run, seen: &Seen, now: Now) -> Option<Hold> {
    if run.would_have.is_some() {
        return Some(Hold::ShadowRolledBack);
    }
    if let Some(Err(error)) = seen.routes.iter().find(|route| route.is_err()) {
        return Some(Hold::RulesUnreadable { error: error.clone() });
    }
    if let Some(intent) = &run.intent
        && now.real_ms <= intent.deadline_ms + SETTLE_GRACE_MS
    {
        return Some(Hold::InFlight { to: intent.to });
    }
    run.moved.is_some().then_some(Hold::MovedByOther)
}

fn holds(run: &Run, seen: &Seen, settings: &Settings, now: Now) -> Option<Hold> {
    if let Some(finding) = conditions::unsafe_rules(seen).into_iter().next() {
        return Some(Hold::RulesUnsafe { finding });
    }
    if let Some(pause) = &run.pause {
        return Some(Hold::Paused {
            by: pause.who.identity.clone(),
            reason: pause.who.reason.clone(),
            until_ms: pause.until_ms,
        });
    }
    let alarms = match &seen.alarms {
        Ok(alarms) => alarms,
        Err(error) => {
            return Some(Hold::AlarmsUnreadable { error: error.clone() });
        }
    };
    for alarm in alarms {
        if let AlarmSays::Hold(because) = alarm_says(run, settings, alarms, alarm) {
            return Some(Hold::Alarm { name: alarm.name.clone(), because });
        }
    }
    if run.first.is_some()
        && let Some(error) = &seen.gap
    {
        let minutes = conditions::late_minutes(run, seen, now.tick_ms);
        return Some(Hold::Blind { minutes, error: error.clone() });
    }
    let last_of_stage = run.judged.as_ref().is_some_and(|judged| judged.weight == run.weight);
    if run.first.is_some() && run.weight > Weight::ZERO && !last_of_stage {
        return Some(Hold::NotJudgedYet);
    }
    None
}

/// What to write for a decision; nothing in shadow mode, whatever it is.
fn shift_for(run: &Run, decision: &Decision) -> Option<Shift> {
    if run.mode == Mode::Shadow {
        return None;
    }
    match decision {
        Decision::Advance { to, proof } => {
            let kind = if proof.is_some() { CauseKind::Evidence } else { CauseKind::Start };
            let text = explain::decision(decision, run, &explain::evidence::Clock::utc());
            Some(Shift { from: Some(run.weight), to: *to, cause: Cause { kind, text } })
        }
        Decision::Continue { to } => run.intent.as_ref().map(|intent| Shift {
            from: Some(intent.from),
            to: *to,
            cause: intent.cause.clone(),
        }),
        Decision::RollBack { reason } => {
            let text = explain::rollback_reason(reason);
            Some(Shift::out_of_traffic(CauseKind::RollBack, text))
        }
        Decision::Hold { .. } | Decision::Finish { .. } => None,
    }
}

// -------------------------------------------------------------- after the end

/// A finished rollout gets no Rust traffic by anybody but a new start. A raised
/// weight shortly after a rollback is put back first; later it is only told.
fn after_the_end(mut draft: Draft, seen: &Seen, now: Now) -> Result<Decided, FoldError> {
    let Some(run) = draft.journal.run.clone() else {
        return Ok(Decided::nothing(draft));
    };
    let Some((End::RolledBack, _, ended_ms)) = run.end else {
        return Ok(Decided::nothing(draft));
    };
    if run.mode == Mode::Shadow || shares(seen).is_none() {
        return Ok(Decided::nothing(draft));
    }
    if let Some(intent) = &run.intent
        && all_show(seen, intent.to)
    {
        draft.add(now.tick_ms, intent.applied())?;
    }
    conditions::report_raised_after_rollback(&mut draft, seen, now)?;
    if all_show(seen, Weight::ZERO) || now.tick_ms > ended_ms + PUT_BACK_MS {
        return Ok(Decided::nothing(draft));
    }
    let reason = RollBackReason::PutBack;
    let text = explain::rollback_reason(&reason);
    let shift = Shift::out_of_traffic(CauseKind::PutBack, text);
    intend(&mut draft, &shift, now)?;
    Ok(Decided { draft, decision: Some(Decision::RollBack { reason }), shift: Some(shift) })
}
