//! The two texts of each rollout outside the journal, as SSM parameters.
//!
//! `/rollout/NAME/run` and `/rollout/NAME/order`, standard parameters of type
//! `String`: free, at most 4 KB, and readable with one line of the AWS CLI. They
//! are apart, so that two writers never overwrite each other.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ssm::types::ParameterType;
use futures_util::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::aws::{Aws, CallError};
use crate::domain::copy::{Copy, OutsideOrder};
use crate::ports::{BoxError, OutpostError, Outposts, Outside};

/// Where the parameters are. A rollout's name is 1 to 40 letters, digits, `-` or
/// `_`, so every name below is a valid one.
const PREFIX: &str = "/rollout";
/// Names in one call of GetParameters.
const MOST_NAMES: usize = 10;
/// Bytes of a standard parameter.
const MOST_BYTES: usize = 4096;
/// Time of one call with its retries. A rollback writes its order after it acted,
/// so waiting costs nothing but the answer.
const LIMIT: Duration = Duration::from_secs(2);

const GET: &str = "GetParameters";
const PUT: &str = "PutParameter";

const READING: &str = "reading";
const WRITING: &str = "writing";

/// Parameters of one region.
#[derive(Clone, Debug)]
pub struct Parameters {
    aws: Aws,
}

fn run_name(rollout: &str) -> String {
    format!("{PREFIX}/{rollout}/run")
}

fn order_name(rollout: &str) -> String {
    format!("{PREFIX}/{rollout}/order")
}

impl Parameters {
    /// Speaks with these settings.
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }

    /// Values by name, or why the call failed. A name without a parameter is absent.
    async fn get(&self, names: &[String]) -> Result<HashMap<String, String>, CallError> {
        let client = self.aws.ssm().await;
        let asked = client.get_parameters().set_names(Some(names.to_vec())).send();
        let answer = timeout(LIMIT, asked).await.map_err(|_| slow(GET))?;
        let answer = answer.map_err(|error| CallError::new(GET, &error))?;
        let mut values = HashMap::new();
        for parameter in answer.parameters.unwrap_or_default() {
            if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                values.insert(name, value);
            }
        }
        let unnamed = |name: &&String| {
            !values.contains_key(*name)
                && !answer.invalid_parameters.iter().flatten().any(|i| i == *name)
        };
        match names.iter().find(unnamed) {
            // Neither there nor said to be absent: not known.
            Some(name) => Err(CallError::finding(GET, format!("the answer leaves out {name}"))),
            None => Ok(values),
        }
    }

    async fn put(&self, name: String, text: String) -> Result<(), OutpostError> {
        let client = self.aws.ssm().await;
        let written = client
            .put_parameter()
            .name(&name)
            .value(text)
            .r#type(ParameterType::String)
            .overwrite(true)
            .send();
        let written = match timeout(LIMIT, written).await {
            Ok(written) => written.map_err(|error| CallError::new(PUT, &error)),
            Err(_) => Err(slow(PUT)),
        };
        written.map(drop).map_err(|error| failed(WRITING, name, error))
    }
}

fn slow(operation: &'static str) -> CallError {
    CallError::finding(operation, format!("no answer within {} s", LIMIT.as_secs()))
}

fn failed(operation: &'static str, parameter: String, source: impl Into<BoxError>) -> OutpostError {
    OutpostError { operation, parameter, source: source.into() }
}

#[async_trait]
impl Outposts for Parameters {
    async fn read(&self, rollouts: &[&str]) -> Vec<Result<Outside, OutpostError>> {
        let calls = rollouts.chunks(MOST_NAMES / 2).map(async |some| {
            let names = some.iter().flat_map(|name| [run_name(name), order_name(name)]);
            let read = self.get(&names.collect::<Vec<_>>()).await;
            some.iter().map(|rollout| outside(rollout, &read)).collect::<Vec<_>>()
        });
        join_all(calls).await.into_iter().flatten().collect()
    }

    async fn write_run(&self, rollout: &str, copy: &Copy) -> Result<(), OutpostError> {
        let name = run_name(rollout);
        let mut copy = copy.clone();
        let fitted = fit(|cut| {
            copy.reason = copy.reason.as_deref().map(|reason| shorten(reason, cut));
            text(&copy)
        });
        match fitted {
            Ok(text) => self.put(name, text).await,
            Err(error) => Err(failed(WRITING, name, error)),
        }
    }

    async fn write_order(&self, rollout: &str, order: &OutsideOrder) -> Result<(), OutpostError> {
        let name = order_name(rollout);
        let mut order = order.clone();
        let fitted = fit(|cut| {
            if cut < UNCUT {
                // What the rules showed is good to know; who ordered it is needed.
                order.found.clear();
            }
            order.reason = shorten(&order.reason, cut);
            text(&order)
        });
        match fitted {
            Ok(text) => self.put(name, text).await,
            Err(error) => Err(failed(WRITING, name, error)),
        }
    }
}

fn outside(
    rollout: &str,
    read: &Result<HashMap<String, String>, CallError>,
) -> Result<Outside, OutpostError> {
    let values = match read {
        Ok(values) => values,
        Err(error) => return Err(failed(READING, run_name(rollout), error.clone())),
    };
    Ok(Outside {
        run: value(values, run_name(rollout))?,
        order: value(values, order_name(rollout))?,
    })
}

/// An absent parameter is `None`; one that is there and makes no sense is an error.
fn value<T: DeserializeOwned>(
    values: &HashMap<String, String>,
    name: String,
) -> Result<Option<T>, OutpostError> {
    let Some(text) = values.get(&name) else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| failed(READING, name, error))
}

/// JSON as SSM takes it: `{{` would be read as a reference to another parameter.
/// JSON itself never has two of them in a row, so these stand inside of texts.
fn text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(value)?.replace("{{", "{\\u007b"))
}

/// A cut that leaves every reason whole.
const UNCUT: usize = usize::MAX;

/// The text with its reason as long as the parameter has room for.
fn fit(
    mut made: impl FnMut(usize) -> Result<String, serde_json::Error>,
) -> Result<String, BoxError> {
    for cut in [UNCUT, 1000, 300, 80] {
        let text = made(cut)?;
        if text.len() <= MOST_BYTES {
            return Ok(text);
        }
    }
    Err(format!("the text is longer than the {MOST_BYTES} bytes of a standard parameter").into())
}

/// At most so many characters.
fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::copy::{CopyState, VERSION};
    use crate::domain::plan::Mode;

    fn copy(reason: &str) -> Copy {
        Copy {
            v: VERSION,
            run: 3,
            state: CopyState::RollingBack,
            mode: Mode::Active,
            revision: 41,
            at_ms: 1_760_000_000_000,
            reason: Some(reason.to_owned()),
            alarms_before: vec!["score-rust".to_owned()],
        }
    }

    fn read(texts: &[(&str, &str)]) -> Result<Outside, OutpostError> {
        let values = texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        outside("scorer", &Ok(values.collect()))
    }

    #[test]
    fn an_absent_parameter_is_none_and_an_unreadable_one_names_itself() {
        assert_eq!(read(&[]).unwrap(), Outside::default());
        let run = text(&copy("P95 over its limit")).unwrap();
        let seen = read(&[("/rollout/scorer/run", &run)]).unwrap();
        assert_eq!((seen.run, seen.order), (Some(copy("P95 over its limit")), None));
        for name in ["/rollout/scorer/run", "/rollout/scorer/order"] {
            let error = read(&[(name, "{\"v\":1}")]).unwrap_err();
            assert_eq!(error.to_string(), format!("reading parameter {name}"));
        }
    }

    #[test]
    fn a_reason_with_braces_is_no_reference_to_a_parameter() {
        let wild = "why {{ssm:secret}} and {{{ and \"}}\"";
        let text = text(&copy(wild)).unwrap();
        assert!(!text.contains("{{"), "{text}");
        let back: Copy = serde_json::from_str(&text).unwrap();
        assert_eq!(back.reason.as_deref(), Some(wild));
    }

    #[test]
    fn a_long_reason_is_cut_to_what_a_parameter_holds() {
        let long = "ß".repeat(3000);
        let mut copy = copy(&long);
        let fitted = fit(|cut| {
            copy.reason = copy.reason.as_deref().map(|reason| shorten(reason, cut));
            text(&copy)
        });
        let fitted = fitted.unwrap();
        assert!(fitted.len() <= MOST_BYTES);
        let back: Copy = serde_json::from_str(&fitted).unwrap();
        let reason = back.reason.unwrap();
        assert!(reason.starts_with("ßßß") && reason.ends_with('…'), "{reason}");

        let mut endless = copy.clone();
        endless.alarms_before = vec!["a".repeat(255); 20];
        assert!(fit(|_| text(&endless)).is_err());
    }
}
