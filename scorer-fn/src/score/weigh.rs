//! From counted stamps to a score (contract, section 9). Pure.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

use super::dedup::Plan;
use crate::decimal::Decimal;
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
        let score =
            stamps.get(provider).map_or_else(|| "0.00000".to_owned(), |entry| entry.score.clone());
        let expiration_date = clash.expires_text.clone();
        stamps.insert(provider.clone(), StampScore { score, dedup: true, expiration_date });
    }
    Ok(Score {
        passing: sum >= rules.threshold,
        sum,
        stamp_scores,
        stamps,
        expires: plan.counted.iter().map(|stamp| stamp.expires).min_by_key(OffsetTime::micros),
    })
}

fn weight_of(provider: &str, rules: &Rules) -> Result<Decimal, String> {
    let table = match &rules.weights {
        Weights::Table(table) => table,
        Weights::Other(kind) => return Err(format!("'{kind}' object has no attribute 'get'")),
    };
    let syntax = || "[<class 'decimal.ConversionSyntax'>]".to_owned();
    // The last entry wins, as when Python updates a dict.
    if let Some((_, weight)) = rules.custom.iter().rev().find(|(name, _)| name == provider) {
        return Decimal::parse(weight).ok_or_else(syntax);
    }
    let Some(json) = table.get(provider) else {
        return Ok(Decimal::zero());
    };
    if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        // With a fraction it is a double to Python, and enters with all the
        // digits of one. Without, it is an integer of any length.
        let number = if json.contains(['.', 'e', 'E']) {
            json.parse().ok().and_then(Decimal::from_f64)
        } else {
            Decimal::parse(json)
        };
        return number.ok_or_else(syntax);
    }
    match python_json::loads(json)?.value {
        Value::String(text) => Decimal::parse(&text).ok_or_else(syntax),
        Value::Bool(flag) => Decimal::parse(if flag { "1" } else { "0" }).ok_or_else(syntax),
        Value::Array(_) => Err("argument must be a sequence of length 3".to_owned()),
        other => Err(format!(
            "conversion from {} to Decimal is not supported",
            python::type_name(&other)
        )),
    }
}
