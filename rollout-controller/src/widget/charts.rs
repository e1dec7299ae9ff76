//! Charts over time as inline SVG: no scripts, no references, hover by `<title>`.
//!
//! `plotters` draws axes, grids, lines and areas; what a dashboard needs on top (names
//! at the lines, marks, places to point at) is put over it at the places that it names.

use super::course::Course;
use super::page::{Frame, Theme};
use crate::domain::evidence2::Rules;
use crate::domain::figures::{latency, latency_limit, limit, percent, share_of};
use crate::domain::minute::{Edges, Minute, SideCounts};
use crate::domain::slo::{Metric, Slo};
use crate::domain::weight::Weight;
use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// Most places to point at in one chart; more minutes share one.
const MOST_HITS: i64 = 150;
/// `plotters` writes a font of size `s` as `s / 1.24` pixels; ours are 12.
const FONT: f64 = 12.0 * 1.24;

/// A size in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Colours of a theme; all have a contrast of 4.5 or more to its background.
struct Palette {
    background: RGBColor,
    ink: RGBColor,
    soft: RGBColor,
    line: RGBColor,
    new: RGBColor,
    old: RGBColor,
    good: RGBColor,
    bad: RGBColor,
    pause: RGBColor,
}

impl Palette {
    const fn of(theme: Theme) -> Self {
        match theme {
            Theme::Light => Self {
                background: RGBColor(255, 255, 255),
                ink: RGBColor(22, 25, 31),
                soft: RGBColor(77, 86, 95),
                line: RGBColor(213, 218, 221),
                new: RGBColor(0, 89, 168),
                old: RGBColor(89, 99, 108),
                good: RGBColor(23, 107, 2),
                bad: RGBColor(179, 18, 31),
                pause: RGBColor(125, 82, 0),
            },
            Theme::Dark => Self {
                background: RGBColor(15, 27, 42),
                ink: RGBColor(238, 241, 243),
                soft: RGBColor(180, 190, 200),
                line: RGBColor(52, 66, 79),
                new: RGBColor(109, 183, 255),
                old: RGBColor(169, 180, 190),
                good: RGBColor(123, 214, 140),
                bad: RGBColor(255, 154, 146),
                pause: RGBColor(255, 200, 97),
            },
        }
    }
}

/// Values with a grid line, and their names.
type Rows<'a> = (&'a [f64], &'a dyn Fn(&f64) -> String);
type Failed = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One mark: its number in the list, its minute, whether it is a rollback, its text.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) number: usize,
    pub(super) minute: Minute,
    pub(super) rollback: bool,
    pub(super) text: String,
}

/// A chart: what it says in words, what was drawn, what lies on top.
struct Drawn {
    says: String,
    below: String,
    above: Markup,
}

fn svg(size: Size, drawn: Drawn) -> Markup {
    let Drawn { says, below, above } = drawn;
    let view = format!("0 0 {} {}", size.width, size.height);
    html! {
        svg class="chart" role="img" aria-label=(says) viewBox=(view) {
            (PreEscaped(inner(&below))) (above)
        }
    }
}

/// What `plotters` drew, without the element around it.
fn inner(svg: &str) -> &str {
    let begin = svg.find('>').map_or(0, |at| at + 1);
    let end = svg.rfind("</svg>").unwrap_or(svg.len());
    svg.get(begin..end).unwrap_or_default()
}

/// A chart that cannot be drawn says so; nothing else on the page depends on it.
fn or_words(size: Size, name: &str, drawn: Result<Drawn, Failed>) -> Markup {
    match drawn {
        Ok(drawn) => svg(size, drawn),
        Err(error) => {
            tracing::warn!("the chart {name} cannot be drawn: {error}");
            html! { p class="soft" { "This chart cannot be drawn." } }
        }
    }
}

fn x(minute: Minute) -> f64 {
    minute.0 as f64
}

/// `14:29`.
pub(super) fn clock(minute: Minute) -> String {
    minute.start().map_or_else(String::new, |time| time.strftime("%H:%M").to_string())
}

fn clock_of(x: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "minutes since 1970")]
    let minute = Minute(x.round() as i64);
    clock(minute)
}

fn font(colour: &RGBColor) -> TextStyle<'_> {
    TextStyle::from(("sans-serif", FONT)).color(colour)
}

/// Axes and grid; `rows` are the values with a grid line, `label` names them.
fn plane<'a, 'b>(
    area: &'a Area<'b>,
    course: &Course,
    colours: &Palette,
    top: i32,
    (low, high): (f64, f64),
    (rows, label): Rows<'_>,
    ticks: usize,
) -> Result<Plane<'a, 'b>, Failed> {
    let (begin, end) = (x(course.range.0), x(course.range.1));
    let mut chart = ChartBuilder::on(area)
        .margin_top(top)
        .margin_right(20)
        .x_label_area_size(22)
        .y_label_area_size(44)
        .build_cartesian_2d(begin..end, low..high)?;
    // Grid and names at values of our choice, which the mesh of `plotters` has not.
    for row in rows {
        chart.draw_series([PathElement::new(
            vec![(begin, *row), (end, *row)],
            ShapeStyle::from(&colours.line).stroke_width(1),
        )])?;
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(ticks)
        .x_label_formatter(&|x| clock_of(*x))
        .x_label_style(font(&colours.soft))
        .y_labels(0)
        .axis_style(ShapeStyle::from(&colours.soft).stroke_width(1))
        .draw()?;
    let places: Vec<(i32, String)> =
        rows.iter().rev().map(|row| (chart.backend_coord(&(begin, *row)).1, label(row))).collect();
    let mut last = i32::MAX;
    for (at, text) in places {
        // Names that would touch are left out.
        if (last - at).abs() < 13 || text.is_empty() {
            continue;
        }
        last = at;
        let style = font(&colours.soft).pos(plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Right,
            plotters::style::text_anchor::VPos::Center,
        ));
        area.draw_text(&text, &style, (38, at))?;
    }
    for (from, to) in &course.pauses {
        let (from, to) = (x(*from).max(begin), x(*to).min(end));
        if from < to {
            chart.draw_series([Rectangle::new(
                [(from, low), (to, high)],
                colours.pause.mix(0.13).filled(),
            )])?;
        }
    }
    Ok(chart)
}

/// A vertical line where it was rolled back.
fn rollback_line(
    chart: &mut Plane<'_, '_>,
    course: &Course,
    colours: &Palette,
    (low, high): (f64, f64),
) -> Result<(), Failed> {
    if let Some(at) = course.rollback.filter(|at| course.shows(*at)) {
        chart.draw_series([PathElement::new(
            vec![(x(at), low), (x(at), high)],
            ShapeStyle::from(&colours.bad).stroke_width(2),
        )])?;
    }
    Ok(())
}

fn dotted(
    chart: &mut Plane<'_, '_>,
    course: &Course,
    y: f64,
    colour: RGBColor,
) -> Result<(), Failed> {
    let points = [(x(course.range.0), y), (x(course.range.1), y)];
    let style = ShapeStyle::from(&colour).stroke_width(1);
    chart.draw_series(DashedLineSeries::new(points, 2, 3, style))?;
    Ok(())
}

fn label(at: (i32, i32), class: &str, anchor: &str, text: &str) -> Markup {
    html! {
        text class=(class) x=(at.0) y=(at.1) text-anchor=(anchor) { (text) }
    }
}

/// Where people can point, with words: one place a minute, or for some minutes together.
fn hits(
    chart: &Plane<'_, '_>,
    course: &Course,
    (low, high): (f64, f64),
    words: &dyn Fn(Minute, Minute) -> String,
) -> Markup {
    let (begin, end) = course.range;
    let step = (end.since(begin) / MOST_HITS + 1).max(1);
    let top = chart.backend_coord(&(x(begin), high)).1;
    let bottom = chart.backend_coord(&(x(begin), low)).1;
    let mut places = Vec::new();
    let mut from = begin;
    while from < end {
        let to = from.plus(step).min(end);
        let left = chart.backend_coord(&(x(from), low)).0;
        let right = chart.backend_coord(&(x(to), low)).0;
        places.push((left, (right - left).max(1), words(from, to.plus(-1))));
        from = to;
    }
    html! {
        @for (left, width, words) in &places {
            rect class="hit" x=(left) y=(top) width=(width) height=((bottom - top).max(1)) {
                title { (words) }
            }
        }
    }
}

// --------------------------------------------------------------------- the share

/// The share in steps, on a square-root scale with a line at each stage: 1% and 100%
/// stay readable.
pub(super) fn share(
    course: &Course,
    stages: &[f64],
    marks: &[Mark],
    labels: [&str; 2],
    frame: Frame,
    size: Size,
) -> Markup {
    or_words(size, "share", draw_share(course, stages, marks, labels, frame, size))
}

fn draw_share(
    course: &Course,
    stages: &[f64],
    marks: &[Mark],
    [_, new]: [&str; 2],
    frame: Frame,
    size: Size,
) -> Result<Drawn, Failed> {
    let colours = Palette::of(frame.theme);
    let mut below = String::new();
    let (low, high) = (0.0, 10.0_f64);
    let mut above = html! {};
    let mut said = Vec::new();
    {
        let area =
            SVGBackend::with_string(&mut below, (size.width, size.height)).into_drawing_area();
        let mut rows: Vec<f64> = [0.0].into_iter().chain(stages.iter().map(|s| s.sqrt())).collect();
        rows.dedup();
        let name = |row: &f64| format!("{}%", (row * row * 10.0).round() / 10.0);
        let mut chart =
            plane(&area, course, &colours, 26, (low, high), (&rows, &name), ticks(size))?;
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut before = course.share_at(course.range.0).percent().sqrt();
        points.push((x(course.range.0), before));
        for (minute, weight) in &course.shares {
            if *minute > course.range.1 {
                break;
            }
            said.push(format!("{weight} from {}", clock(*minute)));
            if *minute < course.range.0 {
                continue;
            }
            let is = weight.percent().sqrt();
            points.push((x(*minute), before));
            points.push((x(*minute), is));
            before = is;
        }
        points.push((x(course.range.1), before));
        chart.draw_series(AreaSeries::new(points.clone(), 0.0, colours.new.mix(0.14)))?;
        chart
            .draw_series(LineSeries::new(points, ShapeStyle::from(&colours.new).stroke_width(2)))?;
        let words = |from: Minute, _: Minute| {
            format!("{} · {} of the requests go to {new}", clock(from), course.share_at(from))
        };
        above = html! { (above) (hits(&chart, course, (low, high), &words)) };
        // Marks: numbers on top, at least 20 pixels apart, so that each can be read.
        let mut last = i32::MIN / 2;
        let bottom = chart.backend_coord(&(x(course.range.0), low)).1;
        for mark in marks.iter().filter(|mark| course.shows(mark.minute)) {
            let (line, _) = chart.backend_coord(&(x(mark.minute), high));
            let at = line.max(last + 20);
            last = at;
            let class = if mark.rollback { "ev bad" } else { "ev" };
            above = html! {
                (above)
                line class="evl" x1=(line) x2=(line) y1="20" y2=(bottom) {}
                g {
                    title { (mark.text) }
                    circle class=(class) cx=(at) cy="11" r="9" {}
                    text class="evt" x=(at) y="15" text-anchor="middle" { (mark.number) }
                }
            };
        }
        if let Some(at) = course.rollback.filter(|at| course.shows(*at)) {
            let came = course.share_at(at.plus(-1)).percent().sqrt();
            let (px, py) = chart.backend_coord(&(x(at), came));
            let (place, anchor) = if px + 80 > size.width.cast_signed() {
                (px - 6, "end")
            } else {
                (px + 6, "start")
            };
            above = html! { (above) (label((place, py + 4), "lb bad", anchor, "✖ rollback")) };
        }
        area.present()?;
    }
    let says = format!("Share of {new} over time: {}.", said.join(", "));
    Ok(Drawn { says, below, above })
}

fn ticks(size: Size) -> usize {
    (size.width / 110).clamp(2, 8) as usize
}

// ------------------------------------------------------------------ the evidence

/// Up: proof for the next step. Down: suspicion.
pub(super) fn evidence(course: &Course, labels: [&str; 2], frame: Frame, size: Size) -> Markup {
    or_words(size, "evidence", draw_evidence(course, labels, frame, size))
}

fn draw_evidence(
    course: &Course,
    [_, new]: [&str; 2],
    frame: Frame,
    size: Size,
) -> Result<Drawn, Failed> {
    let colours = Palette::of(frame.theme);
    let mut below = String::new();
    let (low, high) = (-1.15, 1.15);
    let above;
    {
        let area =
            SVGBackend::with_string(&mut below, (size.width, size.height)).into_drawing_area();
        let mut chart =
            plane(&area, course, &colours, 8, (low, high), (&[], &|_| String::new()), ticks(size))?;
        let shown: Vec<_> =
            course.evidence.iter().filter(|point| course.shows(point.minute)).collect();
        let up: Vec<(f64, f64)> = shown.iter().map(|p| (x(p.minute), p.proof)).collect();
        let down: Vec<(f64, f64)> = shown.iter().map(|p| (x(p.minute), -p.suspicion)).collect();
        chart.draw_series(AreaSeries::new(up.clone(), 0.0, colours.good.mix(0.13)))?;
        chart.draw_series(LineSeries::new(up, ShapeStyle::from(&colours.good).stroke_width(2)))?;
        chart.draw_series(AreaSeries::new(down.clone(), 0.0, colours.bad.mix(0.2)))?;
        chart.draw_series(LineSeries::new(down, ShapeStyle::from(&colours.bad).stroke_width(2)))?;
        chart.draw_series([PathElement::new(
            vec![(x(course.range.0), 0.0), (x(course.range.1), 0.0)],
            ShapeStyle::from(&colours.soft).stroke_width(1),
        )])?;
        dotted(&mut chart, course, 1.0, colours.good)?;
        dotted(&mut chart, course, -0.5, colours.soft)?;
        dotted(&mut chart, course, -1.0, colours.bad)?;
        rollback_line(&mut chart, course, &colours, (low, high))?;
        let steps = course.steps.iter().filter(|at| course.shows(**at));
        chart.draw_series(steps.map(|at| Circle::new((x(*at), 1.0), 4, colours.good.filled())))?;
        let words = |from: Minute, to: Minute| {
            let point = shown.iter().rev().find(|p| p.minute >= from && p.minute <= to);
            match point {
                Some(point) => format!(
                    "{} · proof {}, suspicion {} of what takes a step or rolls back",
                    clock(point.minute),
                    percent(point.proof),
                    percent(point.suspicion)
                ),
                None => format!("{} · no tick", clock(from)),
            }
        };
        let left = |y: f64| chart.backend_coord(&(x(course.range.0), y));
        let place = |y: f64, down: i32| {
            let (px, py) = left(y);
            (px + 6, py + down)
        };
        let full = course.evidence.iter().find(|point| point.suspicion >= 1.0);
        let broken = full.filter(|point| course.shows(point.minute)).map(|point| {
            let (px, py) = chart.backend_coord(&(x(point.minute), -1.0));
            label((px, py + 5), "lb bad", "middle", "✖")
        });
        above = html! {
            (hits(&chart, course, (low, high), &words))
            (label(place(1.0, 14), "lb good", "start", "proven: next step"))
            (label(place(-0.5, -4), "soft", "start", "half: no step"))
            (label(place(-1.0, -4), "lb bad", "start", "full: rollback"))
            (label((0, left(0.6).1), "soft", "start", "proof"))
            (label((0, left(-0.75).1), "soft", "start", "against"))
            @if let Some(mark) = broken { (mark) }
            @if course.evidence.is_empty() {
                (label((size.width.cast_signed() / 2, left(0.0).1 - 8), "soft", "middle",
                    "no tick has judged yet, or the run's beginning is too long ago"))
            }
        };
        let _ = (colours.ink, colours.background);
        area.present()?;
    }
    let steps: Vec<String> = course.steps.iter().map(|at| clock(*at)).collect();
    let proven = if steps.is_empty() {
        "Proof has not reached the line for a step".to_owned()
    } else {
        format!("Steps were taken at {}", steps.join(", "))
    };
    let full = course.evidence.iter().find(|point| point.suspicion >= 1.0);
    let suspicion = full.map_or_else(
        || "suspicion has not reached the rollback line".to_owned(),
        |point| format!("suspicion reached the rollback line at {}", clock(point.minute)),
    );
    let says = format!("Evidence over time, for and against {new}. {proven}; {suspicion}.");
    Ok(Drawn { says, below, above })
}

// --------------------------------------------------------- errors and latencies

/// One limit over time, both sides with the limit.
pub(super) fn metric(
    course: &Course,
    metric: Metric,
    (slo, edges): (&Slo, &Edges),
    labels: [&str; 2],
    frame: Frame,
    size: Size,
) -> Markup {
    or_words(size, metric.label(), draw_metric(course, metric, slo, edges, labels, frame, size))
}

/// One side in one minute: errors in percent, or a quantile in milliseconds.
fn value(metric: Metric, edges: &Edges, side: &SideCounts) -> Option<f64> {
    let Some(q) = metric.quantile() else {
        return (side.requests > 0).then(|| side.failed() as f64 / side.requests as f64 * 100.0);
    };
    let samples = side.latency.samples();
    if samples == 0 {
        return None;
    }
    let allowed = (1.0 - q) * samples as f64;
    let ms = edges.as_ms();
    let at = (0..ms.len()).find(|at| side.latency.slower_than(*at) as f64 <= allowed);
    // Beyond the last edge: drawn there, which is above every limit.
    at.or(ms.len().checked_sub(1)).and_then(|at| ms.get(at)).copied()
}

fn draw_metric(
    course: &Course,
    metric: Metric,
    slo: &Slo,
    edges: &Edges,
    [old, new]: [&str; 2],
    frame: Frame,
    size: Size,
) -> Result<Drawn, Failed> {
    let colours = Palette::of(frame.theme);
    let rules = Rules::new(slo, edges);
    let limit_shown = slo.limit_ms(metric).unwrap_or(slo.max_error_ratio * 100.0);
    let shown = course.minutes.iter().filter(|(minute, _)| course.shows(**minute));
    let mut sides: [Vec<(Minute, Option<f64>)>; 2] = [Vec::new(), Vec::new()];
    let mut broken: Vec<(Minute, f64)> = Vec::new();
    for (minute, counts) in shown {
        for (at, line) in sides.iter_mut().enumerate() {
            let counts = counts.as_ref().map(|counts| &counts[at]);
            let y = counts.and_then(|counts| value(metric, edges, counts));
            line.push((*minute, y));
            // Over the limit beyond doubt: one failure among three requests is not.
            if let (1, Some(counts), Some(y)) = (at, counts, y)
                && rules.visible(metric, rules.counts(counts)[metric.index()])
            {
                broken.push((*minute, y));
            }
        }
    }
    let highest = sides.iter().flatten().filter_map(|(_, y)| *y).fold(0.0, f64::max);
    let room = if metric.is_latency() { 1.25 } else { 2.0 };
    let high = (limit_shown * room).max(highest * 1.1);
    let mut below = String::new();
    let above;
    {
        let area =
            SVGBackend::with_string(&mut below, (size.width, size.height)).into_drawing_area();
        let rows = grid(high);
        let name = |row: &f64| {
            if metric.is_latency() { format!("{row}") } else { format!("{row}%") }
        };
        let mut chart =
            plane(&area, course, &colours, 14, (0.0, high), (&rows, &name), ticks(size).min(4))?;
        dotted(&mut chart, course, limit_shown, colours.bad)?;
        rollback_line(&mut chart, course, &colours, (0.0, high))?;
        for (at, line) in sides.iter().enumerate() {
            for part in line.split(|(_, y)| y.is_none()) {
                for run in runs(part) {
                    if at == 1 {
                        let style = ShapeStyle::from(&colours.new).stroke_width(2);
                        chart.draw_series(LineSeries::new(run, style))?;
                    } else {
                        let style = ShapeStyle::from(&colours.old).stroke_width(2);
                        chart.draw_series(DashedLineSeries::new(run, 5, 4, style))?;
                    }
                }
            }
        }
        let words =
            |from: Minute, to: Minute| minute_words(course, metric, edges, [old, new], from, to);
        let newest = |line: &[(Minute, Option<f64>)]| {
            line.iter().rev().find_map(|(minute, y)| y.map(|y| (*minute, y)))
        };
        let said = |name: &str, y: f64| {
            if metric.is_latency() {
                format!("{name} {}", y.round())
            } else {
                format!("{name} {}", percent(y / 100.0))
            }
        };
        let place = |minute: Minute, y: f64| chart.backend_coord(&(x(minute), y));
        let right = size.width.cast_signed() - 16;
        let mut names: Vec<(i32, &str, String)> = Vec::new();
        if let Some((minute, y)) = newest(&sides[0]) {
            names.push((place(minute, y).1 - 6, "lb old", said(old, y)));
        }
        if let Some((minute, y)) = newest(&sides[1]) {
            names.push((place(minute, y).1 - 6, "lb new", said(new, y)));
        }
        // The two names do not cover each other.
        if let [(first, ..), (second, ..)] = names.as_mut_slice()
            && (*first - *second).abs() < 14
        {
            let (lower, upper) = if *first > *second { (first, second) } else { (second, first) };
            *lower = (*lower).clamp(28, size.height.cast_signed() - 26);
            *upper = *lower - 14;
        }
        let floor = size.height.cast_signed() - 26;
        let (left, limit_at) = place(course.range.0, limit_shown);
        let limit_said = match slo.limit_ms(metric) {
            Some(ms) => format!("limit {}", latency_limit(ms)),
            None => format!("limit {}", limit(slo.max_error_ratio)),
        };
        above = html! {
            (hits(&chart, course, (0.0, high), &words))
            (label((left + 6, limit_at - 4), "lb bad", "start", &limit_said))
            @for (minute, y) in thinned(&broken) {
                (label((place(minute, y).0, place(minute, y).1 + 4), "lb bad", "middle", "✖"))
            }
            @for (at, class, text) in &names {
                (label((right, (*at).clamp(12, floor)), class, "end", text))
            }
        };
        area.present()?;
    }
    let over = match broken.as_slice() {
        [] => "no minute is visibly over it".to_owned(),
        [(one, _)] => format!("over it at {}", clock(*one)),
        [(first, _), .., (last, _)] => {
            format!("over it from {} to {}", clock(*first), clock(*last))
        }
    };
    let what = match slo.limit_ms(metric) {
        Some(ms) => format!("{} against the limit of {}", metric.title(), latency_limit(ms)),
        None => format!("Errors against the limit of {}", limit(slo.max_error_ratio)),
    };
    Ok(Drawn { says: format!("{what}, {old} and {new} over time; {new}: {over}."), below, above })
}

/// Crosses that would cover each other are left out.
fn thinned(broken: &[(Minute, f64)]) -> impl Iterator<Item = (Minute, f64)> + '_ {
    let step = broken.len() / 60 + 1;
    broken.iter().copied().step_by(step)
}

/// Minutes that follow each other without a gap, as points.
fn runs(points: &[(Minute, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last: Option<Minute> = None;
    for (minute, y) in points {
        let Some(y) = y else { continue };
        if last.is_none_or(|last| minute.since(last) > 1) {
            runs.push(Vec::new());
        }
        last = Some(*minute);
        if let Some(run) = runs.last_mut() {
            run.push((x(*minute), *y));
        }
    }
    // One minute alone is a short line, not nothing.
    for run in &mut runs {
        if let [(x, y)] = run.as_slice() {
            let (x, y) = (*x, *y);
            run.push((x + 0.5, y));
        }
    }
    runs
}

/// Three or four round values up to the highest.
fn grid(high: f64) -> Vec<f64> {
    let rough = high / 4.0;
    let unit = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * unit).find(|step| *step >= rough);
    let step = step.unwrap_or(rough).max(f64::MIN_POSITIVE);
    let mut rows = Vec::new();
    let mut row = 0.0;
    while row <= high && rows.len() < 8 {
        rows.push((row * 1e6_f64).round() / 1e6);
        row += step;
    }
    rows
}

/// `14:29 · Rust 45 of 151 failed, Python 1 of 453`.
fn minute_words(
    course: &Course,
    metric: Metric,
    edges: &Edges,
    [old, new]: [&str; 2],
    from: Minute,
    to: Minute,
) -> String {
    let time = if from == to { clock(from) } else { format!("{} to {}", clock(from), clock(to)) };
    let mut sum: Option<[SideCounts; 2]> = None;
    for counts in course.minutes.range(from..=to).filter_map(|(_, counts)| counts.as_ref()) {
        let [of_old, of_new] = sum.get_or_insert_default();
        *of_old += &counts[0];
        *of_new += &counts[1];
    }
    let Some([of_old, of_new]) = sum else { return format!("{time} · no metrics") };
    let said = |name: &str, side: &SideCounts| {
        if metric.is_latency() {
            match value(metric, edges, side) {
                Some(ms) => format!("{name} {} of {} requests", latency(ms), side.requests),
                None => format!("{name} no requests"),
            }
        } else if side.requests == 0 {
            format!("{name} no requests")
        } else {
            format!("{name} {} failed", share_of(side.failed(), side.requests))
        }
    };
    format!("{time} · {}, {}", said(new, &of_new), said(old, &of_old))
}

/// What the chart of a share needs to be drawn at all.
pub(super) fn has_share(course: &Course) -> bool {
    course.shares.iter().any(|(_, weight)| *weight > Weight::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_have_round_values_from_zero() {
        assert_eq!(grid(125.0), [0.0, 50.0, 100.0]);
        assert_eq!(grid(2.0), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(grid(33.0), [0.0, 10.0, 20.0, 30.0]);
        assert!(grid(0.02).len() >= 4);
    }

    #[test]
    fn a_missing_minute_is_a_gap_and_a_single_one_is_seen() {
        let at = |minute: i64, y| (Minute(minute), y);
        let points = [at(1, Some(2.0)), at(2, Some(3.0)), at(4, Some(5.0))];
        let runs = runs(&points);
        assert_eq!(runs, [vec![(1.0, 2.0), (2.0, 3.0)], vec![(4.0, 5.0), (4.5, 5.0)]]);
    }

    #[test]
    fn what_plotters_drew_is_taken_without_the_element_around_it() {
        assert_eq!(inner("<svg a=\"1\">\n<g/></svg>\n"), "\n<g/>");
        assert_eq!(inner(""), "");
    }
}
