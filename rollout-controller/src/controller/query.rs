//! What may only be looked at: `status`, `history`, and what the doctor sees.

use super::observe::{Look, look};
use super::store::{self, event_of};
use crate::api::{Answer, History, Question, Status};
use crate::check::Examiner;
use crate::config::{Config, Rollout};
use crate::domain::event::{Event, Stamped};
use crate::domain::explain;
use crate::domain::health::{JournalSeen, Standpoint, health};
use crate::domain::observation::Unread;
use crate::ports::{Seq, World};
use crate::report::status::status;

/// Events of late that `status` shows.
const RECENT: usize = 8;

/// Entries read at once while looking for the events to show.
const PAGE: u32 = 500;
/// And how often: a minute is an entry, so this is about a week.
const MOST_PAGES: usize = 20;

/// Answers one question. Never writes.
pub async fn view(world: &World, config: &Config, question: &Question) -> Answer {
    let answer = answer(world, config, question).await;
    answer.unwrap_or_else(|message| Answer::Refused { message })
}

async fn answer(world: &World, config: &Config, question: &Question) -> Result<Answer, String> {
    Ok(match question {
        Question::Status { rollout } => {
            let rollout = config.rollout(rollout.as_deref())?;
            Answer::Status(Box::new(status_of(world, rollout).await))
        }
        Question::History { rollout, before, limit, all } => {
            let rollout = config.rollout(rollout.as_deref())?;
            let limit = (*limit).clamp(1, 500);
            Answer::History(history_of(world, rollout, *before, limit, *all).await?)
        }
        Question::Check { rollout, as_of_ms } => {
            let examiner = Examiner::function(world, config, *as_of_ms);
            let name = rollout.as_deref();
            Answer::Check(examiner.examine("the view function", name).await?)
        }
    })
}

/// How one rollout stands, with the rules as they are right now.
pub async fn status_of(world: &World, rollout: &Rollout) -> Status {
    let loaded = store::load(&*world.ledger, &rollout.name).await;
    let whole = loaded.as_ref().ok().filter(|loaded| loaded.broken.is_none());
    let eyes = Look {
        name: &rollout.name,
        journal: whole.map(|loaded| &loaded.journal),
        terms: &rollout.terms,
        settings: &rollout.settings,
    };
    let seen = look(world, &eyes).await;
    let journal = match &loaded {
        Err(down) => JournalSeen::Failed(Unread::of(down)),
        Ok(loaded) => match (&loaded.broken, &seen.copy) {
            (Some(broken), _) => JournalSeen::Prefix(&loaded.journal, Unread::of(broken)),
            (None, Ok(Some(copy))) if copy.revision > loaded.journal.revision => {
                JournalSeen::Behind(&loaded.journal)
            }
            (None, _) => JournalSeen::Read(&loaded.journal),
        },
    };
    let at = Standpoint {
        journal,
        seen: &seen,
        terms: &rollout.terms,
        mode: rollout.mode,
        settings: &rollout.settings,
        clock_ms: world.clock.now().as_millisecond(),
    };
    let recent = if whole.is_some() { recent(world, rollout).await } else { Vec::new() };
    status(&rollout.name, &at, &health(&at), recent)
}

async fn recent(world: &World, rollout: &Rollout) -> Vec<String> {
    let found = events(world, rollout, None, RECENT, Event::is_change).await;
    let (events, _) = found.unwrap_or_default();
    events.iter().map(explain::event::line).collect()
}

/// The newest events of a kind before a revision, oldest first, at most `wanted`,
/// and the revision before which older entries lie, if there are any.
async fn events(
    world: &World,
    rollout: &Rollout,
    before: Option<Seq>,
    wanted: usize,
    keep: impl Fn(&Event) -> bool,
) -> Result<(Vec<Stamped>, Option<Seq>), String> {
    let mut found = Vec::new();
    let mut before = before;
    for _ in 0..MOST_PAGES {
        let entries = world.ledger.history(&rollout.name, before, PAGE).await;
        let entries = entries.map_err(|error| Unread::of(&error).to_string())?;
        for entry in &entries {
            let stamped = event_of(&rollout.name, entry).map_err(|error| Unread::of(&error).to_string())?;
            before = Some(entry.seq);
            if keep(&stamped.event) {
                found.push(stamped);
            }
            if found.len() == wanted {
                break;
            }
        }
        if found.len() == wanted || entries.len() < PAGE as usize {
            break;
        }
    }
    found.reverse();
    Ok((found, before.filter(|seq| *seq > 1)))
}

async fn history_of(
    world: &World,
    rollout: &Rollout,
    before: Option<Seq>,
    limit: u32,
    all: bool,
) -> Result<History, String> {
    let detail = |event: &Event| {
        matches!(
            event,
            Event::Ticked { .. }
                | Event::Delivered { .. }
                | Event::GivenUp { .. }
                | Event::PageSent { .. }
                | Event::Announced { .. }
        )
    };
    let keep = |event: &Event| all || !detail(event);
    let (events, earlier) = events(world, rollout, before, limit as usize, keep).await?;
    Ok(History {
        rollout: rollout.name.clone(),
        lines: events.iter().map(explain::event::line).collect(),
        events,
        earlier,
    })
}
