//! AWS refuses, fails or says nothing, call by call.

use super::scene::{Scene, Setup};
use super::servers::Database;
use local_cloud::{ApiFault, ApiFaultKind, Fault, MetricsFault, MetricsFaultKind};
use rollout_controller::domain::event::Event;
use std::collections::BTreeSet;

async fn started() -> Option<Scene> {
    let scene = Scene::new(Database::shared().await, Setup::default()).await?;
    scene.order(&["start", "--reason", "scorer 2.4", "--yes"]).await;
    Some(scene)
}

fn ours(shares: &[u32]) -> Vec<(String, u32)> {
    shares.iter().map(|share| ("ModifyRule".to_owned(), *share)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_committed_and_answered_500_counts_once() {
    let Some(mut scene) = started().await else {
        return;
    };
    scene.fail("ModifyRule", ApiFaultKind::ErrorAfterCommit);
    let report = scene.minute().await;
    assert_eq!((scene.rust_percent(), &report["weight"]), (1, &10.into()), "{report}");
    scene.reach(5).await;
    assert_eq!(scene.changes(), ours(&[1, 5]), "no write was repeated");

    // The way back, with the answer lost altogether.
    scene.heal();
    scene.fail("ModifyRule", ApiFaultKind::DropAfterCommit);
    scene.order(&["rollback", "--reason", "enough", "--yes"]).await;
    assert_eq!(scene.rust_percent(), 0);
    assert_eq!(scene.changes(), ours(&[1, 5, 0]));
    scene.heal();
    let report = scene.minute().await;
    assert_eq!(report["state"], "rolled back", "{report}");
    assert_eq!(scene.paged("INFO", "rolled-back"), 1, "a person ordered it");
    assert_eq!(scene.paged("ALARM", "rollback-incomplete"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_load_balancer_delays_and_loses_nothing() {
    let Some(mut scene) = started().await else {
        return;
    };
    scene.fail("ModifyRule", ApiFaultKind::Throttle);
    let report = scene.minute().await;
    assert_eq!((scene.rust_percent(), &report["weight"]), (0, &0.into()), "{report}");
    scene.heal();
    scene.reach(1).await;

    // Two refusals are within what one tick tries.
    let twice = ApiFault::new("ModifyRule", ApiFaultKind::Throttle).times(2);
    scene.cloud.add_fault(Fault::Api(twice));
    scene.reach(5).await;

    // A rollback that does not get through pages once, goes on, and gets there.
    scene.fail("ModifyRule", ApiFaultKind::Throttle);
    scene.errors = 0.5;
    scene.minutes(2).await;
    assert_eq!(scene.rust_percent(), 5);
    assert_eq!(scene.paged("ALARM", "rollback-incomplete"), 1, "{:?}", scene.page_ids());
    assert_eq!(scene.paged("ALARM", "rolled-back"), 0);
    scene.heal();
    let report = scene.minute().await;
    assert_eq!(report["state"], "rolled back", "{report}");
    assert_eq!(scene.rust_percent(), 0);
    assert_eq!(scene.paged("ALARM", "rolled-back"), 1);
    assert_eq!(scene.paged("OK", "rollback-incomplete"), 1, "{:?}", scene.page_ids());
    assert_eq!(scene.changes(), ours(&[1, 5, 0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blind_controller_holds_pages_and_then_judges_each_minute_once() {
    let Some(mut scene) = started().await else {
        return;
    };
    scene.reach(1).await;
    let stale = MetricsFault::new(MetricsFaultKind::Stale);
    scene.cloud.add_fault(Fault::Metrics(stale));
    // Late metrics, then a CloudWatch that does not answer at all.
    let report = scene.minutes(6).await;
    assert_eq!(report["did"], "hold", "{report}");
    scene.fail("GetMetricData", ApiFaultKind::Error);
    let report = scene.minutes(9).await;
    assert_eq!(report["did"], "hold", "{report}");
    assert_eq!(scene.rust_percent(), 1, "missing data is never good data");
    assert_eq!(scene.paged("ALARM", "blind"), 1, "{:?}", scene.page_ids());
    assert_eq!(scene.paged("OK", "blind"), 0);

    scene.heal();
    scene.reach(5).await;
    assert_eq!(scene.paged("OK", "blind"), 1);
    let events = scene.events().await;
    let judged = events.iter().filter_map(|stamped| match &stamped.event {
        Event::Ticked { minutes, .. } => Some(minutes),
        _ => None,
    });
    let judged: Vec<i64> = judged
        .flatten()
        .filter(|entry| entry.is_known())
        .filter_map(|entry| Some(entry.minute().ok()?.0))
        .collect();
    let holes = judged.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(holes, 0, "every minute once: {judged:?}");
    assert!(judged.len() >= 12, "the blind minutes too: {judged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_wait_for_sns_and_come_once() {
    let Some(mut scene) = started().await else {
        return;
    };
    let before = scene.page_ids().len();
    scene.fail("Publish", ApiFaultKind::Error);
    scene.reach(1).await;
    scene.reach(5).await;
    scene.console(40);
    scene.minute().await;
    scene.console(5);
    scene.minute().await;
    assert_eq!(scene.page_ids().len(), before, "nothing got through");
    let owed = scene.journal().await.outbox.owed().len();
    assert_eq!(owed, 4, "two stages, moved, and moved back");

    scene.heal();
    scene.minute().await;
    let pages = scene.page_ids();
    let subjects: Vec<&str> = pages[before..].iter().map(|(_, subject)| subject.as_str()).collect();
    let expected = [
        "INFO: score: 0% -> 1% on Rust",
        "INFO: score: 1% -> 5% on Rust",
        // Over before anybody could hear of it.
        "INFO: score: `public` moved by someone else: 5% -> 40%",
    ];
    assert_eq!(subjects, expected, "all of them, in order");
    scene.minutes(2).await;
    let pages = scene.page_ids();
    let ids: BTreeSet<&str> = pages.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), pages.len(), "nothing twice: {pages:?}");
    assert!(scene.journal().await.outbox.is_empty());
}
