//! State changes to programs, through an event bus.

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use crate::adapters::aws::{Aws, CallError};
use crate::domain::message::StateChange;
use crate::ports::MessageError;
use crate::report::eventbridge::{DETAIL_TYPE, SOURCE, detail};

const OPERATION: &str = "PutEvents";

/// Puts one change on a bus.
pub(super) async fn announce(
    aws: &Aws,
    bus: &str,
    change: &StateChange,
) -> Result<(), MessageError> {
    let failed = |error: CallError| MessageError {
        message: format!("{DETAIL_TYPE} {}", change.id()),
        channel: bus.to_owned(),
        source: error.into(),
    };
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(DETAIL_TYPE)
        .detail(detail(change))
        .time(DateTime::from_millis(change.at_ms))
        .build();
    let sent = aws.eventbridge().await.put_events().entries(entry).send().await;
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
