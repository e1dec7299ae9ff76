//! Sends what the journal owes, and notes what was accepted.

use super::Schedule;
use super::step::TickError;
use super::store;
use crate::config::Rollout;
use crate::domain::draft::Draft;
use crate::domain::event::Event;
use crate::domain::journal::{Debt, FoldError, Journal};
use crate::errors::chain;
use crate::ports::World;
use tracing::{Instrument as _, info_span};

/// Messages sent by one tick at the most; the rest follows in the next.
const MOST_AT_ONCE: usize = 20;

/// Sends owed messages in order. Returns what was accepted as events; a message
/// that was not stays owed and is tried again by the next tick.
async fn send(world: &World, journal: &Journal) -> Vec<Event> {
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
fn noted(journal: &Journal, sent: Vec<Event>, now_ms: i64) -> Result<Draft, FoldError> {
    let mut draft = Draft::of(journal);
    for event in sent {
        draft.add(now_ms, event)?;
    }
    Ok(draft)
}

/// Sends the outbox and notes what was accepted. Losing the race for the note
/// only means that the message may be sent again, under the same key.
///
/// # Errors
/// The ledger's; messages are then sent again later.
pub async fn send_owed(
    world: &World,
    rollout: &Rollout,
    journal: Journal,
    snapshot_seq: i64,
    schedule: Schedule,
) -> Result<Journal, TickError> {
    if journal.outbox.is_empty() {
        return Ok(journal);
    }
    let span = info_span!("send", rollout.name = rollout.name, messages = journal.outbox.len());
    let sent = send(world, &journal).instrument(span).await;
    if sent.is_empty() {
        return Ok(journal);
    }
    let noted = noted(&journal, sent, schedule.scheduled.as_millisecond())?;
    let ledger = &*world.ledger;
    let deadline = schedule.deadline;
    let append = store::append(ledger, &rollout.name, &noted, snapshot_seq, deadline);
    let span = info_span!("record", rollout.name = rollout.name, events = noted.events.len());
    match append.instrument(span).await? {
        Some(_) => Ok(noted.journal),
        None => Ok(journal),
    }
}
