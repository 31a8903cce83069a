//! A calibration as GitHub Markdown.

use std::io::{self, Write};

use super::escape::{code, fenced, plain, sentence};
use crate::report::calibration::{Calibration, ControlState, Noise, ScenarioCalibration, words};
use crate::report::render::number;
use crate::report::{Outcome, wording};

/// Writes a calibration as a Markdown document.
///
/// # Errors
/// What the writer returns.
pub fn render(calibration: &Calibration, writer: &mut dyn Write) -> io::Result<()> {
    let sign = if calibration.outcome == Outcome::Pass { "✅" } else { "❌" };
    writeln!(writer, "# Calibration of the gate\n\n{sign} {}\n", sentence(&calibration.sentence()))?;
    let machine = &calibration.machine;
    let mut facts = vec![
        machine.fingerprint.clone(),
        machine.cpu.clone(),
        number::count(machine.cores.into(), "core", "cores"),
        format!("ONNX Runtime {}", machine.onnxruntime),
        format!("cargo-nongemm {}", calibration.tool),
    ];
    facts.extend(calibration.method());
    let facts: Vec<String> = facts.iter().map(|fact| plain(fact)).collect();
    writeln!(writer, "{}\n", facts.join(" · "))?;
    overview(calibration, writer)?;
    advice(calibration, writer)?;
    for scenario in &calibration.scenarios {
        details(scenario, writer)?;
    }
    Ok(())
}

fn overview(calibration: &Calibration, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "| scenario | red on equal sides | at most | a known slowdown |\n| --- | ---: | ---: | --- |")?;
    for scenario in &calibration.scenarios {
        let red = scenario.red;
        let sign = match scenario.control.state {
            ControlState::Found => "✅",
            ControlState::Failed { .. } => "⚠️",
            ControlState::Missed { .. } | ControlState::Misblamed { .. } => "❌",
        };
        writeln!(
            writer,
            "| {} | {} of {} | {} | {sign} {} |",
            code(&scenario.id.0),
            red.count,
            red.of,
            number::percent(red.high),
            plain(&words::control(&scenario.control))
        )?;
    }
    writeln!(writer)
}

fn advice(calibration: &Calibration, writer: &mut dyn Write) -> io::Result<()> {
    if calibration.advice.is_empty() {
        return Ok(());
    }
    writeln!(writer, "## Advice\n")?;
    for advice in &calibration.advice {
        writeln!(writer, "- {}", sentence(&words::advice(advice)))?;
    }
    writeln!(writer)?;
    let lines: Vec<String> = calibration.advice.iter().filter_map(|advice| advice.toml()).collect();
    if !lines.is_empty() {
        writeln!(writer, "```toml")?;
        for line in lines.join("\n").lines() {
            writeln!(writer, "{}", fenced(line))?;
        }
        writeln!(writer, "```\n")?;
    }
    Ok(())
}

fn details(scenario: &ScenarioCalibration, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "<details><summary>{}</summary>\n", code(&scenario.id.0))?;
    writeln!(writer, "{}\n", plain(&words::unchanged(scenario)))?;
    for red in &scenario.false_reds {
        writeln!(writer, "- red: {}", plain(&red.message))?;
    }
    for failure in &scenario.failures {
        writeln!(writer, "- not measured: {}", plain(failure))?;
    }
    if !scenario.false_reds.is_empty() || !scenario.failures.is_empty() {
        writeln!(writer)?;
    }
    writeln!(writer, "| operator | time | share | deviation | shows from |\n| --- | ---: | ---: | ---: | ---: |")?;
    row("latency", scenario.latency, None, writer)?;
    for operator in &scenario.operators {
        row(&code(wording::operator(&operator.key)), operator.noise, Some(operator.share), writer)?;
    }
    writeln!(writer, "\n</details>\n")
}

fn row(name: &str, noise: Noise, share: Option<f64>, writer: &mut dyn Write) -> io::Result<()> {
    let share = share.map_or_else(String::new, number::percent);
    let shows = noise.detectable.map_or_else(|| "-".to_owned(), |growth| format!("+{}", number::percent(growth)));
    let deviation = number::spread(noise.deviation);
    writeln!(writer, "| {name} | {} | {share} | {deviation} | {shows} |", number::time(noise.time_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ScenarioId;
    use crate::report::calibration::fixtures;
    use crate::report::render::testing::assert_tables_are_whole;

    fn shown(calibration: &Calibration) -> String {
        let mut out = Vec::new();
        render(calibration, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_scenario_where_the_gate_works_and_one_where_it_does_not() {
        let document = shown(&fixtures::calibration());
        assert_tables_are_whole(&document);
        insta::assert_snapshot!(document);
    }

    #[test]
    fn hostile_names_open_no_cell_and_no_tag() {
        let mut calibration = fixtures::calibration();
        for scenario in &mut calibration.scenarios {
            scenario.id = ScenarioId("<b>@octocat</b> | `x`".into());
            scenario.failures = vec!["| <i> |\n# heading".into()];
        }
        let document = shown(&calibration);
        for acted_on in ["<b>", "<i>", "\n# heading"] {
            assert!(!document.contains(acted_on), "{acted_on} in {document}");
        }
    }
}
