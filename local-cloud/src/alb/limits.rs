//! What AWS refuses about rules, with its codes.

use super::rule::{Condition, parse_block};
use crate::aws::AwsError;

pub(super) fn rule_not_found() -> AwsError {
    AwsError::sender("RuleNotFound", "One or more rules not found")
}

pub(crate) fn group_not_found() -> AwsError {
    AwsError::sender("TargetGroupNotFound", "One or more target groups not found")
}

pub(super) fn priority_in_use(priority: u32) -> AwsError {
    AwsError::sender("PriorityInUse", format!("Priority '{priority}' is currently in use"))
}

pub(super) fn check_priority(priority: u32) -> Result<(), AwsError> {
    if (1..=50_000).contains(&priority) {
        return Ok(());
    }
    Err(AwsError::validation(format!("Priority '{priority}' must be between 1 and 50000")))
}

pub(super) fn check_conditions(conditions: &[Condition]) -> Result<(), AwsError> {
    let values: Vec<&str> = conditions.iter().flat_map(Condition::values).collect();
    if values.len() > 5 {
        return Err(AwsError::validation(format!(
            "Rules can have at most 5 condition values, found {}",
            values.len()
        )));
    }
    let wildcards = values.iter().flat_map(|text| text.chars()).filter(|c| matches!(c, '*' | '?'));
    if wildcards.count() > 5 {
        return Err(AwsError::validation("Rules can have at most 5 wildcards"));
    }
    for (at, condition) in conditions.iter().enumerate() {
        let field = condition.field();
        if condition.values().is_empty() {
            return Err(AwsError::validation(format!("Condition '{field}' needs a value")));
        }
        let repeatable = matches!(condition, Condition::Header { .. } | Condition::Query(_));
        if !repeatable && conditions[..at].iter().any(|other| other.field() == field) {
            return Err(AwsError::validation(format!(
                "A rule can have only one '{field}' condition"
            )));
        }
        if let Some(long) = condition.values().iter().find(|value| value.len() > 128) {
            return Err(AwsError::validation(format!("Condition value '{long}' is too long")));
        }
        if let Condition::SourceIp(blocks) = condition
            && let Some(bad) = blocks.iter().find(|block| parse_block(block).is_none())
        {
            return Err(AwsError::validation(format!("'{bad}' is not a CIDR block")));
        }
    }
    Ok(())
}
