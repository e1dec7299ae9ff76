//! Whether one request could match two rules.

use std::collections::HashSet;

use aws_sdk_elasticloadbalancingv2::types::{Rule, RuleCondition};

/// The part of a condition that can be compared; anything else may match any request.
pub(super) enum Condition {
    /// Glob patterns of the path, case-sensitive.
    Path(Vec<String>),
    /// Glob patterns of the host, lower case.
    Host(Vec<String>),
    /// Methods.
    Method(Vec<String>),
    /// A header in lower case and glob patterns of its value, lower case.
    Header(String, Vec<String>),
    /// The field's name.
    Other(String),
}

/// The conditions of a rule; all must hold.
pub(super) fn of(rule: &Rule) -> Vec<Condition> {
    rule.conditions().iter().map(parse).collect()
}

fn parse(condition: &RuleCondition) -> Condition {
    let field = condition.field().unwrap_or("unknown").to_owned();
    let values = values(condition);
    // Regular expressions leave the lists empty: not comparable here.
    if values.is_empty() {
        return Condition::Other(field);
    }
    let lower = || values.iter().map(|value| value.to_lowercase()).collect();
    match field.as_str() {
        "path-pattern" => Condition::Path(values),
        "host-header" => Condition::Host(lower()),
        "http-request-method" => Condition::Method(values),
        "http-header" => {
            let name = condition.http_header_config().and_then(|c| c.http_header_name());
            Condition::Header(name.unwrap_or_default().to_lowercase(), lower())
        }
        _ => Condition::Other(field),
    }
}

/// The typed list, or the untyped one that older rules have.
fn values(condition: &RuleCondition) -> Vec<String> {
    let typed = match condition.field() {
        Some("path-pattern") => condition.path_pattern_config.as_ref().map(|c| &c.values),
        Some("host-header") => condition.host_header_config.as_ref().map(|c| &c.values),
        Some("http-request-method") => {
            condition.http_request_method_config.as_ref().map(|c| &c.values)
        }
        Some("http-header") => condition.http_header_config.as_ref().map(|c| &c.values),
        _ => None,
    };
    let typed = typed.cloned().flatten().unwrap_or_default();
    if typed.is_empty() { condition.values().to_vec() } else { typed }
}

/// Whether one request could match both. Errs on the side of yes.
pub(super) fn could_both_match(rule: &[Condition], other: &[Condition]) -> bool {
    rule.iter().all(|a| other.iter().all(|b| compatible(a, b)))
}

fn compatible(this: &Condition, that: &Condition) -> bool {
    match (this, that) {
        (Condition::Path(a), Condition::Path(b)) | (Condition::Host(a), Condition::Host(b)) => {
            any_meet(a, b)
        }
        (Condition::Method(a), Condition::Method(b)) => a.iter().any(|method| b.contains(method)),
        (Condition::Header(a, values), Condition::Header(b, others)) => {
            a != b || any_meet(values, others)
        }
        _ => true,
    }
}

fn any_meet(globs: &[String], others: &[String]) -> bool {
    globs.iter().any(|a| others.iter().any(|b| globs_meet(a, b)))
}

/// Whether some text matches both patterns (`*`: any text, `?`: one character).
fn globs_meet(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Positions from which the rests of both patterns must meet; each is looked at once.
    let mut seen = HashSet::new();
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        if !seen.insert((i, j)) {
            continue;
        }
        match (a.get(i), b.get(j)) {
            (None, None) => return true,
            (Some('*'), other) => {
                open.push((i + 1, j));
                if other.is_some() {
                    open.push((i, j + 1));
                }
            }
            (other, Some('*')) => {
                open.push((i, j + 1));
                if other.is_some() {
                    open.push((i + 1, j));
                }
            }
            (Some(x), Some(y)) if x == y || *x == '?' || *y == '?' => open.push((i + 1, j + 1)),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        HostHeaderConditionConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig,
        PathPatternConditionConfig, QueryStringConditionConfig, QueryStringKeyValuePair,
        SourceIpConditionConfig,
    };

    fn rule(field: &str, value: &str, typed: bool) -> Rule {
        Rule::builder().conditions(condition(field, value, typed)).build()
    }

    /// A condition on a path, a host, a method, a query, an address or else a header of this
    /// name, with its values in the list that new rules have, or in the one that old rules have.
    pub(in crate::adapters::alb) fn condition(
        field: &str,
        value: &str,
        typed: bool,
    ) -> RuleCondition {
        let kind = match field {
            "path-pattern"
            | "host-header"
            | "http-request-method"
            | "query-string"
            | "source-ip" => field,
            _ => "http-header",
        };
        let condition = RuleCondition::builder().field(kind);
        let condition = match kind {
            _ if !typed => condition.values(value),
            "path-pattern" => condition
                .path_pattern_config(PathPatternConditionConfig::builder().values(value).build()),
            "host-header" => condition
                .host_header_config(HostHeaderConditionConfig::builder().values(value).build()),
            "http-request-method" => condition.http_request_method_config(
                HttpRequestMethodConditionConfig::builder().values(value).build(),
            ),
            "query-string" => {
                let pair = QueryStringKeyValuePair::builder().value(value).build();
                let config = QueryStringConditionConfig::builder().values(pair).build();
                condition.query_string_config(config)
            }
            "source-ip" => {
                condition.source_ip_config(SourceIpConditionConfig::builder().values(value).build())
            }
            _ => condition.http_header_config(
                HttpHeaderConditionConfig::builder().http_header_name(field).values(value).build(),
            ),
        };
        condition.build()
    }

    #[test]
    fn every_field_is_compared_by_its_own_values_and_its_own_case() {
        for (field, value, same, other) in [
            ("path-pattern", "/v2/*", "/v2/stamps", "/V2/stamps"),
            ("host-header", "API.example.com", "api.*.com", "www.example.com"),
            ("http-request-method", "GET", "GET", "get"),
            ("X-Tester", "Yes", "yes", "no"),
        ] {
            let old_lists_too = field != "X-Tester";
            for typed in [true, false].into_iter().filter(|typed| *typed || old_lists_too) {
                let ours = of(&rule(field, value, typed));
                for (value, meets) in [(same, true), (other, false)] {
                    let theirs = of(&rule(field, value, true));
                    let told = format!("{field} {value}, typed {typed}");
                    assert_eq!(could_both_match(&ours, &theirs), meets, "{told}");
                    assert_eq!(could_both_match(&theirs, &ours), meets, "{told}");
                }
            }
        }
        // Other headers say nothing of each other, and what is not known may be anything.
        let header = of(&rule("X-Tester", "yes", true));
        assert!(could_both_match(&header, &of(&rule("X-Other", "no", true))));
        let unknown = RuleCondition::builder().field("source-ip").values("10.0.0.0/8").build();
        let unknown = of(&Rule::builder().conditions(unknown).build());
        assert!(could_both_match(&unknown, &header));
        assert!(matches!(&unknown[0], Condition::Other(field) if field == "source-ip"));
    }

    #[test]
    fn patterns_meet_if_some_text_matches_both() {
        for (a, b) in [
            ("/v2/stamps/*/score/*", "/v2/*"),
            ("/v2/stamps/*/score/*", "*"),
            ("/a*c", "/ab*"),
            ("*x*", "*y*"),
            ("/a?c", "/abc"),
            ("", "*"),
            ("a*", "*a"),
        ] {
            assert!(globs_meet(a, b) && globs_meet(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("/v2/stamps/*/score/*", "/health"),
            ("/v2/stamps/*/score/*", "/v1/*"),
            ("/a?c", "/ac"),
            ("/A", "/a"),
            ("a*b", "a*c"),
            ("", "?"),
        ] {
            assert!(!globs_meet(a, b) && !globs_meet(b, a), "{a} {b}");
        }
    }

    #[test]
    fn comparing_two_patterns_full_of_stars_ends_soon() {
        let (a, b) = ("*a".repeat(64), "*b".repeat(64));
        assert!(!globs_meet(&a, &b));
    }

    #[test]
    fn only_fields_that_both_rules_name_can_part_them() {
        let path = |p: &str| Condition::Path(vec![p.to_owned()]);
        let header = |v: &str| Condition::Header("x-rust".into(), vec![v.to_owned()]);
        assert!(could_both_match(&[path("/a")], &[header("true")]));
        assert!(!could_both_match(&[path("/a"), header("true")], &[path("/b")]));
        assert!(!could_both_match(&[header("true")], &[header("false")]));
        assert!(could_both_match(&[], &[path("/a")]), "no conditions match everything");
    }
}
