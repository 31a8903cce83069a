//! What tests of the verbs' shared parts need of a plan.

use crate::runtime::{Library, Origin, Version};
use crate::scenario::{ModelRef, Optimization, Planned, Precision, Provider, Scenario};

/// A small scenario that nobody runs.
pub(super) fn planned() -> Planned {
    let scenario = Scenario {
        model: ModelRef::Zoo { name: "bert-base".into() },
        provider: Provider::Cpu,
        precision: Precision::Fp32,
        optimization: Optimization::All,
        batch: Some(1),
        sequence: Some(128),
        image: None,
        threads: 1,
        cuda: None,
    };
    Planned {
        id: scenario.id(),
        scenario,
        dimensions: Default::default(),
        inputs: None,
        weights: None,
        budgets: Vec::new(),
    }
}

/// A library that nobody loads.
pub(super) fn library() -> Library {
    let version = Version { major: 1, minor: 31, patch: 1 };
    Library { path: "libonnxruntime.so".into(), version, origin: Origin::Explicit, considered: Vec::new() }
}
