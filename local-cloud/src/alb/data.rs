//! The data plane: one HTTP request in, one function invocation behind.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Incoming as IncomingBody};
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::net::TcpListener;

use super::balancer::{Balancer, Group, TargetHealth};
use super::control::Balancers;
use super::event::{self, Exchange, Incoming, MAX_BODY_BYTES};
use super::failure::{
    BAD_REQUEST, INVALID_RESPONSE, NOT_FOUND, REQUEST_TOO_LARGE, RESPONSE_TOO_LARGE, SERVICE,
    THROTTLING, TargetError, UNHANDLED, own_answer, refuse_head, signed,
};
use super::response;
use super::rule::{Action, Head, Rule, WeightedGroup};
use crate::clock::Clock;
use crate::faults::Faults;
use crate::functions::{CallContext, Functions, InvokeError, qualified};
use crate::metrics::{Metrics, dimensions};
use crate::serve::{Answer, BodyError, answer, read_body, serve};
use crate::tasks::Tasks;

const RING_ENTRIES: usize = 20_000;

/// A line of the access log.
#[derive(Clone, Debug, Serialize)]
pub struct AccessEntry {
    /// Simulated milliseconds since 1970.
    pub at_ms: i64,
    /// Load balancer.
    pub load_balancer: String,
    /// Method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Status the client saw; 460 if it left first.
    pub status: u16,
    /// Status the function gave, if it gave one.
    pub target_status: Option<u16>,
    /// Priority of the rule, or `default`.
    pub rule: String,
    /// Target group, if one was chosen.
    pub group: Option<String>,
    /// Why the function gave no usable answer, in AWS's words.
    pub error_reason: Option<String>,
    /// Real milliseconds the function took; -1 if it was not called.
    pub target_ms: f64,
    /// Trace header sent on.
    pub trace: String,
    /// Fault that was put in.
    pub fault: Option<String>,
    /// Something that AWS would have done otherwise.
    pub note: Option<String>,
}

/// Everything that requests pass through.
#[derive(Debug)]
pub(crate) struct DataPlane {
    pub(crate) balancers: Arc<Balancers>,
    pub(crate) functions: Arc<Functions>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) clock: Arc<Clock>,
    latency_on_failure: bool,
    dice: Mutex<ChaCha8Rng>,
    log: Mutex<VecDeque<AccessEntry>>,
    /// The newest only: two shared buffers, not a copy of every request.
    exchange: Mutex<Option<Exchange>>,
    warned: AtomicUsize,
}

/// How a request ended, before it is counted.
struct Outcome {
    answer: Answer,
    rule: String,
    group: Option<Group>,
    /// Whether a target was chosen; a group without one is not counted.
    chosen: bool,
    target_status: Option<u16>,
    error: Option<TargetError>,
    target_ms: f64,
    trace: String,
    fault: Option<String>,
    note: Option<String>,
}

impl DataPlane {
    pub(crate) fn new(
        balancers: Arc<Balancers>,
        functions: Arc<Functions>,
        metrics: Arc<Metrics>,
        faults: Arc<Faults>,
        clock: Arc<Clock>,
        seed: u64,
        latency_on_failure: bool,
    ) -> Self {
        Self {
            balancers,
            functions,
            metrics,
            faults,
            clock,
            latency_on_failure,
            dice: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            log: Mutex::default(),
            exchange: Mutex::default(),
            warned: AtomicUsize::new(0),
        }
    }

    /// Serves one load balancer.
    pub(crate) fn listen(
        self: &Arc<Self>,
        tasks: &Tasks,
        balancer: Arc<Balancer>,
        on: TcpListener,
    ) {
        let plane = self.clone();
        let detached = tasks.clone();
        serve(tasks, on, move |request, peer| {
            let (plane, balancer, tasks) = (plane.clone(), balancer.clone(), detached.clone());
            async move { plane.request(&tasks, balancer, request, peer).await }
        });
    }

    pub(crate) fn access_log(&self) -> Vec<AccessEntry> {
        self.log.lock().expect("access log lock").iter().cloned().collect()
    }

    /// The newest exchange with a function, if nobody took it yet.
    pub(crate) fn take_exchange(&self) -> Option<Exchange> {
        self.exchange.lock().expect("exchange lock").take()
    }

    /// The invocation goes on when the client leaves, and the request is
    /// counted in any case; so it runs in a task of its own.
    async fn request(
        self: Arc<Self>,
        tasks: &Tasks,
        balancer: Arc<Balancer>,
        request: Request<IncomingBody>,
        peer: SocketAddr,
    ) -> Option<Answer> {
        let left = Arc::new(AtomicBool::new(false));
        // Dropped after the answer too, when nobody looks at it any more.
        let _guard = LeftGuard(left.clone());
        let (tell, told) = tokio::sync::oneshot::channel();
        tasks.spawn(async move {
            let method = request.method().as_str().to_owned();
            let uri = request.uri().clone();
            let outcome = self.route(&balancer, request, peer).await;
            let answer = self.settle(&balancer, method, &uri, outcome, &left);
            // Fails only if the client has left.
            let _ = tell.send(answer);
        });
        told.await.ok()
    }

    async fn route(
        &self,
        balancer: &Balancer,
        request: Request<IncomingBody>,
        peer: SocketAddr,
    ) -> Outcome {
        let unique = &crate::functions::request_id().replace('-', "")[..24];
        let trace = event::trace_header(
            request.headers().get("x-amzn-trace-id").and_then(|value| value.to_str().ok()),
            self.clock.now_ms() / 1000,
            unique,
        );
        let mut outcome = Outcome {
            answer: own_answer(StatusCode::OK),
            rule: String::new(),
            group: None,
            chosen: false,
            target_status: None,
            error: None,
            target_ms: -1.0,
            trace,
            fault: None,
            note: None,
        };
        if let Some(status) = refuse_head(&request) {
            outcome.answer = own_answer(status);
            return outcome;
        }
        let host = request
            .headers()
            .get(HOST)
            .and_then(|value| value.to_str().ok())
            .or_else(|| request.uri().host())
            .unwrap_or_default()
            .to_owned();
        let head = Head {
            method: request.method().as_str(),
            host: &host,
            path: request.uri().path(),
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
            peer: peer.ip(),
        };
        let rules = balancer.effective_rules();
        let Some(rule) = rules.iter().find(|rule| rule.takes(&head)) else {
            outcome.answer = own_answer(StatusCode::NOT_FOUND);
            return outcome;
        };
        outcome.rule = rule.priority.map_or_else(|| "default".to_owned(), |one| one.to_string());
        match &rule.actions.last {
            Action::Fixed { status, content_type, body } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::NOT_FOUND);
                outcome.answer = signed(answer(status, content_type, body.clone()));
                outcome
            }
            Action::Redirect(redirect) => {
                outcome.answer = redirect.answer(&head, balancer.port);
                outcome
            }
            Action::Forward { groups, stickiness_secs } => {
                if stickiness_secs.is_some() {
                    outcome.note = Some("stickiness is on; local-cloud drew anew".to_owned());
                }
                match self.draw(groups) {
                    Some(group) => {
                        self.forward(balancer, &rules, group, request, peer, outcome).await
                    }
                    None => self.no_target(balancer, rule, outcome),
                }
            }
        }
    }

    /// All weights zero, or no function registered.
    fn no_target(&self, balancer: &Balancer, rule: &Rule, mut outcome: Outcome) -> Outcome {
        let text = format!(
            "{}: rule {} forwards to nobody: all its weights are 0 or its group is unknown",
            balancer.name, outcome.rule
        );
        // Loud, but not once per request.
        let seen = self.warned.fetch_add(1, Ordering::Relaxed);
        if seen.is_multiple_of(1000) {
            eprintln!("local-cloud: {text} ({})", rule.arn);
        }
        outcome.note = Some(text.clone());
        let status = StatusCode::SERVICE_UNAVAILABLE;
        outcome.answer = signed(answer(status, "text/plain", format!("local-cloud: {text}\n")));
        outcome
    }

    /// An independent draw per request.
    fn draw(&self, groups: &[WeightedGroup]) -> Option<&Group> {
        let total: u32 = groups.iter().map(|group| group.weight).sum();
        if total == 0 {
            return None;
        }
        let mut left = self.dice.lock().expect("dice lock").random_range(0..total);
        for group in groups {
            if left < group.weight {
                return self.balancers.groups.get(&group.arn);
            }
            left -= group.weight;
        }
        None
    }

    async fn forward(
        &self,
        balancer: &Balancer,
        rules: &[Rule],
        group: &Group,
        request: Request<IncomingBody>,
        peer: SocketAddr,
        mut outcome: Outcome,
    ) -> Outcome {
        outcome.group = Some(group.clone());
        let target = self.balancers.target(&group.arn);
        let Some(target) = target.filter(|target| target.health != TargetHealth::Draining) else {
            outcome.note = Some("the group has no registered target".to_owned());
            outcome.answer = own_answer(StatusCode::SERVICE_UNAVAILABLE);
            return outcome;
        };
        outcome.chosen = true;
        let (function, _) = qualified(&target.function);
        let (parts, body) = request.into_parts();
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return failed(outcome, REQUEST_TOO_LARGE);
        }
        let body = match read_body(body, MAX_BODY_BYTES).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return failed(outcome, REQUEST_TOO_LARGE),
            Err(BodyError::Broken) => {
                (outcome.group, outcome.chosen) = (None, false);
                outcome.answer = own_answer(StatusCode::BAD_REQUEST);
                return outcome;
            }
        };
        let share = self.balancers.share_of(rules, function);
        outcome.fault = self.faults.draw_function(function, &group.name, share);
        let incoming = Incoming {
            group_arn: &group.arn,
            multi_value: group.multi_value,
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body: &body,
            peer: &peer.ip().to_string(),
            port: balancer.port,
            trace: &outcome.trace,
            fault: outcome.fault.as_deref(),
        };
        let Ok(event) = incoming.event() else {
            return failed(outcome, BAD_REQUEST);
        };
        let event = Bytes::from(event.to_string());
        let context = CallContext { trace: Some(outcome.trace.clone()), client_context: None };
        let sent = Instant::now();
        let result = self.functions.invoke(&target.function, event.clone(), context).await;
        outcome.target_ms = sent.elapsed().as_secs_f64() * 1000.0;
        let payload = match result {
            Ok(payload) => payload,
            Err(error) => {
                outcome.note = Some(error.to_string());
                let row = match error {
                    InvokeError::Function { .. } => UNHANDLED,
                    InvokeError::Throttled { .. } => THROTTLING,
                    InvokeError::NotFound { .. } => NOT_FOUND,
                    InvokeError::Service(_) => SERVICE,
                };
                return failed(outcome, row);
            }
        };
        *self.exchange.lock().expect("exchange lock") =
            Some(Exchange { event, answer: payload.clone() });
        if payload.len() > response::MAX_ANSWER_BYTES {
            return failed(outcome, RESPONSE_TOO_LARGE);
        }
        let Some(target) = response::parse(&payload, group.multi_value, group.extra) else {
            return failed(outcome, INVALID_RESPONSE);
        };
        outcome.target_status = Some(target.status.as_u16());
        let mut answer = answer(target.status, "", target.body);
        *answer.headers_mut() = target.headers;
        outcome.answer = answer;
        outcome
    }

    /// Counts and logs; returns what the client gets.
    fn settle(
        &self,
        balancer: &Balancer,
        method: String,
        uri: &Uri,
        outcome: Outcome,
        left: &AtomicBool,
    ) -> Answer {
        let gone = left.load(Ordering::SeqCst);
        let status = if gone { 460 } else { outcome.answer.status().as_u16() };
        self.count(balancer, &outcome, status);
        let mut log = self.log.lock().expect("access log lock");
        if log.len() == RING_ENTRIES {
            log.pop_front();
        }
        log.push_back(AccessEntry {
            at_ms: self.clock.now_ms(),
            load_balancer: balancer.name.clone(),
            method,
            target: uri.path_and_query().map_or_else(String::new, ToString::to_string),
            status,
            target_status: outcome.target_status,
            rule: outcome.rule,
            group: outcome.group.map(|group| group.name),
            error_reason: outcome.error.map(|error| error.reason.to_owned()),
            target_ms: outcome.target_ms,
            trace: outcome.trace,
            fault: outcome.fault,
            note: outcome.note,
        });
        outcome.answer
    }

    fn count(&self, balancer: &Balancer, outcome: &Outcome, status: u16) {
        let at_ms = self.clock.now_ms();
        let lb = dimensions([("LoadBalancer", &balancer.dimension)]);
        let add = |name: &str, set: &_, value: f64| {
            self.metrics.count("AWS/ApplicationELB", name, set, at_ms, value);
        };
        let own = outcome.target_status.is_none() || status == 460;
        if own && status >= 400 {
            add(&format!("HTTPCode_ELB_{}XX_Count", status / 100), &lb, 1.0);
            if matches!(status, 500 | 502 | 503 | 504) {
                add(&format!("HTTPCode_ELB_{status}_Count"), &lb, 1.0);
            }
        }
        let Some(group) = outcome.group.as_ref().filter(|_| outcome.chosen) else {
            return;
        };
        let tg = dimensions([("TargetGroup", &group.dimension)]);
        let both =
            dimensions([("LoadBalancer", &balancer.dimension), ("TargetGroup", &group.dimension)]);
        if outcome.error.is_none_or(|error| error.counts) {
            add("RequestCount", &lb, 1.0);
            add("RequestCount", &both, 1.0);
        }
        if let Some(error) = outcome.error {
            add(error.metric, &tg, 1.0);
            add(error.metric, &both, 1.0);
        }
        if let Some(status) = outcome.target_status {
            let name = format!("HTTPCode_Target_{}XX_Count", status / 100);
            add(&name, &lb, 1.0);
            add(&name, &both, 1.0);
        }
        let answered = outcome.target_status.is_some()
            || (self.latency_on_failure && outcome.target_ms >= 0.0);
        if answered {
            add("TargetResponseTime", &lb, outcome.target_ms / 1000.0);
            add("TargetResponseTime", &both, outcome.target_ms / 1000.0);
        }
    }
}

/// Set when the client's connection goes away before the answer.
struct LeftGuard(Arc<AtomicBool>);

impl Drop for LeftGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn failed(mut outcome: Outcome, error: TargetError) -> Outcome {
    outcome.error = Some(error);
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_GATEWAY);
    outcome.answer = own_answer(status);
    outcome
}
