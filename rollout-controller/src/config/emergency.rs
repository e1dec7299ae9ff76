//! What a rollback needs to know, and nothing else.
//!
//! Whoever rolls back with nothing but a file must not be stopped by a key of the
//! file that has nothing to do with it. So this reads rules and groups alone: from
//! the controller's configuration or from the profile that the stack prints.

use super::{ConfigError, Problem};
use crate::domain::labels::{self, Labels};
use crate::domain::route::{GroupArn, Route, RuleArn};
use serde::Deserialize;
use std::path::Path;

/// One rollout's rules and groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Emergency {
    /// The rollout.
    pub name: String,
    /// Its routes, without header rules.
    pub routes: Vec<Route>,
    /// What its sides are called; the usual where the file does not say it well.
    pub labels: Labels,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rollout: Vec<toml::Table>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    route: Vec<Raw>,
}

#[derive(Deserialize)]
struct Raw {
    name: String,
    rule: String,
    old_group: String,
    new_group: String,
}

impl Raw {
    fn route(self, at: &str, problems: &mut Vec<Problem>) -> Option<Route> {
        let mut refused = |key: &str, value: &str, fix: String| {
            problems.push(Problem { key: format!("{at}.{key}"), value: format!("{value:?}"), fix });
        };
        let rule = RuleArn::parse(&self.rule);
        let old = GroupArn::parse(&self.old_group);
        let new = GroupArn::parse(&self.new_group);
        if let Err(error) = &rule {
            refused("rule", &self.rule, error.to_string());
        }
        if let Err(error) = &old {
            refused("old_group", &self.old_group, error.to_string());
        }
        if let Err(error) = &new {
            refused("new_group", &self.new_group, error.to_string());
        }
        let (rule, old_group, new_group) = (rule.ok()?, old.ok()?, new.ok()?);
        Some(Route { name: self.name, rule, old_group, new_group, header_rule: None })
    }
}

/// Reads one rollout of a TOML text; the only one if no name is given. Keys that a
/// rollback does not need are not looked at, in this rollout and in others.
///
/// # Errors
/// [`ConfigError::Shape`] for what is no TOML, [`ConfigError::Values`] for what is
/// needed and missing or wrong.
pub fn parse(text: &str, wanted: Option<&str>) -> Result<Emergency, ConfigError> {
    let shape = |error: toml::de::Error| ConfigError::Shape(error.to_string());
    let file: File = toml::from_str(text).map_err(shape)?;
    let name_of = |table: &toml::Table| table.get("name")?.as_str().map(str::to_owned);
    let known: Vec<String> = file.rollout.iter().filter_map(name_of).collect();
    let refused = |value: String, fix: String| {
        Err(ConfigError::Values(vec![Problem { key: "rollout".to_owned(), value, fix }]))
    };
    let found = match wanted {
        Some(wanted) => {
            file.rollout.into_iter().find(|table| name_of(table).as_deref() == Some(wanted))
        }
        None if known.len() > 1 => {
            return refused(
                String::new(),
                format!("say which with --rollout: {}", known.join(", ")),
            );
        }
        None => file.rollout.into_iter().next(),
    };
    let Some(found) = found else {
        let value = wanted.map_or(String::new(), |wanted| format!("{wanted:?}"));
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return refused(value, format!("is not in the file; it has: {known}"));
    };
    let labels = labels_of(&found);
    let named: Named = toml::Value::Table(found).try_into().map_err(shape)?;
    let mut problems = Vec::new();
    let routes: Vec<Route> = named
        .route
        .into_iter()
        .enumerate()
        .filter_map(|(index, raw)| raw.route(&format!("rollout.route[{index}]"), &mut problems))
        .collect();
    if routes.is_empty() && problems.is_empty() {
        return refused(format!("{:?}", named.name), "has no [[rollout.route]]".to_owned());
    }
    if problems.is_empty() {
        Ok(Emergency { name: named.name, routes, labels })
    } else {
        Err(ConfigError::Values(problems))
    }
}

/// Words are no reason to refuse a rollback: a label that makes no sense is the usual.
fn labels_of(rollout: &toml::Table) -> Labels {
    let label = |side: &str| {
        let text = rollout.get("labels")?.get(side)?.as_str()?;
        labels::check(text).is_ok().then(|| text.to_owned())
    };
    let usual = Labels::default();
    let (old, new) = (label("old").unwrap_or(usual.old), label("new").unwrap_or(usual.new));
    if old == new { Labels::default() } else { Labels { old, new } }
}

/// Reads one rollout of a file.
///
/// # Errors
/// [`ConfigError::Unreadable`] and those of [`parse`].
pub fn load(path: &Path, wanted: Option<&str>) -> Result<Emergency, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.display().to_string(), source })?;
    parse(&text, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LB: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";

    fn route() -> String {
        format!(
            "[[rollout.route]]\nname = \"public\"\nrule = \"{LB}:listener-rule/app/lb/1/2/3\"\n\
             old_group = \"{LB}:targetgroup/py/1\"\nnew_group = \"{LB}:targetgroup/rs/2\"\n"
        )
    }

    #[test]
    fn nothing_that_a_rollback_does_not_need_stops_it() {
        let text = format!(
            "colour = 7\n[ledger]\nurl = 12\n[[rollout]]\nname = \"score\"\nmode = \"sideways\"\n\
             start = -1\nnew_key = true\n{}[rollout.route.header_rule]\npriority = \"ninety-nine\"\n\
             [[rollout]]\nname = \"batch\"\nroute = 5\n",
            route()
        );
        let found = parse(&text, Some("score")).unwrap();
        assert_eq!((found.name.as_str(), found.routes.len()), ("score", 1));
        assert_eq!(found.labels, Labels::default());
        assert!(super::super::parse(&text).is_err(), "the controller refuses this file");
        let which = parse(&text, None).unwrap_err().to_string();
        assert!(which.contains("--rollout: score, batch"), "{which}");
    }

    #[test]
    fn it_calls_the_sides_as_the_file_does_where_that_makes_sense() {
        let labels = |text: &str| {
            let text = format!("[[rollout]]\nname = \"score\"\nlabels = {text}\n{}", route());
            let Labels { old, new } = parse(&text, None).unwrap().labels;
            format!("{old} {new}")
        };
        assert_eq!(labels("{ old = \"Node\", new = \"Go\" }"), "Node Go");
        assert_eq!(labels("{ new = \"Go\", newer = 1 }"), "Python Go");
        for odd in ["7", "{ old = 7 }", "{ new = \"G\\no\" }", "{ old = \"Rust\" }"] {
            assert_eq!(labels(odd), "Python Rust", "{odd}");
        }
    }

    #[test]
    fn what_it_needs_is_named_with_the_fix() {
        let text = format!("[[rollout]]\nname = \"score\"\n{}", route());
        let wrong = text.replace("listener-rule/app/lb/1/2/3", "listener/app/lb/1/2");
        let error = parse(&wrong, None).unwrap_err().to_string();
        assert!(error.contains("rollout.route[0].rule"), "{error}");
        let unknown = parse(&text, Some("batch")).unwrap_err().to_string();
        assert!(unknown.contains("\"batch\": is not in the file; it has: score"), "{unknown}");
        let none = parse("[[rollout]]\nname = \"score\"\n", None).unwrap_err().to_string();
        assert!(none.contains("has no [[rollout.route]]"), "{none}");
        assert!(matches!(parse("= 5", None), Err(ConfigError::Shape(_))));
    }
}
