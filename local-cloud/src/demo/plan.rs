//! What the demo plays: lengths, rates, stages, and the two texts made of them.

use std::path::Path;
use std::time::Duration;

use crate::{
    EventRuleSpec, Fault, FunctionFault, FunctionFaultKind, FunctionSpec, LoadBalancerSpec,
    RuleSpec, ScheduleSpec, Topology,
};

use super::home::{Files, Home};
use super::machine::Chosen;

pub(super) const BALANCER: &str = "scorer";
pub(super) const PYTHON: &str = "scorer-python";
pub(super) const RUST: &str = "scorer-rust";
pub(super) const TESTER: &str = "scorer-rust-tester";
pub(super) const PYTHON_FUNCTION: &str = "python-scorer";
pub(super) const RUST_FUNCTION: &str = "scorer-fn";
/// The controller's functions, as `rolloutctl` expects them by default.
pub(super) const CONTROLLER_FUNCTIONS: [(&str, &str); 3] =
    [("rollout-tick", "tick"), ("rollout-command", "command"), ("rollout-view", "view")];
pub(super) const WEIGHTED_PRIORITY: u32 = 100;
const TESTER_PRIORITY: u32 = 99;
pub(super) const TESTER_HEADER: (&str, &str) = ("X-Use-Rust-Scorer", "true");
const TOPIC: &str = "rollout-pages";
const PATH: &str = "/v2/stamps/*/score/*";

/// So many requests of the second release fail, as a ratio.
pub(super) const FAILS_RATIO: f64 = 0.3;

/// Most a function may keep resident, in KiB.
pub(super) const MEMORY_LIMIT_KIB: u64 = 64 * 1024;

/// The schedule that starts a tick every minute.
pub(super) const SCHEDULE: &str = "rollout-tick";

/// A slow machine is no failure: requests and the controller's calls have so long.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is played. How fast is chosen when the machine is known.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Shortest real length of a simulated minute.
    pub(super) shortest_minute: Duration,
    /// The length if a person chose it.
    pub(super) minute: Option<Duration>,
    /// Most requests a second, testers' aside.
    pub(super) most_rate: f64,
    /// The rate if a person chose it.
    pub(super) rate: Option<f64>,
    /// Testers' requests for each of everybody's.
    pub(super) testers: f64,
    pub(super) seed: u64,
    /// Whole percents, rising, the last one 100.
    pub(super) stages: Vec<u32>,
    /// The stage, in whole percents, from which on the second release fails.
    pub(super) fails_from: u32,
    /// Minutes at the last share at which Python answers, before 100%.
    pub(super) bake: u32,
    /// Minutes of the old side that are read before the first step.
    pub(super) history: u32,
    /// Minutes after a rollback in which nothing may come back.
    pub(super) aftermath: u32,
}

impl Plan {
    /// The whole demo: some two minutes.
    pub(super) fn long() -> Self {
        Self {
            shortest_minute: Duration::from_millis(1500),
            minute: None,
            most_rate: 100.0,
            rate: None,
            testers: 0.08,
            seed: 1,
            stages: vec![10, 25, 50, 80, 100],
            fails_from: 25,
            bake: 5,
            history: 3,
            aftermath: 3,
        }
    }

    /// The same with a stage and a bake, for tests: a minute and a half.
    pub(super) fn short() -> Self {
        Self {
            shortest_minute: Duration::from_secs(1),
            stages: vec![50, 80, 100],
            fails_from: 50,
            bake: 3,
            aftermath: 2,
            ..Self::long()
        }
    }

    /// Shares that the rule must show one after the other in a good rollout.
    pub(super) fn way_up(&self) -> Vec<u32> {
        self.stages.clone()
    }

    /// The same for the release that fails: up to where it does, then 0.
    pub(super) fn way_back(&self) -> Vec<u32> {
        let tried = self.stages.iter().copied().filter(|stage| *stage <= self.fails_from);
        tried.chain([0]).collect()
    }

    /// The fault of the second release.
    pub(super) fn fault(&self) -> Fault {
        Fault::Function(FunctionFault {
            function: RUST_FUNCTION.to_owned(),
            group: Some(RUST.to_owned()),
            kind: FunctionFaultKind::Error,
            probability: FAILS_RATIO,
            from_share: Some(f64::from(self.fails_from)),
            latency_ms: 0,
        })
    }

    /// The cloud: two scorers behind one load balancer, and the controller.
    pub(super) fn topology(
        &self,
        home: &Home,
        files: &Files,
        database: &str,
        chosen: &Chosen,
    ) -> Topology {
        let patient = |mut function: FunctionSpec| {
            function.init_timeout = PATIENCE;
            function.timeout(PATIENCE)
        };
        let patience_ms = PATIENCE.as_millis().to_string();
        let scorer = |name: &str, command: Vec<String>| {
            let mut function = patient(FunctionSpec::new(name, command))
                .env("DATABASE_URL", database)
                .env("DATABASE_CONNECT_TIMEOUT_MS", &patience_ms)
                .env("DATABASE_STATEMENT_TIMEOUT_MS", &patience_ms)
                .max_environments(4)
                .queue(PATIENCE);
            for (name, value) in &home.scorer_env {
                function = function.env(name, value);
            }
            function
        };
        let python = [
            text(&home.python),
            "-m".to_owned(),
            "awslambdaric".to_owned(),
            "app.handler".to_owned(),
        ];
        let mut topology = Topology::new()
            .minute(chosen.minute)
            .seed(self.seed)
            // Read a minute late by the controller: half of that is room for slow ones.
            .lag_minutes(0.5)
            .topic(TOPIC)
            .function(
                scorer(PYTHON_FUNCTION, python.to_vec())
                    .cwd(&home.python_scorer)
                    .env("PYTHONDONTWRITEBYTECODE", "1"),
            )
            .function(scorer(RUST_FUNCTION, vec![text(&home.scorer)]))
            .target_group(PYTHON, PYTHON_FUNCTION)
            .target_group(RUST, RUST_FUNCTION)
            // Testers have a group of their own, so that they are not in the evidence.
            .target_group(TESTER, RUST_FUNCTION)
            .load_balancer(
                LoadBalancerSpec::new(BALANCER)
                    .rule(
                        RuleSpec::new(TESTER_PRIORITY)
                            .path(PATH)
                            .header(TESTER_HEADER.0, TESTER_HEADER.1)
                            .forward([(TESTER, 1)]),
                    )
                    .rule(
                        RuleSpec::new(WEIGHTED_PRIORITY)
                            .path(PATH)
                            .forward([(PYTHON, 100), (RUST, 0)]),
                    ),
            )
            .event_rule(EventRuleSpec::alarms("alarm-to-tick", "rollout-tick"))
            .schedule(ScheduleSpec::new(
                SCHEDULE,
                "rollout-tick",
                r#"{"source":"rollout.schedule","time":"<aws.scheduler.scheduled-time>"}"#,
            ));
        topology.log_dir = Some(files.logs.clone());
        for (name, door) in CONTROLLER_FUNCTIONS {
            let mut function = patient(FunctionSpec::new(name, [text(&home.controller)]))
                .max_environments(2)
                .env("ROLLOUT_CONFIG_FILE", text(&files.config))
                .env("ROLLOUT_DOOR", door);
            if door == "tick" {
                // The next minute is the retry.
                function =
                    function.reserved_concurrency(1).async_retries(0, Duration::from_mins(1));
            }
            topology = topology.function(function);
        }
        topology
    }

    /// The controller's configuration.
    pub(super) fn config(&self, topology: &Topology, files: &Files, chosen: &Chosen) -> String {
        let names = topology.names();
        let stages: Vec<String> = self.stages.iter().map(|stage| format!("\"{stage}%\"")).collect();
        let [p50, p95, p99] = chosen.limits_ms;
        let margin = chosen.margin();
        format!(
            r#"# Written by `local-cloud demo`.
[ledger]
url = "{ledger}"

[paging]
topic_arn = "{topic}"

[events]
bus = "default"

[[rollout]]
name = "score"
mode = "active"
stages = [{stages}]
bake = "{bake}m"
lag = "1m"
history = "{history}m"

[rollout.slo]
error_rate = "1%"
p50 = "{p50}ms"
p95 = "{p95}ms"
p99 = "{p99}ms"

# Measured on this machine before the start: {comparison}.
[rollout.evidence]
relative_margin = {margin}

[[rollout.route]]
name = "public"
rule = "{rule}"
old_group = "{old}"
new_group = "{new}"

[rollout.route.header_rule]
priority = {TESTER_PRIORITY}
header = "{header}"
value = "{value}"
group = "{tester}"
"#,
            ledger = files.ledger,
            comparison = chosen.comparison(),
            topic = names.topic(TOPIC),
            stages = stages.join(", "),
            bake = self.bake,
            history = self.history,
            rule = names.rule(BALANCER, WEIGHTED_PRIORITY),
            old = names.target_group(PYTHON),
            new = names.target_group(RUST),
            header = TESTER_HEADER.0,
            value = TESTER_HEADER.1,
            tester = names.target_group(TESTER),
        )
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
