//! The other ports of the pretend world.

use super::Pretend;
use crate::domain::message::{Page, StateChange};
use crate::domain::observation::{
    AlarmSeen, AlarmState, MinuteRead, RouteMinute, RouteSeen, Share,
};
use crate::domain::route::Route;
use crate::domain::weight::Weight;
use crate::ports::{
    Alarms, AlarmsError, Announcer, Clock, MessageError, Metrics, MetricsError, MinutesWanted,
    Pager, Traffic, TrafficError, Turn,
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
        let rule = state.rules.get(&route.name).ok_or_else(|| TrafficError::Unknown {
            rule: route.rule.clone(),
            route: route.name.clone(),
        })?;
        Ok(RouteSeen {
            share: rule.share.clone(),
            priority: Some(100),
            sticky: rule.sticky,
            header_rule: rule.header_rule.clone(),
        })
    }

    async fn shift(
        &self,
        turn: &Turn,
        route: &Route,
        from: Option<Weight>,
        to: Weight,
    ) -> Result<Weight, TrafficError> {
        let found = Traffic::read(self, route).await?.share;
        let rule_arn = route.rule.clone();
        let mut state = self.state();
        if state.now_ms > turn.deadline().as_millisecond() {
            return Err(TrafficError::Late { rule: rule_arn, deadline: turn.deadline() });
        }
        if found == Share::Weight(to) {
            return Ok(to);
        }
        if let Some(expected) = from
            && found != Share::Weight(expected)
        {
            return Err(TrafficError::Moved { rule: rule_arn, expected, found });
        }
        let trouble = &mut state.trouble;
        if trouble.dead_routes.contains(&route.name) {
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
        if let Some(rule) = state.rules.get_mut(&route.name) {
            rule.share = Share::Weight(to);
            rule.writes += 1;
        }
        if dies == Some(0) {
            state.dead = true;
        }
        if fails {
            return Err(TrafficError::Write { rule: rule_arn, source: "500 after commit".into() });
        }
        Ok(to)
    }

    async fn rewrite(&self, _turn: &Turn, route: &Route) -> Result<Share, TrafficError> {
        let found = Traffic::read(self, route).await?.share;
        let mut state = self.state();
        if state.trouble.dead_routes.contains(&route.name) || state.trouble.refuse_writes > 0 {
            return Err(TrafficError::Write {
                rule: route.rule.clone(),
                source: "AccessDenied".into(),
            });
        }
        if let Some(rule) = state.rules.get_mut(&route.name) {
            rule.writes += 1;
        }
        Ok(found)
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
                let read = state.minutes.get(&minute).filter(|_| !silent);
                let routes = wish.routes.iter().map(|wished| {
                    let at = self.routes.iter().position(|route| route.name == wished.name);
                    read.zip(at)
                        .and_then(|(read, at)| read.routes.get(at).cloned())
                        .unwrap_or(RouteMinute { old: None, new: None })
                });
                MinuteRead { minute, routes: routes.collect() }
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

impl Pretend {
    fn deliverable(&self, message: &str) -> Result<(), MessageError> {
        if self.state().trouble.messages_fail {
            let (message, channel) = (message.to_owned(), "pretend".to_owned());
            return Err(MessageError { message, channel, source: "500".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl Pager for Pretend {
    async fn send(&self, page: &Page) -> Result<(), MessageError> {
        self.deliverable(&page.title)?;
        self.state().pages.push(page.clone());
        Ok(())
    }
}

#[async_trait]
impl Announcer for Pretend {
    async fn announce(&self, change: &StateChange) -> Result<(), MessageError> {
        self.deliverable(&change.state)?;
        self.state().changes.push(change.clone());
        Ok(())
    }
}

impl Clock for Pretend {
    fn now(&self) -> Timestamp {
        Pretend::now(self)
    }
}
