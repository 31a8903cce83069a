//! The policy of each scenario: the configuration's thresholds, budgets and rules, and what commits under test allow.

use std::collections::BTreeMap;

use crate::config::{self, Config, GatePolicy, GpuGate, Level};
use crate::report::{ScenarioReport, ScenarioResult, signoff};
use crate::scenario::{Planned, Scenario, ScenarioId};
use crate::summary::OperatorKey;
use crate::verdict::{
    Budget, FindingCode, GpuThresholds, GroupThresholds, NameGlob, Policy, Rule, RuleSource, Severity,
};

use super::results::today;
use super::trailers::{self, Commits};
use super::{Terminal, current_directory};

/// What changes how findings count, over all scenarios: rules that are in force, then what commits allow.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    /// Reads the rules of the configuration and the trailers of the commits under test. Warns of rules that have expired
    /// and of trailers that say nothing.
    ///
    /// # Errors
    /// The current directory cannot be told.
    pub fn read(config: &Config, commits: &Commits, terminal: &mut Terminal) -> anyhow::Result<Rules> {
        let (mut rules, expired) = in_force(config, &today());
        for rule in expired {
            terminal.status.warn(&format!("{}; it no longer applies: renew it, or delete it", describe(&rule)));
        }
        if config.gate.trailers {
            let event = std::env::var("GITHUB_EVENT_NAME").ok();
            let read = trailers::read(&current_directory()?, commits, event.as_deref());
            read.warnings.iter().for_each(|warning| terminal.status.warn(warning));
            rules.extend(read.allowances);
        }
        Ok(Rules(rules))
    }

    /// What the gate holds against a scenario on a machine of this class (the name of its folder of baselines).
    pub fn policy(&self, config: &Config, planned: &Planned, machine: &str) -> Policy {
        let budgets = planned.budgets.iter().filter_map(|one| budget(one, machine)).collect();
        Policy { budgets, ..self.without_budgets(config, &planned.id, &planned.scenario) }
    }

    /// The same for a scenario that a report tells of, whose budgets are its own suite's.
    pub fn without_budgets(&self, config: &Config, id: &ScenarioId, scenario: &Scenario) -> Policy {
        let of_scenario = |rule: &&Rule| rule.scenario.matches_scenario(id, scenario.model.name());
        Policy { rules: self.0.iter().filter(of_scenario).cloned().collect(), ..gate(config) }
    }

    /// What holds, written down for whoever asks later.
    pub fn record(&self, config: &Config, stated: signoff::Stated) -> signoff::Policy {
        let gate = &config.gate;
        signoff::Policy {
            configuration: config.origin.to_string(),
            stated,
            min_effect: gate.min_effect,
            floor_us: gate.floor_us,
            floor_share: gate.floor_share,
            gpu: signoff::GpuLimits {
                min_effect: gate.gpu.min_effect,
                floor_us: gate.gpu.floor_us,
                floor_share: gate.gpu.floor_share,
            },
            spread_factor: gate.spread_factor,
            max_latency_growth: gate.max_latency_growth,
            min_drift: gate.min_drift,
            severities: severities(gate),
            other_cpu: severity(gate.other_cpu),
            groups: gate.group.iter().map(|(group, own)| (*group, limits(own))).collect(),
            trailers: gate.trailers,
            rules: self.0.iter().map(recorded).collect(),
            budgets: config.budgets.iter().map(recorded_budget).collect(),
        }
    }

    /// Warns of each rule that could not match anything in the suite: a mistyped glob guards nothing, and nobody would
    /// notice.
    pub fn warn_of_idle(&self, suite: &[Planned], reports: &[ScenarioReport], terminal: &mut Terminal) {
        let ran = operators(suite, reports);
        let idle = |rule: &&Rule| {
            let scenarios = suite.iter().zip(&ran);
            !rule.can_match(scenarios.map(|(one, ran)| (&one.id, one.scenario.model.name(), ran.clone())))
        };
        for rule in self.0.iter().filter(idle) {
            terminal.status.warn(&format!("{} matches nothing in the suite, so it changes nothing", describe(rule)));
        }
    }
}

/// The rules of the configuration, those that hold today and those that no longer do.
fn in_force(config: &Config, today: &str) -> (Vec<Rule>, Vec<Rule>) {
    let rules = config.rules.iter().enumerate().filter_map(|(index, typed)| rule(index, typed));
    rules.partition(|rule| !rule.has_expired(today))
}

/// `None` for a glob that the configuration has refused already.
fn rule(index: usize, typed: &config::Rule) -> Option<Rule> {
    Some(Rule {
        level: severity(typed.level),
        scenario: NameGlob::new(&typed.scenario).ok()?,
        operator: typed.operator.as_deref().map(NameGlob::new).transpose().ok()?,
        findings: typed.finding.clone(),
        reason: typed.reason.clone(),
        source: RuleSource::Configuration { number: index + 1, expires: typed.expires.clone() },
    })
}

/// The operators of each scenario on either side; `None` where it was not measured.
fn operators<'a>(suite: &[Planned], reports: &'a [ScenarioReport]) -> Vec<Option<Vec<&'a OperatorKey>>> {
    let of = |id: &ScenarioId| {
        let report = reports.iter().find(|report| report.id == *id)?;
        let ScenarioResult::Measured { summary } = &report.result else { return None };
        let gone = report.comparison.iter().flat_map(|comparison| &comparison.structure);
        let now = summary.operators.iter().map(|operator| &operator.key);
        Some(now.chain(gone.map(|difference| difference.key())).collect())
    };
    suite.iter().map(|planned| of(&planned.id)).collect()
}

fn describe(rule: &Rule) -> String {
    match &rule.source {
        RuleSource::Configuration { number, expires } => {
            let until = expires.as_ref().map_or_else(String::new, |day| format!(" (until {day})"));
            format!("rule {number}, `{}`{until}", rule.scope())
        }
        RuleSource::Commit { id } => format!("`{}`, which commit {id} allows,", rule.scope()),
    }
}

/// How findings count whose severity the configuration says.
fn severities(gate: &GatePolicy) -> BTreeMap<FindingCode, Severity> {
    BTreeMap::from([
        (FindingCode::StructureChanged, severity(gate.structure)),
        (FindingCode::NoBaseline, severity(gate.missing_baseline)),
        (FindingCode::OutdatedBaseline, severity(gate.missing_baseline)),
        (FindingCode::LatencyRegressed, severity(gate.latency)),
        (FindingCode::AmbiguousFactor, severity(gate.ambiguous_factor)),
        (FindingCode::Drift, severity(gate.drift)),
    ])
}

fn recorded(rule: &Rule) -> signoff::Rule {
    signoff::Rule {
        level: rule.level,
        scope: rule.scope(),
        findings: rule.findings.clone(),
        reason: rule.reason.clone(),
        source: rule.source.clone(),
    }
}

fn recorded_budget(budget: &config::Budget) -> signoff::Budget {
    signoff::Budget {
        scenario: budget.scenario.clone(),
        machine: budget.machine.clone(),
        max_non_gemm_share: budget.max_non_gemm_share,
        max_group_share: budget.max_group_share.clone(),
        max_latency_ms: budget.max_latency_ms,
    }
}

fn limits(own: &config::GroupGate) -> signoff::GroupLimits {
    signoff::GroupLimits { min_effect: own.min_effect, floor_us: own.floor_us }
}

pub(super) fn severity(level: Level) -> Severity {
    match level {
        Level::Deny => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Allow => Severity::Note,
    }
}

/// Thresholds and severities of `[gate]`, without rules and budgets.
pub(super) fn gate(config: &Config) -> Policy {
    let gate = &config.gate;
    let GpuGate { min_effect, floor_us, floor_share } = gate.gpu;
    Policy {
        min_effect: gate.min_effect,
        floor_us: gate.floor_us,
        floor_share: gate.floor_share,
        gpu: GpuThresholds { min_effect, floor_us, floor_share },
        spread_factor: gate.spread_factor,
        max_latency_growth: gate.max_latency_growth,
        min_drift: gate.min_drift,
        severities: severities(gate),
        other_cpu: severity(gate.other_cpu),
        groups: gate.group.iter().map(|(group, own)| (*group, thresholds(own))).collect(),
        ..Policy::default()
    }
}

fn thresholds(own: &config::GroupGate) -> GroupThresholds {
    GroupThresholds { min_effect: own.min_effect, floor_us: own.floor_us }
}

/// The budget as it holds on a machine of this class; `None` where it is for others.
fn budget(budget: &config::Budget, machine: &str) -> Option<Budget> {
    let meant = match &budget.machine {
        // The configuration has checked the glob.
        Some(glob) => globset::Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(machine)),
        None => true,
    };
    meant.then(|| Budget {
        max_non_gemm_share: budget.max_non_gemm_share,
        max_group_share: budget.max_group_share.clone(),
        max_latency_ms: budget.max_latency_ms,
        for_this_machine: budget.machine.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{load_in, project};

    fn config(text: &str) -> Config {
        load_in(project(&[("nongemm.toml", text)]).path()).unwrap()
    }

    fn policy_of(text: &str, machine: &str) -> Policy {
        let config = config(text);
        let (rules, _) = in_force(&config, "2026-06-15");
        let planned = crate::command::testing::planned();
        let planned = Planned { budgets: config.budgets.clone(), ..planned };
        Rules(rules).policy(&config, &planned, machine)
    }

    #[test]
    fn a_rule_holds_on_its_last_day_and_not_on_the_next() {
        let config = config(
            "[[rule]]\nlevel = \"allow\"\nreason = \"r\"\nexpires = \"2026-06-15\"\n[[rule]]\nlevel = \"deny\"\n",
        );
        let numbers = |rules: &[Rule]| rules.iter().map(describe).collect::<Vec<_>>();
        for (today, holds) in [("2026-06-14", 2), ("2026-06-15", 2), ("2026-06-16", 1), ("2027-01-01", 1)] {
            let (rules, expired) = in_force(&config, today);
            assert_eq!((rules.len(), expired.len()), (holds, 2 - holds), "{today}");
        }
        let (rules, expired) = in_force(&config, "2026-06-16");
        assert_eq!(numbers(&rules), ["rule 2, `*`"]);
        assert_eq!(numbers(&expired), ["rule 1, `*` (until 2026-06-15)"]);
    }

    #[test]
    fn a_scenario_has_the_rules_that_match_its_id_or_its_model() {
        let rule = |glob: &str| format!("[[rule]]\nlevel = \"deny\"\nscenario = \"{glob}\"\n");
        let text = ["bert*", "bert-base", "gpt2*", "*-t1", "*-t2"].map(rule).concat();
        let scopes: Vec<String> = policy_of(&text, "here").rules.iter().map(Rule::scope).collect();
        assert_eq!(scopes, ["bert*", "bert-base", "*-t1"]);
    }

    #[test]
    fn budgets_of_other_machines_do_not_hold_here() {
        let budget = |machine: &str| format!("[[budget]]\nscenario = \"*\"\n{machine}max-latency-ms = 5\n");
        let text = [budget(""), budget("machine = \"linux-*\"\n"), budget("machine = \"macos-*\"\n")].concat();
        let held: Vec<bool> =
            policy_of(&text, "linux-x86_64-avx2-cpu").budgets.iter().map(|one| one.for_this_machine).collect();
        assert_eq!(held, [false, true]);
    }

    #[test]
    fn what_holds_is_written_down_with_who_says_so() {
        let text = "[gate]\nlatency = \"deny\"\n[gate.group.memory]\nfloor-us = 9.0\n\
                    [[rule]]\nlevel = \"allow\"\noperator = \"Gelu\"\nreason = \"r\"\nexpires = \"2026-06-15\"\n\
                    [[rule]]\nlevel = \"allow\"\nreason = \"gone\"\nexpires = \"2026-06-14\"\n\
                    [[budget]]\nscenario = \"bert*\"\nmachine = \"beos-*\"\nmax-latency-ms = 5\n";
        let config = config(text);
        let (rules, _) = in_force(&config, "2026-06-15");
        let policy = Rules(rules).record(&config, signoff::Stated::WhenMeasured);
        let scopes: Vec<&str> = policy.rules.iter().map(|rule| rule.scope.as_str()).collect();
        assert_eq!(scopes, ["*/Gelu"], "what has expired held nothing");
        assert_eq!(policy.severities[&FindingCode::LatencyRegressed], Severity::Error);
        assert_eq!(policy.groups[&crate::taxonomy::Group::Memory].floor_us, Some(9.0));
        assert_eq!(
            policy.budgets[0].machine.as_deref(),
            Some("beos-*"),
            "those for other machines are written down too"
        );
    }

    #[test]
    fn groups_have_thresholds_of_their_own() {
        let text = "[gate]\nmin-effect = 0.3\n[gate.group.normalization]\nmin-effect = 0.1\n\
                    [gate.group.logit-computation]\nfloor-us = 7.0\n";
        let policy = policy_of(text, "here");
        let of = |group| (policy.min_effect_of(group), policy.floor_us_of(group));
        use crate::taxonomy::Group::{LogitComputation, Memory, Normalization};
        assert_eq!(
            [Some(Normalization), Some(LogitComputation), Some(Memory), None].map(of),
            [(0.1, 50.0), (0.3, 7.0), (0.3, 50.0), (0.3, 50.0)]
        );
    }
}
