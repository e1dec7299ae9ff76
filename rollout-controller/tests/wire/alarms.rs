//! States of alarms, on ministack and on the local cloud alike.

use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use local_cloud::{ApiFault, ApiFaultKind, Fault, LocalCloud, Topology};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::cloudwatch::CloudWatch;
use rollout_controller::errors::chain;
use rollout_controller::ports::{AlarmSeen, AlarmState, Alarms as _};

use crate::peers;

async fn make_alarm(aws: &Aws, name: &str) {
    let put = aws.cloudwatch().await.put_metric_alarm().alarm_name(name);
    let put = put.namespace("Test").metric_name("Errors").statistic(Statistic::Sum);
    let put = put.period(60).evaluation_periods(1).threshold(1.0);
    let put = put.comparison_operator(ComparisonOperator::GreaterThanThreshold);
    put.send().await.expect("an alarm");
}

async fn set(aws: &Aws, name: &str, state: StateValue) {
    let set = aws.cloudwatch().await.set_alarm_state().alarm_name(name);
    set.state_value(state).state_reason("for the test").send().await.expect("set");
}

async fn read(aws: &Aws, names: &[&str]) -> Vec<AlarmSeen> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CloudWatch::new(aws.clone()).read(&names).await.expect("states")
}

/// Everything that both must do.
async fn alarms(aws: &Aws) {
    // More than one call can name, so that the answer comes in several.
    for number in 0..105 {
        make_alarm(aws, &format!("alarm-{number}")).await;
    }
    set(aws, "alarm-0", StateValue::Ok).await;
    set(aws, "alarm-104", StateValue::Alarm).await;
    let composite = aws.cloudwatch().await.put_composite_alarm().alarm_name("both");
    let composite = composite.alarm_rule("ALARM(\"alarm-0\") AND ALARM(\"alarm-104\")");
    composite.send().await.expect("a composite alarm");

    let seen = read(aws, &["alarm-104", "nobody", "both", "alarm-0"]).await;
    let names: Vec<&str> = seen.iter().map(|alarm| alarm.name.as_str()).collect();
    assert_eq!(names, ["alarm-104", "nobody", "both", "alarm-0"], "in the order asked");
    assert_eq!(seen[0].state, AlarmState::Alarm);
    assert_eq!(seen[0].reason, "for the test");
    assert_eq!(seen[1].state, AlarmState::Missing);
    assert_ne!(seen[2].state, AlarmState::Missing, "composite alarms count");
    assert_eq!(seen[3].state, AlarmState::Ok);

    let all: Vec<String> = (0..105).map(|number| format!("alarm-{number}")).collect();
    let all = CloudWatch::new(aws.clone()).read(&all).await.expect("states");
    assert_eq!(all.len(), 105);
    assert!(all.iter().all(|alarm| alarm.state != AlarmState::Missing), "{all:?}");
    assert_eq!(all[104].state, AlarmState::Alarm);
}

#[tokio::test]
async fn ministack_keeps_the_contract() {
    let Some(ministack) = peers::ministack().await else {
        return;
    };
    alarms(&peers::aws_at(&ministack.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_keeps_the_contract() {
    let cloud = LocalCloud::start(Topology::new().manual_clock()).await.expect("a local cloud");
    let aws = peers::aws_at(&cloud.aws_endpoint()).await;
    alarms(&aws).await;
    let seen = read(&aws, &["alarm-104"]).await;
    let now_ms = cloud.clock().now_ms();
    assert_eq!(seen[0].since_ms, Some(now_ms), "the clock stands still");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_names_are_no_call_and_a_failed_call_is_an_error() {
    let cloud = LocalCloud::start(Topology::new().manual_clock()).await.expect("a local cloud");
    cloud.add_fault(Fault::Api(ApiFault::new("DescribeAlarms", ApiFaultKind::Denied)));
    let aws = peers::aws_at(&cloud.aws_endpoint()).await;
    assert_eq!(read(&aws, &[]).await, []);
    let error = CloudWatch::new(aws).read(&["x".to_owned()]).await.expect_err("denied");
    assert!(chain(&error).contains("AccessDenied"), "{}", chain(&error));
}
