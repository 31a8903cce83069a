//! Charts. They stretch with the page, so that there is no text in them: what they show stands beside them, and is said to
//! those who cannot see it.

use super::content::Svg;
use crate::report::figures::Interval;
use crate::report::render::svg::canvas::{Area, Canvas, px};
use crate::report::render::svg::palette;
use crate::report::render::{number, xml};
use crate::report::{Group, wording};

/// Units of a chart's width; the page stretches them.
const WIDTH: f64 = 1000.0;
/// Units of a chart's height.
const HEIGHT: f64 = 20.0;

/// Parts of a whole beside one another, in the colours of the groups. `size` is a class that decides how high it is.
pub(super) fn stacked(parts: &[(Option<Group>, f64)], size: &str, about: &str) -> Svg {
    let ran: Vec<&(Option<Group>, f64)> = parts.iter().filter(|(_, share)| *share > 0.0).collect();
    let whole: f64 = ran.iter().map(|(_, share)| share).sum();
    let mut canvas = Canvas::default();
    let mut cuts = Canvas::default();
    let (mut sum, mut from) = (0.0, 0.0);
    for (group, share) in ran {
        sum += share;
        // Rounded at the edges, so that neighbours meet exactly.
        let to = (WIDTH * sum / whole).round();
        let about = format!("{} {}", wording::group(*group), number::percent(*share));
        let area = Area { x: from, y: 0.0, width: to - from, height: HEIGHT };
        canvas.area(palette::class(*group), area, Some(&about));
        if from > 0.0 {
            cuts.line("cut", (from, 0.0), (from, HEIGHT));
        }
        from = to;
    }
    canvas.append(&cuts);
    svg(&format!("stack {size}"), about, canvas)
}

/// The parts in words.
pub(super) fn parts_in_words(parts: &[(Option<Group>, f64)]) -> String {
    let said =
        |(group, share): &(Option<Group>, f64)| format!("{} {}", wording::group(*group), number::percent(*share));
    parts.iter().map(said).collect::<Vec<_>>().join(", ")
}

/// One share of a whole, in the colour of its group.
pub(super) fn share(group: Option<Group>, share: f64, full: f64) -> Svg {
    let width = if full > 0.0 { WIDTH * (share / full).clamp(0.0, 1.0) } else { 0.0 };
    let mut canvas = Canvas::default();
    canvas.area(palette::class(group), Area { x: 0.0, y: 0.0, width, height: HEIGHT }, None);
    svg("share", &number::percent(share), canvas)
}

/// A square in the colour of a group, for the legend; its name stands beside it.
pub(super) fn swatch(group: Option<Group>) -> Svg {
    let class = palette::class(group);
    Svg(format!(
        "<svg class=\"swatch\" viewBox=\"0 0 10 10\" aria-hidden=\"true\">\
         <rect class=\"{class}\" width=\"10\" height=\"10\"/></svg>"
    ))
}

/// What changes are drawn on: from as much less to as much more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// The largest change that is shown, as a fraction.
    limit: f64,
}

impl Axis {
    const LIMITS: [f64; 6] = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0];

    /// One on which all of these fit, as far as any can: more than a doubling ends at the edge.
    pub fn over(intervals: impl IntoIterator<Item = Interval>) -> Axis {
        let ends = intervals.into_iter().flat_map(|interval| [interval.low, interval.ratio, interval.high]);
        let largest = ends.map(|ratio| (ratio - 1.0).abs()).filter(|change| change.is_finite()).fold(0.0, f64::max);
        let limit = Axis::LIMITS.into_iter().find(|limit| *limit >= largest).unwrap_or(1.0);
        Axis { limit }
    }

    /// How far it reaches, in words.
    pub fn in_words(self) -> String {
        let limit = number::percent(self.limit).replace(".0 ", " ");
        format!("The line in the middle is no change; the edges are -{limit} and +{limit}.")
    }

    fn x(self, ratio: f64) -> f64 {
        let change = if ratio.is_finite() { ratio - 1.0 } else { self.limit };
        // Room for half a dot at either edge.
        WIDTH * (0.5 + 0.48 * (change / self.limit).clamp(-1.0, 1.0))
    }
}

/// A change as a dot with its interval. `state` is a class that colours it.
pub(super) fn change(axis: Axis, interval: Interval, state: &str) -> Svg {
    let Interval { ratio, low, high } = interval;
    let middle = HEIGHT / 2.0;
    let mut canvas = Canvas::default();
    for at in [1.0 - axis.limit, 1.0 - axis.limit / 2.0, 1.0 + axis.limit / 2.0, 1.0 + axis.limit] {
        canvas.line("tick", (axis.x(at), 4.0), (axis.x(at), HEIGHT - 4.0));
    }
    canvas.line("zero", (axis.x(1.0), 0.0), (axis.x(1.0), HEIGHT));
    canvas.line(&format!("whisker {state}"), (axis.x(low), middle), (axis.x(high), middle));
    // A line of no length with round ends is a dot, whatever the page stretches.
    canvas.line(&format!("dot {state}"), (axis.x(ratio), middle), (axis.x(ratio), middle));
    svg("change", &number::change_between(ratio, low, high), canvas)
}

fn svg(class: &str, about: &str, canvas: Canvas) -> Svg {
    let (width, height, about) = (px(WIDTH), px(HEIGHT), xml::escape(about));
    Svg(format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{about}\">\n{}</svg>",
        canvas.into_string()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(ratio: f64, half: f64) -> Interval {
        Interval { ratio, low: ratio - half, high: ratio + half }
    }

    #[test]
    fn an_axis_is_the_smallest_that_holds_all() {
        let limit = |intervals: &[Interval]| Axis::over(intervals.iter().copied()).limit;
        assert_eq!(limit(&[]), 0.05);
        assert_eq!(limit(&[around(1.02, 0.01), around(0.975, 0.02)]), 0.05);
        assert_eq!(limit(&[around(1.12, 0.01)]), 0.2);
        assert_eq!(limit(&[around(7.0, 0.1), around(f64::NAN, 0.0)]), 1.0);
    }

    #[test]
    fn what_does_not_fit_ends_at_the_edge() {
        let axis = Axis { limit: 0.1 };
        assert_eq!(
            [0.9, 1.0, 1.1, 3.0, f64::NAN].map(|ratio| axis.x(ratio).round()),
            [20.0, 500.0, 980.0, 980.0, 980.0]
        );
    }

    #[test]
    fn the_parts_of_a_bar_fill_it() {
        let parts = [(Some(Group::Gemm), 0.7), (Some(Group::Memory), 0.2), (Some(Group::Pooling), 0.0), (None, 0.0999)];
        let Svg(text) = stacked(&parts, "now", "all");
        let document = roxmltree::Document::parse(&text).unwrap();
        let rects: Vec<_> = document.descendants().filter(|node| node.has_tag_name("rect")).collect();
        let ends: Vec<f64> = rects
            .iter()
            .map(|rect| ["x", "width"].iter().map(|name| rect.attribute(*name).unwrap().parse::<f64>().unwrap()).sum())
            .collect();
        assert_eq!(ends.len(), 3);
        assert_eq!(ends.last(), Some(&1000.0));
    }

    #[test]
    fn a_chart_of_nothing_is_empty_and_no_number_is_drawn_that_is_none() {
        for Svg(text) in
            [stacked(&[], "now", ""), share(None, 0.3, 0.0), change(Axis { limit: 0.1 }, around(f64::NAN, 0.0), "")]
        {
            assert!(!text.contains("NaN"), "{text}");
        }
    }
}
