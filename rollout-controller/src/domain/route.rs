//! What one route is: a weighted listener rule and its two target groups.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One weighted rule of one listener and the two groups it splits between.
///
/// A rollout moves one or more routes together. A Rust group belongs to exactly
/// one route: sharing it would mix the metrics that the evidence is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Short name for people, unique within its rollout.
    pub name: String,
    /// The weighted rule.
    pub rule: RuleArn,
    /// Group of the old (Python) side.
    pub old_group: GroupArn,
    /// Group of the new (Rust) side.
    pub new_group: GroupArn,
    /// The header rule that must win over the weighted rule, if the route has one.
    pub header_rule: Option<HeaderRule>,
}

impl Route {
    /// Whether both split between the same two groups.
    pub fn has_groups_of(&self, other: &Self) -> bool {
        self.old_group == other.old_group && self.new_group == other.new_group
    }
}

/// What the tester rule must look like; read on every tick, never repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRule {
    /// Priority of the rule, smaller than the weighted rule's.
    pub priority: u32,
    /// Header name; ALB compares it case-insensitively.
    pub header: String,
    /// Header value; ALB compares it case-insensitively.
    pub value: String,
    /// Group that testers reach.
    pub group: GroupArn,
}

/// An ARN that does not have the shape its place asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not the ARN of a {what}: expected {shape}")]
pub struct ArnError {
    what: &'static str,
    shape: &'static str,
    value: String,
}

macro_rules! arn {
    ($(#[$doc:meta])* $name:ident, $what:literal, $marker:literal, $segments:literal, $shape:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads an ARN.
            ///
            /// # Errors
            /// [`ArnError`] if the text has another shape.
            pub fn parse(text: &str) -> Result<Self, ArnError> {
                let fits = text.starts_with("arn:")
                    && text.split(':').count() == 6
                    && text.split_once($marker).is_some_and(|(_, tail)| {
                        tail.split('/').count() == $segments && tail.split('/').all(|s| !s.is_empty())
                    });
                if fits {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ArnError { what: $what, shape: $shape, value: text.to_owned() })
                }
            }

            /// The whole ARN.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ArnError;
            fn try_from(text: String) -> Result<Self, ArnError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(arn: $name) -> String {
                arn.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

arn!(
    /// ARN of a listener rule of an Application Load Balancer.
    RuleArn, "listener rule", ":listener-rule/app/", 4,
    "arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener-rule/app/NAME/ID/LISTENER/RULE"
);
arn!(
    /// ARN of a listener of an Application Load Balancer.
    ListenerArn, "listener", ":listener/app/", 3,
    "arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener/app/NAME/ID/LISTENER"
);
arn!(
    /// ARN of a target group.
    GroupArn, "target group", ":targetgroup/", 2,
    "arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID"
);

impl RuleArn {
    /// The listener that the rule belongs to: the same path without its last
    /// segment (aws-facts A.4).
    pub fn listener(&self) -> ListenerArn {
        let without_rule = self.0.rsplit_once('/').map_or(self.0.as_str(), |(head, _)| head);
        ListenerArn(without_rule.replacen(":listener-rule/", ":listener/", 1))
    }

    /// Value of the CloudWatch dimension `LoadBalancer`: `app/NAME/ID`.
    pub fn load_balancer_dimension(&self) -> String {
        let tail = self.0.split_once(":listener-rule/").map_or("", |(_, tail)| tail);
        tail.split('/').take(3).collect::<Vec<_>>().join("/")
    }
}

impl GroupArn {
    /// Value of the CloudWatch dimension `TargetGroup`: `targetgroup/NAME/ID`.
    pub fn dimension(&self) -> &str {
        self.0.rsplit_once(':').map_or("", |(_, tail)| tail)
    }

    /// The group's name, for people.
    pub fn short_name(&self) -> &str {
        self.dimension().split('/').nth(1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/scorer/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";

    #[test]
    fn a_rule_names_its_listener_and_its_load_balancer() {
        let rule = RuleArn::parse(RULE).unwrap();
        assert_eq!(
            rule.listener().as_str(),
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/scorer/50dc6c495c0c9188/f2f7dc8efc522ab2"
        );
        assert_eq!(rule.load_balancer_dimension(), "app/scorer/50dc6c495c0c9188");
    }

    #[test]
    fn routes_with_one_group_in_common_do_not_split_between_the_same_two() {
        let group = |name: &str| {
            let of_account = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup";
            GroupArn::parse(&format!("{of_account}/{name}/1234567890abcdef")).unwrap()
        };
        let route = |old: &str, new: &str| Route {
            name: old.to_owned(),
            rule: RuleArn::parse(RULE).unwrap(),
            old_group: group(old),
            new_group: group(new),
            header_rule: None,
        };
        let found = route("py", "rs");
        for (other, same) in
            [(route("py", "rs"), true), (route("py", "rs-2"), false), (route("py-2", "rs"), false)]
        {
            assert_eq!(found.has_groups_of(&other), same, "{other:?}");
        }
    }

    #[test]
    fn a_group_names_its_dimension() {
        let group = GroupArn::parse(
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/scorer-rs/09966783158cda59",
        )
        .unwrap();
        assert_eq!(group.dimension(), "targetgroup/scorer-rs/09966783158cda59");
        assert_eq!(group.short_name(), "scorer-rs");
    }

    #[test]
    fn refuses_the_arn_of_something_else() {
        let error = RuleArn::parse("arn:aws:lambda:eu-west-1:111122223333:function:f").unwrap_err();
        assert!(error.to_string().contains("listener rule"), "{error}");
        assert!(GroupArn::parse(RULE).is_err());
    }
}
