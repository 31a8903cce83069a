//! A calibration in sentences; every text renderer uses the same ones.

use crate::report::render::number;
use crate::report::{Outcome, Verdict, wording};

use super::{Advice, Calibration, Control, ControlState, GpuRules, Made, Rate, ScenarioCalibration};

impl Calibration {
    /// What it comes to, in one sentence; what is said first decides the exit code.
    pub fn sentence(&self) -> String {
        let count = |is: fn(&ScenarioCalibration) -> bool| self.scenarios.iter().filter(|one| is(one)).count();
        let (all, found) = (self.scenarios.len(), count(|one| one.control.state.is_found()));
        let put_in = format!("it found the slowdown that was put in, and blamed nothing else, in {found} of {all}");
        match self.outcome {
            Outcome::Pass => format!("The gate works: {}; {put_in}.", red(self.red)),
            Outcome::GateFailed if self.controls_failed() => {
                format!("The gate does not work as it is set up: {put_in}; {}.", red(self.red))
            }
            Outcome::GateFailed => format!("The gate is red too often: {}; {put_in}.", red(self.red)),
            Outcome::Incomplete => {
                let lacking =
                    count(|one| matches!(one.control.state, ControlState::Failed { .. }) || !one.failures.is_empty());
                format!(
                    "Incomplete: {lacking} of {all} scenarios could not be calibrated; {}; {put_in}.",
                    red(self.red)
                )
            }
            Outcome::NothingMeasured => "Nothing was measured: no scenario was selected.".to_owned(),
        }
    }

    fn controls_failed(&self) -> bool {
        let failed = |state: &ControlState| !matches!(state, ControlState::Found | ControlState::Failed { .. });
        self.scenarios.iter().any(|scenario| failed(&scenario.control.state))
    }

    /// How the gate decides, and how long that took.
    pub fn method(&self) -> Vec<String> {
        let pairs: Vec<String> = self.rules.pairs.iter().map(u32::to_string).collect();
        let mut facts = vec![
            format!("pairs of launches {}", pairs.join(", ")),
            format!("level {}", self.rules.alpha),
            format!("changes from {} and {} us on", number::percent(self.rules.min_effect), self.rules.floor_us),
        ];
        facts.extend(self.rules.gpu.map(|GpuRules { min_effect, floor_us }| {
            format!("by a GPU's own clock from {} and {floor_us} us on", number::percent(min_effect))
        }));
        let minutes = |seconds: f64| format!("{:.0} min", (seconds / 60.0).max(1.0));
        let expected = self.expected_s.map(|expected| format!(", {} expected", minutes(expected.least)));
        facts.push(format!("{}{}", minutes(self.wall_s), expected.unwrap_or_default()));
        facts
    }
}

/// `0 of 40 comparisons of equal sides were red (at most 8.8 % are, with 95 % confidence)`.
pub fn red(rate: Rate) -> String {
    let Rate { count, of, high, .. } = rate;
    let were = if count == 1 { "was" } else { "were" };
    format!(
        "{count} of {of} comparisons of equal sides {were} red (at most {} are, with 95 % confidence)",
        number::percent(high)
    )
}

/// What happened on equal sides of one scenario.
pub fn unchanged(scenario: &ScenarioCalibration) -> String {
    let again = match scenario.measured_again {
        0 => String::new(),
        times => format!("; {times} had to be measured again"),
    };
    let pairs = number::count(scenario.pairs.into(), "pair", "pairs");
    format!("{}; {pairs} each{again}", red(scenario.red))
}

/// What the gate made of a slowdown that was put in.
pub fn control(control: &Control) -> String {
    let pairs = match control.pairs {
        0 => String::new(),
        pairs => format!(" in {}", number::count(pairs.into(), "pair", "pairs")),
    };
    let measured = control.measured_ratio.map_or_else(|| "not estimated".to_owned(), number::change);
    let what = control.made.as_ref().map(put_in);
    match (&control.state, what) {
        (ControlState::Failed { reason }, None) => reason.clone(),
        (ControlState::Failed { reason }, Some(what)) => format!("{what}: {reason}"),
        (_, None) => "nothing was put in".to_owned(),
        (ControlState::Found, Some(what)) => {
            format!("{what}: found{pairs} as {measured}, and nothing else blamed")
        }
        (ControlState::Missed { verdict: said }, Some(what)) => {
            let said = said.map_or("no verdict", verdict);
            let detectable = control.detectable.map_or_else(
                || "no growth would have shown".to_owned(),
                |growth| format!("growth from {} on would have shown", number::percent(growth)),
            );
            format!("{what}: not found{pairs} (seen as {measured}, {said}; {detectable})")
        }
        (ControlState::Misblamed { found, others }, Some(what)) => {
            let others: Vec<String> =
                others.iter().map(|blame| format!("{} ({})", wording::operator(&blame.operator), blame.code)).collect();
            let found = if *found { format!("found as {measured}, but") } else { "not found, and".to_owned() };
            format!("{what}: {found} wrongly blamed: {}", others.join(", "))
        }
    }
}

/// `20.4 % more work in Softmax (3 copies of its nodes)`.
fn put_in(made: &Made) -> String {
    let copies = number::count(made.copies.into(), "copy", "copies");
    format!(
        "{} more work in {} ({copies} of its nodes)",
        number::percent(made.reached),
        wording::operator(&made.operator)
    )
}

/// What a verdict is called beside an operator.
fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "regressed",
        Verdict::Improved => "improved",
        Verdict::Unchanged => "unchanged",
        Verdict::Shifted => "unchanged but for its share",
        Verdict::Unstable => "unstable",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NotJudged => "not judged",
    }
}

/// One recommendation.
pub fn advice(advice: &Advice) -> String {
    match advice {
        Advice::Pairs { pairs, because_of: None, .. } => {
            format!(
                "{pairs} pairs show growth by 10 % in every operator of 5 % of the time or more: the plan is long enough"
            )
        }
        Advice::Pairs { pairs, because_of: Some(operator), scenario } => {
            let place = scenario.as_ref().map(|id| format!(" of {id}")).unwrap_or_default();
            format!("growth by 10 % in {}{place} takes {pairs} pairs to show", wording::operator(operator))
        }
        Advice::TooNoisy { scenario, operator, resolvable } => format!(
            "no reasonable number of pairs shows growth by 10 % in {} of {scenario} (so many showed {}): measure on a \
             quieter machine, see `cargo nongemm doctor`",
            wording::operator(operator),
            number::percent(*resolvable)
        ),
        Advice::FewerThreads { scenario, threads } => format!(
            "{scenario} takes every core and its latency is unsteady: measure it with {}",
            number::count((*threads).into(), "thread", "threads")
        ),
        Advice::Quarantine { scenario, operator, red, resolvable } => {
            let mut why = Vec::new();
            if *red {
                why.push("it was red where nothing had changed".to_owned());
            }
            why.extend(resolvable.map(|growth| format!("growth below {} does not show", number::percent(growth))));
            let operator = wording::operator(operator);
            format!("{operator} of {scenario} is not fit to fail the gate: {}", why.join(", and "))
        }
    }
}
