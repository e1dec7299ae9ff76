//! A raise that hurts both sides, told from incidents that nobody here caused.

use proptest::prelude::*;
use rollout_controller::domain::both_sides::{
    Answer, Ending, GOOD_MINUTES, Harm, OVER_MINUTES, Sides, Undone, answer, not_yet, settle,
};
use rollout_controller::domain::event::MinuteEntry;
use rollout_controller::domain::evidence2::Rules;
use rollout_controller::domain::minute::{CommittedMinute, Edges, Histogram, Minute, SideCounts};
use rollout_controller::domain::slo::{Metric, Slo};
use rollout_controller::domain::weight::Weight;

use crate::percent;

/// 600 requests, of which so many took over 200 ms.
fn slow(requests: u64, slow: u64) -> SideCounts {
    let edges = Edges::default();
    let mut buckets = vec![0; edges.buckets()];
    buckets[edges.bucket_of(45.0)] = requests - slow;
    buckets[edges.bucket_of(230.0)] = slow;
    SideCounts { requests, errors: 0, latency: Histogram::new(requests, buckets) }
}

/// A rollout that goes from 25% to 50% at minute 30, followed as the controller
/// does. `bad`: whether both sides break P95 in a minute at a share.
struct Followed {
    sides: Sides,
    shares: Vec<(Minute, Weight)>,
    undone: Vec<Undone>,
    at: i64,
    rolled_back: Option<(Harm, Harm)>,
    /// Minutes in which the share went back, and up again.
    moves: Vec<(i64, Weight)>,
}

const LAG: i64 = 2;

impl Followed {
    fn new() -> Self {
        let shares = vec![(Minute(0), percent(25.0)), (Minute(30), percent(50.0))];
        let (undone, moves) = (Vec::new(), Vec::new());
        Self { sides: Sides::default(), shares, undone, at: 0, rolled_back: None, moves }
    }

    fn share(&self) -> Weight {
        self.shares.iter().rev().find(|(began, _)| began.0 <= self.at).map_or(Weight::ZERO, |s| s.1)
    }

    /// One minute passes: what it was like becomes known after the lag.
    fn minute(&mut self, pending: &mut Vec<CommittedMinute>, old_bad: bool, new_bad: bool) {
        let weight = self.share();
        let side = |bad| if bad { slow(600, 120) } else { slow(600, 3) };
        let (old, new) = (side(old_bad), side(new_bad));
        pending.push(CommittedMinute { minute: Minute(self.at), weight, old, new });
        self.at += 1;
        let rules = Rules::new(&Slo::default(), &Edges::default());
        while pending.first().is_some_and(|first| first.minute.0 + LAG < self.at) {
            self.sides.note(&rules, &MinuteEntry::Summed(pending.remove(0)));
        }
        settle(&mut self.undone, &self.sides);
        let now = Minute(self.at);
        match answer(&self.sides, &self.shares, &self.undone, 60) {
            Some(Answer::RollBack { first, second }) => {
                self.rolled_back.get_or_insert((first, second));
            }
            Some(Answer::StepBack(harm)) => {
                self.undone.push(Undone { harm, lowered: Some(now), ending: Ending::Open });
                self.shares.push((now, harm.from));
                self.moves.push((self.at, harm.from));
            }
            None => {
                let waits =
                    not_yet(&self.undone, &self.sides, self.share(), GOOD_MINUTES).is_some();
                if self.share() == percent(25.0) && self.at > 30 && !waits {
                    self.shares.push((now, percent(50.0)));
                    self.moves.push((self.at, percent(50.0)));
                }
            }
        }
    }

    fn run(mut self, minutes: i64, bad: impl Fn(i64, Weight) -> (bool, bool)) -> Self {
        let mut pending = Vec::new();
        while self.at < minutes && self.rolled_back.is_none() {
            let (old, new) = bad(self.at, self.share());
            self.minute(&mut pending, old, new);
        }
        self
    }
}

fn both(bad: bool) -> (bool, bool) {
    (bad, bad)
}

#[test]
fn a_share_that_saturates_both_sides_goes_back_once_and_rolls_back_the_second_time() {
    let end = Followed::new().run(200, |_, share| both(share >= percent(50.0)));
    let (first, second) = end.rolled_back.expect("twice at the same step");
    assert_eq!(
        (second.from, second.to, second.metric),
        (percent(25.0), percent(50.0), Metric::P95)
    );
    assert_eq!((first.raised, first.within_minutes), (Minute(30), 1));
    assert_eq!(end.undone[0].ending, Ending::WithTheStep);
    let [(back, _), (again, _)] = end.moves[..] else { panic!("{:?}", end.moves) };
    assert!(back <= 30 + 2 + LAG + 1, "undone after two bad minutes and the lag: {back}");
    assert!(again >= back + i64::from(GOOD_MINUTES), "up again after ten good minutes: {again}");
}

#[test]
fn trouble_that_builds_up_after_the_step_is_noticed_within_its_time() {
    let late = |after: i64| {
        Followed::new().run(60, move |at, share| both(share >= percent(50.0) && at >= 30 + after))
    };
    assert_eq!(late(8).moves.first().map(|first| first.1), Some(percent(25.0)));
    assert_eq!(late(8).undone[0].harm.within_minutes, 9);
    assert!(late(11).moves.is_empty(), "later than ten minutes it is nobody's");
}

#[test]
fn an_incident_that_was_there_before_the_raise_blames_nobody() {
    let end = Followed::new().run(60, |at, _| both((26..45).contains(&at)));
    assert!(end.moves.is_empty() && end.undone.is_empty(), "{:?}", end.moves);
}

#[test]
fn an_incident_that_goes_on_after_the_share_went_back_blames_nobody() {
    let end = Followed::new().run(160, |at, _| both((32..60).contains(&at)));
    assert_eq!(end.undone.len(), 1);
    assert_eq!(end.undone[0].ending, Ending::NotWithTheStep);
    // So what comes after it is the first time at this step, not the second.
    let end = Followed::new()
        .run(260, |at, share| both((32..60).contains(&at) || at >= 60 && share >= percent(50.0)));
    let (first, _) = end.rolled_back.expect("twice after the incident");
    assert_eq!(end.undone.len(), 2);
    assert!(first.raised > Minute(60), "{first:?}");
}

#[test]
fn where_going_back_does_not_help_the_share_rises_when_the_incident_is_over() {
    let end = Followed::new().run(160, |at, _| both((32..60).contains(&at)));
    let [_, (again, _)] = end.moves[..] else { panic!("{:?}", end.moves) };
    assert_eq!(again, 60 + i64::from(OVER_MINUTES) + LAG);
}

#[test]
fn a_share_whose_harm_outlasts_it_is_taken_back_each_time() {
    // The database needs a quarter of an hour to work off what piled up.
    let mut sides = Followed::new();
    let mut pending = Vec::new();
    let mut last_high = i64::MIN;
    while sides.at < 200 {
        if sides.share() >= percent(50.0) {
            last_high = sides.at;
        }
        let bad = sides.at >= 30 && sides.at < last_high.saturating_add(15);
        sides.minute(&mut pending, bad, bad);
    }
    assert!(sides.undone.len() >= 4, "{:?}", sides.moves);
    assert!(sides.undone.iter().all(|undone| undone.ending != Ending::WithTheStep));
    let stays = sides.moves.windows(2).filter(|pair| pair[0].1 == percent(50.0));
    for pair in stays {
        assert!(pair[1].0 - pair[0].0 <= 3 + LAG, "the harm goes on: {:?}", sides.moves);
    }
}

#[test]
fn a_short_incident_by_chance_costs_one_step_back() {
    let end = Followed::new().run(300, |at, _| both((33..38).contains(&at)));
    assert_eq!(end.moves.iter().map(|m| m.1).collect::<Vec<_>>(), [25.0, 50.0].map(percent));
    assert!(end.rolled_back.is_none());
}

#[test]
fn trouble_begins_after_the_last_three_good_minutes() {
    // The bad minute soon after the raise is not the beginning of what comes at its 15th.
    let end = Followed::new().run(80, |at, _| both(at == 33 || (45..60).contains(&at)));
    assert_eq!((end.moves, end.rolled_back), (vec![], None));
    // With two good minutes between it is.
    let end = Followed::new().run(80, |at, _| both(at == 33 || (36..50).contains(&at)));
    assert_eq!(end.moves.first(), Some(&(40, percent(25.0))));
}

#[test]
fn a_new_side_that_is_just_within_the_limit_is_not_hurt() {
    let rules = Rules::new(&Slo::default(), &Edges::default());
    let shares = [(Minute(0), percent(25.0)), (Minute(30), percent(50.0))];
    let says = |new: u64| {
        let mut sides = Sides::default();
        for at in 20..34 {
            let (old, new) = if at < 31 { (3, 3) } else { (120, new) };
            let weight = if at < 30 { percent(25.0) } else { percent(50.0) };
            let (old, new) = (slow(600, old), slow(600, new));
            let minute = CommittedMinute { minute: Minute(at), weight, old, new };
            sides.note(&rules, &MinuteEntry::Summed(minute));
        }
        answer(&sides, &shares, &[], 60)
    };
    assert_eq!(says(30), None);
    assert!(matches!(says(31), Some(Answer::StepBack(_))));
}

#[test]
fn one_bad_minute_is_chance() {
    let end = Followed::new().run(60, |at, _| both(at == 32));
    assert!(end.moves.is_empty());
}

#[test]
fn trouble_of_one_side_alone_is_not_this_rules() {
    let old_only = Followed::new().run(60, |at, _| (at > 31, false));
    let new_only = Followed::new().run(60, |at, _| (false, at > 31));
    assert!(old_only.moves.is_empty() && new_only.moves.is_empty());
}

#[test]
fn full_traffic_has_no_old_side_to_be_hurt() {
    let mut end = Followed::new();
    end.shares = vec![(Minute(0), percent(90.0)), (Minute(30), Weight::FULL)];
    let end = end.run(60, |at, _| both(at > 31));
    assert!(end.moves.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever happens: one step back a raise, never without the good minutes that are
    /// asked for before the next, and a rollback only after a step back at the same step that helped.
    #[test]
    fn random_trouble_never_blames_without_cause(
        bad in prop::collection::vec((any::<bool>(), any::<bool>(), 1_i64..12), 1..30),
    ) {
        let mut spans = Vec::new();
        let mut at = 0;
        for (old, new, minutes) in bad {
            spans.push((at, at + minutes, old, new));
            at += minutes;
        }
        let end = Followed::new().run(at.max(40), |minute, _| {
            let now = spans.iter().find(|(from, to, ..)| (*from..*to).contains(&minute));
            now.map_or((false, false), |(_, _, old, new)| (*old, *new))
        });
        for pair in end.moves.windows(2) {
            prop_assert!(pair[0].1 != pair[1].1, "twice the same way: {:?}", end.moves);
            if pair[1].1 == percent(50.0) {
                prop_assert!(pair[1].0 - pair[0].0 >= i64::from(OVER_MINUTES));
            }
        }
        if let Some((first, second)) = end.rolled_back {
            let helped = end.undone.iter().any(|undone| {
                undone.harm == first && undone.ending == Ending::WithTheStep
            });
            prop_assert!(helped && second.raised > first.raised);
        }
    }
}
