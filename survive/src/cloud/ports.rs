//! The other ports.

use super::{Caller, Door, State, Timeline, tenths};
use crate::books::Invariant;
use crate::fate::{Call, Stand};
use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::Rule;
use jiff::Timestamp;
use rollout_controller::domain::code::{CodeSeen, RouteCodeSeen};
use rollout_controller::domain::copy::{Copy, OutsideOrder};
use rollout_controller::domain::message::Channel;
use rollout_controller::domain::observation::Unread;
use rollout_controller::domain::outbox::Debt;
use rollout_controller::domain::route::Route;
use rollout_controller::domain::weight::Weight;
use rollout_controller::domain::wrong_answers::Logged;
use rollout_controller::ports::{
    AlarmSeen, AlarmState, Alarms, AlarmsError, AnswersLog, AnswersLogError, Clock, Deployments,
    Endpoints, LogWanted, MessageError, Messages, OutpostError, Outposts, Outside, Tried,
};
use std::time::Duration;

impl State {
    pub(super) fn saw_rule(&mut self, me: &Caller, arn: &str, rule: Option<Rule>, as_of_ms: i64) {
        let Some(ours) = self.rules.get(arn) else { return };
        let shown = tenths(rule.as_ref(), &ours.route);
        let rollout = ours.rollout.clone();
        self.books.saw_rule(me.uid, &rollout, arn, rule, shown, as_of_ms);
    }
}

/// An alarm's state may be so much older than another call's answer, in milliseconds:
/// CloudWatch evaluates once a minute.
const ALARM_AGE_MS: i64 = 60_000;

#[async_trait]
impl Alarms for Door {
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmSeen>, AlarmsError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let asked = names.to_vec();
        let serve = move |state: &mut State, now_ms: i64, served: super::Served| {
            let stale = served.as_of_ms < now_ms;
            let at_ms = if stale { now_ms - ALARM_AGE_MS } else { now_ms };
            let one = |(at, name): (usize, &String)| {
                let there = state.alarms.get(name).filter(|_| !(served.partial && at == 0));
                AlarmSeen {
                    name: name.clone(),
                    state: there.map_or(AlarmState::Missing, |alarm| *alarm.at(at_ms)),
                    since_ms: None,
                    reason: "simulated".to_owned(),
                }
            };
            asked.iter().enumerate().map(one).collect::<Vec<_>>()
        };
        let call = Call::Alarms;
        let came = self.call(call, "score", call.patience_ms(), serve).await;
        let count = names.len();
        let (alarms, _) = came.answer().map_err(|why| AlarmsError { count, source: why.into() })?;
        self.cloud.state().books.saw_alarms(self.me.uid, &alarms);
        Ok(alarms)
    }
}

#[async_trait]
impl Deployments for Door {
    async fn look(&self, rollouts: &[&[Route]]) -> Vec<Vec<RouteCodeSeen>> {
        let sizes: Vec<usize> = rollouts.iter().map(|routes| routes.len()).collect();
        if sizes.iter().all(|size| *size == 0) {
            return sizes.iter().map(|_| Vec::new()).collect();
        }
        let serve = |state: &mut State, _, served: super::Served| {
            let unread = || CodeSeen::Unread(Unread::because("simulated: AccessDenied"));
            RouteCodeSeen {
                old: state.old_code.at(served.as_of_ms).clone(),
                new: if served.partial {
                    unread()
                } else {
                    state.new_code.at(served.as_of_ms).clone()
                },
            }
        };
        let call = Call::Code;
        let came = self.call(call, "score", call.patience_ms(), serve).await;
        let one = match came.answer() {
            Ok((seen, _)) => seen,
            Err(why) => {
                let unread = || CodeSeen::Unread(Unread::because(why));
                RouteCodeSeen { old: unread(), new: unread() }
            }
        };
        for route in rollouts.iter().filter_map(|routes| routes.first()) {
            let rollout = self.owner_of(route);
            self.cloud.state().books.saw_code(self.me.uid, &rollout, &one);
        }
        sizes.iter().map(|size| vec![one.clone(); *size]).collect()
    }
}

fn outpost(operation: &'static str, rollout: &str, why: &'static str) -> OutpostError {
    OutpostError { operation, parameter: format!("/rollout/{rollout}"), source: why.into() }
}

#[async_trait]
impl Outposts for Door {
    async fn read(&self, rollouts: &[&str]) -> Vec<Result<Outside, OutpostError>> {
        let names: Vec<String> = rollouts.iter().map(|name| (*name).to_owned()).collect();
        let serve = move |state: &mut State, _, served: super::Served| {
            let one = |(at, name): (usize, &String)| {
                if served.partial && at == 0 {
                    return None;
                }
                let outside = state.outside.get(name);
                Some(outside.map(|known| known.at(served.as_of_ms).clone()).unwrap_or_default())
            };
            names.iter().enumerate().map(one).collect::<Vec<_>>()
        };
        let call = Call::OutsideRead;
        let first = rollouts.first().copied().unwrap_or_default();
        match self.call(call, first, call.patience_ms(), serve).await.answer() {
            Ok((answers, as_of_ms)) => rollouts
                .iter()
                .zip(answers)
                .map(|(name, answer)| {
                    let missing = || outpost("reading", name, "the answer leaves it out");
                    let outside = answer.ok_or_else(missing)?;
                    self.cloud.state().books.saw_outside(self.me.uid, name, &outside, as_of_ms);
                    Ok(outside)
                })
                .collect(),
            Err(why) => rollouts.iter().map(|name| Err(outpost("reading", name, why))).collect(),
        }
    }

    async fn write_run(&self, rollout: &str, copy: &Copy) -> Result<(), OutpostError> {
        let (name, copy, me) = (rollout.to_owned(), copy.clone(), self.me.clone());
        let serve = move |state: &mut State, now_ms, _| {
            state.tell(now_ms, || {
                format!("{}: copy of {name} says run {} {:?}", me.name, copy.run, copy.state)
            });
            state.effect(|| &copy);
            if let Some(text) = forgets(state, &name, &copy) {
                state.books.breaks(Invariant::ProtectionIsRemembered, now_ms, text);
            }
            change_outside(state, &name, now_ms, |outside| outside.run = Some(copy));
        };
        let call = Call::CopyWrite;
        let came = self.call(call, rollout, call.patience_ms(), serve).await;
        came.answer().map(drop).map_err(|why| outpost("writing", rollout, why))
    }

    async fn write_order(&self, rollout: &str, order: &OutsideOrder) -> Result<(), OutpostError> {
        let (name, order, me) = (rollout.to_owned(), order.clone(), self.me.clone());
        let serve = move |state: &mut State, now_ms, _| {
            state.tell(now_ms, || format!("{}: leaves an order for {name}", me.name));
            state.effect(|| &order);
            state.books.ordered_outside(&name, &order, now_ms);
            change_outside(state, &name, now_ms, |outside| outside.order = Some(order));
        };
        let call = Call::OrderWrite;
        let came = self.call(call, rollout, call.patience_ms(), serve).await;
        came.answer().map(drop).map_err(|why| outpost("writing", rollout, why))
    }
}

/// What this copy would overwrite that the journal does not have: why the new side left
/// traffic.
fn forgets(state: &State, rollout: &str, copy: &Copy) -> Option<String> {
    let outside = state.outside.get(rollout)?.now();
    let before = outside.run.as_ref()?;
    let same_run = before.run == copy.run && before.has_left() && !copy.has_left();
    let track = state.books.track(rollout)?;
    let knows = track.stand() == Stand::RollingBack || track.weight() == Weight::ZERO;
    let reason = before.reason.as_ref()?;
    // A person's order says who and why until the journal has it, whatever the copy says;
    // of a journal that was restored from an older copy, people say what is so.
    let else_told = !track.knows(outside) || state.books.was_restored();
    (same_run && track.is_open() && !knows && !else_told)
        .then(|| format!("the copy says {:?} over “{reason}”, which the journal lacks", copy.state))
}

fn change_outside(
    state: &mut State,
    rollout: &str,
    now_ms: i64,
    change: impl FnOnce(&mut Outside),
) {
    let known = state.outside.entry(rollout.to_owned());
    let known = known.or_insert_with(|| Timeline::new(Outside::default()));
    let mut outside = known.now().clone();
    change(&mut outside);
    known.set(now_ms, outside);
}

#[async_trait]
impl Messages for Door {
    fn has(&self, _channel: Channel) -> bool {
        true
    }

    async fn send(&self, channel: Channel, message: &Debt) -> Result<(), MessageError> {
        let call = match channel {
            Channel::Pager => Call::Pager,
            Channel::Chat => Call::Chat,
            Channel::Bus => Call::Bus,
        };
        let (rollout, title) = match message {
            Debt::Page(page) => (page.rollout.clone(), page.title.clone()),
            Debt::Change(change) => (change.rollout.clone(), change.state.clone()),
        };
        let (debt, me) = (message.clone(), self.me.clone());
        let serve = move |state: &mut State, now_ms, _| {
            state.tell(now_ms, || match &debt {
                Debt::Page(page) => {
                    format!(
                        "{}: {} gets {:?} “{}”",
                        me.name,
                        channel.name(),
                        page.urgency,
                        page.title
                    )
                }
                Debt::Change(change) => {
                    format!("{}: {} gets “{}”", me.name, channel.name(), change.state)
                }
            });
            state.effect(|| (channel.name(), &debt));
            state.books.arrived(me.uid, channel, &debt);
            state.inbox.push((now_ms, channel, debt));
        };
        let came = self.call(call, &rollout, call.patience_ms(), serve).await;
        came.answer().map(drop).map_err(|why| MessageError {
            message: title,
            channel: channel.name().to_owned(),
            source: why.into(),
        })
    }
}

/// Nobody plays the doctor here, so nothing is tried.
#[async_trait]
impl Endpoints for Door {
    async fn try_all(&self) -> Vec<Tried> {
        Vec::new()
    }
}

/// No rollout here has a log to read.
#[async_trait]
impl AnswersLog for Door {
    async fn read(&self, wanted: &LogWanted<'_>) -> Result<Logged, AnswersLogError> {
        let log_group = wanted.log_group.to_owned();
        Err(AnswersLogError { log_group, source: "no log group is configured".into() })
    }
}

#[async_trait]
impl Clock for Door {
    fn now(&self) -> Timestamp {
        let ms = self.clock_ms() + self.me.people_ms;
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }

    fn real(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock_ms()).unwrap_or_default()
    }

    async fn sleep(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4);
        let now_ms = self.cloud.time.now_ms();
        self.cloud.time.until(now_ms.saturating_add(ms)).await;
    }
}
