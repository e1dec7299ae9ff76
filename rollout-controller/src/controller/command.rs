//! Operator commands: journalled with who and why, acted on in the same call.
//!
//! Never waits behind a tick: the journal decides who is first, and a command
//! that lost the race looks again and decides afresh.

use super::act::StepOutcome;
use super::deliver::{Debtor, deliver};
use super::observe::{Look, look, read_rules};
use super::protect::lower;
use super::query::sides_before;
use super::step::{Carried, StepError, carry_out};
use super::store::{self, JournalError, Loaded, is_behind};
use super::{Schedule, now, write_copy};
use crate::api::{COMMAND_SCHEMA, Change, CommandOutcome, RouteShown};
use crate::config::{Config, Rollout};
use crate::domain::command::{Order, Ordered, Request, Sight, Verdict, check, order, rolled_back};
use crate::domain::copy::{Copy, OutsideOrder};
use crate::domain::decide::Decided;
use crate::domain::decision::{RollBackReason, Shift};
use crate::domain::event::{Event, RouteFound};
use crate::domain::explain::{self, preview};
use crate::domain::journal::Journal;
use crate::domain::message::Channel;
use crate::domain::observation::{Observation, RouteSeen, Seen, Unread};
use crate::domain::plan::{Mode, Terms};
use crate::domain::reconcile::found;
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::planted::planted;
use crate::ports::{LedgerError, World};
use crate::report::story::story;

/// Times a command looks again after losing a race. Races are with ticks, which
/// write a handful of entries a minute.
const TRIES: usize = 5;

/// Carries out one command.
///
/// # Errors
/// [`StepError`] if the journal cannot be used. A rollback works without it.
pub async fn command(
    world: &World,
    config: &Config,
    request: &Request,
    schedule: Schedule,
) -> Result<CommandOutcome, StepError> {
    let rollout = match config.rollout(request.rollout.as_deref()) {
        Ok(rollout) => rollout,
        Err(which) => {
            return Ok(refused(request, request.rollout.clone(), which.to_string()));
        }
    };
    if let Err(bad) = check(request) {
        return Ok(refused(request, Some(rollout.name.clone()), bad.to_string()));
    }
    for _ in 0..TRIES {
        let loaded = match usable(store::load(&*world.ledger, &rollout.name).await) {
            Ok(loaded) => loaded,
            Err(error) => return without_journal(world, rollout, request, error, schedule).await,
        };
        if let Some(outcome) = try_once(world, rollout, request, loaded, schedule).await? {
            return Ok(outcome);
        }
    }
    let loaded = store::load(&*world.ledger, &rollout.name).await?;
    let message = "other changes came first five times. Try again.".to_owned();
    Ok(answer(world, rollout, request, Verdict::Refused, message, &loaded.journal, Vec::new()))
}

/// A journal of which only the beginning makes sense is not one to append to.
fn usable(loaded: Result<Loaded, LedgerError>) -> Result<Loaded, JournalError> {
    let loaded = loaded?;
    match loaded.broken {
        None => Ok(loaded),
        Some(error) => Err(error),
    }
}

/// `None`: another writer was first.
async fn try_once(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    loaded: Loaded,
    schedule: Schedule,
) -> Result<Option<CommandOutcome>, StepError> {
    let journal = &loaded.journal;
    let terms = match (&request.order, journal.run.as_ref()) {
        (Order::Start, _) | (_, None) => &rollout.terms,
        (_, Some(run)) => &run.terms,
    };
    let starts = request.order == Order::Start;
    let eyes = Look::of(rollout, Some(journal).filter(|_| !starts));
    let seen = look(world, &eyes).await;
    let sight = Sight { seen: &seen, terms, mode: rollout.mode, settings: &rollout.settings };
    let ordered = order(journal, request, &sight, now(world, schedule))?;
    if ordered.verdict != Verdict::Applied || request.dry_run {
        let told = unchanged(world, rollout, request, journal, ordered, &seen, terms).await;
        return Ok(Some(told));
    }
    let message = ordered.message.clone();
    let decided = Decided { draft: ordered.draft, decision: None, shift: ordered.shift };
    let (after, step) = match carry_out(world, rollout, &loaded, &decided, schedule).await? {
        Carried::LostRace => return Ok(None),
        Carried::Recorded(journal, step) => (*journal, step),
        Carried::Overtaken => {
            let journal = store::load(&*world.ledger, &rollout.name).await?.journal;
            let step = give_way(world, rollout, &eyes, &decided, &journal, schedule).await;
            (journal, step)
        }
        Carried::Unjournalled(down, step) => {
            if request.order != Order::Rollback {
                return Err(down.into());
            }
            // Where every route was at 0% already, nothing was written.
            let outcome = step.unwrap_or_else(|| StepOutcome { routes: found(terms, &seen.rules) });
            let why = down.into();
            let told =
                rolled_back_outside(world, rollout, request, &why, &outcome, &seen, schedule);
            return Ok(Some(told.await));
        }
    };
    let debtor = Debtor {
        name: rollout.name.clone(),
        journal: after.clone(),
        snapshot_seq: loaded.snapshot_seq,
    };
    let behind = is_behind(journal, &seen);
    let ((), mut sent) = tokio::join!(
        copy_run(world, rollout, &request.order, behind, &after),
        deliver(world, vec![debtor], schedule),
    );
    let after = match sent.pop() {
        Some(Ok(journal)) => journal,
        // What is owed stays owed; the command itself is done.
        Some(Err(_)) | None => after,
    };
    let terms = after.run.as_ref().map_or(terms, |run| &run.terms);
    Ok(Some(done(world, rollout, request, terms, &decided, &after, (step, message)).await))
}

/// A rollback overtook this raise, and what the raise wrote may have landed after it:
/// it is taken back at once, and not at the next tick.
async fn give_way(
    world: &World,
    rollout: &Rollout,
    eyes: &Look<'_>,
    decided: &Decided,
    journal: &Journal,
    schedule: Schedule,
) -> Option<StepOutcome> {
    let raised = decided.shift.as_ref().is_some_and(|shift| shift.cause.kind.raises());
    let leaves = journal.run.as_ref().is_some_and(|run| run.phase.leaves());
    if !raised || !leaves || planted!(PromotionDoesNotGiveWay) {
        return None;
    }
    let text = "a rollback overtook this promotion";
    Some(lower(world, rollout, eyes, text, schedule.deadline).await)
}

/// Orders after which the journal is what a person wants, although more was known.
fn decides_anew(order: &Order) -> bool {
    match order {
        Order::Start | Order::Resume { adopt: true } | Order::Rollback | Order::Abandon => true,
        Order::Resume { adopt: false }
        | Order::Pause { .. }
        | Order::Promote { .. }
        | Order::Activate => false,
    }
}

/// Brings the copy outside up to what a person has just ordered, where that cannot wait
/// for a tick. Protection without the journal goes on with a rollback that is not
/// complete, and moves no run that was closed, and knows of both by the copy alone. And
/// where the database was replaced by an older one (`behind`), ticks wait for a person,
/// who has spoken now: the copy follows the journal, and not the other way round.
async fn copy_run(
    world: &World,
    rollout: &Rollout,
    order: &Order,
    behind: bool,
    journal: &Journal,
) {
    let due = if behind {
        decides_anew(order) && !planted!(StaysBehind)
    } else {
        matches!(order, Order::Rollback | Order::Abandon)
    };
    if due {
        write_copy(world, &rollout.name, &Copy::of(journal)).await;
    }
}

fn answer(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    outcome: Verdict,
    message: String,
    journal: &Journal,
    routes: Vec<RouteShown>,
) -> CommandOutcome {
    CommandOutcome {
        schema: COMMAND_SCHEMA.to_owned(),
        rollout: rollout.name.clone(),
        command: request.order.name().to_owned(),
        outcome,
        message,
        revision: Some(journal.revision),
        phase: journal.words().to_owned(),
        read_at: (!routes.is_empty()).then(|| world.clock.now()),
        routes,
        changed_since: Vec::new(),
        dry_run: false,
    }
}

fn refused(request: &Request, rollout: Option<String>, message: String) -> CommandOutcome {
    CommandOutcome {
        schema: COMMAND_SCHEMA.to_owned(),
        rollout: rollout.unwrap_or_default(),
        command: request.order.name().to_owned(),
        outcome: Verdict::Refused,
        message,
        revision: None,
        phase: "unknown".to_owned(),
        routes: Vec::new(),
        read_at: None,
        changed_since: Vec::new(),
        dry_run: request.dry_run,
    }
}

async fn unchanged(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    journal: &Journal,
    ordered: Ordered,
    seen: &Observation,
    terms: &Terms,
) -> CommandOutcome {
    let shown = RouteShown::of(&terms.routes, &seen.rules);
    let mut message = ordered.message;
    if request.dry_run
        && let Some(shift) = &ordered.shift
    {
        message = planned(shift, &shown);
    }
    if request.dry_run && ordered.verdict == Verdict::Applied && request.order == Order::Start {
        message = preview_of(world, rollout, request, journal, seen);
    }
    let mut answer = answer(world, rollout, request, ordered.verdict, message, journal, shown);
    answer.dry_run = request.dry_run;
    if ordered.verdict == Verdict::Stale {
        answer.changed_since =
            changes_since(world, rollout, request.if_revision.unwrap_or(0)).await;
    }
    answer
}

/// What a start will do.
fn preview_of(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    journal: &Journal,
    seen: &Observation,
) -> String {
    let people = [Channel::Pager, Channel::Chat].into_iter();
    let channels: Vec<&str> =
        people.filter(|channel| world.messages.has(*channel)).map(Channel::name).collect();
    preview::start(&preview::Preview {
        run: journal.run.as_ref().map_or(1, |run| run.number.saturating_add(1)),
        identity: &request.identity,
        reason: request.reason.trim(),
        mode: rollout.mode,
        terms: &rollout.terms,
        settings: &rollout.settings,
        seen,
        channels: &channels,
    })
}

fn planned(shift: &Shift, routes: &[RouteShown]) -> String {
    let each: Vec<String> = routes
        .iter()
        .map(|route| format!("{} {} → {}", route.name, route.shows, shift.to))
        .collect();
    each.join(", ")
}

async fn changes_since(world: &World, rollout: &Rollout, since: i64) -> Vec<Change> {
    let entries = world.ledger.history_of(&rollout.name, &Event::CHANGES, None, 200).await;
    // Without them the revision still says that something happened.
    let entries = entries.unwrap_or_default();
    let mut events: Vec<_> = entries
        .iter()
        .filter(|entry| entry.seq > since)
        .filter_map(|entry| store::event_of(&rollout.name, entry).ok())
        .collect();
    events.reverse();
    let sides = sides_before(world, rollout, None, &events).await;
    story(&rollout.name, &sides, &events)
}

/// The answer to a command that is journalled: what the rules show now.
async fn done(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    terms: &Terms,
    decided: &Decided,
    journal: &Journal,
    (step, message): (Option<StepOutcome>, String),
) -> CommandOutcome {
    // Read again: a command that only pauses changed nothing, and one that was
    // overtaken no longer shows what it wrote.
    let seen = read_rules(world, &terms.routes).await;
    let routes = RouteShown::of(&terms.routes, &seen);
    // A rollback that found every route at 0% has nothing to write, and says what it saw.
    let acts = journal.run.as_ref().is_some_and(|run| run.mode == Mode::Active);
    let claims = (request.order == Order::Rollback && acts).then_some(Weight::ZERO);
    let to = decided.shift.as_ref().map(|shift| shift.to).or(claims);
    let Some(to) = to.filter(|to| !arrived(&seen, *to) && !planted!(AnswersTooEarly)) else {
        return answer(world, rollout, request, Verdict::Applied, message, journal, routes);
    };
    let why = step.map(|step| step.missed(to)).filter(|missed| !missed.is_empty());
    let why = why
        .map_or_else(|| "the rules do not show it".to_owned(), |missed| RouteFound::list(&missed));
    let what = if to == Weight::ZERO { "Rollback" } else { "Change" };
    let other = other_arns(&terms.routes, &rollout.terms.routes);
    let message = format!(
        "{what} incomplete: {why}. The controller tries again each minute.{other}\nRun now: rolloutctl rollback --direct --reason \"…\""
    );
    answer(world, rollout, request, Verdict::Incomplete, message, journal, routes)
}

/// What a person must know of a run whose rules were made anew since it began: it keeps
/// those that it began with, and the direct way does not.
fn other_arns(run: &[Route], config: &[Route]) -> String {
    let same = |now: &Route, route: &Route| now.rule == route.rule && now.has_groups_of(route);
    let other: Vec<String> = run
        .iter()
        .filter(|route| !config.iter().any(|now| same(now, route)))
        .map(|route| format!("`{}`", route.name))
        .collect();
    if other.is_empty() {
        return String::new();
    }
    format!(
        " The config has other ARNs than this run began with for {}; --direct takes those of the config.",
        other.join(", ")
    )
}

fn arrived(seen: &[Seen<RouteSeen>], to: Weight) -> bool {
    let one = |rule: &Seen<RouteSeen>| match rule {
        Ok(rule) => {
            rule.share.weight() == Some(to) || (to == Weight::ZERO && rule.share.is_reached())
        }
        Err(_) => false,
    };
    !seen.is_empty() && seen.iter().all(one)
}

/// A rollback does not wait for a database; every other command does.
async fn without_journal(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    error: JournalError,
    schedule: Schedule,
) -> Result<CommandOutcome, StepError> {
    if request.order != Order::Rollback || request.dry_run {
        return Err(error.into());
    }
    let eyes = Look::of(rollout, None);
    let seen = look(world, &eyes).await;
    let (by, reason) = (request.identity.clone(), request.reason.trim().to_owned());
    let ordered = RollBackReason::Ordered { by, reason };
    let text = explain::rollback_reason(&ordered, &rollout.terms.labels);
    let outcome = lower(world, rollout, &eyes, &text, schedule.deadline).await;
    Ok(rolled_back_outside(world, rollout, request, &error, &outcome, &seen, schedule).await)
}

/// Leaves word of a rollback for the next tick that reaches the journal, and
/// answers.
async fn rolled_back_outside(
    world: &World,
    rollout: &Rollout,
    request: &Request,
    why: &JournalError,
    outcome: &StepOutcome,
    before: &Observation,
    schedule: Schedule,
) -> CommandOutcome {
    let found = found(&rollout.terms, &before.rules);
    let order = OutsideOrder {
        command: request.id.clone(),
        verb: request.order.name().to_owned(),
        identity: request.identity.clone(),
        reason: request.reason.trim().to_owned(),
        at_ms: schedule.scheduled.as_millisecond(),
        found: found.iter().map(|route| format!("{} {}", route.route, route.text)).collect(),
    };
    let written = if planted!(OrderNotLeft) {
        Ok(())
    } else {
        world.outposts.write_order(&rollout.name, &order).await
    };
    let reached = outcome.arrived(Weight::ZERO);
    let missed = RouteFound::list(&outcome.missed(Weight::ZERO));
    let (verdict, message) = match (&written, reached) {
        (Ok(()), true) => (
            Verdict::Applied,
            format!(
                "{} The journal is away; your name and reason are added later.",
                rolled_back(&rollout.terms.labels)
            ),
        ),
        (Ok(()), false) => (
            Verdict::Incomplete,
            format!(
                "Rollback incomplete: {missed}.\nRun now: rolloutctl rollback --direct --reason \"…\""
            ),
        ),
        (Err(error), reached) => {
            let how = if reached { "every route is at 0%".to_owned() } else { missed };
            (
                Verdict::Incomplete,
                format!(
                    "Rollback incomplete: {how}, but the order could not be left for the controller ({}), so a step under way may undo this. Look again in a minute: rolloutctl status",
                    Unread::of(error)
                ),
            )
        }
    };
    let routes = outcome
        .routes
        .iter()
        .map(|route| RouteShown {
            name: route.route.clone(),
            share: route.weight.map(Weight::percent),
            reached: route.reached,
            shows: route.weight.map_or_else(|| route.text.clone(), |shown| shown.to_string()),
            error: None,
        })
        .collect();
    CommandOutcome {
        schema: COMMAND_SCHEMA.to_owned(),
        rollout: rollout.name.clone(),
        command: request.order.name().to_owned(),
        outcome: verdict,
        message: format!("{message}\nJournal: {}.", Unread::of(why)),
        revision: None,
        phase: "unknown: the journal cannot be used".to_owned(),
        read_at: Some(world.clock.now()),
        routes,
        changed_since: Vec::new(),
        dry_run: false,
    }
}
