//! A drawing as SVG, readable on light and dark grounds.

use std::fmt::Write as _;

/// Colours of the series, in the order of the policies; one value for each ground.
const LIGHT: [&str; 8] =
    ["#0b62c4", "#d1560b", "#2a8a3a", "#8a3ab9", "#b8860b", "#c2185b", "#00838f", "#5d4037"];
const DARK: [&str; 8] =
    ["#6cb2ff", "#ff9a52", "#6fd483", "#d39bff", "#f0c75e", "#ff7fae", "#5fd4df", "#c8a795"];

pub(super) struct Svg {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

/// Where text is anchored.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self { width, height, title: title.to_owned(), body: String::new() };
        svg.text(20.0, 28.0, Anchor::Start, "h", title);
        svg
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.element(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.element(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        ));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.element(format_args!(r#"<polyline points="{points}" class="line {class}"/>"#));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, class: &str, says: &str) {
        let says = escaped(says);
        self.element(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" class="dot {class}"><title>{says}</title></circle>"#
        ));
    }

    pub(super) fn rect(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), class: &str) {
        self.element(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" class="{class}"/>"#
        ));
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("a string takes everything");
    }

    pub(super) fn finish(self) -> String {
        let Self { width, height, title, body } = self;
        let title = escaped(&title);
        let series = |colours: [&str; 8]| {
            let colours = colours.iter().enumerate();
            let rules = colours.map(|(at, colour)| {
                format!(".s{at}{{stroke:{colour};fill:{colour}}} .t{at}{{fill:{colour}}}")
            });
            rules.collect::<Vec<_>>().join(" ")
        };
        let (light, dark) = (series(LIGHT), series(DARK));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
<style>
text{{font:13px system-ui,sans-serif;fill:#1f2328}} .h{{font-size:17px;font-weight:600}} .n{{font-size:12px;fill:#59636e}}
.ground{{fill:#ffffff}} .grid{{stroke:#d8dee4;stroke-width:1}} .axis{{stroke:#59636e;stroke-width:1}}
.line{{fill:none!important;stroke-width:2}} .dash{{stroke-dasharray:5 4}} .dot{{stroke-width:1.5}} .hollow{{fill:none!important}}
.back{{fill:#cfe3fb}} .done{{fill:#d3efd8}} .held{{fill:#f6e7b4}} .wrong{{fill:#f7c6c6}} .oracle{{stroke:#59636e}}
{light}
@media (prefers-color-scheme:dark){{text{{fill:#e6edf3}} .n{{fill:#9198a1}} .ground{{fill:#0d1117}} .grid{{stroke:#30363d}} .axis,.oracle{{stroke:#9198a1}}
.back{{fill:#173a63}} .done{{fill:#1c4426}} .held{{fill:#57461a}} .wrong{{fill:#6b2020}}
{dark}}}
</style>
<rect width="{width}" height="{height}" class="ground"/>
{body}</svg>
"#
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
