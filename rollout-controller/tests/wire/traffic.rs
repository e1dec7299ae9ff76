//! Weights of listener rules, on moto and on the local cloud alike.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, TargetGroupStickinessConfig,
};
use jiff::{Timestamp, ToSpan as _};
use rollout_controller::domain::observation::Foreign;
use rollout_controller::domain::route::RuleArn;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{Share, Traffic as _, TrafficError};

use crate::peers;
use crate::scenes::{
    HEADER, Scene, foreign, forward, header_condition, local_cloud, path_condition, percent,
    permit, permit_until, rule, scene_at_moto, scene_of, shown,
};

/// Everything that both must do.
async fn a_listener(scene: &Scene) {
    shows_shares_and_moves_them(scene).await;
    changes_nothing_but_weights(scene).await;
    does_not_fight(scene).await;
    keeps_its_deadline(scene).await;
    knows_what_does_not_exist(scene).await;
    watches_the_header_rule(scene).await;
}

async fn shows_shares_and_moves_them(scene: &Scene) {
    let (first, second) = tokio::join!(scene.alb.read(&scene.route), scene.alb.read(&scene.other));
    let (first, second) = (first.expect("read"), second.expect("read"));
    assert_eq!((first.share, first.priority), (Share::Weight(Weight::ZERO), Some(100)));
    assert_eq!((second.share, second.priority), (Share::Weight(percent(10.0)), Some(110)));
    assert!(!first.sticky);
    // Both routes have Python's group, so its numbers are those of both.
    assert!(
        first.mixed.iter().any(|mixed| mixed.starts_with("rule 110 gives old_group ")),
        "{:?}",
        first.mixed
    );
    // `X-USE-RUST-SCORER: TRUE` is asked for; header rules do not look at case.
    assert_eq!(first.header_rule, [""; 0]);
    // The header rule is the first route's. The second has none, and a tester's
    // request for it would go astray.
    assert_eq!(second.header_rule.len(), 1, "{:?}", second.header_rule);
    assert!(second.header_rule[0].contains("priority 99"), "{:?}", second.header_rule);

    for (from, to) in [(0.0, 0.1), (0.1, 5.0), (5.0, 100.0), (100.0, 37.5), (37.5, 0.0)] {
        let (from, to) = (percent(from), percent(to));
        let after = scene.alb.shift(&permit(), &scene.route, Some(from), to).await;
        assert_eq!(after.expect("moved"), Share::Weight(to));
        assert_eq!(scene.share(&scene.route).await, Share::Weight(to));
        assert_eq!(scene.share(&scene.other).await, Share::Weight(percent(10.0)));
    }
}

async fn changes_nothing_but_weights(scene: &Scene) {
    let (python, rust) = (&scene.route.old_group, &scene.route.new_group);
    let arn = scene.route.rule.as_str();
    let sticky = TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(77).build();
    let mut actions = forward(&[(rust, 20), (python, 80)]);
    let config = actions[0].forward_config.as_mut().expect("a forward");
    config.target_group_stickiness_config = Some(sticky);
    scene.act(arn, actions).await;
    let before = scene.rule(arn).await;
    let seen = scene.alb.read(&scene.route).await.expect("read");
    assert_eq!((seen.share, seen.sticky), (Share::Weight(percent(20.0)), true));

    let moved = scene.alb.shift(&permit(), &scene.route, Some(percent(20.0)), percent(30.0)).await;
    assert_eq!(moved.expect("moved"), Share::Weight(percent(30.0)));
    let mut expected = before;
    let actions = expected.actions.as_mut().expect("actions");
    let config = actions[0].forward_config.as_mut().expect("a forward");
    for tuple in config.target_groups.as_mut().expect("groups") {
        let is_rust = tuple.target_group_arn() == Some(rust.as_str());
        tuple.weight = Some(if is_rust { 30 } else { 70 });
    }
    assert_eq!(scene.rule(arn).await, expected);
    scene.act(arn, forward(&[(python, 100), (rust, 0)])).await;
}

async fn does_not_fight(scene: &Scene) {
    let (python, rust) = (&scene.route.old_group, &scene.route.new_group);
    let arn = scene.route.rule.as_str();
    scene.act(arn, forward(&[(python, 80), (rust, 20)])).await;
    let shift = |from: Option<f64>, to: f64| {
        let from = from.map(percent);
        async move { scene.alb.shift(&permit(), &scene.route, from, percent(to)).await }
    };
    match shift(Some(5.0), 10.0).await {
        Err(TrafficError::Moved { expected, found, .. }) => {
            assert_eq!((expected, found), (percent(5.0), Share::Weight(percent(20.0))));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.share(&scene.route).await, Share::Weight(percent(20.0)), "nothing written");
    // Somebody was faster with the same wish.
    let there = shift(Some(5.0), 20.0).await.expect("there already");
    assert_eq!(there, Share::Weight(percent(20.0)));
    // A rollback takes whatever it finds, odd shares too.
    scene.act(arn, forward(&[(python, 2), (rust, 1)])).await;
    assert_eq!(scene.share(&scene.route).await, foreign(&[(python, 2), (rust, 1)], true));
    let rolled_back = shift(None, 0.0).await.expect("rolled back");
    assert_eq!(rolled_back, Share::Weight(Weight::ZERO));

    // A third group: its weight is not ours to change, and the share is not ours to name.
    // A rollback gives Rust's part to Python, and that Rust gets nothing is all it asks.
    let third = &scene.route.header_rule.as_ref().expect("a header rule").group;
    let beside = [(python, 60), (rust, 30), (third, 10)];
    scene.act(arn, forward(&beside)).await;
    match shift(None, 10.0).await {
        Err(TrafficError::Moved { found, .. }) => {
            assert_eq!(found, foreign(&[(python, 60), (rust, 30), (third, 10)], true));
        }
        other => panic!("{other:?}"),
    }
    let without_rust = foreign(&[(python, 90), (rust, 0), (third, 10)], false);
    assert_eq!(shift(None, 0.0).await.expect("rolled back"), without_rust);
    assert_eq!(scene.share(&scene.route).await, without_rust);
    let before = scene.rule(arn).await;
    assert_eq!(shift(None, 0.0).await.expect("there already"), without_rust);
    assert_eq!(scene.rule(arn).await, before);

    // Python alone, and Rust's group made anew under its old name: nothing of Rust's
    // group is in the rule, so there is nothing to roll back.
    scene.act(arn, forward(&[(python, 1)])).await;
    assert_eq!(shift(None, 0.0).await.expect("nothing to do"), foreign(&[(python, 1)], false));
    // Rust alone: no place for Python, so a rollback cannot be written, and says so.
    scene.act(arn, forward(&[(rust, 1)])).await;
    match shift(None, 0.0).await {
        Err(TrafficError::Moved { found, .. }) => assert_eq!(found, foreign(&[(rust, 1)], true)),
        other => panic!("{other:?}"),
    }

    let closed = FixedResponseActionConfig::builder().status_code("503").build();
    let closed =
        Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(closed);
    scene.act(arn, vec![closed.build()]).await;
    let shut = Foreign { what: "a fixed response 503".to_owned(), reaches_new: false };
    let shut = Share::Foreign(shut);
    assert_eq!(shift(None, 0.0).await.expect("Rust gets nothing"), shut);
    match shift(None, 5.0).await {
        Err(TrafficError::Moved { found, .. }) => assert_eq!(found, shut),
        other => panic!("{other:?}"),
    }
    scene.act(arn, forward(&[(python, 100), (rust, 0)])).await;
}

async fn keeps_its_deadline(scene: &Scene) {
    let late = permit_until(Timestamp::now() - 1.second());
    let shift = |to| scene.alb.shift(&late, &scene.route, Some(Weight::ZERO), to);
    match shift(percent(5.0)).await {
        Err(TrafficError::Late { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.share(&scene.route).await, Share::Weight(Weight::ZERO));
    let there = shift(Weight::ZERO).await.expect("nothing to write");
    assert_eq!(there, Share::Weight(Weight::ZERO));
}

async fn knows_what_does_not_exist(scene: &Scene) {
    let mut gone = scene.route.clone();
    let arn = gone.rule.as_str();
    let no_rule = format!("{}/0000000000000000", arn.rsplit_once('/').unwrap().0);
    let no_listener = arn.replace("listener-rule/app/scorer/", "listener-rule/app/scorer/0");
    for wrong in [no_rule, no_listener] {
        gone.rule = RuleArn::parse(&wrong).unwrap();
        let read = scene.alb.read(&gone).await;
        assert!(matches!(read, Err(TrafficError::Unknown { .. })), "{wrong}: {read:?}");
        let shifted = scene.alb.shift(&permit(), &gone, None, Weight::ZERO).await;
        assert!(matches!(shifted, Err(TrafficError::Unknown { .. })), "{wrong}: {shifted:?}");
    }
}

async fn watches_the_header_rule(scene: &Scene) {
    let listing = scene.aws.elb().await.describe_rules();
    let listing = listing.listener_arn(scene.route.rule.listener().as_str()).send().await;
    let rules = listing.expect("rules").rules.expect("rules");
    let header = rules.iter().find(|rule| rule.priority() == Some("99")).expect("rule 99");
    let header = header.rule_arn().expect("an ARN");
    let told = |complaints: Vec<String>, words: &[&str]| {
        let all = complaints.join("\n");
        assert_eq!(complaints.len(), words.len(), "{all}");
        assert!(words.iter().all(|word| all.contains(word)), "{all}");
    };

    scene.ask(header, vec![header_condition(HEADER, "false")]).await;
    told(scene.complaints().await, &["to be false: expected TRUE"]);
    scene.ask(header, vec![header_condition("X-Other", "true")]).await;
    told(
        scene.complaints().await,
        &["no condition on header X-USE-RUST-SCORER", "also asks for header x-other"],
    );
    scene.ask(header, vec![header_condition(HEADER, "true"), path_condition("/health")]).await;
    told(scene.complaints().await, &["can match no request of the weighted rule"]);
    scene.ask(header, vec![header_condition(HEADER, "true"), path_condition("/v2/stamps/*")]).await;
    told(scene.complaints().await, &[]);
    let testers = &scene.route.header_rule.as_ref().expect("a header rule").group;
    scene.act(header, forward(&[(&scene.route.old_group, 1)])).await;
    told(
        scene.complaints().await,
        &[&format!(
            "a forward to {} 1: expected a forward to {} alone",
            shown(&scene.route.old_group),
            shown(testers)
        )],
    );
    scene.act(header, forward(&[(testers, 1)])).await;

    let mut route = scene.route.clone();
    route.header_rule.as_mut().expect("a header rule").priority = 105;
    let seen = scene.alb.read(&route).await.expect("read").header_rule;
    assert!(seen[0].contains("no rule at priority 105"), "{seen:?}");
    assert!(seen[1].contains("expected a smaller number"), "{seen:?}");
}

#[tokio::test]
async fn moto_keeps_the_contract() {
    let Some(moto) = peers::moto().await else {
        return;
    };
    let (scene, _) = scene_at_moto(&moto.url()).await;
    a_listener(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_keeps_the_contract() {
    let cloud = local_cloud().await;
    a_listener(&scene_of(&cloud).await).await;
    cloud.shutdown().await;
}

#[tokio::test]
async fn rules_past_the_first_page_are_seen_and_shadows_told() {
    let Some(moto) = peers::moto().await else {
        return;
    };
    let (scene, listener) = scene_at_moto(&moto.url()).await;
    let client = scene.aws.elb().await;
    let python = &scene.route.old_group;
    // More than a page; none of them can take a request of the route.
    for number in 1000..1110 {
        let elsewhere = vec![path_condition(&format!("/elsewhere/{number}"))];
        rule(client, &listener, number, elsewhere, forward(&[(python, 1)])).await;
    }
    let admin = vec![path_condition("/admin/*")];
    rule(client, &listener, 40, admin, forward(&[(python, 1)])).await;
    assert_eq!(scene.complaints().await, [""; 0]);

    rule(client, &listener, 50, vec![path_condition("/v2/*")], forward(&[(python, 1)])).await;
    let told = scene.complaints().await;
    assert_eq!(told.len(), 1, "{told:?}");
    let start = format!("rule at priority 50 (a forward to {} 1)", shown(python));
    assert!(told[0].starts_with(&start), "{told:?}");
    assert!(told[0].contains("before the header rule at 99"), "{told:?}");
}
