//! What to do for a rollout whose journal cannot be used. Pure.
//!
//! Nothing rises. Whether the share may be lowered depends on which run was last
//! known: an open one is taken out of traffic by a breach or an alarm, a finished
//! one is nobody's to move, and of an unknown one only the load balancer speaks.

use super::code::CodeSeen;
use super::copy::{Copy, CopyState};
use super::decision::RollBackReason;
use super::engine::{Breach, Engine, breach_without_journal, wrong_answers_without_journal};
use super::evidence::{self, Stage};
use super::evidence2::{self, Counts, Part, Reading, Rules};
use super::explain;
use super::minute::{CommittedMinute, SideCounts};
use super::observation::{AlarmState, MinuteRead, Now, Observation, RouteMinute};
use super::plan::{Mode, Settings, Terms};
use super::raise::rolls_back;
use super::slo::Metric;
use super::weight::Weight;
use super::wrong_answers::{Look, Timeline};
use crate::planted::planted;

/// What protection does.
#[derive(Clone, Debug, PartialEq)]
pub enum Protection {
    /// No rule gives the new side traffic.
    NothingToProtect,
    /// Every rule goes to 0.
    Lower {
        /// Why.
        reason: RollBackReason,
    },
    /// Nothing is moved, and a person must look.
    Page {
        /// Why, one sentence.
        why: String,
    },
    /// Nothing is moved, and nothing speaks for it.
    Hold,
}

/// The run as it was last known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastKnown {
    Open,
    RollingBack,
    Finished,
    Unknown,
}

fn last_known(copy: Option<&Copy>, now: Now) -> LastKnown {
    let Some(copy) = copy else { return LastKnown::Unknown };
    match (copy.state, copy.mode) {
        _ if copy.lowers(now.earlier_ms()) => LastKnown::RollingBack,
        (CopyState::Open, Mode::Active) => LastKnown::Open,
        (CopyState::Completed, Mode::Active) if planted!(CompletedIsLowered) => LastKnown::Open,
        (
            CopyState::Open
            | CopyState::RollingBack
            | CopyState::RolledBack
            | CopyState::None
            | CopyState::Completed
            | CopyState::Abandoned,
            _,
        ) => LastKnown::Finished,
    }
}

/// Decides. `known` is the newest of what is remembered, copied, or readable.
pub fn protection(
    known: Option<&Copy>,
    seen: &Observation,
    terms: &Terms,
    settings: &Settings,
    now: Now,
) -> Protection {
    if let Ok(Some(order)) = &seen.order
        && known.is_none_or(|copy| copy.at_ms <= order.at_ms)
        && !seen.all_reached()
    {
        let (by, reason) = (order.identity.clone(), order.reason.clone());
        return Protection::Lower { reason: RollBackReason::Ordered { by, reason } };
    }
    if seen.all_reached() {
        return Protection::NothingToProtect;
    }
    let trouble = trouble(known, seen, terms, settings);
    match (last_known(known, now), trouble) {
        (LastKnown::RollingBack, trouble) => {
            Protection::Lower { reason: trouble.unwrap_or(RollBackReason::PutBack) }
        }
        (LastKnown::Open, Some(reason)) => match old_side(seen, terms, settings) {
            OldSide::Dead(why) => Protection::Page {
                why: not_moved(&reason, terms, &why),
            },
            OldSide::Alive | OldSide::Unknown => Protection::Lower { reason },
        },
        (LastKnown::Open, None) => blind_or_hold(seen),
        (LastKnown::Finished, Some(reason)) => Protection::Page {
            why: not_moved(&reason, terms, "no run is open"),
        },
        (LastKnown::Finished, None) => Protection::Hold,
        (LastKnown::Unknown, Some(reason)) => {
            let split = seen.largest_share().is_some_and(|share| share < Weight::FULL);
            match old_side(seen, terms, settings) {
                OldSide::Alive if split => Protection::Lower { reason },
                OldSide::Alive | OldSide::Dead(_) | OldSide::Unknown => Protection::Page {
                    why: not_moved(&reason, terms, "it is not known which run this is"),
                },
            }
        }
        (LastKnown::Unknown, None) => Protection::Page {
            why: "it is not known which run this is; only a person can tell whether this share is right"
                .to_owned(),
        },
    }
}

/// What would take the new side out of traffic, and why it does not.
fn not_moved(reason: &RollBackReason, terms: &Terms, why: &str) -> String {
    let reason = explain::rollback_reason(reason, &terms.labels);
    format!("{} Nothing is moved, because {why}.", explain::sentence(&reason))
}

fn blind_or_hold(seen: &Observation) -> Protection {
    let metrics = seen.minutes.value().is_some();
    match (&seen.alarms, metrics) {
        (Err(alarms), false) => {
            Protection::Page { why: format!("neither metrics nor alarms can be read: {alarms}") }
        }
        (Err(_) | Ok(_), _) => Protection::Hold,
    }
}

/// A standing alarm, or the verdict of the last hour.
fn trouble(
    known: Option<&Copy>,
    seen: &Observation,
    terms: &Terms,
    settings: &Settings,
) -> Option<RollBackReason> {
    let before = known.map_or(&[][..], |copy| &copy.alarms_before);
    if let Some(alarm) = rolls_back(settings, before, seen)
        && !planted!(ProtectsNothing)
    {
        let (name, reason) = (alarm.name.clone(), alarm.reason.clone());
        return Some(RollBackReason::Alarm { name, reason });
    }
    breach(seen, terms)
}

/// The verdict of the known minutes of the last hour at the share that is shown.
fn breach(seen: &Observation, terms: &Terms) -> Option<RollBackReason> {
    let weight = seen.largest_share()?;
    let minutes = seen.minutes.value()?;
    let breach = match Engine::new(terms, None).ok()? {
        Engine::One(engine) => breach_by_one(&engine, terms, minutes, weight).map(Breach::One),
        Engine::Two(engine) => breach_by_two(&engine, terms, minutes, weight)
            .or_else(|| breach_by_answers(terms, minutes, weight)),
    };
    breach.map(|breach| RollBackReason::Evidence { breach })
}

fn breach_by_one(
    engine: &evidence::Engine,
    terms: &Terms,
    minutes: &[MinuteRead],
    weight: Weight,
) -> Option<evidence::Breach> {
    let mut evidence = engine.start(u32::try_from(terms.stages.len()).unwrap_or(u32::MAX));
    let stage = Stage { weight, next: terms.next_after(weight) };
    for read in minutes {
        let Some(minute) = known_sum(read, weight) else { continue };
        let judged = engine.judge(&mut evidence, &minute, stage.to_prove()).ok()?;
        if let evidence::Says::Breach { breach } = engine.stage_gate(&evidence, &judged, stage) {
            return Some(breach);
        }
    }
    None
}

fn breach_by_two(
    engine: &evidence2::Engine,
    terms: &Terms,
    minutes: &[MinuteRead],
    weight: Weight,
) -> Option<Breach> {
    let mut evidence = engine.start();
    for read in minutes {
        let parts = read.routes.iter().map(|route| {
            let counts = match route {
                RouteMinute::Known { old, new } => Counts::Known {
                    old: old.clone().unwrap_or_default(),
                    new: new.clone().unwrap_or_default(),
                },
                RouteMinute::Unknown(_) => Counts::Unknown,
            };
            Part { weight, counts }
        });
        let reading = Reading { minute: read.minute, share: weight, parts: parts.collect() };
        engine.fold(&mut evidence, &reading).ok()?;
        if let Some(breach) = breach_without_journal(engine, &evidence, terms) {
            return Some(breach);
        }
    }
    None
}

/// Wrong answers, at the share that is shown.
fn breach_by_answers(terms: &Terms, minutes: &[MinuteRead], share: Weight) -> Option<Breach> {
    let judge = super::engine::judge(terms).ok().flatten()?;
    let mut timeline = Timeline::start(&judge);
    for one in minutes {
        let (minute, read) = (one.minute, one.comparisons.as_ref());
        let look = Look { minute, share, read, proves: true, looked_for: false };
        timeline.settle(&judge, &look);
    }
    timeline.renew(&judge, []);
    wrong_answers_without_journal(&timeline, terms)
}

fn known_sum(read: &MinuteRead, weight: Weight) -> Option<CommittedMinute> {
    let mut sum = CommittedMinute {
        minute: read.minute,
        weight,
        old: SideCounts::default(),
        new: SideCounts::default(),
    };
    for route in &read.routes {
        let RouteMinute::Known { old, new } = route else { return None };
        sum.old += old.as_ref().unwrap_or(&SideCounts::default());
        sum.new += new.as_ref().unwrap_or(&SideCounts::default());
    }
    Some(sum)
}

/// Whether there is somebody to give the traffic to.
enum OldSide {
    Alive,
    Dead(String),
    Unknown,
}

/// Known dead: no target, visibly bad, or its own alarm. Known alive: requests in
/// three of the last five minutes, and not visibly bad.
fn old_side(seen: &Observation, terms: &Terms, settings: &Settings) -> OldSide {
    if seen.code.iter().any(|code| code.old == CodeSeen::NoTarget) {
        return OldSide::Dead(format!("{}'s group has no target", terms.labels.old));
    }
    let standing = settings
        .python_twin
        .values()
        .find(|name| seen.alarm(name).is_some_and(|alarm| alarm.state == AlarmState::Alarm));
    if let Some(name) = standing {
        return OldSide::Dead(format!("{}'s alarm `{name}` is in ALARM", terms.labels.old));
    }
    let rules = Rules::new(&terms.slo, terms.evidence.edges());
    let Some(minutes) = seen.minutes.value() else { return OldSide::Unknown };
    let last: Vec<CommittedMinute> =
        minutes.iter().rev().take(5).filter_map(|read| known_sum(read, Weight::ZERO)).collect();
    let bad = last.iter().filter(|minute| {
        let counts = rules.counts(&minute.old);
        Metric::ALL.iter().any(|metric| rules.visible(*metric, counts[metric.index()]))
    });
    if bad.count() >= 2 {
        return OldSide::Dead(format!("{} is visibly bad as well", terms.labels.old));
    }
    let served = last.iter().filter(|minute| minute.old.requests > 0).count();
    if served >= 3 { OldSide::Alive } else { OldSide::Unknown }
}
