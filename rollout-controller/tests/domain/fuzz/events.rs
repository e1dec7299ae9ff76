//! Events as the functions get them: schedules, alarms, commands, questions, presses.

use super::{assert_readable, corpus};
use fuzz_kit::fuzz;
use rollout_controller::domain::command;
use rollout_controller::lambda::event::Incoming;
use rollout_controller::lambda::handler::Door;
use serde_json::Value;

pub(super) const WORDS: [&str; 14] = [
    "\"command\":\"start\",",
    "\"command\":\"rollback\",",
    "\"command\":\"promote\",\"to\":\"100%\",\"force\":true,",
    "\"command\":\"resume\",\"adopt\":true,",
    "\"command\":\"write_test\",",
    "\"view\":\"history\",\"limit\":4294967295,",
    "\"view\":\"check\",",
    "\"if_revision\":-9223372036854775808,",
    "\"time\":\"-009999-01-01T00:00:00Z\",",
    "\"time\":\"9999-12-31T23:59:59.999999999Z\",",
    "\"describe\":1,",
    "\"widgetContext\":{\"width\":1e308},",
    "\"as_of_ms\":9223372036854775807,",
    "+0000",
];

#[test]
fn any_event_is_taken_or_refused_with_what_is_accepted() {
    fuzz!(corpus("events").words(&WORDS), |bytes| {
        let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
        for door in [Door::Tick, Door::Command, Door::View] {
            match Incoming::read(door, &event) {
                Ok(Incoming::Command(request)) => {
                    if let Err(error) = command::check(&request) {
                        assert_readable(&error, bytes);
                    }
                }
                Ok(_) => {}
                Err(refusal) => {
                    assert_eq!(refusal.error_type, "UnknownEvent");
                    assert!(refusal.message.contains("takes {"), "{}", refusal.message);
                    assert_readable(&refusal.message, bytes);
                }
            }
        }
    });
}
