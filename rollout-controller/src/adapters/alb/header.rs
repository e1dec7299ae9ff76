//! The header rule must win over the weighted rule, and nothing may come before either.

use aws_sdk_elasticloadbalancingv2::types::Rule;

use super::conditions::{self, Condition};
use super::reader::priority;
use super::weights;
use crate::domain::route::{HeaderRule, Route};

/// What is wrong, one sentence each, saying what was found and what is expected.
/// `rules` are all rules of the listener by priority; `weighted` is one of them.
pub(super) fn complaints(rules: &[Rule], weighted: &Rule, route: &Route) -> Vec<String> {
    let mut said = Vec::new();
    let last = priority(weighted).unwrap_or(u32::MAX);
    let header = route.header_rule.as_ref();
    let found = header.and_then(|wanted| at(rules, wanted.priority));
    if let Some(wanted) = header {
        match found {
            None => said.push(format!(
                "no rule at priority {}: expected header {}: {} to forward to {}",
                wanted.priority,
                wanted.header,
                wanted.value,
                weights::name_and_id(wanted.group.as_str())
            )),
            Some(found) => check(found, weighted, wanted, &mut said),
        }
        if wanted.priority >= last {
            said.push(format!(
                "the header rule has priority {} and the weighted rule {last}: \
                 expected a smaller number for the header rule",
                wanted.priority
            ));
        }
    }
    let taken = conditions::of(weighted);
    let testers = found.map(conditions::of);
    for rule in rules {
        let Some(number) = priority(rule).filter(|&number| number < last) else {
            continue;
        };
        if header.is_some_and(|wanted| wanted.priority == number) {
            continue;
        }
        let its = conditions::of(rule);
        let before_header = header.is_some_and(|wanted| number < wanted.priority)
            && testers.as_ref().is_some_and(|t| conditions::could_both_match(&its, t))
            && conditions::could_both_match(&its, &taken);
        let before = match (before_header, header) {
            (true, Some(wanted)) => format!("the header rule at {}", wanted.priority),
            _ if conditions::could_both_match(&its, &taken) => match priority(weighted) {
                Some(number) => format!("the weighted rule at {number}"),
                None => "the weighted default rule".to_owned(),
            },
            _ => continue,
        };
        said.push(format!(
            "rule at priority {number} ({}) may take requests before {before}: \
             expected conditions that no request of the route meets, or a larger number",
            weights::describe_actions(rule)
        ));
    }
    said
}

fn at(rules: &[Rule], number: u32) -> Option<&Rule> {
    rules.iter().find(|rule| priority(rule) == Some(number))
}

fn check(found: &Rule, weighted: &Rule, wanted: &HeaderRule, said: &mut Vec<String>) {
    let number = wanted.priority;
    let its = conditions::of(found);
    let (name, value) = (wanted.header.to_lowercase(), wanted.value.to_lowercase());
    let ours = its.iter().find_map(|condition| match condition {
        Condition::Header(header, values) if *header == name => Some(values),
        _ => None,
    });
    match ours {
        None => said.push(format!(
            "rule at priority {number} has no condition on header {}: expected the value {}",
            wanted.header, wanted.value
        )),
        Some(values) if !values.contains(&value) => said.push(format!(
            "rule at priority {number} asks for header {} to be {}: expected {}",
            wanted.header,
            values.join(" or "),
            wanted.value
        )),
        Some(_) => {}
    }
    for condition in &its {
        let more = match condition {
            Condition::Header(header, _) if *header != name => format!("header {header}"),
            Condition::Other(field) if field == "query-string" => "the query string".to_owned(),
            _ => continue,
        };
        said.push(format!(
            "rule at priority {number} also asks for {more}: expected the header {} alone",
            wanted.header
        ));
    }
    if !conditions::could_both_match(&its, &conditions::of(weighted)) {
        said.push(format!(
            "rule at priority {number} can match no request of the weighted rule: \
             expected path, host and method that fit it"
        ));
    }
    let to: Vec<String> = weights::destinations(found).into_iter().map(|(arn, _)| arn).collect();
    if to != [wanted.group.as_str()] {
        said.push(format!(
            "rule at priority {number} is {}: expected a forward to {} alone",
            weights::describe_actions(found),
            weights::name_and_id(wanted.group.as_str())
        ));
    }
}
