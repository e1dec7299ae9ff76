//! From counted stamps to a score (contract, section 9). Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::dedup::Plan;
use crate::decimal::Decimal;
use crate::python;
use crate::time::OffsetTime;

/// What the community's scorer says.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Provider to weight; JSON null if the column is.
    pub weights: Value,
    /// Weights that the community's customization adds or overrides, in order.
    pub custom: Vec<(String, String)>,
    /// What the sum must reach.
    pub threshold: Decimal,
}

/// One entry of `stamps` in the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StampScore {
    /// Weight with five decimals.
    pub score: String,
    /// Whether somebody else holds one of its nullifiers.
    pub dedup: bool,
    /// ISO 8601; the credential's own spelling if deduplicated.
    pub expiration_date: String,
}

/// A finished score.
#[derive(Clone, Debug)]
pub struct Score {
    /// Sum of the weights.
    pub sum: Decimal,
    /// Whether the sum reaches the threshold.
    pub passing: bool,
    /// Provider to weight as a double.
    pub stamp_scores: BTreeMap<String, f64>,
    /// The answer's `stamps`.
    pub stamps: BTreeMap<String, StampScore>,
    /// Earliest end among the stamps that count.
    pub expires: Option<OffsetTime>,
}

/// Weighs the plan's stamps.
///
/// # Errors
/// The text of the exception that Python raises for this weight.
pub fn weigh(plan: &Plan, rules: &Rules) -> Result<Score, String> {
    let mut sum = Decimal::zero();
    let mut stamp_scores = BTreeMap::new();
    let mut stamps = BTreeMap::new();
    for stamp in &plan.counted {
        let weight = weight_of(&stamp.provider, rules)?;
        sum = sum.add(&weight);
        let double = weight.to_f64();
        stamp_scores.insert(stamp.provider.clone(), double);
        stamps.insert(
            stamp.provider.clone(),
            StampScore {
                score: format!("{double:.5}"),
                dedup: false,
                expiration_date: stamp.expires.python_isoformat(),
            },
        );
    }
    for (provider, clash) in &plan.clashing {
        let score = stamps
            .get(provider)
            .map_or_else(|| "0.00000".to_owned(), |entry| entry.score.clone());
        let expiration_date = clash.expires_text.clone();
        stamps.insert(
            provider.clone(),
            StampScore {
                score,
                dedup: true,
                expiration_date,
            },
        );
    }
    Ok(Score {
        passing: sum >= rules.threshold,
        sum,
        stamp_scores,
        stamps,
        expires: plan
            .counted
            .iter()
            .map(|stamp| stamp.expires)
            .min_by_key(OffsetTime::micros),
    })
}

fn weight_of(provider: &str, rules: &Rules) -> Result<Decimal, String> {
    let Value::Object(weights) = &rules.weights else {
        return Err(format!(
            "'{}' object has no attribute 'get'",
            python::type_name(&rules.weights)
        ));
    };
    let syntax = || "[<class 'decimal.ConversionSyntax'>]".to_owned();
    // The last entry wins, as when Python updates a dict.
    if let Some((_, weight)) = rules.custom.iter().rev().find(|(name, _)| name == provider) {
        return Decimal::parse(weight).ok_or_else(syntax);
    }
    match weights.get(provider) {
        None => Ok(Decimal::zero()),
        Some(Value::String(text)) => Decimal::parse(text).ok_or_else(syntax),
        Some(Value::Bool(flag)) => {
            Ok(Decimal::from_f64(f64::from(u8::from(*flag))).unwrap_or_else(Decimal::zero))
        }
        // A JSON number with a fraction is a double to Python, and enters with all its digits.
        Some(Value::Number(number)) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(double) => Decimal::from_f64(double).ok_or_else(syntax),
            None => Decimal::parse(&number.to_string()).ok_or_else(syntax),
        },
        Some(Value::Array(_)) => Err("argument must be a sequence of length 3".to_owned()),
        Some(other) => Err(format!(
            "conversion from {} to Decimal is not supported",
            python::type_name(other)
        )),
    }
}
