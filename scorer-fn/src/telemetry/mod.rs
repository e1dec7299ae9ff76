//! Traces and metrics for a collector on this machine, if there is one.
//!
//! A request only leaves a note. The notes are sent when its answer is out:
//! Lambda freezes the process when it asks for the next event, not when it has
//! answered the last. Nothing is set up before that, either. First the address
//! is probed: nobody there means no telemetry for a minute, at the price of one
//! refused connection on loopback. A collector that is slow or broken is left
//! alone for a minute, too.

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
    #[cfg_attr(not(feature = "otlp"), expect(unused_variables, reason = "nothing is sent"))]
    pub fn new(collector: Option<&str>) -> Self {
        Self {
            #[cfg(feature = "otlp")]
            sender: collector.and_then(sender::Sender::new),
        }
    }

    /// Notes an answered request.
    #[cfg_attr(
        not(feature = "otlp"),
        expect(unused_variables, clippy::unused_self, reason = "nothing is sent")
    )]
    pub fn note(&self, line: &Line<'_>) {
        #[cfg(feature = "otlp")]
        if let Some(sender) = &self.sender {
            sender.note(line);
        }
    }

    /// Ends when there is something to flush.
    pub async fn noted(&self) {
        #[cfg(feature = "otlp")]
        if let Some(sender) = &self.sender {
            return sender.noted().await;
        }
        std::future::pending::<()>().await;
    }

    /// Sends what was noted.
    #[cfg_attr(
        not(feature = "otlp"),
        expect(clippy::unused_async, clippy::unused_self, reason = "as with the feature")
    )]
    pub async fn flush(&self) {
        #[cfg(feature = "otlp")]
        if let Some(sender) = &self.sender {
            sender.flush().await;
        }
    }
}

#[cfg(feature = "otlp")]
mod sender {
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::{Duration, Instant};

    use function_kit::otlp::Collector;
    use tokio::net::TcpStream;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::otlp::{Exporter, Report};
    use crate::log::Line;

    /// Longest that one flush may take.
    pub(super) const PATIENCE: Duration = Duration::from_millis(200);
    /// Longest that the probe may take; loopback refuses at once.
    const PROBE: Duration = Duration::from_millis(50);
    /// How long a missing or failing collector is left alone.
    const REST: Duration = Duration::from_mins(1);
    /// Most notes kept; a flush follows every answer, so there are as many as
    /// answers at a time.
    const MOST_NOTES: usize = 256;

    #[derive(Debug)]
    enum State {
        /// Not tried before this moment.
        Resting(Instant),
        Running(Arc<Exporter>),
    }

    #[derive(Debug)]
    pub(super) struct Sender {
        collector: Collector,
        notes: Mutex<Vec<Report>>,
        noted: Notify,
        /// Held while sending: one flush at a time.
        state: tokio::sync::Mutex<State>,
    }

    impl Sender {
        pub(super) fn new(endpoint: &str) -> Option<Self> {
            Some(Self {
                collector: Collector::parse(endpoint).ok()?,
                notes: Mutex::default(),
                noted: Notify::new(),
                state: tokio::sync::Mutex::new(State::Resting(Instant::now())),
            })
        }

        pub(super) fn note(&self, line: &Line<'_>) {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            if notes.len() < MOST_NOTES {
                notes.push(Report::new(line));
            }
            drop(notes);
            self.noted.notify_one();
        }

        pub(super) async fn noted(&self) {
            self.noted.notified().await;
        }

        pub(super) async fn flush(&self) {
            let mut state = self.state.lock().await;
            let reports = {
                let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *notes)
            };
            let until = reports.iter().filter_map(|report| report.deadline).min();
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            // A function that is stopped for its timeout costs a cold start; a report does not.
            let patience = left.map_or(PATIENCE, |left| PATIENCE.min(left / 2));
            if reports.is_empty() || patience.is_zero() {
                return;
            }
            let next = timeout(patience, self.send(&state, reports)).await;
            let next = next.unwrap_or_else(|_| Some(rest()));
            if let Some(next) = next {
                let last = std::mem::replace(&mut *state, next);
                // An exporter ends with a shutdown that blocks.
                tokio::task::spawn_blocking(|| drop(last));
            }
        }

        /// Sends reports; the new state, if it changes.
        async fn send(&self, state: &State, reports: Vec<Report>) -> Option<State> {
            let (known, fresh) = match state {
                State::Running(exporter) => (Some(exporter.clone()), false),
                State::Resting(until) if Instant::now() < *until => return None,
                State::Resting(_) => {
                    match timeout(PROBE, TcpStream::connect(self.collector.address())).await {
                        Ok(Ok(_)) => (None, true),
                        _ => return Some(rest()),
                    }
                }
            };
            let collector = self.collector.clone();
            // The exporter blocks, and must not even be built on an async thread.
            let work = tokio::task::spawn_blocking(move || {
                let exporter = match known {
                    Some(exporter) => exporter,
                    None => Arc::new(Exporter::new(&collector)?),
                };
                exporter.send(&reports).then_some(exporter)
            });
            match work.await {
                Ok(Some(exporter)) => fresh.then_some(State::Running(exporter)),
                _ => Some(rest()),
            }
        }
    }

    fn rest() -> State {
        State::Resting(Instant::now() + REST)
    }
}
