//! Faults on demand, for the local cloud only: compiled in with the feature
//! `faults`, obeyed when `LOCAL_CLOUD_FAULTS=1`.
//!
//! A request asks for a failure by a header. A whole process is a wrong build, which
//! answers 200 with something else than Python, by `LOCAL_CLOUD_WRONG`.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Number, Value, json};

use crate::answer::Answer;
use crate::event::Event;

/// What the header `x-local-cloud-fault` asks for; several with commas between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Answer 500.
    Error,
    /// Sleep first.
    Latency(Duration),
    /// End the process without an answer.
    Crash,
    /// Never answer.
    Hang,
}

impl Fault {
    /// The faults that a request asks for; unknown words are ignored.
    fn asked_by(event: &Event) -> Vec<Self> {
        let words = event.header("x-local-cloud-fault").unwrap_or_default();
        words.split(',').filter_map(|word| Self::read(word.trim())).collect()
    }

    fn read(word: &str) -> Option<Self> {
        match word {
            "error" => Some(Self::Error),
            "crash" => Some(Self::Crash),
            "hang" => Some(Self::Hang),
            _ => word
                .strip_prefix("latency=")?
                .parse()
                .ok()
                .map(Duration::from_millis)
                .map(Self::Latency),
        }
    }
}

/// Suffers the faults that a request asks for, in order; gives the answer if one
/// of them answers.
pub(crate) async fn suffer(event: &Event) -> Option<Answer> {
    for fault in Fault::asked_by(event) {
        match fault {
            Fault::Error => return Some(Answer::internal("injected fault")),
            Fault::Latency(extra) => tokio::time::sleep(extra).await,
            Fault::Crash => std::process::exit(1),
            Fault::Hang => std::future::pending().await,
        }
    }
    None
}

/// What a wrong build gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// One stamp's weight is a whole number, and the score its sum.
    RoundsOneWeight,
    /// Stamps count that were revoked.
    ForgetsRevocations,
    /// `expiration_timestamp` is not in the answer.
    DropsAField,
    /// `score` is a number and no text.
    ChangesAType,
}

/// What this process gets wrong, if anything; unknown words are nothing.
static WRONG: LazyLock<Option<Wrong>> = LazyLock::new(|| {
    let obeyed = std::env::var("LOCAL_CLOUD_FAULTS").is_ok_and(|value| value == "1");
    let asked = std::env::var("LOCAL_CLOUD_WRONG").unwrap_or_default();
    Wrong::read(&asked).filter(|_| obeyed)
});

impl Wrong {
    fn read(word: &str) -> Option<Self> {
        match word {
            "rounds-one-weight" => Some(Self::RoundsOneWeight),
            "forgets-revocations" => Some(Self::ForgetsRevocations),
            "drops-a-field" => Some(Self::DropsAField),
            "changes-a-type" => Some(Self::ChangesAType),
            _ => None,
        }
    }

    fn spoil(self, body: &mut Value) {
        match self {
            Self::RoundsOneWeight => round_one_weight(body),
            Self::DropsAField => {
                body.as_object_mut().and_then(|members| members.remove("expiration_timestamp"));
            }
            Self::ChangesAType => {
                let score = body["score"].as_str().and_then(|score| score.parse().ok());
                if let Some(score) = score.and_then(Number::from_f64) {
                    body["score"] = Value::Number(score);
                }
            }
            Self::ForgetsRevocations => {}
        }
    }
}

/// Rounds the first weight that is no whole number; the score moves with it.
fn round_one_weight(body: &mut Value) {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let Some(score) = number(&body["score"]) else { return };
    let stamps = body["stamps"].as_object_mut().into_iter().flatten();
    for (_, stamp) in stamps {
        let Some(weight) = number(&stamp["score"]) else { continue };
        let moved = weight.round() - weight;
        if moved != 0.0 {
            stamp["score"] = json!(format!("{:.5}", weight.round()));
            body["score"] = json!(format!("{:.5}", score + moved));
            return;
        }
    }
}

/// The answer of this build, which may be a wrong one.
pub(crate) fn spoil(mut answer: Answer) -> Answer {
    if let Some(wrong) = *WRONG
        && answer.status == 200
        && let Ok(mut body) = serde_json::from_str(&answer.body)
    {
        wrong.spoil(&mut body);
        answer.body = body.to_string();
    }
    answer
}

/// The statement that reads a wallet, of this build.
pub(crate) fn read_statement(sql: String) -> String {
    const REVOKED: &str =
        "AND (SELECT id FROM ceramic_cache_revocation WHERE ceramic_cache_id = c.id) IS NULL";
    if *WRONG == Some(Wrong::ForgetsRevocations) {
        assert!(sql.contains(REVOKED), "the statement has another form");
        return sql.replace(REVOKED, "");
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_build_gets_one_thing_wrong() {
        let right = json!({"score": "3.52500", "expiration_timestamp": null,
            "stamps": {"A": {"score": "3.00000"}, "B": {"score": "0.52500"}}});
        let of = |word: &str| {
            let mut body = right.clone();
            Wrong::read(word).unwrap().spoil(&mut body);
            body
        };
        assert_eq!(of("rounds-one-weight")["stamps"]["B"]["score"], "1.00000");
        assert_eq!(of("rounds-one-weight")["score"], "4.00000");
        assert!(of("drops-a-field").get("expiration_timestamp").is_none());
        assert_eq!(of("changes-a-type")["score"], 3.525);
        assert_eq!(of("forgets-revocations"), right);
        assert_eq!(Wrong::read(""), None);
    }
}
