//! Pages and announcements.

use local_cloud::{ApiFault, ApiFaultKind, Fault, LocalCloud, Topology};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::eventbridge::EventBridge;
use rollout_controller::adapters::sns::SnsPager;
use rollout_controller::domain::message::{Page, StateChange, Topic, Urgency};
use rollout_controller::domain::weight::Weight;
use rollout_controller::errors::chain;
use rollout_controller::ports::{Announcer as _, Pager as _};
use serde_json::Value;

use crate::peers;
use crate::scenes::percent;

fn page() -> Page {
    Page {
        rollout: "scorer".into(),
        run: 1,
        revision: 42,
        topic: Topic::RolledBack,
        urgency: Urgency::Trigger,
        title: "scorer rolled back: 25 % → 0 %".into(),
        text: "P99: 41 of 1,240 requests over 500 ms (3.3 %, limit 1 %). Größe & <more>".into(),
        from: Some(percent(25.0)),
        to: Some(Weight::ZERO),
        at_ms: 1_795_493_860_987,
    }
}

fn pager(aws: &Aws, topic: Option<&str>, chat: Option<&str>) -> SnsPager {
    SnsPager::new(aws.clone(), topic.map(str::to_owned), chat.map(str::to_owned), None)
}

/// Everything that both must do.
async fn topics(aws: &Aws, topic: &str) {
    pager(aws, Some(topic), None).send(&page()).await.expect("sent");
    let unknown = format!("{topic}-of-nobody");
    let error = pager(aws, Some(&unknown), None).send(&page()).await.expect_err("no such topic");
    assert_eq!(error.channel, unknown);
    let told = chain(&error);
    assert!(told.contains("NotFound"), "{told}");
    assert!(told.contains("scorer rolled back"), "{told}");
}

#[tokio::test]
async fn ministack_takes_pages() {
    let Some(ministack) = peers::ministack().await else {
        return;
    };
    let aws = peers::aws_at(&ministack.url()).await;
    let made = aws.sns().await.create_topic().name("oncall").send().await.expect("a topic");
    topics(&aws, made.topic_arn().expect("an ARN")).await;
}

async fn local_cloud() -> (LocalCloud, Aws) {
    let topology = Topology::new().manual_clock().topic("oncall").topic("chat");
    let cloud = LocalCloud::start(topology).await.expect("a local cloud");
    let aws = peers::aws_at(&cloud.aws_endpoint()).await;
    (cloud, aws)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_takes_pages_for_both_channels() {
    let (cloud, aws) = local_cloud().await;
    let (oncall, chat) = (cloud.names().topic("oncall"), cloud.names().topic("chat"));
    topics(&aws, &oncall).await;
    pager(&aws, Some(&oncall), Some(&chat)).send(&page()).await.expect("sent");
    let [first, paged, told] = &cloud.pages()[..] else { panic!("{:?}", cloud.pages()) };
    assert_eq!((&first.subject, &first.message), (&paged.subject, &paged.message));
    assert_eq!(paged.subject.as_deref(), Some("ALARM: scorer rolled back: 25 % -> 0 %"));
    let body: Value = serde_json::from_str(&paged.message).expect("JSON");
    assert_eq!(body["NewStateValue"], "ALARM");
    assert_eq!(body["NewStateReason"], page().text, "every character survives the wire");
    assert_eq!((told.topic_arn.as_str(), &told.subject), (chat.as_str(), &None));
    let body: Value = serde_json::from_str(&told.message).expect("JSON");
    assert_eq!(body["source"], "custom");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_fails_does_not_silence_the_other() {
    let (cloud, aws) = local_cloud().await;
    let chat = cloud.names().topic("chat");
    let nobody = format!("{chat}-of-nobody");
    let error =
        pager(&aws, Some(&nobody), Some(&chat)).send(&page()).await.expect_err("one failed");
    assert_eq!(error.channel, nobody);
    assert_eq!(cloud.pages().len(), 1);
    pager(&aws, None, None).send(&page()).await.expect("only logged");
    assert_eq!(cloud.pages().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_put_on_the_bus_if_there_is_one() {
    let (cloud, aws) = local_cloud().await;
    let change = StateChange {
        rollout: "scorer".into(),
        run: 1,
        revision: 42,
        state: "rolled back".into(),
        from: percent(12.5),
        to: Weight::ZERO,
        reason: "P99 over 500 ms".into(),
        at_ms: 1_795_493_860_000,
    };
    EventBridge::new(aws.clone(), None).announce(&change).await.expect("nothing to do");
    assert_eq!(cloud.events().len(), 0);
    let bus = EventBridge::new(aws.clone(), Some("default".into()));
    bus.announce(&change).await.expect("announced");
    let events = cloud.events();
    let event = &events.first().expect("an event").event;
    assert_eq!(event["source"], "rollout-controller");
    assert_eq!(event["detail-type"], "Rollout State Change");
    assert_eq!(event["detail"]["id"], "scorer-42");
    assert_eq!(event["detail"]["from"], 12.5);

    cloud.add_fault(Fault::Api(ApiFault::new("PutEvents", ApiFaultKind::Denied)));
    let error = bus.announce(&change).await.expect_err("denied");
    assert!(chain(&error).contains("AccessDenied"), "{}", chain(&error));
}
