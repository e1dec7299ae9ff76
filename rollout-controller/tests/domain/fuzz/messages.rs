//! What people and AWS put into names, reasons and alarms, on its way out: messages stay
//! what SNS, PagerDuty, the chat and EventBridge take.

use fuzz_kit::{Corpus, fuzz};
use rollout_controller::domain::message::{Page, StateChange, Topic, Urgency};
use rollout_controller::domain::weight::Weight;
use rollout_controller::report::{chat, eventbridge, sns};
use serde_json::Value;

/// Bytes of an SNS message, and of an entry for EventBridge.
const MOST: usize = 256 * 1024;

fn page(title: &str, text: &str) -> Page {
    Page {
        rollout: "score".to_owned(),
        run: 1,
        revision: 42,
        topic: Topic::RolledBack,
        urgency: Urgency::Trigger,
        title: title.to_owned(),
        text: text.to_owned(),
        from: Some(Weight::FULL),
        to: Some(Weight::ZERO),
        at_ms: 1_795_493_860_987,
    }
}

#[test]
fn any_text_makes_messages_that_are_taken() {
    let samples = Corpus::new("messages").all([
        "score: rolled back, 40% -> 0% on Rust\nAlarm `scorer-rs-errors` went to ALARM",
        "paused by ada: \"<b>noise</b> & {{x}} \u{1f600} ß\"",
        "\u{7f}\u{0}\u{1b}[31mred\r\n\t",
    ]);
    fuzz!(samples, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let page = page(title, rest);
        for runbooks in [None, Some("https://wiki.example.com/runbooks")] {
            let message =
                sns::message(&page, "arn:aws:sns:eu-west-1:111122223333:oncall", runbooks);
            let subject = &message.subject;
            // SNS: fewer than 100 characters, no line breaks or control characters, not empty.
            assert!(!subject.is_empty() && subject.chars().count() < 100, "{subject:?}");
            assert!(subject.is_ascii() && !subject.chars().any(char::is_control), "{subject:?}");
            for body in [&message.body, &chat::message(&page, runbooks)] {
                assert!(body.len() <= MOST, "{} bytes for {} of text", body.len(), bytes.len());
                serde_json::from_str::<Value>(body).expect("JSON");
            }
        }
        let change = StateChange {
            rollout: "score".to_owned(),
            run: 1,
            revision: 42,
            state: "rolled back".to_owned(),
            from: Weight::FULL,
            to: Weight::ZERO,
            reason: rest.to_owned(),
            at_ms: 1_795_493_860_000,
        };
        let detail = eventbridge::detail(&change);
        assert!(detail.len() <= MOST, "{} bytes for {} of text", detail.len(), bytes.len());
        serde_json::from_str::<Value>(&detail).expect("JSON");
    });
}
