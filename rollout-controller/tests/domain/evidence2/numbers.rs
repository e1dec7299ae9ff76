//! The engine's numbers over random rollouts with late, unknown, revised and lost minutes,
//! silence and new code: `tests/data/numbers.txt`.

use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rollout_controller::domain::evidence2::{
    Clock, Counts, Engine, Part, Position, Reading, Timeline, Verdict, Words,
};
use rollout_controller::domain::minute::{Minute, SideCounts};
use rollout_controller::domain::slo::Metric;
use rollout_controller::domain::weight::Weight;

use crate::evidence2::extremes::engine_of_routes;
use crate::evidence2::{percent, timed};
use crate::kept_text;

const WORDS: Words<'static> =
    Words { old: "Python", new: "Rust", routes: &[], clock: Clock::Counted };
const MINUTES: i64 = 90;

/// How a side fares in a rollout.
struct Side {
    errors: f64,
    slow: f64,
    very_slow: f64,
}

impl Side {
    fn of(rng: &mut ChaCha8Rng) -> Self {
        let pick = |rng: &mut ChaCha8Rng, of: [f64; 4]| of[rng.random_range(0..4)];
        Self {
            errors: pick(rng, [0.0, 0.0, 0.002, 0.02]),
            slow: pick(rng, [0.02, 0.02, 0.04, 0.3]),
            very_slow: pick(rng, [0.0, 0.0, 0.002, 0.02]),
        }
    }

    fn minute(&self, rng: &mut ChaCha8Rng, requests: u64) -> SideCounts {
        let burst = if rng.random_range(0..12) == 0 { 5.0 } else { 1.0 };
        let mut draw = |chance: f64| {
            (0..requests).filter(|_| rng.random::<f64>() < chance * burst).count() as u64
        };
        let (errors, slow, very_slow) = (draw(self.errors), draw(self.slow), draw(self.very_slow));
        let slow = slow.min(requests - very_slow);
        timed(errors, &[(9, requests - slow - very_slow), (14, slow), (24, very_slow)])
    }
}

struct Rollout {
    rng: ChaCha8Rng,
    engine: Engine,
    timeline: Timeline,
    traffic: Vec<u64>,
    sides: [Side; 2],
    at: Position,
}

impl Rollout {
    fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let routes = rng.random_range(1..=3);
        let traffic: Vec<u64> = (0..routes).map(|_| [4, 40, 300][rng.random_range(0..3)]).collect();
        let engine = engine_of_routes(&traffic);
        let sides = [Side::of(&mut rng), Side::of(&mut rng)];
        // In the last of them the old side has next to nothing.
        let share = percent(if seed < 24 { 5.0 } else { 99.0 });
        let at = Position { share, baked: false };
        Self { timeline: Timeline::start(&engine), rng, engine, traffic, sides, at }
    }

    fn reading(&mut self, minute: i64, unknown: u32) -> Reading {
        let Self { rng, traffic, sides: [old, new], at, .. } = self;
        let silent = rng.random_range(0..25) == 0;
        let parts = traffic.iter().map(|requests| {
            let tenths = if silent { 0 } else { u64::from(at.share.tenths()) };
            let to_new = requests * tenths / 1000;
            let counts = Counts::Known {
                old: old.minute(rng, requests - to_new),
                new: new.minute(rng, to_new),
            };
            let is_unknown = rng.random_range(0..100) < unknown;
            Part { weight: at.share, counts: if is_unknown { Counts::Unknown } else { counts } }
        });
        Reading { minute: Minute(minute), share: at.share, parts: parts.collect() }
    }

    fn minute(&mut self, minute: i64) {
        let reading = self.reading(minute, 8);
        self.timeline.read(&self.engine, reading).unwrap();
        match self.rng.random_range(0..30) {
            0..4 => {
                let open: Vec<Minute> = self.timeline.rereadable().collect();
                if let Some(again) = open.get(self.rng.random_range(0..open.len().max(1))) {
                    let reading = self.reading(again.0, 0);
                    self.timeline.read(&self.engine, reading).unwrap();
                }
            }
            4 => self.timeline.lose(&self.engine, Minute(minute - 1)),
            5 => self.timeline.restart_proof(&self.engine, Minute(minute + 1)),
            _ => {}
        }
    }

    fn step(&mut self) {
        if let Verdict::Proven(proven) = self.engine.verdict(self.timeline.evidence(), self.at)
            && let Some(next) = proven.next
        {
            let baked = self.at.baked || (self.at.share >= percent(90.0) && next == Weight::FULL);
            self.at = Position { share: next, baked };
        }
    }

    /// Everything that is ever shown of the evidence.
    fn tell(&self, out: &mut String, minute: i64) {
        let Self { engine, timeline, at, .. } = self;
        let evidence = timeline.evidence();
        let verdict = engine.verdict(evidence, *at);
        let _ = writeln!(out, "{minute} at {}: {}", at.share, WORDS.verdict(engine, &verdict));
        let (log_e, lead) = engine.suspicion(evidence);
        let by_metric = engine.suspicion_by_metric(evidence);
        let _ = writeln!(out, "   ln E {log_e:.4} by {lead:?}, of {by_metric:.4?}");
        let left = engine.minutes_left(evidence, *at);
        for (gate, left) in engine.gates(evidence, *at).into_iter().zip(left) {
            let (pooled, fresh) = (gate.pooled, gate.fresh);
            let _ = writeln!(
                out,
                "   {:?}: {:.4} of {:.4} and {:.4} of {:.4}, {:.4} full, {left:?}, disproves {:.5}",
                gate.metric,
                pooled.0,
                pooled.1,
                fresh.0,
                fresh.1,
                gate.fullness(),
                gate.to_disprove
            );
        }
        let edges: Vec<_> = (0..engine.choices().strata.len())
            .flat_map(|stratum| Metric::ALL.map(|metric| engine.edges_ms(stratum, metric)))
            .collect();
        let _ = writeln!(
            out,
            "   {} ticks, {} unsteady, D {:.4?}, compared {edges:?}, silent {:?}, old side {:?}",
            evidence.ticks(),
            timeline.unsteady_minutes(),
            evidence.shown_dispersion(),
            evidence.silence(),
            evidence.old_side_bad()
        );
    }
}

#[test]
fn the_engine_counts_random_rollouts_as_it_was_kept() {
    let mut now = String::new();
    for seed in 0..30 {
        let mut rollout = Rollout::of(seed);
        let _ = writeln!(now, "\n## seed {seed}, {:?} requests a minute", rollout.traffic);
        for minute in 0..MINUTES {
            rollout.minute(minute);
            if minute % 9 == 8 {
                rollout.tell(&mut now, minute);
            }
            rollout.step();
        }
    }
    kept_text::holds("numbers.txt", &now);
}
