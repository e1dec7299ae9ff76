//! Traces and metrics for a collector on this machine, if there is one.
//!
//! Nothing is set up before the first answer is ready. Then the address is
//! probed: nobody there means no telemetry for a minute, at the price of one
//! refused connection on loopback. A collector that is slow or broken is left
//! alone for a minute, too. Reporting ends before the answer is returned,
//! because Lambda freezes the process right after; it takes 200 ms at most.

#[cfg(feature = "otlp")]
mod otlp;

use crate::log::Line;

/// Sends what is known of each request to a collector.
#[derive(Debug)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    sender: Option<sender::Sender>,
}

impl Telemetry {
    /// For the collector at this address, `http://HOST:PORT`; none to be silent.
    #[cfg_attr(
        not(feature = "otlp"),
        expect(unused_variables, reason = "nothing is sent")
    )]
    pub fn new(collector: Option<&str>) -> Self {
        Self {
            #[cfg(feature = "otlp")]
            sender: collector.and_then(sender::Sender::new),
        }
    }

    /// Reports an answered request.
    #[cfg(feature = "otlp")]
    pub async fn report(&self, line: &Line<'_>) {
        if let Some(sender) = &self.sender {
            sender.report(line).await;
        }
    }

    /// Built without the feature `otlp`: does nothing.
    #[cfg(not(feature = "otlp"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub async fn report(&self, _line: &Line<'_>) {}
}

#[cfg(feature = "otlp")]
mod sender {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use tokio::net::TcpStream;
    use tokio::sync::Mutex;
    use tokio::time::timeout;

    use super::otlp::{Exporter, Report};
    use crate::log::Line;

    /// Longest that one report may hold up its answer.
    pub(super) const PATIENCE: Duration = Duration::from_millis(200);
    /// Longest that the probe may take; loopback refuses at once.
    const PROBE: Duration = Duration::from_millis(50);
    /// How long a missing or failing collector is left alone.
    const REST: Duration = Duration::from_mins(1);

    #[derive(Debug)]
    enum State {
        /// Not tried before this moment.
        Resting(Instant),
        Running(Arc<Exporter>),
    }

    #[derive(Debug)]
    pub(super) struct Sender {
        endpoint: String,
        /// `HOST:PORT` for the probe.
        address: String,
        state: Mutex<State>,
    }

    impl Sender {
        pub(super) fn new(endpoint: &str) -> Option<Self> {
            // Only plain HTTP: the collector shares our network namespace.
            let rest = endpoint.strip_prefix("http://")?;
            let host = rest.split('/').next().filter(|host| !host.is_empty())?;
            let address = if host.contains(':') {
                host.to_owned()
            } else {
                format!("{host}:80")
            };
            let state = Mutex::new(State::Resting(Instant::now()));
            Some(Self {
                endpoint: endpoint.trim_end_matches('/').to_owned(),
                address,
                state,
            })
        }

        pub(super) async fn report(&self, line: &Line<'_>) {
            let report = Report::new(line);
            // Another request's report is under way: wait for it, but not for long.
            if let Ok(mut state) = timeout(PATIENCE, self.state.lock()).await
                && let Some(next) = self.step(&state, report).await
            {
                *state = next;
            }
        }

        /// Sends one report; the new state, if it changes.
        async fn step(&self, state: &State, report: Report) -> Option<State> {
            let (known, fresh) = match state {
                State::Running(exporter) => (Some(exporter.clone()), false),
                State::Resting(until) if Instant::now() < *until => return None,
                State::Resting(_) => {
                    match timeout(PROBE, TcpStream::connect(&self.address)).await {
                        Ok(Ok(_)) => (None, true),
                        _ => return Some(State::Resting(Instant::now() + REST)),
                    }
                }
            };
            let endpoint = self.endpoint.clone();
            // The exporter blocks, and must not even be built on an async thread.
            let work = tokio::task::spawn_blocking(move || {
                let exporter = match known {
                    Some(exporter) => exporter,
                    None => Arc::new(Exporter::new(&endpoint)?),
                };
                exporter.send(&report).then_some(exporter)
            });
            match timeout(PATIENCE, work).await {
                Ok(Ok(Some(exporter))) => fresh.then_some(State::Running(exporter)),
                _ => Some(State::Resting(Instant::now() + REST)),
            }
        }
    }
}
