//! PostgreSQL is gone for ten minutes.

use super::scene::{Scene, Setup};
use super::servers::Database;
use rollout_controller::domain::event::Event;

/// Ten minutes of traffic without a database, with a tick in some of them: each
/// waits some seconds for it, and a minute without a tick is harder than one with.
async fn ten_minutes(scene: &mut Scene) -> Vec<String> {
    let mut said = Vec::new();
    for minute in 0..10 {
        scene.pass_minute();
        if minute % 4 == 1 {
            said.push(scene.tick().await.expect_err("no ledger"));
        }
    }
    said
}

async fn at_five_percent() -> Option<Scene> {
    let mut scene = Scene::new(Database::own().await, Setup::default()).await?;
    scene.order(&["start", "--reason", "scorer 2.4", "--yes"]).await;
    scene.reach(1).await;
    scene.reach(5).await;
    scene.minute().await;
    scene.database.servers().stop();
    Some(scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_without_postgres_stop_advancing_and_lose_no_minute() {
    let Some(mut scene) = at_five_percent().await else {
        return;
    };
    let said = ten_minutes(&mut scene).await;
    for told in &said {
        assert!(told.contains("LedgerError"), "{told}");
        let held = "No step is taken; no limit is visibly broken.";
        assert!(told.contains(held), "{told}");
    }
    assert_eq!(scene.rust_percent(), 5, "nothing moved");

    scene.database.servers().start().await;
    scene.tick_with_patience().await;
    scene.reach(25).await;
    let judged = minutes(&scene).await;
    let holes = judged.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(holes, 0, "every minute once: {judged:?}");
    assert!(judged.len() >= 14, "those of the outage too: {judged:?}");
    assert!(scene.journal().await.outbox.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_without_postgres_do_not_stop_protecting() {
    let Some(mut scene) = at_five_percent().await else {
        return;
    };
    // Taken back from CloudWatch alone, and people are told, once.
    scene.errors = 0.5;
    let said = ten_minutes(&mut scene).await;
    assert!(said[0].contains("Every route is at 0%"), "{said:?}");
    assert!(said[2].contains("No rule gives Rust traffic"), "{said:?}");
    assert_eq!(scene.rust_percent(), 0);
    assert_eq!(scene.paged("ALARM", "rolled-back"), 1, "{:?}", scene.page_ids());

    // And journalled when the database is back.
    scene.errors = 0.0;
    scene.database.servers().start().await;
    let report = scene.tick_with_patience().await;
    assert_eq!(report["state"], "rolled back", "{report}");
    let history = scene.order(&["history"]).await;
    let why = "while the journal could not be used: Alarm `scorer-rs-errors`";
    assert!(history.contains("ROLLBACK 5% → 0%") && history.contains(why), "{history}");
    let journal = scene.journal().await;
    assert!(journal.outbox.is_empty(), "{:?}", journal.outbox);
    scene.minute().await;
    let changes: Vec<u32> = scene.changes().into_iter().map(|(_, share)| share).collect();
    assert_eq!(changes, [1, 5, 0]);
}

/// Judged minutes of the journal, in its order.
async fn minutes(scene: &Scene) -> Vec<i64> {
    let events = scene.events().await;
    let judged = events.iter().filter_map(|stamped| match &stamped.event {
        Event::Ticked { minutes, .. } => Some(minutes),
        _ => None,
    });
    judged.flatten().filter_map(|entry| Some(entry.minute().ok()?.0)).collect()
}
