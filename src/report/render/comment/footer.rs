//! The small print: what was measured, where, how well, and whether the gate itself was shown to work.

use super::Context;
use super::voice::{Naming, Voice};
use crate::report::calibration::ScenarioCalibration;
use crate::report::render::number;
use crate::report::{Report, ScenarioReport, ScenarioResult, SelfTest, figures, standing};

/// Characters of a commit's hash that people know it by.
const SHORT_HASH: usize = 7;
/// A longer address is none of a run.
const LONGEST_ADDRESS: usize = 200;

/// Lines of facts in small type.
pub(super) fn text(report: &Report, context: &Context<'_>, naming: Naming, voice: Voice) -> String {
    let lines = [
        revisions(report, context, voice).into_iter().chain(measured(report, naming)).collect(),
        certainty(report),
        self_test(report, voice),
        machine(report, context, voice),
    ];
    let small = |line: Vec<String>| format!("<sub>{}</sub>", line.join(" · "));
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).map(small).collect();
    format!("{}\n\n", lines.join("<br>\n"))
}

/// `base 3f2a91c → head 9c0b7d1`, as the workflow knows them, else as the report does.
fn revisions(report: &Report, context: &Context<'_>, voice: Voice) -> Option<String> {
    let sides = report.sides.as_ref();
    let hash = |sha: &str| voice.code(&sha.chars().take(SHORT_HASH).collect::<String>());
    let side = |name: &str, sha: Option<&str>, facts: Option<&crate::report::SideFacts>| {
        let sha = sha.or(facts.and_then(|facts| facts.revision.as_deref())).map(hash);
        let shown = sha.or_else(|| facts.map(|facts| voice.name(&facts.label)))?;
        Some(format!("{name} {shown}"))
    };
    let base = side("base", context.base_sha, sides.map(|sides| &sides.base));
    let head = side("head", context.head_sha, sides.map(|sides| &sides.head));
    match (base, head) {
        (Some(base), Some(head)) => Some(format!("{base} → {head}")),
        (base, head) => base.or(head),
    }
}

/// `5 models × 12 pairs of launches`.
fn measured(report: &Report, naming: Naming) -> Option<String> {
    let mut each: Vec<(u64, bool)> = report.scenarios.iter().filter_map(launches).collect();
    let paired = each.iter().any(|(_, paired)| *paired);
    // Beside pairs, what had no counterpart says nothing of the verdict.
    each.retain(|one| one.1 == paired);
    let (least, most) = (each.iter().map(|one| one.0).min()?, each.iter().map(|one| one.0).max()?);
    let what = match (paired, most) {
        (true, 1) => "pair of launches",
        (true, _) => "pairs of launches",
        (false, 1) => "launch",
        (false, _) => "launches",
    };
    let count = if least == most { most.to_string() } else { format!("{least} to {most}") };
    Some(format!("{} × {count} {what}", naming.count(each.len())))
}

/// How many launches, and whether they are pairs.
fn launches(scenario: &ScenarioReport) -> Option<(u64, bool)> {
    let ScenarioResult::Measured { summary } = &scenario.result else { return None };
    let pairs = scenario.comparison.as_ref().and_then(figures::pairs);
    Some(pairs.map_or((summary.latency_us.len() as u64, false), |pairs| (pairs.into(), true)))
}

/// What the machine did, how noisy it was, and what would have shown.
fn certainty(report: &Report) -> Vec<String> {
    let comparisons = || report.scenarios.iter().filter_map(|scenario| scenario.comparison.as_ref());
    let factors = comparisons().filter_map(|comparison| comparison.machine_factor);
    let factor = range(factors, number::ratio).map(|range| format!("machine factor {range}"));
    let of_pairs = comparisons().filter_map(|comparison| Some(comparison.latency.estimate?.noise));
    let of_pairs = range(of_pairs, number::percent).map(|range| format!("noise of one pair {range}"));
    let of_launches = || {
        let spread = |scenario: &ScenarioReport| match &scenario.result {
            ScenarioResult::Measured { summary } => summary.latency_us.relative_spread(),
            ScenarioResult::Failed { .. } => None,
        };
        let spreads = range(report.scenarios.iter().filter_map(spread), number::percent);
        spreads.map(|range| format!("launches vary by {range}"))
    };
    let test = report.self_test.as_ref().map(|test| &test.scenario);
    let noise = of_pairs.or_else(of_launches).or_else(|| test.and_then(noise_of_test));
    let visible = visible(report).or_else(|| test.and_then(visible_in_test));
    factor.into_iter().chain(noise).chain(visible).collect()
}

/// The smallest growth that would have shown in all that was judged.
fn visible(report: &Report) -> Option<String> {
    let judged = report.scenarios.iter().filter(|scenario| figures::visible_latency(scenario).is_some());
    let visible = figures::visible(judged)?;
    let operators = visible.operators.map_or_else(String::new, |growth| {
        let large = number::percent(figures::LARGE_SHARE);
        format!(", or of {} in an operator with {} of the time", number::percent(growth), large.replace(".0", ""))
    });
    Some(format!("smallest growth that shows: {} of a latency{operators}", number::percent(visible.latency)))
}

fn noise_of_test(test: &ScenarioCalibration) -> Option<String> {
    Some(format!("noise of one pair {} in the self-test", number::percent(test.latency.deviation?)))
}

fn visible_in_test(test: &ScenarioCalibration) -> Option<String> {
    let growth = number::percent(test.latency.detectable?);
    Some(format!("smallest growth that shows: {growth} of a latency, by the self-test"))
}

/// Both ends of some figures; one where they are shown alike.
fn range(values: impl Iterator<Item = f64>, show: fn(f64) -> String) -> Option<String> {
    let (least, most) = values.filter(|value| value.is_finite()).fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })?;
    let (least, most) = (show(least), show(most));
    Some(if least == most { most } else { format!("{} to {most}", least.trim_end_matches(" %")) })
}

fn self_test(report: &Report, voice: Voice) -> Vec<String> {
    let Some(said) = standing::self_test(report) else { return vec!["no self-test of the gate".to_owned()] };
    let failed = report.self_test.as_ref().is_some_and(SelfTest::failed);
    let label = if failed { "❌ self-test failed" } else { "self-test passed" };
    vec![format!("{label}: {}", voice.sentence(said.trim_end_matches('.')))]
}

fn machine(report: &Report, context: &Context<'_>, voice: Voice) -> Vec<String> {
    let machine = &report.machine;
    let runtime = match &report.sides {
        Some(sides) if sides.base.onnxruntime != sides.head.onnxruntime => {
            format!("{} → {}", voice.name(&sides.base.onnxruntime), voice.name(&sides.head.onnxruntime))
        }
        _ => voice.name(&machine.onnxruntime),
    };
    let cores = number::count(machine.cores.into(), "core", "cores");
    let mut facts = vec![
        format!(
            "ONNX Runtime {runtime} on {} ({}, {cores})",
            voice.code(&machine.fingerprint),
            voice.name(&machine.cpu)
        ),
        format!("cargo-nongemm {}", voice.name(&report.tool)),
    ];
    facts.extend(run(context).map(|address| format!("[run]({address})")));
    facts
}

/// The address of the run, where it is one that cannot end a link early or begin anything else.
pub(super) fn run<'a>(context: &Context<'a>) -> Option<&'a str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#=&%".contains(c);
    let address = context.run_url.filter(|address| address.len() <= LONGEST_ADDRESS && address.chars().all(plain))?;
    ["https://", "http://"].iter().any(|scheme| address.starts_with(scheme)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    const NOTHING: Context<'_> = Context { head_sha: None, base_sha: None, run_url: None, max_characters: 60_000 };

    fn footer(report: &Report, context: &Context<'_>) -> String {
        text(report, context, Naming::of(report), Voice::markdown(60))
    }

    #[test]
    fn a_comparison_names_its_sides_its_pairs_and_what_they_show() {
        let context = Context { head_sha: Some("9c0b7d1e55aa00112233"), ..NOTHING };
        let footer = footer(&fixtures::compared(), &context);
        assert!(footer.starts_with(
            "<sub>base <code>3f2a91c</code> → head <code>9c0b7d1</code> · 1 model × 12 pairs of launches</sub><br>\n"
        ));
        let certainty = "machine factor 1.01 · noise of one pair 1.8 % · smallest growth that shows: 5.0 % of a latency, \
                         or of 3.0 % in an operator with 5 % of the time";
        assert!(footer.contains(certainty), "{footer}");
        assert!(footer.contains("no self-test of the gate"));
    }

    #[test]
    fn a_side_without_a_hash_goes_by_its_label() {
        assert!(footer(&fixtures::compared(), &NOTHING).contains("→ head the working tree"));
        assert!(!footer(&fixtures::unchanged(), &NOTHING).contains("head"));
    }

    #[test]
    fn figures_that_only_the_self_test_has_are_taken_there() {
        let mut report = fixtures::self_test_failed();
        for scenario in &mut report.scenarios {
            scenario.verdicts.clear();
        }
        let footer = footer(&report, &NOTHING);
        assert!(footer.contains("smallest growth that shows: 5.0 % of a latency, by the self-test"), "{footer}");
        assert!(footer.contains("❌ self-test failed: "), "{footer}");
    }

    #[test]
    fn only_an_address_becomes_a_link() {
        let of = |url| run(&Context { run_url: Some(url), ..NOTHING });
        let address = "https://github.com/o/r/actions/runs/1?attempt=2";
        assert_eq!(of(address), Some(address));
        for no_address in ["javascript:alert(1)", "https://x/) [y](z", "https://x/ y", "//x", "https://é"] {
            assert_eq!(of(no_address), None, "{no_address}");
        }
    }
}
