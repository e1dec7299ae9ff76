//! What decisions rest on: alarms and minutes.

use super::Finding;
use super::journal::duration;
use crate::config::Rollout;
use crate::domain::journal::Journal;
use crate::domain::labels::Labels;
use crate::domain::minute::{Minute, SideCounts};
use crate::domain::observation::{AlarmState, MinuteRead, RouteMinute, RouteSeen, Seen, Share};
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{MinutesWanted, World};
use jiff::Timestamp;

/// Minutes looked at beyond the configured lag.
const LOOK_BACK: i64 = 15;
/// As in `observe`: chance alone would miss 5 expected requests once in 150 looks.
const FEW_REQUESTS: f64 = 5.0;

pub(super) async fn alarms(
    world: &World,
    rollout: &Rollout,
    journal: Option<&Journal>,
    sides: &Labels,
) -> Vec<Finding> {
    const CHECK: &str = "alarm";
    const WHY: &str = "an alarm rolls back within seconds, the evidence within minutes";
    let name = &rollout.name;
    let names = rollout.settings.alarm_names();
    if rollout.settings.rollback_on.is_empty() {
        return vec![Finding::warn(
            CHECK,
            name,
            "no alarm rolls back",
            WHY,
            &format!("create an alarm on {}'s errors and name it in alarms.rollback_on", sides.new),
        )];
    }
    let alarms = match world.alarms.read(&names).await {
        Ok(alarms) => alarms,
        Err(error) => {
            return vec![Finding::bad(
                CHECK,
                name,
                chain(&error),
                "while alarms cannot be read, nothing advances",
                "allow cloudwatch:DescribeAlarms on * (composite alarms need it); in a VPC, check the endpoint of monitoring",
            )];
        }
    };
    let open = journal.is_some_and(|journal| journal.open_run().is_some());
    let each = alarms.iter().map(|alarm| match alarm.state {
        AlarmState::Ok => Finding::ok(CHECK, name, format!("`{}` is OK", alarm.name), WHY),
        AlarmState::InsufficientData => Finding::warn(
            CHECK,
            name,
            format!("`{}` has no data: it cannot stand, and protects nothing", alarm.name),
            WHY,
            "compare its metric and dimensions with what CloudWatch has; where quiet minutes are normal, let it treat missing data as notBreaching",
        ),
        AlarmState::Alarm => Finding::warn(
            CHECK,
            name,
            format!("`{}` is in ALARM: {}", alarm.name, alarm.reason),
            if open {
                "nothing advances while it stands"
            } else {
                "an alarm from before a start holds until it was OK once"
            },
            "find out what it complains about",
        ),
        AlarmState::Missing => Finding::bad(
            CHECK,
            name,
            format!("`{}` does not exist", alarm.name),
            "CloudWatch leaves out alarms that do not exist without a word; a start is refused",
            if alarm.name.starts_with("arn:") {
                "give the alarm's name, the part of the ARN behind `:alarm:`"
            } else {
                "create it, or take it out of the config"
            },
        ),
    });
    each.collect()
}

pub(super) async fn metrics(
    world: &World,
    rollout: &Rollout,
    seen: &[Seen<RouteSeen>],
    journal: Option<&Journal>,
    sides: &Labels,
    now: Timestamp,
) -> Vec<Finding> {
    const CHECK: &str = "metrics";
    let since_ms = journal.and_then(|journal| Some(journal.run.as_ref()?.since_ms));
    let terms = &rollout.terms;
    let lag = i64::from(terms.lag_minutes);
    let until = Minute::containing(now);
    let wanted = MinutesWanted {
        routes: &terms.routes,
        from: until.plus(-lag - LOOK_BACK),
        until,
        edges_ms: terms.evidence.edges().as_ms(),
        comparisons: terms.evidence.wrong_answers().is_some(),
    };
    let read = match world.metrics.minutes(&[wanted]).await.pop() {
        Some(Ok(read)) => read,
        Some(Err(error)) => {
            return vec![Finding::bad(
                CHECK,
                &rollout.name,
                chain(&error),
                "what cannot be read is never good: nothing advances",
                "allow cloudwatch:GetMetricData on *; in a VPC, check the endpoint of monitoring",
            )];
        }
        None => return Vec::new(),
    };
    let mut findings = Vec::new();
    for (index, (route, seen)) in terms.routes.iter().zip(seen).enumerate() {
        let about = format!("{}/{}", rollout.name, route.name);
        let share = match seen {
            Ok(RouteSeen { share: Share::Weight(weight), .. }) => Some(*weight),
            Ok(_) | Err(_) => None,
        };
        let side = |which| Side {
            about: &about,
            read: &read,
            index,
            which,
            until,
            lag,
            now,
            sides,
            share,
            since_ms,
        };
        if share != Some(Weight::FULL) {
            findings.push(side(Which::Old).finding());
        }
        if share.is_some_and(|share| share > Weight::ZERO) {
            findings.push(side(Which::New).finding());
        }
    }
    let serves = seen.iter().flatten().any(|seen| !seen.share.is_reached());
    findings.extend(comparisons(rollout, &read, sides).filter(|_| serves));
    findings
}

/// Where wrong answers are a limit and nothing is compared.
fn comparisons(rollout: &Rollout, read: &[MinuteRead], sides: &Labels) -> Option<Finding> {
    let objective = rollout.terms.evidence.wrong_answers()?;
    let counted = read.iter().filter_map(|minute| minute.comparisons.as_ref()?.counted());
    let compared: u64 = counted.map(|counts| counts.compared).sum();
    (compared == 0).then(|| {
        Finding::warn(
            "metrics",
            &rollout.name,
            format!("no answer of {} was compared in the last {LOOK_BACK} minutes", sides.new),
            if objective.required {
                "wrong_answers.required holds every step until enough are"
            } else {
                "wrong answers would not be seen"
            },
            "set COMPARE_FUNCTION_ARN and COMPARE_SHARE of the scorer (docs/compare.md)",
        )
    })
}

#[derive(Clone, Copy)]
enum Which {
    Old,
    New,
}

struct Side<'a> {
    about: &'a str,
    read: &'a [MinuteRead],
    index: usize,
    which: Which,
    until: Minute,
    lag: i64,
    now: Timestamp,
    sides: &'a Labels,
    /// What the rule gives the new side.
    share: Option<Weight>,
    /// Since when, if the journal is known.
    since_ms: Option<i64>,
}

impl Side<'_> {
    fn counts<'r>(&self, route: &'r RouteMinute) -> Option<&'r SideCounts> {
        let RouteMinute::Known { old, new } = route else { return None };
        match self.which {
            Which::Old => old.as_ref(),
            Which::New => new.as_ref(),
        }
    }

    fn finding(&self) -> Finding {
        const CHECK: &str = "metrics";
        const WHY: &str =
            "a minute is judged once; one that came later than the lag is never seen whole";
        let (name, key) = match self.which {
            Which::Old => (&self.sides.old, "old_group"),
            Which::New => (&self.sides.new, "new_group"),
        };
        let newest = self.read.iter().rev().find(|minute| {
            let counts = minute.routes.get(self.index).and_then(|route| self.counts(route));
            counts.is_some_and(|counts| counts.requests > 0)
        });
        let Some(newest) = newest else {
            return self.silent(name, key);
        };
        // The newest minute that is due has ended `lag` minutes ago.
        let ended_ms = newest.minute.plus(1).0 * 60_000;
        let age = duration(self.now.as_millisecond() - ended_ms);
        // A side with a small share has quiet minutes.
        let busy = matches!(self.which, Which::Old) || self.share == Some(Weight::FULL);
        if busy && newest.minute < self.until.plus(-self.lag - 1) {
            return Finding::warn(
                CHECK,
                self.about,
                format!(
                    "the newest minute of {name} ended {age} ago, and `lag` is {} min",
                    self.lag
                ),
                WHY,
                "look again in a minute; if it stays so, raise `lag`, or traffic is too thin to tell",
            );
        }
        Finding::ok(
            CHECK,
            self.about,
            format!("the newest minute of {name} ended {age} ago, `lag` is {} min", self.lag),
            WHY,
        )
    }

    /// No request of this side in any minute looked at.
    fn silent(&self, name: &str, key: &str) -> Finding {
        const CHECK: &str = "metrics";
        const WHY: &str = "without requests there is no evidence, and nothing advances";
        let minutes = self.lag + LOOK_BACK;
        let what = format!("CloudWatch has no request of {name} within {minutes} minutes");
        let fix = format!(
            "check {key}, the traffic of the load balancer, and AWS/ApplicationELB RequestCount of the group"
        );
        if matches!(self.which, Which::Old) {
            return Finding::bad(CHECK, self.about, what, WHY, &fix);
        }
        let due_ms = (self.lag + 2) * 60_000;
        match self.since_ms {
            Some(since) if self.now.as_millisecond() - since < due_ms => {
                let what = format!("{name} has traffic too recently for CloudWatch to show it");
                Finding::ok(CHECK, self.about, what, WHY)
            }
            Some(_) if self.due() > FEW_REQUESTS => {
                Finding::bad(CHECK, self.about, what, WHY, &fix)
            }
            // Too thin to tell, or not known since when it gets any.
            Some(_) | None => Finding::warn(CHECK, self.about, what, WHY, &fix),
        }
    }

    /// Requests that the new side should have had by its share.
    fn due(&self) -> f64 {
        let share = self.share.unwrap_or(Weight::ZERO).ratio();
        let old = self.read.iter().filter_map(|minute| {
            let RouteMinute::Known { old, .. } = minute.routes.get(self.index)? else {
                return None;
            };
            Some(old.as_ref()?.requests)
        });
        old.sum::<u64>() as f64 * share / (1.0 - share).max(f64::EPSILON)
    }
}
