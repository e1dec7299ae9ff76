//! From counted stamps to a score (contract, section 9). Pure.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

use super::dedup::Plan;
use crate::decimal::{Decimal, Number, NumberError};
use crate::store::queries::CommunityRow;
use crate::time::OffsetTime;
use crate::{python, python_json};

/// The `weights` column.
#[derive(Clone, Debug)]
pub enum Weights {
    /// Provider to weight, as JSON text: a number in it may have more digits
    /// than a double.
    Table(HashMap<String, String>),
    /// No JSON object, by Python's name for its type.
    Other(&'static str),
}

impl Weights {
    /// Reads the column's text; None is SQL's NULL.
    ///
    /// # Errors
    /// The text of the exception that Python raises.
    pub fn read(json: Option<&str>) -> Result<Self, String> {
        let json = json.unwrap_or("null");
        if let Some(table) = python_json::members(json)? {
            return Ok(Self::Table(table));
        }
        let json = python_json::loads(json)?;
        Ok(Self::Other(python::type_name(&json.value)))
    }
}

/// What the community's scorer says.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The scorer's own weights.
    pub weights: Weights,
    /// Weights that the community's customization adds or overrides, in order.
    pub custom: Vec<(String, String)>,
    /// What the sum must reach.
    pub threshold: Decimal,
}

impl Rules {
    /// Step 7 of the contract: the scorer's own row.
    ///
    /// # Errors
    /// The text of the exception that Python raises, if there is no such row.
    pub fn of(community: &CommunityRow) -> Result<Self, String> {
        let missing = || match community.scorer_type.as_str() {
            "WEIGHTED" => "WeightedScorer matching query does not exist.".to_owned(),
            "WEIGHTED_BINARY" => "BinaryWeightedScorer matching query does not exist.".to_owned(),
            other => format!("scorer type {other:?} is not known"),
        };
        let threshold = community.threshold.as_deref().and_then(Decimal::parse);
        Ok(Self {
            threshold: threshold.ok_or_else(missing)?,
            weights: Weights::read(community.weights.as_deref())?,
            custom: community.custom.clone(),
        })
    }
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
/// A weight beyond a double makes a score that no row can hold; `stamp_scores`
/// then holds an infinity.
///
/// # Errors
/// The text of the exception that Python raises for this weight.
pub fn weigh(plan: &Plan, rules: &Rules) -> Result<Score, String> {
    if let Weights::Other(kind) = rules.weights
        && !rules.custom.is_empty()
    {
        return Err(format!("'{kind}' object has no attribute 'update'"));
    }
    let mut sum = Sum::default();
    let mut stamp_scores = BTreeMap::new();
    let mut stamps = BTreeMap::new();
    for stamp in &plan.counted {
        let double = sum.add(&weight_of(&stamp.provider, rules)?)?;
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
        let score =
            stamps.get(provider).map_or_else(|| "0.00000".to_owned(), |entry| entry.score.clone());
        let expiration_date = clash.expires_text.clone();
        stamps.insert(provider.clone(), StampScore { score, dedup: true, expiration_date });
    }
    let sum = sum.finish()?;
    Ok(Score {
        passing: sum >= rules.threshold,
        sum,
        stamp_scores,
        stamps,
        expires: plan.counted.iter().map(|stamp| stamp.expires).min_by_key(OffsetTime::micros),
    })
}

/// A sum of whatever weights are, in Python's default context.
struct Sum {
    finite: Decimal,
    /// The infinity that it has become.
    infinite: Option<Below>,
    is_nan: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Yes,
    No,
}

impl Default for Sum {
    fn default() -> Self {
        Self { finite: Decimal::zero(), infinite: None, is_nan: false }
    }
}

impl Sum {
    /// Adds a weight and gives it as a double.
    fn add(&mut self, weight: &Number) -> Result<f64, String> {
        match weight {
            Number::Finite(weight) => {
                self.finite = self.finite.add(weight);
                Ok(weight.to_f64())
            }
            Number::NaN { signals: true } => Err(NumberError::Invalid.to_string()),
            Number::NaN { signals: false } => {
                self.is_nan = true;
                Ok(f64::NAN)
            }
            Number::Huge { overflows } => {
                if *overflows && !self.is_nan && self.infinite.is_none() {
                    return Err(NumberError::Overflow.to_string());
                }
                Ok(f64::INFINITY)
            }
            Number::Infinite { negative } => {
                let below = if *negative { Below::Yes } else { Below::No };
                if !self.is_nan && self.infinite.is_some_and(|other| other != below) {
                    return Err(NumberError::Invalid.to_string());
                }
                self.infinite = Some(below);
                Ok(f64::INFINITY)
            }
        }
    }

    /// The finite part; what is not a number cannot be held against a threshold.
    fn finish(self) -> Result<Decimal, String> {
        if self.is_nan { Err(NumberError::Invalid.to_string()) } else { Ok(self.finite) }
    }
}

fn weight_of(provider: &str, rules: &Rules) -> Result<Number, String> {
    let table = match &rules.weights {
        Weights::Table(table) => table,
        Weights::Other(kind) => return Err(format!("'{kind}' object has no attribute 'get'")),
    };
    let parse = |text: &str| Number::parse(text).map_err(|error| error.to_string());
    // The last entry wins, as when Python updates a dict.
    if let Some((_, weight)) = rules.custom.iter().rev().find(|(name, _)| name == provider) {
        return parse(weight);
    }
    let Some(json) = table.get(provider) else {
        return parse("0");
    };
    if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        // With a fraction it is a double to Python, and enters with all the
        // digits of one. Without, it is an integer of any length.
        if !json.contains(['.', 'e', 'E']) {
            return parse(json);
        }
        let double: f64 = json.parse().map_err(|_| NumberError::Syntax.to_string())?;
        let infinite = Number::Infinite { negative: double.is_sign_negative() };
        return Ok(Decimal::from_f64(double).map_or(infinite, Number::Finite));
    }
    match python_json::loads(json)?.value {
        Value::String(text) => parse(&text),
        Value::Bool(flag) => parse(if flag { "1" } else { "0" }),
        Value::Array(parts) => from_parts(&parts),
        other @ (Value::Null | Value::Number(_) | Value::Object(_)) => Err(format!(
            "conversion from {} to Decimal is not supported",
            python::type_name(&other)
        )),
    }
}

/// `Decimal([sign, digits, exponent])`. A flag is the integer 0 or 1.
fn from_parts(parts: &[Value]) -> Result<Number, String> {
    let [sign, digits, exponent] = parts else {
        return Err("argument must be a sequence of length 3".to_owned());
    };
    let negative = match integer(sign) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err("sign must be an integer with the value 0 or 1".to_owned()),
    };
    let special = match exponent {
        Value::String(text) => match text.as_str() {
            "F" => Some(Number::Infinite { negative }),
            "n" => Some(Number::NaN { signals: false }),
            "N" => Some(Number::NaN { signals: true }),
            _ => {
                let wanted = "string argument in the third position must be 'F', 'n' or 'N'";
                return Err(wanted.to_owned());
            }
        },
        _ => None,
    };
    let power = match special {
        Some(_) => 0,
        None => integer(exponent).ok_or("exponent must be an integer")?,
    };
    let no_digits = || "coefficient must be a tuple of digits".to_owned();
    let mut coefficient = String::new();
    for digit in digits.as_array().ok_or_else(no_digits)? {
        let digit = integer(digit).and_then(|digit| u32::try_from(digit).ok());
        coefficient
            .push(digit.and_then(|digit| char::from_digit(digit, 10)).ok_or_else(no_digits)?);
    }
    match special {
        Some(special) => Ok(special),
        None => Number::assemble(negative, &coefficient, power.into())
            .map_err(|error| error.to_string()),
    }
}

/// An integer, if it is one.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Number(number) => number.as_i64(),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
