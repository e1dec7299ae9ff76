//! Configurations and code.

use crate::plan::{Compared, OTHER, Plan, SCORE};
use rollout_controller::config::{self, Config};
use rollout_controller::domain::code::{Code, CodeSeen};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Of every resource.
pub(super) const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";

fn text(routes: usize, second: bool, compared: Compared, version: usize) -> String {
    use std::fmt::Write as _;
    let mut text = "[ledger]\nurl = \"sqlite::memory:\"\n".to_owned();
    let rollout = |text: &mut String, name: &str, routes: &[usize]| {
        let (stages, hold) = match version {
            0 => ("\"10%\", \"50%\", \"90%\", \"100%\"", "\"db\""),
            _ => ("\"20%\", \"60%\", \"90%\", \"100%\"", "\"db\", \"py-errors\""),
        };
        let first = if version == 0 { "10%" } else { "20%" };
        let _ = writeln!(
            text,
            "[[rollout]]\nname = \"{name}\"\nmode = \"active\"\nlag = \"1m\"\nstages = [{stages}]\n\
             start = \"{first}\"\nbake = \"2m\"\nhistory = \"10m\"\nmax_hold = \"30m\"\nblind_after = \"5m\"\n\
             [rollout.evidence]\nrelative_margin = 2\nburst_tolerance = 1\n\
             edges_ms = [50.0, 100.0, 200.0, 500.0, 1000.0]\n\
             [rollout.alarms]\nrollback_on = [\"rs-errors\"]\nhold_on = [{hold}]\n\
             python_twin = {{ \"rs-errors\" = \"py-errors\" }}"
        );
        if compared != Compared::No {
            let required = compared == Compared::Required;
            let _ =
                writeln!(text, "[rollout.wrong_answers]\nlimit = \"1%\"\nrequired = {required}");
        }
        for route in routes {
            let _ = writeln!(
                text,
                "[[rollout.route]]\nname = \"r{route}\"\n\
                 rule = \"{ARN}:listener-rule/app/lb/1/{route}/9\"\n\
                 old_group = \"{ARN}:targetgroup/py{route}/1\"\n\
                 new_group = \"{ARN}:targetgroup/rs{route}/2\""
            );
            if *route == 0 {
                let _ = writeln!(
                    text,
                    "[rollout.route.header_rule]\npriority = 99\nheader = \"X-Use-Rust-Scorer\"\n\
                     value = \"true\"\ngroup = \"{ARN}:targetgroup/testers{route}/3\""
                );
            }
        }
    };
    let own: Vec<usize> = (0..routes).collect();
    rollout(&mut text, SCORE, &own);
    if second {
        rollout(&mut text, OTHER, &[7]);
    }
    text
}

/// The configuration of a version of the controller in a history; read once each.
pub(super) fn configuration(plan: &Plan, version: usize) -> Arc<Config> {
    type Known = Mutex<BTreeMap<(usize, bool, Compared, usize), Arc<Config>>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let &Plan { routes, second, compared, .. } = plan;
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry((routes, second, compared, version)).or_insert_with(|| {
        let text = text(routes, second, compared, version);
        Arc::new(config::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")))
    });
    Arc::clone(made)
}

/// A build of the scorer.
pub(super) fn build(number: u32) -> CodeSeen {
    let (function, version) = ("scorer-rs".to_owned(), number.to_string());
    CodeSeen::Is(Code::Version { function, version })
}
