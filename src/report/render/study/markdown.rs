//! The study as GitHub Markdown: the table, what it comes to beside the paper, and how it was obtained.

use std::io::{self, Write};

use super::beside;
use super::words::{self, Varying};
use crate::report::render::markdown::escape::{code, plain};
use crate::report::render::number;
use crate::report::study::{Breakdown, Over, Row, RowResult, Study};
use crate::report::wording;

/// Writes the study as a Markdown document. `chart` is the file of the chart beside it.
///
/// # Errors
/// What the writer returns.
pub fn render(study: &Study, chart: &str, writer: &mut dyn Write) -> io::Result<()> {
    let varying = Varying::of(study);
    writeln!(writer, "# Where the latency goes: GEMM and non-GEMM operators\n")?;
    origin(study, varying, writer)?;
    writeln!(writer, "![Group shares of each model as stacked bars]({chart})\n")?;
    table(study, varying, writer)?;
    failures(study, writer)?;
    beside::render(study, writer)?;
    totals(study, varying, writer)?;
    method(study, writer)
}

/// Where it was measured.
fn origin(study: &Study, varying: Varying, writer: &mut dyn Write) -> io::Result<()> {
    let constant = plain(&varying.constant(study));
    match study.sources.as_slice() {
        [source] => writeln!(writer, "{constant}. Measured on {}.\n", plain(&words::source(source))),
        sources => {
            writeln!(writer, "{constant}. Measured in several places:\n")?;
            for (index, source) in sources.iter().enumerate() {
                writeln!(writer, "{}. {}", index + 1, plain(&words::source(source)))?;
            }
            writeln!(writer)
        }
    }
}

/// A heading and how its cells align.
struct Column {
    heading: String,
    right: bool,
}

fn columns(study: &Study, varying: Varying) -> Vec<Column> {
    let left = |heading: &str| Column { heading: heading.to_owned(), right: false };
    let right = |heading: &str| Column { heading: heading.to_owned(), right: true };
    let settings = [
        (varying.provider, left("provider")),
        (varying.precision, left("precision")),
        (varying.optimization, left("optimization")),
        (varying.threads, right("threads")),
        (varying.source, right("measured on")),
    ];
    let mut columns = vec![left("model"), left("input")];
    columns.extend(settings.into_iter().filter(|(varies, _)| *varies).map(|(_, column)| column));
    columns.extend(["batch", "latency ms", "±", "peak RSS", "GEMM %", "non-GEMM %"].map(right));
    columns.extend(study.groups.iter().map(|&group| right(&format!("{} %", wording::group(group)))));
    columns.push(left("largest non-GEMM operator"));
    columns
}

fn table(study: &Study, varying: Varying, writer: &mut dyn Write) -> io::Result<()> {
    let columns = columns(study, varying);
    let headings: Vec<&str> = columns.iter().map(|column| column.heading.as_str()).collect();
    let rules: Vec<&str> = columns.iter().map(|column| if column.right { "---:" } else { "---" }).collect();
    writeln!(writer, "| {} |\n| {} |", headings.join(" | "), rules.join(" | "))?;
    let tasks: Vec<&[Row]> = study.rows.chunk_by(|a, b| a.task == b.task).collect();
    for task in &tasks {
        if tasks.len() > 1 {
            writeln!(writer, "| **{}** |{}", task[0].task.title(), " |".repeat(columns.len() - 1))?;
        }
        for row in *task {
            writeln!(writer, "| {} |", cells(study, varying, row).join(" | "))?;
        }
    }
    writeln!(writer)
}

fn cells(study: &Study, varying: Varying, row: &Row) -> Vec<String> {
    let setting = &row.setting;
    let mut cells = vec![code(&setting.model), words::size(setting)];
    let settings = [
        (varying.provider, words::provider(setting.provider).to_owned()),
        (varying.precision, setting.precision.name().to_owned()),
        (varying.optimization, setting.optimization.name().to_owned()),
        (varying.threads, setting.threads.to_string()),
        (varying.source, (row.source + 1).to_string()),
    ];
    cells.extend(settings.into_iter().filter(|(varies, _)| *varies).map(|(_, text)| text));
    cells.push(words::batch(setting));
    match &row.result {
        RowResult::Measured(breakdown) => cells.extend(figures(study, breakdown)),
        RowResult::Failed { .. } => {
            cells.push("**failed**".to_owned());
            cells.resize(columns(study, varying).len(), String::new());
        }
    }
    cells
}

fn figures(study: &Study, breakdown: &Breakdown) -> Vec<String> {
    let doubt = if breakdown.is_doubtful() { "\\*" } else { "" };
    let mut cells = vec![
        format!("{}{doubt}", words::milliseconds(breakdown.latency_us)),
        number::spread(breakdown.latency_spread),
        breakdown.peak_rss_bytes.map_or_else(String::new, number::bytes),
        words::points(breakdown.gemm),
        words::points(breakdown.non_gemm),
    ];
    cells.extend(study.groups.iter().map(|&group| breakdown.share(group).map_or_else(String::new, words::points)));
    cells.push(breakdown.largest_non_gemm.as_ref().map_or_else(String::new, |operator| {
        format!("{} {}", code(wording::operator(&operator.key)), number::percent(operator.share))
    }));
    cells
}

/// What could not be measured, and why: a table without them would look complete.
fn failures(study: &Study, writer: &mut dyn Write) -> io::Result<()> {
    let failed: Vec<(&Row, &String)> = study
        .rows
        .iter()
        .filter_map(|row| match &row.result {
            RowResult::Failed { reason } => Some((row, reason)),
            RowResult::Measured(_) => None,
        })
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    writeln!(writer, "Not measured:\n")?;
    for (row, reason) in failed {
        writeln!(writer, "- {}: {}", code(&row.id.0), plain(reason))?;
    }
    writeln!(writer)
}

fn totals(study: &Study, varying: Varying, writer: &mut dyn Write) -> io::Result<()> {
    let paper = study.paper;
    let share = |share: Option<f64>| share.map_or_else(String::new, number::percent);
    writeln!(writer, "## Beside the paper\n")?;
    writeln!(writer, "| | models | GEMM | mean | non-GEMM | mean |\n| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for total in &study.totals {
        let (whose, models) = match total.over {
            Over::Paper => ("the paper's models", format!("{} of {}", total.scenarios, paper.models)),
            Over::All => ("all models here", total.scenarios.to_string()),
        };
        let setting = words::setting(varying, total.provider, total.precision, total.batch);
        let (gemm, non_gemm) = (total.gemm, total.non_gemm);
        writeln!(
            writer,
            "| {setting}, {whose} | {models} | {} | {} | {} | {} |",
            words::range(gemm),
            share(gemm.mean),
            words::range(non_gemm),
            share(non_gemm.mean)
        )?;
    }
    writeln!(
        writer,
        "| **the paper** | {} | {} | | {}, averages | |",
        paper.models,
        words::published(paper.gemm),
        words::published(paper.non_gemm)
    )?;
    writeln!(writer, "| the paper, operators fused | | | | {} | |\n", words::published(paper.non_gemm_fused))?;
    writeln!(writer, "The paper: {}. Its figures are those of its abstract: {}.\n", paper.citation, paper.configuration)
}

fn method(study: &Study, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "## Method, and where it differs from the paper's\n")?;
    for note in &study.method {
        writeln!(writer, "- {}", plain(note))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::render::testing::assert_tables_are_whole;
    use crate::report::study::{Piece, fixtures};
    use crate::report::{Report, ScenarioResult};

    fn shown(study: &Study) -> String {
        let mut out = Vec::new();
        render(study, "suite.svg", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn full() -> Report {
        fixtures::report(&fixtures::FULL)
    }

    #[test]
    fn the_full_tier() {
        insta::assert_snapshot!(shown(&fixtures::study(&full())));
    }

    #[test]
    fn two_providers_on_two_machines() {
        let cpu = fixtures::report(&["gpt2"]);
        let mut cuda = cpu.clone();
        fixtures::on_cuda(&mut cuda);
        cuda.machine.cpu = "Intel Xeon".into();
        let pieces = [Piece { name: "cpu.json", report: &cpu }, Piece { name: "cuda.json", report: &cuda }];
        insta::assert_snapshot!(shown(&Study::of_suite(&pieces, &fixtures::FULL).unwrap()));
    }

    #[test]
    fn every_row_has_as_many_cells_as_its_heading() {
        assert_tables_are_whole(&shown(&fixtures::study(&full())));
    }

    #[test]
    fn hostile_names_open_no_cell_and_no_tag() {
        let mut report = fixtures::report(&["gpt2"]);
        report.machine.cpu = "<b>@octocat</b> | `x`".into();
        report.scenarios[1].result = ScenarioResult::Failed { reason: "| <i> |\n# heading".into(), log: Vec::new() };
        let document = shown(&fixtures::study(&report));
        for acted_on in ["<b>", "<i>", "@octocat", "`x`", "\n# heading"] {
            assert!(!document.contains(acted_on), "{acted_on} in {document}");
        }
    }
}
