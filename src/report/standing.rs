//! Where a scenario and a whole report stand, in a word and in a sentence, and what to type next.
//!
//! The verdict itself is made elsewhere (findings and [`Outcome`]); this only says it.

use super::calibration::words;
use super::render::number::{count as count_of, duration, percent};
use super::{Design, FindingCode, OperatorKey, Outcome, Report, ScenarioReport, ScenarioResult, SelfTest, Severity};

/// Where one scenario stands, the worst thing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It could not be measured.
    NotMeasured,
    /// A finding of this code fails the gate.
    Failed(FindingCode),
    /// There is no baseline to hold it to.
    NoBaseline,
    /// Only the head has it, so it was compared with nothing.
    New,
    /// Times were not judged, for the reason that a finding of this code gives.
    NotJudged(FindingCode),
    /// A finding of this code warns.
    Warned(FindingCode),
    /// A finding that would have failed or warned is allowed, by a rule or a commit.
    Allowed,
    /// Faster than its baseline beyond the noise.
    Improved,
    /// It holds to its baseline.
    Pass,
    /// Measured, compared with nothing.
    Measured,
}

/// Findings after which a scenario's times say nothing, whatever else is well with it.
const UNJUDGED: [FindingCode; 4] = [
    FindingCode::FingerprintDiffers,
    FindingCode::OutdatedBaseline,
    FindingCode::Unstable,
    FindingCode::TimesNotJudged,
];

impl Standing {
    /// Of one scenario.
    pub fn of(scenario: &ScenarioReport) -> Standing {
        if matches!(scenario.result, ScenarioResult::Failed { .. }) {
            return Standing::NotMeasured;
        }
        let of_severity = |severity| scenario.findings.iter().find(|finding| finding.severity == severity);
        let said = |code| scenario.findings.iter().any(|finding| finding.code == code);
        if let Some(finding) = of_severity(Severity::Error) {
            Standing::Failed(finding.code)
        } else if said(FindingCode::NewScenario) {
            Standing::New
        } else if said(FindingCode::NoBaseline) {
            Standing::NoBaseline
        } else if let Some(code) = UNJUDGED.into_iter().find(|&code| said(code)) {
            Standing::NotJudged(code)
        } else if let Some(finding) = of_severity(Severity::Warning) {
            Standing::Warned(finding.code)
        } else if scenario.findings.iter().any(|finding| finding.ruling.is_some()) {
            Standing::Allowed
        } else if said(FindingCode::OperatorImproved) || said(FindingCode::LatencyImproved) {
            Standing::Improved
        } else if scenario.comparison.is_some() {
            Standing::Pass
        } else {
            Standing::Measured
        }
    }

    /// In a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Standing::NotMeasured => "not measured",
            Standing::Failed(FindingCode::OperatorRegressed | FindingCode::LatencyRegressed) => "regressed",
            Standing::Failed(FindingCode::StructureChanged) => "structure changed",
            Standing::Failed(FindingCode::BudgetExceeded) => "over budget",
            Standing::Failed(FindingCode::OutdatedBaseline) => "outdated baseline",
            Standing::Failed(FindingCode::Drift) => "drifted",
            Standing::Failed(_) => "failed",
            Standing::NoBaseline => "no baseline",
            Standing::New => "new",
            Standing::NotJudged(_) => "not judged",
            Standing::Warned(FindingCode::StructureChanged) => "structure changed",
            Standing::Warned(FindingCode::Inconclusive) => "inconclusive",
            Standing::Warned(_) => "pass, warned",
            Standing::Allowed => "pass, allowed",
            Standing::Improved => "improved",
            Standing::Pass => "pass",
            Standing::Measured => "measured",
        }
    }
}

/// A command to type next and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStep {
    /// Ready for a shell.
    pub command: String,
    /// What it does.
    pub why: &'static str,
}

fn count(report: &Report, is: impl Fn(Standing) -> bool) -> usize {
    report.scenarios.iter().filter(|scenario| is(Standing::of(scenario))).count()
}

fn scenarios(n: usize) -> String {
    format!("{n} scenario{}", if n == 1 { "" } else { "s" })
}

/// The whole report in one sentence; what is said first decides the exit code.
pub fn verdict(report: &Report) -> String {
    let (all, suite_size) = (report.scenarios.len(), report.suite.scenarios.len());
    let failed = count(report, |standing| matches!(standing, Standing::Failed(_)));
    let missing = count(report, |standing| standing == Standing::NotMeasured);
    let mut also = Vec::new();
    let head = match report.outcome {
        Outcome::Pass if all == 0 => format!("Nothing to do here: the other parts measure {}", scenarios(suite_size)),
        Outcome::Pass if report.command == "check" => {
            let held = count(report, |s| matches!(s, Standing::Pass | Standing::Improved | Standing::Warned(_)));
            if held == 0 {
                return format!("Nothing failed, but none of {} has a baseline to be judged by.", scenarios(all));
            }
            let hold = if held == 1 { "holds to its baseline" } else { "hold to their baselines" };
            format!("Pass: {held} of {} {hold}", scenarios(all))
        }
        Outcome::Pass if report.sides.is_some() => {
            let held = count(report, |s| matches!(s, Standing::Pass | Standing::Improved | Standing::Warned(_)));
            if held == 0 {
                return format!("Nothing failed, but none of {} could be judged.", scenarios(all));
            }
            format!("Pass: {held} of {} {} to the base", scenarios(all), if held == 1 { "holds" } else { "hold" })
        }
        Outcome::Pass => format!("Measured {}", scenarios(all)),
        Outcome::GateFailed => {
            if missing > 0 {
                also.push(format!("{missing} could not be measured"));
            }
            format!("The gate failed: {failed} of {} ({})", scenarios(all), reasons(report))
        }
        Outcome::Incomplete if missing == 0 => "Incomplete: the gate was not shown to work".to_owned(),
        Outcome::Incomplete => format!("Incomplete: {missing} of {} could not be measured", scenarios(all)),
        Outcome::NothingMeasured if all == 0 => "Nothing was measured: no scenario was selected".to_owned(),
        Outcome::NothingMeasured => format!("Nothing was measured: all of {} failed", scenarios(all)),
    };
    for (n, words) in [
        (count(report, |standing| standing == Standing::NoBaseline), "without a baseline"),
        (count(report, |standing| matches!(standing, Standing::NotJudged(_))), "not judged for time"),
        (count(report, |standing| standing == Standing::Improved), "improved"),
        (count(report, |standing| standing == Standing::Warned(FindingCode::Inconclusive)), "inconclusive"),
        (count(report, |standing| standing == Standing::New), "new"),
        (report.sides.as_ref().map_or(0, |sides| sides.gone.len()), "gone"),
    ] {
        if n > 0 {
            also.push(format!("{n} {words}"));
        }
    }
    if also.is_empty() { format!("{head}.") } else { format!("{head}; {}.", also.join(", ")) }
}

/// What the self-test showed, in two sentences; `None` where there was none.
pub fn self_test(report: &Report) -> Option<String> {
    let SelfTest { scenario, .. } = report.self_test.as_ref()?;
    let equal = match (scenario.red.of, scenario.red.count) {
        (0, _) => "equal sides could not be measured",
        (_, 0) => "equal sides are green",
        _ => "equal sides are red",
    };
    Some(format!("{equal} on {}; {}.", scenario.id, words::control(&scenario.control)))
}

/// How the failed scenarios failed: `2 regressed, 1 over budget`.
fn reasons(report: &Report) -> String {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for standing in report.scenarios.iter().map(Standing::of).filter(|s| matches!(s, Standing::Failed(_))) {
        match reasons.iter_mut().find(|(word, _)| *word == standing.word()) {
            Some((_, n)) => *n += 1,
            None => reasons.push((standing.word(), 1)),
        }
    }
    reasons.into_iter().map(|(word, n)| format!("{n} {word}")).collect::<Vec<_>>().join(", ")
}

/// How a `compare` came to its verdicts, in a few facts; none for other commands.
pub fn course(report: &Report) -> Vec<String> {
    let Some(gate) = report.gate.as_ref() else {
        let stored = "two saved reports, not measured in turns: medians are compared, and only large changes show";
        return report.sides.iter().map(|_| stored.to_owned()).collect();
    };
    let done = usize::try_from(gate.looks_done).unwrap_or(usize::MAX).min(gate.looks.len());
    let made: Vec<String> = gate.looks[..done].iter().map(u32::to_string).collect();
    let most = gate.looks.last().copied().unwrap_or(0);
    let looks = match made.as_slice() {
        [] => format!("no look was reached of up to {most} pairs of launches"),
        made if done < gate.looks.len() => {
            format!("looked at after {} of up to {most} pairs of launches", made.join(", "))
        }
        made => format!("looked at after {} pairs of launches", made.join(", ")),
    };
    let quantities = count_of(u64::from(gate.quantities), "quantity", "quantities");
    let tested = format!("{quantities} tested at {}", percent(gate.alpha));
    let expected = gate.expected_s.map_or_else(String::new, |expected| {
        let (least, most) = (duration(expected.least), duration(expected.most));
        if least == most { format!(" ({least} expected)") } else { format!(" ({least} to {most} expected)") }
    });
    let mut facts = vec![looks, tested];
    if !gate.confirmed.is_empty() {
        let again = scenarios(gate.confirmed.len());
        facts.push(format!("{again} measured again, {} fresh pairs", gate.confirming_pairs));
    }
    facts.push(format!("took {}{expected}", duration(gate.wall_s)));
    facts
}

/// What to type next, the most useful first; empty where nothing is left to do.
pub fn next_steps(report: &Report) -> Vec<NextStep> {
    let mut steps = Vec::new();
    let mut step = |command: String, why| steps.push(NextStep { command, why });
    let disturbed = |standing| matches!(standing, Standing::NotMeasured | Standing::NotJudged(FindingCode::Unstable));
    if report.outcome == Outcome::NothingMeasured || count(report, disturbed) > 0 {
        step("cargo nongemm doctor".into(), "look at the library and the machine");
    }
    if report.sides.is_some() {
        steps.extend(after_comparing(report));
        return steps;
    }
    let failed = selection(report, |standing| matches!(standing, Standing::Failed(_)));
    if let Some(ids) = failed {
        step(format!("cargo nongemm run -v {ids}"), "see every operator and its shapes");
        step(format!("cargo nongemm accept {ids}"), "if the change is meant: make it the baseline");
    }
    let elsewhere = Standing::NotJudged(FindingCode::FingerprintDiffers);
    let outdated = Standing::NotJudged(FindingCode::OutdatedBaseline);
    let without = |standing| [Standing::NoBaseline, elsewhere, outdated].contains(&standing);
    if let Some(ids) = selection(report, without) {
        step(format!("cargo nongemm accept {ids}"), "make a baseline for this machine class");
    } else if let Some(ids) = selection(report, |standing| standing == Standing::Improved) {
        step(format!("cargo nongemm accept {ids}"), "keep the improvement: later runs are held to it");
    }
    if report.command == "run" && report.outcome == Outcome::Pass {
        step("cargo nongemm check".into(), "compare with the committed baselines");
    }
    steps
}

/// What to type after `compare`: nothing that was measured here need be in the suite.
fn after_comparing(report: &Report) -> Vec<NextStep> {
    let mut steps = Vec::new();
    let mut step = |command: String, why| steps.push(NextStep { command, why });
    let standings = || report.scenarios.iter().map(Standing::of);
    let failed = standings().find_map(|standing| match standing {
        Standing::Failed(code) => Some(code),
        _ => None,
    });
    if let Some(code) = failed {
        step(format!("cargo nongemm explain {code}"), "what it means, and what to do");
    }
    if let Some(gate) =
        report.gate.as_ref().filter(|_| standings().any(|s| s == Standing::Warned(FindingCode::Inconclusive)))
    {
        let most = gate.looks.last().copied().unwrap_or(0);
        step(with_pairs(report, most.saturating_mul(2)), "more pairs show smaller changes");
    }
    steps
}

/// The command that measures the same with one look after so many pairs.
fn with_pairs(report: &Report, pairs: u32) -> String {
    let command = reproduce(report);
    let before = command.split_once(" --pairs ").map_or(command.as_str(), |(before, _)| before);
    format!("{before} --pairs {pairs}")
}

/// What a comparison with stored baselines could not have seen, as a sentence; `None` of a report that made none.
pub fn blind_side(report: &Report) -> Option<&'static str> {
    let judged = |scenario: &ScenarioReport| {
        scenario.comparison.as_ref().is_some_and(|c| c.design == Design::Stored && c.fingerprint.is_empty())
    };
    let stored = report.command == "check" && report.scenarios.iter().any(judged);
    stored.then_some(
        "Stored baselines cannot tell a slower machine from code that slows all operators alike, or more than half of \
         them; `cargo nongemm compare --base REVISION` measures both states in turns and can.",
    )
}

/// The command that measures the same scenarios again.
pub fn reproduce(report: &Report) -> String {
    if let Some(sides) = &report.sides {
        let words: Vec<String> = sides.arguments.iter().map(|word| argument(word)).collect();
        return format!("cargo nongemm compare {}", words.join(" "));
    }
    let ids = selection(report, |_| true).unwrap_or_default();
    format!("cargo nongemm {} {ids}", shell_quoted(&report.command)).trim_end().to_owned()
}

/// The command that measures again what failed; all that was measured where nothing did, or where it belongs together.
pub fn reproduce_failed(report: &Report) -> String {
    let failed = selection(report, |standing| matches!(standing, Standing::Failed(_) | Standing::NotMeasured));
    match failed {
        Some(ids) if report.sides.is_none() => format!("cargo nongemm {} {ids}", shell_quoted(&report.command)),
        _ => reproduce(report),
    }
}

/// A trailer of a commit that allows a finding about an operator, its reason left to its author; `None` where a name
/// holds what a trailer cannot.
pub fn allowance(scenario: &ScenarioReport, operator: &OperatorKey) -> Option<String> {
    // Globs and blanks would allow more than is meant, or end the name early.
    let exact = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@".contains(c);
        !name.is_empty() && name.chars().all(plain)
    };
    let (id, key) = (&scenario.id.0, &operator.0);
    let commit = "git commit --allow-empty -m 'Allow a change of latency'";
    (exact(id) && exact(key)).then(|| format!("{commit} --trailer 'Nongemm-Allow: {id}/{key} REASON'"))
}

/// The ids of some scenarios as arguments of a shell command; nothing to write where that is all of them.
fn selection(report: &Report, is: impl Fn(Standing) -> bool) -> Option<String> {
    let ids: Vec<String> = report
        .scenarios
        .iter()
        .filter(|scenario| is(Standing::of(scenario)))
        .map(|scenario| shell_quoted(&scenario.id.0))
        .collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// An argument as it stands on a command line; flags are ours and need no quoting.
fn argument(text: &str) -> String {
    match text.strip_prefix("--") {
        Some(name) if name.chars().all(|c| c.is_ascii_lowercase() || c == '-') => text.to_owned(),
        _ => shell_quoted(text),
    }
}

/// `text` as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@-_./:=+,%".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn the_worst_thing_is_the_standing() {
        let report = fixtures::check();
        let standings: Vec<Standing> = report.scenarios.iter().map(Standing::of).collect();
        assert_eq!(
            standings,
            [
                Standing::Failed(FindingCode::OperatorRegressed),
                Standing::Improved,
                Standing::NoBaseline,
                Standing::NotJudged(FindingCode::FingerprintDiffers),
                Standing::NotMeasured,
                Standing::Warned(FindingCode::UnknownOperator),
            ]
        );
    }

    #[test]
    fn what_is_allowed_passes_and_says_so() {
        let mut scenario = fixtures::gate_failed().scenarios.remove(0);
        scenario.findings.retain(|finding| finding.severity == Severity::Note);
        assert!(scenario.findings.iter().any(|finding| finding.ruling.is_some()));
        assert_eq!(Standing::of(&scenario).word(), "pass, allowed");
        scenario.findings.retain(|finding| finding.ruling.is_none());
        assert_eq!(Standing::of(&scenario), Standing::Improved);
    }

    #[test]
    fn the_sentence_begins_with_what_decided() {
        let mut report = fixtures::check();
        assert_eq!(
            verdict(&report),
            "The gate failed: 1 of 6 scenarios (1 regressed); 1 could not be measured, 1 without a baseline, 1 not \
             judged for time, 1 improved."
        );
        assert_eq!(verdict(&fixtures::incomplete()), "Incomplete: 1 of 2 scenarios could not be measured; 1 improved.");
        report.scenarios.truncate(2);
        report.outcome = Outcome::GateFailed;
        assert_eq!(verdict(&report), "The gate failed: 1 of 2 scenarios (1 regressed); 1 improved.");
        report.scenarios.remove(0);
        report.outcome = Outcome::Pass;
        assert_eq!(verdict(&report), "Pass: 1 of 1 scenario holds to its baseline; 1 improved.");
        report.scenarios = fixtures::check().scenarios[2..4].to_vec();
        assert_eq!(verdict(&report), "Nothing failed, but none of 2 scenarios has a baseline to be judged by.");
        report.scenarios.clear();
        assert_eq!(verdict(&report), "Nothing to do here: the other parts measure 6 scenarios.");
        report.outcome = Outcome::NothingMeasured;
        assert_eq!(verdict(&report), "Nothing was measured: no scenario was selected.");
    }

    #[test]
    fn of_a_comparison_it_is_said_what_had_no_counterpart_and_how_it_went() {
        let mut report = fixtures::compared();
        assert_eq!(
            verdict(&report),
            "The gate failed: 1 of 3 scenarios (1 regressed); 1 could not be measured, 1 new, 1 gone."
        );
        assert_eq!(
            course(&report),
            [
                "looked at after 8, 12 of up to 20 pairs of launches",
                "10 quantities tested at 1.0 %",
                "1 scenario measured again, 8 fresh pairs",
                "took 2.4 min (64 s to 2.7 min expected)",
            ]
        );
        report.gate = None;
        assert!(course(&report)[0].starts_with("two saved reports"));
        assert!(course(&fixtures::check()).is_empty());
    }

    #[test]
    fn a_comparison_is_repeated_as_it_was_asked_for() {
        let mut report = fixtures::compared();
        assert_eq!(reproduce(&report), "cargo nongemm compare --base main 'bert*'");
        let steps: Vec<String> = next_steps(&report).into_iter().map(|step| step.command).collect();
        assert_eq!(steps, ["cargo nongemm doctor", "cargo nongemm explain operator-regressed"]);
        report.sides.as_mut().unwrap().arguments.extend(["--pairs", "8,12,20"].map(str::to_owned));
        let finding = &mut report.scenarios[0].findings[0];
        (finding.code, finding.severity) = (FindingCode::Inconclusive, Severity::Warning);
        let steps: Vec<String> = next_steps(&report).into_iter().map(|step| step.command).collect();
        assert_eq!(steps[1], "cargo nongemm compare --base main 'bert*' --pairs 40");
    }

    #[test]
    fn each_standing_leads_somewhere() {
        let steps: Vec<String> = next_steps(&fixtures::check()).into_iter().map(|step| step.command).collect();
        assert_eq!(steps[0], "cargo nongemm doctor");
        assert!(steps[2].starts_with("cargo nongemm accept bert-base@"), "{steps:?}");
        assert!(next_steps(&fixtures::run()).iter().any(|step| step.command == "cargo nongemm check"));
    }

    #[test]
    fn what_a_stored_baseline_cannot_tell_is_said_where_one_was_compared_with() {
        assert!(blind_side(&fixtures::check()).is_some_and(|text| text.contains("compare --base REVISION")));
        assert_eq!(blind_side(&fixtures::run()), None);
        let mut elsewhere = fixtures::check();
        elsewhere.scenarios = fixtures::check().scenarios[2..4].to_vec();
        assert_eq!(blind_side(&elsewhere), None);
    }

    #[test]
    fn what_failed_is_measured_again_alone_and_nothing_of_a_report_is_a_command() {
        let mut report = fixtures::check();
        let failed = "cargo nongemm check bert-base@cpu-fp32-all-b1-s128-t1 swin-t@cpu-fp32-all-b1-i224-t1";
        assert_eq!(reproduce_failed(&report), failed);
        report.command = "check; curl evil".into();
        assert!(reproduce_failed(&report).starts_with("cargo nongemm 'check; curl evil' bert-base@"));
        assert!(reproduce(&report).starts_with("cargo nongemm 'check; curl evil' bert-base@"));
        assert_eq!(reproduce_failed(&fixtures::compared()), reproduce(&fixtures::compared()));
    }

    #[test]
    fn an_allowance_names_one_scenario_and_one_operator() {
        let scenario = &fixtures::check().scenarios[0];
        let allowed = allowance(scenario, &OperatorKey("ai.onnx:Softmax".into())).unwrap();
        assert!(
            allowed.ends_with("'Nongemm-Allow: bert-base@cpu-fp32-all-b1-s128-t1/ai.onnx:Softmax REASON'"),
            "{allowed}"
        );
        for name in ["*", "a b", "a'b", "a/b", ""] {
            assert_eq!(allowance(scenario, &OperatorKey(name.into())), None, "{name}");
        }
    }

    #[test]
    fn ids_are_words_of_a_shell() {
        assert_eq!(shell_quoted("bert-base@cpu-t1"), "bert-base@cpu-t1");
        assert_eq!(shell_quoted("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_quoted("-v"), "'-v'");
    }
}
