//! The doctor in a pretend world: each fault is found, named, and comes with a fix.

use crate::pretend::{Night, config, config_with};
use async_trait::async_trait;
use rollout_controller::api;
use rollout_controller::check::errand::Errand;
use rollout_controller::check::{
    Examination, Examiner, Finding, GroupError, GroupSeen, Groups, Level, Pulse, TargetSeen,
};
use rollout_controller::config::Config;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::message::{Channel, Urgency};
use rollout_controller::domain::minute::Minute;
use rollout_controller::domain::observation::{AlarmState, Foreign, Share};
use rollout_controller::domain::route::{GroupArn, Route};
use rollout_controller::domain::weight::Weight;
use rollout_controller::lambda::handler::{Door, answer};
use rollout_controller::ports::{BoxError, RouteSeen, Service, Traffic, TrafficError, WritePermit};
use rollout_controller::world::Compared;
use serde_json::json;
use std::collections::BTreeMap;

const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/lb/1";

/// Target groups by name; a name that is not there does not exist.
#[derive(Default)]
struct Pretended(BTreeMap<String, GroupSeen>);

impl Pretended {
    fn healthy(names: &[&str]) -> Self {
        let group = |name: &&str| {
            let seen = GroupSeen {
                target_type: "lambda".to_owned(),
                load_balancers: vec![BALANCER.to_owned()],
                targets: vec![TargetSeen {
                    id: format!("arn:aws:lambda:eu-west-1:111122223333:function:{name}"),
                    state: "unavailable".to_owned(),
                    reason: "Health checks are not enabled for this target".to_owned(),
                }],
                multi_value_headers: false,
            };
            ((*name).to_owned(), seen)
        };
        Self(names.iter().map(group).collect())
    }

    fn with(mut self, name: &str, change: impl FnOnce(&mut GroupSeen)) -> Self {
        change(self.0.get_mut(name).expect("a group"));
        self
    }
}

#[async_trait]
impl Groups for Pretended {
    async fn look(&self, group: &GroupArn) -> Result<GroupSeen, GroupError> {
        self.0.get(group.short_name()).cloned().ok_or(GroupError::Unknown)
    }
}

/// An alarm that rolls back and a topic: nothing is missing.
fn complete() -> Config {
    let mut config = config_with("", "[rollout.alarms]\nrollback_on = [\"rs\"]", &["public"]);
    config.paging.topic_arn = Some("arn:aws:sns:eu-west-1:111122223333:oncall".to_owned());
    config
}

fn well(config: Config) -> Night {
    let night = Night::new(config);
    night.pretend.alarm("rs", AlarmState::Ok);
    night.hour_of_python();
    night
}

async fn examine(night: &Night, groups: &Pretended) -> Examination {
    let examiner = Examiner {
        world: &night.world,
        config: &night.config,
        groups: Some(groups),
        pulse: None,
        ledger: true,
        write_until: None,
        now: night.pretend.now(),
    };
    examiner.examine("you", None).await.expect("an examination")
}

fn both() -> Pretended {
    Pretended::healthy(&["py0", "rs0"])
}

fn of<'a>(examination: &'a Examination, check: &str, level: Level) -> Vec<&'a Finding> {
    let all = examination.findings.iter();
    all.filter(|finding| finding.check == check && finding.level == level).collect()
}

/// The only finding of this level and check, which names the words and a fix.
fn the_finding(examination: &Examination, level: Level, check: &str, words: &str) {
    let found = of(examination, check, level);
    let told = examination.render();
    assert_eq!(found.len(), 1, "{level:?} {check}: {told}");
    assert!(found[0].what.contains(words), "{words}: {told}");
    assert!(!found[0].why.is_empty() && !found[0].fix.is_empty(), "{told}");
}

#[tokio::test]
async fn all_is_well_before_a_start_and_under_way() {
    let night = well(complete());
    let before = examine(&night, &both()).await;
    assert_eq!(before.level(), Level::Ok, "{}", before.render());
    night.order(Order::Start).await;
    night.until_weight(40, 5.0).await;
    let under_way = examine(&night, &both()).await;
    assert_eq!(under_way.level(), Level::Ok, "{}", under_way.render());
    let text = under_way.render();
    for part in [
        "rule 100 gives Rust 5%",
        "group stickiness is off",
        "the newest minute of Rust ended 0 s ago, `lag` is 2 min",
        "the last tick decided 60 s ago",
        "every message was sent",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_bare_configuration_is_warned_about_and_not_refused() {
    let night = well(config());
    let found = examine(&night, &both()).await;
    assert_eq!(found.level(), Level::Warn, "{}", found.render());
    the_finding(&found, Level::Warn, "paging", "pages are only logged");
    the_finding(&found, Level::Warn, "alarm", "no alarm rolls back");
}

#[tokio::test]
async fn every_fault_of_a_rule_is_bad() {
    let night = well(complete());
    {
        let mut state = night.pretend.state();
        let rule = state.rules.get_mut("public").unwrap();
        rule.sticky = true;
        rule.header_rule = vec!["no rule at priority 99".into(), "rule 50 comes before".into()];
        rule.share = Share::Foreign(Foreign {
            what: "a redirect to https://example.com".into(),
            reaches_new: false,
        });
    }
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "sticky", "stickiness is on");
    the_finding(&found, Level::Bad, "header", "no rule at priority 99; rule 50");
    the_finding(&found, Level::Bad, "rule", "a redirect");
    night.pretend.state().rules.get_mut("public").unwrap().mixed =
        vec!["the default rule gives old_group py0/1 requests too".into()];
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Warn, "mixed", "the default rule gives old_group");
    night.pretend.state().trouble.rules_unreadable = true;
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "rule", "throttled");
}

#[tokio::test]
async fn a_share_without_a_rollout_and_a_moved_one_are_told_apart() {
    let night = well(complete());
    let thirty = Weight::from_percent(30.0).unwrap();
    night.pretend.console_change("public", thirty);
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Warn, "rule", "gives Rust 30%, and no rollout goes on");
    night.pretend.console_change("public", Weight::ZERO);
    night.order(Order::Start).await;
    night.until_weight(40, 5.0).await;
    night.pretend.console_change("public", thirty);
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Warn, "rule", "the journal says 5%");
    night.minutes(1).await;
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Warn, "page", "`moved-by-someone-else` is open since");
}

#[tokio::test]
async fn every_fault_of_a_group_is_bad() {
    let night = well(complete());
    let faults: [(Pretended, &str, &str); 7] = [
        (Pretended::healthy(&["py0"]), "group", "new_group rs0 does not exist"),
        (both().with("rs0", |g| g.target_type = "ip".into()), "group", "of type ip"),
        (both().with("rs0", |g| g.targets.clear()), "group", "has 0 registered targets"),
        (both().with("rs0", |g| g.load_balancers.clear()), "group", "is not attached to app/lb/1"),
        (
            both().with("rs0", |g| g.targets[0].state = "unhealthy".into()),
            "group",
            "rs0 is unhealthy",
        ),
        (both().with("rs0", |g| g.multi_value_headers = true), "headers", "one side only"),
        (
            both().with("rs0", |g| {
                g.targets[0].id = "arn:aws:lambda:eu-west-1:111122223333:function:py0".into();
            }),
            "group",
            "both sides are the same function",
        ),
    ];
    for (groups, check, words) in faults {
        let found = examine(&night, &groups).await;
        the_finding(&found, Level::Bad, check, words);
    }
}

#[tokio::test]
async fn alarms_that_are_missing_or_stand_are_told() {
    let tables = "[rollout.alarms]\nrollback_on = [\"typo\"]\nhold_on = [\"rs\"]";
    let mut config = config_with("", tables, &["public"]);
    config.paging.topic_arn = complete().paging.topic_arn;
    let night = well(config);
    night.pretend.alarm("rs", AlarmState::Alarm);
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "alarm", "`typo` does not exist");
    the_finding(&found, Level::Warn, "alarm", "`rs` is in ALARM: Threshold Crossed");
    night.pretend.state().trouble.alarms_fail = true;
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "alarm", "reading the states");
}

#[tokio::test]
async fn metrics_that_are_late_missing_or_refused_are_told() {
    let night = well(complete());
    let now = Minute::containing(night.pretend.now());
    night.pretend.state().trouble.metrics_silent_from = Some(now.plus(-4));
    let found = examine(&night, &both()).await;
    the_finding(
        &found,
        Level::Warn,
        "metrics",
        "Python ended 240 s ago, and `lag` is 2 min".replace("240 s", "4 min").as_str(),
    );
    night.pretend.state().trouble.metrics_silent_from = Some(now.plus(-60));
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "metrics", "no request of Python within 17 minutes");
    night.pretend.state().trouble.metrics_fail = true;
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "metrics", "reading metrics");
}

#[tokio::test]
async fn a_new_side_without_requests_is_bad_only_where_some_were_due() {
    let night = well(complete());
    night.order(Order::Start).await;
    night.tick().await;
    let ok = examine(&night, &both()).await;
    let early = of(&ok, "metrics", Level::Ok);
    assert!(early.iter().any(|f| f.what.contains("too recently")), "{}", ok.render());
    // The rule gives it a share, and nothing arrives.
    night.pretend.state().requests_per_minute = 0.0;
    night.minutes(20).await;
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Warn, "metrics", "no request of Rust");
    // The journal says 5% for a quarter of an hour; the rule never gave any.
    let night = well(complete());
    night.order(Order::Start).await;
    night.until_weight(40, 5.0).await;
    night.pretend.console_change("public", Weight::ZERO);
    night.pretend.state().trouble.rules_unreadable = true;
    night.minutes(20).await;
    night.pretend.state().trouble.rules_unreadable = false;
    let five = Weight::from_percent(5.0).unwrap();
    night.pretend.console_change("public", five);
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "metrics", "no request of Rust");
}

#[tokio::test]
async fn a_limit_on_wrong_answers_without_a_comparison_is_warned_about() {
    for (tables, why) in [("", "would not be seen"), ("\nrequired = true", "holds every step")] {
        let tables = format!(
            "[rollout.alarms]\nrollback_on = [\"rs\"]\n[rollout.wrong_answers]\nlimit = \"10%\"{tables}"
        );
        let night = well(config_with("", &tables, &["public"]));
        night.order(Order::Start).await;
        assert!(of(&examine(&night, &both()).await, "metrics", Level::Warn).is_empty());
        night.minutes(20).await;
        let found = examine(&night, &both()).await;
        the_finding(&found, Level::Warn, "metrics", "no answer of Rust was compared");
        assert!(of(&found, "metrics", Level::Warn)[0].why.contains(why), "{}", found.render());
        night.pretend.state().compared =
            Some(Compared { per_minute: 60, different: 0.0, failed: 0.0 });
        night.minutes(5).await;
        assert!(of(&examine(&night, &both()).await, "metrics", Level::Warn).is_empty());
    }
}

#[tokio::test]
async fn a_silent_schedule_a_stuck_outbox_and_a_lost_ledger_are_bad() {
    let night = well(complete());
    night.order(Order::Start).await;
    night.until_weight(40, 5.0).await;
    night.pretend.state().trouble.channels_broken = Channel::ALL.into();
    night.until_weight(40, 10.0).await;
    for _ in 0..10 {
        night.pretend.pass_minute();
    }
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "schedule", "the last tick decided 11 min ago");
    the_finding(&found, Level::Bad, "outbox", "2 message(s) not sent, the oldest for 11 min");
    night.pretend.state().trouble.ledger_down = true;
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "ledger", "cannot be reached: connection refused");
    assert!(of(&found, "schedule", Level::Bad).is_empty(), "nothing is guessed");
}

/// Ticks that ran last in this minute, or cannot be read.
struct Beats(Result<Option<Minute>, &'static str>);

#[async_trait]
impl Pulse for Beats {
    async fn last_beat(
        &self,
        _: &str,
        from: Minute,
        until: Minute,
    ) -> Result<Option<Minute>, BoxError> {
        let within = |minute: &Minute| (from..until).contains(minute);
        self.0.map(|beat| beat.filter(within)).map_err(Into::into)
    }
}

#[tokio::test]
async fn a_heart_that_does_not_beat_is_told_before_anything_is_started() {
    let night = well(complete());
    let now = Minute::containing(night.pretend.now());
    for (beats, level, words) in [
        (Ok(Some(now.plus(-2))), Level::Ok, "the last tick ran 2 min ago"),
        (Ok(Some(now.plus(-15))), Level::Bad, "the last tick ran 15 min ago"),
        (Ok(Some(now.plus(-90))), Level::Warn, "no tick ran within 30 minutes"),
        (Ok(None), Level::Warn, "no tick ran within 30 minutes"),
        (Err("AccessDenied"), Level::Warn, "AccessDenied"),
    ] {
        let beats = Beats(beats);
        let examiner = Examiner {
            world: &night.world,
            config: &night.config,
            groups: None,
            pulse: Some(&beats),
            ledger: true,
            write_until: None,
            now: night.pretend.now(),
        };
        let found = examiner.examine("you", None).await.expect("an examination");
        let told = of(&found, "heartbeat", level);
        assert!(told.len() == 1 && told[0].what.contains(words), "{words}: {}", found.render());
    }
}

#[tokio::test]
async fn a_clock_behind_the_journal_is_bad() {
    let night = well(complete());
    night.order(Order::Start).await;
    night.minutes(3).await;
    night.pretend.state().now_ms -= 3_600_000;
    let found = examine(&night, &both()).await;
    the_finding(&found, Level::Bad, "clock", "ahead of this clock");
}

#[tokio::test]
async fn the_view_door_answers_with_what_it_sees_and_writes_nothing() {
    let night = well(complete());
    night.order(Order::Start).await;
    night.minutes(3).await;
    let (revision, writes) = (night.journal().await.revision, night.writes());
    let question = json!({"view": "check"});
    let asked = answer(Door::View, &night.world, &night.config, &question, None);
    let answered: api::Answer = serde_json::from_value(asked.await.unwrap()).unwrap();
    let api::Answer::Check(found) = answered else {
        panic!("{answered:?}");
    };
    assert_eq!(found.level(), Level::Ok, "{}", found.render());
    assert_eq!((night.journal().await.revision, night.writes()), (revision, writes));
    let unknown = json!({"view": "check", "rollout": "other"});
    let asked = answer(Door::View, &night.world, &night.config, &unknown, None).await.unwrap();
    assert_eq!(asked["answer"], "refused");
}

#[tokio::test]
async fn the_write_test_writes_each_rule_as_it_is_and_journals_nothing() {
    let night = well(complete());
    night.order(Order::Start).await;
    night.until_weight(40, 5.0).await;
    let (revision, writes) = (night.journal().await.revision, night.writes());
    let event = json!({"command": "write_test"});
    let ask = || answer(Door::Command, &night.world, &night.config, &event, None);
    let found: Examination = serde_json::from_value(ask().await.unwrap()).unwrap();
    assert_eq!(found.level(), Level::Ok, "{}", found.render());
    assert_eq!(of(&found, "write", Level::Ok).len(), 1);
    assert_eq!(night.writes(), writes + 1);
    assert_eq!(night.journal().await.revision, revision);
    assert!((night.shows("public") - 5.0).abs() < f64::EPSILON);
    night.pretend.state().trouble.dead_routes = vec!["public".into()];
    let found: Examination = serde_json::from_value(ask().await.unwrap()).unwrap();
    the_finding(&found, Level::Bad, "write", "AccessDenied");
    // No other door runs errands.
    for door in [Door::View, Door::Tick] {
        let refused = answer(door, &night.world, &night.config, &event, None).await;
        assert_eq!(refused.unwrap_err().error_type, "UnknownEvent");
    }
}

#[tokio::test]
async fn the_notify_test_opens_and_closes_under_one_key_of_its_own() {
    let night = well(complete());
    let event = json!({"command": "notify_test", "identity": "ada"});
    let asked = answer(Door::Command, &night.world, &night.config, &event, None).await;
    let found: Examination = serde_json::from_value(asked.unwrap()).unwrap();
    assert_eq!(found.level(), Level::Ok, "{}", found.render());
    let pages = night.pretend.state().pages.clone();
    let sent: Vec<_> = pages.iter().map(|page| (page.urgency, page.key())).collect();
    let key = "score-0-test".to_owned();
    assert_eq!(sent, [(Urgency::Trigger, key.clone()), (Urgency::Clear, key)]);
    assert_eq!(night.journal().await.revision, 0);
    assert!(night.pretend.state().changes.is_empty(), "no bus is configured");
}

#[tokio::test]
async fn a_refused_message_and_a_missing_channel_are_bad() {
    let mut with_bus = complete();
    with_bus.bus = Some("default".to_owned());
    let errand = Errand::NotifyTest { rollout: None, identity: "ada".to_owned() };
    let night = well(with_bus);
    let run = || errand.run(&night.world, &night.config, night.pretend.now());
    assert_eq!(run().await.level(), Level::Ok);
    assert_eq!(night.pretend.state().changes.len(), 1);
    night.pretend.state().trouble.channels_broken = Channel::ALL.into();
    let found = run().await;
    the_finding(&found, Level::Bad, "page", "test page");
    the_finding(&found, Level::Bad, "event", "sending `test`");

    let without = well(config());
    let found = errand.run(&without.world, &without.config, without.pretend.now()).await;
    the_finding(&found, Level::Bad, "page", "nothing was sent");
    assert!(without.pretend.state().pages.is_empty());
}

#[tokio::test]
async fn what_lies_outside_the_journal_is_looked_at_by_the_functions() {
    use rollout_controller::domain::code::CodeSeen;
    let night = well(complete());
    night.order(Order::Start).await;
    night.minutes(1).await;
    let look = async || eyes_of(&night).await;
    let well = look().await;
    assert_eq!(of(&well, "copy", Level::Ok).len(), 1, "{}", well.render());
    assert_eq!(of(&well, "code", Level::Ok).len(), 2, "{}", well.render());
    night.pretend.state().outside.clear();
    the_finding(&look().await, Level::Bad, "copy", "there is no copy");
    night.pretend.state().trouble.outposts_fail = true;
    the_finding(&look().await, Level::Bad, "copy", "reading parameter");
    night.pretend.state().trouble.outposts_fail = false;
    night.pretend.state().new_code = CodeSeen::NoTarget;
    the_finding(&look().await, Level::Bad, "code", "Rust: the group has no target");
    night.pretend.state().trouble.code_unreadable = true;
    let unread = look().await;
    assert_eq!(of(&unread, "code", Level::Bad).len(), 2, "{}", unread.render());
}

async fn eyes_of(night: &Night) -> Examination {
    let eyes = Examiner::function(&night.world, &night.config, None);
    eyes.examine("the view function", None).await.unwrap()
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_named_with_the_way_to_it() {
    let mut night = well(complete());
    let view = async |night: &Night| {
        let event = json!({"view": "check"});
        let seen = answer(Door::View, &night.world, &night.config, &event, None).await.unwrap();
        serde_json::from_value::<Examination>(seen).unwrap()
    };
    let found = view(&night).await;
    let ok = of(&found, "endpoint", Level::Ok);
    assert!(ok.len() == 1 && ok[0].what.starts_with("elasticloadbalancing, monitoring, ssm"));

    night.pretend.state().trouble.silent = vec![Service::Topics, Service::Parameters];
    let errand = Errand::WriteTest { rollout: None, as_of_ms: None };
    let written = night.writes();
    let command = errand.run(&night.world, &night.config, night.pretend.now()).await;
    assert_eq!(night.writes(), written, "nothing is written where a service is silent");
    for found in [view(&night).await, command] {
        let bad = of(&found, "endpoint", Level::Bad);
        let named: Vec<&str> = bad.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(
            named,
            [
                "ssm does not answer (no answer within 3 s)",
                "sns does not answer (no answer within 3 s)"
            ]
        );
        assert_eq!(bad[1].why, "without it no page is sent");
        assert!(bad[1].fix.contains("com.amazonaws.REGION.sns"), "{}", bad[1].fix);
        assert!(of(&found, "rest", Level::Warn).is_empty(), "the others answered in time");
    }
    // A person's own way to AWS is another one.
    assert!(of(&examine(&night, &both()).await, "endpoint", Level::Bad).is_empty());

    // Each look waits for the silent service: the call ends in time all the same.
    night.world.traffic = std::sync::Arc::new(Never);
    let found = view(&night).await;
    assert_eq!(of(&found, "endpoint", Level::Bad).len(), 2);
    assert_eq!(of(&found, "rest", Level::Warn).len(), 1, "{}", found.render());
}

/// A load balancer that never answers.
struct Never;

#[async_trait]
impl Traffic for Never {
    async fn read(&self, _: &Route) -> Result<RouteSeen, TrafficError> {
        std::future::pending().await
    }

    async fn shift(
        &self,
        _: &WritePermit,
        _: &Route,
        _: Option<Weight>,
        _: Weight,
    ) -> Result<Share, TrafficError> {
        std::future::pending().await
    }

    async fn rewrite(&self, _: &WritePermit, _: &Route) -> Result<Share, TrafficError> {
        std::future::pending().await
    }
}
