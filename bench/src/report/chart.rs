//! Drawing: panels of lines, and bars, as SVG. Knows nothing of what is drawn.
//!
//! An axis is a [`Scale`] of its own, since ticks should stand at the sizes and loads that were measured,
//! whether it is logarithmic or not. The legend stands beside the panels, so it hides nothing.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::ReportError;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Dark grey reads better than black beside coloured lines.
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(225, 225, 225);
const FONT: &str = "sans-serif";
/// Pixels.
const LEGEND_WIDTH: i32 = 150;
const PANEL_WIDTH: u32 = 360;
const PANEL_HEIGHT: u32 = 320;
/// One panel alone is given this width.
const WIDE_PANEL: u32 = 760;
const TITLE_HEIGHT: u32 = 46;
const BAR_HEIGHT: u32 = 30;

/// A range of values with marks on it.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    pub(super) title: String,
    range: Range<f64>,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Logarithmic, with marks at exactly these values; they must be above 0.
    pub(super) fn log_at(title: &str, ticks: Vec<(f64, String)>) -> Scale {
        let low = ticks.first().map_or(1.0, |tick| tick.0);
        let high = ticks.last().map_or(10.0, |tick| tick.0);
        // A little room on either side, and some where there is one value only.
        let range = low / 1.25..high * 1.25;
        Scale { title: title.to_owned(), range, log: true, ticks }
    }

    /// Logarithmic over the values, with marks at 1, 2 and 5 times powers of ten, or at these alone.
    pub(super) fn log(
        title: &str,
        values: impl Iterator<Item = f64>,
        label: fn(f64) -> String,
    ) -> Scale {
        let (low, high) = ends(values.filter(|value| *value > 0.0));
        let range = low / 1.3..high * 1.3;
        let wide = (range.end / range.start).log10() > 2.5;
        let steps: &[f64] = if wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
        let marks = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        let ticks = marks.filter(|mark| range.contains(mark)).map(|mark| (mark, label(mark)));
        Scale { title: title.to_owned(), ticks: ticks.collect(), range, log: true }
    }

    /// From 0 to somewhat above the highest value.
    pub(super) fn linear(
        title: &str,
        values: impl Iterator<Item = f64>,
        label: fn(f64) -> String,
    ) -> Scale {
        let (_, high) = ends(values);
        let power = 10f64.powf((high / 5.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| high / step <= 6.0).unwrap_or(high);
        let top = (high * 1.05 / step).ceil();
        let ticks = (0..=top as i32).map(|count| f64::from(count) * step);
        Scale {
            title: title.to_owned(),
            range: 0.0..top * step,
            log: false,
            ticks: ticks.map(|mark| (mark, label(mark))).collect(),
        }
    }

    /// Linear, with marks at exactly these values.
    pub(super) fn at(title: &str, ticks: Vec<(f64, String)>) -> Scale {
        let (low, high) = ends(ticks.iter().map(|tick| tick.0));
        let room = ((high - low) * 0.05).max(0.1);
        Scale { title: title.to_owned(), range: low - room..high + room, log: false, ticks }
    }

    fn place(&self, value: f64) -> f64 {
        let on = |value: f64| if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let (low, high) = (on(self.range.start), on(self.range.end));
        (on(value) - low) / (high - low)
    }

    fn label(&self, value: f64) -> String {
        let found = self.ticks.iter().find(|tick| tick.0 == value);
        found.map_or_else(String::new, |tick| tick.1.clone())
    }
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values.fold((f64::INFINITY, 0.0), |(low, high), v| (v.min(low), v.max(high)));
    if ends.0 <= ends.1 && ends.1 > 0.0 { ends } else { (1.0, 10.0) }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.place(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

/// How a series looks, the same in every panel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Style {
    pub(super) label: String,
    pub(super) color: RGBColor,
    pub(super) dashed: bool,
}

pub(super) struct Line {
    pub(super) style: Style,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) struct Panel {
    pub(super) title: String,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) lines: Vec<Line>,
}

pub(super) struct Bar {
    pub(super) label: String,
    pub(super) color: RGBColor,
    pub(super) value: f64,
    /// The lowest and the highest that were measured.
    pub(super) spread: (f64, f64),
    /// The value for people.
    pub(super) text: String,
}

fn failed<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> ReportError {
    move |cause| ReportError::Draw { path: path.to_owned(), cause: cause.to_string() }
}

/// Draws panels in rows of three at most, with one legend for all.
pub(super) fn lines(path: &Path, title: &str, panels: &[Panel]) -> Result<(), ReportError> {
    let columns = panels.len().clamp(1, 3);
    let rows = panels.len().div_ceil(columns);
    let panel_width = if columns == 1 { WIDE_PANEL } else { PANEL_WIDTH };
    let height = if columns == 1 { PANEL_HEIGHT + 100 } else { PANEL_HEIGHT };
    let width = panel_width * columns as u32 + LEGEND_WIDTH as u32;
    let size = (width, height * rows as u32 + TITLE_HEIGHT);
    draw(path, size, title, |area| {
        let (left, right) = area.split_horizontally(size.0 as i32 - LEGEND_WIDTH);
        let cells = left.split_evenly((rows, columns));
        for (panel, cell) in panels.iter().zip(&cells) {
            draw_panel(cell, panel)?;
        }
        legend(&right, panels)
    })
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Background and title, then what `fill` draws below them.
fn draw(
    path: &Path,
    size: (u32, u32),
    title: &str,
    fill: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<(), ReportError> {
    let whole = SVGBackend::new(path, size).into_drawing_area();
    let drawn = || -> Drawn {
        whole.fill(&WHITE)?;
        let heading = (FONT, 20).into_font().color(&INK);
        whole.draw(&Text::new(title.to_owned(), (14, 14), heading))?;
        let (_, below) = whole.split_vertically(TITLE_HEIGHT);
        fill(&below)?;
        Ok(whole.present()?)
    };
    drawn().map_err(failed(path))
}

fn draw_panel(area: &Area<'_>, panel: &Panel) -> Drawn {
    let mut builder = ChartBuilder::on(area);
    builder.margin(8).x_label_area_size(44).y_label_area_size(64);
    if !panel.title.is_empty() {
        builder.caption(&panel.title, (FONT, 15).into_font().color(&INK));
    }
    let mut chart = builder.build_cartesian_2d(panel.x.clone(), panel.y.clone())?;
    let label = (FONT, 13).into_font().color(&INK);
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(label.clone())
        .axis_desc_style(label)
        .x_desc(&panel.x.title)
        .y_desc(&panel.y.title)
        .draw()?;
    for line in &panel.lines {
        let stroke = line.style.color.stroke_width(2);
        let points = || line.points.iter().copied();
        if line.style.dashed {
            chart.draw_series(DashedLineSeries::new(points(), 6, 4, stroke))?;
        } else {
            chart.draw_series(LineSeries::new(points(), stroke))?;
        }
        chart.draw_series(points().map(|at| Circle::new(at, 3, line.style.color.filled())))?;
    }
    Ok(())
}

fn legend(area: &Area<'_>, panels: &[Panel]) -> Drawn {
    let mut styles: Vec<&Style> = Vec::new();
    for line in panels.iter().flat_map(|panel| &panel.lines) {
        if !styles.contains(&&line.style) {
            styles.push(&line.style);
        }
    }
    for (index, style) in styles.into_iter().enumerate() {
        let y = 24 + 22 * index as i32;
        let stroke = style.color.stroke_width(2);
        // Two dashes beside the mark tell as much as a dashed line of this length could.
        let pieces: &[(i32, i32)] = if style.dashed { &[(6, 11), (23, 28)] } else { &[(6, 28)] };
        for (from, to) in pieces {
            area.draw(&PathElement::new(vec![(*from, y), (*to, y)], stroke))?;
        }
        area.draw(&Circle::new((17, y), 3, style.color.filled()))?;
        let text = (FONT, 13).into_font().color(&INK);
        area.draw(&Text::new(style.label.clone(), (36, y - 6), text))?;
    }
    Ok(())
}

/// Draws horizontal bars from 0 on, from top to bottom, with a line from the lowest to the highest measured.
pub(super) fn bars(path: &Path, title: &str, x: &Scale, bars: &[Bar]) -> Result<(), ReportError> {
    /// Room for the bars' names.
    const NAMES: i32 = 300;
    const RIGHT: i32 = 90;
    let height = BAR_HEIGHT * bars.len() as u32;
    let size = (WIDE_PANEL + LEGEND_WIDTH as u32, TITLE_HEIGHT + height + 60);
    draw(path, size, title, |area| {
        let limit = (NAMES, size.0 as i32 - RIGHT);
        let bottom = height as i32 + 4;
        let text = (FONT, 13).into_font().color(&INK);
        for (mark, label) in &x.ticks {
            let at = x.map(mark, limit);
            area.draw(&PathElement::new(vec![(at, 0), (at, bottom)], GRID.stroke_width(1)))?;
            let left = at - label.len() as i32 * 4;
            area.draw(&Text::new(label.clone(), (left, bottom + 6), text.clone()))?;
        }
        area.draw(&Text::new(x.title.clone(), (NAMES, bottom + 28), text.clone()))?;
        for (index, bar) in bars.iter().enumerate() {
            let top = index as i32 * BAR_HEIGHT as i32 + 6;
            let middle = top + 9;
            let to = x.map(&bar.value, limit);
            area.draw(&Rectangle::new([(NAMES, top), (to, top + 18)], bar.color.filled()))?;
            let (low, high) = (x.map(&bar.spread.0, limit), x.map(&bar.spread.1, limit));
            area.draw(&PathElement::new(vec![(low, middle), (high, middle)], INK.stroke_width(1)))?;
            area.draw(&Text::new(bar.label.clone(), (14, top + 2), text.clone()))?;
            area.draw(&Text::new(bar.text.clone(), (to.max(high) + 8, top + 2), text.clone()))?;
        }
        Ok(())
    })
}
