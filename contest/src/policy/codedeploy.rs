//! A model of AWS CodeDeploy for Lambda with CloudWatch alarms.
//!
//! `CodeDeployDefault.LambdaLinear10PercentEvery10Minutes`, the slowest of the linear
//! configurations that AWS predefines: ten minutes at 10, 20, … 90%, then all. An
//! alarm on the new version for each limit, a period of one minute, in ALARM when 3 of
//! the last 5 datapoints breach, missing data treated as not breaching; an alarm stops
//! the deployment and rolls back. After the last shift the deployment has succeeded.
//!
//! Sources: <https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>
//! (predefined configurations),
//! <https://docs.aws.amazon.com/codedeploy/latest/userguide/deployments-rollback-and-redeploy.html>
//! (stop and roll back on an alarm),
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>
//! (M out of N, missing data). Alarms have no default of M and N: 3 of 5 is the model's
//! choice, the example that CloudWatch's own page uses.

use std::collections::VecDeque;

use rollout_controller::domain::weight::Weight;

use super::counts::{Limits, sides};
use super::schedule::Schedule;
use super::{Arrived, Policy, Step};

const PERCENTS: [f64; 10] = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0];
const MINUTES_EACH: u32 = 10;
const DATAPOINTS: usize = 5;
const TO_ALARM: usize = 3;

pub(super) struct CodeDeploy {
    limits: Limits,
    schedule: Schedule,
    /// Per metric whether the last datapoints breached.
    recent: [VecDeque<bool>; 4],
}

impl CodeDeploy {
    pub(super) fn new() -> Self {
        let schedule = Schedule::new(&PERCENTS, MINUTES_EACH);
        Self { limits: Limits::new(), schedule, recent: Default::default() }
    }
}

impl Policy for CodeDeploy {
    fn first_share(&self) -> Weight {
        self.schedule.first()
    }

    fn judge(&mut self, arrived: &Arrived<'_>, share: Weight) -> Step {
        let bad = sides(arrived.newest).map(|(_, new)| self.limits.bad(&new)).unwrap_or_default();
        for (recent, (bad, limit)) in self.recent.iter_mut().zip(bad.iter().zip(self.limits.rates))
        {
            recent.push_back(bad.rate() > limit);
            if recent.len() > DATAPOINTS {
                recent.pop_front();
            }
            if recent.iter().filter(|&&breaching| breaching).count() >= TO_ALARM {
                return Step::RollBack;
            }
        }
        self.schedule.step_or_end(share)
    }
}
