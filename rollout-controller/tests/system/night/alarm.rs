//! From the alarm to weight 0, in real time over real sockets.

use super::scene::{PATIENCE, Scene, Setup};
use super::servers::Database;
use super::spans::{Collector, Span};
use local_cloud::{Fault, FunctionFault, FunctionFaultKind};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// What the product promises between the alarm's event and weight 0 read back.
const PROMISE: Duration = Duration::from_secs(2);

/// A machine that is too busy for that is measured by its own ordinary tick: a
/// rollback may take so many times as long, as it also writes, reads back and pages.
const ORDINARY_TICKS: u32 = 10;

fn print(spans: &[Span], parent: &Span, depth: usize) {
    let offset = Duration::from_nanos(parent.start_ns.saturating_sub(spans[0].start_ns));
    let (name, ms) = (&parent.name, parent.ms());
    let at = offset.as_secs_f64() * 1000.0;
    eprintln!("  {at:7.1} ms  {:indent$}{name}: {ms:.1} ms", "", indent = depth * 2);
    for child in spans.iter().filter(|span| span.parent == parent.id) {
        print(spans, child, depth + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_takes_users_off_rust_without_waiting_for_the_schedule() {
    let (collector, url) = Collector::start().await;
    let setup = Setup { start: "25%", bell: true, collector: Some(url), ..Setup::default() };
    let Some(mut scene) = Scene::new(Database::shared().await, setup).await else {
        return;
    };
    scene.order(&["start", "--reason", "scorer 2.4", "--yes"]).await;
    scene.reach(25).await;
    let ordinary = Instant::now();
    scene.minute().await;
    let ordinary = ordinary.elapsed();
    collector.forget();
    let records_before = scene.cloud.async_records().len();
    let ticks_before = scene.tick_stats().invocations;

    // Real requests meet a Rust side that fails.
    scene.cloud.add_fault(Fault::Function(FunctionFault {
        function: "scorer-rs".to_owned(),
        group: Some("scorer-rs".to_owned()),
        kind: FunctionFaultKind::Error,
        probability: 1.0,
        from_share: None,
        latency_ms: 0,
    }));
    let mut failed = 0;
    while failed <= 5 {
        let answers = scene.ask(10, "").await;
        failed += answers.iter().filter(|(status, _)| *status == 500).count();
    }

    // The minute ends, and CloudWatch evaluates the alarm by itself.
    let started = Instant::now();
    scene.cloud.clock().advance(Duration::from_mins(1));
    let at_zero = async {
        while scene.rust_percent() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        started.elapsed()
    };
    let moved = timeout(PATIENCE, at_zero).await.expect("weight 0");
    let read_back = async {
        while scene.paged("ALARM", "rolled-back") == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        started.elapsed()
    };
    // The page is sent after `Applied` is journalled, which is after the read back.
    let told = timeout(PATIENCE, read_back).await.expect("a page");
    let answered = async {
        while scene.cloud.async_records().len() == records_before {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, answered).await.expect("an answer");

    let share = |time: Duration| 100.0 * time.as_secs_f64() / PROMISE.as_secs_f64();
    eprintln!(
        "alarm to weight 0: {moved:.1?}, {:.0}% of the promised {PROMISE:?}; read back, journalled and paged: {told:.1?}, {:.0}%",
        share(moved),
        share(told),
    );
    let limit = PROMISE.max(ORDINARY_TICKS * ordinary);
    assert!(told < limit, "{told:?}; an ordinary tick took {ordinary:?}");
    // Nothing in between waits: one invocation, by the event, none by the clock.
    let records = scene.cloud.async_records();
    let [record] = &records[records_before..] else {
        panic!("one event: {records:?}");
    };
    assert_eq!(record.source, "event rule rollout-alarms");
    assert_eq!((record.attempts, record.throttles), (1, 0), "{record:?}");
    assert_eq!(scene.tick_stats().invocations, ticks_before + 1);
    assert_eq!(scene.changes().last(), Some(&("ModifyRule".to_owned(), 0)));
    let journal = scene.journal().await;
    let run = journal.run.as_ref().expect("a run");
    assert_eq!(run.phase.words(), "rolled back");
    assert!(journal.outbox.is_empty(), "{:?}", journal.outbox);

    // Users are served, by Python, although Rust still fails.
    let answers = scene.ask(20, "").await;
    assert!(answers.iter().all(|(status, by)| *status == 200 && by == "scorer-py"), "{answers:?}");
    breakdown(&collector.spans());
}

/// Prints where the controller's own time went, and holds it to what a rollback needs.
fn breakdown(spans: &[Span]) {
    let Some(tick) = spans.iter().find(|span| span.name == "tick") else {
        // A collector that a busy machine lets wait gets no traces, by design.
        eprintln!("the controller's own part: its traces came too late");
        return;
    };
    eprintln!("the controller's own part:");
    print(spans, tick, 0);
    let named = |end: &str| spans.iter().filter(|span| span.name.ends_with(end)).count();
    for phase in ["read journal", "observe", "decide", "append", "act", "send"] {
        assert_eq!(named(phase), 1, "{phase}");
    }
    let acted = (named(".DescribeRules"), named(".ModifyRule"));
    assert_eq!(acted, (3, 1), "seen, compared, written once, read back");
}
