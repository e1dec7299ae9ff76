//! The weighted rule, the header rule before it, stickiness, and the share shown.

use super::Finding;
use crate::domain::journal::Journal;
use crate::domain::labels::Labels;
use crate::domain::observation::{RouteSeen, Seen, Share};
use crate::domain::phase::Phase;
use crate::domain::plan::Mode;
use crate::domain::route::Route;
use crate::domain::weight::Weight;

pub(super) fn findings(
    about: &str,
    route: &Route,
    seen: &Seen<RouteSeen>,
    journal: Option<&Journal>,
    sides: &Labels,
) -> Vec<Finding> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            return vec![Finding::bad(
                "rule",
                about,
                error.to_string(),
                "what cannot be read cannot be moved, and every tick holds",
                "check the rule's ARN; allow elasticloadbalancing:DescribeRules on *; in a VPC, check the endpoint of elasticloadbalancing",
            )];
        }
    };
    let mut findings = vec![
        share(about, seen, journal, sides),
        sticky(about, seen),
        header(about, route, seen, sides),
    ];
    findings.extend(seen.mixed.iter().map(|what| {
        Finding::warn(
            "mixed",
            about,
            what.as_str(),
            "CloudWatch counts by group and load balancer, so those requests are judged as if they were this route's",
            "give this rule target groups of its own; a function can be in several",
        )
    }));
    findings
}

fn share(about: &str, seen: &RouteSeen, journal: Option<&Journal>, sides: &Labels) -> Finding {
    const CHECK: &str = "rule";
    const WHY: &str = "a rollout moves exactly two groups, and only from what its journal says";
    let Some(priority) = seen.priority else {
        return Finding::bad(
            CHECK,
            about,
            "the weighted rule is the listener's default rule",
            "ModifyRule cannot change a default rule",
            "give the split a rule of its own, with a priority above the header rule's",
        );
    };
    let weight = match &seen.share {
        Share::Weight(weight) => *weight,
        Share::Foreign(what) => {
            return Finding::bad(
                CHECK,
                about,
                format!("rule {priority} is {what}"),
                WHY,
                "let it forward to old_group and new_group alone, with weights that sum to 100 or 1000",
            );
        }
    };
    let new = &sides.new;
    // Without the journal the share is only shown.
    match journal.map(|journal| journal.open_run().ok_or(journal)) {
        Some(Ok(run))
            if run.mode == Mode::Active && run.intent.is_none() && run.weight != weight =>
        {
            Finding::warn(
                CHECK,
                about,
                format!("rule {priority} gives {new} {weight}, the journal says {}", run.weight),
                WHY,
                "`rolloutctl resume --adopt` takes it over, or set it back; see the runbook `moved-by-someone-else`",
            )
        }
        Some(Err(journal)) if weight > Weight::ZERO && !is_completed(journal) => Finding::warn(
            CHECK,
            about,
            format!("rule {priority} gives {new} {weight}, and no rollout goes on"),
            "a start is refused until it is at 0%, so that every step rests on evidence",
            "rolloutctl rollback --direct --config FILE --reason \"…\"",
        ),
        _ => Finding::ok(CHECK, about, format!("rule {priority} gives {new} {weight}"), WHY),
    }
}

fn is_completed(journal: &Journal) -> bool {
    let run = journal.run.as_ref();
    run.is_some_and(|run| matches!(run.phase, Phase::Completed { .. }))
}

fn sticky(about: &str, seen: &RouteSeen) -> Finding {
    const CHECK: &str = "sticky";
    const WHY: &str = "a sticky client keeps its group, so a rollback would not reach it";
    if seen.sticky {
        let what = "group stickiness is on in the weighted rule";
        let fix = "switch TargetGroupStickinessConfig of the rule off";
        return Finding::bad(CHECK, about, what, WHY, fix);
    }
    Finding::ok(CHECK, about, "group stickiness is off", WHY)
}

fn header(about: &str, route: &Route, seen: &RouteSeen, sides: &Labels) -> Finding {
    const CHECK: &str = "header";
    let why = format!(
        "testers must reach {} at every weight, and nobody else may take their requests",
        sides.new
    );
    if let [first, rest @ ..] = seen.header_rule.as_slice() {
        let more = rest.iter().map(|complaint| format!("; {complaint}"));
        let what = format!("{first}{}", more.collect::<String>());
        let fix = "mend the listener's rules, or `header_rule` in the config; it is never repaired silently";
        return Finding::bad(CHECK, about, what, &why, fix);
    }
    let what = match &route.header_rule {
        Some(rule) => format!(
            "rule {} sends {}: {} to {} before the weighted rule, and nothing comes between",
            rule.priority,
            rule.header,
            rule.value,
            rule.group.short_name()
        ),
        None => {
            "no header rule is configured, and nothing comes before the weighted rule".to_owned()
        }
    };
    Finding::ok(CHECK, about, what, &why)
}
