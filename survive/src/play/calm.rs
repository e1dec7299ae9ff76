//! After the last fault: what people do, and what must have become of it all.

use super::setting::build;
use super::{COMPLETES_WITHIN, ENDS_WITHIN, Player, events};
use crate::books::{Invariant, Track};
use crate::cloud::{Service, Shown, State};
use crate::fate::Stand;
use crate::plan::{OTHER, SCORE};
use rollout_controller::domain::command::Order;
use rollout_controller::domain::decision::{Decision, Hold};
use rollout_controller::domain::engine::Missing;
use rollout_controller::domain::evidence::HoldReason;
use rollout_controller::domain::journal::Journal;
use rollout_controller::domain::message::Topic;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::domain::weight::Weight;

impl Player<'_> {
    /// No fault from here on: the end must be right.
    pub(super) fn calm(&mut self, calm_ms: i64) {
        self.repair();
        let most = if self.plan.ends_well { COMPLETES_WITHIN } else { ENDS_WITHIN };
        for minute in 0..most {
            let start_ms = calm_ms + minute * 60_000;
            self.pass(start_ms + 300);
            self.spawn_tick(1_000_000 + minute.unsigned_abs(), 300, None, None);
            if minute % 2 == 1 {
                self.pass(start_ms + 25_000);
                self.operate();
            }
            self.pass(start_ms + 59_000);
            if self.is_broken() {
                return;
            }
            // Channels that were broken are tried again every ten minutes.
            if minute >= 12 && self.is_at_the_end() {
                break;
            }
        }
        self.check_end();
    }

    fn is_at_the_end(&self) -> bool {
        let state = self.cloud.state();
        state.books.names().iter().all(|name| {
            let stand = state.books.stand(name);
            let silent = state.books.track(name).is_none_or(|track| track.missing().is_empty());
            silent
                && if self.plan.ends_well {
                    stand == Stand::Completed
                } else {
                    stand == Stand::RolledBack
                }
        })
    }

    /// What people do when the trouble is over.
    fn repair(&mut self) {
        let now_ms = self.now_ms();
        self.skew = (0, 0);
        let mut state = self.cloud.state();
        state.tell(now_ms, || "— no more faults from here on —".to_owned());
        state.outages.clear();
        state.late_ms.clear();
        let service = if self.plan.ends_well { Service::Good } else { self.plan.compared.bad() };
        state.service.set(now_ms, service);
        state.compares.set(now_ms, true);
        for name in ["rs-errors", "py-errors", "db"] {
            if let Some(alarm) = state.alarms.get_mut(name) {
                alarm.set(now_ms, AlarmState::Ok);
            }
        }
        let code = build(self.builds);
        state.new_code.set(now_ms, code);
        let arns: Vec<String> = state.rules.keys().cloned().collect();
        for arn in arns {
            let rollout = state.rules[&arn].rollout.clone();
            let weight = state
                .books
                .track(&rollout)
                .filter(|track| track.is_open() || track.stand() == Stand::Completed);
            let weight = weight.map_or(Weight::ZERO, Track::weight);
            let Some(ours) = state.rules.get_mut(&arn) else { continue };
            let odd = match ours.shows() {
                Shown::Tenths(_) => false,
                Shown::Other { .. } => true,
            };
            let first = ours.header.at(i64::MIN).clone();
            ours.header.set(now_ms, first);
            let shown = match ours.shows() {
                Shown::Tenths(tenths) => tenths,
                Shown::Other { .. } => weight.tenths(),
            };
            let rule = ours.split(if odd { weight.tenths() } else { shown }, false, None);
            ours.rule.set(now_ms, Some(rule));
        }
    }

    /// What the person on call does every other minute, by what the books say.
    fn operate(&mut self) {
        let names: Vec<&'static str> =
            if self.plan.second { vec![SCORE, OTHER] } else { vec![SCORE] };
        for rollout in names {
            let (stand, shown, alike) = {
                let state = self.cloud.state();
                let shown = state.shown(rollout);
                let alike = shown.iter().all(|one| Some(one) == shown.first());
                (state.books.stand(rollout), shown, alike)
            };
            let zero = shown.iter().all(|one| one.is_reached());
            let silent = {
                let state = self.cloud.state();
                let ticked = state.books.track(rollout).and_then(|track| track.ticked_at_ms);
                ticked.is_none_or(|ticked| self.now_ms() - ticked > 5 * 60_000)
            };
            let late = self.now_ms() > self.plan.begins_ms() + (self.plan.minutes + 6) * 60_000;
            let order = match stand {
                // A journal that is older than what is known of the run waits for a person.
                Stand::Starting
                | Stand::Stage
                | Stand::Bake
                | Stand::Watch
                | Stand::Paused
                | Stand::RollingBack
                    if silent && late =>
                {
                    Some(Order::Rollback)
                }
                Stand::None | Stand::RolledBack | Stand::Abandoned | Stand::Completed if zero => {
                    Some(Order::Start)
                }
                Stand::Moved if alike => Some(Order::Resume { adopt: true }),
                Stand::None | Stand::RolledBack | Stand::Abandoned | Stand::Moved => {
                    Some(Order::Rollback)
                }
                Stand::Paused => Some(Order::Resume { adopt: false }),
                Stand::Completed if shown.iter().any(|one| *one != Shown::Tenths(1000)) => {
                    Some(Order::Rollback)
                }
                Stand::Completed if !self.plan.ends_well => Some(Order::Rollback),
                Stand::Completed
                | Stand::Starting
                | Stand::Stage
                | Stand::Bake
                | Stand::Watch
                | Stand::RollingBack => None,
            };
            let done = !self.plan.ends_well && stand == Stand::RolledBack && zero;
            let Some(order) = order.filter(|_| !done) else { continue };
            self.robots += 1;
            let uid = 2_000_000 + self.robots;
            let request = self.request(uid, rollout, order, 0);
            self.spawn_command(uid, request, None, None);
        }
    }

    fn check_end(&mut self) {
        let now_ms = self.now_ms();
        let mut state = self.cloud.state();
        for name in state.books.names() {
            if let Some((invariant, text)) = end_of(&state, &name, self.plan.ends_well) {
                state.books.breaks(invariant, now_ms, format!("{name}: {text}"));
            }
        }
    }
}

/// What must hold for one rollout when nothing has failed for a while.
fn end_of(state: &State, name: &str, ends_well: bool) -> Option<(Invariant, String)> {
    let track = state.books.track(name)?;
    let stand = track.stand();
    let shown = state.shown(name);
    if ends_well {
        let full = shown.iter().all(|one| *one == Shown::Tenths(1000));
        if (stand != Stand::Completed || !full) && !holds_under_suspicion(state, name, &shown) {
            let text = format!("{} at {shown:?}", stand.name());
            return Some((Invariant::HealthyCompletes, text));
        }
    } else if stand != Stand::RolledBack || !shown.iter().all(|one| one.is_reached()) {
        let text = format!("{} at {shown:?}", stand.name());
        return Some((Invariant::BadEndsAtZero, text));
    }
    // A journal that is older than what is known of the run waits for a person.
    let known = state.outside.get(name).and_then(|outside| outside.now().run.as_ref());
    let waits = known.is_some_and(|copy| copy.revision > track.seq);
    if let Some(missing) = track.missing().first().filter(|_| !waits) {
        return Some((Invariant::EveryPageArrives, format!("{missing} never arrived")));
    }
    if let Some(invented) = track.invented().first() {
        let text = format!("{invented} is noted as accepted and never arrived");
        return Some((Invariant::EveryPageArrives, text));
    }
    let lost = track.rollbacks.iter().filter(|_| !waits).find(|rollback| {
        rollback.answered_ms.is_some() && rollback.seq.is_none() && !rollback.excused
    });
    if let Some(rollback) = lost {
        let text = format!("{} was answered and is not in the journal", rollback.command);
        return Some((Invariant::RollbacksAreJournalledLater, text));
    }
    let rows = state.journals.get(name)?;
    let all = events(name, rows);
    let folded = match Journal::fold(name, &all) {
        Ok(folded) => folded,
        Err(error) => return Some((Invariant::SnapshotsAreTheFold, error.to_string())),
    };
    let snapshot = rows.snapshot.as_ref()?;
    let up_to = all.iter().filter(|stamped| stamped.seq <= snapshot.seq);
    let again = Journal::fold(name, up_to).ok()?;
    let kept: Option<Journal> = serde_json::from_str(&snapshot.body).ok();
    if kept.as_ref() != Some(&again) || folded.revision != track.seq {
        let text = format!("the snapshot of entry {} differs", snapshot.seq);
        return Some((Invariant::SnapshotsAreTheFold, text));
    }
    None
}

/// Whether evidence-1 keeps a suspicion that good minutes hardly lower: it may do so for hours
/// (docs/contest/tables.md). Then the share is the journal's, the last decision says why nothing
/// moves, and people were told that it takes too long.
fn holds_under_suspicion(state: &State, name: &str, shown: &[Shown]) -> bool {
    let Some(rows) = state.journals.get(name) else { return false };
    let Ok(journal) = Journal::fold(name, &events(name, rows)) else { return false };
    let Some(run) = &journal.run else { return false };
    let suspects = matches!(
        &run.last,
        Some((
            Decision::Hold {
                reason: Hold::Evidence { reason: Missing::One(HoldReason::UnderSuspicion { .. }) }
            },
            _
        ))
    );
    let told = journal.raised.contains_key(&Topic::HoldingTooLong);
    let as_intended = shown.iter().all(|one| *one == Shown::Tenths(run.weight.tenths()));
    suspects && told && as_intended
}
