//! What may only be looked at: `status`, `history`, and what the doctor sees.

use super::observe::{Look, look};
use super::store::{self, Loaded, event_of};
use crate::api::{Answer, History, Question, Status};
use crate::check::Examiner;
use crate::config::{Config, Rollout, WhichRollout};
use crate::domain::event::{Event, Stamped};
use crate::domain::explain;
use crate::domain::health::{JournalSeen, Standpoint, health};
use crate::domain::observation::{Observation, Unread};
use crate::domain::run::Run;
use crate::ports::{Entry, LedgerError, Seq, World};
use crate::report::status::status;

/// Changes of late that `status` shows.
const RECENT: u32 = 8;

/// Answers one question. Never writes.
pub async fn view(world: &World, config: &Config, question: &Question) -> Answer {
    let answer = answer(world, config, question).await;
    answer.unwrap_or_else(|error| Answer::Refused { message: Unread::of(&error).to_string() })
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Which(#[from] WhichRollout),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

async fn answer(world: &World, config: &Config, question: &Question) -> Result<Answer, NoAnswer> {
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

/// What a status and a page are made of, read once.
pub struct Sight {
    /// How it stands.
    pub status: Status,
    /// The newest run, if the journal could be read to its end and has one.
    pub run: Option<Run>,
    /// The newest changes, oldest first; none if the journal cannot be read.
    pub changes: Vec<Stamped>,
}

/// How one rollout stands, with the rules as they are right now.
pub async fn status_of(world: &World, rollout: &Rollout) -> Status {
    sight_of(world, rollout, RECENT).await.status
}

/// Reads one rollout, with at most `wanted` changes.
pub async fn sight_of(world: &World, rollout: &Rollout, wanted: u32) -> Sight {
    let mut loaded = store::load(&*world.ledger, &rollout.name).await;
    let mut seen = seen_of(world, rollout, &loaded).await;
    if let (Ok(Loaded { journal, .. }), Ok(Some(copy))) = (&loaded, &seen.copy)
        && copy.is_ahead_of(journal)
    {
        // A tick may have written both in between.
        loaded = store::load(&*world.ledger, &rollout.name).await;
        seen = seen_of(world, rollout, &loaded).await;
    }
    let whole = store::whole(&loaded);
    let journal = match &loaded {
        Err(down) => JournalSeen::Failed(Unread::of(down)),
        Ok(loaded) => match (&loaded.broken, &seen.copy) {
            (Some(broken), _) => JournalSeen::Prefix(&loaded.journal, Unread::of(broken)),
            (None, Ok(Some(copy))) if copy.is_ahead_of(&loaded.journal) => {
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
    let changes = if whole.is_some() {
        let name = &rollout.name;
        let entries = world.ledger.history_of(name, &Event::CHANGES, None, wanted).await;
        read(name, &entries.unwrap_or_default()).1
    } else {
        Vec::new()
    };
    let recent = changes.len().saturating_sub(RECENT as usize);
    let lines = changes[recent..].iter().map(explain::event::line).collect();
    Sight {
        status: status(&rollout.name, &at, &health(&at), lines),
        run: whole.and_then(|journal| journal.run.clone()),
        changes,
    }
}

async fn seen_of(
    world: &World,
    rollout: &Rollout,
    loaded: &Result<Loaded, LedgerError>,
) -> Observation {
    look(world, &Look::of(rollout, store::whole(loaded))).await
}

/// Entries as lines and events, oldest first. What this version cannot read is a
/// line of its own.
fn read(rollout: &str, newest_first: &[Entry]) -> (Vec<String>, Vec<Stamped>) {
    let mut lines = Vec::with_capacity(newest_first.len());
    let mut events = Vec::with_capacity(newest_first.len());
    for entry in newest_first.iter().rev() {
        match event_of(rollout, entry) {
            Ok(stamped) => {
                lines.push(explain::event::line(&stamped));
                events.push(stamped);
            }
            Err(error) => {
                let (seq, time) = (entry.seq, explain::clock_time(entry.at_ms));
                lines.push(format!("{seq:>6}  {time}  `{}`: {}", entry.kind, Unread::of(&error)));
            }
        }
    }
    (lines, events)
}

async fn history_of(
    world: &World,
    rollout: &Rollout,
    before: Option<Seq>,
    limit: u32,
    all: bool,
) -> Result<History, LedgerError> {
    let name = &rollout.name;
    let entries = if all {
        world.ledger.history(name, before, limit).await?
    } else {
        let story = [&Event::CHANGES[..], &Event::TOLD[..]].concat();
        world.ledger.history_of(name, &story, before, limit).await?
    };
    let full = entries.len() >= limit as usize;
    let earlier = entries.last().map(|entry| entry.seq).filter(|seq| full && *seq > 1);
    let (lines, events) = read(name, &entries);
    Ok(History { rollout: name.clone(), lines, events, earlier })
}
