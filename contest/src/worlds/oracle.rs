//! What nobody can beat: who knows the rates needs `ln(1/α)/KL` requests.

use rollout_controller::domain::evidence::math::{gate_limit, kl};
use rollout_controller::domain::evidence2::{Stages, start_stage};
use rollout_controller::domain::minute::Edges;
use rollout_controller::domain::slo::{Metric, Slo};

use super::{Route, Service, What, When, World};
use crate::rollout::LAG;

/// Rates of a service with all effects that last: errors, then slower than each edge.
struct Rates {
    errors: f64,
    above: Vec<f64>,
}

impl Rates {
    fn of(service: &Service, edges: &Edges) -> Self {
        let (mut errors, mut over_630) = (service.error_rate, service.over_630);
        let (mut scale, mut latency) = (1.0, service.latency);
        for &(_, what) in &service.effects {
            match what {
                What::Errors(more) => errors += more,
                What::ErrorRate(whole) => errors = whole,
                What::Slower(times) => scale *= times,
                What::Median(ms) => latency.median_ms = ms,
                What::Over630(share) => over_630 = share,
                What::Leak(_) => {}
            }
        }
        let mut left = 1.0;
        let buckets = latency.buckets(edges, scale, over_630);
        let above = buckets.iter().map(|bucket| {
            left -= bucket;
            left.max(0.0)
        });
        Self { errors, above: above.collect() }
    }

    /// Against the limits, in the order of [`Metric::ALL`].
    fn bad(&self, slo: &Slo, edges: &Edges) -> [f64; 4] {
        Metric::ALL.map(|metric| match slo.limit_ms(metric) {
            Some(ms) => self.above[edges.position(ms).expect("limits are edges")],
            None => self.errors,
        })
    }
}

impl World {
    /// Requests of the new side after which one who knows both services and when the
    /// fault began is sure of it: `ln(1/alpha)/KL` of the limit or comparison that
    /// shows it best. `None` for several routes, for faults that grow or come and go, and where both
    /// sides are hurt.
    pub fn bound(&self, alpha: f64) -> Option<f64> {
        let [Route { old, new, .. }] = self.routes.as_slice() else { return None };
        let lasts = |&(when, what): &(When, What)| {
            let always = match when {
                When::Always | When::FromShare(_) => true,
                When::Minutes(_, to) => to == i64::MAX,
                When::Bake(..) | When::StageMinute(_) | When::Every { .. } | When::Random(_) => {
                    false
                }
            };
            always && !matches!(what, What::Leak(_))
        };
        let steady = old.drift.is_none() && old.effects.is_empty();
        if !self.expect.is_fault() || !steady || !new.effects.iter().all(lasts) {
            return None;
        }
        let (slo, edges) = (Slo::default(), Edges::default());
        let (old, new) = (Rates::of(old, &edges), Rates::of(new, &edges));
        let limits = new.bad(&slo, &edges).into_iter().zip(slo.limits());
        let errors = (new.errors, 2.0 * old.errors + 0.001);
        let tails = [0.50, 0.95, 0.99].into_iter().filter_map(|q| {
            let edge = old.above.iter().position(|&above| above <= 1.0 - q)?;
            Some((*new.above.get(edge + 1)?, old.above[edge]))
        });
        let gains = limits
            .chain([errors])
            .chain(tails)
            .map(|(rate, null)| if rate > null { kl(rate.min(1.0 - 1e-9), null) } else { 0.0 });
        let best = gains.fold(0.0, f64::max);
        (best > 0.0).then(|| -alpha.ln() / best)
    }

    /// Minutes until 100% for one who knows the rates and needs only the requests
    /// that prove each step at `beta`: the plan of evidence-2 with its lag, one minute a stage at
    /// least, and no bake. `None` if some step can never be proven.
    pub fn oracle_minutes(&self, requests_per_minute: f64, beta: f64) -> Option<f64> {
        let [Route { new, .. }] = self.routes.as_slice() else { return None };
        let (slo, edges) = (Slo::default(), Edges::default());
        let rates = Rates::of(new, &edges).bad(&slo, &edges);
        let stages = Stages::standard(requests_per_minute);
        let lag = u32::try_from(LAG).unwrap_or_default();
        let mut share = start_stage(&stages, requests_per_minute, lag);
        let (mut requests, mut minutes) = (0.0, 0.0);
        while let Some(next) = stages.after(share) {
            let mut least = f64::INFINITY;
            for (rate, limit) in rates.into_iter().zip(slo.limits()) {
                let to_disprove = gate_limit(limit, next.ratio());
                least = least.min(if rate < to_disprove { kl(rate, to_disprove) } else { 0.0 });
            }
            if least <= 0.0 {
                return None;
            }
            let a_minute = requests_per_minute * share.ratio();
            let needed = ((-beta.ln() / least - requests) / a_minute).ceil().max(1.0);
            requests += needed * a_minute;
            minutes += needed + LAG as f64;
            share = next;
        }
        Some(minutes)
    }
}

#[cfg(test)]
mod tests {
    use crate::worlds::catalogue;

    #[test]
    fn bounds_are_those_of_the_best_single_test() {
        // Errors 0.1% against 1.1%: twice the old rate and 0.1 points is 0.3%.
        let bound = catalogue::named("f_e1").bound(0.01).expect("a lasting fault");
        let kl = 0.011 * (0.011_f64 / 0.003).ln() + 0.989 * (0.989_f64 / 0.997).ln();
        assert!((bound - 100.0_f64.ln() / kl).abs() < 1e-6, "{bound}");
        assert_eq!(catalogue::named("f_flap10_100").bound(0.01), None);
        assert_eq!(catalogue::named("h_iid").bound(0.01), None);
        assert!(catalogue::named("f_p50x2").bound(0.01).expect("lasts") < 30.0);
    }

    #[test]
    fn the_oracle_waits_for_the_lag_alone_where_traffic_is_plenty() {
        let minutes = |rate| catalogue::named("h_iid").oracle_minutes(rate, 0.01);
        assert_eq!(minutes(60_000.0), Some(18.0));
        assert!(minutes(10.0).expect("provable") > 100.0);
        assert_eq!(catalogue::named("f_e5").oracle_minutes(600.0, 0.01), None);
    }
}
