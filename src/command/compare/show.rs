//! What is said of the sides before they are measured.

use std::io::{self, Write};

use serde::Serialize;

use crate::command::list::{LIST_SCHEMA, write_document, write_table};
use crate::command::plan::about;
use crate::command::{Exit, Terminal};
use crate::report::Expected;
use crate::report::render::number;
use crate::scenario::{Planned, ScenarioId};
use crate::verdict::Looks;

use super::ids;
use super::sides::{Origin, Sides};

/// The plan of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Plan {
    base: Side,
    head: Side,
    /// Pairs before each look.
    pairs: Vec<u32>,
    expected: Option<Expected>,
    scenarios: Vec<Row>,
    new: Vec<ScenarioId>,
    gone: Vec<ScenarioId>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Side {
    label: String,
    revision: Option<String>,
    configuration: String,
}

/// A scenario on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    base: ScenarioId,
    head: ScenarioId,
}

/// Shows what would be measured.
///
/// # Errors
/// Those of the writer.
pub(super) fn dry_run(
    terminal: &mut Terminal,
    sides: &Sides,
    looks: &Looks,
    expected: Option<Expected>,
) -> anyhow::Result<Exit> {
    let side = |origin: &Origin| Side {
        label: origin.label.clone(),
        revision: origin.revision.clone(),
        configuration: origin.configuration.clone(),
    };
    let row = |(base, head): &(Planned, Planned)| Row { base: base.id.clone(), head: head.id.clone() };
    let plan = Plan {
        base: side(&sides.origins.base),
        head: side(&sides.origins.head),
        pairs: looks.iter().map(|look| look.pairs).collect(),
        expected,
        scenarios: sides.matched.both.iter().map(row).collect(),
        new: ids(&sides.matched.new),
        gone: ids(&sides.matched.gone),
    };
    if terminal.json() {
        write_document(&mut terminal.out, LIST_SCHEMA, &plan)?;
    } else {
        plan.write_text(&mut terminal.out)?;
    }
    Ok(Exit::Pass)
}

impl Plan {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, side) in [("base", &self.base), ("head", &self.head)] {
            writeln!(out, "{name}: {} ({})", side.label, side.configuration)?;
        }
        writeln!(out)?;
        let both = self.scenarios.iter().map(|row| [row.base.to_string(), row.head.to_string()]);
        let new = self.new.iter().map(|id| ["- (new: measured, compared with nothing)".to_owned(), id.to_string()]);
        let gone = self.gone.iter().map(|id| [id.to_string(), "- (gone: not measured)".to_owned()]);
        write_table(out, ["BASE", "HEAD"], both.chain(new).chain(gone).collect())?;
        writeln!(out, "\n{}", course(self.scenarios.len(), &self.pairs, self.expected))
    }
}

/// Says what is measured, and how long that is expected to take.
pub(super) fn announce(terminal: &mut Terminal, sides: &Sides, looks: &Looks, expected: Option<Expected>) {
    let (base, head) = (&sides.origins.base.label, &sides.origins.head.label);
    terminal.status.say("Comparing", &format!("{head} with {base}"));
    let pairs: Vec<u32> = looks.iter().map(|look| look.pairs).collect();
    terminal.status.say("Planned", &course(sides.matched.both.len(), &pairs, expected));
    for id in ids(&sides.matched.gone) {
        terminal.status.warn(&format!("{id} is gone: only the base ({base}) has it, and it is not measured"));
    }
}

/// `6 scenarios, 8, 12 and 20 pairs of launches: about 6 min where all is settled at the first look, 16 min at the last`.
fn course(scenarios: usize, pairs: &[u32], expected: Option<Expected>) -> String {
    let count = number::count(u64::try_from(scenarios).unwrap_or(u64::MAX), "scenario", "scenarios");
    let text: Vec<String> = pairs.iter().map(u32::to_string).collect();
    let time = match expected {
        None => String::new(),
        Some(Expected { least, .. }) if pairs.len() == 1 => format!(": about {}", about(least)),
        Some(Expected { least, most }) => {
            format!(
                ": about {} if all is settled at the first look, {} if not before the last",
                about(least),
                about(most)
            )
        }
    };
    format!("{count}, looked at after {} pairs of launches{time}", text.join(", "))
}

/// Why nothing was measured: no scenario has a counterpart.
pub(super) fn nothing_in_common(terminal: &mut Terminal, sides: &Sides) {
    let of = |origin: &Origin, planned: &[Planned]| {
        let ids: Vec<String> = planned.iter().map(|one| one.id.to_string()).collect();
        let ids = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
        format!("\n  {} ({}): {ids}", origin.label, origin.configuration)
    };
    terminal.status.error(&format!(
        "no scenario stands on both sides, so that there is nothing to compare:{}{}",
        of(&sides.origins.base, &sides.matched.gone),
        of(&sides.origins.head, &sides.matched.new)
    ));
}
