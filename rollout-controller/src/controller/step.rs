//! One step: the intent into the journal, the write, the outcome into the journal.

use super::act::{StepOutcome, act, journal_outcome};
use super::store::{self, JournalError, Loaded};
use super::{Schedule, now};
use crate::config::Rollout;
use crate::domain::copy::Copy;
use crate::domain::decide::Decided;
use crate::domain::decision::{CauseKind, Shift, StepBackReason};
use crate::domain::draft::Draft;
use crate::domain::explain;
use crate::domain::journal::{FoldError, Journal};
use crate::domain::observation::Unread;
use crate::planted::planted;
use crate::ports::{LedgerError, World, WritePermit};
use tracing::{Instrument as _, info_span};

/// Why a step of one rollout failed; the variants are its phases.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Reading or writing the journal, or it makes no sense.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A decision that cannot be journalled: our own bug.
    #[error("the decision does not fit the journal")]
    Fold(#[from] FoldError),
}

impl From<LedgerError> for StepError {
    fn from(error: LedgerError) -> Self {
        Self::Journal(error.into())
    }
}

impl StepError {
    /// Phase that failed, for alarms: `ledger` or `fold`.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Journal(JournalError::Ledger(_)) => "ledger",
            Self::Journal(JournalError::Fold { .. }) | Self::Fold(_) => "fold",
        }
    }
}

/// How carrying out a decision went.
pub enum Carried {
    /// Everything is in the journal, which is now this.
    Recorded(Box<Journal>, Option<StepOutcome>),
    /// Another process wrote to the journal between the intent and its outcome.
    Overtaken,
    /// Another process was first; nothing at all was done.
    LostRace,
    /// The journal could not be written. A lowering was made all the same.
    Unjournalled(LedgerError, Option<StepOutcome>),
}

/// Appends, writes, reads back, and appends the outcome.
///
/// # Errors
/// [`StepError::Fold`] if the outcome cannot follow; our own bug.
pub async fn carry_out(
    world: &World,
    rollout: &Rollout,
    loaded: &Loaded,
    decided: &Decided,
    schedule: Schedule,
) -> Result<Carried, StepError> {
    let ledger = &*world.ledger;
    let draft = &decided.draft;
    if draft.events.is_empty() {
        return Ok(Carried::Recorded(Box::new(draft.journal.clone()), None));
    }
    let seq = loaded.snapshot_seq;
    let name = &rollout.name;
    let appended = store::append(ledger, name, draft, seq, schedule.deadline);
    let span = info_span!("append", rollout.name = name, events = draft.events.len());
    let permit = match appended.instrument(span).await {
        Ok(Some(permit)) => permit,
        Ok(None) => return Ok(Carried::LostRace),
        Err(down) => {
            return Ok(without_journal(world, rollout, loaded, decided, down, schedule).await);
        }
    };
    let Some(shift) = &decided.shift else {
        return Ok(Carried::Recorded(Box::new(draft.journal.clone()), None));
    };
    let terms = draft.journal.run.as_ref().map_or(&rollout.terms, |run| &run.terms);
    let (routes, sides) = (&terms.routes, &terms.labels);
    if shift.cause.kind.raises()
        && !planted!(NoLookForOrdersBefore)
        && ordered_outside(world, rollout, &draft.journal).await
    {
        // The intent stays open; the next tick takes the order in and settles it.
        return Ok(Carried::Recorded(Box::new(draft.journal.clone()), None));
    }
    let span = info_span!("act", rollout.name = name, to.percent = shift.to.percent());
    let mut outcome = act(&*world.traffic, routes, &permit, shift).instrument(span).await;
    if shift.cause.kind.raises()
        && !planted!(NoLookForOrdersAfter)
        && ordered_outside(world, rollout, &draft.journal).await
    {
        // A rollback was answered while this raise was under way: undo it.
        let from = shift.from.unwrap_or_default();
        let why = StepBackReason::Undo { to: shift.to };
        let back = Shift {
            from: None,
            to: from,
            cause: crate::domain::decision::Cause {
                kind: CauseKind::StepBack,
                text: explain::step_back(from, &why, sides),
            },
        };
        outcome = act(&*world.traffic, routes, &permit, &back).await;
    }
    let mut after = Draft::of(&draft.journal);
    journal_outcome(&mut after, shift, &outcome, now(world, schedule))?;
    if after.events.is_empty() {
        return Ok(Carried::Recorded(Box::new(after.journal), Some(outcome)));
    }
    let recorded = store::append(ledger, name, &after, seq, schedule.deadline);
    let span = info_span!("record", rollout.name = name, events = after.events.len());
    Ok(match recorded.instrument(span).await {
        Ok(Some(_)) => Carried::Recorded(Box::new(after.journal), Some(outcome)),
        Ok(None) => Carried::Overtaken,
        // The intent is in the journal; the next tick settles it.
        Err(down) => Carried::Unjournalled(down, Some(outcome)),
    })
}

/// The append failed. A raise is dropped; a lowering acts, and the next tick that
/// reaches the journal finds it.
async fn without_journal(
    world: &World,
    rollout: &Rollout,
    loaded: &Loaded,
    decided: &Decided,
    down: LedgerError,
    schedule: Schedule,
) -> Carried {
    let lowering = decided.shift.as_ref().filter(|shift| !shift.cause.kind.raises());
    let lowering = lowering.filter(|_| !planted!(NoLoweringWithoutJournal));
    let Some(shift) = lowering else { return Carried::Unjournalled(down, None) };
    let run = decided.draft.journal.run.as_ref();
    let routes = run.map_or(&rollout.terms.routes, |run| &run.terms.routes);
    let permit = WritePermit::lower_only(schedule.deadline);
    let outcome = act(&*world.traffic, routes, &permit, shift).await;
    if shift.cause.kind == CauseKind::RollBack {
        // Protection needs to know what to go on with; the journal stays where it was.
        let revision = loaded.journal.changed;
        let copy = Copy { revision, ..Copy::of(&decided.draft.journal) };
        if let Err(error) = world.outposts.write_run(&rollout.name, &copy).await {
            tracing::error!(rollout.name = rollout.name, "{}", Unread::of(&error));
        }
    }
    Carried::Unjournalled(down, Some(outcome))
}

/// Whether a rollback was ordered outside the journal that it does not know. Where
/// that cannot be read, nothing rises.
async fn ordered_outside(world: &World, rollout: &Rollout, journal: &Journal) -> bool {
    let read = world.outposts.read(&[&rollout.name]).await.pop();
    match read {
        Some(Ok(outside)) => outside.order.is_some_and(|order| journal.lacks(&order)),
        Some(Err(_)) | None => true,
    }
}
