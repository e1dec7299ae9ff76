//! Which code answers behind target groups, as ELBv2 and Lambda tell it.

use std::time::Duration;

use local_cloud::{
    AliasSpec, ApiFault, ApiFaultKind, Deployment, Fault, FunctionSpec, LoadBalancerSpec,
    LocalCloud, RuleSpec, TargetHealth, Topology, VersionSpec,
};
use rollout_controller::adapters::deployments::Lambdas;
use rollout_controller::domain::code::{Code, CodeSeen, RouteCodeSeen};
use rollout_controller::domain::route::{GroupArn, Route, RuleArn};
use rollout_controller::ports::Deployments as _;

use crate::peers;

const SECRET: &str = "pa/ss@word";

/// Two functions with two versions each. The rule splits between `python` (an alias)
/// and `rust` (`$LATEST`); `pinned` is Rust by the number of a version.
async fn cloud() -> LocalCloud {
    let function = |name: &str| {
        FunctionSpec::new(name, ["false"])
            .env("PASSWORD", SECRET)
            .version()
            .version_with(VersionSpec {
                env: [("SIZE".to_owned(), "2".to_owned())].into(),
                ..VersionSpec::default()
            })
            .alias("live", AliasSpec::new("1"))
    };
    let balancer = LoadBalancerSpec::new("scorer")
        .rule(RuleSpec::new(100).path("/v2/*").forward([("python", 100), ("rust", 0)]));
    let topology = Topology::new()
        .manual_clock()
        .function(function("scorer-py"))
        .function(function("scorer-rs"))
        .target_group("python", "scorer-py:live")
        .target_group("rust", "scorer-rs")
        .target_group("pinned", "scorer-rs:2")
        .load_balancer(balancer);
    LocalCloud::start(topology).await.expect("a local cloud")
}

fn route(cloud: &LocalCloud, new: &str) -> Route {
    let names = cloud.names();
    let group = |name: &str| GroupArn::parse(&names.target_group(name)).expect("an ARN");
    Route {
        name: "public".to_owned(),
        rule: RuleArn::parse(&names.rule("scorer", 100)).expect("an ARN"),
        old_group: group("python"),
        new_group: group(new),
        header_rule: None,
    }
}

struct Looker {
    cloud: LocalCloud,
    lambdas: Lambdas,
    route: Route,
}

impl Looker {
    async fn at(cloud: LocalCloud) -> Self {
        let lambdas = Lambdas::new(peers::aws_at(&cloud.aws_endpoint()).await);
        let route = route(&cloud, "rust");
        Self { cloud, lambdas, route }
    }

    async fn new() -> Self {
        Self::at(cloud().await).await
    }

    async fn look(&self) -> RouteCodeSeen {
        let rollouts = [std::slice::from_ref(&self.route)];
        // Nothing but the adapter's own limit ends a call here.
        let look = self.lambdas.look(&rollouts);
        let mut seen = tokio::time::timeout(Duration::from_mins(2), look).await.expect("an end");
        assert_eq!((seen.len(), seen[0].len()), (1, 1), "{seen:?}");
        let seen = seen.remove(0).remove(0);
        assert!(!format!("{seen:?}").contains(SECRET), "{seen:?}");
        seen
    }

    fn break_calls(&self, operation: &str, on: &str, kind: ApiFaultKind) -> u64 {
        self.cloud.add_fault(Fault::Api(ApiFault::new(operation, kind).on(on)))
    }
}

fn version(function: &str, version: &str) -> Code {
    Code::Version { function: function.to_owned(), version: version.to_owned() }
}

fn is(function: &str, number: &str) -> CodeSeen {
    CodeSeen::Is(version(function, number))
}

/// Digest and time of change of `$LATEST`.
fn latest(seen: &CodeSeen) -> (String, String) {
    match seen {
        CodeSeen::Is(Code::Latest { sha256, modified, .. }) => (sha256.clone(), modified.clone()),
        other => panic!("{other:?}"),
    }
}

/// Why it could not be read.
fn unread(seen: &CodeSeen) -> String {
    match seen {
        CodeSeen::Unread(why) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_a_version_and_latest_each_name_their_code() {
    let mut looker = Looker::new().await;
    let seen = looker.look().await;
    assert_eq!(seen.old, is("scorer-py", "1"), "the version behind the alias");
    let (sha256, modified) = latest(&seen.new);
    assert_eq!(sha256.len(), 44, "a SHA-256 in base64: {sha256}");
    assert!(modified.starts_with("20"), "{modified}");
    assert_eq!(looker.look().await, seen, "nothing was deployed");

    looker.route = route(&looker.cloud, "pinned");
    assert_eq!(looker.look().await.new, is("scorer-rs", "2"));
    // `$LATEST` by its name and by an alias is the same code as by no name at all.
    looker.route = route(&looker.cloud, "rust");
    looker.cloud.set_alias("scorer-rs", "edge", AliasSpec::new("$LATEST")).expect("an alias");
    for target in ["scorer-rs:$LATEST", "scorer-rs:edge"] {
        looker.cloud.register_target("rust", target).expect("registered");
        assert_eq!(looker.look().await.new, seen.new, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_deploy_is_seen_on_its_side_alone() {
    let looker = Looker::new().await;
    let before = looker.look().await;

    // Old side: the alias moves to what was just published.
    let cloud = &looker.cloud;
    cloud.clock().advance(Duration::from_mins(1));
    let published = Deployment::new().env("SIZE", "3").alias("live");
    assert_eq!(cloud.deploy("scorer-py", &published).expect("deployed"), "3");
    let old_moved = looker.look().await;
    assert_eq!((&old_moved.old, &old_moved.new), (&is("scorer-py", "3"), &before.new));

    // New side, `$LATEST`: code moves both, configuration the time alone.
    cloud.clock().advance(Duration::from_mins(1));
    cloud.deploy("scorer-rs", &Deployment::new().command(["true"])).expect("deployed");
    let coded = looker.look().await;
    let ((old_sha, old_time), (sha, time)) = (latest(&before.new), latest(&coded.new));
    assert!(sha != old_sha && time != old_time, "{coded:?}");
    cloud.clock().advance(Duration::from_mins(1));
    cloud.deploy("scorer-rs", &Deployment::new().env("SIZE", "4")).expect("deployed");
    let configured = looker.look().await;
    let (same_sha, later) = latest(&configured.new);
    assert_eq!(same_sha, sha);
    assert_ne!(later, time, "configuration counts like code");
    assert_eq!(configured.old, old_moved.old);

    // Another function behind the group.
    cloud.register_target("rust", "scorer-py:2").expect("registered");
    assert_eq!(looker.look().await.new, is("scorer-py", "2"));
    // Going back is a change to what was before.
    cloud.set_alias("scorer-py", "live", AliasSpec::new("1")).expect("an alias");
    assert_eq!(looker.look().await.old, before.old);
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_not_one_is_no_code() {
    let looker = Looker::new().await;
    let cloud = &looker.cloud;
    let split = AliasSpec::new("1").split("2", 0.1);
    cloud.set_alias("scorer-py", "live", split).expect("an alias");
    let seen = looker.look().await;
    let both = vec![version("scorer-py", "1"), version("scorer-py", "2")];
    assert_eq!(seen.old, CodeSeen::Split(both));
    assert!(matches!(seen.new, CodeSeen::Is(_)), "{seen:?}");

    let slow = Deployment::new().command(["true"]).settle(Duration::from_secs(90));
    cloud.deploy("scorer-rs", &slow).expect("deployed");
    let seen = looker.look().await.new;
    assert_eq!(seen, CodeSeen::Settling("LastUpdateStatus is InProgress".to_owned()));
    cloud.clock().advance(Duration::from_mins(2));
    let settled = looker.look().await.new;
    latest(&settled);
    cloud.deploy("scorer-rs", &Deployment::new().command(["false"]).failing()).expect("deployed");
    let seen = looker.look().await.new;
    assert_eq!(seen, CodeSeen::Settling("LastUpdateStatus is Failed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_a_target_for_new_requests_is_told_as_that() {
    let looker = Looker::new().await;
    let cloud = &looker.cloud;
    let before = looker.look().await;
    for health in [TargetHealth::Healthy, TargetHealth::Unhealthy, TargetHealth::Unavailable] {
        cloud.set_target_health("rust", health).expect("set");
        assert_eq!(looker.look().await, before, "{health:?} still gets requests");
    }
    cloud.set_target_health("rust", TargetHealth::Draining).expect("set");
    let seen = looker.look().await;
    assert_eq!((&seen.old, &seen.new), (&before.old, &CodeSeen::NoTarget));
    cloud.deregister_target("rust").expect("deregistered");
    assert_eq!(looker.look().await.new, CodeSeen::NoTarget);
    cloud.deregister_target("python").expect("deregistered");
    assert_eq!(looker.look().await.old, CodeSeen::NoTarget);
    cloud.register_target("rust", "scorer-rs").expect("registered");
    assert_eq!(looker.look().await.new, before.new);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_unknown_on_its_side_alone() {
    let looker = Looker::new().await;
    let cloud = &looker.cloud;
    let before = looker.look().await;
    let [python, rust] = ["python", "rust"].map(|group| cloud.names().target_group(group));
    let denied = |operation, on: &str| looker.break_calls(operation, on, ApiFaultKind::Denied);

    for (operation, on, old_is_read) in [
        ("DescribeTargetHealth", python.as_str(), false),
        ("DescribeTargetHealth", rust.as_str(), true),
        ("GetAlias", "scorer-py", false),
        ("GetFunctionConfiguration", "scorer-rs", true),
    ] {
        let fault = denied(operation, on);
        let seen = looker.look().await;
        let (read, expected, broken) = if old_is_read {
            (&seen.old, &before.old, &seen.new)
        } else {
            (&seen.new, &before.new, &seen.old)
        };
        assert_eq!(read, expected, "{operation}");
        let told = unread(broken);
        assert!(told.starts_with(&format!("{operation}: AccessDenied")), "{told}");
        cloud.clear_faults(Some(fault));
        assert_eq!(looker.look().await, before, "{operation}");
    }

    // A version needs no call of Lambda's, so nothing about one can fail.
    cloud.register_target("rust", "scorer-rs:2").expect("registered");
    denied("GetFunctionConfiguration", "scorer-rs");
    assert_eq!(looker.look().await.new, is("scorer-rs", "2"));

    assert!(cloud.remove_alias("scorer-py", "live").expect("a function"));
    let told = unread(&looker.look().await.old);
    assert!(told.starts_with("GetAlias: ResourceNotFound"), "{told}");
    looker.cloud.clear_faults(None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_does_not_exist_is_unknown_and_no_missing_target() {
    let mut looker = Looker::new().await;
    let text = looker.route.new_group.as_str().replace("targetgroup/rust", "targetgroup/rusty");
    looker.route.new_group = GroupArn::parse(&text).expect("an ARN");
    let seen = looker.look().await;
    assert_eq!(seen.old, is("scorer-py", "1"));
    let told = unread(&seen.new);
    assert!(told.contains("TargetGroupNotFound"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_does_not_answer_ends_in_time_and_the_other_is_known() {
    let looker = Looker::new().await;
    let rust = looker.cloud.names().target_group("rust");
    for (operation, on) in
        [("DescribeTargetHealth", rust.as_str()), ("GetFunctionConfiguration", "scorer-rs")]
    {
        let fault = looker.break_calls(operation, on, ApiFaultKind::Hang);
        let seen = looker.look().await;
        let told = unread(&seen.new);
        assert_eq!(told, format!("{operation}: no answer within 2 s"));
        if operation == "GetFunctionConfiguration" {
            assert_eq!(seen.old, is("scorer-py", "1"));
        }
        looker.cloud.clear_faults(Some(fault));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rollouts_that_share_a_group_share_its_calls() {
    let looker = Looker::new().await;
    let (first, second) = ([looker.route.clone()], [route(&looker.cloud, "pinned")]);
    let seen = looker.lambdas.look(&[&first, &[], &second]).await;
    assert_eq!((seen.len(), seen[1].len()), (3, 0));
    assert_eq!(seen[0][0].old, seen[2][0].old);
    latest(&seen[0][0].new);
    assert_eq!(seen[2][0].new, is("scorer-rs", "2"));
    // Were there two calls, the second would pass.
    let python = looker.cloud.names().target_group("python");
    let once = ApiFault::new("DescribeTargetHealth", ApiFaultKind::Denied).on(&python).times(1);
    looker.cloud.add_fault(Fault::Api(once));
    let seen = looker.lambdas.look(&[&first, &second]).await;
    assert_eq!(unread(&seen[0][0].old), unread(&seen[1][0].old));
    assert_eq!(seen[1][0].new, is("scorer-rs", "2"));
}
