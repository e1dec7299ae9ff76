//! About how long until the gates open.

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::judged::Judged;
use super::math::kl;
use super::state::Evidence;
use crate::domain::slo::Metric;

/// How long the proof for the next step will take at this traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TimeLeft {
    /// About this many more minutes with the traffic of this stage.
    Minutes {
        /// Rounded up.
        minutes: u64,
    },
    /// At the rate seen the proof will never be complete: this metric is above
    /// what must be shown.
    NotOnCourse {
        /// The metric.
        metric: Metric,
    },
    /// Too few requests for an estimate.
    TooEarly,
}

/// One gate's part of it: minutes, or why there is no number.
enum Need {
    Minutes(f64),
    NotOnCourse,
    TooEarly,
}

impl Engine {
    /// How long until every gate is open, at least `ticks_left` minutes, and the
    /// metric that takes longest (`None` when all gates are open).
    pub(super) fn time_left(
        &self,
        evidence: &Evidence,
        judged: &Judged,
        ticks_left: u32,
    ) -> (TimeLeft, Option<Metric>) {
        let mut longest = (f64::from(ticks_left), None);
        let mut early = None;
        for metric in Metric::ALL {
            let missing = self.gate_threshold() - judged.log_gates[metric.index()];
            if missing <= 0.0 {
                continue;
            }
            match need(evidence, judged, metric, missing) {
                Need::Minutes(minutes) if minutes >= longest.0 || longest.1.is_none() => {
                    longest = (minutes.max(longest.0), Some(metric));
                }
                Need::Minutes(_) => {}
                Need::NotOnCourse => return (TimeLeft::NotOnCourse { metric }, Some(metric)),
                Need::TooEarly => early = early.or(Some(metric)),
            }
        }
        if early.is_some() {
            return (TimeLeft::TooEarly, early);
        }
        // Saturates for absurdly slow traffic.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let minutes = longest.0.ceil() as u64;
        (TimeLeft::Minutes { minutes }, longest.1)
    }
}

fn need(evidence: &Evidence, judged: &Judged, metric: Metric, missing: f64) -> Need {
    let at = metric.index();
    let limit = judged.gate_limits[at];
    let seen = evidence.stage.gate[at];
    let (k, n) = (seen.k as f64, seen.n as f64);
    let rate = (k + 0.5) / (n + 1.0);
    if rate >= limit {
        // The half request in `rate` must not condemn a service that has just
        // begun: only what was really seen can be off course.
        return if n > 0.0 && k / n >= limit { Need::NotOnCourse } else { Need::TooEarly };
    }
    let a_minute = evidence.stage.new[at].n as f64 / f64::from(evidence.stage.minutes.max(1));
    if a_minute <= 0.0 {
        return Need::TooEarly;
    }
    let requests = missing * judged.dispersion[at] / kl(rate, limit);
    Need::Minutes(requests / a_minute)
}
