//! EventBridge Scheduler, `rate(1 minute)`: hands its input to a function at
//! every simulated minute, asynchronously and at least once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde::Serialize;

use crate::alarms::next_evaluation;
use crate::alarms::report::whole_second;
use crate::cloud::Cloud;
use crate::names::Names;
use crate::topology::ScheduleSpec;

/// A schedule as it stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ScheduleState {
    /// Name.
    pub(crate) name: String,
    /// Function.
    pub(crate) function: String,
    /// Whether it fires by itself.
    pub(crate) enabled: bool,
}

#[derive(Debug)]
pub(crate) struct Scheduler(Vec<(ScheduleSpec, AtomicBool)>);

impl Scheduler {
    pub(crate) fn new(specs: &[ScheduleSpec]) -> Self {
        Self(specs.iter().map(|spec| (spec.clone(), AtomicBool::new(spec.enabled))).collect())
    }

    /// Function and event of a schedule for one scheduled time.
    pub(crate) fn input(&self, names: &Names, name: &str, at_ms: i64) -> Option<(String, Bytes)> {
        let (spec, _) = self.0.iter().find(|(spec, _)| spec.name == name)?;
        let input = spec
            .input
            .replace("<aws.scheduler.scheduled-time>", &whole_second(at_ms))
            .replace("<aws.scheduler.schedule-arn>", &names.schedule(&spec.name))
            .replace("<aws.scheduler.execution-id>", &crate::functions::request_id())
            .replace("<aws.scheduler.attempt-number>", "1");
        Some((spec.function.clone(), input.into()))
    }

    /// Starts or stops a schedule; false if there is none of this name.
    pub(crate) fn enable(&self, name: &str, enabled: bool) -> bool {
        let found = self.0.iter().find(|(spec, _)| spec.name == name);
        if let Some((_, flag)) = found {
            flag.store(enabled, Ordering::SeqCst);
        }
        found.is_some()
    }

    pub(crate) fn list(&self) -> Vec<ScheduleState> {
        self.0
            .iter()
            .map(|(spec, enabled)| ScheduleState {
                name: spec.name.clone(),
                function: spec.function.clone(),
                enabled: enabled.load(Ordering::SeqCst),
            })
            .collect()
    }

    fn enabled(&self) -> Vec<String> {
        self.list().into_iter().filter(|one| one.enabled).map(|one| one.name).collect()
    }
}

/// Runs schedules and alarm evaluations until the task is ended.
///
/// `next_ms` is the first minute that counts: taken at the start, so that a
/// clock moved right afterwards loses none.
pub(crate) async fn run(cloud: Arc<Cloud>, mut next_ms: i64) {
    loop {
        cloud.clock.sleep_until(next_ms).await;
        // Alarms first: an alarm that is due is known when the tick looks.
        cloud.evaluate_alarms();
        for name in cloud.scheduler.enabled() {
            if let Some((function, input)) = cloud.scheduler.input(&cloud.names, &name, next_ms) {
                // Names were checked with the topology.
                let _ = cloud.functions.invoke_later(&function, input, &format!("schedule {name}"));
            }
        }
        next_ms = next_evaluation(next_ms);
    }
}
