//! Which calls were made, by whom and on what: what policies would have to allow.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;
use serde::Serialize;

/// A call as a policy sees it, once however often it was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ApiCall {
    /// The access key that signed it; each function's is its name.
    pub caller: String,
    /// Such as `lambda:InvokeFunction`.
    pub action: String,
    /// The ARN or name that the call is about; none where the service's policies know
    /// no resource, or the local cloud keeps none.
    pub resource: Option<String>,
}

/// Every call so far, carried out or refused.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<BTreeSet<ApiCall>>);

impl Calls {
    pub(super) fn note(&self, caller: &str, action: &str, resources: Vec<String>) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |resource| {
            let (caller, action) = (caller.to_owned(), action.to_owned());
            calls.insert(ApiCall { caller, action, resource });
        };
        if resources.is_empty() {
            add(None);
        }
        for resource in resources {
            add(Some(resource));
        }
    }

    pub(crate) fn all(&self) -> Vec<ApiCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// The access key in a signature (`Credential=KEY/DATE/REGION/…`); empty without one.
pub(super) fn caller(headers: &HeaderMap) -> String {
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok());
    let key = signed.and_then(|signed| signed.split_once("Credential="));
    key.and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default().to_owned()
}
