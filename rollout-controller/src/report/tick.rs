//! What a tick did, as one line of the log, one metric and one JSON object.

use crate::controller::act::StepOutcome;
use crate::controller::protect::Protected;
use crate::controller::tick::{TickOutcome, TickResult};
use crate::domain::decision::Decision;
use crate::domain::event::RouteFound;
use crate::domain::explain;
use crate::domain::journal::Journal;
use crate::domain::observation::Unread;
use crate::domain::phase::Phase;
use crate::domain::protection::Protection;
use crate::domain::run::Run;
use crate::domain::weight::Weight;
use serde::Serialize;

/// What one tick did for one rollout.
#[derive(Clone, Debug, Serialize)]
pub struct TickReport {
    /// Its name.
    pub rollout: String,
    /// Run number; 0 without one, absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Journal revision after the tick; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Where the run stands, in words.
    pub state: String,
    /// Share of the new side according to the journal; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Stage number from 1, of how many; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<(usize, usize)>,
    /// `ln E`, if something was judged.
    pub log_e: Option<f64>,
    /// Minutes that are due and not judged.
    pub blind_minutes: u32,
    /// Messages that are due and not sent.
    pub unsent_messages: usize,
    /// Whether a change of weight was refused or did not arrive.
    pub refused: bool,
    /// One word: the decision, `idle`, `skipped`, or `failed`.
    pub did: &'static str,
    /// One sentence, readable alone.
    pub message: String,
    /// What failed, for alarms: `ledger`, `fold`, `future`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'static str>,
}

impl TickReport {
    /// Renders an outcome. `tick_ms` is the tick's scheduled time.
    pub fn of(outcome: &TickOutcome, tick_ms: i64) -> Self {
        let name = &outcome.rollout;
        match &outcome.result {
            TickResult::Recorded { journal, decision, step } => {
                let mut report = Self::journalled(name, journal, tick_ms);
                let before = outcome.before.as_ref().unwrap_or(journal);
                let (did, sentence) = said(decision.as_deref(), before, journal);
                report.did = did;
                let trouble = trouble(journal).or_else(|| half_done(journal, step.as_ref()));
                report.refused = trouble.is_some();
                let trouble = trouble.unwrap_or_default();
                report.message = format!("{name}: {sentence}{trouble}");
                report
            }
            TickResult::LostRace(journal) => {
                let mut report = Self::journalled(name, journal, tick_ms);
                report.did = "skipped";
                report.message =
                    format!("{name}: another change came first; the next tick goes on from there");
                report
            }
            TickResult::FromTheFuture(protected) => {
                let text =
                    "The tick's time is far ahead of the clock and none of its metrics can be read";
                Self::without_journal(name, protected, text, "future")
            }
            TickResult::Protected { why, protected } => {
                Self::without_journal(name, protected, &why.to_string(), "ledger")
            }
            TickResult::Failed(error) => {
                let mut report = Self::unknown(name, error.error_type());
                report.message = format!("{name}: {}", Unread::of(error));
                report
            }
        }
    }

    fn journalled(name: &str, journal: &Journal, tick_ms: i64) -> Self {
        let run = journal.run.as_ref();
        let behind = run.filter(|run| run.is_open() && run.first.is_some());
        Self {
            rollout: name.to_owned(),
            run: Some(run.map_or(0, |run| run.number)),
            revision: Some(journal.revision),
            state: journal.words().to_owned(),
            weight: Some(run.map_or(Weight::ZERO, |run| run.weight)),
            stage: run.map(|run| (run.terms.stage_number(run.weight), run.terms.stages.len())),
            log_e: run.and_then(Run::summary).map(|summary| summary.log_e),
            blind_minutes: behind.map_or(0, |run| run.minutes_behind(tick_ms)),
            unsent_messages: journal.outbox.owed().len(),
            refused: false,
            did: "idle",
            message: String::new(),
            error_type: None,
        }
    }

    fn unknown(name: &str, error_type: &'static str) -> Self {
        Self {
            rollout: name.to_owned(),
            run: None,
            revision: None,
            state: "unknown".to_owned(),
            weight: None,
            stage: None,
            log_e: None,
            blind_minutes: 0,
            unsent_messages: 0,
            refused: false,
            did: "failed",
            message: String::new(),
            error_type: Some(error_type),
        }
    }

    fn without_journal(
        name: &str,
        protected: &Protected,
        why: &str,
        error_type: &'static str,
    ) -> Self {
        let mut report = Self::unknown(name, error_type);
        let sides = &protected.sides;
        let (did, said) = match &protected.did {
            Protection::NothingToProtect => {
                ("hold", format!("No rule gives {} traffic.", sides.new))
            }
            Protection::Hold => {
                ("hold", "No step is taken; no limit is visibly broken.".to_owned())
            }
            Protection::Page { why } => ("hold", explain::sentence(why)),
            Protection::Lower { reason } => ("rollback", explain::rollback_reason(reason, sides)),
        };
        let reached = match &protected.outcome {
            None => String::new(),
            // The write of a raise was under way when the journal was lost.
            Some(outcome) if !matches!(protected.did, Protection::Lower { .. }) => {
                format!(" The rules: {}.", RouteFound::list(&outcome.routes))
            }
            Some(outcome) if outcome.arrived(Weight::ZERO) => " Every route is at 0%.".to_owned(),
            Some(outcome) => {
                report.refused = true;
                format!(
                    " Rollback incomplete: {}.",
                    RouteFound::list(&outcome.missed(Weight::ZERO))
                )
            }
        };
        report.did = did;
        report.message = format!("{name}: {} {said}{reached}", explain::sentence(why));
        report
    }
}

/// Routes that a raise did not reach, which has no outcome yet.
fn half_done(journal: &Journal, step: Option<&StepOutcome>) -> Option<String> {
    let intent = journal.run.as_ref()?.intent.as_ref()?;
    let missed = step?.missed(intent.to);
    (!missed.is_empty()).then(|| {
        let missed = RouteFound::list(&missed);
        format!(" Not every route took it: {missed}. The next tick finishes it or takes it back.")
    })
}

/// A step that was refused, or routes that a rollback did not reach.
fn trouble(journal: &Journal) -> Option<String> {
    let run = journal.run.as_ref()?;
    if let Phase::RollingBack { unreached, .. } = &run.phase {
        let routes = RouteFound::list(unreached);
        return Some(format!(" Rollback incomplete: {routes}."));
    }
    let refused = run.refused.as_ref()?;
    Some(format!(" {}", explain::refused(refused)))
}

fn said(decision: Option<&Decision>, before: &Journal, after: &Journal) -> (&'static str, String) {
    let clock = explain::evidence::Clock::At(after.at_ms);
    match (decision, &before.run, &after.run) {
        (Some(decision), Some(was), is) => {
            // The first step rests on a history that the run did not know before.
            let run = match is {
                Some(is) if was.first.is_none() => is,
                Some(_) | None => was,
            };
            (decision.name(), explain::decision(decision, run, clock))
        }
        (None, _, Some(run)) => ("idle", explain::ended(run)),
        (Some(_) | None, _, _) => ("idle", "No run exists.".to_owned()),
    }
}
