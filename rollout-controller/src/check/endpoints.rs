//! Whether AWS' services answer from where the controller runs.

use super::Finding;
use crate::errors::chain;
use crate::ports::{Endpoints, Reached, Service};

const CHECK: &str = "endpoint";

/// One finding for each service that does not answer; one for all that do.
pub(super) async fn findings(endpoints: &dyn Endpoints) -> Vec<Finding> {
    let mut answered = Vec::new();
    let mut findings = Vec::new();
    for tried in endpoints.try_all().await {
        let name = tried.service.name();
        match &tried.reached {
            Reached::Answered => answered.push(name),
            Reached::Silent(error) => findings.push(Finding::bad(
                CHECK,
                "",
                format!("{name} does not answer ({})", chain(&**error)),
                why(tried.service),
                &format!(
                    "give the function's subnets a way to {name}: the interface endpoint \
                     com.amazonaws.REGION.{name} with private DNS, whose security group takes 443 \
                     from the function's, or a NAT gateway"
                ),
            )),
            Reached::Untried(error) => findings.push(Finding::warn(
                CHECK,
                "",
                format!("{name} was not asked ({})", chain(&**error)),
                why(tried.service),
                "give this process a region and credentials",
            )),
        }
    }
    if !answered.is_empty() {
        let what = format!("{} answer from here", answered.join(", "));
        let why = "in a VPC each service needs an endpoint, or a NAT gateway";
        findings.insert(0, Finding::ok(CHECK, "", what, why));
    }
    findings
}

fn why(service: Service) -> &'static str {
    match service {
        Service::LoadBalancing => "without it no rule is read or moved: nothing rolls back",
        Service::Monitoring => "without it no metric and no alarm is read: a fault goes unnoticed",
        Service::Parameters => {
            "without it no step is taken, and protection without the journal knows no run"
        }
        Service::Functions => "without it nobody knows which code runs, so no step is taken",
        Service::Topics => "without it no page is sent",
        Service::Buses => "without it programs hear of no change",
        Service::Logs => "without it a rollback for wrong answers names no example",
        Service::Secrets => "without it there is no login to the journal's database",
    }
}
