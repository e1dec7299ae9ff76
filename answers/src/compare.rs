//! The comparison.

use crate::decimal::{Decimal, fraction_digits};
use crate::json::Level;
use crate::path::{Pattern, Step, shown};
use crate::{Answer, Comparison, Difference, Kind, RuleProblem, Rules, Shape, Show};
use serde_json::value::RawValue;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// A larger body, in bytes, is compared as bytes. A load balancer takes 1 MB from a
/// function.
pub const MAX_BODY: usize = 8 << 20;
/// What is nested deeper is compared as text.
pub const MAX_DEPTH: usize = 64;
/// More ways to differ are counted and not listed.
pub const MAX_DIFFERENCES: usize = 64;
/// Characters of a value that is shown.
const MOST_SHOWN: usize = 200;

/// Compares answers by its rules.
#[derive(Clone, Debug)]
pub struct Comparer {
    ignore: Vec<Pattern>,
    now: Vec<Pattern>,
    keyed: Vec<Pattern>,
    /// In lower case; a `*` at the end stands for any rest.
    ignore_headers: Vec<String>,
    tolerance: Decimal,
}

impl Comparer {
    /// A comparer for these rules.
    ///
    /// # Errors
    /// As [`Rules::check`].
    pub fn new(rules: &Rules) -> Result<Self, Vec<RuleProblem>> {
        rules.check()?;
        let patterns =
            |list: &[String]| list.iter().filter_map(|text| Pattern::read(text)).collect();
        Ok(Self {
            ignore: patterns(&rules.ignore),
            now: patterns(&rules.now),
            keyed: patterns(&rules.keyed),
            ignore_headers: rules.ignore_headers.iter().map(|n| n.to_lowercase()).collect(),
            tolerance: Decimal::read_plain(&rules.tolerance).expect("checked above"),
        })
    }

    /// What differs between two answers to the same request.
    pub fn compare(&self, first: &Answer, second: &Answer, show: Show) -> Comparison {
        let mut found = Found { show, ..Found::default() };
        if first.status != second.status {
            let [a, b] = [first, second].map(|answer| Shape::Status { code: answer.status });
            let values = || [first, second].map(|answer| answer.status.to_string());
            found.add(Kind::Status, "status".to_owned(), a, b, values);
            return found.end();
        }
        self.headers(first, second, &mut found);
        self.bodies(&first.body, &second.body, &mut found);
        found.end()
    }

    fn headers(&self, first: &Answer, second: &Answer, found: &mut Found) {
        let [a, b] = [first, second].map(|answer| self.kept(answer));
        let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names {
            let (a, b) = (a.get(name), b.get(name));
            if a != b {
                let shape = |value: Option<&Vec<&str>>| match value {
                    None => Shape::Absent,
                    Some(values) => Shape::Text { chars: chars(&values.join(", ")) },
                };
                let text =
                    |value: Option<&Vec<&str>>| value.map_or(String::new(), |v| v.join(", "));
                let path = shown(&[Step::Member { name: name.clone(), data: false }]);
                found.add(Kind::Header, path, shape(a), shape(b), || [text(a), text(b)]);
            }
        }
    }

    /// Headers that count, by their names in lower case.
    fn kept<'a>(&self, answer: &'a Answer) -> BTreeMap<String, Vec<&'a str>> {
        let mut kept: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, value) in &answer.headers {
            let (name, value) = (name.to_lowercase(), value.trim_matches([' ', '\t']));
            // The load balancer's own stickiness cookies, of which every answer has others.
            let balancers = name == "set-cookie" && value.starts_with("AWSALB");
            let ignored = self.ignore_headers.iter().any(|rule| match rule.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => *rule == name,
            });
            if !balancers && !ignored {
                kept.entry(name).or_default().push(value);
            }
        }
        kept
    }

    fn bodies(&self, first: &[u8], second: &[u8], found: &mut Found) {
        if first == second {
            return;
        }
        let text =
            |body| std::str::from_utf8(body).ok().filter(|text: &&str| text.len() <= MAX_BODY);
        let levels = text(first).zip(text(second));
        let levels = levels.and_then(|(a, b)| Some((Level::read(a)?, Level::read(b)?)));
        if let Some((a, b)) = levels {
            self.levels(&a, &b, &mut Vec::new(), found);
        } else {
            let [a, b] = [first, second].map(|body| Shape::Bytes { bytes: body.len() });
            let values = || [first, second].map(|body| String::from_utf8_lossy(body).into_owned());
            found.add(Kind::Body, "$".to_owned(), a, b, values);
        }
    }

    fn values(&self, a: &RawValue, b: &RawValue, path: &mut Vec<Step>, found: &mut Found) {
        // Equal as text is equal, and most parts of most answers are.
        if a.get() == b.get() || self.ignore.iter().any(|rule| rule.fits(path)) {
            return;
        }
        let levels = if path.len() > MAX_DEPTH { None } else { Level::of(a).zip(Level::of(b)) };
        if let Some((a, b)) = levels {
            self.levels(&a, &b, path, found);
        } else {
            let [first, second] = [a, b].map(|value| Shape::Bytes { bytes: value.get().len() });
            let values = || [a, b].map(|value| value.get().to_owned());
            found.add(Kind::Body, shown(path), first, second, values);
        }
    }

    fn levels(&self, a: &Level<'_>, b: &Level<'_>, path: &mut Vec<Step>, found: &mut Found) {
        let kind = match (a, b) {
            (Level::Null, Level::Null) => None,
            (Level::Flag(a), Level::Flag(b)) => (a != b).then_some(Kind::Member),
            (Level::Number(a), Level::Number(b)) => self.numbers(a, b),
            (Level::Text(a), Level::Text(b)) => self.texts(a, b, path),
            (Level::List(a), Level::List(b)) => {
                path.push(Step::Element);
                self.items(a, b, path, found);
                path.pop();
                None
            }
            (Level::Object(a), Level::Object(b)) => {
                let data = self.keyed.iter().any(|rule| rule.fits(path));
                let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                for name in names {
                    let of = |members: &'_ BTreeMap<String, Vec<_>>| -> Vec<_> {
                        members.get(name).cloned().unwrap_or_default()
                    };
                    path.push(Step::Member { name: name.clone(), data });
                    self.items(&of(a), &of(b), path, found);
                    path.pop();
                }
                None
            }
            (
                Level::Null
                | Level::Flag(_)
                | Level::Number(_)
                | Level::Text(_)
                | Level::List(_)
                | Level::Object(_),
                _,
            ) => Some(Kind::Type),
        };
        if let Some(kind) = kind {
            found.add(kind, shown(path), shape(a), shape(b), || [as_text(a), as_text(b)]);
        }
    }

    /// Elements of a list, or values of one key: one by one, in order.
    fn items(&self, a: &[&RawValue], b: &[&RawValue], path: &mut Vec<Step>, found: &mut Found) {
        for (a, b) in a.iter().zip(b) {
            self.values(a, b, path, found);
        }
        if self.ignore.iter().any(|rule| rule.fits(path)) {
            return;
        }
        for only in a.iter().skip(b.len()) {
            let values = || [only.get().to_owned(), String::new()];
            found.add(Kind::Missing, shown(path), shape_of(only), Shape::Absent, values);
        }
        for only in b.iter().skip(a.len()) {
            let values = || [String::new(), only.get().to_owned()];
            found.add(Kind::Extra, shown(path), Shape::Absent, shape_of(only), values);
        }
    }

    fn numbers(&self, a: &str, b: &str) -> Option<Kind> {
        let same = match (Decimal::read(a), Decimal::read(b)) {
            (Some(a), Some(b)) => a.near(&b, &self.tolerance),
            // Exponents that no number has: the spelling decides.
            (Some(_) | None, None) | (None, Some(_)) => a == b,
        };
        (!same).then_some(Kind::Number)
    }

    fn texts(&self, a: &str, b: &str, path: &[Step]) -> Option<Kind> {
        if a == b {
            return None;
        }
        if self.now.iter().any(|rule| rule.fits(path)) {
            return (spelling(a) != spelling(b)).then_some(Kind::Member);
        }
        match (Decimal::read_plain(a), Decimal::read_plain(b)) {
            (Some(x), Some(y)) if !x.near(&y, &self.tolerance) => Some(Kind::Number),
            // Near enough, and a client that cuts texts still sees the same places.
            (Some(_), Some(_)) if fraction_digits(a) == fraction_digits(b) => None,
            (Some(_) | None, Some(_) | None) => Some(Kind::Member),
        }
    }
}

/// How a time is written: every digit as `0`, a fraction left out or not.
///
/// Python leaves the fraction out when it is nought, once in a million requests.
fn spelling(time: &str) -> String {
    let zeros: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match zeros.split_once(".000000") {
        Some((start, end)) => format!("{start}{end}"),
        None => zeros,
    }
}

fn shape_of(raw: &RawValue) -> Shape {
    Level::of(raw).map_or(Shape::Bytes { bytes: raw.get().len() }, |level| shape(&level))
}

fn shape(level: &Level<'_>) -> Shape {
    match level {
        Level::Null => Shape::Null,
        Level::Flag(_) => Shape::Flag,
        Level::Number(text) => Shape::Number { chars: text.len() },
        Level::Text(text) => Shape::Text { chars: chars(text) },
        Level::List(items) => Shape::List { items: items.len() },
        Level::Object(members) => Shape::Object { members: members.len() },
    }
}

fn as_text(level: &Level<'_>) -> String {
    match level {
        Level::Null => "null".to_owned(),
        Level::Flag(flag) => flag.to_string(),
        Level::Number(text) => (*text).to_owned(),
        Level::Text(text) => format!("{:?}", shortened(text)),
        Level::List(items) => format!("a list of {}", items.len()),
        Level::Object(members) => format!("an object of {} members", members.len()),
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(MOST_SHOWN).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Differences so far, one for each kind and path.
struct Found {
    show: Show,
    by_place: BTreeMap<(Kind, String), Difference>,
    unlisted: usize,
}

impl Default for Found {
    fn default() -> Self {
        Self { show: Show::Shapes, by_place: BTreeMap::new(), unlisted: 0 }
    }
}

impl Found {
    fn add(
        &mut self,
        kind: Kind,
        path: String,
        first: Shape,
        second: Shape,
        values: impl FnOnce() -> [String; 2],
    ) {
        let full = self.by_place.len() >= MAX_DIFFERENCES;
        match self.by_place.entry((kind, path)) {
            Entry::Occupied(mut there) => there.get_mut().places += 1,
            Entry::Vacant(_) if full => self.unlisted += 1,
            Entry::Vacant(free) => {
                let path = free.key().1.clone();
                let values = match self.show {
                    Show::Shapes => None,
                    Show::Values => Some(values().map(|value| shortened(&value))),
                };
                free.insert(Difference { kind, path, first, second, places: 1, values });
            }
        }
    }

    fn end(self) -> Comparison {
        let differences = self.by_place.into_values().collect();
        Comparison { differences, unlisted: self.unlisted }
    }
}
