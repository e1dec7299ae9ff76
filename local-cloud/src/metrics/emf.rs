//! Embedded metric format: metrics in a JSON line on standard output.

use serde_json::Value;

use super::Dimensions;

/// Metrics in one line: namespace, name, dimensions, values.
///
/// Anything that is not the format gives nothing, as in CloudWatch Logs.
pub fn parse(line: &str) -> Vec<(String, String, Dimensions, Vec<f64>)> {
    if !line.starts_with('{') || !line.contains("\"_aws\"") {
        return Vec::new();
    }
    let Ok(root) = serde_json::from_str::<Value>(line) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for directive in list(&root["_aws"]["CloudWatchMetrics"]) {
        let Some(namespace) = directive["Namespace"].as_str() else {
            continue;
        };
        for metric in list(&directive["Metrics"]) {
            let Some(name) = metric["Name"].as_str() else {
                continue;
            };
            let values: Vec<f64> = match &root[name] {
                Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
                value => value.as_f64().into_iter().collect(),
            };
            if values.is_empty() {
                continue;
            }
            for set in list(&directive["Dimensions"]) {
                if let Some(dimensions) = dimension_set(&root, set) {
                    found.push((namespace.to_owned(), name.to_owned(), dimensions, values.clone()));
                }
            }
        }
    }
    found
}

/// `None` if the line lacks a member that the set names.
fn dimension_set(root: &Value, set: &Value) -> Option<Dimensions> {
    list(set)
        .iter()
        .map(|key| {
            let key = key.as_str()?;
            Some((key.to_owned(), root[key].as_str()?.to_owned()))
        })
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::dimensions;

    #[test]
    fn a_line_gives_each_metric_under_each_dimension_set() {
        let line = r#"{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "Scorer/Rollout",
            "Dimensions": [["Service"], []], "Metrics": [{"Name": "TickMs", "Unit": "Milliseconds"},
            {"Name": "Absent"}]}]}, "Service": "scorer", "TickMs": [142, 8.5]}"#;
        let line = line.replace('\n', " ");
        let found = parse(&line);
        assert_eq!(found.len(), 2);
        let (namespace, name, set, values) = &found[0];
        assert_eq!((namespace.as_str(), name.as_str()), ("Scorer/Rollout", "TickMs"));
        assert_eq!(*set, dimensions([("Service", "scorer")]));
        assert_eq!(*values, [142.0, 8.5]);
        assert!(found[1].2.is_empty());
    }

    #[test]
    fn other_lines_give_nothing() {
        assert!(parse("hello").is_empty());
        assert!(parse(r#"{"_aws": 1}"#).is_empty());
        assert!(parse(r#"{"_aws": {"CloudWatchMetrics": "#).is_empty());
    }
}
