//! Names as AWS writes them. All are a function of the topology's names, so a
//! test can write a controller's configuration before the cloud is up.

use serde::{Deserialize, Serialize};

/// Region and account that every ARN carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// For example `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Names {
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// ARN of a function, without a qualifier.
    pub fn function(&self, name: &str) -> String {
        self.arn("lambda", &format!("function:{name}"))
    }

    /// ARN of a target group.
    pub fn target_group(&self, name: &str) -> String {
        self.arn("elasticloadbalancing", &format!("targetgroup/{name}/{}", id("targetgroup", name)))
    }

    /// ARN of a load balancer.
    pub fn load_balancer(&self, name: &str) -> String {
        self.arn(
            "elasticloadbalancing",
            &format!("loadbalancer/app/{name}/{}", id("loadbalancer", name)),
        )
    }

    /// ARN of the one listener of a load balancer.
    pub fn listener(&self, load_balancer: &str) -> String {
        self.arn("elasticloadbalancing", &format!("listener/{}", listener_path(load_balancer)))
    }

    /// ARN of the rule that the topology gives this priority; it keeps the ARN
    /// when the priority is changed later.
    pub fn rule(&self, load_balancer: &str, priority: u32) -> String {
        self.rule_with_id(load_balancer, &id("rule", &format!("{load_balancer}#{priority}")))
    }

    /// ARN of a listener's default rule.
    pub fn default_rule(&self, load_balancer: &str) -> String {
        self.rule_with_id(load_balancer, &id("rule", &format!("{load_balancer}#default")))
    }

    pub(crate) fn rule_with_id(&self, load_balancer: &str, rule_id: &str) -> String {
        let path = listener_path(load_balancer);
        self.arn("elasticloadbalancing", &format!("listener-rule/{path}/{rule_id}"))
    }

    /// ARN of an SNS topic.
    pub fn topic(&self, name: &str) -> String {
        self.arn("sns", name)
    }

    /// ARN of an alarm.
    pub fn alarm(&self, name: &str) -> String {
        self.arn("cloudwatch", &format!("alarm:{name}"))
    }

    /// ARN of a schedule in the default group.
    pub fn schedule(&self, name: &str) -> String {
        self.arn("scheduler", &format!("schedule/default/{name}"))
    }

    /// ARN of an SSM parameter; the slash at its start is the one after `parameter`.
    pub fn parameter(&self, name: &str) -> String {
        self.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
    }

    /// ARN of a secret, with the six characters that AWS appends.
    pub fn secret(&self, name: &str) -> String {
        self.arn("secretsmanager", &format!("secret:{name}-{}", &id("secret", name)[..6]))
    }
}

fn listener_path(load_balancer: &str) -> String {
    format!(
        "app/{load_balancer}/{}/{}",
        id("loadbalancer", load_balancer),
        id("listener", load_balancer)
    )
}

/// Value of the `LoadBalancer` or `TargetGroup` dimension: the tail of an ARN.
///
/// `None` if the ARN is of neither kind.
pub fn dimension(arn: &str) -> Option<&str> {
    if let Some((_, tail)) = arn.split_once(":loadbalancer/") {
        return Some(tail);
    }
    arn.find(":targetgroup/").map(|at| &arn[at + 1..])
}

/// Sixteen hex digits that stay the same for the same kind and name.
pub(crate) fn id(kind: &str, name: &str) -> String {
    // FNV-1a, then a finalizer so that similar names do not look alike.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in kind.bytes().chain([0]).chain(name.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    format!("{:016x}", hash ^ (hash >> 33))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { region: "eu-west-1".into(), account: "111122223333".into() }
    }

    #[test]
    fn a_rule_arn_is_its_listener_arn_plus_one_segment() {
        let listener = names().listener("scorer").replace(":listener/", ":listener-rule/");
        let rule = names().rule("scorer", 100);
        assert_eq!(rule.rsplit_once('/').unwrap().0, listener);
    }

    #[test]
    fn dimensions_are_arn_tails() {
        let group = names().target_group("rust");
        assert!(dimension(&group).unwrap().starts_with("targetgroup/rust/"));
        let balancer = names().load_balancer("scorer");
        assert!(dimension(&balancer).unwrap().starts_with("app/scorer/"));
        assert_eq!(dimension(&names().topic("pages")), None);
    }
}
