//! Where in a body something is, and which of that may be shown.

/// Longest key that a report shows.
const LONGEST_NAME: usize = 40;
/// More digits in a row than this are an id, a date or an amount.
const MOST_DIGITS: usize = 2;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a member; `data` if its name is a value, like a provider's.
    Member { name: String, data: bool },
    /// Into an element of a list.
    Element,
}

/// The path as reports show it; `$` is the whole body.
pub(crate) fn shown(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "$".to_owned();
    }
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Element => text.push_str("[]"),
            Step::Member { name, data } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(if *data || !is_name(name) { "*" } else { name });
            }
        }
    }
    text
}

/// Longest path that is read back, in bytes. [`shown`] makes longer ones of answers that are
/// nested like no answer of a service is.
const LONGEST_PATH: usize = 200;

/// Whether a text is a path as [`shown`] makes it: names, `*` and `[]`, nothing else.
pub(crate) fn is_shown(path: &str) -> bool {
    if path == "$" {
        return true;
    }
    let part = |(at, part): (usize, &str)| {
        let name = part.trim_end_matches("[]");
        let only_elements = at == 0 && name.is_empty() && !part.is_empty();
        only_elements || name == "*" || is_name(name)
    };
    path.len() <= LONGEST_PATH && path.split('.').enumerate().all(part)
}

/// Whether a key reads like a name that a programmer gave, and not like data: an
/// address, an id, a date, an e-mail. A key of which that is not sure is not shown.
fn is_name(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || key.len() > LONGEST_NAME || !key.chars().all(plain) {
        return false;
    }
    let longest = key.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    longest <= MOST_DIGITS && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// A path in the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    Named(String),
    Element,
}

impl Pattern {
    /// `None` if there is an empty name.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        for (index, word) in text.split('.').enumerate() {
            let mut name = word;
            let mut elements = 0;
            while let Some(rest) = name.strip_suffix("[]") {
                name = rest;
                elements += 1;
            }
            match name {
                // A list at the top of the body.
                "" if index == 0 && elements > 0 => {}
                "" => return None,
                "*" => parts.push(Part::Any),
                name => parts.push(Part::Named(name.to_owned())),
            }
            parts.extend((0..elements).map(|_| Part::Element));
        }
        Some(Self(parts))
    }

    /// Whether the path is exactly this one.
    pub(crate) fn fits(&self, steps: &[Step]) -> bool {
        self.0.len() == steps.len()
            && self.0.iter().zip(steps).all(|(part, step)| match (part, step) {
                (Part::Any, Step::Member { .. }) | (Part::Element, Step::Element) => true,
                (Part::Named(wanted), Step::Member { name, .. }) => wanted == name,
                (Part::Any | Part::Named(_), Step::Element)
                | (Part::Element, Step::Member { .. }) => false,
            })
    }
}
