//! Evidence against the new side: twelve families of bets and four a route.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::Count;
use crate::domain::evidence::math::{lf_abs, lf_rel, log_sum_exp, tilt};
use crate::domain::minute::Minute;
use crate::domain::slo::Metric;

use super::bets::{Bets, Mass, OUTAGE_CAP, PRIOR, ROUTE_SIZES, SIZES};
use super::choices::Choices;
use super::engine::Rules;
use super::noise::Noise;
use super::tally::{Cell, GUARD, Tally};

/// Most that one minute adds to a bet, in nats, divided by the burst tolerance:
/// anything milder than an outage takes three bad minutes.
pub(in crate::domain) const CAP: f64 = 4.0;
/// From this size on a bet against a limit is about an outage.
pub(in crate::domain) const OUTAGE: f64 = 40.0;
/// What a minute-level bet risks: it loses at most this share, however many
/// requests the minute had, so bad minutes add up across good ones.
pub(in crate::domain) const STAKES: [f64; 4] = [0.03, 0.1, 0.3, 0.6];

/// Errors may be twice the old side's and a thousandth of all requests more: less
/// than that nobody would roll back for.
const ERROR_FACTOR: f64 = 2.0;
const ERROR_MARGIN: f64 = 0.001;

/// The guard bets on at least 1.3 times what it excuses, and at most on this.
const LEAST_GUARD_BET: f64 = 1.3 * GUARD;
const MOST_GUARD_BET: f64 = 1e4;
/// The old side excuses with a quarter of the new side's requests, or with so
/// many that chance alone seldom hides an incident from all of them.
const GUARD_SHARE: f64 = 0.25;
const GUARD_REQUESTS: u64 = 5;

/// Share of the budget for the bets on single routes, where there are several.
const ROUTES_SHARE: f64 = 0.25;
const FAMILIES: f64 = 12.0;

/// Which family of bets the evidence against the new side comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lead {
    /// Requests against the limit.
    Limit(Metric),
    /// Requests against the old side.
    OldSide(Metric),
    /// Minutes against the limit: a fault that comes and goes.
    Minutes(Metric),
    /// Requests of one route against the old side.
    Route {
        /// Position among [`Choices::strata`].
        stratum: usize,
        /// The metric.
        metric: Metric,
    },
}

impl Lead {
    /// What it measures.
    pub const fn metric(self) -> Metric {
        match self {
            Self::Limit(metric)
            | Self::OldSide(metric)
            | Self::Minutes(metric)
            | Self::Route { metric, .. } => metric,
        }
    }
}

/// What a family has seen since its evidence last was at or below where it
/// began: the counts that a suspicion rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spell {
    /// First minute of it; `None` while there is no suspicion.
    pub since: Option<Minute>,
    /// Minutes with traffic.
    pub minutes: u32,
    /// Minutes in which the limit was visibly broken.
    pub bad_minutes: u32,
    /// Sum over the minutes of the share of requests that were bad.
    pub share_sum: f64,
    /// The old side: bad among counted.
    pub old: Count,
    /// The new side: bad among counted.
    pub new: Count,
}

impl Spell {
    fn add(&mut self, minute: Minute, visible: bool, old: Count, new: Count) {
        let since = self.since.map_or(minute, |since| since.min(minute));
        self.since = Some(since);
        self.minutes = self.minutes.saturating_add(1);
        self.bad_minutes = self.bad_minutes.saturating_add(u32::from(visible));
        self.share_sum += new.k.min(new.n) as f64 / (new.n as f64).max(1.0);
        self.old.add(old);
        self.new.add(new);
    }
}

/// One family: its bets, and what a suspicion rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family<const K: usize> {
    bets: Bets<K>,
    spell: Spell,
}

impl<const K: usize> Family<K> {
    const NEW: Self = Self {
        bets: Bets::NONE,
        spell: Spell {
            since: None,
            minutes: 0,
            bad_minutes: 0,
            share_sum: 0.0,
            old: Count { k: 0, n: 0 },
            new: Count { k: 0, n: 0 },
        },
    };
}

/// All families.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Against {
    /// Minutes with traffic: the clock of the prior.
    ticks: u64,
    entered: u32,
    /// A stage's entry mass waits for the first minute with traffic.
    entry_pending: bool,
    limit: [Family<6>; 4],
    old_side: [Family<6>; 4],
    minutes: [Family<4>; 4],
    /// Per stratum; empty where there is only one.
    routes: Vec<[Family<3>; 4]>,
}

/// What a minute is bet on with.
pub(super) struct Bet<'a> {
    pub(super) rules: &'a Rules,
    pub(super) choices: &'a Choices,
    pub(super) noise: &'a Noise,
    pub(super) minute: Minute,
    pub(super) tally: &'a Tally,
    /// The first minute of a stage: cold starts say nothing about latency.
    pub(super) entry: bool,
    /// Every route is known and in the tally.
    pub(super) complete: bool,
    /// Stages planned.
    pub(super) stages: u32,
}

impl Against {
    pub(super) fn new(strata: usize) -> Self {
        Self {
            ticks: 0,
            entered: 0,
            entry_pending: true,
            limit: [Family::NEW; 4],
            old_side: [Family::NEW; 4],
            minutes: [Family::NEW; 4],
            routes: vec![[Family::NEW; 4]; if strata > 1 { strata } else { 0 }],
        }
    }

    /// A new stage began.
    pub(super) const fn enter_stage(&mut self) {
        self.entry_pending = true;
    }

    /// Bets on one minute in which the new side has requests.
    pub(super) fn update(&mut self, bet: &Bet<'_>) {
        let injected = self.inject(bet.stages);
        for metric in Metric::ALL {
            let silent = bet.entry && metric.is_latency();
            self.bet_on_limit(bet, metric, injected, silent);
            self.bet_on_old_side(bet, metric, injected, silent);
            self.bet_on_minute(bet, metric, injected, silent);
            self.bet_on_routes(bet, metric, injected, silent);
        }
        self.forget_what_is_no_suspicion(bet.stages);
    }

    /// Prior mass for faults that begin in this minute, for each family.
    fn inject(&mut self, stages: u32) -> Mass {
        let Self { ticks, entered, entry_pending, .. } = self;
        Mass::of(PRIOR.inject(ticks, entered, entry_pending, stages))
    }

    fn bet_on_limit(&mut self, bet: &Bet<'_>, metric: Metric, injected: Mass, silent: bool) {
        let j = metric.index();
        let (new, old) = (bet.tally.new[j], bet.tally.old[j]);
        let limit = bet.rules.limits[j];
        let own_noise = bet.noise.dispersion(metric, new.n);
        let pair_noise = bet.noise.dispersion(metric, new.n.min(old.n));
        let enough = old.n as f64 >= GUARD_SHARE * new.n as f64 || old.n >= GUARD_REQUESTS;
        let guarded = old.n > 0 && enough;
        let old_rate = bet.noise.old_rate(metric, limit);
        let cap = CAP / bet.choices.tolerance(metric);
        let family = &mut self.limit[j];
        family.bets.update(injected, |at| {
            if silent {
                return 0.0;
            }
            let own = bet.rules.limit_bets[j][at].factor(new, own_noise);
            let factor = if guarded {
                let worse = tilt(limit, SIZES[at]);
                let ratio = (worse / old_rate).clamp(LEAST_GUARD_BET, MOST_GUARD_BET);
                let excuse = |cell: &Cell| {
                    if cell.alone {
                        // There is no old side that could excuse this part.
                        let Count { k, n } = cell.new.counts[j];
                        lf_abs(k, n, limit, worse, bet.noise.dispersion(metric, n))
                    } else {
                        lf_rel(cell.limit_pair(metric), GUARD, 0.0, ratio, pair_noise)
                    }
                };
                // The smaller of two valid factors is valid if either null holds.
                own.min(bet.tally.cells.iter().map(excuse).sum())
            } else {
                own
            };
            factor.min(if SIZES[at] >= OUTAGE { OUTAGE_CAP } else { cap })
        });
        if !silent && new.n > 0 {
            family.spell.add(bet.minute, bet.tally.new_visible[j], old, new);
        }
    }

    fn bet_on_old_side(&mut self, bet: &Bet<'_>, metric: Metric, injected: Mass, silent: bool) {
        let j = metric.index();
        let smaller = bet.tally.new[j].n.min(bet.tally.old[j].n);
        let noise = bet.noise.dispersion(metric, smaller);
        let cap = CAP / bet.choices.tolerance(metric);
        let family = &mut self.old_side[j];
        family.bets.update(injected, |at| {
            if silent {
                return 0.0;
            }
            let cells = bet.tally.cells.iter();
            cells.map(|cell| old_side(cell, metric, SIZES[at], noise)).sum::<f64>().min(cap)
        });
        let cells = bet.tally.cells.iter();
        if let Some((old, new)) = compared(cells, metric).filter(|_| !silent) {
            family.spell.add(bet.minute, bet.tally.new_visible[j], old, new);
        }
    }

    fn bet_on_minute(&mut self, bet: &Bet<'_>, metric: Metric, injected: Mass, silent: bool) {
        let j = metric.index();
        let (new, old) = (bet.tally.new[j], bet.tally.old[j]);
        // With routes apart or missing the share of bad requests is one of another mix.
        let silent = silent || new.n == 0 || bet.tally.apart || !bet.complete;
        let share = new.k.min(new.n) as f64 / (new.n as f64).max(1.0);
        let limit = bet.rules.limits[j];
        let allowed = if old.n > 0 {
            let old_share = (old.k.min(old.n) + 1) as f64 / (old.n as f64 + 1.0);
            limit.max(GUARD * old_share)
        } else {
            limit
        };
        let tolerance = bet.choices.tolerance(metric);
        let family = &mut self.minutes[j];
        family.bets.update(injected, |at| {
            let stake = STAKES[at] / tolerance;
            if silent { 0.0 } else { (1.0 - stake + stake * share / allowed).ln() }
        });
        if !silent {
            family.spell.add(bet.minute, bet.tally.new_visible[j], old, new);
        }
    }

    fn bet_on_routes(&mut self, bet: &Bet<'_>, metric: Metric, injected: Mass, silent: bool) {
        let j = metric.index();
        let cap = CAP / bet.choices.tolerance(metric);
        for (stratum, families) in self.routes.iter_mut().enumerate() {
            let cells = || bet.tally.cells.iter().filter(move |cell| cell.stratum == stratum);
            let family = &mut families[j];
            family.bets.update(injected, |at| {
                if silent {
                    return 0.0;
                }
                let factor = |cell: &Cell| {
                    let smaller = cell.new.counts[j].n.min(cell.old.counts[j].n);
                    let noise = bet.noise.dispersion(metric, smaller);
                    old_side(cell, metric, ROUTE_SIZES[at], noise)
                };
                cells().map(factor).sum::<f64>().min(cap)
            });
            if let Some((old, new)) = compared(cells(), metric).filter(|_| !silent) {
                family.spell.add(bet.minute, bet.tally.new_visible[j], old, new);
            }
        }
    }

    /// Prior mass that is not staked yet, the same for every family.
    fn reserve(&self, stages: u32) -> Mass {
        Mass::of(PRIOR.left(self.ticks, self.entered, stages))
    }

    fn forget_what_is_no_suspicion(&mut self, stages: u32) {
        let reserve = self.reserve(stages);
        forget(&mut self.limit, reserve);
        forget(&mut self.old_side, reserve);
        forget(&mut self.minutes, reserve);
        forget(self.routes.as_flattened_mut(), reserve);
    }

    /// Every family with the logarithm of its share of the budget and of its value.
    fn families(&self, stages: u32) -> impl Iterator<Item = (Lead, f64, f64, Spell)> {
        let reserve = self.reserve(stages);
        let strata = self.routes.len();
        let shared = if strata > 1 { 1.0 - ROUTES_SHARE } else { 1.0 };
        let weight = (shared / FAMILIES).ln();
        let route_weight = (ROUTES_SHARE / (4.0 * strata as f64)).ln();
        let of_metric = move |metric: Metric| {
            let j = metric.index();
            let (limit, old, minutes) = (self.limit[j], self.old_side[j], self.minutes[j]);
            [
                (Lead::Limit(metric), weight, limit.bets.log_value(reserve), limit.spell),
                (Lead::OldSide(metric), weight, old.bets.log_value(reserve), old.spell),
                (Lead::Minutes(metric), weight, minutes.bets.log_value(reserve), minutes.spell),
            ]
        };
        let routes = self.routes.iter().enumerate().flat_map(move |(stratum, families)| {
            Metric::ALL.map(|metric| {
                let family = families[metric.index()];
                let lead = Lead::Route { stratum, metric };
                (lead, route_weight, family.bets.log_value(reserve), family.spell)
            })
        });
        Metric::ALL.into_iter().flat_map(of_metric).chain(routes)
    }

    /// What `ln E` cannot exceed: the weights sum to 1, so no more than the largest
    /// bet of all as often as a family has bets, and the reserve.
    pub(super) fn at_most(&self) -> f64 {
        fn largest<const K: usize>(families: &[Family<K>]) -> f64 {
            families.iter().map(|family| family.bets.largest()).fold(0.0, f64::max)
        }
        let largest = largest(&self.limit)
            .max(largest(&self.old_side))
            .max(largest(&self.minutes))
            .max(largest(self.routes.as_flattened()));
        // Six bets and the reserve: ln 7.
        largest + 1.95
    }

    /// `ln E` over all families, the family that contributes most, and what that
    /// one rests on.
    pub(super) fn total(&self, stages: u32) -> (f64, Lead, Spell) {
        let mut terms = Vec::with_capacity(12 + 4 * self.routes.len());
        let mut strongest = (f64::NEG_INFINITY, Lead::Limit(Metric::Err), Spell::default());
        for (lead, weight, value, spell) in self.families(stages) {
            let term = weight + value;
            if term > strongest.0 {
                strongest = (term, lead, spell);
            }
            terms.push(term);
        }
        (log_sum_exp(terms.iter().copied()), strongest.1, strongest.2)
    }

    /// `ln` of each metric's part in `E`.
    pub(super) fn by_metric(&self, stages: u32) -> [f64; 4] {
        let terms: Vec<(Metric, f64)> = self
            .families(stages)
            .map(|(lead, weight, value, _)| (lead.metric(), weight + value))
            .collect();
        Metric::ALL.map(|metric| {
            let own = terms.iter().filter(|(of, _)| *of == metric).map(|(_, term)| *term);
            log_sum_exp(own)
        })
    }

    /// `ln E_f` of one family, before its weight.
    pub(super) fn value(&self, lead: Lead, stages: u32) -> Option<f64> {
        self.families(stages).find(|family| family.0 == lead).map(|family| family.2)
    }

    pub(super) fn fits(&self, strata: usize) -> bool {
        fn sound<const K: usize>(families: &[Family<K>]) -> bool {
            families.iter().all(|family| family.bets.is_sound())
        }
        self.routes.len() == (if strata > 1 { strata } else { 0 })
            && sound(&self.limit)
            && sound(&self.old_side)
            && sound(&self.minutes)
            && sound(self.routes.as_flattened())
    }
}

/// Families whose evidence is no more than it began with rest on nothing.
fn forget<const K: usize>(families: &mut [Family<K>], reserve: Mass) {
    for family in families {
        if family.bets.is_no_suspicion(reserve) {
            family.spell = Spell::default();
        }
    }
}

/// One part's factor against the old side; nothing without requests on both.
fn old_side(cell: &Cell, metric: Metric, size: f64, noise: f64) -> f64 {
    let (factor, margin) = match metric {
        Metric::Err => (ERROR_FACTOR, ERROR_MARGIN),
        Metric::P50 | Metric::P95 | Metric::P99 => (1.0, 0.0),
    };
    lf_rel(cell.compared_pair(metric), factor, margin, factor * size, noise)
}

/// The counts of both sides of the parts that are compared; `None` if none is.
fn compared<'a>(cells: impl Iterator<Item = &'a Cell>, metric: Metric) -> Option<(Count, Count)> {
    let j = metric.index();
    let (mut old, mut new) = (Count::default(), Count::default());
    for cell in cells.filter(|cell| cell.old.compared[j].n > 0 && cell.new.compared[j].n > 0) {
        old.add(cell.old.compared[j]);
        new.add(cell.new.compared[j]);
    }
    (new.n > 0).then_some((old, new))
}
