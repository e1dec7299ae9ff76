//! ELBv2 conditions, actions and rules on the wire.

use super::AwsError;
use super::form::{Form, number};
use super::xml::Xml;
use crate::alb::redirect::Redirect;
use crate::alb::rule::{Action, Condition, Rule, WeightedGroup};

pub(super) fn conditions(form: &Form) -> Result<Vec<Condition>, AwsError> {
    form.members("Conditions").iter().map(|member| condition(form, member)).collect()
}

fn condition(form: &Form, at: &str) -> Result<Condition, AwsError> {
    let field = form.required(&format!("{at}.Field"))?;
    // The plain list is the old form, the typed one the new.
    let values = |config: &str| {
        let typed = form.texts(&format!("{at}.{config}.Values"));
        if typed.is_empty() { form.texts(&format!("{at}.Values")) } else { typed }
    };
    for config in ["HostHeaderConfig", "PathPatternConfig", "HttpHeaderConfig"] {
        if form.has(&format!("{at}.{config}.RegexValues")) {
            return Err(AwsError::unsupported("RegexValues"));
        }
    }
    Ok(match field {
        "host-header" => Condition::Host(values("HostHeaderConfig")),
        "path-pattern" => Condition::Path(values("PathPatternConfig")),
        "http-request-method" => Condition::Method(values("HttpRequestMethodConfig")),
        "source-ip" => Condition::SourceIp(values("SourceIpConfig")),
        "http-header" => {
            let name = form.required(&format!("{at}.HttpHeaderConfig.HttpHeaderName"))?;
            if name.len() > 40 || name.eq_ignore_ascii_case("host") {
                return Err(AwsError::validation(format!(
                    "HttpHeaderName '{name}' must have at most 40 characters and not be Host"
                )));
            }
            Condition::Header {
                name: name.to_owned(),
                values: form.texts(&format!("{at}.HttpHeaderConfig.Values")),
            }
        }
        "query-string" => {
            let pairs = form.members(&format!("{at}.QueryStringConfig.Values"));
            let pairs = pairs.iter().map(|pair| {
                let key = form.get(&format!("{pair}.Key")).map(str::to_owned);
                Ok((key, form.required(&format!("{pair}.Value"))?.to_owned()))
            });
            Condition::Query(pairs.collect::<Result<_, AwsError>>()?)
        }
        other => {
            return Err(AwsError::validation(format!(
                "Condition field '{other}' must be one of 'path-pattern, host-header, http-header, http-request-method, query-string, source-ip'"
            )));
        }
    })
}

/// The one action and its order.
pub(super) fn action(form: &Form) -> Result<(Action, u32), AwsError> {
    let members = form.members("Actions");
    let [at] = members.as_slice() else {
        return Err(AwsError::sender(
            "InvalidLoadBalancerAction",
            "Exactly one of forward, redirect or fixed-response must be given (local-cloud has no authenticate actions)",
        ));
    };
    let order = form.number::<u32>(&format!("{at}.Order"))?.unwrap_or(1);
    if !(1..=50_000).contains(&order) {
        return Err(AwsError::validation(format!("Order '{order}' must be between 1 and 50000")));
    }
    let action = match form.required(&format!("{at}.Type"))? {
        "forward" => forward(form, at)?,
        "fixed-response" => {
            let config = format!("{at}.FixedResponseConfig");
            let code = form.required(&format!("{config}.StatusCode"))?;
            let field = |name: &str| form.get(&format!("{config}.{name}")).unwrap_or_default();
            let status: u16 = number("StatusCode", code)?;
            if !matches!(status, 200..=299 | 400..=599) {
                return Err(AwsError::validation(format!(
                    "StatusCode '{code}' must be 2XX, 4XX or 5XX"
                )));
            }
            Action::Fixed {
                status,
                content_type: field("ContentType").to_owned(),
                body: field("MessageBody").to_owned(),
            }
        }
        "redirect" => redirect(form, at)?,
        other => return Err(AwsError::unsupported(&format!("action '{other}'"))),
    };
    Ok((action, order))
}

fn redirect(form: &Form, at: &str) -> Result<Action, AwsError> {
    let config = format!("{at}.RedirectConfig");
    let code = form.required(&format!("{config}.StatusCode"))?;
    if !matches!(code, "HTTP_301" | "HTTP_302") {
        return Err(AwsError::validation(format!(
            "StatusCode '{code}' must be HTTP_301 or HTTP_302"
        )));
    }
    let part =
        |name: &str, own: &str| form.get(&format!("{config}.{name}")).unwrap_or(own).to_owned();
    let redirect = Redirect {
        protocol: part("Protocol", "#{protocol}"),
        host: part("Host", "#{host}"),
        port: part("Port", "#{port}"),
        path: part("Path", "/#{path}"),
        query: part("Query", "#{query}"),
        permanent: code == "HTTP_301",
    };
    if [&redirect.protocol, &redirect.host, &redirect.port, &redirect.path]
        .iter()
        .all(|part| part.contains("#{"))
    {
        return Err(AwsError::sender(
            "InvalidLoadBalancerAction",
            "The redirect configuration is not valid because it creates a loop",
        ));
    }
    Ok(Action::Redirect(redirect))
}

fn forward(form: &Form, at: &str) -> Result<Action, AwsError> {
    let alone = form.get(&format!("{at}.TargetGroupArn"));
    let config = format!("{at}.ForwardConfig");
    let members = form.members(&format!("{config}.TargetGroups"));
    let mut groups = Vec::new();
    for member in &members {
        let arn = form.required(&format!("{member}.TargetGroupArn"))?.to_owned();
        let weight = form.number::<u32>(&format!("{member}.Weight"))?;
        if weight.is_none() && members.len() > 1 {
            return Err(AwsError::validation(format!(
                "Weight must be specified for target group '{arn}'"
            )));
        }
        groups.push(WeightedGroup { arn, weight: weight.unwrap_or(1) });
    }
    if let Some(arn) = alone {
        match groups.as_slice() {
            [] => groups.push(WeightedGroup { arn: arn.to_owned(), weight: 1 }),
            [one] if one.arn == arn => {}
            _ => {
                return Err(AwsError::sender(
                    "InvalidLoadBalancerAction",
                    "TargetGroupArn and ForwardConfig must name the same single target group",
                ));
            }
        }
    }
    let stickiness = format!("{config}.TargetGroupStickinessConfig");
    let enabled = form.get(&format!("{stickiness}.Enabled")) == Some("true");
    let secs = form.number::<u32>(&format!("{stickiness}.DurationSeconds"))?;
    if enabled && secs.is_none() {
        return Err(AwsError::validation(
            "DurationSeconds must be specified when target group stickiness is enabled",
        ));
    }
    Ok(Action::Forward { groups, stickiness_secs: secs.filter(|_| enabled) })
}

pub(super) fn write_rule(xml: &mut Xml, rule: &Rule) {
    let priority = rule.priority.map_or_else(|| "default".to_owned(), |one| one.to_string());
    xml.text("RuleArn", &rule.arn)
        .text("Priority", priority)
        .text("IsDefault", rule.priority.is_none())
        .list("Conditions", &rule.conditions, write_condition)
        .list("Actions", [rule], write_action);
}

fn write_condition(xml: &mut Xml, condition: &Condition) {
    xml.text("Field", condition.field());
    let mut config = |name: &str, values: &Vec<String>, plain: bool| {
        if plain {
            xml.texts("Values", values);
        }
        xml.element(name, |xml| {
            xml.texts("Values", values);
        });
    };
    match condition {
        Condition::Host(values) => config("HostHeaderConfig", values, true),
        Condition::Path(values) => config("PathPatternConfig", values, true),
        Condition::Method(values) => config("HttpRequestMethodConfig", values, false),
        Condition::SourceIp(values) => config("SourceIpConfig", values, false),
        Condition::Header { name, values } => {
            xml.element("HttpHeaderConfig", |xml| {
                xml.text("HttpHeaderName", name).texts("Values", values);
            });
        }
        Condition::Query(pairs) => {
            xml.element("QueryStringConfig", |xml| {
                xml.list("Values", pairs, |xml, (key, value)| {
                    if let Some(key) = key {
                        xml.text("Key", key);
                    }
                    xml.text("Value", value);
                });
            });
        }
    }
}

pub(super) fn write_action(xml: &mut Xml, rule: &Rule) {
    match &rule.action {
        Action::Forward { groups, stickiness_secs } => {
            xml.text("Type", "forward");
            if let [one] = groups.as_slice() {
                xml.text("TargetGroupArn", &one.arn);
            }
            xml.text("Order", rule.order).element("ForwardConfig", |xml| {
                xml.list("TargetGroups", groups, |xml, group| {
                    xml.text("TargetGroupArn", &group.arn).text("Weight", group.weight);
                });
                xml.element("TargetGroupStickinessConfig", |xml| {
                    xml.text("Enabled", stickiness_secs.is_some());
                    if let Some(secs) = stickiness_secs {
                        xml.text("DurationSeconds", secs);
                    }
                });
            });
        }
        Action::Redirect(redirect) => {
            let code = if redirect.permanent { "HTTP_301" } else { "HTTP_302" };
            xml.text("Type", "redirect").text("Order", rule.order).element(
                "RedirectConfig",
                |xml| {
                    xml.text("Protocol", &redirect.protocol)
                        .text("Port", &redirect.port)
                        .text("Host", &redirect.host)
                        .text("Path", &redirect.path)
                        .text("Query", &redirect.query)
                        .text("StatusCode", code);
                },
            );
        }
        Action::Fixed { status, content_type, body } => {
            xml.text("Type", "fixed-response").text("Order", rule.order).element(
                "FixedResponseConfig",
                |xml| {
                    xml.text("MessageBody", body)
                        .text("StatusCode", status)
                        .text("ContentType", content_type);
                },
            );
        }
    }
}
