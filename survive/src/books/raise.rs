//! Writes of weights, and the intents before them.

use super::track::Intent;
use super::{Books, Invariant, Sight, Track, Work};
use crate::cloud::{Shown, tenths};
use crate::fate::{Call, Stand};
use aws_sdk_elasticloadbalancingv2::types::{Action, Rule, TargetGroupStickinessConfig};
use rollout_controller::domain::code::{CodeSeen, RouteCodeSeen};
use rollout_controller::domain::command::Order;
use rollout_controller::domain::copy::OutsideOrder;
use rollout_controller::domain::decision::CauseKind;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::domain::route::Route;
use rollout_controller::domain::weight::Weight;
use std::collections::BTreeMap;

/// Grace of the controller for clocks that differ, in milliseconds.
const GRACE_MS: i64 = 2_000;
/// With none wrong among fewer nobody knows that a limit of 1% is kept.
const LEAST_COMPARED: u64 = 100;
/// A tick so far behind the clock is old, in milliseconds.
const OLD_MS: i64 = 5 * 60_000;

/// A write of weights as it took effect.
#[derive(Clone, Debug)]
pub struct Write {
    /// Whose.
    pub uid: u64,
    /// The rule.
    pub arn: String,
    /// Its route.
    pub route: Route,
    /// The rule before.
    pub before: Rule,
    /// The rule after.
    pub after: Rule,
    /// When the request left.
    pub sent_ms: i64,
    /// The same by the process's own clock.
    pub clock_ms: i64,
    /// Now.
    pub now_ms: i64,
}

impl Write {
    /// What the rule showed.
    pub fn from(&self) -> Shown {
        tenths(Some(&self.before), &self.route)
    }

    /// What it shows.
    pub fn to(&self) -> Shown {
        tenths(Some(&self.after), &self.route)
    }
}

/// The ground that a raise stands on, as the world really was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ground {
    /// Whole minutes at the share on the code that the process saw.
    pub minutes: usize,
    /// Minutes at the share, whatever the code.
    pub at_share: usize,
    /// Whether the newest of the minutes it was served was one in which only the new
    /// side was bad.
    pub newest_is_bad: bool,
    /// Whether the new side had no request in it.
    pub newest_is_silent: bool,
    /// Whether a process dated the share whose clock for people is not the one of deadlines.
    pub is_misdated: bool,
}

impl Books {
    /// A write took effect.
    pub fn wrote(&mut self, rollout: &str, write: &Write) {
        if let Some((invariant, text)) = self.check_write(rollout, write) {
            let text = format!(
                "{} of {rollout} {:?} → {:?}: {text}",
                write.route.name,
                write.from(),
                write.to()
            );
            self.breaks(invariant, write.now_ms, text);
        }
        let Some(sight) = self.sights.get_mut(&write.uid) else { return };
        if !write.to().is_reached() {
            sight.left_traffic.insert(rollout.to_owned(), write.now_ms);
        }
        if rises(write) {
            let seq = self.tracks.get(rollout).and_then(|track| track.own_raise(write.uid));
            let seq = seq.map_or(0, |intent| intent.seq);
            sight.raised.insert(rollout.to_owned(), (seq, write.now_ms));
        }
    }

    fn check_write(&self, rollout: &str, write: &Write) -> Option<(Invariant, String)> {
        let track = self.tracks.get(rollout)?;
        let sight = self.sights.get(&write.uid)?;
        if let Some(text) = changes_more(sight, write) {
            return Some((Invariant::OnlyWeightsChange, text));
        }
        if self.cut_ms.is_some_and(|cut_ms| cut_ms >= sight.began_ms) {
            // What it intended went with the database that had it.
            return None;
        }
        if let Some(problem) = only_intended(rollout, track, sight, write) {
            return Some(problem);
        }
        let stepped_back =
            track.intents.iter().rev().find(|intent| lands_late(intent, sight, write));
        if !rises(write) || stepped_back.is_some() {
            let began_ms = stepped_back.map(|intent| intent.committed_ms);
            return not_looked(sight, rollout, began_ms?);
        }
        let Some(intent) = track.own_raise(write.uid) else {
            let text = "its process has no intent in the journal".to_owned();
            return Some((Invariant::RaiseIsJournalled, text));
        };
        if write.clock_ms > intent.deadline_ms {
            let late = write.clock_ms - intent.deadline_ms;
            let text = format!("sent {late} ms after its deadline");
            return Some((Invariant::RaiseIsInTime, text));
        }
        for rollback in &track.rollbacks {
            let lifted =
                |seq: i64| track.starts.iter().any(|start| *start > seq && *start < intent.seq);
            if let Some(seq) = rollback.seq
                && intent.seq > seq
                && !lifted(seq)
                && !rollback.excused
            {
                let text = format!("raised on intent {} after rollback {seq}", intent.seq);
                return Some((Invariant::NothingRisesAfterARollback, text));
            }
            if let Some(order_ms) = rollback.order_ms
                && rollback.seq.is_none()
                && !rollback.excused
                && rollback.order_ms.is_some_and(|ms| ms > track.started_true_ms)
                && sight
                    .outside
                    .get(rollout)
                    .and_then(|looks| looks.by(write.sent_ms))
                    .is_some_and(|(read_ms, _)| *read_ms > order_ms)
            {
                let text = format!("order {} was there to be read", rollback.command);
                return Some((Invariant::NothingRisesAfterARollback, text));
            }
        }
        not_looked(sight, rollout, intent.committed_ms)
    }
}

/// A write of a step back, or of a raise that is taken back: it lowers what its process
/// saw, whatever was written meanwhile. Looks before and after it tell of a rollback.
fn lands_late(intent: &Intent, sight: &Sight, write: &Write) -> bool {
    let (Shown::Tenths(to), Some((_, Shown::Tenths(seen)))) = (write.to(), seen(sight, write))
    else {
        return false;
    };
    let lowers_to = if intent.raises { intent.from } else { intent.to };
    intent.uid == write.uid && to > 0 && to == lowers_to && to <= *seen
}

/// What its process had read of the rule when the request left.
fn seen<'a>(sight: &'a Sight, write: &Write) -> Option<&'a (Option<Rule>, Shown)> {
    sight.rules.get(&write.arn)?.by(write.sent_ms).map(|(_, look)| look)
}

/// Whoever leaves traffic has looked for orders since it intended that. One that lowers
/// need not know.
fn not_looked(sight: &Sight, rollout: &str, since_ms: i64) -> Option<(Invariant, String)> {
    let looked_ms = sight.looked_ms(rollout);
    let failed = sight.faults.iter().any(|(call, _)| *call == Call::OutsideRead);
    // An answer may be older than its question by what is called stale.
    (looked_ms + 1_500 < since_ms && !failed)
        .then(|| (Invariant::OrdersAreLookedFor, "no look for orders since its intent".to_owned()))
}

/// Whether the new side gets more than before.
fn rises(write: &Write) -> bool {
    match (write.from(), write.to()) {
        (Shown::Tenths(from), Shown::Tenths(to)) => to > from,
        (from, to) => from.is_reached() && !to.is_reached(),
    }
}

/// The actions with the weights of both groups of a route left out.
fn but_weights(rule: &Rule, route: &Route) -> Vec<Action> {
    let mut actions = rule.actions().to_vec();
    for action in &mut actions {
        let tuples =
            action.forward_config.as_mut().and_then(|config| config.target_groups.as_mut());
        for tuple in tuples.into_iter().flatten() {
            let arn = tuple.target_group_arn().unwrap_or_default();
            if arn == route.old_group.as_str() || arn == route.new_group.as_str() {
                tuple.weight = None;
            }
        }
    }
    actions
}

fn changes_more(sight: &Sight, write: &Write) -> Option<String> {
    let Some((Some(rule), _)) = seen(sight, write) else {
        return Some("the rule was never read".to_owned());
    };
    let same = but_weights(rule, &write.route) == but_weights(&write.after, &write.route);
    (!same).then(|| "more than the weights of our groups differs from what was read".to_owned())
}

fn only_intended(
    rollout: &str,
    track: &Track,
    sight: &Sight,
    write: &Write,
) -> Option<(Invariant, String)> {
    let to = write.to();
    if rises(write)
        && let Some(intent) = track.own_raise(write.uid)
        && to == Shown::Tenths(intent.to)
        && let Some((_, seen)) = seen(sight, write)
        && *seen != Shown::Tenths(intent.from)
    {
        let text = format!("it was read at {seen:?}, and intended from {}", intent.from);
        return Some((Invariant::OnlyWeightsChange, text));
    }
    let own: Vec<_> = track.intents.iter().filter(|intent| intent.uid == write.uid).collect();
    let intended = own.iter().any(|intent| {
        // A raise that reached some routes is taken back to where it began.
        to == Shown::Tenths(intent.to) || (intent.raises && to == Shown::Tenths(intent.from))
    });
    // Without the journal, back to the share that it has.
    let as_journalled = !rises(write) && to == Shown::Tenths(track.weight().tenths());
    if intended || as_journalled || to.is_reached() && own.iter().any(|intent| intent.to == 0) {
        return None;
    }
    if !to.is_reached() {
        let invariant =
            if rises(write) { Invariant::RaiseIsJournalled } else { Invariant::OnlyWeightsChange };
        let text =
            format!("its process intended {:?}", own.iter().map(|i| i.to).collect::<Vec<_>>());
        return Some((invariant, text));
    }
    // Lowered to 0 without the journal.
    let by_person = match &sight.work {
        Work::Command(request) => request.order == Order::Rollback,
        Work::Direct => true,
        Work::Tick(_) | Work::View => false,
    };
    if by_person {
        return None;
    }
    let completed = track.stand() == Stand::Completed || track.stand() == Stand::Abandoned;
    let outside = sight.parameters(rollout);
    // A rollback that nobody could journal is in the copy alone.
    let known = outside
        .and_then(|outside| outside.run.as_ref())
        .is_some_and(|copy| copy.revision >= track.changed && !copy.has_left());
    let ordered = outside.is_some_and(|outside| outside.order.is_some());
    if completed && known && !ordered {
        let text = format!("the run is {}, and its copy says so", track.stand().name());
        return Some((Invariant::LoweringHasAReason, text));
    }
    None
}

/// The intent that is open belongs to a process that may still write.
pub(super) fn settles_live(
    track: &Track,
    uid: u64,
    shown: &[Shown],
    now_ms: i64,
) -> Option<(Invariant, String)> {
    let intent = track.open_intent()?;
    let lives = now_ms + 500 < intent.deadline_ms.saturating_add(GRACE_MS);
    (intent.uid != uid && lives && intent.true_clock).then(|| {
        let text = format!(
            "settles intent {} with {} ms left for its process (rules {shown:?})",
            intent.seq,
            intent.deadline_ms - now_ms
        );
        (Invariant::LiveIntentsStay, text)
    })
}

#[expect(clippy::too_many_arguments, reason = "one call, with all that was true then")]
pub(super) fn may_intend(
    track: &Track,
    sight: &Sight,
    rollout: &str,
    from: Weight,
    to: Weight,
    kind: CauseKind,
    ground: Ground,
    clock_ms: i64,
) -> Option<(Invariant, String)> {
    let says = |invariant, text: &str| Some((invariant, text.to_owned()));
    if track.is_paused() {
        return says(Invariant::APauseHolds, "raises while a pause stands");
    }
    match track.stand() {
        Stand::Starting | Stand::Stage | Stand::Bake | Stand::Watch => {}
        Stand::Moved => return says(Invariant::RulesAreSafe, "raises what someone else moved"),
        Stand::RollingBack | Stand::RolledBack => {
            return says(Invariant::NothingRisesAfterARollback, "raises after a rollback");
        }
        Stand::None | Stand::Paused | Stand::Completed | Stand::Abandoned => {
            return says(Invariant::RaiseIsJournalled, "raises without an open run");
        }
    }
    let continues = track.open_intent().is_some_and(|open| open.raises && open.to == to.tenths());
    let forced = track.forced_to == Some(to);
    if !continues && !forced && track.next_after(from) != Some(to) {
        let text = format!("from {from} to {to}, the plan says {:?}", track.next_after(from));
        return Some((Invariant::OneStageAtATime, text));
    }
    // What the process was served.
    let Ok(found) = sight.config.rollout(Some(rollout)) else {
        return says(Invariant::NothingFails, "raises a rollout that its config lacks");
    };
    let settings = &found.settings;
    let standing = |alarms: &BTreeMap<String, AlarmState>| {
        let mut names = settings.rollback_on.iter().chain(&settings.hold_on);
        let quiet = |name: &&String| {
            matches!(alarms.get(*name), Some(AlarmState::Ok | AlarmState::InsufficientData))
        };
        let name = names.find(|name| !quiet(name))?;
        Some(format!("raises while alarm {name} is {:?}", alarms.get(name)))
    };
    let Some(alarms) = sight.alarms.last() else {
        return says(Invariant::AlarmsHold, "raises without having read the alarms");
    };
    if let Some(text) = standing(alarms)
        && sight.alarms.iter().all(|alarms| standing(alarms).is_some())
    {
        return Some((Invariant::AlarmsHold, text));
    }
    let Some(outside) = sight.parameters(rollout) else {
        return says(Invariant::TheCopyIsOpen, "raises without having read the copy");
    };
    let of_this_run = |order: &OutsideOrder| {
        let known = track.rollbacks.iter().find(|rollback| rollback.command == order.command);
        known.and_then(|rollback| rollback.order_ms) > Some(track.started_true_ms)
    };
    if outside.order.as_ref().is_some_and(of_this_run) && !track.knows(outside) {
        return says(Invariant::TheCopyIsOpen, "raises with an order outside the journal");
    }
    for (name, rule, shown) in sight.last_rules() {
        let ours = found.terms.routes.iter().find(|route| route.rule.as_str() == name);
        let Some(route) = ours else { continue };
        let sticky = rule.is_some_and(is_sticky);
        let headless = route.header_rule.is_some() && sight.headers.get(name) == Some(&false);
        if sticky || headless {
            let text =
                format!("raises over {}: sticky {sticky}, header rule gone {headless}", route.name);
            return Some((Invariant::RulesAreSafe, text));
        }
        let fits = shown == Shown::Tenths(from.tenths())
            || (continues && shown == Shown::Tenths(to.tenths()));
        if !fits {
            let text = format!("raises from {from}, and {} was seen at {shown:?}", route.name);
            return Some((Invariant::RulesAreSafe, text));
        }
    }
    match &sight.work {
        Work::Tick(tick_ms) => {
            let tick_ms = *tick_ms;
            let old = clock_ms - tick_ms > OLD_MS + 30_000 && sight.people_ms == 0;
            if old || track.ticked_before_ms.is_some_and(|t| t > tick_ms) {
                return says(Invariant::EvidenceIsFresh, "an old tick raises");
            }
            let served = sight.newest.get(rollout).copied().flatten();
            // An earlier tick may have read it: the history, or a tick that came twice.
            let newest = served.max(track.newest_known());
            let oldest_ok = tick_ms.div_euclid(60_000) - 1 - track.lag_before();
            if !continues && newest.is_none_or(|newest| newest < oldest_ok) {
                let text = format!("newest minute served is {newest:?}, due {oldest_ok} or later");
                return Some((Invariant::EvidenceIsFresh, text));
            }
        }
        Work::Command(_) => {
            let silent = track.ticked_ms.is_none_or(|ticked| clock_ms - ticked > 4 * 60_000);
            let judged = track.newest_known();
            let due = track.ticked_ms.map(|ticked| ticked.div_euclid(60_000) - 1 - track.lag());
            if !continues && judged < due {
                let text = format!("promotes, the newest minute known is {judged:?}, due {due:?}");
                return Some((Invariant::EvidenceIsFresh, text));
            }
            if silent && sight.people_ms == 0 {
                return says(Invariant::EvidenceIsFresh, "promotes although nobody ticks");
            }
        }
        Work::View | Work::Direct => {
            return says(Invariant::RaiseIsJournalled, "raises without being a tick or a command");
        }
    }
    match sight.code.get(rollout) {
        Some(RouteCodeSeen { old: CodeSeen::Is(_), new: CodeSeen::Is(new) }) => {
            if let Some(known) = track.new_code()
                && known != new
            {
                let text = format!("raises on {new}, and the journal knows {known}");
                return Some((Invariant::EvidenceIsOfThisCode, text));
            }
        }
        other => {
            let text = format!("raises, and the code was {other:?}");
            return Some((Invariant::EvidenceIsOfThisCode, text));
        }
    }
    let proof = !continues && !forced && kind != CauseKind::Start;
    if proof && !ground.is_misdated && ground.minutes < 1 {
        return says(Invariant::EvidenceIsOfThisCode, "no whole minute at this share on this code");
    }
    if proof && !ground.is_misdated && track.proven_minutes > ground.at_share {
        let text = format!(
            "{} minutes prove it, and {} were at this share",
            track.proven_minutes, ground.at_share
        );
        return Some((Invariant::EvidenceIsOfThisCode, text));
    }
    if proof && track.needs_comparisons && track.compared() < LEAST_COMPARED {
        let text = format!("{} answers were compared at {from}", track.compared());
        return Some((Invariant::AnswersAreCompared, text));
    }
    if !continues && from > Weight::ZERO && ground.newest_is_silent {
        return says(
            Invariant::EvidenceIsFresh,
            "the new side had no request in the newest minute",
        );
    }
    if proof && ground.newest_is_bad {
        return says(Invariant::EvidenceIsFresh, "the newest minute is bad");
    }
    None
}

fn is_sticky(rule: &Rule) -> bool {
    rule.actions().iter().filter_map(Action::forward_config).any(|config| {
        config
            .target_group_stickiness_config()
            .and_then(TargetGroupStickinessConfig::enabled)
            .unwrap_or(false)
    })
}
