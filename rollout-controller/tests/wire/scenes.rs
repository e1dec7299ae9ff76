//! A listener with a header rule and two weighted rules, at moto and in the local cloud.

use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HttpHeaderConditionConfig, LoadBalancerSchemeEnum,
    PathPatternConditionConfig, ProtocolEnum, Rule, RuleCondition, TargetGroupTuple,
    TargetTypeEnum,
};
use futures_util::FutureExt as _;
use jiff::{Timestamp, ToSpan as _};
use local_cloud::{FunctionSpec, LoadBalancerSpec, LocalCloud, RuleSpec, Topology};
use rollout_controller::adapters::alb::Alb;
use rollout_controller::adapters::aws::Aws;
use rollout_controller::domain::observation::Foreign;
use rollout_controller::domain::route::{GroupArn, HeaderRule, Route, RuleArn};
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{Entry, Share, SystemClock, Traffic as _, WritePermit, append};
use rollout_controller::world::Pretend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::peers;

const PATH: &str = "/v2/stamps/*/score/*";
const OTHER_PATH: &str = "/v2/models/*";
pub(crate) const HEADER: &str = "X-Use-Rust-Scorer";

/// A listener with a header rule (99) and two weighted rules (100, 110).
pub(crate) struct Scene {
    pub(crate) aws: Aws,
    pub(crate) alb: Alb,
    pub(crate) route: Route,
    pub(crate) other: Route,
}

impl Scene {
    fn new(aws: Aws, rules: [&str; 2], groups: [&str; 4]) -> Self {
        let group = |arn: &str| GroupArn::parse(arn).expect("a group");
        let [python, rust, rust_too, testers] = groups;
        let route = |name: &str, rule: &str, new: &str, header_rule| Route {
            name: name.into(),
            rule: RuleArn::parse(rule).expect("a rule"),
            old_group: group(python),
            new_group: group(new),
            header_rule,
        };
        let header = HeaderRule {
            priority: 99,
            header: HEADER.to_uppercase(),
            value: "TRUE".into(),
            group: group(testers),
        };
        Self {
            alb: Alb::new(aws.clone(), Arc::new(SystemClock)),
            aws,
            route: route("scores", rules[0], rust, Some(header)),
            other: route("models", rules[1], rust_too, None),
        }
    }

    pub(crate) async fn share(&self, route: &Route) -> Share {
        self.alb.read(route).await.expect("read").share
    }

    pub(crate) async fn complaints(&self) -> Vec<String> {
        self.alb.read(&self.route).await.expect("read").header_rule
    }

    pub(crate) async fn rule(&self, arn: &str) -> Rule {
        let asked = self.aws.elb().await.describe_rules().rule_arns(arn).send();
        let mut rules = asked.await.expect("rules").rules.expect("rules");
        rules.pop().expect("a rule")
    }

    /// What somebody else does: replaces the actions of a rule.
    pub(crate) async fn act(&self, rule: &str, actions: Vec<Action>) {
        let modify = self.aws.elb().await.modify_rule().rule_arn(rule);
        modify.set_actions(Some(actions)).send().await.expect("modified");
    }

    /// What somebody else does: replaces the conditions of a rule.
    pub(crate) async fn ask(&self, rule: &str, conditions: Vec<RuleCondition>) {
        let modify = self.aws.elb().await.modify_rule().rule_arn(rule);
        modify.set_conditions(Some(conditions)).send().await.expect("modified");
    }
}

/// Leave to write, from a journal in memory: these tests are about the load
/// balancer alone.
pub(crate) fn permit_until(deadline: Timestamp) -> WritePermit {
    let journal = Pretend::new(1, &[], Timestamp::now());
    let (kind, body) = ("intended".to_owned(), "{}".to_owned());
    let entry = Entry { seq: 1, at_ms: 0, kind, body };
    let appended = append(&journal, "scorer", &[entry], None, deadline).now_or_never();
    appended.expect("no waiting").expect("appended").expect("first")
}

pub(crate) fn permit() -> WritePermit {
    permit_until(Timestamp::now() + 1.minute())
}

pub(crate) fn percent(percent: f64) -> Weight {
    Weight::from_percent(percent).expect("a weight")
}

/// Name and id of a group, as people see it.
pub(crate) fn shown(group: &GroupArn) -> &str {
    group.as_str().split_once(":targetgroup/").expect("an ARN of a group").1
}

/// What is no share of ours: a forward to these groups.
pub(crate) fn foreign(groups: &[(&GroupArn, u32)], reaches_new: bool) -> Share {
    let named = groups.iter().map(|(group, weight)| format!("{} {weight}", shown(group)));
    let named = named.collect::<Vec<_>>().join(", ");
    Share::Foreign(Foreign { what: format!("a forward to {named}"), reaches_new })
}

pub(crate) fn forward(groups: &[(&GroupArn, i32)]) -> Vec<Action> {
    let tuples = groups.iter().map(|(arn, weight)| {
        TargetGroupTuple::builder().target_group_arn(arn.as_str()).weight(*weight).build()
    });
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples.collect())).build();
    vec![Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config).build()]
}

pub(crate) fn header_condition(name: &str, value: &str) -> RuleCondition {
    let config = HttpHeaderConditionConfig::builder().http_header_name(name).values(value).build();
    RuleCondition::builder().field("http-header").http_header_config(config).build()
}

pub(crate) fn path_condition(pattern: &str) -> RuleCondition {
    let config = PathPatternConditionConfig::builder().values(pattern).build();
    RuleCondition::builder().field("path-pattern").path_pattern_config(config).build()
}

pub(crate) async fn local_cloud() -> LocalCloud {
    let balancer = LoadBalancerSpec::new("scorer")
        .rule(RuleSpec::new(99).header(HEADER, "true").forward([("testers", 1)]))
        .rule(RuleSpec::new(100).path(PATH).forward([("python", 100), ("rust", 0)]))
        .rule(RuleSpec::new(110).path(OTHER_PATH).forward([("python", 90), ("rust-too", 10)]));
    let topology = Topology::new()
        .manual_clock()
        // Nobody sends a request in these tests.
        .function(FunctionSpec::new("old", ["false"]))
        .function(FunctionSpec::new("new", ["false"]))
        .target_group("python", "old")
        .target_group("rust", "new")
        .target_group("rust-too", "new")
        .target_group("testers", "new")
        .load_balancer(balancer);
    LocalCloud::start(topology).await.expect("a local cloud")
}

pub(crate) async fn scene_of(cloud: &LocalCloud) -> Scene {
    let names = cloud.names();
    let rules = [names.rule("scorer", 100), names.rule("scorer", 110)];
    let groups = ["python", "rust", "rust-too", "testers"].map(|name| names.target_group(name));
    Scene::new(
        peers::aws_at(&cloud.aws_endpoint()).await,
        rules.each_ref().map(String::as_str),
        groups.each_ref().map(String::as_str),
    )
}

/// Two subnets of moto's default network. EC2 is no client of ours, so by hand.
async fn subnets(url: &str) -> Vec<String> {
    let host = url.trim_start_matches("http://");
    let form = "Action=DescribeSubnets&Version=2016-11-15";
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/ec2/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut stream = tokio::net::TcpStream::connect(host).await.expect("moto");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let parts = answer.split("<subnetId>").skip(1);
    parts.filter_map(|part| part.split_once('<')).map(|(id, _)| id.to_owned()).take(2).collect()
}

async fn group(client: &Client, name: &str) -> String {
    let create = client.create_target_group().name(name).target_type(TargetTypeEnum::Lambda);
    let answer = create.send().await.expect("a group");
    let group = &answer.target_groups()[0];
    group.target_group_arn().expect("an ARN").to_owned()
}

pub(crate) async fn rule(
    client: &Client,
    listener: &str,
    priority: i32,
    conditions: Vec<RuleCondition>,
    actions: Vec<Action>,
) -> String {
    let create = client.create_rule().listener_arn(listener).priority(priority);
    let create = create.set_conditions(Some(conditions)).set_actions(Some(actions));
    let answer = create.send().await.expect("a rule");
    answer.rules()[0].rule_arn().expect("an ARN").to_owned()
}

/// The same listener at moto, and its ARN.
pub(crate) async fn scene_at_moto(url: &str) -> (Scene, String) {
    let aws = peers::aws_at(url).await;
    let client = aws.elb().await;
    let create = client.create_load_balancer().name("scorer");
    let create = create.set_subnets(Some(subnets(url).await));
    let answer = create.scheme(LoadBalancerSchemeEnum::Internal).send().await.expect("a balancer");
    let balancer = answer.load_balancers()[0].load_balancer_arn().expect("an ARN").to_owned();
    let mut groups = Vec::new();
    for name in ["python", "rust", "rust-too", "testers"] {
        groups.push(group(client, name).await);
    }
    let arn = |index: usize| GroupArn::parse(&groups[index]).expect("a group");
    let (python, rust, rust_too, testers) = (arn(0), arn(1), arn(2), arn(3));
    let create = client.create_listener().load_balancer_arn(balancer).port(80);
    let create = create.protocol(ProtocolEnum::Http);
    let create = create.set_default_actions(Some(forward(&[(&python, 1)])));
    let answer = create.send().await.expect("a listener");
    let listener = answer.listeners()[0].listener_arn().expect("an ARN").to_owned();
    // Made out of order, which is how moto shows them.
    let other = forward(&[(&python, 90), (&rust_too, 10)]);
    let other = rule(client, &listener, 110, vec![path_condition(OTHER_PATH)], other).await;
    let weighted = forward(&[(&python, 100), (&rust, 0)]);
    let weighted = rule(client, &listener, 100, vec![path_condition(PATH)], weighted).await;
    let header = vec![header_condition(HEADER, "true")];
    rule(client, &listener, 99, header, forward(&[(&testers, 1)])).await;
    let groups = [&python, &rust, &rust_too, &testers].map(GroupArn::as_str);
    (Scene::new(aws.clone(), [&weighted, &other], groups), listener)
}
