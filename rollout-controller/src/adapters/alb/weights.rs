//! What a rule's actions mean for a route, and the same actions with other weights.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, Rule, TargetGroupTuple,
};

use crate::domain::route::{GroupArn, Route};
use crate::domain::weight::Weight;
use crate::ports::Share;

/// The share that the rule gives the route's new group.
pub(super) fn share(rule: &Rule, route: &Route) -> Share {
    let Some(forward) = forward(rule) else {
        return Share::Foreign(describe_actions(rule));
    };
    let groups = groups(forward);
    let (Some(old), Some(new)) = (only(&groups, &route.old_group), only(&groups, &route.new_group))
    else {
        return Share::Foreign(describe_groups(&groups));
    };
    let weight = match (groups.len(), old, new) {
        (2, Some(old), Some(new)) => Weight::from_alb(old, new),
        _ => None,
    };
    weight.map_or_else(|| Share::Foreign(describe_groups(&groups)), Share::Weight)
}

/// Whether group stickiness is on.
pub(super) fn is_sticky(rule: &Rule) -> bool {
    forward(rule)
        .and_then(Action::forward_config)
        .and_then(ForwardActionConfig::target_group_stickiness_config)
        .and_then(|stickiness| stickiness.enabled)
        .unwrap_or(false)
}

/// The rule's actions as found, except for the weights of the route's two groups.
/// `None` if the rule does not forward to both.
pub(super) fn with_weight(rule: &Rule, route: &Route, to: Weight) -> Option<Vec<Action>> {
    let (old, new) = to.alb_weights();
    let mut actions = rule.actions().to_vec();
    let forward = actions.iter_mut().find(|action| is_forward(action))?;
    let config = forward.forward_config.as_mut()?;
    let groups = config.target_groups.as_mut()?;
    let mut set = |group: &GroupArn, weight: u16| {
        let mut ours =
            groups.iter_mut().filter(|tuple| tuple.target_group_arn() == Some(group.as_str()));
        let tuple = ours.next()?;
        tuple.weight = Some(i32::from(weight));
        ours.next().is_none().then_some(())
    };
    set(&route.old_group, old)?;
    set(&route.new_group, new)?;
    if groups.len() > 1 {
        // The short form names one group only; AWS refuses it beside several.
        forward.target_group_arn = None;
    }
    Some(actions)
}

/// The groups that a rule forwards to, as `(arn, weight)`; empty if it does not forward.
pub(super) fn destinations(rule: &Rule) -> Vec<(String, Option<i32>)> {
    forward(rule).map(groups).unwrap_or_default()
}

/// What a rule does, for people: `forwards to scorer-py 95, scorer-rs 5`.
pub(super) fn describe_actions(rule: &Rule) -> String {
    match forward(rule) {
        Some(forward) => describe_groups(&groups(forward)),
        None => match rule.actions().last() {
            None => "no action".to_owned(),
            Some(action) => describe_action(action),
        },
    }
}

fn describe_action(action: &Action) -> String {
    if let Some(redirect) = action.redirect_config() {
        return format!(
            "a redirect to {}://{}{}",
            redirect.protocol().unwrap_or("#{protocol}"),
            redirect.host().unwrap_or("#{host}"),
            redirect.path().unwrap_or("/#{path}")
        );
    }
    if let Some(fixed) = action.fixed_response_config() {
        return format!("a fixed response {}", fixed.status_code().unwrap_or("without status"));
    }
    let kind = action.r#type().map_or("unknown", ActionTypeEnum::as_str);
    format!("an action of type {kind}")
}

fn describe_groups(groups: &[(String, Option<i32>)]) -> String {
    let names = groups.iter().map(|(arn, weight)| {
        let parsed = GroupArn::parse(arn);
        let name = parsed.as_ref().map_or(arn.as_str(), GroupArn::short_name);
        weight.map_or_else(|| name.to_owned(), |weight| format!("{name} {weight}"))
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return "a forward without groups".to_owned();
    }
    format!("a forward to {}", names.join(", "))
}

fn is_forward(action: &Action) -> bool {
    action.r#type() == Some(&ActionTypeEnum::Forward)
}

fn forward(rule: &Rule) -> Option<&Action> {
    rule.actions().iter().find(|action| is_forward(action))
}

/// Both forms: the list of groups, or the single group by its ARN alone.
fn groups(forward: &Action) -> Vec<(String, Option<i32>)> {
    let listed = forward.forward_config().map(ForwardActionConfig::target_groups);
    match (listed.unwrap_or_default(), forward.target_group_arn()) {
        ([], Some(arn)) => vec![(arn.to_owned(), Some(1))],
        (listed, _) => listed.iter().map(pair).collect(),
    }
}

fn pair(tuple: &TargetGroupTuple) -> (String, Option<i32>) {
    (tuple.target_group_arn().unwrap_or_default().to_owned(), tuple.weight())
}

/// The weight of a group: the outer `None` if it is not listed exactly once.
#[expect(clippy::option_option, reason = "absent, listed without a weight, listed with one")]
fn only(groups: &[(String, Option<i32>)], group: &GroupArn) -> Option<Option<u16>> {
    let mut listed = groups.iter().filter(|(arn, _)| arn == group.as_str());
    let (_, weight) = listed.next()?;
    if listed.next().is_some() {
        return None;
    }
    Some(weight.and_then(|weight| u16::try_from(weight).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::TargetGroupStickinessConfig;

    const PY: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/py/1";
    const RS: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/rs/2";
    const XX: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/xx/3";

    fn route() -> Route {
        Route {
            name: "scores".into(),
            rule: crate::domain::route::RuleArn::parse(
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/1/2/3",
            )
            .unwrap(),
            old_group: GroupArn::parse(PY).unwrap(),
            new_group: GroupArn::parse(RS).unwrap(),
            header_rule: None,
        }
    }

    fn forwarding(groups: &[(&str, i32)]) -> Rule {
        let tuples = groups.iter().map(|(arn, weight)| {
            TargetGroupTuple::builder().target_group_arn(*arn).weight(*weight).build()
        });
        let config = ForwardActionConfig::builder()
            .set_target_groups(Some(tuples.collect()))
            .target_group_stickiness_config(
                TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(60).build(),
            )
            .build();
        let action = Action::builder().r#type(ActionTypeEnum::Forward).order(7);
        Rule::builder().actions(action.forward_config(config).build()).build()
    }

    #[test]
    fn reads_the_share_whatever_the_order_of_the_groups() {
        let ninety_five = Share::Weight(Weight::from_tenths(50).unwrap());
        assert_eq!(share(&forwarding(&[(PY, 95), (RS, 5)]), &route()), ninety_five);
        assert_eq!(share(&forwarding(&[(RS, 5), (PY, 95)]), &route()), ninety_five);
    }

    #[test]
    fn what_is_not_our_split_is_told_in_words() {
        let told = |groups: &[(&str, i32)]| match share(&forwarding(groups), &route()) {
            Share::Foreign(words) => words,
            Share::Weight(weight) => panic!("read as {weight}"),
        };
        assert_eq!(told(&[(PY, 90), (RS, 5), (XX, 5)]), "a forward to py 90, rs 5, xx 5");
        assert_eq!(told(&[(PY, 0), (RS, 0)]), "a forward to py 0, rs 0");
        assert_eq!(told(&[(PY, 2), (RS, 1)]), "a forward to py 2, rs 1");
        assert_eq!(told(&[(PY, 1)]), "a forward to py 1");
        assert_eq!(told(&[(PY, 50), (PY, 25), (RS, 25)]), "a forward to py 50, py 25, rs 25");
        let short = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(RS).build();
        let short = Rule::builder().actions(short).build();
        assert_eq!(share(&short, &route()), Share::Foreign("a forward to rs 1".into()));
    }

    #[test]
    fn changes_nothing_but_the_two_weights() {
        let found = forwarding(&[(RS, 5), (PY, 95), (XX, 3)]);
        let written = with_weight(&found, &route(), Weight::from_tenths(5).unwrap()).unwrap();
        let mut expected = found.actions()[0].clone();
        let groups = expected.forward_config.as_mut().unwrap().target_groups.as_mut().unwrap();
        groups[0].weight = Some(5);
        groups[1].weight = Some(995);
        assert_eq!(written, [expected]);
        assert!(with_weight(&forwarding(&[(RS, 1)]), &route(), Weight::ZERO).is_none());
    }
}
