//! Verdicts and findings as JUnit XML, which most CI services show: a test suite a scenario, a test case for the
//! measurement itself, for the latency and each operator that was judged, and for each finding that is about none of them.
//!
//! The `time` of a case is what it took in one run, in seconds, so that a service that draws it over builds draws latency.
//! Written by hand in the form that Jenkins describes (`junit-10.xsd`), which has nine elements and three decimals for times.

use std::io::{self, Write};

use crate::report::render::{number, xml};
use crate::report::{
    Finding, FindingCode, Judged, OperatorKey, Report, ScenarioReport, ScenarioResult, Severity, Summary, Verdict,
    wording,
};

/// Writes a report as JUnit XML.
///
/// # Errors
/// What the writer returns.
pub fn render(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    let suites: Vec<Suite<'_>> = report.scenarios.iter().map(Suite::of).collect();
    let tests: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let failures: usize = suites.iter().map(Suite::failures).sum();
    let errors: usize = suites.iter().map(Suite::errors).sum();
    writeln!(writer, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        writer,
        "<testsuites name=\"cargo nongemm {}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">",
        xml::escape(&report.command)
    )?;
    for suite in &suites {
        suite.write(report, writer)?;
    }
    writeln!(writer, "</testsuites>")
}

/// One scenario.
struct Suite<'a> {
    scenario: &'a ScenarioReport,
    cases: Vec<Case>,
}

/// One thing that was to hold.
struct Case {
    name: String,
    /// What it takes in a run, in microseconds; `None` where it is no matter of time.
    us: Option<f64>,
    result: CaseResult,
    /// What else there is to say.
    said: Vec<String>,
}

enum CaseResult {
    Passed,
    /// Neither shown to hold nor shown not to.
    Skipped(String),
    Failed(Fault),
    /// It could not be measured.
    Error(Fault),
}

struct Fault {
    /// Code of the finding.
    code: &'static str,
    message: String,
    text: String,
}

impl<'a> Suite<'a> {
    fn of(scenario: &'a ScenarioReport) -> Suite<'a> {
        let mut cases = vec![measured(scenario)];
        let mut rest: Vec<&Finding> =
            scenario.findings.iter().filter(|finding| finding.code != FindingCode::NotMeasured).collect();
        if let ScenarioResult::Measured { summary } = &scenario.result {
            for judged in &scenario.verdicts {
                let (own, others): (Vec<&Finding>, Vec<&Finding>) =
                    rest.into_iter().partition(|finding| is_about(finding, judged));
                rest = others;
                cases.push(Case::of_verdict(judged, &own, summary));
            }
        }
        cases.extend(rest.into_iter().map(Case::of_finding));
        number_twins(&mut cases);
        Suite { scenario, cases }
    }

    fn failures(&self) -> usize {
        self.cases.iter().filter(|case| matches!(case.result, CaseResult::Failed(_))).count()
    }

    fn errors(&self) -> usize {
        self.cases.iter().filter(|case| matches!(case.result, CaseResult::Error(_))).count()
    }

    fn skipped(&self) -> usize {
        self.cases.iter().filter(|case| matches!(case.result, CaseResult::Skipped(_))).count()
    }

    fn write(&self, report: &Report, writer: &mut dyn Write) -> io::Result<()> {
        let id = xml::escape(&self.scenario.id.0);
        let (tests, failures, errors, skipped) = (self.cases.len(), self.failures(), self.errors(), self.skipped());
        writeln!(
            writer,
            "  <testsuite name=\"{id}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
             skipped=\"{skipped}\">"
        )?;
        self.properties(report, writer)?;
        for case in &self.cases {
            case.write(&id, writer)?;
        }
        writeln!(writer, "  </testsuite>")
    }

    fn properties(&self, report: &Report, writer: &mut dyn Write) -> io::Result<()> {
        let machine = &report.machine;
        let mut properties = vec![
            ("machine-class", machine.fingerprint.as_str()),
            ("cpu", &machine.cpu),
            ("onnxruntime", &machine.onnxruntime),
            ("cargo-nongemm", &report.tool),
        ];
        if let ScenarioResult::Measured { summary } = &self.scenario.result {
            properties.push(("model-sha256", &summary.model_sha256));
        }
        writeln!(writer, "    <properties>")?;
        for (name, value) in properties {
            writeln!(writer, "      <property name=\"{name}\" value=\"{}\"/>", xml::escape(value))?;
        }
        writeln!(writer, "    </properties>")
    }
}

/// That the scenario could be measured.
fn measured(scenario: &ScenarioReport) -> Case {
    let (us, result) = match &scenario.result {
        ScenarioResult::Measured { summary } => (Some(summary.latency_us.median()), CaseResult::Passed),
        ScenarioResult::Failed { reason, log } => {
            let code = FindingCode::NotMeasured.as_str();
            (None, CaseResult::Error(Fault { code, message: reason.clone(), text: log.join("\n") }))
        }
    };
    Case { name: "measured".to_owned(), us, result, said: Vec::new() }
}

/// Whether a finding says what a verdict says.
fn is_about(finding: &Finding, judged: &Judged) -> bool {
    use FindingCode::{Inconclusive, LatencyImproved, LatencyRegressed, OperatorImproved, OperatorRegressed};
    match &judged.operator {
        Some(key) => {
            [OperatorRegressed, OperatorImproved, Inconclusive].contains(&finding.code)
                && finding.operators.is_empty()
                && finding.operator.as_ref() == Some(key)
        }
        None => [LatencyRegressed, LatencyImproved].contains(&finding.code),
    }
}

impl Case {
    /// The latency or an operator, with the findings that are about it.
    fn of_verdict(judged: &Judged, findings: &[&Finding], summary: &Summary) -> Case {
        let name = match (&judged.operator, &judged.provider) {
            (Some(key), Some(provider)) => on_provider(key, provider, summary),
            _ => "latency".to_owned(),
        };
        let us = match &judged.operator {
            Some(key) => summary
                .operators
                .iter()
                .find(|operator| operator.key == *key && Some(&operator.provider) == judged.provider.as_ref())
                .map(|operator| operator.self_us.median()),
            None => Some(summary.latency_us.median()),
        };
        let untold = [Verdict::NotJudged, Verdict::Inconclusive, Verdict::Unstable].contains(&judged.verdict);
        let result = match findings.iter().find(|finding| finding.severity == Severity::Error) {
            Some(finding) => CaseResult::Failed(Fault::of(finding)),
            None if untold => CaseResult::Skipped(wording::verdict(judged.verdict).to_owned()),
            None => CaseResult::Passed,
        };
        let mut said = vec![wording::verdict(judged.verdict).to_owned()];
        said.extend(
            judged.detectable.map(|growth| format!("a growth of {} would have shown", number::percent(growth))),
        );
        let others = findings.iter().filter(|finding| finding.severity != Severity::Error);
        said.extend(others.map(|finding| line(finding)));
        Case { name, us, result, said }
    }

    /// A finding on its own: red where it fails the gate.
    fn of_finding(finding: &Finding) -> Case {
        let name = match &finding.operator {
            Some(key) => format!("{}: {}", finding.code, wording::operator(key)),
            None => finding.code.to_string(),
        };
        let (result, said) = match finding.severity {
            Severity::Error => (CaseResult::Failed(Fault::of(finding)), Vec::new()),
            Severity::Warning | Severity::Note => (CaseResult::Passed, vec![line(finding)]),
        };
        Case { name, us: None, result, said }
    }

    fn write(&self, class: &str, writer: &mut dyn Write) -> io::Result<()> {
        let us = self.us.filter(|us| us.is_finite());
        let time = us.map_or_else(String::new, |us| format!(" time=\"{:.3}\"", us / 1e6));
        writeln!(writer, "    <testcase classname=\"{class}\" name=\"{}\"{time}>", xml::escape(&self.name))?;
        match &self.result {
            CaseResult::Passed => {}
            CaseResult::Skipped(why) => writeln!(writer, "      <skipped message=\"{}\"/>", xml::escape(why))?,
            CaseResult::Failed(fault) => fault.write("failure", writer)?,
            CaseResult::Error(fault) => fault.write("error", writer)?,
        }
        let exactly = us.map(|us| format!("{} a run", number::time(us)));
        let said: Vec<String> = exactly.into_iter().chain(self.said.iter().cloned()).collect();
        if !said.is_empty() {
            writeln!(writer, "      <system-out>{}</system-out>", lines(&said.join("\n")))?;
        }
        writeln!(writer, "    </testcase>")
    }
}

impl Fault {
    fn of(finding: &Finding) -> Fault {
        Fault { code: finding.code.as_str(), message: finding.message.clone(), text: line(finding) }
    }

    fn write(&self, element: &str, writer: &mut dyn Write) -> io::Result<()> {
        let (code, message, text) = (self.code, xml::escape(&self.message), lines(&self.text));
        writeln!(writer, "      <{element} type=\"{code}\" message=\"{message}\">{text}</{element}>")
    }
}

/// An operator by its name, and by its provider where it runs on several.
fn on_provider(key: &OperatorKey, provider: &str, summary: &Summary) -> String {
    let elsewhere = summary.operators.iter().any(|operator| operator.key == *key && operator.provider != provider);
    let name = wording::operator(key);
    if elsewhere { format!("{name} on {}", wording::provider(provider)) } else { name.to_owned() }
}

/// A finding with what to do, and who allows it, in a line.
fn line(finding: &Finding) -> String {
    let ruling = wording::ruling(finding).map_or_else(String::new, |ruling| format!(" ({ruling})"));
    let (severity, remedy) = (wording::severity(finding.severity), wording::remedy(finding));
    format!("{severity}[{}]: {}{ruling}. {remedy}", finding.code, finding.message).trim_end().to_owned()
}

/// Text of several lines, escaped line by line.
fn lines(text: &str) -> String {
    text.split('\n').map(xml::escape).collect::<Vec<_>>().join("\n")
}

/// Services tell cases apart by name: what comes again is numbered.
fn number_twins(cases: &mut [Case]) {
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    for (index, case) in cases.iter_mut().enumerate() {
        let before = names[..index].iter().filter(|name| **name == case.name).count();
        if before > 0 {
            case.name = format!("{} ({})", case.name, before + 1);
        }
    }
}

#[cfg(test)]
mod tests;
