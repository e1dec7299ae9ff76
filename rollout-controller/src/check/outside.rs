//! What a rollout rests on beside its journal: the two texts of the last known run,
//! and whether it can be told which code answers.

use super::Finding;
use crate::config::Rollout;
use crate::domain::code::CodeSeen;
use crate::domain::copy::Copy;
use crate::domain::journal::Journal;
use crate::domain::labels::Labels;
use crate::errors::chain;
use crate::ports::World;

pub(super) async fn copy(world: &World, rollout: &Rollout, journal: Option<&Journal>) -> Finding {
    const CHECK: &str = "copy";
    const WHY: &str = "without the journal, protection knows by this text which run it protects; nothing rises without it";
    let name = &rollout.name;
    let outside = match world.outposts.read(&[name]).await.pop() {
        Some(Ok(outside)) => outside,
        Some(Err(error)) => {
            return Finding::bad(
                CHECK,
                name,
                chain(&error),
                WHY,
                "allow ssm:GetParameters and ssm:PutParameter on the two parameters of this rollout; in a VPC, check the endpoint of ssm",
            );
        }
        None => return Finding::warn(CHECK, name, "was not read", WHY, "look again"),
    };
    if let Some(order) = &outside.order
        && journal.is_some_and(|journal| journal.lacks(order))
    {
        return Finding::warn(
            CHECK,
            name,
            format!("a rollback by {} is not journalled yet", order.identity),
            "nothing rises until the journal knows of it",
            "let the next tick journal it; see `schedule` if none comes",
        );
    }
    match (&outside.run, journal) {
        (None, Some(journal)) if journal.open_run().is_some() => Finding::bad(
            CHECK,
            name,
            "there is no copy of the run that goes on",
            WHY,
            "the next tick writes it; if it does not, allow ssm:PutParameter for the tick function",
        ),
        (Some(copy), Some(journal)) if copy.is_ahead_of(journal) => Finding::bad(
            CHECK,
            name,
            format!(
                "revision {} is known, and the journal ends at {}",
                copy.revision, journal.revision
            ),
            "the database is older than the run: nothing is decided on it",
            "restore the newer database, or roll back and start anew",
        ),
        (Some(copy), Some(journal)) if !copy.agrees_with(&Copy::of(journal)) => Finding::warn(
            CHECK,
            name,
            "the copy of the run is not as the journal",
            WHY,
            "the next tick writes it; if it does not, allow ssm:PutParameter for the tick function",
        ),
        (Some(copy), _) => {
            Finding::ok(CHECK, name, format!("run {} is known outside the journal", copy.run), WHY)
        }
        (None, _) => Finding::ok(CHECK, name, "can be read; no run has been written yet", WHY),
    }
}

pub(super) async fn code(world: &World, rollout: &Rollout, sides: &Labels) -> Vec<Finding> {
    let routes = &rollout.terms.routes;
    let seen = world.deployments.look(&[routes]).await.pop().unwrap_or_default();
    let each = routes.iter().zip(seen).flat_map(|(route, seen)| {
        let about = format!("{}/{}", rollout.name, route.name);
        [side(&about, &sides.old, &seen.old), side(&about, &sides.new, &seen.new)]
    });
    each.collect()
}

fn side(about: &str, side: &str, seen: &CodeSeen) -> Finding {
    const CHECK: &str = "code";
    const WHY: &str =
        "evidence belongs to the code it was gathered on; nothing rises while that is not known";
    match seen {
        CodeSeen::Split(codes) => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            Finding::warn(
                CHECK,
                about,
                format!("{side}: the alias splits between {}", codes.join(" and ")),
                WHY,
                "point the alias at one version",
            )
        }
        CodeSeen::Is(code) => Finding::ok(CHECK, about, format!("{side} runs {code}"), WHY),
        CodeSeen::NoTarget => Finding::bad(
            CHECK,
            about,
            format!("{side}: the group has no target"),
            "requests for it are answered with 503",
            "register its function in the group",
        ),
        CodeSeen::Unread(why) => Finding::bad(
            CHECK,
            about,
            format!("{side}: {why}"),
            WHY,
            "allow elasticloadbalancing:DescribeTargetHealth on * and lambda:GetAlias, lambda:GetFunctionConfiguration on the function; in a VPC, check the endpoint of lambda",
        ),
        CodeSeen::Settling(why) => Finding::warn(
            CHECK,
            about,
            format!("{side}: {why}"),
            WHY,
            "wait until the update has settled",
        ),
    }
}
