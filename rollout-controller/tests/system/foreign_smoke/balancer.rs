//! The load balancer at moto.

use super::peers::{PATIENCE, aws_at, call};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HttpHeaderConditionConfig,
    PathPatternConditionConfig, ProtocolEnum, RuleCondition, TargetDescription, TargetGroupTuple,
    TargetTypeEnum,
};
use rollout_controller::adapters::aws::Aws;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PATH: &str = "/v2/stamps/*/score/*";
pub(crate) const HEADER: &str = "X-Use-Rust-Scorer";

/// A listener with a header rule (99) and a weighted rule (100).
pub(crate) struct Balancer {
    aws: Aws,
    pub(crate) rule: String,
    pub(crate) python: String,
    pub(crate) rust: String,
    pub(crate) testers: String,
}

fn forward(groups: &[(&str, i32)]) -> Action {
    let tuples = groups.iter().map(|(arn, weight)| {
        let tuple = TargetGroupTuple::builder();
        tuple.target_group_arn(*arn).weight(*weight).build()
    });
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples.collect()));
    let action = Action::builder().r#type(ActionTypeEnum::Forward).order(1);
    action.forward_config(config.build()).build()
}

fn path() -> RuleCondition {
    let config = PathPatternConditionConfig::builder().values(PATH).build();
    let condition = RuleCondition::builder().field("path-pattern");
    condition.path_pattern_config(config).build()
}

fn header() -> RuleCondition {
    let config = HttpHeaderConditionConfig::builder().http_header_name(HEADER);
    let condition = RuleCondition::builder().field("http-header");
    let config = config.values("true").build();
    condition.http_header_config(config).build()
}

impl Balancer {
    pub(crate) async fn make(url: &str) -> Self {
        let aws = aws_at(url).await;
        let elb = aws.elb().await;
        let made = elb.create_load_balancer().name("scorer");
        let made = made.set_subnets(Some(subnets(url).await));
        let made = made.send().await.expect("a load balancer");
        let balancer = made.load_balancers()[0].load_balancer_arn().expect("an ARN");
        let mut groups = Vec::new();
        for name in ["scorer-py", "scorer-rs", "scorer-rs-tester"] {
            let create = elb.create_target_group().name(name);
            let made = create.target_type(TargetTypeEnum::Lambda).send().await.expect("a group");
            let arn = made.target_groups()[0].target_group_arn().expect("an ARN");
            // A published version tells its code by its ARN.
            let function = format!("arn:aws:lambda:eu-west-1:000000000000:function:{name}:1");
            let target = TargetDescription::builder().id(function).build();
            let register = elb.register_targets().target_group_arn(arn).targets(target);
            register.send().await.expect("a target");
            groups.push(arn.to_owned());
        }
        let [python, rust, testers] = <[String; 3]>::try_from(groups).expect("three groups");
        let create = elb.create_listener().load_balancer_arn(balancer).port(80);
        let create = create.protocol(ProtocolEnum::Http);
        let create = create.default_actions(forward(&[(&python, 1)]));
        let made = create.send().await.expect("a listener");
        let listener = made.listeners()[0].listener_arn().expect("an ARN");
        let rule = |priority| {
            let create = elb.create_rule().listener_arn(listener).priority(priority);
            create.conditions(path())
        };
        let first = rule(99).conditions(header()).actions(forward(&[(&testers, 1)]));
        first.send().await.expect("rule 99");
        let weighted = rule(100).actions(forward(&[(&python, 100), (&rust, 0)]));
        let made = weighted.send().await.expect("rule 100");
        let rule = made.rules()[0].rule_arn().expect("an ARN").to_owned();
        Self { aws: aws.clone(), rule, python, rust, testers }
    }

    /// Weights of the rule: Python, Rust.
    pub(crate) async fn weights(&self) -> (i32, i32) {
        let asked = self.aws.elb().await.describe_rules().rule_arns(&self.rule);
        let answer = asked.send().await.expect("the rule");
        let action = &answer.rules()[0].actions()[0];
        let config = action.forward_config().expect("a forward action");
        let of = |arn: &str| {
            let mut groups = config.target_groups().iter();
            let group = groups.find(|group| group.target_group_arn() == Some(arn));
            group.and_then(TargetGroupTuple::weight).expect("a weight")
        };
        (of(&self.python), of(&self.rust))
    }

    /// Waits for these weights.
    pub(crate) async fn shows(&self, wanted: (i32, i32)) {
        let shown = async {
            while self.weights().await != wanted {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let came = timeout(PATIENCE, shown).await;
        assert!(came.is_ok(), "moto shows {:?}, not {wanted:?}", self.weights().await);
    }
}

/// Two subnets of moto's default network. EC2 is no client of ours, so by hand.
async fn subnets(url: &str) -> Vec<String> {
    let head = "POST / HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let answer = call(url, "ec2", head, "Action=DescribeSubnets&Version=2016-11-15").await;
    let parts = answer.split("<subnetId>").skip(1);
    let ids = parts.filter_map(|part| part.split_once('<'));
    ids.map(|(id, _)| id.to_owned()).take(2).collect()
}
