//! Minutes and alarms, from CloudWatch.
//!
//! A minute of one target group is about forty queries: requests, three kinds of
//! errors, latency samples, and one count for each latency bucket. All groups of
//! all rollouts whose windows overlap share calls of up to 500 queries.
//!
//! Queries are matched by `Id`, never by label. What is absent from a `Complete`
//! answer is read by the rules of [`counts`]; what is absent from any other is
//! unknown, and so is what makes no sense: for that minute of that route alone.

mod alarms;
mod counts;
mod fetch;
mod heartbeat;
mod hours;
mod queries;

use async_trait::async_trait;

use self::fetch::{Answers, Series};
use self::queries::{Asked, Comparing, Query, Side};
use crate::adapters::aws::Aws;
use crate::domain::minute::Minute;
use crate::domain::observation::Unread;
use crate::domain::plan::Terms;
use crate::domain::route::GroupArn;
use crate::domain::wrong_answers::{Comparisons, ComparisonsRead};
use crate::ports::{Metrics, MetricsError, MinuteRead, MinutesWanted, RouteMinute};

/// CloudWatch of one region: [`Metrics`] and [`Alarms`](crate::ports::Alarms).
#[derive(Clone, Debug)]
pub struct CloudWatch {
    aws: Aws,
}

impl CloudWatch {
    /// Speaks with these settings.
    pub fn new(aws: Aws) -> Self {
        Self { aws }
    }

    /// Answers wishes with calls that they share, for all minutes from the first
    /// that one of them wants to the last.
    async fn answer(
        &self,
        wishes: &[&MinutesWanted<'_>],
    ) -> Vec<Result<Vec<MinuteRead>, MetricsError>> {
        let from = wishes.iter().map(|wish| wish.from).min();
        let until = wishes.iter().map(|wish| wish.until).max();
        let Some((from, until)) = from.zip(until) else {
            return Vec::new();
        };
        let mut asked = Asked::default();
        let sides: Vec<_> =
            wishes.iter().map(|wish| (asked.add(wish), asked.add_compared(wish))).collect();
        let queries = asked.into_queries();
        let answers = fetch::all(&self.aws, &queries, from, until).await;
        let mut read = Vec::with_capacity(wishes.len());
        for (wish, (sides, compared)) in wishes.iter().zip(&sides) {
            let minutes = minutes(wish, sides, &queries, &answers);
            read.push(minutes.map(|minutes| with_comparisons(minutes, compared, &answers)));
        }
        read
    }
}

#[async_trait]
impl Metrics for CloudWatch {
    async fn minutes(
        &self,
        wanted: &[MinutesWanted<'_>],
    ) -> Vec<Result<Vec<MinuteRead>, MetricsError>> {
        let mut answered: Vec<Option<Result<Vec<MinuteRead>, MetricsError>>> =
            wanted.iter().map(|_| None).collect();
        for group in shared(wanted) {
            let wishes: Vec<_> = group.iter().map(|&index| &wanted[index]).collect();
            let results = self.answer(&wishes).await;
            let together = wishes.len() > 1;
            for ((&index, wish), result) in group.iter().zip(wishes).zip(results) {
                // AWS refuses a call as a whole. One rollout's query that it does not
                // take must not blind the others: each asks again by itself.
                let result = match result {
                    Err(MetricsError::Read { .. }) if together && refused(&result) => {
                        self.answer(&[wish]).await.pop().unwrap_or(result)
                    }
                    result => result,
                };
                answered[index] = Some(result);
            }
        }
        answered.into_iter().flatten().collect()
    }
}

/// Metrics that one tick of a run with these terms asks for, which is what AWS counts.
pub fn metrics_of(terms: &Terms) -> usize {
    let routes = terms.routes.len();
    let compared = if terms.evidence.wrong_answers().is_some() { queries::OF_COMPARED } else { 0 };
    2 * routes * queries::of_side(terms.evidence.edges().as_ms().len()) + routes * compared
}

/// Wishes that share calls.
struct Shared {
    members: Vec<usize>,
    from: Minute,
    until: Minute,
    /// At most; groups that several wishes name are asked for once.
    queries: i64,
}

impl Shared {
    fn of(index: usize, wish: &MinutesWanted<'_>) -> Self {
        let each = i64::try_from(queries::of_side(wish.edges_ms.len())).unwrap_or(i64::MAX);
        let sides = i64::try_from(2 * wish.routes.len()).unwrap_or(i64::MAX);
        let compared = if wish.comparisons { wish.routes.len() * queries::OF_COMPARED } else { 0 };
        let compared = i64::try_from(compared).unwrap_or(i64::MAX);
        let queries = sides.saturating_mul(each).saturating_add(compared);
        Self { members: vec![index], from: wish.from, until: wish.until, queries }
    }

    /// Both together, if their windows overlap and sharing asks for little more than
    /// both need: the same minutes, or no more than one answer holds. Else one long
    /// window would make everybody's long.
    fn with(&self, other: &Self) -> Option<Self> {
        let (from, until) = (self.from.min(other.from), self.until.max(other.until));
        let queries = self.queries.saturating_add(other.queries);
        let overlap = self.from < other.until && other.from < self.until;
        let same = (self.from, self.until) == (other.from, other.until);
        let points = queries.saturating_mul(until.since(from));
        (same || (overlap && points <= i64::from(fetch::MOST_POINTS))).then(|| {
            let members = [&self.members[..], &other.members].concat();
            Self { members, from, until, queries }
        })
    }
}

/// Positions of the wishes, grouped by the calls that they share, in the order of
/// first mention.
fn shared(wanted: &[MinutesWanted<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Shared> = Vec::new();
    for (index, wish) in wanted.iter().enumerate() {
        let mut wish = Shared::of(index, wish);
        // A wish that joins one group may make it overlap with another.
        while let Some((at, both)) =
            groups.iter().enumerate().find_map(|(at, group)| Some((at, group.with(&wish)?)))
        {
            groups.remove(at);
            wish = both;
        }
        groups.push(wish);
    }
    groups.into_iter().map(|group| group.members).collect()
}

/// Whether AWS refused what was asked, as opposed to not answering now.
fn refused(result: &Result<Vec<MinuteRead>, MetricsError>) -> bool {
    match result {
        Err(MetricsError::Read { source, .. }) => source
            .downcast_ref::<crate::adapters::aws::CallError>()
            .is_some_and(|error| !error.is_passing()),
        _ => false,
    }
}

fn minutes(
    wish: &MinutesWanted<'_>,
    sides: &[[Side; 2]],
    queries: &[Query],
    answers: &Answers,
) -> Result<Vec<MinuteRead>, MetricsError> {
    let positions = || sides.iter().flatten().flat_map(Side::positions);
    for position in positions() {
        if let Err(error) = &answers[position] {
            let group = queries[position].group().clone();
            return Err(MetricsError::Read { group, source: Box::new(error.clone()) });
        }
    }
    let value = |position: usize, minute: Minute| match &answers[position] {
        Ok(series) => series
            .at(minute)
            .map_err(|status| format!("query `{}` came back as {status}", queries[position])),
        Err(error) => Err(error.to_string()),
    };
    let mut read = Vec::new();
    let mut minute = wish.from;
    while minute < wish.until {
        let mut routes = Vec::with_capacity(sides.len());
        for (route, [old, new]) in wish.routes.iter().zip(sides) {
            let side = |side: &Side, group: &GroupArn| {
                counts::side(side, |position| value(position, minute))
                    .map_err(|what| Unread::because(format!("{}: {what}", group.short_name())))
            };
            let both = side(old, &route.old_group)
                .and_then(|old| side(new, &route.new_group).map(|new| (old, new)));
            routes.push(match both {
                Ok((old, new)) => RouteMinute::Known { old, new },
                Err(why) => RouteMinute::Unknown(why),
            });
        }
        read.push(MinuteRead { minute, routes, comparisons: None });
        minute = minute.plus(1);
    }
    let is_known = |route: &RouteMinute| match route {
        RouteMinute::Known { .. } => true,
        RouteMinute::Unknown(_) => false,
    };
    if !read.iter().flat_map(|minute| &minute.routes).any(is_known) {
        // Nothing at all was read, and that is CloudWatch's doing.
        let incomplete = |position: usize| {
            let status = answers[position].as_ref().ok().and_then(Series::incomplete)?;
            Some((&queries[position], status))
        };
        if let Some((query, status)) = positions().find_map(incomplete) {
            let (group, status) = (query.group().clone(), status.to_owned());
            return Err(MetricsError::Incomplete { group, query: query.to_string(), status });
        }
    }
    Ok(read)
}

/// The same minutes with what was compared in them. Whatever becomes of these queries, the
/// counts of requests stay what they are.
fn with_comparisons(
    mut minutes: Vec<MinuteRead>,
    compared: &[Comparing],
    answers: &Answers,
) -> Vec<MinuteRead> {
    for read in &mut minutes {
        let value = |position: usize| match &answers[position] {
            Ok(series) => series.at(read.minute).map_err(str::to_owned),
            Err(error) => Err(error.to_string()),
        };
        let routes = compared.iter().map(|of_route| counts::comparisons(of_route, value));
        read.comparisons = summed(routes);
    }
    minutes
}

/// The sum over routes: not known if one is not, nothing if nothing is known of any.
fn summed(
    routes: impl Iterator<Item = Result<Option<Comparisons>, String>>,
) -> Option<ComparisonsRead> {
    let mut sum: Option<Comparisons> = None;
    for counts in routes {
        match counts {
            Ok(None) => {}
            Ok(Some(counts)) => *sum.get_or_insert_default() += &counts,
            Err(why) => return Some(ComparisonsRead::Unread(Unread::because(why))),
        }
    }
    sum.map(ComparisonsRead::Counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::{Route, RuleArn};

    const EDGES: [f64; 2] = [5.0, 100.0];

    fn routes() -> Vec<Route> {
        let group = |name: &str| {
            let arn = format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{name}/1");
            GroupArn::parse(&arn).unwrap()
        };
        let rule = "arn:aws:elasticloadbalancing:eu-west-1:1:listener-rule/app/lb/1/2/3";
        vec![Route {
            name: "scores".into(),
            rule: RuleArn::parse(rule).unwrap(),
            old_group: group("py"),
            new_group: group("rs"),
            header_rule: None,
        }]
    }

    fn together(windows: &[(i64, i64)]) -> Vec<Vec<usize>> {
        let routes = routes();
        let wish = |&(from, until): &(i64, i64)| MinutesWanted {
            routes: &routes,
            from: Minute(from),
            until: Minute(until),
            edges_ms: &EDGES,
            comparisons: false,
        };
        shared(&windows.iter().map(wish).collect::<Vec<_>>())
    }

    #[test]
    fn windows_that_overlap_share_calls() {
        assert_eq!(together(&[(100, 112), (100, 112)]), [[0, 1]]);
        assert_eq!(together(&[(100, 112), (0, 111), (90, 112)]), [[0, 1, 2]]);
        assert_eq!(together(&[(0, 10), (10, 20)]), [[0], [1]], "nothing in common");
        // The third bridges the first two.
        assert_eq!(together(&[(0, 10), (20, 30), (5, 25)]), [[1, 0, 2]]);
        assert_eq!(together(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn one_long_window_does_not_make_everybodys_long() {
        // 16 queries a route: 60 rollouts for 180 minutes are more than an answer holds.
        let mut windows = vec![(168, 180); 60];
        windows.push((0, 180));
        let groups = together(&windows);
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].len(), &groups[1][..]), (60, &[60][..]));
        assert_eq!(together(&[(0, 180); 60]).len(), 1, "the same minutes cost nothing more");
    }

    /// Values of one minute of both sides: every query of the named metrics and
    /// statistics has this value.
    fn read(values: impl Fn(&GroupArn, &str) -> Option<f64>) -> Vec<MinuteRead> {
        let routes = routes();
        let (from, until) = (Minute(7), Minute(9));
        let (edges_ms, comparisons) = (&EDGES, false);
        let wish = MinutesWanted { routes: &routes, from, until, edges_ms, comparisons };
        let mut asked = Asked::default();
        let sides = asked.add(&wish);
        let queries = asked.into_queries();
        let answer = |query: &Query| {
            let value = values(query.group(), &query.to_string());
            let healthy = (query.to_string() == "RequestCount Sum").then_some(3.0);
            // Minute 7 as given, minute 8 with three requests and nothing else.
            let series = [(Minute(7), value), (Minute(8), healthy)];
            Ok(Series::of(series.into_iter().filter_map(|(at, value)| Some((at, value?)))))
        };
        let answers: Answers = queries.iter().map(answer).collect();
        minutes(&wish, &sides, &queries, &answers).expect("complete")
    }

    #[test]
    fn what_contradicts_makes_one_minute_unknown_and_names_group_and_metric() {
        let read = read(|group, query| match (group.short_name(), query) {
            ("rs", "HTTPCode_Target_5XX_Count Sum") => Some(0.5),
            (
                _,
                "RequestCount Sum"
                | "TargetResponseTime SampleCount"
                | "TargetResponseTime TC(:0.005)",
            ) => Some(100.0),
            _ => None,
        });
        let RouteMinute::Unknown(why) = &read[0].routes[0] else { panic!("{read:?}") };
        assert_eq!(why.to_string(), "rs: HTTPCode_Target_5XX_Count is 0.5, no count");
        assert!(matches!(read[1].routes[0], RouteMinute::Known { .. }), "{read:?}");
    }
}
