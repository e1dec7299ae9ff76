//! State changes to programs, through an event bus.

use async_trait::async_trait;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use super::aws::{Aws, CallError};
use crate::domain::message::StateChange;
use crate::ports::{Announcer, MessageError};
use crate::report::eventbridge::{DETAIL_TYPE, SOURCE, detail};

const OPERATION: &str = "PutEvents";

/// Puts each change on a bus, if one is configured.
#[derive(Clone, Debug)]
pub struct EventBridge {
    aws: Aws,
    bus: Option<String>,
}

impl EventBridge {
    /// `bus` is a name or an ARN; `None` announces nothing.
    pub fn new(aws: Aws, bus: Option<String>) -> Self {
        Self { aws, bus }
    }
}

#[async_trait]
impl Announcer for EventBridge {
    async fn announce(&self, change: &StateChange) -> Result<(), MessageError> {
        let Some(bus) = &self.bus else { return Ok(()) };
        let failed = |error: CallError| MessageError {
            message: format!("{DETAIL_TYPE} {}", change.id()),
            channel: bus.clone(),
            source: error.into(),
        };
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(SOURCE)
            .detail_type(DETAIL_TYPE)
            .detail(detail(change))
            .time(DateTime::from_millis(change.at_ms))
            .build();
        let sent = self.aws.eventbridge().await.put_events().entries(entry).send().await;
        let answer = sent.map_err(|error| failed(CallError::new(OPERATION, &error)))?;
        // The call succeeds even if the bus took nothing.
        let refused = answer.entries().iter().find(|entry| entry.error_code().is_some());
        match (answer.failed_entry_count(), refused) {
            (0, None) => Ok(()),
            (_, refused) => {
                let code = refused.and_then(|entry| entry.error_code()).unwrap_or("no reason");
                let message = refused.and_then(|entry| entry.error_message()).unwrap_or_default();
                Err(failed(CallError::finding(OPERATION, format!("{code}: {message}"))))
            }
        }
    }
}
