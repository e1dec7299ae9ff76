//! Reads examples of the wrong answers that a rollback rests on, so that its page can say
//! where the two sides differ.
//!
//! After every write of the tick and before its messages. Whatever happens here, the share
//! is where it has to be, and the page goes out.

use super::Schedule;
use super::deliver;
use super::store;
use super::tick::{Plan, TickOutcome, TickResult};
use crate::config::Rollout;
use crate::domain::draft::Draft;
use crate::domain::event::Event;
use crate::domain::journal::Journal;
use crate::domain::observation::Unread;
use crate::domain::phase::Phase;
use crate::domain::plan::Terms;
use crate::domain::wrong_answers::{Breach, Examples, ExamplesRead};
use crate::ports::{LogWanted, World, within};
use futures_util::future::join_all;
use jiff::Timestamp;
use std::time::Duration;
use tracing::{Instrument as _, info_span};

/// Time of one reading. 3 seconds: the page waits for it.
const LIMIT: Duration = Duration::from_secs(3);
/// Less is not worth beginning with. Half a second.
const LEAST: Duration = Duration::from_millis(500);
/// The newest minutes of the evidence that are read. One hour.
const MOST_MINUTES: i64 = 60;
/// A run that ended longer ago is not looked into: its page is out, and the log may be
/// gone. One hour.
const LATEST_MS: i64 = 60 * 60_000;

/// Reads examples for each rollout that needs them, and journals what was read, so that
/// page, history and status say the same. If that fails, the messages go out without.
pub(super) async fn read_all(
    world: &World,
    plans: &[Plan<'_>],
    outcomes: &mut [TickOutcome],
    schedule: Schedule,
) {
    let each = plans.iter().zip(outcomes).map(|(plan, outcome)| async move {
        let TickResult::Recorded { journal, .. } = &mut outcome.result else { return };
        let at_ms = schedule.scheduled.as_millisecond();
        let Some((terms, breach)) = needed(journal, at_ms) else { return };
        let Some(read) = read(world, plan.rollout, terms, breach, schedule.deadline).await else {
            return;
        };
        let snapshot_seq = plan.loaded.as_ref().map_or(0, |loaded| loaded.snapshot_seq);
        match note(world, journal, read, snapshot_seq, schedule).await {
            Ok(Some(after)) => **journal = after,
            // Another process wrote; the next tick reads again.
            Ok(None) => {}
            Err(error) => tracing::error!(rollout.name = plan.rollout.name, "{error}"),
        }
    });
    join_all(each).await;
}

/// The evidence whose examples are missing.
fn needed(journal: &Journal, at_ms: i64) -> Option<(&Terms, &Breach)> {
    let run = journal.run.as_ref().filter(|run| run.examples.is_none())?;
    if let Phase::RolledBack { at_ms: ended_ms, .. } = &run.phase
        && at_ms.saturating_sub(*ended_ms) > LATEST_MS
    {
        return None;
    }
    Some((&run.terms, run.rolled_back_for_answers()?))
}

/// Reads them; `None` where no log is configured.
pub(super) async fn read(
    world: &World,
    rollout: &Rollout,
    terms: &Terms,
    breach: &Breach,
    deadline: Timestamp,
) -> Option<ExamplesRead> {
    let log_group = rollout.settings.answers_log.as_deref()?;
    // What sending may take is left to it.
    let left = world.clock.real().duration_until(deadline).saturating_sub(deliver::BUDGET);
    let left = Duration::try_from(left);
    let limit = left.unwrap_or(Duration::ZERO).min(LIMIT);
    if limit < LEAST {
        let why = Unread::because("no time was left in this tick");
        return Some(ExamplesRead::Unread(why));
    }
    // A line is written moments after the count that it belongs to.
    let until = breach.minute.plus(2);
    let from = breach.since.unwrap_or(breach.minute).max(until.plus(-MOST_MINUTES));
    let groups = terms.routes.iter().map(|route| route.new_group.dimension()).collect();
    let wanted = LogWanted { log_group, groups, from, until, limit };
    let span = info_span!("read examples", rollout.name = rollout.name);
    let reading = within(&*world.clock, limit + LEAST, world.answers_log.read(&wanted));
    Some(match reading.instrument(span).await {
        Some(Ok(logged)) => ExamplesRead::Read(Examples::of(&logged)),
        Some(Err(error)) => ExamplesRead::Unread(Unread::of(&error)),
        None => ExamplesRead::Unread(Unread::because("the log did not answer in time")),
    })
}

async fn note(
    world: &World,
    journal: &Journal,
    examples: ExamplesRead,
    snapshot_seq: i64,
    schedule: Schedule,
) -> Result<Option<Journal>, super::step::StepError> {
    let mut draft = Draft::of(journal);
    draft.add(schedule.scheduled.as_millisecond(), Event::ExamplesRead { examples })?;
    let name = &journal.name;
    let appended = store::append(&*world.ledger, name, &draft, snapshot_seq, schedule.deadline);
    Ok(appended.await?.map(|_| draft.journal))
}
