//! Every step of every case through the load balancer, to the real binary.
//!
//! What HTTP cannot say (an event without `headers`, a header name in
//! capitals, a body that is not what its encoding promises) goes to the
//! function by Invoke, and the report says so; [`request`](super::request)
//! decides. Each step is one request, whichever way.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use serde_json::Value;

use super::cases::{Case, Step, Suite};
use super::compare::{self, Difference, Seen, Via};
use super::http;
use super::request::{as_http, changed};
use super::snapshot::Observer;
use crate::postgres::PrivatePostgres;
use crate::redis_server::PrivateRedis;
use crate::{FunctionSpec, LoadBalancerSpec, LocalCloud, Topology};

const FUNCTION: &str = "rust";
const BALANCER: &str = "scorer";

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory with `cases.json` and `seed.sql`.
    pub cases: PathBuf,
    /// The function's binary.
    pub binary: PathBuf,
    /// Only cases whose name contains one of these; all if empty.
    pub only: Vec<String>,
    /// Variables of the function beside those of the cases.
    pub environment: Vec<(String, String)>,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Steps that went by Invoke, from 1, and why.
    pub invoked: Vec<(usize, &'static str)>,
    /// Step, from 1, and what differs.
    pub differences: Vec<(usize, Difference)>,
    /// Why it was not tried to its end.
    pub stopped: Option<String>,
}

impl Outcome {
    /// Whether everything was as recorded.
    pub fn passed(&self) -> bool {
        self.differences.is_empty() && self.stopped.is_none()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", if self.passed() { "ok  " } else { "FAIL" }, self.name)?;
        for (step, why) in &self.invoked {
            write!(out, " (step {step} by Invoke: {why})")?;
        }
        for (step, difference) in &self.differences {
            write!(out, "\n step {step}\n{}", difference.to_string().trim_end())?;
        }
        if let Some(why) = &self.stopped {
            write!(out, "\n stopped: {why}")?;
        }
        Ok(())
    }
}

/// Runs the cases one after the other; `each` is told of every one as it ends.
///
/// # Errors
/// Only what keeps every case from being tried: files, PostgreSQL. What goes
/// wrong inside a case is a failure of that case.
pub async fn run(options: &Options, each: impl FnMut(&Outcome)) -> anyhow::Result<Vec<Outcome>> {
    run_within(options, http::ANSWER_LIMIT, each).await
}

/// As [`run`](fn@run), with a limit of one's own for each answer.
///
/// # Errors
/// As [`run`](fn@run).
pub async fn run_within(
    options: &Options,
    limit: Duration,
    mut each: impl FnMut(&Outcome),
) -> anyhow::Result<Vec<Outcome>> {
    let suite = Suite::read(&options.cases)?;
    anyhow::ensure!(
        options.binary.is_file(),
        "the function's binary {} is missing; build it with `cargo build -p scorer-fn`",
        options.binary.display()
    );
    let postgres = PrivatePostgres::start().await?;
    postgres.create_database("seeded").await?;
    postgres.load_sql_file("seeded", &suite.seed).await?;
    let mut bench = Bench { suite: &suite, options, limit, redis: None };
    let mut outcomes = Vec::new();
    for (number, case) in suite.cases.iter().enumerate() {
        let name = match case {
            Ok(case) => &case.name,
            Err(unreadable) => &unreadable.name,
        };
        if !options.only.is_empty() && !options.only.iter().any(|part| name.contains(part)) {
            continue;
        }
        let mut outcome = Outcome {
            name: name.clone(),
            invoked: Vec::new(),
            differences: Vec::new(),
            stopped: None,
        };
        match case {
            Ok(case) => {
                let database = format!("case_{number}");
                postgres.create_from_template(&database, "seeded").await?;
                let urls = Urls {
                    function: postgres.url(&database),
                    observer: postgres.admin_url(&database),
                };
                if let Err(error) = bench.replay(case, &urls, &mut outcome).await {
                    outcome.stopped = Some(format!("{error:#}"));
                }
                postgres.drop_database(&database).await?;
            }
            Err(unreadable) => outcome.stopped = Some(unreadable.to_string()),
        }
        each(&outcome);
        outcomes.push(outcome);
    }
    anyhow::ensure!(!outcomes.is_empty(), "no case is called like {}", options.only.join(" or "));
    Ok(outcomes)
}

/// A case's database: do not log them.
struct Urls {
    function: String,
    observer: String,
}

struct Bench<'a> {
    suite: &'a Suite,
    options: &'a Options,
    limit: Duration,
    /// Only for those who need it: a machine may have none.
    redis: Option<PrivateRedis>,
}

impl Bench<'_> {
    /// All steps of a case; what differs goes into the outcome.
    async fn replay(
        &mut self,
        case: &Case,
        urls: &Urls,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let mut function = FunctionSpec::new(FUNCTION, [self.options.binary.to_string_lossy()]);
        for (name, value) in self.suite.variables(case) {
            function = function.env(&name, value);
        }
        for (name, value) in &self.options.environment {
            function = function.env(name, value);
        }
        function = function.env("DATABASE_URL", &urls.function);
        if self.suite.limits_rate(case) && self.redis.is_none() {
            self.redis = Some(PrivateRedis::start().await?);
        }
        if let Some(redis) = &self.redis {
            redis.clear().await?;
            function = function.env("REDIS_URL", redis.url());
        }
        let topology = Topology::new()
            .manual_clock()
            .function(function.max_environments(1))
            .target_group(FUNCTION, FUNCTION)
            .load_balancer(LoadBalancerSpec::new(BALANCER).default_group(FUNCTION));
        let cloud = LocalCloud::start(topology).await?;
        let tried = self.steps(&cloud, case, urls, outcome).await;
        cloud.shutdown().await;
        tried
    }

    async fn steps(
        &self,
        cloud: &LocalCloud,
        case: &Case,
        urls: &Urls,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let mut observer = Observer::connect(&urls.observer).await?;
        for (number, step) in (1..).zip(&case.steps) {
            let before = observer.look(case.analytics).await?;
            let (answered, via) = match as_http(&step.event) {
                Ok(request) => {
                    (self.through_the_balancer(cloud, step, request).await, Via::LoadBalancer)
                }
                Err(why) => {
                    outcome.invoked.push((number, why));
                    (self.invoke(cloud, step).await, Via::Event)
                }
            };
            // A request without an answer may still write, so no later step can be judged.
            let mut differences =
                answered.with_context(|| format!("step {number} of {}", case.steps.len()))?;
            // A row may be on its way when the answer is out.
            let rests = tokio::time::timeout(self.limit, cloud.at_rest(FUNCTION)).await;
            rests.context("the function does not ask for another event")??;
            let after = observer.look(case.analytics).await?;
            differences.extend(compare::writes(step, &before, &after, via));
            outcome
                .differences
                .extend(differences.into_iter().map(|difference| (number, difference)));
        }
        Ok(())
    }

    /// One request: what the client gets of it, and what the load balancer got
    /// of the function, which alone has the whole envelope.
    async fn through_the_balancer(
        &self,
        cloud: &LocalCloud,
        step: &Step,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Vec<Difference>> {
        let url = cloud.alb_url(BALANCER);
        let seen = http::send(authority(&url), request, self.limit).await?;
        let mut differences = compare::answers(step, &seen);
        let mut note = |what: String| {
            differences.push(Difference { what, expected: None, found: None });
        };
        let Some(exchange) = cloud.take_exchange() else {
            note("the function gave the load balancer no answer".to_owned());
            return Ok(differences);
        };
        let event = serde_json::from_slice(&exchange.event)?;
        if let Some(why) = changed(&event, &step.event) {
            note(format!("the function got another event: {why}"));
        }
        // What is no JSON has no envelope, and the client got a 502.
        let answer: Value = serde_json::from_slice(&exchange.answer).unwrap_or_default();
        differences.extend(compare::envelopes(step, &answer));
        Ok(differences)
    }

    /// The raw event through the Invoke endpoint.
    async fn invoke(&self, cloud: &LocalCloud, step: &Step) -> anyhow::Result<Vec<Difference>> {
        let endpoint = cloud.aws_endpoint();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/2015-03-31/functions/{FUNCTION}/invocations"))
            .header("host", authority(&endpoint))
            .body(Full::new(Bytes::from(step.event.to_string())))?;
        let seen = http::send(authority(&endpoint), request, self.limit).await?;
        let answer: Value = serde_json::from_str(&seen.body)
            .with_context(|| format!("Invoke answered {}", seen.body))?;
        let mut differences = compare::answers(step, &Seen::from_alb(&answer));
        differences.extend(compare::envelopes(step, &answer));
        Ok(differences)
    }
}

fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}
