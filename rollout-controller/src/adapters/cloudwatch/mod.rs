//! Minutes and alarms, from CloudWatch.
//!
//! A minute of one target group is about forty queries: requests, three kinds of
//! errors, latency samples, and one count for each latency bucket. All groups of
//! all rollouts that ask for the same minutes share calls of up to 500 queries.
//!
//! Queries are matched by `Id`, never by label. Only `Complete` is measured, and
//! what is absent from a complete answer is read by the rules of [`counts`].

mod alarms;
mod counts;
mod fetch;
mod heartbeat;
mod queries;

use async_trait::async_trait;

use self::fetch::{Answers, Trouble};
use self::queries::{Asked, Query, Side};
use crate::adapters::aws::Aws;
use crate::domain::minute::Minute;
use crate::domain::route::GroupArn;
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

    /// Answers wishes for the same minutes with calls that they share.
    async fn answer(
        &self,
        wishes: &[&MinutesWanted<'_>],
    ) -> Vec<Result<Vec<MinuteRead>, MetricsError>> {
        let Some(first) = wishes.first() else {
            return Vec::new();
        };
        let mut asked = Asked::default();
        let sides: Vec<_> = wishes.iter().map(|wish| asked.add(wish)).collect();
        let queries = asked.into_queries();
        let answers = fetch::all(&self.aws, &queries, first.from, first.until).await;
        let mut read = Vec::with_capacity(wishes.len());
        for (wish, sides) in wishes.iter().zip(&sides) {
            read.push(minutes(wish, sides, &queries, &answers));
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
        for range in ranges(wanted) {
            let wishes: Vec<_> = range.iter().map(|&index| &wanted[index]).collect();
            let results = self.answer(&wishes).await;
            let together = wishes.len() > 1;
            for ((&index, wish), result) in range.iter().zip(wishes).zip(results) {
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

/// Positions of the wishes, grouped by their minutes, in the order of first mention.
fn ranges(wanted: &[MinutesWanted<'_>]) -> Vec<Vec<usize>> {
    let mut ranges: Vec<Vec<usize>> = Vec::new();
    for (index, wish) in wanted.iter().enumerate() {
        let same = |other: &MinutesWanted<'_>| (other.from, other.until) == (wish.from, wish.until);
        match ranges.iter_mut().find(|range| same(&wanted[range[0]])) {
            Some(range) => range.push(index),
            None => ranges.push(vec![index]),
        }
    }
    ranges
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
    let positions = sides.iter().flatten().flat_map(Side::positions);
    for position in positions {
        if let Err(trouble) = &answers[position] {
            return Err(error(&queries[position], trouble));
        }
    }
    let value = |position: usize, minute: Minute| {
        answers[position].as_ref().ok().and_then(|series| series.get(&minute).copied())
    };
    let mut read = Vec::new();
    let mut minute = wish.from;
    while minute < wish.until {
        let mut routes = Vec::with_capacity(sides.len());
        for (route, [old, new]) in wish.routes.iter().zip(sides) {
            let side = |side: &Side, group: &GroupArn| {
                counts::side(side, |position| value(position, minute)).map_err(|what| {
                    MetricsError::Contradiction { group: group.clone(), minute, what }
                })
            };
            routes.push(RouteMinute {
                old: side(old, &route.old_group)?,
                new: side(new, &route.new_group)?,
            });
        }
        read.push(MinuteRead { minute, routes });
        minute = minute.plus(1);
    }
    Ok(read)
}

fn error(query: &Query, trouble: &Trouble) -> MetricsError {
    let group = query.group().clone();
    match trouble {
        Trouble::Call(error) => MetricsError::Read { group, source: Box::new(error.clone()) },
        Trouble::Status(status) => {
            MetricsError::Incomplete { group, query: query.to_string(), status: status.clone() }
        }
    }
}
