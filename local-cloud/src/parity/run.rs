//! Every step of every case through the load balancer, to the real binary.
//!
//! What HTTP cannot say (an event without `headers`, a header name in
//! capitals, a body that is not what its encoding promises) goes to the
//! function by Invoke, and the report says so.

use std::path::PathBuf;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Uri};
use serde_json::Value;

use super::cases::{Case, Step, Suite};
use super::compare::{self, Difference, Seen, Via};
use super::http;
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
}

impl Outcome {
    /// Whether everything was as recorded.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} {}",
            if self.passed() { "ok  " } else { "FAIL" },
            self.name
        )?;
        for (step, why) in &self.invoked {
            write!(out, " (step {step} by Invoke: {why})")?;
        }
        for (step, difference) in &self.differences {
            write!(out, "\n step {step}\n{}", difference.to_string().trim_end())?;
        }
        Ok(())
    }
}

/// Runs the cases one after the other; `each` is told of every one as it ends.
///
/// # Errors
/// Only what keeps cases from being tried: files, PostgreSQL, ports.
pub async fn run(
    options: &Options,
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
    // Only for those who need it: a machine may have none.
    let mut redis = None;
    let mut outcomes = Vec::new();
    for (number, case) in suite.cases.iter().enumerate() {
        if !options.only.is_empty() && !options.only.iter().any(|part| case.name.contains(part)) {
            continue;
        }
        let database = format!("case_{number}");
        postgres.create_from_template(&database, "seeded").await?;
        if suite.limits_rate(case) && redis.is_none() {
            redis = Some(PrivateRedis::start().await?);
        }
        if let Some(redis) = &redis {
            redis.clear().await?;
        }
        let bench = Bench {
            suite: &suite,
            options,
            url: postgres.url(&database),
            redis: redis.as_ref(),
        };
        let outcome = bench
            .replay(case)
            .await
            .with_context(|| format!("case {}", case.name))?;
        postgres.drop_database(&database).await?;
        each(&outcome);
        outcomes.push(outcome);
    }
    anyhow::ensure!(
        !outcomes.is_empty(),
        "no case is called like {}",
        options.only.join(" or ")
    );
    Ok(outcomes)
}

struct Bench<'a> {
    suite: &'a Suite,
    options: &'a Options,
    url: String,
    redis: Option<&'a PrivateRedis>,
}

impl Bench<'_> {
    async fn replay(&self, case: &Case) -> anyhow::Result<Outcome> {
        let mut function = FunctionSpec::new(FUNCTION, [self.options.binary.to_string_lossy()]);
        for (name, value) in self.suite.variables(case) {
            function = function.env(&name, value);
        }
        function = function.env("DATABASE_URL", &self.url);
        if let Some(redis) = self.redis {
            function = function.env("REDIS_URL", redis.url());
        }
        let topology = Topology::new()
            .manual_clock()
            .function(function.max_environments(1))
            .target_group(FUNCTION, FUNCTION)
            .load_balancer(LoadBalancerSpec::new(BALANCER).default_group(FUNCTION));
        let cloud = LocalCloud::start(topology).await?;
        let mut observer = Observer::connect(&self.url).await?;
        let mut outcome = Outcome {
            name: case.name.clone(),
            invoked: Vec::new(),
            differences: Vec::new(),
        };
        for (number, step) in (1..).zip(&case.steps) {
            let before = observer.look(case.analytics).await?;
            let (mut differences, via) = match as_http(step) {
                Ok(request) => {
                    let seen = http::send(authority(&cloud.alb_url(BALANCER)), request).await?;
                    (compare::answers(step, &seen), Via::LoadBalancer)
                }
                Err(why) => {
                    outcome.invoked.push((number, why));
                    (invoke(&cloud, step).await?, Via::Event)
                }
            };
            let after = observer.look(case.analytics).await?;
            differences.extend(compare::writes(step, &before, &after, via));
            outcome.differences.extend(
                differences
                    .into_iter()
                    .map(|difference| (number, difference)),
            );
        }
        drop(observer);
        cloud.shutdown().await;
        Ok(outcome)
    }
}

/// The raw event through the Invoke endpoint.
async fn invoke(cloud: &LocalCloud, step: &Step) -> anyhow::Result<Vec<Difference>> {
    let endpoint = cloud.aws_endpoint();
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/2015-03-31/functions/{FUNCTION}/invocations"))
        .header("host", authority(&endpoint))
        .body(Full::new(Bytes::from(step.event.to_string())))?;
    let seen = http::send(authority(&endpoint), request).await?;
    let answer: Value = serde_json::from_str(&seen.body)
        .with_context(|| format!("Invoke answered {}", seen.body))?;
    let mut differences = compare::answers(step, &Seen::from_alb(&answer));
    differences.extend(compare::envelopes(step, &answer));
    Ok(differences)
}

fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// The HTTP request of which a load balancer makes this event; else why there is none.
fn as_http(step: &Step) -> Result<Request<Full<Bytes>>, &'static str> {
    let event = &step.event;
    let headers = event["headers"].as_object().ok_or("no headers")?;
    let query = event["queryStringParameters"]
        .as_object()
        .ok_or("no queryStringParameters")?;
    let path = event["path"].as_str().ok_or("no path")?;
    let base64 = event["isBase64Encoded"]
        .as_bool()
        .ok_or("no isBase64Encoded")?;
    if headers.keys().any(|name| *name != name.to_lowercase()) {
        return Err("a header name in capitals");
    }
    let (body, kind) = match (&event["body"], base64) {
        (Value::Null, _) => (Vec::new(), None),
        (Value::String(text), false) => (text.clone().into_bytes(), Some("application/json")),
        (Value::String(text), true) => (
            STANDARD
                .decode(text)
                .map_err(|_| "a body that is no base64")?,
            Some("application/octet-stream"),
        ),
        _ => return Err("a body that is no text"),
    };
    let pairs: Vec<String> = query
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let target = if pairs.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", pairs.join("&"))
    };
    let uri: Uri = target.parse().map_err(|_| "a path that is no URI")?;
    if !path.starts_with('/') || uri.path() != path {
        return Err("a path that is no URI");
    }
    let mut request = Request::builder()
        .method(event["httpMethod"].as_str().unwrap_or("GET"))
        .uri(uri);
    for (name, value) in headers {
        request = request.header(name, value.as_str().ok_or("a header that is no text")?);
    }
    if let Some(kind) = kind.filter(|_| !body.is_empty() && !headers.contains_key("content-type")) {
        request = request.header("content-type", kind);
    }
    request
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| "a header that HTTP does not carry")
}
