//! The bars and what stands beside them.

use super::canvas::{Anchor, Area, Canvas, Font};
use super::{Columns, MARGIN, NAME, NOTE, SMALL, WIDTH, palette};
use crate::report::render::number;
use crate::report::render::study::words::{self, Varying};
use crate::report::study::{Breakdown, Row, RowResult, Study};
use crate::report::{Group, wording};

/// Height of a bar.
const BAR: f64 = 17.0;
/// Between the bars of one model.
const BETWEEN: f64 = 3.0;
/// Between models.
const APART: f64 = 11.0;
/// A name and a size below it take at least this.
const BLOCK: f64 = 30.0;
/// Around a share that stands in its segment.
const INSET: f64 = 4.0;

const TASK: Font = Font::bold(12.0, "muted");
const SHARE: Font = Font::bold(12.0, "text");
const LATENCY: Font = Font::new(12.0, "text");

/// Draws all rows from `top` on; where they end.
pub(super) fn draw(study: &Study, varying: Varying, columns: &Columns, top: f64, canvas: &mut Canvas) -> f64 {
    let tasks: Vec<&[Row]> = study.rows.chunk_by(|a, b| a.task == b.task).collect();
    let mut y = top;
    for task in &tasks {
        if tasks.len() > 1 {
            canvas.text(TASK, Anchor::Start, (MARGIN, y + 18.0), task[0].task.title());
            canvas.line("grid", (MARGIN, y + 24.5), (WIDTH - MARGIN, y + 24.5));
            y += 24.0;
        }
        y += APART - 2.0;
        for model in task.chunk_by(same_block) {
            y = block(study, model, varying, columns, y, canvas) + APART;
        }
    }
    y - 3.0
}

fn same_block(a: &Row, b: &Row) -> bool {
    let (a, b) = (&a.setting, &b.setting);
    (&a.model, a.sequence, a.image) == (&b.model, b.sequence, b.image)
}

/// The rows of one model at one size; where they end.
fn block(study: &Study, rows: &[Row], varying: Varying, columns: &Columns, top: f64, canvas: &mut Canvas) -> f64 {
    let setting = &rows[0].setting;
    canvas.text(NAME, Anchor::Start, (MARGIN, top + 13.0), &NAME.fit(&setting.model, columns.name_width));
    let size = words::size(setting);
    if !size.is_empty() {
        canvas.text(SMALL, Anchor::Start, (MARGIN, top + 28.0), &SMALL.fit(&size, columns.name_width));
    }
    let mut y = top;
    for one in rows {
        row(study, one, varying, columns, y, canvas);
        y += BAR + BETWEEN;
    }
    f64::max(y - BETWEEN, top + BLOCK)
}

fn row(study: &Study, row: &Row, varying: Varying, columns: &Columns, y: f64, canvas: &mut Canvas) {
    let baseline = y + 12.5;
    let room = columns.row_end - MARGIN - columns.name_width;
    canvas.text(SMALL, Anchor::End, (columns.row_end, baseline), &SMALL.fit(&label(varying, row), room));
    match &row.result {
        RowResult::Measured(breakdown) => {
            bar(study, breakdown, &name(varying, row), columns, y, canvas);
            let share = number::percent(breakdown.non_gemm);
            canvas.text(SHARE, Anchor::End, (columns.share_end, baseline), &share);
            canvas.text(LATENCY, Anchor::End, (columns.latency_end, baseline), &latency(row));
        }
        RowResult::Failed { reason } => {
            let area = Area { x: columns.bar + 0.5, y: y + 0.5, width: columns.bar_width - 1.0, height: BAR - 1.0 };
            canvas.area("missing", area, Some(reason));
            let text = SMALL.fit(&format!("not measured: {reason}"), columns.bar_width - 16.0);
            canvas.text(SMALL, Anchor::Start, (columns.bar + 8.0, baseline), &text);
            canvas.text(NOTE, Anchor::End, (columns.latency_end, baseline), &latency(row));
        }
    }
}

/// One segment for each group of the legend that took time, GEMM first. Shares are medians of their own, so they add up
/// to the whole only nearly: the segments are parts of their sum.
fn bar(study: &Study, breakdown: &Breakdown, name: &str, columns: &Columns, y: f64, canvas: &mut Canvas) {
    let gemm = std::iter::once((Some(Group::Gemm), breakdown.gemm));
    let groups = study.groups.iter().map(|&group| (group, breakdown.share(group).unwrap_or(0.0)));
    let parts: Vec<(Option<Group>, f64)> = gemm.chain(groups).filter(|(_, share)| *share > 0.0).collect();
    let whole: f64 = parts.iter().map(|(_, share)| share).sum();
    canvas.begin("bar");
    let mut labels = Canvas::default();
    let mut cuts = Canvas::default();
    let mut sum = 0.0;
    let mut before = 0.0;
    let mut from = columns.bar;
    for (group, share) in parts {
        sum += share;
        // Rounded at the edges, so that neighbours meet exactly.
        let to = (columns.at(sum / whole) * 100.0).round() / 100.0;
        let width = to - from;
        let about = format!("{name}: {} {}", wording::group(group), number::percent(share));
        canvas.area(palette::class(group), Area { x: from, y, width, height: BAR }, Some(&about));
        let font = Font::new(11.0, palette::ink(group));
        let text = words::points(share);
        if font.width(&text) + 2.0 * INSET <= width {
            labels.text(font, Anchor::Middle, (from + width / 2.0, y + 12.5), &text);
        }
        // A line between neighbours, unless it would hide one of them.
        if f64::min(before, width) >= 4.0 {
            cuts.line("cut", (from, y), (from, y + BAR));
        }
        (from, before) = (to, width);
    }
    canvas.append(&cuts);
    canvas.append(&labels);
    canvas.end();
}

/// What stands before a bar: the batch size, after whatever else differs between rows.
pub(super) fn label(varying: Varying, row: &Row) -> String {
    let (differing, batch) = (varying.of_row(row), words::batch(&row.setting));
    if differing.is_empty() { batch } else { format!("{differing} · {batch}") }
}

/// A row by its full name, for those who point at it.
pub(super) fn name(varying: Varying, row: &Row) -> String {
    let parts = [row.setting.model.clone(), words::size(&row.setting), varying.of_row(row)];
    let mut parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.extend(row.setting.batch.map(|batch| format!("batch {batch}")));
    parts.join(", ")
}

/// The latency with its unit; a dash where there is none.
pub(super) fn latency(row: &Row) -> String {
    match &row.result {
        RowResult::Measured(breakdown) => {
            let doubt = if breakdown.is_doubtful() { "*" } else { "" };
            let seconds = breakdown.latency_us / 1e6;
            if seconds >= 10.0 {
                format!("{seconds:.1} s{doubt}")
            } else {
                format!("{} ms{doubt}", words::milliseconds(breakdown.latency_us))
            }
        }
        RowResult::Failed { .. } => "–".to_owned(),
    }
}
