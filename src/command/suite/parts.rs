//! A list of scenarios, and its division over machines.

use crate::config::Measure;
use crate::estimate::Rates;
use crate::report::Listed;
use crate::scenario::{Partition, Planned, Provider, ScenarioId, divide};

use super::super::costs;

/// A list of scenarios, and which part of it this machine measures.
pub(in crate::command) struct Suite {
    whole: Vec<Planned>,
    partition: Option<Partition>,
    /// True where something that is measured along with it runs on a GPU.
    beside_gpu: bool,
}

impl Suite {
    /// The whole, of which `partition` is measured here.
    pub fn new(whole: Vec<Planned>, partition: Option<Partition>) -> Suite {
        Suite { whole, partition, beside_gpu: false }
    }

    /// The same where these scenarios are measured too, as the other side of a comparison.
    pub fn beside(self, others: &[Planned]) -> Suite {
        Suite { beside_gpu: others.iter().any(on_gpu), ..self }
    }

    /// True where something that is measured here runs on a GPU.
    pub fn asks_for_gpu(&self, own: &[Planned]) -> bool {
        self.beside_gpu || own.iter().any(on_gpu)
    }

    /// Every scenario.
    pub fn whole(&self) -> &[Planned] {
        &self.whole
    }

    /// Their ids.
    pub fn ids(&self) -> Vec<ScenarioId> {
        self.whole.iter().map(|planned| planned.id.clone()).collect()
    }

    /// They as a report lists them.
    pub fn listed(&self) -> Vec<Listed> {
        let listed = |planned: &Planned| Listed { id: planned.id.clone(), scenario: planned.scenario.clone() };
        self.whole.iter().map(listed).collect()
    }

    /// The part that is measured here; `None` for all.
    pub fn partition(&self) -> Option<Partition> {
        self.partition
    }

    /// The scenarios of this part, in the order of the whole. Divided by what each takes on a machine that is the same
    /// everywhere, with the effort of the defaults.
    pub fn own(&self) -> Vec<Planned> {
        let Some(partition) = self.partition else { return self.whole.clone() };
        let effort = costs::effort(&Measure::default());
        let seconds = costs::estimates(&self.whole, |planned| Rates::fixed(planned.scenario.threads))
            .into_iter()
            .map(|estimate| estimate.map_or(UNKNOWN_S, |estimate| estimate.measuring_s(&effort)));
        let costs: Vec<(&ScenarioId, f64)> = self.whole.iter().map(|planned| &planned.id).zip(seconds).collect();
        let parts = divide(&costs, partition.of);
        let own = self.whole.iter().zip(parts).filter(|(_, part)| *part == partition.index);
        own.map(|(planned, _)| planned.clone()).collect()
    }
}

/// True for a scenario on a GPU.
pub(super) fn on_gpu(planned: &Planned) -> bool {
    planned.scenario.provider == Provider::Cuda
}

/// What a scenario that cannot be estimated counts for, in seconds.
const UNKNOWN_S: f64 = 10.0;
