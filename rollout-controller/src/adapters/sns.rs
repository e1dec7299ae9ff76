//! Pages to people, through SNS topics.

use async_trait::async_trait;
use aws_sdk_sns::types::MessageAttributeValue;

use super::aws::{Aws, CallError};
use crate::domain::message::{Page, Urgency};
use crate::ports::{MessageError, Pager};
use crate::report;

/// Publishes each page on the topics there are. None: pages are only logged.
#[derive(Clone, Debug)]
pub struct SnsPager {
    aws: Aws,
    topic_arn: Option<String>,
    chat_topic_arn: Option<String>,
    runbooks: Option<String>,
}

impl SnsPager {
    /// `topic_arn` gets messages for PagerDuty, `chat_topic_arn` for a chat;
    /// `runbooks` is the address below which the runbooks are.
    pub fn new(
        aws: Aws,
        topic_arn: Option<String>,
        chat_topic_arn: Option<String>,
        runbooks: Option<String>,
    ) -> Self {
        Self { aws, topic_arn, chat_topic_arn, runbooks }
    }

    async fn publish(
        &self,
        page: &Page,
        topic_arn: &str,
        subject: Option<String>,
        body: String,
    ) -> Result<(), MessageError> {
        let publish = self.aws.sns().await.publish().topic_arn(topic_arn);
        // For filter policies of subscriptions.
        let urgency = match page.urgency {
            Urgency::Trigger => "trigger",
            Urgency::Clear => "clear",
            Urgency::Info => "info",
        };
        let attributes = [
            ("rollout", page.rollout.as_str()),
            ("topic", page.topic.name()),
            ("urgency", urgency),
        ];
        let failed = |source| MessageError {
            message: page.title.clone(),
            channel: topic_arn.to_owned(),
            source,
        };
        let mut publish = publish.set_subject(subject).message(body);
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            let value = value.build().map_err(|error| failed(error.into()))?;
            publish = publish.message_attributes(name, value);
        }
        let sent = publish.send().await;
        sent.map(drop).map_err(|error| failed(CallError::new("Publish", &error).into()))
    }
}

#[async_trait]
impl Pager for SnsPager {
    /// Both topics are tried; an error names the first that failed. A retry then
    /// repeats the page on the other one too, under the same key.
    async fn send(&self, page: &Page) -> Result<(), MessageError> {
        let runbooks = self.runbooks.as_deref();
        let paged = match &self.topic_arn {
            Some(topic_arn) => {
                let message = report::sns::message(page, topic_arn, runbooks);
                self.publish(page, topic_arn, Some(message.subject), message.body).await
            }
            None => Ok(()),
        };
        let told = match &self.chat_topic_arn {
            Some(topic_arn) => {
                let body = report::chat::message(page, runbooks);
                self.publish(page, topic_arn, None, body).await
            }
            None => Ok(()),
        };
        if self.topic_arn.is_none() && self.chat_topic_arn.is_none() {
            tracing::info!(
                rollout.name = page.rollout,
                revision = page.revision,
                topic = page.topic.name(),
                "no paging topic is configured, so this page is only logged: {}",
                page.title
            );
        }
        paged.and(told)
    }
}
