//! The run and the order outside the journal: two SSM parameters of each rollout,
//! at moto and in the local cloud alike.

use std::time::Duration;

use local_cloud::{ApiFault, ApiFaultKind, Fault, LocalCloud, Topology};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::ssm::Parameters;
use rollout_controller::domain::copy::{Copy, CopyState, OutsideOrder, VERSION};
use rollout_controller::domain::plan::Mode;
use rollout_controller::errors::chain;
use rollout_controller::ports::{Outposts as _, Outside};
use serde_json::Value;

use crate::peers;

const RUN: &str = "/rollout/scorer/run";
const ORDER: &str = "/rollout/scorer/order";
/// What a standard parameter holds, in bytes.
const MOST: usize = 4096;

fn copy(run: u32, state: CopyState) -> Copy {
    Copy {
        v: VERSION,
        run,
        state,
        mode: Mode::Active,
        revision: 41,
        at_ms: 1_760_000_000_000,
        reason: None,
        alarms_before: vec!["score-rust".to_owned()],
    }
}

fn order(reason: &str) -> OutsideOrder {
    OutsideOrder {
        command: "01JD5Y".to_owned(),
        verb: "rollback".to_owned(),
        identity: "arn:aws:sts::111122223333:assumed-role/oncall/ada".to_owned(),
        reason: reason.to_owned(),
        at_ms: 1_760_000_060_000,
        found: vec!["public 25%".to_owned(), "models 10%".to_owned()],
    }
}

async fn read(parameters: &Parameters, rollouts: &[&str]) -> Vec<Outside> {
    let read = parameters.read(rollouts).await.into_iter();
    read.map(|one| one.unwrap_or_else(|error| panic!("{}", chain(&error)))).collect()
}

/// Everything that both must do.
async fn two_texts(aws: &Aws) {
    let parameters = Parameters::new(aws.clone());
    assert_eq!(read(&parameters, &["scorer"]).await, [Outside::default()], "no parameter yet");
    assert_eq!(read(&parameters, &[]).await, []);

    let open = copy(3, CopyState::Open);
    parameters.write_run("scorer", &open).await.expect("written");
    let seen = read(&parameters, &["scorer"]).await;
    assert_eq!(seen, [Outside { run: Some(open), order: None }]);

    // One over the other, and neither touches the other's text.
    let mut rolling = copy(3, CopyState::RollingBack);
    rolling.reason = Some("P95 over its limit: 3.1% over 200 ms. Größe & <more>".to_owned());
    let order = order("errors on every page");
    parameters.write_order("scorer", &order).await.expect("written");
    parameters.write_run("scorer", &rolling).await.expect("written over");
    let both = Outside { run: Some(rolling.clone()), order: Some(order.clone()) };
    assert_eq!(read(&parameters, &["scorer"]).await, std::slice::from_ref(&both));

    // Twelve rollouts are several calls; the answer is in the order asked.
    let names: Vec<String> = (0..12).map(|number| format!("rollout-{number}")).collect();
    for (number, name) in names.iter().enumerate().filter(|(number, _)| number % 5 != 0) {
        let run = u32::try_from(number).expect("small");
        parameters.write_run(name, &copy(run, CopyState::Open)).await.expect("written");
    }
    let mut asked: Vec<&str> = names.iter().map(String::as_str).collect();
    asked.push("scorer");
    let seen = read(&parameters, &asked).await;
    let runs: Vec<Option<u32>> =
        seen.iter().map(|outside| outside.run.as_ref().map(|run| run.run)).collect();
    let mut expected: Vec<Option<u32>> =
        (0..12).map(|number| (number % 5 != 0).then_some(number)).collect();
    expected.push(Some(3));
    assert_eq!(runs, expected);
    assert_eq!(seen[12], both);

    // To SSM two braces are a reference to another parameter, which it would look up.
    rolling.reason = Some("why {{ssm:/rollout/scorer/order}} and {{{ and }}".to_owned());
    parameters.write_run("scorer", &rolling).await.expect("written");
    let seen = read(&parameters, &["scorer"]).await;
    assert_eq!(seen[0].run.as_ref(), Some(&rolling));

    // Longer than a parameter: the reason is cut, and everything else is whole.
    let long = "ß".repeat(3 * MOST);
    let mut wordy = rolling.clone();
    wordy.reason = Some(long.clone());
    parameters.write_run("scorer", &wordy).await.expect("written");
    let mut wordy_order = order.clone();
    wordy_order.reason = long;
    parameters.write_order("scorer", &wordy_order).await.expect("written");
    let seen = read(&parameters, &["scorer"]).await;
    let (run, kept) = (seen[0].run.as_ref().expect("a run"), seen[0].order.as_ref());
    let kept = kept.expect("an order");
    for reason in [run.reason.as_ref().expect("a reason"), &kept.reason] {
        assert!(reason.starts_with("ßßß") && reason.ends_with('…'), "{reason}");
    }
    assert_eq!(Copy { reason: rolling.reason.clone(), ..run.clone() }, rolling);
    assert_eq!((&kept.command, &kept.identity), (&order.command, &order.identity));
}

#[tokio::test]
async fn moto_keeps_the_contract() {
    let Some(moto) = peers::moto().await else {
        return;
    };
    let aws = peers::aws_at(&moto.url()).await;
    // Its first call of a service takes seconds.
    let first = aws.ssm().await.get_parameters().names("/nobody").send().await;
    assert_eq!(first.expect("an answer").invalid_parameters(), ["/nobody"]);
    two_texts(&aws).await;
}

async fn local_cloud() -> (LocalCloud, Parameters) {
    let cloud = LocalCloud::start(Topology::new().manual_clock()).await.expect("a local cloud");
    let parameters = Parameters::new(peers::aws_at(&cloud.aws_endpoint()).await);
    (cloud, parameters)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_keeps_the_contract() {
    let (cloud, _) = local_cloud().await;
    two_texts(&peers::aws_at(&cloud.aws_endpoint()).await).await;
    for parameter in cloud.parameters() {
        assert!(parameter.value.len() <= MOST, "{parameter:?}");
    }
    // One line of the AWS CLI shows a person where the run stands.
    let text = cloud.parameter(RUN).expect("a parameter").value;
    let text: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&text["state"], &text["run"], &text["mode"]),
        (&Value::from("rolling-back"), &Value::from(3), &Value::from("active"),)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_makes_no_sense_is_an_error_of_its_rollout_alone() {
    let (cloud, parameters) = local_cloud().await;
    parameters.write_run("other", &copy(7, CopyState::Open)).await.expect("written");
    parameters.write_run("scorer", &copy(3, CopyState::Open)).await.expect("written");
    let good = cloud.parameter(RUN).expect("a parameter").value;
    let half = &good[..good.len() / 2];
    for (name, text) in [(RUN, "no JSON"), (RUN, half), (RUN, "{\"v\":1}"), (ORDER, "[]")] {
        cloud.set_parameter(RUN, &good).expect("set");
        cloud.set_parameter(name, text).expect("set");
        let seen = parameters.read(&["scorer", "other", "new"]).await;
        let error = seen[0].as_ref().expect_err("unreadable is not absent");
        assert_eq!(error.to_string(), format!("reading parameter {name}"));
        assert_eq!(seen[1].as_ref().expect("read").run, Some(copy(7, CopyState::Open)));
        assert_eq!(seen[2].as_ref().expect("read"), &Outside::default());
        cloud.remove_parameter(ORDER);
    }
    // Whatever a later release adds is passed over.
    let newer = good.replacen('{', "{\"later\":{\"a\":[1]},", 1);
    cloud.set_parameter(RUN, &newer).expect("set");
    assert_eq!(read(&parameters, &["scorer"]).await[0].run, Some(copy(3, CopyState::Open)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ssm_refuses_is_told_with_the_parameter_and_never_read_as_absent() {
    let (cloud, parameters) = local_cloud().await;
    let open = copy(3, CopyState::Open);
    cloud.add_fault(Fault::Api(ApiFault::new("PutParameter", ApiFaultKind::Denied)));
    for (name, failed) in [
        (RUN, parameters.write_run("scorer", &open).await),
        (ORDER, parameters.write_order("scorer", &order("now")).await),
    ] {
        let told = chain(&failed.expect_err("denied"));
        assert!(told.starts_with(&format!("writing parameter {name}: PutParameter: ")), "{told}");
        assert!(told.contains("AccessDenied") && told.contains("ssm:PutParameter"), "{told}");
    }
    assert_eq!(cloud.parameters(), []);

    // Five rollouts are one call. Those of the other call are read.
    cloud.clear_faults(None);
    let names: Vec<String> = (0..7).map(|number| format!("rollout-{number}")).collect();
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    parameters.write_run("rollout-6", &open).await.expect("written");
    let fault = ApiFault::new("GetParameters", ApiFaultKind::Denied).on("/rollout/rollout-1/run");
    cloud.add_fault(Fault::Api(fault));
    let seen = parameters.read(&asked).await;
    for (name, one) in names.iter().zip(&seen).take(5) {
        let told = chain(one.as_ref().expect_err("denied"));
        assert!(told.contains(name.as_str()) && told.contains("AccessDenied"), "{told}");
    }
    assert_eq!(seen[5].as_ref().expect("read"), &Outside::default());
    assert_eq!(seen[6].as_ref().expect("read").run.as_ref(), Some(&open));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_cannot_fit_is_refused_before_the_call() {
    let (cloud, parameters) = local_cloud().await;
    let mut endless = copy(3, CopyState::Open);
    endless.alarms_before = vec!["a".repeat(255); 20];
    let told = chain(&parameters.write_run("scorer", &endless).await.expect_err("too long"));
    assert!(told.contains(RUN) && told.contains(&format!("{MOST} bytes")), "{told}");
    let mut endless = order("now");
    endless.identity = "a".repeat(MOST);
    let told = chain(&parameters.write_order("scorer", &endless).await.expect_err("too long"));
    assert!(told.contains(ORDER) && told.contains(&format!("{MOST} bytes")), "{told}");
    assert_eq!(cloud.parameters(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_answer_does_not_hold_up_a_tick() {
    let (cloud, parameters) = local_cloud().await;
    parameters.write_run("scorer", &copy(3, CopyState::Open)).await.expect("written");
    for operation in ["GetParameters", "PutParameter"] {
        cloud.add_fault(Fault::Api(ApiFault::new(operation, ApiFaultKind::Hang)));
    }
    // Nothing but the adapter's own limit ends a call here.
    let patience = Duration::from_mins(2);
    let seen = tokio::time::timeout(patience, parameters.read(&["scorer"])).await;
    let told = chain(seen.expect("an end")[0].as_ref().expect_err("no answer"));
    assert!(told.contains("no answer within 2 s"), "{told}");
    let order = order("now");
    let written = tokio::time::timeout(patience, parameters.write_order("scorer", &order)).await;
    let told = chain(&written.expect("an end").expect_err("no answer"));
    assert!(told.contains(ORDER) && told.contains("no answer within 2 s"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_once_is_repeated() {
    for kind in [ApiFaultKind::Throttle, ApiFaultKind::Drop, ApiFaultKind::DropAfterCommit] {
        let (cloud, parameters) = local_cloud().await;
        for operation in ["GetParameters", "PutParameter"] {
            cloud.add_fault(Fault::Api(ApiFault::new(operation, kind).times(1)));
        }
        let open = copy(3, CopyState::Open);
        parameters.write_run("scorer", &open).await.expect("written");
        assert_eq!(read(&parameters, &["scorer"]).await[0].run.as_ref(), Some(&open), "{kind:?}");
    }
}
