//! The configuration, and what a rollback without the controller reads of it.

use super::{assert_readable, corpus};
use fuzz_kit::fuzz;
use rollout_controller::cli::profile;
use rollout_controller::config::{self, ConfigError, EXAMPLE, emergency};

const WORDS: [&str; 22] = [
    "\n[[rollout]]\n",
    "\n[[rollout.route]]\n",
    "\n[rollout.slo]\n",
    "\n[rollout.calendar]\n",
    "\n[rollout.evidence]\n",
    "\nstages = [\"0.1%\", \"100%\"]\n",
    "\nstages = []\n",
    "\nstart = \"50%\"\n",
    "\nbake = \"0m\"\n",
    "\nlag = \"106751991167300d\"\n",
    "\nhistory = \"-1h\"\n",
    "\nengine = \"evidence-1\"\n",
    "\ntime_zone = \"Etc/GMT+14\"\n",
    "\nwindows = [\"Sun-Mon 23:59-00:00\"]\n",
    "\nfreeze = [\"2026-12-31..2026-12-01\"]\n",
    "\nfreeze = [\"9999-12-31..9999-12-31\"]\n",
    "\nmax_hold = \"584554530872y\"\n",
    "\nalpha = 1e-320\n",
    "%",
    "arn:aws:elasticloadbalancing:",
    "postgres://u:p@h:99999/d?sslmode=verify-full",
    "'''",
];

/// The example with every key, those that it only shows too.
fn with_every_key() -> String {
    let is_key = |line: &str| {
        let rest = line.strip_prefix("# ").unwrap_or_default();
        let name = rest.split(" = ").next().unwrap_or_default();
        let key = rest.contains(" = ") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        key || (rest.starts_with('[') && rest.ends_with(']'))
    };
    let lines = EXAMPLE.lines().map(|line| if is_key(line) { &line[2..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn any_configuration_is_taken_or_refused_with_the_key() {
    let every = with_every_key();
    config::parse(&every).unwrap_or_else(|error| panic!("{error}\n{every}"));
    let samples = corpus("config").sample(EXAMPLE).sample(every).words(&WORDS).inputs(300);
    fuzz!(samples, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match config::parse(&text) {
            Ok(config) => {
                assert!(!config.rollouts.is_empty(), "a controller of nothing");
                for rollout in &config.rollouts {
                    assert!(!rollout.terms.routes.is_empty() && !rollout.terms.stages.is_empty());
                }
            }
            Err(error) => {
                assert_readable(&error, bytes);
                match error {
                    ConfigError::Shape(text) => {
                        assert!(text.contains("line ") || text.contains('`'), "{text}");
                    }
                    ConfigError::Values(problems) => {
                        assert!(!problems.is_empty());
                        for problem in &problems {
                            assert!(!problem.key.is_empty(), "{problem}");
                            assert!(!problem.fix.is_empty(), "{problem}");
                        }
                    }
                    ConfigError::NoSource(_) | ConfigError::Unreadable { .. } => {
                        panic!("a text is no file: {error}")
                    }
                }
            }
        }
        // What stops the controller must not stop a rollback that needs rules and groups only.
        for wanted in [None, Some("score")] {
            if let Err(error) = emergency::parse(&text, wanted) {
                assert_readable(&error, bytes);
            }
        }
        if let Err(error) = profile::parse(&text) {
            assert_readable(&error, bytes);
        }
    });
}
