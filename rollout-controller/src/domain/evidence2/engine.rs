//! The fold: one reading in, the state of the evidence out.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::{ConfigError, Count, Silence};
use crate::domain::minute::{Edges, Histogram, Minute};
use crate::domain::slo::{Metric, Slo};
use crate::domain::weight::Weight;

use super::against::{Against, Bet, Lead, Spell};
use super::bets::LogOdds;
use super::choices::Choices;
use super::consistency::Consistency;
use super::gates::{GateBets, Gates, ProofFrom};
use super::history::History;
use super::noise::Noise;
use super::reading::{Counts, Reading};
use super::settings::Settings;
use super::stages::Stages;
use super::tally::Tally;
use super::verdict::{Breach, GOOD_MINUTES};

/// What the limits mean for counts; known before anything is read.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Largest allowed rate of each metric.
    pub(super) limits: [f64; 4],
    /// Position of each latency limit among the edges: P50, P95, P99.
    pub(super) limit_edges: [usize; 3],
    /// Position of the last edge.
    pub(super) last_edge: usize,
    /// Bets against each limit.
    pub(super) limit_bets: [[LogOdds; 6]; 4],
}

/// The engine of one rollout: settings, limits, stages and choices, checked once.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) slo: Slo,
    pub(super) edges: Edges,
    pub(super) stages: Stages,
    pub(super) choices: Choices,
    pub(super) rules: Rules,
    routes: usize,
    gate_bets: GateBets,
    /// `ln` of the share of the budget for false alarms: 0 is all of it.
    log_share: f64,
}

/// Why there is no engine for a rollout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A setting or limit makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The choices are those of another rollout.
    #[error("the choices were made for other routes or edges; choose again from the history")]
    OtherChoices,
}

/// Why a minute was not folded. The state is then unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// It is not newer than the newest one folded. Each minute counts once.
    #[error("minute {found} is not after {last}, the last one judged")]
    NotNewer {
        /// The minute given.
        found: Minute,
        /// The newest one folded.
        last: Minute,
    },
    /// It has more or fewer parts than the rollout has routes.
    #[error("minute {minute} has {found} routes, the rollout {expected}")]
    Routes {
        /// The minute given.
        minute: Minute,
        /// Its parts.
        found: usize,
        /// The rollout's routes.
        expected: usize,
    },
    /// The state was kept for another rollout; fold the minutes again.
    #[error("the evidence was gathered for other stages or routes; rebuild it from the minutes")]
    OtherRollout,
}

/// The state of the evidence of one rollout. A cache: choices and minutes rebuild it.
///
/// In JSON every number reads back bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub(super) newest: Option<Newest>,
    /// The share of the present stage.
    pub(super) share: Option<Weight>,
    /// No minute of this stage has been judged yet.
    entry_open: bool,
    pub(super) against: Against,
    pub(super) gates: Gates,
    proof_from: ProofFrom,
    pub(super) consistency: Consistency,
    pub(super) noise: Noise,
    pub(super) stage: StageTotals,
    /// Minutes at the last share at which the old side had traffic.
    pub(super) bake: Option<BakeSeen>,
    /// Complete minutes since the old side last was visibly bad.
    pub(super) quiet: u32,
    pub(super) incident: Option<Incident>,
    pub(super) silence: Silence,
    pub(super) rolled_back: Option<Breach>,
}

/// The newest minute folded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Newest {
    pub(super) minute: Minute,
    pub(super) kind: Kind,
    /// `D` of an average minute of the stage, before this minute was learnt: for
    /// the intervals shown.
    pub(super) dispersion: [f64; 4],
}

/// What the newest minute can say about the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Complete, with requests on the new side.
    Judged,
    /// Complete, without requests on the new side.
    Silent {
        /// Whether the old side had some.
        old: bool,
    },
    /// Complete, with routes at different shares.
    Apart {
        /// The first route with another share than the rollout.
        route: usize,
        /// That share.
        weight: Weight,
    },
    /// Complete, but of code that is not the present one.
    OfOtherCode,
    /// Not all routes are known.
    Unknown,
}

/// The last minute in which the old side visibly broke a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incident {
    pub(super) minute: Minute,
    /// The first of its minutes: since then the old side never had three good
    /// minutes in a row.
    pub(super) since: Minute,
    pub(super) metric: Metric,
    pub(super) old: Count,
    pub(super) new: Count,
    /// The new side broke it visibly too.
    pub(super) both: bool,
}

/// The bake as far as it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BakeSeen {
    pub(super) share: Weight,
    pub(super) minutes: u32,
}

/// Counts of the present stage, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTotals {
    /// Complete minutes, with or without traffic.
    pub minutes: u32,
    /// The old side, per metric: bad among counted.
    pub old: [Count; 4],
    /// The new side, per metric: bad among counted, without the minutes that do
    /// not count (entry minute for latency, excused ones).
    pub new: [Count; 4],
    /// Minutes that each of these rests on.
    pub counted_minutes: [u32; 4],
    /// Requests of the new side in all minutes of the stage.
    pub requests: u64,
    /// Latencies of the old side.
    pub old_latency: Histogram,
    /// Latencies of the new side.
    pub new_latency: Histogram,
}

impl Engine {
    /// What the old side's last day decides. To be journalled with the start.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting or limit that makes no sense.
    pub fn choose(
        settings: &Settings,
        slo: &Slo,
        edges: &Edges,
        history: &History,
    ) -> Result<Choices, ConfigError> {
        settings.check(slo, edges)?;
        Ok(Choices::from_history(&Rules::new(slo, edges), settings, history))
    }

    /// The engine of a rollout over this many routes.
    ///
    /// # Errors
    /// [`EngineError`] if a setting makes no sense, or the choices do not fit.
    pub fn new(
        settings: Settings,
        slo: Slo,
        edges: Edges,
        stages: Stages,
        choices: Choices,
    ) -> Result<Self, EngineError> {
        settings.check(&slo, &edges)?;
        let routes = choices.strata.iter().map(|stratum| stratum.routes.len()).sum();
        if !choices.fits(routes, edges.as_ms().len()) {
            return Err(EngineError::OtherChoices);
        }
        let rules = Rules::new(&slo, &edges);
        let gate_bets = GateBets::new(&stages, &rules.limits);
        Ok(Self { settings, slo, edges, stages, choices, rules, routes, gate_bets, log_share: 0.0 })
    }

    /// The same with this share of the budget for false alarms, above 0.0 to 1.0: the rest is
    /// another objective's, so that `alpha` bounds both together.
    #[must_use]
    pub fn with_share(self, share: f64) -> Self {
        Self { log_share: share.ln(), ..self }
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The objectives.
    pub const fn slo(&self) -> &Slo {
        &self.slo
    }

    /// The planned shares.
    pub const fn stages(&self) -> &Stages {
        &self.stages
    }

    /// What the old side's last day decided.
    pub const fn choices(&self) -> &Choices {
        &self.choices
    }

    /// Bounds between the latency buckets.
    pub const fn edges(&self) -> &Edges {
        &self.edges
    }

    /// The evidence at the start: none.
    pub fn start(&self) -> Evidence {
        Evidence {
            newest: None,
            share: None,
            entry_open: true,
            against: Against::new(self.choices.strata()),
            gates: Gates::new(&self.stages),
            proof_from: ProofFrom::default(),
            consistency: Consistency::default(),
            noise: self.choices.noise,
            stage: StageTotals::default(),
            bake: None,
            quiet: self.choices.quiet_minutes,
            incident: None,
            silence: Silence::default(),
            rolled_back: None,
        }
    }

    /// Folds the next minute. A minute between the newest one and this one that
    /// was never given is lost: it counts as not known.
    ///
    /// # Errors
    /// [`FoldError`]; the evidence is then unchanged.
    pub fn fold(&self, evidence: &mut Evidence, reading: &Reading) -> Result<(), FoldError> {
        self.fits(evidence, reading)?;
        if let Some(newest) = evidence.newest {
            if reading.minute <= newest.minute {
                return Err(FoldError::NotNewer { found: reading.minute, last: newest.minute });
            }
            if reading.minute > newest.minute.plus(1) {
                evidence.interrupt();
            }
        }
        if evidence.share != Some(reading.share) {
            evidence.enter(reading.share);
        }
        let complete = reading.is_complete();
        // A minute that is only partly known may be the first of its stage, but
        // leaves that excuse to the first one that is judged.
        let entry = evidence.entry_open;
        evidence.entry_open = entry && !complete;
        let tally = self.rules.tally(&self.choices, reading, &[]);
        self.bet(evidence, reading.minute, &tally, entry, complete);
        evidence.note_incident(&tally, reading.minute, complete);
        if complete {
            self.judge(evidence, reading, &tally, entry);
        } else {
            evidence.interrupt();
        }
        let dispersion = evidence.average_dispersion();
        let kind = evidence.kind(reading, &tally, complete);
        evidence.newest = Some(Newest { minute: reading.minute, kind, dispersion });
        self.latch(evidence);
        if complete {
            // Last, so that every bet on this minute was placed before it was learnt.
            evidence.noise.learn(&tally.old, &tally.new);
        }
        Ok(())
    }

    /// Adds a minute that came too late to prove anything: the bets against take
    /// the routes that were not known before (`known_before`), a bad minute joins
    /// the whole rollout's average.
    ///
    /// `entry`: it was the first minute of its stage, or before it.
    ///
    /// # Errors
    /// [`FoldError`]; the evidence is then unchanged.
    pub fn fold_late(
        &self,
        evidence: &mut Evidence,
        reading: &Reading,
        known_before: &[bool],
        entry: bool,
    ) -> Result<(), FoldError> {
        self.fits(evidence, reading)?;
        let complete = reading.is_complete();
        let news = self.rules.tally(&self.choices, reading, known_before);
        let whole_minute = complete && !known_before.contains(&true);
        self.bet(evidence, reading.minute, &news, entry, whole_minute);
        if complete && evidence.proof_from.allows(reading.minute) {
            let tally = self.rules.tally(&self.choices, reading, &[]);
            let bad = bad(&tally, entry);
            if bad.iter().any(Option::is_some) {
                evidence.consistency.add_late(reading.minute, bad);
            }
        }
        self.latch(evidence);
        Ok(())
    }

    /// Minutes up to this one are lost: older than anything that is read again.
    pub fn fold_lost(&self, evidence: &mut Evidence, through: Minute) {
        let Some(newest) = &mut evidence.newest else { return };
        if through > newest.minute {
            *newest = Newest { minute: through, kind: Kind::Unknown, ..*newest };
            evidence.interrupt();
        }
    }

    /// New code runs on a side: whatever was proven, was proven of other code.
    /// Minutes before `from`, the first one that is surely of the new code, count
    /// only against. Evidence against stays.
    pub fn restart_proof(&self, evidence: &mut Evidence, from: Minute) {
        evidence.gates = Gates::new(&self.stages);
        evidence.proof_from = ProofFrom::minute(from);
        evidence.consistency = Consistency::default();
        evidence.stage = StageTotals::default();
        evidence.bake = None;
        if let Some(newest) = &mut evidence.newest {
            newest.kind = Kind::OfOtherCode;
        }
    }

    /// Whether this reading and this state belong to this rollout.
    pub(super) fn fits(&self, evidence: &Evidence, reading: &Reading) -> Result<(), FoldError> {
        if reading.parts.len() != self.routes {
            let (minute, found) = (reading.minute, reading.parts.len());
            return Err(FoldError::Routes { minute, found, expected: self.routes });
        }
        let fits = evidence.against.fits(self.choices.strata())
            && evidence.gates.fits(&self.stages)
            && evidence.noise.is_sound();
        if fits { Ok(()) } else { Err(FoldError::OtherRollout) }
    }

    fn bet(
        &self,
        evidence: &mut Evidence,
        minute: Minute,
        tally: &Tally,
        entry: bool,
        complete: bool,
    ) {
        if tally.requests_new() == 0 {
            return;
        }
        let stages = self.stages.planned();
        let (rules, choices, noise) = (&self.rules, &self.choices, &evidence.noise);
        let bet = Bet { rules, choices, noise, minute, tally, entry, complete, stages };
        evidence.against.update(&bet);
    }

    /// What only a complete minute says: proof, and the counts that people see.
    fn judge(&self, evidence: &mut Evidence, reading: &Reading, tally: &Tally, entry: bool) {
        evidence.note_silence(reading.share, tally);
        evidence.stage.add_seen(reading, tally);
        if !evidence.proof_from.allows(reading.minute) {
            return;
        }
        let has_data = tally.requests_new() > 0;
        if has_data && !entry && !tally.apart {
            let next = self.stages.position_after(reading.share);
            let next = next.unwrap_or(self.stages.shares().len() - 1);
            let noise = &evidence.noise;
            let dispersion =
                Metric::ALL.map(|metric| noise.dispersion(metric, tally.new[metric.index()].n));
            let gates = &mut evidence.gates;
            gates.update(&self.gate_bets, next, &tally.new, &dispersion, tally.old_visible);
            if reading.share == self.stages.bake() {
                let minutes = evidence.gates.ticks();
                evidence.bake = Some(BakeSeen { share: reading.share, minutes });
            }
        }
        evidence.stage.add_counted(tally, entry);
        if has_data {
            evidence.consistency.add(reading.minute, bad(tally, entry));
        }
    }

    /// Once rollback, always rollback: the evidence may fall again.
    fn latch(&self, evidence: &mut Evidence) {
        if evidence.against.at_most() < self.settings.rollback_threshold() {
            return;
        }
        let (log_e, lead, spell) = self.total(evidence);
        if log_e >= self.settings.rollback_threshold() && evidence.rolled_back.is_none() {
            evidence.rolled_back = Some(self.breach(evidence, log_e, lead, spell));
        }
    }

    /// `ln E` as a part of the whole budget, the family that leads, and what that rests on.
    pub(super) fn total(&self, evidence: &Evidence) -> (f64, Lead, Spell) {
        let (log_e, lead, spell) = evidence.against.total(self.stages.planned());
        (log_e + self.log_share, lead, spell)
    }

    /// `ln E`, the evidence against the new side, and the family that leads.
    pub fn suspicion(&self, evidence: &Evidence) -> (f64, Lead) {
        let (log_e, lead, _) = self.total(evidence);
        (log_e, lead)
    }

    /// What each metric's families contribute to `E`, weighted as they are in it: `ln`.
    pub fn suspicion_by_metric(&self, evidence: &Evidence) -> [f64; 4] {
        evidence.against.by_metric(self.stages.planned()).map(|log_e| log_e + self.log_share)
    }

    /// `ln E_f` of one family before its weight; `None` if there is no such route.
    /// For `--explain`: never the certainty of a rollback.
    pub fn family(&self, evidence: &Evidence, family: Lead) -> Option<f64> {
        evidence.against.value(family, self.stages.planned())
    }
}

/// Per metric the counts of a minute that counts as bad.
fn bad(tally: &Tally, entry: bool) -> [Option<Count>; 4] {
    Metric::ALL.map(|metric| {
        let j = metric.index();
        let counts = !(tally.excused[j] || (entry && metric.is_latency()));
        (counts && tally.new_visible[j]).then_some(tally.new[j])
    })
}

impl Evidence {
    /// The newest minute folded; `None` before the first.
    pub fn newest_minute(&self) -> Option<Minute> {
        self.newest.map(|newest| newest.minute)
    }

    /// The share of the newest minute folded; `None` before the first.
    pub const fn share(&self) -> Option<Weight> {
        self.share
    }

    /// `D` of an average minute of the stage, per metric, for the intervals shown.
    pub fn shown_dispersion(&self) -> [f64; 4] {
        self.newest.map_or([1.0; 4], |newest| newest.dispersion)
    }

    /// The limit that the old side breaks by itself, and since when: until it had
    /// three good minutes in a row.
    pub fn old_side_bad(&self) -> Option<(Metric, Minute)> {
        let incident = self.incident.filter(|_| self.quiet < GOOD_MINUTES)?;
        Some((incident.metric, incident.since))
    }

    /// Counts of the present stage.
    pub const fn stage(&self) -> &StageTotals {
        &self.stage
    }

    /// Minutes that counted for the next step in this stage.
    pub const fn ticks(&self) -> u32 {
        self.gates.ticks()
    }

    /// How long the new side has been silent although it should not be.
    pub const fn silence(&self) -> Silence {
        self.silence
    }

    /// Why the rollout is to be rolled back, as it was when the evidence reached
    /// the threshold.
    pub const fn rolled_back(&self) -> Option<&Breach> {
        self.rolled_back.as_ref()
    }

    /// `D` of a metric for a minute of `n` requests.
    pub fn dispersion(&self, metric: Metric, n: u64) -> f64 {
        self.noise.dispersion(metric, n)
    }

    pub(super) const fn keep_rollback(&mut self, before: Option<Breach>) {
        if let Some(before) = before {
            self.rolled_back = Some(before);
        }
    }

    /// Whether a minute with this share would be the first of its stage.
    pub(super) fn begins_stage(&self, share: Weight) -> bool {
        self.entry_open || self.share != Some(share)
    }

    fn enter(&mut self, share: Weight) {
        self.share = Some(share);
        self.entry_open = true;
        self.against.enter_stage();
        self.gates.restart_fresh();
        self.stage = StageTotals::default();
    }

    /// A minute is not known: the stage's own proof begins again, and the next
    /// minute does not follow the last.
    fn interrupt(&mut self) {
        self.gates.restart_fresh();
        self.noise.interrupt();
    }

    fn note_incident(&mut self, tally: &Tally, minute: Minute, complete: bool) {
        let visible = Metric::ALL.into_iter().find(|metric| tally.old_visible[metric.index()]);
        if let Some(metric) = visible {
            let j = metric.index();
            let (old, new) = (tally.old[j], tally.new[j]);
            let both = tally.new_visible[j];
            let before = self.incident.filter(|_| self.quiet < GOOD_MINUTES);
            let since = before.map_or(minute, |before| before.since);
            self.incident = Some(Incident { minute, since, metric, old, new, both });
            self.quiet = 0;
        } else if complete {
            self.quiet = self.quiet.saturating_add(1);
        }
    }

    fn note_silence(&mut self, share: Weight, tally: &Tally) {
        if tally.requests_new() > 0 || share == Weight::ZERO {
            self.silence = Silence::default();
            return;
        }
        self.silence.minutes = self.silence.minutes.saturating_add(1);
        if share < Weight::FULL {
            let old = tally.requests_old() as f64;
            self.silence.expected += old * share.ratio() / (1.0 - share.ratio());
        }
    }

    fn kind(&self, reading: &Reading, tally: &Tally, complete: bool) -> Kind {
        if !complete {
            Kind::Unknown
        } else if !self.proof_from.allows(reading.minute) {
            Kind::OfOtherCode
        } else if tally.requests_new() == 0 {
            Kind::Silent { old: tally.requests_old() > 0 }
        } else {
            let mut parts = reading.parts.iter().enumerate();
            match parts.find(|(_, part)| part.weight != reading.share) {
                Some((route, part)) => Kind::Apart { route, weight: part.weight },
                None => Kind::Judged,
            }
        }
    }

    fn average_dispersion(&self) -> [f64; 4] {
        Metric::ALL.map(|metric| {
            let j = metric.index();
            let minutes = u64::from(self.stage.counted_minutes[j].max(1));
            self.noise.dispersion(metric, self.stage.new[j].n / minutes)
        })
    }
}

impl StageTotals {
    fn add_seen(&mut self, reading: &Reading, tally: &Tally) {
        self.minutes = self.minutes.saturating_add(1);
        self.requests = self.requests.saturating_add(tally.requests_new());
        for (sum, &count) in self.old.iter_mut().zip(&tally.old) {
            sum.add(count);
        }
        for part in &reading.parts {
            if let Counts::Known { old, new } = &part.counts {
                self.old_latency += &old.latency;
                self.new_latency += &new.latency;
            }
        }
    }

    fn add_counted(&mut self, tally: &Tally, entry: bool) {
        for metric in Metric::ALL {
            let j = metric.index();
            if !(tally.excused[j] || (entry && metric.is_latency())) {
                self.new[j].add(tally.new[j]);
                self.counted_minutes[j] = self.counted_minutes[j].saturating_add(1);
            }
        }
    }
}
