//! What one look at the world saw. Each part is a value, or why it could not be
//! read: never an empty list for a failure.

use super::code::RouteCodeSeen;
use super::copy::{Copy, CopyState, OutsideOrder};
use super::figures::distinct;
use super::minute::{Minute, SideCounts};
use super::weight::Weight;
use super::wrong_answers::ComparisonsRead;
use crate::planted::planted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why something could not be read: the foreign error with its causes, one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(transparent)]
#[error("{0}")]
pub struct Unread(String);

impl Unread {
    /// From the words of whoever failed.
    pub fn because(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// From an error with its causes.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self(text)
    }
}

/// A part of the world as read, or why it could not be.
pub type Seen<T> = Result<T, Unread>;

/// The time a decision is made for.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Scheduled time of the tick in milliseconds: what is judged.
    pub tick_ms: i64,
    /// The clock in milliseconds. It can forbid a raise (a tick far behind it),
    /// never cause one. A stand-in with fast time shares its own clock.
    pub clock_ms: i64,
    /// Real time in milliseconds, for deadlines of writes.
    pub real_ms: i64,
    /// Real time after which this process must not write any more.
    pub deadline_ms: i64,
}

impl Now {
    /// The tick's time, or the clock's: a tick from tomorrow protects as one of today.
    pub fn earlier_ms(&self) -> i64 {
        self.tick_ms.min(self.clock_ms)
    }

    /// The clock, if it is in a later minute than the tick: one that came late.
    pub fn late_clock_ms(&self) -> Option<i64> {
        let later = self.clock_ms.div_euclid(60_000) > self.tick_ms.div_euclid(60_000);
        (later && !planted!(LateTicksDateBack)).then_some(self.clock_ms)
    }
}

/// Everything that one look read about one rollout.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Each route's rule, in the order of the terms.
    pub rules: Vec<Seen<RouteSeen>>,
    /// Each route's code, in the same order; empty if there was no need to look.
    pub code: Vec<RouteCodeSeen>,
    /// Minutes that were asked for.
    pub minutes: Asked<Vec<MinuteRead>>,
    /// The old side's history.
    pub history: Asked<Vec<MinuteRead>>,
    /// Alarm states.
    pub alarms: Seen<Vec<AlarmSeen>>,
    /// The copy of the run outside the journal.
    pub copy: Seen<Option<Copy>>,
    /// A rollback that was ordered while the journal could not be written.
    pub order: Seen<Option<OutsideOrder>>,
}

/// Something that is read only when it is needed.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked<T> {
    /// There was no need.
    No,
    /// What came of it.
    Answered(Seen<T>),
}

impl<T> Asked<T> {
    /// The value, if it was asked for and read.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Answered(Ok(value)) => Some(value),
            Self::Answered(Err(_)) | Self::No => None,
        }
    }
}

impl Observation {
    /// What every rule shows, in order, if all could be read.
    pub fn shares(&self) -> Seen<Vec<&Share>> {
        let each = self.rules.iter();
        each.map(|rule| rule.as_ref().map(|seen| &seen.share).map_err(Clone::clone)).collect()
    }

    /// Whether every rule was read and shows exactly this weight.
    pub fn all_show(&self, weight: Weight) -> bool {
        !self.rules.is_empty()
            && self.rules.iter().all(|rule| match rule {
                Ok(seen) => seen.share == Share::Weight(weight),
                Err(_) => false,
            })
    }

    /// Whether every rule was read and gives the new side nothing.
    pub fn all_reached(&self) -> bool {
        !self.rules.is_empty()
            && self.rules.iter().all(|rule| rule.as_ref().is_ok_and(|seen| seen.share.is_reached()))
    }

    /// The largest share that any rule shows.
    pub fn largest_share(&self) -> Option<Weight> {
        self.rules.iter().flatten().filter_map(|rule| rule.share.weight()).max()
    }

    /// The first rule that could not be read.
    pub fn unreadable_rule(&self) -> Option<&Unread> {
        self.rules.iter().find_map(|rule| rule.as_ref().err())
    }

    /// What makes the rules unsafe beside their weights, one sentence each:
    /// stickiness, which would keep clients on the new side after a rollback, and
    /// the header rule.
    pub fn unsafe_rules(&self) -> Vec<String> {
        // Many routes are one finding.
        distinct(self.rules.iter().flatten().flat_map(RouteSeen::unsafe_findings))
    }

    /// Whether an alarm that stood before the start of `run` is OK, or was when a tick could
    /// note that only in the copy outside the journal.
    pub fn has_recovered(&self, run: u32, alarm: &String) -> bool {
        let was_ok = |copy: &Copy| {
            copy.state == CopyState::Open && copy.run == run && !copy.alarms_before.contains(alarm)
        };
        let is_ok = |alarm: &AlarmSeen| alarm.state == AlarmState::Ok;
        self.alarm(alarm).is_some_and(is_ok) || matches!(&self.copy, Ok(Some(copy)) if was_ok(copy))
    }

    /// The alarm of this name, if alarms could be read.
    pub fn alarm(&self, name: &str) -> Option<&AlarmSeen> {
        self.alarms.as_ref().ok()?.iter().find(|alarm| alarm.name == name)
    }
}

/// Share that a rule shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Share {
    /// A forward to exactly our two groups with a share of whole tenths of a percent.
    Weight(Weight),
    /// Anything else: other groups, a redirect, weights 0 and 0, an odd share.
    Foreign(Foreign),
}

/// Actions of a rule that are no share of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// What was found, with the groups' ids.
    pub what: String,
    /// Whether the new group gets any request by it.
    pub reaches_new: bool,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Share {
    /// The share of ours, if it is one.
    pub fn weight(&self) -> Option<Weight> {
        match self {
            Self::Weight(weight) => Some(*weight),
            Self::Foreign(_) => None,
        }
    }

    /// Whether the new side gets nothing by it: a rollback has reached this rule.
    pub fn is_reached(&self) -> bool {
        match self {
            Self::Weight(weight) => *weight == Weight::ZERO,
            Self::Foreign(foreign) => !foreign.reaches_new,
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight(weight) => weight.fmt(f),
            Self::Foreign(foreign) => foreign.fmt(f),
        }
    }
}

/// One route as the load balancer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSeen {
    /// Share of the new group.
    pub share: Share,
    /// Priority of the weighted rule; `None` for a listener's default rule.
    pub priority: Option<u32>,
    /// Group stickiness of the weighted rule. On means that a rollback is none:
    /// a sticky client keeps its group (aws-facts A.2).
    pub sticky: bool,
    /// What is wrong with the header rule, one sentence each; empty is fine.
    pub header_rule: Vec<String>,
    /// Other rules of the listener that give one of the two groups requests, one
    /// sentence each: CloudWatch counts those too, since its dimensions are group
    /// and load balancer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixed: Vec<String>,
}

impl RouteSeen {
    /// What makes this rule unsafe beside its weight, one sentence each.
    pub fn unsafe_findings(&self) -> Vec<String> {
        let sticky = self.sticky.then(|| {
            "group stickiness is on: clients would keep their group after a rollback; switch it off"
                .to_owned()
        });
        sticky.into_iter().chain(self.header_rule.iter().cloned()).collect()
    }
}

/// One minute of one route.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteMinute {
    /// Read and consistent. A side is `None` where CloudWatch has no
    /// `RequestCount` for it: "no data", never zero requests. Where it has, a
    /// missing error count or latency sample is zero (aws-facts 0.2).
    Known {
        /// The side being replaced.
        old: Option<SideCounts>,
        /// The side being rolled out.
        new: Option<SideCounts>,
    },
    /// One of its numbers is missing, contradicts the others, or is no count.
    Unknown(Unread),
}

/// One minute of all routes of a rollout, in the order asked.
#[derive(Clone, Debug, PartialEq)]
pub struct MinuteRead {
    /// Which minute.
    pub minute: Minute,
    /// One for each route.
    pub routes: Vec<RouteMinute>,
    /// Answers of the new side that were compared, over all routes; none where CloudWatch
    /// has none, or they were not asked for.
    pub comparisons: Option<ComparisonsRead>,
}

/// State of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// `OK`.
    Ok,
    /// `ALARM`.
    Alarm,
    /// `INSUFFICIENT_DATA`.
    InsufficientData,
    /// No alarm has this name.
    Missing,
}

/// One alarm as CloudWatch shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmSeen {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// When it took that state, if the answer says (not every stand-in does).
    pub since_ms: Option<i64>,
    /// CloudWatch's words.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::copy::VERSION;
    use crate::domain::plan::Mode;

    #[test]
    fn only_the_open_copy_of_the_same_run_tells_that_an_alarm_recovered() {
        let copy = |state, run, before: &[&str]| Copy {
            v: VERSION,
            run,
            state,
            mode: Mode::Active,
            revision: 1,
            at_ms: 0,
            reason: None,
            alarms_before: before.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (copy, recovered) in [
            (copy(CopyState::Open, 3, &[]), true),
            (copy(CopyState::Open, 3, &["db"]), true),
            (copy(CopyState::Open, 3, &["db", "rs"]), false),
            (copy(CopyState::Open, 2, &[]), false),
            (copy(CopyState::RolledBack, 3, &[]), false),
            (copy(CopyState::RolledBack, 2, &[]), false),
        ] {
            let seen = Observation {
                rules: Vec::new(),
                code: Vec::new(),
                minutes: Asked::No,
                history: Asked::No,
                alarms: Ok(Vec::new()),
                copy: Ok(Some(copy.clone())),
                order: Ok(None),
            };
            assert_eq!(seen.has_recovered(3, &"rs".to_owned()), recovered, "{copy:?}");
        }
    }
}
