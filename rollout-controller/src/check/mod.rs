//! Looks at everything that a rollout rests on, and says what to fix.
//!
//! The same examination runs in three places, because each sees what the others
//! cannot: with the operator's credentials, inside the view function (its role,
//! its network, its database login), and, for the write test, inside the command
//! function. Nothing is changed, except by the write test when asked for.

mod endpoints;
pub mod errand;
mod groups;
mod journal;
mod outside;
mod pulse;
mod rules;
mod signals;

pub use groups::{GroupError, GroupSeen, Groups, TargetSeen};
pub use pulse::Pulse;

use crate::config::{Config, Rollout, WhichRollout};
use crate::controller::observe::read_rules;
use crate::controller::store;
use crate::errors::chain;
use crate::ports::{World, WritePermit};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Time for all other looks where a service does not answer. A function's own may be
/// 15 seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// How a finding is to be taken. The greater, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, and somebody should know.
    Warn,
    /// A rollout will not work, or will not be safe.
    Bad,
}

impl Level {
    /// Of `rolloutctl check`: 0 all is well, 11 warnings, 12 something is bad.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warn => 11,
            Self::Bad => 12,
        }
    }

    fn icon(self) -> &'static str {
        match self {
            Self::Ok => "✔",
            Self::Warn => "⚠",
            Self::Bad => "✖",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How it is to be taken.
    pub level: Level,
    /// What was looked at, in one or two words; stable, for programs.
    pub check: String,
    /// Rollout and route, or what else it is about; empty for the whole.
    pub about: String,
    /// What was found.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// How to fix it; empty if nothing has to be.
    pub fix: String,
}

impl Finding {
    /// A finding without anything to fix.
    pub fn ok(check: &str, about: &str, what: impl Into<String>, why: &str) -> Self {
        Self::new(Level::Ok, check, about, what, why, "")
    }

    /// A finding that somebody should know of.
    pub fn warn(check: &str, about: &str, what: impl Into<String>, why: &str, fix: &str) -> Self {
        Self::new(Level::Warn, check, about, what, why, fix)
    }

    /// A finding that has to be mended.
    pub fn bad(check: &str, about: &str, what: impl Into<String>, why: &str, fix: &str) -> Self {
        Self::new(Level::Bad, check, about, what, why, fix)
    }

    fn new(
        level: Level,
        check: &str,
        about: &str,
        what: impl Into<String>,
        why: &str,
        fix: &str,
    ) -> Self {
        Self {
            level,
            check: check.to_owned(),
            about: about.to_owned(),
            what: what.into(),
            why: why.to_owned(),
            fix: fix.to_owned(),
        }
    }
}

/// What one examiner found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// Whose eyes: `you`, `view function`, `command function`.
    pub examiner: String,
    /// Time that it was judged for, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// In the order of a rollout's parts.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// The worst of all findings.
    pub fn level(&self) -> Level {
        let levels = self.findings.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    /// For a terminal: one line for what is fine, four for what is not.
    pub fn render(&self) -> String {
        let mut text = format!("As seen by {}:\n", self.examiner);
        for finding in &self.findings {
            let about = match finding.about.as_str() {
                "" => String::new(),
                about => format!("{about}: "),
            };
            text.push_str(&format!(
                "{} {:<9} {about}{}\n",
                finding.level.icon(),
                finding.check,
                finding.what
            ));
            if finding.level > Level::Ok {
                text.push_str(&format!(
                    "            Why: {}\n            Fix: {}\n",
                    finding.why, finding.fix
                ));
            }
        }
        text
    }
}

/// Who looks, and how far.
pub struct Examiner<'a> {
    /// The ports, with the examiner's credentials.
    pub world: &'a World,
    /// The configuration that the examiner has.
    pub config: &'a Config,
    /// Target groups, where they can be read; the functions' roles need not.
    pub groups: Option<&'a dyn Groups>,
    /// The ticks' heartbeat, where it can be read and should be there.
    pub pulse: Option<&'a dyn Pulse>,
    /// Whether to look at the ledger; a laptop often cannot reach it.
    pub ledger: bool,
    /// Writes every rule as it is, until this real time.
    pub write_until: Option<Timestamp>,
    /// Time that ages are judged for.
    pub now: Timestamp,
}

impl<'a> Examiner<'a> {
    /// One of the controller's functions, with its own role, which looks and does
    /// not write. Ages are judged for `as_of_ms` (milliseconds since the Unix
    /// epoch), or for now.
    pub fn function(world: &'a World, config: &'a Config, as_of_ms: Option<i64>) -> Self {
        let as_of = as_of_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Self {
            world,
            config,
            groups: None,
            pulse: None,
            ledger: true,
            write_until: None,
            now: as_of.unwrap_or_else(|| world.clock.now()),
        }
    }

    /// Looks at one rollout, or at all of them.
    ///
    /// # Errors
    /// [`WhichRollout`], if no rollout has this name.
    pub async fn examine(
        &self,
        examiner: &str,
        name: Option<&str>,
    ) -> Result<Examination, WhichRollout> {
        let rollouts: Vec<&Rollout> = match name {
            Some(name) => vec![self.config.rollout(Some(name))?],
            None => self.config.rollouts.iter().collect(),
        };
        let mut findings = vec![configured(&rollouts), self.paging()];
        // A person's machine has another way to AWS than the functions.
        let network = match self.groups {
            None => endpoints::findings(&*self.world.endpoints).await,
            Some(_) => Vec::new(),
        };
        let silent = network.iter().any(|finding| finding.level == Level::Bad);
        findings.extend(network);
        let patience = if silent { PATIENCE } else { Duration::MAX };
        let looks = async {
            for rollout in rollouts {
                self.one(rollout, &mut findings, silent).await;
            }
        };
        // What waits for a service that does not answer must not take the whole call's time.
        if tokio::time::timeout(patience, looks).await.is_err() {
            let why = "each look waits for a service that does not answer";
            let what = "not everything was looked at in time";
            findings.push(Finding::warn("rest", "", what, why, "see `endpoint` first"));
        }
        Ok(Examination {
            examiner: examiner.to_owned(),
            at_ms: self.now.as_millisecond(),
            findings,
        })
    }

    async fn one(&self, rollout: &Rollout, findings: &mut Vec<Finding>, silent: bool) {
        let loaded = if self.ledger {
            let loaded = store::load(&*self.world.ledger, &rollout.name).await;
            findings.extend(journal::findings(&rollout.name, &loaded, self.now));
            loaded.ok()
        } else {
            None
        };
        let journal = loaded.as_ref().map(|loaded| &loaded.journal);
        if let Some(pulse) = self.pulse {
            findings.push(pulse::finding(&rollout.name, pulse, self.now).await);
        }
        let run = journal.and_then(|journal| journal.open_run());
        let sides = run.map_or(&rollout.terms.labels, |run| &run.terms.labels);
        let seen = read_rules(self.world, &rollout.terms.routes).await;
        for (route, seen) in rollout.terms.routes.iter().zip(&seen) {
            let about = format!("{}/{}", rollout.name, route.name);
            findings.extend(rules::findings(&about, route, seen, journal, sides));
            if let Some(groups) = self.groups {
                findings.extend(groups::findings(&about, route, sides, groups).await);
            }
        }
        // People need no right to read these; the functions do.
        if self.groups.is_none() {
            findings.push(outside::copy(self.world, rollout, journal).await);
            findings.extend(outside::code(self.world, rollout, sides).await);
        }
        findings.extend(signals::alarms(self.world, rollout, journal, sides).await);
        findings
            .extend(signals::metrics(self.world, rollout, &seen, journal, sides, self.now).await);
        // A write that is cut short cannot be told from one that was not made.
        if let Some(deadline) = self.write_until.filter(|_| !silent) {
            self.write(rollout, deadline, findings).await;
        }
    }

    async fn write(&self, rollout: &Rollout, deadline: Timestamp, findings: &mut Vec<Finding>) {
        const CHECK: &str = "write";
        const WHY: &str = "without ModifyRule nothing advances, and nothing rolls back";
        let permit = WritePermit::lower_only(deadline);
        for route in &rollout.terms.routes {
            let about = format!("{}/{}", rollout.name, route.name);
            let written = self.world.traffic.rewrite(&permit, route).await;
            findings.push(match written {
                Ok(crate::ports::Share::Weight(weight)) => Finding::ok(
                    CHECK,
                    &about,
                    format!("the rule was written as it is, and shows {weight}"),
                    WHY,
                ),
                Ok(crate::ports::Share::Foreign(what)) => Finding::warn(
                    CHECK,
                    &about,
                    format!("not written: the rule shows {what}"),
                    WHY,
                    "mend the rule first",
                ),
                Err(error) => Finding::bad(
                    CHECK,
                    &about,
                    chain(&error),
                    WHY,
                    "allow elasticloadbalancing:ModifyRule on this rule's ARN for this role",
                ),
            });
        }
    }

    fn paging(&self) -> Finding {
        const WHY: &str = "without a topic a rollback at night is only a line in a log";
        let paging = &self.config.paging;
        match (&paging.topic_arn, &paging.chat_topic_arn) {
            (None, None) => Finding::warn(
                "paging",
                "",
                "no topic is configured: pages are only logged",
                WHY,
                "set paging.topic_arn, then prove it with `rolloutctl notify --test`",
            ),
            (None, Some(_)) => Finding::warn(
                "paging",
                "",
                "pages reach a chat and nobody's telephone",
                WHY,
                "set paging.topic_arn, then prove it with `rolloutctl notify --test`",
            ),
            (Some(topic), _) => Finding::ok("paging", "", format!("pages go to {topic}"), WHY),
        }
    }
}

fn configured(rollouts: &[&Rollout]) -> Finding {
    let each = rollouts.iter().map(|rollout| {
        format!(
            "{} ({}, {} route(s))",
            rollout.name,
            format!("{:?}", rollout.mode).to_lowercase(),
            rollout.terms.routes.len()
        )
    });
    let each: Vec<String> = each.collect();
    let why = "every new group belongs to one route, every limit is one that can be judged";
    Finding::ok("config", "", format!("valid: {}", each.join(", ")), why)
}
