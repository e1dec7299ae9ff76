//! Elastic Load Balancing v2: awsQuery and XML, version 2015-12-01.

use super::AwsError;
use super::elbv2_wire::{actions, conditions, write_actions, write_rule};
use super::form::{Form, number};
use super::xml::Xml;
use crate::alb::rule::Rule;
use crate::alb::{Balancer, Balancers, Group, RuleInput, TargetHealth, group_not_found};

pub(super) const NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

/// Carries out one operation; the answer's result element is written into `xml`.
pub(super) fn call(
    balancers: &Balancers,
    operation: &str,
    form: &Form,
    xml: &mut Xml,
) -> Result<(), AwsError> {
    match operation {
        "DescribeRules" => describe_rules(balancers, form, xml),
        "ModifyRule" => {
            let arn = form.required("RuleArn")?;
            if form.has("Transforms") || form.get("ResetTransforms") == Some("true") {
                return Err(AwsError::unsupported("rule Transforms"));
            }
            let conditions = form.has("Conditions").then(|| conditions(form)).transpose()?;
            let actions = form.has("Actions").then(|| actions(form)).transpose()?;
            if conditions.is_none() && actions.is_none() {
                return Err(AwsError::validation("Either conditions or actions must be specified"));
            }
            let rule = balancers.modify(arn, conditions, actions, operation)?;
            write_rules(xml, &[rule]);
            Ok(())
        }
        "CreateRule" => {
            let rule = balancers.create(RuleInput {
                listener_arn: form.required("ListenerArn")?.to_owned(),
                priority: number("Priority", form.required("Priority")?)?,
                conditions: conditions(form)?,
                actions: actions(form)?,
            })?;
            write_rules(xml, &[rule]);
            Ok(())
        }
        "DeleteRule" => balancers.delete(form.required("RuleArn")?),
        "SetRulePriorities" => {
            let members = form.members("RulePriorities");
            let wanted = members.iter().map(|member| {
                let arn = form.required(&format!("{member}.RuleArn"))?.to_owned();
                let priority = form.required(&format!("{member}.Priority"))?;
                Ok((arn, number("Priority", priority)?))
            });
            let wanted = wanted.collect::<Result<Vec<_>, AwsError>>()?;
            write_rules(xml, &balancers.set_priorities(&wanted)?);
            Ok(())
        }
        "DescribeTargetGroups" => describe_groups(balancers, form, xml),
        "DescribeTargetHealth" => {
            let group = group(balancers, form.required("TargetGroupArn")?)?;
            write_health(balancers, xml, group, &asked_targets(form)?);
            Ok(())
        }
        "DescribeTargetGroupAttributes" => {
            let group = group(balancers, form.required("TargetGroupArn")?)?;
            let attributes = [
                ("lambda.multi_value_headers.enabled", group.multi_value.to_string()),
                ("stickiness.enabled", "false".to_owned()),
                ("target_group_health.dns_failover.minimum_healthy_targets.count", "1".to_owned()),
            ];
            xml.list("Attributes", attributes, |xml, (key, value)| {
                xml.text("Key", key).text("Value", value);
            });
            Ok(())
        }
        "DescribeListeners" => describe_listeners(balancers, form, xml),
        "DescribeLoadBalancers" => describe_balancers(balancers, form, xml),
        "DescribeTags" => {
            let arns = form.texts("ResourceArns");
            xml.list("TagDescriptions", &arns, |xml, arn| {
                xml.text("ResourceArn", arn).list("Tags", [(); 0], |_, ()| {});
            });
            Ok(())
        }
        other => Err(AwsError::unsupported(other)),
    }
}

fn describe_rules(balancers: &Balancers, form: &Form, xml: &mut Xml) -> Result<(), AwsError> {
    let arns = form.texts("RuleArns");
    let rules = match (form.get("ListenerArn"), arns.is_empty()) {
        (Some(listener), true) => balancers.rules_of_listener(listener)?,
        (None, false) => {
            arns.iter().map(|arn| balancers.rule(arn)).collect::<Result<Vec<_>, _>>()?
        }
        _ => {
            return Err(AwsError::validation(
                "You must specify either listener ARN or rule ARNs, and not both",
            ));
        }
    };
    let (page, next) = paged(form, &rules)?;
    write_rules(xml, page);
    write_marker(xml, next);
    Ok(())
}

fn describe_groups(balancers: &Balancers, form: &Form, xml: &mut Xml) -> Result<(), AwsError> {
    let (arns, names) = (form.texts("TargetGroupArns"), form.texts("Names"));
    let of_balancer = form.get("LoadBalancerArn");
    let mut groups: Vec<&Group> = Vec::new();
    if !arns.is_empty() {
        for arn in &arns {
            groups.push(group(balancers, arn)?);
        }
    } else if !names.is_empty() {
        for name in &names {
            groups.push(balancers.group_by_name(name).ok_or_else(group_not_found)?);
        }
    } else {
        groups.extend(balancers.groups.values());
    }
    if let Some(arn) = of_balancer {
        balancer(balancers, |one| one.arn == arn)?;
        groups.retain(|group| balancers.balancers_of_group(&group.arn).any(|one| one.arn == arn));
    }
    let (page, next) = paged(form, &groups)?;
    xml.list("TargetGroups", page, |xml, group| {
        xml.text("TargetGroupArn", &group.arn)
            .text("TargetGroupName", &group.name)
            .text("TargetType", "lambda")
            .text("HealthCheckEnabled", group.health_check)
            .text("HealthCheckIntervalSeconds", 35)
            .text("HealthCheckTimeoutSeconds", 30)
            .text("HealthyThresholdCount", 5)
            .text("UnhealthyThresholdCount", 2)
            .text("HealthCheckPath", "/")
            .text("IpAddressType", "ipv4")
            .element("Matcher", |xml| {
                xml.text("HttpCode", "200");
            })
            .element("LoadBalancerArns", |xml| {
                for balancer in balancers.balancers_of_group(&group.arn) {
                    xml.text("member", &balancer.arn);
                }
            });
    });
    write_marker(xml, next);
    Ok(())
}

/// Ids of the targets that are asked for; empty asks for those that are registered.
fn asked_targets(form: &Form) -> Result<Vec<String>, AwsError> {
    let members = form.members("Targets");
    members.iter().map(|one| Ok(form.required(&format!("{one}.Id"))?.to_owned())).collect()
}

/// State, reason and description of a target, in AWS's words.
type Shown = (&'static str, Option<&'static str>, Option<&'static str>);

fn shown(health: TargetHealth, used: bool) -> Shown {
    if !used && health != TargetHealth::Draining {
        let text = "Target group is not configured to receive traffic from the load balancer";
        return ("unused", Some("Target.NotInUse"), Some(text));
    }
    match health {
        TargetHealth::Draining => (
            "draining",
            Some("Target.DeregistrationInProgress"),
            Some("Target deregistration is in progress"),
        ),
        TargetHealth::Healthy => ("healthy", None, None),
        TargetHealth::Unhealthy => {
            ("unhealthy", Some("Target.FailedHealthChecks"), Some("Health checks failed"))
        }
        TargetHealth::Initial => (
            "initial",
            Some("Elb.InitialHealthChecking"),
            Some("Initial health checks in progress"),
        ),
        TargetHealth::Unavailable => (
            "unavailable",
            Some("Target.HealthCheckDisabled"),
            Some("Health checks are not enabled for this target"),
        ),
    }
}

/// Registered targets, or those that are asked for: an id that is not
/// registered is shown as `unused`.
fn write_health(balancers: &Balancers, xml: &mut Xml, group: &Group, asked: &[String]) {
    let used = balancers.balancers_of_group(&group.arn).next().is_some();
    let registered = balancers
        .target(&group.arn)
        .map(|target| (balancers.names().function(&target.function), shown(target.health, used)));
    let not_registered = || {
        let text = "Target is not registered to the target group";
        ("unused", Some("Target.NotRegistered"), Some(text))
    };
    let targets: Vec<(String, Shown)> = if asked.is_empty() {
        registered.into_iter().collect()
    } else {
        let found = |id: &String| registered.iter().find(|(arn, _)| arn == id).map(|one| one.1);
        asked.iter().map(|id| (id.clone(), found(id).unwrap_or_else(not_registered))).collect()
    };
    xml.list("TargetHealthDescriptions", targets, |xml, (id, (state, reason, description))| {
        xml.element("Target", |xml| {
            xml.text("Id", id);
        });
        xml.element("TargetHealth", |xml| {
            xml.text("State", state);
            if let Some(reason) = reason {
                xml.text("Reason", reason);
            }
            if let Some(description) = description {
                xml.text("Description", description);
            }
        });
    });
}

fn describe_listeners(balancers: &Balancers, form: &Form, xml: &mut Xml) -> Result<(), AwsError> {
    let arns = form.texts("ListenerArns");
    let found: Vec<&Balancer> = match form.get("LoadBalancerArn") {
        Some(arn) => vec![balancer(balancers, |one| one.arn == arn)?],
        None if arns.is_empty() => {
            return Err(AwsError::validation(
                "You must specify either listener ARNs or a load balancer ARN",
            ));
        }
        None => arns
            .iter()
            .map(|arn| {
                balancer(balancers, |one| one.listener_arn == *arn).map_err(|_| {
                    AwsError::sender("ListenerNotFound", "One or more listeners not found")
                })
            })
            .collect::<Result<_, _>>()?,
    };
    let mut defaults: Vec<(&Balancer, Rule)> = Vec::new();
    for balancer in found {
        let rules = balancers.rules_of_listener(&balancer.listener_arn)?;
        defaults.extend(rules.into_iter().last().map(|rule| (balancer, rule)));
    }
    xml.list("Listeners", &defaults, |xml, (balancer, default)| {
        xml.text("ListenerArn", &balancer.listener_arn)
            .text("LoadBalancerArn", &balancer.arn)
            .text("Port", balancer.port)
            .text("Protocol", "HTTP")
            .element("DefaultActions", |xml| write_actions(xml, &default.actions));
    });
    Ok(())
}

fn describe_balancers(balancers: &Balancers, form: &Form, xml: &mut Xml) -> Result<(), AwsError> {
    let (arns, names) = (form.texts("LoadBalancerArns"), form.texts("Names"));
    let found: Vec<&Balancer> = if arns.is_empty() && names.is_empty() {
        balancers.list.iter().map(AsRef::as_ref).collect()
    } else {
        let by_arn = arns.iter().map(|arn| balancer(balancers, |one| one.arn == *arn));
        let by_name = names.iter().map(|name| balancer(balancers, |one| one.name == *name));
        by_arn.chain(by_name).collect::<Result<_, _>>()?
    };
    let (page, next) = paged(form, &found)?;
    xml.list("LoadBalancers", page, |xml, balancer| {
        xml.text("LoadBalancerArn", &balancer.arn)
            .text("DNSName", format!("127.0.0.1:{}", balancer.port))
            .text("LoadBalancerName", &balancer.name)
            .text("Scheme", "internet-facing")
            .text("Type", "application")
            .text("IpAddressType", "ipv4")
            .element("State", |xml| {
                xml.text("Code", "active");
            });
    });
    write_marker(xml, next);
    Ok(())
}

fn group<'a>(balancers: &'a Balancers, arn: &str) -> Result<&'a Group, AwsError> {
    balancers.groups.get(arn).ok_or_else(group_not_found)
}

fn balancer(balancers: &Balancers, is: impl Fn(&Balancer) -> bool) -> Result<&Balancer, AwsError> {
    let found = balancers.list.iter().find(|balancer| is(balancer));
    found.map(AsRef::as_ref).ok_or_else(|| {
        AwsError::sender("LoadBalancerNotFound", "One or more load balancers not found")
    })
}

/// The page that `PageSize` and `Marker` ask for, and the marker of the next one.
fn paged<'a, T>(form: &Form, items: &'a [T]) -> Result<(&'a [T], Option<usize>), AwsError> {
    let size = form.number::<usize>("PageSize")?.unwrap_or(400);
    if !(1..=400).contains(&size) {
        return Err(AwsError::validation(format!("PageSize '{size}' must be between 1 and 400")));
    }
    let start = match form.get("Marker") {
        None => 0,
        Some(marker) => marker
            .strip_prefix("at-")
            .and_then(|at| at.parse().ok())
            .filter(|at| *at < items.len())
            .ok_or_else(|| AwsError::validation(format!("Invalid marker '{marker}'")))?,
    };
    let end = (start + size).min(items.len());
    Ok((&items[start..end], (end < items.len()).then_some(end)))
}

fn write_marker(xml: &mut Xml, next: Option<usize>) {
    if let Some(next) = next {
        xml.text("NextMarker", format!("at-{next}"));
    }
}

fn write_rules(xml: &mut Xml, rules: &[Rule]) {
    xml.list("Rules", rules, write_rule);
}
