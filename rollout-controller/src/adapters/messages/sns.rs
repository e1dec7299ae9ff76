//! Pages to people, through an SNS topic.

use aws_sdk_sns::types::MessageAttributeValue;

use crate::adapters::aws::{Aws, CallError};
use crate::domain::message::{Page, Urgency};
use crate::ports::MessageError;

const OPERATION: &str = "Publish";

/// Publishes one page on one topic, with attributes for filter policies of
/// subscriptions.
pub(super) async fn publish(
    aws: &Aws,
    page: &Page,
    topic_arn: &str,
    subject: Option<String>,
    body: String,
) -> Result<(), MessageError> {
    let publish = aws.sns().await.publish().topic_arn(topic_arn);
    let urgency = match page.urgency {
        Urgency::Trigger => "trigger",
        Urgency::Clear => "clear",
        Urgency::Info => "info",
    };
    let attributes =
        [("rollout", page.rollout.as_str()), ("topic", page.topic.name()), ("urgency", urgency)];
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
    sent.map(drop).map_err(|error| failed(CallError::new(OPERATION, &error).into()))
}
