//! Which code answers behind a target group. Evidence belongs to the code it was
//! gathered on: another version or digest is another service.

use super::observation::Unread;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The code behind one target group. Configuration counts like code: a published
/// version freezes both, and `LastModified` of `$LATEST` moves with both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Code {
    /// A published version, reached by an alias or by its number.
    Version {
        /// Name of the function.
        function: String,
        /// Number of the version.
        version: String,
    },
    /// `$LATEST`, which a deployment changes in place.
    Latest {
        /// Name of the function.
        function: String,
        /// `CodeSha256`; for an image its digest.
        sha256: String,
        /// `LastModified` as AWS spells it.
        modified: String,
    },
}

impl Code {
    /// Without the function's name: `version 42`, `$LATEST 9f2c13aa`.
    pub fn short(&self) -> String {
        match self {
            Self::Version { version, .. } => format!("version {version}"),
            Self::Latest { sha256, .. } => {
                let digest: String = sha256.chars().take(8).collect();
                format!("$LATEST {digest}")
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { function, version } => write!(f, "{function} version {version}"),
            Self::Latest { function, sha256, modified } => {
                let digest: String = sha256.chars().take(12).collect();
                write!(f, "{function} $LATEST {digest} of {modified}")
            }
        }
    }
}

/// What a look at a target group's code saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeSeen {
    /// One code answers every request.
    Is(Code),
    /// An alias that splits its requests between versions.
    Split(Vec<Code>),
    /// An update is under way, or failed; AWS' words.
    Settling(String),
    /// The group has no target, or only one that is draining.
    NoTarget,
    /// It could not be read.
    Unread(Unread),
}

/// What both groups of one route run, as journalled. `None`: not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCode {
    /// The route.
    pub route: String,
    /// The side being replaced.
    pub old: Option<Code>,
    /// The side being rolled out.
    pub new: Option<Code>,
}

/// What a look saw of both groups of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteCodeSeen {
    /// The side being replaced.
    pub old: CodeSeen,
    /// The side being rolled out.
    pub new: CodeSeen,
}

/// Which side runs other code than the journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeChange {
    /// The first look of the run.
    First,
    /// The side being rolled out.
    New,
    /// The side being replaced.
    Old,
    /// Both.
    Both,
}

impl CodeChange {
    /// Whether the side being rolled out changed.
    pub fn touches_new(self) -> bool {
        match self {
            Self::New | Self::Both => true,
            Self::First | Self::Old => false,
        }
    }
}

/// How the code that was seen compares with the code in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeLook {
    /// As journalled, on every route and side.
    AsJournalled,
    /// Known on every route and side, and not as journalled.
    Changed(CodeChange, Vec<RouteCode>),
    /// Not known of every group, or splitting; the first reason. Nothing may rise.
    Unknown(String),
}

/// Compares. `seen` is in the order of `known` and of the routes' names.
pub fn compare(known: &[RouteCode], routes: &[&str], seen: &[RouteCodeSeen]) -> CodeLook {
    let mut codes = Vec::with_capacity(seen.len());
    if seen.len() != routes.len() {
        return CodeLook::Unknown("the code was not looked at".to_owned());
    }
    for (route, look) in routes.iter().zip(seen) {
        let sides = (settled(route, "old", &look.old), settled(route, "new", &look.new));
        match sides {
            (Ok(old), Ok(new)) => {
                codes.push(RouteCode {
                    route: (*route).to_owned(),
                    old: Some(old),
                    new: Some(new),
                });
            }
            (Err(why), _) | (_, Err(why)) => return CodeLook::Unknown(why),
        }
    }
    if known.is_empty() {
        return CodeLook::Changed(CodeChange::First, codes);
    }
    let differs = |side: fn(&RouteCode) -> &Option<Code>| {
        known.len() != codes.len() || known.iter().zip(&codes).any(|(a, b)| side(a) != side(b))
    };
    match (differs(|code| &code.old), differs(|code| &code.new)) {
        (false, false) => CodeLook::AsJournalled,
        (true, false) => CodeLook::Changed(CodeChange::Old, codes),
        (false, true) => CodeLook::Changed(CodeChange::New, codes),
        (true, true) => CodeLook::Changed(CodeChange::Both, codes),
    }
}

fn settled(route: &str, side: &str, seen: &CodeSeen) -> Result<Code, String> {
    match seen {
        CodeSeen::Is(code) => Ok(code.clone()),
        CodeSeen::Split(codes) => {
            let all: Vec<String> = codes.iter().map(ToString::to_string).collect();
            Err(format!("{route}: the {side} side's alias splits between {}", all.join(" and ")))
        }
        CodeSeen::Settling(what) => Err(format!("{route}: the {side} side is updating: {what}")),
        CodeSeen::NoTarget => Err(format!("{route}: the {side} side's group has no target")),
        CodeSeen::Unread(why) => {
            Err(format!("{route}: the {side} side's code cannot be read: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str) -> CodeSeen {
        CodeSeen::Is(Code::Version { function: "f".to_owned(), version: version.to_owned() })
    }

    fn look(old: &str, new: &str) -> RouteCodeSeen {
        RouteCodeSeen { old: version(old), new: version(new) }
    }

    fn journalled(seen: &[RouteCodeSeen]) -> Vec<RouteCode> {
        match compare(&[], &["public"], seen) {
            CodeLook::Changed(CodeChange::First, codes) => codes,
            other => panic!("a first look says {other:?}"),
        }
    }

    #[test]
    fn a_change_names_its_side() {
        let known = journalled(&[look("1", "7")]);
        let says = |old, new| compare(&known, &["public"], &[look(old, new)]);
        assert_eq!(says("1", "7"), CodeLook::AsJournalled);
        assert!(matches!(says("1", "8"), CodeLook::Changed(CodeChange::New, _)));
        assert!(matches!(says("2", "7"), CodeLook::Changed(CodeChange::Old, _)));
        assert!(matches!(says("2", "8"), CodeLook::Changed(CodeChange::Both, _)));
    }

    #[test]
    fn what_is_not_one_known_code_is_unknown() {
        let known = journalled(&[look("1", "7")]);
        for new in [
            CodeSeen::NoTarget,
            CodeSeen::Settling("InProgress".to_owned()),
            CodeSeen::Unread(Unread::because("AccessDenied")),
            CodeSeen::Split(vec![]),
        ] {
            let seen = RouteCodeSeen { old: version("1"), new };
            assert!(matches!(compare(&known, &["public"], &[seen]), CodeLook::Unknown(_)));
        }
        assert!(matches!(compare(&known, &["public"], &[]), CodeLook::Unknown(_)));
    }
}
