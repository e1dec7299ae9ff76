//! Several rollouts in one tick.

use crate::pretend::{self, Night, config_with};
use rollout_controller::config::Config;
use rollout_controller::controller::command::command;
use rollout_controller::controller::tick::tick;
use rollout_controller::domain::command::Order;
use rollout_controller::domain::weight::Weight;
use rollout_controller::report::tick::TickReport;
use rollout_controller::world::Pretend;

/// Two rollouts with a route each, over one pretend load balancer.
fn two() -> (Night, Config) {
    let both = config_with("", "", &["public", "internal"]);
    let night = Night::new(both.clone());
    let mut config = both;
    let mut second = config.rollouts[0].clone();
    second.name = "batch".to_owned();
    second.terms.routes.remove(0);
    config.rollouts[0].terms.routes.truncate(1);
    config.rollouts.push(second);
    night.hour_of_python();
    (night, config)
}

async fn start(night: &Night, config: &Config, rollout: &str) {
    let mut request = Night::request(Order::Start, 0);
    request.rollout = Some(rollout.to_owned());
    let answer = command(&night.world, config, &request, night.schedule()).await.unwrap();
    assert_eq!(pretend::word(&answer), "applied", "{}", answer.message);
}

async fn minutes(night: &Night, config: &Config, count: usize) -> Vec<TickReport> {
    let mut last = Vec::new();
    for _ in 0..count {
        let schedule = night.schedule();
        let outcomes = tick(&night.world, config, schedule).await;
        let at_ms = schedule.scheduled.as_millisecond();
        last = outcomes.iter().map(|outcome| TickReport::of(outcome, at_ms)).collect();
        night.pretend.pass_minute();
    }
    last
}

fn break_one(pretend: &Pretend, route: &str) {
    pretend.state().trouble.dead_routes = vec![route.to_owned()];
}

#[tokio::test]
async fn one_rollouts_failure_does_not_stop_another() {
    let (night, config) = two();
    start(&night, &config, "score").await;
    start(&night, &config, "batch").await;
    break_one(&night.pretend, "public");
    let reports = minutes(&night, &config, 40).await;
    assert_eq!(reports[0].weight, Some(Weight::ZERO), "its rule cannot be written");
    assert!(reports[1].weight > Weight::from_percent(5.0).ok(), "{}", reports[1].message);
}

#[tokio::test]
async fn a_rollout_that_was_not_started_is_idle_beside_one_that_was() {
    let (night, config) = two();
    start(&night, &config, "batch").await;
    let reports = minutes(&night, &config, 10).await;
    assert_eq!((reports[0].did, reports[0].revision), ("idle", Some(0)));
    assert!(reports[1].weight >= Weight::from_percent(1.0).ok());
    assert!(night.shows("public").abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_command_without_a_name_is_refused_where_there_are_several() {
    let (night, config) = two();
    let answer = command(&night.world, &config, &Night::request(Order::Start, 0), night.schedule())
        .await
        .unwrap();
    assert!(answer.message.contains("say which rollout: score, batch"), "{}", answer.message);
}
