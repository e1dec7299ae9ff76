//! Everybody's requests and testers' requests, and which side each one reached.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::load::{self, Ask, Record, Running, Summary};
use crate::{AccessEntry, LocalCloud};

use super::home::Home;
use super::machine::Chosen;
use super::plan::{BALANCER, TESTER_HEADER};

/// No demo lasts longer; it stops the load itself.
const LONGEST: Duration = Duration::from_hours(3);

/// A request without an answer for so long is lost, however slow the machine is.
const LOST_AFTER: Duration = Duration::from_mins(5);

/// Everybody's requests on their way at once. A machine that cannot follow gets
/// fewer requests instead of a growing queue, which would end in refusals.
const MOST_UNANSWERED: u64 = 12;

/// Requests after which the load balancer's log is read, well before its ring is full.
const READ_LOG_EVERY: u64 = 8_000;

/// The list of requests, as everybody and as testers send it.
pub(super) struct Asks {
    pub(super) everybody: Vec<Ask>,
    pub(super) testers: Vec<Ask>,
}

impl Asks {
    /// All kinds of scorers for every address.
    ///
    /// # Errors
    /// Requests that cannot be sent.
    pub(super) fn of(home: &Home) -> anyhow::Result<Self> {
        let mut everybody = Vec::new();
        // Weighted, by external id, binary, customized.
        for scorer in ["1", "demo", "2", "3"] {
            for address in &home.addresses {
                let ask = Ask::get(&format!("/v2/stamps/{scorer}/score/{address}"))?;
                everybody.push(ask.header("x-api-key", &home.api_key)?);
            }
        }
        let (name, value) = TESTER_HEADER;
        let testers: Result<Vec<Ask>, _> =
            everybody.iter().map(|ask| ask.clone().header(name, value)).collect();
        Ok(Self { everybody, testers: testers? })
    }
}

/// How hard a client asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pressure {
    /// Requests a second.
    pub(super) rate: f64,
    /// Most of them without an answer.
    pub(super) unanswered: u64,
}

/// One client's load and what became of each request.
pub(super) struct Source {
    running: Running,
    records: Arc<Mutex<Vec<Record>>>,
    started: Instant,
}

impl Source {
    /// Starts sending the list round robin.
    ///
    /// # Errors
    /// Requests that cannot be sent.
    pub(super) fn start(
        cloud: &LocalCloud,
        seed: u64,
        asks: Vec<Ask>,
        pressure: Pressure,
    ) -> anyhow::Result<Self> {
        let url = cloud.alb_url(BALANCER);
        let address: SocketAddr = url
            .strip_prefix("http://")
            .and_then(|address| address.parse().ok())
            .with_context(|| format!("{url} is no address"))?;
        let plan = load::Plan {
            rate: pressure.rate,
            max_unanswered: Some(pressure.unanswered),
            duration: LONGEST,
            timeout: LOST_AFTER,
            seed,
            ..load::Plan::default()
        };
        let records = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&records);
        let note = move |record: &Record, _: &_| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
            None
        };
        let started = Instant::now();
        let running = load::start(address, asks, &plan, Arc::new(note))?;
        Ok(Self { running, records, started })
    }

    /// The counts so far.
    pub(super) fn summary(&self) -> Summary {
        self.running.summary()
    }

    /// Stops and waits for the last answers.
    pub(super) async fn end(self) -> (Instant, Vec<Record>, Summary) {
        self.running.stop();
        let (summary, _) = self.running.finish().await;
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        (self.started, std::mem::take(&mut *records), summary)
    }
}

/// Load under way.
pub(super) struct Traffic {
    everybody: Source,
    testers: Source,
    log: Log,
    /// Requests at the last reading of the log.
    read_at: u64,
}

/// What the load balancer did with requests, by trace root.
#[derive(Default)]
struct Log(HashMap<String, Seen>);

impl Log {
    fn read(&mut self, cloud: &LocalCloud) {
        for entry in cloud.access_log() {
            let AccessEntry { trace, group, fault, target_ms, .. } = entry;
            if let Some(root) = root(&trace) {
                let seen = Seen { group, broken: fault.is_some(), function_ms: target_ms };
                self.0.entry(root.to_owned()).or_insert(seen);
            }
        }
    }

    fn of(&self, record: &Record) -> Option<&Seen> {
        self.0.get(root(&record.trace_id)?)
    }
}

/// What the load balancer did with a request.
#[derive(Clone, Debug)]
struct Seen {
    group: Option<String>,
    broken: bool,
    function_ms: f64,
}

/// One request from the client's side, with the side it reached.
#[derive(Clone, Debug)]
pub(super) struct Journey {
    /// Simulated time at which it was due.
    pub(super) due_ms: i64,
    /// Simulated time at which its answer had come.
    pub(super) end_ms: i64,
    /// From when it was due to the end of its answer.
    pub(super) latency: Duration,
    /// Real milliseconds in the function, as the load balancer measures them
    /// (`TargetResponseTime`); -1 if none was called.
    pub(super) function_ms: f64,
    /// Whether its client was served: any answer below 500.
    pub(super) served: bool,
    /// Target group, if the load balancer chose one.
    pub(super) group: Option<String>,
    /// A fault was put into it.
    pub(super) broken: bool,
    /// Sent with the testers' header.
    pub(super) tester: bool,
}

/// What both clients have so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) ended: u64,
    pub(super) hurt: u64,
    pub(super) testers: u64,
    pub(super) testers_hurt: u64,
}

impl Traffic {
    /// Starts both clients.
    ///
    /// # Errors
    /// Requests that cannot be sent.
    pub(super) fn start(
        cloud: &LocalCloud,
        home: &Home,
        seed: u64,
        chosen: &Chosen,
    ) -> anyhow::Result<Self> {
        let Asks { everybody, testers } = Asks::of(home)?;
        let pressure = |rate| Pressure { rate, unanswered: MOST_UNANSWERED };
        let testers =
            Source::start(cloud, seed.wrapping_add(1), testers, pressure(chosen.tester_rate))?;
        let everybody = Source::start(cloud, seed, everybody, pressure(chosen.rate))?;
        Ok(Self { everybody, testers, log: Log::default(), read_at: 0 })
    }

    pub(super) fn counts(&self) -> Counts {
        let (all, testers) = (self.everybody.summary(), self.testers.summary());
        Counts {
            ended: all.total.ended,
            hurt: all.hurt(),
            testers: testers.total.ended,
            testers_hurt: testers.hurt(),
        }
    }

    /// Reads the load balancer's log if its ring fills up.
    pub(super) fn keep_up(&mut self, cloud: &LocalCloud) {
        let counts = self.counts();
        let now = counts.ended + counts.testers;
        if now - self.read_at >= READ_LOG_EVERY {
            self.read_at = now;
            self.log.read(cloud);
        }
    }

    /// Stops both clients, waits for their last answers, and joins every
    /// request with what the load balancer did with it. Oldest first.
    pub(super) async fn end(self, cloud: &LocalCloud) -> (Vec<Journey>, Summary) {
        let Self { everybody, testers, mut log, .. } = self;
        let (started, records, summary) = everybody.end().await;
        let (testers_started, testers_records, _) = testers.end().await;
        log.read(cloud);
        let journey = |record: Record, started: Instant, tester| {
            let seen = log.of(&record);
            let due = started + record.due;
            Journey {
                due_ms: cloud.clock().at_ms(due),
                end_ms: cloud.clock().at_ms(due + record.latency),
                latency: record.latency,
                function_ms: seen.map_or(-1.0, |seen| seen.function_ms),
                served: record.end.served(),
                group: seen.and_then(|seen| seen.group.clone()),
                broken: seen.is_some_and(|seen| seen.broken),
                tester,
            }
        };
        let mut journeys: Vec<Journey> = records
            .into_iter()
            .map(|record| journey(record, started, false))
            .chain(testers_records.into_iter().map(|record| journey(record, testers_started, true)))
            .collect();
        journeys.sort_by_key(|journey| journey.due_ms);
        (journeys, summary)
    }
}

/// The part of a trace header that the client made.
fn root(trace: &str) -> Option<&str> {
    trace.split(';').find_map(|part| part.strip_prefix("Root="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_behind_the_load_balancers_own_part() {
        assert_eq!(root("Self=1-2-3;Root=1-a-b"), Some("1-a-b"));
        assert_eq!(root("Root=1-a-b"), Some("1-a-b"));
        assert_eq!(root("Self=1-2-3"), None);
    }
}
