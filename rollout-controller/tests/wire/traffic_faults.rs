//! What becomes of a shift when the load balancer's API misbehaves. The answer is
//! always what the rule shows, or an error that names the rule.

use jiff::{Timestamp, ToSpan as _};
use local_cloud::{ApiFault, ApiFaultKind, AuthenticateSpec, Fault, LocalCloud};
use rollout_controller::domain::weight::Weight;
use rollout_controller::errors::chain;
use rollout_controller::ports::{Share, Traffic as _, TrafficError, WritePermit};

use crate::scenes::{Scene, foreign, forward, local_cloud, percent, permit, scene_of};

async fn shift(scene: &Scene) -> Result<Share, TrafficError> {
    scene.alb.shift(&permit(), &scene.route, Some(Weight::ZERO), percent(5.0)).await
}

fn weights(cloud: &LocalCloud) -> Vec<u32> {
    let rule = cloud.names().rule("scorer", 100);
    let shares = cloud.weights(&rule).expect("the rule");
    shares.iter().map(|share| share.weight.unwrap_or_default()).collect()
}

fn writes(cloud: &LocalCloud) -> usize {
    cloud.rule_changes().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_passes_later_is_tried_again() {
    for kind in [ApiFaultKind::Throttle, ApiFaultKind::Error, ApiFaultKind::Drop] {
        let cloud = local_cloud().await;
        let scene = scene_of(&cloud).await;
        cloud.add_fault(Fault::Api(ApiFault::new("ModifyRule", kind).times(2)));
        assert_eq!(shift(&scene).await.expect("moved"), Share::Weight(percent(5.0)), "{kind:?}");
        assert_eq!(weights(&cloud), [95, 5]);
        assert_eq!(writes(&cloud), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_counts_as_what_the_rule_shows() {
    for kind in [ApiFaultKind::ErrorAfterCommit, ApiFaultKind::DropAfterCommit] {
        let cloud = local_cloud().await;
        let scene = scene_of(&cloud).await;
        cloud.add_fault(Fault::Api(ApiFault::new("ModifyRule", kind)));
        assert_eq!(shift(&scene).await.expect("moved"), Share::Weight(percent(5.0)), "{kind:?}");
        assert_eq!(writes(&cloud), 1, "and it is not written twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_the_last_write_that_is_tried() {
    for kind in [ApiFaultKind::ErrorAfterCommit, ApiFaultKind::DropAfterCommit] {
        let cloud = local_cloud().await;
        let scene = scene_of(&cloud).await;
        cloud.add_fault(Fault::Api(ApiFault::new("ModifyRule", ApiFaultKind::Throttle).times(2)));
        cloud.add_fault(Fault::Api(ApiFault::new("ModifyRule", kind)));
        assert_eq!(shift(&scene).await.expect("moved"), Share::Weight(percent(5.0)), "{kind:?}");
        assert_eq!(weights(&cloud), [95, 5]);
        assert_eq!(writes(&cloud), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_never_passes_is_an_error_that_leaves_the_rule_alone() {
    for (kind, words) in [
        (ApiFaultKind::Denied, "ModifyRule: AccessDenied"),
        (ApiFaultKind::Throttle, "Rate exceeded"),
        (ApiFaultKind::Drop, "ModifyRule: no answer"),
    ] {
        let cloud = local_cloud().await;
        let scene = scene_of(&cloud).await;
        cloud.add_fault(Fault::Api(ApiFault::new("ModifyRule", kind)));
        let error = shift(&scene).await.expect_err("refused");
        assert!(matches!(error, TrafficError::Write { .. }), "{error:?}");
        let told = chain(&error);
        assert!(told.contains(words) && told.contains(scene.route.rule.as_str()), "{told}");
        assert_eq!(weights(&cloud), [100, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_writes_between_two_attempts_is_not_overwritten() {
    let cloud = local_cloud().await;
    let scene = scene_of(&cloud).await;
    let mut console = ApiFault::new("ModifyRule", ApiFaultKind::ForeignWrite).times(1);
    console.rule = Some(scene.route.rule.to_string());
    console.weights = vec![
        local_cloud::Share { group: "python".into(), weight: Some(60) },
        local_cloud::Share { group: "rust".into(), weight: Some(40) },
    ];
    // The first attempt is throttled, and the console is used before the second.
    cloud.add_fault(Fault::Api(ApiFault::new("ModifyRule", ApiFaultKind::Throttle).times(1)));
    cloud.add_fault(Fault::Api(console));
    let error = shift(&scene).await.expect_err("moved by somebody else");
    match error {
        TrafficError::Moved { found, .. } | TrafficError::NotTaken { found, .. } => {
            assert_eq!(found, Share::Weight(percent(40.0)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(weights(&cloud), [60, 40]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_to_lower_only_raises_nothing_on_the_wire() {
    let cloud = local_cloud().await;
    let scene = scene_of(&cloud).await;
    let route = &scene.route;
    let arn = route.rule.to_string();
    let lower_only = || WritePermit::lower_only(Timestamp::now() + 1.minute());
    let shift = async |permit: WritePermit, from: Option<f64>, to: f64| {
        scene.alb.shift(&permit, route, from.map(percent), percent(to)).await
    };
    let set = |rust: u32| {
        cloud.set_weights(&arn, [("python", 100 - rust), ("rust", rust)]).expect("the console");
        writes(&cloud)
    };

    let before = set(5);
    for (from, to) in [(Some(5.0), 5.1), (Some(5.0), 100.0), (None, 25.0)] {
        match shift(lower_only(), from, to).await {
            Err(TrafficError::NotAllowed { rule, to: asked }) => {
                assert_eq!((rule, asked), (route.rule.clone(), percent(to)));
            }
            other => panic!("{from:?} to {to}: {other:?}"),
        }
    }
    // The journal's permit does not raise what nobody looked at either.
    let blind = shift(permit(), None, 25.0).await;
    assert!(matches!(blind, Err(TrafficError::NotAllowed { .. })), "{blind:?}");
    assert_eq!((writes(&cloud), weights(&cloud)), (before, vec![95, 5]), "nothing was written");

    // Whoever lowers finds what somebody raised meanwhile.
    set(40);
    let lowered = shift(lower_only(), None, 10.0).await;
    assert_eq!(lowered.expect("lowered"), Share::Weight(percent(10.0)));
    let lowered = shift(lower_only(), Some(10.0), 2.5).await;
    assert_eq!(lowered.expect("lowered"), Share::Weight(percent(2.5)));
    let lowered = shift(lower_only(), None, 0.0).await;
    assert_eq!(lowered.expect("lowered"), Share::Weight(Weight::ZERO));
    assert_eq!(weights(&cloud), [100, 0]);

    // Beside a third group only 0 can be asked for.
    let (python, rust) = (&route.old_group, &route.new_group);
    let third = &route.header_rule.as_ref().expect("a header rule").group;
    scene.act(&arn, forward(&[(python, 50), (rust, 30), (third, 20)])).await;
    let refused = shift(lower_only(), None, 10.0).await;
    assert!(matches!(refused, Err(TrafficError::Moved { .. })), "{refused:?}");
    let lowered = shift(lower_only(), None, 0.0).await.expect("lowered");
    assert_eq!(lowered, foreign(&[(python, 80), (rust, 0), (third, 20)], false));

    // An end is an end for lowering too.
    scene.act(&arn, forward(&[(python, 60), (rust, 40)])).await;
    let late = WritePermit::lower_only(Timestamp::now() - 1.second());
    let late = shift(late, None, 0.0).await;
    assert!(matches!(late, Err(TrafficError::Late { .. })), "{late:?}");
    assert_eq!(weights(&cloud), [60, 40]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_raises_while_we_lower_is_lowered_from_where_they_left() {
    let cloud = local_cloud().await;
    let scene = scene_of(&cloud).await;
    let arn = scene.route.rule.to_string();
    cloud.set_weights(&arn, [("python", 95), ("rust", 5)]).expect("the console");
    // The first attempt gets no answer, and the console raises before the second.
    let mut console = ApiFault::new("ModifyRule", ApiFaultKind::ForeignWrite).times(1);
    console.rule = Some(arn);
    console.weights = vec![
        local_cloud::Share { group: "python".into(), weight: Some(30) },
        local_cloud::Share { group: "rust".into(), weight: Some(70) },
    ];
    cloud.add_fault(Fault::Api(ApiFault::new("ModifyRule", ApiFaultKind::Drop).times(1)));
    cloud.add_fault(Fault::Api(console));
    let permit = WritePermit::lower_only(Timestamp::now() + 1.minute());
    let result = scene.alb.shift(&permit, &scene.route, None, Weight::ZERO).await;
    // Either our write was last, or the answer says what the rule shows: never a
    // rollback that is said to be done and is not.
    match result {
        Ok(shown) => {
            assert_eq!(shown, Share::Weight(Weight::ZERO));
            assert_eq!(weights(&cloud), [100, 0]);
        }
        Err(TrafficError::NotTaken { found, .. }) => {
            assert_eq!(found, Share::Weight(percent(70.0)));
            assert_eq!(weights(&cloud), [30, 70]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_that_sign_people_in_are_kept_with_their_secret() {
    let oidc = AuthenticateSpec::Oidc {
        issuer: "https://idp.example.com".into(),
        client_id: "scorer".into(),
        client_secret: "pa/ss@word".into(),
    };
    let cognito = AuthenticateSpec::Cognito {
        user_pool_arn: "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_a1".into(),
        client_id: "scorer".into(),
        domain: "scorer-users".into(),
    };
    for (sign_in, secret) in [(oidc, Some("pa/ss@word")), (cognito, None)] {
        let cloud = local_cloud().await;
        let scene = scene_of(&cloud).await;
        let arn = scene.route.rule.as_str();
        cloud.set_authenticate(arn, Some(&sign_in)).expect("the console");
        let before = scene.rule(arn).await;
        assert_eq!(before.actions().len(), 2, "{before:?}");
        let seen = scene.alb.read(&scene.route).await.expect("read");
        assert_eq!(seen.share, Share::Weight(Weight::ZERO), "the share is that of the forward");

        for (from, to) in [(0.0, 5.0), (5.0, 100.0), (100.0, 0.0)] {
            let (from, to) = (percent(from), percent(to));
            let shown = scene.alb.shift(&permit(), &scene.route, Some(from), to).await;
            assert_eq!(shown.expect("moved"), Share::Weight(to), "{sign_in:?}");
            let after = scene.rule(arn).await;
            assert_eq!(after.actions()[0], before.actions()[0], "as found");
            assert_eq!(cloud.client_secret(arn).expect("the rule").as_deref(), secret);
        }
        let shown = scene.alb.rewrite(&permit(), &scene.route).await;
        assert_eq!(shown.expect("written as found"), Share::Weight(Weight::ZERO));
        let lower_only = WritePermit::lower_only(Timestamp::now() + 1.minute());
        let rolled_back = scene.alb.shift(&lower_only, &scene.route, None, Weight::ZERO).await;
        assert_eq!(rolled_back.expect("there already"), Share::Weight(Weight::ZERO));
        assert_eq!(scene.rule(arn).await, before);
        assert_eq!(cloud.client_secret(arn).expect("the rule").as_deref(), secret);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_listener_is_an_error_and_not_a_share() {
    let cloud = local_cloud().await;
    let scene = scene_of(&cloud).await;
    cloud.add_fault(Fault::Api(ApiFault::new("DescribeRules", ApiFaultKind::Denied)));
    let error = scene.alb.read(&scene.route).await.expect_err("denied");
    assert!(matches!(error, TrafficError::Read { .. }), "{error:?}");
    assert!(chain(&error).contains("AccessDenied"), "{}", chain(&error));
    assert!(matches!(shift(&scene).await, Err(TrafficError::Read { .. })));
    assert_eq!(writes(&cloud), 0);
}

// One thread: with two, the first read may be over before the second begins.
#[tokio::test]
async fn routes_of_one_listener_read_together_share_a_call() {
    let cloud = local_cloud().await;
    let scene = scene_of(&cloud).await;
    // Were there two calls, the second would pass.
    cloud.add_fault(Fault::Api(ApiFault::new("DescribeRules", ApiFaultKind::Denied).times(1)));
    let (first, second) = tokio::join!(scene.alb.read(&scene.route), scene.alb.read(&scene.other));
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    scene.alb.read(&scene.route).await.expect("a later read asks again");
}
