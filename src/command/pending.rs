//! `pending`: the results that wait, what was said of each, and what accepting it would change.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::baseline::Store;
use crate::cli::PendingArgs;
use crate::report::render::number;
use crate::report::render::text::wrap;
use crate::report::standing::Standing;
use crate::report::{ScenarioId, Verdict, wording};

use super::held::Held;
use super::results::{Results, SavedResult, choose};
use super::review::{Change, Moved, MovedLine, Wanted, doubts, review};
use super::{Exit, Terminal};

/// Version of the JSON document.
const PENDING_SCHEMA: u32 = 1;

/// Columns that details stand in from the left.
const INDENT: usize = 4;

/// Lines that are named before the others are counted.
const NAMED: usize = 6;

/// The pending results.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Pending {
    schema: u32,
    results: Vec<PendingResult>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct PendingResult {
    id: ScenarioId,
    /// The verb that measured it.
    command: String,
    /// Day of the measurement.
    date: String,
    /// Where it stands, as the summary of a run says it.
    standing: &'static str,
    /// How many operators have which verdict.
    verdicts: BTreeMap<&'static str, u32>,
    /// True where something disturbed its launches.
    disturbed: bool,
    /// Why it is not accepted as it is, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// What accepting it would change, if it is insisted on where need be.
    change: Change,
}

/// Lists what waits to be accepted or rejected.
///
/// # Errors
/// A pending result or a baseline that cannot be read, or a closed stream.
pub fn pending(terminal: &mut Terminal, arguments: &PendingArgs) -> anyhow::Result<Exit> {
    let config = terminal.config()?;
    let all = Results::beside(&config, true).all()?;
    let known: Vec<String> = all.iter().map(|result| result.id().0.clone()).collect();
    let chosen = choose(all, &arguments.selection)?;
    if chosen.is_empty() && !known.is_empty() {
        terminal.status.error(&format!("no pending result matches; there are: {}", known.join(", ")));
        return Ok(Exit::Usage);
    }
    let store = Store::new(&config.baselines);
    let mut results = Vec::new();
    for result in &chosen {
        results.extend(pending_result(&store, result)?);
    }
    let pending = Pending { schema: PENDING_SCHEMA, results };
    if terminal.json() || arguments.json {
        serde_json::to_writer_pretty(&mut terminal.out, &pending)?;
        writeln!(terminal.out)?;
    } else {
        pending.write_text(&mut terminal.out, terminal.width)?;
    }
    Ok(Exit::Pass)
}

fn pending_result(store: &Store, result: &SavedResult) -> anyhow::Result<Option<PendingResult>> {
    let Some(summary) = result.summary() else { return Ok(None) };
    let held = Held::load(store, &result.fingerprint, result.id())?;
    let mut verdicts = BTreeMap::new();
    for judged in result.report.verdicts.iter().filter(|judged| judged.operator.is_some()) {
        *verdicts.entry(verdict(judged.verdict)).or_default() += 1;
    }
    let refused = match review(result, summary, &held, &Wanted::default()).change {
        Change::Refused { why } => Some(why),
        _ => None,
    };
    Ok(Some(PendingResult {
        id: result.id().clone(),
        command: result.command.clone(),
        date: result.date.clone(),
        standing: Standing::of(&result.report).word(),
        verdicts,
        disturbed: doubts(summary),
        refused,
        change: review(result, summary, &held, &Wanted { force: true, ..Wanted::default() }).change,
    }))
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "regressed",
        Verdict::Improved => "improved",
        Verdict::Unchanged => "unchanged",
        Verdict::Shifted => "shifted",
        Verdict::Unstable => "unstable",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NotJudged => "not judged",
    }
}

impl Pending {
    fn write_text(&self, out: &mut dyn Write, width: usize) -> io::Result<()> {
        if self.results.is_empty() {
            return writeln!(out, "nothing is pending");
        }
        for result in &self.results {
            writeln!(out, "{}  {} ({} of {})", result.id, result.standing, result.command, result.date)?;
            let verdicts: Vec<String> = result.verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect();
            let disturbed = result.disturbed.then(|| "disturbed launches".to_owned());
            let said: Vec<String> = verdicts.into_iter().chain(disturbed).collect();
            if !said.is_empty() {
                writeln!(out, "{:INDENT$}{}", "", said.join(", "))?;
            }
            let refused = result.refused.as_ref().map(|why| format!("not accepted as it is: {why}"));
            let change = match &result.change {
                Change::Refused { .. } => None,
                change => Some(words(change)),
            };
            for text in change.into_iter().chain(refused) {
                for line in wrap(&text, width.saturating_sub(INDENT)) {
                    writeln!(out, "{:INDENT$}{line}", "")?;
                }
            }
        }
        writeln!(out, "`cargo nongemm accept [GLOBS]` takes them over, `reject [GLOBS]` drops them")
    }
}

/// What a change is, in words.
pub(super) fn words(change: &Change) -> String {
    match change {
        Change::New => "a new baseline".to_owned(),
        Change::All { why } => format!("every line: {why}"),
        Change::Nothing => "nothing moved beyond noise".to_owned(),
        Change::Refused { why } => why.clone(),
        Change::Lines { operators, latency, recorded } => {
            let moved = operators.iter().chain(latency);
            let mut parts: Vec<String> = moved.clone().take(NAMED).map(line).collect();
            let others = moved.count().saturating_sub(NAMED);
            parts.extend((others > 0).then(|| format!("{others} more")));
            parts.extend((!recorded.is_empty()).then(|| format!("recorded {}", recorded.join(", "))));
            // What nothing is said of are shapes that the baseline did not know.
            if parts.is_empty() { "shapes that were not known".to_owned() } else { parts.join("; ") }
        }
    }
}

fn line(line: &MovedLine) -> String {
    let name = line.operator.as_ref().map_or("latency", wording::operator);
    let what = match (line.what, line.base_us, line.head_us) {
        (Moved::Structure, None, _) => "appeared",
        (Moved::Structure, _, None) => "vanished",
        (Moved::Structure, ..) => "runs otherwise",
        (Moved::Regressed, ..) => "regressed",
        (Moved::Improved, ..) => "improved",
    };
    let times: Vec<String> = line.base_us.into_iter().chain(line.head_us).map(number::time).collect();
    let ratio = line.ratio.map_or_else(String::new, |ratio| format!(", {} times", number::ratio(ratio)));
    format!("{name} {what} ({}{ratio})", times.join(" to "))
}

#[cfg(test)]
mod tests;
