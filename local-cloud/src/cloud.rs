//! All parts of the cloud together, and what passes between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::alarms::{Alarms, Transition, report};
use crate::alb::{Balancers, DataPlane};
use crate::aws::{AwsError, Calls, Parameters};
use crate::bus::{BusEvent, Page, Ring};
use crate::clock::Clock;
use crate::faults::{ApiFault, Faults};
use crate::functions::{CallContext, Functions, InvokeError, not_found, qualified};
use crate::metrics::Metrics;
use crate::names::Names;
use crate::scheduler::Scheduler;
use crate::topology::EventRuleSpec;

/// The parts, shared by every server and task.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) names: Names,
    pub(crate) clock: Arc<Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) functions: Arc<Functions>,
    pub(crate) balancers: Arc<Balancers>,
    pub(crate) plane: Arc<DataPlane>,
    pub(crate) alarms: Alarms,
    pub(crate) scheduler: Scheduler,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) secrets: Mutex<BTreeMap<String, String>>,
    pub(crate) parameters: Parameters,
    pub(crate) event_rules: Vec<EventRuleSpec>,
    pub(crate) calls: Calls,
    pub(crate) pages: Ring<Page>,
    pub(crate) events: Ring<BusEvent>,
    pub(crate) aws_endpoint: Arc<OnceLock<String>>,
    /// Whether pages are printed as they come.
    pub(crate) print_pages: bool,
}

impl Cloud {
    /// Publishes on a topic; the message id.
    pub(crate) fn publish(
        &self,
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
    ) -> Result<String, AwsError> {
        if !self.topics.contains(topic_arn) {
            return Err(AwsError {
                status: 404,
                code: "NotFound".to_owned(),
                message: "Topic does not exist".to_owned(),
            });
        }
        let bad =
            |text: &str| text.len() >= 100 || text.is_empty() || text.chars().any(char::is_control);
        if subject.is_some_and(bad) {
            return Err(AwsError::sender("InvalidParameter", "Invalid parameter: Subject"));
        }
        if message.is_empty() || message.len() > 256 * 1024 {
            return Err(AwsError::sender("InvalidParameter", "Invalid parameter: Message"));
        }
        let id = crate::functions::request_id();
        if self.print_pages {
            eprintln!("local-cloud: page: {}", subject.unwrap_or(message));
        }
        self.pages.push(Page {
            id: id.clone(),
            at_ms: self.clock.now_ms(),
            topic_arn: topic_arn.to_owned(),
            subject: subject.map(str::to_owned),
            message: message.to_owned(),
        });
        Ok(id)
    }

    /// Puts an event on the bus and invokes what listens to it.
    pub(crate) fn emit(&self, event: Value) {
        let listens = |wanted: &[String], key: &str| {
            wanted.is_empty() || wanted.iter().any(|one| event[key] == one.as_str())
        };
        let mut rules = Vec::new();
        for rule in &self.event_rules {
            if !listens(&rule.source, "source") || !listens(&rule.detail_type, "detail-type") {
                continue;
            }
            let source = format!("event rule {}", rule.name);
            // Names were checked with the topology.
            let _ = self.functions.invoke_later(
                &rule.function,
                Bytes::from(event.to_string()),
                &source,
            );
            rules.push(rule.name.clone());
        }
        self.events.push(BusEvent { at_ms: self.clock.now_ms(), event, rules });
    }

    /// Carries out everything that alarms' changes of state call for.
    pub(crate) fn dispatch(&self, transitions: &[Transition]) {
        for transition in transitions {
            self.emit(report::event(&self.names, transition));
            let alarm = &transition.alarm;
            if !alarm.actions_enabled {
                continue;
            }
            for action in alarm.actions(alarm.now.state) {
                let told = if action.contains(":lambda:") {
                    let payload = report::lambda_payload(&self.names, transition).to_string();
                    let source = format!("alarm {}", alarm.name());
                    self.functions
                        .invoke_later(action, Bytes::from(payload), &source)
                        .map_err(|error| error.to_string())
                } else {
                    let (subject, message) = report::sns(&self.names, transition);
                    self.publish(action, Some(&subject), &message)
                        .map(|_| ())
                        .map_err(|error| error.to_string())
                };
                if let Err(error) = told {
                    eprintln!("local-cloud: action {action} of alarm {}: {error}", alarm.name());
                }
            }
        }
    }

    /// Evaluates all alarms now.
    pub(crate) fn evaluate_alarms(&self) {
        let transitions = self.alarms.evaluate();
        self.dispatch(&transitions);
    }

    /// Invokes a schedule's function for one scheduled time and waits.
    pub(crate) async fn fire(&self, schedule: &str, at_ms: i64) -> Result<Bytes, InvokeError> {
        let (function, input) = self
            .scheduler
            .input(&self.names, schedule, at_ms)
            .ok_or_else(|| InvokeError::Service(format!("no schedule is called {schedule}")))?;
        self.functions.invoke(&function, input, CallContext::default()).await
    }

    /// A summary for people and programs.
    pub(crate) fn state(&self) -> Value {
        let balancers = self.balancers.list.iter().map(|balancer| {
            let rules = self.balancers.rules_of_listener(&balancer.listener_arn);
            let rules = rules.unwrap_or_default();
            let rules = rules.iter().map(|rule| {
                json!({
                    "arn": rule.arn,
                    "priority": rule.priority,
                    "weights": self.balancers.weights(&rule.arn).unwrap_or_default(),
                })
            });
            json!({
                "name": balancer.name,
                "arn": balancer.arn,
                "listener_arn": balancer.listener_arn,
                "url": format!("http://127.0.0.1:{}", balancer.port),
                "rules": rules.collect::<Vec<_>>(),
            })
        });
        let groups = self.balancers.groups.values().map(|group| {
            let target = self.balancers.target(&group.arn);
            json!({
                "name": group.name,
                "arn": group.arn,
                "function": target.as_ref().map(|target| &target.function),
                "health": target.as_ref().map(|target| target.health),
            })
        });
        json!({
            "now": self.clock.now().to_string(),
            "now_ms": self.clock.now_ms(),
            "region": self.names.region,
            "account": self.names.account,
            "aws_endpoint": self.aws_endpoint.get(),
            "rollout_clock": self.clock.as_variable(),
            "load_balancers": balancers.collect::<Vec<_>>(),
            "target_groups": groups.collect::<Vec<_>>(),
            "topics": self.topics,
            "parameters": self.parameters.all(),
            "functions": self.functions.stats(),
            "alarms": self.alarms.list(),
            "schedules": self.scheduler.list(),
            "faults": self.faults.list(),
        })
    }

    /// Gives a group a target that exists.
    pub(crate) fn register_target(&self, group: &str, function: &str) -> Result<(), AwsError> {
        self.functions.find(function).map_err(|error| not_found(&error))?;
        let (bare, qualifier) = qualified(function);
        let target = qualifier.map_or(bare.to_owned(), |one| format!("{bare}:{one}"));
        self.balancers.set_target(group, Some(&target))
    }

    /// Plays somebody else who changes weights after a call.
    pub(crate) fn foreign_write(&self, fault: &ApiFault) {
        let Some(rule) = &fault.rule else { return };
        if let Err(error) = self.balancers.set_weights(rule, &fault.weights, "foreign") {
            eprintln!("local-cloud: foreign write to {rule}: {error}");
        }
    }
}
