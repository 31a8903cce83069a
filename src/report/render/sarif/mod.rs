//! Findings as SARIF 2.1.0, which code scanning services show beside the file that says what was expected: the baseline of
//! the scenario, or the configuration. Which file that is the report does not know; it comes in as a value.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::report::render::text::{self, Charset};
use crate::report::{
    Finding, FindingCode, Outcome, Report, ScenarioId, ScenarioReport, ScenarioResult, Severity, wording,
};

/// The schema that the document is written to.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What paths are relative to; whoever reads the document knows where that is.
const ROOT: &str = "%SRCROOT%";

/// Writes the findings of a report as one SARIF log. `places` are the files that say what was expected of scenarios;
/// findings of a scenario without one have no file.
///
/// # Errors
/// What the writer returns.
pub fn render(report: &Report, places: &BTreeMap<ScenarioId, PathBuf>, writer: &mut dyn Write) -> io::Result<()> {
    let findings = report.scenarios.iter().flat_map(|scenario| &scenario.findings);
    let results: Vec<Value> = findings.map(|finding| result(finding, places.get(&finding.scenario))).collect();
    let notifications: Vec<Value> = report.scenarios.iter().filter_map(notification).collect();
    let is_complete = matches!(report.outcome, Outcome::Pass | Outcome::GateFailed);
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cargo-nongemm",
                "version": report.tool,
                "rules": FindingCode::all().map(rule).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": is_complete,
                "exitCode": report.outcome.exit_code(),
                "toolExecutionNotifications": notifications,
            }],
            "properties": {
                "command": report.command,
                "machineClass": report.machine.fingerprint,
                "onnxruntime": report.machine.onnxruntime,
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *writer, &log)?;
    writer.write_all(b"\n")
}

/// That a scenario could not be measured.
fn notification(scenario: &ScenarioReport) -> Option<Value> {
    let ScenarioResult::Failed { reason, .. } = &scenario.result else { return None };
    let text = shown(&format!("{}: not measured: {reason}", scenario.id));
    Some(json!({ "level": "error", "message": { "text": text } }))
}

/// A row of the table of codes.
fn rule(code: FindingCode) -> Value {
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": code.summary() },
        "fullDescription": { "text": code.describe() },
        "help": { "text": format!("{} (`cargo nongemm explain {code}`)", code.describe()) },
        "defaultConfiguration": { "level": level(code.default_severity()) },
    })
}

fn result(finding: &Finding, place: Option<&PathBuf>) -> Value {
    let operator = finding.operator.as_ref().map(wording::operator);
    let name = operator.map_or_else(|| finding.scenario.0.clone(), |key| format!("{}/{key}", finding.scenario));
    let mut location = json!({ "logicalLocations": [{ "fullyQualifiedName": shown(&name), "kind": "resource" }] });
    if let Some(path) = place {
        location["physicalLocation"] = json!({ "artifactLocation": artifact(path), "region": { "startLine": 1 } });
    }
    let remedy = Some(wording::remedy(finding)).filter(|remedy| !remedy.is_empty());
    let remedy = remedy.map_or_else(String::new, |remedy| format!(". {remedy}"));
    let message = format!("{}: {}{remedy}", finding.scenario, finding.message);
    let mut result = json!({
        "ruleId": finding.code.as_str(),
        // The table is in the order of the enum.
        "ruleIndex": finding.code as usize,
        "level": level(finding.severity),
        "message": { "text": shown(&message) },
        "locations": [location],
        "partialFingerprints": { "finding/v1": shown(&format!("{}/{name}", finding.code)) },
    });
    if let Some(ruling) = wording::ruling(finding).filter(|_| finding.severity == Severity::Note) {
        result["suppressions"] = json!([{ "kind": "external", "status": "accepted", "justification": shown(&ruling) }]);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Foreign text in a message, where `](` would make a link of what stands around it.
fn shown(foreign: &str) -> String {
    text::escape(foreign, Charset::Unicode).replace("](", "] (")
}

/// Where a file is, from the top of the sources where it stands below it.
fn artifact(path: &Path) -> Value {
    let path: PathBuf = path.components().filter(|component| *component != Component::CurDir).collect();
    let text = path.to_string_lossy().replace('\\', "/");
    if path.is_absolute() {
        let root = if text.starts_with('/') { "file://" } else { "file:///" };
        json!({ "uri": format!("{root}{}", encoded(&text)) })
    } else {
        json!({ "uri": encoded(&text), "uriBaseId": ROOT })
    }
}

/// A path in a URI (RFC 3986, section 3.3).
fn encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    let one = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(one).collect()
}

#[cfg(test)]
mod tests;
