//! A running cloud, as tests and the demo hold it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::alarms::{Alarm, Alarms, next_evaluation};
use crate::alb::{AccessEntry, Balancers, DataPlane, Exchange, RuleChange, TargetHealth};
use crate::aws::{self, ApiCall, AwsError, Calls, Parameter, Parameters};
use crate::bus::{BusEvent, Page, Ring};
use crate::clock::{Clock, Pace};
use crate::cloud::Cloud;
use crate::faults::{Fault, Faults, StandingFault};
use crate::functions::{
    AsyncRecord, CallContext, FunctionCode, FunctionStats, Functions, InvokeError, LogLine,
    Surroundings, not_found,
};
use crate::metrics::{Metric, Metrics, Statistic, dimensions};
use crate::names::Names;
use crate::scheduler::{self, Scheduler};
use crate::serve;
use crate::tasks::Tasks;
use crate::topology::{AliasSpec, AuthenticateSpec, Deployment, Share, Topology, TopologyError};

/// How often the resident size of functions is noted, in real time.
const MEMORY_SAMPLES_EVERY: Duration = Duration::from_millis(250);

/// How long functions may take to be gone after they were killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Why a cloud did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The topology cannot be used.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A port could not be taken.
    #[error("{what} cannot listen on 127.0.0.1:{port}; write 0 to take a free port")]
    Listen {
        /// Load balancer or endpoint.
        what: String,
        /// Wanted port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An alarm of the topology was refused.
    #[error("topology: alarm: {0}")]
    Alarm(#[from] AwsError),
}

/// A running cloud. Dropping it ends everything it started;
/// [`shutdown`](Self::shutdown) also waits for that.
#[derive(Debug)]
pub struct LocalCloud {
    cloud: Arc<Cloud>,
    tasks: Tasks,
    aws: SocketAddr,
}

impl LocalCloud {
    /// Starts a cloud. Functions start with their first request.
    ///
    /// Must be called inside a tokio runtime with several threads or one that
    /// keeps running.
    ///
    /// # Errors
    /// [`StartError`]: a topology that contradicts itself, a taken port.
    pub async fn start(topology: Topology) -> Result<Self, StartError> {
        Self::start_with(topology, false).await
    }

    /// As [`start`](Self::start), and prints pages to standard error as they come.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_printing(topology: Topology) -> Result<Self, StartError> {
        Self::start_with(topology, true).await
    }

    async fn start_with(topology: Topology, print_pages: bool) -> Result<Self, StartError> {
        topology.check()?;
        let tasks = Tasks::default();
        let names = topology.names();
        let clock =
            Arc::new(Clock::new(topology.minute, topology.start.unwrap_or_else(Timestamp::now)));
        let faults = Arc::new(Faults::new(topology.seed));
        let metrics =
            Arc::new(Metrics::new(clock.clone(), faults.clone(), topology.metrics.clone()));
        let aws_endpoint = Arc::new(OnceLock::new());
        let surroundings = Surroundings {
            names: names.clone(),
            log_dir: topology.log_dir.clone(),
            aws_endpoint: aws_endpoint.clone(),
            seed: topology.seed,
        };
        let functions =
            Arc::new(Functions::new(&topology.functions, surroundings, &clock, &metrics, &tasks));

        let (aws_listener, aws) = listen("the AWS endpoint", topology.aws_port).await?;
        aws_endpoint.get_or_init(|| format!("http://{aws}"));
        let mut listeners = Vec::new();
        let mut ports = Vec::new();
        for spec in &topology.load_balancers {
            let what = format!("load balancer {}", spec.name);
            let (listener, address) = listen(&what, spec.port).await?;
            listeners.push(listener);
            ports.push(address.port());
        }
        let balancers = Arc::new(Balancers::new(
            &names,
            &clock,
            &topology.target_groups,
            &topology.load_balancers,
            &ports,
        ));
        metrics.register(balancers.attached());
        let plane = Arc::new(DataPlane::new(
            balancers.clone(),
            functions.clone(),
            metrics.clone(),
            faults.clone(),
            clock.clone(),
            topology.seed,
            topology.metrics.latency_on_failure,
        ));
        let function_names = topology.functions.iter().map(|spec| spec.name.clone()).collect();
        let alarms = Alarms::new(&names, function_names, &clock, &metrics);
        for spec in &topology.alarms {
            alarms.put_metric(spec.clone())?;
        }
        for spec in &topology.composite_alarms {
            alarms.put_composite(spec.clone())?;
        }
        for fault in &topology.faults {
            faults.add(fault.clone(), clock.now_ms());
        }
        let parameters = Parameters::new(topology.parameters, clock.now_ms());
        let cloud = Arc::new(Cloud {
            parameters,
            topics: topology.topics.iter().map(|name| names.topic(name)).collect(),
            names,
            clock,
            metrics,
            faults,
            functions,
            balancers,
            plane,
            alarms,
            scheduler: Scheduler::new(&topology.schedules),
            secrets: Mutex::new(topology.secrets),
            event_rules: topology.event_rules,
            calls: Calls::default(),
            pages: Ring::default(),
            events: Ring::default(),
            aws_endpoint,
            print_pages,
        });
        aws::listen(&cloud, &tasks, aws_listener);
        for (balancer, listener) in cloud.balancers.list.iter().zip(listeners) {
            cloud.plane.listen(&tasks, balancer.clone(), listener);
        }
        let first_minute = next_evaluation(cloud.clock.now_ms());
        tasks.spawn(scheduler::run(cloud.clone(), first_minute));
        tasks.spawn({
            let functions = cloud.functions.clone();
            async move {
                loop {
                    tokio::time::sleep(MEMORY_SAMPLES_EVERY).await;
                    functions.sample_memory();
                }
            }
        });
        Ok(Self { cloud, tasks, aws })
    }

    /// `http://127.0.0.1:PORT` of the AWS endpoint, for `AWS_ENDPOINT_URL`.
    pub fn aws_endpoint(&self) -> String {
        format!("http://{}", self.aws)
    }

    /// `http://127.0.0.1:PORT` of a load balancer.
    ///
    /// # Panics
    /// If the topology has no load balancer of this name.
    pub fn alb_url(&self, load_balancer: &str) -> String {
        let found = self.cloud.balancers.list.iter().find(|one| one.name == load_balancer);
        let balancer = found.unwrap_or_else(|| panic!("no load balancer {load_balancer}"));
        format!("http://127.0.0.1:{}", balancer.port)
    }

    /// ARNs of everything.
    pub fn names(&self) -> &Names {
        &self.cloud.names
    }

    /// Value of `ROLLOUT_CLOCK` for a program beside the cloud, see
    /// [`Clock::as_variable`]; functions get it by themselves.
    pub fn rollout_clock(&self) -> Option<String> {
        self.cloud.clock.as_variable()
    }

    /// Simulated time.
    pub fn clock(&self) -> &Clock {
        &self.cloud.clock
    }

    /// How fast simulated time runs.
    pub fn pace(&self) -> Pace {
        self.cloud.clock.pace()
    }

    /// Groups and weights of a rule, as `DescribeRules` shows them.
    ///
    /// # Errors
    /// `RuleNotFound`.
    pub fn weights(&self, rule_arn: &str) -> Result<Vec<Share>, AwsError> {
        self.cloud.balancers.weights(rule_arn)
    }

    /// Changes weights as somebody else would: console, Pulumi.
    ///
    /// # Errors
    /// As `ModifyRule`.
    pub fn set_weights<'a>(
        &self,
        rule_arn: &str,
        weights: impl IntoIterator<Item = (&'a str, u32)>,
    ) -> Result<(), AwsError> {
        let shares: Vec<Share> = weights
            .into_iter()
            .map(|(group, weight)| Share { group: group.to_owned(), weight: Some(weight) })
            .collect();
        self.cloud.balancers.set_weights(rule_arn, &shares, "foreign")
    }

    /// Puts an authenticate action in front of what a rule does, or takes it
    /// away, as a person at the console would.
    ///
    /// # Errors
    /// As `ModifyRule`.
    pub fn set_authenticate(
        &self,
        rule_arn: &str,
        authenticate: Option<&AuthenticateSpec>,
    ) -> Result<(), AwsError> {
        self.cloud.balancers.set_authenticate(rule_arn, authenticate, "foreign")
    }

    /// The client secret that a rule's OIDC action has; no API shows it.
    ///
    /// # Errors
    /// `RuleNotFound`.
    pub fn client_secret(&self, rule_arn: &str) -> Result<Option<String>, AwsError> {
        self.cloud.balancers.client_secret(rule_arn)
    }

    /// Gives a target group its target, in place of the one it has: a function
    /// or `function:QUALIFIER`.
    ///
    /// # Errors
    /// `TargetGroupNotFound`, `ResourceNotFoundException`.
    pub fn register_target(&self, group: &str, function: &str) -> Result<(), AwsError> {
        self.cloud.register_target(group, function)
    }

    /// Takes a target group's target away: requests to the group are answered 503.
    ///
    /// # Errors
    /// `TargetGroupNotFound`.
    pub fn deregister_target(&self, group: &str) -> Result<(), AwsError> {
        self.cloud.balancers.set_target(group, None)
    }

    /// Sets how a group's target is shown; a draining one gets no more requests.
    ///
    /// # Errors
    /// `TargetGroupNotFound`, `InvalidTarget` for a group without a target.
    pub fn set_target_health(&self, group: &str, health: TargetHealth) -> Result<(), AwsError> {
        self.cloud.balancers.set_health(group, health)
    }

    /// Every change of a rule so far, oldest first.
    pub fn rule_changes(&self) -> Vec<RuleChange> {
        self.cloud.balancers.changes()
    }

    /// Invokes a function and waits.
    ///
    /// # Errors
    /// [`InvokeError`].
    pub async fn invoke(
        &self,
        function: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Bytes, InvokeError> {
        self.cloud.functions.invoke(function, payload.into(), CallContext::default()).await
    }

    /// Queues an event for a function, with Lambda's retries.
    ///
    /// # Errors
    /// [`InvokeError::NotFound`].
    pub fn invoke_async(
        &self,
        function: &str,
        payload: impl Into<Bytes>,
    ) -> Result<(), InvokeError> {
        self.cloud.functions.invoke_later(function, payload.into(), "library")
    }

    /// Gives a function new code or configuration, publishes it, moves an alias:
    /// as far as the deployment says. The version that is published, or `$LATEST`.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, `ResourceConflictException` while an update
    /// settles, `InvalidParameterValueException`.
    pub fn deploy(&self, function: &str, deployment: &Deployment) -> Result<String, AwsError> {
        self.cloud.functions.deploy(function, deployment)
    }

    /// Versions and aliases of every function, by name.
    pub fn function_code(&self) -> Vec<FunctionCode> {
        self.cloud.functions.code()
    }

    /// Creates an alias, or points it elsewhere.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, `InvalidParameterValueException`.
    pub fn set_alias(&self, function: &str, alias: &str, to: AliasSpec) -> Result<(), AwsError> {
        self.cloud.functions.set_alias(function, alias, to)
    }

    /// Removes an alias; false if the function has none of this name.
    ///
    /// # Errors
    /// `ResourceNotFoundException`.
    pub fn remove_alias(&self, function: &str, alias: &str) -> Result<bool, AwsError> {
        self.cloud.functions.remove_alias(function, alias).map_err(|error| not_found(&error))
    }

    /// What became of asynchronous events, schedules among them, oldest first.
    pub fn async_records(&self) -> Vec<AsyncRecord> {
        self.cloud.functions.async_records()
    }

    /// Fires a schedule once for a scheduled time and waits for the function.
    ///
    /// # Errors
    /// [`InvokeError`]; an unknown schedule is [`InvokeError::Service`].
    pub async fn fire(&self, schedule: &str, at: Timestamp) -> Result<Bytes, InvokeError> {
        self.cloud.fire(schedule, at.as_millisecond()).await
    }

    /// Starts or stops a schedule; false if there is none of this name.
    pub fn enable_schedule(&self, schedule: &str, enabled: bool) -> bool {
        self.cloud.scheduler.enable(schedule, enabled)
    }

    /// Gives a secret another value, as a rotation does; the next reader gets it.
    pub fn set_secret(&self, name: &str, value: impl Into<String>) {
        let mut secrets = self.cloud.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(name.to_owned(), value.into());
    }

    /// An SSM parameter as it stands.
    pub fn parameter(&self, name: &str) -> Option<Parameter> {
        self.cloud.parameters.get(name)
    }

    /// All SSM parameters, by name.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.cloud.parameters.all()
    }

    /// Creates an SSM parameter or gives it another value; its new version.
    ///
    /// # Errors
    /// `ValidationException`: a name or value outside the limits.
    pub fn set_parameter(&self, name: &str, value: &str) -> Result<u64, AwsError> {
        self.cloud.parameters.put(name, value, self.cloud.clock.now_ms())
    }

    /// Removes an SSM parameter; false if there is none of this name.
    pub fn remove_parameter(&self, name: &str) -> bool {
        self.cloud.parameters.remove(name)
    }

    /// Evaluates all alarms now, with all that follows from it.
    pub fn evaluate_alarms(&self) {
        self.cloud.evaluate_alarms();
    }

    /// All alarms.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.cloud.alarms.list()
    }

    /// Calls of the AWS endpoint so far, each once, in order of caller and action.
    pub fn api_calls(&self) -> Vec<ApiCall> {
        self.cloud.calls.all()
    }

    /// Messages published so far, oldest first.
    pub fn pages(&self) -> Vec<Page> {
        self.cloud.pages.all()
    }

    /// Events on the bus so far, oldest first.
    pub fn events(&self) -> Vec<BusEvent> {
        self.cloud.events.all()
    }

    /// The newest requests, oldest first.
    pub fn access_log(&self) -> Vec<AccessEntry> {
        self.cloud.plane.access_log()
    }

    /// Event and answer of the newest request that a load balancer passed to a
    /// function and that was answered; each is given out once.
    pub fn take_exchange(&self) -> Option<Exchange> {
        self.cloud.plane.take_exchange()
    }

    /// What every function has done so far.
    pub fn function_stats(&self) -> Vec<FunctionStats> {
        self.cloud.functions.stats()
    }

    /// Ends when every process of a function asks for an event: it may still write and
    /// print when its answer is out.
    ///
    /// # Errors
    /// [`InvokeError::NotFound`].
    pub async fn at_rest(&self, function: &str) -> Result<(), InvokeError> {
        self.cloud.functions.at_rest(function).await
    }

    /// What a function has printed lately; nothing for an unknown one.
    pub fn logs(&self, function: &str) -> Vec<LogLine> {
        self.cloud.functions.logs(function).unwrap_or_default()
    }

    /// Ends a function's processes, as a deployment would; says how many.
    ///
    /// # Errors
    /// [`InvokeError::NotFound`].
    pub fn recycle(&self, function: &str) -> Result<usize, InvokeError> {
        self.cloud.functions.recycle(function)
    }

    /// Puts a fault in place; the number to clear it by.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.cloud.faults.add(fault, self.cloud.clock.now_ms())
    }

    /// Removes one fault, or all; says how many went.
    pub fn clear_faults(&self, id: Option<u64>) -> usize {
        self.cloud.faults.clear(id)
    }

    /// Faults that stand.
    pub fn faults(&self) -> Vec<StandingFault> {
        self.cloud.faults.list()
    }

    /// All metrics, to read or to put samples without traffic.
    pub fn metrics(&self) -> &Metrics {
        &self.cloud.metrics
    }

    /// Identity of a load balancer metric of one group, with both dimensions.
    pub fn group_metric(&self, load_balancer: &str, group: &str, name: &str) -> Metric {
        let part = |arn: &str| crate::names::dimension(arn).unwrap_or_default().to_owned();
        let balancer = part(&self.names().load_balancer(load_balancer));
        let group = part(&self.names().target_group(group));
        Metric {
            namespace: "AWS/ApplicationELB".to_owned(),
            name: name.to_owned(),
            dimensions: dimensions([("LoadBalancer", &balancer), ("TargetGroup", &group)]),
        }
    }

    /// Value of a group's metric in one minute, as it can be read now.
    pub fn group_value(
        &self,
        load_balancer: &str,
        group: &str,
        name: &str,
        statistic: Statistic,
        minute: Timestamp,
    ) -> Option<f64> {
        let metric = self.group_metric(load_balancer, group, name);
        let start_ms = minute.as_millisecond();
        self.metrics().value(&metric, statistic, start_ms, crate::clock::MINUTE_MS)
    }

    /// The whole state, as `GET /_local/state` shows it.
    pub fn state(&self) -> Value {
        self.cloud.state()
    }

    /// Ends all functions and servers and waits until they are gone.
    pub async fn shutdown(self) {
        self.cloud.functions.stop();
        let gone = async {
            while self.cloud.functions.stats().iter().any(|one| one.environments > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // Killed processes are gone in milliseconds; never hang on one that is stuck in the kernel.
        let _ = tokio::time::timeout(STOP_LIMIT, gone).await;
        self.tasks.stop().await;
    }
}

impl Drop for LocalCloud {
    fn drop(&mut self) {
        self.cloud.functions.stop();
    }
}

async fn listen(
    what: &str,
    port: u16,
) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { what: what.to_owned(), port, source };
    let listener = serve::bind(port).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
