//! Events being prepared, before they are appended to the journal.

use super::decision::Shift;
use super::event::{Event, Stamped};
use super::journal::{FoldError, Journal};
use super::weight::Weight;

/// The time a decision is made for.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Scheduled time of the tick in milliseconds: what is judged.
    pub tick_ms: i64,
    /// Real time in milliseconds: only for deadlines of writes.
    pub real_ms: i64,
    /// Real time after which this process must not write any more.
    pub deadline_ms: i64,
}

/// Events being prepared, applied to a copy of the journal as they are added.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The journal with the draft's events.
    pub journal: Journal,
    /// The new events.
    pub events: Vec<Stamped>,
}

impl Draft {
    /// Nothing new yet.
    pub fn of(journal: &Journal) -> Self {
        Self { journal: journal.clone(), events: Vec::new() }
    }

    /// Adds an event at `now_ms` or, if that is later, at the last event's time.
    ///
    /// # Errors
    /// [`FoldError`] if the event cannot follow.
    pub fn add(&mut self, now_ms: i64, event: Event) -> Result<(), FoldError> {
        let at_ms = self.journal.time(now_ms);
        let stamped = Stamped { seq: self.journal.revision + 1, at_ms, event };
        self.journal.apply(&stamped)?;
        self.events.push(stamped);
        Ok(())
    }
}

/// Adds the intent of a change to a draft.
///
/// # Errors
/// [`FoldError`] if it cannot follow.
pub fn intend(draft: &mut Draft, shift: &Shift, now: Now) -> Result<(), FoldError> {
    let from = draft.journal.run.as_ref().map_or(Weight::ZERO, |run| run.weight);
    let (to, cause) = (shift.to, shift.cause.clone());
    draft.add(now.tick_ms, Event::Intended { from, to, cause, deadline_ms: now.deadline_ms })
}
