//! Checks that no type can express, and `${NAME}` in strings.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

use super::{FunctionSpec, Share, Topology, TopologyError};
use crate::aws::check_parameter;
use crate::faults::Fault;
use crate::functions::{check_alias, is_alias, qualified};

/// Limits of an ALB rule (quotas page): values and wildcards over all conditions.
const MAX_CONDITION_VALUES: usize = 5;
const MAX_WILDCARDS: usize = 5;

impl Topology {
    /// Checks names, references and limits.
    ///
    /// # Errors
    /// [`TopologyError::Invalid`] with the first finding.
    pub fn check(&self) -> Result<(), TopologyError> {
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid("account", &self.account, "twelve digits"));
        }
        let lag = self.metrics.lag_minutes;
        if !(0.0..=60.0).contains(&lag) {
            return Err(invalid("metrics.lag_minutes", lag, "0 to 60"));
        }
        let functions = unique("function", self.functions.iter().map(|one| &one.name))?;
        let groups = unique("target_group", self.target_groups.iter().map(|one| &one.name))?;
        unique("load_balancer", self.load_balancers.iter().map(|one| &one.name))?;
        unique("schedule", self.schedules.iter().map(|one| &one.name))?;
        unique("topics", self.topics.iter())?;
        unique(
            "alarm",
            self.alarms
                .iter()
                .map(|one| &one.name)
                .chain(self.composite_alarms.iter().map(|one| &one.name)),
        )?;
        for function in &self.functions {
            let key = format!("function.{}", function.name);
            if function.command.is_empty() {
                return Err(invalid(format!("{key}.command"), "[]", "name a program"));
            }
            check_versions(&key, function)?;
            if function.async_retries > 2 {
                let retries = function.async_retries;
                return Err(invalid(format!("{key}.async_retries"), retries, "0 to 2"));
            }
            if function.max_environments == 0 {
                return Err(invalid(
                    format!("{key}.max_environments"),
                    0,
                    "at least 1; to stop a function write reserved_concurrency = 0",
                ));
            }
        }
        for group in &self.target_groups {
            if let Some(function) = &group.function {
                let key = format!("target_group.{}.function", group.name);
                self.check_function(&key, function, &functions)?;
            }
        }
        for (name, value) in &self.parameters {
            check_parameter(name, value).map_err(|error| {
                invalid(format!("parameters.{name}"), format!("{value:?}"), error.message)
            })?;
        }
        for schedule in &self.schedules {
            let key = format!("schedule.{}.function", schedule.name);
            self.check_function(&key, &schedule.function, &functions)?;
        }
        for rule in &self.event_rules {
            let key = format!("event_rule.{}.function", rule.name);
            self.check_function(&key, &rule.function, &functions)?;
        }
        for fault in &self.faults {
            check_fault(fault, &|function| functions.contains(function), &|group| {
                groups.contains(group)
            })?;
        }
        self.check_balancers(&groups)
    }

    /// A function that exists, with a version or alias that exists.
    fn check_function(
        &self,
        key: &str,
        function: &str,
        functions: &BTreeSet<&str>,
    ) -> Result<(), TopologyError> {
        let (bare, qualifier) = qualified(function);
        known(key, bare, functions, "function")?;
        let spec = self.functions.iter().find(|spec| spec.name == bare);
        match (spec, qualifier) {
            (Some(spec), Some(qualifier)) => check_qualifier(key, spec, qualifier),
            _ => Ok(()),
        }
    }

    fn check_balancers(&self, groups: &BTreeSet<&str>) -> Result<(), TopologyError> {
        let mut owner = std::collections::BTreeMap::new();
        for balancer in &self.load_balancers {
            let mut priorities = BTreeSet::new();
            let default_shares = balancer.default.forward.iter();
            let shares = balancer.rules.iter().flat_map(|rule| &rule.forward);
            for share in default_shares.chain(shares) {
                let previous = owner.insert(&share.group, &balancer.name);
                let is_shared =
                    self.target_groups.iter().any(|one| one.name == share.group && one.shared);
                if let Some(previous) = previous.filter(|name| *name != &balancer.name)
                    && !is_shared
                {
                    return Err(invalid(
                        format!("load_balancer.{}: group", balancer.name),
                        &share.group,
                        format!(
                            "it belongs to {previous}; a group has one load balancer, unless it \
                             says shared = true"
                        ),
                    ));
                }
            }
            let default_key = format!("load_balancer.{}.default.forward", balancer.name);
            check_shares(&default_key, &balancer.default.forward, groups)?;
            for rule in &balancer.rules {
                let key = format!("load_balancer.{}.rule.{}", balancer.name, rule.priority);
                if !(1..=50_000).contains(&rule.priority) {
                    return Err(invalid(format!("{key}.priority"), rule.priority, "1 to 50000"));
                }
                if !priorities.insert(rule.priority) {
                    return Err(invalid(format!("{key}.priority"), rule.priority, "is taken"));
                }
                if rule.forward.is_empty() == rule.fixed.is_none() {
                    return Err(invalid(
                        format!("{key}.forward"),
                        rule.forward.len(),
                        "give either forward or fixed",
                    ));
                }
                check_shares(&format!("{key}.forward"), &rule.forward, groups)?;
                let texts = rule
                    .path
                    .iter()
                    .chain(&rule.host)
                    .chain(&rule.method)
                    .chain(&rule.source_ip)
                    .chain(rule.headers.iter().flat_map(|header| &header.values))
                    .chain(rule.query.iter().map(|query| &query.value));
                let values = texts.clone().count();
                if !(1..=MAX_CONDITION_VALUES).contains(&values) {
                    return Err(invalid(&key, values, "one to five condition values"));
                }
                let wildcards =
                    texts.flat_map(|text| text.chars()).filter(|c| matches!(c, '*' | '?')).count();
                if wildcards > MAX_WILDCARDS {
                    return Err(invalid(&key, wildcards, "at most five wildcards"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn expand(
        &mut self,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), TopologyError> {
        for function in &mut self.functions {
            let key = format!("function.{}", function.name);
            for word in &mut function.command {
                *word = expanded(&format!("{key}.command"), word, lookup)?;
            }
            for (name, value) in &mut function.env {
                *value = expanded(&format!("{key}.env.{name}"), value, lookup)?;
            }
            for (at, version) in function.versions.iter_mut().enumerate() {
                let key = format!("{key}.version.{}", at + 1);
                for word in version.command.iter_mut().flatten() {
                    *word = expanded(&format!("{key}.command"), word, lookup)?;
                }
                for (name, value) in &mut version.env {
                    *value = expanded(&format!("{key}.env.{name}"), value, lookup)?;
                }
                if let Some(cwd) = &mut version.cwd {
                    let text = cwd.to_string_lossy().into_owned();
                    *cwd = PathBuf::from(expanded(&format!("{key}.cwd"), &text, lookup)?);
                }
            }
            if let Some(cwd) = &mut function.cwd {
                let text = cwd.to_string_lossy().into_owned();
                *cwd = PathBuf::from(expanded(&format!("{key}.cwd"), &text, lookup)?);
            }
        }
        for (name, value) in &mut self.parameters {
            *value = expanded(&format!("parameters.{name}"), value, lookup)?;
        }
        for (name, value) in &mut self.secrets {
            *value = expanded(&format!("secrets.{name}"), value, lookup)?;
        }
        Ok(())
    }
}

/// A fault that names what does not exist would silently never hit.
pub(crate) fn check_fault(
    fault: &Fault,
    is_function: &dyn Fn(&str) -> bool,
    is_group: &dyn Fn(&str) -> bool,
) -> Result<(), TopologyError> {
    let (probability, group) = match fault {
        Fault::Function(fault) => {
            if !is_function(&fault.function) {
                return Err(invalid(
                    "fault.function",
                    &fault.function,
                    "no function has this name",
                ));
            }
            (fault.probability, fault.group.as_ref())
        }
        Fault::Api(fault) => (fault.probability, None),
        Fault::Metrics(fault) => {
            if let Some((key, value, fix)) = fault.contradiction() {
                return Err(invalid(key, value, fix));
            }
            (1.0, fault.group.as_ref())
        }
    };
    if !(0.0..=1.0).contains(&probability) {
        return Err(invalid("fault.probability", probability, "0 to 1"));
    }
    match group.filter(|name| !is_group(name)) {
        Some(name) => Err(invalid("fault.group", name, "no target_group has this name")),
        None => Ok(()),
    }
}

fn check_versions(key: &str, function: &FunctionSpec) -> Result<(), TopologyError> {
    let numbers: Vec<String> =
        (1..).zip(&function.versions).map(|(number, _): (u32, _)| number.to_string()).collect();
    for (version, number) in function.versions.iter().zip(&numbers) {
        if version.command.as_ref().is_some_and(Vec::is_empty) {
            let key = format!("{key}.version.{number}.command");
            return Err(invalid(key, "[]", "name a program, or leave it out"));
        }
    }
    for (name, alias) in &function.aliases {
        let key = format!("{key}.aliases.{name}");
        if !is_alias(name) {
            return Err(invalid(key, name, "letters, digits, - and _, not digits alone"));
        }
        check_alias(alias, numbers.iter().map(String::as_str))
            .map_err(|fix| invalid(key, &alias.version, fix))?;
    }
    Ok(())
}

fn check_qualifier(
    key: &str,
    function: &FunctionSpec,
    qualifier: &str,
) -> Result<(), TopologyError> {
    let published = (1..=function.versions.len()).any(|at| at.to_string() == qualifier);
    if published || qualifier == "$LATEST" || function.aliases.contains_key(qualifier) {
        return Ok(());
    }
    let aliases = function.aliases.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let versions = function.versions.len();
    let name = &function.name;
    Err(invalid(
        key,
        format!("{name}:{qualifier}"),
        format!("{name} has {versions} published versions and these aliases: {aliases}"),
    ))
}

fn check_shares(key: &str, shares: &[Share], groups: &BTreeSet<&str>) -> Result<(), TopologyError> {
    if shares.len() > 5 {
        return Err(invalid(key, shares.len(), "at most five groups"));
    }
    unique(key, shares.iter().map(|share| &share.group))?;
    for share in shares {
        known(key, &share.group, groups, "target_group")?;
        match share.weight {
            Some(weight) if weight > 999 => {
                return Err(invalid(format!("{key}.weight"), weight, "0 to 999"));
            }
            None if shares.len() > 1 => {
                return Err(invalid(
                    format!("{key}.weight"),
                    "missing",
                    format!("give {} a weight, 0 to 999", share.group),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unique<'a>(
    key: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<BTreeSet<&'a str>, TopologyError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(invalid(key, "\"\"", "give it a name"));
        }
        if !seen.insert(name.as_str()) {
            return Err(invalid(key, name, "this name appears twice"));
        }
    }
    Ok(seen)
}

fn known(key: &str, name: &str, names: &BTreeSet<&str>, kind: &str) -> Result<(), TopologyError> {
    if names.contains(name) {
        return Ok(());
    }
    let list = names.iter().copied().collect::<Vec<_>>().join(", ");
    Err(invalid(key, name, format!("no {kind} has this name; there are: {list}")))
}

fn expanded(
    key: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, TopologyError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            return Err(invalid(key, text, "close ${ with }"));
        };
        out.push_str(before);
        out.push_str(&lookup(name).ok_or_else(|| {
            invalid(key, format!("${{{name}}}"), "set this environment variable")
        })?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn invalid(key: impl Into<String>, value: impl Display, fix: impl Into<String>) -> TopologyError {
    TopologyError::Invalid { key: key.into(), value: format!("{value}"), fix: fix.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Topology::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        assert!(error("regoin = \"x\"").contains("regoin"));
    }

    #[test]
    fn a_dangling_group_names_those_that_exist() {
        let text = r#"
            [[function]]
            name = "f"
            command = ["true"]
            [[target_group]]
            name = "python"
            function = "f"
            [[load_balancer]]
            name = "lb"
            [[load_balancer.rule]]
            priority = 100
            path = ["/"]
            forward = [{ group = "rust", weight = 1 }]
        "#;
        let text = error(text);
        assert!(text.contains("load_balancer.lb.rule.100.forward = rust"), "{text}");
        assert!(text.contains("there are: python"), "{text}");
    }

    #[test]
    fn a_target_names_a_version_or_alias_that_exists() {
        let text = |target: &str, alias: &str| {
            format!(
                r#"
                [[function]]
                name = "f"
                command = ["true"]
                aliases = {{ live = {{ version = "{alias}" }} }}
                [[function.version]]
                [[target_group]]
                name = "g"
                function = "{target}"
                "#
            )
        };
        for target in ["f", "f:1", "f:live", "f:$LATEST"] {
            assert!(Topology::from_toml(&text(target, "1")).is_ok(), "{target}");
        }
        for target in ["f:2", "f:0", "f:01", "f:dead"] {
            let error = error(&text(target, "1"));
            assert!(error.contains(&format!("target_group.g.function = {target}")), "{error}");
            assert!(error.contains("aliases: live"), "{error}");
        }
        let error = error(&text("f", "3"));
        assert!(error.contains("function.f.aliases.live = 3"), "{error}");
    }

    #[test]
    fn metrics_faults_that_say_nothing_sensible_are_refused_with_the_key() {
        let table = [
            (r#"kind = "late""#, "fault.late_minutes"),
            (r#"kind = "absent", late_minutes = 3"#, "fault.late_minutes"),
            (r#"kind = "absent", statistic = "q9""#, "fault.statistic"),
            (r#"kind = "missing", statistic = "Sum""#, "fault.statistic"),
            (r#"kind = "altered", metric = "RequestCount""#, "fault.add"),
            (r#"kind = "altered", add = 1.0, set = 2.0, metric = "RequestCount""#, "fault.add"),
            (r#"kind = "altered", set = 2.0"#, "fault.metric"),
            (r#"kind = "absent", set = 2.0"#, "fault.add"),
            (r#"kind = "altered", set = nan, metric = "RequestCount""#, "fault.add"),
            (r#"kind = "stale", from = "2026-11-24T08:00:00Z""#, "fault.from"),
        ];
        for (fault, key) in table {
            let found = error(&format!("fault = [{{ on = \"metrics\", {fault} }}]"));
            assert!(found.contains(key), "{fault}: {found}");
        }
        let fine =
            r#"fault = [{ on = "metrics", kind = "absent", statistic = "TC", metric = "x" }]"#;
        assert!(Topology::from_toml(fine).is_ok());
    }

    #[test]
    fn a_weight_over_999_is_refused() {
        let groups = BTreeSet::from(["a"]);
        let share = Share { group: "a".into(), weight: Some(1000) };
        assert!(check_shares("forward", &[share], &groups).is_err());
    }

    #[test]
    fn variables_are_replaced_and_unset_ones_named() {
        let lookup = |name: &str| (name == "BIN").then(|| "/opt".to_owned());
        assert_eq!(expanded("k", "${BIN}/scorer", &lookup).unwrap(), "/opt/scorer");
        let error = expanded("k", "${NOPE}", &lookup).unwrap_err().to_string();
        assert!(error.contains("k = ${NOPE}"), "{error}");
    }
}
