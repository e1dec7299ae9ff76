//! What may only be looked at: `status`, `history`, and what the doctor sees.

use super::observe::{Look, look};
use super::store::{self, Loaded, event_of};
use crate::api::{Answer, Change, ChangeKind, HISTORY_SCHEMA, History, Question, Status};
use crate::check::Examiner;
use crate::config::{Config, Rollout, WhichRollout};
use crate::domain::code::CodeChange;
use crate::domain::event::{Event, Stamped};
use crate::domain::health::{JournalSeen, Standpoint, health};
use crate::domain::labels::Labels;
use crate::domain::observation::{Observation, Unread};
use crate::domain::run::Run;
use crate::ports::{Entry, LedgerError, Seq, World};
use crate::report::status::status;
use crate::report::story::story;

/// Entries that are read for the last changes: up to three make one line.
const RECENT: u32 = 40;
/// Changes of late that `status` has.
const SHOWN: usize = 12;

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
            let flags = config.rollouts.len() > 1;
            let wanted = match rollout {
                None => config.rollouts.iter().collect(),
                Some(name) => vec![config.rollout(Some(name))?],
            };
            let each = wanted.into_iter().map(|rollout| sight_of(world, rollout, RECENT, flags));
            let seen = futures_util::future::join_all(each).await;
            Answer::Status { rollouts: seen.into_iter().map(|sight| sight.status).collect() }
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
    /// Everything that a screen shows.
    pub status: Status,
    /// The newest run, if the journal could be read to its end and has one.
    pub run: Option<Run>,
    /// The newest entries that are changes, oldest first; none if the journal cannot be read.
    pub changes: Vec<Stamped>,
}

/// What the run of the first of these entries calls the sides; `run` is the newest.
pub async fn sides_before(
    world: &World,
    rollout: &Rollout,
    run: Option<&Run>,
    events: &[Stamped],
) -> Labels {
    let starts = |stamped: &Stamped| matches!(stamped.event, Event::Started { .. });
    let first = match (events.first(), run) {
        // The story takes them from there.
        (Some(first), _) if starts(first) => None,
        (Some(_), Some(run)) if !events.iter().any(starts) => return run.terms.labels.clone(),
        (first, _) => first,
    };
    let found = match first {
        None => Vec::new(),
        Some(first) => {
            let before = Some(first.seq);
            let found = world.ledger.history_of(&rollout.name, &["started"], before, 1).await;
            found.unwrap_or_default()
        }
    };
    let labels = found.first().and_then(|entry| match event_of(&rollout.name, entry).ok()?.event {
        Event::Started { terms, .. } => Some(terms.labels),
        _ => None,
    });
    labels.unwrap_or_else(|| rollout.terms.labels.clone())
}

/// One rollout, with the rules as they are right now.
pub async fn status_of(world: &World, rollout: &Rollout) -> Status {
    sight_of(world, rollout, RECENT, false).await.status
}

/// Reads one rollout, with at most `wanted` entries that are changes. `flag`: commands
/// name the rollout, since there are several.
pub async fn sight_of(world: &World, rollout: &Rollout, wanted: u32, flag: bool) -> Sight {
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
        read(name, &entries.unwrap_or_default()).0
    } else {
        Vec::new()
    };
    let flag = if flag { format!(" -r {}", rollout.name) } else { String::new() };
    let first_code =
        |event: &Event| matches!(event, Event::CodeChanged { change: CodeChange::First, .. });
    let run = whole.and_then(|journal| journal.run.as_ref());
    let sides = sides_before(world, rollout, run, &changes).await;
    let told = changes.iter().filter(|entry| !first_code(&entry.event));
    let mut told = story(&rollout.name, &sides, told);
    told.drain(..told.len().saturating_sub(SHOWN));
    Sight {
        status: status(&rollout.name, &at, &health(&at), &flag, told),
        run: run.cloned(),
        changes,
    }
}

/// Entries that are asked for at a time.
const AT_ONCE: u32 = 500;
/// So often, for the entries of a run that a page is drawn from: about two days of minutes.
const MOST_READS: usize = 6;

/// The entries of a run, oldest first; without its beginning where it is too long ago.
/// What cannot be read is left out: a page shows what there is.
pub async fn entries_of(world: &World, rollout: &Rollout, number: u32) -> Vec<Stamped> {
    let mut newest_first: Vec<Stamped> = Vec::new();
    let mut before = None;
    for _ in 0..MOST_READS {
        let Ok(some) = world.ledger.history(&rollout.name, before, AT_ONCE).await else { break };
        let full = some.len() >= AT_ONCE as usize;
        before = some.last().map(|entry| entry.seq);
        for entry in &some {
            let Ok(stamped) = event_of(&rollout.name, entry) else { continue };
            let begins = matches!(&stamped.event, Event::Started { run, .. } if *run == number);
            newest_first.push(stamped);
            if begins {
                newest_first.reverse();
                return newest_first;
            }
        }
        if !full {
            break;
        }
    }
    newest_first.reverse();
    newest_first
}

async fn seen_of(
    world: &World,
    rollout: &Rollout,
    loaded: &Result<Loaded, LedgerError>,
) -> Observation {
    look(world, &Look::of(rollout, store::whole(loaded))).await
}

/// Entries as events, oldest first, and what this version cannot read as lines.
fn read(rollout: &str, newest_first: &[Entry]) -> (Vec<Stamped>, Vec<Change>) {
    let mut events = Vec::with_capacity(newest_first.len());
    let mut unread = Vec::new();
    for entry in newest_first.iter().rev() {
        match event_of(rollout, entry) {
            Ok(stamped) => events.push(stamped),
            Err(error) => unread.push(Change {
                revision: entry.seq,
                at: jiff::Timestamp::from_millisecond(entry.at_ms).unwrap_or_default(),
                by: "?".to_owned(),
                text: format!("`{}`: {}", entry.kind, Unread::of(&error)),
                kind: ChangeKind::Note,
            }),
        }
    }
    (events, unread)
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
        let kinds = [&Event::CHANGES[..], &Event::TOLD[..]].concat();
        world.ledger.history_of(name, &kinds, before, limit).await?
    };
    let full = entries.len() >= limit as usize;
    let earlier = entries.last().map(|entry| entry.seq).filter(|seq| full && *seq > 1);
    let (events, unread) = read(name, &entries);
    // Which code was seen first, and what the history was like, change nothing.
    let background = |event: &Event| {
        matches!(
            event,
            Event::Baseline { .. } | Event::CodeChanged { change: CodeChange::First, .. }
        )
    };
    let sides = sides_before(world, rollout, None, &events).await;
    let mut changes =
        story(name, &sides, events.iter().filter(|event| all || !background(&event.event)));
    changes.extend(unread);
    changes.sort_by_key(|change| change.revision);
    Ok(History {
        schema: HISTORY_SCHEMA.to_owned(),
        rollout: name.clone(),
        now: world.clock.now(),
        changes,
        events,
        earlier,
    })
}
