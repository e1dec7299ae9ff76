//! The controller on an AWS that others wrote: the unchanged binary as a `bootstrap`
//! zip in ministack's Lambda, woken by ministack's Scheduler, with CloudWatch, SNS and
//! SQS there and ELBv2 at moto. What moves are the weights at moto.
//!
//! What it cannot show: ministack answers `TC(…)` with the average, so no latency can
//! be proven there and no stage but the first is taken; its alarms reach topics and
//! no function, so the alarm is seen by the next scheduled tick. Both are shown
//! with the local cloud (`tests/system/night`).

mod balancer;
mod elsewhere;
mod peers;

use self::balancer::Balancer;
use self::elsewhere::Elsewhere;
use self::peers::there;
use jiff::Timestamp;
use local_cloud::foreign::{Ministack, Moto};

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_others_moves_weights_of_others() {
    let (moto, ministack) = tokio::join!(Moto::start(), Ministack::start());
    let (Some(moto), Some(ministack)) = (there("moto", moto), there("ministack", ministack)) else {
        return;
    };
    let balancer = Balancer::make(&moto.url()).await;
    let elsewhere = Elsewhere::make(&ministack.url(), &moto.url(), &balancer).await;
    elsewhere.rolloutctl(&["migrate", "--config", "rollout.toml"]).await;
    let start = ["start", "--reason", "scorer 2.4, change 1187", "--yes"];
    elsewhere.rolloutctl(&start).await;
    assert_eq!(balancer.weights().await, (100, 0), "a start moves nothing by itself");

    elsewhere.schedule("first").await;
    balancer.shows((99, 1)).await;

    // Rust fails: the alarm goes off at ministack, and the next tick takes it back.
    let now = vec![(Timestamp::now(), 50.0)];
    let metric = "HTTPCode_Target_5XX_Count";
    elsewhere.put(&balancer.rust, &balancer.rule, metric, now).await;
    elsewhere.alarm_stands().await;
    elsewhere.schedule("second").await;
    balancer.shows((100, 0)).await;

    let expected = [
        "INFO: score: run 1 started by root",
        "INFO: score: 0% -> 1% on Rust",
        "ALARM: score: rolled back, 1% -> 0% on Rust",
    ];
    assert_eq!(elsewhere.pages(3).await, expected);
    let history = elsewhere.rolloutctl(&["history"]).await;
    let history = String::from_utf8(history.stdout).expect("text");
    for line in [
        "started: ",
        "0% → 1%: first share for 4 requests a minute",
        "ROLLBACK 1% → 0%: Alarm `scorer-rs-errors` went to ALARM",
    ] {
        assert!(history.contains(line), "{line}\n{history}");
    }
}
