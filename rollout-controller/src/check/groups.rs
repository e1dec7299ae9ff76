//! Target groups: there, attached, of one function each, and alike.

use super::Finding;
use crate::domain::labels::Labels;
use crate::domain::route::{GroupArn, Route};
use crate::ports::BoxError;
use async_trait::async_trait;

/// One target of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSeen {
    /// The function's ARN.
    pub id: String,
    /// `healthy`, `unhealthy`, `unavailable` (no health checks), `unused`, …
    pub state: String,
    /// The load balancer's words.
    pub reason: String,
}

/// One target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSeen {
    /// `lambda`, `ip`, `instance` or `alb`.
    pub target_type: String,
    /// ARNs of the load balancers whose rules use it.
    pub load_balancers: Vec<String>,
    /// What is registered.
    pub targets: Vec<TargetSeen>,
    /// `lambda.multi_value_headers.enabled`.
    pub multi_value_headers: bool,
}

/// Why a group could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// It does not exist.
    #[error("the group does not exist")]
    Unknown,
    /// A read failed.
    #[error("{operation} of {group}")]
    Unreadable {
        /// The call.
        operation: &'static str,
        /// Which group.
        group: GroupArn,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
}

/// Reads target groups. Only the doctor needs it; a tick never does.
#[async_trait]
pub trait Groups: Send + Sync {
    /// Looks at one group.
    async fn look(&self, group: &GroupArn) -> Result<GroupSeen, GroupError>;
}

const CHECK: &str = "group";

pub(super) async fn findings(
    about: &str,
    route: &Route,
    sides: &Labels,
    groups: &dyn Groups,
) -> Vec<Finding> {
    let mut groups_of = vec![("old_group", &route.old_group), ("new_group", &route.new_group)];
    if let Some(header) = &route.header_rule {
        groups_of.push(("header_rule.group", &header.group));
    }
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for (key, arn) in groups_of {
        match groups.look(arn).await {
            Ok(group) => {
                findings.push(one(about, key, arn, &group, &route.rule.load_balancer_dimension()));
                seen.push(Some(group));
            }
            Err(error) => {
                findings.push(unreadable(about, key, arn, &error));
                seen.push(None);
            }
        }
    }
    if let [Some(old), Some(new), ..] = seen.as_slice() {
        findings.extend(alike(about, sides, old, new));
    }
    findings
}

fn unreadable(about: &str, key: &str, arn: &GroupArn, error: &GroupError) -> Finding {
    match error {
        GroupError::Unknown => Finding::bad(
            CHECK,
            about,
            format!("{key} {} does not exist", arn.short_name()),
            "a share sent to a missing group fails",
            &format!("correct {key} of the route, or create the group"),
        ),
        GroupError::Unreadable { .. } => Finding::warn(
            CHECK,
            about,
            format!("{key}: {}", crate::errors::chain(error)),
            "only the doctor reads groups, so a rollout works all the same",
            "allow elasticloadbalancing:DescribeTargetGroups, DescribeTargetHealth and DescribeTargetGroupAttributes for yourself",
        ),
    }
}

fn one(about: &str, key: &str, arn: &GroupArn, group: &GroupSeen, balancer: &str) -> Finding {
    const WHY: &str =
        "there is no failover: a share sent to a group without a working function fails";
    let name = arn.short_name();
    if group.target_type != "lambda" {
        return Finding::bad(
            CHECK,
            about,
            format!("{key} {name} is of type {}", group.target_type),
            "errors and latencies are read as those of Lambda groups",
            "use a target group of type lambda",
        );
    }
    let [target] = group.targets.as_slice() else {
        let count = group.targets.len();
        return Finding::bad(
            CHECK,
            about,
            format!("{key} {name} has {count} registered targets"),
            WHY,
            "register exactly one function, best by its alias",
        );
    };
    let attached = |arn: &String| arn.ends_with(&format!("loadbalancer/{balancer}"));
    if !group.load_balancers.iter().any(attached) {
        return Finding::bad(
            CHECK,
            about,
            format!("{key} {name} is not attached to {balancer}"),
            WHY,
            "let a rule of this load balancer forward to it (weight 0 is enough)",
        );
    }
    if matches!(target.state.as_str(), "unhealthy" | "draining" | "unused") {
        return Finding::bad(
            CHECK,
            about,
            format!("{key} {name} is {}: {}", target.state, target.reason),
            WHY,
            "call the function by itself, and look at its log",
        );
    }
    Finding::ok(CHECK, about, format!("{key} {name}: {} ({})", target.id, target.state), WHY)
}

fn alike(about: &str, sides: &Labels, old: &GroupSeen, new: &GroupSeen) -> Vec<Finding> {
    const WHY: &str =
        "the functions get headers in another shape, so a client can get another answer";
    let mut findings = Vec::new();
    let fix = "set lambda.multi_value_headers.enabled to false on both groups";
    findings.push(match (old.multi_value_headers, new.multi_value_headers) {
        (false, false) => {
            Finding::ok("headers", about, "multi-value headers are off on both sides", WHY)
        }
        (true, true) => {
            Finding::warn("headers", about, "multi-value headers are on on both sides", WHY, fix)
        }
        _ => {
            Finding::bad("headers", about, "multi-value headers are on on one side only", WHY, fix)
        }
    });
    if let ([old], [new]) = (old.targets.as_slice(), new.targets.as_slice())
        && old.id == new.id
    {
        findings.push(Finding::bad(
            CHECK,
            about,
            format!("both sides are the same function: {}", old.id),
            "a function compared with itself proves nothing",
            &format!("register {}'s function in new_group", sides.new),
        ));
    }
    findings
}
