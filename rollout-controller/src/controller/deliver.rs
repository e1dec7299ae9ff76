//! Sends what the journal owes, and notes what was accepted.

use crate::domain::decide::Draft;
use crate::domain::journal::{Debt, Event, FoldError, Journal};
use crate::errors::chain;
use crate::ports::World;

/// Messages sent by one tick at the most; the rest follows in the next.
const MOST_AT_ONCE: usize = 20;

/// Sends owed messages in order. Returns what was accepted as events; a message
/// that was not stays owed and is tried again by the next tick.
pub async fn send(world: &World, journal: &Journal) -> Vec<Event> {
    let mut sent = Vec::new();
    for owed in journal.outbox.iter().take(MOST_AT_ONCE) {
        let (result, event) = match &owed.what {
            Debt::Page(page) => {
                let event = Event::PageSent { revision: owed.revision, topic: page.topic };
                (world.pager.send(page).await, event)
            }
            Debt::Change(change) => {
                let event = Event::Announced { revision: owed.revision };
                (world.announcer.announce(change).await, event)
            }
        };
        match result {
            Ok(()) => sent.push(event),
            Err(error) => {
                tracing::warn!(
                    rollout.name = journal.name,
                    revision = owed.revision,
                    "a message stays in the outbox: {}",
                    chain(&error)
                );
            }
        }
    }
    sent
}

/// A draft that notes accepted messages.
///
/// # Errors
/// [`FoldError`] if the events cannot follow.
pub fn noted(journal: &Journal, sent: Vec<Event>, now_ms: i64) -> Result<Draft, FoldError> {
    let mut draft = Draft::of(journal);
    for event in sent {
        draft.add(now_ms, event)?;
    }
    Ok(draft)
}
