//! What was measured, in numbers: by side, by rollout, by weight, by function.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::FunctionStats;
use crate::clock::MINUTE_MS;

use super::follow::Played;
use super::plan::{PYTHON, RUST, TESTER};
use super::screen::{count, hour};
use super::traffic::Journey;

/// Requests that one group answered, from the clients' side.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) requests: u64,
    pub(super) hurt: u64,
    /// P50, P95, P99 and the slowest, in milliseconds.
    pub(super) ms: [f64; 4],
}

impl Side {
    /// Figures of the requests that `belongs` picks.
    pub(super) fn of(journeys: &[Journey], belongs: impl Fn(&Journey) -> bool) -> Self {
        let mut latencies = histogram();
        let (mut requests, mut hurt) = (0, 0);
        for journey in journeys.iter().filter(|journey| belongs(journey)) {
            requests += 1;
            hurt += u64::from(!journey.served);
            latencies.saturating_record(micros(journey.latency));
        }
        let ms = |us: u64| us as f64 / 1000.0;
        let quantile = |q| ms(latencies.value_at_quantile(q));
        let slowest = if requests == 0 { 0.0 } else { ms(latencies.max()) };
        Self { requests, hurt, ms: [quantile(0.5), quantile(0.95), quantile(0.99), slowest] }
    }

    fn row(&self, name: &str) -> String {
        let [p50, p95, p99, max] = self.ms;
        format!(
            "  {name:<28} {:>8} {:>6} {p50:>8.1} {p95:>8.1} {p99:>8.1} {max:>8.1}",
            count(self.requests),
            count(self.hurt)
        )
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("constant bounds")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// P50, P95 and P99 of milliseconds; zeros if there are none.
pub(super) fn quantiles_ms(all: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut latencies = histogram();
    for ms in all {
        latencies.saturating_record(micros(Duration::from_secs_f64(ms.max(0.0) / 1000.0)));
    }
    [0.5, 0.95, 0.99].map(|q| latencies.value_at_quantile(q) as f64 / 1000.0)
}

/// Both sides in the same minutes: requests that the weighted rule drew while
/// both had a share, so that each got the same mix under the same load. Those
/// that we broke are left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    /// Python's and Rust's.
    pub(super) requests: [u64; 2],
    /// P50, P95 and P99 in the function.
    pub(super) function_ms: [[f64; 3]; 2],
    /// The same from when the request was due to its last byte.
    pub(super) client_ms: [[f64; 3]; 2],
}

impl Beside {
    fn of(journeys: &[Journey], stretches: &[Stretch]) -> Self {
        let shared = |journey: &Journey| {
            let both = |stretch: &Stretch| stretch.weight > 0.0 && stretch.weight < 100.0;
            stretches.iter().filter(|stretch| both(stretch)).any(|one| one.drew(journey))
        };
        let drawn: Vec<&Journey> =
            journeys.iter().filter(|one| !one.broken && shared(one)).collect();
        let side = |group| drawn.iter().filter(move |one| one.group.as_deref() == Some(group));
        let groups = [PYTHON, RUST];
        Self {
            requests: groups.map(|group| side(group).count() as u64),
            function_ms: groups.map(|group| quantiles_ms(side(group).map(|one| one.function_ms))),
            client_ms: groups.map(|group| {
                quantiles_ms(side(group).map(|one| one.latency.as_secs_f64() * 1000.0))
            }),
        }
    }

    fn lines(&self) -> Vec<String> {
        let row = |name: &str, side: usize, ms: &[[f64; 3]; 2]| {
            let [p50, p95, p99] = ms[side];
            let requests = count(self.requests[side]);
            format!("  {name:<28} {requests:>8} {p50:>8.1} {p95:>8.1} {p99:>8.1}")
        };
        let mut lines = vec![
            "Rust beside Python, in the minutes in which both had a share (same mix, same load):"
                .to_owned(),
            format!(
                "  {:<28} {:>8} {:>8} {:>8} {:>8}",
                "", "requests", "P50 ms", "P95 ms", "P99 ms"
            ),
            row("Python, in the function", 0, &self.function_ms),
            row("Rust, in the function", 1, &self.function_ms),
            row("Python, at the client", 0, &self.client_ms),
            row("Rust, at the client", 1, &self.client_ms),
        ];
        if self.requests.iter().all(|requests| *requests > 0) {
            let [python, rust] = self.function_ms.map(|ms| ms[0]);
            lines.push(format!("  in the function, P50: {}", compared(python, rust)));
            let [python, rust] = self.client_ms.map(|ms| ms[0]);
            lines.push(format!("  at the client, P50:   {}", compared(python, rust)));
        }
        lines.extend(
            [
                "  Compared: this build's Rust function (dev profile, optimised: see Cargo.toml) with a",
                "  Python twin that leaves the same rows as the real service, one statement after the other",
                "  as that does, and does less: no framework, and no stamp's signature is checked.",
                "  `make bench-scorer` measures release builds.",
            ]
            .map(str::to_owned),
        );
        lines
    }
}

/// Which side answers faster, as the figures say: `Rust answers 2.1 times as fast`.
fn compared(python_ms: f64, rust_ms: f64) -> String {
    // Within a tenth the order is chance.
    if rust_ms <= 0.0 || python_ms <= 0.0 {
        "nothing measured".to_owned()
    } else if python_ms >= 1.1 * rust_ms {
        format!("Rust answers {:.1} times as fast as Python", python_ms / rust_ms)
    } else if rust_ms >= 1.1 * python_ms {
        format!("Rust takes {:.1} times as long as Python", rust_ms / python_ms)
    } else {
        "Rust and Python are equally fast".to_owned()
    }
}

/// A stretch of simulated time with one weight.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretch {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    /// Rust's share in percent.
    pub(super) weight: f64,
    /// Requests that came and went under the weighted rule with this weight,
    /// and those of them that Rust got. One that was on its way while the
    /// weight changed may have been drawn by either, so it counts for none.
    pub(super) requests: u64,
    pub(super) rust: u64,
    /// Testers' requests, and those that reached their Rust group.
    pub(super) testers: u64,
    pub(super) testers_on_rust: u64,
}

impl Stretch {
    /// Whether this request came and went within the stretch. One that was due
    /// when the weight changed may have been drawn before or after it.
    fn drew(&self, journey: &Journey) -> bool {
        let within = journey.due_ms > self.from_ms && journey.end_ms < self.until_ms;
        let reached = journey.group.as_deref().is_some_and(|one| [PYTHON, RUST].contains(&one));
        within && reached && !journey.tester
    }

    /// How far the drawn share is from the weight, in standard deviations of
    /// a fair draw. At 0 and 100% there is nothing to draw: one request on the
    /// wrong side is infinitely far.
    pub(super) fn deviation(&self) -> f64 {
        let (n, share) = (self.requests as f64, self.weight / 100.0);
        let off = self.rust as f64 - n * share;
        let spread = (n * share * (1.0 - share)).sqrt();
        if off.abs() < 0.5 && spread == 0.0 { 0.0 } else { off / spread }
    }
}

/// Cuts the demo at every change of weight. `changes` are simulated time and
/// Rust's share in percent.
pub(super) fn stretches(journeys: &[Journey], changes: &[(i64, f64)]) -> Vec<Stretch> {
    let mut cuts = vec![(i64::MIN, 0.0)];
    cuts.extend(changes);
    let ends = cuts.iter().skip(1).map(|(at, _)| *at).chain([i64::MAX]);
    let stretch = |((from_ms, weight), until_ms): ((i64, f64), i64)| {
        let mut stretch = Stretch { from_ms, until_ms, weight, ..Stretch::default() };
        for journey in journeys {
            let reached = |group| u64::from(journey.group.as_deref() == Some(group));
            if stretch.drew(journey) {
                stretch.requests += 1;
                stretch.rust += reached(RUST);
            }
            if journey.tester && (from_ms..until_ms).contains(&journey.due_ms) {
                stretch.testers += 1;
                stretch.testers_on_rust += reached(TESTER);
            }
        }
        stretch
    };
    cuts.iter().copied().zip(ends).map(stretch).collect()
}

/// Everything measured, in one place.
pub(super) struct Figures {
    pub(super) journeys: Vec<Journey>,
    pub(super) stretches: Vec<Stretch>,
    pub(super) functions: Vec<FunctionStats>,
    /// How late our own generator sent, P99 in milliseconds.
    pub(super) late_ms: f64,
    /// How long our own generator sent nothing because too much was unanswered.
    pub(super) held_back: Duration,
    /// How long simulated time stood still for ticks and answers that were late.
    pub(super) stood: Duration,
}

impl Figures {
    pub(super) fn python(&self) -> Side {
        Side::of(&self.journeys, |journey| journey.group.as_deref() == Some(PYTHON))
    }

    pub(super) fn rust(&self) -> Side {
        Side::of(&self.journeys, |journey| journey.group.as_deref() == Some(RUST))
    }

    pub(super) fn testers(&self) -> Side {
        Side::of(&self.journeys, |journey| journey.tester)
    }

    /// Everybody's requests (not the testers') during a rollout.
    pub(super) fn during(&self, played: &Played) -> Side {
        let time = played.started_ms..=played.ended_ms;
        Side::of(&self.journeys, |journey| !journey.tester && time.contains(&journey.due_ms))
    }

    /// Requests, testers' among them, that a fault was put into.
    pub(super) fn broken(&self) -> u64 {
        self.journeys.iter().filter(|journey| journey.broken).count() as u64
    }

    /// When the first fault hit somebody.
    pub(super) fn first_broken_ms(&self) -> Option<i64> {
        self.journeys.iter().find(|journey| journey.broken).map(|journey| journey.due_ms)
    }

    /// Everybody's requests that reached Rust although due after `at_ms`.
    pub(super) fn on_rust_after(&self, at_ms: i64) -> (u64, u64) {
        let after = Side::of(&self.journeys, |j| !j.tester && j.due_ms > at_ms);
        let rust = Side::of(&self.journeys, |j| {
            !j.tester && j.due_ms > at_ms && j.group.as_deref() == Some(RUST)
        });
        (rust.requests, after.requests)
    }

    /// Greatest resident size among functions whose name `picks`, in KiB.
    pub(super) fn peak_kib(&self, picks: impl Fn(&str) -> bool) -> u64 {
        let picked = self.functions.iter().filter(|function| picks(&function.name));
        picked.map(|function| function.peak_rss_kib).max().unwrap_or(0)
    }

    /// The figures for people.
    pub(super) fn lines(&self, rollouts: &[(&str, &Played)]) -> Vec<String> {
        let mut lines = vec![
            "Requests, measured by their clients from when they were due:".to_owned(),
            format!(
                "  {:<28} {:>8} {:>6} {:>8} {:>8} {:>8} {:>8}",
                "answered by", "requests", "failed", "P50 ms", "P95 ms", "P99 ms", "max ms"
            ),
            self.python().row("Python"),
            self.rust().row("Rust"),
            self.testers().row("Rust, for testers"),
            format!("  (of which our own generator was late by up to {:.1} ms, P99)", self.late_ms),
            String::new(),
        ];
        lines.extend(Beside::of(&self.journeys, &self.stretches).lines());
        lines.extend([
            String::new(),
            format!(
                "This machine was late: simulated time waited {:.1} s for it, our own generator {:.1} s",
                self.stood.as_secs_f64(),
                self.held_back.as_secs_f64()
            ),
            String::new(),
            "Rollouts:".to_owned(),
        ]);
        for (name, played) in rollouts {
            let side = self.during(played);
            lines.push(format!(
                "  {name:<28} {} to {}, {} minutes; {} requests, {} failed ({:.2}%)",
                hour(played.started_ms),
                hour(played.ended_ms),
                (played.ended_ms - played.started_ms) / MINUTE_MS,
                count(side.requests),
                count(side.hurt),
                100.0 * side.hurt as f64 / side.requests.max(1) as f64,
            ));
        }
        let back = rollouts.last().and_then(|(_, played)| back_at(played));
        if let (Some(broken), Some(back)) = (self.first_broken_ms(), back) {
            lines.push(format!(
                "  from the first fault ({}) to 0% ({}): {:.1} minutes, {} requests broken",
                hour(broken),
                hour(back),
                (back - broken) as f64 / MINUTE_MS as f64,
                count(self.broken()),
            ));
        }
        lines.extend([String::new(), "Weights, and what the load balancer drew:".to_owned()]);
        for stretch in &self.stretches {
            lines.push(stretch_line(stretch));
        }
        lines.extend([
            String::new(),
            "Functions:".to_owned(),
            format!(
                "  {:<18} {:>8} {:>7} {:>7}  {:>11}  start to ready, ms",
                "name", "calls", "errors", "starts", "memory MiB"
            ),
        ]);
        lines.extend(self.functions.iter().map(function_line));
        lines
    }
}

/// When the last rollout was back at 0.
pub(super) fn back_at(played: &Played) -> Option<i64> {
    played.changes.last().filter(|(_, weight)| *weight == 0.0).map(|(at, _)| *at)
}

fn stretch_line(stretch: &Stretch) -> String {
    let drawn = 100.0 * stretch.rust as f64 / stretch.requests.max(1) as f64;
    let from = if stretch.from_ms == i64::MIN { "begin".to_owned() } else { hour(stretch.from_ms) };
    let until =
        if stretch.until_ms == i64::MAX { "end".to_owned() } else { hour(stretch.until_ms) };
    format!(
        "  {from:>5} to {until:<5}  Rust {:>3}%: {:>6} of {:>6} requests ({drawn:>5.1}%); testers {} of {} on Rust",
        stretch.weight,
        count(stretch.rust),
        count(stretch.requests),
        stretch.testers_on_rust,
        stretch.testers,
    )
}

fn function_line(function: &FunctionStats) -> String {
    let inits: Vec<String> =
        function.cold_starts.iter().map(|start| format!("{:.0}", start.init_ms)).collect();
    format!(
        "  {:<18} {:>8} {:>7} {:>7}  {:>11.1}  {}",
        function.name,
        count(function.invocations),
        count(function.errors),
        function.cold_starts.len(),
        function.peak_rss_kib as f64 / 1024.0,
        inits.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journey(due_ms: i64, group: &str, tester: bool) -> Journey {
        Journey {
            due_ms,
            end_ms: due_ms + 1,
            latency: Duration::from_millis(10),
            function_ms: if group == RUST { 4.0 } else { 8.0 },
            served: true,
            group: Some(group.to_owned()),
            broken: false,
            tester,
        }
    }

    #[test]
    fn requests_count_under_the_weight_that_stood_when_they_were_due() {
        let journeys = [
            journey(5, PYTHON, false),
            // Came at 0%, went at 50%.
            journey(9, RUST, false),
            // Due when the weight changed: before or after it, nobody knows.
            journey(10, PYTHON, false),
            journey(11, RUST, false),
            journey(12, PYTHON, false),
            journey(12, TESTER, true),
            journey(21, RUST, false),
        ];
        let found = stretches(&journeys, &[(10, 50.0), (20, 100.0)]);
        let numbers: Vec<_> =
            found.iter().map(|s| (s.requests, s.rust, s.testers, s.testers_on_rust)).collect();
        assert_eq!(numbers, [(1, 0, 0, 0), (2, 1, 1, 1), (1, 1, 0, 0)]);
        assert!(found[1].deviation().abs() < 1e-9);
    }

    #[test]
    fn sides_are_compared_where_both_had_a_share_and_the_sentence_follows_the_figures() {
        let mut journeys = vec![
            journey(5, PYTHON, false),
            journey(11, RUST, false),
            journey(12, PYTHON, false),
            journey(13, RUST, false),
            journey(21, RUST, false),
        ];
        journeys[3].broken = true;
        let stretches = stretches(&journeys, &[(10, 50.0), (20, 100.0)]);
        let text = |journeys: &[Journey]| Beside::of(journeys, &stretches).lines().join("\n");
        assert_eq!(Beside::of(&journeys, &stretches).requests, [1, 1]);
        let quick = text(&journeys);
        assert!(quick.contains("in the function, P50: Rust answers 2.0 times as fast"), "{quick}");
        assert!(
            quick.contains("at the client, P50:   Rust and Python are equally fast"),
            "{quick}"
        );
        journeys[1].function_ms = 24.0;
        let slow = text(&journeys);
        assert!(slow.contains("in the function, P50: Rust takes 3.0 times as long"), "{slow}");
        let none = text(&[]);
        assert!(!none.contains("in the function, P50"), "{none}");
    }

    #[test]
    fn a_draw_far_from_its_weight_is_noticed() {
        let stretch = Stretch {
            from_ms: 0,
            until_ms: 1,
            weight: 25.0,
            requests: 1000,
            rust: 400,
            testers: 0,
            testers_on_rust: 0,
        };
        assert!(stretch.deviation() > 10.0);
        let all = Stretch { weight: 100.0, requests: 10, rust: 10, ..stretch };
        assert!(all.deviation().abs() < 1e-9);
        let one_astray = Stretch { rust: 9, ..all };
        assert!(one_astray.deviation().abs() > 1e9);
        let empty = Stretch { requests: 0, rust: 0, ..one_astray };
        assert!(empty.deviation().abs() < 1e-9);
    }
}
