//! Protection while the journal cannot be used: by CloudWatch, the load balancer,
//! and what is known of the run outside the journal.

use super::act::{StepOutcome, act};
use super::examples;
use super::observe::Look;
use super::{Schedule, now, write_copy};
use crate::config::Rollout;
use crate::domain::copy::{Copy, CopyState};
use crate::domain::decision::{CauseKind, RollBackReason, Shift};
use crate::domain::engine::Breach;
use crate::domain::event::RouteFound;
use crate::domain::explain;
use crate::domain::labels::Labels;
use crate::domain::message::{Channel, Page, Topic, Urgency};
use crate::domain::observation::{Observation, Unread};
use crate::domain::outbox::Debt;
use crate::domain::plan::Mode;
use crate::domain::protection::{Protection, protection};
use crate::domain::weight::Weight;
use crate::ports::{World, WritePermit};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What protection did.
#[derive(Clone, Debug, PartialEq)]
pub struct Protected {
    /// What it decided.
    pub did: Protection,
    /// What became of a lowering.
    pub outcome: Option<StepOutcome>,
    /// What its sides are called.
    pub sides: Labels,
}

/// What this process remembers of each run; lost at a cold start. The freshest
/// copy there is, and when a topic was last paged directly.
#[derive(Debug, Default)]
pub struct Memory {
    copies: Mutex<BTreeMap<String, Copy>>,
    paged: Mutex<BTreeMap<(String, Topic), i64>>,
    looks: Mutex<BTreeMap<String, u32>>,
}

/// Pages without the journal repeat once an hour. Milliseconds.
const PAGE_AGAIN_MS: i64 = 60 * 60_000;
/// An open run without trouble is told after so many ticks without the journal.
const PATIENCE_TICKS: u32 = 3;

impl Memory {
    /// Remembers what the journal says.
    pub fn remember(&self, rollout: &str, copy: Copy) {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).remove(rollout);
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.insert(rollout.to_owned(), copy);
    }

    /// The newest of what is remembered, copied, and readable.
    fn newest(&self, rollout: &str, seen: &Observation, prefix: Option<Copy>) -> Option<Copy> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = copies.get(rollout).cloned();
        let outside = seen.copy.as_ref().ok().cloned().flatten();
        // Of equal revisions the copy comes first: protection writes it after acting.
        let mut newest: Option<Copy> = None;
        for copy in [outside, remembered, prefix].into_iter().flatten() {
            if newest.as_ref().is_none_or(|newest| copy.revision > newest.revision) {
                newest = Some(copy);
            }
        }
        newest
    }

    fn ticks_without_journal(&self, rollout: &str) -> u32 {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let count = looks.entry(rollout.to_owned()).or_insert(0);
        *count += 1;
        *count
    }

    fn may_page(&self, rollout: &str, topic: Topic, at_ms: i64) -> bool {
        let mut paged = self.paged.lock().unwrap_or_else(PoisonError::into_inner);
        let last = paged.entry((rollout.to_owned(), topic)).or_insert(i64::MIN);
        let due = at_ms.saturating_sub(*last) >= PAGE_AGAIN_MS;
        if due {
            *last = at_ms;
        }
        due
    }
}

/// Protects one rollout without its journal. `prefix` is what could be read of it.
pub async fn protect(
    world: &World,
    rollout: &Rollout,
    look: &Look<'_>,
    seen: &Observation,
    prefix: Option<Copy>,
    why: &Unread,
    schedule: Schedule,
) -> Protected {
    let now = now(world, schedule);
    let known = world.memory.newest(&rollout.name, seen, prefix);
    let noted = known.clone().map(|copy| copy.without_recovered(seen));
    let did = protection(noted.as_ref(), seen, look.terms(), &rollout.settings, now);
    let ticks = world.memory.ticks_without_journal(&rollout.name);
    let at_ms = schedule.scheduled.as_millisecond();
    let outcome = match &did {
        Protection::Lower { reason } => {
            let text = explain::rollback_reason(reason, &look.terms().labels);
            let from = seen.largest_share().unwrap_or(Weight::ZERO);
            let outcome = lower(world, rollout, look, &text, schedule.deadline).await;
            remember_rollback(world, rollout, noted.clone(), &text, at_ms, &outcome).await;
            let done = outcome.arrived(Weight::ZERO);
            let topic = if done { Topic::RolledBack } else { Topic::RollbackIncomplete };
            let mut text =
                format!("{} The journal cannot be used ({why}).", explain::sentence(&text));
            if !done {
                let missed = RouteFound::list(&outcome.missed(Weight::ZERO));
                text += &format!(
                    " AWS: {missed}. Run now: rolloutctl rollback --direct --reason \"…\""
                );
            }
            if let RollBackReason::Evidence { breach: Breach::WrongAnswers(said) } = reason {
                let (terms, breach) = (look.terms(), &said.why);
                let read = examples::read(world, rollout, terms, breach, schedule.deadline);
                if let Some(examples) = read.await {
                    let Labels { old, new } = &terms.labels;
                    text = format!("{text} {}", examples.paragraph(old, new));
                }
            }
            page(world, rollout, topic, from, &text, at_ms).await;
            Some(outcome)
        }
        Protection::Page { why: text } => {
            let share = seen.largest_share().unwrap_or(Weight::ZERO);
            let text = explain::sentence(text);
            page(world, rollout, Topic::ControllerError, share, &text, at_ms).await;
            None
        }
        Protection::Hold if ticks >= PATIENCE_TICKS => {
            let share = seen.largest_share().unwrap_or(Weight::ZERO);
            let text = format!(
                "The journal cannot be used for {ticks} ticks: {why}. Nothing advances; alarms and metrics still protect."
            );
            page(world, rollout, Topic::ControllerError, share, &text, at_ms).await;
            None
        }
        Protection::Hold | Protection::NothingToProtect => None,
    };
    // This tick has no entry that says which alarms recovered, and the next one may find
    // them standing again.
    if let (None, Some(noted)) = (&outcome, &noted)
        && known.as_ref() != Some(noted)
    {
        write_copy(world, &rollout.name, noted).await;
    }
    Protected { did, outcome, sides: look.terms().labels.clone() }
}

/// Takes the new side out of traffic on every route, without the journal.
pub async fn lower(
    world: &World,
    rollout: &Rollout,
    look: &Look<'_>,
    text: &str,
    deadline: Timestamp,
) -> StepOutcome {
    let shift = Shift::out_of_traffic(CauseKind::RollBack, text.to_owned());
    let permit = WritePermit::lower_only(deadline);
    let outcome = act(&*world.traffic, &look.terms().routes, &permit, &shift).await;
    tracing::warn!(rollout.name = rollout.name, "without the journal: {text}");
    outcome
}

async fn remember_rollback(
    world: &World,
    rollout: &Rollout,
    known: Option<Copy>,
    text: &str,
    at_ms: i64,
    outcome: &StepOutcome,
) {
    let done = outcome.arrived(Weight::ZERO);
    let state = if done { CopyState::RolledBack } else { CopyState::RollingBack };
    let known = known.unwrap_or(Copy {
        v: crate::domain::copy::VERSION,
        run: 0,
        state,
        mode: Mode::Active,
        revision: 0,
        at_ms,
        reason: None,
        alarms_before: Vec::new(),
    });
    let copy = Copy { state, reason: Some(text.to_owned()), at_ms, ..known };
    write_copy(world, &rollout.name, &copy).await;
    world.memory.remember(&rollout.name, copy);
}

/// The outbox is out of reach, so a page goes out directly, once an hour a topic.
async fn page(
    world: &World,
    rollout: &Rollout,
    topic: Topic,
    from: Weight,
    text: &str,
    at_ms: i64,
) {
    if !world.memory.may_page(&rollout.name, topic, at_ms) {
        return;
    }
    let (name, new) = (&rollout.name, &rollout.terms.labels.new);
    let done = topic == Topic::RolledBack;
    let title = match topic {
        Topic::RolledBack => format!("{name}: rolled back, {from} → 0% on {new}"),
        Topic::RollbackIncomplete => format!("{name}: ROLLBACK INCOMPLETE"),
        _ => format!("{name}: the journal cannot be used; {from} on {new}"),
    };
    let page = Page {
        rollout: name.clone(),
        run: 0,
        // The same for an hour, so that two processes send one page.
        revision: at_ms.div_euclid(PAGE_AGAIN_MS),
        topic,
        urgency: Urgency::Trigger,
        title,
        text: text.to_owned(),
        from: Some(from),
        to: done.then_some(Weight::ZERO),
        at_ms,
    };
    for channel in [Channel::Pager, Channel::Chat] {
        if !world.messages.has(channel) {
            continue;
        }
        if let Err(error) = world.messages.send(channel, &Debt::Page(page.clone())).await {
            tracing::error!(rollout.name = name, "{}", Unread::of(&error));
        }
    }
}
