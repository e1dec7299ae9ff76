//! The small services: SNS, STS, EventBridge, Secrets Manager.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::AwsError;
use super::form::Form;
use super::xml::Xml;
use crate::alarms::report::whole_second;
use crate::cloud::Cloud;

pub(super) const SNS_NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
pub(super) const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub(super) fn sns(
    cloud: &Cloud,
    operation: &str,
    form: &Form,
    xml: &mut Xml,
) -> Result<(), AwsError> {
    match operation {
        "Publish" => {
            let topic =
                form.get("TopicArn").or_else(|| form.get("TargetArn")).ok_or_else(|| {
                    AwsError::sender("InvalidParameter", "Invalid parameter: TopicArn")
                })?;
            let message = form.get("Message").unwrap_or_default();
            let id = cloud.publish(topic, form.get("Subject"), message)?;
            xml.text("MessageId", id);
            Ok(())
        }
        "ListTopics" => {
            xml.list("Topics", &cloud.topics, |xml, arn| {
                xml.text("TopicArn", arn);
            });
            Ok(())
        }
        "GetTopicAttributes" => {
            let arn = form.required("TopicArn")?;
            if !cloud.topics.contains(arn) {
                return Err(AwsError {
                    status: 404,
                    code: "NotFound".to_owned(),
                    message: "Topic does not exist".to_owned(),
                });
            }
            xml.element("Attributes", |xml| {
                xml.element("entry", |xml| {
                    xml.text("key", "TopicArn").text("value", arn);
                });
            });
            Ok(())
        }
        other => Err(AwsError::unsupported(other)),
    }
}

pub(super) fn sts(cloud: &Cloud, operation: &str, xml: &mut Xml) -> Result<(), AwsError> {
    if operation != "GetCallerIdentity" {
        return Err(AwsError::unsupported(operation));
    }
    // Everybody is the same person here: signatures are not looked at.
    xml.text("UserId", "LOCALCLOUD")
        .text("Account", &cloud.names.account)
        .text("Arn", format!("arn:aws:iam::{}:user/local-cloud", cloud.names.account));
    Ok(())
}

/// EventBridge `PutEvents`; whether any entry failed is in the answer.
///
/// `refuse` fails every entry, as a bus that is throttled within does.
pub(super) fn events(
    cloud: &Cloud,
    operation: &str,
    input: &Value,
    refuse: bool,
) -> Result<Value, AwsError> {
    if operation != "PutEvents" {
        return Err(AwsError::unsupported(operation));
    }
    let entries = input["Entries"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() || entries.len() > 10 {
        return Err(AwsError::sender("ValidationException", "1 to 10 Entries"));
    }
    let mut failed = 0;
    let results: Vec<Value> = entries
        .iter()
        .map(|entry| {
            if refuse {
                failed += 1;
                return json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "Unexpected error" });
            }
            let detail = entry["Detail"]
                .as_str()
                .and_then(|text| serde_json::from_str::<Value>(text).ok())
                .filter(Value::is_object);
            let (Some(source), Some(kind), Some(detail)) =
                (entry["Source"].as_str(), entry["DetailType"].as_str(), detail)
            else {
                failed += 1;
                return json!({
                    "ErrorCode": "MalformedDetail",
                    "ErrorMessage": "Source, DetailType and Detail as a JSON object are needed",
                });
            };
            let id = crate::functions::request_id();
            let resources = entry.get("Resources").filter(|list| list.is_array());
            cloud.emit(json!({
                "version": "0",
                "id": id,
                "detail-type": kind,
                "source": source,
                "account": cloud.names.account,
                "time": whole_second(cloud.clock.now_ms()),
                "region": cloud.names.region,
                "resources": resources.cloned().unwrap_or_else(|| json!([])),
                "detail": detail,
            }));
            json!({ "EventId": id })
        })
        .collect();
    Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
}

pub(super) fn secrets(cloud: &Cloud, operation: &str, input: &Value) -> Result<Value, AwsError> {
    if operation != "GetSecretValue" {
        return Err(AwsError::unsupported(operation));
    }
    let id = input["SecretId"].as_str().unwrap_or_default();
    let secrets = cloud.secrets.lock().unwrap_or_else(PoisonError::into_inner);
    let found = secrets.iter().find(|(name, _)| *name == id || cloud.names.secret(name) == id);
    let Some((name, value)) = found else {
        return Err(AwsError::sender(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
        ));
    };
    Ok(json!({
        "ARN": cloud.names.secret(name),
        "Name": name,
        "SecretString": value,
        "VersionId": "00000000-0000-4000-8000-000000000001",
        "VersionStages": ["AWSCURRENT"],
    }))
}
