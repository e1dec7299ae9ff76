//! CloudWatch: metrics. Answers are values; the endpoint writes them as CBOR
//! or JSON. Left out: metric math (`InternalError`), units, dashboards.

use std::collections::BTreeMap;

use super::value::{Val, map, text};
use super::{AwsError, cloudwatch_alarms};
use crate::cloud::Cloud;
use crate::faults::{ApiFaultKind, MetricsFaultKind};
use crate::metrics::{Datum, Dimensions, Metric, Statistic, StatisticSet};

/// Queries in one call.
const MAX_QUERIES: usize = 500;
/// Datapoints in one answer.
const MAX_DATAPOINTS: usize = 100_800;

/// Carries out one operation.
pub(super) fn call(
    cloud: &Cloud,
    operation: &str,
    input: &Val,
    fault: Option<ApiFaultKind>,
) -> Result<Val, AwsError> {
    match operation {
        "GetMetricData" => get_metric_data(cloud, input, fault),
        "GetMetricStatistics" => get_metric_statistics(cloud, input),
        "PutMetricData" => put_metric_data(cloud, input),
        "ListMetrics" => Ok(list_metrics(cloud, input)),
        other => cloudwatch_alarms::call(cloud, other, input),
    }
}

struct Query {
    id: String,
    label: String,
    /// `None` is an expression, which we do not compute.
    points: Option<Vec<(i64, f64)>>,
    /// A status that a fault of this metric calls for.
    fault: Option<MetricsFaultKind>,
}

fn get_metric_data(
    cloud: &Cloud,
    input: &Val,
    fault: Option<ApiFaultKind>,
) -> Result<Val, AwsError> {
    let queries = input.list("MetricDataQueries");
    if queries.is_empty() || queries.len() > MAX_QUERIES {
        return Err(AwsError::validation(format!(
            "The collection MetricDataQueries must have a size between 1 and {MAX_QUERIES}, found {}",
            queries.len()
        )));
    }
    let (start_ms, end_ms) = times(input)?;
    let descending = match input.text("ScanBy") {
        None | Some("TimestampDescending") => true,
        Some("TimestampAscending") => false,
        Some(other) => {
            return Err(AwsError::validation(format!("ScanBy '{other}' is not a scan order")));
        }
    };
    let mut read = Vec::new();
    for query in queries {
        let query = read_query(cloud, query, start_ms, end_ms)?;
        if read.iter().any(|(other, _): &(Query, bool)| other.id == query.0.id) {
            return Err(AwsError::validation(format!("Id {} is used twice", query.0.id)));
        }
        read.push(query);
    }
    let shown: Vec<Query> =
        read.into_iter().filter(|(_, shown)| *shown).map(|(query, _)| query).collect();
    page(shown, input, descending, fault)
}

fn page(
    queries: Vec<Query>,
    input: &Val,
    descending: bool,
    fault: Option<ApiFaultKind>,
) -> Result<Val, AwsError> {
    let budget = input.int("MaxDatapoints").map_or(Ok(MAX_DATAPOINTS), |wanted| {
        usize::try_from(wanted)
            .ok()
            .filter(|wanted| (1..=MAX_DATAPOINTS).contains(wanted))
            .ok_or_else(|| AwsError::validation(format!("MaxDatapoints {wanted} is out of range")))
    })?;
    let (first, skipped) = match input.text("NextToken") {
        None => (0, 0),
        Some(token) => token
            .split_once('.')
            .and_then(|(query, point)| Some((query.parse().ok()?, point.parse().ok()?)))
            .filter(|(query, _): &(usize, usize)| *query < queries.len())
            .ok_or_else(|| AwsError::sender("InvalidNextToken", "The next token is not valid"))?,
    };
    let mut left = budget;
    let mut results = Vec::new();
    let mut next = None;
    for (at, query) in queries.into_iter().enumerate().skip(first) {
        let mut status = "Complete";
        let mut messages = Vec::new();
        let mut points = query.points.unwrap_or_else(|| {
            status = "InternalError";
            messages.push(map([
                ("Code", text("NotImplemented")),
                ("Value", text("local-cloud has no metric math")),
            ]));
            Vec::new()
        });
        if descending {
            points.reverse();
        }
        let from = if at == first { skipped.min(points.len()) } else { 0 };
        let taken = left.min(points.len() - from);
        let mut slice = points[from..from + taken].to_vec();
        left -= taken;
        if from + taken < points.len() {
            status = "PartialData";
            next = Some(format!("{at}.{}", from + taken));
        }
        match query.fault {
            Some(MetricsFaultKind::PartialData) => status = "PartialData",
            Some(MetricsFaultKind::InternalError) => {
                status = "InternalError";
                slice.clear();
            }
            _ => {}
        }
        match fault {
            Some(ApiFaultKind::PartialData) => {
                status = "PartialData";
                slice.truncate(slice.len() / 2);
            }
            Some(ApiFaultKind::InternalError) => {
                status = "InternalError";
                slice.clear();
            }
            _ => {}
        }
        let times = slice.iter().map(|(at_ms, _)| Val::Time(*at_ms as f64 / 1000.0));
        let mut result = vec![
            ("Id".to_owned(), text(query.id)),
            ("Label".to_owned(), text(query.label)),
            ("Timestamps".to_owned(), Val::List(times.collect())),
            (
                "Values".to_owned(),
                Val::List(slice.iter().map(|(_, value)| Val::Float(*value)).collect()),
            ),
            ("StatusCode".to_owned(), text(status)),
        ];
        if !messages.is_empty() {
            result.push(("Messages".to_owned(), Val::List(messages)));
        }
        results.push(Val::Map(result));
        if next.is_some() {
            break;
        }
    }
    let mut answer = vec![
        ("MetricDataResults".to_owned(), Val::List(results)),
        ("Messages".to_owned(), Val::List(Vec::new())),
    ];
    if let Some(next) = next {
        answer.push(("NextToken".to_owned(), text(next)));
    }
    Ok(Val::Map(answer))
}

/// A query and whether its data is returned.
fn read_query(
    cloud: &Cloud,
    query: &Val,
    start_ms: i64,
    end_ms: i64,
) -> Result<(Query, bool), AwsError> {
    let id = query.text("Id").unwrap_or_default();
    let mut characters = id.chars();
    let starts_low = characters.next().is_some_and(|c| c.is_ascii_lowercase());
    if !starts_low || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(AwsError::validation(format!(
            "Id '{id}' must start with a lower-case letter and have only letters, digits and underscores"
        )));
    }
    let shown = query.bool("ReturnData").unwrap_or(true);
    let Some(stat) = query.get("MetricStat") else {
        if query.text("Expression").is_none() {
            return Err(AwsError::validation(format!("{id}: give MetricStat or Expression")));
        }
        let label = query.text("Label").unwrap_or(id).to_owned();
        return Ok((Query { id: id.to_owned(), label, points: None, fault: None }, shown));
    };
    let metric = stat.get("Metric").and_then(read_metric).ok_or_else(|| {
        AwsError::validation(format!("{id}: Metric needs Namespace and MetricName"))
    })?;
    let period_ms = period(stat.int("Period"), id)?;
    let statistic: Statistic = stat
        .text("Stat")
        .unwrap_or_default()
        .parse()
        .map_err(|error| AwsError::validation(format!("{id}: {error}")))?;
    let label = query.text("Label").unwrap_or(&metric.name).to_owned();
    let from_ms = start_ms.div_euclid(period_ms) * period_ms;
    let points = cloud.metrics.values(&metric, statistic, from_ms, end_ms, period_ms);
    let fault = cloud.metrics.query_fault(&metric, statistic, from_ms, end_ms);
    Ok((Query { id: id.to_owned(), label, points: Some(points), fault }, shown))
}

/// Seconds to milliseconds; whole minutes only, since no finer data is kept.
fn period(secs: Option<i64>, id: &str) -> Result<i64, AwsError> {
    let secs = secs.unwrap_or(0);
    if secs >= 60 && secs % 60 == 0 && secs <= 86_400 {
        return Ok(secs * 1000);
    }
    Err(AwsError::validation(format!(
        "{id}: Period {secs} must be a multiple of 60, at most 86400"
    )))
}

/// Start and end in milliseconds; both are cut to whole seconds.
fn times(input: &Val) -> Result<(i64, i64), AwsError> {
    let ms = |key: &str| {
        let secs = input
            .float(key)
            .filter(|secs| secs.is_finite() && secs.abs() < 1e11)
            .ok_or_else(|| AwsError::validation(format!("{key} must be given as a time")))?;
        #[allow(clippy::cast_possible_truncation)] // below 1e14
        let ms = (secs * 1000.0).round() as i64;
        Ok::<_, AwsError>(ms)
    };
    let (start, end) = (ms("StartTime")?, ms("EndTime")?);
    if start >= end {
        return Err(AwsError::validation("The parameter StartTime must be less than EndTime"));
    }
    Ok((start, end))
}

fn read_metric(value: &Val) -> Option<Metric> {
    Some(Metric {
        namespace: value.text("Namespace")?.to_owned(),
        name: value.text("MetricName")?.to_owned(),
        dimensions: read_dimensions(value)?,
    })
}

/// `Dimensions` as a set; `None` if one lacks its name or value.
pub(super) fn read_dimensions(value: &Val) -> Option<Dimensions> {
    value
        .list("Dimensions")
        .iter()
        .map(|one| Some((one.text("Name")?.to_owned(), one.text("Value")?.to_owned())))
        .collect()
}

pub(super) fn write_dimensions(dimensions: &Dimensions) -> Val {
    let one = |(name, value): (&String, &String)| {
        map([("Name", text(name.as_str())), ("Value", text(value.as_str()))])
    };
    Val::List(dimensions.iter().map(one).collect())
}

fn get_metric_statistics(cloud: &Cloud, input: &Val) -> Result<Val, AwsError> {
    let metric = read_metric(input).ok_or_else(|| {
        AwsError::sender("MissingParameter", "Namespace and MetricName are needed")
    })?;
    let (start_ms, end_ms) = times(input)?;
    let period_ms = period(input.int("Period"), "GetMetricStatistics")?;
    let basic = input.texts("Statistics");
    let extended = input.texts("ExtendedStatistics");
    let mut points: BTreeMap<i64, Vec<(String, Val)>> = BTreeMap::new();
    let mut percentiles: BTreeMap<i64, Vec<(String, Val)>> = BTreeMap::new();
    let from_ms = start_ms.div_euclid(period_ms) * period_ms;
    for (names, into) in [(&basic, &mut points), (&extended, &mut percentiles)] {
        for name in names {
            let statistic: Statistic = name
                .parse()
                .map_err(|error| AwsError::sender("InvalidParameterValue", format!("{error}")))?;
            for (at, value) in cloud.metrics.values(&metric, statistic, from_ms, end_ms, period_ms)
            {
                into.entry(at).or_default().push((name.clone(), Val::Float(value)));
            }
        }
    }
    for (at, values) in percentiles {
        points.entry(at).or_default().push(("ExtendedStatistics".to_owned(), Val::Map(values)));
    }
    let points = points.into_iter().map(|(at, mut members)| {
        members.push(("Timestamp".to_owned(), Val::Time(at as f64 / 1000.0)));
        members.push(("Unit".to_owned(), text("None")));
        Val::Map(members)
    });
    Ok(map([("Label", text(metric.name.clone())), ("Datapoints", Val::List(points.collect()))]))
}

fn put_metric_data(cloud: &Cloud, input: &Val) -> Result<Val, AwsError> {
    let namespace = input.text("Namespace").unwrap_or_default();
    if namespace.is_empty() || namespace.starts_with("AWS/") {
        return Err(AwsError::sender(
            "InvalidParameterValue",
            format!("The value '{namespace}' for parameter Namespace is invalid"),
        ));
    }
    let now_ms = cloud.clock.now_ms();
    let mut read = Vec::new();
    for datum in input.list("MetricData") {
        let name = datum.text("MetricName").unwrap_or_default();
        let bad = |what: &str| {
            AwsError::sender("InvalidParameterValue", format!("MetricData {name}: {what}"))
        };
        let metric = Metric {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: read_dimensions(datum).ok_or_else(|| bad("Dimensions"))?,
        };
        #[allow(clippy::cast_possible_truncation)] // times are far below 2^53 ms
        let at_ms = datum.float("Timestamp").map_or(now_ms, |secs| (secs * 1000.0) as i64);
        let values: Vec<f64> = datum.list("Values").iter().filter_map(Val::as_float).collect();
        let counts: Vec<f64> = datum.list("Counts").iter().filter_map(Val::as_float).collect();
        if !counts.is_empty() && counts.len() != values.len() {
            return Err(bad("Counts and Values differ in length"));
        }
        let datum = if let Some(set) = datum.get("StatisticValues") {
            let field = |key: &str| set.float(key).ok_or_else(|| bad(key));
            Datum::Set(StatisticSet {
                count: field("SampleCount")?,
                sum: field("Sum")?,
                minimum: field("Minimum")?,
                maximum: field("Maximum")?,
            })
        } else if values.is_empty() {
            Datum::Values(vec![(datum.float("Value").ok_or_else(|| bad("no value"))?, 1.0)])
        } else {
            let counts = counts.into_iter().chain(std::iter::repeat(1.0));
            Datum::Values(values.into_iter().zip(counts).collect())
        };
        if let Datum::Values(values) = &datum
            && values
                .iter()
                .any(|(value, count)| !value.is_finite() || !count.is_finite() || *count <= 0.0)
        {
            return Err(bad("values must be finite and counts above zero"));
        }
        read.push((metric, at_ms, datum));
    }
    for (metric, at_ms, datum) in read {
        cloud.metrics.put(metric, at_ms, &datum);
    }
    Ok(Val::Map(Vec::new()))
}

fn list_metrics(cloud: &Cloud, input: &Val) -> Val {
    let wanted = |key: &str, found: &str| input.text(key).is_none_or(|text| text == found);
    let filters = input.list("Dimensions");
    let metrics = cloud.metrics.list().into_iter().filter(|metric| {
        wanted("Namespace", &metric.namespace)
            && wanted("MetricName", &metric.name)
            && filters.iter().all(|filter| {
                let name = filter.text("Name").unwrap_or_default();
                metric
                    .dimensions
                    .get(name)
                    .is_some_and(|value| filter.text("Value").is_none_or(|wanted| wanted == value))
            })
    });
    let metrics = metrics.map(|metric| {
        map([
            ("Namespace", text(metric.namespace)),
            ("MetricName", text(metric.name)),
            ("Dimensions", write_dimensions(&metric.dimensions)),
        ])
    });
    map([("Metrics", Val::List(metrics.collect()))])
}
