//! Messages to the pager, the chat and the event bus, each by itself.

use local_cloud::{ApiFault, ApiFaultKind, Fault, LocalCloud, Topology};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::messages::Channels;
use rollout_controller::config::Paging;
use rollout_controller::domain::message::{Channel, Page, StateChange, Topic, Urgency};
use rollout_controller::domain::outbox::Debt;
use rollout_controller::domain::weight::Weight;
use rollout_controller::errors::chain;
use rollout_controller::ports::Messages as _;
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
        title: "scorer rolled back: 25% → 0%".into(),
        text: "P99: 41 of 1,240 requests over 500 ms (3.3%, limit 1%). Größe & <more>".into(),
        from: Some(percent(25.0)),
        to: Some(Weight::ZERO),
        at_ms: 1_795_493_860_987,
    }
}

fn change() -> StateChange {
    StateChange {
        rollout: "scorer".into(),
        run: 1,
        revision: 42,
        state: "rolled back".into(),
        from: percent(12.5),
        to: Weight::ZERO,
        reason: "P99 over 500 ms".into(),
        at_ms: 1_795_493_860_000,
    }
}

/// What each channel is for.
fn message(channel: Channel) -> Debt {
    match channel {
        Channel::Pager | Channel::Chat => Debt::Page(page()),
        Channel::Bus => Debt::Change(change()),
    }
}

fn channels(aws: &Aws, pager: Option<&str>, chat: Option<&str>, bus: Option<&str>) -> Channels {
    let [topic_arn, chat_topic_arn] = [pager, chat].map(|topic| topic.map(str::to_owned));
    let paging = Paging { topic_arn, chat_topic_arn, runbooks: None };
    Channels::new(aws.clone(), paging, bus.map(str::to_owned))
}

/// Everything that both must do.
async fn topics(aws: &Aws, topic: &str) {
    let page = message(Channel::Pager);
    channels(aws, Some(topic), None, None).send(Channel::Pager, &page).await.expect("sent");
    let unknown = format!("{topic}-of-nobody");
    let nobody = channels(aws, Some(&unknown), None, None);
    let error = nobody.send(Channel::Pager, &page).await.expect_err("no such topic");
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

/// All three channels of the local cloud.
fn all(cloud: &LocalCloud, aws: &Aws) -> Channels {
    let [oncall, chat] = ["oncall", "chat"].map(|topic| cloud.names().topic(topic));
    channels(aws, Some(&oncall), Some(&chat), Some("default"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_takes_pages_in_the_form_of_each_channel() {
    let (cloud, aws) = local_cloud().await;
    let (oncall, chat) = (cloud.names().topic("oncall"), cloud.names().topic("chat"));
    topics(&aws, &oncall).await;
    let channels = all(&cloud, &aws);
    for channel in [Channel::Pager, Channel::Chat] {
        channels.send(channel, &message(channel)).await.expect("sent");
    }
    let [first, paged, told] = &cloud.pages()[..] else { panic!("{:?}", cloud.pages()) };
    assert_eq!((&first.subject, &first.message), (&paged.subject, &paged.message));
    assert_eq!(paged.topic_arn, oncall);
    assert_eq!(paged.subject.as_deref(), Some("ALARM: scorer rolled back: 25% -> 0%"));
    let body: Value = serde_json::from_str(&paged.message).expect("JSON");
    assert_eq!(body["NewStateValue"], "ALARM");
    assert_eq!(body["NewStateReason"], page().text, "every character survives the wire");
    assert_eq!((&told.topic_arn, &told.subject), (&chat, &None));
    let body: Value = serde_json::from_str(&told.message).expect("JSON");
    assert_eq!(body["source"], "custom");
    assert_eq!(cloud.events().len(), 0, "pages are for people");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_put_on_the_bus() {
    let (cloud, aws) = local_cloud().await;
    let bus = channels(&aws, None, None, Some("default"));
    bus.send(Channel::Bus, &message(Channel::Bus)).await.expect("announced");
    let events = cloud.events();
    let event = &events.first().expect("an event").event;
    assert_eq!(event["source"], "rollout-controller");
    assert_eq!(event["detail-type"], "Rollout State Change");
    assert_eq!(event["detail"]["id"], "scorer-42");
    assert_eq!(event["detail"]["from"], 12.5);
    assert_eq!(cloud.pages().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_not_configured_is_not_called() {
    let (cloud, aws) = local_cloud().await;
    // Whatever is called fails.
    cloud.add_fault(Fault::Api(ApiFault::new("*", ApiFaultKind::Denied)));
    let none = channels(&aws, None, None, None);
    assert_eq!(Channel::ALL.map(|channel| none.has(channel)), [true, false, false]);
    none.send(Channel::Pager, &message(Channel::Pager)).await.expect("only logged");
    for channel in [Channel::Chat, Channel::Bus] {
        let error = none.send(channel, &message(channel)).await.expect_err("nowhere to go");
        assert_eq!(error.channel, channel.name());
        assert!(!chain(&error).contains("denied"), "{}", chain(&error));
    }
}

/// What broke, as people read it: the operation, AWS' code, and the permission.
#[tokio::test(flavor = "multi_thread")]
async fn each_channel_fails_by_itself_with_aws_words() {
    for broken in Channel::ALL {
        let (cloud, aws) = local_cloud().await;
        let channels = all(&cloud, &aws);
        let (operation, address, told) = match broken {
            Channel::Pager => {
                ("Publish", cloud.names().topic("oncall"), ["AuthorizationError", "SNS:Publish"])
            }
            Channel::Chat => {
                ("Publish", cloud.names().topic("chat"), ["AuthorizationError", "SNS:Publish"])
            }
            Channel::Bus => {
                ("PutEvents", "default".to_owned(), ["AccessDenied", "events:PutEvents"])
            }
        };
        let fault = ApiFault::new(operation, ApiFaultKind::Denied).on(&address);
        let fault = cloud.add_fault(Fault::Api(fault));
        for channel in Channel::ALL {
            let sent = channels.send(channel, &message(channel)).await;
            if channel != broken {
                sent.unwrap_or_else(|error| panic!("{broken:?}: {}", chain(&error)));
                continue;
            }
            let error = sent.expect_err("denied");
            assert_eq!(error.channel, address);
            let words = chain(&error);
            assert!(words.contains(operation), "{words}");
            assert!(told.iter().all(|word| words.contains(word)), "{words}");
        }
        let arrived = || cloud.pages().len() + cloud.events().len();
        assert_eq!(arrived(), 2, "{broken:?}");
        cloud.clear_faults(Some(fault));
        channels.send(broken, &message(broken)).await.expect("it works again");
        assert_eq!(arrived(), 3, "{broken:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_takes_the_call_and_refuses_the_event_is_an_error() {
    let (cloud, aws) = local_cloud().await;
    let channels = all(&cloud, &aws);
    cloud.add_fault(Fault::Api(ApiFault::new("PutEvents", ApiFaultKind::RefuseEntries).times(1)));
    let error = channels.send(Channel::Bus, &message(Channel::Bus)).await.expect_err("refused");
    let told = chain(&error);
    assert!(told.contains("scorer-42") && told.contains("PutEvents: "), "{told}");
    assert!(!told.contains("no reason"), "the entry's own code: {told}");
    assert_eq!(cloud.events().len(), 0);
    channels.send(Channel::Bus, &message(Channel::Bus)).await.expect("the next attempt");
    assert_eq!(cloud.events().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_twice_says_that_it_is_the_same() {
    let (cloud, aws) = local_cloud().await;
    let channels = all(&cloud, &aws);
    for _ in 0..2 {
        for channel in Channel::ALL {
            channels.send(channel, &message(channel)).await.expect("sent");
        }
    }
    let sent = cloud.pages();
    let [pager, chat, pager_again, chat_again] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(pager.message, pager_again.message);
    assert_eq!(chat.message, chat_again.message);
    let ids: Vec<Value> =
        cloud.events().iter().map(|event| event.event["detail"]["id"].clone()).collect();
    assert_eq!(ids, ["scorer-42", "scorer-42"]);
}
