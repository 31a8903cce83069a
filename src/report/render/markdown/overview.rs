//! A row a scenario: its latency, what became of it, and the verdict.

use crate::report::render::number;
use crate::report::standing::Standing;
use crate::report::{Report, ScenarioReport, ScenarioResult, figures, wording};

/// The heading of the table and its rule.
pub(in crate::report::render) fn heading(report: &Report) -> String {
    let side = if report.sides.is_some() { "base" } else { "baseline" };
    format!(
        "| scenario | latency | against {side} | non-GEMM | top non-GEMM operator | verdict |\n\
         | --- | ---: | ---: | ---: | --- | --- |\n"
    )
}

/// The row of a scenario; `code` puts foreign names.
pub(in crate::report::render) fn row(scenario: &ScenarioReport, code: &dyn Fn(&str) -> String) -> String {
    let (id, standing) = (code(&scenario.id.0), Standing::of(scenario));
    let word = match standing {
        Standing::Failed(_) | Standing::NotMeasured => format!("**{}**", standing.word()),
        _ => standing.word().to_owned(),
    };
    let ScenarioResult::Measured { summary } = &scenario.result else {
        return format!("| {id} | | | | | {word} |\n");
    };
    let latency = number::time(summary.latency_us.median());
    let spread = number::spread(summary.latency_us.relative_spread());
    let against = scenario
        .comparison
        .as_ref()
        .map_or_else(String::new, |comparison| number::change(figures::latency_ratio(comparison)));
    let non_gemm = number::percent(figures::split(summary).non_gemm);
    let top = figures::top_non_gemm(summary).map_or_else(String::new, |operator| {
        format!("{} {}", code(wording::operator(&operator.key)), number::percent(operator.share.median()))
    });
    format!("| {id} | {latency} ± {spread} | {against} | {non_gemm} | {top} | {word} |\n")
}
