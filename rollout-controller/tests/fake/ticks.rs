//! Ticks against a world with state. The invariants are those of the crate's docs.

use crate::pretend::{Night, config, config_with, shadow_config, word};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rollout_controller::controller::query;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::copy::{Copy, OutsideOrder};
use rollout_controller::domain::event::Event;
use rollout_controller::domain::message::{Channel, Urgency};
use rollout_controller::domain::minute::{Minute, SideCounts};
use rollout_controller::domain::observation::{AlarmState, MinuteRead, RouteMinute, Unread};
use rollout_controller::domain::reading::history;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{Clock, OutpostError, Outposts, Outside, World};
use rollout_controller::world::{Pretend, foreign};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn percent(value: f64) -> Weight {
    Weight::from_percent(value).unwrap()
}

#[tokio::test]
async fn a_healthy_rollout_takes_every_stage_once_and_completes() {
    let night = Night::started(config()).await;
    let end = night.until(150, |report| report.state == "completed").await;
    assert_eq!(end.weight, Some(Weight::FULL));
    assert!((night.shows("public") - 100.0).abs() < f64::EPSILON);
    assert_eq!(night.writes(), 7, "one write for each stage, the bake's among them");

    let raised: Vec<(Weight, Weight)> = night
        .events()
        .await
        .iter()
        .filter_map(|stamped| match &stamped.event {
            Event::Applied { from, to, .. } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    let planned = night.run().await.terms.stages;
    assert_eq!(planned[..5], [1.0, 5.0, 10.0, 25.0, 50.0].map(percent));
    // About a tenth of 600 requests a minute is 60: by this history either share.
    assert!([75.0, 90.0].map(percent).contains(&planned[5]), "{planned:?}");
    let stages = [&[Weight::ZERO], &planned[..]].concat();
    let steps: Vec<_> = stages.windows(2).map(|pair| (pair[0], pair[1])).collect();
    assert_eq!(raised, steps);

    let pages: Vec<&str> = night.pages().iter().map(|(topic, _)| *topic).collect();
    let mut expected = vec!["started"];
    expected.extend(["stage-reached"; 7]);
    expected.push("completed");
    assert_eq!(pages, expected);
    // Nothing happens any more.
    let before = night.journal().await.revision;
    night.minutes(5).await;
    assert_eq!(night.journal().await.revision, before);
}

#[tokio::test]
async fn rolls_back_on_evidence_and_stays_there() {
    let night = Night::started(config()).await;
    {
        let mut state = night.pretend.state();
        state.new.error_ratio = 0.2;
        state.new.from = percent(25.0);
    }
    night.until_weight(80, 25.0).await;
    let report = night.until(15, |report| report.state == "rolled back").await;
    assert!(report.message.contains("Rust failed"), "{}", report.message);
    assert!(night.shows("public").abs() < f64::EPSILON);
    let rolled_back = night.pages().iter().filter(|(topic, _)| *topic == "rolled-back").count();
    assert_eq!(rolled_back, 1, "one page: {:?}", night.pages());
    night.minutes(30).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    assert_eq!(night.pages().iter().filter(|(topic, _)| *topic == "rolled-back").count(), 1);
}

#[tokio::test]
async fn pausing_stops_advancing_and_not_protecting() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Pause { for_minutes: None }).await;
    let held = night.minutes(40).await;
    assert!(held.message.contains("Paused by"), "{}", held.message);
    assert!((night.shows("public") - 5.0).abs() < f64::EPSILON);
    night.pretend.state().new.error_ratio = 0.5;
    night.until(20, |report| report.state == "rolled back").await;
}

#[tokio::test]
async fn a_pause_with_an_end_tells_before_and_goes_on() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Pause { for_minutes: Some(30) }).await;
    night.until_weight(60, 10.0).await;
    let about: Vec<Urgency> = night
        .pages()
        .into_iter()
        .filter_map(|(topic, urgency)| (topic == "pause-expires").then_some(urgency))
        .collect();
    assert_eq!(about, [Urgency::Info], "its planned end is no alarm");
}

#[tokio::test]
async fn somebody_elses_change_stops_it_until_it_is_adopted_or_undone() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.console_change("public", percent(30.0));
    let report = night.minutes(10).await;
    assert!(report.message.contains("Someone else changed a share"), "{}", report.message);
    assert!((night.shows("public") - 30.0).abs() < f64::EPSILON, "nothing is written");
    assert_eq!(night.pages().last(), Some(&("moved-by-someone-else", Urgency::Trigger)));

    let refused = night.order(Order::Resume { adopt: false }).await;
    assert_eq!(word(&refused), "refused");
    let adopted = night.order(Order::Resume { adopt: true }).await;
    assert_eq!(word(&adopted), "applied", "{}", adopted.message);
    night.until_weight(40, 50.0).await;
    assert!(night.pages().contains(&("moved-by-someone-else", Urgency::Clear)));
}

#[tokio::test]
async fn after_the_end_only_a_share_that_differs_is_told() {
    let moved =
        |night: &Night| night.pages().iter().any(|(topic, _)| *topic == "moved-by-someone-else");
    let night = Night::started(config_with("bake = \"5m\"", "", &["public"])).await;
    night.until(400, |report| report.state == "completed").await;
    assert!(!moved(&night), "{:?}", night.pages());
    night.pretend.console_change("public", Weight::ZERO);
    night.minutes(10).await;
    assert!(moved(&night), "completed, and the rule was set to 0%");

    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Rollback).await;
    // A page for repairs: no share of ours, and nothing for the new side.
    let repairs = foreign("fixed-response 503", false);
    night.pretend.state().rules.get_mut("public").unwrap().share = repairs;
    night.minutes(10).await;
    assert!(!moved(&night), "{:?}", night.pages());
}

#[tokio::test]
async fn a_change_that_is_undone_is_forgotten() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.console_change("public", percent(30.0));
    night.minutes(2).await;
    night.pretend.console_change("public", percent(5.0));
    night.until_weight(40, 10.0).await;
}

#[tokio::test]
async fn a_breach_rolls_back_although_somebody_else_moved_the_weight() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.console_change("public", percent(30.0));
    night.pretend.state().new.error_ratio = 0.5;
    night.until(20, |report| report.state == "rolled back").await;
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_rule_found_at_zero_ends_the_run() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.console_change("public", Weight::ZERO);
    let report = night.minutes(1).await;
    assert_eq!(report.state, "rolled back");
    night.minutes(30).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_late_writer_after_a_rollback_is_undone_first_and_paged_second() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Rollback).await;
    night.pretend.console_change("public", percent(10.0));
    night.minutes(1).await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    assert!(night.pages().contains(&("moved-by-someone-else", Urgency::Trigger)));
    // Long after, it is only told.
    night.minutes(20).await;
    night.pretend.console_change("public", percent(10.0));
    night.minutes(3).await;
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_share_that_was_put_back_is_known_to_be_once_the_rule_is_somebody_elses() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Rollback).await;
    night.pretend.console_change("public", percent(10.0));
    night.pretend.state().trouble.die_after_writes = Some(1);
    let died = night.minutes(1).await;
    assert_eq!(died.error_type, Some("ledger"), "{}", died.message);
    assert!(night.run().await.intent.is_some(), "nobody journalled what the write came to");
    let repairs = foreign("fixed-response 503", false);
    night.pretend.state().rules.get_mut("public").unwrap().share = repairs;
    night.minutes(1).await;
    assert!(night.run().await.intent.is_none());
}

#[tokio::test]
async fn missing_metrics_are_never_good_metrics() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.state().trouble.metrics_fail = true;
    let report = night.minutes(60).await;
    assert!(report.message.contains("minutes that are due are not judged"), "{}", report.message);
    assert!((night.shows("public") - 5.0).abs() < f64::EPSILON);
    assert!(night.pages().contains(&("blind", Urgency::Trigger)), "{:?}", night.pages());
    night.pretend.state().trouble.metrics_fail = false;
    night.until_weight(40, 10.0).await;
    assert!(night.pages().contains(&("blind", Urgency::Clear)));
}

#[tokio::test]
async fn late_metrics_are_waited_for() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    let silent = Minute::containing(night.pretend.now());
    night.pretend.state().trouble.metrics_silent_from = Some(silent);
    let report = night.minutes(6).await;
    assert!(report.message.contains("minutes that are due are not judged"), "{}", report.message);
    night.pretend.state().trouble.metrics_silent_from = None;
    let through = night.run().await.gathered.judged_through().unwrap();
    assert!(through < silent, "no silent minute was judged: {through} {silent}");
    night.until_weight(40, 10.0).await;
}

#[tokio::test]
async fn unreadable_rules_hold() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.state().trouble.rules_unreadable = true;
    let report = night.minutes(30).await;
    assert!(report.message.contains("cannot be read"), "{}", report.message);
    night.pretend.state().trouble.rules_unreadable = false;
    night.until_weight(40, 10.0).await;
}

#[tokio::test]
async fn a_changed_header_rule_or_stickiness_holds_and_pages() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.state().rules.get_mut("public").unwrap().header_rule =
        vec!["Rule 99 is missing".into()];
    let report = night.minutes(30).await;
    assert!(report.message.contains("Rule 99 is missing"), "{}", report.message);
    assert!(night.pages().contains(&("header-rule-changed", Urgency::Trigger)));
    {
        let mut state = night.pretend.state();
        let rule = state.rules.get_mut("public").unwrap();
        rule.header_rule.clear();
        rule.sticky = true;
    }
    assert!(night.minutes(1).await.message.contains("tickiness"));
    night.pretend.state().rules.get_mut("public").unwrap().sticky = false;
    night.until_weight(40, 10.0).await;
}

#[tokio::test]
async fn a_second_tick_for_the_same_minute_changes_nothing() {
    let night = Night::started(config()).await;
    for _ in 0..40 {
        let schedule = night.schedule();
        let first = night.tick_at(schedule).await.remove(0);
        let writes = night.writes();
        let second = night.tick_at(schedule).await.remove(0);
        assert_eq!(night.writes(), writes);
        assert_eq!(first.weight, second.weight);
        night.pretend.pass_minute();
    }
}

#[tokio::test]
async fn a_tick_after_a_crash_behind_the_write_goes_on() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.state().trouble.die_after_writes = Some(1);
    let died = night.until(40, |report| report.error_type.is_some()).await;
    assert_eq!(died.error_type, Some("ledger"));
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON, "written, not journalled");
    let report = night.minutes(1).await;
    assert_eq!(report.weight, Some(percent(10.0)));
    let applied = night.events().await.iter().filter(|s| s.event.kind() == "applied").count();
    assert_eq!(applied, 3, "1, 5 and 10%");
    night.until(200, |report| report.state == "completed").await;
}

#[tokio::test]
async fn a_write_that_is_committed_and_answered_with_an_error_counts() {
    let night = Night::started(config()).await;
    night.pretend.state().trouble.commit_then_fail = 1;
    night.minutes(1).await;
    assert_eq!(night.run().await.weight, percent(1.0));
}

#[tokio::test]
async fn a_refused_write_is_journalled_and_tried_again() {
    let night = Night::started(config()).await;
    night.pretend.state().trouble.refuse_writes = 1;
    let report = night.minutes(1).await;
    assert_eq!(report.weight, Some(Weight::ZERO));
    let again = night.minutes(1).await;
    assert_eq!(again.weight, Some(percent(1.0)), "{}", again.message);
    let kinds: Vec<&str> = night.events().await.iter().map(|s| s.event.kind()).collect();
    assert!(kinds.contains(&"not_applied"));
}

#[tokio::test]
async fn a_rollback_reaches_the_routes_it_can_and_goes_on_trying() {
    let night = Night::started(config_with("", "", &["public", "internal"])).await;
    night.until_weight(40, 5.0).await;
    night.pretend.state().trouble.dead_routes = vec!["public".into()];
    let answer = night.order(Order::Rollback).await;
    assert!(answer.message.contains("Rollback incomplete"), "{}", answer.message);
    assert!(night.shows("internal").abs() < f64::EPSILON);
    assert!((night.shows("public") - 5.0).abs() < f64::EPSILON);
    let report = night.minutes(3).await;
    assert_eq!(report.state, "rolling back");
    assert!(night.pages().contains(&("rollback-incomplete", Urgency::Trigger)));
    night.pretend.state().trouble.dead_routes.clear();
    assert_eq!(night.minutes(1).await.state, "rolled back");
    assert!(night.pages().contains(&("rollback-incomplete", Urgency::Clear)));
}

#[tokio::test]
async fn who_plans_a_single_step_has_no_bake_before_it() {
    let night = Night::started(config_with("stages = [\"100%\"]", "", &["public"])).await;
    night.until_weight(10, 100.0).await;
    let shares: Vec<Weight> = night.run().await.timeline.iter().map(|(_, share)| *share).collect();
    assert_eq!(shares.last(), Some(&Weight::FULL));
    assert!(shares.iter().all(|share| [Weight::ZERO, Weight::FULL].contains(share)), "{shares:?}");
}

#[tokio::test]
async fn a_raise_that_reached_one_route_is_finished_by_the_next_tick() {
    let night = Night::started(config_with("", "", &["public", "internal"])).await;
    night.pretend.state().trouble.dead_routes = vec!["internal".into()];
    night.minutes(1).await;
    assert!((night.shows("public") - 1.0).abs() < f64::EPSILON);
    assert!(night.shows("internal").abs() < f64::EPSILON);
    night.pretend.state().trouble.dead_routes.clear();
    assert_eq!(night.minutes(1).await.weight, Some(percent(1.0)));
    assert!((night.shows("internal") - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn an_alarm_rolls_back_at_once_unless_the_python_side_has_it_too() {
    let alarms = "[rollout.alarms]\nrollback_on = [\"rs\"]\nhold_on = [\"db\"]\npython_twin = { rs = \"py\" }";
    for (standing, expected) in
        [(vec!["rs"], "rolled back"), (vec!["rs", "py"], "advancing"), (vec!["db"], "advancing")]
    {
        let night = Night::new(config_with("", alarms, &["public"]));
        for name in ["rs", "py", "db"] {
            night.pretend.alarm(name, AlarmState::Ok);
        }
        night.hour_of_python();
        night.order(Order::Start).await;
        night.until_weight(40, 5.0).await;
        for name in &standing {
            night.pretend.alarm(name, AlarmState::Alarm);
        }
        let report = night.minutes(30).await;
        assert_eq!(report.state, expected, "{standing:?}: {}", report.message);
        let share = night.shows("public");
        assert!(share <= 5.0, "{standing:?} never raises");
    }
}

#[tokio::test]
async fn an_alarm_from_before_the_start_holds_until_it_was_ok_once() {
    let night =
        Night::new(config_with("", "[rollout.alarms]\nrollback_on = [\"rs\"]", &["public"]));
    night.pretend.alarm("rs", AlarmState::Alarm);
    night.hour_of_python();
    night.order(Order::Start).await;
    let report = night.minutes(10).await;
    assert!(report.message.contains("was in ALARM before the start"), "{}", report.message);
    night.pretend.alarm("rs", AlarmState::Ok);
    night.until_weight(10, 1.0).await;
    night.pretend.alarm("rs", AlarmState::Alarm);
    assert_eq!(night.minutes(1).await.state, "rolled back");
}

#[tokio::test]
async fn a_start_is_refused_while_a_named_alarm_does_not_exist() {
    let night =
        Night::new(config_with("", "[rollout.alarms]\nrollback_on = [\"typo\"]", &["public"]));
    night.hour_of_python();
    let answer = night.order(Order::Start).await;
    assert_eq!(word(&answer), "refused");
    assert!(answer.message.contains("typo"));
}

#[tokio::test]
async fn the_calendar_holds_back_advancing_and_not_rolling_back() {
    let calendar = "[rollout.calendar]\nwindows = [\"Tue-Tue 08:00-09:20\"]";
    let night = Night::started(config_with("", calendar, &["public"])).await;
    let held = night.minutes(60).await;
    assert!(
        held.message.contains("the calendar allows steps from 1 Dec 08:00 UTC"),
        "{}",
        held.message
    );
    night.pretend.state().new.error_ratio = 0.5;
    night.until(20, |report| report.state == "rolled back").await;
}

#[tokio::test]
async fn without_the_ledger_nothing_advances_and_a_breach_rolls_back() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.pretend.state().trouble.ledger_down = true;
    let report = night.minutes(20).await;
    assert!(report.message.contains("No step is taken"), "{}", report.message);
    assert!((night.shows("public") - 5.0).abs() < f64::EPSILON);
    night.pretend.state().new.error_ratio = 0.5;
    night.until(20, |report| report.did == "rollback").await;
    assert!(night.shows("public").abs() < f64::EPSILON);
    night.pretend.state().trouble.ledger_down = false;
    assert_eq!(night.minutes(1).await.state, "rolled back");
    let kinds: Vec<&str> = night.events().await.iter().map(|s| s.event.kind()).collect();
    assert!(kinds.contains(&"lowered_outside"));
}

#[tokio::test]
async fn a_rollback_by_hand_works_without_the_ledger() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    let request = Night::request(Order::Rollback, 0);
    night.pretend.state().trouble.ledger_down = true;
    let answer = rollout_controller::controller::command::command(
        &night.world,
        &night.config,
        &request,
        night.schedule(),
    )
    .await
    .unwrap();
    assert_eq!(word(&answer), "applied", "{}", answer.message);
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn messages_wait_in_the_outbox_and_are_sent_once() {
    let night = Night::started(config()).await;
    night.pretend.state().trouble.channels_broken = Channel::ALL.into();
    night.minutes(3).await;
    let owed = night.journal().await.outbox.owed().len();
    assert!(owed > 0);
    night.pretend.state().trouble.channels_broken.clear();
    night.minutes(3).await;
    assert_eq!(night.journal().await.outbox.owed().len(), 0);
    let mut ids: Vec<String> = night
        .pretend
        .state()
        .pages
        .iter()
        .map(rollout_controller::domain::message::Page::id)
        .collect();
    let sent = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), sent, "nothing twice");
}

#[tokio::test]
async fn holding_too_long_pages_once() {
    let night = Night::started(config_with("max_hold = \"10m\"", "", &["public"])).await;
    night.until_weight(40, 5.0).await;
    let before = night.pages().len();
    night.pretend.state().requests_per_minute = 0.5;
    night.minutes(60).await;
    let pages: Vec<_> = night
        .pages()
        .into_iter()
        .skip(before)
        .filter(|(topic, _)| *topic == "holding-too-long")
        .collect();
    // The stage before had been held as long.
    let triggers = pages.iter().filter(|(_, urgency)| *urgency == Urgency::Trigger).count();
    assert_eq!(triggers, 1, "{pages:?}");
}

#[tokio::test]
async fn a_shadow_rollout_decides_and_moves_nothing() {
    let night = Night::started(shadow_config()).await;
    night.minutes(3).await;
    night.pretend.console_change("public", percent(10.0));
    let report = night.until(40, |report| report.did == "advance").await;
    assert!(report.message.contains("10% → 25%: every limit is proven"), "{}", report.message);
    night.pretend.state().new.error_ratio = 0.5;
    night.until(20, |report| report.did == "rollback").await;
    night.minutes(5).await;
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
    assert_eq!(night.writes(), 0);
}

#[tokio::test]
async fn what_others_do_with_the_rules_after_a_shadow_rollout_is_not_its_business() {
    let night = Night::started(shadow_config()).await;
    night.minutes(3).await;
    for share in [10.0, 25.0, 50.0, 90.0, 100.0] {
        night.pretend.console_change("public", percent(share));
        night.minutes(40).await;
    }
    assert_eq!(night.journal().await.words(), "completed");
    night.pretend.console_change("public", percent(25.0));
    night.minutes(2).await;
    let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
    assert_eq!(status.exit_code, 0, "{}", status.headline);
    assert!(status.headline.starts_with("Idle. Completed at "), "{}", status.headline);
}

#[tokio::test]
async fn a_shadow_rollout_takes_no_step_back() {
    let night = Night::started(shadow_config()).await;
    night.minutes(3).await;
    // Someone raises the share, and both sides become slow.
    slow_from(&night, 10.0, 0.3);
    night.pretend.console_change("public", percent(10.0));
    for _ in 0..15 {
        let report = night.minutes(1).await;
        assert_ne!(report.did, "step back", "{}", report.message);
    }
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
    assert_eq!(night.writes(), 0);
}

#[tokio::test]
async fn the_fold_from_the_first_entry_equals_the_one_from_the_snapshot() {
    let night = Night::started(config()).await;
    night.minutes(50).await;
    let written = night.world.ledger.read("score", journal_version()).await.unwrap();
    assert!(written.snapshot.is_some(), "a snapshot was written");
    let whole =
        rollout_controller::domain::journal::Journal::fold("score", &night.events().await).unwrap();
    let folded = night.journal().await;
    assert_eq!(serde_json::to_value(&whole).unwrap(), serde_json::to_value(&folded).unwrap());
}

fn journal_version() -> i64 {
    rollout_controller::controller::store::SNAPSHOT_VERSION
}

/// Both sides answer 3 in 10 requests a second later from this share on; 0%: always.
fn slow_from(night: &Night, share: f64, slow_ratio: f64) {
    let mut state = night.pretend.state();
    (state.old.slow_ratio, state.old.from) = (slow_ratio, percent(share));
    (state.new.slow_ratio, state.new.from) = (slow_ratio, percent(share));
}

#[tokio::test]
async fn a_step_back_does_not_wait_for_what_is_outside_the_journal() {
    let night = Night::started(config()).await;
    slow_from(&night, 50.0, 0.3);
    night.until_weight(120, 50.0).await;
    night.pretend.state().trouble.outposts_fail = true;
    let back = night.until(8, |report| report.did == "step back").await;
    assert_eq!(back.weight, Some(percent(25.0)), "{}", back.message);
    assert!((night.shows("public") - 25.0).abs() < f64::EPSILON);
}

/// What is outside the journal, with a person's direct rollback from the second look on.
struct OrderedMeanwhile {
    outposts: Arc<dyn Outposts>,
    looks: AtomicU32,
    order: OutsideOrder,
}

#[async_trait]
impl Outposts for OrderedMeanwhile {
    async fn read(&self, rollouts: &[&str]) -> Vec<Result<Outside, OutpostError>> {
        if self.looks.fetch_add(1, Ordering::Relaxed) == 1 {
            self.outposts.write_order("score", &self.order).await.expect("it can be written");
        }
        self.outposts.read(rollouts).await
    }
    async fn write_run(&self, rollout: &str, copy: &Copy) -> Result<(), OutpostError> {
        self.outposts.write_run(rollout, copy).await
    }
    async fn write_order(&self, rollout: &str, order: &OutsideOrder) -> Result<(), OutpostError> {
        self.outposts.write_order(rollout, order).await
    }
}

#[tokio::test]
async fn a_step_back_gives_way_to_a_direct_rollback_in_the_same_tick() {
    let mut night = Night::started(config()).await;
    slow_from(&night, 50.0, 0.3);
    night.until_weight(120, 50.0).await;
    let order = OutsideOrder {
        command: "direct-1".to_owned(),
        verb: "rollback".to_owned(),
        identity: "bob".to_owned(),
        reason: "both sides are slow".to_owned(),
        at_ms: night.pretend.now().as_millisecond(),
        found: Vec::new(),
    };
    for _ in 0..8 {
        let (looks, outposts) = (AtomicU32::new(0), night.pretend.world().outposts);
        let ordered = OrderedMeanwhile { outposts, looks, order: order.clone() };
        night.world = World { outposts: Arc::new(ordered), ..night.world };
        if night.minutes(1).await.did == "step back" {
            break;
        }
        assert!((night.shows("public") - 50.0).abs() < f64::EPSILON, "it looks once and holds");
    }
    assert!(night.shows("public").abs() < f64::EPSILON);
    night.minutes(2).await;
    let run = night.run().await;
    assert_eq!(run.phase.words(), "rolled back");
    let ordered = night.events().await.into_iter().any(|stamped| match stamped.event {
        Event::RollbackOrdered { who, .. } => who.identity == "bob",
        _ => false,
    });
    assert!(ordered, "who and why are journalled");
}

#[tokio::test]
async fn a_step_that_slows_both_sides_is_undone_and_the_second_time_rolled_back() {
    let night = Night::started(config()).await;
    slow_from(&night, 50.0, 0.3);
    night.until_weight(120, 50.0).await;
    let back = night.until(8, |report| report.did == "step back").await;
    assert_eq!(back.weight, Some(percent(25.0)), "{}", back.message);
    assert!(back.message.contains("Python and Rust both broke P95 within "), "{}", back.message);
    assert!(back.message.contains(" of the step to 50%."));
    assert!((night.shows("public") - 25.0).abs() < f64::EPSILON);
    // It waits for ten good minutes, and a person cannot skip that without --force.
    let waits = |report: &rollout_controller::report::tick::TickReport| {
        report.message.contains("of 10 good minutes before the next try")
    };
    night.until(8, waits).await;
    let refused = night.order(Order::Promote { to: None, force: false }).await;
    assert_eq!(word(&refused), "refused");
    assert!(refused.message.contains("good minutes"), "{}", refused.message);
    let before = night.pretend.now();
    night.until_weight(60, 50.0).await;
    assert!(night.pretend.now().duration_since(before).as_mins() >= 8, "it went up too soon");
    let end = night.until(8, |report| report.state == "rolled back").await;
    assert!(
        end.message.contains("Twice, Python and Rust both broke P95 within ")
            && end.message.contains(" of the step from 25% to 50%"),
        "{}",
        end.message
    );
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn an_incident_on_both_sides_before_a_raise_or_one_that_stays_blames_nobody() {
    let night = Night::started(config()).await;
    night.until_weight(120, 25.0).await;
    // It begins with the step and does not care that the share goes back.
    night.until_weight(30, 50.0).await;
    slow_from(&night, 0.0, 0.3);
    night.until(8, |report| report.did == "step back").await;
    night.minutes(20).await;
    assert!((night.shows("public") - 25.0).abs() < f64::EPSILON);
    slow_from(&night, 0.0, 0.0);
    night.until_weight(60, 50.0).await;
    // The same again is not the second time, since the first was not the step's fault.
    slow_from(&night, 0.0, 0.3);
    let again = night.until(8, |report| report.did != "hold").await;
    assert_eq!(again.did, "step back", "{}", again.message);
    assert_eq!(night.journal().await.run.unwrap().undone.len(), 2);
}

#[tokio::test]
async fn a_minute_is_read_with_the_share_that_each_route_had() {
    use rollout_controller::domain::event::{MinuteEntry, Part};
    let night = Night::started(config_with("", "", &["public", "internal"])).await;
    night.until_weight(60, 5.0).await;
    night.minutes(2).await;
    night.pretend.console_change("internal", percent(30.0));
    night.minutes(6).await;
    night.pretend.console_change("internal", percent(5.0));
    night.minutes(6).await;
    let mut shares: Vec<Vec<Weight>> = Vec::new();
    for stamped in night.events().await {
        let Event::Ticked { minutes, .. } = stamped.event else { continue };
        for minute in minutes {
            let MinuteEntry::Read { parts, .. } = minute else { continue };
            let each = parts.iter().map(|part| match part {
                Part::Known { weight, .. } => *weight,
                Part::Unknown { route, .. } => panic!("{route} is not known"),
            });
            shares.push(each.collect());
        }
    }
    shares.dedup();
    let both = |share: f64| vec![percent(share); 2];
    let end = [both(5.0), vec![percent(5.0), percent(30.0)], both(5.0)];
    assert!(shares.ends_with(&end), "{shares:?}");
}

#[tokio::test]
async fn the_first_engine_is_there_for_who_asks_for_it() {
    let night = Night::started(config_with("engine = \"evidence-1\"", "", &["public"])).await;
    let step = night.until(30, |report| report.did == "advance").await;
    let step = if step.message.contains("First share") {
        night.until(30, |report| report.did == "advance").await
    } else {
        step
    };
    assert!(step.message.contains("1% → 5%: every limit is proven"), "{}", step.message);
    night.until(150, |report| report.state == "completed").await;
    assert_eq!(night.writes(), 6, "no bake before 100%");
    let whole = night.events().await;
    let folded =
        rollout_controller::domain::journal::Journal::fold("score", &whole).expect("it folds");
    assert_eq!(folded, night.journal().await);
}

#[tokio::test]
async fn a_route_that_fails_beside_one_that_cannot_be_read_is_rolled_back() {
    for engine in ["evidence-1", "evidence-2"] {
        let settings = format!("engine = \"{engine}\"");
        let night = Night::started(config_with(&settings, "", &["public", "internal"])).await;
        night.until_weight(40, 5.0).await;
        night.minutes(3).await;
        night.pretend.state().new.error_ratio = 0.5;
        let mut last = None;
        for _ in 0..20 {
            let newest = Minute(night.pretend.state().now_ms.div_euclid(60_000) - 1);
            let unread = RouteMinute::Unknown(Unread::because("partial data"));
            night.pretend.revise(newest, |read| read.routes[1] = unread);
            last = Some(night.minutes(1).await);
        }
        let last = last.expect("a tick");
        assert_eq!(last.state, "rolled back", "{engine}: {}", last.message);
    }
}

#[tokio::test]
async fn a_rule_of_somebody_elses_before_the_first_step_is_no_rollback() {
    for reaches_new in [true, false] {
        let night = Night::started(config()).await;
        let gone = foreign("a forward to somebody's groups", reaches_new);
        night.pretend.state().rules.get_mut("public").unwrap().share = gone;
        let report = night.minutes(1).await;
        assert_eq!(report.state, "moved by someone else", "{}", report.message);
    }
}

#[tokio::test]
async fn a_first_step_that_slows_both_sides_is_undone_to_nothing() {
    let night = Night::started(config_with("start = \"50%\"", "", &["public"])).await;
    slow_from(&night, 50.0, 0.3);
    night.until_weight(10, 50.0).await;
    let back = night.until(8, |report| report.did == "step back").await;
    assert_eq!((back.weight, back.state.as_str()), (Some(Weight::ZERO), "starting"));
    assert!(night.shows("public").abs() < f64::EPSILON);
    let held = night.minutes(5).await;
    assert!(held.message.contains("of 10 good minutes"), "{}", held.message);
    let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
    assert_eq!(status.exit_code, 0);
    assert!(status.headline.starts_with("Idle. "), "{}", status.headline);
    night.until_weight(20, 50.0).await;
    let end = night.until(8, |report| report.state == "rolled back").await;
    assert!(end.message.contains("of the step from 0% to 50%"), "{}", end.message);
}

/// A clock that is so many minutes behind.
struct Behind(Pretend, i64);

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        self.0.now().saturating_sub(SignedDuration::from_mins(self.1)).expect("a time")
    }

    fn real(&self) -> Timestamp {
        self.now()
    }
}

#[tokio::test]
async fn a_tick_ahead_of_the_clock_counts_where_its_minutes_are_there_to_be_read() {
    let mut night = Night::started(config()).await;
    night.until_weight(60, 5.0).await;
    // Nobody ticked for twenty minutes, and the process that does has a clock of then.
    for _ in 0..20 {
        night.pretend.pass_minute();
    }
    let (pretend, before) = (night.pretend.clone(), night.journal().await.ticked_ms);
    night.world.clock = Arc::new(Behind(pretend, 20));
    night.tick().await;
    let scheduled = night.pretend.now().as_millisecond();
    assert_eq!(night.journal().await.ticked_ms, Some(scheduled));
    assert!(before < Some(scheduled - 19 * 60_000));

    // A tick of two hours from now, or of tomorrow, is ahead too, and nobody has its minutes.
    for hours in [2, 24] {
        let mut later = night.schedule();
        later.scheduled =
            later.scheduled.saturating_add(SignedDuration::from_hours(hours)).unwrap();
        night.tick_at(later).await;
        assert_eq!(night.journal().await.ticked_ms, Some(scheduled), "{hours} hours");
    }
}

#[tokio::test]
async fn evidence_1_begins_where_the_traffic_of_its_history_tells_it_to() {
    for (requests_per_minute, share) in [(10.0, 25.0), (600.0, 1.0)] {
        let night = Night::new(config_with("engine = \"evidence-1\"", "", &["public"]));
        night.pretend.state().requests_per_minute = requests_per_minute;
        night.hour_of_python();
        night.order(Order::Start).await;
        night.minutes(3).await;
        assert!((night.shows("public") - share).abs() < 1e-9, "{}", night.shows("public"));
        let baseline = night.events().await.into_iter().find_map(|stamped| match stamped.event {
            Event::Baseline { requests_per_minute, .. } => Some(requests_per_minute),
            _ => None,
        });
        let read = baseline.expect("a history");
        assert!((read - requests_per_minute).abs() < 0.2 * requests_per_minute, "{read}");
    }
}

#[tokio::test]
async fn evidence_1_begins_on_the_newest_minute_and_half_of_the_hour_before_it() {
    let night = Night::started(config_with("engine = \"evidence-1\"", "", &["public"])).await;
    let run = night.run().await;
    let newest = 100;
    let tick_ms = (newest + 1 + i64::from(run.lag_minutes)) * 60_000;
    assert_eq!(run.newest_due(tick_ms), Minute(newest));
    let begins = |minutes: &[(i64, u64)]| {
        let read = minutes.iter().map(|&(minute, requests)| {
            let old = Some(SideCounts { requests, ..SideCounts::default() });
            let routes = vec![RouteMinute::Known { old, new: None }];
            MinuteRead { minute: Minute(minute), routes, comparisons: None }
        });
        let found = history(&run, &Ok(read.collect()), tick_ms);
        found.map(|minutes| minutes.len()).map_err(|problem| problem.to_string())
    };
    let known = |known, of, needed| {
        Err(format!("only {known} of the last {of} minutes can be read, and {needed} are needed"))
    };
    assert_eq!(begins(&[(newest, 600)]), Ok(1), "a service that is a minute old");
    let with_gap = |from: i64| -> Vec<(i64, u64)> {
        (30..from).chain([newest]).map(|minute| (minute, 600)).collect()
    };
    assert_eq!(begins(&with_gap(70)), Ok(41), "30 of the last 60");
    assert_eq!(begins(&with_gap(69)), known(29, 60, 30));
    // With few requests a minute a gap is none; from five on it is.
    assert_eq!(begins(&[(newest - 1, 4)]), Ok(1));
    assert_eq!(begins(&[(newest - 2, 4)]), known(1, 3, 2));
    let missing = begins(&[(newest - 1, 5)]).expect_err("five were due");
    assert!(missing.contains("cannot be read yet"), "{missing}");
    assert!(begins(&[(newest, 0)]).is_err(), "no traffic");
}
