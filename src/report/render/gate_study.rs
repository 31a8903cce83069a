//! Renderings of a [`GateStudy`]: a Markdown document and JSON.

use std::io::{self, Write};

use crate::report::gate_study::{CalledSlowed, GateStudy, METHODS, Method, Slowed};
use crate::report::wording;

use super::markdown::escape::{code, plain};
use super::number;

/// Writes the study as one indented JSON object and a newline.
///
/// # Errors
/// What the writer returns.
pub fn json(study: &GateStudy, writer: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *writer, study)?;
    writer.write_all(b"\n")
}

/// Writes the study as Markdown.
///
/// # Errors
/// What the writer returns.
pub fn markdown(study: &GateStudy, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "# How far the gate can be trusted\n")?;
    circumstances(study, writer)?;
    unchanged(study, writer)?;
    slowed(study, writer)?;
    faster_gemm(study, writer)
}

/// What a method is called.
fn name(method: Method) -> &'static str {
    match method {
        Method::Paired => "`compare`",
        Method::PairedOnce => "in one look",
        Method::RawShares => "shares",
        Method::RawTimes => "times",
        Method::TTestOnIterations => "t-test, 5 %, 50 us",
        Method::TTestAlone => "t-test alone",
    }
}

fn circumstances(study: &GateStudy, writer: &mut dyn Write) -> io::Result<()> {
    for run in &study.runs {
        let machine = &run.machine;
        let busy = match run.busy {
            0 => "nothing beside it".to_owned(),
            1 => "one thread of another process busy all the time".to_owned(),
            threads => format!("{threads} threads of another process busy all the time"),
        };
        writeln!(
            writer,
            "- {}: {}, {}, {} cores, ONNX Runtime {}, cargo-nongemm {}; {busy}{}",
            run.date,
            plain(&machine.fingerprint),
            plain(&machine.cpu),
            machine.cores,
            plain(&machine.onnxruntime),
            plain(&run.tool),
            run.remark.as_ref().map(|remark| format!("; {}", plain(remark))).unwrap_or_default(),
        )?;
    }
    writeln!(
        writer,
        "\nA comparison is {} pairs of launches, made in turns. It is red where an operator or the",
        study.pairs
    )?;
    writeln!(writer, "latency is called slower. The methods:\n")?;
    for method in METHODS {
        writeln!(writer, "- {}: {}", name(method), method.describe())?;
    }
    writeln!(writer)
}

fn head(study_columns: &str, writer: &mut dyn Write) -> io::Result<()> {
    let methods: Vec<&str> = METHODS.iter().map(|method| name(*method)).collect();
    let columns = study_columns.matches('|').count();
    writeln!(writer, "{study_columns} {} |", methods.join(" | "))?;
    writeln!(writer, "|{}{}", " --- |".repeat(columns - 1), " ---: |".repeat(METHODS.len()))
}

fn machine(busy: bool) -> &'static str {
    if busy { "busy" } else { "quiet" }
}

fn unchanged(study: &GateStudy, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(
        writer,
        "## Unchanged code\n\nComparisons that are red, of all; behind them the operators called slower.\n"
    )?;
    head("| model | machine | comparisons | operators | seconds each |", writer)?;
    for row in &study.unchanged {
        write!(
            writer,
            "| {} | {} | {} from {} sets | {} | {:.0} |",
            code(&row.model.0),
            machine(row.busy),
            row.comparisons,
            row.groups,
            row.operators,
            row.seconds
        )?;
        for called in &row.called {
            write!(writer, " {} ({}) |", called.red, called.slower)?;
        }
        writeln!(writer)?;
    }
    write!(writer, "| **all** | | {} | {} | |", study.comparisons(), study.operators())?;
    for total in study.red() {
        write!(writer, " **{} ({:.1} %)** |", total.red, total.rate * 100.0)?;
    }
    writeln!(writer, "\n\n{}\n", study.bound())
}

fn slowed(study: &GateStudy, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "## One operator slowed\n")?;
    writeln!(
        writer,
        "Nodes of the operator are repeated until its work has grown by about the size; `measured` is what"
    )?;
    writeln!(
        writer,
        "`compare` says it grew by. Counts of nodes are hidden from all methods. Found / comparisons; behind a `!`, comparisons that blame another operator too.\n"
    )?;
    head("| model | machine | operator | share | size | reached | measured |", writer)?;
    for row in &study.slowed {
        write!(
            writer,
            "| {} | {} | {} | {} | {} | {} | {} |",
            code(&row.model.0),
            machine(row.busy),
            code(wording::operator(&row.operator)),
            number::percent(row.share),
            number::change(1.0 + row.wanted),
            number::change(1.0 + row.reached),
            number::change(1.0 + row.measured),
        )?;
        for called in &row.called {
            write!(writer, " {} |", found(row, called))?;
        }
        writeln!(writer)?;
    }
    writeln!(writer)?;
    for line in study.power() {
        writeln!(writer, "- {line}")?;
    }
    writeln!(writer)
}

fn found(row: &Slowed, called: &CalledSlowed) -> String {
    let others = if called.others_blamed > 0 { format!(" !{}", called.others_blamed) } else { String::new() };
    format!("{}/{}{others}", called.found, row.comparisons)
}

fn faster_gemm(study: &GateStudy, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "## Products made faster\n")?;
    writeln!(
        writer,
        "Nothing became slower: each red comparison is false. Red / comparisons; behind them the operators called"
    )?;
    writeln!(writer, "slower, and the comparisons in which an operator with a product is called faster.\n")?;
    head("| model | machine | products |", writer)?;
    for row in &study.faster_gemm {
        write!(writer, "| {} | {} | {} |", code(&row.model.0), machine(row.busy), number::change(1.0 + row.change))?;
        for called in &row.called {
            write!(writer, " {}/{} ({}), {} |", called.red, row.comparisons, called.slower, called.found)?;
        }
        writeln!(writer)?;
    }
    Ok(())
}
