//! What a gate calls slower or faster in one comparison: this one, and the simple ones that come to mind first.

use serde::Serialize;

use crate::compare::{Comparison, compare, paired};
use crate::report::OperatorKey;
use crate::summary::{Side, median};
use crate::verdict::{ALPHA, Judged, Judgement, Look, Looks, Policy, Verdict, is_settled, verdicts_paired};

use super::record::{GateLaunch, GateOperator, side};

/// A way to judge two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// `compare` with its usual plan, as far as there are pairs for its looks: pairs of launches, machine factor divided
    /// out, max-T over all operators.
    Paired,
    /// The same in one look after all pairs, which has the whole level: `compare --pairs K`.
    PairedOnce,
    /// Medians of shares, more than 5 % apart and at least the floor.
    RawShares,
    /// Medians of times, more than 5 % apart and at least the floor.
    RawTimes,
    /// Welch's t-test over all iterations of all launches, p < 0.01, more than 5 % apart and at least the floor.
    TTestOnIterations,
    /// The t-test without the smallest effect and the floor.
    TTestAlone,
}

/// Every method, in the order of tables.
pub const METHODS: [Method; 6] = [
    Method::Paired,
    Method::PairedOnce,
    Method::RawShares,
    Method::RawTimes,
    Method::TTestOnIterations,
    Method::TTestAlone,
];

/// Smallest relative change for the simple methods; that of the gate for paired sides.
const EFFECT: f64 = 0.05;
/// Smallest absolute change in microseconds for them; that of the gate too.
const FLOOR_US: f64 = 50.0;
/// Two-sided p < 0.01 of Student's t with 90 degrees of freedom or more is above this.
const T_BOUND: f64 = 2.63;

/// The operators and the latency that are called different.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Called {
    /// Operators that take longer.
    pub slower: Vec<OperatorKey>,
    /// Operators that take less time.
    pub faster: Vec<OperatorKey>,
    /// The latency has grown.
    pub latency_slower: bool,
}

/// Two arms of one group of launches, in the order of their pairs.
pub(super) struct Arms<'a> {
    pub base: &'a [&'a GateLaunch],
    pub head: &'a [&'a GateLaunch],
}

impl Method {
    /// One sentence for people.
    pub fn describe(self) -> &'static str {
        match self {
            Method::Paired => {
                "looks after 8 pairs of launches and, where something is not settled then, after 12; the machine factor of \
                 each pair divided out, max-T over all operators and the latency at p <= 0.0039 and 0.0030, more than 5 % \
                 and 50 us"
            }
            Method::PairedOnce => "the same in one look after all pairs, at p <= 0.01",
            Method::RawShares => "medians over launches of each operator's share, more than 5 % and 50 us apart",
            Method::RawTimes => "medians over launches of each operator's time, more than 5 % and 50 us apart",
            Method::TTestOnIterations => {
                "Welch's t-test over all iterations of all launches, two-sided p < 0.01, more than 5 % and 50 us apart"
            }
            Method::TTestAlone => "the same test without a smallest effect",
        }
    }

    pub(super) fn judge(self, arms: &Arms<'_>) -> Called {
        match self {
            Method::Paired => in_looks(arms, &usual_looks(arms.pairs())),
            Method::PairedOnce => in_looks(arms, &once(arms.pairs())),
            Method::RawShares => by_operator(arms, |base, head, total| {
                let (base, head) = (share(base, &total.0), share(head, &total.1));
                let us = (head - base) * median(&total.1).unwrap_or(0.0);
                direction(head / base, us)
            }),
            Method::RawTimes => by_operator(arms, |base, head, _| {
                let (base, head) = (median(base).unwrap_or(0.0), median(head).unwrap_or(0.0));
                direction(head / base, head - base)
            }),
            Method::TTestOnIterations => iterations(arms, EFFECT, FLOOR_US),
            Method::TTestAlone => iterations(arms, 0.0, 0.0),
        }
    }
}

/// What the paired gate measured over all pairs.
pub(super) fn measured(arms: &Arms<'_>) -> Comparison {
    let (base, head): (Side, Side) = (side(arms.base, arms.base), side(arms.head, arms.base));
    let mut compared = paired(&[(&base, &head)]);
    compared.pop().unwrap_or_else(|| compare(&base, &head))
}

/// The looks of the usual plan for which there are pairs; one look where there are too few even for the first.
fn usual_looks(pairs: u32) -> Vec<Look> {
    let usual: Vec<Look> = Looks::default().iter().filter(|look| look.pairs <= pairs).collect();
    if usual.is_empty() { once(pairs) } else { usual }
}

fn once(pairs: u32) -> Vec<Look> {
    vec![Look { pairs, alpha: ALPHA }]
}

/// The paired gate's verdict: of the first look at which everything is settled, else of the last.
fn in_looks(arms: &Arms<'_>, looks: &[Look]) -> Called {
    let mut judgement = Judgement::default();
    for look in looks {
        let verdicts = verdicts_paired(&measured(&arms.first(look.pairs)), &Policy::in_turns(), look.alpha);
        judgement = Judgement { verdicts, ..Judgement::default() };
        if is_settled(&judgement) {
            break;
        }
    }
    let of = |verdict: Verdict| -> Vec<OperatorKey> {
        let is = judgement.verdicts.iter().filter(|one| one.verdict == verdict);
        is.filter_map(|one| one.operator.clone()).collect()
    };
    let latency = |one: &Judged| one.operator.is_none() && one.verdict == Verdict::Regressed;
    Called {
        slower: of(Verdict::Regressed),
        faster: of(Verdict::Improved),
        latency_slower: judgement.verdicts.iter().any(latency),
    }
}

impl<'a> Arms<'a> {
    /// Pairs of launches that both have.
    fn pairs(&self) -> u32 {
        u32::try_from(self.base.len().min(self.head.len())).unwrap_or(u32::MAX)
    }

    /// Only the first so many pairs.
    fn first(&self, pairs: u32) -> Arms<'a> {
        let cut = |launches: &'a [&'a GateLaunch]| {
            &launches[..usize::try_from(pairs).unwrap_or(usize::MAX).min(launches.len())]
        };
        Arms { base: cut(self.base), head: cut(self.head) }
    }
}

/// Launch by launch: one operator's times, those of both sides' sums beside them.
fn by_operator(arms: &Arms<'_>, judge: impl Fn(&[f64], &[f64], &(Vec<f64>, Vec<f64>)) -> Option<bool>) -> Called {
    let total = |launches: &[&GateLaunch]| -> Vec<f64> {
        launches.iter().map(|launch| launch.operators.iter().map(|operator| operator.self_us).sum()).collect()
    };
    let totals = (total(arms.base), total(arms.head));
    let mut called = Called::default();
    for operator in operators(arms) {
        let times = |launches: &[&GateLaunch]| -> Vec<f64> {
            launches.iter().map(|launch| find(launch, operator).map_or(0.0, |found| found.self_us)).collect()
        };
        called.add(operator, judge(&times(arms.base), &times(arms.head), &totals));
    }
    called
}

/// All iterations of all launches in one heap, as if they were independent.
fn iterations(arms: &Arms<'_>, effect: f64, floor_us: f64) -> Called {
    let mut called = Called::default();
    for operator in operators(arms) {
        let runs = |launches: &[&GateLaunch]| -> Vec<f64> {
            let reported = launches.iter().filter_map(|launch| find(launch, operator)).flat_map(|o| &o.reported_us);
            // Microseconds of one run stay far below 2^53.
            reported.map(|us| *us as f64).collect()
        };
        called.add(operator, welch(&runs(arms.base), &runs(arms.head), effect, floor_us));
    }
    let runs = |launches: &[&GateLaunch]| -> Vec<f64> {
        launches.iter().flat_map(|launch| launch.unprofiled_us.iter().copied()).collect()
    };
    called.latency_slower = welch(&runs(arms.base), &runs(arms.head), effect, floor_us) == Some(true);
    called
}

impl Called {
    /// `Some(true)` is slower, `Some(false)` faster.
    fn add(&mut self, operator: &GateOperator, called: Option<bool>) {
        match called {
            Some(true) => self.slower.push(operator.key.clone()),
            Some(false) => self.faster.push(operator.key.clone()),
            None => {}
        }
    }
}

fn operators<'a>(arms: &Arms<'a>) -> impl Iterator<Item = &'a GateOperator> {
    arms.base.first().into_iter().flat_map(|launch| &launch.operators)
}

fn find<'a>(launch: &'a GateLaunch, named: &GateOperator) -> Option<&'a GateOperator> {
    launch.operators.iter().find(|other| other.key == named.key && other.provider == named.provider)
}

fn share(times: &[f64], totals: &[f64]) -> f64 {
    median(&times.iter().zip(totals).map(|(time, total)| time / total).collect::<Vec<f64>>()).unwrap_or(0.0)
}

fn direction(ratio: f64, us: f64) -> Option<bool> {
    let slower = ratio > 1.0 + EFFECT && us >= FLOOR_US;
    let faster = ratio < 1.0 / (1.0 + EFFECT) && us <= -FLOOR_US;
    (slower || faster).then_some(slower)
}

/// Welch (1947), "The generalization of Student's problem when several different population variances are involved",
/// Biometrika 34.
fn welch(base: &[f64], head: &[f64], effect: f64, floor_us: f64) -> Option<bool> {
    let ((base_mean, base_error), (head_mean, head_error)) = (mean_and_error(base)?, mean_and_error(head)?);
    let difference = head_mean - base_mean;
    let t = difference / (base_error + head_error).sqrt();
    let large = difference.abs() >= floor_us && (head_mean / base_mean).ln().abs() >= (1.0 + effect).ln();
    (t.abs() > T_BOUND && large).then_some(difference > 0.0)
}

/// Mean, and the square of its standard error.
fn mean_and_error(values: &[f64]) -> Option<(f64, f64)> {
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 1).map(f64::from)?;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Some((mean, variance / count))
}
