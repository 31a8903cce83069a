//! The verdict in one sentence, as a person would say it: what failed and where, the worst of it by name, and why.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::matter::predicate;
use super::voice::{Naming, Voice};
use crate::report::calibration::{Control, ControlState};
use crate::report::crossed::Crossed;
use crate::report::render::number;
use crate::report::standing::{self, Standing};
use crate::report::{
    FindingCode, Group, Outcome, Report, ScenarioReport, SelfTest, Severity, StructuralChange, figures, wording,
};

/// Clauses of one sentence.
const CLAUSES: usize = 4;
/// Things named in one clause.
const NAMED: usize = 2;

/// The verdict, with its full stop. All of it is ours but for what `voice` puts.
pub(super) fn sentence(report: &Report, crossed: &[Crossed<'_>], voice: Voice) -> String {
    let teller = Teller { report, crossed, naming: Naming::of(report), voice };
    let mut clauses = match report.outcome {
        Outcome::Pass => teller.passed(),
        Outcome::GateFailed => teller.failed(),
        Outcome::Incomplete => teller.incomplete(),
        Outcome::NothingMeasured => Vec::new(),
    };
    if clauses.is_empty() {
        return standing::verdict(report);
    }
    if clauses.len() > CLAUSES {
        clauses.truncate(CLAUSES);
        clauses.push("and more".to_owned());
    }
    capitalized(&format!("{}.", clauses.join("; ")))
}

/// Begins with a capital letter, unless it begins with a name.
fn capitalized(text: &str) -> String {
    const OURS: [&str; 6] = ["the ", "all ", "both ", "nothing ", "incomplete:", "measured "];
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if OURS.iter().any(|word| text.starts_with(word)) => {
            first.to_uppercase().collect::<String>() + letters.as_str()
        }
        _ => text.to_owned(),
    }
}

struct Teller<'a> {
    report: &'a Report,
    crossed: &'a [Crossed<'a>],
    naming: Naming,
    voice: Voice,
}

impl<'a> Teller<'a> {
    fn failed(&self) -> Vec<String> {
        let mut clauses = self.clauses(|one| one.severity == Severity::Error && one.code != FindingCode::NotMeasured);
        clauses.extend(self.short(FindingCode::NotMeasured));
        if self.report.self_test.as_ref().is_some_and(SelfTest::failed) {
            clauses.push("the gate was not shown to work".to_owned());
        }
        clauses.extend(self.short(FindingCode::OperatorImproved));
        clauses
    }

    fn incomplete(&self) -> Vec<String> {
        let missing = self.clauses(|one| one.code == FindingCode::NotMeasured);
        let mut clauses: Vec<String> = missing.into_iter().map(|clause| format!("incomplete: {clause}")).collect();
        if let Some(test) = self.report.self_test.as_ref().filter(|test| test.failed()) {
            let what = if self.voice.is_brief() { String::new() } else { format!(": {}", self.self_test(test)) };
            clauses.push(format!("the gate was not shown to work, so that nothing here is proved{what}"));
        }
        if !clauses.is_empty() {
            clauses.extend(self.warned().into_iter().map(|(short, _)| short));
        }
        clauses
    }

    fn self_test(&self, SelfTest { scenario, .. }: &SelfTest) -> String {
        let at = self.voice.name(&scenario.id.0);
        let Control { made, state, .. } = &scenario.control;
        let operator = made.as_ref().map_or("an operator", |made| wording::operator(&made.operator));
        let operator = self.voice.name(operator);
        match state {
            _ if scenario.red.count > 0 => format!("equal sides of {at} were red"),
            ControlState::Missed { .. } => format!("it did not find {operator} of {at} made slower on purpose"),
            ControlState::Misblamed { .. } => format!("it blamed operators of {at} that were as before"),
            ControlState::Failed { reason } => self.voice.sentence(reason),
            ControlState::Found => format!("equal sides of {at} could not be measured"),
        }
    }

    fn passed(&self) -> Vec<String> {
        if self.report.scenarios.is_empty() {
            return Vec::new();
        }
        if self.report.command == "run" {
            let all = self.naming.count(self.report.scenarios.len());
            return vec![format!("measured {all}, compared with nothing")];
        }
        let mut clauses = self.doubts();
        let improved = self.clauses(Crossed::is_improvement);
        if !improved.is_empty() && clauses.is_empty() {
            clauses = improved;
            clauses.push("nothing regressed".to_owned());
        } else {
            clauses.extend(self.short(FindingCode::OperatorImproved));
        }
        let allowed = self.allowed();
        if clauses.is_empty() && allowed.is_none() {
            clauses.push(self.held());
        } else if clauses.is_empty() {
            clauses.push(format!("{} {}", self.place(self.report.scenarios.len()), self.holds()));
        }
        clauses.extend(allowed);
        clauses.extend(self.without_counterpart());
        clauses
    }

    /// What keeps a pass from being one without reservation, the first of it in full.
    fn doubts(&self) -> Vec<String> {
        let mut clauses = self.clauses(|one| one.severity == Severity::Warning);
        for (short, detail) in self.warned() {
            clauses.push(if clauses.is_empty() { short + &detail } else { short });
        }
        if let Some(first) = clauses.first_mut() {
            *first = format!("nothing failed, but {first}");
        }
        clauses
    }

    /// Scenarios that something is the matter with that is no change, by what: a clause, and whom it is about.
    fn warned(&self) -> Vec<(String, String)> {
        let mut by_code: BTreeMap<FindingCode, Vec<&ScenarioReport>> = BTreeMap::new();
        for scenario in &self.report.scenarios {
            let code = match Standing::of(scenario) {
                Standing::NoBaseline => FindingCode::NoBaseline,
                Standing::NotJudged(code) => code,
                Standing::Warned(code) if predicate(code, 1).is_some() => code,
                _ => continue,
            };
            by_code.entry(code).or_default().push(scenario);
        }
        let clause = |(code, scenarios): (FindingCode, Vec<&ScenarioReport>)| {
            let predicate = predicate(code, scenarios.len())?;
            Some((format!("{} {predicate}", self.place(scenarios.len())), self.named(&scenarios)))
        };
        by_code.into_iter().filter_map(clause).collect()
    }

    /// `: gpt2 and vit-b-16`; nothing where there is but one, which is named already.
    fn named(&self, scenarios: &[&ScenarioReport]) -> String {
        if self.voice.is_brief() || self.is_alone() {
            return String::new();
        }
        let names: Vec<String> =
            scenarios.iter().take(NAMED).map(|scenario| self.voice.name(self.naming.name(scenario))).collect();
        let more = scenarios.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(": {}{more}", names.join(if more.is_empty() { " and " } else { ", " }))
    }

    fn allowed(&self) -> Option<String> {
        let allowed: Vec<&Crossed<'_>> = self.crossed.iter().filter(|one| one.is_allowed()).collect();
        let ruling = wording::ruling(allowed.first()?.finding?)?;
        Some(match allowed.len() {
            1 if !self.voice.is_brief() => format!("1 change is {}", self.voice.sentence(&ruling)),
            1 => "1 change is allowed".to_owned(),
            count => format!("{count} changes are allowed by rules or commits"),
        })
    }

    /// That all is as before, and what would have shown if it were not.
    fn held(&self) -> String {
        let held = format!("{} {}", self.place(self.report.scenarios.len()), self.holds());
        let Some(visible) = figures::visible(&self.report.scenarios) else { return held };
        let latency = number::percent(visible.latency);
        let operators = visible.operators.filter(|growth| *growth < 10.0).map_or_else(String::new, |growth| {
            format!(", and of {} in any operator with {:.0} % of the time", number::percent(growth), LARGE_PERCENT)
        });
        format!("{held}: growth of {latency} in a latency{operators} would have shown")
    }

    fn holds(&self) -> &'static str {
        match (self.report.sides.is_some(), self.report.scenarios.len()) {
            (true, 1) => "holds to the base",
            (true, _) => "hold to the base",
            (false, 1) => "holds to its baseline",
            (false, _) => "hold to their baselines",
        }
    }

    fn without_counterpart(&self) -> Vec<String> {
        let Some(sides) = &self.report.sides else { return Vec::new() };
        let counts = [(sides.new.len(), "new"), (sides.gone.len(), "gone")];
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect()
    }

    /// A clause for each kind of what crossed so, the first with the worst of it by name.
    fn clauses(&self, is: impl Fn(&Crossed<'a>) -> bool) -> Vec<String> {
        let mut kinds: BTreeMap<(bool, FindingCode), Vec<&Crossed<'a>>> = BTreeMap::new();
        for one in self.crossed.iter().filter(|one| is(one)) {
            kinds.entry((one.code == FindingCode::NotMeasured, one.code)).or_default().push(one);
        }
        let clause = |(index, ((_, code), of_kind)): (usize, ((bool, FindingCode), Vec<&Crossed<'a>>))| {
            let detail = if index == 0 && !self.voice.is_brief() { self.detail(code, &of_kind) } else { String::new() };
            let separator = if detail.is_empty() { "" } else { ": " };
            format!("{}{separator}{detail}", self.what(code, &of_kind))
        };
        kinds.into_iter().enumerate().map(clause).collect()
    }

    /// One kind without names.
    fn short(&self, code: FindingCode) -> Option<String> {
        let of_kind: Vec<&Crossed<'a>> = self.crossed.iter().filter(|one| one.code == code).collect();
        (!of_kind.is_empty()).then(|| self.what(code, &of_kind))
    }

    /// What happened and in how many scenarios.
    fn what(&self, code: FindingCode, of_kind: &[&Crossed<'_>]) -> String {
        let scenarios = distinct(of_kind);
        let place = self.place(scenarios);
        let operators = number::count(of_kind.len() as u64, "operator", "operators");
        match code {
            FindingCode::OperatorRegressed => format!("{operators} regressed in {place}"),
            FindingCode::OperatorImproved => format!("{operators} improved in {place}"),
            FindingCode::Drift => format!("{operators} drifted in {place}"),
            FindingCode::LatencyRegressed => format!("the latency grew in {place}"),
            FindingCode::LatencyImproved => format!("the latency shrank in {place}"),
            FindingCode::StructureChanged => format!("the structure changed in {place}"),
            code => match predicate(code, scenarios) {
                Some(predicate) => format!("{place} {predicate}"),
                None => format!("{place} failed the gate ({code})"),
            },
        }
    }

    /// The worst of a kind by name, and why.
    fn detail(&self, code: FindingCode, of_kind: &[&Crossed<'_>]) -> String {
        let Some(worst) = of_kind.first() else { return String::new() };
        match code {
            FindingCode::OperatorRegressed | FindingCode::OperatorImproved => self.operators(of_kind),
            FindingCode::Drift | FindingCode::LatencyRegressed | FindingCode::LatencyImproved => {
                let what = worst.key().map(|key| self.voice.name(wording::operator(key)));
                let place = what.map_or_else(|| self.subject(worst), |what| what + &self.at(worst));
                [place, size(worst)].join(" ").trim().to_owned()
            }
            FindingCode::StructureChanged => {
                let what = worst.change.map_or_else(|| worst.message().to_owned(), wording::happened);
                let us = worst.delta_us().map_or_else(String::new, |us| format!(", {}", number::difference(us)));
                let more = match of_kind.len() - 1 {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                format!("{}{}{us}{more}", self.voice.sentence(&what), self.at(worst))
            }
            FindingCode::BudgetExceeded | FindingCode::NotMeasured => {
                let subject = self.subject(worst);
                let separator = if subject.is_empty() { "" } else { ", " };
                format!("{subject}{separator}{}", self.voice.sentence(worst.message()))
            }
            _ => {
                let mut scenarios: Vec<&ScenarioReport> = of_kind.iter().map(|one| one.scenario).collect();
                scenarios.dedup_by(|a, b| a.id == b.id);
                self.named(&scenarios).trim_start_matches(": ").to_owned()
            }
        }
    }

    /// Operators, those that one fusion was made of together, and else those of one group in one scenario:
    /// `layer normalization in bert-base +0.41 ms, fusion lost`.
    fn operators(&self, of_kind: &[&Crossed<'_>]) -> String {
        let mut together: Vec<Vec<&Crossed<'_>>> = Vec::new();
        let mut places: HashMap<Together<'_>, usize> = HashMap::new();
        for one in of_kind {
            match Together::of(one).map(|key| places.entry(key).or_insert(together.len())) {
                Some(&mut place) if place < together.len() => together[place].push(one),
                _ => together.push(vec![one]),
            }
        }
        let named: Vec<String> = together.iter().take(NAMED).map(|some| self.some_operators(some)).collect();
        named.join(", and ")
    }

    fn some_operators(&self, some: &[&Crossed<'_>]) -> String {
        let Some(worst) = some.first() else { return String::new() };
        let cause = some.iter().find_map(|one| one.change).map(wording::because);
        let cause = cause.map_or_else(String::new, |cause| format!(", {}", self.voice.sentence(&cause)));
        let (name, size) = match (worst.change.and_then(wording::fused), some) {
            (Some(pattern), _) => {
                (self.voice.name(pattern), worst.change_us().map_or_else(String::new, number::difference))
            }
            (None, [_]) => {
                let name = worst.key().map_or_else(String::new, |key| self.voice.name(wording::operator(key)));
                (name, size(worst))
            }
            (None, several) => {
                let us = several.iter().filter_map(|one| one.delta_us()).sum();
                (wording::group(worst.group).to_owned(), number::difference(us))
            }
        };
        format!("{name}{}{}{size}{cause}", self.at(worst), if size.is_empty() { "" } else { " " })
    }

    /// ` in bert-base`; nothing where there is but one scenario, which is named already.
    fn at(&self, one: &Crossed<'_>) -> String {
        let subject = self.subject(one);
        if subject.is_empty() { subject } else { format!(" in {subject}") }
    }

    fn subject(&self, one: &Crossed<'_>) -> String {
        if self.is_alone() { String::new() } else { self.voice.name(self.naming.name(one.scenario)) }
    }

    fn is_alone(&self) -> bool {
        self.report.scenarios.len() == 1
    }

    /// So many of all: `1 of 5 models`, `both models`, `all 5 models`, or the name where there is but one.
    fn place(&self, count: usize) -> String {
        let all = self.report.scenarios.as_slice();
        match all {
            [_] if self.voice.is_brief() => format!("the only {}", self.naming.noun()),
            [one] => self.voice.name(self.naming.name(one)),
            [_, _] if count == 2 => format!("both {}s", self.naming.noun()),
            _ if count == all.len() => format!("all {}", self.naming.count(count)),
            _ => format!("{count} of {}", self.naming.count(all.len())),
        }
    }
}

/// What is told as one.
#[derive(PartialEq, Eq, Hash)]
enum Together<'a> {
    /// Operators that a fusion was made of: what one takes more another one no longer takes.
    Fusion(*const StructuralChange),
    /// Operators of one group in one scenario.
    Group(&'a str, Group),
}

impl<'a> Together<'a> {
    /// `None` of what stands alone: unknown operators have nothing in common.
    fn of(one: &Crossed<'a>) -> Option<Together<'a>> {
        let fusion = one.change.filter(|change| wording::fused(change).is_some());
        let group = || one.group.map(|group| Together::Group(&one.scenario.id.0, group));
        fusion.map(|change| Together::Fusion(std::ptr::from_ref(change))).or_else(group)
    }
}

/// [`figures::LARGE_SHARE`] for people.
const LARGE_PERCENT: f64 = figures::LARGE_SHARE * 100.0;

/// Time and part: `+2.76 ms (+42.0 %)`.
fn size(one: &Crossed<'_>) -> String {
    match (one.delta_us(), one.ratio()) {
        (Some(us), Some(ratio)) => format!("{} ({})", number::difference(us), number::change(ratio.ratio)),
        (Some(us), None) => number::difference(us),
        (None, Some(ratio)) => number::change(ratio.ratio),
        (None, None) => String::new(),
    }
}

/// In how many scenarios; what crossed is in no order of theirs.
fn distinct(of_kind: &[&Crossed<'_>]) -> usize {
    let ids: HashSet<&str> = of_kind.iter().map(|one| one.scenario.id.0.as_str()).collect();
    ids.len()
}

#[cfg(test)]
mod tests;
