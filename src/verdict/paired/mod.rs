//! The verdict where both sides were measured in turns.
//!
//! `rule` says what becomes of one quantity, `confirm` what a red verdict must survive; here the rules are put together
//! and put into words.

mod confirm;
mod rule;
#[cfg(test)]
mod tests;
mod words;

use crate::compare::{Comparison, Design, LatencyChange, OperatorChange};
use crate::summary::{SideOperator, Summary};

use super::judge::Judge;
use super::looks::smallest_p;
use super::{Draft, FindingCode, Judged, Judgement, Policy, Severity, Verdict};
pub use confirm::{CONFIRM_ALPHA, confirm_paired};
use rule::Quantity;

/// Operators with this share on either side are worth a warning where nothing can be said of them.
const NOTABLE_OPERATOR: f64 = 0.01;

/// What the gate says of a scenario whose sides were measured in turns, most severe findings first. `head` is the new
/// side's summary, `alpha` the level of the look.
///
/// An operator **regressed** where its adjusted probability is at most `alpha`, its median ratio is at least
/// 1 + `min_effect` and its time grew by at least the floor, the machine factor divided out; **improved** is the mirror
/// image. It is **unchanged** where the interval of its ratio lies inside the margin, which is the smallest effect or
/// what the floor comes to, **shifted** where its share moved all the same, **unstable** where its doubling would not
/// have shown or where it varies beyond `unstable_spread` from pair to pair, and else **inconclusive**. The latency is
/// judged alike, with nothing divided out. On sides of different machine classes no time is judged.
pub fn judge_paired(head: &Summary, comparison: &Comparison, policy: &Policy, alpha: f64) -> Judgement {
    let policy = &policy.by_clock(head.clock);
    let mut judge = Judge::of(head, policy);
    judge.scenario_alone();
    judge.budgets(comparison.fingerprint.is_empty(), true);
    judge.structure(comparison);
    let verdicts = verdicts_paired(comparison, policy, alpha);
    let mut paired = Paired { judge, comparison, pairs: pairs(comparison), alpha };
    if comparison.fingerprint.is_empty() {
        paired.too_little();
        paired.changes(&verdicts);
        paired.shifted(&verdicts);
        paired.unshown(&verdicts);
    } else {
        paired.other_machine();
    }
    Judgement { verdicts, findings: paired.judge.sorted() }
}

/// One verdict per operator, in their order, and then that on the latency; see [`judge_paired`].
pub fn verdicts_paired(comparison: &Comparison, policy: &Policy, alpha: f64) -> Vec<Judged> {
    let same_machine = comparison.fingerprint.is_empty();
    let pairs = pairs(comparison);
    let judged = |quantity: Quantity, operator: Option<&OperatorChange>| Judged {
        operator: operator.map(|change| change.key.clone()),
        provider: operator.map(|change| change.provider.clone()),
        verdict: if same_machine { quantity.verdict(policy, alpha) } else { Verdict::NotJudged },
        detectable: quantity.detectable(policy).filter(|_| same_machine),
    };
    let operator = |change| judged(Quantity::operator(change, comparison, pairs), Some(change));
    let latency = judged(Quantity::latency(comparison, pairs), None);
    comparison.operators.iter().map(operator).chain([latency]).collect()
}

/// True where more pairs would teach nothing: everything that can be judged regressed, improved, is unchanged or shifted.
pub fn is_settled(judgement: &Judgement) -> bool {
    judgement.verdicts.iter().all(|judged| !matches!(judged.verdict, Verdict::Unstable | Verdict::Inconclusive))
}

/// True for an operator, or with `None` for the latency, that regressed: what fresh pairs must show again. Made for
/// [`crate::compare::paired_where`].
pub fn is_regressed(judgement: &Judgement, operator: Option<&SideOperator>) -> bool {
    let (key, provider) = (operator.map(|operator| &operator.key), operator.map(|operator| &operator.provider));
    let is = |judged: &Judged| (judged.operator.as_ref(), judged.provider.as_ref()) == (key, provider);
    judgement.verdicts.iter().any(|judged| judged.verdict == Verdict::Regressed && is(judged))
}

/// How many pairs were measured; none where the launches do not belong together.
fn pairs(comparison: &Comparison) -> u32 {
    match comparison.design {
        Design::Paired { pairs } => pairs,
        Design::Stored => 0,
    }
}

/// One scenario being judged.
struct Paired<'a> {
    judge: Judge<'a>,
    comparison: &'a Comparison,
    pairs: u32,
    alpha: f64,
}

impl Paired<'_> {
    fn other_machine(&mut self) {
        let fields = &self.comparison.fingerprint;
        let named: Vec<String> = fields.iter().map(|d| format!("{} ({} -> {})", d.field, d.base, d.head)).collect();
        let message = format!("the sides ran on different machine classes: {}; times are not judged", named.join(", "));
        let remedy = "Measure both sides in turns on one machine.";
        self.judge.add(Draft::new(FindingCode::FingerprintDiffers, message, remedy));
    }

    /// Where a red verdict was out of reach from the start.
    fn too_little(&mut self) {
        let code = FindingCode::TimesNotJudged;
        if smallest_p(self.pairs) > self.alpha {
            let message = format!(
                "{} are too few: nothing they show has a probability of {} or less, so no time could fail",
                words::pairs(self.pairs),
                words::probability(self.alpha)
            );
            let remedy = "Measure more pairs, and look at what ended the measurement if more were planned.";
            self.judge.add(Draft::new(code, message, remedy));
        } else if self.comparison.machine_factor.is_none() {
            let message =
                "fewer than three operators of equal counts stand on both sides, so that the latency was judged \
                           and no operator"
                    .to_owned();
            let remedy = "Nothing to do where the latency is what matters; the structure says what else changed.";
            self.judge.add(Draft::new(code, message, remedy));
        }
    }

    /// What regressed or improved, the latency first.
    fn changes(&mut self, verdicts: &[Judged]) {
        let comparison = self.comparison;
        let (operators, latency) = verdicts.split_at(comparison.operators.len());
        for judged in latency {
            let LatencyChange { base_us, head_us, estimate, .. } = comparison.latency;
            let change = words::change("the latency is", base_us, head_us, None, estimate, self.pairs);
            self.changed(judged, [FindingCode::LatencyRegressed, FindingCode::LatencyImproved], change);
        }
        for (operator, judged) in comparison.operators.iter().zip(operators) {
            let name = words::operator(&operator.key, &operator.provider) + " takes";
            let (base_us, head_us, factor) = (operator.base_us, operator.head_us, comparison.machine_factor);
            let change = words::change(&name, base_us, head_us, factor, operator.estimate, self.pairs);
            self.changed(judged, [FindingCode::OperatorRegressed, FindingCode::OperatorImproved], change);
        }
    }

    fn changed(&mut self, judged: &Judged, [regressed, improved]: [FindingCode; 2], message: String) {
        let causes = super::words::causes(&self.comparison.causes);
        let (code, remedy) = match judged.verdict {
            Verdict::Regressed => {
                let id = self.judge.scenario();
                let look = "Look at structural changes first, they are usually the cause";
                (regressed, format!("{look}; `cargo nongemm run -v {id}` shows every operator and its shapes.{causes}"))
            }
            Verdict::Improved => (improved, "Nothing to do.".to_owned()),
            _ => return,
        };
        let draft = Draft::new(code, message, remedy);
        let draft = match &judged.operator {
            Some(operator) => draft.blaming(operator),
            None => draft,
        };
        self.judge.add(draft);
    }

    fn shifted(&mut self, verdicts: &[Judged]) {
        let operators = self.comparison.operators.iter().zip(verdicts);
        let shifted: Vec<_> =
            operators.filter(|(_, judged)| judged.verdict == Verdict::Shifted).map(|(o, _)| o).collect();
        self.judge.shares_shifted(&shifted);
    }

    /// What neither changed nor is shown not to have, and what hardly anything would have shown of.
    fn unshown(&mut self, verdicts: &[Judged]) {
        let mut found: Vec<(f64, &Judged)> = verdicts.iter().map(|judged| (self.share(judged), judged)).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let of = |wanted: Option<Unshown>| -> Vec<(f64, &Judged)> {
            found.iter().copied().filter(|(share, judged)| unshown(judged, *share) == wanted).collect()
        };
        let remedy = "Measure more pairs, or on a quieter machine; `cargo nongemm doctor` names what disturbs.";
        for (kind, code, what) in [
            (Unshown::Latency, FindingCode::Unstable, "the latency varies too much from pair to pair"),
            (Unshown::Operator, FindingCode::BlindSpot, "the gate is all but blind to these operators"),
            (Unshown::Undecided, FindingCode::Inconclusive, "neither a change nor its absence is shown"),
        ] {
            let found = of(Some(kind));
            let notable = found.iter().any(|(share, _)| *share >= NOTABLE_OPERATOR);
            let bound = if notable { Severity::Error } else { Severity::Note };
            if !found.is_empty() {
                let message = format!("{what}: {}", words::unshown(&found));
                self.judge.add(Draft::new(code, message, remedy).at_most(bound));
            }
        }
    }

    /// The larger of an operator's shares, 0 to 1; the latency is all of it.
    fn share(&self, judged: &Judged) -> f64 {
        let is = |operator: &&OperatorChange| {
            Some(&operator.key) == judged.operator.as_ref() && Some(&operator.provider) == judged.provider.as_ref()
        };
        self.comparison.operators.iter().find(is).map_or(1.0, |operator| operator.base_share.max(operator.head_share))
    }
}

/// Why nothing is shown of a quantity.
#[derive(PartialEq, Eq)]
enum Unshown {
    /// The latency is unstable.
    Latency,
    /// An operator is unstable, or so short that it could double below the floor and yet be a part of the latency.
    Operator,
    /// More pairs would tell.
    Undecided,
}

fn unshown(judged: &Judged, share: f64) -> Option<Unshown> {
    let would_double = judged.detectable.is_none_or(|effect| effect >= rule::BLIND);
    match (judged.verdict, &judged.operator) {
        (Verdict::NotJudged | Verdict::Regressed | Verdict::Improved, _) => None,
        (Verdict::Unstable, None) => Some(Unshown::Latency),
        (Verdict::Unstable, Some(_)) => Some(Unshown::Operator),
        (_, Some(_)) if would_double && share >= NOTABLE_OPERATOR => Some(Unshown::Operator),
        (Verdict::Inconclusive, _) => Some(Unshown::Undecided),
        (Verdict::Unchanged | Verdict::Shifted, _) => None,
    }
}
