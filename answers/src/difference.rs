//! What a comparison says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::path;

/// What kind of difference.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The HTTP status. Nothing else of such a pair is compared: it follows from this.
    Status,
    /// A member of another JSON type.
    Type,
    /// A number, or a text that is one, further apart than rounding explains.
    Number,
    /// A member of the same type with another value.
    Member,
    /// A member that only the first answer has.
    Missing,
    /// A member that only the second answer has.
    Extra,
    /// A header that differs, or that only one answer has.
    Header,
    /// A body that is not JSON on both sides, is nested too deeply, or is too large to
    /// be read as JSON, and differs as bytes.
    Body,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Type,
        Self::Number,
        Self::Member,
        Self::Missing,
        Self::Extra,
        Self::Header,
        Self::Body,
    ];

    /// As in JSON: `status`, `missing`, ….
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Type => "type",
            Self::Number => "number",
            Self::Member => "member",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Header => "header",
            Self::Body => "body",
        }
    }

    /// The kind if the two answers change places.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Missing => Self::Extra,
            Self::Extra => Self::Missing,
            Self::Status | Self::Type | Self::Number | Self::Member | Self::Header | Self::Body => {
                self
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What one side has at a path, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Shape {
    /// Nothing.
    Absent,
    /// JSON's null.
    Null,
    /// JSON's true or false.
    Flag,
    /// A JSON number.
    Number {
        /// Characters as written.
        chars: usize,
    },
    /// A JSON string or a header.
    Text {
        /// Characters after unescaping.
        chars: usize,
    },
    /// A JSON array.
    List {
        /// How many elements.
        items: usize,
    },
    /// A JSON object.
    Object {
        /// How many members.
        members: usize,
    },
    /// An HTTP status.
    Status {
        /// The status: no secret.
        code: u16,
    },
    /// A body that was not read as JSON, or a part nested too deeply.
    Bytes {
        /// Length.
        bytes: usize,
    },
}

impl fmt::Display for Shape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => out.write_str("absent"),
            Self::Null => out.write_str("null"),
            Self::Flag => out.write_str("true or false"),
            Self::Number { chars } => write!(out, "number of {chars} characters"),
            Self::Text { chars } => write!(out, "text of {chars} characters"),
            Self::List { items } => write!(out, "list of {items}"),
            Self::Object { members } => write!(out, "object of {members} members"),
            Self::Status { code } => write!(out, "{code}"),
            Self::Bytes { bytes } => write!(out, "{bytes} bytes"),
        }
    }
}

/// One difference, or several of one kind at one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// What kind.
    pub kind: Kind,
    /// Where: `stamps.*.score` in the body, `$` for the body as a whole, a header's name
    /// in lower case, or `status`. A `*` stands for a key that is data, `[]` for any
    /// element of a list.
    pub path: String,
    /// What the first answer has there, at the first of these places.
    pub first: Shape,
    /// What the second answer has there.
    pub second: Shape,
    /// How many places of the pair differ in this way, at least 1.
    pub places: usize,
    /// Both values at the first of these places, shortened; only if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<[String; 2]>,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}, then {}", self.kind, self.path, self.first, self.second)
    }
}

/// A text that is not a [`Difference`] as it is displayed. Does not repeat the text, which
/// may hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a difference between answers")]
pub struct NotADifference;

/// The shape that a text stands for; only as [`Shape`] displays it.
impl FromStr for Shape {
    type Err = NotADifference;

    fn from_str(text: &str) -> Result<Self, NotADifference> {
        let number = |text: &str| text.parse::<usize>().map_err(|_| NotADifference);
        let shape = match text.split(' ').collect::<Vec<_>>().as_slice() {
            ["absent"] => Self::Absent,
            ["null"] => Self::Null,
            ["true", "or", "false"] => Self::Flag,
            ["number", "of", chars, "characters"] => Self::Number { chars: number(chars)? },
            ["text", "of", chars, "characters"] => Self::Text { chars: number(chars)? },
            ["list", "of", items] => Self::List { items: number(items)? },
            ["object", "of", members, "members"] => Self::Object { members: number(members)? },
            [bytes, "bytes"] => Self::Bytes { bytes: number(bytes)? },
            [code] => Self::Status { code: code.parse().map_err(|_| NotADifference)? },
            _ => return Err(NotADifference),
        };
        // A sign or a leading zero is read as a number and is not what is displayed.
        if shape.to_string() == text { Ok(shape) } else { Err(NotADifference) }
    }
}

/// A difference out of a log, without values and with one place. Whatever
/// [`Difference`] does not display is refused, so that a text from outside carries
/// nothing else in.
impl FromStr for Difference {
    type Err = NotADifference;

    fn from_str(text: &str) -> Result<Self, NotADifference> {
        let (kind, rest) = text.split_once(' ').ok_or(NotADifference)?;
        let (path, shapes) = rest.split_once(": ").ok_or(NotADifference)?;
        let (first, second) = shapes.split_once(", then ").ok_or(NotADifference)?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
        if !path::is_shown(path) {
            return Err(NotADifference);
        }
        Ok(Self {
            kind: kind.ok_or(NotADifference)?,
            path: path.to_owned(),
            first: first.parse()?,
            second: second.parse()?,
            places: 1,
            values: None,
        })
    }
}

/// Whether values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// No value of an answer is kept.
    Shapes,
    /// The beginning of both values is kept, for the eyes of whoever may read answers.
    Values,
}

/// What two answers differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Sorted by kind and path; each pair of them occurs once.
    pub differences: Vec<Difference>,
    /// Places that differ in further ways, which are not listed.
    #[serde(default)]
    pub unlisted: usize,
}

impl Comparison {
    /// Whether a client sees the same.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.unlisted == 0
    }
}
