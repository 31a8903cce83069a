//! What a person reads after `cargo nongemm calibrate`.

use std::io::{self, Write};

use super::{BOLD, DIM, GREEN, INDENT, PLAIN, Page, RED, TerminalOptions, Verbosity, YELLOW};
use crate::report::calibration::{Calibration, ControlState, Noise, ScenarioCalibration, words};
use crate::report::render::number::{self, TimeUnit};
use crate::report::render::table::{Cell, Column, Table};
use crate::report::render::text;
use crate::report::{Outcome, wording};

/// Operators below this share are shown to who asks for more.
const SHOWN_SHARE: f64 = 0.01;

/// Writes a calibration: a block for each scenario, then what it comes to and what follows for the configuration.
///
/// # Errors
/// What the writer returns.
pub fn render(calibration: &Calibration, options: &TerminalOptions, writer: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(options, writer);
    if options.verbosity > Verbosity::Quiet {
        for scenario in &calibration.scenarios {
            block(&mut page, scenario, options.verbosity)?;
        }
        page.facts(&calibration.method())?;
    }
    for advice in &calibration.advice {
        page.paragraph(INDENT, "advice:", BOLD, &words::advice(advice), 2)?;
    }
    let style = match calibration.outcome {
        Outcome::Pass => GREEN.bold(),
        Outcome::GateFailed | Outcome::Incomplete | Outcome::NothingMeasured => RED,
    };
    for line in text::wrap(&page.escaped(&calibration.sentence()), page.width) {
        writeln!(page.writer, "{style}{line}{style:#}")?;
    }
    snippet(&mut page, calibration)
}

fn block(page: &mut Page<'_>, scenario: &ScenarioCalibration, verbosity: Verbosity) -> io::Result<()> {
    let id = page.escaped(&scenario.id.0);
    writeln!(page.writer, "{BOLD}{id}{BOLD:#}")?;
    let good = if scenario.red.count == 0 { GREEN } else { RED };
    page.paragraph(INDENT, "unchanged:", good, &words::unchanged(scenario), 2)?;
    for red in &scenario.false_reds {
        page.paragraph(2 * INDENT, "red:", RED, &red.message, 2)?;
    }
    let style = match scenario.control.state {
        ControlState::Found => GREEN,
        ControlState::Failed { .. } => YELLOW,
        ControlState::Missed { .. } | ControlState::Misblamed { .. } => RED,
    };
    page.paragraph(INDENT, "control:", style, &words::control(&scenario.control), 2)?;
    for failure in &scenario.failures {
        page.paragraph(INDENT, "not measured:", YELLOW, failure, 2)?;
    }
    if !scenario.operators.is_empty() {
        page.blank()?;
        quantities(page, scenario, verbosity)?;
    }
    page.blank()
}

/// What can be seen of the latency and of each operator.
fn quantities(page: &mut Page<'_>, scenario: &ScenarioCalibration, verbosity: Verbosity) -> io::Result<()> {
    let unit = TimeUnit::for_column([scenario.latency.time_us]);
    let mut table = Table::new([
        Column::left("operator").shrink_to(16).cut_early(),
        Column::right(unit.name),
        Column::right("share"),
        Column::right("deviation"),
        Column::right("shows from"),
    ]);
    let row = |name: &str, noise: Noise, share: Option<f64>, style: anstyle::Style| {
        [
            Cell::styled(name, style),
            unit.number(noise.time_us).into(),
            share.map_or_else(Cell::default, |share| number::percent(share).into()),
            number::spread(noise.deviation).into(),
            noise.detectable.map_or_else(|| "-".into(), |growth| Cell::from(format!("+{}", number::percent(growth)))),
        ]
    };
    table.row(row("latency", scenario.latency, None, BOLD));
    let shown = |share: f64| verbosity == Verbosity::Verbose || share >= SHOWN_SHARE;
    for operator in scenario.operators.iter().filter(|one| shown(one.share)) {
        table.row(row(wording::operator(&operator.key), operator.noise, Some(operator.share), PLAIN));
    }
    page.table(&table)?;
    let hidden = scenario.operators.iter().filter(|one| !shown(one.share)).count();
    if hidden > 0 {
        writeln!(page.writer, "{:INDENT$}{DIM}{hidden} more (-v shows all){DIM:#}", "")?;
    }
    Ok(())
}

/// The lines of the configuration that follow, ready to be copied.
fn snippet(page: &mut Page<'_>, calibration: &Calibration) -> io::Result<()> {
    let lines: Vec<String> = calibration.advice.iter().filter_map(|advice| advice.toml()).collect();
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(page.writer, "\n{DIM}# for nongemm.toml{DIM:#}")?;
    for line in lines.join("\n").lines() {
        let line = page.escaped(line);
        writeln!(page.writer, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::calibration::fixtures;
    use crate::report::render::text::Charset;

    fn shown(options: &TerminalOptions) -> String {
        let mut out = Vec::new();
        render(&fixtures::calibration(), options, &mut out).unwrap();
        anstream::adapter::strip_bytes(&out).into_vec().try_into().unwrap()
    }

    #[test]
    fn one_scenario_where_the_gate_works_and_one_where_it_does_not() {
        insta::assert_snapshot!(shown(&TerminalOptions::default()));
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for width in [60, 80] {
            let options = TerminalOptions { width, charset: Charset::Ascii, verbosity: Verbosity::Verbose };
            for line in shown(&options).lines().take_while(|line| !line.starts_with('[')) {
                assert!(text::width(line) <= width, "{line}");
            }
        }
    }
}
