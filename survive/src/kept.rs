//! Histories that are kept: what once went wrong, and what CI plays of the rest.

use crate::books::Broken;
use crate::effects::{self, RARE, SAMPLE};
use crate::fate::{Call, Fate, Rates, impossible};
use crate::plan::{Compared, Engine, Happening, JOURNAL, Plan, SCORE, What};
use crate::play::{Played, play, play_for_effects};
use crate::protocol::{Scenario, explore, named};
use crate::shrink::{outline, shrink, story};
use rollout_controller::domain::command::Order;
use std::collections::BTreeSet;

fn plan(happenings: Vec<(i64, What)>) -> Plan {
    let happenings = happenings.into_iter().enumerate().map(|(at, (at_ms, what))| Happening {
        uid: at as u64 + 1,
        at_ms,
        what,
        dies_at: None,
        freezes: None,
    });
    let mut happenings: Vec<Happening> = happenings.collect();
    happenings.sort_by_key(|happening| (happening.at_ms, happening.uid));
    Plan {
        seed: 7,
        past_the_hour: 0,
        routes: 1,
        second: false,
        compared: Compared::No,
        engine: Engine::Two,
        minutes: happenings.last().map_or(1, |last| last.at_ms / 60_000 + 2),
        ends_well: true,
        rates: Rates::default(),
        happenings,
        muted: BTreeSet::new(),
    }
}

fn order(order: Order) -> What {
    What::Order { rollout: SCORE, order, stale: 0, again: false, pressed: false }
}

fn ticks(minutes: std::ops::Range<i64>) -> impl Iterator<Item = (i64, What)> {
    minutes.map(|minute| (minute * 60_000 + 400, What::Tick { late_ms: 400 }))
}

/// Fails with the short story of what broke.
fn holds(plan: &Plan, played: &Played) {
    let Some(broken) = &played.broken else { return };
    panic!("{}", short_story(plan, broken));
}

fn short_story(plan: &Plan, broken: &Broken) -> String {
    let (short, played) = shrink(plan, broken);
    format!("{:?}: {}\n{}{}", broken.invariant, broken.text, outline(&short), story(&played, 40))
}

fn sample(seeds: impl Iterator<Item = u64>) {
    let kept = effects::kept();
    for seed in seeds {
        let plan = Plan::of(seed);
        let played = play_for_effects(&plan);
        holds(&plan, &played);
        assert_eq!(
            kept.get(&seed).map(|number| format!("{number:016x}")),
            Some(format!("{:016x}", played.effects)),
            "history {seed} is another one than was kept: `survive story {seed} --whole` tells it, here \
             and before the change. Where that is meant: make survive-effects"
        );
    }
}

// In four parts, which run beside each other.
#[test]
fn sampled_histories_break_nothing_1() {
    sample(SAMPLE.step_by(4));
}

#[test]
fn sampled_histories_break_nothing_2() {
    sample(SAMPLE.skip(1).step_by(4));
}

#[test]
fn sampled_histories_break_nothing_3() {
    sample(SAMPLE.skip(2).step_by(4));
}

#[test]
fn sampled_histories_break_nothing_4() {
    sample(SAMPLE.skip(3).step_by(4));
}

#[test]
fn rare_histories_break_nothing() {
    sample(RARE.into_iter());
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in [3, 14, 15] {
        let plan = Plan::of(seed);
        let (one, two) = (play(&plan, true), play(&plan, true));
        assert_eq!(one.fingerprint, two.fingerprint, "seed {seed}");
        assert_eq!(one.story, two.story, "seed {seed}");
        assert_ne!(one.fingerprint, play(&Plan::of(seed + 1), false).fingerprint);
    }
}

#[test]
fn every_fate_that_a_call_can_have_comes_up_in_the_sample() {
    let mut missing: BTreeSet<(Call, Fate)> = Call::ALL
        .into_iter()
        .flat_map(|call| Fate::ALL.map(|fate| (call, fate)))
        // A journal is pruned once an hour: `make survive` reaches that.
        .filter(|(call, fate)| impossible(*call, *fate).is_none() && *call != Call::JournalPrune)
        .collect();
    for seed in 0..300 {
        if missing.is_empty() {
            return;
        }
        let mut plan = Plan::of(seed);
        plan.rates = Rates(Call::ALL.map(|call| (call, 100)).into());
        for (call, fate, _) in play(&plan, false).cells.into_keys() {
            missing.remove(&(call, fate));
        }
    }
    panic!("not in 300 histories: {missing:?}");
}

/// A rollback given outside the journal ends its run. The order stays where it was
/// left, and once the journal has it, a later run rises as any other.
#[test]
fn a_run_after_a_direct_rollback_gets_to_100_percent() {
    let mut course: Vec<(i64, What)> = vec![(500, order(Order::Start))];
    course.extend(ticks(1..4));
    course.push((3 * 60_000 + 20_000, What::Direct { rollout: SCORE }));
    course.extend(ticks(4..6));
    let plan = plan(course);
    holds(&plan, &play(&plan, false));
}

/// A tick from tomorrow, when no run is open, took the order in and delivered messages
/// at its own time. The journal's time stood there, and no tick of the next run was
/// newer than the last.
#[test]
fn a_tick_from_tomorrow_does_not_keep_the_next_run_from_rising() {
    let first = vec![
        (500, order(Order::Start)),
        (543_500, What::Outage(vec![Call::JournalAppend], Fate::Lost, 149_000)),
        (552_200, What::Direct { rollout: SCORE }),
        (710_300, What::Tick { late_ms: -86_400_000 }),
    ];
    let second = vec![
        (13_900, What::Direct { rollout: SCORE }),
        (23_800, What::Tick { late_ms: -86_400_000 }),
    ];
    for mut course in [first, second] {
        course.extend(ticks(9..12));
        let plan = plan(course);
        holds(&plan, &play(&plan, false));
    }
}

/// The journal's time, or a person's clock, may be minutes off: a rollback given with a
/// person's own credentials right after a start counts all the same.
#[test]
fn an_order_counts_although_it_names_a_time_before_the_start() {
    let mut course: Vec<(i64, What)> = vec![
        (500, order(Order::Start)),
        (1_024_100, order(Order::Rollback)),
        (1_206_800, What::Tick { late_ms: -600_000 }),
        (1_502_700, order(Order::Start)),
        (1_506_300, What::Direct { rollout: SCORE }),
    ];
    course.extend(ticks(14..27));
    let plan = plan(course);
    holds(&plan, &play(&plan, false));
}

/// A database restored from nothing, and an order outside that it had taken in: the
/// start waited for a tick to journal the order, and every tick for a person's start.
#[test]
fn a_start_on_a_restored_journal_takes_in_the_order_outside() {
    let mut course: Vec<(i64, What)> = vec![
        (606_000, What::Outage(JOURNAL.to_vec(), Fate::FailsBefore, 161_000)),
        (660_700, order(Order::Rollback)),
        (1_046_800, What::Restore(SCORE, 10_000)),
    ];
    course.extend(ticks(12..20));
    let plan = plan(course);
    holds(&plan, &play(&plan, false));
}

fn promotion_and_rollback(apart_ms: i64) -> Plan {
    let mut course: Vec<(i64, What)> = vec![(500, order(Order::Start))];
    course.extend(ticks(1..5));
    let promote = Order::Promote { to: None, force: true };
    course.push((4 * 60_000 + 20_000, order(promote)));
    course.push((4 * 60_000 + 20_000 + apart_ms, order(Order::Rollback)));
    let mut plan = plan(course);
    plan.ends_well = false;
    plan
}

/// A rollback that comes while a promotion writes: the promotion takes back what landed
/// after it.
#[test]
fn a_promotion_gives_way_to_a_rollback_wherever_it_comes() {
    for apart_ms in (0..2_000).step_by(40) {
        let plan = promotion_and_rollback(apart_ms);
        holds(&plan, &play(&plan, false));
    }
}

/// New code at 100% sends the share back to 90%. A person's direct rollback that comes
/// meanwhile counts, whichever write is the last.
#[test]
fn a_step_back_gives_way_to_a_direct_rollback_wherever_it_comes() {
    let mut overtook = 0;
    for apart_ms in (0..2_000).step_by(80) {
        let mut course: Vec<(i64, What)> = vec![(500, order(Order::Start))];
        course.extend(ticks(1..17));
        course.push((16 * 60_000 + 20_000, What::Build));
        course.push((17 * 60_000 + 400, What::Tick { late_ms: 400 }));
        course.push((17 * 60_000 + 400 + apart_ms, What::Direct { rollout: SCORE }));
        let mut plan = plan(course);
        plan.ends_well = false;
        let played = play(&plan, true);
        holds(&plan, &played);
        let late = |line: &str| line.contains("writes r0 Tenths(0) → Tenths(900)");
        overtook += usize::from(played.story.iter().any(|(_, line)| late(line)));
    }
    assert!(overtook > 0, "no step back landed after the order");
}

/// A tick fifteen minutes late saw the new code, and dated it back to its own time: the
/// minutes of the old code up to then spoke for the new one.
#[test]
fn a_late_tick_dates_new_code_by_the_clock() {
    let mut course: Vec<(i64, What)> = vec![(500, order(Order::Start))];
    course.extend(ticks(1..8));
    course.push((9 * 60_000 + 30_000, What::Build));
    course.push((9 * 60_000 + 40_000, What::Tick { late_ms: 900_000 }));
    course.extend(ticks(10..20));
    let plan = plan(course);
    holds(&plan, &play(&plan, false));
}

/// Scheduler, seed 60: the append fails, the rollback sets 0% and says so; a raise in
/// flight then writes. Wherever the raise stands still, the journal learns of the
/// rollback with who and why, and the share is back at 0.
#[test]
fn a_rollback_that_the_journal_missed_is_journalled_and_outlives_a_raise_in_flight() {
    let mut landed_after = 0;
    for point in 1..40 {
        let mut course: Vec<(i64, What)> = vec![
            (500, order(Order::Start)),
            (60_400, What::Tick { late_ms: 400 }),
            (62_000, What::Outage(JOURNAL.to_vec(), Fate::FailsBefore, 70_000)),
            (63_000, order(Order::Rollback)),
        ];
        course.extend(ticks(2..6));
        let mut plan = plan(course);
        plan.ends_well = false;
        plan.happenings[1].freezes = Some((point, 9_000));
        let played = play(&plan, true);
        holds(&plan, &played);
        let answered = played.story.iter().position(|(_, line)| {
            line.starts_with("rollback") && line.contains("Applied, Rolled back.")
        });
        let raised = played.story.iter().position(|(_, line)| {
            line.starts_with("tick") && line.contains("writes r0 Tenths(0) → Tenths(100)")
        });
        if let (Some(answered), Some(raised)) = (answered, raised) {
            landed_after += usize::from(raised > answered);
        }
        let journalled = played.story.iter().any(|(_, line)| {
            line.contains("journal")
                && line.contains("person-1 ordered a rollback")
                && line.contains("reason 4")
        });
        assert!(journalled, "the journal never learns of it\n{}", story(&played, 60));
    }
    assert!(landed_after > 0, "no raise landed after the rollback was answered");
}

/// Many rollouts, and a ledger that answers nothing: the time limit is one for all, and
/// each is protected in the same tick.
#[test]
fn rollouts_do_not_share_the_fate_of_a_black_holed_ledger() {
    use rollout_controller::domain::observation::AlarmState;
    let second = crate::plan::OTHER;
    let mut course: Vec<(i64, What)> = vec![
        (500, order(Order::Start)),
        (
            700,
            What::Order {
                rollout: second,
                order: Order::Start,
                stale: 0,
                again: false,
                pressed: false,
            },
        ),
    ];
    course.extend(ticks(1..4));
    course.push((215_000, What::Outage(JOURNAL.to_vec(), Fate::Lost, 90_000)));
    course.push((216_000, What::Alarm("rs-errors", AlarmState::Alarm)));
    course.push((216_500, What::Tick { late_ms: 0 }));
    let mut plan = plan(course);
    (plan.second, plan.ends_well) = (true, false);
    let played = play(&plan, true);
    holds(&plan, &played);
    let lowered: Vec<i64> = played
        .story
        .iter()
        .filter(|(_, line)| line.contains("writes") && line.contains("→ Tenths(0)"))
        .map(|(at_ms, _)| at_ms - crate::play::BEGINS_MS)
        .collect();
    assert!(lowered.len() >= 2, "{}", story(&played, 60));
    let within = lowered.iter().take(2).all(|at_ms| (216_500..221_500).contains(at_ms));
    assert!(within, "{lowered:?}\n{}", story(&played, 60));
}

/// Every order of the calls of a tick and of an order given beside it, with a death;
/// `make survive-protocol` has more happen, and more at once.
#[test]
fn orders_hold_against_a_tick_in_every_order_of_calls() {
    for (name, states) in [("a tick and a direct rollback", 500), ("a tick and a pause", 1_500)] {
        let scenario = Scenario { faults: 0, writes: 0, delays: 0, ..named(name) };
        let came = explore(&scenario, 100_000, 2, &|| (), &|_| ());
        assert!(came.broken.is_none(), "{name}: {:#?}", came.broken);
        assert!(came.whole && came.states > states && came.ends > 80, "{name}: {came:?}");
    }
}

#[cfg(feature = "planted")]
mod planted {
    use crate::gate::look_for;
    use crate::protocol::{SAFEGUARDS, without};
    use rollout_controller::planted::Defect;

    /// Each with a seed that notices it; `make survive-gate` looks for all.
    const SAMPLE: &[(Defect, u64)] = &[
        (Defect::NoReadBack, 0),
        (Defect::LostRaceIsWon, 0),
        (Defect::NoSecondLook, 30),
        (Defect::SettlesLiveIntent, 14),
        (Defect::PauseIgnored, 15),
        (Defect::HoldingAlarmIgnored, 16),
        (Defect::OldTickRaises, 4),
        (Defect::OtherCodeIgnored, 4),
        (Defect::AlarmDoesNotRollBack, 0),
        (Defect::ProtectsNothing, 8),
        (Defect::OrderBlocksForEver, 1),
        (Defect::FailureIsDelivery, 5),
        (Defect::SentTwice, 0),
        (Defect::SafeWithoutLooking, 6),
        (Defect::AnswersTooEarly, 19),
        (Defect::MissingMinutesIgnored, 21),
        (Defect::LateTicksDateBack, 13),
        (Defect::StepBackDoesNotLook, 336),
        (Defect::HalfARaiseIsNotLookedAt, 2126),
        (Defect::StaysBehind, 162),
    ];

    #[test]
    fn a_sample_of_planted_defects_is_noticed() {
        for (defect, seed) in SAMPLE {
            assert!(look_for(*defect, *seed, 1).by.is_some(), "{defect:?} survives seed {seed}");
        }
    }

    /// `make survive-protocol` leaves out each safeguard.
    #[test]
    fn a_safeguard_left_out_gives_a_counterexample() {
        let few = [
            Defect::WritesOverOthers,
            Defect::NoLookForOrdersAfter,
            Defect::OrderIsForgotten,
            Defect::PauseIgnored,
        ];
        for defect in few {
            let (_, scenario) = SAFEGUARDS.iter().find(|(one, _)| *one == defect).expect("listed");
            let came = without(defect, scenario, 10_000, 2);
            assert!(came.broken.is_some(), "{defect:?} is not missed in {}", came.states);
        }
    }
}
