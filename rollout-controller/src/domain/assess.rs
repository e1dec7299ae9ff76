//! What an observation says about the run: pure, and nothing is decided here.

use super::code::{CodeLook, CodeSeen, compare};
use super::engine::{Chosen, Evidence2, Method, Missing, Says, choose};
use super::event::MinuteEntry;
use super::evidence::{HoldReason, start_weight};
use super::evidence2::{History, Stages, start_stage};
use super::journal::FoldError;
use super::minute::{CommittedMinute, Minute};
use super::observation::{Asked, Now, Observation, Unread};
use super::plan::StartAt;
use super::reading;
use super::run::Run;
use super::weight::Weight;

/// What the numbers say.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The run with every minute that was read judged.
    pub run: Run,
    /// What to journal of the minutes.
    pub entries: Vec<MinuteEntry>,
    /// Why minutes that are due could not be read.
    pub unread: Option<Unread>,
    /// The history, where the first step waits for it.
    pub baseline: Baseline,
    /// What the evidence of the present stage says.
    pub says: Says,
    /// The code as it was seen.
    pub code: CodeLook,
    /// Routes whose new group has no target.
    pub no_target: Vec<String>,
    /// Alarms from before the start that are OK now: from here on they protect.
    pub recovered: Vec<String>,
    /// A longer lag for this run, by measurement.
    pub lag_minutes: Option<u32>,
}

/// The old side's history.
#[derive(Clone, Debug, PartialEq)]
pub enum Baseline {
    /// The run has it already.
    Known(Weight),
    /// It has just been read.
    Read(NewBaseline),
    /// Why there is none yet.
    Missing(String),
}

/// A history, and the first stage that follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewBaseline {
    /// The first stage.
    pub first: Weight,
    /// Requests a minute on both sides.
    pub requests_per_minute: f64,
    /// Judging begins after this minute.
    pub through: Minute,
    /// The minutes, for evidence-1.
    pub history: Vec<CommittedMinute>,
    /// What evidence-2 chose from them.
    pub chosen: Option<Box<Chosen>>,
}

/// Reads the observation.
///
/// # Errors
/// [`FoldError::Engine`] if the engine refuses the minutes: our own bug.
pub fn assess(run: &Run, seen: &Observation, now: Now) -> Result<Assessment, FoldError> {
    let mut judged = run.clone();
    let recovered = recovered(run, seen);
    judged.alarms_before.retain(|name| !recovered.contains(name));
    let (entries, unread) = match &seen.minutes {
        Asked::No => (Vec::new(), None),
        Asked::Answered(read) => {
            (reading::entries(run, read, now.tick_ms), read.as_ref().err().cloned())
        }
    };
    let trouble = |problem: String| FoldError::Engine { seq: 0, kind: "ticked", problem };
    judged.take(&entries).map_err(|error| trouble(error.to_string()))?;
    let says = says(&judged);
    let routes: Vec<&str> = run.terms.routes.iter().map(|route| route.name.as_str()).collect();
    let code = compare(&run.codes, &routes, &seen.code);
    let gone = routes.iter().zip(&seen.code).filter(|(_, look)| look.new == CodeSeen::NoTarget);
    Ok(Assessment {
        lag_minutes: reading::measured_lag(&judged),
        no_target: gone.map(|(route, _)| (*route).to_owned()).collect(),
        baseline: baseline(run, seen, now),
        run: judged,
        entries,
        unread,
        says,
        code,
        recovered,
    })
}

/// What the newest judgement means for the present stage.
pub fn says(run: &Run) -> Says {
    match run.engine() {
        Ok(engine) => engine.says(run),
        // A share without a judged minute has proven nothing.
        Err(_) => Says::Unproven(Missing::One(HoldReason::EarlierStage { weight: run.weight })),
    }
}

/// Alarms from before the start that have been OK since, as far as this look tells.
fn recovered(run: &Run, seen: &Observation) -> Vec<String> {
    let names = run.alarms_before.iter();
    names.filter(|name| seen.has_recovered(run.number, name)).cloned().collect()
}

fn baseline(run: &Run, seen: &Observation, now: Now) -> Baseline {
    if let Some(first) = run.first {
        return Baseline::Known(first);
    }
    let read = match &seen.history {
        Asked::No => return Baseline::Missing("the history was not asked for".to_owned()),
        Asked::Answered(read) => read,
    };
    let new = match &run.terms.evidence {
        Method::One(_) => reading::history(run, read, now.tick_ms)
            .map_err(|problem| problem.to_string())
            .and_then(|history| baseline_one(run, history, now)),
        Method::Two(method) => reading::history_by_route(run, read, now.tick_ms)
            .map_err(|problem| problem.to_string())
            .and_then(|history| baseline_two(run, method, &history, now)),
    };
    new.map_or_else(Baseline::Missing, Baseline::Read)
}

fn baseline_one(run: &Run, history: Vec<CommittedMinute>, now: Now) -> Result<NewBaseline, String> {
    let requests: u64 = history.iter().map(|one| one.old.requests + one.new.requests).sum();
    let requests_per_minute = requests as f64 / history.len().max(1) as f64;
    let first = match run.terms.start {
        StartAt::Stage(weight) => Some(weight),
        StartAt::Auto => {
            start_weight(&run.terms.stages, requests_per_minute, run.terms.lag_minutes)
        }
    };
    let first = first.ok_or("the plan has no stage to begin with")?;
    let through = run.newest_due(now.tick_ms);
    Ok(NewBaseline { first, requests_per_minute, through, history, chosen: None })
}

fn baseline_two(
    run: &Run,
    method: &Evidence2,
    history: &History,
    now: Now,
) -> Result<NewBaseline, String> {
    let chosen = choose(&run.terms, method, history).map_err(|problem| problem.to_string())?;
    let requests_per_minute = chosen.choices.requests_per_minute;
    let first = match run.terms.start {
        StartAt::Stage(weight) => weight,
        StartAt::Auto => {
            let stages =
                Stages::new(chosen.stages.clone()).map_err(|problem| problem.to_string())?;
            start_stage(&stages, requests_per_minute, run.terms.lag_minutes)
        }
    };
    Ok(NewBaseline {
        first,
        requests_per_minute,
        through: run.newest_due(now.tick_ms),
        history: Vec::new(),
        chosen: Some(Box::new(chosen)),
    })
}
