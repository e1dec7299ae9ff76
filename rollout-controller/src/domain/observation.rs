//! What a tick saw: the load balancer, minutes and alarms, as plain values.

use super::minute::{CommittedMinute, Minute, SideCounts};
use super::weight::Weight;
use serde::{Deserialize, Serialize};

/// Share that a rule shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Share {
    /// A forward to exactly our two groups with a share of whole tenths of a percent.
    Weight(Weight),
    /// Anything else: other groups, a redirect, weights 0 and 0, an odd share.
    /// The text says what was found.
    Foreign(String),
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Weight(weight) => weight.fmt(f),
            Self::Foreign(what) => f.write_str(what),
        }
    }
}

/// One route as the load balancer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSeen {
    /// Share of the Rust group.
    pub share: Share,
    /// Priority of the weighted rule; `None` for a listener's default rule.
    pub priority: Option<u32>,
    /// Group stickiness of the weighted rule. On means that a rollback is none:
    /// a sticky client keeps its group (aws-facts A.2).
    pub sticky: bool,
    /// What is wrong with the header rule, one sentence each; empty is fine.
    pub header_rule: Vec<String>,
}

/// One minute of one route. A side is `None` where CloudWatch has no
/// `RequestCount` for it: that is "no data", never zero requests. Where it has,
/// a missing error count or latency sample is zero (aws-facts 0.2).
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMinute {
    /// The Python side.
    pub old: Option<SideCounts>,
    /// The Rust side.
    pub new: Option<SideCounts>,
}

/// One minute of all routes of a rollout, in the order asked.
#[derive(Clone, Debug, PartialEq)]
pub struct MinuteRead {
    /// Which minute.
    pub minute: Minute,
    /// One for each route.
    pub routes: Vec<RouteMinute>,
}

impl MinuteRead {
    /// The sum over all routes, with the share that was in force.
    pub fn committed(&self, weight: Weight) -> CommittedMinute {
        let sum = |side: fn(&RouteMinute) -> Option<&SideCounts>| {
            let mut sum = SideCounts::default();
            for counts in self.routes.iter().filter_map(side) {
                sum += counts;
            }
            sum
        };
        CommittedMinute {
            minute: self.minute,
            weight,
            old: sum(|route| route.old.as_ref()),
            new: sum(|route| route.new.as_ref()),
        }
    }
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

/// Everything that one tick read about one rollout.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Each route, in the order of the terms, or why it could not be read.
    pub routes: Vec<Result<RouteSeen, String>>,
    /// Minutes that are final and not judged yet, ascending without holes.
    pub minutes: Vec<CommittedMinute>,
    /// Why later minutes are missing that should be readable by now.
    pub gap: Option<String>,
    /// The old side's history, if it was asked for.
    pub history: Option<Result<Vec<CommittedMinute>, String>>,
    /// Alarm states, or why they could not be read.
    pub alarms: Result<Vec<AlarmSeen>, String>,
}
