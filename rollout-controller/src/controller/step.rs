//! One step: the intent into the journal, the write, the outcome into the journal.

use super::act::{StepOutcome, act, journal_outcome};
use super::store::{self, JournalError, Loaded};
use super::{Schedule, now, write_copy};
use crate::config::Rollout;
use crate::domain::copy::{Copy, CopyState, OutsideOrder};
use crate::domain::decide::Decided;
use crate::domain::decision::{Cause, CauseKind, RollBackReason, Shift, StepBackReason};
use crate::domain::draft::Draft;
use crate::domain::explain;
use crate::domain::journal::{FoldError, Journal};
use crate::domain::labels::Labels;
use crate::domain::weight::Weight;
use crate::planted::planted;
use crate::ports::{Ledger, LedgerError, World, WritePermit};
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
    let journal = &draft.journal;
    let span = info_span!("act", rollout.name = name, to.percent = shift.to.percent());
    let write = write(world, rollout, journal, &permit, shift).instrument(span);
    let (outcome, ()) = tokio::join!(write, copy_rollback(world, name, &loaded.journal, journal));
    let Some(outcome) = outcome else {
        // The intent stays open; the next tick takes the order in and settles it.
        return Ok(Carried::Recorded(Box::new(journal.clone()), None));
    };
    let mut after = Draft::of(&draft.journal);
    journal_outcome(&mut after, shift, &outcome, now(world, schedule))?;
    if after.events.is_empty() {
        // Half a raise adds no entry, so no lost race tells that a rollback came between.
        return Ok(if overtaken(ledger, name, journal).await {
            Carried::Overtaken
        } else {
            Carried::Recorded(Box::new(after.journal), Some(outcome))
        });
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

/// Writes the copy of a rollback that has just begun, beside its first write of a weight:
/// whoever has no journal a moment later, or finds this process dead, goes on with it.
async fn copy_rollback(world: &World, rollout: &str, before: &Journal, after: &Journal) {
    let (before, after) = (Copy::of(before), Copy::of(after));
    if after.state == CopyState::RollingBack && before.state != after.state {
        write_copy(world, rollout, &after).await;
    }
}

/// Whether another process has written to the journal since `journal`. Where that
/// cannot be read, the next tick finds out.
async fn overtaken(ledger: &dyn Ledger, rollout: &str, journal: &Journal) -> bool {
    let now = store::load(ledger, rollout).await;
    !planted!(HalfARaiseIsNotLookedAt)
        && now.is_ok_and(|now| now.journal.revision > journal.revision)
}

/// Makes a change of weight. Before one that leaves the new side traffic, and after
/// it, orders outside the journal are looked for: a rollback that was answered counts,
/// whichever write came last. `None`: nothing was written, because nothing rises over an
/// order, or without knowing of one.
async fn write(
    world: &World,
    rollout: &Rollout,
    journal: &Journal,
    permit: &WritePermit,
    shift: &Shift,
) -> Option<StepOutcome> {
    let terms = journal.run.as_ref().map_or(&rollout.terms, |run| &run.terms);
    let (traffic, routes, sides) = (&*world.traffic, &terms.routes, &terms.labels);
    if shift.to == Weight::ZERO {
        return Some(act(traffic, routes, permit, shift).await);
    }
    let raises = shift.cause.kind.raises();
    let before = match raises {
        true if planted!(NoLookForOrdersBefore) => Orders::None,
        false if planted!(StepBackDoesNotLook) => Orders::None,
        _ => orders(world, rollout, journal).await,
    };
    match before {
        Orders::None => {}
        Orders::One(order) if !raises => {
            return Some(act(traffic, routes, permit, &obey(*order, sides)).await);
        }
        Orders::Unread if !raises => {}
        Orders::One(_) | Orders::Unread => return None,
    }
    let outcome = act(traffic, routes, permit, shift).await;
    let after = match raises {
        true if planted!(NoLookForOrdersAfter) => Orders::None,
        false if planted!(StepBackDoesNotLook) => Orders::None,
        _ => orders(world, rollout, journal).await,
    };
    match after {
        Orders::One(order) => Some(act(traffic, routes, permit, &obey(*order, sides)).await),
        Orders::Unread if raises => {
            // A rollback may have been answered while this raise was under way.
            let back = undo(shift, sides);
            Some(act(traffic, routes, permit, &back).await)
        }
        Orders::None | Orders::Unread => Some(outcome),
    }
}

/// The change that an order from outside the journal asks for.
fn obey(order: OutsideOrder, sides: &Labels) -> Shift {
    let reason = RollBackReason::Ordered { by: order.identity, reason: order.reason };
    Shift::out_of_traffic(CauseKind::RollBack, explain::rollback_reason(&reason, sides))
}

fn undo(shift: &Shift, sides: &Labels) -> Shift {
    let from = shift.from.unwrap_or_default();
    let text = explain::step_back(from, &StepBackReason::Undo { to: shift.to }, sides);
    Shift { from: None, to: from, cause: Cause { kind: CauseKind::StepBack, text } }
}

/// The append failed. A raise is dropped; a lowering acts, and the next tick that
/// reaches the journal finds it: at 0, or at the share that the journal has. Any other
/// share would look there like someone else's, so such a step back waits.
async fn without_journal(
    world: &World,
    rollout: &Rollout,
    loaded: &Loaded,
    decided: &Decided,
    down: LedgerError,
    schedule: Schedule,
) -> Carried {
    let known = loaded.journal.run.as_ref().map_or(Weight::ZERO, |run| run.weight);
    let lowering = decided.shift.as_ref().filter(|shift| {
        !shift.cause.kind.raises()
            && (shift.to == Weight::ZERO || shift.to == known || planted!(StrangeShareIsLeft))
    });
    let lowering = lowering.filter(|_| !planted!(NoLoweringWithoutJournal));
    let Some(shift) = lowering else { return Carried::Unjournalled(down, None) };
    let permit = WritePermit::lower_only(schedule.deadline);
    let outcome = write(world, rollout, &decided.draft.journal, &permit, shift).await;
    if shift.cause.kind == CauseKind::RollBack {
        // Protection needs to know what to go on with; the journal stays where it was.
        let revision = loaded.journal.changed;
        let copy = Copy { revision, ..Copy::of(&decided.draft.journal) };
        write_copy(world, &rollout.name, &copy).await;
    }
    Carried::Unjournalled(down, outcome)
}

/// What is left outside the journal that it does not know.
enum Orders {
    None,
    One(Box<OutsideOrder>),
    Unread,
}

async fn orders(world: &World, rollout: &Rollout, journal: &Journal) -> Orders {
    match world.outposts.read(&[&rollout.name]).await.pop() {
        Some(Ok(outside)) => match outside.order.filter(|order| journal.lacks(order)) {
            Some(order) => Orders::One(Box::new(order)),
            None => Orders::None,
        },
        Some(Err(_)) | None => Orders::Unread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_tell_a_database_that_is_away_from_entries_that_make_no_sense() {
        let away = LedgerError::Unreachable {
            operation: "reading",
            rollout: "score".to_owned(),
            source: "500".into(),
        };
        assert_eq!(StepError::from(away).error_type(), "ledger");
        let senseless = FoldError::NoRun { seq: 1, kind: "ticked" };
        assert_eq!(StepError::from(senseless).error_type(), "fold");
    }
}
