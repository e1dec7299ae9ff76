//! Which limits the two sides keep, as measured at the present share.

use super::evidence::{Count, Rate};
use super::evidence2::Rules;
use super::minute::CommittedMinute;
use super::run::Run;
use super::slo::Metric;

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

/// Every limit, errors first; empty before anything was judged.
pub fn standings(run: &Run) -> Vec<Standing> {
    let Some(summary) = run.summary() else { return Vec::new() };
    let rules = Rules::new(&run.terms.slo, run.terms.evidence.edges());
    let stage = &summary.stage;
    let last: Vec<CommittedMinute> =
        run.gathered.recent_of_this_code().take(LAST_MINUTES).collect();
    let each = Metric::ALL.into_iter().map(|metric| {
        let at = metric.index();
        let limit = rules.limits()[at];
        let side = |count: Count, counts: &dyn Fn(&CommittedMinute) -> Count| {
            let rate = Rate::new(count, stage.dispersion[at]);
            let bad = last.iter().filter(|minute| rules.visible(metric, counts(minute))).count();
            SideStanding { over: rate.low > limit || bad >= 2, rate }
        };
        Standing {
            metric,
            limit,
            limit_ms: run.terms.slo.limit_ms(metric),
            old: side(stage.old[at], &|minute| rules.counts(&minute.old)[at]),
            new: side(stage.new[at], &|minute| rules.counts(&minute.new)[at]),
        }
    });
    each.collect()
}
