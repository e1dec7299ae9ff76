//! Sends what the journals owe, each channel by itself: one that is broken or
//! slow delays no other.

use super::Schedule;
use super::step::StepError;
use super::store;
use crate::domain::draft::Draft;
use crate::domain::event::{Event, Item};
use crate::domain::journal::Journal;
use crate::domain::message::Channel;
use crate::domain::observation::Unread;
use crate::planted::planted;
use crate::ports::{World, within};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tracing::{Instrument as _, info_span};

/// All channels of all rollouts together. 5 seconds.
pub(super) const BUDGET: SignedDuration = SignedDuration::from_secs(5);
/// One message. 2 seconds; a channel that takes longer has had its turn.
const ONE_MESSAGE: Duration = Duration::from_secs(2);

/// A journal that may owe messages.
pub struct Debtor {
    /// The rollout's name.
    pub name: String,
    /// Its journal as it stands.
    pub journal: Journal,
    /// Last event of its snapshot in the table.
    pub snapshot_seq: i64,
}

/// What one channel's turn came to.
struct Turn {
    channel: Channel,
    delivered: Vec<Item>,
    failed: Option<Unread>,
    tried: bool,
}

/// Sends for all rollouts at once and notes what was accepted. Losing the race for
/// the note only means that a message may be sent again, under the same id.
pub async fn deliver(
    world: &World,
    debtors: Vec<Debtor>,
    schedule: Schedule,
) -> Vec<Result<Journal, StepError>> {
    let until = super::deadline(world, BUDGET, None);
    join_all(debtors.into_iter().map(|debtor| settle(world, debtor, until, schedule))).await
}

async fn settle(
    world: &World,
    debtor: Debtor,
    until: Timestamp,
    schedule: Schedule,
) -> Result<Journal, StepError> {
    let Debtor { name, journal, snapshot_seq } = debtor;
    if journal.outbox.is_empty() && journal.outbox.broken().is_empty() {
        return Ok(journal);
    }
    let now_ms = schedule.scheduled.as_millisecond();
    let turns = Channel::ALL.map(|channel| turn(world, &journal, channel, now_ms, until));
    let turns = join_all(turns).instrument(info_span!("send", rollout.name = name)).await;
    let mut noted = Draft::of(&journal);
    for turn in &turns {
        note(&mut noted, turn, now_ms)?;
    }
    for channel in Channel::ALL {
        let items = noted.journal.outbox.too_old(channel, now_ms);
        if !items.is_empty() {
            noted.add(now_ms, Event::GivenUp { channel, items })?;
        }
    }
    if noted.events.is_empty() {
        return Ok(journal);
    }
    let append = store::append(&*world.ledger, &name, &noted, snapshot_seq, schedule.deadline);
    let span = info_span!("record", rollout.name = name, events = noted.events.len());
    match append.instrument(span).await? {
        Some(_) => Ok(noted.journal),
        None => Ok(journal),
    }
}

fn note(draft: &mut Draft, turn: &Turn, now_ms: i64) -> Result<(), StepError> {
    let Turn { channel, delivered, failed, tried } = turn;
    let channel = *channel;
    if !delivered.is_empty() {
        let items = delivered.clone();
        draft.add(now_ms, Event::Delivered { channel, items })?;
    }
    let was_broken = draft.journal.outbox.broken().contains_key(&channel);
    match failed {
        Some(error) if !was_broken => {
            let error = error.to_string();
            draft.add(now_ms, Event::ChannelFailed { channel, error })?;
        }
        None if was_broken && *tried => draft.add(now_ms, Event::ChannelWorks { channel })?,
        Some(_) | None => {}
    }
    Ok(())
}

async fn turn(
    world: &World,
    journal: &Journal,
    channel: Channel,
    now_ms: i64,
    until: Timestamp,
) -> Turn {
    let mut turn = Turn { channel, delivered: Vec::new(), failed: None, tried: false };
    if !world.messages.has(channel) {
        turn.delivered = journal.outbox.all_on(channel);
        turn.tried = true;
        return turn;
    }
    let broken = journal.outbox.broken();
    if planted!(OneChannelStopsAll) && broken.keys().any(|broken| *broken != channel) {
        return turn;
    }
    for letter in journal.outbox.due(channel, now_ms) {
        turn.tried = true;
        let left = Duration::try_from(world.clock.real().duration_until(until));
        let limit = left.unwrap_or(Duration::ZERO).min(ONE_MESSAGE);
        let sent = within(&*world.clock, limit, world.messages.send(channel, &letter.what)).await;
        let timed_out = sent.is_none();
        let error = match sent {
            Some(Ok(())) => {
                if planted!(SentTwice) {
                    let _ = world.messages.send(channel, &letter.what).await;
                }
                turn.delivered.extend(letter.items);
                continue;
            }
            Some(Err(_)) if planted!(FailureIsDelivery) => {
                turn.delivered.extend(letter.items);
                continue;
            }
            Some(Err(error)) => Unread::of(&error),
            None => Unread::because(format!("{} did not answer in time", channel.name())),
        };
        tracing::warn!(
            rollout.name = journal.name,
            channel = channel.name(),
            "a message stays in the outbox: {error}"
        );
        turn.failed.get_or_insert(error);
        if timed_out {
            break;
        }
    }
    turn
}
