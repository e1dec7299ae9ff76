//! Events and journals, changed at random, in a pretend world with a run in it: every
//! answer is one, the page stays harmless, and an invariant is broken by none.

use crate::pretend::{Night, config};
use crate::widget::assert_harmless;
use fuzz_kit::{Corpus, fuzz};
use jiff::SignedDuration;
use rollout_controller::controller::act::act;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::decision::{CauseKind, Shift};
use rollout_controller::domain::observation::{AlarmState, Share};
use rollout_controller::domain::weight::Weight;
use rollout_controller::lambda::handler::{Door, answer};
use rollout_controller::ports::{Entry, Inserted, Outside, Snapshot, WritePermit};
use serde_json::{Value, json};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The share that the one rule shows; `None` if it is none of ours.
fn share(night: &Night) -> Option<Weight> {
    match night.pretend.shows("public") {
        Share::Weight(weight) => Some(weight),
        Share::Foreign(_) => None,
    }
}

/// Every door answers every event, and no event but a tick or a command moves anything.
#[test]
fn any_event_gets_an_answer_and_the_page_stays_harmless() {
    let runtime = runtime();
    let samples = Corpus::new("doors").folder(data("fuzz/events")).inputs(150);
    fuzz!(samples, |bytes| {
        let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
        runtime.block_on(async {
            let night = Night::started(config()).await;
            night.minutes(2).await;
            for door in [Door::View, Door::Tick, Door::Command] {
                let before = share(&night);
                let answered = answer(door, &night.world, &night.config, &event, None).await;
                match (&answered, door) {
                    (Ok(Value::String(page)), Door::View | Door::Command) => {
                        if !page.starts_with('#') {
                            assert_harmless(page);
                        }
                    }
                    (Ok(_), _) => {}
                    (Err(refusal), _) => assert!(!refusal.message.is_empty()),
                }
                if door == Door::View {
                    assert_eq!(share(&night), before, "a look moved traffic");
                }
            }
            // Whatever it was, the next tick goes on and a person can still roll back.
            night.minutes(1).await;
            let told = night.order(Order::Rollback).await;
            assert_eq!(share(&night), Some(Weight::ZERO), "{}", told.message);
        });
    });
}

/// A world whose journal is this text, as far as rows can be made of it. `None`: it has none.
async fn world_of(kept: &Value) -> Option<Night> {
    let night = Night::new(config());
    night.pretend.alarm("rs", AlarmState::Ok);
    let rows = kept["entries"].as_array()?;
    let mut entries = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        entries.push(Entry {
            // The database's own key: whole numbers in order.
            seq: i64::try_from(at).ok()? + 1,
            at_ms: row["at_ms"].as_i64().unwrap_or_default(),
            kind: row["kind"].as_str().unwrap_or_default().to_owned(),
            body: row["body"].to_string(),
        });
    }
    let snapshot = &kept["snapshot"];
    let snapshot = snapshot.is_object().then(|| Snapshot {
        seq: snapshot["seq"].as_i64().unwrap_or_default(),
        version: snapshot["at_ms"].as_i64().unwrap_or_default(),
        body: snapshot["body"].to_string(),
    });
    let inserted = night.world.ledger.insert("score", &entries, snapshot.as_ref()).await;
    (inserted.ok()? == Inserted::Won).then_some(night)
}

/// Whatever is in the tables: a tick ends, protection works, people are told how it
/// stands, and a person's rollback takes traffic back or says which one does.
#[test]
fn any_journal_leaves_ticks_status_and_a_rollback_working() {
    let runtime = runtime();
    let samples =
        Corpus::new("journals").folder(data("journals")).folder(data("fuzz/journals")).inputs(60);
    fuzz!(samples, |bytes| {
        let Ok(kept) = serde_json::from_slice::<Value>(bytes) else { return };
        runtime.block_on(async {
            let Some(night) = world_of(&kept).await else { return };
            // Behind the journal's last time, as a database restored from a copy.
            for _ in 0..62 {
                night.pretend.pass_minute();
            }
            night.pretend.console_change("public", Weight::from_percent(10.0).expect("a share"));
            night.tick().await;
            night.pretend.pass_minute();
            night.tick().await;
            for event in [
                json!({"view": "status"}),
                json!({"view": "history", "limit": 200, "all": true}),
                json!({"widgetContext": {"width": 600}}),
            ] {
                let seen = answer(Door::View, &night.world, &night.config, &event, None).await;
                assert!(seen.is_ok(), "{event}: {seen:?}");
            }
            let told = night.order_if_it_can(Order::Rollback).await;
            if share(&night) != Some(Weight::ZERO) {
                // A run has the ARNs that it began with. Where those are none of this world,
                // a person learns it, and the direct way takes those of the config.
                let other = "The config has other ARNs than this run began with for ";
                assert!(told.contains(other) && told.contains("rollback --direct"), "{told}");
                direct(&night).await;
            }
            assert_eq!(share(&night), Some(Weight::ZERO), "{told}");
        });
    });
}

/// What `rollback --direct` writes.
async fn direct(night: &Night) {
    let permit = WritePermit::lower_only(night.world.clock.now() + SignedDuration::from_mins(1));
    let shift = Shift::out_of_traffic(CauseKind::RollBack, String::new());
    let routes = &night.config.rollouts[0].terms.routes;
    let outcome = act(&*night.world.traffic, routes, &permit, &shift).await;
    assert!(outcome.arrived(Weight::ZERO), "{outcome:?}");
}

/// Whoever may write the parameters outside the journal may write anything there. With and
/// without the journal a tick ends, and a person's rollback takes traffic back.
#[test]
fn any_text_outside_leaves_ticks_and_a_rollback_working() {
    let runtime = runtime();
    let samples = Corpus::new("outside-world").folder(data("fuzz/outside")).inputs(150);
    fuzz!(samples, |bytes| {
        let run = serde_json::from_slice(bytes).ok();
        let order = serde_json::from_slice(bytes).ok();
        if run.is_none() && order.is_none() {
            return;
        }
        runtime.block_on(async {
            for ledger_down in [false, true] {
                let night = Night::started(config()).await;
                night.minutes(2).await;
                let outside = Outside { run: run.clone(), order: order.clone() };
                night.pretend.state().outside.insert("score".to_owned(), outside);
                night.pretend.state().trouble.ledger_down = ledger_down;
                night.minutes(2).await;
                let event = json!({"view": "status"});
                let seen = answer(Door::View, &night.world, &night.config, &event, None).await;
                assert!(seen.is_ok(), "{seen:?}");
                let told = night.order_if_it_can(Order::Rollback).await;
                assert_eq!(share(&night), Some(Weight::ZERO), "{told}");
            }
        });
    });
}
