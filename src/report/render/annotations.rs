//! What fails or warns as notes for the lines of a pull request: plain text, a short title, and what to do about it.

use super::text::{Cut, brief};
use crate::report::crossed;
use crate::report::{
    Finding, FindingCode, OperatorKey, Report, ScenarioId, ScenarioReport, ScenarioResult, Severity, wording,
};

/// Characters of a title, and of a message.
const TITLE: usize = 100;
const MESSAGE: usize = 1000;

/// One note. Its texts hold no line break and nothing that a terminal acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// [`Severity::Error`] or [`Severity::Warning`].
    pub severity: Severity,
    /// What, where: `Softmax regressed in bert-base`.
    pub title: String,
    /// The finding, who changed how it counts, and what to do.
    pub message: String,
    /// The scenario that it is about.
    pub scenario: ScenarioId,
    /// The operator that it is about, if one.
    pub operator: Option<OperatorKey>,
    /// The finding's code.
    pub code: FindingCode,
}

/// All that fails or warns, most severe first; of one severity, what crossed a limit before what is only remarked.
pub fn notes(report: &Report) -> Vec<Note> {
    let crossed = crossed::crossed(report);
    let of_crossed = crossed.iter().map(|one| {
        let reason = Said { code: one.code, severity: one.severity, message: one.message(), finding: one.finding };
        note(reason, one.scenario)
    });
    let remarks =
        report.scenarios.iter().flat_map(|scenario| crossed::noted_of(scenario).map(move |one| (scenario, one)));
    let of_remarks = remarks.map(|(scenario, finding)| note(Said::of(finding), scenario));
    let mut notes: Vec<Note> = of_crossed.chain(of_remarks).filter(|note| note.severity > Severity::Note).collect();
    notes.sort_by_key(|note| std::cmp::Reverse(note.severity));
    notes
}

/// What is said of a scenario; one that could not be measured may have no finding.
struct Said<'a> {
    code: FindingCode,
    severity: Severity,
    message: &'a str,
    finding: Option<&'a Finding>,
}

impl<'a> Said<'a> {
    fn of(finding: &'a Finding) -> Self {
        Said { code: finding.code, severity: finding.severity, message: &finding.message, finding: Some(finding) }
    }
}

fn note(said: Said<'_>, scenario: &ScenarioReport) -> Note {
    let operator = said.finding.and_then(|finding| finding.operator.as_ref());
    let model = brief(scenario.scenario.model.name(), TITLE / 3, Cut::Middle);
    let what = match operator {
        Some(key) => {
            format!("{} {} in {model}", brief(wording::operator(key), TITLE / 3, Cut::Middle), verb(said.code))
        }
        None => format!("{}: {}", model, whole(said.code, scenario)),
    };
    let remedy = said.finding.map_or("", wording::remedy);
    let ruling = said.finding.and_then(wording::ruling).map_or_else(String::new, |ruling| format!(" ({ruling})"));
    let separator = if remedy.is_empty() { "" } else { ". " };
    let message = format!("{}{ruling}{separator}{remedy}", said.message);
    Note {
        severity: said.severity,
        title: brief(&what, TITLE, Cut::End),
        message: brief(&message, MESSAGE, Cut::End),
        scenario: scenario.id.clone(),
        operator: operator.cloned(),
        code: said.code,
    }
}

/// What an operator did.
fn verb(code: FindingCode) -> &'static str {
    match code {
        FindingCode::OperatorRegressed => "regressed",
        FindingCode::StructureChanged => "changed its structure",
        FindingCode::Drift => "drifted",
        FindingCode::UnknownOperator => "is unknown",
        _ => "was noted",
    }
}

/// What is the matter with a scenario as a whole: the line that the table of codes has of it.
fn whole(code: FindingCode, scenario: &ScenarioReport) -> &'static str {
    match (code, &scenario.result) {
        (FindingCode::NotMeasured, ScenarioResult::Failed { .. }) => "could not be measured",
        (code, _) => code.summary(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    fn listed(report: &Report) -> String {
        let one = |note: &Note| {
            let severity = wording::severity(note.severity);
            format!("{severity}[{}] {}\n    {}\n", note.code, note.title, note.message)
        };
        notes(report).iter().map(one).collect()
    }

    #[test]
    fn one_of_each() {
        insta::assert_snapshot!(listed(&fixtures::check()));
    }

    #[test]
    fn a_lost_fusion() {
        insta::assert_snapshot!(listed(&fixtures::lost_fusion()));
    }

    #[test]
    fn a_scenario_that_crashed_needs_no_finding() {
        let mut report = fixtures::incomplete();
        report.scenarios[1].findings.clear();
        let notes = notes(&report);
        assert_eq!(notes.len(), 1);
        assert_eq!((notes[0].severity, notes[0].code), (Severity::Error, FindingCode::NotMeasured));
        assert_eq!(notes[0].title, "swin-t: could not be measured");
        assert!(notes[0].message.starts_with("launch 2 was killed by signal 9"));
    }

    #[test]
    fn nothing_to_say_is_no_note() {
        assert!(notes(&fixtures::unchanged()).is_empty());
        assert!(notes(&fixtures::faster()).is_empty());
    }

    #[test]
    fn errors_come_before_warnings_and_nothing_breaks_a_line() {
        let mut report = fixtures::hostile_names();
        report.scenarios[0].findings[0].message = "x\n".repeat(10_000);
        let notes = notes(&report);
        assert!(notes.is_sorted_by_key(|note| std::cmp::Reverse(note.severity)));
        for note in &notes {
            let texts = [&note.title, &note.message];
            assert!(
                texts.iter().all(|text| !text.contains(['\n', '\r', '\u{1b}', '\u{202e}', '\u{200b}'])),
                "{note:?}"
            );
            assert!(note.title.chars().count() <= TITLE && note.message.chars().count() <= MESSAGE);
        }
    }
}
