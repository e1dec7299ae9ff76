//! Evidence-2 on a recording.

use super::{Decision, End, Replay, ReplayError};
use crate::domain::engine::Evidence2;
use crate::domain::evidence2::{
    Clock, Counts, Engine, History, HistoryMinute, Part, Position, Proven, Reading, Settings,
    Stages, Verdict, Words, start_stage,
};
use crate::domain::labels::Labels;
use crate::domain::minute::{Edges, Minute};
use crate::domain::slo::Slo;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::{self, ComparisonsRead, Judge, Look};
use crate::replay::trace::{Trace, TraceMinute};

/// What is judged.
pub(super) struct Rollout {
    pub(super) settings: Settings,
    pub(super) slo: Slo,
    pub(super) edges: Edges,
    pub(super) stages: Vec<Weight>,
    /// The first share; without one that of the first recorded minute.
    pub(super) start: Option<Weight>,
    /// Minutes from a minute's end to its judgement.
    pub(super) lag: i64,
    pub(super) sides: Labels,
    /// Where wrong answers are an objective: what is set about it.
    pub(super) method: Option<Evidence2>,
}

fn unsuitable(error: impl std::error::Error + Send + Sync + 'static) -> ReplayError {
    ReplayError::Setup(Box::new(error))
}

/// Judges every minute that is due before the recording ends.
pub(super) fn play(name: &str, rollout: Rollout, trace: &Trace) -> Result<Replay, ReplayError> {
    let Rollout { settings, slo, edges, stages, start, lag, sides, method } = rollout;
    let history = trace.history.iter().map(|minute| HistoryMinute {
        minute: minute.minute,
        old: minute.routes.iter().map(|row| Some(row.old.clone())).collect(),
    });
    let history = History::of_known(trace.routes, Minute(-1), history).map_err(unsuitable)?;
    let choices = Engine::choose(&settings, &slo, &edges, &history).map_err(unsuitable)?;
    let requests = choices.requests_per_minute;
    let stages =
        if stages.len() > 1 { Stages::with_bake(stages, requests) } else { Stages::new(stages) };
    let stages = stages.map_err(unsuitable)?;
    let shown = |minute: &TraceMinute| minute.routes.first().map_or(Weight::ZERO, |row| row.weight);
    let first = start
        .or_else(|| trace.rollout.first().map(shown).filter(|share| *share > Weight::ZERO))
        .unwrap_or_else(|| start_stage(&stages, requests, u32::try_from(lag).unwrap_or(u32::MAX)));
    let judge = match &method {
        Some(method) => Judge::of(method, stages.shares()).map_err(unsuitable)?,
        None => None,
    };
    let mut engine = Engine::new(settings, slo, edges, stages, choices).map_err(unsuitable)?;
    if judge.is_some() {
        engine = engine.with_share(wrong_answers::OTHERS);
    }
    let mut answers = judge.as_ref().map(|judge| (judge, wrong_answers::Evidence::start(judge)));
    let answer_words = wrong_answers::Words { old: &sides.old, new: &sides.new };
    let names: Vec<String> = (0..trace.routes).map(|route| format!("route {route}")).collect();
    let words = Words { old: &sides.old, new: &sides.new, routes: &names, clock: Clock::Counted };

    let mut evidence = engine.start();
    let mut at = Position { share: first, baked: false };
    let mut replay = Replay {
        trace: name.to_owned(),
        engine: "evidence-2",
        decisions: Vec::new(),
        end: End::Running,
        judged_minutes: 0,
        last_minute: trace.last_minute.0,
        rel_edges_ms: [None; 3],
        choices: words.choices(&engine),
        holding: None,
        agreement: None,
    };
    for minute in &trace.rollout {
        // A minute becomes due only when the lag has passed.
        if minute.minute.plus(lag) > trace.last_minute {
            break;
        }
        let reading = reading(minute);
        engine
            .fold(&mut evidence, &reading)
            .map_err(|source| ReplayError::Fold { minute: minute.minute.0, source })?;
        replay.judged_minutes += 1;
        let verdict = engine.verdict(&evidence, at);
        let of_answers = answers.as_mut().map(|(judge, answers)| {
            let read = minute.comparisons().map(ComparisonsRead::Counted);
            let (minute, share, read) = (minute.minute, reading.share, read.as_ref());
            let look = Look { minute, share, read, proves: true, looked_for: false };
            answers.fold(judge, &look);
            judge.verdict(answers, at)
        });
        let mut reason = words.verdict(&engine, &verdict);
        let mut log_e = engine.suspicion(&evidence).0;
        let (word, lead, to, end) = match (&verdict, of_answers) {
            (
                Verdict::Unproven(_) | Verdict::Proven(_),
                Some(wrong_answers::Verdict::Breach(breach)),
            ) => {
                reason = answer_words.breach(&breach);
                log_e = breach.log_e;
                ("ROLLBACK", "wrong_answers", Weight::ZERO, End::Rollback)
            }
            (Verdict::Proven(_), Some(wrong_answers::Verdict::Hold(hold))) => {
                replay.holding = Some(answer_words.hold(&hold));
                continue;
            }
            (Verdict::Unproven(_), _) => {
                replay.holding = Some(reason);
                continue;
            }
            (Verdict::Breach(breach), _) => {
                ("ROLLBACK", breach.lead.metric().name(), Weight::ZERO, End::Rollback)
            }
            (Verdict::Proven(Proven { next: Some(next), .. }), _) => {
                ("ADVANCE", "", *next, End::Running)
            }
            (Verdict::Proven(Proven { next: None, .. }), _) => {
                ("COMPLETE", "", at.share, End::Complete)
            }
        };
        replay.decisions.push(Decision {
            minute: minute.minute.0,
            acted_minute: minute.minute.plus(lag).0,
            verdict: word,
            log_e,
            lead,
            from: at.share.percent(),
            to: to.percent(),
            reason,
        });
        replay.holding = None;
        at = Position { share: to, baked: to == Weight::FULL };
        if end != End::Running {
            replay.end = end;
            replay.last_minute = minute.minute.plus(lag).0;
            break;
        }
    }
    Ok(replay)
}

fn reading(minute: &TraceMinute) -> Reading {
    let part = |row: &crate::replay::trace::RouteRow| Part {
        weight: row.weight,
        counts: Counts::Known { old: row.old.clone(), new: row.new.clone() },
    };
    let parts: Vec<Part> = minute.routes.iter().map(part).collect();
    let share = parts.first().map_or(Weight::ZERO, |part| part.weight);
    Reading { minute: minute.minute, share, parts }
}
