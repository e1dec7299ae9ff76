//! A page in the notification schema of Amazon Q Developer in chat applications.

use serde_json::{Value, json};

use super::sns::{clip, runbook};
use crate::domain::message::{Page, Urgency};

/// The schema's own limits are not published; these are known to pass.
const TITLE: usize = 250;
const DESCRIPTION: usize = 8_000;

/// The page for a chat channel, as JSON text. Messages of one run share a thread.
pub fn message(page: &Page, runbooks: Option<&str>) -> String {
    let sign = match page.urgency {
        Urgency::Trigger => ":rotating_light:",
        Urgency::Clear => ":white_check_mark:",
        Urgency::Info => ":information_source:",
    };
    let mut content = json!({
        "textType": "client-markdown",
        "title": clip(&format!("{sign} {}", escape(&page.title)), TITLE),
        "description": clip(&escape(&page.text), DESCRIPTION),
        "keywords": [page.rollout, page.topic.name()],
    });
    if let Some(address) = runbook(page, runbooks) {
        content["nextSteps"] = json!([format!("<{address}|Runbook: {}>", page.topic.name())]);
    }
    let mut extra = json!({
        "rollout": page.rollout,
        "run": page.run.to_string(),
        "revision": page.revision.to_string(),
        "topic": page.topic.name(),
    });
    for (name, weight) in [("from", page.from), ("to", page.to)] {
        if let Some(weight) = weight {
            extra[name] = Value::String(weight.to_string());
        }
    }
    json!({
        "version": "1.0",
        "source": "custom",
        "id": page.id(),
        "content": content,
        "metadata": {
            "threadId": format!("rollout-{}-{}", page.rollout, page.run),
            "summary": clip(&page.title, TITLE),
            "eventType": event_type(page.topic.name()),
            "additionalContext": extra,
        },
    })
    .to_string()
}

/// `rolled-back` becomes `RolloutRolledBack`.
fn event_type(topic: &str) -> String {
    let words = topic.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    format!("Rollout{}", words.collect::<String>())
}

/// A reason typed by a person must not become a mention or a link.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::Topic;
    use crate::domain::weight::Weight;

    fn page() -> Page {
        Page {
            rollout: "scorer".into(),
            run: 7,
            revision: 118,
            topic: Topic::RolledBack,
            urgency: Urgency::Trigger,
            title: "scorer rolled back: 25% to 0%".into(),
            text: "<!channel> & more".into(),
            from: Some(Weight::from_tenths(250).unwrap()),
            to: Some(Weight::ZERO),
            at_ms: 0,
        }
    }

    #[test]
    fn has_what_the_schema_requires_and_only_strings_in_the_metadata() {
        let body: Value =
            serde_json::from_str(&message(&page(), Some("https://wiki/runbooks"))).unwrap();
        assert_eq!((&body["version"], &body["source"]), (&json!("1.0"), &json!("custom")));
        assert_eq!(
            body["content"]["nextSteps"][0],
            "<https://wiki/runbooks/rolled-back.md|Runbook: rolled-back>"
        );
        assert_eq!(body["metadata"]["threadId"], "rollout-scorer-7");
        assert_eq!(body["metadata"]["eventType"], "RolloutRolledBack");
        let context = body["metadata"]["additionalContext"].as_object().unwrap();
        assert!(context.values().all(Value::is_string), "{context:?}");
        assert_eq!(context["from"], "25%");
    }

    #[test]
    fn what_people_typed_cannot_mention_a_channel() {
        let body: Value = serde_json::from_str(&message(&page(), None)).unwrap();
        assert_eq!(body["content"]["description"], "&lt;!channel&gt; &amp; more");
        assert!(body["content"].get("nextSteps").is_none());
    }
}
