//! A finished score as the body to send and the row to write.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Error;
use serde_json::json;

use super::weigh::{Score, StampScore};
use crate::decimal::Decimal;
use crate::store::queries::ScoreRow;
use crate::time::{Micros, OffsetTime};

#[derive(Serialize)]
struct Body<'a> {
    address: &'a str,
    score: String,
    passing_score: bool,
    last_score_timestamp: Option<String>,
    expiration_timestamp: Option<String>,
    threshold: String,
    error: Option<&'a str>,
    stamps: &'a BTreeMap<String, StampScore>,
    points_data: (),
    possible_points_data: (),
    linked_score: (),
}

/// The body to send and the row to write.
///
/// # Errors
/// What JSON cannot say: a weight beyond a double. Python learns it from the
/// database, when it writes the row.
pub(super) fn render(
    address: &str,
    threshold: &Decimal,
    scored: &Result<Score, String>,
    now: Micros,
) -> Result<(String, ScoreRow), serde_json::Error> {
    if let Ok(score) = scored
        && let Some((provider, _)) = score.stamp_scores.iter().find(|(_, at)| !at.is_finite())
    {
        return Err(Error::custom(format!("the weight of {provider} is beyond a double")));
    }
    let none = BTreeMap::new();
    let moment = OffsetTime::from_micros(now);
    let body = match scored {
        Ok(score) => Body {
            address,
            score: score.sum.to_fixed5(),
            passing_score: score.passing,
            last_score_timestamp: Some(moment.python_isoformat()),
            expiration_timestamp: score.expires.map(|time| time.python_isoformat()),
            threshold: threshold.to_fixed5(),
            error: None,
            stamps: &score.stamps,
            points_data: (),
            possible_points_data: (),
            linked_score: (),
        },
        Err(text) => Body {
            address,
            score: "0.00000".to_owned(),
            passing_score: false,
            last_score_timestamp: None,
            expiration_timestamp: None,
            // Python answers its default here, not the scorer's threshold.
            threshold: "20.00000".to_owned(),
            error: Some(text),
            stamps: &none,
            points_data: (),
            possible_points_data: (),
            linked_score: (),
        },
    };
    let body = serde_json::to_string(&body)?;
    let row = match scored {
        Err(text) => ScoreRow { error: Some(text.clone()), ..ScoreRow::default() },
        Ok(score) => {
            let verdict = if score.passing { "1" } else { "0" };
            let evidence = json!({
                "type": "ThresholdScoreCheck",
                "success": score.passing,
                "rawScore": score.sum.to_string(),
                "threshold": threshold.to_fixed5(),
            });
            let event_fields = json!({
                "score": verdict,
                "status": "DONE",
                "error": null,
                "evidence": evidence,
                "stamp_scores": score.stamp_scores,
                "stamps": score.stamps,
                "expiration_date": score.expires.map(|time| time.event_spelling()),
                "last_score_timestamp": moment.event_spelling(),
            });
            ScoreRow {
                score: Some(verdict),
                error: None,
                evidence: Some(evidence.to_string()),
                stamp_scores: Some(serde_json::to_string(&score.stamp_scores)?),
                stamps: Some(serde_json::to_string(&score.stamps)?),
                expires: score.expires,
                event_fields: Some(event_fields.to_string()),
            }
        }
    };
    Ok((body, row))
}
