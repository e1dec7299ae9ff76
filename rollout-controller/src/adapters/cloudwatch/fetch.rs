//! GetMetricData: as few calls as the quotas allow, all pages of each.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{MessageData, MetricDataResult, ScanBy, StatusCode};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::queries::Query;
use crate::adapters::aws::{Aws, CallError};
use crate::domain::minute::Minute;

/// Queries in one call.
const MOST_QUERIES: usize = 500;
/// Data points in one answer, over all its pages.
pub(super) const MOST_POINTS: i32 = 100_800;
/// Calls at a time. AWS takes 50 a second in a region.
const MOST_CALLS: usize = 8;
/// Pages of one call; more mean that the token leads in circles.
const MOST_PAGES: usize = 100;

/// What one query was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    values: BTreeMap<Minute, f64>,
    gaps: Vec<Gap>,
}

/// Minutes for which an answer was not complete: a value that is there counts, and
/// one that is absent may exist all the same.
#[derive(Clone, Debug)]
struct Gap {
    from: Minute,
    until: Minute,
    status: String,
}

impl Series {
    /// The value of a minute, if it has one. The error is the status of an answer
    /// that does not tell.
    pub(super) fn at(&self, minute: Minute) -> Result<Option<f64>, &str> {
        if let Some(value) = self.values.get(&minute) {
            return Ok(Some(*value));
        }
        let gap = self.gaps.iter().find(|gap| gap.from <= minute && minute < gap.until);
        gap.map_or(Ok(None), |gap| Err(&gap.status))
    }

    /// The first status that was not complete.
    pub(super) fn incomplete(&self) -> Option<&str> {
        self.gaps.first().map(|gap| gap.status.as_str())
    }

    fn join(&mut self, other: Self) {
        self.values.extend(other.values);
        self.gaps.extend(other.gaps);
    }

    #[cfg(test)]
    pub(super) fn of(values: impl IntoIterator<Item = (Minute, f64)>) -> Self {
        Self { values: values.into_iter().collect(), gaps: Vec::new() }
    }
}

/// One result for each query, in the order asked; the error is its call's.
pub(super) type Answers = Vec<Result<Series, CallError>>;

/// Values of all queries from a minute until before another.
pub(super) async fn all(aws: &Aws, queries: &[Query], from: Minute, until: Minute) -> Answers {
    let mut answers: Answers = queries.iter().map(|_| Ok(Series::default())).collect();
    if queries.is_empty() || until <= from {
        return answers;
    }
    let client = aws.cloudwatch().await;
    let mut calls = JoinSet::new();
    for (first, end, span_from, span_until) in spans(queries.len(), from, until) {
        if calls.len() >= MOST_CALLS {
            settle(&mut answers, calls.join_next().await);
        }
        let (client, asked) = (client.clone(), queries[first..end].to_vec());
        let call = async move {
            (first, call(&client, &asked, (span_from, span_until), MOST_POINTS).await)
        };
        calls.spawn(call.in_current_span());
    }
    while !calls.is_empty() {
        settle(&mut answers, calls.join_next().await);
    }
    answers
}

/// Calls as (first query, end of queries, first minute, end of minutes).
fn spans(queries: usize, from: Minute, until: Minute) -> Vec<(usize, usize, Minute, Minute)> {
    let mut spans = Vec::new();
    for first in (0..queries).step_by(MOST_QUERIES) {
        let end = queries.min(first + MOST_QUERIES);
        let in_call = i64::try_from(end - first).unwrap_or(i64::MAX);
        let minutes = (i64::from(MOST_POINTS) / in_call).max(1);
        let mut start = from;
        while start < until {
            let stop = start.plus(minutes).min(until);
            spans.push((first, end, start, stop));
            start = stop;
        }
    }
    spans
}

type Called = (usize, Result<Answers, CallError>);

/// Adds the answers of one call; the first failure of a query stays.
fn settle(answers: &mut Answers, called: Option<Result<Called, tokio::task::JoinError>>) {
    let (first, result) = match called {
        None => return,
        Some(Ok(called)) => called,
        // A bug in the call, nothing that waiting would mend.
        Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
    };
    match result {
        Ok(series) => {
            for (known, new) in answers[first..].iter_mut().zip(series) {
                match (known, new) {
                    (Ok(known), Ok(new)) => known.join(new),
                    (known @ Ok(_), Err(error)) => *known = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
        Err(error) => {
            let end = answers.len().min(first + MOST_QUERIES);
            for known in &mut answers[first..end] {
                if known.is_ok() {
                    *known = Err(error.clone());
                }
            }
        }
    }
}

/// What the pages said about one query so far.
#[derive(Default)]
struct Heard {
    values: BTreeMap<Minute, f64>,
    status: Option<StatusCode>,
    messages: Vec<String>,
}

async fn call(
    client: &Client,
    queries: &[Query],
    (from, until): (Minute, Minute),
    most_points: i32,
) -> Result<Answers, CallError> {
    const OPERATION: &str = "GetMetricData";
    let ids: Vec<String> = (0..queries.len()).map(|index| format!("q{index}")).collect();
    let asked: Vec<_> = queries.iter().zip(&ids).map(|(query, id)| query.to_sdk(id)).collect();
    let mut heard: Vec<Heard> = queries.iter().map(|_| Heard::default()).collect();
    let mut general = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = client
            .get_metric_data()
            .set_metric_data_queries(Some(asked.clone()))
            .start_time(DateTime::from_secs(from.epoch_secs()))
            .end_time(DateTime::from_secs(until.epoch_secs()))
            .scan_by(ScanBy::TimestampAscending)
            .max_datapoints(most_points)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| CallError::new(OPERATION, &error))?;
        general.extend(words(page.messages()));
        for result in page.metric_data_results() {
            let place = result.id().and_then(|id| id.strip_prefix('q')?.parse::<usize>().ok());
            if let Some(heard) = place.and_then(|place| heard.get_mut(place)) {
                hear(heard, result, from, until);
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            let whole = |heard| Ok(conclude(heard, &general, from, until));
            return Ok(heard.into_iter().map(whole).collect());
        }
    }
    Err(CallError::finding(OPERATION, format!("more than {MOST_PAGES} pages")))
}

fn hear(heard: &mut Heard, result: &MetricDataResult, from: Minute, until: Minute) {
    for (time, value) in result.timestamps().iter().zip(result.values()) {
        let minute = Minute(time.secs().div_euclid(60));
        if minute >= from && minute < until {
            heard.values.insert(minute, *value);
        }
    }
    if result.timestamps().len() != result.values().len() {
        heard.messages.push("as many times as values were expected".to_owned());
        heard.status = Some(StatusCode::PartialData);
        return;
    }
    heard.status = result.status_code().cloned();
    heard.messages.extend(words(result.messages()));
}

fn conclude(heard: Heard, general: &[String], from: Minute, until: Minute) -> Series {
    let gaps = match heard.status {
        Some(StatusCode::Complete) => Vec::new(),
        status => {
            let status = status.as_ref().map_or("missing from the answer", StatusCode::as_str);
            let messages = heard.messages.iter().chain(general).map(String::as_str);
            let told: Vec<&str> = std::iter::once(status).chain(messages).collect();
            vec![Gap { from, until, status: told.join("; ") }]
        }
    };
    Series { values: heard.values, gaps }
}

fn words(messages: &[MessageData]) -> impl Iterator<Item = String> + '_ {
    messages.iter().map(|message| {
        let (code, value) =
            (message.code().unwrap_or_default(), message.value().unwrap_or_default());
        format!("{code} {value}").trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stay_within_queries_and_data_points() {
        let spans = spans(1_080, Minute(0), Minute(300));
        for &(first, end, from, until) in &spans {
            assert!(end - first <= MOST_QUERIES);
            let points = i64::try_from(end - first).unwrap() * until.since(from);
            assert!(points <= i64::from(MOST_POINTS), "{points}");
        }
        let asked: i64 = spans
            .iter()
            .map(|(first, end, from, until)| {
                i64::try_from(end - first).unwrap() * until.since(*from)
            })
            .sum();
        assert_eq!(asked, 1_080 * 300, "every query of every minute once");
        assert_eq!(super::spans(80, Minute(5), Minute(65)).len(), 1, "an hour is one call");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pages_of_one_call_are_joined() {
        use crate::domain::minute::Edges;
        use crate::domain::route::{GroupArn, Route, RuleArn};
        use local_cloud::metrics::{Datum, dimensions};
        use local_cloud::{LocalCloud, Metric, Topology};

        let cloud = LocalCloud::start(Topology::new().manual_clock()).await.unwrap();
        let group = |name: &str| {
            let arn = format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{name}/1");
            GroupArn::parse(&arn).unwrap()
        };
        let rule = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/lb/1/2/3";
        let routes = [Route {
            name: "scores".into(),
            rule: RuleArn::parse(rule).unwrap(),
            old_group: group("py"),
            new_group: group("rs"),
            header_rule: None,
        }];
        let start = Minute(cloud.clock().minute()).plus(-30);
        for number in 0..9_i16 {
            for side in ["py", "rs"] {
                let group = format!("targetgroup/{side}/1");
                let metric = Metric {
                    namespace: "AWS/ApplicationELB".into(),
                    name: "RequestCount".into(),
                    dimensions: dimensions([("LoadBalancer", "app/lb/1"), ("TargetGroup", &group)]),
                };
                let at_ms = 1000 * start.plus(i64::from(number)).epoch_secs();
                cloud.metrics().put(metric, at_ms, &Datum::Values(vec![(f64::from(number), 1.0)]));
            }
        }
        let mut asked = super::super::queries::Asked::default();
        let edges = Edges::new(vec![5.0, 100.0]).unwrap();
        let (from, until) = (start, start.plus(9));
        asked.add(&crate::ports::MinutesWanted {
            routes: &routes,
            from,
            until,
            edges_ms: edges.as_ms(),
            comparisons: false,
        });
        let queries = asked.into_queries();
        let keys = aws_sdk_cloudwatch::config::Credentials::new("x", "y", None, None, "test");
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-west-1"))
            .credentials_provider(keys)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(cloud.aws_endpoint())
            .load()
            .await;
        let client = Client::new(&config);
        // Eighteen points in pages of four.
        let answers = call(&client, &queries, (from, until), 4).await.unwrap();
        let points: Vec<f64> = answers
            .iter()
            .flat_map(|series| series.as_ref().unwrap().values.values().copied())
            .collect();
        let each: Vec<f64> = (0..9_i16).map(f64::from).collect();
        assert_eq!(points, [each.clone(), each].concat());
    }

    #[test]
    fn an_answer_that_is_not_complete_says_nothing_of_what_it_leaves_out() {
        let heard = |status, messages: &[String]| {
            let values = BTreeMap::from([(Minute(7), 3.0)]);
            conclude(Heard { values, status, ..Heard::default() }, messages, Minute(7), Minute(9))
        };
        let whole = heard(Some(StatusCode::Complete), &[]);
        assert_eq!((whole.at(Minute(7)), whole.at(Minute(8))), (Ok(Some(3.0)), Ok(None)));
        assert_eq!(whole.incomplete(), None);
        for (status, told) in [
            (None, "missing from the answer; Busy try later"),
            (Some(StatusCode::PartialData), "PartialData; Busy try later"),
            (Some(StatusCode::Forbidden), "Forbidden; Busy try later"),
        ] {
            let mut series = heard(status, &["Busy try later".to_owned()]);
            assert_eq!((series.at(Minute(7)), series.at(Minute(8))), (Ok(Some(3.0)), Err(told)));
            assert_eq!(series.incomplete(), Some(told));
            // Another call answered for the minutes after it.
            series.join(Series::of([(Minute(9), 4.0)]));
            assert_eq!((series.at(Minute(9)), series.at(Minute(10))), (Ok(Some(4.0)), Ok(None)));
        }
    }
}
