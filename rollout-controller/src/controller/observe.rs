//! Reads only. A failed read is something we saw, not an error of ours.

use crate::config::Rollout;
use crate::domain::code::RouteCodeSeen;
use crate::domain::journal::Journal;
use crate::domain::minute::Minute;
use crate::domain::observation::{Asked, Observation, RouteSeen, Seen, Unread};
use crate::domain::phase::Phase;
use crate::domain::plan::{Settings, Terms};
use crate::domain::reading::{self, Window};
use crate::domain::route::Route;
use crate::domain::run::Run;
use crate::ports::{MinutesWanted, Outside, World};
use futures_util::future::join_all;

/// Without its journal a rollout is judged by so many minutes: enough for any
/// fault that still hurts anybody.
pub const PROTECTED_MINUTES: i64 = 60;

/// What to read for one rollout.
pub struct Look<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its journal before this tick; `None` if it cannot be used.
    pub journal: Option<&'a Journal>,
    /// Today's terms, for where there is no run.
    pub terms: &'a Terms,
    /// Today's settings.
    pub settings: &'a Settings,
}

impl<'a> Look<'a> {
    /// At a rollout, with its journal if that can be used.
    pub fn of(rollout: &'a Rollout, journal: Option<&'a Journal>) -> Self {
        let (terms, settings) = (&rollout.terms, &rollout.settings);
        Self { name: &rollout.name, journal, terms, settings }
    }

    fn run(&self) -> Option<&Run> {
        self.journal.and_then(|journal| journal.run.as_ref())
    }

    /// The run's own terms, or today's where there is none.
    pub fn terms(&self) -> &Terms {
        self.run().map_or(self.terms, |run| &run.terms)
    }

    fn wish(&self, tick_ms: i64) -> Wish {
        if self.journal.is_none() {
            let lag = i64::from(self.terms.lag_minutes);
            let until = Minute(tick_ms.div_euclid(60_000) - lag);
            return Wish::Due(Window { from: until.plus(-PROTECTED_MINUTES), until });
        }
        match self.run() {
            Some(run) if run.is_open() => match reading::window(run, tick_ms) {
                None if run.first.is_none() => Wish::History(reading::history_window(run, tick_ms)),
                None => Wish::Nothing,
                Some(window) => Wish::Due(window),
            },
            Some(_) | None => Wish::Nothing,
        }
    }

    /// Whether the code behind the groups matters: only to a run that may rise.
    fn needs_code(&self) -> bool {
        match self.run().map(|run| &run.phase) {
            Some(
                Phase::Starting
                | Phase::Advancing { .. }
                | Phase::Paused { .. }
                | Phase::Moved { .. },
            ) => true,
            // Protection asks whether the old side is alive.
            None => self.journal.is_none(),
            Some(
                Phase::RollingBack { .. }
                | Phase::RolledBack { .. }
                | Phase::Completed { .. }
                | Phase::Abandoned { .. },
            ) => false,
        }
    }
}

/// Minutes to ask CloudWatch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    History(Window),
    Due(Window),
}

impl Wish {
    fn is_due(self) -> bool {
        match self {
            Self::Due(_) => true,
            Self::Nothing | Self::History(_) => false,
        }
    }

    fn window(self) -> Option<Window> {
        match self {
            Self::Nothing => None,
            Self::History(window) | Self::Due(window) => Some(window),
        }
    }
}

/// Reads everything that the ticks of these rollouts need, in as few calls as possible.
pub async fn observe(world: &World, looks: &[Look<'_>], tick_ms: i64) -> Vec<Observation> {
    let wishes: Vec<Wish> = looks.iter().map(|look| look.wish(tick_ms)).collect();
    let wanted: Vec<MinutesWanted<'_>> = looks
        .iter()
        .zip(&wishes)
        .filter_map(|(look, wish)| {
            let Window { from, until } = wish.window()?;
            let terms = look.terms();
            let edges_ms = terms.evidence.edges().as_ms();
            // Nothing of the history was compared.
            let comparisons = terms.evidence.wrong_answers().is_some() && wish.is_due();
            Some(MinutesWanted { routes: &terms.routes, from, until, edges_ms, comparisons })
        })
        .collect();
    let rules = join_all(looks.iter().map(|look| read_rules(world, &look.terms().routes)));
    let names: Vec<&str> = looks.iter().map(|look| look.name).collect();
    let (minutes, rules, code, mut alarms, outside) = tokio::join!(
        world.metrics.minutes(&wanted),
        rules,
        read_code(world, looks),
        read_alarms(world, looks),
        world.outposts.read(&names),
    );
    let mut minutes = minutes.into_iter();
    let mut outside = outside.into_iter();
    let each = looks.iter().zip(wishes).zip(rules).zip(code);
    each.map(|(((_, wish), rules), code)| {
        let mut asked = || {
            let read = minutes.next();
            let missing = || Err(Unread::because("CloudWatch was not asked"));
            Asked::Answered(read.map_or_else(missing, |read| read.map_err(|e| Unread::of(&e))))
        };
        let (due, history) = match wish {
            Wish::Nothing => (Asked::No, Asked::No),
            Wish::Due(_) => (asked(), Asked::No),
            Wish::History(_) => (Asked::No, asked()),
        };
        let outside: Seen<Outside> = outside.next().map_or_else(
            || Err(Unread::because("the parameters were not read")),
            |read| read.map_err(|error| Unread::of(&error)),
        );
        Observation {
            rules,
            code,
            minutes: due,
            history,
            alarms: if alarms.is_empty() { Ok(Vec::new()) } else { alarms.remove(0) },
            copy: outside.clone().map(|outside| outside.run),
            order: outside.map(|outside| outside.order),
        }
    })
    .collect()
}

/// What a command or a question needs to see of one rollout: no minutes.
pub async fn look(world: &World, look: &Look<'_>) -> Observation {
    let names = look.settings.alarm_names();
    let name = [look.name];
    let (rules, mut code, alarms, mut outside) = tokio::join!(
        read_rules(world, &look.terms().routes),
        read_code(world, std::slice::from_ref(look)),
        world.alarms.read(&names),
        world.outposts.read(&name),
    );
    let outside: Seen<Outside> = match outside.pop() {
        Some(read) => read.map_err(|error| Unread::of(&error)),
        None => Err(Unread::because("the parameters were not read")),
    };
    Observation {
        rules,
        code: code.pop().unwrap_or_default(),
        minutes: Asked::No,
        history: Asked::No,
        alarms: alarms.map_err(|error| Unread::of(&error)),
        copy: outside.clone().map(|outside| outside.run),
        order: outside.map(|outside| outside.order),
    }
}

/// Reads every rule, or why not.
pub async fn read_rules(world: &World, routes: &[Route]) -> Vec<Seen<RouteSeen>> {
    let reads = routes.iter().map(|route| world.traffic.read(route));
    join_all(reads).await.into_iter().map(|read| read.map_err(|e| Unread::of(&e))).collect()
}

/// The code of all rollouts by one question; nothing for those that need none.
async fn read_code(world: &World, looks: &[Look<'_>]) -> Vec<Vec<RouteCodeSeen>> {
    let needed =
        looks.iter().map(|look| if look.needs_code() { &look.terms().routes[..] } else { &[] });
    world.deployments.look(&needed.collect::<Vec<&[Route]>>()).await
}

/// The alarms of all rollouts by one question; each gets its own.
async fn read_alarms(
    world: &World,
    looks: &[Look<'_>],
) -> Vec<Seen<Vec<crate::domain::observation::AlarmSeen>>> {
    let each: Vec<Vec<String>> = looks.iter().map(|look| look.settings.alarm_names()).collect();
    let mut all: Vec<String> = each.iter().flatten().cloned().collect();
    all.sort_unstable();
    all.dedup();
    let read = world.alarms.read(&all).await.map_err(|error| Unread::of(&error));
    let pick = |names: Vec<String>| -> Seen<Vec<_>> {
        let read = read.as_ref().map_err(Clone::clone)?;
        let of = |name: &String| read.iter().find(|alarm| alarm.name == *name).cloned();
        Ok(names.iter().filter_map(of).collect())
    };
    each.into_iter().map(pick).collect()
}
