//! A change of state as an event for programs.

use jiff::Timestamp;
use serde_json::json;

use super::sns::{TEXT, clip, percent};
use crate::domain::message::StateChange;

/// The event's `source`.
pub const SOURCE: &str = "rollout-controller";
/// The event's `detail-type`.
pub const DETAIL_TYPE: &str = "Rollout State Change";

/// The event's `detail` as JSON text. `id` is the same for every attempt to send
/// this very change; shares are numbers of percent.
pub fn detail(change: &StateChange) -> String {
    let at = Timestamp::from_millisecond(change.at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    json!({
        "id": change.id(),
        "rollout": change.rollout,
        "run": change.run,
        "revision": change.revision,
        "state": change.state,
        "from": percent(change.from),
        "to": percent(change.to),
        "reason": clip(&change.reason, TEXT),
        "at": at.to_string(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::weight::Weight;
    use serde_json::Value;

    #[test]
    fn carries_the_same_id_whenever_it_is_sent() {
        let change = StateChange {
            rollout: "scorer".into(),
            run: 2,
            revision: 118,
            state: "rolled back".into(),
            from: Weight::from_tenths(125).unwrap(),
            to: Weight::ZERO,
            reason: "P99 over 500 ms".into(),
            at_ms: 1_795_493_860_000,
        };
        let detail: Value = serde_json::from_str(&detail(&change)).unwrap();
        assert_eq!(detail["id"], "scorer-118");
        assert_eq!(detail["from"], 12.5);
        assert_eq!(detail["to"], 0);
        assert_eq!(detail["at"], "2026-11-24T04:17:40Z");
    }
}
