//! Rules as the topology writes them.

use super::authenticate::Authenticate;
use super::rule::{Action, Actions, Condition, Rule, WeightedGroup};
use crate::names::Names;
use crate::topology::{DefaultAction, RuleSpec, Share};

pub(super) fn rule_of(names: &Names, balancer: &str, spec: &RuleSpec) -> Rule {
    let mut conditions = Vec::new();
    let mut add = |values: &Vec<String>, build: fn(Vec<String>) -> Condition| {
        if !values.is_empty() {
            conditions.push(build(values.clone()));
        }
    };
    add(&spec.host, Condition::Host);
    add(&spec.path, Condition::Path);
    add(&spec.method, Condition::Method);
    add(&spec.source_ip, Condition::SourceIp);
    for header in &spec.headers {
        conditions
            .push(Condition::Header { name: header.name.clone(), values: header.values.clone() });
    }
    if !spec.query.is_empty() {
        let pairs = spec.query.iter().map(|pair| (pair.key.clone(), pair.value.clone()));
        conditions.push(Condition::Query(pairs.collect()));
    }
    Rule {
        arn: names.rule(balancer, spec.priority),
        priority: Some(spec.priority),
        conditions,
        actions: Actions {
            last: action_of(names, &spec.forward, spec.fixed.as_ref(), spec.stickiness_secs),
            order: 1 + u32::from(spec.authenticate.is_some()),
            authenticate: spec.authenticate.as_ref().map(|spec| (Authenticate::of(spec), 1)),
        },
    }
}

pub(super) fn action_of(
    names: &Names,
    shares: &[Share],
    fixed: Option<&DefaultAction>,
    stickiness_secs: Option<u32>,
) -> Action {
    match fixed {
        Some(fixed) if shares.is_empty() => Action::Fixed {
            status: fixed.status,
            content_type: fixed.content_type.clone(),
            body: fixed.body.clone(),
        },
        _ => Action::Forward {
            groups: shares
                .iter()
                .map(|share| WeightedGroup {
                    arn: names.target_group(&share.group),
                    // A single group without a weight shows 1 (the provider's and moto's default).
                    weight: share.weight.unwrap_or(1),
                })
                .collect(),
            stickiness_secs,
        },
    }
}
