//! The fold: one committed minute in, one judgement out.

use super::config::{ConfigError, EvidenceConfig, inside};
use super::detector::Prior;
use super::family::Family;
use super::judged::{Judged, Signal, Traffic};
use super::math::{Pair, gate_limit, lf_abs, lf_rel, log_sum_exp, tilt};
use super::state::{Count, Evidence};
use super::tally::TallyMinute;
use crate::domain::minute::{CommittedMinute, Minute};
use crate::domain::slo::{Metric, Slo};
use crate::domain::weight::Weight;

/// Most that the guard assumes the new side to be worse than the old one.
const MOST_GUARD_RATIO: f64 = 1e4;
/// Least, as a multiple of the excused factor: 1.25 becomes 1.625.
const LEAST_GUARD_STEP: f64 = 1.3;

/// The tests with their settings and limits, checked once.
#[derive(Clone, Debug)]
pub struct Engine {
    config: EvidenceConfig,
    slo: Slo,
    /// Largest allowed rate of each metric.
    limits: [f64; 4],
    /// Position of each latency limit among the edges: P50, P95, P99.
    pub(super) limit_edges: [usize; 3],
    breach_caps: Vec<f64>,
    gate_caps: Vec<f64>,
    prior: Prior,
}

/// Why a minute was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// It is not newer than the last one judged. Each minute counts once.
    #[error("minute {found} is not after {last}, the last one judged")]
    NotNewer {
        /// The minute given.
        found: Minute,
        /// The newest one judged.
        last: Minute,
    },
    /// The state was kept under other settings; fold the minutes again.
    #[error(
        "the evidence was gathered under other settings; rebuild it from the journalled minutes"
    )]
    OtherSettings,
}

impl Engine {
    /// Checks the settings against the objectives.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field that makes no sense.
    pub fn new(config: EvidenceConfig, slo: Slo) -> Result<Self, ConfigError> {
        config.check()?;
        config.check_slo(&slo)?;
        let edge = |metric: Metric| {
            slo.limit_ms(metric).and_then(|ms| config.edges_ms.position(ms)).unwrap_or_default()
        };
        Ok(Self {
            limits: slo.limits(),
            limit_edges: Metric::LATENCY.map(edge),
            breach_caps: config.breach_caps(),
            gate_caps: config.gate_caps(),
            prior: Prior { horizon: config.horizon_ticks, entry_share: config.entry_share },
            config,
            slo,
        })
    }

    /// With the rates given directly instead of by objectives, for test vectors
    /// that carry exceedance counts and no histogram.
    ///
    /// # Errors
    /// [`ConfigError`] as for [`Engine::new`].
    pub fn with_limits(config: EvidenceConfig, limits: [f64; 4]) -> Result<Self, ConfigError> {
        let mut engine = Self::new(config, Slo::default())?;
        for (metric, limit) in Metric::ALL.into_iter().zip(limits) {
            inside(&format!("slo, {}", metric.name()), limit, 0.0, 1.0)?;
        }
        engine.limits = limits;
        Ok(engine)
    }

    /// The settings.
    pub const fn config(&self) -> &EvidenceConfig {
        &self.config
    }

    /// The objectives.
    pub const fn slo(&self) -> &Slo {
        &self.slo
    }

    /// Largest allowed rate of each metric.
    pub const fn limits(&self) -> &[f64; 4] {
        &self.limits
    }

    /// `D` of each metric as estimated so far, at least 1.
    pub fn dispersion(&self, evidence: &Evidence) -> [f64; 4] {
        std::array::from_fn(|j| evidence.dispersion(j, self.config.dispersion_prior))
    }

    /// `ln(1/alpha)`: where evidence against the new side means rollback.
    pub fn rollback_threshold(&self) -> f64 {
        -self.config.alpha.ln()
    }

    /// `ln(1/beta)`: where evidence for the new side opens a gate.
    pub fn gate_threshold(&self) -> f64 {
        -self.config.beta.ln()
    }

    /// The evidence of a new rollout with this many planned stages (at least 1).
    pub fn start(&self, stages_planned: u32) -> Evidence {
        Evidence::empty(self.config.odds.len(), stages_planned)
    }

    /// Judges the next committed minute.
    ///
    /// `next` is the weight that comes after the one in force in that minute
    /// ([`Weight::FULL`] in the last stage and the bake): the gates prove what
    /// that step needs.
    ///
    /// # Errors
    /// [`JudgeError`]; the state is then unchanged.
    pub fn judge(
        &self,
        evidence: &mut Evidence,
        minute: &CommittedMinute,
        next: Weight,
    ) -> Result<Judged, JudgeError> {
        let tally = self.tally_minute(minute, evidence.relative_edges());
        let judged = self.fold(evidence, &tally, next.ratio())?;
        evidence.add_latencies(&minute.old, &minute.new);
        Ok(judged)
    }

    /// Lets a minute count against the new side and for nothing: one that is not
    /// known on every route, or that came too late to prove anything. Its order
    /// does not matter, and nothing is learnt from it.
    ///
    /// # Errors
    /// [`JudgeError::OtherSettings`]; the state is then unchanged.
    pub fn count_against(
        &self,
        evidence: &mut Evidence,
        minute: &CommittedMinute,
    ) -> Result<(), JudgeError> {
        if !evidence.fits(self) {
            return Err(JudgeError::OtherSettings);
        }
        let tally = self.tally_minute(minute, evidence.relative_edges());
        if tally.new.requests == 0 {
            return Ok(());
        }
        let dispersion = self.dispersion(evidence);
        let entry = evidence.weight != Some(minute.weight);
        self.bet_on_breaches(evidence, &tally, entry, &dispersion);
        if self.log_e(evidence) >= self.rollback_threshold() {
            evidence.rolled_back_at.get_or_insert(minute.minute);
        }
        Ok(())
    }

    /// `ln E` of each family, and of all.
    fn log_e_families(&self, evidence: &Evidence) -> [f64; 8] {
        let reserve =
            self.prior.left(evidence.data_ticks, evidence.entered, evidence.stages_planned);
        std::array::from_fn(|f| evidence.breach[f].log_value(reserve))
    }

    fn weighted(&self, log_e_family: &[f64; 8]) -> [f64; 8] {
        let weights = self.config.family_weights.to_array();
        std::array::from_fn(|f| weights[f].ln() + log_e_family[f])
    }

    /// `ln E` over all families.
    fn log_e(&self, evidence: &Evidence) -> f64 {
        log_sum_exp(self.weighted(&self.log_e_families(evidence)))
    }

    /// The six steps of one minute. The last one must stay last: that bets are
    /// placed before the counts they are judged by is what the guarantee rests on.
    ///
    /// # Errors
    /// [`JudgeError`] as for [`Engine::judge`].
    pub fn fold(
        &self,
        evidence: &mut Evidence,
        now: &TallyMinute,
        next_share: f64,
    ) -> Result<Judged, JudgeError> {
        if let Some(last) = evidence.last
            && now.minute <= last
        {
            return Err(JudgeError::NotNewer { found: now.minute, last });
        }
        if !evidence.fits(self) {
            return Err(JudgeError::OtherSettings);
        }
        evidence.last = Some(now.minute);

        // 1. A new weight is a new stage; its first minute is the entry minute.
        let entry = evidence.weight != Some(now.weight);
        if entry {
            evidence.enter_stage(now.weight);
        }
        evidence.note_silence(now.weight, now.old.requests, now.new.requests);
        add_totals(evidence, now, entry);

        let has_data = now.new.requests > 0;
        let dispersion = self.dispersion(evidence);
        let gate_limits = self.limits.map(|s| gate_limit(s, next_share));
        if has_data {
            self.bet_on_breaches(evidence, now, entry, &dispersion); // 2.
            if !entry {
                self.bet_on_gates(evidence, now, &gate_limits, &dispersion); // 3.
            }
        }
        self.watch_the_old_side(evidence, now, &dispersion); // 4.
        let traffic = Traffic::of(now.old.requests, now.new.requests);
        let mut judged = self.verdict(evidence, now.minute, now.weight, traffic, gate_limits); // 5.
        evidence.learn(self, &now.old.counts, &now.new.counts); // 6.
        judged.dispersion = self.dispersion(evidence);
        Ok(judged)
    }

    fn bet_on_breaches(
        &self,
        evidence: &mut Evidence,
        now: &TallyMinute,
        entry: bool,
        dispersion: &[f64; 4],
    ) {
        let injected = self.prior.inject(
            &mut evidence.data_ticks,
            &mut evidence.entered,
            &mut evidence.entry_pending,
            evidence.stages_planned,
        );
        for family in Family::ALL {
            let metric = family.metric();
            // Cold starts: the entry minute says nothing about latency.
            let excused = entry && metric.is_latency();
            let limit = self.limits[metric.index()];
            let old_rate =
                evidence.baseline[metric.index()].rate(limit, self.config.baseline_prior);
            let d = dispersion[metric.index()];
            let factors = self.config.odds.iter().map(|&odds| {
                if excused {
                    0.0
                } else if family.is_relative() {
                    self.relative_factor(metric, now, odds, d)
                } else {
                    self.limit_factor(metric, now, odds, d, old_rate)
                }
            });
            evidence.breach[family.index()].update(injected, factors, &self.breach_caps);
        }
    }

    /// Against the limit, excused by an old side that breaks it nearly as badly.
    fn limit_factor(&self, metric: Metric, now: &TallyMinute, odds: f64, d: f64, old: f64) -> f64 {
        let pair = pair(now.old.counts[metric.index()], now.new.counts[metric.index()]);
        let d = d.min((pair.n_new as f64).max(1.0));
        let limit = self.limits[metric.index()];
        let bet = tilt(limit, odds);
        let own = lf_abs(pair.k_new, pair.n_new, limit, bet, d);
        let guarded =
            pair.n_old > 0 && pair.n_old as f64 >= self.config.guard_min_ratio * pair.n_new as f64;
        if !guarded {
            return own;
        }
        let excused = self.config.guard_factor;
        let ratio = (bet / old).max(excused * LEAST_GUARD_STEP).min(MOST_GUARD_RATIO);
        // The smaller of two valid factors is valid if either null holds.
        own.min(lf_rel(pair, excused, 0.0, ratio, d))
    }

    /// Against the old side in the same minute.
    fn relative_factor(&self, metric: Metric, now: &TallyMinute, odds: f64, d: f64) -> f64 {
        let (pair, factor, margin) = match metric {
            Metric::Err => {
                let pair = pair(now.old.counts[0], now.new.counts[0]);
                (pair, self.config.error_factor, self.config.error_margin)
            }
            Metric::P50 | Metric::P95 | Metric::P99 => {
                let q = metric.index() - 1;
                (pair(now.old.relative[q], now.new.relative[q]), 1.0, 0.0)
            }
        };
        let d = d.min((pair.n_new as f64).max(1.0));
        lf_rel(pair, factor, margin, factor * odds, d)
    }

    fn bet_on_gates(
        &self,
        evidence: &mut Evidence,
        now: &TallyMinute,
        gate_limits: &[f64; 4],
        dispersion: &[f64; 4],
    ) {
        let injected = self.prior.at_gate(evidence.gate_ticks);
        evidence.gate_ticks += 1;
        for (metric, gate) in evidence.gates.iter_mut().enumerate() {
            let Count { k, n } = now.new.counts[metric];
            let limit = gate_limits[metric];
            let d = dispersion[metric].min((n as f64).max(1.0));
            let factors =
                self.config.odds.iter().map(|&r| lf_abs(k, n, limit, tilt(limit, 1.0 / r), d));
            gate.update(injected, factors, &self.gate_caps);
        }
    }

    /// A running alarm on the old side alone. It explains a hold and blocks an
    /// advance; it never causes a rollback.
    fn watch_the_old_side(
        &self,
        evidence: &mut Evidence,
        now: &TallyMinute,
        dispersion: &[f64; 4],
    ) {
        for metric in Metric::ALL.map(Metric::index) {
            let Count { k, n } = now.old.counts[metric];
            let limit = self.limits[metric];
            let bet = tilt(limit, self.config.incident_odds);
            let d = dispersion[metric].min((n as f64).max(1.0));
            let height = evidence.incident[metric] + lf_abs(k, n, limit, bet, d);
            let height = height.clamp(0.0, self.config.incident_cap);
            evidence.incident[metric] = height;
            let since = &mut evidence.incident_since[metric];
            *since = (height >= self.config.incident_on).then(|| since.unwrap_or(now.minute));
        }
    }

    /// What a state says by itself, without a minute of its own.
    pub(super) fn judgement_of(&self, evidence: &Evidence, weight: Weight) -> Judged {
        let minute = evidence.rolled_back_at.or(evidence.last).unwrap_or(Minute(0));
        let mut state = evidence.clone();
        let mut judged = self.verdict(&mut state, minute, weight, Traffic::Both, self.limits);
        judged.dispersion = self.dispersion(evidence);
        judged
    }

    fn verdict(
        &self,
        evidence: &mut Evidence,
        minute: Minute,
        weight: Weight,
        traffic: Traffic,
        gate_limits: [f64; 4],
    ) -> Judged {
        let log_e_family = self.log_e_families(evidence);
        let weighted = self.weighted(&log_e_family);
        let log_e = log_sum_exp(weighted);
        let mut lead = Family::AbsErr;
        for family in Family::ALL {
            if weighted[family.index()] > weighted[lead.index()] {
                lead = family;
            }
        }
        let log_gates = match evidence.gate_ticks {
            0 => [0.0; 4],
            ticks => {
                let reserve = (1.0 - self.config.entry_share) * self.config.horizon_ticks
                    / (self.config.horizon_ticks + f64::from(ticks));
                std::array::from_fn(|j| evidence.gates[j].log_value(reserve))
            }
        };
        let incident_since = evidence.incident_since;
        let proven = log_gates.iter().all(|&g| g >= self.gate_threshold())
            && evidence.gate_ticks >= self.config.min_gate_ticks;
        let signal = if log_e >= self.rollback_threshold() {
            Signal::Rollback
        } else if proven
            && traffic.reached_new()
            && log_e < 0.5 * self.rollback_threshold()
            && incident_since.iter().all(Option::is_none)
        {
            Signal::Advance
        } else {
            Signal::Hold
        };
        if signal == Signal::Rollback {
            evidence.rolled_back_at.get_or_insert(minute);
        }
        Judged {
            minute,
            weight,
            signal,
            rolled_back_at: evidence.rolled_back_at,
            log_e,
            lead,
            log_e_family,
            log_gates,
            gate_limits,
            gate_ticks: evidence.gate_ticks,
            dispersion: [1.0; 4],
            incident_since,
            traffic,
            silence: evidence.silence,
        }
    }
}

fn pair(old: Count, new: Count) -> Pair {
    Pair { k_new: new.k, n_new: new.n, k_old: old.k, n_old: old.n }
}

fn add_totals(evidence: &mut Evidence, now: &TallyMinute, entry: bool) {
    let stage = &mut evidence.stage;
    stage.minutes = stage.minutes.saturating_add(1);
    for metric in 0..4 {
        stage.old[metric].add(now.old.counts[metric]);
        stage.new[metric].add(now.new.counts[metric]);
        if !entry {
            stage.gate[metric].add(now.new.counts[metric]);
        }
    }
    for quantile in 0..3 {
        stage.relative_old[quantile].add(now.old.relative[quantile]);
        stage.relative_new[quantile].add(now.new.relative[quantile]);
    }
}
