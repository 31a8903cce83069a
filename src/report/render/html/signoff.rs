//! What only a sign-off has: who released what, what the gate held against it, and what was before.

use super::chart::{self, Axis};
use super::content::{Badge, Content, Sentence, Table, shown};
use super::scenario;
use crate::report::figures::{self, Interval};
use crate::report::render::number::{self, TimeUnit};
use crate::report::render::sign_off;
use crate::report::signoff::{Policy, Previous, SignOff, Since};
use crate::report::{Outcome, wording};

/// The circumstances, name by name.
pub(super) fn facts(sign_off: &SignOff) -> Vec<(&'static str, Sentence)> {
    sign_off::facts(sign_off).into_iter().map(|(name, value)| (name, Sentence::of(&value))).collect()
}

pub(super) use crate::report::render::sign_off::reproduce;

/// What the gate held against the release.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PolicyView {
    pub origin: Sentence,
    pub thresholds: Table,
    pub rules: Table,
    pub budgets: Table,
}

impl PolicyView {
    pub fn of(policy: &Policy) -> PolicyView {
        let mut thresholds = Table::new("Thresholds, and how findings count", &["what", "limit"]);
        for (what, limit) in sign_off::thresholds(policy) {
            thresholds.push(vec![Content::words(&what), Content::words(&limit)]);
        }
        let mut rules = Table::new("Rules that were in force, the last that matches decides", &sign_off::RULE_COLUMNS);
        for rule in &policy.rules {
            rules.push(sign_off::rule(rule).iter().map(|cell| Content::words(cell)).collect());
        }
        let mut budgets = Table::new("Budgets", &sign_off::BUDGET_COLUMNS);
        for budget in &policy.budgets {
            budgets.push(sign_off::budget(budget).iter().map(|cell| Content::words(cell)).collect());
        }
        PolicyView { origin: Sentence::of(&sign_off::origin(policy)), thresholds, rules, budgets }
    }
}

/// The release before, and what changed since.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PreviousView {
    pub name: String,
    pub badge: Badge,
    pub verdict: Sentence,
    /// What makes the two hard to compare, and what may explain differences.
    pub remarks: Vec<Sentence>,
    pub overview: Table,
    pub scenarios: Vec<SinceView>,
}

/// One scenario since the release before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SinceView {
    pub id: String,
    pub remarks: Vec<Sentence>,
    pub operators: Table,
}

impl PreviousView {
    pub fn of(previous: &Previous) -> PreviousView {
        let class = if previous.outcome == Outcome::Pass { "good" } else { "bad" };
        let word = if previous.outcome == Outcome::Pass { "signed off" } else { "not signed off" };
        PreviousView {
            name: shown(&previous.name()),
            badge: Badge { class, word },
            verdict: Sentence::of(&previous.verdict),
            remarks: sign_off::circumstances(previous).iter().map(|text| Sentence::of(text)).collect(),
            overview: overview(previous),
            scenarios: previous.scenarios.iter().filter(|since| sign_off::has_moved(since)).map(since).collect(),
        }
    }
}

fn overview(previous: &Previous) -> Table {
    let intervals = previous.scenarios.iter().map(|since| figures::latency_interval(&since.comparison));
    let axis = Axis::over(intervals);
    let caption = format!("Then and now, shown and not gated. {}", axis.in_words());
    let columns = ["scenario", "#latency then", "#now", "change", "#change", "#non-GEMM then", "#now"];
    let mut table = Table::new(caption, &columns);
    for since in &previous.scenarios {
        let latency = &since.comparison.latency;
        let interval: Interval = figures::latency_interval(&since.comparison);
        table.push(vec![
            Content::code(&since.id.0),
            Content::Number(number::time(latency.base_us)),
            Content::Number(number::time(latency.head_us)),
            Content::Chart(chart::change(axis, interval, "plain")),
            Content::Number(number::change(interval.ratio)),
            Content::Number(number::percent(since.non_gemm_then)),
            Content::Number(number::percent(since.non_gemm_now)),
        ]);
    }
    table
}

fn since(since: &Since) -> SinceView {
    let comparison = &since.comparison;
    let moved = figures::moved_most(comparison, sign_off::MOVED);
    let unit = TimeUnit::for_column(moved.iter().flat_map(|change| [change.base_us, change.head_us]));
    let axis = Axis::over(moved.iter().filter_map(|change| figures::operator_interval(change)));
    let (then, now, moved_by) =
        (format!("#{} then", unit.name), format!("#{} now", unit.name), format!("#moved by, {}", unit.name));
    let caption = format!("Operators that moved most, the machine factor divided out. {}", axis.in_words());
    let mut operators =
        Table::new(caption, &["operator", "group", &then, &now, &moved_by, "change", "#ratio", "#share then", "#now"]);
    for change in moved {
        let interval = figures::operator_interval(change);
        operators.push(vec![
            Content::code(wording::operator(&change.key)),
            Content::words(wording::group(change.group)),
            Content::Number(unit.number(change.base_us)),
            Content::Number(unit.number(change.head_us)),
            Content::Number(unit.number(figures::delta_us(comparison, change))),
            interval.map_or_else(Content::none, |interval| Content::Chart(chart::change(axis, interval, "plain"))),
            Content::Number(interval.map_or_else(|| "-".to_owned(), |interval| number::ratio(interval.ratio))),
            Content::Number(number::percent(change.base_share)),
            Content::Number(number::percent(change.head_share)),
        ]);
    }
    SinceView { id: shown(&since.id.0), remarks: scenario::differences(comparison), operators }
}
