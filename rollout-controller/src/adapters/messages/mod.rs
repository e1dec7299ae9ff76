//! Messages to people and programs: SNS topics for the pager and the chat, an
//! event bus for state changes.

mod eventbridge;
mod sns;

use async_trait::async_trait;

use super::aws::Aws;
use crate::config::Paging;
use crate::domain::message::{Channel, Page};
use crate::domain::outbox::Debt;
use crate::ports::{MessageError, Messages};
use crate::report;

/// Sends each message on one channel of those that are configured.
#[derive(Clone, Debug)]
pub struct Channels {
    aws: Aws,
    paging: Paging,
    bus: Option<String>,
}

impl Channels {
    /// `bus` is the name or the ARN of an event bus.
    pub fn new(aws: Aws, paging: Paging, bus: Option<String>) -> Self {
        Self { aws, paging, bus }
    }

    async fn page(&self, page: &Page) -> Result<(), MessageError> {
        let Some(topic_arn) = &self.paging.topic_arn else {
            tracing::info!(
                rollout.name = page.rollout,
                revision = page.revision,
                topic = page.topic.name(),
                "no paging topic is configured, so this page is only logged: {}",
                page.title
            );
            return Ok(());
        };
        let message = report::sns::message(page, topic_arn, self.paging.runbooks.as_deref());
        sns::publish(&self.aws, page, topic_arn, Some(message.subject), message.body).await
    }

    async fn chat(&self, page: &Page) -> Result<(), MessageError> {
        let Some(topic_arn) = &self.paging.chat_topic_arn else {
            return Err(no_channel(Channel::Chat, page.title.clone()));
        };
        let body = report::chat::message(page, self.paging.runbooks.as_deref());
        sns::publish(&self.aws, page, topic_arn, None, body).await
    }
}

#[async_trait]
impl Messages for Channels {
    /// There is always a pager: without a topic, pages go to the log, where a
    /// laptop shows them.
    fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Pager => true,
            Channel::Chat => self.paging.chat_topic_arn.is_some(),
            Channel::Bus => self.bus.is_some(),
        }
    }

    async fn send(&self, channel: Channel, message: &Debt) -> Result<(), MessageError> {
        match (channel, message) {
            (Channel::Pager, Debt::Page(page)) => self.page(page).await,
            (Channel::Chat, Debt::Page(page)) => self.chat(page).await,
            (Channel::Bus, Debt::Change(change)) => match &self.bus {
                Some(bus) => eventbridge::announce(&self.aws, bus, change).await,
                None => Err(no_channel(channel, change.id())),
            },
            // Pages are for people and state changes for programs; the outbox
            // addresses nothing otherwise.
            (Channel::Bus, Debt::Page(page)) => Err(no_channel(channel, page.title.clone())),
            (Channel::Pager | Channel::Chat, Debt::Change(change)) => {
                Err(no_channel(channel, change.id()))
            }
        }
    }
}

/// A message for which [`Messages::has`] says no, or which has no form there.
fn no_channel(channel: Channel, message: String) -> MessageError {
    let source = "no such channel is configured for this message".into();
    MessageError { message, channel: channel.name().to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::{StateChange, Topic, Urgency};
    use crate::domain::weight::Weight;

    fn channels(chat: Option<&str>, bus: Option<&str>) -> Channels {
        let chat_topic_arn = chat.map(str::to_owned);
        let paging = Paging { topic_arn: None, chat_topic_arn, runbooks: None };
        Channels::new(Aws::in_region("eu-west-1"), paging, bus.map(str::to_owned))
    }

    fn page() -> Debt {
        Debt::Page(Page {
            rollout: "scorer".to_owned(),
            run: 1,
            revision: 7,
            topic: Topic::Blind,
            urgency: Urgency::Trigger,
            title: "scorer: blind".to_owned(),
            text: "No metrics.".to_owned(),
            from: None,
            to: None,
            at_ms: 0,
        })
    }

    #[test]
    fn there_is_always_a_pager_and_the_rest_as_configured() {
        let has = |channels: Channels| Channel::ALL.map(|channel| channels.has(channel));
        assert_eq!(has(channels(None, None)), [true, false, false]);
        assert_eq!(has(channels(Some("arn"), None)), [true, true, false]);
        assert_eq!(has(channels(None, Some("default"))), [true, false, true]);
    }

    #[tokio::test]
    async fn without_a_paging_topic_a_page_is_logged_and_nothing_else_is_called_sent() {
        let channels = channels(None, None);
        channels.send(Channel::Pager, &page()).await.expect("logged");
        let change = Debt::Change(StateChange {
            rollout: "scorer".to_owned(),
            run: 1,
            revision: 7,
            state: "advancing".to_owned(),
            from: Weight::ZERO,
            to: Weight::ZERO,
            reason: String::new(),
            at_ms: 0,
        });
        for (channel, message) in [
            (Channel::Chat, page()),
            (Channel::Bus, change.clone()),
            (Channel::Pager, change),
            (Channel::Bus, page()),
        ] {
            let refused = channels.send(channel, &message).await.expect_err("no such channel");
            assert!(refused.to_string().contains(channel.name()), "{refused}");
        }
    }
}
