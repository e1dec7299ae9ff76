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

#[cfg(test)]
mod tests {
    use super::super::conditions::tests::condition;
    use super::*;
    use crate::domain::route::{GroupArn, RuleArn};
    use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum};

    const LB: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";

    fn group(name: &str) -> String {
        format!("{LB}:targetgroup/{name}/1234567890abcdef")
    }

    fn rule(priority: &str, path: &str, header: Option<(&str, &str)>, to: &str) -> Rule {
        let path = condition("path-pattern", path, true);
        let header = header.map(|(name, value)| condition(name, value, true));
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group(to));
        let rule = Rule::builder().priority(priority).actions(forward.build());
        rule.set_conditions(Some([path].into_iter().chain(header).collect())).build()
    }

    fn asking_for(mut rule: Rule, name: &str, value: &str) -> Rule {
        rule.conditions.get_or_insert_default().push(condition(name, value, true));
        rule
    }

    const TESTERS: Option<(&str, &str)> = Some(("X-Use-Rust-Scorer", "true"));

    fn said(rules: &[Rule], header_at: u32) -> String {
        let header_rule = HeaderRule {
            priority: header_at,
            header: "x-use-rust-scorer".to_owned(),
            value: "TRUE".to_owned(),
            group: GroupArn::parse(&group("testers")).unwrap(),
        };
        let route = Route {
            name: "public".to_owned(),
            rule: RuleArn::parse(&format!("{LB}:listener-rule/app/lb/1/2/3")).unwrap(),
            old_group: GroupArn::parse(&group("py")).unwrap(),
            new_group: GroupArn::parse(&group("rs")).unwrap(),
            header_rule: Some(header_rule),
        };
        let weighted = at(rules, 100).expect("the weighted rule");
        complaints(rules, weighted, &route).join("\n")
    }

    #[test]
    fn only_a_rule_with_a_smaller_number_comes_before_another() {
        let weighted = || rule("100", "/v2/*", None, "py");
        let testers = || rule("99", "/v2/*", TESTERS, "testers");
        let other = |number: &str| rule(number, "/v2/stamps", None, "other");
        assert_eq!(said(&[testers(), weighted()], 99), "");
        assert_eq!(said(&[testers(), weighted(), other("101")], 99), "");
        let elsewhere = rule("5", "/health", None, "other");
        assert_eq!(said(&[elsewhere, testers(), weighted()], 99), "");
        let before_both = said(&[other("98"), testers(), weighted()], 99);
        for told in ["rule at priority 98 (a forward to other/", "before the header rule at 99"] {
            assert!(before_both.contains(told), "{before_both}");
        }
        let testers = || rule("90", "/v2/*", TESTERS, "testers");
        let between = said(&[testers(), other("95"), weighted()], 90);
        assert!(between.contains("before the weighted rule at 100"), "{between}");
        // A rule for other testers takes no request of ours.
        let others = rule("80", "/v2/*", Some(("X-Use-Rust-Scorer", "false")), "other");
        let told = said(&[others, testers(), weighted()], 90);
        assert!(told.contains("before the weighted rule at 100"), "{told}");
    }

    #[test]
    fn a_header_rule_that_is_not_as_it_must_be_is_told() {
        let weighted = || rule("100", "/v2/*", None, "py");
        for (testers, at, told) in [
            (rule("99", "/v2/*", None, "testers"), 99, "has no condition on header"),
            (rule("99", "/v2/*", Some(("X-Use-Rust-Scorer", "no")), "testers"), 99, "to be no"),
            (rule("99", "/v1/*", TESTERS, "testers"), 99, "can match no request"),
            (rule("99", "/v2/*", TESTERS, "rs"), 99, "expected a forward to testers"),
            (rule("99", "/v2/*", TESTERS, "testers"), 98, "no rule at priority 98"),
            (
                asking_for(rule("99", "/v2/*", TESTERS, "testers"), "X-Team", "a"),
                99,
                "also asks for header x-team",
            ),
            (
                asking_for(rule("99", "/v2/*", TESTERS, "testers"), "query-string", "a=b"),
                99,
                "also asks for the query string",
            ),
            (rule("101", "/v2/*", TESTERS, "testers"), 101, "expected a smaller number"),
        ] {
            let said = said(&[testers, weighted()], at);
            assert!(said.contains(told), "{told}: {said}");
        }
        // Where testers come from is theirs to say.
        let from_home = asking_for(rule("99", "/v2/*", TESTERS, "testers"), "source-ip", "::1/128");
        assert_eq!(said(&[from_home, weighted()], 99), "");
    }
}
