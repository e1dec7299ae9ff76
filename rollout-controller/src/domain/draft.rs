//! Events being prepared, applied to a copy of the journal as they are added.

use super::event::{Event, Stamped};
use super::journal::{FoldError, Journal};

/// Events being prepared, and the journal as it will be with them.
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
        let stamped = Stamped { seq: self.journal.revision.saturating_add(1), at_ms, event };
        self.journal.apply(&stamped)?;
        self.events.push(stamped);
        Ok(())
    }
}
