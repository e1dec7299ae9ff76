//! Judges a recorded rollout again, minute by minute, with either engine.
//!
//! The weights are those in the file. A step counts only while the judged minute
//! still has the weight of the current stage: minutes of the old stage that
//! become due after a decision are judged, but cannot advance again.

pub mod export;
mod meta;
mod trace;
mod two;

use std::fmt::Write as _;

use serde::Serialize;

use crate::domain::engine::Method;
use crate::domain::evidence::{
    ConfigError, Engine, EvidenceConfig, HoldReason, JudgeError, Judged, Says, Stage,
};
use crate::domain::evidence2;
use crate::domain::explain::evidence::{self as sentence, Clock};
use crate::domain::labels::Labels;
use crate::domain::minute::{CommittedMinute, EdgesError, Minute};
use crate::domain::plan::Terms;
use crate::domain::slo::Slo;
use crate::domain::weight::{Weight, WeightError};

use meta::{Meta, Recorded};
use trace::{Trace, TraceMinute};

/// Why a recording could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line of the recording is not as it should be.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The recording as a whole is not as it should be.
    #[error("the recording {problem}")]
    Trace {
        /// What is wrong with it.
        problem: String,
    },
    /// The description of the recordings is not as it should be.
    #[error("the meta file does not have the expected form")]
    Meta(#[source] serde_json::Error),
    /// A stage in the meta file is no weight.
    #[error("stages_pct in the meta file")]
    Stage(#[source] WeightError),
    /// The stages in the meta file do not rise to 100%.
    #[error("stages_pct in the meta file {problem}")]
    Stages {
        /// What is wrong with them.
        problem: String,
    },
    /// The edges in the meta file are no edges.
    #[error("in the meta file")]
    Edges(#[source] EdgesError),
    /// The settings make no sense.
    #[error("the settings in the meta file make no sense")]
    Config(#[source] ConfigError),
    /// The engine refused a minute.
    #[error("judging minute {minute}")]
    Judge {
        /// Which one.
        minute: i64,
        /// Why.
        #[source]
        source: JudgeError,
    },
    /// The second engine refused a minute.
    #[error("judging minute {minute}")]
    Fold {
        /// Which one.
        minute: i64,
        /// Why.
        #[source]
        source: evidence2::FoldError,
    },
    /// The recording and its description do not make a rollout of the second engine.
    #[error("the recording does not suit evidence-2")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Which engine judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// The first.
    Evidence1,
    /// The second.
    Evidence2,
}

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The bake was over.
    Complete,
    /// The new side was taken out of traffic.
    Rollback,
    /// The recording ended first.
    Running,
}

/// One decision other than to hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The newest judged minute.
    pub minute: i64,
    /// The minute in which the controller acts: the lag later.
    pub acted_minute: i64,
    /// `ADVANCE`, `ROLLBACK` or `COMPLETE`.
    pub verdict: &'static str,
    /// `ln E` against the new side.
    pub log_e: f64,
    /// The family that contributes most to it; empty where the engine names none.
    pub lead: &'static str,
    /// The weight before, percent.
    pub from: f64,
    /// The weight after, percent.
    pub to: f64,
    /// The decision in a sentence.
    pub reason: String,
}

/// Whether the decisions are those on record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Whether nothing differs.
    pub agrees: bool,
    /// What does, one sentence each.
    pub differences: Vec<String>,
}

/// What became of a recorded rollout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    /// Name of the recording.
    pub trace: String,
    /// All decisions but holds, in order.
    pub decisions: Vec<Decision>,
    /// How it ended.
    pub end: End,
    /// Minutes judged.
    pub judged_minutes: usize,
    /// The minute of the last action, or the last one recorded.
    pub last_minute: i64,
    /// `evidence-1` or `evidence-2`.
    pub engine: &'static str,
    /// Edges `[old, new]` of the comparison of P50, P95 and P99 with the old
    /// side, milliseconds; `null` where it is off, and with evidence-2.
    pub rel_edges_ms: [Option<[f64; 2]>; 3],
    /// What evidence-2 chose from the history, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The hold in force at the end of a recording without an end.
    pub holding: Option<String>,
    /// Comparison with the decisions on record, where there are any.
    pub agreement: Option<Agreement>,
}

impl Replay {
    /// For people: a line a decision, then how it ended.
    pub fn render(&self) -> String {
        let mut text =
            format!("{}: {} minutes judged by {}\n", self.trace, self.judged_minutes, self.engine);
        for choice in &self.choices {
            let _ = writeln!(text, "{choice}");
        }
        for Decision { minute, acted_minute, log_e, reason, .. } in &self.decisions {
            let _ = writeln!(
                text,
                "minute {minute} (acted on in minute {acted_minute}, ln E {log_e:.3}): {reason}"
            );
        }
        let _ = match (self.end, &self.holding) {
            (End::Complete, _) => writeln!(text, "the rollout is complete"),
            (End::Rollback, _) => writeln!(text, "the new side is out of traffic"),
            (End::Running, Some(hold)) => writeln!(text, "the recording ends: {hold}"),
            (End::Running, None) => writeln!(text, "the recording ends before the first verdict"),
        };
        match &self.agreement {
            None => {}
            Some(Agreement { agrees: true, .. }) => text.push_str("as on record\n"),
            Some(Agreement { differences, .. }) => {
                for difference in differences {
                    let _ = writeln!(text, "differs from the record: {difference}");
                }
            }
        }
        text
    }
}

/// Replays the text of a recording, described by the text of a meta file.
///
/// `name` finds it among the meta file's `traces`; a recording that is not
/// there is replayed too, without a comparison. Without an engine it is the one
/// that the description is of: evidence-2 where it says `expect`.
///
/// # Errors
/// [`ReplayError`] naming the line or field that is not of the expected form.
pub fn run(name: &str, trace: &str, meta: &str, with: Option<With>) -> Result<Replay, ReplayError> {
    let meta: Meta = serde_json::from_str(meta).map_err(ReplayError::Meta)?;
    let recorded = meta.traces.get(name);
    let stages = meta.stages(recorded)?;
    let lag = meta.metric_lag_minutes.into();
    let is_second = recorded.is_some_and(Recorded::is_of_evidence2);
    let with = with.unwrap_or(if is_second { With::Evidence2 } else { With::Evidence1 });
    let mut replay = match with {
        With::Evidence1 => {
            let engine = Engine::new(meta.config()?, meta.slo).map_err(ReplayError::Config)?;
            let trace = Trace::parse(trace, engine.config().edges_ms.buckets())?;
            let sides = Labels::default();
            play(name, &engine, &stages, &sides, &trace, lag, recorded)?
        }
        With::Evidence2 => {
            let edges = meta.edges()?;
            let trace = Trace::parse(trace, edges.buckets())?;
            let start = recorded.and_then(Recorded::start).transpose()?;
            let (settings, slo) = (evidence2::Settings::default(), meta.slo);
            let sides = Labels::default();
            let method = None;
            let rollout = two::Rollout { settings, slo, edges, stages, start, lag, sides, method };
            two::play(name, rollout, &trace)?
        }
    };
    replay.agreement = recorded.and_then(|recorded| recorded.compare(&replay));
    Ok(replay)
}

/// Replays the text of a recording with the terms of a config: its limits, stages
/// and engine.
///
/// # Errors
/// [`ReplayError`] naming the line that is not of the expected form.
pub fn backtest(name: &str, trace: &str, terms: &Terms) -> Result<Replay, ReplayError> {
    let trace = Trace::parse(trace, terms.evidence.edges().buckets())?;
    let (stages, lag) = (terms.stages.clone(), terms.lag_minutes.into());
    match &terms.evidence {
        Method::One(config) => {
            let engine = Engine::new((**config).clone(), terms.slo).map_err(ReplayError::Config)?;
            play(name, &engine, &stages, &terms.labels, &trace, lag, None)
        }
        Method::Two(method) => {
            let (settings, edges) = (method.settings, method.edges_ms.clone());
            let (slo, sides) = (terms.slo, terms.labels.clone());
            let (start, method) = (None, Some(method.clone()));
            let rollout = two::Rollout { settings, slo, edges, stages, start, lag, sides, method };
            two::play(name, rollout, &trace)
        }
    }
}

fn play(
    name: &str,
    engine: &Engine,
    stages: &[Weight],
    sides: &Labels,
    trace: &Trace,
    lag: i64,
    recorded: Option<&Recorded>,
) -> Result<Replay, ReplayError> {
    let planned = u32::try_from(stages.len()).unwrap_or(u32::MAX);
    let mut evidence = engine.start(planned);
    let history: Vec<CommittedMinute> = trace.history.iter().map(TraceMinute::together).collect();
    evidence.learn_history(engine, &history);
    if trace.history.is_empty()
        && let Some(edges) = recorded.and_then(|recorded| recorded.rel_edges_ms.as_ref())
    {
        evidence.set_relative_edges(engine.relative_edges_at(edges.old));
    }
    let next_after = |weight: Weight| stages.iter().copied().find(|&stage| stage > weight);
    let mut replay = Replay {
        trace: name.to_owned(),
        decisions: Vec::new(),
        end: End::Running,
        judged_minutes: 0,
        last_minute: trace.last_minute.0,
        engine: "evidence-1",
        choices: Vec::new(),
        rel_edges_ms: engine
            .relative_edges_ms(evidence.relative_edges())
            .map(|pair| pair.map(|(old, new)| [old, new])),
        holding: None,
        agreement: None,
    };
    let rollout: Vec<CommittedMinute> = trace.rollout.iter().map(TraceMinute::together).collect();
    let mut at = rollout.first().map_or(Weight::ZERO, |minute| minute.weight);
    for minute in &rollout {
        // A minute becomes due only when the lag has passed.
        if minute.minute.plus(lag) > trace.last_minute {
            break;
        }
        let to_prove = next_after(minute.weight).unwrap_or(Weight::FULL);
        let judged = engine
            .judge(&mut evidence, minute, to_prove)
            .map_err(|source| ReplayError::Judge { minute: minute.minute.0, source })?;
        replay.judged_minutes += 1;
        let stage = Stage { weight: at, next: next_after(at) };
        let (verdict, to, end, reason) =
            match (engine.stage_gate(&evidence, &judged, stage), stage.next) {
                (Says::Unproven { reason: HoldReason::EarlierStage { .. } }, _) => continue,
                (Says::Unproven { reason }, _) => {
                    replay.holding = Some(sentence::hold(at, &reason, sides, Clock::Counted));
                    continue;
                }
                (Says::Breach { breach }, _) => {
                    ("ROLLBACK", Weight::ZERO, End::Rollback, sentence::rollback(&breach, sides))
                }
                (Says::Proven { proof }, Some(to)) => {
                    ("ADVANCE", to, End::Running, sentence::advance(to, &proof))
                }
                (Says::Proven { proof }, None) => {
                    ("COMPLETE", at, End::Complete, sentence::complete(&proof))
                }
            };
        replay.decisions.push(Decision::of(&judged, lag, verdict, at, to, reason));
        replay.holding = None;
        at = to;
        if end != End::Running {
            replay.end = end;
            replay.last_minute = minute.minute.plus(lag).0;
            break;
        }
    }
    Ok(replay)
}

impl Decision {
    fn of(
        judged: &Judged,
        lag: i64,
        verdict: &'static str,
        from: Weight,
        to: Weight,
        reason: String,
    ) -> Self {
        let Minute(minute) = judged.minute;
        Self {
            minute,
            acted_minute: judged.minute.plus(lag).0,
            verdict,
            log_e: judged.log_e,
            lead: judged.lead.name(),
            from: from.percent(),
            to: to.percent(),
            reason,
        }
    }
}
