//! What the controller must survive, one test for each way it once did not: ledgers
//! that fail in every manner, runs that cannot end, evidence of another build, late
//! and early ticks, and persons who act meanwhile.

use crate::in_front::{Differs, InFront};
use crate::pretend::{Night, config, config_with, word};
use async_trait::async_trait;
use jiff::SignedDuration;
use rollout_controller::api::CommandOutcome;
use rollout_controller::controller::command::command;
use rollout_controller::controller::{Schedule, query};
use rollout_controller::domain::code::CodeSeen;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::event::{Event, LoweredBy, Stamped};
use rollout_controller::domain::health::Kind;
use rollout_controller::domain::journal::Journal;
use rollout_controller::domain::message::{Channel, Page, Urgency};
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::observation::AlarmState;
use rollout_controller::domain::outbox::Debt;
use rollout_controller::domain::plan::Mode;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{
    Entry, Inserted, Ledger, LedgerError, MessageError, Messages, Snapshot, World,
};
use rollout_controller::report::tick::TickReport;
use rollout_controller::world::{Pretend, foreign, version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const ALARM: &str = "[rollout.alarms]\nrollback_on = [\"rs\"]";

fn percent(value: f64) -> Weight {
    Weight::from_percent(value).unwrap()
}

async fn at(share: f64) -> Night {
    let night = Night::started(config()).await;
    night.until_weight(200, share).await;
    night
}

/// The same with an alarm that rolls back.
async fn alarm_is_ok_at(share: f64, routes: &[&str]) -> Night {
    let night = Night::new(config_with("", ALARM, routes));
    night.pretend.alarm("rs", AlarmState::Ok);
    night.hour_of_python();
    night.order(Order::Start).await;
    night.until_weight(200, share).await;
    night
}

/// A rollback by a person who has only just woken up.
async fn roll_back(night: &Night) -> CommandOutcome {
    let request = Night::request(Order::Rollback, 0);
    command(&night.world, &night.config, &request, night.schedule()).await.expect("an answer")
}

fn alarmed(night: &Night, topic: &str) -> bool {
    night.pages().iter().any(|(name, urgency)| *name == topic && *urgency == Urgency::Trigger)
}

async fn health(night: &Night) -> Kind {
    query::status_of(&night.world, &night.config.rollouts[0]).await.health
}

// ------------------------------------------------------------------ the ledger

#[tokio::test]
async fn a_ledger_that_can_be_read_and_not_written_does_not_stop_protection() {
    for by_alarm in [false, true] {
        let night = alarm_is_ok_at(25.0, &["public"]).await;
        night.pretend.state().trouble.ledger_read_only = true;
        if by_alarm {
            night.pretend.alarm("rs", AlarmState::Alarm);
        } else {
            night.pretend.state().new.error_ratio = 0.5;
        }
        night.minutes(15).await;
        assert!(night.shows("public").abs() < f64::EPSILON, "by alarm: {by_alarm}");
        assert!(alarmed(&night, "rolled-back"), "{:?}", night.pages());
        night.pretend.state().trouble.ledger_read_only = false;
        night.pretend.alarm("rs", AlarmState::Ok);
        assert_eq!(night.minutes(2).await.state, "rolled back");
        let kinds: Vec<&str> = night.events().await.iter().map(|s| s.event.kind()).collect();
        assert!(kinds.contains(&"lowered_outside"), "it is journalled later: {kinds:?}");
    }
}

/// A journal to which somebody else adds an entry just before each of the first appends.
struct Beaten {
    night: Night,
    before: AtomicU32,
    /// After these it can be read and not written.
    goes: bool,
}

#[async_trait]
impl Differs for Beaten {
    fn behind(&self) -> &dyn Ledger {
        &*self.night.world.ledger
    }
    async fn insert(
        &self,
        rollout: &str,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<Inserted, LedgerError> {
        let left = self.before.load(Ordering::Relaxed);
        if left > 0 {
            self.before.store(left - 1, Ordering::Relaxed);
            let order = match left % 2 {
                0 => Order::Pause { for_minutes: None },
                _ => Order::Resume { adopt: false },
            };
            assert_eq!(word(&self.night.order(order).await), "applied");
        } else if self.goes {
            self.night.pretend.state().trouble.ledger_read_only = true;
        }
        self.night.world.ledger.insert(rollout, entries, snapshot).await
    }
}

/// A tick at 25% that finds an alarm, and comes second so often.
async fn beaten(times: u32, goes: bool) -> (Night, TickReport) {
    let mut night = alarm_is_ok_at(25.0, &["public"]).await;
    if times % 2 == 1 {
        night.order(Order::Pause { for_minutes: None }).await;
    }
    night.pretend.alarm("rs", AlarmState::Alarm);
    let others = Night {
        pretend: night.pretend.clone(),
        world: night.pretend.world(),
        config: night.config.clone(),
    };
    let ledger = Arc::new(InFront(Beaten { night: others, before: times.into(), goes }));
    night.world = World { ledger, ..night.world };
    let report = night.tick().await;
    (night, report)
}

#[tokio::test]
async fn an_alarm_that_comes_second_to_the_journal_rolls_back_in_the_same_tick() {
    for times in 0..=3 {
        let (night, report) = beaten(times, false).await;
        assert_eq!(report.did, "rollback", "{times}: {}", report.message);
        assert!(night.shows("public").abs() < f64::EPSILON, "{times}");
        assert_eq!(night.journal().await.words(), "rolled back", "{times}");
    }
    let (night, report) = beaten(4, false).await;
    let told = "score: another change came first; the next tick goes on from there";
    assert_eq!((report.did, report.message.as_str()), ("skipped", told));
    assert!((night.shows("public") - 25.0).abs() < f64::EPSILON);
    assert_eq!(night.minutes(1).await.did, "rollback");
}

#[tokio::test]
async fn an_alarm_that_comes_second_to_a_journal_that_then_goes_is_remembered_outside_it() {
    let (night, report) = beaten(1, true).await;
    assert!(night.shows("public").abs() < f64::EPSILON, "{}", report.message);
    let outside = night.pretend.state().outside.get("score").cloned().expect("a copy");
    assert!(outside.run.is_some_and(|copy| copy.has_left()), "the next tick has to know of it");
    night.pretend.state().trouble.ledger_read_only = false;
    night.pretend.alarm("rs", AlarmState::Ok);
    let night = Night { world: night.pretend.world(), ..night };
    night.minutes(2).await;
    assert_eq!(night.journal().await.words(), "rolled back");
}

#[tokio::test]
async fn the_first_engine_protects_without_the_ledger_too() {
    let night = Night::started(config_with("engine = \"evidence-1\"", "", &["public"])).await;
    night.until_weight(200, 25.0).await;
    night.pretend.state().trouble.ledger_down = true;
    night.pretend.state().new.error_ratio = 0.5;
    night.minutes(15).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    assert!(alarmed(&night, "rolled-back"), "{:?}", night.pages());
}

#[tokio::test]
async fn what_an_older_version_noted_as_sent_is_owed_no_more() {
    let night = at(5.0).await;
    let channels = [Channel::Pager, Channel::Chat, Channel::Bus];
    night.pretend.state().trouble.channels_broken = channels.into();
    night.order(Order::Rollback).await;
    let mut journal = night.journal().await;
    let add = |journal: &mut Journal, event| {
        let (seq, at_ms) = (journal.revision + 1, journal.at_ms);
        journal.apply(&Stamped { seq, at_ms, event }).unwrap();
    };
    for channel in channels {
        assert!(!journal.outbox.all_on(channel).is_empty(), "{channel:?}");
    }
    for item in journal.outbox.all_on(Channel::Pager) {
        let (revision, topic) = (item.revision, item.topic.expect("a page has a topic"));
        add(&mut journal, Event::PageSent { revision, topic });
    }
    assert_eq!(journal.outbox.all_on(Channel::Pager), []);
    for item in journal.outbox.all_on(Channel::Bus) {
        add(&mut journal, Event::Announced { revision: item.revision });
    }
    assert_eq!(journal.outbox.all_on(Channel::Bus), []);
}

#[tokio::test]
async fn what_protection_did_without_the_ledger_is_told_as_that_until_it_is_journalled() {
    let night = alarm_is_ok_at(25.0, &["public"]).await;
    night.pretend.state().trouble.ledger_read_only = true;
    night.pretend.alarm("rs", AlarmState::Alarm);
    for minute in 0..4 {
        night.minutes(1).await;
        let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
        assert_eq!(status.exit_code, 20, "minute {minute}");
        assert!(status.headline.contains("Rolled back, and"), "{}", status.headline);
    }
    night.pretend.state().trouble.ledger_read_only = false;
    night.minutes(2).await;
    let by = night.events().await.into_iter().find_map(|stamped| match stamped.event {
        Event::LoweredOutside { by: LoweredBy::Protection { reason, .. }, .. } => Some(reason),
        _ => None,
    });
    assert!(by.is_some_and(|reason| reason.contains("Alarm `rs`")), "with its reason");
}

#[tokio::test]
async fn half_a_raise_is_undone_although_the_ledger_cannot_be_written() {
    let night = Night::started(config_with("", "", &["public", "internal"])).await;
    night.until_weight(200, 5.0).await;
    night.pretend.state().trouble.dead_routes = vec!["internal".into()];
    night.until(60, |_| night.shows("public") > 5.0).await;
    assert!((night.shows("internal") - 5.0).abs() < f64::EPSILON, "half of it");
    night.pretend.state().trouble.dead_routes.clear();
    // Nothing is known of the new build, and the journal has what the rules go back to.
    night.pretend.state().new_code = version("rust", 2);
    night.pretend.state().trouble.ledger_read_only = true;
    night.tick().await;
    for route in ["public", "internal"] {
        assert!((night.shows(route) - 5.0).abs() < f64::EPSILON, "{route}");
    }
}

#[tokio::test]
async fn a_rollback_that_is_not_complete_goes_on_without_the_ledger() {
    let routes = &["public", "internal"];
    // No evidence can take a completed run back, only a person.
    let night = Night::started(config_with("", "", routes)).await;
    night.until(600, |report| report.state == "completed").await;
    night.pretend.state().trouble.dead_routes = vec!["internal".into()];
    let answer = roll_back(&night).await;
    assert_eq!(word(&answer), "incomplete", "{}", answer.message);
    night.pretend.state().trouble.dead_routes.clear();
    night.pretend.state().trouble.ledger_down = true;
    night.tick().await;
    for route in routes {
        assert!(night.shows(route).abs() < f64::EPSILON, "{route}");
    }
}

#[tokio::test]
async fn what_protection_began_without_the_ledger_is_finished_with_it() {
    let routes = ["public", "internal"];
    let night = alarm_is_ok_at(10.0, &routes).await;
    night.pretend.alarm("rs", AlarmState::Alarm);
    night.pretend.state().trouble.ledger_down = true;
    night.pretend.state().trouble.dead_routes = vec!["internal".into()];
    night.minutes(1).await;
    assert_eq!(routes.map(|route| night.shows(route).to_string()), ["0", "10"]);
    // The alarm was right and is over, since half the requests went back.
    night.pretend.alarm("rs", AlarmState::Ok);
    night.pretend.state().trouble.ledger_down = false;
    night.pretend.state().trouble.dead_routes.clear();
    let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
    let incomplete = "Hurting. Rollback incomplete: `internal` still sends 10% to Rust.";
    assert_eq!((status.exit_code, status.headline.as_str()), (42, incomplete));
    let report = night.minutes(1).await;
    assert_eq!(routes.map(|route| night.shows(route).to_string()), ["0", "0"]);
    assert_eq!(
        (report.state.as_str(), report.message.as_str()),
        (
            "rolled back",
            "score: Begun while the journal was out of reach: Alarm `rs` went to ALARM (Threshold Crossed)."
        )
    );
}

/// Protection without the ledger has rolled back, and someone gave the new side this share
/// so many minutes later.
async fn raised_after_protection(share: f64, minutes: usize) -> Night {
    let night = alarm_is_ok_at(10.0, &["public"]).await;
    night.pretend.alarm("rs", AlarmState::Alarm);
    night.pretend.state().trouble.ledger_down = true;
    night.minutes(1).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    night.pretend.alarm("rs", AlarmState::Ok);
    night.minutes(minutes).await;
    night.pretend.console_change("public", percent(share));
    night.pretend.state().trouble.ledger_down = false;
    night
}

#[tokio::test]
async fn a_share_raised_soon_after_protection_is_put_back_with_the_ledger() {
    for share in [10.0, 30.0] {
        let night = raised_after_protection(share, 13).await;
        let report = night.minutes(1).await;
        assert!(night.shows("public").abs() < f64::EPSILON, "{share}: {}", report.message);
        assert_eq!(report.state, "rolled back");
    }
}

#[tokio::test]
async fn a_share_raised_long_after_protection_is_somebody_elses_with_the_ledger() {
    // The journal's own share too: it was not the journal that gave it.
    for share in [10.0, 30.0] {
        let night = raised_after_protection(share, 20).await;
        let report = night.minutes(1).await;
        assert!((night.shows("public") - share).abs() < f64::EPSILON, "{share}");
        assert_eq!(report.state, "moved by someone else", "{}", report.message);
        let events = night.events().await;
        let lowered = events.iter().find_map(|stamped| match &stamped.event {
            Event::LoweredOutside { by: LoweredBy::Protection { reason, .. }, .. } => Some(reason),
            _ => None,
        });
        let reason = lowered.expect("what protection did");
        assert!(reason.starts_with("Alarm `rs` went to ALARM"), "{reason}");
        let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
        let moved = format!("Degraded. Moved by someone else: `public` shows {share}%, not 0%.");
        assert_eq!((status.exit_code, status.headline), (10, moved));
        let adopted = night.order(Order::Resume { adopt: true }).await;
        assert_eq!(word(&adopted), "applied", "{}", adopted.message);
        night.minutes(2).await;
        assert!((night.shows("public") - share).abs() < f64::EPSILON, "{share}");
    }
}

#[tokio::test]
async fn nobody_takes_over_a_share_beside_a_rollback_that_the_journal_lacks() {
    let routes = &["public", "internal"];
    let night = Night::started(config_with("", "", routes)).await;
    night.until_weight(200, 10.0).await;
    for route in routes {
        night.pretend.console_change(route, percent(20.0));
    }
    night.minutes(2).await;
    night.pretend.state().trouble.ledger_down = true;
    night.pretend.state().trouble.dead_routes = routes.map(str::to_owned).to_vec();
    assert_eq!(word(&roll_back(&night).await), "incomplete");
    night.pretend.state().trouble.dead_routes.clear();
    night.pretend.state().trouble.ledger_down = false;
    let refused = night.order(Order::Resume { adopt: true }).await;
    assert_eq!(word(&refused), "refused");
    assert!(
        refused.message.contains("is not journalled yet; the next tick"),
        "{}",
        refused.message
    );
    night.minutes(1).await;
    for route in routes {
        assert!(night.shows(route).abs() < f64::EPSILON, "{route}");
    }
}

#[tokio::test]
async fn an_alarm_of_before_the_start_counts_once_it_was_ok_whoever_saw_that() {
    for with_ledger in [false, true] {
        let night = Night::new(config_with("", ALARM, &["public"]));
        night.pretend.alarm("rs", AlarmState::Alarm);
        night.hour_of_python();
        night.order(Order::Start).await;
        night.minutes(2).await;
        // Only a tick that cannot write sees it OK.
        night.pretend.state().trouble.ledger_read_only = true;
        night.pretend.alarm("rs", AlarmState::Ok);
        night.tick().await;
        night.pretend.console_change("public", percent(5.0));
        night.pretend.alarm("rs", AlarmState::Alarm);
        night.pretend.state().trouble.ledger_read_only = false;
        night.pretend.state().trouble.ledger_down = !with_ledger;
        night.tick().await;
        assert!(night.shows("public").abs() < f64::EPSILON, "with the ledger: {with_ledger}");
        assert!(alarmed(&night, "rolled-back"), "{:?}", night.pages());
    }
}

#[tokio::test]
async fn without_the_ledger_one_readable_signal_is_not_nothing() {
    let night = at(25.0).await;
    night.pretend.state().trouble.ledger_down = true;
    let unknown = health(&night).await;
    night.pretend.state().outside.clear();
    assert_eq!(health(&night).await, unknown, "alarms can be read");
    night.pretend.state().trouble.alarms_fail = true;
    assert_eq!(health(&night).await, Kind::NotProtected);
}

#[tokio::test]
async fn a_new_side_that_no_request_reaches_is_told_and_paged() {
    let night = at(25.0).await;
    for _ in 0..12 {
        // The rule shows a share, and the load balancer sends nothing there.
        night.pretend.console_change("public", Weight::ZERO);
        night.pretend.pass_minute();
        night.pretend.console_change("public", percent(25.0));
        night.tick().await;
    }
    assert!(alarmed(&night, "no-traffic"), "{:?}", night.pages());
    assert_eq!(health(&night).await, Kind::Unknown);
}

#[tokio::test]
async fn a_persons_rollback_is_journalled_later_with_who_and_why_however_the_ledger_fails() {
    for read_only in [false, true] {
        let night = at(25.0).await;
        if read_only {
            night.pretend.state().trouble.ledger_read_only = true;
        } else {
            night.pretend.state().trouble.ledger_down = true;
        }
        let answer = roll_back(&night).await;
        assert_eq!(word(&answer), "applied", "{}", answer.message);
        assert_eq!(answer.revision, None, "nothing is claimed of the journal");
        assert!(night.shows("public").abs() < f64::EPSILON);
        night.minutes(3).await;
        night.pretend.state().trouble.ledger_read_only = false;
        night.pretend.state().trouble.ledger_down = false;
        let report = night.minutes(2).await;
        assert_eq!(report.state, "rolled back", "read only: {read_only}: {}", report.message);
        let signed = night.events().await.into_iter().find_map(|stamped| match stamped.event {
            Event::RollbackOrdered { who, given_ms, .. } => Some((who, given_ms)),
            _ => None,
        });
        let (who, given_ms) = signed.expect("the order");
        assert_eq!((who.reason.as_str(), given_ms.is_some()), ("story", true));
        night.minutes(30).await;
        assert!(night.shows("public").abs() < f64::EPSILON, "and nothing rises after it");
    }
}

#[tokio::test]
async fn a_rollback_with_nothing_to_write_is_done_although_the_ledger_is_read_only() {
    let night = Night::started(config()).await;
    night.pretend.state().trouble.ledger_read_only = true;
    let answer = roll_back(&night).await;
    assert_eq!(word(&answer), "applied", "{}", answer.message);
    assert!(answer.message.contains("added later"), "{}", answer.message);
    night.pretend.state().trouble.ledger_read_only = false;
    assert_eq!(night.minutes(2).await.state, "rolled back");
}

#[tokio::test]
async fn a_row_that_makes_no_sense_ends_in_protection_and_a_persons_rollback_works() {
    let rows = [
        ("from_the_future", r#"{"event":"from_the_future","x":1}"#),
        ("applied", "{"),
        ("applied", r#"{"event":"applied","from":"much"}"#),
    ];
    for (kind, body) in rows {
        let night = at(25.0).await;
        night.minutes(1).await;
        night.pretend.foreign_row("score", kind, body);
        assert_eq!(health(&night).await, Kind::Unknown, "{body}");
        let pause = Night::request(Order::Pause { for_minutes: None }, 0);
        let paused = command(&night.world, &night.config, &pause, night.schedule()).await;
        assert!(paused.is_err(), "nothing is appended behind a row that cannot be read");
        night.pretend.state().new.error_ratio = 0.5;
        night.minutes(15).await;
        assert!(night.shows("public").abs() < f64::EPSILON, "{body}");
        assert!(alarmed(&night, "rolled-back"));

        let night = at(25.0).await;
        night.pretend.foreign_row("score", kind, body);
        let answer = roll_back(&night).await;
        assert_eq!(word(&answer), "applied", "{}", answer.message);
        assert!(night.shows("public").abs() < f64::EPSILON);
    }
}

#[tokio::test]
async fn a_finished_run_is_nobodys_to_move_while_the_ledger_is_down() {
    let night = Night::started(config_with("bake = \"5m\"", "", &["public"])).await;
    night.until(400, |report| report.state == "completed").await;
    night.minutes(3).await;
    night.pretend.state().trouble.ledger_down = true;
    night.pretend.state().new.error_ratio = 0.2;
    night.minutes(30).await;
    assert!(
        (night.shows("public") - 100.0).abs() < f64::EPSILON,
        "there may be no Python any more"
    );
    assert!(alarmed(&night, "controller-error"), "{:?}", night.pages());
    night.pretend.state().trouble.ledger_down = false;
    assert_eq!(night.minutes(2).await.state, "completed");
}

#[tokio::test]
async fn an_unknown_share_is_lowered_only_where_the_old_side_is_alive() {
    // No run was ever started, and nothing says so: the copy is absent too.
    for (share, expected) in [(20.0, 0.0), (100.0, 100.0)] {
        let night = Night::new(config());
        night.hour_of_python();
        night.pretend.console_change("public", percent(share));
        night.pretend.state().trouble.ledger_down = true;
        night.pretend.state().new.error_ratio = 0.5;
        for _ in 0..15 {
            night.tick().await;
            night.pretend.pass_minute();
        }
        assert!((night.shows("public") - expected).abs() < f64::EPSILON, "{share}%");
        assert!(!night.pages().is_empty(), "{share}%: a person hears of it");
    }
}

#[tokio::test]
async fn an_unknown_share_is_left_where_the_old_side_has_no_requests() {
    for (requests, expected) in [(600.0, 0.0), (0.0, 20.0)] {
        let night = Night::new(config_with("", ALARM, &["public"]));
        night.pretend.alarm("rs", AlarmState::Ok);
        night.hour_of_python();
        night.pretend.console_change("public", percent(20.0));
        night.pretend.state().requests_per_minute = requests;
        for _ in 0..6 {
            night.pretend.pass_minute();
        }
        night.pretend.alarm("rs", AlarmState::Alarm);
        night.pretend.state().trouble.ledger_down = true;
        night.tick().await;
        assert!((night.shows("public") - expected).abs() < f64::EPSILON, "{requests} a minute");
        assert!(!night.pages().is_empty(), "{requests}: a person hears of it");
    }
}

#[tokio::test]
async fn an_empty_ledger_with_a_share_is_shown_and_paged_and_raises_nothing() {
    let night = at(25.0).await;
    night.pretend.lose_journal("score");
    night.pretend.state().new.error_ratio = 0.5;
    night.minutes(15).await;
    assert!(night.shows("public").abs() < f64::EPSILON, "the copy knows the open run");
    // A new start is a person's decision, and works.
    night.pretend.state().new.error_ratio = 0.001;
    let revision = night.journal().await.revision;
    let start = Night::request(Order::Start, revision);
    let answer = command(&night.world, &night.config, &start, night.schedule()).await.unwrap();
    assert_eq!(word(&answer), "applied", "{}", answer.message);
}

#[tokio::test]
async fn the_runs_own_mode_decides_and_not_todays_config() {
    // Shadow in the config, active by `activate`: protected.
    let mut shadow = config();
    shadow.rollouts[0].mode = Mode::Shadow;
    let night = Night::started(shadow.clone()).await;
    night.minutes(5).await;
    assert_eq!(word(&night.order(Order::Activate).await), "applied");
    night.until_weight(200, 25.0).await;
    night.pretend.state().trouble.ledger_down = true;
    night.pretend.state().new.error_ratio = 0.5;
    night.minutes(15).await;
    assert!(night.shows("public").abs() < f64::EPSILON);

    // A shadow run, and the config says active by now: nothing is moved.
    let mut night = Night::started(shadow).await;
    night.pretend.console_change("public", percent(25.0));
    night.minutes(5).await;
    night.config.rollouts[0].mode = Mode::Active;
    for down in [false, true] {
        night.pretend.state().trouble.ledger_down = down;
        night.pretend.state().new.error_ratio = 0.5;
        night.minutes(15).await;
        assert!((night.shows("public") - 25.0).abs() < f64::EPSILON, "ledger down: {down}");
    }
    assert_eq!(night.writes(), 0);
}

// -------------------------------------------------------------------- channels

#[tokio::test]
async fn a_broken_channel_keeps_no_other_waiting_and_sends_nothing_twice() {
    for broken in Channel::ALL {
        let night = at(5.0).await;
        night.pretend.state().trouble.channels_broken = [broken].into();
        for _ in 0..10 {
            night.order(Order::Pause { for_minutes: None }).await;
            night.minutes(1).await;
            night.order(Order::Resume { adopt: false }).await;
            night.minutes(1).await;
        }
        night.pretend.state().new.error_ratio = 0.5;
        night.until(60, |report| report.state == "rolled back").await;
        night.minutes(2).await;
        let paged = alarmed(&night, "rolled-back");
        assert_eq!(paged, broken != Channel::Pager, "{broken:?}: {:?}", night.pages());
        if broken != Channel::Pager {
            let mut ids: Vec<String> = night.pretend.state().pages.iter().map(Page::id).collect();
            let sent = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), sent, "{broken:?}: nothing twice on the pager");
            assert!(alarmed(&night, "channel-broken"), "{broken:?}: {:?}", night.pages());
        }
        night.pretend.state().trouble.channels_broken.clear();
        night.minutes(12).await;
        assert!(alarmed(&night, "rolled-back"), "{broken:?}");
        assert!(night.journal().await.outbox.is_empty(), "{broken:?}");
    }
}

/// A world without a chat.
struct NoChat(Pretend);

#[async_trait]
impl Messages for NoChat {
    fn has(&self, channel: Channel) -> bool {
        channel != Channel::Chat
    }

    async fn send(&self, channel: Channel, message: &Debt) -> Result<(), MessageError> {
        assert_ne!(channel, Channel::Chat, "nothing is sent where nothing is");
        self.0.send(channel, message).await
    }
}

#[tokio::test]
async fn nothing_is_owed_to_a_channel_that_does_not_exist() {
    let mut night = Night::new(config());
    night.world.messages = Arc::new(NoChat(night.pretend.clone()));
    night.hour_of_python();
    night.order(Order::Start).await;
    night.until_weight(200, 5.0).await;
    let report = night.minutes(1).await;
    assert_eq!(report.unsent_messages, 0, "{}", report.message);
    assert!(night.journal().await.outbox.owed().is_empty());
}

/// What was over before the pager came back is told with its end, in one message that
/// wakes nobody; what goes on is not told as over.
#[tokio::test]
async fn an_alarm_that_is_over_when_the_pager_comes_back_is_told_as_resolved() {
    let night = at(5.0).await;
    night.pretend.state().trouble.channels_broken = [Channel::Pager].into();
    night.pretend.console_change("public", Weight::from_percent(10.0).unwrap());
    night.minutes(3).await;
    let sticky = |on| night.pretend.state().rules.get_mut("public").unwrap().sticky = on;
    sticky(true);
    night.minutes(3).await;
    sticky(false);
    night.minutes(3).await;
    let before = night.pages().len();
    night.pretend.state().trouble.channels_broken.clear();
    night.minutes(12).await;
    let state = night.pretend.state();
    let told: Vec<&Page> = state.pages.iter().skip(before).collect();
    let of = |topic: &str| {
        let page = told.iter().find(|page| page.topic.name() == topic);
        page.unwrap_or_else(|| panic!("no page of {topic}: {told:#?}"))
    };
    let (moved, sticky) = (of("moved-by-someone-else"), of("header-rule-changed"));
    assert_eq!(moved.urgency, Urgency::Trigger);
    assert!(!moved.text.contains("Resolved: "), "{}", moved.text);
    assert_eq!(sticky.urgency, Urgency::Info);
    assert!(sticky.text.contains(" Resolved: "), "{}", sticky.text);
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_not_told_as_moved() {
    let night = at(5.0).await;
    let ask = async || {
        let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
        serde_json::to_string(&status).unwrap()
    };
    night.pretend.console_change("public", Weight::from_percent(10.0).unwrap());
    let moved = ask().await;
    assert!(moved.contains("someone else"), "{moved}");
    night.pretend.state().trouble.rules_unreadable = true;
    let unreadable = ask().await;
    assert!(!unreadable.contains("someone else"), "{unreadable}");
}

// --------------------------------------------------------------------- minutes

#[tokio::test]
async fn minutes_that_come_half_an_hour_late_still_count_against() {
    let night = at(25.0).await;
    let first = Minute::containing(night.pretend.now());
    {
        let mut state = night.pretend.state();
        let shown_from = state.now_ms + 40 * 60_000;
        for minute in 0..40 {
            state.trouble.minutes_late.insert(first.plus(minute), shown_from);
        }
        state.new.error_ratio = 0.3;
    }
    night.minutes(25).await;
    night.pretend.state().new.error_ratio = 0.001;
    let held = night.minutes(14).await;
    assert!(held.message.contains("are not judged"), "{}", held.message);
    assert!((night.shows("public") - 25.0).abs() < f64::EPSILON, "nothing rises meanwhile");
    night.until(10, |report| report.state == "rolled back").await;
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_minute_of_which_one_number_is_missing_is_never_good_and_delays_no_rollback() {
    let night = at(25.0).await;
    let broken = Minute::containing(night.pretend.now()).plus(1);
    night.pretend.state().trouble.minutes_broken.insert(broken);
    night.pretend.state().new.error_ratio = 0.5;
    night.until(15, |report| report.state == "rolled back").await;
    let unknown = night.events().await.iter().any(|stamped| match &stamped.event {
        Event::Ticked { minutes, .. } => minutes.iter().any(|entry| !entry.is_known()),
        _ => false,
    });
    assert!(unknown, "it is journalled as unknown");
}

#[tokio::test]
async fn a_tick_after_hours_without_one_counts_although_no_minute_can_be_read() {
    let night = at(10.0).await;
    night.pretend.state().trouble.metrics_fail = true;
    for _ in 0..180 {
        night.pretend.pass_minute();
    }
    let before = night.events().await.len();
    night.tick().await;
    let ticked = |stamped: &&Stamped| matches!(stamped.event, Event::Ticked { .. });
    assert_eq!(night.events().await[before..].iter().filter(ticked).count(), 1);
}

#[tokio::test]
async fn promote_without_force_needs_every_proof_but_time() {
    let night = at(10.0).await;
    night.minutes(3).await;
    let answer = night.order(Order::Promote { to: None, force: false }).await;
    assert_eq!(word(&answer), "refused", "{}", answer.message);
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_route_that_was_not_tried_is_left_as_it_was() {
    for (share, nothing_reached_it) in [(0.0, true), (10.0, false)] {
        let night = Night::started(config_with("", "", &["public", "internal"])).await;
        if share > 0.0 {
            night.until_weight(200, share).await;
        }
        night.pretend.state().trouble.refuse_writes = 3;
        let failed = async || {
            let events = night.events().await;
            events.into_iter().find_map(|stamped| match stamped.event {
                Event::NotApplied { routes, .. } => Some(routes),
                _ => None,
            })
        };
        for _ in 0..60 {
            if failed().await.is_some() {
                break;
            }
            night.minutes(1).await;
        }
        let routes = failed().await.expect("a write is refused");
        let internal = routes.iter().find(|route| route.route == "internal").expect("it");
        assert!(internal.text.contains("not tried"), "{}", internal.text);
        assert_eq!(internal.reached, nothing_reached_it, "at {share}%");
    }
}

#[tokio::test]
async fn a_minute_without_a_request_is_known_where_requests_are_few() {
    let night = Night::new(config());
    night.pretend.state().requests_per_minute = 2.0;
    night.hour_of_python();
    night.order(Order::Start).await;
    night.minutes(1).await;
    let events = night.events().await;
    let chosen = events.into_iter().find_map(|stamped| match stamped.event {
        Event::Baseline { chosen, .. } => chosen,
        _ => None,
    });
    let choices = serde_json::to_value(&chosen.expect("a history").choices).unwrap();
    assert!(choices["known_minutes"].as_u64() >= Some(55), "{choices}");
}

#[tokio::test]
async fn promote_waives_neither_a_pause_nor_blindness_nor_an_alarm() {
    let night = alarm_is_ok_at(10.0, &["public"]).await;
    let refused = async |why: &str| {
        for force in [false, true] {
            let answer = night.order(Order::Promote { to: None, force }).await;
            assert_eq!(word(&answer), "refused", "{why}, force {force}: {}", answer.message);
            assert!((night.shows("public") - 10.0).abs() < f64::EPSILON, "{why}, force {force}");
        }
    };
    night.order(Order::Pause { for_minutes: None }).await;
    refused("paused").await;
    night.order(Order::Resume { adopt: false }).await;
    night.pretend.state().trouble.metrics_fail = true;
    night.minutes(5).await;
    refused("blind").await;
    night.pretend.state().trouble.metrics_fail = false;
    night.pretend.state().trouble.alarms_fail = true;
    refused("alarms cannot be read").await;
    night.pretend.state().trouble.alarms_fail = false;
    for _ in 0..6 {
        night.pretend.pass_minute();
    }
    refused("no tick for six minutes").await;
}

#[tokio::test]
async fn a_tick_of_another_time_raises_nothing_and_spoils_nothing() {
    // At the minute before a step; the tick is hours old, and after it hours ahead.
    let night = at(10.0).await;
    let before = night.run().await.weight;
    for hours in [-10, 24] {
        let now = night.pretend.now();
        let schedule = Schedule {
            scheduled: now.saturating_add(SignedDuration::from_hours(hours)).unwrap(),
            deadline: now.saturating_add(SignedDuration::from_secs(20)).unwrap(),
        };
        for _ in 0..3 {
            night.tick_at(schedule).await;
        }
        assert!((night.shows("public") - before.percent()).abs() < f64::EPSILON, "{hours} h");
    }
    night.until_weight(60, 25.0).await;
    night.pretend.state().new.error_ratio = 0.5;
    night.until(15, |report| report.state == "rolled back").await;
}

// ------------------------------------------------------------------------ ends

#[tokio::test]
async fn a_run_that_cannot_end_is_closed_by_a_person_with_who_and_why() {
    let night = at(10.0).await;
    night.pretend.state().rules.get_mut("public").unwrap().share =
        foreign("a forward to somebody's groups", true);
    night.minutes(2).await;
    assert_eq!(word(&night.order(Order::Resume { adopt: true }).await), "refused");
    let abandoned = night.order(Order::Abandon).await;
    assert_eq!(word(&abandoned), "applied", "{}", abandoned.message);
    assert_eq!(night.journal().await.words(), "abandoned");
    let by = night.events().await.into_iter().find_map(|stamped| match stamped.event {
        Event::Abandoned { who, .. } => Some(who),
        _ => None,
    });
    assert_eq!(by.expect("who and why").reason, "story");
    assert_eq!(health(&night).await, Kind::NotProtected, "its share is nobody's now");
}

#[tokio::test]
async fn abandon_is_refused_while_the_run_can_end_by_itself() {
    let night = at(10.0).await;
    let refused = night.order(Order::Abandon).await;
    assert_eq!(word(&refused), "refused");
    assert!(refused.message.contains("rollback"), "{}", refused.message);
}

#[tokio::test]
async fn a_run_that_is_paused_before_its_first_step_has_nothing_to_keep_safe() {
    let night = Night::started(config()).await;
    night.order(Order::Pause { for_minutes: None }).await;
    night.minutes(3).await;
    assert_eq!(health(&night).await, Kind::Idle);
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_button_means_now_and_not_when_it_was_first_pressed() {
    let night = at(5.0).await;
    let revision = night.journal().await.revision;
    let pause = Night::request(Order::Pause { for_minutes: None }, revision);
    let press =
        async || command(&night.world, &night.config, &pause, night.schedule()).await.unwrap();
    assert_eq!(word(&press().await), "applied");
    assert_eq!(word(&press().await), "already so", "a double click");
    night.order(Order::Resume { adopt: false }).await;
    assert_eq!(word(&press().await), "applied", "after a resume it pauses again");
    assert!(night.run().await.phase.pause().is_some());
}

// ------------------------------------------------------------------------ code

#[tokio::test]
async fn a_new_build_proves_itself_before_the_next_step() {
    for first_stage in [false, true] {
        let settings = if first_stage { "on_new_code = \"first-stage\"" } else { "" };
        let night = Night::started(config_with(settings, "", &["public"])).await;
        night.until_weight(200, 25.0).await;
        night.minutes(4).await;
        let ready = night.run().await.gathered.ticks();
        assert!(ready > 0, "the old build has proven something");
        night.pretend.deploy(2);
        let report = night.minutes(1).await;
        assert!(report.weight <= Some(percent(25.0)), "{}", report.message);
        let run = night.run().await;
        assert_eq!(run.gathered.ticks(), 0, "and the new one nothing");
        let expected = if first_stage { run.first.unwrap() } else { percent(25.0) };
        assert_eq!(run.weight, expected);
        let told = night.events().await.iter().any(|s| s.event.kind() == "code_changed");
        assert!(told);
        // Bad from its first minute: the old build's proof does not raise it.
        night.pretend.state().new.error_ratio = 0.5;
        night.until(15, |report| report.state == "rolled back").await;
    }
}

#[tokio::test]
async fn what_spoke_against_the_old_build_stays() {
    let night = at(25.0).await;
    night.pretend.state().new.error_ratio = 0.02;
    night.minutes(3).await;
    let before = night.run().await.summary().map_or(0.0, |summary| summary.log_e);
    night.pretend.deploy(2);
    night.minutes(1).await;
    night.pretend.state().new.error_ratio = 0.5;
    night.until(12, |report| report.state == "rolled back").await;
    assert!(before > -5.0);
}

#[tokio::test]
async fn a_group_without_a_target_is_a_breach_at_the_second_look() {
    let night = at(50.0).await;
    night.pretend.state().new_code = CodeSeen::NoTarget;
    let first = night.minutes(1).await;
    assert_ne!(first.state, "rolled back", "one look may be a deployment");
    night.until(3, |report| report.state == "rolled back").await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    assert!(alarmed(&night, "rolled-back"));
}

#[tokio::test]
async fn nothing_rises_while_it_is_not_known_which_code_runs() {
    let night = at(10.0).await;
    night.pretend.state().trouble.code_unreadable = true;
    let held = night.minutes(30).await;
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
    assert!(held.message.contains("which code"), "{}", held.message);
    assert!(alarmed(&night, "new-code"));
    assert_eq!(health(&night).await, Kind::Degraded);
    night.pretend.state().trouble.code_unreadable = false;
    night.until_weight(30, 25.0).await;
}

// -------------------------------------------------------------------- commands

#[tokio::test]
async fn an_id_has_one_to_two_hundred_bytes() {
    let night = at(10.0).await;
    for (bytes, fits) in [(0, false), (1, true), (200, true), (201, false), (5_000, false)] {
        let mut request = Night::request(Order::Pause { for_minutes: None }, 0);
        (request.id, request.dry_run) = ("x".repeat(bytes), true);
        request.if_revision = Some(night.journal().await.revision);
        let answer = command(&night.world, &night.config, &request, night.schedule()).await;
        let answer = answer.expect("an answer");
        assert_eq!(word(&answer) == "applied", fits, "{bytes}: {}", answer.message);
    }
}

#[tokio::test]
async fn the_copy_outside_follows_an_older_journal_only_where_a_person_decides_anew() {
    for (order, follows) in
        [(Order::Pause { for_minutes: None }, false), (Order::Rollback, true), (Order::Start, true)]
    {
        let night = at(10.0).await;
        if order == Order::Start {
            roll_back(&night).await;
        }
        // The database was replaced by an older one.
        let known = |night: &Night| {
            let outside = night.pretend.state().outside["score"].clone();
            outside.run.expect("a copy").revision
        };
        let mut outside = night.pretend.state().outside["score"].clone();
        outside.run.as_mut().expect("a copy").revision += 1_000;
        night.pretend.state().outside.insert("score".to_owned(), outside);
        let before = known(&night);
        let answer = night.order(order.clone()).await;
        assert_eq!(word(&answer), "applied", "{}: {}", order.name(), answer.message);
        assert_eq!(known(&night) != before, follows, "{}", order.name());
    }
}

#[tokio::test]
async fn a_reason_has_a_thousand_characters_at_most() {
    let night = at(5.0).await;
    let before = night.journal().await;
    let mut request = Night::request(Order::Pause { for_minutes: None }, before.revision);
    request.reason = "ü".repeat(1_001);
    let long = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
    assert_eq!(word(&long), "refused");
    assert!(long.message.contains("1001 characters; 1000 at most"), "{}", long.message);
    assert_eq!(night.journal().await, before);
    request.reason = "ü".repeat(1_000);
    let fits = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
    assert_eq!(word(&fits), "applied");
}
