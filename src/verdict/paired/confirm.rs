//! What a red verdict must survive: fresh pairs of what was flagged.

use crate::compare::{Comparison, Estimate, OperatorChange};

use super::super::looks::smallest_p;
use super::super::{Finding, FindingCode, Judged, Judgement, Policy, Severity, Verdict};
use super::{pairs, words};

/// Level at which fresh pairs alone must show again what was flagged, adjusted for the flagged alone. Together with the
/// first look's level it bounds red verdicts on equal sides by 0.0005 where launches are as exchangeable as the test
/// takes them to be; its purpose is what remains where they are not, such as a neighbour that was busy for the first
/// measurement.
pub const CONFIRM_ALPHA: f64 = 0.05;

/// What the gate says after the scenarios with a regression were measured again.
///
/// `again` compares the fresh pairs alone, best with [`crate::compare::paired_where`] and the flagged hypotheses, `pooled`
/// the first pairs and the fresh ones. A regression stands where the fresh pairs show growth at [`CONFIRM_ALPHA`] and the
/// pooled median is still at least the smallest effect. One that does not becomes inconclusive, with a note that says so.
/// All else stays as it was, and so does everything where the fresh pairs are too few to show anything: a scenario that
/// cannot be measured again is no reason to turn green. To be reported with the first summary and comparison, on whose
/// probabilities the verdicts stand.
pub fn confirm_paired(first: &Judgement, again: &Comparison, pooled: &Comparison, policy: &Policy) -> Judgement {
    let fresh = pairs(again);
    let mut verdicts = first.verdicts.clone();
    let mut findings = first.findings.clone();
    for judged in verdicts.iter_mut().filter(|judged| judged.verdict == Verdict::Regressed) {
        let outcome =
            if smallest_p(fresh) > CONFIRM_ALPHA { Outcome::TooFew } else { repeated(judged, again, pooled, policy) };
        if !outcome.stands() {
            judged.verdict = Verdict::Inconclusive;
        }
        if let Some(finding) = findings.iter_mut().find(|finding| is_about(finding, judged)) {
            outcome.amend(finding, fresh, policy);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Judgement { verdicts, findings }
}

/// What fresh pairs say of one regression.
enum Outcome {
    Confirmed(Estimate),
    NotAgain(Estimate),
    Small(Estimate, f64),
    Gone,
    TooFew,
}

fn repeated(judged: &Judged, again: &Comparison, pooled: &Comparison, policy: &Policy) -> Outcome {
    let (Some(fresh), Some(all)) = (estimate_of(judged, again), estimate_of(judged, pooled)) else {
        return Outcome::Gone;
    };
    let min_effect = policy.min_effect_of(change_of(judged, pooled).and_then(|change| change.group));
    if fresh.p_slower > CONFIRM_ALPHA {
        Outcome::NotAgain(fresh)
    } else if all.ratio < 1.0 + min_effect {
        Outcome::Small(fresh, all.ratio)
    } else {
        Outcome::Confirmed(fresh)
    }
}

impl Outcome {
    fn stands(&self) -> bool {
        matches!(self, Outcome::Confirmed(_) | Outcome::TooFew)
    }

    /// Says it in the finding that the first measurement led to.
    fn amend(&self, finding: &mut Finding, fresh: u32, policy: &Policy) {
        finding.message += &match self {
            Outcome::Confirmed(estimate) => format!("; again in fresh launches: {}", words::ratio(estimate, fresh)),
            Outcome::NotAgain(estimate) => format!("; not again in fresh launches: {}", words::ratio(estimate, fresh)),
            Outcome::Small(estimate, all) => format!(
                "; again in fresh launches, but less: {}, and {all:.2} over all pairs is too little to count",
                words::ratio(estimate, fresh)
            ),
            Outcome::Gone => "; fresh launches give no time for it".to_owned(),
            Outcome::TooFew => format!("; {} of fresh launches were too few to confirm it", words::pairs(fresh)),
        };
        if !self.stands() {
            finding.code = FindingCode::Inconclusive;
            finding.severity = policy.severity(FindingCode::Inconclusive).min(Severity::Note);
            finding.remedy = "Nothing to do; if it comes back, something disturbs the machine now and then.".to_owned();
        }
    }
}

/// What a comparison says of what was judged.
fn estimate_of(judged: &Judged, comparison: &Comparison) -> Option<Estimate> {
    match &judged.operator {
        None => comparison.latency.estimate,
        Some(_) => change_of(judged, comparison).and_then(|change| change.estimate),
    }
}

/// The operator that a verdict is on; `None` for the latency.
fn change_of<'a>(judged: &Judged, comparison: &'a Comparison) -> Option<&'a OperatorChange> {
    let (key, provider) = (judged.operator.as_ref()?, judged.provider.as_ref()?);
    comparison.operators.iter().find(|change| change.key == *key && change.provider == *provider)
}

/// True for the finding that a regression led to.
fn is_about(finding: &Finding, judged: &Judged) -> bool {
    match (&judged.operator, &judged.provider) {
        (Some(key), Some(provider)) => {
            finding.code == FindingCode::OperatorRegressed
                && finding.operator.as_ref() == Some(key)
                // One operator may regress on two providers; the message names which.
                && finding.message.starts_with(&words::operator(key, provider))
        }
        _ => finding.code == FindingCode::LatencyRegressed,
    }
}
