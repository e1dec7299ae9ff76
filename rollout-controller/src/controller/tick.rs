//! One attempt to move every rollout. Safe to repeat; the schedule is the retry.
//!
//! All rollouts share one tick: their reads go first and together, every lowering
//! of a share comes before any raise, examples for a page are read when all shares
//! are where they have to be, and messages go last.

use super::deliver::{Debtor, deliver};
use super::examples;
use super::observe::{Look, observe};
use super::patient::Patient;
use super::protect::{Protected, protect};
use super::retention;
use super::step::{Carried, StepError, carry_out};
use super::store::{self, Loaded, is_behind};
use super::{Schedule, now, write_copy};
use crate::config::{Config, Rollout};
use crate::controller::act::StepOutcome;
use crate::domain::copy::{Copy, CopyState};
use crate::domain::decide::{Decided, decide, is_from_the_future, would_journal_the_future};
use crate::domain::decision::Decision;
use crate::domain::journal::{FoldError, Journal};
use crate::domain::observation::{Observation, Unread};
use crate::planted::planted;
use crate::ports::{LedgerError, World};
use futures_util::future::join_all;
use std::sync::Arc;
use tracing::{Instrument as _, info_span};

/// What one tick did for one rollout.
#[derive(Debug)]
#[must_use]
pub struct TickOutcome {
    /// Its name.
    pub rollout: String,
    /// The journal before the tick, if it could be read.
    pub before: Option<Journal>,
    /// What became of it.
    pub result: TickResult,
}

/// How a tick ended for one rollout.
#[derive(Debug)]
pub enum TickResult {
    /// Journalled.
    Recorded {
        /// The journal after the tick.
        journal: Box<Journal>,
        /// What was decided; `None` without a run.
        decision: Option<Box<Decision>>,
        /// What became of a change of weight.
        step: Option<StepOutcome>,
    },
    /// Another process was first, and the next tick goes on from its journal.
    LostRace(Box<Journal>),
    /// The tick's time is not of this world; nothing was journalled.
    FromTheFuture(Protected),
    /// The journal could not be used.
    Protected {
        /// Why not.
        why: Unread,
        /// What was done without it.
        protected: Protected,
    },
    /// Our own bug.
    Failed(StepError),
}

/// One tick of every rollout. One rollout's failure does not stop another.
pub async fn tick(world: &World, config: &Config, schedule: Schedule) -> Vec<TickOutcome> {
    let ledger = Arc::new(Patient::new(world.ledger.clone(), world.clock.clone()));
    let world = &World { ledger, ..world.clone() };
    let names: Vec<&str> = config.rollouts.iter().map(|rollout| rollout.name.as_str()).collect();
    let span = info_span!("read journal", rollouts = names.len());
    let mut loaded = store::load_all(&*world.ledger, &names).instrument(span).await;
    let tick_ms = schedule.scheduled.as_millisecond();
    let span = info_span!("observe");
    let mut seen = observe(world, &looks(config, &loaded), tick_ms).instrument(span).await;
    look_behind(world, config, &mut loaded, &mut seen, tick_ms).await;
    let looks = looks(config, &loaded);
    copy_open_runs(world, &looks, &mut seen).await;

    // Decided at once, so that every lowering can go before any raise.
    let each = config.rollouts.iter().zip(&loaded).zip(&looks).zip(&seen);
    let plans: Vec<Plan<'_>> = each
        .map(|(((rollout, loaded), look), seen)| {
            let span = info_span!("decide", rollout.name = rollout.name);
            let todo = span.in_scope(|| todo(world, rollout, loaded, seen, schedule));
            Plan { rollout, loaded, look, seen, todo }
        })
        .collect();
    let mut results: Vec<Option<TickResult>> = plans.iter().map(|_| None).collect();
    for wave in [Wave::Lowers, Wave::Stays, Wave::Raises] {
        let wave = plans.iter().enumerate().filter(|(_, plan)| plan.wave() == wave);
        let done = wave.map(|(at, plan)| async move { (at, carry(world, plan, schedule).await) });
        for (at, result) in join_all(done).await {
            results[at] = Some(result);
        }
    }
    let mut outcomes = Vec::with_capacity(plans.len());
    for (plan, result) in plans.iter().zip(results) {
        let Some(result) = result else { continue };
        let before = plan.look.journal.cloned();
        outcomes.push(TickOutcome { rollout: plan.rollout.name.clone(), before, result });
    }
    copy_runs(world, &plans, &outcomes).await;
    examples::read_all(world, &plans, &mut outcomes, schedule).await;
    send(world, &plans, &mut outcomes, schedule).await;
    retention::prune(world, config, &loaded, schedule).await;
    outcomes
}

fn looks<'a>(config: &'a Config, loaded: &'a [Result<Loaded, LedgerError>]) -> Vec<Look<'a>> {
    let each = config.rollouts.iter().zip(loaded);
    each.map(|(rollout, loaded)| Look::of(rollout, store::whole(loaded))).collect()
}

/// Where more is known outside the journal than it says, another process has just
/// written, and the journal is read again; or the database is older than the run,
/// or empty. That one says nothing of the run, so the first look asked for no
/// minutes, and protection needs them.
async fn look_behind(
    world: &World,
    config: &Config,
    loaded: &mut [Result<Loaded, LedgerError>],
    seen: &mut [Observation],
    tick_ms: i64,
) {
    let each = loaded.iter().zip(&*seen).enumerate();
    let behind = each.filter(|(_, (loaded, seen))| {
        loaded.as_ref().is_ok_and(|loaded| is_behind(&loaded.journal, seen))
    });
    let places: Vec<usize> = behind.map(|(at, _)| at).collect();
    let names: Vec<&str> = places.iter().map(|at| config.rollouts[*at].name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    for (at, again) in places.iter().zip(store::load_all(&*world.ledger, &names).await) {
        loaded[*at] = again;
    }
    let again: Vec<Look<'_>> = looks(config, loaded)
        .into_iter()
        .zip(&*seen)
        .enumerate()
        .filter(|(at, _)| places.contains(at))
        .map(|(_, (look, seen))| Look {
            journal: look.journal.filter(|journal| !is_behind(journal, seen)),
            ..look
        })
        .collect();
    let again = observe(world, &again, tick_ms).instrument(info_span!("observe")).await;
    for (at, again) in places.into_iter().zip(again) {
        seen[at] = again;
    }
}

/// What is to be done for one rollout.
pub(super) struct Plan<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) loaded: &'a Result<Loaded, LedgerError>,
    look: &'a Look<'a>,
    seen: &'a Observation,
    todo: Todo,
}

enum Todo {
    Carry(Box<Decided>),
    Protect { prefix: Option<Copy>, why: Unread },
    IgnoreFuture,
    Fail(FoldError),
}

/// Traffic comes first: whoever is sick does not wait for the entries of the
/// others, and nothing rises before everything that has to go down is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wave {
    Lowers,
    Stays,
    Raises,
}

impl Plan<'_> {
    fn wave(&self) -> Wave {
        match &self.todo {
            Todo::Carry(decided) => match &decided.shift {
                None => Wave::Stays,
                Some(_) if lowers(decided) => Wave::Lowers,
                Some(_) => Wave::Raises,
            },
            Todo::Protect { .. } | Todo::IgnoreFuture => Wave::Lowers,
            Todo::Fail(_) => Wave::Stays,
        }
    }
}

fn todo(
    world: &World,
    rollout: &Rollout,
    loaded: &Result<Loaded, LedgerError>,
    seen: &Observation,
    schedule: Schedule,
) -> Todo {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(down) => return Todo::Protect { prefix: None, why: Unread::of(down) },
    };
    if let Some(broken) = &loaded.broken {
        let prefix = Some(Copy::of(&loaded.journal));
        return Todo::Protect { prefix, why: Unread::of(broken) };
    }
    let journal = &loaded.journal;
    if let Ok(Some(copy)) = &seen.copy
        && is_behind(journal, seen)
    {
        let why = format!(
            "the journal ends at revision {} and was known up to {}: an older or empty database",
            journal.revision, copy.revision
        );
        return Todo::Protect { prefix: None, why: Unread::because(why) };
    }
    let now = now(world, schedule);
    if is_from_the_future(journal, seen, now) {
        return Todo::IgnoreFuture;
    }
    match decide(journal, seen, &rollout.settings, now) {
        Ok(decided) if would_journal_the_future(&decided, journal, now) => Todo::IgnoreFuture,
        Ok(decided) => Todo::Carry(Box::new(decided)),
        Err(error) => Todo::Fail(error),
    }
}

async fn carry(world: &World, plan: &Plan<'_>, schedule: Schedule) -> TickResult {
    let Plan { rollout, loaded, look, seen, todo } = plan;
    let protected = |prefix: Option<Copy>, why: Unread| async move {
        let span = info_span!("protect", rollout.name = rollout.name);
        protect(world, rollout, look, seen, prefix, &why, schedule).instrument(span).await
    };
    match (todo, loaded) {
        (Todo::Carry(decided), Ok(loaded)) => {
            recorded(world, rollout, &Round { loaded, look, seen, decided }, schedule).await
        }
        (Todo::IgnoreFuture, Ok(loaded)) => {
            let copy = Some(Copy::of(&loaded.journal));
            let why = Unread::because("the tick's time is ahead of the clock");
            TickResult::FromTheFuture(protected(copy, why).await)
        }
        (Todo::Protect { prefix, why }, _) => {
            let protected = protected(prefix.clone(), why.clone()).await;
            TickResult::Protected { why: why.clone(), protected }
        }
        (Todo::Fail(error), _) => TickResult::Failed(error.clone().into()),
        (Todo::Carry(_) | Todo::IgnoreFuture, Err(down)) => {
            let why = Unread::of(down);
            let protected = protected(None, why.clone()).await;
            TickResult::Protected { why, protected }
        }
    }
}

/// What one look at a rollout came to.
struct Round<'a> {
    loaded: &'a Loaded,
    look: &'a Look<'a>,
    seen: &'a Observation,
    decided: &'a Decided,
}

/// Where another process came first.
enum Beaten {
    /// To the intent; nothing at all was done.
    Before,
    /// Between the intent and its outcome.
    Between,
}

async fn recorded(
    world: &World,
    rollout: &Rollout,
    first: &Round<'_>,
    schedule: Schedule,
) -> TickResult {
    let settled = match round(world, rollout, first, schedule).await {
        Ok(result) => return result,
        Err(Beaten::Before | Beaten::Between) if planted!(NoSecondLook) => {
            return lost_race(first.loaded);
        }
        Err(Beaten::Before) if !lowers(first.decided) => return lost_race(first.loaded),
        Err(Beaten::Before) => again(world, rollout, schedule, lowers).await,
        Err(Beaten::Between) => again(world, rollout, schedule, |_| true).await,
    };
    match settled {
        Ok(result) => result,
        Err(StepError::Journal(error)) => {
            unjournalled(world, rollout, first, Unread::of(&error), None, schedule).await
        }
        Err(error @ StepError::Fold(_)) => TickResult::Failed(error),
    }
}

async fn round(
    world: &World,
    rollout: &Rollout,
    this: &Round<'_>,
    schedule: Schedule,
) -> Result<TickResult, Beaten> {
    let Round { loaded, decided, .. } = this;
    Ok(match carry_out(world, rollout, loaded, decided, schedule).await {
        Ok(Carried::LostRace) => return Err(Beaten::Before),
        Ok(Carried::Overtaken) => return Err(Beaten::Between),
        Ok(Carried::Recorded(journal, step)) => {
            let decision = decided.decision.clone().map(Box::new);
            TickResult::Recorded { journal, decision, step }
        }
        Ok(Carried::Unjournalled(down, outcome)) => {
            unjournalled(world, rollout, this, Unread::of(&down), outcome, schedule).await
        }
        Err(error) => TickResult::Failed(error),
    })
}

/// The journal could not be written. A lowering was made already, and then this is its
/// outcome; otherwise protection has its say.
async fn unjournalled(
    world: &World,
    rollout: &Rollout,
    this: &Round<'_>,
    why: Unread,
    outcome: Option<StepOutcome>,
    schedule: Schedule,
) -> TickResult {
    let prefix = Some(Copy::of(&this.loaded.journal));
    let protected = protect(world, rollout, this.look, this.seen, prefix, &why, schedule);
    let mut protected = protected.await;
    protected.outcome = outcome.or(protected.outcome);
    TickResult::Protected { why, protected }
}

fn lost_race(loaded: &Loaded) -> TickResult {
    TickResult::LostRace(Box::new(loaded.journal.clone()))
}

fn lowers(decided: &Decided) -> bool {
    decided.shift.as_ref().is_some_and(|shift| !shift.cause.kind.raises())
}

/// How often a tick looks again whose lowering came second, or whose raise was overtaken.
/// Whoever was first may have noted a message, and nothing more.
const LOOKS_AGAIN: usize = 3;

/// Another process came first: what is there now is settled at once if it is this tick's to
/// settle, so that neither a write of ours that landed after a rollback nor a breach waits for
/// the next tick.
async fn again(
    world: &World,
    rollout: &Rollout,
    schedule: Schedule,
    is_ours: impl Fn(&Decided) -> bool,
) -> Result<TickResult, StepError> {
    let mut looks = 0;
    loop {
        looks += 1;
        let loaded = store::load(&*world.ledger, &rollout.name).await?;
        let look = [Look::of(rollout, Some(&loaded.journal))];
        let tick_ms = schedule.scheduled.as_millisecond();
        let Some(seen) = observe(world, &look, tick_ms).await.pop() else {
            return Ok(lost_race(&loaded));
        };
        let now = now(world, schedule);
        let decided = decide(&loaded.journal, &seen, &rollout.settings, now)?;
        if !is_ours(&decided) {
            return Ok(lost_race(&loaded));
        }
        let this = Round { loaded: &loaded, look: &look[0], seen: &seen, decided: &decided };
        match round(world, rollout, &this, schedule).await {
            Ok(result) => return Ok(result),
            Err(Beaten::Before | Beaten::Between) if looks < LOOKS_AGAIN => {}
            Err(Beaten::Before | Beaten::Between) => return Ok(lost_race(&loaded)),
        }
    }
}

/// Writes the copy of each run that goes on, if it does not say so yet: before the
/// decision, because nothing rises until it does, and a minute is long. What protection did
/// without the journal stays, until the journal has it with its reason.
async fn copy_open_runs(world: &World, looks: &[Look<'_>], seen: &mut [Observation]) {
    let each = looks.iter().zip(seen).filter_map(|(look, seen)| {
        let copy = look.journal.map(Copy::of).filter(|copy| copy.state == CopyState::Open)?;
        let copy = copy.without_recovered(seen);
        let Ok(known) = &seen.copy else { return None };
        let stale = known.as_ref().is_none_or(|known| {
            let is_older = known.revision <= copy.revision;
            !known.agrees_with(&copy) && is_older && !known.is_lost_by(&copy)
        });
        stale.then_some((look.name, copy, seen))
    });
    let writes = each.map(|(rollout, copy, seen)| async move {
        if write_copy(world, rollout, &copy).await {
            seen.copy = Ok(Some(copy));
        }
    });
    join_all(writes).instrument(info_span!("copy")).await;
}

/// Writes the copy of each run that is not as its journal.
async fn copy_runs(world: &World, plans: &[Plan<'_>], outcomes: &[TickOutcome]) {
    let each = plans.iter().zip(outcomes).filter_map(|(plan, outcome)| {
        let TickResult::Recorded { journal, .. } = &outcome.result else { return None };
        let copy = Copy::of(journal);
        world.memory.remember(&outcome.rollout, copy.clone());
        let known = plan.seen.copy.as_ref().ok()?;
        // The rules say whether the new side is still out of traffic.
        let blind = plan.seen.unreadable_rule().is_some();
        let stays = known.as_ref().is_some_and(|known| {
            let same = known.agrees_with(&copy) && known.revision <= copy.revision;
            same || (blind && known.is_lost_by(&copy))
        });
        (!stays).then_some((outcome.rollout.as_str(), copy))
    });
    let writes = each.map(|(rollout, copy)| async move { write_copy(world, rollout, &copy).await });
    join_all(writes).instrument(info_span!("copy")).await;
}

/// Sends last, and keeps the journals that came of it.
async fn send(world: &World, plans: &[Plan<'_>], outcomes: &mut [TickOutcome], schedule: Schedule) {
    let mut debtors = Vec::new();
    let mut places = Vec::new();
    for (at, (plan, outcome)) in plans.iter().zip(&*outcomes).enumerate() {
        let TickResult::Recorded { journal, .. } = &outcome.result else { continue };
        let snapshot_seq = plan.loaded.as_ref().map_or(0, |loaded| loaded.snapshot_seq);
        let name = outcome.rollout.clone();
        debtors.push(Debtor { name, journal: (**journal).clone(), snapshot_seq });
        places.push(at);
    }
    for (at, sent) in places.into_iter().zip(deliver(world, debtors, schedule).await) {
        match (sent, &mut outcomes[at].result) {
            (Ok(after), TickResult::Recorded { journal, .. }) => **journal = after,
            (Ok(_), _) => {}
            (Err(error), _) => {
                let rollout = &outcomes[at].rollout;
                tracing::error!(rollout.name = rollout, "{}", Unread::of(&error));
            }
        }
    }
}
