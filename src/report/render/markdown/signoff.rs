//! A release sign-off: the verdict and the circumstances, what was before, the policy and the models, then the report.

use std::io::{self, Write};

use super::escape::{code, plain, sentence};
use crate::report::models::models;
use crate::report::render::number::{self, TimeUnit};
use crate::report::render::sign_off;
use crate::report::signoff::{Policy, Previous, SignOff, Since};
use crate::report::{Outcome, Report, figures, wording};

/// Writes a sign-off as a Markdown document.
///
/// # Errors
/// What the writer returns.
pub fn render(sign_off: &SignOff, writer: &mut dyn Write) -> io::Result<()> {
    let word = match sign_off.report.outcome {
        Outcome::Pass => "✅ signed off",
        Outcome::GateFailed => "❌ not signed off",
        Outcome::Incomplete | Outcome::NothingMeasured => "⚠️ not signed off, incomplete",
    };
    writeln!(writer, "# {}: {word}\n", plain(&sign_off.name()))?;
    writeln!(writer, "| | |\n| --- | --- |")?;
    for (name, value) in sign_off::facts(sign_off) {
        writeln!(writer, "| {name} | {} |", sentence(&value))?;
    }
    writeln!(writer)?;
    super::render(&sign_off.report, writer)?;
    if let Some(before) = &sign_off.previous {
        previous(before, writer)?;
    }
    policy(&sign_off.policy, writer)?;
    model_table(&sign_off.report, writer)
}

fn previous(previous: &Previous, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "\n## Since {}\n", plain(&previous.name()))?;
    writeln!(writer, "- It came to: {}", plain(&previous.verdict))?;
    for said in sign_off::circumstances(previous) {
        writeln!(writer, "- {}", sentence(&said))?;
    }
    writeln!(writer)?;
    if previous.scenarios.is_empty() {
        return Ok(());
    }
    writeln!(writer, "Shown, and not gated: the two were measured on different days.\n")?;
    writeln!(writer, "| scenario | latency then | now | change | non-GEMM then | now |")?;
    writeln!(writer, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for since in &previous.scenarios {
        let latency = &since.comparison.latency;
        let interval = figures::latency_interval(&since.comparison);
        writeln!(
            writer,
            "| {} | {} | {} | {} | {} | {} |",
            code(&since.id.0),
            number::time(latency.base_us),
            number::time(latency.head_us),
            number::change_between(interval.ratio, interval.low, interval.high),
            number::percent(since.non_gemm_then),
            number::percent(since.non_gemm_now),
        )?;
    }
    writeln!(writer)?;
    previous.scenarios.iter().filter(|since| sign_off::has_moved(since)).try_for_each(|since| moved(since, writer))
}

/// What moved in one scenario, behind a fold.
fn moved(since: &Since, writer: &mut dyn Write) -> io::Result<()> {
    let comparison = &since.comparison;
    let moved = figures::moved_most(comparison, sign_off::MOVED);
    writeln!(writer, "<details>\n<summary>{}: what moved</summary>\n", code(&since.id.0))?;
    super::scenario::changes(comparison, writer)?;
    if !moved.is_empty() {
        let unit = TimeUnit::for_column(moved.iter().flat_map(|change| [change.base_us, change.head_us]));
        let name = unit.name;
        writeln!(writer, "\n| operator | group | {name} then | now | moved by | ratio | share then | now |")?;
        writeln!(writer, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for change in moved {
            writeln!(
                writer,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                code(wording::operator(&change.key)),
                wording::group(change.group),
                unit.number(change.base_us),
                unit.number(change.head_us),
                unit.number(figures::delta_us(comparison, change)),
                change.normalized_ratio.map_or_else(|| "-".to_owned(), number::ratio),
                number::percent(change.base_share),
                number::percent(change.head_share),
            )?;
        }
    }
    writeln!(writer, "\n</details>\n")
}

fn policy(policy: &Policy, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "\n## Policy\n\n{}\n", sentence(&sign_off::origin(policy)))?;
    writeln!(writer, "| what | limit |\n| --- | --- |")?;
    for (what, limit) in sign_off::thresholds(policy) {
        writeln!(writer, "| {} | {} |", sentence(&what), sentence(&limit))?;
    }
    writeln!(writer)?;
    if policy.rules.is_empty() {
        writeln!(writer, "No rule and no commit changed how findings count.\n")?;
    } else {
        row(&sign_off::RULE_COLUMNS, writer)?;
        row(&["---"; sign_off::RULE_COLUMNS.len()], writer)?;
        for rule in &policy.rules {
            row(&sign_off::rule(rule).map(|cell| plain(&cell)), writer)?;
        }
        writeln!(writer)?;
    }
    if policy.budgets.is_empty() {
        return writeln!(writer, "There are no budgets.\n");
    }
    row(&sign_off::BUDGET_COLUMNS, writer)?;
    row(&["---"; sign_off::BUDGET_COLUMNS.len()], writer)?;
    for budget in &policy.budgets {
        row(&sign_off::budget(budget).map(|cell| plain(&cell)), writer)?;
    }
    writeln!(writer)
}

fn row<T: AsRef<str>>(cells: &[T], writer: &mut dyn Write) -> io::Result<()> {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    writeln!(writer, "| {} |", cells.join(" | "))
}

fn model_table(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    let models = models(report);
    if models.is_empty() {
        return Ok(());
    }
    writeln!(writer, "## Models\n\n| model | SHA-256 of the graph | graph and weights | scenarios |")?;
    writeln!(writer, "| --- | --- | --- | ---: |")?;
    for model in models {
        let (name, sha256, origin) = (code(&model.name), code(&model.sha256), plain(&model.origin));
        writeln!(writer, "| {name} | {sha256} | {origin} | {} |", model.scenarios)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::render::testing::assert_tables_are_whole;
    use crate::report::signoff::{Facts, Stated, fixtures};

    fn shown(sign_off: &SignOff) -> String {
        let mut out = Vec::new();
        render(sign_off, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_release_with_one_before_it() {
        insta::assert_snapshot!(shown(&fixtures::second()));
    }

    #[test]
    fn every_row_of_a_table_has_its_cells() {
        assert_tables_are_whole(&shown(&fixtures::first()));
        assert_tables_are_whole(&shown(&fixtures::second()));
    }

    #[test]
    fn a_policy_that_was_read_after_the_measurement_says_so() {
        let mut sign_off = fixtures::first();
        assert!(!shown(&sign_off).contains("This is the configuration at sign-off"));
        sign_off.policy.stated = Stated::WhenSignedOff;
        assert!(shown(&sign_off).contains("This is the configuration at sign-off"));
    }

    #[test]
    fn what_was_selected_and_what_was_not_measured_here_is_said() {
        let facts = Facts { selection: vec!["bert*".into()], from: Some("all.json".into()), ..fixtures::facts() };
        let sign_off = SignOff::of(crate::report::fixtures::check(), facts, fixtures::policy(), None);
        let text = shown(&sign_off);
        assert!(
            text.contains("| only a selection | bert&#42; |") && text.contains("nothing was measured here"),
            "{text}"
        );
    }

    #[test]
    fn another_machine_class_is_said_first() {
        let mut sign_off = fixtures::second();
        sign_off.previous.as_mut().unwrap().same_machine_class = false;
        assert!(shown(&sign_off).contains("It was measured on another class of machine"));
    }
}
