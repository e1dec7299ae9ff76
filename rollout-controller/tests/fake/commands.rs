//! What people may order, and what becomes of it.

use crate::pretend::{Night, config, config_with, shadow_config, word};
use rollout_controller::api::{Answer, History, Question};
use rollout_controller::config::Config;
use rollout_controller::controller::command::command;
use rollout_controller::controller::query::view;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::event::Event;
use rollout_controller::domain::plan::Mode;
use rollout_controller::domain::route::RuleArn;
use rollout_controller::domain::weight::Weight;

fn percent(value: f64) -> Weight {
    Weight::from_percent(value).unwrap()
}

#[tokio::test]
async fn the_same_command_twice_is_one_command() {
    let night = Night::new(config());
    night.hour_of_python();
    let request = Night::request(Order::Start, 0);
    let first = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
    let second = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
    assert_eq!((word(&first), word(&second)), ("applied".into(), "already so".into()));
    assert_eq!(night.run().await.number, 1);
}

#[tokio::test]
async fn every_command_that_is_sent_again_is_already_so() {
    let mut shadow = config();
    shadow.rollouts[0].mode = Mode::Shadow;
    let night = Night::started(shadow).await;
    night.minutes(2).await;
    let all = [
        Order::Pause { for_minutes: None },
        Order::Resume { adopt: false },
        Order::Activate,
        Order::Rollback,
    ];
    for order in all {
        let name = order.name();
        let request = Night::request(order, night.journal().await.revision);
        let send = async || {
            command(&night.world, &night.config, &request, night.schedule()).await.unwrap()
        };
        let (first, again) = (send().await, send().await);
        assert_eq!(word(&first), "applied", "{name}: {}", first.message);
        assert_eq!(word(&again), "already so", "{name}: {}", again.message);
        assert!(again.message.contains("was applied before"), "{name}: {}", again.message);
    }
}

#[tokio::test]
async fn a_command_that_is_sent_again_after_something_undid_it_is_stale() {
    let pause = || Order::Pause { for_minutes: None };
    let resume = || Order::Resume { adopt: false };
    for (before, order, undone_by) in [
        (Some(pause()), resume(), pause()),
        (None, Order::Activate, Order::Rollback),
        (Some(Order::Rollback), Order::Start, Order::Rollback),
    ] {
        let mut shadow = config();
        if order == Order::Activate {
            shadow.rollouts[0].mode = Mode::Shadow;
        }
        let night = Night::started(shadow).await;
        night.minutes(2).await;
        if let Some(before) = before {
            night.order(before).await;
        }
        let request = Night::request(order, night.journal().await.revision);
        let name = request.order.name();
        let first = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
        assert_eq!(word(&first), "applied", "{name}: {}", first.message);
        night.order(undone_by).await;
        let revision = night.journal().await.revision;
        let again = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
        assert_eq!(word(&again), "stale", "{name}: {}", again.message);
        assert!(again.message.contains("and more happened since"), "{name}: {}", again.message);
        assert_eq!(night.journal().await.revision, revision, "{name} changed nothing");
    }
}

#[tokio::test]
async fn a_stale_command_is_refused_with_what_changed_and_a_rollback_never_is() {
    let night = Night::started(config()).await;
    let seen = night.journal().await.revision;
    night.until_weight(20, 1.0).await;
    let stale = Night::request(Order::Promote { to: None, force: true }, seen);
    let answer = command(&night.world, &night.config, &stale, night.schedule()).await.unwrap();
    assert_eq!(word(&answer), "stale");
    assert!(
        answer.changed_since.iter().any(|line| line.text.contains("0% → 1%: first share")),
        "{answer:?}"
    );
    let rollback = Night::request(Order::Rollback, seen);
    let answer = command(&night.world, &night.config, &rollback, night.schedule()).await.unwrap();
    assert_eq!(word(&answer), "applied");
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_minute_of_ticks_does_not_make_a_command_stale() {
    let night = Night::started(config()).await;
    night.until_weight(20, 1.0).await;
    night.order(Order::Pause { for_minutes: None }).await;
    let seen = night.journal().await.revision;
    night.minutes(5).await;
    let resume = Night::request(Order::Resume { adopt: false }, seen);
    let answer = command(&night.world, &night.config, &resume, night.schedule()).await.unwrap();
    assert_eq!(word(&answer), "applied", "{answer:?}");
}

#[tokio::test]
async fn every_order_needs_a_reason() {
    let night = Night::started(config()).await;
    for order in [
        Order::Start,
        Order::Pause { for_minutes: None },
        Order::Resume { adopt: false },
        Order::Rollback,
        Order::Promote { to: None, force: false },
        Order::Activate,
    ] {
        let mut request = Night::request(order, night.journal().await.revision);
        request.reason = "  ".to_owned();
        let before = night.journal().await;
        let answer =
            command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
        assert_eq!(word(&answer), "refused");
        assert!(answer.message.contains("--reason"), "{}", answer.message);
        assert_eq!(night.journal().await, before, "nothing changed");
    }
}

#[tokio::test]
async fn a_dry_run_tells_and_does_nothing() {
    let night = Night::started(config()).await;
    night.until_weight(20, 1.0).await;
    let before = night.journal().await;
    let mut request = Night::request(Order::Rollback, before.revision);
    request.dry_run = true;
    let answer = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
    assert_eq!(word(&answer), "applied");
    assert!(answer.dry_run && answer.message.contains("public 1% → 0%"), "{}", answer.message);
    assert_eq!(night.journal().await, before);
    assert!((night.shows("public") - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn promote_skips_waiting_and_not_the_proof() {
    let night = Night::started(config()).await;
    night.until_weight(20, 1.0).await;
    let unproven = night.order(Order::Promote { to: None, force: false }).await;
    assert_eq!(word(&unproven), "refused");
    assert!(unproven.message.contains("--force"), "{}", unproven.message);
    let skipping = night.order(Order::Promote { to: Some(percent(25.0)), force: false }).await;
    assert_eq!(word(&skipping), "refused");
    let forced = night.order(Order::Promote { to: Some(percent(25.0)), force: true }).await;
    assert_eq!(word(&forced), "applied", "{}", forced.message);
    assert!((night.shows("public") - 25.0).abs() < f64::EPSILON);
    let lower = night.order(Order::Promote { to: Some(percent(5.0)), force: true }).await;
    assert_eq!(word(&lower), "refused");
    let odd = night.order(Order::Promote { to: Some(percent(30.0)), force: true }).await;
    assert!(odd.message.contains("is not a stage (1%"), "{}", odd.message);
}

#[tokio::test]
async fn promote_needs_no_force_where_only_minutes_are_missing() {
    let night = Night::started(config()).await;
    let waits = night.until(200, |report| report.message.contains("Proven; ")).await;
    let before = night.shows("public");
    let answer = night.order(Order::Promote { to: None, force: false }).await;
    assert_eq!(word(&answer), "applied", "{}\n{}", waits.message, answer.message);
    assert!(night.shows("public") > before, "{}", answer.message);
}

#[tokio::test]
async fn commands_name_the_rollout_only_where_there_are_several() {
    let night = Night::started(config()).await;
    let ask = async |config: &Config| {
        let answer = view(&night.world, config, &Question::Status { rollout: None }).await;
        serde_json::to_string(&answer).unwrap()
    };
    let alone = ask(&night.config).await;
    assert!(alone.contains("rolloutctl rollback --reason"), "{alone}");
    let mut config = night.config.clone();
    let mut second = config.rollouts[0].clone();
    second.name = "second".to_owned();
    config.rollouts.push(second);
    let both = ask(&config).await;
    assert!(both.contains("rolloutctl start -r second --reason"), "{both}");
}

#[tokio::test]
async fn nothing_promotes_past_a_closed_calendar() {
    let calendar = "[rollout.calendar]\nwindows = [\"Tue-Tue 08:00-09:10\"]";
    let night = Night::started(config_with("", calendar, &["public"])).await;
    night.until(60, |report| report.message.contains("the calendar allows steps from")).await;
    let before = night.shows("public");
    let answer = night.order(Order::Promote { to: None, force: false }).await;
    assert_eq!(word(&answer), "refused", "{}", answer.message);
    assert!(answer.message.contains("the calendar allows steps from"), "{}", answer.message);
    let forced = night.order(Order::Promote { to: None, force: true }).await;
    assert_eq!(word(&forced), "refused", "{}", forced.message);
    assert!((night.shows("public") - before).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_revision_that_is_not_there_yet_is_refused() {
    let night = Night::started(config()).await;
    let newest = night.journal().await.revision;
    let request = Night::request(Order::Promote { to: None, force: true }, newest + 1);
    let answer = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
    assert_eq!(word(&answer), "refused");
    let said = format!("revision {} does not exist yet; the newest is {newest}.", newest + 1);
    assert!(answer.message.contains(&said), "{}", answer.message);
}

#[tokio::test]
async fn the_next_stage_may_be_named_and_none_after_it() {
    let night = Night::started(config()).await;
    night.until(200, |report| report.message.contains("Proven; ")).await;
    let run = night.run().await;
    let after: Vec<Weight> =
        run.terms.stages.iter().copied().filter(|stage| *stage > run.weight).collect();
    let skipped = night.order(Order::Promote { to: Some(after[1]), force: false }).await;
    assert_eq!(word(&skipped), "refused");
    let said = format!("{} skips {}.", after[1], after[0]);
    assert!(skipped.message.contains(&said), "{}", skipped.message);
    let named = night.order(Order::Promote { to: Some(after[0]), force: false }).await;
    assert_eq!(word(&named), "applied", "{}", named.message);
}

#[tokio::test]
async fn nothing_promotes_against_the_evidence() {
    let night = Night::started(config_with("", "", &["public"])).await;
    night.until_weight(40, 5.0).await;
    // The write of the rollback fails, so the run is still open and the verdict stands.
    night.pretend.state().trouble.dead_routes = vec!["public".into()];
    night.pretend.state().new.error_ratio = 0.9;
    night.until(20, |report| report.did == "rollback").await;
    night.pretend.state().trouble.dead_routes.clear();
    let answer = night.order(Order::Promote { to: None, force: true }).await;
    assert_eq!(word(&answer), "refused");
    assert!(answer.message.contains("rolled back"), "{}", answer.message);
}

#[tokio::test]
async fn a_rollback_of_a_run_whose_rule_was_made_anew_names_what_works() {
    let mut night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    // The stack made a new rule, and its ARN came into the config; the run has the old one.
    night.pretend.state().rules.clear();
    let gone = night.order(Order::Rollback).await;
    assert!(!gone.message.contains("other ARNs"), "{}", gone.message);
    let anew = format!("{}9", night.config.rollouts[0].terms.routes[0].rule);
    night.config.rollouts[0].terms.routes[0].rule = RuleArn::parse(&anew).expect("an ARN");
    let answer = night.order(Order::Rollback).await;
    assert_eq!(word(&answer), "incomplete", "{}", answer.message);
    let told = "The config has other ARNs than this run began with for `public`; --direct takes those of the config.\nRun now: rolloutctl rollback --direct";
    assert!(answer.message.contains(told), "{}", answer.message);
}

#[tokio::test]
async fn a_start_is_refused_over_a_running_rollout_and_over_a_raised_rule() {
    let night = Night::new(config());
    night.hour_of_python();
    night.pretend.console_change("public", percent(10.0));
    let answer = night.order(Order::Start).await;
    assert!(answer.message.contains("Set it to 0% first"), "{}", answer.message);
    night.pretend.console_change("public", Weight::ZERO);
    assert_eq!(word(&night.order(Order::Start).await), "applied");
    let again = night.order(Order::Start).await;
    assert!(again.message.contains("is under way"), "{}", again.message);
}

#[tokio::test]
async fn a_new_start_begins_with_fresh_evidence_and_closes_the_old_incident() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Rollback).await;
    night.minutes(5).await;
    assert_eq!(word(&night.order(Order::Start).await), "applied");
    let run = night.run().await;
    assert_eq!(run.number, 2);
    assert!(run.gathered.judged_through().is_none());
    night.minutes(1).await;
    let pages = night.pretend.state().pages.clone();
    let rolled_back: Vec<_> =
        pages.iter().filter(|page| page.topic.name() == "rolled-back").collect();
    assert_eq!(rolled_back.len(), 2);
    assert_eq!(rolled_back[0].key(), rolled_back[1].key(), "the clear joins the trigger");
    night.until_weight(30, 1.0).await;
}

#[tokio::test]
async fn a_rollback_after_completion_works() {
    let night = Night::started(config()).await;
    night.until(150, |report| report.state == "completed").await;
    let answer = night.order(Order::Rollback).await;
    assert_eq!(word(&answer), "applied", "{}", answer.message);
    assert!(night.shows("public").abs() < f64::EPSILON);
    assert_eq!(night.journal().await.run.unwrap().phase.words(), "rolled back");
    assert_eq!(word(&night.order(Order::Rollback).await), "already so");
}

#[tokio::test]
async fn every_action_of_a_person_is_journalled_with_who_and_why() {
    let night = Night::started(config()).await;
    night.until_weight(40, 5.0).await;
    night.order(Order::Pause { for_minutes: None }).await;
    night.order(Order::Resume { adopt: false }).await;
    night.order(Order::Rollback).await;
    let people: Vec<&'static str> = night
        .events()
        .await
        .iter()
        .filter_map(|stamped| match &stamped.event {
            Event::Started { who, .. }
            | Event::Paused { who, .. }
            | Event::Resumed { who, .. }
            | Event::RollbackOrdered { who, .. } => {
                assert!(who.identity.ends_with("oncall/ada") && who.reason == "story");
                Some(stamped.event.kind())
            }
            _ => None,
        })
        .collect();
    assert_eq!(people, ["started", "paused", "resumed", "rollback_ordered"]);
}

#[tokio::test]
async fn an_unknown_rollout_is_refused_with_the_known_names() {
    let night = Night::new(config());
    let mut request = Night::request(Order::Start, 0);
    request.rollout = Some("scor".to_owned());
    let answer = command(&night.world, &night.config, &request, night.schedule()).await.unwrap();
    assert!(answer.message.contains("known: score"), "{}", answer.message);
}

#[tokio::test]
async fn shadow_becomes_active_by_command_only() {
    let night = Night::started(shadow_config()).await;
    night.minutes(3).await;
    night.pretend.console_change("public", percent(5.0));
    night.minutes(2).await;
    assert_eq!(word(&night.order(Order::Activate).await), "applied");
    night.until_weight(40, 10.0).await;
    assert!((night.shows("public") - 10.0).abs() < f64::EPSILON);
}

async fn history(night: &Night, before: Option<i64>, limit: u32, all: bool) -> History {
    let question = Question::History { rollout: None, before, limit, all };
    match view(&night.world, &night.config, &question).await {
        Answer::History(history) => history,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_history_in_parts_is_the_whole_history() {
    let night = Night::started(config()).await;
    night.until_weight(200, 25.0).await;
    night.order(Order::Rollback).await;
    night.minutes(2).await;
    for all in [false, true] {
        let whole = history(&night, None, 500, all).await;
        assert_eq!(whole.earlier, None, "everything is there");
        assert!(whole.events.len() > 6, "{}", whole.events.len());
        let just_all = u32::try_from(whole.events.len()).expect("a few");
        assert_eq!(history(&night, None, just_all, all).await.earlier, None, "the first is there");
        for limit in [1, 4] {
            let (mut parts, mut before) = (Vec::new(), None);
            loop {
                let part = history(&night, before, limit, all).await;
                assert!(part.events.len() <= limit as usize);
                parts.splice(0..0, part.events.iter().map(|stamped| stamped.seq));
                match part.earlier {
                    Some(earlier) => before = Some(earlier),
                    None => break,
                }
            }
            let seqs: Vec<i64> = whole.events.iter().map(|stamped| stamped.seq).collect();
            assert_eq!(parts, seqs, "{limit} at a time, all: {all}");
        }
    }
}
