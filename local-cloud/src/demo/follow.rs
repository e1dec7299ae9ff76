//! The timeline: one look a minute at what the product itself says.

use std::time::Duration;

use crate::clock::MINUTE_MS;
use crate::{LocalCloud, Page, RuleChange};

use super::ctl::{Ctl, Evidence, Status};
use super::plan::RUST;
use super::screen::{Screen, count, hour};
use super::traffic::Traffic;

/// Looks in a row that may fail before the demo gives up.
const PATIENCE: u32 = 5;

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
    seen_revision: i64,
    seen_pages: usize,
    last_why: String,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        screen: &'a Screen,
        cloud: &'a LocalCloud,
        ctl: &'a Ctl,
        rule: String,
    ) -> Self {
        Self { screen, cloud, ctl, rule, seen_revision: 0, seen_pages: 0, last_why: String::new() }
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
            self.next_look().await;
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
                    if failed == PATIENCE {
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
            self.next_look().await;
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

    /// Half a minute after the next tick is due: it is done by then.
    async fn next_look(&self) {
        let clock = self.cloud.clock();
        let now = clock.now_ms();
        let half = MINUTE_MS / 2;
        let next = now - (now - half).rem_euclid(MINUTE_MS) + MINUTE_MS;
        clock.sleep(Duration::from_millis(u64::try_from(next - now).unwrap_or_default())).await;
    }

    /// One look: what changed, then how it stands.
    async fn look(&mut self, traffic: &mut Traffic) -> anyhow::Result<(Status, i32)> {
        traffic.keep_up(self.cloud);
        let (status, exit) = self.ctl.status().await?;
        for line in &status.history {
            let mut parts = line.trim_start().splitn(3, "  ");
            let (revision, _, sentence) = (parts.next(), parts.next(), parts.next());
            let revision = revision.and_then(|text| text.parse().ok()).unwrap_or(0);
            if let Some(sentence) = sentence.filter(|_| revision > self.seen_revision) {
                self.seen_revision = revision;
                self.screen.line(&format!("       ▶ {sentence}"))?;
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
            "{}  Rust {:>5}  {}  {} requests, {} hurt; testers {}, {} hurt",
            hour(self.cloud.clock().now_ms()),
            shows.join(", "),
            against_and_for(&status),
            count(counts.ended),
            count(counts.hurt),
            counts.testers,
            counts.testers_hurt,
        ))?;
        if status.why != self.last_why {
            self.screen.line(&format!("       {}", status.why))?;
            self.last_why.clone_from(&status.why);
        }
        Ok((status, exit))
    }
}

/// Where the evidence of a run that goes on stands.
fn against_and_for(status: &Status) -> String {
    match &status.evidence {
        _ if ENDED.contains(&status.state.as_str()) => status.state.clone(),
        Some(found) => evidence(found),
        None => "nothing judged yet".to_owned(),
    }
}

/// `against -0.31/4.61  for ✔err 4.9 ◌p50 1.2 …/4.61`: natural logarithms.
fn evidence(evidence: &Evidence) -> String {
    let gates: Vec<String> = evidence
        .gates
        .iter()
        .map(|(metric, log)| {
            let icon = if *log >= evidence.log_gate_open { '✔' } else { '◌' };
            format!("{icon}{metric} {log:.1}")
        })
        .collect();
    format!(
        "against {:.2}/{:.2}  for {} /{:.1}",
        evidence.log_e,
        evidence.log_e_rollback,
        gates.join(" "),
        evidence.log_gate_open
    )
}

fn rust_percent(change: &RuleChange) -> f64 {
    let weight = |share: &crate::Share| f64::from(share.weight.unwrap_or(1));
    let all: f64 = change.weights.iter().map(weight).sum();
    let rust: f64 = change.weights.iter().filter(|share| share.group == RUST).map(weight).sum();
    if all > 0.0 { 100.0 * rust / all } else { 0.0 }
}
