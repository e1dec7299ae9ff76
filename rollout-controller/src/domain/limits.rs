//! Which limits the two sides keep, as measured at the present share.

use super::evidence::{Count, Rate};
use super::evidence2::Rules;
use super::minute::CommittedMinute;
use super::run::Run;
use super::slo::Metric;

/// A limit is broken that was visibly broken in two of so many judged minutes.
const LAST_MINUTES: usize = 3;
const BAD_MINUTES: usize = 2;

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
    /// Bad requests of this stage, with their interval; where only the newest minutes
    /// break the limit, those of them that do.
    pub rate: Rate,
    /// Whether the limit is broken: the whole interval lies above it, or two of
    /// the last three judged minutes were visibly bad.
    pub over: bool,
    /// Where the limit is not shown to be broken, and not kept either: bad requests of a
    /// newest minute that visibly breaks it, or of a stage above it. None counted: nothing
    /// is known of this side.
    pub doubt: Option<Count>,
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
            if rate.low > limit {
                return SideStanding { over: true, rate, doubt: None };
            }
            let bad = last.iter().map(counts).filter(|count| rules.visible(metric, *count));
            let (minutes, sum) = bad.fold((0, Count::default()), |(minutes, sum), count| {
                (minutes + 1, Count { k: sum.k + count.k, n: sum.n + count.n })
            });
            if minutes < BAD_MINUTES {
                let above = count.n == 0 || count.k as f64 > limit * count.n as f64;
                let doubt = if minutes > 0 { Some(sum) } else { above.then_some(count) };
                return SideStanding { over: false, rate, doubt };
            }
            // The stage's own numbers, which may have just begun, would contradict it.
            SideStanding { over: true, rate: Rate::new(sum, stage.dispersion[at]), doubt: None }
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
