//! Which code answers behind target groups.
//!
//! DescribeTargetHealth names a group's function; the form of its ARN says how to
//! learn the rest. A published version freezes code and configuration and needs no
//! call, an alias needs GetAlias, and `$LATEST` is told by digest and time of
//! change (GetFunctionConfiguration). That answer holds the function's environment
//! variables: three of its fields are kept, and nothing of it is logged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};
use aws_sdk_lambda::operation::get_alias::GetAliasOutput;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::LastUpdateStatus;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::aws::{Aws, CallError};
use crate::domain::code::{Code, CodeSeen, RouteCodeSeen};
use crate::domain::observation::Unread;
use crate::domain::route::{GroupArn, Route};
use crate::ports::Deployments;

/// Calls of each service in one look. ELBv2 takes 40 at once and 10 a second in an
/// account, Lambda 15 a second, and others call them too.
const MOST_CALLS: usize = 20;
/// Time of one look in all. A tick waits for it, and without it only rises wait.
const LIMIT: Duration = Duration::from_secs(2);

const HEALTH: &str = "DescribeTargetHealth";
const ALIAS: &str = "GetAlias";
const CONFIGURATION: &str = "GetFunctionConfiguration";

/// Functions behind the target groups of one region.
pub struct Lambdas {
    aws: Aws,
    /// When the groups of a rollout were last asked for, by its first group.
    turns: Mutex<HashMap<GroupArn, Instant>>,
}

impl Lambdas {
    /// Speaks with these settings.
    pub fn new(aws: Aws) -> Self {
        Self { aws, turns: Mutex::default() }
    }

    /// Groups to ask for now: whole rollouts, the one that waits longest first,
    /// since a rise needs all of a rollout's groups in one look.
    fn chosen(&self, rollouts: &[&[Route]], now: Instant) -> BTreeSet<GroupArn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut queue: Vec<&[Route]> = rollouts.to_vec();
        queue.retain(|routes| !routes.is_empty());
        queue.sort_by_key(|routes| turns.get(&routes[0].new_group).copied());
        let mut chosen = BTreeSet::new();
        for routes in queue {
            let wanted: BTreeSet<GroupArn> = groups(routes).cloned().collect();
            let together = chosen.union(&wanted).count();
            // A rollout that is too large by itself gets its look all the same.
            if together <= MOST_CALLS || chosen.is_empty() {
                chosen.extend(wanted);
                turns.insert(routes[0].new_group.clone(), now);
            }
        }
        chosen
    }

    /// The function ARN behind each group, or what is there instead.
    async fn targets(
        &self,
        chosen: BTreeSet<GroupArn>,
        until: Instant,
    ) -> BTreeMap<GroupArn, Result<Function, CodeSeen>> {
        let looks = chosen.into_iter().map(async |group| {
            let found = match timeout_at(until, self.target(&group)).await {
                Ok(found) => found,
                Err(_) => Err(late(HEALTH)),
            };
            (group, found)
        });
        join_all(looks).await.into_iter().collect()
    }

    async fn target(&self, group: &GroupArn) -> Result<Function, CodeSeen> {
        let asked = self.aws.elb().await.describe_target_health();
        let answer = asked.target_group_arn(group.as_str()).send().await;
        let answer = answer.map_err(|error| unread(&CallError::new(HEALTH, &error)))?;
        function_of(answer.target_health_descriptions(), group)
    }

    /// The code of each function; not more of them than groups.
    async fn codes(
        &self,
        functions: BTreeSet<Function>,
        until: Instant,
    ) -> BTreeMap<Function, CodeSeen> {
        let looks = functions.into_iter().map(async |function| {
            let seen = match timeout_at(until, self.code(&function)).await {
                Ok(seen) => seen,
                Err(_) => late(function.operation()),
            };
            (function, seen)
        });
        join_all(looks).await.into_iter().collect()
    }

    async fn code(&self, function: &Function) -> CodeSeen {
        match &function.qualifier {
            Qualifier::Version(version) => CodeSeen::Is(function.version(version)),
            Qualifier::Alias(alias) => self.alias(function, alias).await,
            Qualifier::Latest => self.latest(function).await,
        }
    }

    async fn alias(&self, function: &Function, alias: &str) -> CodeSeen {
        let asked = self.aws.lambda().await.get_alias().function_name(&function.arn).name(alias);
        match asked.send().await {
            Ok(answer) => match behind(function, alias, &answer) {
                Behind::Versions(seen) => seen,
                Behind::Latest => self.latest(function).await,
            },
            Err(error) => unread(&CallError::new(ALIAS, &error)),
        }
    }

    async fn latest(&self, function: &Function) -> CodeSeen {
        let asked = self.aws.lambda().await.get_function_configuration();
        match asked.function_name(&function.arn).send().await {
            Ok(answer) => configured(function, answer),
            Err(error) => unread(&CallError::new(CONFIGURATION, &error)),
        }
    }
}

#[async_trait]
impl Deployments for Lambdas {
    async fn look(&self, rollouts: &[&[Route]]) -> Vec<Vec<RouteCodeSeen>> {
        let now = Instant::now();
        let until = now + LIMIT;
        let targets = self.targets(self.chosen(rollouts, now), until).await;
        let functions = targets.values().filter_map(|target| target.as_ref().ok()).cloned();
        let codes = self.codes(functions.collect(), until).await;
        let side = |group: &GroupArn| match targets.get(group) {
            None => not_this_time(),
            Some(Err(seen)) => seen.clone(),
            Some(Ok(function)) => codes.get(function).cloned().unwrap_or_else(not_this_time),
        };
        let route = |route: &Route| RouteCodeSeen {
            old: side(&route.old_group),
            new: side(&route.new_group),
        };
        rollouts.iter().map(|routes| routes.iter().map(route).collect()).collect()
    }
}

fn groups(routes: &[Route]) -> impl Iterator<Item = &GroupArn> {
    routes.iter().flat_map(|route| [&route.old_group, &route.new_group])
}

fn unread(error: &CallError) -> CodeSeen {
    CodeSeen::Unread(Unread::of(error))
}

fn late(operation: &'static str) -> CodeSeen {
    let secs = LIMIT.as_secs();
    CodeSeen::Unread(Unread::because(format!("{operation}: no answer within {secs} s")))
}

fn not_this_time() -> CodeSeen {
    let words = format!("one look makes {MOST_CALLS} calls at most; others were first");
    CodeSeen::Unread(Unread::because(words))
}

/// A Lambda function as a target group names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    /// ARN without qualifier.
    arn: String,
    qualifier: Qualifier,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Qualifier {
    Version(String),
    Alias(String),
    Latest,
}

impl Function {
    /// From `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME`, with or without
    /// `:QUALIFIER`; `None` for anything else.
    fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let (name, qualifier) = match parts[..] {
            ["arn", _, "lambda", _, _, "function", name]
            | ["arn", _, "lambda", _, _, "function", name, "$LATEST"] => (name, Qualifier::Latest),
            ["arn", _, "lambda", _, _, "function", name, qualifier] if !qualifier.is_empty() => {
                let is_number = qualifier.bytes().all(|byte| byte.is_ascii_digit());
                let qualifier = qualifier.to_owned();
                // The name of an alias is never a number.
                let version = if is_number { Qualifier::Version } else { Qualifier::Alias };
                (name, version(qualifier))
            }
            _ => return None,
        };
        (!name.is_empty()).then(|| Self { arn: parts[..7].join(":"), qualifier })
    }

    fn name(&self) -> &str {
        self.arn.rsplit_once(':').map_or("", |(_, name)| name)
    }

    fn version(&self, version: &str) -> Code {
        Code::Version { function: self.name().to_owned(), version: version.to_owned() }
    }

    fn operation(&self) -> &'static str {
        match self.qualifier {
            Qualifier::Alias(_) => ALIAS,
            Qualifier::Version(_) | Qualifier::Latest => CONFIGURATION,
        }
    }
}

/// The one function that a group's health check answer names. A target that is
/// draining gets no new request, and so is none.
fn function_of(
    described: &[TargetHealthDescription],
    group: &GroupArn,
) -> Result<Function, CodeSeen> {
    let is_draining = |target: &&TargetHealthDescription| {
        let state = target.target_health().and_then(|health| health.state());
        state == Some(&TargetHealthStateEnum::Draining)
    };
    let mut ids = described
        .iter()
        .filter(|target| !is_draining(target))
        .map(|target| target.target().and_then(|target| target.id()).unwrap_or_default());
    let name = group.short_name();
    let words = match (ids.next(), ids.count()) {
        (None, _) => return Err(CodeSeen::NoTarget),
        (Some(id), 0) => match Function::parse(id) {
            Some(function) => return Ok(function),
            None => format!("target {id:?} of group {name} is not a Lambda function"),
        },
        (Some(_), more) => {
            format!("group {name} has {} targets, one function is expected", more + 1)
        }
    };
    Err(CodeSeen::Unread(Unread::because(words)))
}

/// What an alias leads to.
enum Behind {
    Versions(CodeSeen),
    Latest,
}

fn behind(function: &Function, alias: &str, answer: &GetAliasOutput) -> Behind {
    let Some(version) = answer.function_version() else {
        let words = format!("{ALIAS}: alias {alias} of {} names no version", function.name());
        return Behind::Versions(CodeSeen::Unread(Unread::because(words)));
    };
    let weights = answer.routing_config().and_then(|routing| routing.additional_version_weights());
    let split: BTreeSet<&str> = weights
        .into_iter()
        .flatten()
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(version, _)| version.as_str())
        .filter(|other| *other != version)
        .collect();
    if !split.is_empty() {
        let all = std::iter::once(version).chain(split);
        let codes = all.map(|version| function.version(version)).collect();
        return Behind::Versions(CodeSeen::Split(codes));
    }
    if version == "$LATEST" {
        return Behind::Latest;
    }
    Behind::Versions(CodeSeen::Is(function.version(version)))
}

/// Digest, time of change, and whether an update is under way; all else that the
/// answer holds is dropped here.
fn configured(function: &Function, answer: GetFunctionConfigurationOutput) -> CodeSeen {
    let GetFunctionConfigurationOutput { code_sha256, last_modified, last_update_status, .. } =
        answer;
    match (last_update_status, code_sha256, last_modified) {
        (Some(LastUpdateStatus::Successful), Some(sha256), Some(modified)) => {
            CodeSeen::Is(Code::Latest { function: function.name().to_owned(), sha256, modified })
        }
        (Some(LastUpdateStatus::Successful) | None, ..) => {
            let words = format!(
                "{CONFIGURATION}: the answer for {} lacks CodeSha256, LastModified or LastUpdateStatus",
                function.name()
            );
            CodeSeen::Unread(Unread::because(words))
        }
        (Some(status), ..) => {
            CodeSeen::Settling(format!("LastUpdateStatus is {}", status.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealth};
    use aws_sdk_lambda::types::AliasRoutingConfiguration;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:scorer";

    fn group(name: &str) -> GroupArn {
        let arn =
            format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{name}/1");
        GroupArn::parse(&arn).unwrap()
    }

    fn function(qualifier: &str) -> Function {
        Function::parse(&format!("{FUNCTION}{qualifier}")).unwrap()
    }

    fn target(id: &str, state: TargetHealthStateEnum) -> TargetHealthDescription {
        TargetHealthDescription::builder()
            .target(TargetDescription::builder().id(id).build())
            .target_health(TargetHealth::builder().state(state).build())
            .build()
    }

    #[test]
    fn the_form_of_the_arn_says_what_answers() {
        assert_eq!(function(":7").qualifier, Qualifier::Version("7".to_owned()));
        assert_eq!(function(":live").qualifier, Qualifier::Alias("live".to_owned()));
        assert_eq!(function(":2nd").qualifier, Qualifier::Alias("2nd".to_owned()));
        assert_eq!(function("").qualifier, Qualifier::Latest);
        assert_eq!(function(":$LATEST"), function(""));
        assert_eq!(function(":live").name(), "scorer");
        for other in ["i-0123", "10.0.0.7", "", &format!("{FUNCTION}:"), &format!("{FUNCTION}:a:b")]
        {
            assert_eq!(Function::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_group_without_a_target_that_takes_requests_has_none() {
        use TargetHealthStateEnum::{Draining, Healthy, Unavailable, Unhealthy};
        let rs = group("rs");
        assert_eq!(function_of(&[], &rs), Err(CodeSeen::NoTarget));
        assert_eq!(function_of(&[target(FUNCTION, Draining)], &rs), Err(CodeSeen::NoTarget));
        // Health checks of functions are off unless somebody switched them on.
        for state in [Unavailable, Unhealthy, Healthy] {
            assert_eq!(function_of(&[target(FUNCTION, state)], &rs), Ok(function("")));
        }
        let replaced = [target(FUNCTION, Draining), target(&format!("{FUNCTION}:8"), Healthy)];
        assert_eq!(function_of(&replaced, &rs), Ok(function(":8")));
    }

    #[test]
    fn what_is_no_function_is_said_with_the_groups_name() {
        let seen = function_of(&[target("i-0123", TargetHealthStateEnum::Healthy)], &group("rs"));
        let Err(CodeSeen::Unread(why)) = seen else { panic!("{seen:?}") };
        assert_eq!(why.to_string(), "target \"i-0123\" of group rs is not a Lambda function");
    }

    #[test]
    fn an_alias_is_a_version_a_split_or_latest() {
        let live = function(":live");
        let alias = |version: &str, others: &[(&str, f64)]| {
            let mut routing = AliasRoutingConfiguration::builder();
            for (version, weight) in others {
                routing = routing.additional_version_weights(*version, *weight);
            }
            let answer =
                GetAliasOutput::builder().function_version(version).routing_config(routing.build());
            match behind(&live, "live", &answer.build()) {
                Behind::Versions(seen) => Some(seen),
                Behind::Latest => None,
            }
        };
        let version = |version: &str| live.version(version);
        assert_eq!(alias("7", &[]), Some(CodeSeen::Is(version("7"))));
        assert_eq!(alias("7", &[("8", 0.0)]), Some(CodeSeen::Is(version("7"))));
        let split = CodeSeen::Split(vec![version("7"), version("8")]);
        assert_eq!(alias("7", &[("8", 0.1)]), Some(split));
        assert_eq!(alias("$LATEST", &[]), None);
    }

    #[test]
    fn latest_is_told_by_digest_and_time_once_an_update_has_settled() {
        let answer = |status: Option<LastUpdateStatus>| {
            GetFunctionConfigurationOutput::builder()
                .code_sha256("abc")
                .last_modified("2026-11-24T12:00:00.000+0000")
                .set_last_update_status(status)
                .build()
        };
        let seen = |status| configured(&function(""), answer(status));
        let code = Code::Latest {
            function: "scorer".to_owned(),
            sha256: "abc".to_owned(),
            modified: "2026-11-24T12:00:00.000+0000".to_owned(),
        };
        assert_eq!(seen(Some(LastUpdateStatus::Successful)), CodeSeen::Is(code));
        for status in [LastUpdateStatus::InProgress, LastUpdateStatus::Failed] {
            let words = format!("LastUpdateStatus is {}", status.as_str());
            assert_eq!(seen(Some(status)), CodeSeen::Settling(words));
        }
        assert!(matches!(seen(None), CodeSeen::Unread(_)));
    }

    fn rollout(name: &str, routes: usize) -> Vec<Route> {
        let rule = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/lb/1/2/3";
        let route = |number: usize| Route {
            name: number.to_string(),
            rule: crate::domain::route::RuleArn::parse(rule).unwrap(),
            old_group: group("py"),
            new_group: group(&format!("{name}-{number}")),
            header_rule: None,
        };
        (0..routes).map(route).collect()
    }

    #[test]
    fn rollouts_take_turns_where_the_calls_do_not_suffice() {
        let lambdas = Lambdas::new(Aws::new());
        // Eleven groups each; the old side's is one and the same.
        let rollouts: Vec<Vec<Route>> =
            ["a", "b", "c"].into_iter().map(|name| rollout(name, 10)).collect();
        let wanted: Vec<&[Route]> = rollouts.iter().map(Vec::as_slice).collect();
        let start = Instant::now();
        let mut looks = [0; 3];
        for tick in 0..6 {
            let chosen = lambdas.chosen(&wanted, start + Duration::from_secs(60 * tick));
            assert!(chosen.len() <= MOST_CALLS, "{}", chosen.len());
            for (index, routes) in rollouts.iter().enumerate() {
                looks[index] += usize::from(groups(routes).all(|group| chosen.contains(group)));
            }
        }
        assert_eq!(looks, [2, 2, 2], "every rollout as often, and always as a whole");

        let large = rollout("large", 30);
        let chosen = Lambdas::new(Aws::new()).chosen(&[&large], start);
        assert_eq!(chosen.len(), 31, "one that is too large by itself is looked at");
    }
}
