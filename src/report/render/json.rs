//! The report as one JSON object: what `--message-format json` prints. The document is described in
//! `docs/report-schema.md`.

use std::io::{self, Write};

use crate::report::Report;

/// Writes the report as one indented JSON object and a newline.
///
/// # Errors
/// What the writer returns.
pub fn render(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    report.write_json(writer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::render::testing::fields;
    use crate::report::{ScenarioResult, fixtures};

    fn round_trip(report: &Report) -> Report {
        let mut bytes = Vec::new();
        render(report, &mut bytes).unwrap();
        Report::from_json(&bytes).unwrap()
    }

    #[test]
    fn reports_read_back_as_they_were_written() {
        for report in [fixtures::check(), fixtures::run(), fixtures::compared(), fixtures::half()] {
            assert_eq!(round_trip(&report), report);
        }
    }

    #[test]
    fn the_document_of_a_run() {
        let mut report = fixtures::run();
        report.scenarios.truncate(1);
        if let ScenarioResult::Measured { summary } = &mut report.scenarios[0].result {
            summary.operators.truncate(2);
        }
        let mut bytes = Vec::new();
        render(&report, &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
    }

    #[test]
    fn every_field_is_described() {
        let described = include_str!("../../../docs/report-schema.md");
        let mut found = std::collections::BTreeSet::new();
        for report in [fixtures::check(), fixtures::half(), fixtures::compared()] {
            fields(&serde_json::to_value(report).unwrap(), &mut found);
        }
        assert!(found.len() > 50, "{found:?}");
        let named =
            |field: &str| described.contains(&format!("`{field}`")) || described.contains(&format!(".{field}`"));
        let missing: Vec<&String> = found.iter().filter(|field| !named(field)).collect();
        assert!(missing.is_empty(), "docs/report-schema.md does not describe {missing:?}");
    }

    /// `any::<String>()` makes no control characters; they are what matters here.
    fn any_text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn any_name_and_any_finite_figure_survives(
            name in any_text(),
            log in proptest::collection::vec(any_text(), 0..4),
            launches in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::ZERO, 1..8),
            factor in proptest::option::of(proptest::num::f64::NORMAL),
        ) {
            let mut report = fixtures::check();
            report.machine.cpu.clone_from(&name);
            if let ScenarioResult::Measured { summary } = &mut report.scenarios[0].result {
                summary.operators[0].key.0.clone_from(&name);
                summary.latency_us.0.clone_from(&launches);
            }
            report.scenarios[0].comparison.as_mut().unwrap().machine_factor = factor;
            report.scenarios[4].result = ScenarioResult::Failed { reason: name, log };
            prop_assert_eq!(round_trip(&report), report);
        }
    }
}
