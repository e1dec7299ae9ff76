//! What may only be looked at: `status`, `history`, and what the doctor sees.

use super::observe::read_routes;
use super::store::{self, event_of};
use crate::api::{Answer, History, Question, RouteShown, Standing, Status};
use crate::check::Examiner;
use crate::config::{Config, Rollout};
use crate::domain::event::{Event, Stamped};
use crate::domain::explain;
use crate::domain::journal::Journal;
use crate::errors::chain;
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
    let run = loaded.as_ref().ok().and_then(|loaded| loaded.journal.run.as_ref());
    let routes = run.map_or(&rollout.terms.routes, |run| &run.terms.routes);
    let seen = read_routes(world, routes).await;
    let readable = seen.iter().all(Result::is_ok);
    let shown = RouteShown::of(routes, &seen);
    let stages = rollout.terms.stages.len();
    match &loaded {
        Ok(loaded) => {
            let recent = recent(world, rollout).await;
            status(&loaded.journal, shown, readable, stages, recent)
        }
        Err(error) => {
            let mut status = status(&Journal::new(&rollout.name), shown, false, stages, Vec::new());
            status.standing = Standing::Unknown;
            "ledger down".clone_into(&mut status.state);
            status.why = chain(error);
            "nothing advances; `rolloutctl rollback` works without the ledger"
                .clone_into(&mut status.next);
            status
        }
    }
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
        let entries = entries.map_err(|error| chain(&error))?;
        for entry in &entries {
            let stamped = event_of(&rollout.name, entry).map_err(|error| chain(&error))?;
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
        matches!(event, Event::Ticked { .. } | Event::PageSent { .. } | Event::Announced { .. })
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
