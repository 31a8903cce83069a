//! The models of a report: what ran is known by its hash, and by where its weights come from.

use super::{Report, ScenarioResult};
use crate::scenario::ModelRef;

/// One model as it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// Its name.
    pub name: String,
    /// SHA-256 of its graph, without external data.
    pub sha256: String,
    /// Where graph and weights come from, in a few words.
    pub origin: String,
    /// Scenarios that ran it.
    pub scenarios: usize,
}

/// Each model that was measured, in the order of the report. One that differs from scenario to scenario (another precision,
/// another size) is listed once a hash.
pub fn models(report: &Report) -> Vec<ModelFacts> {
    let mut models: Vec<ModelFacts> = Vec::new();
    for scenario in &report.scenarios {
        let ScenarioResult::Measured { summary } = &scenario.result else { continue };
        let (name, sha256) = (scenario.scenario.model.name(), &summary.model_sha256);
        match models.iter_mut().find(|known| known.name == name && known.sha256 == *sha256) {
            Some(known) => known.scenarios += 1,
            None => models.push(ModelFacts {
                name: name.to_owned(),
                sha256: sha256.clone(),
                origin: origin(&scenario.scenario.model, summary.synthetic_weights),
                scenarios: 1,
            }),
        }
    }
    models
}

fn origin(model: &ModelRef, synthetic: bool) -> String {
    match (model, synthetic) {
        (ModelRef::Zoo { .. }, _) => "built in, with seeded weights that are made up".to_owned(),
        (ModelRef::File { path, .. }, true) => format!("{}, with seeded weights that are made up", path.display()),
        (ModelRef::File { path, .. }, false) => format!("{}, with the weights stored there", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn a_model_is_listed_once_a_hash() {
        let mut report = fixtures::run();
        let mut again = report.scenarios[0].clone();
        report.scenarios.push(again.clone());
        if let ScenarioResult::Measured { summary } = &mut again.result {
            summary.model_sha256 = "0".repeat(64);
        }
        report.scenarios.push(again);
        let models = models(&report);
        let listed: Vec<(&str, usize)> = models.iter().map(|model| (model.name.as_str(), model.scenarios)).collect();
        assert_eq!(listed, [("bert-base", 2), ("vit-b-16", 1), ("bert-base", 1)]);
    }

    #[test]
    fn where_weights_come_from_is_said_of_each() {
        let file = ModelRef::File { name: "ranker".into(), path: "models/ranker.onnx".into() };
        assert_eq!(origin(&file, false), "models/ranker.onnx, with the weights stored there");
        assert_eq!(origin(&file, true), "models/ranker.onnx, with seeded weights that are made up");
        assert!(origin(&ModelRef::Zoo { name: "gpt2".into() }, true).starts_with("built in"));
    }
}
