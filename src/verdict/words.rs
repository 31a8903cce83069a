//! How findings put numbers and differences.

use crate::compare::{Cause, StructuralDifference};

/// Microseconds, as milliseconds from 1 ms on.
pub(super) fn time(us: f64) -> String {
    if us >= 1000.0 { format!("{:.2} ms", us / 1000.0) } else { format!("{us:.0} us") }
}

/// A part of one as percent.
pub(super) fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

/// What else differs, as a clause to put behind a remedy; empty where nothing does.
pub(super) fn causes(causes: &[Cause]) -> String {
    let cause = |cause: &Cause| match cause.what.as_str() {
        // A digest tells a reader nothing; that it differs does.
        "model" => "the model".to_owned(),
        what => format!("{what} ({} -> {})", cause.base, cause.head),
    };
    let named: Vec<String> = causes.iter().map(cause).collect();
    if named.is_empty() { String::new() } else { format!(" Changed since the baseline: {}.", named.join(", ")) }
}

/// One structural difference as a sentence without its full stop.
pub(super) fn structure(difference: &StructuralDifference) -> String {
    match difference {
        StructuralDifference::Appeared { key, provider, executions } => {
            format!("{key} appeared: {executions} executions per run on {provider}, none in the baseline")
        }
        StructuralDifference::Vanished { key, provider, executions } => {
            format!("{key} vanished: {executions} executions per run on {provider} in the baseline, none now")
        }
        StructuralDifference::Count { key, provider, base, head } => {
            format!("{key} runs {head} times on {provider}, {base} times in the baseline")
        }
        StructuralDifference::Moved { key, from, to, executions } => {
            format!("{key}: {executions} executions per run moved from {from} to {to}")
        }
    }
}
