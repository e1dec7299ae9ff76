//! Operator commands: journalled with who and why, acted on in the same call.
//!
//! Never waits behind a tick: the journal decides who is first, and a command
//! that lost the race looks again and decides afresh.

use super::act::act;
use super::deliver::send_owed;
use super::observe::read_routes;
use super::step::{Carried, TickError, carry_out};
use super::store::{self, JournalError};
use super::{Schedule, now};
use crate::api::{CommandOutcome, RouteShown};
use crate::config::{Config, Rollout};
use crate::domain::command::{Order, Ordered, Request, Sight, Verdict, order};
use crate::domain::decide::Decided;
use crate::domain::decision::{CauseKind, Shift};
use crate::domain::journal::Journal;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{LedgerError, Share, Turn, World};

/// Times a command looks again after losing a race. Races are with ticks, which
/// write a handful of entries a minute.
const TRIES: usize = 5;

/// Carries out one command.
///
/// # Errors
/// [`TickError`] if the journal cannot be used. A rollback works without it.
pub async fn command(
    world: &World,
    config: &Config,
    request: &Request,
    schedule: Schedule,
) -> Result<CommandOutcome, TickError> {
    let rollout = match config.rollout(request.rollout.as_deref()) {
        Ok(rollout) => rollout,
        Err(message) => return Ok(unknown(request, message)),
    };
    for _ in 0..TRIES {
        let loaded = match store::load(&*world.ledger, &rollout.name).await {
            Ok(loaded) => loaded,
            Err(JournalError::Ledger(error))
                if request.order == Order::Rollback && !request.dry_run =>
            {
                return Ok(rollback_without_ledger(world, rollout, request, &error, schedule).await);
            }
            Err(error) => return Err(error.into()),
        };
        let terms = match (&request.order, loaded.journal.run.as_ref()) {
            (Order::Start, _) | (_, None) => &rollout.terms,
            (_, Some(run)) => &run.terms,
        };
        let sight = Sight {
            routes: read_routes(world, &terms.routes).await,
            alarms: world
                .alarms
                .read(&rollout.settings.alarm_names())
                .await
                .map_err(|error| chain(&error)),
            terms,
            mode: rollout.mode,
        };
        let ordered = order(&loaded.journal, request, &sight, now(world, schedule))?;
        if ordered.verdict != Verdict::Applied || request.dry_run {
            return Ok(
                answer_unchanged(world, rollout, request, &loaded.journal, ordered, &sight).await
            );
        }
        let message = ordered.message.clone();
        let decided = Decided { draft: ordered.draft, decision: None, shift: ordered.shift };
        let carried = match carry_out(world, rollout, &loaded, &decided, schedule).await {
            Err(TickError::Journal(JournalError::Ledger(error)))
                if request.order == Order::Rollback =>
            {
                return Ok(rollback_without_ledger(world, rollout, request, &error, schedule).await);
            }
            other => other?,
        };
        let journal = match carried {
            None => continue,
            Some(Carried::Recorded(journal)) => *journal,
            Some(Carried::Overtaken) => {
                let loaded = store::load(&*world.ledger, &rollout.name).await?;
                loaded.journal
            }
        };
        let journal = send_owed(world, rollout, journal, loaded.snapshot_seq, schedule).await?;
        return Ok(answer_done(world, rollout, &decided, &journal, message).await);
    }
    let loaded = store::load(&*world.ledger, &rollout.name).await?;
    let message = "others kept writing to the journal; nothing was done, try again".to_owned();
    Ok(answer(rollout, Verdict::Refused, message, &loaded.journal, Vec::new()))
}

fn answer(
    rollout: &Rollout,
    outcome: Verdict,
    message: String,
    journal: &Journal,
    routes: Vec<RouteShown>,
) -> CommandOutcome {
    CommandOutcome {
        rollout: rollout.name.clone(),
        outcome,
        message,
        revision: journal.revision,
        state: journal.run.as_ref().map_or("not started", |run| run.state_name()).to_owned(),
        routes,
        changed_since: Vec::new(),
        dry_run: false,
    }
}

fn unknown(request: &Request, message: String) -> CommandOutcome {
    CommandOutcome {
        rollout: request.rollout.clone().unwrap_or_default(),
        outcome: Verdict::Refused,
        message,
        revision: 0,
        state: "unknown".to_owned(),
        routes: Vec::new(),
        changed_since: Vec::new(),
        dry_run: request.dry_run,
    }
}

async fn answer_unchanged(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    journal: &Journal,
    ordered: Ordered,
    sight: &Sight<'_>,
) -> CommandOutcome {
    let shown = RouteShown::of(&sight.terms.routes, &sight.routes);
    let mut message = ordered.message;
    if request.dry_run
        && ordered.verdict == Verdict::Applied
        && let Some(shift) = &ordered.shift
    {
        message = format!("{message} ({})", planned(shift, &shown));
    }
    let mut answer = answer(rollout, ordered.verdict, message, journal, shown);
    answer.dry_run = request.dry_run;
    if ordered.verdict == Verdict::Stale {
        answer.changed_since =
            changes_since(world, rollout, request.if_revision.unwrap_or(0)).await;
    }
    answer
}

fn planned(shift: &Shift, routes: &[RouteShown]) -> String {
    let each: Vec<String> = routes
        .iter()
        .map(|route| format!("{}: {} → {}", route.route, route.shows, shift.to))
        .collect();
    each.join(", ")
}

async fn changes_since(world: &World, rollout: &Rollout, since: i64) -> Vec<String> {
    let Ok(entries) = world.ledger.history(&rollout.name, None, 200).await else {
        return vec!["the journal could not be read".to_owned()];
    };
    let mut lines: Vec<String> = entries
        .iter()
        .filter(|entry| entry.seq > since)
        .filter_map(|entry| store::event_of(&rollout.name, entry).ok())
        .filter(|stamped| stamped.event.is_change())
        .map(|stamped| crate::domain::explain::event::line(&stamped))
        .collect();
    lines.reverse();
    lines
}

async fn answer_done(
    world: &World,
    rollout: &Rollout,
    decided: &Decided,
    journal: &Journal,
    message: String,
) -> CommandOutcome {
    let Some(run) = &journal.run else {
        return answer(rollout, Verdict::Applied, message, journal, Vec::new());
    };
    // Not the outcome of the shift: a command that only pauses has none, and one
    // that was overtaken no longer shows what it wrote.
    let seen = read_routes(world, &run.terms.routes).await;
    let arrived = decided.shift.as_ref().is_none_or(|shift| {
        seen.iter()
            .all(|route| route.as_ref().is_ok_and(|route| route.share == Share::Weight(shift.to)))
    });
    let routes = RouteShown::of(&run.terms.routes, &seen);
    let message = if arrived {
        message
    } else {
        "journalled, and not every route shows it yet; the controller tries again every minute"
            .to_owned()
    };
    answer(rollout, Verdict::Applied, message, journal, routes)
}

/// A rollback does not wait for a database.
async fn rollback_without_ledger(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    error: &LedgerError,
    schedule: Schedule,
) -> CommandOutcome {
    let text = format!("rollback ordered by {}: {}", request.identity, request.reason);
    let shift = Shift::out_of_traffic(CauseKind::RollBack, text);
    let turn = Turn::unjournalled(error, schedule.deadline);
    let outcome = act(&*world.traffic, &rollout.terms.routes, &turn, &shift).await;
    let done = outcome.all_at(Weight::ZERO);
    let message = if done {
        "rolled back: every route at 0 %. The ledger is down; the next tick that reaches it journals this"
    } else {
        "the ledger is down, and not every route is at 0 % yet; repeat the command, or `rolloutctl rollback --direct`"
    };
    let routes = outcome
        .routes
        .iter()
        .map(|route| RouteShown {
            route: route.route.clone(),
            shows: route.weight.map_or_else(|| route.text.clone(), |shown| shown.to_string()),
        })
        .collect();
    CommandOutcome {
        rollout: rollout.name.clone(),
        outcome: if done { Verdict::Applied } else { Verdict::Refused },
        message: format!("{message} ({})", chain(error)),
        revision: 0,
        state: "ledger down".to_owned(),
        routes,
        changed_since: Vec::new(),
        dry_run: false,
    }
}
