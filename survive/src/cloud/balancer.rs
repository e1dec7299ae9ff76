//! The load balancer: whole rules as AWS keeps them, behind the calls that the
//! production adapter makes. Reading, comparing and rewriting actions, the retries and
//! the read-back are the adapter's own.

use super::{Door, NOTHING, SIMULATED, State, Timeline};
use crate::books::Truth;
use crate::fate::Call;
use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::error::{ErrorMetadata, SdkError};
use aws_sdk_elasticloadbalancingv2::operation::modify_rule::ModifyRuleError;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HttpHeaderConditionConfig,
    PathPatternConditionConfig, Rule, RuleCondition, TargetGroupStickinessConfig, TargetGroupTuple,
};
use rollout_controller::adapters::alb::RuleCalls;
use rollout_controller::adapters::aws::CallError;
use rollout_controller::domain::route::Route;
use std::time::Duration;

/// One of our weighted rules, with its listener.
#[derive(Clone, Debug)]
pub struct Ours {
    /// The rollout that it belongs to.
    pub rollout: String,
    /// The route.
    pub route: Route,
    /// The rule; `None`: it is gone.
    pub rule: Timeline<Option<Rule>>,
    /// The header rule before it.
    pub header: Timeline<Option<Rule>>,
}

/// What a rule gives the new side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A share in tenths of a percent, by a forward to exactly our two groups.
    Tenths(u16),
    /// Something else, which gives the new side requests or does not.
    Other {
        /// Whether it does.
        reaches_new: bool,
    },
}

impl Shown {
    /// Whether the new side gets nothing.
    pub fn is_reached(self) -> bool {
        matches!(self, Self::Tenths(0) | Self::Other { reaches_new: false })
    }
}

fn groups(rule: &Rule) -> Vec<(&str, i64)> {
    let forwards = rule.actions().iter().filter_map(Action::forward_config);
    let tuples = forwards.flat_map(ForwardActionConfig::target_groups);
    tuples
        .map(|tuple| {
            let weight = i64::from(tuple.weight().unwrap_or(1));
            (tuple.target_group_arn().unwrap_or_default(), weight)
        })
        .collect()
}

/// What a rule shows, by the simulation's own reading.
pub fn tenths(rule: Option<&Rule>, route: &Route) -> Shown {
    let groups = rule.map(groups).unwrap_or_default();
    let of = |arn: &str| groups.iter().find(|(group, _)| *group == arn).map(|(_, weight)| *weight);
    let new = of(route.new_group.as_str());
    let sum: i64 = groups.iter().map(|(_, weight)| weight).sum();
    if let (2, Some(_), Some(new)) = (groups.len(), of(route.old_group.as_str()), new)
        && sum > 0
        && new * 1000 % sum == 0
    {
        return Shown::Tenths(u16::try_from(new * 1000 / sum).unwrap_or(u16::MAX));
    }
    Shown::Other { reaches_new: new.is_some_and(|new| new > 0 || sum == 0) }
}

/// Share of requests that the new group gets, 0.0 to 1.0.
pub(super) fn new_ratio(rule: Option<&Rule>, route: &Route) -> f64 {
    let groups = rule.map(groups).unwrap_or_default();
    let sum: i64 = groups.iter().map(|(_, weight)| weight).sum();
    let new = groups.iter().find(|(group, _)| *group == route.new_group.as_str());
    new.map_or(0.0, |(_, weight)| if sum > 0 { *weight as f64 / sum as f64 } else { 0.0 })
}

fn tuple(arn: &str, weight: i32) -> TargetGroupTuple {
    TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build()
}

fn forward(tuples: Vec<TargetGroupTuple>, sticky: bool) -> Action {
    let stickiness =
        TargetGroupStickinessConfig::builder().enabled(sticky).duration_seconds(60).build();
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(tuples))
        .target_group_stickiness_config(stickiness)
        .build();
    Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config).build()
}

fn path() -> RuleCondition {
    let paths = PathPatternConditionConfig::builder().values("/v2/*").build();
    RuleCondition::builder().field("path-pattern").path_pattern_config(paths).build()
}

impl Ours {
    /// A rule that gives the new side nothing, and the header rule before it.
    pub fn new(rollout: &str, route: &Route) -> Self {
        let listener = route.rule.as_str();
        let header = route.header_rule.as_ref().map(|wanted| {
            let header = HttpHeaderConditionConfig::builder()
                .http_header_name(&wanted.header)
                .values(&wanted.value)
                .build();
            let condition =
                RuleCondition::builder().field("http-header").http_header_config(header).build();
            Rule::builder()
                .rule_arn(format!("{listener}-testers"))
                .priority(wanted.priority.to_string())
                .conditions(condition)
                .actions(forward(vec![tuple(wanted.group.as_str(), 1)], false))
                .build()
        });
        let ours = Self {
            rollout: rollout.to_owned(),
            route: route.clone(),
            rule: Timeline::new(None),
            header: Timeline::new(header),
        };
        let rule = ours.split(0, false, None);
        Self { rule: Timeline::new(Some(rule)), ..ours }
    }

    /// A rule with this share for the new side, perhaps sticky, perhaps with a third
    /// group of this weight.
    pub fn split(&self, tenths: u16, sticky: bool, third: Option<i32>) -> Rule {
        let mut tuples = vec![
            tuple(self.route.old_group.as_str(), i32::from(1000_u16.saturating_sub(tenths)) / 10),
            tuple(self.route.new_group.as_str(), i32::from(tenths) / 10),
        ];
        if let Some(weight) = third {
            tuples.push(tuple(
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/third/9",
                weight,
            ));
        }
        Rule::builder()
            .rule_arn(self.route.rule.as_str())
            .priority("100")
            .conditions(path())
            .actions(forward(tuples, sticky))
            .build()
    }

    /// What it shows.
    pub fn shows(&self) -> Shown {
        tenths(self.rule.now().as_ref(), &self.route)
    }
}

impl State {
    /// What each rule of a rollout shows.
    pub fn shown(&self, rollout: &str) -> Vec<Shown> {
        let ours = self.rules.values().filter(|ours| ours.rollout == rollout);
        ours.map(Ours::shows).collect()
    }

    /// What is outside the processes.
    pub fn truth(&self) -> Truth {
        let mut truth = Truth::default();
        for ours in self.rules.values() {
            truth.shown.entry(ours.rollout.clone()).or_default().push(ours.shows());
        }
        for (rollout, outside) in &self.outside {
            if let Some(copy) = &outside.now().run {
                truth.copies.insert(rollout.clone(), copy.revision);
            }
        }
        truth
    }

    /// The rollout that owns a rule.
    fn owner(&self, rule: &str) -> String {
        self.rules.get(rule).map(|ours| ours.rollout.clone()).unwrap_or_default()
    }
}

fn failed(words: &'static str) -> CallError {
    // What the SDK makes of a connection that dies or an answer that does not come.
    let error: SdkError<ModifyRuleError, ()> = if words == NOTHING {
        SdkError::timeout_error(words)
    } else {
        debug_assert_eq!(words, SIMULATED);
        SdkError::service_error(coded("ServiceUnavailable"), ())
    };
    CallError::new("ELBv2", &error)
}

fn coded(code: &'static str) -> ModifyRuleError {
    ModifyRuleError::generic(ErrorMetadata::builder().code(code).message(SIMULATED).build())
}

fn not_found() -> CallError {
    let error: SdkError<ModifyRuleError, ()> = SdkError::service_error(coded("RuleNotFound"), ());
    CallError::new("ELBv2", &error)
}

/// Which of our rules is on this listener: each has one of its own.
fn on_listener<'a>(state: &'a State, listener: &str) -> Option<&'a Ours> {
    state.rules.values().find(|ours| ours.route.rule.listener().as_str() == listener)
}

#[async_trait]
impl RuleCalls for Door {
    async fn of_listener(&self, listener: &str) -> Result<Vec<Rule>, CallError> {
        let rollout = on_listener(&self.cloud.state(), listener).map(|ours| ours.rollout.clone());
        let listener = listener.to_owned();
        let serve = move |state: &mut State, _, served: super::Served| {
            let ours = on_listener(state, &listener)?;
            let header = ours.header.at(served.as_of_ms).clone();
            Some((
                ours.route.rule.as_str().to_owned(),
                ours.rule.at(served.as_of_ms).clone(),
                header,
            ))
        };
        let came = self.call(
            Call::Rules,
            rollout.as_deref().unwrap_or_default(),
            Call::Rules.patience_ms(),
            serve,
        );
        let (answer, as_of_ms) = came.await.answer().map_err(failed)?;
        let Some((arn, rule, header)) = answer else { return Ok(Vec::new()) };
        self.cloud.state().saw_rule(&self.me, &arn, rule.clone(), as_of_ms);
        self.cloud.state().books.saw_header(self.me.uid, &arn, header.is_some());
        Ok(rule.into_iter().chain(header).collect())
    }

    async fn rule(&self, rule: &str) -> Result<Option<Rule>, CallError> {
        let owner = self.cloud.state().owner(rule);
        self.cloud.state().books.tries(self.me.uid, rule);
        let arn = rule.to_owned();
        let serve = move |state: &mut State, _, served: super::Served| {
            state.rules.get(&arn).and_then(|ours| ours.rule.at(served.as_of_ms).clone())
        };
        let came = self.call(Call::Rule, &owner, Call::Rule.patience_ms(), serve);
        let (answer, as_of_ms) = came.await.answer().map_err(failed)?;
        self.cloud.state().saw_rule(&self.me, rule, answer.clone(), as_of_ms);
        if answer.is_none() { Err(not_found()) } else { Ok(answer) }
    }

    async fn modify(
        &self,
        rule: &str,
        actions: Vec<Action>,
        limit: Duration,
    ) -> Result<(), CallError> {
        let owner = self.cloud.state().owner(rule);
        let arn = rule.to_owned();
        let sent_ms = self.cloud.time.now_ms();
        let clock_ms = self.clock_ms();
        let (me, name) = (self.me.uid, self.me.name.clone());
        let serve = move |state: &mut State, now_ms, _| {
            let Some(ours) = state.rules.get_mut(&arn) else { return false };
            let Some(before) = ours.rule.now().clone() else { return false };
            let mut after = before.clone();
            after.actions = Some(actions);
            ours.rule.set(now_ms, Some(after.clone()));
            let route = ours.route.clone();
            let write = crate::books::Write {
                uid: me,
                arn: arn.clone(),
                route,
                before,
                after,
                sent_ms,
                clock_ms,
                now_ms,
            };
            let (from, to) = (write.from(), write.to());
            state.tell(now_ms, || format!("{name}: writes {} {from:?} → {to:?}", write.route.name));
            state.effect(|| (now_ms, &write.arn, format!("{from:?} {to:?}")));
            let rollout = state.rules[&write.arn].rollout.clone();
            state.books.wrote(&rollout, &write);
            true
        };
        let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        let patience = Call::Modify.patience_ms().min(limit_ms).max(1);
        let came = self.call(Call::Modify, &owner, patience, serve).await;
        let (taken, _) = came.answer().map_err(failed)?;
        if taken { Ok(()) } else { Err(not_found()) }
    }
}
