//! `start`, `pause`, `resume`, `promote`, `activate`, `abandon`.

use super::remote::{Gives, Giving, Remote};
use crate::domain::command::Order;
use crate::domain::weight::Weight;
use std::time::Duration;

/// Begin a rollout: read the old side's history, then take the first stage.
///
/// Shows the plan and asks. Refused while another run goes on, while a rule gives
/// the new side traffic already, and while a named alarm does not exist.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  rolloutctl start --reason \"scorer 2.4, change 1187\"")]
pub struct Start {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    giving: Giving,
}

/// Stop advancing. Breaches and alarms still roll back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl pause --reason \"database maintenance\"\n  rolloutctl pause --for 2h --reason \"deploy of the gateway\" --yes"
)]
pub struct Pause {
    /// End the pause by itself after this time.
    #[arg(long = "for", value_name = "DURATION", value_parser = whole_minutes)]
    for_minutes: Option<u32>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    giving: Giving,
}

/// Go on after a pause, or after somebody else changed a weight.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl resume --reason \"maintenance is over\"\n  rolloutctl resume --adopt --reason \"the console change was mine\""
)]
pub struct Resume {
    /// Take over the weight that the rules show.
    #[arg(long)]
    adopt: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    giving: Giving,
}

/// Skip the rest of this stage, never its proof.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl promote --reason \"quiet evening\"\n  rolloutctl promote --to 50% --force --reason \"load test, no users\""
)]
pub struct Promote {
    /// Target stage; default is the next one.
    #[arg(long, value_name = "WEIGHT")]
    to: Option<Weight>,
    /// Without proof, and over several stages. Never while a breach, an alarm or a
    /// closed calendar stands against it.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    giving: Giving,
}

/// Let a shadow rollout act from now on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  rolloutctl activate --reason \"shadow agreed with us for a week\""
)]
pub struct Activate {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    giving: Giving,
}

/// Close a run that cannot end by itself; nothing is moved.
///
/// For a run whose weights someone else moved, or whose rollback cannot reach a rule
/// that is gone. Use `rollback` for every other.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  rolloutctl abandon --reason \"the listener was replaced, change 1201\""
)]
pub struct Abandon {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    giving: Giving,
}

impl Gives for Abandon {
    fn gives(&self) -> (&Remote, &Giving, Order) {
        (&self.remote, &self.giving, Order::Abandon)
    }
}

fn whole_minutes(text: &str) -> Result<u32, String> {
    let duration: Duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 30m or 2h"))?;
    if duration.is_zero() || !duration.as_secs().is_multiple_of(60) || duration.subsec_nanos() > 0 {
        return Err("give whole minutes, like 30m or 2h".to_owned());
    }
    u32::try_from(duration.as_secs() / 60).map_err(|_| "that is too long".to_owned())
}

impl Gives for Start {
    fn gives(&self) -> (&Remote, &Giving, Order) {
        let order = Order::Start;
        (&self.remote, &self.giving, order)
    }
}

impl Gives for Pause {
    fn gives(&self) -> (&Remote, &Giving, Order) {
        let order = Order::Pause { for_minutes: self.for_minutes };
        (&self.remote, &self.giving, order)
    }
}

impl Gives for Resume {
    fn gives(&self) -> (&Remote, &Giving, Order) {
        let order = Order::Resume { adopt: self.adopt };
        (&self.remote, &self.giving, order)
    }
}

impl Gives for Promote {
    fn gives(&self) -> (&Remote, &Giving, Order) {
        let order = Order::Promote { to: self.to, force: self.force };
        (&self.remote, &self.giving, order)
    }
}

impl Gives for Activate {
    fn gives(&self) -> (&Remote, &Giving, Order) {
        let order = Order::Activate;
        (&self.remote, &self.giving, order)
    }
}

/// The order of `pause` without an end.
pub(super) fn pause() -> Order {
    Order::Pause { for_minutes: None }
}

/// The order of `resume`.
pub(super) fn resume() -> Order {
    Order::Resume { adopt: false }
}
