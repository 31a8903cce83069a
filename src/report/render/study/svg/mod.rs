//! The study as a chart: one stacked bar a scenario, models of one task together, batch sizes next to one another.
//!
//! Written by hand: one file without scripts and foreign fonts, whose text can be selected and whose colours follow the
//! page's theme.

mod bars;
mod head;

use std::io::{self, Write};

use super::words::{self, Varying};
use crate::report::render::svg::canvas::{self, Anchor, Area, Canvas, Font, px};
use crate::report::render::svg::palette;
use crate::report::render::{number, xml};
use crate::report::study::{Row, RowResult, Study};

/// Pixels of the whole: as wide as a page of GitHub shows without scaling.
const WIDTH: f64 = 960.0;
/// Empty on all sides.
const MARGIN: f64 = 24.0;
/// Between columns.
const GAP: f64 = 10.0;
/// From this many rows on the axis is repeated at the bottom.
const LONG: usize = 12;

const TITLE: &str = "Where the latency goes: GEMM and non-GEMM operators";

const SMALL: Font = Font::new(11.0, "muted");
const NOTE: Font = Font::new(12.0, "muted");
const NAME: Font = Font::bold(13.0, "text");

/// Writes the study as an SVG document.
///
/// # Errors
/// What the writer returns.
pub fn render(study: &Study, writer: &mut dyn Write) -> io::Result<()> {
    let varying = Varying::of(study);
    let columns = Columns::of(study, varying);
    let mut front = Canvas::default();
    let top = head::draw(study, varying, &columns, &mut front);
    let mut bars = Canvas::default();
    let bottom = bars::draw(study, varying, &columns, top, &mut bars);
    let mut back = Canvas::default();
    let mut end = backdrop(study, &columns, top, bottom, &mut back);
    let mut foot = Canvas::default();
    for line in footnotes(study) {
        for line in SMALL.wrap(&line, WIDTH - 2.0 * MARGIN) {
            end += 16.0;
            foot.text(SMALL, Anchor::Start, (MARGIN, end), &line);
        }
    }
    let height = (end + MARGIN).ceil();

    let (width, height_px) = (px(WIDTH), px(height));
    writeln!(
        writer,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height_px}\" \
         viewBox=\"0 0 {width} {height_px}\" role=\"img\" aria-labelledby=\"title description\">"
    )?;
    writeln!(writer, "<title id=\"title\">{}</title>", xml::escape(TITLE))?;
    writeln!(writer, "<desc id=\"description\">{}</desc>", xml::escape(&description(study, varying)))?;
    let groups = std::iter::once(Some(crate::report::Group::Gemm)).chain(study.groups.iter().copied());
    writeln!(writer, "<style>{}</style>", palette::style(groups))?;
    let mut all = Canvas::default();
    all.area("page", Area { x: 0.5, y: 0.5, width: WIDTH - 1.0, height: height - 1.0 }, None);
    for layer in [&back, &front, &bars, &foot] {
        all.append(layer);
    }
    writer.write_all(all.into_string().as_bytes())?;
    writeln!(writer, "</svg>")
}

/// Where the columns stand.
struct Columns {
    /// Room of the models' names, from the margin on.
    name_width: f64,
    /// Where the labels of rows end.
    row_end: f64,
    /// Where bars begin.
    bar: f64,
    /// How long a whole bar is.
    bar_width: f64,
    /// Where the share of non-GEMM ends.
    share_end: f64,
    /// Where the latency ends.
    latency_end: f64,
}

impl Columns {
    fn of(study: &Study, varying: Varying) -> Columns {
        let widest = |widths: &mut dyn Iterator<Item = f64>| widths.fold(0.0, f64::max).ceil();
        let names =
            study.rows.iter().map(|row| NAME.width(&row.setting.model).max(SMALL.width(&words::size(&row.setting))));
        let name_width = widest(&mut names.into_iter()).clamp(90.0, 190.0);
        let labels = study.rows.iter().map(|row| SMALL.width(&bars::label(varying, row)));
        let label_width = widest(&mut labels.chain([SMALL.width("batch")])).min(130.0);
        let latencies = study.rows.iter().map(|row| NOTE.width(&bars::latency(row)));
        let latency_width = widest(&mut latencies.chain([SMALL.width("latency")])).min(110.0);
        let share_width = SMALL.width("non-GEMM").ceil();
        let row_end = MARGIN + name_width + GAP + label_width;
        let latency_end = WIDTH - MARGIN;
        let share_end = latency_end - latency_width - GAP;
        let bar = row_end + GAP;
        Columns { name_width, row_end, bar, bar_width: share_end - share_width - GAP - bar, share_end, latency_end }
    }

    /// Where a share ends on the axis.
    fn at(&self, share: f64) -> f64 {
        self.bar + self.bar_width * share
    }
}

/// Grid and the paper's range behind the bars; where they end.
fn backdrop(study: &Study, columns: &Columns, top: f64, bottom: f64, canvas: &mut Canvas) -> f64 {
    let gemm = study.paper.gemm;
    let (from, to) = (columns.at(gemm.min), columns.at(gemm.max));
    canvas.area("band", Area { x: from, y: top, width: to - from, height: bottom - top }, None);
    for tick in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        canvas.line("grid", (columns.at(tick), top), (columns.at(tick), bottom));
    }
    for x in [from, to] {
        canvas.line("edge", (x, top), (x, bottom));
    }
    if study.rows.len() < LONG {
        return bottom + 4.0;
    }
    head::ticks(columns, bottom + 16.0, canvas);
    bottom + 24.0
}

fn footnotes(study: &Study) -> Vec<String> {
    let doubtful = |row: &Row| matches!(&row.result, RowResult::Measured(breakdown) if breakdown.is_doubtful());
    let mut notes = vec![
        "Bars are parts of the time in all nodes of a run, medians over launches, the profiler's own cost removed."
            .to_owned(),
        format!("The paper: {}. Measured there: {}.", study.paper.citation, study.paper.configuration),
    ];
    if study.rows.iter().any(doubtful) {
        notes.push("* disturbed, or not reconciled with the latency".to_owned());
    }
    notes
}

/// All figures of the chart in words, for those who cannot see it.
fn description(study: &Study, varying: Varying) -> String {
    let mut text =
        format!("Stacked bars of the shares of groups of operators in latency. {}.", varying.constant(study));
    for row in &study.rows {
        let label = bars::name(varying, row);
        match &row.result {
            RowResult::Measured(breakdown) => text.push_str(&format!(
                " {label}: {}, GEMM {}, non-GEMM {}.",
                bars::latency(row),
                number::percent(breakdown.gemm),
                number::percent(breakdown.non_gemm)
            )),
            RowResult::Failed { .. } => text.push_str(&format!(" {label}: not measured.")),
        }
    }
    text
}

#[cfg(test)]
mod tests;
