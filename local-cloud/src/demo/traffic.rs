//! Everybody's requests and testers' requests, and which side each one reached.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

use crate::load::{self, Ask, Record, Running, Summary};
use crate::{AccessEntry, LocalCloud};

use super::home::Home;
use super::plan::{BALANCER, Plan, TESTER_HEADER};

/// No demo lasts longer; it stops the load itself.
const LONGEST: Duration = Duration::from_mins(10);

/// Requests after which the load balancer's log is read, well before its ring is full.
const READ_LOG_EVERY: u64 = 8_000;

/// One client's load and what became of each request.
struct Source {
    running: Running,
    records: Arc<Mutex<Vec<Record>>>,
    /// Simulated time at its start.
    started_ms: i64,
}

impl Source {
    fn start(
        cloud: &LocalCloud,
        plan: &Plan,
        asks: Vec<Ask>,
        rate: f64,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let url = cloud.alb_url(BALANCER);
        let address: SocketAddr = url
            .strip_prefix("http://")
            .and_then(|address| address.parse().ok())
            .with_context(|| format!("{url} is no address"))?;
        let plan = load::Plan {
            rate,
            duration: LONGEST,
            seed: plan.seed.wrapping_add(seed),
            ..load::Plan::default()
        };
        let records = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&records);
        let note = move |record: &Record, _: &_| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
            None
        };
        let started_ms = cloud.clock().now_ms();
        let running = load::start(address, asks, &plan, Arc::new(note))?;
        Ok(Self { running, records, started_ms })
    }

    async fn end(self) -> (i64, Vec<Record>, Summary) {
        self.running.stop();
        let (summary, _) = self.running.finish().await;
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        (self.started_ms, std::mem::take(&mut *records), summary)
    }
}

/// Load under way.
pub(super) struct Traffic {
    everybody: Source,
    testers: Source,
    log: Log,
    /// Requests at the last reading of the log.
    read_at: u64,
    minute: Duration,
}

/// What the load balancer did with requests, by trace root.
#[derive(Default)]
struct Log(HashMap<String, Seen>);

impl Log {
    fn read(&mut self, cloud: &LocalCloud) {
        for entry in cloud.access_log() {
            let AccessEntry { trace, group, fault, .. } = entry;
            if let Some(root) = root(&trace) {
                let seen = Seen { group, broken: fault.is_some() };
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
    pub(super) fn start(cloud: &LocalCloud, home: &Home, plan: &Plan) -> anyhow::Result<Self> {
        let mut asks = Vec::new();
        // All kinds of scorers: weighted, by external id, binary, customized.
        for scorer in ["1", "demo", "2", "3"] {
            for address in &home.addresses {
                let ask = Ask::get(&format!("/v2/stamps/{scorer}/score/{address}"))?;
                asks.push(ask.header("x-api-key", &home.api_key)?);
            }
        }
        let (name, value) = TESTER_HEADER;
        let testers: Result<Vec<Ask>, _> =
            asks.iter().map(|ask| ask.clone().header(name, value)).collect();
        let testers = Source::start(cloud, plan, testers?, plan.tester_rate, 1)?;
        let everybody = Source::start(cloud, plan, asks, plan.rate, 0)?;
        Ok(Self { everybody, testers, log: Log::default(), read_at: 0, minute: plan.minute })
    }

    pub(super) fn counts(&self) -> Counts {
        let (all, testers) = (self.everybody.running.summary(), self.testers.running.summary());
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
        let Self { everybody, testers, mut log, minute, .. } = self;
        let (started, records, summary) = everybody.end().await;
        let (testers_started, testers_records, _) = testers.end().await;
        log.read(cloud);
        let simulated = |real: Duration| {
            // Far below 2^53 in any demo.
            #[expect(clippy::cast_possible_truncation)]
            let ms = (real.as_secs_f64() / minute.as_secs_f64() * 60_000.0) as i64;
            ms
        };
        let journey = |record: Record, started_ms: i64, tester| {
            let seen = log.of(&record);
            Journey {
                due_ms: started_ms + simulated(record.due),
                end_ms: started_ms + simulated(record.due + record.latency),
                latency: record.latency,
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
