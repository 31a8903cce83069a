//! What the gate holds against a scenario.

use std::collections::BTreeMap;

use crate::summary::{Clock, Group};

use super::{Budget, FindingCode, Rule, Severity};

/// Thresholds and severities for one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Smallest relative growth of an operator's normalized time that counts, such as 0.10.
    pub min_effect: f64,
    /// Smallest growth in microseconds that counts, after the machine factor: the profiler's clock resolves no less.
    pub floor_us: f64,
    /// The same as a part of the base's latency, where the two sides were measured apart: from day to day, small operators
    /// that wait for memory move by more than any spread between launches tells.
    pub floor_share: f64,
    /// What stands in place of the three above where times are a GPU's own.
    pub gpu: GpuThresholds,
    /// How many standard errors of its ratio a quantity must grow, where its two sides were measured apart.
    pub spread_factor: f64,
    /// Smallest relative growth of the latency that counts, where its two sides were measured apart: nothing is divided
    /// out of it.
    pub max_latency_growth: f64,
    /// Smallest relative change of an operator since the first accept that counts as drift.
    pub min_drift: f64,
    /// Relative spread of the latency between launches beyond which no time is judged.
    pub unstable_spread: f64,
    /// Severities that differ from the codes' own.
    pub severities: BTreeMap<FindingCode, Severity>,
    /// How slower operators count at most where the two sides ran on different CPU models of one machine class: what
    /// differs between two models differs by operator, and no machine factor divides that out.
    pub other_cpu: Severity,
    /// Thresholds of groups that have their own.
    pub groups: BTreeMap<Group, GroupThresholds>,
    /// What else changes how findings count, the last one that is about a finding before all others. They are of this
    /// scenario and in force.
    pub rules: Vec<Rule>,
    /// What the scenario may cost. Several may apply; each is judged.
    pub budgets: Vec<Budget>,
}

/// Thresholds for times that a GPU's own clock took, which is finer and steadier than the host's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GpuThresholds {
    /// See [`Policy::min_effect`].
    pub min_effect: f64,
    /// See [`Policy::floor_us`].
    pub floor_us: f64,
    /// See [`Policy::floor_share`].
    pub floor_share: f64,
}

/// Thresholds of one group of operators, in place of the policy's own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroupThresholds {
    /// See [`Policy::min_effect`].
    pub min_effect: Option<f64>,
    /// See [`Policy::floor_us`].
    pub floor_us: Option<f64>,
}

/// `check` takes the configuration's, which allow for a baseline of another day.
impl Default for Policy {
    fn default() -> Self {
        Policy {
            min_effect: 0.10,
            floor_us: 50.0,
            floor_share: 0.0,
            gpu: GpuThresholds { min_effect: 0.05, floor_us: 3.0, floor_share: 0.0 },
            spread_factor: 5.0,
            max_latency_growth: 0.30,
            min_drift: 0.10,
            unstable_spread: 0.25,
            severities: BTreeMap::new(),
            other_cpu: Severity::Warning,
            groups: BTreeMap::new(),
            rules: Vec::new(),
            budgets: Vec::new(),
        }
    }
}

impl Policy {
    /// What suits two sides measured in turns: smaller effects count, because each pair divides out what the machine
    /// does to it.
    pub fn in_turns() -> Self {
        Policy { min_effect: 0.05, ..Policy::default() }
    }

    /// The thresholds for times of this clock.
    #[must_use]
    pub fn by_clock(&self, clock: Clock) -> Policy {
        match clock {
            Clock::Host | Clock::DeviceSynchronous => self.clone(),
            Clock::DeviceCupti => {
                let GpuThresholds { min_effect, floor_us, floor_share } = self.gpu;
                Policy { min_effect, floor_us, floor_share, ..self.clone() }
            }
        }
    }

    /// The same for sides that were measured apart, the base with this latency in microseconds: no floor but those of
    /// groups is below [`Policy::floor_share`] of it.
    #[must_use]
    pub(super) fn over_latency(&self, base_us: f64) -> Policy {
        Policy { floor_us: self.floor_us.max(self.floor_share * base_us), ..self.clone() }
    }

    /// [`Policy::min_effect`] for an operator of a group.
    pub fn min_effect_of(&self, group: Option<Group>) -> f64 {
        self.own(group).and_then(|own| own.min_effect).unwrap_or(self.min_effect)
    }

    /// [`Policy::floor_us`] for an operator of a group.
    pub fn floor_us_of(&self, group: Option<Group>) -> f64 {
        self.own(group).and_then(|own| own.floor_us).unwrap_or(self.floor_us)
    }

    fn own(&self, group: Option<Group>) -> Option<&GroupThresholds> {
        self.groups.get(&group?)
    }

    /// How findings of a code count where no rule is about them.
    pub fn severity(&self, code: FindingCode) -> Severity {
        self.severities.get(&code).copied().unwrap_or_else(|| code.default_severity())
    }
}
