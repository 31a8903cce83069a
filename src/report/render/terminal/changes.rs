//! What differs from the baseline, and what the gate says of it.

use std::io;

use anstyle::Style;

use super::{DIM, GREEN, INDENT, PLAIN, Page, RED, Verbosity, YELLOW, severity_style};
use crate::report::figures;
use crate::report::render::number;
use crate::report::{
    Comparison, Finding, FindingCode, OperatorChange, ScenarioReport, ScenarioResult, Severity, wording,
};

/// A ratio beyond three standard errors is coloured. This is for the eye alone: the verdict is made
/// from the policy's thresholds.
pub(super) fn ratio_style(change: &OperatorChange) -> Style {
    let noise = (3.0 * change.standard_error).max(0.05);
    match change.normalized_ratio {
        Some(ratio) if ratio > 1.0 + noise => RED,
        Some(ratio) if ratio < 1.0 - noise => GREEN,
        Some(_) => PLAIN,
        None => DIM,
    }
}

/// Structure first, since it is usually the cause; then the machine; then what else changed. The findings say what the
/// structural differences mean, so that single ones are shown only to whoever wants all.
pub(super) fn comparison(page: &mut Page<'_>, comparison: &Comparison, verbosity: Verbosity) -> io::Result<()> {
    for difference in comparison.structure.iter().filter(|_| verbosity == Verbosity::Verbose) {
        let (sign, key, what) = wording::structure(difference);
        let style = match sign {
            '+' => GREEN,
            '-' => RED,
            _ => YELLOW,
        };
        let body = format!("{} {what}", wording::operator(key));
        page.paragraph(INDENT, &format!("structure {sign}"), style, &body, INDENT)?;
    }
    let arrow = page.charset.arrow();
    for difference in &comparison.fingerprint {
        let body = format!("{} {} {arrow} {}", difference.field, difference.base, difference.head);
        page.paragraph(INDENT, "other machine class:", YELLOW, &body, INDENT)?;
    }
    for cause in &comparison.causes {
        let body = format!("{} {} {arrow} {}", cause.what, cause.base, cause.head);
        page.paragraph(INDENT, "possible cause:", YELLOW, &body, INDENT)?;
    }
    let factor = match (comparison.machine_factor, figures::pairs(comparison)) {
        (Some(factor), Some(_)) => {
            format!("machine factor {} (median over pairs; each pair's own is divided out)", number::ratio(factor))
        }
        (Some(factor), None) => {
            format!("machine factor {} (median of head/base; the ratios are divided by it)", number::ratio(factor))
        }
        (None, _) => "no machine factor: too few operators stand on both sides, so no ratio is normalized".to_owned(),
    };
    for line in crate::report::render::text::wrap(&page.escaped(&factor), page.width - INDENT) {
        writeln!(page.writer, "{:INDENT$}{DIM}{line}{DIM:#}", "")?;
    }
    Ok(())
}

/// What the block has not said in another form already: unknown operators are listed with their times.
pub(super) fn remaining(report: &ScenarioReport, verbosity: Verbosity) -> Vec<&Finding> {
    let listed = |finding: &&Finding| {
        matches!(report.result, ScenarioResult::Measured { .. })
            && verbosity > Verbosity::Quiet
            && finding.code == FindingCode::UnknownOperator
            && finding.severity != Severity::Error
    };
    report.findings.iter().filter(|finding| !listed(finding)).collect()
}

/// Findings with their codes, those of one kind together, and what to do about them once.
pub(super) fn findings(page: &mut Page<'_>, report: &ScenarioReport, verbosity: Verbosity) -> io::Result<()> {
    let remaining = remaining(report, verbosity);
    for kind in remaining.chunk_by(|a, b| wording::same_kind(a, b)) {
        let style = severity_style(kind[0].severity);
        let label = format!("{}[{}]:", wording::severity(kind[0].severity), kind[0].code);
        for finding in kind.iter().filter(|finding| !is_reason(finding, report)) {
            page.paragraph(INDENT, &label, style, &finding.message, INDENT)?;
        }
        if let Some(ruling) = wording::ruling(kind[0]) {
            page.paragraph(INDENT * 2, page.charset.arrow(), YELLOW, &ruling, INDENT)?;
        }
        let remedy = wording::remedy(kind[0]);
        if !remedy.is_empty() {
            let arrow = page.charset.arrow();
            page.paragraph(INDENT * 2, arrow, DIM, remedy, INDENT)?;
        }
    }
    Ok(())
}

/// Whether a finding only repeats why its scenario failed.
fn is_reason(finding: &Finding, report: &ScenarioReport) -> bool {
    matches!(&report.result, ScenarioResult::Failed { reason, .. } if *reason == finding.message)
}
