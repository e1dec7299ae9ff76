//! What this machine does with the demo's own traffic, and what follows from it:
//! how many requests a second, how long a simulated minute, which limits.
//!
//! A demo on a slow or busy machine shall be slower, not different. Nothing in
//! it is judged by a latency that was fixed before the machine was known.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::LocalCloud;

use super::ctl::Ctl;
use super::figures::quantiles_ms;
use super::home::Home;
use super::plan::{PYTHON, Plan, SCHEDULE, TESTER};
use super::traffic::{Asks, Pressure, Source};

/// Requests on their way at once while the most is measured: as many as a
/// function has processes.
const AT_ONCE: u64 = 4;
/// Requests that start every process before anything is measured.
const WARM_UP: u64 = 40;
/// The most is measured over so many requests and so long, whichever is later.
const FULL_SPEED: (u64, Duration) = (60, Duration::from_secs(1));
/// Requests of each side at the demo's rate; P95 is the fifth slowest.
const AT_RATE: u64 = 100;
/// Ticks and looks; the first of each starts a process and does not count.
const ROUNDS: usize = 4;
/// Longer than this for one of the steps is no machine to play on.
const PATIENCE: Duration = Duration::from_mins(3);

/// The demo's part of what the slower side can do. The rest is for everything
/// else on this machine, now and later.
const SHARE_OF_MOST: f64 = 1.0 / 3.0;
/// Fewer a second make no rollout.
const LEAST_RATE: f64 = 2.0;
/// A minute has room for so many ticks with a look each.
const TICKS_IN_A_MINUTE: f64 = 3.0;
/// The limits are so many times what the slower side needs now: a machine that
/// gets busy during the demo does not break them, and a function that hangs does.
const ROOM: f64 = 20.0;
/// And not below the objectives of production, in milliseconds: P50, P95, P99.
const OBJECTIVES_MS: [u32; 3] = [100, 200, 500];
/// Rust must be so much quicker than Python, as a ratio of a quantile, before the
/// rollout may depend on it: near 1 a busy machine alone could turn it round.
const CLEARLY: f64 = 0.8;
/// Edges of the controller's histogram, in milliseconds; a limit is one of them.
const EDGES_MS: [u32; 21] = [
    100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000,
    5000, 6300, 8000, 10_000,
];

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// Requests a second that each side answers at most.
    pub(super) python_most: f64,
    pub(super) rust_most: f64,
    /// P50, P95 and P99 in the function at the demo's rate, in milliseconds.
    pub(super) python_ms: [f64; 3],
    pub(super) rust_ms: [f64; 3],
    /// The slowest tick and the slowest `rolloutctl status` beside that.
    pub(super) tick: Duration,
    pub(super) look: Duration,
}

/// How the demo is played here.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Requests a second, testers' aside.
    pub(super) rate: f64,
    /// Testers' requests a second.
    pub(super) tester_rate: f64,
    /// Real length of a simulated minute, if the machine keeps up.
    pub(super) minute: Duration,
    /// Limits for both sides, in milliseconds: P50, P95, P99.
    pub(super) limits_ms: [u32; 3],
    /// Whether Rust is clearly faster than Python in P50 and P95, so that it may be
    /// held to Python's latency.
    pub(super) relative: bool,
    /// What was measured; nothing yet while it is being measured.
    pub(super) measured: Option<Machine>,
}

impl Chosen {
    /// For the cloud in which the machine is measured; nothing is judged there.
    pub(super) fn to_measure(plan: &Plan) -> Self {
        Self {
            rate: plan.most_rate,
            tester_rate: plan.most_rate * plan.testers,
            minute: plan.shortest_minute,
            limits_ms: OBJECTIVES_MS,
            relative: false,
            measured: None,
        }
    }

    /// What follows from the figures.
    pub(super) fn from(machine: Machine, plan: &Plan) -> Self {
        let rate = plan.rate.unwrap_or_else(|| rate(&machine, plan));
        let control = (machine.tick + machine.look).as_secs_f64() * TICKS_IN_A_MINUTE;
        let wanted = plan.most_rate * plan.shortest_minute.as_secs_f64();
        let minute = plan.shortest_minute.as_secs_f64().max(wanted / rate).max(control);
        // P99 of so few requests is the slowest one, so chance: P95 stands for it.
        let slower = |at: usize| machine.python_ms[at].max(machine.rust_ms[at]);
        let needed = [slower(0), slower(1), 2.0 * slower(1)];
        let mut limits_ms = OBJECTIVES_MS;
        for (limit, needed) in limits_ms.iter_mut().zip(needed) {
            *limit = edge(f64::from(*limit).max(ROOM * needed));
        }
        let clearly = |at: usize| machine.rust_ms[at] <= CLEARLY * machine.python_ms[at];
        Self {
            rate,
            tester_rate: rate * plan.testers,
            minute: plan.minute.unwrap_or_else(|| Duration::from_secs_f64(minute)),
            limits_ms,
            relative: clearly(0) && clearly(1),
            measured: Some(machine),
        }
    }

    /// Requests in a simulated minute.
    pub(super) fn requests_a_minute(&self) -> f64 {
        self.rate * self.minute.as_secs_f64()
    }

    /// What was measured and chosen, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let Some(machine) = &self.measured else {
            return Vec::new();
        };
        let [l50, l95, l99] = self.limits_ms;
        let [p50, p95, p99] = machine.python_ms;
        let [r50, r95, r99] = machine.rust_ms;
        vec![
            format!(
                "at most:        Python answers {:.0} requests a second, Rust {:.0} ({AT_ONCE} at once)",
                machine.python_most, machine.rust_most
            ),
            format!(
                "P50, P95, P99:  Python {p50:.1}, {p95:.1}, {p99:.1} ms in the function, Rust {r50:.1}, {r95:.1}, {r99:.1}",
            ),
            format!(
                "controller:     a tick takes {} ms, `rolloutctl status` {} ms",
                machine.tick.as_millis(),
                machine.look.as_millis()
            ),
            format!(
                "so it plays:    {:.0} requests a second, a minute of {:.1} s (it waits for what is late)",
                self.rate,
                self.minute.as_secs_f64()
            ),
            format!(
                "limits:         P50 {l50} ms, P95 {l95} ms, P99 {l99} ms ({ROOM} times the slower side)",
            ),
            format!("beside Python:  Rust {}", self.comparison()),
        ]
    }

    /// The controller's `relative_margin`: what Python's history says, or the widest
    /// where Rust is not clearly faster on this machine.
    pub(super) fn margin(&self) -> &'static str {
        if self.relative { "\"auto\"" } else { "8" }
    }

    /// From when on Rust counts as slower than Python, and why.
    pub(super) fn comparison(&self) -> String {
        if self.relative {
            "may not become slower than Python".to_owned()
        } else {
            "counts as slower from 6.3 times Python's latency; here it is not clearly faster"
                .to_owned()
        }
    }
}

/// A part of what the slower side can do, and no more than the demo wants.
fn rate(machine: &Machine, plan: &Plan) -> f64 {
    let most = machine.python_most.min(machine.rust_most);
    (most * SHARE_OF_MOST).min(plan.most_rate).max(LEAST_RATE)
}

/// The first edge that is not below `ms`, or the last one.
fn edge(ms: f64) -> u32 {
    let [.., last] = EDGES_MS;
    EDGES_MS.into_iter().find(|edge| f64::from(*edge) >= ms).unwrap_or(last)
}

/// Measures both sides and the control plane in a cloud made for that.
///
/// # Errors
/// A side that does not answer or answers 5xx, a controller that does not work.
pub(super) async fn measure(
    cloud: &LocalCloud,
    home: &Home,
    ctl: &Ctl,
    plan: &Plan,
) -> anyhow::Result<Machine> {
    let Asks { everybody, testers } = Asks::of(home)?;
    let full = |asks: &[_]| full_speed(cloud, plan, asks.to_vec());
    let python_most = full(&everybody).await.context("measuring Python")?;
    // The weighted rule gives Rust nothing yet; testers reach it.
    let rust_most = full(&testers).await.context("measuring Rust")?;
    let mut machine = Machine {
        python_most,
        rust_most,
        python_ms: [0.0; 3],
        rust_ms: [0.0; 3],
        tick: Duration::ZERO,
        look: Duration::ZERO,
    };
    let before = cloud.access_log().len();
    let pressure = Pressure { rate: rate(&machine, plan) / 2.0, unanswered: AT_ONCE };
    let sides = [
        Source::start(cloud, plan.seed, everybody, pressure)?,
        Source::start(cloud, plan.seed, testers, pressure)?,
    ];
    (machine.tick, machine.look) = control_plane(cloud, ctl).await?;
    for side in &sides {
        answered(side, AT_RATE, Duration::ZERO).await?;
    }
    drop(sides);
    let log = cloud.access_log();
    let of = |group: &str| {
        let ours = log.iter().skip(before).filter(|entry| entry.group.as_deref() == Some(group));
        quantiles_ms(ours.map(|entry| entry.target_ms))
    };
    (machine.python_ms, machine.rust_ms) = (of(PYTHON), of(TESTER));
    Ok(machine)
}

/// Requests a second with always [`AT_ONCE`] on their way.
async fn full_speed(
    cloud: &LocalCloud,
    plan: &Plan,
    asks: Vec<crate::load::Ask>,
) -> anyhow::Result<f64> {
    // More than any machine answers: the requests on their way are the limit.
    let pressure = Pressure { rate: 50_000.0, unanswered: AT_ONCE };
    let warm = Source::start(cloud, plan.seed, asks.clone(), pressure)?;
    answered(&warm, WARM_UP, Duration::ZERO).await?;
    warm.end().await;
    let source = Source::start(cloud, plan.seed, asks, pressure)?;
    let (requests, secs) = answered(&source, FULL_SPEED.0, FULL_SPEED.1).await?;
    source.end().await;
    Ok(requests as f64 / secs)
}

/// Waits for so many answers and so long; how many there were in how many seconds.
async fn answered(source: &Source, requests: u64, least: Duration) -> anyhow::Result<(u64, f64)> {
    let begun = Instant::now();
    loop {
        let summary = source.summary();
        ensure!(
            summary.hurt() == 0,
            "{} of {} requests failed before anything was broken on purpose",
            summary.hurt(),
            summary.total.ended
        );
        if summary.total.ended >= requests && begun.elapsed() >= least {
            return Ok((summary.total.ended, summary.elapsed_secs));
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "only {} of {requests} requests were answered in {} s: this machine has no time for the demo",
            summary.total.ended,
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The slowest tick and look of a rollout that has been started.
async fn control_plane(cloud: &LocalCloud, ctl: &Ctl) -> anyhow::Result<(Duration, Duration)> {
    // Ticks come one by one, so that each is measured alone.
    cloud.enable_schedule(SCHEDULE, false);
    ctl.run(&["start", "--yes", "--reason", "measuring this machine"]).await?;
    let (mut tick, mut look) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        cloud.clock().advance(Duration::from_mins(1));
        let begun = Instant::now();
        cloud.fire(SCHEDULE, cloud.clock().now()).await.context("a tick")?;
        let ticked = begun.elapsed();
        let begun = Instant::now();
        ctl.status().await?;
        if round > 0 {
            (tick, look) = (tick.max(ticked), look.max(begun.elapsed()));
        }
    }
    Ok((tick, look))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(most: f64, slower: f64) -> Machine {
        Machine {
            python_most: most,
            rust_most: 2.0 * most,
            python_ms: [4.0, 8.0, 16.0].map(|ms| ms * slower),
            rust_ms: [2.0, 4.0, 15.0].map(|ms| ms * slower),
            tick: Duration::from_millis(50),
            look: Duration::from_millis(50),
        }
    }

    #[test]
    fn a_quick_machine_plays_as_planned() {
        let plan = Plan::short();
        let chosen = Chosen::from(machine(400.0, 1.0), &plan);
        assert!((chosen.rate - plan.most_rate).abs() < 1e-9);
        assert_eq!(chosen.minute, plan.shortest_minute);
        assert_eq!(chosen.limits_ms, [100, 200, 500]);
        assert_eq!((chosen.relative, chosen.margin()), (true, "\"auto\""));
        let close = Machine { rust_ms: [2.0, 7.0, 9.0], ..machine(400.0, 1.0) };
        assert_eq!(Chosen::from(close, &plan).margin(), "8");
    }

    #[test]
    fn a_slow_machine_plays_longer_with_as_many_requests_a_minute_and_more_room() {
        let plan = Plan::short();
        let chosen = Chosen::from(machine(30.0, 5.0), &plan);
        assert!((chosen.rate - 10.0).abs() < 1e-9);
        let quick = Chosen::from(machine(400.0, 1.0), &plan).requests_a_minute();
        assert!((chosen.requests_a_minute() - quick).abs() < 1e-6);
        assert_eq!(chosen.limits_ms, [400, 800, 1600]);
        let hopeless = Chosen::from(machine(0.1, 1000.0), &plan);
        assert!((hopeless.rate - LEAST_RATE).abs() < 1e-9);
        assert_eq!(hopeless.limits_ms, [10_000; 3]);
    }

    #[test]
    fn a_slow_controller_makes_the_minute_longer() {
        let slow = Machine { tick: Duration::from_secs(2), ..machine(400.0, 1.0) };
        let chosen = Chosen::from(slow, &Plan::short());
        assert_eq!(chosen.minute, Duration::from_millis(6150));
    }
}
