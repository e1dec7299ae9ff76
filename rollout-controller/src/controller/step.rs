//! One step: the intent into the journal, the write, the outcome into the journal.

use super::act::{act, journal_outcome};
use super::store::{self, JournalError, Loaded};
use super::{Schedule, now};
use crate::config::Rollout;
use crate::domain::decide::Decided;
use crate::domain::draft::Draft;
use crate::domain::journal::{FoldError, Journal};
use crate::ports::World;
use tracing::{Instrument as _, info_span};

/// Why a tick of one rollout failed; the variants are its phases.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    /// Reading or writing the journal, or it makes no sense.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A decision that cannot be journalled: our own bug.
    #[error("the decision does not fit the journal")]
    Fold(#[from] FoldError),
}

impl TickError {
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
    Recorded(Box<Journal>),
    /// Somebody else wrote to the journal between the intent and its outcome.
    Overtaken,
}

/// Appends, writes, reads back, and appends the outcome. `None`: somebody else
/// was first, and nothing at all was done.
///
/// # Errors
/// The ledger's. After the intent, an error leaves it open for the next tick.
pub async fn carry_out(
    world: &World,
    rollout: &Rollout,
    loaded: &Loaded,
    decided: &Decided,
    schedule: Schedule,
) -> Result<Option<Carried>, TickError> {
    let ledger = &*world.ledger;
    let draft = &decided.draft;
    if draft.events.is_empty() {
        return Ok(Some(Carried::Recorded(Box::new(draft.journal.clone()))));
    }
    let seq = loaded.snapshot_seq;
    let name = &rollout.name;
    let appended = store::append(ledger, name, draft, seq, schedule.deadline);
    let span = info_span!("append", rollout.name = name, events = draft.events.len());
    let Some(turn) = appended.instrument(span).await? else {
        return Ok(None);
    };
    let (Some(shift), Some(run)) = (&decided.shift, &draft.journal.run) else {
        return Ok(Some(Carried::Recorded(Box::new(draft.journal.clone()))));
    };
    let span = info_span!("act", rollout.name = name, to.percent = shift.to.percent());
    let outcome = act(&*world.traffic, &run.terms.routes, &turn, shift);
    let outcome = outcome.instrument(span).await;
    let mut after = Draft::of(&draft.journal);
    journal_outcome(&mut after, shift, &outcome, now(world, schedule))?;
    if after.events.is_empty() {
        return Ok(Some(Carried::Recorded(Box::new(after.journal))));
    }
    let recorded = store::append(ledger, name, &after, seq, schedule.deadline);
    let span = info_span!("record", rollout.name = name, events = after.events.len());
    Ok(Some(match recorded.instrument(span).await? {
        Some(_) => Carried::Recorded(Box::new(after.journal)),
        None => Carried::Overtaken,
    }))
}
