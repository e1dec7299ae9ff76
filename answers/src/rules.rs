//! What may differ.

use crate::decimal::Decimal;
use crate::path::Pattern;
use serde::{Deserialize, Serialize};

/// What may differ between two answers without being a difference.
///
/// A list that is given replaces the default one. Paths are the names of members with
/// dots between them; `*` is any one member, `[]` any element of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Members that are not compared at all, whatever is in them.
    pub ignore: Vec<String>,
    /// Members that hold the time of the request. Any moment will do, but in the same
    /// spelling; a null beside a time is a difference.
    pub now: Vec<String>,
    /// Objects whose keys are data, such as `stamps`: reports show `*` for them.
    pub keyed: Vec<String>,
    /// Headers that are not compared: names in any case; a `*` at the end stands for any rest.
    pub ignore_headers: Vec<String>,
    /// Two numbers this near to each other are the same, as decimal text.
    pub tolerance: String,
}

/// A rule that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value:?}: {fix}")]
pub struct RuleProblem {
    /// The field of [`Rules`], with the index in a list.
    pub key: String,
    /// What stands there.
    pub value: String,
    /// What to write.
    pub fix: &'static str,
}

impl Default for Rules {
    /// For the score endpoint behind an Application Load Balancer.
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            ignore: Vec::new(),
            now: list(&["last_score_timestamp"]),
            keyed: list(&["stamps"]),
            ignore_headers: list(&[
                // Of the moment, and of whoever carries the answer.
                "date",
                "server",
                "via",
                "x-amzn-*",
                "x-amz-*",
                "x-cache",
                "connection",
                "keep-alive",
                "transfer-encoding",
                "traceparent",
                "x-request-id",
                // Follows from the body, which is compared.
                "content-length",
            ]),
            tolerance: "0".to_owned(),
        }
    }
}

impl Rules {
    /// All that makes no sense.
    ///
    /// # Errors
    /// At least one [`RuleProblem`].
    pub fn check(&self) -> Result<(), Vec<RuleProblem>> {
        let mut found = Vec::new();
        for (field, list) in [("ignore", &self.ignore), ("now", &self.now), ("keyed", &self.keyed)]
        {
            for (index, text) in list.iter().enumerate() {
                if Pattern::read(text).is_none() {
                    found.push(RuleProblem {
                        key: format!("{field}[{index}]"),
                        value: text.clone(),
                        fix: "write a member's path such as \"stamps.*.score\"",
                    });
                }
            }
        }
        for (index, name) in self.ignore_headers.iter().enumerate() {
            let bare = name.strip_suffix('*').unwrap_or(name);
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c);
            if bare.is_empty() || !bare.chars().all(token) {
                found.push(RuleProblem {
                    key: format!("ignore_headers[{index}]"),
                    value: name.clone(),
                    fix: "write a header's name, such as \"date\" or \"x-amzn-*\"",
                });
            }
        }
        if Decimal::read_plain(&self.tolerance).is_none_or(|tolerance| tolerance.is_negative()) {
            found.push(RuleProblem {
                key: "tolerance".to_owned(),
                value: self.tolerance.clone(),
                fix: "write a decimal from 0 on in quotes, such as \"0.00001\"",
            });
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}
