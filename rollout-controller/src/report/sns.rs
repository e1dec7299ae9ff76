//! A page as PagerDuty's "Amazon CloudWatch" integration reads it from SNS.
//!
//! The integration takes messages that look like an alarm: a subject that begins
//! with `ALARM: ` or `OK: ` and a JSON body whose `NewStateValue` is that word. It
//! drops everything else without a word. [`Urgency::Info`] uses that: the word is
//! `INFO`, so PagerDuty opens nothing, and an e-mail subscription of the same topic
//! still shows it. `AlarmName` is the page's key, the same in trigger and clear.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::message::{Page, Urgency};
use crate::domain::weight::Weight;

/// SNS takes fewer than 100 characters of ASCII as a subject.
const SUBJECT: usize = 99;
/// Characters of the title in the body.
const TITLE: usize = 1_000;
/// Characters of the text; SNS and EventBridge take 256 KB for the whole message.
pub(super) const TEXT: usize = 8_000;

/// Subject and body of an SNS message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// At most 99 printable ASCII characters.
    pub subject: String,
    /// JSON.
    pub body: String,
}

/// The page for PagerDuty. The topic's ARN tells account and region; `runbooks` is
/// the address below which the runbooks are.
pub fn message(page: &Page, topic_arn: &str, runbooks: Option<&str>) -> Message {
    let (state, before) = match page.urgency {
        Urgency::Trigger => ("ALARM", "OK"),
        Urgency::Clear => ("OK", "ALARM"),
        Urgency::Info => ("INFO", "INFO"),
    };
    let mut parts = topic_arn.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let body = json!({
        "AlarmName": page.key(),
        "AlarmDescription": clip(&page.title, TITLE),
        "AWSAccountId": account,
        "Region": region,
        "NewStateValue": state,
        "OldStateValue": before,
        "NewStateReason": clip(&page.text, TEXT),
        "StateChangeTime": alarm_time(page.at_ms),
        "Trigger": {
            "Namespace": "RolloutController",
            "MetricName": page.topic.name(),
            "Dimensions": [{ "name": "Rollout", "value": page.rollout }],
        },
        "rollout": {
            "id": page.id(),
            "name": page.rollout,
            "run": page.run,
            "revision": page.revision,
            "topic": page.topic.name(),
            "from": page.from.map(percent),
            "to": page.to.map(percent),
            "runbook": runbook(page, runbooks),
        },
    });
    Message { subject: subject(&format!("{state}: {}", page.title)), body: body.to_string() }
}

/// Address of the page's runbook.
pub(super) fn runbook(page: &Page, runbooks: Option<&str>) -> Option<String> {
    let below = runbooks?.trim_end_matches('/');
    Some(format!("{below}/{}.md", page.topic.name()))
}

/// A share as a number of percent: 25 or 12.5.
pub(super) fn percent(weight: Weight) -> Value {
    let tenths = weight.tenths();
    if tenths.is_multiple_of(10) { json!(tenths / 10) } else { json!(weight.percent()) }
}

/// The first `most` characters; a cut shows as `…`.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// One line of printable ASCII.
fn subject(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        match character {
            ' '..='~' => line.push(character),
            '→' => line.push_str("->"),
            '–' | '—' => line.push('-'),
            '…' => line.push_str("..."),
            '≥' => line.push_str(">="),
            '≤' => line.push_str("<="),
            '\u{a0}' | '\u{202f}' | '\n' | '\r' | '\t' => line.push(' '),
            other if other.is_control() => {}
            _ => line.push('?'),
        }
    }
    // ASCII by now, so bytes are characters.
    line.truncate(SUBJECT);
    line.trim_end().to_owned()
}

/// As in alarm notifications: `2026-11-24T04:17:40.987+0000`.
fn alarm_time(at_ms: i64) -> String {
    let time = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::Topic;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:oncall";

    pub(crate) fn page(urgency: Urgency) -> Page {
        Page {
            rollout: "scorer".into(),
            run: 2,
            revision: 118,
            topic: Topic::RolledBack,
            urgency,
            title: "scorer: 25% → 0%, P99 over 500 ms".into(),
            text: "41 of 1,240 requests over 500 ms (3.3%, limit 1%).".into(),
            from: Some(Weight::from_tenths(250).unwrap()),
            to: Some(Weight::ZERO),
            at_ms: 1_795_493_860_987,
        }
    }

    #[test]
    fn subject_and_state_say_the_same_word() {
        for (urgency, word) in
            [(Urgency::Trigger, "ALARM"), (Urgency::Clear, "OK"), (Urgency::Info, "INFO")]
        {
            let message = message(&page(urgency), TOPIC, None);
            let body: Value = serde_json::from_str(&message.body).unwrap();
            assert_eq!(body["NewStateValue"], word);
            assert!(message.subject.starts_with(&format!("{word}: ")), "{}", message.subject);
            assert_eq!(body["AlarmName"], "scorer-2-rolled-back", "joins trigger and clear");
        }
    }

    #[test]
    fn the_body_reads_like_an_alarm_and_carries_the_rollout() {
        let message = message(&page(Urgency::Trigger), TOPIC, Some("https://wiki/runbooks/"));
        let body: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(body["AWSAccountId"], "111122223333");
        assert_eq!(body["Region"], "eu-west-1");
        assert_eq!(body["StateChangeTime"], "2026-11-24T04:17:40.987+0000");
        assert_eq!(body["rollout"]["from"], 25);
        assert_eq!(body["rollout"]["to"], 0);
        assert_eq!(body["rollout"]["runbook"], "https://wiki/runbooks/rolled-back.md");
    }

    #[test]
    fn any_title_becomes_a_subject_that_sns_takes() {
        let mut page = page(Urgency::Trigger);
        for title in ["a\r\nb\u{7}c → d 100% ü", &"long ".repeat(60), "日本語"] {
            page.title = title.into();
            let subject = message(&page, TOPIC, None).subject;
            assert!(
                subject.len() < 100 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{subject}"
            );
        }
        page.title = "a\r\nb\u{7}c → d 100% ü".into();
        assert_eq!(message(&page, TOPIC, None).subject, "ALARM: a  bc -> d 100% ?");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
    }
}
