//! Which queries a wish consists of.

use std::collections::HashMap;
use std::fmt;

use answers::Kind;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};

use crate::domain::route::{GroupArn, RuleArn};
use crate::ports::MinutesWanted;

/// Namespace of what the load balancer counts.
const ALB: &str = "AWS/ApplicationELB";
/// Namespace of what the new side's functions count, by target group.
const SCORERS: &str = "ScorerFn";

/// Who counts a metric of a target group, and with which other dimension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// The load balancer, by its name and the group.
    Both { load_balancer: String },
    /// The load balancer, by the group alone.
    GroupAlone,
    /// The functions behind it.
    Scorers,
    /// The same, for one kind of difference.
    ScorersByKind(Kind),
}

/// One metric of one target group with one statistic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Query {
    group: GroupArn,
    from: Source,
    metric: &'static str,
    stat: String,
}

impl Query {
    pub(super) fn group(&self) -> &GroupArn {
        &self.group
    }

    /// As CloudWatch wants it, under this `Id`. No unit: a wrong one is no data.
    pub(super) fn to_sdk(&self, id: &str) -> MetricDataQuery {
        let dimension =
            |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let (namespace, more) = match &self.from {
            Source::Both { load_balancer } => (ALB, Some(("LoadBalancer", load_balancer.as_str()))),
            Source::GroupAlone => (ALB, None),
            Source::Scorers => (SCORERS, None),
            Source::ScorersByKind(kind) => (SCORERS, Some(("Kind", kind.name()))),
        };
        let dimensions = [("TargetGroup", self.group.dimension())].into_iter().chain(more);
        let metric = Metric::builder()
            .namespace(namespace)
            .metric_name(self.metric)
            .set_dimensions(Some(dimensions.map(|(name, value)| dimension(name, value)).collect()))
            .build();
        let stat = MetricStat::builder().metric(metric).period(60).stat(&self.stat).build();
        MetricDataQuery::builder().id(id).metric_stat(stat).build()
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.metric, self.stat)
    }
}

/// Where the queries of one target group stand in the list of all.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// `RequestCount`.
    pub(super) requests: usize,
    /// `HTTPCode_Target_5XX_Count`: errors that the function answered with.
    pub(super) answered_errors: usize,
    /// `LambdaUserError`, `LambdaInternalError`: calls without a usable answer.
    pub(super) failed_calls: [usize; 2],
    /// Number of latency samples.
    pub(super) samples: usize,
    /// Latency samples by bucket, one more than there are edges.
    pub(super) buckets: Vec<usize>,
}

impl Side {
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        [self.requests, self.answered_errors, self.samples]
            .into_iter()
            .chain(self.failed_calls)
            .chain(self.buckets.iter().copied())
    }
}

/// Where the queries about compared answers of one new side stand in the list of all.
#[derive(Clone, Debug)]
pub(super) struct Comparing {
    /// `Compared`.
    pub(super) compared: usize,
    /// `Different`.
    pub(super) different: usize,
    /// `CompareFailed`.
    pub(super) failed: usize,
    /// `Different` by kind, in the order of [`Kind::ALL`].
    pub(super) kinds: [usize; Kind::ALL.len()],
}

/// Queries about compared answers of one new side.
pub(super) const OF_COMPARED: usize = 3 + Kind::ALL.len();

/// Queries of all wishes, each once.
#[derive(Default)]
pub(super) struct Asked {
    queries: Vec<Query>,
    positions: HashMap<Query, usize>,
}

impl Asked {
    /// Adds the queries of a wish; returns the old and the new side of each route.
    pub(super) fn add(&mut self, wish: &MinutesWanted<'_>) -> Vec<[Side; 2]> {
        let stats = bucket_stats(wish.edges_ms);
        let sides = wish.routes.iter().map(|route| {
            [&route.old_group, &route.new_group]
                .map(|group| self.add_side(&route.rule, group, &stats))
        });
        sides.collect()
    }

    /// Adds the queries about compared answers, one set for each route; none if they are
    /// not wanted.
    pub(super) fn add_compared(&mut self, wish: &MinutesWanted<'_>) -> Vec<Comparing> {
        let routes = if wish.comparisons { wish.routes } else { &[] };
        let each = routes.iter().map(|route| {
            let mut of = |metric, from| {
                let (group, stat) = (route.new_group.clone(), "Sum".to_owned());
                self.position(Query { group, from, metric, stat })
            };
            Comparing {
                compared: of("Compared", Source::Scorers),
                different: of("Different", Source::Scorers),
                failed: of("CompareFailed", Source::Scorers),
                kinds: Kind::ALL.map(|kind| of("Different", Source::ScorersByKind(kind))),
            }
        });
        each.collect()
    }

    pub(super) fn into_queries(self) -> Vec<Query> {
        self.queries
    }

    fn add_side(&mut self, rule: &RuleArn, group: &GroupArn, buckets: &[String]) -> Side {
        let load_balancer = rule.load_balancer_dimension();
        let mut by_both = |metric, stat: &str| {
            self.position(Query {
                group: group.clone(),
                from: Source::Both { load_balancer: load_balancer.clone() },
                metric,
                stat: stat.to_owned(),
            })
        };
        let requests = by_both("RequestCount", "Sum");
        let answered_errors = by_both("HTTPCode_Target_5XX_Count", "Sum");
        let samples = by_both("TargetResponseTime", "SampleCount");
        let buckets = buckets.iter().map(|stat| by_both("TargetResponseTime", stat)).collect();
        // AWS documents these two with the group alone in every list, and with the
        // load balancer only in some.
        let failed_calls = ["LambdaUserError", "LambdaInternalError"].map(|metric| {
            self.position(Query {
                group: group.clone(),
                from: Source::GroupAlone,
                metric,
                stat: "Sum".to_owned(),
            })
        });
        Side { requests, answered_errors, failed_calls, samples, buckets }
    }

    fn position(&mut self, query: Query) -> usize {
        *self.positions.entry(query).or_insert_with_key(|query| {
            self.queries.push(query.clone());
            self.queries.len() - 1
        })
    }
}

/// Queries of one side with so many edges between its latency buckets.
pub(super) fn of_side(edges: usize) -> usize {
    // Requests, three kinds of errors, samples, and a bucket more than edges.
    5 + edges + 1
}

/// `TC(:0.005)`, `TC(0.005:0.0063)`, …, `TC(10:)`: lower bound exclusive, upper inclusive.
fn bucket_stats(edges_ms: &[f64]) -> Vec<String> {
    let bounds: Vec<String> = edges_ms.iter().map(|&edge| seconds(edge)).collect();
    let lower = std::iter::once("").chain(bounds.iter().map(String::as_str));
    let upper = bounds.iter().map(String::as_str).chain(std::iter::once(""));
    lower.zip(upper).map(|(lower, upper)| format!("TC({lower}:{upper})")).collect()
}

/// Milliseconds as seconds, as short as they can be written within the ten decimals
/// that CloudWatch takes: 6.3 becomes `0.0063`, not `0.0063000000000000002`.
fn seconds(edge_ms: f64) -> String {
    let text = format!("{:.10}", edge_ms / 1000.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::minute::{Edges, Minute};
    use crate::domain::route::Route;

    #[test]
    fn bounds_are_written_without_noise() {
        for (edge_ms, text) in [
            (5.0, "0.005"),
            (6.3, "0.0063"),
            (31.5, "0.0315"),
            (1000.0, "1"),
            (10_000.0, "10"),
            (0.1 + 0.2, "0.0003"),
            (0.000_1, "0.0000001"),
        ] {
            assert_eq!(seconds(edge_ms), text);
        }
    }

    #[test]
    fn buckets_cover_every_latency_once() {
        assert_eq!(bucket_stats(&[5.0, 100.0]), ["TC(:0.005)", "TC(0.005:0.1)", "TC(0.1:)"]);
    }

    #[test]
    fn two_rollouts_that_share_a_group_ask_for_it_once() {
        let group = |name: &str| {
            let arn = format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{name}/1");
            GroupArn::parse(&arn).unwrap()
        };
        let route = |new: &str| Route {
            name: new.into(),
            rule: RuleArn::parse(
                "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/lb/1/2/3",
            )
            .unwrap(),
            old_group: group("py"),
            new_group: group(new),
            header_rule: None,
        };
        let edges = Edges::default();
        let mut asked = Asked::default();
        for new in ["rs", "rs2"] {
            let routes = [route(new)];
            let (from, until) = (Minute(1), Minute(2));
            let edges_ms = edges.as_ms();
            let comparisons = false;
            asked.add(&MinutesWanted { routes: &routes, from, until, edges_ms, comparisons });
        }
        assert_eq!(asked.into_queries().len(), 3 * of_side(edges.as_ms().len()));
    }
}
