//! What the command function does besides commands: proofs that leave no trace in
//! the journal, because nothing about a rollout changes.

use super::{Examination, Examiner, Finding};
use crate::config::{Config, Rollout};
use crate::domain::message::{Channel, Page, StateChange, Topic, Urgency};
use crate::domain::outbox::Debt;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::World;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An order that is no command: it has no revision, no reason, and no effect on
/// any rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Errand {
    /// Send a test message on every channel, and clear it.
    NotifyTest {
        /// Whose channels; may be left out if there is only one rollout.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<String>,
        /// Who asks, for the message's text.
        identity: String,
    },
    /// Look at everything with this function's role, and write each rule as it is.
    WriteTest {
        /// Whose; all of them if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rollout: Option<String>,
        /// Judge ages for this time in milliseconds since the Unix epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of_ms: Option<i64>,
    },
}

impl Errand {
    /// Runs it. Nothing is written after `deadline` (real time). A rollout that
    /// does not exist is a finding.
    pub async fn run(&self, world: &World, config: &Config, deadline: Timestamp) -> Examination {
        const EXAMINER: &str = "the command function";
        let now = world.clock.now();
        let asked = match self {
            Self::NotifyTest { rollout, identity } => {
                config.rollout(rollout.as_deref()).map(|rollout| (rollout, identity))
            }
            Self::WriteTest { rollout, as_of_ms } => {
                let examiner = Examiner {
                    write_until: Some(deadline),
                    ..Examiner::function(world, config, *as_of_ms)
                };
                let examination = examiner.examine(EXAMINER, rollout.as_deref()).await;
                return examination
                    .unwrap_or_else(|which| refused(EXAMINER, now, which.to_string()));
            }
        };
        match asked {
            Ok((rollout, identity)) => {
                notify(EXAMINER, world, config, rollout, identity, now).await
            }
            Err(which) => refused(EXAMINER, now, which.to_string()),
        }
    }
}

fn refused(examiner: &str, now: Timestamp, message: String) -> Examination {
    let why = "nothing was looked at";
    Examination {
        examiner: examiner.to_owned(),
        at_ms: now.as_millisecond(),
        findings: vec![Finding::bad("rollout", "", message, why, "give --rollout NAME")],
    }
}

/// Proves every channel: a trigger and its clear under one key, and an event.
///
/// The key is that of run 0, which no rollout has, so a test never joins an incident.
pub async fn notify(
    examiner: &str,
    world: &World,
    config: &Config,
    rollout: &Rollout,
    identity: &str,
    now: Timestamp,
) -> Examination {
    let mut findings = pages(world, config, rollout, identity, now).await;
    findings.push(bus(world, config, rollout, identity, now).await);
    Examination { examiner: examiner.to_owned(), at_ms: now.as_millisecond(), findings }
}

const WHY: &str = "a page that does not arrive is found out on the worst night";

async fn pages(
    world: &World,
    config: &Config,
    rollout: &Rollout,
    identity: &str,
    now: Timestamp,
) -> Vec<Finding> {
    let paging = &config.paging;
    let topics = [("topic_arn", &paging.topic_arn), ("chat_topic_arn", &paging.chat_topic_arn)];
    let topics: Vec<(&str, &String)> =
        topics.into_iter().filter_map(|(key, arn)| Some((key, arn.as_ref()?))).collect();
    if topics.is_empty() {
        let what = "no topic is configured, so nothing was sent";
        let fix = "set paging.topic_arn";
        return vec![Finding::bad("page", &rollout.name, what, WHY, fix)];
    }
    let page = |urgency, title: &str| Page {
        rollout: rollout.name.clone(),
        run: 0,
        revision: now.as_millisecond(),
        topic: Topic::Test,
        urgency,
        title: format!("{}: {title}", rollout.name),
        text: format!("Sent by {identity} to prove this channel. Nothing has happened."),
        from: None,
        to: None,
        at_ms: now.as_millisecond(),
    };
    let key = page(Urgency::Trigger, "").key();
    let mut findings = Vec::new();
    for (key_name, arn) in topics {
        let channel = if key_name == "topic_arn" { Channel::Pager } else { Channel::Chat };
        let mut refused = None;
        for (urgency, title) in
            [(Urgency::Trigger, "test page"), (Urgency::Clear, "test page is over")]
        {
            let sent = world.messages.send(channel, &Debt::Page(page(urgency, title))).await;
            refused = refused.or(sent.err());
        }
        let what = format!("{key_name} {arn} accepted a trigger and its clear (key {key})");
        findings.push(match refused {
            None => Finding::ok("page", &rollout.name, what, WHY),
            Some(error) => {
                let what = format!("{key_name}: {}", chain(&error));
                Finding::bad("page", &rollout.name, what, WHY, PUBLISH)
            }
        });
    }
    findings
}

/// What a topic that refuses a page needs.
const PUBLISH: &str = "allow sns:Publish on the topic (encrypted: kms:GenerateDataKey* and kms:Decrypt on its key); in a VPC, check the endpoint of sns";

async fn bus(
    world: &World,
    config: &Config,
    rollout: &Rollout,
    identity: &str,
    now: Timestamp,
) -> Finding {
    let Some(bus) = &config.bus else {
        let what = "no bus is configured, so no event was sent";
        return Finding::ok(
            "event",
            &rollout.name,
            what,
            "programs can follow a rollout by its events",
        );
    };
    let change = StateChange {
        rollout: rollout.name.clone(),
        run: 0,
        revision: now.as_millisecond(),
        state: "test".to_owned(),
        from: Weight::ZERO,
        to: Weight::ZERO,
        reason: format!("sent by {identity} to prove this channel; nothing has happened"),
        at_ms: now.as_millisecond(),
    };
    match world.messages.send(Channel::Bus, &Debt::Change(change)).await {
        Ok(()) => {
            let what = format!("bus {bus} accepted a test event (state `test`, run 0)");
            Finding::ok("event", &rollout.name, what, WHY)
        }
        Err(error) => Finding::bad(
            "event",
            &rollout.name,
            chain(&error),
            WHY,
            "allow events:PutEvents on the bus",
        ),
    }
}
