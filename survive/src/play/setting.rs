//! Configurations and code.

use crate::plan::{Compared, Engine, OTHER, Plan, SCORE};
use rollout_controller::config::{self, Config};
use rollout_controller::domain::code::{Code, CodeSeen};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Of every resource.
pub(super) const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";

/// What tells one configuration from another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Settings {
    routes: usize,
    second: bool,
    compared: Compared,
    engine: Engine,
    version: usize,
}

fn text(settings: Settings) -> String {
    use std::fmt::Write as _;
    let Settings { routes, second, compared, engine, version } = settings;
    let mut text = "[ledger]\nurl = \"sqlite::memory:\"\n".to_owned();
    let rollout = |text: &mut String, name: &str, routes: &[usize]| {
        let (stages, hold) = match version {
            0 => ("\"10%\", \"50%\", \"90%\", \"100%\"", "\"db\""),
            _ => ("\"20%\", \"60%\", \"90%\", \"100%\"", "\"db\", \"py-errors\""),
        };
        let first = if version == 0 { "10%" } else { "20%" };
        let (engine, evidence) = match engine {
            Engine::One => ("evidence-1", "min_gate_ticks = 2\n"),
            Engine::Two => ("evidence-2", "relative_margin = 2\nburst_tolerance = 1\n"),
        };
        let _ = writeln!(
            text,
            "[[rollout]]\nname = \"{name}\"\nmode = \"active\"\nlag = \"1m\"\nstages = [{stages}]\n\
             start = \"{first}\"\nbake = \"2m\"\nhistory = \"10m\"\nmax_hold = \"30m\"\nblind_after = \"5m\"\n\
             engine = \"{engine}\"\n[rollout.evidence]\n{evidence}\
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
    static KNOWN: OnceLock<Mutex<BTreeMap<Settings, Arc<Config>>>> = OnceLock::new();
    let &Plan { routes, second, compared, engine, .. } = plan;
    let settings = Settings { routes, second, compared, engine, version };
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry(settings).or_insert_with(|| {
        let text = text(settings);
        Arc::new(config::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")))
    });
    Arc::clone(made)
}

/// A build of the scorer.
pub(super) fn build(number: u32) -> CodeSeen {
    let (function, version) = ("scorer-rs".to_owned(), number.to_string());
    CodeSeen::Is(Code::Version { function, version })
}
