//! The other ports of the pretend world.

use super::{Pretend, foreign};
use crate::domain::code::{CodeSeen, RouteCodeSeen};
use crate::domain::copy::{Copy, OutsideOrder};
use crate::domain::message::Channel;
use crate::domain::observation::{
    AlarmSeen, AlarmState, MinuteRead, RouteMinute, RouteSeen, Share, Unread,
};
use crate::domain::outbox::Debt;
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::domain::wrong_answers::Logged;
use crate::ports::{
    Alarms, AlarmsError, AnswersLog, AnswersLogError, Clock, Deployments, Endpoints, LogWanted,
    MessageError, Messages, Metrics, MetricsError, MinutesWanted, OutpostError, Outposts, Outside,
    Reached, Service, Traffic, TrafficError, Tried, WritePermit,
};
use async_trait::async_trait;
use jiff::Timestamp;

#[async_trait]
impl Traffic for Pretend {
    async fn read(&self, route: &Route) -> Result<RouteSeen, TrafficError> {
        let state = self.state();
        if state.trouble.rules_unreadable || state.dead {
            return Err(TrafficError::Read {
                rule: route.rule.clone(),
                source: "throttled".into(),
            });
        }
        let found = self.ours(route).and_then(|ours| Some((ours, state.rules.get(&ours.name)?)));
        let (ours, rule) = found.ok_or_else(|| TrafficError::Unknown {
            rule: route.rule.clone(),
            route: route.name.clone(),
        })?;
        let share = if ours.has_groups_of(route) {
            rule.share.clone()
        } else {
            foreign("other groups", true)
        };
        Ok(RouteSeen {
            share,
            priority: Some(100),
            sticky: rule.sticky,
            header_rule: rule.header_rule.clone(),
            mixed: rule.mixed.clone(),
        })
    }

    async fn shift(
        &self,
        permit: &WritePermit,
        route: &Route,
        from: Option<Weight>,
        to: Weight,
    ) -> Result<Share, TrafficError> {
        let found = Traffic::read(self, route).await?.share;
        let rule_arn = route.rule.clone();
        let mut state = self.state();
        if state.now_ms > permit.deadline().as_millisecond() {
            return Err(TrafficError::Late { rule: rule_arn, deadline: permit.deadline() });
        }
        if found == Share::Weight(to) {
            return Ok(found);
        }
        if let Some(expected) = from
            && found != Share::Weight(expected)
        {
            return Err(TrafficError::Moved { rule: rule_arn, expected, found });
        }
        let raises = from.is_none() && found.weight().is_some_and(|found| to > found);
        if raises || !permit.allows(&found, to) {
            return Err(TrafficError::NotAllowed { rule: rule_arn, to });
        }
        let Some(ours) = self.ours(route).filter(|ours| ours.has_groups_of(route)) else {
            return Err(TrafficError::Write { rule: rule_arn, source: "no such group".into() });
        };
        let trouble = &mut state.trouble;
        if trouble.dead_routes.contains(&ours.name) {
            return Err(TrafficError::Write { rule: rule_arn, source: "500".into() });
        }
        if trouble.refuse_writes > 0 {
            trouble.refuse_writes -= 1;
            return Err(TrafficError::Write { rule: rule_arn, source: "500".into() });
        }
        let fails = trouble.commit_then_fail > 0;
        trouble.commit_then_fail = trouble.commit_then_fail.saturating_sub(1);
        let dies = trouble.die_after_writes.map(|writes| writes.saturating_sub(1));
        trouble.die_after_writes = dies.filter(|writes| *writes > 0);
        if let Some(rule) = state.rules.get_mut(&ours.name) {
            rule.share = Share::Weight(to);
            rule.writes += 1;
        }
        if dies == Some(0) {
            state.dead = true;
        }
        if fails {
            return Err(TrafficError::Write { rule: rule_arn, source: "500 after commit".into() });
        }
        Ok(Share::Weight(to))
    }

    async fn rewrite(&self, _permit: &WritePermit, route: &Route) -> Result<Share, TrafficError> {
        let found = Traffic::read(self, route).await?.share;
        let mut state = self.state();
        let Some(ours) = self.ours(route) else { return Ok(found) };
        if state.trouble.dead_routes.contains(&ours.name) || state.trouble.refuse_writes > 0 {
            return Err(TrafficError::Write {
                rule: route.rule.clone(),
                source: "AccessDenied".into(),
            });
        }
        if let Some(rule) = state.rules.get_mut(&ours.name) {
            rule.writes += 1;
        }
        Ok(found)
    }
}

impl Pretend {
    /// The route of this world that has this rule: ARNs say which, as at AWS; a name is
    /// the config's.
    fn ours(&self, route: &Route) -> Option<&Route> {
        self.routes.iter().find(|ours| ours.rule == route.rule)
    }
}

#[async_trait]
impl Metrics for Pretend {
    async fn minutes(
        &self,
        wanted: &[MinutesWanted<'_>],
    ) -> Vec<Result<Vec<MinuteRead>, MetricsError>> {
        wanted.iter().map(|wish| self.read_minutes(wish)).collect()
    }
}

impl Pretend {
    fn read_minutes(&self, wish: &MinutesWanted<'_>) -> Result<Vec<MinuteRead>, MetricsError> {
        let state = self.state();
        if state.trouble.metrics_fail
            && let Some(route) = wish.routes.first()
        {
            return Err(MetricsError::Read {
                group: route.new_group.clone(),
                source: "500".into(),
            });
        }
        let all = (wish.from.0..wish.until.0).map(crate::domain::minute::Minute);
        Ok(all
            .map(|minute| {
                let silent = state.trouble.metrics_silent_from.is_some_and(|from| minute >= from);
                let late = state.trouble.minutes_late.get(&minute);
                let hidden = silent || late.is_some_and(|from_ms| state.now_ms < *from_ms);
                let broken = state.trouble.minutes_broken.contains(&minute);
                let read = state.minutes.get(&minute).filter(|_| !hidden);
                let routes = wish.routes.iter().map(|wished| {
                    let at = self.routes.iter().position(|ours| ours.has_groups_of(wished));
                    if broken {
                        let why = "latency samples without a request count";
                        return RouteMinute::Unknown(Unread::because(why));
                    }
                    read.zip(at)
                        .and_then(|(read, at)| read.routes.get(at).cloned())
                        .unwrap_or(RouteMinute::Known { old: None, new: None })
                });
                let routes = routes.collect();
                let comparisons = read.filter(|_| wish.comparisons && !broken);
                let comparisons = comparisons.and_then(|read| read.comparisons.clone());
                MinuteRead { minute, routes, comparisons }
            })
            .collect())
    }
}

#[async_trait]
impl Alarms for Pretend {
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmSeen>, AlarmsError> {
        let state = self.state();
        if state.trouble.alarms_fail {
            return Err(AlarmsError { count: names.len(), source: "500".into() });
        }
        let missing = |name: &String| AlarmSeen {
            name: name.clone(),
            state: AlarmState::Missing,
            since_ms: None,
            reason: String::new(),
        };
        Ok(names
            .iter()
            .map(|name| state.alarms.get(name).cloned().unwrap_or_else(|| missing(name)))
            .collect())
    }
}

#[async_trait]
impl Messages for Pretend {
    fn has(&self, _channel: Channel) -> bool {
        true
    }

    async fn send(&self, channel: Channel, message: &Debt) -> Result<(), MessageError> {
        let mut state = self.state();
        if state.trouble.channels_broken.contains(&channel) {
            let message = match message {
                Debt::Page(page) => page.title.clone(),
                Debt::Change(change) => change.state.clone(),
            };
            let channel = channel.name().to_owned();
            return Err(MessageError { message, channel, source: "500".into() });
        }
        match (channel, message) {
            (Channel::Pager, Debt::Page(page)) => state.pages.push(page.clone()),
            (Channel::Bus, Debt::Change(change)) => state.changes.push(change.clone()),
            // The same pages as the pager's.
            (Channel::Chat, _)
            | (Channel::Pager, Debt::Change(_))
            | (Channel::Bus, Debt::Page(_)) => {}
        }
        Ok(())
    }
}

#[async_trait]
impl Deployments for Pretend {
    async fn look(&self, rollouts: &[&[Route]]) -> Vec<Vec<RouteCodeSeen>> {
        let state = self.state();
        let unread = || CodeSeen::Unread(Unread::because("AccessDenied"));
        let one = || RouteCodeSeen { old: state.old_code.clone(), new: state.new_code.clone() };
        let none = || RouteCodeSeen { old: unread(), new: unread() };
        let each = |_: &Route| if state.trouble.code_unreadable { none() } else { one() };
        rollouts.iter().map(|routes| routes.iter().map(each).collect()).collect()
    }
}

fn outpost(operation: &'static str, rollout: &str) -> OutpostError {
    let parameter = format!("/rollout/{rollout}");
    OutpostError { operation, parameter, source: "AccessDenied".into() }
}

#[async_trait]
impl Outposts for Pretend {
    async fn read(&self, rollouts: &[&str]) -> Vec<Result<Outside, OutpostError>> {
        let state = self.state();
        let fails = state.trouble.outposts_fail;
        let one = |name: &&str| {
            if fails {
                return Err(outpost("reading", name));
            }
            Ok(state.outside.get(*name).cloned().unwrap_or_default())
        };
        rollouts.iter().map(one).collect()
    }

    async fn write_run(&self, rollout: &str, copy: &Copy) -> Result<(), OutpostError> {
        let mut state = self.state();
        if state.trouble.outposts_fail || state.dead {
            return Err(outpost("writing", rollout));
        }
        state.outside.entry(rollout.to_owned()).or_default().run = Some(copy.clone());
        Ok(())
    }

    async fn write_order(&self, rollout: &str, order: &OutsideOrder) -> Result<(), OutpostError> {
        let mut state = self.state();
        if state.trouble.outposts_fail || state.dead {
            return Err(outpost("writing", rollout));
        }
        state.outside.entry(rollout.to_owned()).or_default().order = Some(order.clone());
        Ok(())
    }
}

#[async_trait]
impl Endpoints for Pretend {
    async fn try_all(&self) -> Vec<Tried> {
        let silent = self.state().trouble.silent.clone();
        let all = [
            Service::LoadBalancing,
            Service::Monitoring,
            Service::Parameters,
            Service::Functions,
            Service::Topics,
            Service::Buses,
            Service::Secrets,
            Service::Logs,
        ];
        let one = |service| {
            let answers = !silent.contains(&service);
            let no = || Reached::Silent("no answer within 3 s".into());
            Tried { service, reached: if answers { Reached::Answered } else { no() } }
        };
        all.into_iter().map(one).collect()
    }
}

#[async_trait]
impl AnswersLog for Pretend {
    async fn read(&self, wanted: &LogWanted<'_>) -> Result<Logged, AnswersLogError> {
        let mut state = self.state();
        state.log_reads.push((wanted.from, wanted.until));
        let log_group = wanted.log_group.to_owned();
        let none = || AnswersLogError { log_group, source: "there is no log here".into() };
        state.logged.clone().ok_or_else(none)
    }
}

impl Clock for Pretend {
    fn now(&self) -> Timestamp {
        Pretend::now(self)
    }

    fn real(&self) -> Timestamp {
        Pretend::now(self)
    }
}
