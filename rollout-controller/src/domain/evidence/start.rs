//! Where a rollout starts.

use crate::domain::weight::Weight;

/// Requests that one detection needs anyway, by the tests' own delay.
const REQUESTS_TO_DETECT: f64 = 12.0;
/// No rollout starts above this share.
const HIGHEST_START: u16 = 250;

/// The stage to start at: the largest one that sends no more requests to the
/// new side before a fault could be found than finding it takes.
///
/// How many users meet a fault is set by the requests the test needs, not by
/// the weight; the weight sets only how long that takes, until the metric lag
/// dominates. So move up the list while
/// `next weight × requests a minute × (lag + 2) <= 12`, at most to 25%.
///
/// `stages` rising. `None` if there are none.
pub fn start_weight(
    stages: &[Weight],
    requests_per_minute: f64,
    lag_minutes: u32,
) -> Option<Weight> {
    let unseen_minutes = f64::from(lag_minutes) + 2.0;
    let few = |stage: &&Weight| {
        // In tenths of a percent, so that whole shares multiply exactly.
        let sent = f64::from(stage.tenths()) * requests_per_minute * unseen_minutes;
        stage.tenths() <= HIGHEST_START && sent <= REQUESTS_TO_DETECT * 1000.0
    };
    let first = stages.first()?;
    Some(*stages[1..].iter().take_while(few).last().unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_higher_where_traffic_is_low() {
        let stages = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0].map(|p| Weight::from_percent(p).unwrap());
        let start = |requests| start_weight(&stages, requests, 2).unwrap().percent();
        for (requests, percent) in [(10.0, 25.0), (60.0, 5.0), (600.0, 1.0), (6000.0, 1.0)] {
            assert!((start(requests) - percent).abs() < 1e-9, "{requests}");
        }
        assert!((start(0.0) - 25.0).abs() < 1e-9, "never above 25%");
        assert_eq!(start_weight(&[], 1.0, 2), None);
        let only = [Weight::FULL];
        assert_eq!(start_weight(&only, 1e9, 3), Some(Weight::FULL));
    }
}
