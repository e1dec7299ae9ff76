//! The timeline: one look a minute at what the product itself says.

use std::time::{Duration, Instant};

use anyhow::ensure;
use jiff::Timestamp;

use crate::clock::MINUTE_MS;
use crate::{AsyncRecord, LocalCloud, Page, RuleChange};

use super::ctl::{Ctl, Log, Metric, Status, Suspicion};
use super::plan::{RUST, SCHEDULE};
use super::screen::{Screen, count, hour};
use super::traffic::Traffic;

/// Looks in a row that may fail before the demo gives up.
const MOST_FAILED_LOOKS: u32 = 5;

/// Real time without any progress after which something hangs.
const STUCK_AFTER: Duration = Duration::from_mins(3);

/// How often progress is looked for, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Share of a minute's requests that must have been answered before simulated
/// time goes on: a minute with next to no requests would prove nothing.
const LEAST_ANSWERED: f64 = 0.5;

/// States of a run that nothing but a new start changes.
const ENDED: [&str; 2] = ["completed", "rolled back"];

/// How a rollout went.
#[derive(Clone, Debug)]
pub(super) struct Played {
    /// Simulated time of the order to start.
    pub(super) started_ms: i64,
    /// Simulated time of the last look.
    pub(super) ended_ms: i64,
    /// The last look.
    pub(super) status: Status,
    /// Exit code of that `rolloutctl status`.
    pub(super) exit: i32,
    /// Changes of the weighted rule: simulated time and Rust's share in percent.
    pub(super) changes: Vec<(i64, f64)>,
    /// Messages sent meanwhile.
    pub(super) pages: Vec<Page>,
}

/// Where the timeline is.
pub(super) struct Follower<'a> {
    pub(super) screen: &'a Screen,
    pub(super) cloud: &'a LocalCloud,
    pub(super) ctl: &'a Ctl,
    pub(super) rule: String,
    /// Requests that a minute should have.
    requests_a_minute: f64,
    began_ms: i64,
    answered: u64,
    ticks: Ticks,
    seen_revision: i64,
    seen_pages: usize,
    last_why: String,
}

/// Scheduled ticks that are over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticks {
    pub(super) done: u64,
    pub(super) failed: u64,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        screen: &'a Screen,
        cloud: &'a LocalCloud,
        ctl: &'a Ctl,
        rule: String,
        requests_a_minute: f64,
    ) -> Self {
        let began_ms = cloud.clock().now_ms();
        // Whatever is still to be started, no tick is due before it.
        cloud.clock().hold_at(began_ms.div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS - 1);
        Self {
            screen,
            cloud,
            ctl,
            rule,
            requests_a_minute,
            began_ms,
            answered: 0,
            ticks: Ticks::default(),
            seen_revision: 0,
            seen_pages: 0,
            last_why: String::new(),
        }
    }

    /// The scheduled ticks so far.
    pub(super) fn ticks(&self) -> Ticks {
        self.ticks
    }

    /// Starts a rollout as an operator would and follows it to its end, at
    /// most so many simulated minutes.
    ///
    /// # Errors
    /// A start that is refused, a controller that does not answer.
    pub(super) async fn play(
        &mut self,
        traffic: &mut Traffic,
        reason: &str,
        most_minutes: u32,
    ) -> anyhow::Result<Played> {
        let started_ms = self.cloud.clock().now_ms();
        let (changes, pages) = (self.cloud.rule_changes().len(), self.cloud.pages().len());
        self.order(&["start", "--yes", "--reason", reason]).await?;
        let until_ms = started_ms + i64::from(most_minutes) * MINUTE_MS;
        let mut failed = 0;
        let (status, exit) = loop {
            self.next_look(traffic).await?;
            match self.look(traffic).await {
                Ok((status, exit)) => {
                    failed = 0;
                    let ended = ENDED.contains(&status.state.as_str());
                    if ended || self.cloud.clock().now_ms() > until_ms {
                        break (status, exit);
                    }
                }
                Err(error) => {
                    failed += 1;
                    self.screen.line(&format!("       ✖ no answer: {error:#}"))?;
                    if failed == MOST_FAILED_LOOKS {
                        return Err(error.context("the controller does not answer any more"));
                    }
                }
            }
        };
        Ok(Played {
            started_ms,
            ended_ms: self.cloud.clock().now_ms(),
            status,
            exit,
            changes: self.changes_since(changes),
            pages: self.cloud.pages().split_off(pages),
        })
    }

    /// Gives an order and shows it with its answer.
    ///
    /// # Errors
    /// An order that is refused.
    pub(super) async fn order(&self, args: &[&str]) -> anyhow::Result<()> {
        let shown: Vec<String> = args
            .iter()
            .map(|arg| if arg.contains(' ') { format!("\"{arg}\"") } else { (*arg).to_owned() })
            .collect();
        self.screen.line(&format!("$ rolloutctl {}", shown.join(" ")))?;
        let said = self.ctl.run(args).await?;
        for line in said.lines() {
            self.screen.line(&format!("  {line}"))?;
        }
        Ok(())
    }

    /// Shows so many minutes.
    ///
    /// # Errors
    /// As [`play`](Self::play).
    pub(super) async fn minutes(
        &mut self,
        traffic: &mut Traffic,
        minutes: u32,
    ) -> anyhow::Result<()> {
        for _ in 0..minutes {
            self.next_look(traffic).await?;
            self.look(traffic).await?;
        }
        Ok(())
    }

    /// Rust's share after every change of the weighted rule since the `from`th.
    pub(super) fn changes_since(&self, from: usize) -> Vec<(i64, f64)> {
        let changes = self.cloud.rule_changes();
        let ours = changes[from..].iter().filter(|change| change.rule == self.rule);
        ours.map(|change| (change.at_ms, rust_percent(change))).collect()
    }

    /// Lets simulated time run to the middle of the next minute, and waits there
    /// for the minute's tick and for enough answers.
    ///
    /// Time stands before the next tick is due, so a slow machine plays the same
    /// minutes more slowly: no tick is skipped, no minute is without requests.
    async fn next_look(&mut self, traffic: &Traffic) -> anyhow::Result<()> {
        let clock = self.cloud.clock();
        let half = MINUTE_MS / 2;
        let minute_ms = (clock.now_ms() - half).div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS;
        clock.hold_at(minute_ms + MINUTE_MS - 1);
        clock.sleep_until(minute_ms + half).await;
        let progress = Progress::new();
        // The first tick is due a minute after the start.
        if minute_ms > self.began_ms {
            let failed = loop {
                if let Some(failed) = self.tick_failed(minute_ms) {
                    break failed;
                }
                progress.wait(|| format!("the tick of {} is not over", hour(minute_ms))).await?;
            };
            self.ticks.done += 1;
            self.ticks.failed += u64::from(failed);
        }
        // Far below 2^53.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let least = (self.requests_a_minute * LEAST_ANSWERED) as u64;
        loop {
            let answered = traffic.counts().ended;
            if answered >= self.answered + least {
                self.answered = answered;
                break;
            }
            let came = answered - self.answered;
            progress.wait(|| format!("only {came} requests were answered since")).await?;
        }
        Ok(())
    }

    /// Whether the tick that was scheduled for this time failed; `None` while it runs.
    fn tick_failed(&self, at_ms: i64) -> Option<bool> {
        let source = format!("schedule {SCHEDULE}");
        let records = self.cloud.async_records();
        let scheduled = |record: &&AsyncRecord| {
            let event: serde_json::Value = serde_json::from_str(&record.event).unwrap_or_default();
            let time = event["time"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
            time.is_some_and(|time| time.as_millisecond() == at_ms)
        };
        let ours = records.iter().rev().filter(|record| record.source == source);
        ours.take(5).find(scheduled).map(|record| record.error.is_some())
    }

    /// One look: what changed, then how it stands.
    async fn look(&mut self, traffic: &mut Traffic) -> anyhow::Result<(Status, i32)> {
        traffic.keep_up(self.cloud);
        let (status, exit) = self.ctl.status().await?;
        for change in &status.changes {
            if change.revision > self.seen_revision {
                self.seen_revision = change.revision;
                self.screen.line(&format!("       ▶ {}", change.text))?;
            }
        }
        let pages = self.cloud.pages();
        for page in &pages[self.seen_pages..] {
            let subject = page.subject.as_deref().unwrap_or("(no subject)");
            self.screen.line(&format!("       ✉ {subject}"))?;
        }
        self.seen_pages = pages.len();
        let shows: Vec<&str> = status.routes.iter().map(|route| route.shows.as_str()).collect();
        let counts = traffic.counts();
        self.screen.line(&format!(
            "{}  Rust {:>5}  {}  {} requests, {} failed",
            hour(self.cloud.clock().now_ms()),
            shows.join(", "),
            suspicion_and_proof(&status),
            count(counts.ended + counts.testers),
            count(counts.hurt + counts.testers_hurt),
        ))?;
        if status.reason.text != self.last_why {
            self.screen.line(&format!("       {}", status.reason.text))?;
            self.last_why.clone_from(&status.reason.text);
        }
        Ok((status, exit))
    }
}

/// Waits in small steps, and gives up when nothing happens for too long.
struct Progress {
    begun: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { begun: Instant::now() }
    }

    async fn wait(&self, what: impl Fn() -> String) -> anyhow::Result<()> {
        ensure!(
            self.begun.elapsed() < STUCK_AFTER,
            "{} after {} s: it hangs, or this machine has no time for the demo",
            what(),
            STUCK_AFTER.as_secs()
        );
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(())
    }
}

/// Where the evidence of a run that goes on is.
fn suspicion_and_proof(status: &Status) -> String {
    match &status.suspicion {
        _ if ENDED.contains(&status.state.as_str()) => format!("{:<58}", status.state),
        Some(found) => evidence(found, &status.metrics),
        None => format!("{:<58}", "nothing judged yet"),
    }
}

/// `suspicion   7%  proven: errors, P50, P95  open: P99`.
fn evidence(against: &Suspicion, metrics: &[Metric]) -> String {
    let suspicion = 100.0 * (against.log_e / against.log_e_rollback).clamp(0.0, 1.0);
    let of = |wanted: bool| {
        let proven = |log: &Log| log.proof.is_some_and(|proof| proof >= log.proof_needed);
        let metrics = metrics.iter().filter(|metric| proven(&metric.log) == wanted);
        let names: Vec<&str> = metrics.map(|metric| metric.name.as_str()).collect();
        names.join(" ")
    };
    let proofs = match (of(true), of(false)) {
        (proven, open) if open.is_empty() => format!("proven: {proven}"),
        (proven, open) if proven.is_empty() => format!("open: {open}"),
        (proven, open) => format!("proven: {proven}  open: {open}"),
    };
    format!("suspicion {suspicion:>3.0}%  {proofs:<42}")
}

/// Rust's part of a rule after a change, in percent.
pub(super) fn rust_percent(change: &RuleChange) -> f64 {
    let weight = |share: &crate::Share| f64::from(share.weight.unwrap_or(1));
    let all: f64 = change.weights.iter().map(weight).sum();
    let rust: f64 = change.weights.iter().filter(|share| share.group == RUST).map(weight).sum();
    if all > 0.0 { 100.0 * rust / all } else { 0.0 }
}
