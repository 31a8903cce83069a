//! What stands above the bars: title, origin, legend, the paper's ranges and the axis.

use super::canvas::{Anchor, Area, Canvas, Font};
use super::{Columns, MARGIN, NOTE, SMALL, TITLE, WIDTH, palette};
use crate::report::render::study::words::{self, Varying};
use crate::report::study::{Range, Study};
use crate::report::{Group, wording};

const HEADLINE: Font = Font::bold(18.0, "text");
const LEGEND: Font = Font::new(12.0, "text");
const RANGE: Font = Font::new(11.0, "text");
/// Side of a legend's square.
const SWATCH: f64 = 11.0;

/// Draws it all; where the bars may begin.
pub(super) fn draw(study: &Study, varying: Varying, columns: &Columns, canvas: &mut Canvas) -> f64 {
    let mut y = MARGIN + 16.0;
    canvas.text(HEADLINE, Anchor::Start, (MARGIN, y), TITLE);
    y += 4.0;
    for line in origin(study, varying) {
        for line in NOTE.wrap(&line, WIDTH - 2.0 * MARGIN) {
            y += 17.0;
            canvas.text(NOTE, Anchor::Start, (MARGIN, y), &line);
        }
    }
    y = legend(study, y + 14.0, canvas) + 16.0;
    y = ranges(study, columns, y, canvas) + 14.0;
    canvas.text(SMALL, Anchor::Start, (MARGIN, y), "model");
    canvas.text(SMALL, Anchor::End, (columns.row_end, y), "batch");
    canvas.text(SMALL, Anchor::End, (columns.share_end, y), "non-GEMM");
    canvas.text(SMALL, Anchor::End, (columns.latency_end, y), "latency");
    ticks(columns, y, canvas);
    y + 6.0
}

fn origin(study: &Study, varying: Varying) -> Vec<String> {
    let constant = varying.constant(study);
    match study.sources.as_slice() {
        [source] => vec![format!("{constant}. {}", words::source(source))],
        sources => {
            let each = sources.iter().enumerate();
            let each = each.map(|(index, source)| format!("#{}: {}", index + 1, words::source(source)));
            std::iter::once(format!("{constant}.")).chain(each).collect()
        }
    }
}

/// The groups that occur, GEMM first; where it ends.
fn legend(study: &Study, top: f64, canvas: &mut Canvas) -> f64 {
    let (mut x, mut y) = (MARGIN, top);
    for group in std::iter::once(Some(Group::Gemm)).chain(study.groups.iter().copied()) {
        let name = wording::group(group);
        let width = SWATCH + 5.0 + LEGEND.width(name);
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + 19.0);
        }
        canvas.area(palette::class(group), Area { x, y, width: SWATCH, height: SWATCH }, None);
        canvas.text(LEGEND, Anchor::Start, (x + SWATCH + 5.0, y + 10.0), name);
        x += width + 16.0;
    }
    y + SWATCH
}

/// Where GEMM ends in the paper: its own range, and what its averages of all else leave; where they end.
fn ranges(study: &Study, columns: &Columns, top: f64, canvas: &mut Canvas) -> f64 {
    let (gemm, rest) = (study.paper.gemm, study.paper.non_gemm);
    let left = Range { min: 1.0 - rest.max, max: 1.0 - rest.min, mean: None };
    let rows = [
        ("GEMM in the paper", gemm, words::published(gemm)),
        ("on average", left, format!("{} (non-GEMM {})", words::published(left), words::published(rest))),
    ];
    let mut y = top;
    for (name, range, text) in rows {
        let (x, width) = (columns.at(range.min), columns.bar_width * (range.max - range.min));
        canvas.text(SMALL, Anchor::End, (columns.row_end, y + 11.5), name);
        canvas.area("range", Area { x, y, width, height: 15.0 }, None);
        canvas.text(RANGE, Anchor::Middle, (x + width / 2.0, y + 11.5), &RANGE.fit(&text, width - 4.0));
        y += 18.0;
    }
    y
}

/// The axis: shares in percent, at a baseline.
pub(super) fn ticks(columns: &Columns, y: f64, canvas: &mut Canvas) {
    for (share, text) in [(0.0, "0"), (0.2, "20"), (0.4, "40"), (0.6, "60"), (0.8, "80"), (1.0, "100 %")] {
        // The last would reach into the column beside it.
        let anchor = if share < 1.0 { Anchor::Middle } else { Anchor::End };
        canvas.text(SMALL, anchor, (columns.at(share), y), text);
    }
}
