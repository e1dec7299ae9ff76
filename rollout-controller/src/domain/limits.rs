//! Which limits the two sides keep, as measured at the present share.

use super::evidence::math::{lf_abs, tilt};
use super::evidence::{Count, Rate};
use super::minute::CommittedMinute;
use super::run::Run;
use super::slo::Metric;

/// Sizes of faults that one minute may show by itself.
const SIZES: [f64; 6] = [1.5, 2.5, 5.0, 12.0, 40.0, 200.0];
/// `ln 20`: a minute that anybody would call bad.
const VISIBLE: f64 = 3.0;
/// A limit is broken that was visibly broken in two of so many judged minutes.
const LAST_MINUTES: usize = 3;

/// One limit, and how both sides stand to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Errors, or a quantile of latency.
    pub metric: Metric,
    /// Largest allowed rate of bad requests, 0.0 to 1.0.
    pub limit: f64,
    /// Slow means slower than this, in milliseconds; `None` for errors.
    pub limit_ms: Option<f64>,
    /// The side being replaced.
    pub old: SideStanding,
    /// The side being rolled out.
    pub new: SideStanding,
}

/// One side's standing to a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct SideStanding {
    /// Bad requests of this stage, with their interval.
    pub rate: Rate,
    /// Whether the limit is broken: the whole interval lies above it, or two of
    /// the last three judged minutes were visibly bad.
    pub over: bool,
}

/// Whether `k` bad requests of `n` show, in one minute, a rate above `limit`.
pub fn visible(count: Count, limit: f64) -> bool {
    let Count { k, n } = count;
    k as f64 > limit * n as f64
        && SIZES.iter().any(|&size| lf_abs(k, n, limit, tilt(limit, size), 1.0) >= VISIBLE)
}

/// Every limit, errors first; empty before anything was judged.
pub fn standings(run: &Run) -> Vec<Standing> {
    let (Ok(engine), Some(judged)) = (run.engine(), run.gathered.judged()) else {
        return Vec::new();
    };
    let stage = run.gathered.evidence().stage();
    let last: Vec<CommittedMinute> = run.gathered.recent_known().take(LAST_MINUTES).collect();
    let each = Metric::ALL.into_iter().map(|metric| {
        let at = metric.index();
        let limit = engine.limits()[at];
        let side = |count: Count, counts: &dyn Fn(&CommittedMinute) -> Count| {
            let rate = Rate::new(count, judged.dispersion[at]);
            let bad = last.iter().filter(|minute| visible(counts(minute), limit)).count();
            SideStanding { over: rate.low > limit || bad >= 2, rate }
        };
        Standing {
            metric,
            limit,
            limit_ms: run.terms.slo.limit_ms(metric),
            old: side(stage.old[at], &|minute| engine.counts(&minute.old)[at]),
            new: side(stage.new[at], &|minute| engine.counts(&minute.new)[at]),
        }
    });
    each.collect()
}
