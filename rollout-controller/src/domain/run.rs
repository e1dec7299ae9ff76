//! One start of a rollout and what followed.

use super::decision::{Cause, CauseKind, Decision, RollBackReason};
use super::event::{End, Event, RouteOutcome, Who};
use super::evidence::{Engine, Evidence, Judged};
use super::message::Topic;
use super::minute::{CommittedMinute, Minute};
use super::plan::{Mode, Terms};
use super::weight::Weight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A change of weight whose outcome is not in the journal yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Revision of the intent.
    pub seq: i64,
    /// When it was decided, in milliseconds: the minute in which the change
    /// begins to count, even if its outcome is journalled later.
    pub at_ms: i64,
    /// Before.
    pub from: Weight,
    /// After.
    pub to: Weight,
    /// Why.
    pub cause: Cause,
    /// Real time after which its process no longer writes. Milliseconds.
    pub deadline_ms: i64,
}

impl Intent {
    /// Every route shows it.
    pub fn applied(&self) -> Event {
        Event::Applied { from: self.from, to: self.to, cause: self.cause.clone() }
    }

    /// Not every route does.
    pub fn not_applied(&self, routes: Vec<RouteOutcome>) -> Event {
        Event::NotApplied { from: self.from, to: self.to, cause: self.cause.clone(), routes }
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Whose.
    pub who: Who,
    /// Since when. Milliseconds.
    pub since_ms: i64,
    /// Until when, if it ends by itself. Milliseconds.
    pub until_ms: Option<i64>,
}

/// One start and what followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Counted from 1.
    pub number: u32,
    /// Who started it and why.
    pub who: Who,
    /// When. Milliseconds.
    pub started_ms: i64,
    /// What was agreed.
    pub terms: Terms,
    /// Acts, or only tells.
    pub mode: Mode,
    /// Share of the new side according to the journal.
    pub weight: Weight,
    /// First stage; `None` until the history was read.
    pub first: Option<Weight>,
    /// When the present weight began. Milliseconds.
    pub since_ms: i64,
    /// Weights with the minute in which each began, oldest first.
    pub timeline: Vec<(Minute, Weight)>,
    /// Newest minute that needs no judging any more.
    pub through: Option<Minute>,
    /// Requests a minute on both sides, over the history.
    pub requests_per_minute: f64,
    /// The engine's state.
    pub evidence: Evidence,
    /// The last judgement.
    pub judged: Option<Judged>,
    /// Change under way.
    pub intent: Option<Intent>,
    /// Somebody's pause.
    pub pause: Option<Pause>,
    /// Somebody else's change, not taken over yet.
    pub moved: Option<Vec<RouteOutcome>>,
    /// A rollback was ordered or decided, and not every route is known to be at 0.
    pub rolling_back: Option<RollBackReason>,
    /// Routes that the last attempt to roll back did not reach.
    pub rollback_failed: Option<Vec<RouteOutcome>>,
    /// Since when nothing could be read that a decision needs. Milliseconds.
    pub blind_since_ms: Option<i64>,
    /// The end, with its reason and time in milliseconds.
    pub end: Option<(End, String, i64)>,
    /// Conditions that stand, since when (milliseconds).
    pub raised: BTreeMap<Topic, i64>,
    /// Alarms that were in ALARM at the start and have not been OK since.
    pub alarms_before: Vec<String>,
    /// Last decision and its time in milliseconds.
    pub last: Option<(Decision, i64)>,
    /// Shadow mode: what the rollback would have been.
    pub would_have: Option<RollBackReason>,
}

impl Run {
    /// Whether the run still goes on.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// The weight in force for most of a minute: the last one that began in it
    /// or before. The minute of a change thereby counts as the new stage's entry.
    pub fn weight_at(&self, minute: Minute) -> Weight {
        let began = self.timeline.iter().rev().find(|(start, _)| *start <= minute);
        began.map_or(Weight::ZERO, |(_, weight)| *weight)
    }

    /// One word for people and programs.
    pub fn state_name(&self) -> &'static str {
        match &self.end {
            Some((End::Completed, ..)) => return "completed",
            Some((End::RolledBack, ..)) => return "rolled back",
            None => {}
        }
        if self.rolling_back.is_some() {
            "rolling back"
        } else if self.moved.is_some() {
            "stopped: moved by someone else"
        } else if self.pause.is_some() {
            "paused"
        } else if self.weight == Weight::ZERO && self.mode == Mode::Active {
            "starting"
        } else if self.mode == Mode::Shadow {
            "shadow"
        } else if self.terms.is_last(self.weight) {
            "baking"
        } else {
            "advancing"
        }
    }

    /// The engine of this run's terms.
    ///
    /// # Errors
    /// The settings' problem, if the journalled terms do not pass today's checks.
    pub fn engine(&self) -> Result<Engine, super::evidence::ConfigError> {
        Engine::new(self.terms.evidence.clone(), self.terms.slo)
    }

    /// Judges minutes that became due, in order. The last judgement stays.
    ///
    /// # Errors
    /// What the engine says.
    pub fn judge(&mut self, minutes: &[CommittedMinute]) -> Result<(), String> {
        if minutes.is_empty() {
            return Ok(());
        }
        let engine = self.engine().map_err(|error| error.to_string())?;
        for minute in minutes {
            let next = self.terms.next_after(minute.weight).unwrap_or(Weight::FULL);
            let judged = engine
                .judge(&mut self.evidence, minute, next)
                .map_err(|error| error.to_string())?;
            self.judged = Some(judged);
            self.through = Some(minute.minute);
        }
        Ok(())
    }

    fn set_weight(&mut self, weight: Weight, at_ms: i64) {
        self.weight = weight;
        self.since_ms = at_ms;
        self.timeline.push((Minute(at_ms.div_euclid(60_000)), weight));
        // Only minutes that are not judged yet are asked for.
        let excess = self.timeline.len().saturating_sub(64);
        self.timeline.drain(..excess);
    }

    /// Applies one event of this self. A `Started` makes a new run, see
    /// [`Journal::apply`](super::journal::Journal::apply).
    ///
    /// # Errors
    /// What the engine says of the event's minutes.
    pub(super) fn apply(&mut self, seq: i64, at_ms: i64, event: &Event) -> Result<(), String> {
        match event {
            Event::Baseline { history, first, requests_per_minute, through } => {
                let engine = self.engine().map_err(|error| error.to_string())?;
                self.evidence.learn_history(&engine, history);
                self.first = Some(*first);
                self.requests_per_minute = *requests_per_minute;
                self.through = Some(*through);
            }
            Event::Ticked { minutes, decision, recovered, .. } => {
                self.alarms_before.retain(|name| !recovered.contains(name));
                self.judge(minutes)?;
                self.last = Some((decision.clone(), at_ms));
                self.blind_since_ms =
                    decision.is_blind().then(|| self.blind_since_ms.unwrap_or(at_ms));
                if let Decision::RollBack { reason } = decision {
                    let place = match self.mode {
                        Mode::Active => &mut self.rolling_back,
                        Mode::Shadow => &mut self.would_have,
                    };
                    place.get_or_insert_with(|| reason.clone());
                }
            }
            Event::Intended { from, to, cause, deadline_ms } => {
                self.intent = Some(Intent {
                    seq,
                    at_ms,
                    from: *from,
                    to: *to,
                    cause: cause.clone(),
                    deadline_ms: *deadline_ms,
                });
            }
            Event::Applied { to, .. } => {
                let began = self.intent.take().map_or(at_ms, |intent| intent.at_ms);
                if self.weight != *to {
                    self.set_weight(*to, began);
                }
            }
            Event::NotApplied { cause, routes, .. } => {
                self.intent = None;
                if cause.kind == CauseKind::RollBack {
                    self.rollback_failed = Some(routes.clone());
                }
            }
            Event::MovedByOther { found, .. } => self.moved = Some(found.clone()),
            Event::FoundAtZero { .. } => {
                self.intent = None;
                self.rolling_back = None;
                self.set_weight(Weight::ZERO, at_ms);
            }
            Event::Followed { weight } => {
                self.moved = None;
                self.set_weight(*weight, at_ms);
            }
            Event::Adopted { weight, .. } => {
                self.moved = None;
                self.intent = None;
                if self.weight != *weight {
                    self.set_weight(*weight, at_ms);
                }
            }
            Event::Paused { who, until_ms, .. } => {
                let since_ms = self.pause.as_ref().map_or(at_ms, |pause| pause.since_ms);
                self.pause = Some(Pause { who: who.clone(), since_ms, until_ms: *until_ms });
            }
            Event::PauseEnded {} | Event::Resumed { .. } => self.pause = None,
            Event::RollbackOrdered { who, .. } => {
                // A finished run goes on until every route is at 0.
                self.end = None;
                self.rolling_back = Some(RollBackReason::Ordered {
                    by: who.identity.clone(),
                    reason: who.reason.clone(),
                });
            }
            Event::Activated { .. } => self.mode = Mode::Active,
            Event::Raised { topic, .. } => {
                self.raised.entry(*topic).or_insert(at_ms);
            }
            Event::Cleared { topic, .. } => {
                self.raised.remove(topic);
                if *topic == Topic::MovedBySomeoneElse {
                    self.moved = None;
                }
            }
            Event::Finished { end, reason } => {
                self.end = Some((*end, reason.clone(), at_ms));
                self.pause = None;
                self.moved = None;
                self.rolling_back = None;
                self.rollback_failed = None;
            }
            Event::Promoted { .. }
            | Event::Started { .. }
            | Event::PageSent { .. }
            | Event::Announced { .. } => {}
        }
        Ok(())
    }
}
