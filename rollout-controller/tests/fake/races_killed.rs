//! A process killed before or after any call it makes: the next tick makes it good.
//!
//! The pretend world here waits before and after each call of a port, so that a
//! future dropped after n polls is a process killed at its n-th place: before a
//! call, or behind its effect and before its answer.

use crate::in_front::{Halting, halting};
use crate::pretend::{Night, config, config_with, word};
use async_trait::async_trait;
use rollout_controller::controller::command::command;
use rollout_controller::controller::query;
use rollout_controller::controller::tick::tick;
use rollout_controller::domain::code::RouteCodeSeen;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::copy::{Copy, OutsideOrder};
use rollout_controller::domain::event::{Event, Item, Stamped};
use rollout_controller::domain::message::{Channel, Page};
use rollout_controller::domain::outbox::Debt;
use rollout_controller::domain::phase::Phase;
use rollout_controller::domain::route::Route;
use rollout_controller::domain::weight::Weight;
use rollout_controller::ports::{
    AlarmSeen, Alarms, AlarmsError, Deployments, MessageError, Messages, Metrics, MetricsError,
    MinuteRead, MinutesWanted, OutpostError, Outposts, Outside, RouteSeen, Share, Traffic,
    TrafficError, World, WritePermit,
};
use rollout_controller::world::Pretend;
use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::task::yield_now;

/// The pretend world with a place to die before and after each call.
struct Slow(Pretend);

#[async_trait]
impl Traffic for Slow {
    async fn read(&self, route: &Route) -> Result<RouteSeen, TrafficError> {
        halting(Traffic::read(&self.0, route)).await
    }
    async fn shift(
        &self,
        permit: &WritePermit,
        route: &Route,
        from: Option<Weight>,
        to: Weight,
    ) -> Result<Share, TrafficError> {
        // The rule is read before it is written.
        yield_now().await;
        halting(self.0.shift(permit, route, from, to)).await
    }
    async fn rewrite(&self, permit: &WritePermit, route: &Route) -> Result<Share, TrafficError> {
        halting(self.0.rewrite(permit, route)).await
    }
}

#[async_trait]
impl Metrics for Slow {
    async fn minutes(
        &self,
        wanted: &[MinutesWanted<'_>],
    ) -> Vec<Result<Vec<MinuteRead>, MetricsError>> {
        halting(self.0.minutes(wanted)).await
    }
}

#[async_trait]
impl Alarms for Slow {
    async fn read(&self, names: &[String]) -> Result<Vec<AlarmSeen>, AlarmsError> {
        halting(Alarms::read(&self.0, names)).await
    }
}

#[async_trait]
impl Messages for Slow {
    fn has(&self, channel: Channel) -> bool {
        self.0.has(channel)
    }
    async fn send(&self, channel: Channel, message: &Debt) -> Result<(), MessageError> {
        halting(self.0.send(channel, message)).await
    }
}

#[async_trait]
impl Deployments for Slow {
    async fn look(&self, rollouts: &[&[Route]]) -> Vec<Vec<RouteCodeSeen>> {
        halting(self.0.look(rollouts)).await
    }
}

#[async_trait]
impl Outposts for Slow {
    async fn read(&self, rollouts: &[&str]) -> Vec<Result<Outside, OutpostError>> {
        halting(Outposts::read(&self.0, rollouts)).await
    }
    async fn write_run(&self, rollout: &str, copy: &Copy) -> Result<(), OutpostError> {
        halting(self.0.write_run(rollout, copy)).await
    }
    async fn write_order(&self, rollout: &str, order: &OutsideOrder) -> Result<(), OutpostError> {
        halting(self.0.write_order(rollout, order)).await
    }
}

fn slow(pretend: &Pretend) -> World {
    let this = Arc::new(Slow(pretend.clone()));
    World {
        ledger: Arc::new(Halting(Arc::new(pretend.clone()))),
        traffic: this.clone(),
        metrics: this.clone(),
        alarms: this.clone(),
        deployments: this.clone(),
        outposts: this.clone(),
        messages: this,
        ..pretend.world()
    }
}

/// Polls a future this often and drops it; whether it had ended by then.
fn killed<T>(work: impl Future<Output = T>, polls: usize) -> bool {
    let mut work: Pin<&mut _> = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| matches!(work.as_mut().poll(&mut context), Poll::Ready(_)))
}

/// What must be so however the process ended.
async fn sound(night: &Night, polls: usize) {
    let events = night.events().await;
    let minutes: Vec<i64> = events
        .iter()
        .filter_map(|stamped| match &stamped.event {
            Event::Ticked { minutes, .. } => Some(minutes),
            _ => None,
        })
        .flatten()
        .filter_map(|entry| Some(entry.minute().ok()?.0))
        .collect();
    for pair in minutes.windows(2) {
        assert_eq!(pair[1], pair[0] + 1, "{polls}: each minute once");
    }
    let journal = night.journal().await;
    assert!(journal.outbox.is_empty(), "{polls}: nothing is lost");
    let run = journal.run.expect("a run");
    assert!(run.intent.is_none(), "{polls}: nothing is left open");
    let noted = events.iter().filter_map(|stamped| match &stamped.event {
        Event::Delivered { channel: Channel::Pager, items } => Some(items),
        _ => None,
    });
    let noted: Vec<Item> = noted.flatten().copied().collect();
    let once: BTreeSet<&Item> = noted.iter().collect();
    assert_eq!(noted.len(), once.len(), "{polls}: every page is noted once");
    let sent: BTreeSet<String> = night.pretend.state().pages.iter().map(Page::id).collect();
    // An alarm and its clear that are both owed are one message.
    assert!(!sent.is_empty() && sent.len() <= noted.len(), "{polls}: {sent:?} {noted:?}");
}

fn applied_to(events: &[Stamped], weight: Weight) -> usize {
    let applied =
        |stamped: &&Stamped| matches!(&stamped.event, Event::Applied { to, .. } if *to == weight);
    events.iter().filter(applied).count()
}

fn percent(value: f64) -> Weight {
    Weight::from_percent(value).expect("a weight")
}

/// Runs `scene` for every place to die until the work ends by itself.
async fn everywhere<S: Future<Output = bool>>(least: usize, scene: impl Fn(usize) -> S) {
    for polls in 1..500 {
        if scene(polls).await {
            assert!(polls > least, "only {polls} places to die");
            return;
        }
    }
    panic!("it does not end within 500 polls");
}

fn tick_killed(night: &Night, polls: usize) -> bool {
    let world = slow(&night.pretend);
    killed(tick(&world, &night.config, night.schedule()), polls)
}

#[tokio::test]
async fn an_advance_killed_anywhere_happens_once() {
    // The minute in which the seed's uncut world goes from 1% to 5%.
    let uncut = Night::started(config()).await;
    let mut minutes = 0;
    while uncut.minutes(1).await.weight < Some(percent(5.0)) {
        minutes += 1;
    }
    everywhere(15, |polls| async move {
        let night = Night::started(config()).await;
        night.minutes(minutes).await;
        assert!((night.shows("public") - 1.0).abs() < f64::EPSILON);
        let ended = tick_killed(&night, polls);
        night.pretend.pass_minute();
        night.minutes(3).await;
        assert!((night.shows("public") - 5.0).abs() < f64::EPSILON, "{polls}");
        assert_eq!(night.writes(), 2, "{polls}: each step was written once");
        assert_eq!(applied_to(&night.events().await, percent(5.0)), 1, "{polls}");
        sound(&night, polls).await;
        ended
    })
    .await;
}

#[tokio::test]
async fn a_step_of_two_routes_killed_anywhere_is_finished() {
    everywhere(15, |polls| async move {
        let config = config_with("", "", &["public", "internal"]);
        let night = Night::started(config).await;
        let ended = tick_killed(&night, polls);
        night.pretend.pass_minute();
        night.minutes(3).await;
        for route in ["public", "internal"] {
            assert!((night.shows(route) - 1.0).abs() < f64::EPSILON, "{polls} {route}");
        }
        assert_eq!(night.writes(), 2, "{polls}: one write for each route");
        assert_eq!(applied_to(&night.events().await, percent(1.0)), 1, "{polls}");
        sound(&night, polls).await;
        ended
    })
    .await;
}

#[tokio::test]
async fn a_rollback_killed_anywhere_reaches_zero_and_pages_once() {
    everywhere(15, |polls| async move {
        let tables = "[rollout.alarms]\nrollback_on = [\"rs\"]";
        let night = Night::new(config_with("", tables, &["public", "internal"]));
        let ok = rollout_controller::domain::observation::AlarmState::Ok;
        night.pretend.alarm("rs", ok);
        night.hour_of_python();
        night.order(Order::Start).await;
        night.until_weight(40, 5.0).await;
        night.pretend.alarm("rs", rollout_controller::domain::observation::AlarmState::Alarm);
        let ended = tick_killed(&night, polls);
        night.pretend.pass_minute();
        night.minutes(3).await;
        for route in ["public", "internal"] {
            assert!(night.shows(route).abs() < f64::EPSILON, "{polls} {route}");
        }
        let run = night.run().await;
        assert_eq!(run.phase.words(), "rolled back", "{polls}");
        let pages = night.pretend.state().pages.clone();
        let about = pages.iter().filter(|p| p.topic.name() == "rolled-back");
        let ids: BTreeSet<String> = about.map(Page::id).collect();
        assert_eq!(ids.len(), 1, "{polls}: one page");
        sound(&night, polls).await;
        ended
    })
    .await;
}

#[tokio::test]
async fn a_rollback_command_killed_anywhere_is_safe_to_repeat() {
    let under_way = std::cell::Cell::new(0);
    everywhere(10, |polls| {
        let under_way = &under_way;
        async move {
            let night = Night::started(config()).await;
            night.until_weight(40, 5.0).await;
            let revision = night.journal().await.revision;
            let request = Night::request(Order::Rollback, revision);
            let world = slow(&night.pretend);
            let schedule = night.schedule();
            let ended = killed(command(&world, &night.config, &request, schedule), polls);
            if matches!(night.run().await.phase, Phase::RollingBack { tries: 0, .. }) {
                let status = query::status_of(&night.world, &night.config.rollouts[0]).await;
                assert!(status.headline.contains("Rolling back now"), "{}", status.headline);
                let abandoned = night.order(Order::Abandon).await;
                assert_eq!(word(&abandoned), "refused", "{polls}: its first try is yet to come");
                under_way.set(under_way.get() + 1);
            }
            // The caller got no answer, and sends the very same command again.
            let again = command(&night.world, &night.config, &request, schedule).await;
            again.expect("an answer");
            night.minutes(3).await;
            assert!(night.shows("public").abs() < f64::EPSILON, "{polls}");
            let events = night.events().await;
            let orders = events.iter().filter(|s| s.event.kind() == "rollback_ordered");
            assert_eq!(orders.count(), 1, "{polls}: one command");
            assert_eq!(night.run().await.phase.words(), "rolled back", "{polls}");
            sound(&night, polls).await;
            ended
        }
    })
    .await;
    assert!(under_way.get() > 3, "between the order and its write");
}

#[tokio::test]
async fn a_rollback_command_killed_before_its_write_is_gone_on_with_without_the_journal() {
    let began = std::cell::Cell::new(0);
    everywhere(10, |polls| {
        let began = &began;
        async move {
            let night = Night::started(config()).await;
            night.until_weight(40, 5.0).await;
            let request = Night::request(Order::Rollback, night.journal().await.revision);
            let world = slow(&night.pretend);
            let ended = killed(command(&world, &night.config, &request, night.schedule()), polls);
            let outside = night.pretend.state().outside.get("score").cloned();
            let copied = outside.and_then(|outside| outside.run).is_some_and(|run| run.has_left());
            let stands = night.shows("public") > 0.0;
            night.pretend.state().trouble.ledger_down = true;
            night.pretend.pass_minute();
            let outcomes = tick(&night.world, &night.config, night.schedule()).await;
            assert_eq!(outcomes.len(), 1);
            let left = night.shows("public");
            assert!(!copied || left.abs() < f64::EPSILON, "{polls}: {left}% is left");
            began.set(began.get() + u32::from(copied && stands));
            ended
        }
    })
    .await;
    assert!(began.get() > 0, "no copy was written before the share");
}
