//! `fault`: break a running cloud on purpose.

use std::process::ExitCode;

use anyhow::Context as _;
use hyper::Method;
use serde_json::{Value, json};

use super::{Where, print_json};

/// Set, list and clear faults of a running cloud.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cloud: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a function misbehave behind its load balancers
    Function {
        /// Name of the function
        function: String,
        /// error, latency, crash or hang
        kind: String,
        /// Added milliseconds, for `latency`
        #[arg(long, default_value_t = 0)]
        latency_ms: u32,
        /// Share of requests, 0 to 1
        #[arg(long, default_value_t = 1.0)]
        probability: f64,
        /// Only while a weighted rule gives the function at least this percentage
        #[arg(long)]
        from_share: Option<f64>,
        /// Only requests through this target group
        #[arg(long)]
        group: Option<String>,
    },
    /// Make an AWS call misbehave
    Api {
        /// For example ModifyRule; * for all
        operation: String,
        /// throttle, denied, error, drop, hang, error_after_commit, drop_after_commit,
        /// hang_after_commit, delay, partial_data, internal_error, refuse_entries or
        /// foreign_write
        kind: String,
        /// Only calls that name this: ARN of a rule or topic, a parameter, a function
        #[arg(long)]
        resource: Option<String>,
        /// How many calls it hits
        #[arg(long)]
        count: Option<u32>,
        /// Share of calls, 0 to 1
        #[arg(long, default_value_t = 1.0)]
        probability: f64,
        /// Milliseconds, for `delay`
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
        /// ARN of the rule, for `foreign_write`
        #[arg(long)]
        rule: Option<String>,
        /// group=weight, for `foreign_write`
        #[arg(long = "weight")]
        weights: Vec<String>,
    },
    /// Make metrics late, lose them, or change what is read of them
    Metrics {
        /// stale, missing, absent, late, altered, partial_data or internal_error
        kind: String,
        /// Only metrics of this target group
        #[arg(long)]
        group: Option<String>,
        /// Only metrics of this name, for example RequestCount
        #[arg(long)]
        metric: Option<String>,
        /// Only this statistic: Sum, p99, TC(:0.2), or TC for all such ranges
        #[arg(long)]
        statistic: Option<String>,
        /// Only minutes that start at this simulated time or later, RFC 3339
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only minutes that start before this simulated time, RFC 3339
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// For `late`: simulated minutes besides the usual lag
        #[arg(long, default_value_t = 0)]
        late_minutes: u32,
        /// For `altered`: what is added to the value
        #[arg(long, allow_hyphen_values = true)]
        add: Option<f64>,
        /// For `altered`: the value that is read
        #[arg(long)]
        set: Option<f64>,
        /// For `altered`: simulated minutes until a complete minute changes
        #[arg(long, default_value_t = 0)]
        after_minutes: u32,
        /// Simulated minutes after which it is over
        #[arg(long)]
        minutes: Option<u32>,
    },
    /// Show the faults that stand
    List,
    /// Clear one fault by its number, or all
    Clear {
        /// Number, as `list` shows it
        id: Option<u64>,
    },
}

/// Carries out one action and prints the cloud's answer.
///
/// # Errors
/// No cloud at the endpoint, or a fault that it refuses.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (method, path, body) = match args.action {
        Action::List => (Method::GET, "faults".to_owned(), None),
        Action::Clear { id: None } => (Method::DELETE, "faults".to_owned(), None),
        Action::Clear { id: Some(id) } => (Method::DELETE, format!("faults/{id}"), None),
        Action::Function { function, kind, latency_ms, probability, from_share, group } => {
            let body = json!({
                "on": "function", "function": function, "kind": kind, "latency_ms": latency_ms,
                "probability": probability, "from_share": from_share, "group": group,
            });
            (Method::POST, "faults".to_owned(), Some(body))
        }
        Action::Api { operation, kind, resource, count, probability, delay_ms, rule, weights } => {
            let weights = weights
                .iter()
                .map(|text| {
                    let (group, weight) = text
                        .split_once('=')
                        .with_context(|| format!("{text}: write group=weight"))?;
                    let weight: u32 = weight.parse().with_context(|| text.clone())?;
                    Ok(json!({ "group": group, "weight": weight }))
                })
                .collect::<anyhow::Result<Vec<Value>>>()?;
            let body = json!({
                "on": "api", "operation": operation, "kind": kind, "resource": resource,
                "count": count, "probability": probability, "delay_ms": delay_ms, "rule": rule, "weights": weights,
            });
            (Method::POST, "faults".to_owned(), Some(body))
        }
        Action::Metrics {
            kind,
            group,
            metric,
            statistic,
            from,
            to,
            late_minutes,
            add,
            set,
            after_minutes,
            minutes,
        } => {
            let body = json!({
                "on": "metrics", "kind": kind, "group": group, "metric": metric,
                "statistic": statistic, "from": from, "to": to, "late_minutes": late_minutes,
                "add": add, "set": set, "after_minutes": after_minutes, "minutes": minutes,
            });
            (Method::POST, "faults".to_owned(), Some(body))
        }
    };
    print_json(&args.cloud.call(method, &path, body).await?)?;
    Ok(ExitCode::SUCCESS)
}
