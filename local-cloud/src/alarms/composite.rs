//! Rules of composite alarms.

use super::AlarmState;

/// A parsed rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Constant(bool),
    Is(AlarmState, String),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

impl Expression {
    /// Reads a rule.
    ///
    /// # Errors
    /// What was found and what was expected, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: &tokens, at: 0 };
        let expression = parser.or()?;
        match parser.peek() {
            None => Ok(expression),
            Some(token) => Err(format!("{token} after the end of the rule")),
        }
    }

    pub(super) fn holds(&self, state_of: &dyn Fn(&str) -> AlarmState) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Is(state, name) => state_of(name) == *state,
            Self::Not(inner) => !inner.holds(state_of),
            Self::And(left, right) => left.holds(state_of) && right.holds(state_of),
            Self::Or(left, right) => left.holds(state_of) || right.holds(state_of),
        }
    }

    /// Names or ARNs of the alarms that the rule looks at.
    pub(super) fn children(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Is(_, name) => vec![name],
            Self::Not(inner) => inner.children(),
            Self::And(left, right) | Self::Or(left, right) => {
                let mut children = left.children();
                children.extend(right.children());
                children
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' => 1,
            '"' | '\'' => {
                let close = rest[1..].find(first);
                2 + close.ok_or_else(|| format!("{rest} has no closing quote"))?
            }
            _ => {
                let end = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '\'');
                rest.find(end).unwrap_or(rest.len())
            }
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [String],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn take(&mut self) -> Result<&'a str, String> {
        let token = self.peek().ok_or("the rule ends too early")?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        let found = self.take()?;
        if found == token { Ok(()) } else { Err(format!("{found} where {token} was expected")) }
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.peek() == Some("OR") {
            self.at += 1;
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.not()?;
        while self.peek() == Some("AND") {
            self.at += 1;
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, String> {
        if self.peek() == Some("NOT") {
            self.at += 1;
            return Ok(Expression::Not(Box::new(self.not()?)));
        }
        match self.take()? {
            "(" => {
                let inner = self.or()?;
                self.expect(")")?;
                Ok(inner)
            }
            "TRUE" => Ok(Expression::Constant(true)),
            "FALSE" => Ok(Expression::Constant(false)),
            word => {
                let state = AlarmState::parse(word).ok_or_else(|| {
                    format!("{word} where ALARM, OK or INSUFFICIENT_DATA was expected")
                })?;
                self.expect("(")?;
                let name = self.take()?.trim_matches(['"', '\'']).to_owned();
                self.expect(")")?;
                Ok(Expression::Is(state, name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(rule: &str) -> bool {
        let state_of = |name: &str| match name {
            "bad" => AlarmState::Alarm,
            "good one" => AlarmState::Ok,
            _ => AlarmState::InsufficientData,
        };
        Expression::parse(rule).unwrap().holds(&state_of)
    }

    #[test]
    fn rules_combine_with_the_usual_precedence() {
        let table = [
            ("ALARM(\"bad\")", true),
            ("ALARM('good one')", false),
            ("OK(\"good one\") AND NOT ALARM(bad)", false),
            ("ALARM(bad) OR ALARM(x) AND FALSE", true),
            ("(ALARM(bad) OR ALARM(x)) AND FALSE", false),
            ("NOT (ALARM(x) OR OK(x)) AND INSUFFICIENT_DATA(x)", true),
            ("NOT NOT TRUE", true),
        ];
        for (rule, expected) in table {
            assert_eq!(holds(rule), expected, "{rule}");
        }
    }

    #[test]
    fn a_broken_rule_says_where() {
        for rule in ["", "ALARM", "ALARM(", "ALARM(\"x)", "MAYBE(x)", "TRUE TRUE", "(TRUE", "AND"] {
            assert!(Expression::parse(rule).is_err(), "{rule}");
        }
        let error = Expression::parse("ALARM(a) AND MAYBE(b)").unwrap_err();
        assert!(error.starts_with("MAYBE"), "{error}");
    }
}
