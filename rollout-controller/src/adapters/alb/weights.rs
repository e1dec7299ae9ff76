//! What a rule's actions mean for a route, and the same actions with other weights.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, Rule, TargetGroupTuple,
};

use crate::domain::observation::Foreign;
use crate::domain::route::{GroupArn, Route};
use crate::domain::weight::Weight;
use crate::ports::Share;

/// What a weight that is left out counts as.
const OMITTED: u16 = 1;
/// The largest weight of a group.
const MOST: u16 = 999;

/// The share that the rule gives the route's new group.
pub(super) fn share(rule: &Rule, route: &Route) -> Share {
    let groups = destinations(rule);
    let ours = [&route.old_group, &route.new_group].map(|group| only(&groups, group));
    let weight = match (groups.len(), ours) {
        (2, [Some(old), Some(new)]) => Weight::from_alb(old, new),
        _ => None,
    };
    weight.map_or_else(
        || {
            let reaches_new = reaches(&groups, &route.new_group);
            Share::Foreign(Foreign { what: describe_actions(rule), reaches_new })
        },
        Share::Weight,
    )
}

/// Whether the group gets any request. If all weights are 0 it is not documented
/// who does, so whoever is named may.
fn reaches(groups: &[Destination], group: &GroupArn) -> bool {
    let nobody = groups.iter().all(|(_, weight)| *weight == 0);
    groups.iter().any(|(arn, weight)| arn == group.as_str() && (*weight > 0 || nobody))
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
/// `None` if the rule has no place for them.
///
/// A share is written to a forward to exactly these two. Beside other groups only
/// 0 can be: the old group then takes over the new group's weight.
pub(super) fn with_weight(rule: &Rule, route: &Route, to: Weight) -> Option<Vec<Action>> {
    let found = destinations(rule);
    let old = only(&found, &route.old_group)?;
    let new = only(&found, &route.new_group)?;
    let (old, new) = match found.len() {
        2 => to.alb_weights(),
        _ if to == Weight::ZERO => (old.saturating_add(new).clamp(1, MOST), 0),
        _ => return None,
    };
    let mut actions = as_found(rule);
    let forward = actions.iter_mut().find(|action| is_forward(action))?;
    for tuple in forward.forward_config.as_mut()?.target_groups.as_mut()? {
        match tuple.target_group_arn() {
            Some(arn) if arn == route.old_group.as_str() => tuple.weight = Some(i32::from(old)),
            Some(arn) if arn == route.new_group.as_str() => tuple.weight = Some(i32::from(new)),
            Some(_) | None => {}
        }
    }
    Some(actions)
}

/// The rule's actions in the form in which ModifyRule takes what DescribeRules said.
pub(super) fn as_found(rule: &Rule) -> Vec<Action> {
    let mut actions = rule.actions().to_vec();
    for action in &mut actions {
        if let Some(oidc) = &mut action.authenticate_oidc_config
            && oidc.client_secret.is_none()
        {
            // It is never told; without this flag AWS asks for it.
            oidc.use_existing_client_secret = Some(true);
        }
        let groups = action.forward_config().map(ForwardActionConfig::target_groups);
        if groups.is_some_and(|groups| groups.len() > 1) {
            // The short form names one group only; AWS refuses it beside several.
            action.target_group_arn = None;
        }
    }
    actions
}

/// ARN and weight of a group.
pub(super) type Destination = (String, u16);

/// The groups that a rule forwards to; empty if it does not forward. Both forms are
/// read: the list of groups, and the single group by its ARN alone.
pub(super) fn destinations(rule: &Rule) -> Vec<Destination> {
    let Some(forward) = forward(rule) else { return Vec::new() };
    let listed = forward.forward_config().map(ForwardActionConfig::target_groups);
    match (listed.unwrap_or_default(), forward.target_group_arn()) {
        ([], Some(arn)) => vec![(arn.to_owned(), OMITTED)],
        (listed, _) => listed.iter().map(destination).collect(),
    }
}

/// Other rules that give one of the route's groups requests.
pub(super) fn mixed(rules: &[Rule], weighted: &Rule, route: &Route) -> Vec<String> {
    let others = rules.iter().filter(|rule| rule.rule_arn() != weighted.rule_arn());
    let uses = others.flat_map(|rule| {
        let name = match super::reader::priority(rule) {
            Some(priority) => format!("rule {priority}"),
            None => "the default rule".to_owned(),
        };
        let groups = destinations(rule).into_iter().filter(|(_, weight)| *weight > 0);
        groups.filter_map(move |(arn, _)| {
            let side = if arn == route.old_group.as_str() {
                "old_group"
            } else if arn == route.new_group.as_str() {
                "new_group"
            } else {
                return None;
            };
            Some(format!("{name} gives {side} {} requests too", name_and_id(&arn)))
        })
    });
    uses.collect()
}

fn destination(tuple: &TargetGroupTuple) -> Destination {
    let weight = tuple.weight().map_or(Ok(OMITTED), u16::try_from);
    // AWS has no negative weights.
    (tuple.target_group_arn().unwrap_or_default().to_owned(), weight.unwrap_or(OMITTED))
}

/// What a rule does, for people: `a forward to scorer-py/73e2 95, scorer-rs/0996 5`.
pub(super) fn describe_actions(rule: &Rule) -> String {
    match forward(rule) {
        Some(_) => describe_groups(&destinations(rule)),
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

/// With ids: a group that was made anew has the name of the old one.
fn describe_groups(groups: &[Destination]) -> String {
    let named = groups.iter().map(|(arn, weight)| format!("{} {weight}", name_and_id(arn)));
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        return "a forward without groups".to_owned();
    }
    format!("a forward to {}", named.join(", "))
}

/// `NAME/ID` of a group's ARN.
pub(super) fn name_and_id(arn: &str) -> &str {
    arn.split_once(":targetgroup/").map_or(arn, |(_, tail)| tail)
}

fn is_forward(action: &Action) -> bool {
    action.r#type() == Some(&ActionTypeEnum::Forward)
}

fn forward(rule: &Rule) -> Option<&Action> {
    rule.actions().iter().find(|action| is_forward(action))
}

/// The weight of a group that is listed exactly once.
fn only(groups: &[Destination], group: &GroupArn) -> Option<u16> {
    let mut listed = groups.iter().filter(|(arn, _)| arn == group.as_str());
    let (_, weight) = listed.next()?;
    listed.next().is_none().then_some(*weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig, FixedResponseActionConfig,
        TargetGroupStickinessConfig,
    };

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

    fn forwarding_as(groups: &[(&str, Option<i32>)]) -> Rule {
        let tuples = groups.iter().map(|(arn, weight)| {
            TargetGroupTuple::builder().target_group_arn(*arn).set_weight(*weight).build()
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

    fn forwarding(groups: &[(&str, i32)]) -> Rule {
        let groups: Vec<_> = groups.iter().map(|(arn, weight)| (*arn, Some(*weight))).collect();
        forwarding_as(&groups)
    }

    fn short(arn: &str) -> Rule {
        let action = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn);
        Rule::builder().actions(action.build()).build()
    }

    fn closed() -> Rule {
        let fixed = FixedResponseActionConfig::builder().status_code("503").build();
        let action = Action::builder().r#type(ActionTypeEnum::FixedResponse);
        Rule::builder().actions(action.fixed_response_config(fixed).build()).build()
    }

    fn tenths(tenths: u16) -> Weight {
        Weight::from_tenths(tenths).unwrap()
    }

    #[test]
    fn reads_the_share_whatever_the_order_of_the_groups() {
        assert_eq!(share(&forwarding(&[(PY, 95), (RS, 5)]), &route()), Share::Weight(tenths(50)));
        assert_eq!(share(&forwarding(&[(RS, 5), (PY, 95)]), &route()), Share::Weight(tenths(50)));
    }

    #[test]
    fn other_rules_are_told_by_the_side_that_they_feed() {
        let named = |mut rule: Rule, name: &str| {
            rule.rule_arn = Some(name.to_owned());
            rule
        };
        let ours = named(forwarding(&[(PY, 95), (RS, 5)]), "ours");
        let rules = [
            ours.clone(),
            named(forwarding(&[(XX, 1)]), "elsewhere"),
            named(forwarding(&[(RS, 1), (PY, 0)]), "new"),
            named(short(PY), "old"),
        ];
        assert_eq!(
            mixed(&rules, &ours, &route()),
            [
                "the default rule gives new_group rs/2 requests too",
                "the default rule gives old_group py/1 requests too",
            ]
        );
    }

    #[test]
    fn a_weight_that_is_left_out_counts_as_one() {
        let halves = forwarding_as(&[(PY, None), (RS, None)]);
        assert_eq!(share(&halves, &route()), Share::Weight(tenths(500)));
        let quarter = forwarding_as(&[(PY, Some(3)), (RS, None)]);
        assert_eq!(share(&quarter, &route()), Share::Weight(tenths(250)));
    }

    #[test]
    fn what_is_not_our_split_is_told_with_ids_and_whether_it_reaches_the_new_group() {
        // The same name as ours, made anew.
        let rs_again = RS.replace("rs/2", "rs/9");
        let mut both = forwarding(&[(PY, 1)]);
        both.actions.as_mut().unwrap()[0].target_group_arn = Some(PY.to_owned());
        for (rule, what, reaches_new) in [
            (
                forwarding(&[(PY, 90), (RS, 5), (XX, 5)]),
                "a forward to py/1 90, rs/2 5, xx/3 5",
                true,
            ),
            (forwarding(&[(PY, 2), (RS, 1)]), "a forward to py/1 2, rs/2 1", true),
            (forwarding(&[(PY, 0), (RS, 0)]), "a forward to py/1 0, rs/2 0", true),
            (forwarding(&[(RS, 0)]), "a forward to rs/2 0", true),
            (short(RS), "a forward to rs/2 1", true),
            (
                forwarding(&[(PY, 50), (RS, 25), (RS, 0)]),
                "a forward to py/1 50, rs/2 25, rs/2 0",
                true,
            ),
            (
                forwarding(&[(PY, 100), (RS, 0), (XX, 0)]),
                "a forward to py/1 100, rs/2 0, xx/3 0",
                false,
            ),
            (
                forwarding(&[(PY, 60), (RS, 0), (XX, 40)]),
                "a forward to py/1 60, rs/2 0, xx/3 40",
                false,
            ),
            (
                forwarding(&[(PY, 0), (RS, 0), (XX, 9)]),
                "a forward to py/1 0, rs/2 0, xx/3 9",
                false,
            ),
            (forwarding(&[(PY, 95), (&rs_again, 5)]), "a forward to py/1 95, rs/9 5", false),
            (forwarding(&[(XX, 1)]), "a forward to xx/3 1", false),
            (short(PY), "a forward to py/1 1", false),
            (both, "a forward to py/1 1", false),
            (closed(), "a fixed response 503", false),
            (Rule::builder().build(), "no action", false),
        ] {
            let found = share(&rule, &route());
            assert_eq!(found, Share::Foreign(Foreign { what: what.to_owned(), reaches_new }));
            assert_eq!(found.is_reached(), !reaches_new);
        }
    }

    fn weights(actions: &[Action]) -> Vec<(&str, Option<i32>)> {
        let config = actions[0].forward_config().unwrap();
        let tuples = config.target_groups().iter();
        tuples.map(|tuple| (tuple.target_group_arn().unwrap(), tuple.weight())).collect()
    }

    #[test]
    fn changes_nothing_but_the_two_weights() {
        let found = forwarding(&[(RS, 5), (PY, 95)]);
        let written = with_weight(&found, &route(), tenths(5)).unwrap();
        let mut expected = found.actions()[0].clone();
        let groups = expected.forward_config.as_mut().unwrap().target_groups.as_mut().unwrap();
        groups[0].weight = Some(5);
        groups[1].weight = Some(995);
        assert_eq!(written, [expected]);
    }

    #[test]
    fn a_rollback_gives_the_new_groups_weight_to_the_old_wherever_it_stands() {
        for (found, expected) in [
            (vec![(PY, 2), (RS, 1)], vec![(PY, 100), (RS, 0)]),
            (vec![(PY, 0), (RS, 0)], vec![(PY, 100), (RS, 0)]),
            (vec![(PY, 60), (RS, 30), (XX, 10)], vec![(PY, 90), (RS, 0), (XX, 10)]),
            (vec![(XX, 10), (RS, 999), (PY, 999)], vec![(XX, 10), (RS, 0), (PY, 999)]),
            (vec![(PY, 0), (RS, 0), (XX, 0)], vec![(PY, 1), (RS, 0), (XX, 0)]),
        ] {
            let rule = forwarding(&found);
            let written = with_weight(&rule, &route(), Weight::ZERO).unwrap();
            let expected: Vec<_> = expected.iter().map(|(arn, w)| (*arn, Some(*w))).collect();
            assert_eq!(weights(&written), expected);
            let mut after = rule.clone();
            after.actions = Some(written.clone());
            assert!(share(&after, &route()).is_reached());
            // Stickiness and order as found.
            assert_eq!(written[0].order, rule.actions()[0].order);
            assert!(is_sticky(&after));
        }
    }

    #[test]
    fn what_has_no_place_for_both_groups_cannot_be_written() {
        for rule in [short(RS), forwarding(&[(RS, 1)]), forwarding(&[(XX, 1), (RS, 1)]), closed()] {
            assert!(with_weight(&rule, &route(), Weight::ZERO).is_none());
        }
        let three = forwarding(&[(PY, 60), (RS, 30), (XX, 10)]);
        assert!(with_weight(&three, &route(), tenths(100)).is_none(), "a share of what?");
    }

    #[test]
    fn actions_that_sign_users_in_are_sent_again_with_the_secret_that_is_there() {
        let oidc = AuthenticateOidcActionConfig::builder().client_id("abc").build();
        let cognito = AuthenticateCognitoActionConfig::builder().user_pool_client_id("c").build();
        let sign_in = Action::builder().r#type(ActionTypeEnum::AuthenticateOidc);
        let sign_in = sign_in.authenticate_oidc_config(oidc.clone()).build();
        let pool = Action::builder().r#type(ActionTypeEnum::AuthenticateCognito);
        let pool = pool.authenticate_cognito_config(cognito.clone()).build();
        let mut rule = forwarding(&[(PY, 95), (RS, 5)]);
        rule.actions.as_mut().unwrap().splice(0..0, [sign_in, pool]);
        assert_eq!(share(&rule, &route()), Share::Weight(tenths(50)));
        let written = with_weight(&rule, &route(), tenths(100)).unwrap();
        let sent = written[0].authenticate_oidc_config().unwrap();
        assert_eq!(sent.use_existing_client_secret(), Some(true));
        assert_eq!((sent.client_id(), sent.client_secret()), (Some("abc"), None));
        assert_eq!(written[1].authenticate_cognito_config(), Some(&cognito));
        assert_eq!(weights(&written[2..]), [(PY, Some(90)), (RS, Some(10))]);
        assert_eq!(as_found(&rule)[0], written[0], "the doctor's write test sends the same");
    }
}
