//! What a rollout will be like: how long, what a fault costs, what the watch costs.
//!
//! Each figure is counted over simulated rollouts of the production controller with
//! today's config. Of what it does not know (how the new side behaves) it assumes the world
//! that it is given.

use super::described::{Change, Described, On};
use super::number::band;
use super::run::{End, Played, SimulateError};
use super::{Tally, play_all};
use crate::config::Config;
use crate::domain::plan::Terms;
use crate::domain::weight::Weight;
use serde::Serialize;
use std::collections::BTreeSet;

/// How many rollouts are simulated, and from which seed on.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Without a fault.
    pub healthy: u64,
    /// For each fault.
    pub each_fault: u64,
    /// The first seed.
    pub seed: u64,
}

/// A forecast. Three numbers are a [`band`].
#[derive(Debug, Serialize)]
pub struct Forecast {
    /// Version of this form.
    pub schema_version: u32,
    /// What was assumed.
    pub world: String,
    /// Requests a minute on average.
    pub requests_per_minute: f64,
    /// Where it starts and why.
    pub start: String,
    /// What the engine would choose from the old side's last day: relative margin,
    /// burst tolerance, and more, one sentence each.
    pub chosen: Vec<String>,
    /// Rollouts without a fault.
    pub healthy: Healthy,
    /// What each fault would do.
    pub faults: Vec<Outlook>,
    /// What AWS charges.
    pub price: Price,
}

/// Rollouts without a fault.
#[derive(Debug, Serialize)]
pub struct Healthy {
    /// How many were simulated.
    pub rollouts: usize,
    /// Completed.
    pub completed: usize,
    /// Rolled back: a false alarm.
    pub rolled_back: usize,
    /// Minutes from the start to the end of those completed.
    pub minutes: Option<[u64; 3]>,
    /// Minutes in each stage, of rollouts that left it upwards.
    pub stages: Vec<InStage>,
}

/// Time in one stage.
#[derive(Debug, Serialize)]
pub struct InStage {
    /// Its share, percent.
    pub share_percent: f64,
    /// Rollouts that were in it.
    pub rollouts: usize,
    /// Minutes in it.
    pub minutes: Option<[u64; 3]>,
}

/// What one fault would do.
#[derive(Debug, Serialize)]
pub struct Outlook {
    /// What is wrong with the new side.
    pub fault: String,
    /// How many rollouts were simulated.
    pub rollouts: usize,
    /// Rolled back.
    pub rolled_back: usize,
    /// Completed: the fault was missed.
    pub missed: usize,
    /// Neither: held until the world ended.
    pub held: usize,
    /// Minutes from the fault to the rollback.
    pub minutes: Option<[u64; 3]>,
    /// Requests to the new side from the fault to the rollback.
    pub requests: Option<[u64; 3]>,
    /// Of these, failed or took longer than 500 ms.
    pub hurt: Option<[u64; 3]>,
}

/// What AWS charges for 30 days in which a rollout is open, US dollars.
#[derive(Debug, Serialize)]
pub struct Price {
    /// Metrics asked for by one tick.
    pub metrics_per_tick: usize,
    /// `GetMetricData`, 0.01 for 1,000 metrics.
    pub cloudwatch_a_month: f64,
    /// Lambda: a tick a minute of one second and 256 MB on ARM64.
    pub lambda_a_month: f64,
}

/// Faults that are tried: name, from which share on, and what changes.
fn faults(terms: &Terms) -> Vec<(String, Change)> {
    let none = Change {
        on: On::New,
        route: None,
        minutes: Vec::new(),
        from_share: None,
        minutes_there: Vec::new(),
        first_minutes_of_stage: None,
        every: None,
        at: 0,
        chance: None,
        errors: 0.0,
        scale: 1.0,
        scale_each_minute: 1.0,
        median_ms: None,
        very_slow: 0.0,
        different: 0.0,
        traffic: 1.0,
    };
    let kinds = [
        ("errors + 1 point", Change { errors: 0.01, ..none.clone() }),
        ("errors + 5 points", Change { errors: 0.05, ..none.clone() }),
        ("outage", Change { errors: 1.0, ..none.clone() }),
        (
            "median 20% over its limit",
            Change { median_ms: Some(1.2 * terms.slo.p50_ms), ..none.clone() },
        ),
        ("latency four times as long", Change { scale: 4.0, ..none.clone() }),
        ("3% take 630 ms or more", Change { very_slow: 0.03, ..none.clone() }),
        ("down one minute in ten", Change { errors: 1.0, every: Some(10), at: 7, ..none.clone() }),
    ];
    let wrong = [
        ("1% of answers wrong", Change { different: 0.01, ..none.clone() }),
        ("every answer wrong", Change { different: 1.0, ..none }),
    ];
    let judged = terms.evidence.wrong_answers().is_some();
    let kinds = kinds.into_iter().chain(wrong.into_iter().filter(|_| judged));
    let middle = terms.stages.get(terms.stages.len() / 2).copied().unwrap_or(Weight::FULL);
    let late = |change: &Change| Change { from_share: Some(middle.percent()), ..change.clone() };
    let mut all = Vec::new();
    for (name, change) in kinds {
        all.push((format!("{name}, from the start"), change.clone()));
        if change.every.is_none() {
            all.push((format!("{name}, from {middle} on"), late(&change)));
        }
    }
    all
}

/// How many rollouts a forecast plays.
pub fn rollouts(config: &Config, effort: Effort) -> u64 {
    let faults = config.rollouts.first().map_or(0, |rollout| faults(&rollout.terms).len());
    effort.healthy + u64::try_from(faults).unwrap_or(0) * effort.each_fault
}

/// Simulates `config`'s one rollout in this world, with and without faults.
///
/// # Errors
/// [`SimulateError`]
pub fn forecast(
    described: &Described,
    config: &Config,
    effort: Effort,
    progress: &(dyn Fn() + Sync),
) -> Result<Forecast, SimulateError> {
    let Some(rollout) = config.rollouts.first() else {
        return Err(SimulateError::Start("the config has no rollout".to_owned()));
    };
    let terms = &rollout.terms;
    let seeds = |count: u64| effort.seed..effort.seed.saturating_add(count);
    let healthy = play_all(described, config, seeds(effort.healthy), brief, progress)?;
    let mut outlooks = Vec::new();
    for (name, change) in faults(terms) {
        let from = change.from_share;
        let mut world = described.clone();
        world.changes.push(change);
        let all = play_all(
            &world,
            config,
            seeds(effort.each_fault),
            |played| Under::of(&played, from),
            progress,
        )?;
        outlooks.push(outlook(name, &all));
    }
    Ok(Forecast {
        schema_version: 1,
        world: terms.labels.fill(&described.what),
        requests_per_minute: described.traffic.per_minute,
        start: healthy.first().map(|brief| brief.start.clone()).unwrap_or_default(),
        chosen: healthy.first().map(|brief| brief.chosen.clone()).unwrap_or_default(),
        healthy: summary(&healthy),
        faults: outlooks,
        price: price(terms),
    })
}

/// What is kept of a rollout without a fault.
struct Brief {
    end: End,
    minutes: u32,
    reached: Vec<(Weight, u32)>,
    start: String,
    chosen: Vec<String>,
}

fn brief(played: Played) -> Brief {
    let start = played.rows.iter().find(|row| row.share > Weight::ZERO);
    let start = start.map(|row| row.message.clone()).unwrap_or_default();
    let start = start.split_once(": ").map_or(start.clone(), |(_, rest)| rest.to_owned());
    let Played { end, minutes, reached, chosen, .. } = played;
    Brief { end, minutes, reached, start, chosen }
}

fn summary(all: &[Brief]) -> Healthy {
    let ended = |end: End| all.iter().filter(move |brief| brief.end == end);
    // The engine adds a bake to the stages of the config.
    let shares: BTreeSet<Weight> =
        all.iter().flat_map(|brief| &brief.reached).map(|(share, _)| *share).collect();
    let stages = shares.iter().map(|stage| {
        let times = all.iter().filter_map(|brief| {
            let at = brief.reached.iter().position(|(share, _)| share == stage)?;
            let left = match brief.reached.get(at + 1) {
                Some((_, minute)) => *minute,
                None if brief.end == End::Completed => brief.minutes,
                None => return None,
            };
            Some(u64::from(left.saturating_sub(brief.reached[at].1)))
        });
        let times: Vec<u64> = times.collect();
        InStage { share_percent: stage.percent(), rollouts: times.len(), minutes: band(times) }
    });
    Healthy {
        rollouts: all.len(),
        completed: ended(End::Completed).count(),
        rolled_back: ended(End::RolledBack).count(),
        minutes: band(ended(End::Completed).map(|brief| u64::from(brief.minutes)).collect()),
        stages: stages.collect(),
    }
}

/// What a rollout met from the fault on.
struct Under {
    end: End,
    minutes: u64,
    new: Tally,
}

impl Under {
    fn of(played: &Played, from_share: Option<f64>) -> Self {
        let from = from_share.and_then(|percent| Weight::from_percent(percent).ok());
        let hit = |share: Weight| from.is_none_or(|from| share >= from) && share > Weight::ZERO;
        let began = played.rows.iter().find(|row| hit(row.share)).map(|row| row.minute);
        let mut new = Tally::default();
        for row in played.rows.iter().filter(|row| began.is_some_and(|began| row.minute >= began)) {
            new += row.new;
        }
        let minutes = played.minutes.saturating_sub(began.unwrap_or(played.minutes));
        Self { end: played.end, minutes: u64::from(minutes), new }
    }
}

fn outlook(fault: String, all: &[Under]) -> Outlook {
    let ended = |end: End| all.iter().filter(move |under| under.end == end);
    let of_rolled_back =
        |pick: fn(&Under) -> u64| band(ended(End::RolledBack).map(pick).collect::<Vec<_>>());
    Outlook {
        fault,
        rollouts: all.len(),
        rolled_back: ended(End::RolledBack).count(),
        missed: ended(End::Completed).count(),
        held: ended(End::Open).count(),
        minutes: of_rolled_back(|under| under.minutes),
        requests: of_rolled_back(|under| under.new.requests),
        hurt: of_rolled_back(|under| under.new.hurt),
    }
}

/// `GetMetricData` costs 0.01 dollars for 1,000 metrics asked for, Lambda on ARM64
/// 0.0000133334 dollars a GB-second and 0.20 a million requests (AWS's price lists for
/// us-east-1).
#[expect(clippy::cast_precision_loss, reason = "some hundreds of metrics")]
fn price(terms: &Terms) -> Price {
    const TICKS_A_MONTH: f64 = 30.0 * 1_440.0;
    let metrics = crate::adapters::cloudwatch::metrics_of(terms);
    Price {
        metrics_per_tick: metrics,
        cloudwatch_a_month: metrics as f64 * TICKS_A_MONTH * 0.01 / 1_000.0,
        lambda_a_month: TICKS_A_MONTH * (0.25 * 0.000_013_333_4 + 0.2 / 1e6),
    }
}
