//! Plots as SVG. Their colours are names that the page's style sheet gives meaning to, so that they follow light and dark.

use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const INK: RGBColor = RGBColor(0x10, 0x10, 0x10);
const GRID: RGBColor = RGBColor(0xE0, 0xE0, 0xE1);
const FRONT: RGBColor = RGBColor(0x7A, 0x7A, 0x7B);
const OWN: RGBColor = RGBColor(0xC2, 0x41, 0x0C);
const RIVAL: RGBColor = RGBColor(0x2F, 0x66, 0x90);

/// The same plot for broad and for narrow screens.
pub struct Plots {
    pub broad: String,
    pub narrow: String,
}

/// A named point.
#[derive(Clone, Debug)]
pub struct Point {
    pub name: String,
    pub x: f64,
    pub y: f64,
    /// Whether it is to stand out.
    pub own: bool,
}

/// What the axes measure.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    pub x: &'a str,
    pub y: &'a str,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, X> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, RangedCoordf64>>;

const BROAD: (u32, u32) = (1000, 430);
const NARROW: (u32, u32) = (370, 330);
const FONT: &str = "sans-serif";
const FONT_SIZE: i32 = 15;

/// Points with their names on a logarithmic x axis, and the line of those that none beats in both respects.
pub fn scatter(points: &[Point], axes: Axes) -> Result<Plots> {
    let (left, right) = ends(points.iter().map(|point| point.x));
    let (_, top) = ends(points.iter().map(|point| point.y));
    let (x, y) = (left / 1.8..right * 1.8, 0.0..top * 1.15);
    both(|area, is_narrow| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(22)
            .x_label_area_size(42)
            .y_label_area_size(if is_narrow { 38 } else { 52 })
            .build_cartesian_2d(x.clone().log_scale(), y.clone())?;
        mesh(&mut chart, axes, &|value| short(*value)).x_labels(if is_narrow { 4 } else { 8 }).draw()?;
        let front = front(points).into_iter().map(|point| (point.x, point.y));
        chart.draw_series(LineSeries::new(front, FRONT.stroke_width(1)))?;
        let mut taken: Vec<Frame> = Vec::new();
        let places: Vec<(i32, i32)> = points.iter().map(|point| chart.backend_coord(&(point.x, point.y))).collect();
        taken.extend(places.iter().map(|&(x, y)| Frame { x: x - 6..x + 6, y: y - 6..y + 6 }));
        for (point, &place) in points.iter().zip(&places) {
            let colour = if point.own { OWN } else { RIVAL };
            area.draw(&Circle::new(place, if point.own { 6 } else { 5 }, colour.filled()))?;
            label(area, &point.name, place, &mut taken)?;
        }
        Ok(())
    })
}

/// A curve; `x_format` writes the places on the x axis.
pub fn curve(points: &[(f64, f64)], axes: Axes, x_format: fn(f64) -> String) -> Result<Plots> {
    let (left, right) = ends(points.iter().map(|point| point.0));
    let (_, top) = ends(points.iter().map(|point| point.1));
    let right = if right > left { right } else { left + 1.0 };
    let top = if top > 0.0 { top * 1.08 } else { 1.0 };
    both(|area, is_narrow| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(if is_narrow { 22 } else { 30 })
            .x_label_area_size(42)
            .y_label_area_size(if is_narrow { 44 } else { 56 })
            .build_cartesian_2d(left..right, 0.0..top)?;
        let x_label = |value: &f64| x_format(*value);
        mesh(&mut chart, axes, &x_label).disable_x_mesh().x_labels(if is_narrow { 4 } else { 9 }).draw()?;
        chart.draw_series(LineSeries::new(points.iter().copied(), OWN.stroke_width(if is_narrow { 1 } else { 2 })))?;
        Ok(())
    })
}

/// The least and the greatest value.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)))
}

/// Grid, axes and what is written at them, as all plots have it.
fn mesh<'a, 'b, X>(
    chart: &'b mut Chart<'a, X>,
    axes: Axes,
    x_label: &'b dyn Fn(&f64) -> String,
) -> MeshStyle<'a, 'b, X, RangedCoordf64, SVGBackend<'a>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut mesh = chart.configure_mesh();
    mesh.bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style((FONT, FONT_SIZE, &INK))
        .x_desc(axes.x)
        .y_desc(axes.y)
        .y_labels(6)
        .x_label_formatter(x_label)
        .y_label_formatter(&|value| short(*value));
    mesh
}

/// Draws in both sizes.
fn both(draw: impl Fn(&Area, bool) -> std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>) -> Result<Plots> {
    let plot = |size: (u32, u32), class: &str| {
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
            draw(&area, size == NARROW)
                .and_then(|()| area.present())
                .map_err(|error| anyhow!("a plot cannot be drawn: {error}"))?;
        }
        Ok::<_, anyhow::Error>(text.replacen("<svg ", &format!("<svg class=\"{class}\" role=\"img\" "), 1))
    };
    Ok(Plots { broad: plot(BROAD, "broad")?, narrow: plot(NARROW, "narrow")? })
}

/// The points that no other beats or equals in both respects, from left to right.
fn front(points: &[Point]) -> Vec<&Point> {
    let is_beaten = |point: &Point| {
        points.iter().any(|other| other.x >= point.x && other.y >= point.y && (other.x > point.x || other.y > point.y))
    };
    let mut front: Vec<&Point> = points.iter().filter(|point| !is_beaten(point)).collect();
    front.sort_by(|a, b| a.x.total_cmp(&b.x));
    front
}

/// A rectangle of pixels.
#[derive(Clone, Debug)]
struct Frame {
    x: Range<i32>,
    y: Range<i32>,
}

impl Frame {
    fn overlaps(&self, other: &Self) -> bool {
        let apart = |a: &Range<i32>, b: &Range<i32>| a.end <= b.start || b.end <= a.start;
        !apart(&self.x, &other.x) && !apart(&self.y, &other.y)
    }
}

/// Writes a name beside a point where it covers nothing that was drawn so far, if there is such a place.
fn label(
    area: &Area,
    name: &str,
    (x, y): (i32, i32),
    taken: &mut Vec<Frame>,
) -> std::result::Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let width = name.chars().count() as i32 * 15 / 2 + 2;
    let right_edge = area.dim_in_pixel().0 as i32;
    let places = (0..3).flat_map(|ring| {
        let (aside, up) = (10 + 2 * ring, 4 + 12 * ring);
        [(x + aside, y - 8), (x - aside - width, y - 8), (x + aside - 4, y - 16 - up), (x - width / 2, y - 18 - up)]
            .into_iter()
            .chain([(x - width / 2, y + 4 + up), (x - width, y - 16 - up), (x - width, y + 4 + up), (x, y + 4 + up)])
    });
    let frame = |(left, top): (i32, i32)| Frame { x: left..left + width, y: top..top + 16 };
    let is_free = |frame: &Frame| {
        frame.x.start > 50.min(right_edge / 9)
            && frame.x.end < right_edge
            && frame.y.start > 0
            && !taken.iter().any(|other| frame.overlaps(other))
    };
    let Some(chosen) = places.map(frame).find(is_free) else { return Ok(()) };
    let style = (FONT, FONT_SIZE, &INK).into_text_style(area).pos(Pos::new(HPos::Left, VPos::Top));
    area.draw(&Text::new(name.to_owned(), (chosen.x.start, chosen.y.start), style))?;
    taken.push(chosen);
    Ok(())
}

/// A number with few characters.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        size if size >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

/// A number with at most three decimals.
pub fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, x: f64, y: f64) -> Point {
        Point { name: name.to_owned(), x, y, own: false }
    }

    #[test]
    fn the_front_is_what_nothing_beats() {
        let points =
            [point("slow", 1.0, 9.0), point("worse", 1.0, 8.0), point("fast", 50.0, 2.0), point("mid", 9.0, 5.0)];
        let names: Vec<&str> = front(&points).into_iter().map(|point| point.name.as_str()).collect();
        assert_eq!(names, ["slow", "mid", "fast"]);
        assert_eq!(front(&[point("a", 1.0, 1.0), point("a", 1.0, 1.0)]).len(), 2);
    }

    #[test]
    fn plots_name_every_point_and_no_other_place() {
        let points = [point("xz <9e>", 100.0, 7.5), point("gzip", 400.0, 5.0), point("nncz", 1.0, 14.0)];
        let plots = scatter(&points, Axes { x: "speed", y: "ratio" }).unwrap();
        for svg in [&plots.broad, &plots.narrow] {
            assert!(svg.contains("xz &lt;9e&gt;") && svg.contains("gzip") && svg.contains("nncz"), "{svg}");
            assert!(!svg.replace("http://www.w3.org/2000/svg", "").contains("http"), "{svg}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.0, "0"), (0.5, "0.5"), (1500.0, "1500"), (25_000.0, "25k"), (2_500_000.0, "2.5M")] {
            assert_eq!(short(value), text);
        }
    }
}
