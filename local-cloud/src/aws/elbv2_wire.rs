//! ELBv2 conditions, actions and rules on the wire.

use super::AwsError;
use super::form::{Form, number};
use super::xml::Xml;
use crate::alb::authenticate::{Authenticate, Secret, Session};
use crate::alb::redirect::Redirect;
use crate::alb::rule::{Action, Actions, Condition, Rule, WeightedGroup};

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

/// All actions of a rule: at most one that signs people in, then exactly one that answers.
pub(super) fn actions(form: &Form) -> Result<Actions, AwsError> {
    let invalid = |text: &str| AwsError::sender("InvalidLoadBalancerAction", text);
    let mut members = Vec::new();
    let given = form.members("Actions");
    for at in &given {
        let order = form.number::<u32>(&format!("{at}.Order"))?;
        if order.is_none() && given.len() > 1 {
            return Err(AwsError::validation(
                "Order must be specified for each of several actions",
            ));
        }
        let order = order.unwrap_or(1);
        if !(1..=50_000).contains(&order) {
            return Err(AwsError::validation(format!(
                "Order '{order}' must be between 1 and 50000"
            )));
        }
        if members.iter().any(|(other, _)| *other == order) {
            return Err(invalid(&format!("Order '{order}' is used more than once")));
        }
        members.push((order, at));
    }
    members.sort_unstable();
    let Some((order, last)) = members.pop() else {
        return Err(AwsError::validation("Actions must have at least one member"));
    };
    let last = match form.required(&format!("{last}.Type"))? {
        "forward" => forward(form, last)?,
        "fixed-response" => fixed(form, last)?,
        "redirect" => redirect(form, last)?,
        "authenticate-oidc" | "authenticate-cognito" => {
            return Err(invalid(
                "The last action must be one of 'forward, redirect, fixed-response'",
            ));
        }
        other => return Err(AwsError::unsupported(&format!("action '{other}'"))),
    };
    let authenticate = match members.as_slice() {
        [] => None,
        [(order, at)] => Some((authenticate(form, at)?, *order)),
        _ => return Err(AwsError::sender("TooManyActions", "Too many actions in the rule")),
    };
    Ok(Actions { authenticate, last, order })
}

/// The action in front of the last one.
fn authenticate(form: &Form, at: &str) -> Result<Authenticate, AwsError> {
    match form.required(&format!("{at}.Type"))? {
        "authenticate-oidc" => {
            let config = format!("{at}.AuthenticateOidcConfig");
            let field = |name: &str| Ok(form.required(&format!("{config}.{name}"))?.to_owned());
            let existing = form.get(&format!("{config}.UseExistingClientSecret")) == Some("true");
            let secret = match (form.get(&format!("{config}.ClientSecret")), existing) {
                (Some(secret), false) => Secret::Given(secret.to_owned()),
                (None, true) => Secret::Existing,
                (None, false) => {
                    return Err(AwsError::sender(
                        "InvalidLoadBalancerAction",
                        "A client secret must be specified",
                    ));
                }
                (Some(_), true) => {
                    return Err(AwsError::sender(
                        "InvalidLoadBalancerAction",
                        "You cannot both specify a client secret and set UseExistingClientSecret \
                         to true",
                    ));
                }
            };
            Ok(Authenticate::Oidc {
                issuer: field("Issuer")?,
                authorization_endpoint: field("AuthorizationEndpoint")?,
                token_endpoint: field("TokenEndpoint")?,
                user_info_endpoint: field("UserInfoEndpoint")?,
                client_id: field("ClientId")?,
                secret,
                session: session(form, &config)?,
            })
        }
        "authenticate-cognito" => {
            let config = format!("{at}.AuthenticateCognitoConfig");
            let field = |name: &str| Ok(form.required(&format!("{config}.{name}"))?.to_owned());
            Ok(Authenticate::Cognito {
                user_pool_arn: field("UserPoolArn")?,
                client_id: field("UserPoolClientId")?,
                domain: field("UserPoolDomain")?,
                session: session(form, &config)?,
            })
        }
        "forward" | "fixed-response" | "redirect" => Err(AwsError::sender(
            "InvalidLoadBalancerAction",
            "Exactly one of 'forward, redirect, fixed-response' must be given, and last",
        )),
        other => Err(AwsError::unsupported(&format!("action '{other}'"))),
    }
}

fn session(form: &Form, config: &str) -> Result<Session, AwsError> {
    let default = Session::default();
    let text = |name: &str, default: String| {
        form.get(&format!("{config}.{name}")).map_or(default, str::to_owned)
    };
    let unauthenticated = text("OnUnauthenticatedRequest", default.unauthenticated);
    if !matches!(unauthenticated.as_str(), "deny" | "allow" | "authenticate") {
        return Err(AwsError::validation(format!(
            "OnUnauthenticatedRequest '{unauthenticated}' must be one of 'deny, allow, authenticate'"
        )));
    }
    let timeout = form.number::<u32>(&format!("{config}.SessionTimeout"))?;
    let timeout = timeout.unwrap_or(default.timeout);
    if !(1..=604_800).contains(&timeout) {
        return Err(AwsError::validation(format!(
            "SessionTimeout '{timeout}' must be between 1 and 604800"
        )));
    }
    let extra = form.entries(&format!("{config}.AuthenticationRequestExtraParams"));
    Ok(Session {
        cookie: text("SessionCookieName", default.cookie),
        scope: text("Scope", default.scope),
        timeout,
        extra_params: extra,
        unauthenticated,
    })
}

fn fixed(form: &Form, at: &str) -> Result<Action, AwsError> {
    let config = format!("{at}.FixedResponseConfig");
    let code = form.required(&format!("{config}.StatusCode"))?;
    let field = |name: &str| form.get(&format!("{config}.{name}")).unwrap_or_default();
    let status: u16 = number("StatusCode", code)?;
    if !matches!(status, 200..=299 | 400..=599) {
        return Err(AwsError::validation(format!("StatusCode '{code}' must be 2XX, 4XX or 5XX")));
    }
    Ok(Action::Fixed {
        status,
        content_type: field("ContentType").to_owned(),
        body: field("MessageBody").to_owned(),
    })
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
        .element("Actions", |xml| write_actions(xml, &rule.actions));
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

/// Members of a list of actions, in their order.
pub(super) fn write_actions(xml: &mut Xml, actions: &Actions) {
    if let Some((authenticate, order)) = &actions.authenticate {
        xml.element("member", |xml| write_authenticate(xml, authenticate, *order));
    }
    xml.element("member", |xml| write_last(xml, &actions.last, actions.order));
}

/// As it was set, but for the client secret, which no answer has.
fn write_authenticate(xml: &mut Xml, authenticate: &Authenticate, order: u32) {
    match authenticate {
        Authenticate::Oidc {
            issuer,
            authorization_endpoint,
            token_endpoint,
            user_info_endpoint,
            client_id,
            secret: _,
            session,
        } => {
            xml.text("Type", "authenticate-oidc").text("Order", order).element(
                "AuthenticateOidcConfig",
                |xml| {
                    xml.text("Issuer", issuer)
                        .text("AuthorizationEndpoint", authorization_endpoint)
                        .text("TokenEndpoint", token_endpoint)
                        .text("UserInfoEndpoint", user_info_endpoint)
                        .text("ClientId", client_id);
                    write_session(xml, session);
                },
            );
        }
        Authenticate::Cognito { user_pool_arn, client_id, domain, session } => {
            xml.text("Type", "authenticate-cognito").text("Order", order).element(
                "AuthenticateCognitoConfig",
                |xml| {
                    xml.text("UserPoolArn", user_pool_arn)
                        .text("UserPoolClientId", client_id)
                        .text("UserPoolDomain", domain);
                    write_session(xml, session);
                },
            );
        }
    }
}

fn write_session(xml: &mut Xml, session: &Session) {
    xml.text("SessionCookieName", &session.cookie)
        .text("Scope", &session.scope)
        .text("SessionTimeout", session.timeout)
        .element("AuthenticationRequestExtraParams", |xml| {
            for (key, value) in &session.extra_params {
                xml.element("entry", |xml| {
                    xml.text("key", key).text("value", value);
                });
            }
        })
        .text("OnUnauthenticatedRequest", &session.unauthenticated);
}

fn write_last(xml: &mut Xml, action: &Action, order: u32) {
    match action {
        Action::Forward { groups, stickiness_secs } => {
            xml.text("Type", "forward");
            if let [one] = groups.as_slice() {
                xml.text("TargetGroupArn", &one.arn);
            }
            xml.text("Order", order).element("ForwardConfig", |xml| {
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
            xml.text("Type", "redirect").text("Order", order).element("RedirectConfig", |xml| {
                xml.text("Protocol", &redirect.protocol)
                    .text("Port", &redirect.port)
                    .text("Host", &redirect.host)
                    .text("Path", &redirect.path)
                    .text("Query", &redirect.query)
                    .text("StatusCode", code);
            });
        }
        Action::Fixed { status, content_type, body } => {
            xml.text("Type", "fixed-response").text("Order", order).element(
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
