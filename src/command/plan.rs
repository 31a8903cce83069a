//! What would be measured and what it is expected to cost: `list scenarios` and `--dry-run`.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::{DimensionArgs, MeasureArgs, SuiteArgs};
use crate::config::Measure;
use crate::estimate::{Estimate, refuse};
use crate::machine;
use crate::report::render::number;
use crate::scenario::{ModelRef, Partition, Planned, Provider};

use super::list::{LIST_SCHEMA, limits, show, write_document, write_table};
use super::suite::{Suite, plan, with_flags};
use super::{Exit, Terminal, costs};

/// Scenarios in order with what they cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Plan {
    scenarios: Vec<Row>,
    totals: Totals,
}

/// A scenario and what it costs; `None` where its model tells nothing, and for a GPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    #[serde(flatten)]
    planned: Planned,
    cost: Option<Cost>,
}

/// What measuring a scenario is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cost {
    /// Of one launch.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Of the whole measurement, in seconds.
    pub measuring_s: f64,
}

/// What all of them cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Totals {
    /// Which part this is; `None` for the whole.
    partition: Option<Partition>,
    /// Scenarios of all parts.
    suite: usize,
    /// One after the other, in seconds.
    measuring_s: f64,
    /// Of the largest, in bytes.
    peak_rss_bytes: u64,
    /// What this machine has left, in bytes.
    available_bytes: Option<u64>,
}

/// Shows what `run` or `check` would measure.
pub(super) fn dry_run(terminal: &mut Terminal, arguments: &MeasureArgs) -> anyhow::Result<Exit> {
    let config = terminal.suite(&arguments.suite)?;
    let measure = with_flags(&config.measure, arguments);
    let whole = plan(&config, &arguments.selection, &arguments.dimensions)?;
    write(terminal, Suite::new(whole, arguments.suite.partition), &measure)
}

/// Shows what there is to measure.
pub(super) fn list(
    terminal: &mut Terminal,
    selection: &[String],
    suite: &SuiteArgs,
    dimensions: &DimensionArgs,
) -> anyhow::Result<Exit> {
    let config = terminal.suite(suite)?;
    let whole = plan(&config, selection, dimensions)?;
    write(terminal, Suite::new(whole, suite.partition), &config.measure)
}

fn write(terminal: &mut Terminal, suite: Suite, measure: &Measure) -> anyhow::Result<Exit> {
    let own = suite.own();
    let costs = costs(&own, measure);
    let plan = Plan::new(own, costs, suite.partition(), suite.whole().len(), machine::available_memory_bytes());
    if terminal.json() {
        write_document(&mut terminal.out, LIST_SCHEMA, &plan)?;
    } else {
        plan.write_text(&mut terminal.out)?;
    }
    Ok(Exit::Pass)
}

/// What each scenario is expected to cost on this machine.
pub(super) fn costs(planned: &[Planned], measure: &Measure) -> Vec<Option<Cost>> {
    let effort = costs::effort(measure);
    let cost = |(one, estimate): (&Planned, Option<Estimate>)| {
        // The rates are those of processors.
        let estimate = estimate.filter(|_| one.scenario.provider == Provider::Cpu)?;
        Some(Cost { estimate, measuring_s: estimate.measuring_s(&effort) })
    };
    planned.iter().zip(costs::estimates(planned, costs::rates_here)).map(cost).collect()
}

impl Plan {
    fn new(
        planned: Vec<Planned>,
        costs: Vec<Option<Cost>>,
        partition: Option<Partition>,
        suite: usize,
        available_bytes: Option<u64>,
    ) -> Plan {
        let known = || costs.iter().flatten();
        let totals = Totals {
            partition,
            suite,
            // A sum of no floats is -0.
            measuring_s: known().fold(0.0, |sum, cost| sum + cost.measuring_s),
            peak_rss_bytes: known().map(|cost| cost.estimate.peak_rss_bytes).max().unwrap_or(0),
            available_bytes,
        };
        let rows = planned.into_iter().zip(costs).map(|(planned, cost)| Row { planned, cost });
        Plan { scenarios: rows.collect(), totals }
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.scenarios.iter().map(|Row { planned, cost }| {
            let from = match &planned.scenario.model {
                ModelRef::Zoo { .. } => "built in".to_owned(),
                ModelRef::File { path, .. } => show(path),
            };
            let [weights, memory, inference] = figures(cost.as_ref());
            let measuring = cost.map_or("-".to_owned(), |cost| about(cost.measuring_s));
            [planned.id.to_string(), weights, memory, inference, measuring, from, limits(planned)]
        });
        let head = ["SCENARIO", "WEIGHTS", "MEMORY", "INFERENCE", "MEASURING", "FROM", "BUDGETS"];
        write_table(out, head, rows.collect())?;
        self.write_totals(out)
    }

    fn write_totals(&self, out: &mut dyn Write) -> io::Result<()> {
        let Totals { partition, suite, measuring_s, peak_rss_bytes, available_bytes } = &self.totals;
        let count = number::count(u64::try_from(self.scenarios.len()).unwrap_or(u64::MAX), "scenario", "scenarios");
        let part = partition.map_or(String::new(), |part| format!(" (part {part} of {suite})"));
        let available =
            available_bytes.map_or(String::new(), |bytes| format!(" of {} available", number::bytes(bytes)));
        let unknown = self.scenarios.iter().filter(|row| row.cost.is_none()).count();
        if unknown > 0 && unknown == self.scenarios.len() {
            return writeln!(out, "\n{count}{part}: how long that takes is not known beforehand");
        }
        let without = match unknown {
            0 => String::new(),
            some => format!(", without {some} that cannot be estimated"),
        };
        writeln!(
            out,
            "\n{count}{part}: about {} to measure, up to {}{available} at a time; all of it estimated{without}",
            about(*measuring_s),
            number::bytes(*peak_rss_bytes)
        )?;
        for Row { planned, cost } in &self.scenarios {
            if let Some(refusal) = cost.and_then(|cost| refuse(cost.estimate.peak_rss_bytes, *available_bytes)) {
                writeln!(out, "will be refused: {} {refusal}", planned.id)?;
            }
        }
        Ok(())
    }
}

/// Nominal weights, largest resident set and one inference, for a table.
pub(super) fn figures(cost: Option<&Cost>) -> [String; 3] {
    cost.map_or(["-", "-", "-"].map(str::to_owned), |Cost { estimate, .. }| {
        [number::bytes(estimate.weights_bytes), number::bytes(estimate.peak_rss_bytes), about(estimate.inference_s)]
    })
}

/// A time with as many digits as an estimate deserves.
pub(super) fn about(seconds: f64) -> String {
    match seconds {
        s if s < 0.01 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{ZOO, load_in, project};
    use crate::scenario::{Overrides, expand};

    fn example() -> Plan {
        let text = "[suite]\nmodels = [\"bert-base\", \"vit-b-16\"]\nbatch = [1, 8]\n\
                    [[model]]\npath = \"ranker.onnx\"\ndimensions = { tokens = 64 }\n\
                    [[budget]]\nscenario = \"bert*\"\nmax-non-gemm-share = 0.355\nmax-latency-ms = 120\n";
        let dir = project(&[("nongemm.toml", text), ("ranker.onnx", "")]);
        let config = load_in(dir.path()).unwrap();
        let planned = expand(&config, &Overrides::default(), &[], ZOO, dir.path()).unwrap();
        let cost = |mebibytes: u64, inference_s: f64, measuring_s: f64| {
            let (weights_bytes, peak_rss_bytes) = (mebibytes << 20, (2 * mebibytes) << 20);
            let estimate = Estimate { weights_bytes, peak_rss_bytes, macs: 1 << 30, start_s: 0.5, inference_s };
            Some(Cost { estimate, measuring_s })
        };
        let costs = vec![
            cost(417, 0.238, 14.0),
            cost(417, 1.904, 130.0),
            cost(330, 0.351, 19.0),
            cost(4096, 0.002_8, 8000.0),
            None,
        ];
        Plan::new(planned, costs, Some(Partition { index: 1, of: 2 }), 9, Some(5 << 30))
    }

    #[test]
    fn a_plan_with_costs_totals_and_what_does_not_fit() {
        let mut out = Vec::new();
        example().write_text(&mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn of_what_nobody_knows_no_figure_is_given() {
        let Plan { scenarios, totals } = example();
        let scenarios: Vec<Row> = scenarios.into_iter().filter(|row| row.cost.is_none()).collect();
        let mut out = Vec::new();
        Plan { scenarios, totals }.write_text(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("1 scenario (part 1/2 of 9): how long that takes is not known beforehand\n"), "{text}");
    }

    #[test]
    fn json_has_the_same_rows_and_totals() {
        let mut out = Vec::new();
        write_document(&mut out, LIST_SCHEMA, &example()).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["schema"], LIST_SCHEMA);
        assert_eq!(json["scenarios"][0]["id"], "bert-base@cpu-fp32-all-b1-s128-t1");
        assert_eq!(json["scenarios"][0]["cost"]["peak-rss-bytes"], 834_u64 << 20);
        assert!(json["scenarios"][4]["cost"].is_null());
        assert_eq!(json["totals"]["measuring-s"], 8163.0);
        assert_eq!(json["totals"]["partition"]["of"], 2);
    }
}
