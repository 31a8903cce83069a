//! How findings put numbers and differences.

use crate::compare::{
    Cause, ChangeKind, Comparison, Design, GroupChange, OperatorDelta, StructuralChange, StructuralDifference, patterns,
};
use crate::summary::OperatorKey;

/// Operators and groups named in one sentence.
const SHOWN: usize = 4;

/// Behind what the graph may have nothing to do with.
const UNSURE: &str = "; it may come from the data";

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

/// What the base of a comparison is called.
pub(super) fn base(design: Design) -> &'static str {
    match design {
        Design::Stored => "the baseline",
        Design::Paired { .. } => "the base",
    }
}

/// An operator without the domain that goes without saying.
fn operator(key: &OperatorKey) -> &str {
    key.0.strip_prefix("ai.onnx:").unwrap_or(&key.0)
}

/// One structural change as a sentence without its full stop; with what it did to the time where times say something.
pub(super) fn change(change: &StructuralChange, comparison: &Comparison, timed: bool) -> String {
    let time = change
        .delta_us
        .filter(|us| timed && us.abs() >= 1.0)
        .map_or_else(String::new, |us| format!(", {}", signed_time(us)));
    let operators = deltas(change);
    let times = count(change.nodes, "execution");
    let several = count(u32::try_from(change.operators.len()).unwrap_or(u32::MAX), "operator");
    let what = match &change.kind {
        ChangeKind::Fusion { pattern, won } => {
            let (name, state) =
                patterns().fusion(pattern).map_or((pattern.as_str(), "fused"), |f| (f.name.as_str(), f.state.as_str()));
            let now = if *won { "now" } else { "no longer" };
            format!("{name} {now} {state} ({}){time}: {operators}", count(change.nodes, "node"))
        }
        ChangeKind::Work { pattern, more, inserted } => {
            let name = patterns().work(pattern).map_or(pattern.as_str(), |work| work.name.as_str());
            let more = if *more { "more" } else { "fewer" };
            let inserted = match inserted {
                0 => String::new(),
                number => format!(" ({number:+} put in by ONNX Runtime)"),
            };
            format!("{more} {name}{time}: {operators}{inserted}")
        }
        ChangeKind::Moved { from, .. } if change.is_fallback() => {
            format!("{several} fell back from {from} to the CPU, {times} per run{time}: {operators}")
        }
        ChangeKind::Moved { from, to } => {
            format!("{several} moved from {from} to {to}, {times} per run{time}: {operators}")
        }
        ChangeKind::Types { from, to } => {
            format!("{several} with {to} in place of {from}, {times} per run{time}: {operators}")
        }
        ChangeKind::Shapes => {
            format!("{several} at other shapes, {times} per run{time}: {}", example(change, comparison))
        }
        ChangeKind::Inserted => {
            format!("another number of nodes put in by ONNX Runtime, {times} per run{time}: {operators}")
        }
        ChangeKind::Operator { base: before, head } => return single(change, comparison, (*before, *head), &time),
    };
    let groups = if timed { groups(change, comparison) } else { String::new() };
    let unsure = if change.data_dependent { UNSURE } else { "" };
    format!("{what}{groups}{unsure}")
}

/// An operator that no pattern explains, or what patterns leave of it.
fn single(change: &StructuralChange, comparison: &Comparison, (before, now): (u32, u32), time: &str) -> String {
    let Some(part) = change.operators.first() else { return String::new() };
    let base = base(comparison.design);
    if part.executions != i64::from(now) - i64::from(before) {
        let more = if part.executions > 0 { "more" } else { "fewer" };
        let left = part.executions.unsigned_abs();
        return format!(
            "{} runs {now} times, {before} times in {base}: {left} {more} than the other changes explain{time}",
            part.key
        );
    }
    let of_it = comparison.structure.iter().filter(|difference| difference.key() == &part.key);
    let said: Vec<String> = of_it.filter_map(|difference| counted(difference, base)).collect();
    let unsure = if change.data_dependent { UNSURE } else { "" };
    format!("{}{time}{unsure}", said.join("; "))
}

/// A difference in how often one operator runs on one provider.
fn counted(difference: &StructuralDifference, of: &str) -> Option<String> {
    match difference {
        StructuralDifference::Appeared { key, provider, executions } => {
            let times = count(*executions, "execution");
            Some(format!("{key} appeared: {times} per run on {provider}, none in {of}"))
        }
        StructuralDifference::Vanished { key, provider, executions } => {
            let times = count(*executions, "execution");
            Some(format!("{key} vanished: {times} per run on {provider} in {of}, none now"))
        }
        StructuralDifference::Count { key, provider, base, head } => {
            Some(format!("{key} runs {head} times on {provider}, {base} times in {of}"))
        }
        _ => None,
    }
}

/// `-25 LayerNormalization, +50 ReduceMean and 4 more`; names alone where numbers did not change.
fn deltas(change: &StructuralChange) -> String {
    let one = |part: &OperatorDelta| match part.executions {
        0 => operator(&part.key).to_owned(),
        number => format!("{number:+} {}", operator(&part.key)),
    };
    let (shown, rest) = change.operators.split_at(change.operators.len().min(SHOWN));
    let shown: Vec<String> = shown.iter().map(one).collect();
    match rest.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The first of the operators at other shapes, with one shape before and now.
fn example(change: &StructuralChange, comparison: &Comparison) -> String {
    let shapes = comparison.structure.iter().find_map(|difference| match difference {
        StructuralDifference::Shapes { key, base, head, .. } => Some((key, base.first()?, head.first()?)),
        _ => None,
    });
    let Some((key, base, head)) = shapes else { return deltas(change) };
    let others = change.operators.len().saturating_sub(1);
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    format!("{} {} -> {}{more}", operator(key), base.inputs, head.inputs)
}

/// What the groups of a change's operators take more or less, the largest first.
fn groups(change: &StructuralChange, comparison: &Comparison) -> String {
    let concerned = |group: &&GroupChange| change.operators.iter().any(|operator| operator.group == group.group);
    let mut deltas: Vec<(&GroupChange, f64)> = comparison
        .groups
        .iter()
        .filter(concerned)
        .filter_map(|group| group.delta_us.map(|us| (group, us)))
        .filter(|(_, us)| us.abs() >= 1.0)
        .collect();
    deltas.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    let one = |(group, us): &(&GroupChange, f64)| {
        format!("{} {}", group.group.map_or("unknown operators", |group| group.title()), signed_time(*us))
    };
    let named: Vec<String> = deltas.iter().take(SHOWN).map(one).collect();
    if named.is_empty() { String::new() } else { format!("; {}", named.join(", ")) }
}

/// A difference in microseconds, with its sign.
fn signed_time(us: f64) -> String {
    format!("{}{}", if us < 0.0 { "-" } else { "+" }, time(us.abs()))
}

fn count(number: u32, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Why the pattern is there or not, and what to look at; empty for what has no pattern.
pub(super) fn reason(change: &StructuralChange) -> String {
    let reason = match &change.kind {
        ChangeKind::Fusion { pattern, .. } => patterns().fusion(pattern).map(|fusion| &fusion.reason),
        ChangeKind::Work { pattern, .. } => patterns().work(pattern).map(|work| &work.reason),
        _ => None,
    };
    let Some(reason) = reason else { return String::new() };
    let mut letters = reason.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}. ", letters.as_str())
}

#[cfg(test)]
mod tests;
