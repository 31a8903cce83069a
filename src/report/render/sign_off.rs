//! What a sign-off says beyond its report, in the words that every rendering uses.

use super::number;
use crate::report::signoff::{Budget, Policy, Previous, Rule, SignOff, Since, Stated};
use crate::report::{Group, RuleSource, figures, wording};

/// So many operators of a scenario are listed among those that moved most since the release before.
pub(super) const MOVED: usize = 6;

/// The circumstances, name by name; names and commits stand between backticks.
pub(super) fn facts(sign_off: &SignOff) -> Vec<(&'static str, String)> {
    let facts = &sign_off.facts;
    let mut named = Vec::new();
    named.extend(facts.release.as_ref().map(|release| ("release", release.clone())));
    named.push(("date", facts.date.clone()));
    if let Some(revision) = &facts.revision {
        let described = revision.description.as_ref().map_or_else(String::new, |text| format!(" ({text})"));
        let state = if revision.clean { "no tracked file changed" } else { "with changes that are not committed" };
        named.push(("revision", format!("{}{described}, {state}", revision.commit)));
    }
    if !facts.selection.is_empty() {
        named.push(("only a selection", facts.selection.join(" ")));
    }
    named.extend(
        facts.from.as_ref().map(|file| ("report", format!("{file}, measured before; nothing was measured here"))),
    );
    named.push(("exit code", sign_off.exit_code.to_string()));
    named
}

/// The command that asks for the same again.
pub(super) fn reproduce(sign_off: &SignOff) -> String {
    let gate = crate::report::standing::reproduce(&sign_off.report);
    let rest = gate.split_once(" check").map_or("", |(_, rest)| rest);
    format!("cargo nongemm signoff{rest}")
}

/// Where a policy comes from, and whether it is certain that the verdict was made with it.
pub(super) fn origin(policy: &Policy) -> String {
    let origin = format!("From {}.", policy.configuration);
    match policy.stated {
        Stated::WhenMeasured => origin,
        Stated::WhenSignedOff => format!(
            "{origin} This is the configuration at sign-off; the report was made before, and does not say with which one."
        ),
    }
}

/// Thresholds and severities, each with its limit in words.
pub(super) fn thresholds(policy: &Policy) -> Vec<(String, String)> {
    let percent = number::percent;
    let mut rows = vec![
        ("smallest change of an operator".to_owned(), percent(policy.min_effect)),
        ("and at least".to_owned(), format!("{} us a run", policy.floor_us)),
        ("and at least".to_owned(), format!("{} of the latency", percent(policy.floor_share))),
        ("and at least".to_owned(), format!("{} standard errors", policy.spread_factor)),
        ("growth of the latency".to_owned(), percent(policy.max_latency_growth)),
        ("drift since the first accept".to_owned(), percent(policy.min_drift)),
    ];
    let gpu = policy.gpu;
    rows.push((
        "in place of the first three, by a GPU's own clock".to_owned(),
        format!("{}, {} us a run, {} of the latency", percent(gpu.min_effect), gpu.floor_us, percent(gpu.floor_share)),
    ));
    for (group, own) in &policy.groups {
        let limits = [own.min_effect.map(percent), own.floor_us.map(|us| format!("{us} us a run"))];
        let name = format!("smallest change in {}", wording::group(Some(*group)));
        rows.push((name, limits.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    }
    for (code, severity) in &policy.severities {
        rows.push((format!("`{code}`"), wording::severity(*severity).to_owned()));
    }
    rows.push((
        "slower operators, baseline of another CPU model".to_owned(),
        format!("{} at most", wording::severity(policy.other_cpu)),
    ));
    let trailers = if policy.trailers { "may allow findings" } else { "count for nothing" };
    rows.push(("trailers of commits".to_owned(), trailers.to_owned()));
    rows
}

/// Columns of [`rule`].
pub(super) const RULE_COLUMNS: [&str; 5] = ["where", "counts as", "findings", "reason", "said by"];

/// A rule, a cell a column.
pub(super) fn rule(rule: &Rule) -> [String; 5] {
    let findings = match rule.findings.as_slice() {
        [] => "all about operators".to_owned(),
        named => named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let by = match &rule.source {
        RuleSource::Configuration { number, expires: None } => format!("rule {number}"),
        RuleSource::Configuration { number, expires: Some(day) } => format!("rule {number}, until {day}"),
        RuleSource::Commit { id } => format!("commit {id}"),
    };
    let level = wording::severity(rule.level).to_owned();
    [rule.scope.clone(), level, findings, rule.reason.clone().unwrap_or_default(), by]
}

/// Columns of [`budget`].
pub(super) const BUDGET_COLUMNS: [&str; 4] = ["scenarios", "machines", "latency", "shares"];

/// A budget, a cell a column.
pub(super) fn budget(budget: &Budget) -> [String; 4] {
    let share = |name: &str, share: f64| format!("{name} {}", number::percent(share));
    let named = |(group, limit): (&Group, &f64)| share(wording::group(Some(*group)), *limit);
    let non_gemm = budget.max_non_gemm_share.map(|limit| share("non-GEMM", limit));
    let shares: Vec<String> = non_gemm.into_iter().chain(budget.max_group_share.iter().map(named)).collect();
    let latency = budget.max_latency_ms.map_or_else(String::new, |ms| number::time(ms * 1000.0));
    let machines = budget.machine.clone().unwrap_or_else(|| "all".to_owned());
    [budget.scenario.clone(), machines, latency, shares.join(", ")]
}

/// Whether there is more to say of a scenario than that its figures are as they were.
pub(super) fn has_moved(since: &Since) -> bool {
    let comparison = &since.comparison;
    let is_other_model = comparison.causes.iter().any(|cause| cause.what == "model");
    is_other_model || !comparison.structure.is_empty() || !figures::moved_most(comparison, 1).is_empty()
}

/// What a reader must know of the release before, to compare with it; sentences.
pub(super) fn circumstances(previous: &Previous) -> Vec<String> {
    let facts = &previous.facts;
    let commit = facts.revision.as_ref().map_or_else(String::new, |revision| format!(", commit {}", revision.short()));
    let mut said = vec![format!("Made on {}{commit}, on {}.", facts.date, previous.machine.cpu)];
    if !previous.same_machine_class {
        said.push(format!(
            "It was measured on another class of machine ({}): times of the two say nothing beside each other.",
            previous.machine.fingerprint
        ));
    }
    let differ = previous.differences.iter();
    said.extend(differ.map(|d| format!("Possible cause of differences: {} {} → {}.", d.what, d.base, d.head)));
    let lists = [
        ("New since then", &previous.new),
        ("Gone since then", &previous.gone),
        ("Not measured in one of the two", &previous.unmeasured),
    ];
    for (what, ids) in lists.into_iter().filter(|(_, ids)| !ids.is_empty()) {
        let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
        said.push(format!("{what}: {}.", ids.join(", ")));
    }
    said
}
