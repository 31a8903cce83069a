//! What may be the matter with a scenario that is no change of it.

use crate::report::standing::Standing;
use crate::report::{FindingCode, Report};

/// What is the matter with so many scenarios, where that is no change of theirs.
pub(super) fn predicate(code: FindingCode, count: usize) -> Option<&'static str> {
    let one = count == 1;
    let either = |singular, plural| Some(if one { singular } else { plural });
    match code {
        FindingCode::BudgetExceeded => either("is over budget", "are over budget"),
        FindingCode::NoBaseline => either("has no baseline", "have no baseline"),
        FindingCode::OutdatedBaseline => either("has an outdated baseline", "have outdated baselines"),
        FindingCode::FingerprintDiffers => either(
            "has a baseline of another machine class, so that its times were not judged",
            "have baselines of another machine class, so that their times were not judged",
        ),
        FindingCode::Unstable => Some("varied too much to be judged"),
        FindingCode::TimesNotJudged => Some("could not be judged for time"),
        FindingCode::AmbiguousFactor => Some("changed as a whole, by the machine or by the code"),
        FindingCode::Inconclusive => either("is inconclusive", "are inconclusive"),
        FindingCode::BlindSpot => either("is too noisy in part", "are too noisy in part"),
        FindingCode::StructureVaries => either("runs another graph in each launch", "run another graph in each launch"),
        FindingCode::UnknownOperator => either("runs unknown operators", "run unknown operators"),
        FindingCode::NotMeasured => Some("could not be measured"),
        _ => None,
    }
}

/// True where a pass is one with reservations.
pub(super) fn is_doubtful(report: &Report) -> bool {
    let doubtful = |standing| matches!(standing, Standing::NoBaseline | Standing::NotJudged(_) | Standing::Warned(_));
    report.scenarios.iter().map(Standing::of).any(doubtful)
}
