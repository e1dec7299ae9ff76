//! Systems Manager: parameters of the standard tier and type `String`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde_json::{Value, json};

use super::AwsError;
use crate::clock::Clock;
use crate::names::Names;

/// Greatest value of the standard tier.
const MAX_VALUE_BYTES: usize = 4096;
const MAX_NAME_CHARACTERS: usize = 2048;
/// Names in one `GetParameters`.
const MAX_NAMES: usize = 10;
/// Parts of a name between slashes.
const MAX_LEVELS: usize = 15;
/// Versions that are kept; `NAME:VERSION` reads an older one.
const MAX_VERSIONS: usize = 100;

/// A parameter as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Name, for example `/rollout/score/run`.
    pub name: String,
    /// Value.
    pub value: String,
    /// 1 at its creation, one more at each change.
    pub version: u64,
    /// Simulated milliseconds since 1970 of the last change.
    pub modified_ms: i64,
}

/// Versions of one parameter, the oldest kept one first; never empty.
type History = Vec<Parameter>;

/// All parameters.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Mutex<BTreeMap<String, History>>);

impl Parameters {
    pub(crate) fn new(values: BTreeMap<String, String>, now_ms: i64) -> Self {
        let parameters = values.into_iter().map(|(name, value)| {
            let first = Parameter { name: name.clone(), value, version: 1, modified_ms: now_ms };
            (name, vec![first])
        });
        Self(Mutex::new(parameters.collect()))
    }

    pub(crate) fn all(&self) -> Vec<Parameter> {
        self.lock().values().filter_map(|history| history.last()).cloned().collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Parameter> {
        self.lock().get(name)?.last().cloned()
    }

    /// Creates it or gives it another value; the new version.
    pub(crate) fn put(&self, name: &str, value: &str, now_ms: i64) -> Result<u64, AwsError> {
        check_parameter(name, value)?;
        let mut parameters = self.lock();
        let history = parameters.entry(name.to_owned()).or_default();
        let version = history.last().map_or(1, |newest| newest.version + 1);
        history.push(Parameter {
            name: name.to_owned(),
            value: value.to_owned(),
            version,
            modified_ms: now_ms,
        });
        if history.len() > MAX_VERSIONS {
            history.remove(0);
        }
        Ok(version)
    }

    /// Removes it; false if there is none of this name.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.lock().remove(name).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, History>> {
        self.0.lock().expect("parameters lock")
    }
}

/// Carries out one operation.
pub(super) fn call(
    parameters: &Parameters,
    names: &Names,
    clock: &Clock,
    operation: &str,
    input: &Value,
) -> Result<Value, AwsError> {
    match operation {
        "GetParameters" => get_parameters(parameters, names, input),
        "GetParameter" => {
            let asked = input["Name"].as_str().unwrap_or_default();
            match found(parameters, names, asked) {
                Some(parameter) => Ok(json!({ "Parameter": parameter })),
                // AWS says no more than the code.
                None => Err(AwsError::sender("ParameterNotFound", "")),
            }
        }
        "PutParameter" => put_parameter(parameters, clock, input),
        other => Err(AwsError::unsupported(other)),
    }
}

fn get_parameters(
    parameters: &Parameters,
    names: &Names,
    input: &Value,
) -> Result<Value, AwsError> {
    let asked: Vec<&str> = match input["Names"].as_array() {
        Some(list) => list.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    if asked.is_empty() || asked.len() > MAX_NAMES {
        let bound = if asked.is_empty() { "greater than or equal to 1" } else { LESS_THAN_MAX };
        return Err(invalid(format!(
            "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: \
             Member must have length {bound}",
            asked.join(", ")
        )));
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in asked {
        match found(parameters, names, name) {
            Some(parameter) => known.push(parameter),
            None => unknown.push(name),
        }
    }
    Ok(json!({ "Parameters": known, "InvalidParameters": unknown }))
}

const LESS_THAN_MAX: &str = "less than or equal to 10";

/// A parameter by its name or ARN, either with `:VERSION` or without.
fn found(parameters: &Parameters, names: &Names, asked: &str) -> Option<Value> {
    let prefix = names.parameter("");
    let asked = match asked.strip_prefix(&prefix) {
        Some(path) if path.contains('/') => format!("/{path}"),
        Some(name) => name.to_owned(),
        None => asked.to_owned(),
    };
    let (name, selector) = match asked.split_once(':') {
        Some((name, selector)) => (name, Some(selector)),
        None => (asked.as_str(), None),
    };
    let parameters = parameters.lock();
    let history = parameters.get(name)?;
    let parameter = match selector {
        None => history.last()?,
        Some(version) => history.iter().find(|one| one.version.to_string() == version)?,
    };
    let mut shown = json!({
        "Name": parameter.name,
        "Type": "String",
        "Value": parameter.value,
        "Version": parameter.version,
        "LastModifiedDate": parameter.modified_ms as f64 / 1000.0,
        "ARN": names.parameter(name),
        "DataType": "text",
    });
    if let Some(selector) = selector {
        shown["Selector"] = format!(":{selector}").into();
    }
    Some(shown)
}

fn put_parameter(parameters: &Parameters, clock: &Clock, input: &Value) -> Result<Value, AwsError> {
    let name = input["Name"].as_str().unwrap_or_default();
    let value = input["Value"].as_str().unwrap_or_default();
    check_parameter(name, value)?;
    let exists = parameters.get(name).is_some();
    match input["Type"].as_str() {
        Some("String") => {}
        None if exists => {}
        None => return Err(invalid("A parameter type is required when you create a parameter.")),
        Some(other @ ("StringList" | "SecureString")) => {
            return Err(AwsError::unsupported(&format!("parameters of type {other}")));
        }
        Some(other) => {
            return Err(invalid(format!(
                "1 validation error detected: Value '{other}' at 'type' failed to satisfy \
                 constraint: Member must satisfy enum value set: [SecureString, StringList, String]"
            )));
        }
    }
    if let Some(tier @ ("Advanced" | "Intelligent-Tiering")) = input["Tier"].as_str() {
        return Err(AwsError::unsupported(&format!("parameter tier {tier}")));
    }
    if exists && !input["Overwrite"].as_bool().unwrap_or(false) {
        return Err(AwsError::sender(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in \
             the request to true.",
        ));
    }
    let version = parameters.put(name, value, clock.now_ms())?;
    Ok(json!({ "Version": version, "Tier": "Standard" }))
}

/// Checks name and value of a parameter against the limits of the standard tier.
pub(crate) fn check_parameter(name: &str, value: &str) -> Result<(), AwsError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    if name.is_empty() || name.len() > MAX_NAME_CHARACTERS || !name.chars().all(plain) {
        return Err(invalid(
            "Parameter name: can't be empty, is at most 2048 long, and has only letters, digits \
             and the symbols '.-_/'",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    let first = name.trim_start_matches('/').to_ascii_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(invalid(format!(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive): {name}"
        )));
    }
    if name.matches('/').count() > MAX_LEVELS {
        return Err(AwsError::sender(
            "HierarchyLevelLimitExceededException",
            format!("A parameter name can have at most {MAX_LEVELS} levels"),
        ));
    }
    if value.is_empty() {
        return Err(invalid(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: \
             Member must have length greater than or equal to 1",
        ));
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(invalid(format!(
            "Standard tier parameters support a maximum parameter value of {MAX_VALUE_BYTES} \
             characters. To create a larger parameter value, upgrade the parameter to use the \
             advanced-parameter tier."
        )));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::sender("ValidationException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_have_limits() {
        for name in ["/rollout/score/run", "plain", "a.b-c_d"] {
            assert_eq!(check_parameter(name, "x"), Ok(()), "{name}");
        }
        let deep = "/a".repeat(16);
        for name in ["", "a/b", "/a b", "/a:1", "aws", "/SSM/x", &deep] {
            assert!(check_parameter(name, "x").is_err(), "{name}");
        }
        assert!(check_parameter("a", &"x".repeat(4096)).is_ok());
        assert!(check_parameter("a", &"x".repeat(4097)).is_err());
        // Four bytes each: counted as bytes, the stricter reading of "4 KB".
        assert!(check_parameter("a", &"𝄞".repeat(1025)).is_err());
        assert!(check_parameter("a", "").is_err());
    }

    #[test]
    fn old_versions_are_kept_up_to_a_limit() {
        let parameters = Parameters::default();
        let names = Names { region: "eu-west-1".into(), account: "111122223333".into() };
        for number in 1..=102 {
            assert_eq!(parameters.put("/a/b", &format!("v{number}"), 0), Ok(number));
        }
        let value = |asked: &str| found(&parameters, &names, asked).map(|one| one["Value"].clone());
        assert_eq!(value("/a/b"), Some("v102".into()));
        assert_eq!(value("/a/b:50"), Some("v50".into()));
        assert_eq!(value("/a/b:2"), None);
        let arn = "arn:aws:ssm:eu-west-1:111122223333:parameter/a/b";
        assert_eq!(names.parameter("/a/b"), arn);
        assert_eq!(value(arn), Some("v102".into()));
        assert!(parameters.remove("/a/b") && !parameters.remove("/a/b"));
    }
}
