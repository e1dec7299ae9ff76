//! One attempt to move every rollout. Safe to repeat; the schedule is the retry.

use super::deliver::send_owed;
use super::observe::{Look, observe};
use super::protect::{self, Protection};
use super::retention;
use super::step::{Carried, TickError, carry_out};
use super::store::{self, JournalError, Loaded};
use super::{Schedule, now};
use crate::config::{Config, Rollout};
use crate::domain::decide::decide;
use crate::domain::decision::Decision;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{LedgerError, World};
use serde::Serialize;
use tracing::{Instrument as _, info_span};

/// What one tick did for one rollout.
#[derive(Clone, Debug, Serialize)]
pub struct TickReport {
    /// Its name.
    pub rollout: String,
    /// Run number; 0 without one.
    pub run: u32,
    /// Journal revision after the tick.
    pub revision: i64,
    /// What `status` prints.
    pub state: String,
    /// Rust share according to the journal, after the tick.
    pub weight: Weight,
    /// Stage number from 1, of how many.
    pub stage: (usize, usize),
    /// `ln E`, if something was judged.
    pub log_e: Option<f64>,
    /// Minutes that were due and could not be read.
    pub blind_minutes: u32,
    /// One word: the decision, `idle`, `skipped`, or `failed`.
    pub did: String,
    /// One sentence, readable alone.
    pub message: String,
    /// Phase that failed, for alarms: `ledger`, `fold`, `write`.
    pub error_type: Option<String>,
}

/// One tick of every rollout. One rollout's failure does not stop another.
pub async fn tick(world: &World, config: &Config, schedule: Schedule) -> Vec<TickReport> {
    let mut loaded = Vec::with_capacity(config.rollouts.len());
    for rollout in &config.rollouts {
        let read = store::load(&*world.ledger, &rollout.name);
        let span = info_span!("read journal", rollout.name = rollout.name);
        loaded.push(read.instrument(span).await);
    }
    let looks: Vec<Look<'_>> = config
        .rollouts
        .iter()
        .zip(&loaded)
        .filter_map(|(rollout, loaded)| {
            let journal = &loaded.as_ref().ok()?.journal;
            Some(Look { journal, settings: &rollout.settings })
        })
        .collect();
    let tick_ms = schedule.scheduled.as_millisecond();
    let seen = observe(world, &looks, tick_ms);
    let mut seen = seen.instrument(info_span!("observe")).await.into_iter();

    let mut reports = Vec::with_capacity(config.rollouts.len());
    for (rollout, loaded) in config.rollouts.iter().zip(&loaded) {
        let report = match loaded {
            Ok(loaded) => {
                // One sight for each journal that could be read, in order.
                let Some(seen) = seen.next() else { continue };
                let turned = turn(world, rollout, loaded, seen, schedule).await;
                turned.unwrap_or_else(|error| failed(rollout, &error))
            }
            Err(JournalError::Ledger(
                error @ (LedgerError::Unreachable { .. } | LedgerError::NotMigrated { .. }),
            )) => {
                let span = info_span!("protect", rollout.name = rollout.name);
                let protection = protect::protect(world, rollout, error, schedule);
                let protection = protection.instrument(span).await;
                without_ledger(rollout, error, &protection)
            }
            Err(error) => corrupt(rollout, error),
        };
        reports.push(report);
    }
    retention::prune(world, config, &loaded, schedule).await;
    reports
}

/// What was seen becomes a decision, an append, perhaps a write, and a record.
async fn turn(
    world: &World,
    rollout: &Rollout,
    loaded: &Loaded,
    seen: crate::domain::observation::Seen,
    schedule: Schedule,
) -> Result<TickReport, TickError> {
    let now = now(world, schedule);
    let span = info_span!("decide", rollout.name = rollout.name);
    let decided = span.in_scope(|| decide(&loaded.journal, &seen, &rollout.settings, now))?;
    let Some(after) = carry_out(world, rollout, loaded, &decided, schedule).await? else {
        return Ok(skipped(rollout, loaded));
    };
    let after = match after {
        Carried::Recorded(journal) => *journal,
        Carried::Overtaken => again(world, rollout, schedule).await?,
    };
    let after = send_owed(world, rollout, after, loaded.snapshot_seq, schedule).await?;
    Ok(report(rollout, &after, decided.decision.as_ref(), &loaded.journal, now.tick_ms))
}

/// A command came between intent and outcome: settle at once what is there now,
/// so that a write of ours that landed after a rollback does not stay a minute.
async fn again(
    world: &World,
    rollout: &Rollout,
    schedule: Schedule,
) -> Result<crate::domain::journal::Journal, TickError> {
    let loaded = store::load(&*world.ledger, &rollout.name).await?;
    let look = Look { journal: &loaded.journal, settings: &rollout.settings };
    let tick_ms = schedule.scheduled.as_millisecond();
    let Some(seen) = observe(world, &[look], tick_ms).await.pop() else {
        return Ok(loaded.journal);
    };
    let decided = decide(&loaded.journal, &seen, &rollout.settings, now(world, schedule))?;
    match carry_out(world, rollout, &loaded, &decided, schedule).await? {
        Some(Carried::Recorded(journal)) => Ok(*journal),
        // The next tick settles the rest.
        Some(Carried::Overtaken) | None => Ok(loaded.journal),
    }
}

fn report(
    rollout: &Rollout,
    journal: &crate::domain::journal::Journal,
    decision: Option<&Decision>,
    before: &crate::domain::journal::Journal,
    tick_ms: i64,
) -> TickReport {
    let clock = crate::domain::explain::evidence::Clock::utc();
    let (did, sentence) = match (decision, &before.run, &journal.run) {
        (Some(decision), Some(before), after) => {
            // The first step rests on a history that the run did not know before.
            let run = match after {
                Some(after) if before.first.is_none() => after,
                Some(_) | None => before,
            };
            let sentence = crate::domain::explain::decision(decision, run, &clock);
            (decision.name(), sentence)
        }
        (None, _, Some(run)) if !run.is_open() => {
            let why = run.end.as_ref().map_or("", |(_, reason, _)| reason.as_str());
            ("idle", format!("{}: {why}", run.state_name()))
        }
        (Some(_) | None, _, _) => ("idle", "no rollout has been started".to_owned()),
    };
    let run = journal.run.as_ref();
    let due = run.filter(|run| run.is_open() && run.first.is_some());
    let blind = due.and_then(|run| {
        let newest = crate::domain::conditions::newest_due(run, tick_ms);
        u32::try_from(newest.since(run.through?)).ok()
    });
    TickReport {
        rollout: rollout.name.clone(),
        run: run.map_or(0, |run| run.number),
        revision: journal.revision,
        state: run.map_or("not started", |run| run.state_name()).to_owned(),
        weight: run.map_or(Weight::ZERO, |run| run.weight),
        stage: run.map_or((0, rollout.terms.stages.len()), |run| {
            (run.terms.stage_number(run.weight), run.terms.stages.len())
        }),
        log_e: run.and_then(|run| run.judged.as_ref()).map(|judged| judged.log_e),
        blind_minutes: blind.unwrap_or(0),
        did: did.to_owned(),
        message: format!("{}: {sentence}", rollout.name),
        error_type: None,
    }
}

fn bare(rollout: &Rollout, did: &str, error_type: &str, message: &str) -> TickReport {
    TickReport {
        rollout: rollout.name.clone(),
        run: 0,
        revision: 0,
        state: "unknown".to_owned(),
        weight: Weight::ZERO,
        stage: (0, rollout.terms.stages.len()),
        log_e: None,
        blind_minutes: 0,
        did: did.to_owned(),
        message: format!("{}: {message}", rollout.name),
        error_type: Some(error_type.to_owned()),
    }
}

fn skipped(rollout: &Rollout, loaded: &Loaded) -> TickReport {
    let mut report = report(rollout, &loaded.journal, None, &loaded.journal, 0);
    "skipped".clone_into(&mut report.did);
    report.message = format!("{}: somebody else was first; nothing was done", rollout.name);
    report
}

fn failed(rollout: &Rollout, error: &TickError) -> TickReport {
    bare(rollout, "failed", error.error_type(), &chain(error))
}

fn corrupt(rollout: &Rollout, error: &JournalError) -> TickReport {
    bare(rollout, "failed", "fold", &chain(error))
}

fn without_ledger(rollout: &Rollout, error: &LedgerError, protection: &Protection) -> TickReport {
    let message =
        format!("the ledger is down, so nothing advances; {protection} ({})", chain(error));
    bare(rollout, protection.name(), "ledger", &message)
}
