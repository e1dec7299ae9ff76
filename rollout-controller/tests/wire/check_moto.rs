//! Target groups as somebody else's load balancer describes them.

use crate::peers;
use crate::scenes::{Scene, percent, permit, scene_at_moto};
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use rollout_controller::check::{GroupError, Groups as _};
use rollout_controller::domain::route::GroupArn;
use rollout_controller::ports::{Share, Traffic as _};

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:scorer-rs:live";

async fn register(scene: &Scene, group: &GroupArn) {
    let target = TargetDescription::builder().id(FUNCTION).build();
    let client = scene.aws.elb().await;
    let register = client.register_targets().target_group_arn(group.as_str());
    register.targets(target).send().await.expect("registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_read_and_a_rule_is_written_as_it_is() {
    let Some(moto) = peers::moto().await else {
        return;
    };
    let (scene, _) = scene_at_moto(&moto.url()).await;
    register(&scene, &scene.route.new_group).await;
    let new = scene.alb.look(&scene.route.new_group).await.expect("a group");
    assert_eq!(new.target_type, "lambda");
    let balancer = scene.route.rule.load_balancer_dimension();
    let attached = |arn: &String| arn.ends_with(&format!("loadbalancer/{balancer}"));
    assert!(new.load_balancers.iter().any(attached), "{new:?}");
    assert!(!new.multi_value_headers);
    let targets: Vec<&str> = new.targets.iter().map(|target| target.id.as_str()).collect();
    assert_eq!(targets, [FUNCTION]);
    let old = scene.alb.look(&scene.route.old_group).await.expect("a group");
    assert!(old.targets.is_empty(), "{old:?}");

    let text = scene.route.new_group.as_str().replace("targetgroup/rust", "targetgroup/rusty");
    let unknown = GroupArn::parse(&text).expect("a group");
    let error = scene.alb.look(&unknown).await.expect_err("no such group");
    assert!(matches!(error, GroupError::Unknown), "{error:?}");

    // The other rule has 90 and 10; not one number, condition or action changes.
    let before = scene.rule(scene.other.rule.as_str()).await;
    let shown = scene.alb.rewrite(&permit(), &scene.other).await.expect("written");
    assert_eq!(shown, Share::Weight(percent(10.0)));
    assert_eq!(scene.rule(scene.other.rule.as_str()).await, before);
}
