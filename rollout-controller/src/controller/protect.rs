//! Protection while the ledger is down: CloudWatch and the load balancer alone.
//!
//! Nothing advances. The evidence of the last hour is rebuilt at the weight that
//! the rules show; if that alone reaches the verdict, or an alarm of `rollback_on`
//! stands, every route goes to 0. The next tick that reaches the ledger finds the
//! rules at 0 and journals the end of the run.

use super::Schedule;
use super::act::{Outcome, act};
use super::observe::read_routes;
use crate::config::Rollout;
use crate::domain::decision::{CauseKind, RollBackReason, Shift};
use crate::domain::evidence::{Engine, Stage, StageDecision};
use crate::domain::explain;
use crate::domain::message::{Page, Topic, Urgency};
use crate::domain::minute::Minute;
use crate::domain::observation::{AlarmState, Share};
use crate::domain::plan::Mode;
use crate::domain::weight::Weight;
use crate::errors::chain;
use crate::ports::{LedgerError, MinutesWanted, Turn, World};
use std::fmt;

/// An hour of minutes is enough for any fault that is still hurting anybody.
const LOOK_BACK_MINUTES: i64 = 60;

/// What protection did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// No rule gives the new side traffic.
    NothingToProtect,
    /// The config says shadow.
    Shadow,
    /// The evidence of the last hour holds.
    Fine,
    /// It could not be told.
    CannotTell(String),
    /// Every route is at 0.
    RolledBack(String),
    /// Not every route is.
    Incomplete(String),
}

impl Protection {
    /// One word for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NothingToProtect | Self::Shadow | Self::Fine | Self::CannotTell(_) => "hold",
            Self::RolledBack(_) | Self::Incomplete(_) => "rollback",
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToProtect => f.write_str("no rule gives Rust traffic"),
            Self::Shadow => f.write_str("shadow mode: nothing is moved"),
            Self::Fine => f.write_str("the evidence of the last hour shows no breach"),
            Self::CannotTell(why) => write!(f, "whether to protect cannot be told: {why}"),
            Self::RolledBack(why) => write!(f, "{why}; every route is at 0 %"),
            Self::Incomplete(why) => write!(f, "{why}; not every route is at 0 % yet"),
        }
    }
}

/// Protects one rollout without its journal.
pub async fn protect(
    world: &World,
    rollout: &Rollout,
    error: &LedgerError,
    schedule: Schedule,
) -> Protection {
    if rollout.mode == Mode::Shadow {
        return Protection::Shadow;
    }
    let routes = &rollout.terms.routes;
    let shown = read_routes(world, routes).await;
    let weights = shown.iter().flatten().filter_map(|route| match route.share {
        Share::Weight(weight) => Some(weight),
        Share::Foreign(_) => None,
    });
    let weight = match weights.max() {
        Some(Weight::ZERO) => return Protection::NothingToProtect,
        Some(weight) => weight,
        None => {
            let why = shown.into_iter().find_map(Result::err);
            return Protection::CannotTell(
                why.unwrap_or_else(|| "no rule shows a weight of ours".to_owned()),
            );
        }
    };
    let reason = match standing_alarm(world, rollout).await {
        Some(reason) => reason,
        None => match breach(world, rollout, weight, schedule).await {
            Ok(Some(reason)) => reason,
            Ok(None) => return Protection::Fine,
            Err(why) => return Protection::CannotTell(why),
        },
    };
    let why = explain::rollback_reason(&reason);
    let turn = Turn::unjournalled(error, schedule.deadline);
    let shift = Shift::out_of_traffic(CauseKind::RollBack, why.clone());
    let outcome = act(&*world.traffic, routes, &turn, &shift).await;
    tell(world, rollout, weight, &why, &outcome, schedule).await;
    if outcome.all_at(Weight::ZERO) {
        Protection::RolledBack(why)
    } else {
        Protection::Incomplete(why)
    }
}

async fn standing_alarm(world: &World, rollout: &Rollout) -> Option<RollBackReason> {
    let settings = &rollout.settings;
    let alarms = world.alarms.read(&settings.alarm_names()).await.ok()?;
    let stands = |name: &String| {
        alarms.iter().any(|alarm| alarm.name == *name && alarm.state == AlarmState::Alarm)
    };
    let name = settings
        .rollback_on
        .iter()
        .find(|name| stands(name) && !settings.python_twin.get(*name).is_some_and(stands))?;
    let reason = alarms.iter().find(|alarm| alarm.name == *name)?.reason.clone();
    Some(RollBackReason::Alarm { name: name.clone(), reason })
}

/// The verdict of the last hour at this weight.
async fn breach(
    world: &World,
    rollout: &Rollout,
    weight: Weight,
    schedule: Schedule,
) -> Result<Option<RollBackReason>, String> {
    let terms = &rollout.terms;
    let tick_minute = schedule.scheduled.as_second().div_euclid(60);
    let until = Minute(tick_minute - i64::from(terms.lag_minutes));
    let wanted = MinutesWanted {
        routes: &terms.routes,
        from: until.plus(-LOOK_BACK_MINUTES),
        until,
        edges_ms: terms.evidence.edges_ms.as_ms(),
    };
    let read = world.metrics.minutes(&[wanted]).await.pop();
    let read = read.ok_or("CloudWatch was not asked")?.map_err(|error| chain(&error))?;
    let engine =
        Engine::new(terms.evidence.clone(), terms.slo).map_err(|error| error.to_string())?;
    let mut evidence = engine.start(u32::try_from(terms.stages.len()).unwrap_or(u32::MAX));
    let stage = Stage { weight, next: terms.next_after(weight) };
    for minute in read {
        let judged = engine
            .judge(&mut evidence, &minute.committed(weight), stage.to_prove())
            .map_err(|error| error.to_string())?;
        if let StageDecision::Rollback { breach } = engine.stage_gate(&evidence, &judged, stage) {
            return Ok(Some(RollBackReason::Evidence { breach }));
        }
    }
    Ok(None)
}

/// The outbox is out of reach, so the page goes out directly.
async fn tell(
    world: &World,
    rollout: &Rollout,
    from: Weight,
    why: &str,
    outcome: &Outcome,
    schedule: Schedule,
) {
    let done = outcome.all_at(Weight::ZERO);
    let name = &rollout.name;
    let page = Page {
        rollout: name.clone(),
        run: 0,
        revision: schedule.scheduled.as_second(),
        topic: if done { Topic::RolledBack } else { Topic::RollbackIncomplete },
        urgency: Urgency::Trigger,
        title: format!("{name}: rolled back without the ledger, {from} → 0 %"),
        text: format!(
            "{why}. The ledger is down: judged from CloudWatch alone. {}",
            outcome.not_at(Weight::ZERO)
        ),
        from: Some(from),
        to: done.then_some(Weight::ZERO),
        at_ms: schedule.scheduled.as_millisecond(),
    };
    if let Err(error) = world.pager.send(&page).await {
        tracing::error!(rollout.name = name, "the page could not be sent: {}", chain(&error));
    }
}
