//! Parameters of the awsQuery protocol.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::AwsError;

/// Form fields by their dotted names.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, AwsError> {
        self.get(name).ok_or_else(|| AwsError::validation(format!("{name} is required")))
    }

    /// A number; an error that names the parameter if it is none.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, AwsError> {
        self.get(name).map(|text| number(name, text)).transpose()
    }

    /// Prefixes of a list's members, in order: `Actions.member.1`, …
    pub(super) fn members(&self, list: &str) -> Vec<String> {
        let start = format!("{list}.member.");
        let mut numbers: Vec<u32> = self
            .0
            .range(start.clone()..)
            .take_while(|(name, _)| name.starts_with(&start))
            .filter_map(|(name, _)| name[start.len()..].split('.').next()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(|number| format!("{start}{number}")).collect()
    }

    /// All values, whatever their names.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// Keys and values of a map: `Map.entry.1.key`, `Map.entry.1.value`, …
    pub(super) fn entries(&self, map: &str) -> Vec<(String, String)> {
        let entry = |number: usize, part: &str| {
            self.get(&format!("{map}.entry.{number}.{part}")).map(str::to_owned)
        };
        (1..).map_while(|number| Some((entry(number, "key")?, entry(number, "value")?))).collect()
    }

    /// Texts of a list.
    pub(super) fn texts(&self, list: &str) -> Vec<String> {
        self.members(list).iter().filter_map(|member| self.get(member).map(str::to_owned)).collect()
    }

    /// Whether a structure or list was given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        let start = format!("{name}.");
        self.0.contains_key(name)
            || self.0.range(start.clone()..).next().is_some_and(|(key, _)| key.starts_with(&start))
    }
}

pub(super) fn number<T: FromStr>(name: &str, text: &str) -> Result<T, AwsError> {
    text.parse()
        .map_err(|_| AwsError::validation(format!("{name} = '{text}' is not a valid number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_numeric_order_and_once() {
        let form = Form::parse(b"A.member.10.B=x&A.member.2.B=y&A.member.2.C=z&AB.member.1=w");
        assert_eq!(form.members("A"), ["A.member.2", "A.member.10"]);
        assert_eq!(form.texts("AB"), ["w"]);
        assert!(form.has("A") && form.has("A.member.2") && !form.has("B"));
    }
}
