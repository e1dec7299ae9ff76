//! A difference, as a story and as recorded cases.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use local_cloud::parity::cases::Step;
use local_cloud::parity::compare::normal;
use serde_json::{Value, json};

use crate::compare::{Difference, ROWS};
use crate::wallets::{Case, Issuers, communities, rows};

/// A small case, and how it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// As it came from the seed.
    pub whole: Case,
    /// As small as it goes.
    pub case: Case,
    /// What the other side did with the small one.
    pub other: Vec<Step>,
    /// What Rust did.
    pub rust: Vec<Step>,
    /// The difference that was kept while it was made small.
    pub shows: Difference,
    /// Everything that differs in it.
    pub differences: Vec<Difference>,
}

impl Found {
    /// Its name among the recorded cases.
    pub fn name(&self) -> String {
        let Case { seed, number, .. } = self.case;
        let Difference { kind, place, .. } = &self.shows;
        let words = place.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        format!("seed-{seed}-case-{number}-{kind}-{}", words.join("-"))
    }

    /// As a recorded case: what is expected is the other side's.
    fn recorded(&self) -> Value {
        let steps = self.other.iter().zip(&self.rust).map(|(other, rust)| {
            let mut response = other.response.clone();
            // An answer over HTTP does not show these.
            for key in ["statusDescription", "statusCategory", "isBase64Encoded"] {
                if response.get(key).is_none()
                    && let Some(value) = rust.response.get(key)
                {
                    response[key] = value.clone();
                }
            }
            let body = response["body"].as_str().unwrap_or_default();
            if let Ok(body) = serde_json::from_str(body) {
                response["body"] = normal(body).to_string().into();
            }
            let mut writes = other.writes.clone();
            writes.retain(|_, change| !change.added.is_empty() || !change.gone.is_empty());
            json!({"event": other.event, "response": response, "writes": writes})
        });
        let differences: Vec<String> = self.differences.iter().map(ToString::to_string).collect();
        json!({
            "name": self.name(),
            "about": format!("{}{}", self.case, differences.join("\n")),
            "settings": {"FF_MULTI_NULLIFIER": if self.case.multi { "on" } else { "off" }},
            "analytics": true,
            "steps": steps.collect::<Vec<_>>(),
        })
    }
}

/// The story, for whoever has to find the fault.
impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |case: &Case| {
            let stamps: usize = case.wallets.iter().map(|wallet| wallet.stamps.len()).sum();
            let (links, requests) = (case.links.len(), case.asks.len());
            format!("{stamps} stamps, {links} links and {requests} requests")
        };
        write!(out, "{}", self.case)?;
        for (ask, step) in self.case.asks.iter().zip(&self.other) {
            writeln!(out, "  {ask:?} is GET {}", step.event["path"].as_str().unwrap_or("?"))?;
        }
        writeln!(out, "  made of {}; now {}", count(&self.whole), count(&self.case))?;
        let (rows, answers): (Vec<_>, Vec<_>) =
            self.differences.iter().partition(|difference| difference.kind == ROWS);
        for difference in &answers {
            writeln!(out, "  ✖ {difference}")?;
        }
        // The recorded case has them whole.
        let tables: BTreeSet<&str> = rows.iter().map(|row| row.place.as_str()).collect();
        if !tables.is_empty() {
            let tables: Vec<&str> = tables.into_iter().collect();
            writeln!(out, "  ✖ rows: {}", tables.join("; "))?;
        }
        Ok(())
    }
}

/// Writes it as a suite of one recorded case, `cases.json` and `seed.sql` on this schema,
/// into a folder of its own; gives that.
///
/// # Errors
/// What the file system said.
pub fn write(
    directory: &Path,
    schema: &str,
    found: &Found,
    other: &str,
) -> anyhow::Result<PathBuf> {
    let directory = directory.join(found.name());
    let issuers = Issuers::new();
    let mut environment = issuers.settings(true);
    for one_of_tests in ["DATABASE_CONNECTIONS", "FF_MULTI_NULLIFIER"] {
        environment.remove(one_of_tests);
    }
    let suite = json!({
        "what": format!("A request that Rust and {other} answered differently. Expected is what {other} did."),
        "how": "For each case load seed.sql into an empty database, apply settings on top of environment, \
                send the events of steps in order, compare response and writes.",
        "environment": environment,
        "cases": [found.recorded()],
    });
    let sql = found.case.sql(&issuers, communities(found.case.rules));
    let seed = format!("{schema}\n{}\n{sql}\n", rows());
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("making {}", directory.display()))?;
    for (name, text) in
        [("cases.json", serde_json::to_string_pretty(&suite)? + "\n"), ("seed.sql", seed)]
    {
        let file = directory.join(name);
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(directory)
}
