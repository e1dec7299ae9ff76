//! CloudWatch: what each side of each route did in a minute, without noise, from the
//! shares that its rule really had.

use super::balancer::new_ratio;
use super::{Door, Served, State};
use crate::books::{Ground, Track};
use crate::fate::Call;
use answers::Kind;
use async_trait::async_trait;
use rollout_controller::domain::code::CodeSeen;
use rollout_controller::domain::minute::{Histogram, Minute, SideCounts};
use rollout_controller::domain::observation::Unread;
use rollout_controller::domain::route::Route;
use rollout_controller::domain::wrong_answers::{Comparisons, ComparisonsRead};
use rollout_controller::ports::{Metrics, MetricsError, MinuteRead, MinutesWanted, RouteMinute};

/// How the services behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Both keep every limit.
    Good,
    /// One in five of the new side's requests fails.
    NewFails,
    /// Most of the new side's requests are slow.
    NewSlow,
    /// One in five of the new side's answers is wrong, which only a comparison tells.
    NewWrong,
    /// No request reaches the new side.
    NewSilent,
    /// Both are slow: the database.
    BothSlow,
    /// The old side fails alone.
    OldFails,
}

impl Service {
    /// Whether a minute speaks against the new side alone, or says nothing of it.
    pub fn harms_new(self) -> bool {
        matches!(self, Self::NewFails | Self::NewSlow | Self::NewWrong | Self::NewSilent)
    }
}

/// Requests a minute on one route.
const REQUESTS: f64 = 6_000.0;
/// CloudWatch has a minute so long after its end, in milliseconds.
const USUAL_MS: i64 = 20_000;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of some thousands"
)]
fn whole(count: f64) -> u64 {
    count.round().max(0.0) as u64
}

fn side(requests: f64, fails: bool, slow: bool) -> Option<SideCounts> {
    let requests = whole(requests);
    if requests == 0 {
        return None;
    }
    let all = requests as f64;
    // Buckets up to 50, 100, 200, 500 and 1,000 ms, and beyond.
    let shares =
        if slow { [0.0, 0.1, 0.1, 0.2, 0.6, 0.0] } else { [0.8, 0.18, 0.0, 0.0, 0.0, 0.0] };
    let mut buckets: Vec<u64> = shares.iter().map(|share| whole(all * share)).collect();
    let sum: u64 = buckets.iter().sum();
    buckets[2] += requests.saturating_sub(sum);
    let samples = buckets.iter().sum();
    let errors = if fails { whole(all * 0.2) } else { requests / 1_000 };
    Some(SideCounts { requests, errors, latency: Histogram::new(samples, buckets) })
}

impl State {
    /// The minute of one route as CloudWatch has it in the end.
    fn minute(&self, route: &Route, minute: i64) -> RouteMinute {
        let (from_ms, until_ms) = (minute * 60_000, (minute + 1) * 60_000);
        let Some(ours) = self.rules.get(route.rule.as_str()) else {
            return RouteMinute::Known { old: None, new: None };
        };
        let mut shows = ours.rule.within(from_ms, until_ms);
        shows.push((until_ms, None));
        let mut share = 0.0;
        for pair in shows.windows(2) {
            let part = (pair[1].0 - pair[0].0) as f64 / 60_000.0;
            share += new_ratio(pair[0].1.as_ref(), route) * part;
        }
        let service = *self.service.at(from_ms + 30_000);
        let (new_fails, new_slow) = match service {
            Service::NewFails => (true, false),
            Service::NewSlow | Service::BothSlow => (false, true),
            Service::Good | Service::NewWrong | Service::NewSilent | Service::OldFails => {
                (false, false)
            }
        };
        let (old_fails, old_slow) = match service {
            Service::OldFails => (true, false),
            Service::BothSlow => (false, true),
            Service::Good
            | Service::NewSilent
            | Service::NewFails
            | Service::NewSlow
            | Service::NewWrong => (false, false),
        };
        // The load balancer itself answers where there is no target, and counts nothing.
        let gone = *self.new_code.at(from_ms + 30_000) == CodeSeen::NoTarget;
        let silent = service == Service::NewSilent || gone;
        let reached = if silent { 0.0 } else { share };
        RouteMinute::Known {
            old: side(REQUESTS * (1.0 - share), old_fails, old_slow),
            new: side(REQUESTS * reached, new_fails, new_slow),
        }
    }

    /// What a raise of this process would really rest on: whole minutes up to the newest
    /// that it was served, at the present share, on the code that it was served.
    pub(super) fn ground(&self, uid: u64, rollout: &str) -> Ground {
        let newest = match self.books.newest_served(uid, rollout) {
            Some(newest) => newest,
            // A command reads no minutes: the journal's are what it has.
            None => match self.books.track(rollout).and_then(Track::newest_known) {
                Some(newest) => newest,
                None => return Ground::default(),
            },
        };
        let code = self.books.code_served(uid, rollout);
        // A share counts from the minute on in which it began.
        let minute_ms = |at_ms: i64| at_ms.div_euclid(60_000) * 60_000;
        let began_ms = self.books.track(rollout).map_or(i64::MAX, Track::since_ms);
        let since_ms = minute_ms(began_ms);
        // By a clock that may be a second behind.
        let as_told_ms = minute_ms(began_ms.saturating_sub(1_000));
        let steady = |minute: i64| {
            let (from_ms, until_ms) = (minute * 60_000, (minute + 1) * 60_000);
            let codes = self.new_code.within(from_ms, until_ms);
            from_ms >= as_told_ms && codes.iter().all(|(_, seen)| Some(seen) == code)
        };
        let at_share = usize::try_from(newest + 1 - as_told_ms / 60_000).unwrap_or_default();
        let minutes = (newest - 30..=newest).filter(|minute| steady(*minute)).count();
        let service = *self.service.at(newest * 60_000 + 30_000);
        let newest_is_silent = service == Service::NewSilent && newest * 60_000 >= since_ms;
        let untold = service == Service::NewWrong && !self.compares_at(newest);
        let newest_is_bad = service.harms_new() && !untold;
        Ground { minutes, at_share, newest_is_bad, newest_is_silent, is_misdated: false }
    }

    fn compares_at(&self, minute: i64) -> bool {
        let within = self.compares.within(minute * 60_000, (minute + 1) * 60_000);
        within.iter().all(|(_, compares)| *compares)
    }

    /// What was compared in a minute with this traffic: every answer of the new side, or
    /// none.
    fn comparisons(&self, routes: &[RouteMinute], minute: i64) -> Option<ComparisonsRead> {
        let mut compared = 0;
        for route in routes {
            match route {
                RouteMinute::Known { new, .. } => {
                    compared += new.as_ref().map_or(0, |counts| counts.requests);
                }
                RouteMinute::Unknown(why) => return Some(ComparisonsRead::Unread(why.clone())),
            }
        }
        let wrong = *self.service.at(minute * 60_000 + 30_000) == Service::NewWrong;
        let different = if wrong { compared / 5 } else { compared / 2_000 };
        let kinds = [(Kind::Number, different)].into_iter().filter(|(_, count)| *count > 0);
        let counts = Comparisons { compared, different, failed: 0, kinds: kinds.collect() };
        let any = compared > 0 && self.compares_at(minute);
        any.then_some(ComparisonsRead::Counted(counts))
    }

    fn minutes(&self, wish: &Wish, served: Served) -> Vec<MinuteRead> {
        (wish.from..wish.until)
            .map(|minute| {
                let late = self.late_ms.get(&minute).copied().unwrap_or(0);
                let there_ms = (minute + 1) * 60_000 + USUAL_MS + late;
                // What is read early has not all of its requests yet.
                let hidden = served.as_of_ms < there_ms;
                let last_is_missing = served.partial && minute + 1 == wish.until;
                let of_route = |route: &Route| {
                    if hidden {
                        return RouteMinute::Known { old: None, new: None };
                    }
                    if last_is_missing {
                        return RouteMinute::Unknown(Unread::because("simulated: partial data"));
                    }
                    self.minute(route, minute)
                };
                let routes: Vec<RouteMinute> = wish.routes.iter().map(of_route).collect();
                let comparisons = self.comparisons(&routes, minute).filter(|_| wish.comparisons);
                MinuteRead { minute: Minute(minute), routes, comparisons }
            })
            .collect()
    }
}

/// What a process asks for.
struct Wish {
    routes: Vec<Route>,
    from: i64,
    until: i64,
    comparisons: bool,
}

impl Wish {
    fn of(wanted: &MinutesWanted<'_>) -> Self {
        let MinutesWanted { routes, from, until, edges_ms: _, comparisons } = *wanted;
        Self { routes: routes.to_vec(), from: from.0, until: until.0, comparisons }
    }
}

/// The newest minute that is known on every route.
fn newest_whole(minutes: &[MinuteRead]) -> Option<i64> {
    let whole = |read: &&MinuteRead| {
        read.routes.iter().all(|route| match route {
            RouteMinute::Known { old, new } => old.is_some() || new.is_some(),
            RouteMinute::Unknown(_) => false,
        })
    };
    minutes.iter().rev().find(whole).map(|read| read.minute.0)
}

#[async_trait]
impl Metrics for Door {
    async fn minutes(
        &self,
        wanted: &[MinutesWanted<'_>],
    ) -> Vec<Result<Vec<MinuteRead>, MetricsError>> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let asked: Vec<Wish> = wanted.iter().map(Wish::of).collect();
        let first = asked.first().and_then(|wish| wish.routes.first());
        let rollout = first.map(|route| self.owner_of(route)).unwrap_or_default();
        let serve = move |state: &mut State, _, served: Served| {
            asked.iter().map(|wish| state.minutes(wish, served)).collect::<Vec<_>>()
        };
        let call = Call::Metrics;
        match self.call(call, &rollout, call.patience_ms(), serve).await.answer() {
            Ok((answers, _)) => {
                for (wish, answer) in wanted.iter().zip(&answers) {
                    let Some(route) = wish.routes.first() else { continue };
                    let rollout = self.owner_of(route);
                    let newest = newest_whole(answer);
                    self.cloud.state().books.saw_minutes(self.me.uid, &rollout, newest);
                }
                answers.into_iter().map(Ok).collect()
            }
            Err(why) => wanted
                .iter()
                .filter_map(|wish| wish.routes.first())
                .map(|route| {
                    let group = route.new_group.clone();
                    Err(MetricsError::Read { group, source: why.into() })
                })
                .collect(),
        }
    }
}

impl Door {
    pub(super) fn owner_of(&self, route: &Route) -> String {
        let state = self.cloud.state();
        state.rules.get(route.rule.as_str()).map(|ours| ours.rollout.clone()).unwrap_or_default()
    }
}
