//! Exporters to an OpenTelemetry collector beside the function.
//!
//! OTLP over HTTP with protobuf, in the clear: the collector is an extension and
//! shares the function's network namespace. When to send is each program's own: the
//! scorer after its answer is out, the controller at the end of an event.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;

pub use opentelemetry_otlp::ExporterBuildError;

/// Where the collector is: `http://127.0.0.1:4318`.
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// An address at which a collector may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Without a slash at its end.
    base: String,
}

/// An address that no collector beside a function can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{ENDPOINT} is `{0}`: give an address of this machine, like http://127.0.0.1:4318")]
pub struct BadEndpoint(String);

impl Collector {
    /// Reads `http://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// [`BadEndpoint`] for another scheme, or without a host.
    pub fn parse(endpoint: &str) -> Result<Self, BadEndpoint> {
        let base = endpoint.trim().trim_end_matches('/');
        let collector = Self { base: base.to_owned() };
        if base.starts_with("http://") && !collector.authority().is_empty() {
            Ok(collector)
        } else {
            Err(BadEndpoint(endpoint.to_owned()))
        }
    }

    /// `HOST:PORT`, to see whether somebody listens.
    pub fn address(&self) -> String {
        let host = self.authority();
        // An IPv6 address has colons between its brackets.
        let (_, behind) = host.rsplit_once(']').unwrap_or(("", host));
        if behind.contains(':') { host.to_owned() } else { format!("{host}:80") }
    }

    fn authority(&self) -> &str {
        let rest = self.base.strip_prefix("http://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// An exporter of spans, each export within `limit`. Its client blocks: make and
    /// use it outside of an async runtime, or on one of its blocking threads.
    ///
    /// # Errors
    /// If the address is no URL.
    pub fn spans(&self, limit: Duration) -> Result<SpanExporter, ExporterBuildError> {
        SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", self.base))
            .with_timeout(limit)
            .build()
    }

    /// The same for measurements, each counted since the last export: of many
    /// short-lived environments nobody can tell the totals, and the exporter to
    /// CloudWatch takes each histogram for new counts.
    ///
    /// # Errors
    /// If the address is no URL.
    pub fn measurements(&self, limit: Duration) -> Result<MetricExporter, ExporterBuildError> {
        MetricExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/metrics", self.base))
            .with_timeout(limit)
            .with_temporality(Temporality::Delta)
            .build()
    }
}

/// What spans and measurements are about: this function, as Lambda's variables
/// describe it. `OTEL_SERVICE_NAME` goes before `name`.
pub fn resource(name: &str, var: impl Fn(&str) -> Option<String>) -> Resource {
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let mut about = vec![KeyValue::new("cloud.provider", "aws")];
    for (key, name) in [
        ("faas.name", "AWS_LAMBDA_FUNCTION_NAME"),
        ("faas.version", "AWS_LAMBDA_FUNCTION_VERSION"),
        ("cloud.region", "AWS_REGION"),
    ] {
        about.extend(var(name).map(|value| KeyValue::new(key, value)));
    }
    let name = var("OTEL_SERVICE_NAME").unwrap_or_else(|| name.to_owned());
    Resource::builder_empty().with_service_name(name).with_attributes(about).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_plain_http_address() {
        for (endpoint, address) in [
            ("http://127.0.0.1:4318", "127.0.0.1:4318"),
            (" http://127.0.0.1:4318/ ", "127.0.0.1:4318"),
            ("http://collector/otlp", "collector:80"),
            ("http://[::1]:4318", "[::1]:4318"),
            ("http://[::1]", "[::1]:80"),
        ] {
            let collector = Collector::parse(endpoint).expect(endpoint);
            assert_eq!(collector.address(), address);
            assert!(!collector.base.ends_with('/'), "{collector:?}");
        }
        for endpoint in ["", "http://", "http:///v1", "https://127.0.0.1:4318", "127.0.0.1:4318"] {
            let error = Collector::parse(endpoint).expect_err(endpoint);
            let named = error.to_string().contains(&format!("{ENDPOINT} is `{endpoint}`"));
            assert!(named, "{error}");
        }
    }

    #[test]
    fn the_resource_names_service_function_version_and_region() {
        let on_lambda = |name: &str| match name {
            "AWS_LAMBDA_FUNCTION_NAME" => Some("tick".to_owned()),
            "AWS_LAMBDA_FUNCTION_VERSION" => Some("7".to_owned()),
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            "OTEL_SERVICE_NAME" => Some(String::new()),
            _ => None,
        };
        let shown = |resource: &Resource| {
            let mut all: Vec<String> =
                resource.iter().map(|(key, value)| format!("{key}={value}")).collect();
            all.sort();
            all.join(" ")
        };
        assert_eq!(
            shown(&resource("scorer-fn", on_lambda)),
            "cloud.provider=aws cloud.region=eu-west-1 faas.name=tick faas.version=7 \
             service.name=scorer-fn"
        );
        let named = |name: &str| (name == "OTEL_SERVICE_NAME").then(|| "mine".to_owned());
        assert_eq!(shown(&resource("scorer-fn", named)), "cloud.provider=aws service.name=mine");
    }
}
