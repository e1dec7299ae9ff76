//! The control plane: what rules are set, and when the data plane sees them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use super::authenticate::Authenticate;
use super::balancer::{Balancer, Group, Target, TargetHealth};
use super::limits::{
    check_conditions, check_priority, group_not_found, priority_in_use, rule_not_found,
};
use super::response::Extra;
use super::rule::{Action, Actions, Condition, Rule};
use super::setup::{action_of, rule_of};
use crate::aws::AwsError;
use crate::clock::Clock;
use crate::functions::qualified;
use crate::names::{Names, dimension};
use crate::topology::{AuthenticateSpec, LoadBalancerSpec, Share, TargetGroupSpec};

/// Rules per load balancer besides the default ones (quota).
const MAX_RULES: usize = 100;
const RING_CHANGES: usize = 5000;

/// A change of a rule, by anybody.
#[derive(Clone, Debug, Serialize)]
pub struct RuleChange {
    /// Simulated milliseconds since 1970.
    pub at_ms: i64,
    /// The rule.
    pub rule: String,
    /// `ModifyRule` and the like, or `foreign` for the helper that plays somebody else.
    pub by: String,
    /// Groups and weights afterwards; empty if the rule is gone.
    pub weights: Vec<Share>,
}

/// Input of CreateRule.
#[derive(Debug)]
pub(crate) struct RuleInput {
    pub(crate) listener_arn: String,
    pub(crate) priority: u32,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) actions: Actions,
}

/// All load balancers and target groups.
#[derive(Debug)]
pub(crate) struct Balancers {
    names: Names,
    clock: Arc<Clock>,
    pub(crate) list: Vec<Arc<Balancer>>,
    /// By ARN.
    pub(crate) groups: BTreeMap<String, Group>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Per load balancer, in the order of `list`.
    rules: Vec<Vec<Rule>>,
    created: u64,
    /// By ARN of the group.
    targets: BTreeMap<String, Target>,
    changes: VecDeque<RuleChange>,
}

impl Balancers {
    /// `ports` are those that the load balancers listen on, in order.
    pub(crate) fn new(
        names: &Names,
        clock: &Arc<Clock>,
        groups: &[TargetGroupSpec],
        balancers: &[LoadBalancerSpec],
        ports: &[u16],
    ) -> Self {
        let mut inner = Inner::default();
        let mut by_arn = BTreeMap::new();
        for spec in groups {
            let arn = names.target_group(&spec.name);
            let group = Group {
                name: spec.name.clone(),
                dimension: dimension(&arn).unwrap_or_default().to_owned(),
                arn: arn.clone(),
                health_check: spec.health_check,
                shared: spec.shared,
                multi_value: spec.multi_value_headers,
                extra: if spec.refuse_extra_members { Extra::Refused } else { Extra::Ignored },
            };
            if let Some(function) = &spec.function {
                let health = usual_health(&group);
                inner.targets.insert(arn.clone(), Target { function: function.clone(), health });
            }
            by_arn.insert(arn, group);
        }
        let balancers = balancers.iter().zip(ports).map(|(spec, port)| {
            let arn = names.load_balancer(&spec.name);
            let balancer = Balancer {
                name: spec.name.clone(),
                dimension: dimension(&arn).unwrap_or_default().to_owned(),
                arn,
                listener_arn: names.listener(&spec.name),
                port: *port,
                propagation: spec.propagation,
                published: Mutex::default(),
            };
            let mut rules: Vec<Rule> =
                spec.rules.iter().map(|rule| rule_of(names, &spec.name, rule)).collect();
            rules.push(Rule {
                arn: names.default_rule(&spec.name),
                priority: None,
                conditions: Vec::new(),
                actions: Actions {
                    authenticate: None,
                    last: action_of(names, &spec.default.forward, Some(&spec.default), None),
                    order: 1,
                },
            });
            balancer.publish(rules.clone(), Duration::ZERO, clock);
            inner.rules.push(rules);
            Arc::new(balancer)
        });
        Self {
            names: names.clone(),
            clock: clock.clone(),
            list: balancers.collect(),
            groups: by_arn,
            inner: Mutex::new(inner),
        }
    }

    /// Dimensions `(LoadBalancer, TargetGroup)` of groups that have a target.
    pub(crate) fn attached(&self) -> Vec<(String, String)> {
        let targets = self.groups.values().filter(|group| self.target(&group.arn).is_some());
        let pairs = targets.flat_map(|group| {
            let balancers = self.balancers_of_group(&group.arn);
            balancers.map(|balancer| (balancer.dimension.clone(), group.dimension.clone()))
        });
        pairs.collect()
    }

    /// The target of a group, if it has one.
    pub(crate) fn target(&self, group_arn: &str) -> Option<Target> {
        self.lock().targets.get(group_arn).cloned()
    }

    /// Registers a group's target in place of the one it has, with the health
    /// that its checks give, or takes the target away.
    pub(crate) fn set_target(
        &self,
        group_name: &str,
        function: Option<&str>,
    ) -> Result<(), AwsError> {
        let group = self.group_by_name(group_name).ok_or_else(group_not_found)?;
        let target = function
            .map(|function| Target { function: function.to_owned(), health: usual_health(group) });
        let targets = &mut self.lock().targets;
        match target {
            Some(target) => targets.insert(group.arn.clone(), target),
            None => targets.remove(&group.arn),
        };
        Ok(())
    }

    /// Sets how a group's target is shown.
    pub(crate) fn set_health(
        &self,
        group_name: &str,
        health: TargetHealth,
    ) -> Result<(), AwsError> {
        let group = self.group_by_name(group_name).ok_or_else(group_not_found)?;
        match self.lock().targets.get_mut(&group.arn) {
            Some(target) => target.health = health,
            None => {
                return Err(AwsError::sender(
                    "InvalidTarget",
                    format!("group {group_name} has no target whose health could be set"),
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn group_by_name(&self, name: &str) -> Option<&Group> {
        self.groups.get(&self.names.target_group(name))
    }

    /// Rules of a listener, default last.
    pub(crate) fn rules_of_listener(&self, listener_arn: &str) -> Result<Vec<Rule>, AwsError> {
        let at = self.balancer_at(|balancer| balancer.listener_arn == listener_arn).ok_or_else(
            || AwsError::sender("ListenerNotFound", "One or more listeners not found"),
        )?;
        let mut rules = self.lock().rules[at].clone();
        rules.sort_by_key(Rule::rank);
        Ok(rules)
    }

    pub(crate) fn rule(&self, arn: &str) -> Result<Rule, AwsError> {
        let inner = self.lock();
        inner
            .rules
            .iter()
            .flatten()
            .find(|rule| rule.arn == arn)
            .cloned()
            .ok_or_else(rule_not_found)
    }

    /// Load balancers that a group is attached to, by their rules.
    pub(crate) fn balancers_of_group(
        &self,
        group_arn: &str,
    ) -> impl Iterator<Item = &Arc<Balancer>> {
        let inner = self.lock();
        let forwards = |rules: &Vec<Rule>| {
            rules.iter().flat_map(Rule::groups).any(|group| group.arn == group_arn)
        };
        let used: Vec<bool> = inner.rules.iter().map(forwards).collect();
        self.list.iter().zip(used).filter_map(|(balancer, used)| used.then_some(balancer))
    }

    /// Replaces actions or conditions, each as a whole.
    pub(crate) fn modify(
        &self,
        arn: &str,
        conditions: Option<Vec<Condition>>,
        actions: Option<Actions>,
        by: &str,
    ) -> Result<Rule, AwsError> {
        let mut inner = self.lock();
        let (balancer, at) = locate(&inner, arn).ok_or_else(rule_not_found)?;
        if inner.rules[balancer][at].priority.is_none() {
            return Err(AwsError::sender(
                "OperationNotPermitted",
                format!("Default rule '{arn}' cannot be modified"),
            ));
        }
        let actions = actions
            .map(|mut actions| {
                self.check_action(&inner, balancer, &actions.last)?;
                let before = &inner.rules[balancer][at].actions.authenticate;
                let before = before.as_ref().map(|(before, _)| before);
                actions.authenticate = actions
                    .authenticate
                    .map(|(authenticate, order)| Ok((authenticate.with_existing(before)?, order)))
                    .transpose()?;
                Ok::<_, AwsError>(actions)
            })
            .transpose()?;
        let rule = &mut inner.rules[balancer][at];
        if let Some(conditions) = conditions {
            check_conditions(&conditions)?;
            rule.conditions = conditions;
        }
        if let Some(actions) = actions {
            rule.actions = actions;
        }
        let rule = rule.clone();
        self.note(&mut inner, balancer, arn, by);
        Ok(rule)
    }

    pub(crate) fn create(&self, mut input: RuleInput) -> Result<Rule, AwsError> {
        if let Some((authenticate, order)) = input.actions.authenticate {
            input.actions.authenticate = Some((authenticate.with_existing(None)?, order));
        }
        let mut inner = self.lock();
        let at =
            self.balancer_at(|balancer| balancer.listener_arn == input.listener_arn).ok_or_else(
                || AwsError::sender("ListenerNotFound", "One or more listeners not found"),
            )?;
        check_priority(input.priority)?;
        if input.conditions.is_empty() {
            return Err(AwsError::validation("A condition must be specified"));
        }
        check_conditions(&input.conditions)?;
        if inner.rules[at].iter().any(|rule| rule.priority == Some(input.priority)) {
            return Err(priority_in_use(input.priority));
        }
        if inner.rules[at].len() > MAX_RULES {
            return Err(AwsError::sender(
                "TooManyRules",
                "The maximum number of rules has been reached",
            ));
        }
        self.check_action(&inner, at, &input.actions.last)?;
        inner.created += 1;
        let name = &self.list[at].name;
        let id = crate::names::id("created rule", &format!("{name}#{}", inner.created));
        let rule = Rule {
            arn: self.names.rule_with_id(name, &id),
            priority: Some(input.priority),
            conditions: input.conditions,
            actions: input.actions,
        };
        inner.rules[at].push(rule.clone());
        self.note(&mut inner, at, &rule.arn, "CreateRule");
        Ok(rule)
    }

    pub(crate) fn delete(&self, arn: &str) -> Result<(), AwsError> {
        let mut inner = self.lock();
        let (balancer, at) = locate(&inner, arn).ok_or_else(rule_not_found)?;
        if inner.rules[balancer][at].priority.is_none() {
            return Err(AwsError::sender(
                "OperationNotPermitted",
                format!("Default rule '{arn}' cannot be deleted"),
            ));
        }
        inner.rules[balancer].remove(at);
        self.note(&mut inner, balancer, arn, "DeleteRule");
        Ok(())
    }

    /// Sets priorities, all of them or none.
    pub(crate) fn set_priorities(&self, wanted: &[(String, u32)]) -> Result<Vec<Rule>, AwsError> {
        let mut inner = self.lock();
        let mut after = inner.rules.clone();
        let mut touched = Vec::new();
        for (arn, priority) in wanted {
            check_priority(*priority)?;
            let (balancer, at) = locate(&inner, arn).ok_or_else(rule_not_found)?;
            if after[balancer][at].priority.is_none() {
                return Err(AwsError::sender(
                    "OperationNotPermitted",
                    format!("Default rule '{arn}' has no priority"),
                ));
            }
            after[balancer][at].priority = Some(*priority);
            touched.push((balancer, at));
        }
        for rules in &after {
            let mut seen = std::collections::BTreeSet::new();
            for priority in rules.iter().filter_map(|rule| rule.priority) {
                if !seen.insert(priority) {
                    return Err(priority_in_use(priority));
                }
            }
        }
        inner.rules = after;
        for (balancer, at) in &touched {
            let arn = inner.rules[*balancer][*at].arn.clone();
            self.note(&mut inner, *balancer, &arn, "SetRulePriorities");
        }
        Ok(touched.iter().map(|(balancer, at)| inner.rules[*balancer][*at].clone()).collect())
    }

    /// Groups and weights of a rule, by name.
    pub(crate) fn weights(&self, arn: &str) -> Result<Vec<Share>, AwsError> {
        Ok(self.shares(&self.rule(arn)?))
    }

    /// Sets weights of groups that the rule has, leaving everything else.
    pub(crate) fn set_weights(
        &self,
        arn: &str,
        shares: &[Share],
        by: &str,
    ) -> Result<(), AwsError> {
        let rule = self.rule(arn)?;
        let Actions { last: Action::Forward { mut groups, stickiness_secs }, .. } = rule.actions
        else {
            return Err(AwsError::validation(format!("rule {arn} does not forward")));
        };
        for share in shares {
            let group_arn = self.names.target_group(&share.group);
            let group =
                groups.iter_mut().find(|group| group.arn == group_arn).ok_or_else(|| {
                    AwsError::validation(format!("rule {arn} has no group {}", share.group))
                })?;
            group.weight = share.weight.unwrap_or(group.weight);
        }
        let actions = Actions {
            authenticate: rule.actions.authenticate,
            last: Action::Forward { groups, stickiness_secs },
            order: rule.actions.order,
        };
        self.modify(arn, None, Some(actions), by)?;
        Ok(())
    }

    /// Puts an authenticate action in front of what the rule does, or takes it away.
    pub(crate) fn set_authenticate(
        &self,
        arn: &str,
        spec: Option<&AuthenticateSpec>,
        by: &str,
    ) -> Result<(), AwsError> {
        let actions = Actions {
            authenticate: spec.map(|spec| (Authenticate::of(spec), 1)),
            last: self.rule(arn)?.actions.last,
            order: 1 + u32::from(spec.is_some()),
        };
        self.modify(arn, None, Some(actions), by)?;
        Ok(())
    }

    /// The client secret that an OIDC action of this rule has.
    pub(crate) fn client_secret(&self, arn: &str) -> Result<Option<String>, AwsError> {
        let Some((authenticate, _)) = self.rule(arn)?.actions.authenticate else {
            return Ok(None);
        };
        Ok(authenticate.client_secret().map(str::to_owned))
    }

    /// Greatest share, in percent, that a weighted rule of this load balancer
    /// gives a function; 100 if no weighted rule knows it.
    pub(crate) fn share_of(&self, rules: &[Rule], function: &str) -> f64 {
        let mut greatest: Option<f64> = None;
        for groups in rules.iter().map(Rule::groups).filter(|groups| groups.len() > 1) {
            let total: u32 = groups.iter().map(|group| group.weight).sum();
            let ours = groups.iter().filter(|group| {
                let target = self.target(&group.arn);
                target.is_some_and(|target| qualified(&target.function).0 == function)
            });
            let mut known = ours.map(|group| group.weight).peekable();
            if known.peek().is_some() {
                let share = 100.0 * f64::from(known.sum::<u32>()) / f64::from(total.max(1));
                greatest = Some(greatest.map_or(share, |other| other.max(share)));
            }
        }
        greatest.unwrap_or(100.0)
    }

    pub(crate) fn changes(&self) -> Vec<RuleChange> {
        self.lock().changes.iter().cloned().collect()
    }

    fn shares(&self, rule: &Rule) -> Vec<Share> {
        let name =
            |arn: &str| self.groups.get(arn).map_or(arn.to_owned(), |group| group.name.clone());
        rule.groups()
            .iter()
            .map(|group| Share { group: name(&group.arn), weight: Some(group.weight) })
            .collect()
    }

    fn note(&self, inner: &mut Inner, index: usize, arn: &str, by: &str) {
        let weights = inner.rules[index]
            .iter()
            .find(|rule| rule.arn == arn)
            .map_or_else(Vec::new, |rule| self.shares(rule));
        if inner.changes.len() == RING_CHANGES {
            inner.changes.pop_front();
        }
        let balancer = &self.list[index];
        let rules = inner.rules[index].clone();
        let at_ms = balancer.publish(rules, balancer.propagation, &self.clock);
        inner.changes.push_back(RuleChange {
            at_ms,
            rule: arn.to_owned(),
            by: by.to_owned(),
            weights,
        });
    }

    fn check_action(
        &self,
        inner: &Inner,
        balancer: usize,
        action: &Action,
    ) -> Result<(), AwsError> {
        let Action::Forward { groups, stickiness_secs } = action else {
            return Ok(());
        };
        if groups.is_empty() || groups.len() > 5 {
            return Err(AwsError::sender(
                "InvalidLoadBalancerAction",
                "A forward action must have between 1 and 5 target groups",
            ));
        }
        if let Some(secs) = stickiness_secs.filter(|secs| !(1..=604_800).contains(secs)) {
            return Err(AwsError::validation(format!(
                "Target group stickiness duration '{secs}' must be between 1 and 604800 seconds"
            )));
        }
        for (at, group) in groups.iter().enumerate() {
            if !self.groups.contains_key(&group.arn) {
                return Err(AwsError::sender(
                    "TargetGroupNotFound",
                    format!("Target groups '{}' not found", group.arn),
                ));
            }
            if groups[..at].iter().any(|other| other.arn == group.arn) {
                return Err(AwsError::sender(
                    "InvalidLoadBalancerAction",
                    format!("Target group '{}' is listed twice", group.arn),
                ));
            }
            if group.weight > 999 {
                return Err(AwsError::validation(format!(
                    "Target group weight '{}' must be between 0 and 999",
                    group.weight
                )));
            }
            let elsewhere = inner.rules.iter().enumerate().any(|(other, rules)| {
                other != balancer
                    && rules.iter().flat_map(Rule::groups).any(|used| used.arn == group.arn)
            });
            if elsewhere && !self.groups.get(&group.arn).is_some_and(|group| group.shared) {
                return Err(AwsError::sender(
                    "TargetGroupAssociationLimit",
                    format!(
                        "The following target groups cannot be associated with more than one \
                         load balancer: {}",
                        group.arn
                    ),
                ));
            }
        }
        Ok(())
    }

    fn balancer_at(&self, is: impl Fn(&Balancer) -> bool) -> Option<usize> {
        self.list.iter().position(|balancer| is(balancer))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("rules lock")
    }
}

/// What `DescribeTargetHealth` says of a target that nothing is wrong with.
fn usual_health(group: &Group) -> TargetHealth {
    if group.health_check { TargetHealth::Healthy } else { TargetHealth::Unavailable }
}

fn locate(inner: &Inner, arn: &str) -> Option<(usize, usize)> {
    inner.rules.iter().enumerate().find_map(|(balancer, rules)| {
        rules.iter().position(|rule| rule.arn == arn).map(|at| (balancer, at))
    })
}
