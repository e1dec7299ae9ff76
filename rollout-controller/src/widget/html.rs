//! HTML as a dashboard shows it: no scripts, no ids, everything escaped.

use super::page::{Frame, Room, Theme};
use maud::{Markup, PreEscaped, html};

/// Style of the page; every selector begins with `.rw`, so that a dashboard with
/// several widgets is not restyled.
const STYLE: &str = include_str!("style.css");

/// Text for an element or a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // A stray control character is shown as nothing rather than guessed at.
            other if other.is_control() && other != '\n' => {}
            other => safe.push(other),
        }
    }
    safe
}

/// JSON inside an element: `<`, `>` and `&` as JSON's own escapes, so that it
/// reads the same whether it is taken as text or as HTML.
pub(super) fn json(value: &serde_json::Value) -> PreEscaped<String> {
    let text = value.to_string();
    PreEscaped(text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"))
}

/// The whole of a page around its content.
pub(super) fn document(frame: Frame, content: &Markup) -> String {
    let theme = match frame.theme {
        Theme::Light => "light",
        Theme::Dark => "dark",
    };
    let room = match frame.room() {
        Room::Narrow => "narrow",
        Room::Medium => "medium",
        Room::Wide => "wide",
    };
    let class = format!("rw cwdb-no-default-styles {theme} {room}");
    let page = html! {
        style { (PreEscaped(STYLE)) }
        div class=(class) { (content) }
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn nothing_typed_becomes_markup() {
        let hostile = "<script>alert(1)</script> \" onmouseover='x' & \u{7}";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{7}']), "{safe}");
        assert_eq!(escape("5% → 10%"), "5% → 10%");
    }

    #[test]
    fn json_reads_back_and_holds_no_markup() {
        let hostile = value!({"rollout": "</cwdb-action><script>&amp;"});
        let text = json(&hostile).into_string();
        assert!(!text.contains(['<', '>', '&']), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back, hostile);
    }
}
