//! The OpenTelemetry side: one trace and one set of measurements per request.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use function_kit::otlp::Collector;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry::trace::{
    Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};

use super::sender::PATIENCE;
use crate::log::Line;
use crate::store::Timing;

/// Of the histogram, as the semantic conventions advise for this metric.
const BOUNDS_SECS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const ROUTE: &str = "/v2/stamps/{scorer_id}/score/{address}";

/// What a request leaves for the collector, detached from the request itself.
#[derive(Debug)]
pub(super) struct Report {
    /// When the function must be done with the request.
    pub(super) deadline: Option<Instant>,
    trace: Option<TraceHeader>,
    started: Instant,
    took: Duration,
    status: u16,
    cold: bool,
    request_id: String,
    trouble: Option<(&'static str, String)>,
    round_trips: u32,
    timings: Vec<Timing>,
    analytics_lost: bool,
}

impl Report {
    pub(super) fn new(line: &Line<'_>) -> Self {
        Self {
            deadline: line.call.deadline,
            trace: TraceHeader::of(line.trace, &line.call.xray),
            started: line.started,
            took: line.took,
            status: line.status,
            cold: line.cold,
            request_id: line.call.request_id.clone(),
            trouble: line.notes.trouble.clone(),
            round_trips: line.notes.trips.round_trips,
            timings: line.notes.trips.timings.clone(),
            analytics_lost: line.notes.analytics_lost.is_some(),
        }
    }
}

/// `Root=1-TIME-RANDOM[;Parent=ID][;Sampled=0|1]` of the load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TraceHeader {
    trace: TraceId,
    parent: Option<SpanId>,
    /// None if nobody has decided.
    sampled: Option<bool>,
}

impl TraceHeader {
    /// The load balancer's header. What it leaves open is taken from Lambda's
    /// own: whether to sample always, the parent if it is of the same trace.
    fn of(balancer: &str, lambda: &str) -> Option<Self> {
        let lambda = Self::read(lambda);
        let Some(mut header) = Self::read(balancer) else {
            return lambda;
        };
        if let Some(lambda) = lambda {
            header.sampled = header.sampled.or(lambda.sampled);
            if lambda.trace == header.trace {
                header.parent = header.parent.or(lambda.parent);
            }
        }
        Some(header)
    }

    fn read(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let mut root = field("Root")?.splitn(3, '-');
        let (version, time, random) = (root.next()?, root.next()?, root.next()?);
        if version != "1" || time.len() != 8 || random.len() != 24 {
            return None;
        }
        let trace = TraceId::from_hex(&format!("{time}{random}"))
            .ok()
            .filter(|id| *id != TraceId::INVALID)?;
        let parent = field("Parent")
            .and_then(|id| SpanId::from_hex(id).ok())
            .filter(|id| *id != SpanId::INVALID);
        Some(Self {
            trace,
            parent,
            sampled: match field("Sampled") {
                Some("0") => Some(false),
                Some("1") => Some(true),
                _ => None,
            },
        })
    }
}

/// Gives the next root span the trace id that came with the request.
#[derive(Debug, Default)]
struct GivenIds {
    next: Mutex<Option<TraceId>>,
    random: RandomIdGenerator,
}

/// What the provider owns of it.
#[derive(Debug)]
struct SharedIds(Arc<GivenIds>);

impl IdGenerator for SharedIds {
    fn new_trace_id(&self) -> TraceId {
        let given = self.0.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        given.unwrap_or_else(|| self.0.random.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.random.new_span_id()
    }
}

/// Providers with their exporters; used from blocking threads only.
#[derive(Debug)]
pub(super) struct Exporter {
    ids: Arc<GivenIds>,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    duration: Histogram<f64>,
    round_trips: Counter<u64>,
    analytics_lost: Counter<u64>,
}

impl Exporter {
    /// None if the exporters cannot be built, as with an address that is no URL.
    pub(super) fn new(collector: &Collector) -> Option<Self> {
        let resource = function_kit::otlp::resource("scorer-fn", |name| std::env::var(name).ok());
        let spans = collector.spans(PATIENCE).ok()?;
        let measurements = collector.measurements(PATIENCE).ok()?;
        let ids = Arc::<GivenIds>::default();
        let traces = SdkTracerProvider::builder()
            .with_batch_exporter(spans)
            .with_id_generator(SharedIds(ids.clone()))
            .with_resource(resource.clone())
            .build();
        // We flush ourselves; the timer would only fire into a frozen process.
        let reader =
            PeriodicReader::builder(measurements).with_interval(Duration::from_hours(24)).build();
        let metrics =
            SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
        let meter = metrics.meter("scorer-fn");
        let duration = meter
            .f64_histogram("http.server.request.duration")
            .with_unit("s")
            .with_boundaries(BOUNDS_SECS.to_vec())
            .build();
        let round_trips = meter.u64_counter("scorer.database.round_trips").build();
        let analytics_lost = meter.u64_counter("scorer.analytics.lost").build();
        Some(Self { ids, traces, metrics, duration, round_trips, analytics_lost })
    }

    /// Records requests and flushes; false if the collector did not take them.
    pub(super) fn send(&self, reports: &[Report]) -> bool {
        for report in reports {
            self.record(report);
        }
        let traces = self.traces.force_flush();
        let metrics = self.metrics.force_flush();
        traces.is_ok() && metrics.is_ok()
    }

    fn record(&self, report: &Report) {
        let mut labels = vec![
            KeyValue::new("http.route", ROUTE),
            KeyValue::new("http.response.status_code", i64::from(report.status)),
        ];
        if report.status >= 500 {
            let kind = report
                .trouble
                .as_ref()
                .map_or_else(|| report.status.to_string().into(), |(kind, _)| Cow::from(*kind));
            labels.push(KeyValue::new("error.type", kind));
        }
        self.duration.record(report.took.as_secs_f64(), &labels);
        self.round_trips.add(u64::from(report.round_trips), &[]);
        if report.analytics_lost {
            self.analytics_lost.add(1, &[]);
        }
        let decided = report.trace.and_then(|trace| trace.sampled);
        if decided.unwrap_or(true) {
            self.trace(report, labels);
        }
    }

    fn trace(&self, report: &Report, mut labels: Vec<KeyValue>) {
        let tracer = self.traces.tracer("scorer-fn");
        // The wall clock's reading of a moment on the monotonic one.
        let (instant, wall) = (Instant::now(), SystemTime::now());
        let at = |moment: Instant| wall - instant.saturating_duration_since(moment);
        labels.push(KeyValue::new("faas.coldstart", report.cold));
        labels.push(KeyValue::new("faas.invocation_id", report.request_id.clone()));
        let parent = match report.trace {
            Some(TraceHeader { trace, parent: Some(parent), .. }) => {
                let remote =
                    SpanContext::new(trace, parent, TraceFlags::SAMPLED, true, TraceState::NONE);
                Context::new().with_remote_span_context(remote)
            }
            Some(TraceHeader { trace, parent: None, .. }) => {
                *self.ids.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(trace);
                Context::new()
            }
            None => Context::new(),
        };
        let mut root = tracer
            .span_builder(format!("GET {ROUTE}"))
            .with_kind(SpanKind::Server)
            .with_start_time(at(report.started))
            .with_attributes(labels)
            .start_with_context(&tracer, &parent);
        if report.status >= 500 {
            let text = report.trouble.as_ref().map_or_else(String::new, |(_, text)| text.clone());
            root.set_status(Status::error(text));
        }
        let inside = Context::new().with_remote_span_context(root.span_context().clone());
        for timing in &report.timings {
            let mut statement = tracer
                .span_builder(timing.what)
                .with_kind(SpanKind::Client)
                .with_start_time(at(timing.at))
                .with_attributes([KeyValue::new("db.system.name", "postgresql")])
                .start_with_context(&tracer, &inside);
            statement.end_with_timestamp(at(timing.at + timing.took));
        }
        root.end_with_timestamp(at(report.started + report.took));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_header_is_read_and_what_is_none_is_ignored() {
        let full = "Root=1-65000000-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0";
        let found = TraceHeader::read(full).expect("it is complete");
        assert_eq!(found.trace.to_string(), "650000000123456789abcdef01234567");
        assert_eq!(found.parent.map(|id| id.to_string()).as_deref(), Some("0123456789abcdef"));
        assert_eq!(found.sampled, Some(false));
        let bare = TraceHeader::read("Self=1-1-2;Root=1-65000000-0123456789abcdef01234567")
            .expect("a root");
        assert_eq!((bare.parent, bare.sampled), (None, None));
        for text in [
            "",
            "Root=",
            "Root=1-65000000-xyz",
            "Root=2-65000000-0123456789abcdef01234567",
            "Root=1-65000000",
            "Root=1-00000000-000000000000000000000000",
        ] {
            assert_eq!(TraceHeader::read(text), None, "{text}");
        }
    }

    #[test]
    fn lambda_decides_about_sampling_where_the_load_balancer_does_not() {
        const ROOT: &str = "Root=1-65000000-0123456789abcdef01234567";
        const OTHER: &str = "Root=1-65000001-0123456789abcdef01234567";
        const PARENT: &str = "Parent=0123456789abcdef";
        let of = |balancer: &str, lambda: &str| {
            let header = TraceHeader::of(balancer, lambda).expect("a header");
            (header.parent.is_some(), header.sampled)
        };
        assert_eq!(of(ROOT, ""), (false, None));
        assert_eq!(
            of(ROOT, &format!("{OTHER};{PARENT};Sampled=0")),
            (false, Some(false)),
            "a parent in another trace is none of ours"
        );
        assert_eq!(of(ROOT, &format!("{ROOT};{PARENT};Sampled=1")), (true, Some(true)));
        assert_eq!(
            of(&format!("{ROOT};Sampled=1"), &format!("{ROOT};Sampled=0")),
            (false, Some(true)),
            "who asked has decided"
        );
        assert_eq!(of("", &format!("{OTHER};Sampled=1")), (false, Some(true)));
    }
}
