//! What the evidence means for the share that is in force.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::math::{gate_limit, kl};
use crate::domain::evidence::{Count, Rate, Silence, interval};
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;
use crate::domain::weight::Weight;

use super::against::{Lead, Spell};
use super::consistency::BadMinute;
use super::engine::{Engine, Evidence, Incident, Kind};
use super::gates::{FRESH_PROOF, LEAST_TICKS, WATCH_TICKS};

/// Good minutes after the old side broke a limit before a step is taken: what
/// has just begun or just ended must not be mixed up with the step.
pub(super) const GOOD_MINUTES: u32 = 3;
/// Share of looks at which an interval shown to people may miss: 95%.
const MISS: f64 = 0.05;

/// Where the rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The share in force.
    pub share: Weight,
    /// The bake was left, by proof or by a person. Only then is 100% a mere watch.
    pub baked: bool,
}

/// What the evidence says, before calendars, pauses and alarms are asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[must_use]
pub enum Verdict {
    /// The new side breaks a limit or is worse than the old one. Stays so.
    Breach(Breach),
    /// The next step, or completion, is proven.
    Proven(Proven),
    /// Neither.
    Unproven(Unproven),
}

/// The evidence that a rollback rests on, as it was when it reached the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breach {
    /// The minute that decided.
    pub minute: Minute,
    /// The share in force in it.
    pub share: Weight,
    /// `ln E`, the total evidence: false alarm at most 1 in `E`.
    pub log_e: f64,
    /// The family that contributes most.
    pub lead: Lead,
    /// The counts that it rests on.
    pub spell: Spell,
    /// Largest allowed rate of the metric.
    pub limit: f64,
    /// Slow means slower than this on the new side, milliseconds. `None` for
    /// errors, and where the routes differ in it.
    pub new_ms: Option<f64>,
    /// The same on the old side.
    pub old_ms: Option<f64>,
}

/// What was shown before a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The share at which it was shown.
    pub share: Weight,
    /// The next share; `None` when the rollout is complete.
    pub next: Option<Weight>,
    /// Minutes that counted for the step.
    pub minutes: u32,
    /// The new side's errors in this stage, and the minutes they were counted in.
    pub errors: Count,
    /// One more than `minutes` where the stage's first minute had traffic.
    pub error_minutes: u32,
    /// The bake: its share and minutes, once it was begun.
    pub bake: Option<(Weight, u32)>,
}

/// Why nothing follows yet: never empty, the reason that tells most first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unproven(Vec<Hold>);

impl Unproven {
    /// The reason that tells a person most.
    pub fn reason(&self) -> &Hold {
        &self.0[0]
    }

    /// All of them.
    pub fn reasons(&self) -> &[Hold] {
        &self.0
    }
}

/// One reason to stay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// Nothing was folded yet, or the newest minute is from before the last change
    /// of share: it counts against, but not for.
    EarlierStage {
        /// The newest minute and its share.
        newest: Option<(Minute, Weight)>,
    },
    /// The newest minute is of other code than is deployed.
    OfOtherCode {
        /// The newest minute.
        minute: Minute,
    },
    /// Not every route of the newest minute is known.
    Unread {
        /// The newest minute.
        minute: Minute,
    },
    /// Routes have different shares.
    Apart {
        /// A route whose share differs.
        route: usize,
        /// Its share.
        weight: Weight,
        /// The rollout's.
        share: Weight,
    },
    /// No request on either side in the newest minute.
    NoTraffic {
        /// The newest minute.
        minute: Minute,
    },
    /// The old side had requests, the new one none.
    NoTrafficOnNew {
        /// How long, and how many requests were due.
        silence: Silence,
    },
    /// The old side breaks a limit by itself.
    OldSideBad {
        /// The limit.
        metric: Metric,
        /// When last.
        minute: Minute,
        /// The old side in that minute.
        old: Count,
        /// The new side in that minute.
        new: Count,
        /// The new side broke it visibly too.
        both: bool,
        /// Good minutes still needed.
        good_minutes_needed: u32,
    },
    /// The last 15 minutes were too bad on average.
    RecentlyBad {
        /// The limit.
        metric: Metric,
        /// Bad minutes among the last 15.
        bad_minutes: u32,
        /// The newest of them.
        last: BadMinute,
        /// Share that was bad in an average minute of the 15.
        mean: f64,
        /// The minute that frees the step if all from now on are good.
        free_at: Minute,
    },
    /// The interval shown for this stage lies above the limit.
    AboveLimit {
        /// The limit.
        metric: Metric,
        /// The new side in this stage.
        rate: Rate,
    },
    /// The whole rollout was too bad in an average minute.
    WholeRun {
        /// The limit.
        metric: Metric,
        /// Visibly bad minutes of the rollout.
        bad_minutes: u64,
        /// Minutes with traffic.
        minutes: u64,
        /// Share that was bad in an average one.
        mean: f64,
        /// Good minutes that would bring it below the limit.
        good_minutes_needed: u64,
    },
    /// The evidence against the new side is half way to a rollback.
    Suspicion {
        /// What it rests on.
        breach: Breach,
    },
    /// No minute of this stage counts yet: the first one never does.
    FirstMinutes,
    /// A limit is not proven for the next step.
    NotProven {
        /// The one that takes longest, or that will never be.
        gate: Gate,
        /// About how long.
        left: MinutesLeft,
    },
    /// Proven; the stage, bake or watch takes longer.
    TooShort {
        /// Minutes so far that counted.
        minutes: u32,
        /// Minutes required.
        required: u32,
        /// What takes so long.
        leg: Leg,
    },
}

/// Part of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// Below the bake's share.
    Stage,
    /// The bake: while the old side has traffic, or at 100% if it never had one.
    Bake,
    /// At 100%, after the bake.
    Watch,
}

/// Proof of one limit for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The limit.
    pub metric: Metric,
    /// The step it is for: the next share, or 100%.
    pub step: Weight,
    /// The rate that must be disproved for it; at least the limit.
    pub to_disprove: f64,
    /// Proof over the whole rollout, nats, and what is needed; at 100% none is.
    pub pooled: (f64, f64),
    /// Proof of this stage alone, nats, and what is needed.
    pub fresh: (f64, f64),
    /// The new side in this stage.
    pub rate: Rate,
}

impl Gate {
    /// Whether both proofs are full.
    pub fn is_open(&self) -> bool {
        self.pooled.0 >= self.pooled.1 && self.fresh.0 >= self.fresh.1
    }

    /// How full the proof is, 0.0 to 1.0: the emptier of the two.
    pub fn fullness(&self) -> f64 {
        let part = |(has, needs): (f64, f64)| if needs > 0.0 { has / needs } else { 1.0 };
        part(self.pooled).min(part(self.fresh)).clamp(0.0, 1.0)
    }
}

/// How long the proof will take at this traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinutesLeft {
    /// About this many, rounded up.
    About(u64),
    /// At the rate seen it will never be complete.
    NotOnCourse,
    /// Too few requests for an estimate.
    TooEarly,
}

/// What a leg asks for.
struct Needs {
    leg: Leg,
    minutes: u32,
    /// Per metric at the same time, over the whole rollout; `None` at 100%.
    pooled: Option<f64>,
    fresh: f64,
    /// The rule about the whole rollout.
    whole_run: bool,
    /// The old side can exonerate, so suspicion can fall again.
    compared: bool,
}

impl Engine {
    fn needs(&self, at: Position) -> Needs {
        let full = self.settings.proof_threshold();
        let compared = at.share < Weight::FULL;
        if at.share < self.stages.bake() {
            let (minutes, pooled) = (LEAST_TICKS, Some(full));
            return Needs {
                leg: Leg::Stage,
                minutes,
                pooled,
                fresh: FRESH_PROOF.min(full),
                whole_run: false,
                compared,
            };
        }
        if compared || !at.baked {
            return Needs {
                leg: Leg::Bake,
                minutes: self.settings.bake_minutes,
                pooled: compared.then_some(full),
                fresh: full,
                whole_run: true,
                compared,
            };
        }
        Needs {
            leg: Leg::Watch,
            minutes: WATCH_TICKS,
            pooled: None,
            fresh: FRESH_PROOF.min(full),
            whole_run: true,
            compared,
        }
    }

    /// What the evidence means for a rollout at this position.
    pub fn verdict(&self, evidence: &Evidence, at: Position) -> Verdict {
        if let Some(breach) = evidence.rolled_back {
            return Verdict::Breach(breach);
        }
        let reasons = self.reasons(evidence, at);
        if !reasons.is_empty() {
            return Verdict::Unproven(Unproven(reasons));
        }
        let bake = evidence.bake.map(|bake| (bake.share, bake.minutes));
        Verdict::Proven(Proven {
            share: at.share,
            next: self.stages.after(at.share),
            minutes: evidence.gates.ticks(),
            errors: evidence.stage.new[Metric::Err.index()],
            error_minutes: evidence.stage.counted_minutes[Metric::Err.index()],
            bake,
        })
    }

    /// Everything that forbids a step, the most telling first: what is wrong with
    /// the minute itself, what was bad, what is merely missing.
    fn reasons(&self, evidence: &Evidence, at: Position) -> Vec<Hold> {
        let needs = self.needs(at);
        let Some(newest) = evidence.newest else {
            return vec![Hold::EarlierStage { newest: None }];
        };
        let minute = newest.minute;
        let mut reasons = Vec::new();
        match newest.kind {
            Kind::Unknown => reasons.push(Hold::Unread { minute }),
            Kind::OfOtherCode => reasons.push(Hold::OfOtherCode { minute }),
            Kind::Apart { route, weight } => {
                reasons.push(Hold::Apart {
                    route,
                    weight,
                    share: evidence.share.unwrap_or(at.share),
                });
            }
            Kind::Silent { old: false } => reasons.push(Hold::NoTraffic { minute }),
            Kind::Silent { old: true } => {
                reasons.push(Hold::NoTrafficOnNew { silence: evidence.silence });
            }
            Kind::Judged => {}
        }
        let of_this_stage = evidence.share == Some(at.share);
        if !of_this_stage {
            let newest = evidence.share.map(|share| (minute, share));
            reasons.push(Hold::EarlierStage { newest });
        }
        reasons.extend(old_side_bad(evidence));
        let half = 0.5 * self.settings.rollback_threshold();
        if needs.compared && evidence.against.at_most() >= half {
            let (log_e, lead, spell) = self.total(evidence);
            if log_e >= half {
                let breach = self.breach(evidence, log_e, lead, spell);
                reasons.push(Hold::Suspicion { breach });
            }
        }
        for metric in Metric::ALL {
            reasons.extend(self.recently_bad(evidence, metric, minute));
        }
        for metric in Metric::ALL.into_iter().filter(|_| of_this_stage) {
            reasons.extend(self.above_limit(evidence, metric));
        }
        for metric in Metric::ALL.into_iter().filter(|_| needs.whole_run) {
            reasons.extend(self.whole_run(evidence, metric));
        }
        let ticks = evidence.gates.ticks();
        if ticks == 0 || !of_this_stage {
            reasons.push(Hold::FirstMinutes);
            return reasons;
        }
        let minutes_short = needs.minutes.saturating_sub(ticks);
        reasons.extend(self.not_proven(evidence, at, minutes_short));
        if minutes_short > 0 {
            let Needs { leg, minutes: required, .. } = needs;
            reasons.push(Hold::TooShort { minutes: ticks, required, leg });
        }
        reasons
    }

    fn recently_bad(&self, evidence: &Evidence, metric: Metric, newest: Minute) -> Option<Hold> {
        let limit = self.rules.limits[metric.index()];
        let free_in = evidence.consistency.recent_free_in(metric, limit);
        let last = *evidence.consistency.recent(metric).next_back()?;
        let bad_minutes = evidence.consistency.recent(metric).count();
        (free_in > 0).then_some(Hold::RecentlyBad {
            metric,
            bad_minutes: u32::try_from(bad_minutes).unwrap_or(u32::MAX),
            last,
            mean: evidence.consistency.recent_mean(metric),
            free_at: newest.plus(i64::try_from(free_in).unwrap_or(i64::MAX)),
        })
    }

    fn above_limit(&self, evidence: &Evidence, metric: Metric) -> Option<Hold> {
        let j = metric.index();
        let (count, limit) = (evidence.stage.new[j], self.rules.limits[j]);
        // An interval contains its own rate: no need to compute one that is below.
        if count.k as f64 <= limit * count.n as f64 {
            return None;
        }
        let dispersion = evidence.newest?.dispersion[j];
        let above = interval(count.k, count.n, dispersion, MISS).low > limit;
        above.then(|| Hold::AboveLimit { metric, rate: Rate::new(count, dispersion) })
    }

    fn whole_run(&self, evidence: &Evidence, metric: Metric) -> Option<Hold> {
        let limit = self.rules.limits[metric.index()];
        let seen = &evidence.consistency;
        seen.whole_breaks(metric, limit).then(|| Hold::WholeRun {
            metric,
            bad_minutes: seen.whole_bad(metric),
            minutes: seen.minutes(),
            mean: seen.whole_mean(metric),
            good_minutes_needed: seen.whole_free_in(metric, limit).max(1),
        })
    }

    /// Proof of each limit for the next step, in the order of [`Metric::ALL`].
    pub fn gates(&self, evidence: &Evidence, at: Position) -> [Gate; 4] {
        self.bare_gates(evidence, at).map(|gate| with_interval(evidence, gate))
    }

    /// The same with intervals of 0 to 1, which are what takes time.
    fn bare_gates(&self, evidence: &Evidence, at: Position) -> [Gate; 4] {
        let needs = self.needs(at);
        let next = self.stages.position_after(at.share);
        let step = next.map_or(Weight::FULL, |next| self.stages.shares()[next]);
        let pooled = next.map_or([0.0; 4], |next| evidence.gates.pooled(next));
        let fresh = evidence.gates.fresh();
        Metric::ALL.map(|metric| {
            let j = metric.index();
            let Count { k, n } = evidence.stage.new[j];
            Gate {
                metric,
                step,
                to_disprove: gate_limit(self.rules.limits[j], step.ratio()),
                pooled: (pooled[j], needs.pooled.unwrap_or(0.0)),
                fresh: (fresh[j], needs.fresh),
                rate: Rate { k: k.min(n), n, low: 0.0, high: 1.0 },
            }
        })
    }

    /// How long the proof of each limit takes, in the order of [`Metric::ALL`].
    pub fn minutes_left(&self, evidence: &Evidence, at: Position) -> [MinutesLeft; 4] {
        self.bare_gates(evidence, at).map(|gate| minutes_left(evidence, &gate, 1))
    }

    /// The limit whose proof takes longest; `None` if all are proven.
    fn not_proven(&self, evidence: &Evidence, at: Position, least: u32) -> Option<Hold> {
        let mut slowest: Option<(Gate, MinutesLeft)> = None;
        for gate in self.bare_gates(evidence, at).into_iter().filter(|gate| !gate.is_open()) {
            let left = minutes_left(evidence, &gate, least);
            if slowest.is_none_or(|(_, longest)| left.is_longer_than(longest)) {
                slowest = Some((gate, left));
            }
        }
        slowest.map(|(gate, left)| Hold::NotProven { gate: with_interval(evidence, gate), left })
    }

    /// The evidence against the new side, led by its strongest family.
    pub(super) fn breach(
        &self,
        evidence: &Evidence,
        log_e: f64,
        lead: Lead,
        spell: Spell,
    ) -> Breach {
        let metric = lead.metric();
        let (old_ms, new_ms) = match lead {
            Lead::Limit(_) | Lead::Minutes(_) => {
                let limit_ms = self.slo.limit_ms(metric);
                (limit_ms, limit_ms)
            }
            Lead::OldSide(_) => self.common_edges_ms(metric),
            Lead::Route { stratum, .. } => self.edges_ms(stratum, metric).unzip(),
        };
        Breach {
            minute: evidence.newest.map_or(Minute(0), |newest| newest.minute),
            share: evidence.share.unwrap_or(Weight::ZERO),
            log_e,
            lead,
            spell,
            limit: self.rules.limits[metric.index()],
            new_ms,
            old_ms,
        }
    }

    /// Where the two sides are compared, milliseconds `(old, new)`, if it is the
    /// same for all routes.
    fn common_edges_ms(&self, metric: Metric) -> (Option<f64>, Option<f64>) {
        let mut strata = (0..self.choices.strata.len()).map(|at| self.edges_ms(at, metric));
        let first = strata.next().flatten();
        if strata.all(|edges| edges == first) { first.unzip() } else { (None, None) }
    }

    /// Where one part is compared, milliseconds `(old, new)`; `None` for errors and
    /// where it is not compared.
    pub fn edges_ms(&self, stratum: usize, metric: Metric) -> Option<(f64, f64)> {
        let q = metric.index().checked_sub(1)?;
        let edge = usize::from(self.choices.strata.get(stratum)?.edges[q]?);
        let further = (edge + usize::from(self.choices.margin[q])).min(self.rules.last_edge);
        let ms = self.edges.as_ms();
        Some((ms[edge], ms[further]))
    }
}

impl MinutesLeft {
    fn is_longer_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::About(a), Self::About(b)) => a > b,
            (Self::NotOnCourse, Self::About(_) | Self::TooEarly)
            | (Self::TooEarly, Self::About(_)) => true,
            (Self::NotOnCourse | Self::TooEarly | Self::About(_), Self::NotOnCourse)
            | (Self::TooEarly | Self::About(_), Self::TooEarly) => false,
        }
    }
}

fn minutes_left(evidence: &Evidence, gate: &Gate, least: u32) -> MinutesLeft {
    let (k, n) = (gate.rate.k as f64, gate.rate.n as f64);
    let rate = (k + 0.5) / (n + 1.0);
    if rate >= gate.to_disprove {
        // The half request in `rate` must not condemn a service that has just
        // begun: only what was really seen can be off course.
        let off = n > 0.0 && k / n >= gate.to_disprove;
        return if off { MinutesLeft::NotOnCourse } else { MinutesLeft::TooEarly };
    }
    let j = gate.metric.index();
    let a_minute = n / f64::from(evidence.stage.counted_minutes[j].max(1));
    if a_minute <= 0.0 {
        return MinutesLeft::TooEarly;
    }
    let missing = (gate.pooled.1 - gate.pooled.0).max(gate.fresh.1 - gate.fresh.0).max(0.0);
    let dispersion = evidence.newest.map_or(1.0, |newest| newest.dispersion[j]);
    let minutes = missing * dispersion / kl(rate, gate.to_disprove) / a_minute;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates for absurdly slow traffic, and is not negative"
    )]
    let minutes = minutes.max(f64::from(least)).max(1.0).ceil() as u64;
    MinutesLeft::About(minutes)
}

fn with_interval(evidence: &Evidence, gate: Gate) -> Gate {
    let j = gate.metric.index();
    let dispersion = evidence.newest.map_or(1.0, |newest| newest.dispersion[j]);
    Gate { rate: Rate::new(evidence.stage.new[j], dispersion), ..gate }
}

fn old_side_bad(evidence: &Evidence) -> Option<Hold> {
    let Incident { minute, metric, old, new, both, since: _ } = evidence.incident?;
    let good_minutes_needed = GOOD_MINUTES.saturating_sub(evidence.quiet);
    (good_minutes_needed > 0).then_some(Hold::OldSideBad {
        metric,
        minute,
        old,
        new,
        both,
        good_minutes_needed,
    })
}
