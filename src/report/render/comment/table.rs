//! What crossed, a row each.

use super::voice::{Naming, Voice};
use crate::report::crossed::{Crossed, Ratio};
use crate::report::render::fit::Section;
use crate::report::render::number;
use crate::report::{FindingCode, Severity, wording};

/// More rows than this nobody reads; the others are behind a fold.
pub(super) const ROWS: usize = 20;

/// Growth beyond this is no longer told in percent.
const MANY_TIMES: f64 = 10.0;

/// The columns that have something in them: a scenario that crashed has no time.
#[derive(Clone, Copy)]
struct Columns {
    share: bool,
    change: bool,
    time: bool,
}

/// The table that everybody sees.
pub(super) fn first<'a>(crossed: &'a [Crossed<'a>], naming: Naming, voice: Voice) -> Section<'a> {
    let shown = &crossed[..crossed.len().min(ROWS)];
    let close = match crossed.len() - shown.len() {
        0 => "\n".to_owned(),
        more => format!("\nand {more} more, below.\n\n"),
    };
    Section { name: "rows of the table", rank: 1, ..rows(shown, String::new(), close, naming, voice) }
}

/// The rest of it, behind a fold; `None` where the first table holds all.
pub(super) fn rest<'a>(crossed: &'a [Crossed<'a>], naming: Naming, voice: Voice) -> Option<Section<'a>> {
    let hidden = crossed.get(ROWS..).filter(|hidden| !hidden.is_empty())?;
    let open = format!("<details>\n<summary>{} more that crossed</summary>\n\n", hidden.len());
    let close = "\n</details>\n\n".to_owned();
    Some(Section { name: "rows that crossed", rank: 8, ..rows(hidden, open, close, naming, voice) })
}

fn rows<'a>(crossed: &'a [Crossed<'a>], open: String, close: String, naming: Naming, voice: Voice) -> Section<'a> {
    let columns = Columns {
        share: crossed.iter().any(|one| one.operator.is_some()),
        change: crossed.iter().any(|one| one.ratio().is_some()),
        time: crossed.iter().any(|one| one.delta_us().is_some()),
    };
    let heading = columns.line(["", "where", "what", "share", "change", "time", "why"].map(str::to_owned));
    let rule = columns.line(["---", "---", "---", "---:", "---:", "---:", "---"].map(str::to_owned));
    let rows = Box::new(crossed.iter().map(move |one| columns.line(cells(one, naming, voice))));
    Section { name: "", rank: 0, open: open + &heading + &rule, rows, total: crossed.len(), close }
}

impl Columns {
    fn line(self, cells: [String; 7]) -> String {
        let shown = [true, true, true, self.share, self.change, self.time, true];
        let cells: Vec<String> =
            cells.into_iter().zip(shown).filter(|(_, shown)| *shown).map(|(cell, _)| cell).collect();
        format!("| {} |\n", cells.join(" | "))
    }
}

fn cells(one: &Crossed<'_>, naming: Naming, voice: Voice) -> [String; 7] {
    let share = one.operator.map_or_else(String::new, |operator| {
        let base = number::percent(operator.base_share);
        format!("{} → {}", base.trim_end_matches(" %"), number::percent(operator.head_share))
    });
    [
        sign(one).to_owned(),
        voice.code(naming.name(one.scenario)),
        format!("{}<br>{}", subject(one, voice), one.code),
        unbroken(&share),
        unbroken(&one.ratio().map_or_else(String::new, change)),
        unbroken(&one.delta_us().map_or_else(String::new, number::difference)),
        why(one, voice),
    ]
}

/// Figures that stay on one line: GitHub gives small type no height of its own, so that its second line would lie over the
/// first.
fn unbroken(figures: &str) -> String {
    figures.replace(' ', "\u{a0}")
}

/// How it counts, at a glance.
fn sign(one: &Crossed<'_>) -> &'static str {
    match one.severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠️",
        Severity::Note if one.is_allowed() => "☑️",
        Severity::Note => "🟢",
    }
}

/// The operator, or what else it is about.
fn subject(one: &Crossed<'_>, voice: Voice) -> String {
    let of_code = match one.code {
        FindingCode::LatencyRegressed | FindingCode::LatencyImproved => "latency",
        FindingCode::StructureChanged => "structure",
        FindingCode::BudgetExceeded => "budget",
        FindingCode::NotMeasured => "all of it",
        _ => "",
    };
    match one.key() {
        Some(key) => voice.code(wording::operator(key)),
        None => of_code.to_owned(),
    }
}

/// The change with its interval beneath, where there is one.
fn change(found: Ratio) -> String {
    let interval = found.interval.map_or_else(String::new, |(low, high)| {
        let high = if high < MANY_TIMES { relative(high) } else { "more".to_owned() };
        format!("<br><sub>{} to {high}</sub>", relative(low))
    });
    format!("{}{interval}", relative(found.ratio))
}

/// `+42.0 %`; of what takes many times as long, how many times.
fn relative(ratio: f64) -> String {
    if ratio.abs() < MANY_TIMES { number::change(ratio) } else { format!("×{}", number::ratio(ratio)) }
}

/// What happened to the graph, or what the gate says where that is all there is; who allows it, if somebody does.
fn why(one: &Crossed<'_>, voice: Voice) -> String {
    let said = match (one.code, one.change) {
        (FindingCode::StructureChanged, _) => voice.sentence(one.message()),
        (_, Some(change)) => voice.sentence(&wording::happened(change)),
        (FindingCode::OperatorRegressed | FindingCode::OperatorImproved, None)
        | (FindingCode::LatencyRegressed | FindingCode::LatencyImproved, None) => String::new(),
        (_, None) => voice.sentence(one.message()),
    };
    let ruling = one.finding.and_then(wording::ruling);
    let ruling = ruling.map_or_else(String::new, |ruling| format!("*{}*", voice.sentence(&ruling)));
    let separator = if said.is_empty() || ruling.is_empty() { "" } else { "<br>" };
    format!("{said}{separator}{ruling}")
}
