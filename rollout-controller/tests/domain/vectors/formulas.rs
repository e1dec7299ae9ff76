//! One vector of each formula.

use serde::Deserialize;

use super::{maybe, number};
use rollout_controller::domain::evidence::math::{Pair, dispersion_term, lf_rel};
use rollout_controller::domain::evidence::{interval, quantile};
use rollout_controller::domain::minute::{Edges, Histogram};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tilt {
    pub(super) p: f64,
    pub(super) r: f64,
    pub(super) out: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LfAbs {
    pub(super) k: u64,
    pub(super) n: u64,
    pub(super) s: f64,
    pub(super) p1: f64,
    #[serde(rename = "D")]
    pub(super) d: f64,
    pub(super) out: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LfRel {
    #[serde(rename = "kN")]
    k_new: u64,
    #[serde(rename = "nN")]
    n_new: u64,
    #[serde(rename = "kO")]
    k_old: u64,
    #[serde(rename = "nO")]
    n_old: u64,
    psi0: f64,
    delta: f64,
    psi1: f64,
    #[serde(rename = "D")]
    d: f64,
    out: f64,
}

impl LfRel {
    pub(super) fn check(self) -> Result<(), String> {
        let Self { k_new, n_new, k_old, n_old, psi0, delta, psi1, d, out } = self;
        let pair = Pair { k_new, n_new, k_old, n_old };
        number("lf_rel", lf_rel(pair, psi0, delta, psi1, d), out)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Term {
    k1: u64,
    n1: u64,
    k0: u64,
    n0: u64,
    out: Option<f64>,
}

impl Term {
    pub(super) fn check(self, clip: f64) -> Result<(), String> {
        let found = dispersion_term((self.k1, self.n1), (self.k0, self.n0), clip);
        maybe("dispersion term", found, self.out)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Theta {
    pub(super) s: f64,
    pub(super) w_next: f64,
    pub(super) out: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntervalCase {
    k: u64,
    n: u64,
    #[serde(rename = "D")]
    d: f64,
    a_ci: f64,
    lower: f64,
    upper: f64,
}

impl IntervalCase {
    pub(super) fn check(self) -> Result<(), String> {
        let found = interval(self.k, self.n, self.d, self.a_ci);
        number("lower", found.low, self.lower)?;
        number("upper", found.high, self.upper)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuantileCase {
    edges: Edges,
    hist: Vec<u64>,
    q: f64,
    #[serde(rename = "D")]
    d: f64,
    a_ci: f64,
    lower: f64,
    point: Option<f64>,
    upper: Option<f64>,
}

impl QuantileCase {
    pub(super) fn check(self) -> Result<(), String> {
        if self.hist.len() != self.edges.buckets() {
            let (edges, buckets) = (self.edges.as_ms().len(), self.hist.len());
            return Err(format!("{edges} edges need one bucket more, there are {buckets}"));
        }
        let histogram = Histogram::new(self.hist.iter().sum(), self.hist);
        let found = quantile(&self.edges, &histogram, self.q, self.d, self.a_ci);
        number("lower", found.low_ms, self.lower)?;
        maybe("point", found.point_ms, self.point)?;
        maybe("upper", found.high_ms, self.upper)
    }
}
