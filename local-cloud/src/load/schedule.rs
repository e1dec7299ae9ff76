//! When requests are due.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Plan;

/// How requests are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Spacing {
    /// One every `1 / rate` seconds.
    Uniform,
    /// Independent exponential gaps, as from many independent clients.
    Poisson,
}

/// Times after the start, rising, until duration or number is used up.
pub(super) struct Schedule {
    rate: f64,
    spacing: Spacing,
    end_secs: f64,
    left: u64,
    /// When the last one was due, in seconds after the start.
    last_secs: f64,
    first: bool,
    rng: ChaCha8Rng,
}

impl Schedule {
    /// `plan` must have been checked.
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            rate: plan.rate,
            spacing: plan.spacing,
            end_secs: plan.duration.as_secs_f64(),
            left: plan.max_requests,
            last_secs: 0.0,
            first: true,
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
        }
    }

    /// About how many there will be: exact for uniform, the mean for Poisson.
    pub(super) fn expected(&self) -> u64 {
        // Checked plans are far below 2^63.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let by_time = (self.rate * self.end_secs).ceil() as u64;
        by_time.min(self.left)
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let gap = match self.spacing {
            Spacing::Uniform if self.first => 0.0,
            Spacing::Uniform => 1.0 / self.rate,
            // 1 - u is in (0, 1], so the logarithm is finite.
            Spacing::Poisson => -(1.0 - self.rng.random::<f64>()).ln() / self.rate,
        };
        self.first = false;
        self.last_secs += gap;
        if self.left == 0 || self.last_secs >= self.end_secs {
            return None;
        }
        self.left -= 1;
        Some(Duration::from_secs_f64(self.last_secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after the start.
    fn times(spacing: Spacing, seed: u64) -> Vec<f64> {
        let plan = Plan {
            rate: 200.0,
            spacing,
            duration: Duration::from_secs(50),
            seed,
            ..Plan::default()
        };
        Schedule::new(&plan).map(|due| due.as_secs_f64()).collect()
    }

    #[test]
    fn uniform_requests_are_equally_far_apart() {
        let times = times(Spacing::Uniform, 1);
        assert_eq!(times.len(), 10_000);
        assert!(times[0] < 1e-9);
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            assert!((gap - 0.005).abs() < 1e-6, "{gap}");
        }
    }

    #[test]
    fn poisson_gaps_are_exponential_and_drawn_by_the_seed() {
        let drawn = times(Spacing::Poisson, 7);
        assert_eq!(drawn, times(Spacing::Poisson, 7));
        assert_ne!(drawn, times(Spacing::Poisson, 8));
        // Count: 10,000 expected, standard deviation 100.
        assert!((9_500..10_500).contains(&drawn.len()), "{}", drawn.len());
        // A gap exceeds the mean with probability 1/e = 0.368, sd 0.005.
        let long = drawn.windows(2).filter(|pair| pair[1] - pair[0] > 0.005);
        let share = long.count() as f64 / (drawn.len() - 1) as f64;
        assert!((0.34..0.40).contains(&share), "{share}");
    }

    #[test]
    fn the_number_of_requests_is_bounded() {
        let plan = Plan { max_requests: 3, ..Plan::default() };
        let schedule = Schedule::new(&plan);
        assert_eq!(schedule.expected(), 3);
        assert_eq!(schedule.count(), 3);
    }
}
