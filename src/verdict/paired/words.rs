//! How findings put what pairs of launches say.

use crate::compare::Estimate;
use crate::summary::OperatorKey;

use super::super::{Judged, words};

/// From what to what, `what` with its verb, and then the ratio, its interval and its probability.
pub(super) fn change(
    what: &str,
    base_us: f64,
    head_us: f64,
    machine_factor: Option<f64>,
    estimate: Option<Estimate>,
    count: u32,
) -> String {
    let times = format!("{what} {}, {} in the base", words::time(head_us), words::time(base_us));
    let Some(estimate) = estimate else { return times };
    let factor = machine_factor.map(|factor| format!("with the machine factor of {factor:.2} divided out, "));
    format!("{times}: {}{}", factor.unwrap_or_default(), ratio(&estimate, count))
}

/// `1.20 times as long (1.17 to 1.23), p = 0.004 over 8 pairs`.
pub(super) fn ratio(estimate: &Estimate, count: u32) -> String {
    let Estimate { ratio, low, high, .. } = estimate;
    let p = estimate.p_slower.min(estimate.p_faster);
    let p = if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {}", probability(p)) };
    format!("{ratio:.2} times as long ({low:.2} to {high:.2}), {p} over {}", pairs(count))
}

/// An operator where it runs, as its findings begin.
pub(super) fn operator(key: &OperatorKey, provider: &str) -> String {
    format!("{key} on {provider}")
}

/// `1 pair`, `8 pairs`.
pub(super) fn pairs(count: u32) -> String {
    format!("{count} pair{}", if count == 1 { "" } else { "s" })
}

/// Three decimals.
pub(super) fn probability(p: f64) -> String {
    format!("{p:.3}")
}

/// Each with the growth that would have been seen.
pub(super) fn unshown(found: &[(f64, &Judged)]) -> String {
    let named = |(_, judged): &(f64, &Judged)| {
        let name = judged.operator.as_ref().map_or("the latency".to_owned(), ToString::to_string);
        match judged.detectable {
            // A thousandfold is no news to anyone.
            Some(effect) if effect < 10.0 => {
                format!("{name} (a growth of {:.0} % would have been seen)", effect * 100.0)
            }
            _ => format!("{name} (hardly any growth would have been seen)"),
        }
    };
    words::list(&found.iter().map(named).collect::<Vec<_>>())
}
