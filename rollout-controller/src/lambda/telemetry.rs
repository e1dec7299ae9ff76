//! Logs to stdout, and traces to a collector if there is one.
//!
//! A trace is one event of one function: `tick`, `command` or `view`, below it the
//! phases (observe, decide, append, act, record), and below those each AWS call as
//! the SDK names it. Judging is part of `decide`: the domain is pure, and knows no
//! spans. Nothing is built, and nothing costs anything, unless
//! `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

use function_kit::otlp::{self, BadEndpoint, Collector, ENDPOINT, ExporterBuildError};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::time::Duration;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

/// Time of one export. The collector is on this machine.
const EXPORT: Duration = Duration::from_millis(250);
/// Longest wait for traces after an event. A collector that is slower than that
/// gets the rest with the next event, or never.
const FLUSH: Duration = Duration::from_millis(300);

/// Keeps the exporter; without one all of it does nothing.
#[derive(Debug, Default)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up logs and traces for the whole process. Call it once, and before there
    /// is an async runtime: the exporter's blocking client must not be made in one.
    ///
    /// A collector that cannot be used is logged, and the function works without.
    pub fn install(var: impl Fn(&str) -> Option<String>) -> Self {
        let endpoint = var(ENDPOINT).filter(|value| !value.trim().is_empty());
        let built = endpoint.as_deref().map(|endpoint| provider(endpoint, &var));
        let (provider, problem) = match built {
            None => (None, None),
            Some(Ok(provider)) => (Some(provider), None),
            Some(Err(problem)) => (None, Some(problem)),
        };
        let tracer = provider.as_ref().map(|provider| provider.tracer("rollout-controller"));
        let filter = EnvFilter::try_from_env("ROLLOUT_LOG")
            .unwrap_or_else(|_| EnvFilter::new("warn,rollout_controller=info"));
        let lines = fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(filter);
        tracing_subscriber::registry().with(lines).with(tracer.map(traces)).init();
        if let Some(problem) = problem {
            tracing::warn!("no traces are sent: {problem}");
        }
        Self { provider }
    }

    /// Hands over what is finished, and waits a little for the collector.
    /// Call it after each event: a function is frozen in between.
    pub async fn flush(&self) {
        let Some(provider) = self.provider.clone() else {
            return;
        };
        let flush = tokio::task::spawn_blocking(move || provider.force_flush());
        // A lost trace is no reason for an event to fail, or to log every minute.
        match tokio::time::timeout(FLUSH, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::debug!("traces were not taken: {error}"),
            Ok(Err(error)) => tracing::debug!("traces were not handed over: {error}"),
            Err(_) => tracing::debug!("the collector is slow; traces follow later"),
        }
    }
}

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Address(#[from] BadEndpoint),
    #[error("the exporter cannot be made: {0}")]
    Exporter(#[from] ExporterBuildError),
}

fn provider(
    endpoint: &str,
    var: &impl Fn(&str) -> Option<String>,
) -> Result<SdkTracerProvider, Problem> {
    let exporter = Collector::parse(endpoint)?.spans(EXPORT)?;
    Ok(SdkTracerProvider::builder()
        .with_resource(otlp::resource("rollout-controller", var))
        .with_batch_exporter(exporter)
        .build())
}

/// Only our phases and the SDK's operations, and no events: without a filter the
/// HTTP client's chatter about its pool lands in our spans.
fn traces<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(FilterFn::new(is_ours).with_max_level_hint(Level::DEBUG))
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let of_us = *metadata.level() <= Level::INFO && target.starts_with("rollout_controller");
    let of_sdk = target.starts_with("aws_sdk_") && metadata.name().contains('.');
    metadata.is_span() && (of_us || of_sdk)
}
