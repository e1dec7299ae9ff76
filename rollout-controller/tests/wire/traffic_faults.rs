//! What becomes of a shift when the load balancer's API misbehaves. The answer is
//! always what the rule shows, or an error that names the rule.

use local_cloud::{ApiFault, ApiFaultKind, Fault, LocalCloud};
use rollout_controller::domain::weight::Weight;
use rollout_controller::errors::chain;
use rollout_controller::ports::{Share, Traffic as _, TrafficError};

use crate::scenes::{Scene, local_cloud, percent, scene_of, permit};

async fn shift(scene: &Scene) -> Result<Weight, TrafficError> {
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
        assert_eq!(shift(&scene).await.expect("moved"), percent(5.0), "{kind:?}");
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
        assert_eq!(shift(&scene).await.expect("moved"), percent(5.0), "{kind:?}");
        assert_eq!(writes(&cloud), 1, "and it is not written twice");
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
